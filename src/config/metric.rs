//! Names and directions of held-out metrics.

use serde::Deserialize as _;
use serde::de::value::{Error, StrDeserializer};

use super::Metric;

impl Metric {
    /// The name in a config and in series: `val/<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::Mse => "mse",
            Self::Psnr => "psnr",
            Self::Ssim => "ssim",
        }
    }

    /// Whether more is better.
    pub fn higher_is_better(self) -> bool {
        matches!(self, Self::Psnr | Self::Ssim)
    }

    /// The metric that a series holds: `val/l1`. Other series, such as the baseline `val/identity_l1`, hold none.
    pub fn of_series(series: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<Error>::new(series.strip_prefix("val/")?)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_of_the_metric_whose_name_it_ends_in() {
        for metric in [Metric::L1, Metric::Mse, Metric::Psnr, Metric::Ssim] {
            assert_eq!(Metric::of_series(&format!("val/{}", metric.name())), Some(metric));
        }
        for series in ["val/identity_l1", "val/", "l1", "loss/l1"] {
            assert_eq!(Metric::of_series(series), None, "{series}");
        }
    }
}
