//! Names and directions of held-out metrics.

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
}
