//! What UNet and autoencoder are built of: for each piece its layout, and its forward pass.

pub mod attention;
pub mod resnet;
pub mod transformer;

use tch::{TchError, Tensor};

use super::net::Net;
use crate::models::params::Layout;

/// A convolution's two entries in a layout.
pub fn convolution(key: &str, inputs: i64, outputs: i64, kernel: i64) -> Layout {
    vec![(format!("{key}.weight"), vec![outputs, inputs, kernel, kernel]), (format!("{key}.bias"), vec![outputs])]
}

/// A linear layer's two entries.
pub fn linear(key: &str, inputs: i64, outputs: i64) -> Layout {
    vec![(format!("{key}.weight"), vec![outputs, inputs]), (format!("{key}.bias"), vec![outputs])]
}

/// A norm's two entries.
pub fn norm(key: &str, width: i64) -> Layout {
    vec![(format!("{key}.weight"), vec![width]), (format!("{key}.bias"), vec![width])]
}

/// Nearest neighbours, then a 3x3 convolution: `[B, C, h, w]` → `[B, C, to]`.
pub fn upsample(net: &Net<'_>, key: &str, x: &Tensor, to: [i64; 2]) -> Result<Tensor, TchError> {
    net.conv(key, &x.f_upsample_nearest2d(to, None, None)?, 1, 1)
}
