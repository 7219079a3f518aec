//! `ResnetBlock2D`.

use tch::{TchError, Tensor};

use super::{convolution, linear, norm};
use crate::models::params::Layout;
use crate::models::stable_diffusion::net::Net;

/// The settings of its two norms.
#[derive(Debug, Clone, Copy)]
pub struct Norms {
    /// Groups of both norms.
    pub groups: i64,
    /// Of both norms.
    pub eps: f64,
}

/// Its entries. `time` is the width of the time embedding, where it takes one.
pub fn layout(key: &str, inputs: i64, outputs: i64, time: Option<i64>) -> Layout {
    let mut layout = norm(&format!("{key}.norm1"), inputs);
    layout.extend(convolution(&format!("{key}.conv1"), inputs, outputs, 3));
    if let Some(time) = time {
        layout.extend(linear(&format!("{key}.time_emb_proj"), time, outputs));
    }
    layout.extend(norm(&format!("{key}.norm2"), outputs));
    layout.extend(convolution(&format!("{key}.conv2"), outputs, outputs, 3));
    if inputs != outputs {
        layout.extend(convolution(&format!("{key}.conv_shortcut"), inputs, outputs, 1));
    }
    layout
}

/// `[B, in, H, W]` → `[B, out, H, W]`. `time` is `[B, T]`, activated already.
pub fn forward(
    net: &Net<'_>,
    key: &str,
    x: &Tensor,
    time: Option<&Tensor>,
    Norms { groups, eps }: Norms,
) -> Result<Tensor, TchError> {
    let at = |part: &str| format!("{key}.{part}");
    let mut h = net.conv(&at("conv1"), &net.group_norm_silu(&at("norm1"), x, groups, eps)?, 1, 1)?;
    if let Some(time) = time {
        let shift = net.linear(&at("time_emb_proj"), time)?.f_unsqueeze(-1)?.f_unsqueeze(-1)?; // [B, out, 1, 1]
        h = h.f_add(&shift)?;
    }
    let h = net.conv(&at("conv2"), &net.group_norm_silu(&at("norm2"), &h, groups, eps)?, 1, 1)?;
    let shortcut = at("conv_shortcut");
    if net.get(&format!("{shortcut}.weight")).is_ok() {
        return net.conv(&shortcut, x, 1, 0)?.f_add(&h);
    }
    x.f_add(&h)
}
