//! Multi-head attention.

use tch::{TchError, Tensor};

use super::linear;
use crate::models::params::Layout;
use crate::models::stable_diffusion::net::Net;

/// diffusers' `Attention` as the UNet has it: queries, keys and values without a bias.
pub fn layout(key: &str, width: i64, context: i64) -> Layout {
    let bare = |part: &str, inputs: i64| (format!("{key}.{part}.weight"), vec![width, inputs]);
    let mut layout = vec![bare("to_q", width), bare("to_k", context), bare("to_v", context)];
    layout.extend(linear(&format!("{key}.to_out.0"), width, width));
    layout
}

/// `[B, N, C]` attending to `[B, M, D]` → `[B, N, C]`.
pub fn forward(net: &Net<'_>, key: &str, x: &Tensor, context: &Tensor, heads: i64) -> Result<Tensor, TchError> {
    let at = |part: &str| format!("{key}.{part}");
    let query = net.linear(&at("to_q"), x)?;
    let (keys, values) = (net.linear(&at("to_k"), context)?, net.linear(&at("to_v"), context)?);
    net.linear(&at("to_out.0"), &attend(&query, &keys, &values, heads, false)?)
}

/// Softmax of the scaled products, head by head: `[B, N, C]` and twice `[B, M, C]` → `[B, N, C]`. `causal`: no token
/// sees those after it.
pub fn attend(query: &Tensor, keys: &Tensor, values: &Tensor, heads: i64, causal: bool) -> Result<Tensor, TchError> {
    let (batch, tokens, width) = query.size3()?;
    let split = |x: &Tensor| -> Result<Tensor, TchError> {
        x.f_view([batch, -1, heads, width / heads])?.f_transpose(1, 2) // [B, heads, N, C/heads]
    };
    let none = None::<&Tensor>;
    let (query, keys, values) = (split(query)?, split(keys)?, split(values)?);
    let y = Tensor::f_scaled_dot_product_attention(&query, &keys, &values, none, 0.0, causal, None, false)?;
    y.f_transpose(1, 2)?.f_reshape([batch, tokens, width])
}
