//! `LocalEnhancer`: a global generator on the shrunken image, and enhancers that each double its size.

use tch::{TchError, Tensor};

use super::{IMAGE_CHANNELS, convolution, generator, grow, growing, resnet_block};
use crate::config::Generator;
use crate::models::layers::{View, downsample, norm_relu, wide};
use crate::models::params::Layout;

/// What a forward pass keeps a graph of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gradients {
    /// Every parameter.
    All,
    /// The last enhancer alone: the first `niter_fix_global` epochs.
    LastEnhancer,
}

/// The keys that are trained while the rest is fixed start with this (the reference: `model` + number of enhancers).
pub fn trained_prefix(config: &Generator) -> String {
    format!("model{}_", config.n_local_enhancers)
}

/// Filters of enhancer `n` of 1..=N: the last has `ngf`, each one before it twice as many.
fn width(config: &Generator, n: usize) -> i64 {
    (config.ngf as i64) << (config.n_local_enhancers - n)
}

/// Name and shape of every parameter, in the reference's order: `model`, `model1_1`, `model1_2`, `model2_1`, ...
pub fn layout(config: &Generator) -> Layout {
    let mut layout = generator::body_layout(config, (config.ngf as i64) << config.n_local_enhancers);
    for n in 1..=config.n_local_enhancers {
        let (width, blocks) = (width(config, n), config.n_blocks_local);
        layout.extend(convolution(format!("model{n}_1.1"), IMAGE_CHANNELS, width, 7));
        layout.extend(convolution(format!("model{n}_1.4"), width, 2 * width, 3));
        for block in 0..blocks {
            layout.extend(resnet_block(&format!("model{n}_2.{block}"), 2 * width));
        }
        layout.extend(growing(format!("model{n}_2.{blocks}"), config.upsample, 2 * width, width));
    }
    layout.extend(convolution(last_key(config), config.ngf as i64, IMAGE_CHANNELS, 7));
    layout
}

fn last_key(config: &Generator) -> String {
    format!("model{}_2.{}", config.n_local_enhancers, config.n_blocks_local + 4)
}

/// An image of the same size, in [-1, 1], float32.
pub fn forward(view: &View<'_>, config: &Generator, x: &Tensor, gradients: Gradients) -> Result<Tensor, TchError> {
    let count = config.n_local_enhancers;
    let mut pyramid = vec![x.f_to_kind(view.kind())?]; // [B, 3, H/2^i, W/2^i]
    for level in 0..count {
        pyramid.push(downsample(&pyramid[level])?);
    }
    let coarse = || -> Result<Tensor, TchError> {
        let mut h = generator::body(view, config, &pyramid[count])?; // [B, 2^N ngf, H/2^N, W/2^N]
        for n in 1..count {
            h = enhance(view, config, n, &pyramid[count - n], &h)?; // [B, 2^(N-n) ngf, H/2^(N-n), W/2^(N-n)]
        }
        Ok(h)
    };
    let h = match gradients {
        Gradients::All => coarse()?,
        Gradients::LastEnhancer => tch::no_grad(coarse)?,
    };
    let h = enhance(view, config, count, &pyramid[0], &h)?; // [B, ngf, H, W]
    let h = view.conv_reflect(&last_key(config), &h, 3)?; // [B, 3, H, W]
    h.f_to_kind(wide(view.kind()))?.f_tanh()
}

/// Enhancer `n`: features of the image at this size, halved, plus those from below, doubled.
fn enhance(view: &View<'_>, config: &Generator, n: usize, x: &Tensor, below: &Tensor) -> Result<Tensor, TchError> {
    let h = norm_relu(&view.conv_reflect(&format!("model{n}_1.1"), x, 3)?)?; // [B, c, H, W]
    let h = norm_relu(&view.conv(&format!("model{n}_1.4"), &h, 2, 1)?)?; // [B, 2c, H/2, W/2]
    let mut h = h.f_add(below)?;
    for block in 0..config.n_blocks_local {
        h = view.resnet_block(&format!("model{n}_2.{block}"), &h)?;
    }
    norm_relu(&grow(view, config.upsample, &format!("model{n}_2.{}", config.n_blocks_local), &h)?) // [B, c, H, W]
}
