//! `GlobalGenerator`: down, residual blocks, up.

use tch::{TchError, Tensor};

use super::{IMAGE_CHANNELS, convolution, grow, growing, normed_convolution, resnet_block};
use crate::config::Generator;
use crate::models::layers::{View, wide};
use crate::models::params::Layout;
use crate::models::tap::tap;

/// Before the stages in the names of taps.
pub const NETWORK: &str = "generator";

/// Position in `model` of residual block `block`.
fn block_key(config: &Generator, block: usize) -> String {
    format!("model.{}", 4 + 3 * config.n_downsample_global + block)
}

/// Position in `model` of growing layer `step`.
fn growing_at(config: &Generator, step: usize) -> usize {
    4 + 3 * config.n_downsample_global + config.n_blocks_global + 3 * step
}

/// Position in `model` of the last convolution, which follows a pad.
fn last_key(config: &Generator) -> String {
    format!("model.{}", 5 + 6 * config.n_downsample_global + config.n_blocks_global)
}

/// Name and shape of every parameter.
pub fn layout(config: &Generator) -> Layout {
    let mut layout = body_layout(config, config.ngf as i64);
    layout.extend(convolution(last_key(config), config.ngf as i64, IMAGE_CHANNELS, 7));
    layout
}

/// The same without the last convolution, at a first width of `ngf`.
pub(super) fn body_layout(config: &Generator, ngf: i64) -> Layout {
    let n = config.n_downsample_global;
    let mut layout = normed_convolution(config, ("model", 1), (IMAGE_CHANNELS, ngf), 7);
    for i in 0..n {
        layout.extend(normed_convolution(config, ("model", 4 + 3 * i), (ngf << i, ngf << (i + 1)), 3));
    }
    for block in 0..config.n_blocks_global {
        layout.extend(resnet_block(config, &block_key(config, block), ngf << n));
    }
    for i in 0..n {
        layout.extend(growing(config, ("model", growing_at(config, i)), (ngf << (n - i), ngf << (n - i - 1))));
    }
    layout
}

/// Names of a forward pass's stages, in order.
pub fn stages(config: &Generator) -> Vec<String> {
    let mut stages = body_stages(config);
    stages.push(last_key(config));
    stages
}

/// The same without the last convolution.
pub(super) fn body_stages(config: &Generator) -> Vec<String> {
    let n = config.n_downsample_global;
    let first = std::iter::once("model.1".to_owned());
    let down = (0..n).map(|i| format!("model.{}", 4 + 3 * i));
    let blocks = (0..config.n_blocks_global).map(|block| block_key(config, block));
    first.chain(down).chain(blocks).chain((0..n).map(|i| format!("model.{}", growing_at(config, i)))).collect()
}

/// An image of the same size, in [-1, 1], float32.
pub fn forward(view: &View<'_>, config: &Generator, x: &Tensor) -> Result<Tensor, TchError> {
    let h = body(view, config, x)?; // [B, ngf, H, W]
    let key = last_key(config);
    let h = view.conv_reflect(&key, &h, 3)?; // [B, 3, H, W]
    tap(NETWORK, format_args!("{key}"), &h);
    h.f_to_kind(wide(view.kind()))?.f_tanh()
}

/// The features under the last convolution: all that a local enhancer keeps of its global branch.
pub(super) fn body(view: &View<'_>, config: &Generator, x: &Tensor) -> Result<Tensor, TchError> {
    let x = x.f_to_kind(view.kind())?;
    let at = |position: usize| format!("model.{position}");
    let mut h = view.norm_relu(&at(2), &view.conv_reflect(&at(1), &x, 3)?)?; // [B, ngf, H, W]
    tap(NETWORK, format_args!("model.1"), &h);
    for i in 0..config.n_downsample_global {
        let position = 4 + 3 * i;
        // [B, 2^(i+1) ngf, H/2^(i+1), W/2^(i+1)]
        h = view.norm_relu(&at(position + 1), &view.conv(&at(position), &h, 2, 1)?)?;
        tap(NETWORK, format_args!("model.{position}"), &h);
    }
    for block in 0..config.n_blocks_global {
        let key = block_key(config, block);
        h = view.resnet_block(&key, &h)?; // [B, 2^n ngf, H/2^n, W/2^n]
        tap(NETWORK, format_args!("{key}"), &h);
    }
    for i in 0..config.n_downsample_global {
        let position = growing_at(config, i);
        // [B, 2^(n-i-1) ngf, ..]
        h = view.norm_relu(&at(position + 1), &grow(view, config.upsample, &at(position), &h)?)?;
        tap(NETWORK, format_args!("model.{position}"), &h);
    }
    Ok(h) // [B, ngf, H, W]
}
