//! Names and directions of held-out metrics.

use serde::Deserialize as _;
use serde::de::value::{Error, StrDeserializer};

use super::Metric;

impl Metric {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::L1,
        Self::Mse,
        Self::Psnr,
        Self::Ssim,
        Self::MsSsim,
        Self::LpipsAlex,
        Self::LpipsVgg,
        Self::LpipsSqueeze,
        Self::Fid,
        Self::FidClean,
        Self::Kid,
    ];

    /// The name in a config and in series: `val/<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::Mse => "mse",
            Self::Psnr => "psnr",
            Self::Ssim => "ssim",
            Self::MsSsim => "ms-ssim",
            Self::LpipsAlex => "lpips-alex",
            Self::LpipsVgg => "lpips-vgg",
            Self::LpipsSqueeze => "lpips-squeeze",
            Self::Fid => "fid",
            Self::FidClean => "fid-clean",
            Self::Kid => "kid",
        }
    }

    /// The metric of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<Error>::new(name)).ok()
    }

    /// Whether it compares two sets of images, and has no value for one image.
    pub fn is_of_sets(self) -> bool {
        matches!(self, Self::Fid | Self::FidClean | Self::Kid)
    }

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::Psnr | Self::Ssim | Self::MsSsim)
    }

    /// The metric that a series holds: `val/l1`. Other series, such as the baseline `val/identity_l1`, hold none.
    pub fn of_series(series: &str) -> Option<Self> {
        Self::of_name(series.strip_prefix("val/")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_of_the_metric_whose_name_it_ends_in() {
        for metric in Metric::ALL {
            assert_eq!(Metric::of_series(&format!("val/{}", metric.name())), Some(metric));
        }
        for series in ["val/identity_l1", "val/", "l1", "loss/l1"] {
            assert_eq!(Metric::of_series(series), None, "{series}");
        }
    }
}
