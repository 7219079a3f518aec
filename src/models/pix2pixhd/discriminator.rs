//! `MultiscaleDiscriminator`: the same patch discriminator on ever smaller images, with its features
//! (`getIntermFeat`, the reference's default).

use tch::{TchError, Tensor};

use super::{IMAGE_CHANNELS, convolution};
use crate::config::Discriminator;
use crate::models::layers::{View, downsample, instance_norm};
use crate::models::params::Layout;
use crate::models::tap::tap;

/// Before the stages in the names of taps.
pub const NETWORK: &str = "discriminator";

/// Kernel 4, padding ceil((4 - 1) / 2).
const PADDING: i64 = 2;
/// Filters stop doubling here.
const WIDEST: i64 = 512;

/// Output channels of layer `j` of `0..n_layers + 2`.
fn width(config: &Discriminator, j: usize) -> i64 {
    let ndf = config.ndf as i64;
    if j == 0 {
        ndf
    } else if j == config.n_layers + 1 {
        1
    } else {
        // min(2^j ndf, 512), but a first width above 512 shrinks to it, as in the reference.
        (1..=j).fold(ndf, |width, _| (2 * width).min(WIDEST))
    }
}

/// Name and shape of every parameter. The highest scale number sees the full image.
pub fn layout(config: &Discriminator) -> Layout {
    let mut layout = Layout::new();
    for scale in 0..config.num_d {
        let mut inputs = 2 * IMAGE_CHANNELS;
        for j in 0..config.n_layers + 2 {
            layout.extend(convolution(format!("scale{scale}_layer{j}.0"), inputs, width(config, j), 4));
            inputs = width(config, j);
        }
    }
    layout
}

/// Names of a forward pass's stages, in order.
pub fn stages(config: &Discriminator) -> Vec<String> {
    let scales = (0..config.num_d).rev();
    scales.flat_map(|scale| (0..config.n_layers + 2).map(move |j| format!("scale{scale}_layer{j}"))).collect()
}

/// For `[B, 6, H, W]` (photo and illustration): by scale, the full image first, every layer's output; the last of each
/// is the prediction map. In the view's precision.
pub fn forward(view: &View<'_>, config: &Discriminator, x: &Tensor) -> Result<Vec<Vec<Tensor>>, TchError> {
    let mut x = x.f_to_kind(view.kind())?;
    let mut scales = Vec::with_capacity(config.num_d);
    for i in 0..config.num_d {
        if i > 0 {
            x = downsample(&x)?; // [B, 6, H/2^i, W/2^i]
        }
        scales.push(patches(view, config, config.num_d - 1 - i, &x)?);
    }
    Ok(scales)
}

fn patches(view: &View<'_>, config: &Discriminator, scale: usize, x: &Tensor) -> Result<Vec<Tensor>, TchError> {
    let layer = |j: usize, x: &Tensor, stride| view.conv(&format!("scale{scale}_layer{j}.0"), x, stride, PADDING);
    let mut features = vec![view.leaky_relu(&layer(0, x, 2)?)?]; // [B, ndf, H/2 + 1, W/2 + 1]
    for j in 1..=config.n_layers {
        let stride = if j < config.n_layers { 2 } else { 1 };
        let h = instance_norm(&layer(j, &features[j - 1], stride)?)?;
        features.push(view.leaky_relu(&h)?); // [B, min(2^j ndf, 512), ..], halved but for the last, which grows by 1
    }
    let last = layer(config.n_layers + 1, &features[config.n_layers], 1)?; // [B, 1, ..]
    features.push(last);
    for (j, feature) in features.iter().enumerate() {
        tap(NETWORK, format_args!("scale{scale}_layer{j}"), feature);
    }
    Ok(features)
}
