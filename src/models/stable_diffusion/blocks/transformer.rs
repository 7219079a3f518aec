//! `Transformer2DModel`: pixels as tokens that attend to each other and to the text.

use tch::{TchError, Tensor};

use super::{attention, convolution, linear, norm};
use crate::models::params::Layout;
use crate::models::stable_diffusion::config::UNetConfig;
use crate::models::stable_diffusion::net::Net;

/// Not the UNet's `norm_eps`: diffusers fixes both.
const GROUP_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// Its shape, without its key.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Attention heads.
    pub heads: i64,
    /// Groups of the norm before it.
    pub groups: i64,
    /// Transformer blocks.
    pub blocks: usize,
    /// Whether the projections around it are linear layers.
    pub linear: bool,
}

impl Shape {
    /// Of a level.
    pub fn of(config: &UNetConfig, level: usize) -> Self {
        Self {
            heads: config.heads[level],
            groups: config.norm_num_groups,
            blocks: config.transformer_layers,
            linear: config.use_linear_projection,
        }
    }
}

/// Its entries, for pixels of `width` and a text of `context` numbers a token.
pub fn layout(key: &str, width: i64, context: i64, shape: Shape) -> Layout {
    let projection = |part: &str| {
        let key = format!("{key}.{part}");
        if shape.linear { linear(&key, width, width) } else { convolution(&key, width, width, 1) }
    };
    let mut layout = norm(&format!("{key}.norm"), width);
    layout.extend(projection("proj_in"));
    for block in 0..shape.blocks {
        let at = |part: &str| format!("{key}.transformer_blocks.{block}.{part}");
        layout.extend(norm(&at("norm1"), width));
        layout.extend(attention::layout(&at("attn1"), width, width));
        layout.extend(norm(&at("norm2"), width));
        layout.extend(attention::layout(&at("attn2"), width, context));
        layout.extend(norm(&at("norm3"), width));
        layout.extend(linear(&at("ff.net.0.proj"), width, 8 * width));
        layout.extend(linear(&at("ff.net.2"), 4 * width, width));
    }
    layout.extend(projection("proj_out"));
    layout
}

/// `[B, C, H, W]` attending to itself and to `[B, 77, D]` → the same shape.
pub fn forward(net: &Net<'_>, key: &str, x: &Tensor, context: &Tensor, shape: Shape) -> Result<Tensor, TchError> {
    let (batch, width, rows, columns) = x.size4()?;
    let tokens = |x: &Tensor| x.f_permute([0, 2, 3, 1])?.f_reshape([batch, rows * columns, width]); // [B, HW, C]
    let pixels = |h: &Tensor| h.f_view([batch, rows, columns, width])?.f_permute([0, 3, 1, 2]);
    let (into, out) = (format!("{key}.proj_in"), format!("{key}.proj_out"));
    let h = net.group_norm(&format!("{key}.norm"), x, shape.groups, GROUP_NORM_EPS)?;
    let mut h = if shape.linear { net.linear(&into, &tokens(&h)?)? } else { tokens(&net.conv(&into, &h, 1, 0)?)? };
    for block in 0..shape.blocks {
        h = self::block(net, &format!("{key}.transformer_blocks.{block}"), &h, context, shape.heads)?;
    }
    let h = if shape.linear { pixels(&net.linear(&out, &h)?)? } else { net.conv(&out, &pixels(&h)?, 1, 0)? };
    x.f_add(&h)
}

/// `BasicTransformerBlock`: attention to itself, attention to the text, a gated MLP; each normalised before and added.
fn block(net: &Net<'_>, key: &str, x: &Tensor, context: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    let at = |part: &str| format!("{key}.{part}");
    let normed = |part: &str, x: &Tensor| net.layer_norm(&at(part), x, LAYER_NORM_EPS);
    let h = normed("norm1", x)?;
    let x = x.f_add(&attention::forward(net, &at("attn1"), &h, &h, heads)?)?;
    let x = x.f_add(&attention::forward(net, &at("attn2"), &normed("norm2", &x)?, context, heads)?)?;
    let gated = net.linear(&at("ff.net.0.proj"), &normed("norm3", &x)?)?.f_chunk(2, -1)?; // twice [B, N, 4C]
    let h = gated[0].f_mul(&gated[1].f_gelu("none")?)?;
    x.f_add(&net.linear(&at("ff.net.2"), &h)?)
}
