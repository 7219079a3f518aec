//! `LocalEnhancer`: a global generator on the shrunken image, and enhancers that each double its size.

use tch::{TchError, Tensor};

use super::{IMAGE_CHANNELS, convolution, generator, grow, growing, normed_convolution, resnet_block};
use crate::config::Generator;
use crate::models::layers::{View, downsample, wide};
use crate::models::params::Layout;
use crate::models::tap::tap;

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
        let (down, up) = (format!("model{n}_1"), format!("model{n}_2"));
        layout.extend(normed_convolution(config, (&down, 1), (IMAGE_CHANNELS, width), 7));
        layout.extend(normed_convolution(config, (&down, 4), (width, 2 * width), 3));
        for block in 0..blocks {
            layout.extend(resnet_block(config, &format!("{up}.{block}"), 2 * width));
        }
        layout.extend(growing(config, (&up, blocks), (2 * width, width)));
    }
    layout.extend(convolution(last_key(config), config.ngf as i64, IMAGE_CHANNELS, 7));
    layout
}

fn last_key(config: &Generator) -> String {
    format!("model{}_2.{}", config.n_local_enhancers, config.n_blocks_local + 4)
}

/// Names of a forward pass's stages, in order.
pub fn stages(config: &Generator) -> Vec<String> {
    let mut stages = generator::body_stages(config);
    for n in 1..=config.n_local_enhancers {
        stages.extend([1, 4].map(|position| format!("model{n}_1.{position}")));
        stages.extend((0..=config.n_blocks_local).map(|position| format!("model{n}_2.{position}")));
    }
    stages.push(last_key(config));
    stages
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
    let key = last_key(config);
    let h = view.conv_reflect(&key, &h, 3)?; // [B, 3, H, W]
    tap(generator::NETWORK, format_args!("{key}"), &h);
    h.f_to_kind(wide(view.kind()))?.f_tanh()
}

/// Enhancer `n`: features of the image at this size, halved, plus those from below, doubled.
fn enhance(view: &View<'_>, config: &Generator, n: usize, x: &Tensor, below: &Tensor) -> Result<Tensor, TchError> {
    let down = |position: usize| format!("model{n}_1.{position}");
    let up = |position: usize| format!("model{n}_2.{position}");
    let h = view.norm_relu(&down(2), &view.conv_reflect(&down(1), x, 3)?)?; // [B, c, H, W]
    tap(generator::NETWORK, format_args!("model{n}_1.1"), &h);
    let h = view.norm_relu(&down(5), &view.conv(&down(4), &h, 2, 1)?)?; // [B, 2c, H/2, W/2]
    tap(generator::NETWORK, format_args!("model{n}_1.4"), &h);
    let mut h = h.f_add(below)?;
    let blocks = config.n_blocks_local;
    for block in 0..blocks {
        h = view.resnet_block(&up(block), &h)?;
        tap(generator::NETWORK, format_args!("model{n}_2.{block}"), &h);
    }
    let h = view.norm_relu(&up(blocks + 1), &grow(view, config.upsample, &up(blocks), &h)?)?; // [B, c, H, W]
    tap(generator::NETWORK, format_args!("model{n}_2.{blocks}"), &h);
    Ok(h)
}
