//! Pix2PixHD (Wang et al. 2018): NVIDIA's generators and discriminator, with the reference's state-dict keys.
//!
//! Keys are the positions in the reference's `nn.Sequential`s, where every layer counts: pads, norms, activations.
//! Instance norms have no parameters, so a state dict holds convolutions only, each with a bias. With `norm = "batch"` a
//! generator's norms have four tensors each, right after the convolution they follow. The discriminator's are always
//! instance norms.

pub mod discriminator;
pub mod enhancer;
pub mod fit;
pub mod generator;
pub mod infer;
pub mod pretrained;
pub mod stylist;

use std::borrow::Cow;

use tch::{Device, Kind, TchError, Tensor};

use crate::config::{Discriminator, Generator, GeneratorKind, Norm, Upsample};
use crate::models::init;
use crate::models::layers::View;
use crate::models::params::{Layout, Params};
use crate::models::spectral::{self, Spectral};

/// Channels of a photo and of an illustration.
pub const IMAGE_CHANNELS: i64 = 3;

/// Name and shape of a generator's parameters.
pub fn generator_layout(config: &Generator) -> Layout {
    let layout = match config.kind {
        GeneratorKind::Global => generator::layout(config),
        GeneratorKind::Local => enhancer::layout(config),
    };
    if config.spectral_norm { spectral::rename(layout) } else { layout }
}

/// Name and shape of a discriminator's parameters.
pub fn discriminator_layout(config: &Discriminator) -> Layout {
    let layout = discriminator::layout(config);
    if config.spectral_norm { spectral::rename(layout) } else { layout }
}

/// What height and width must be multiples of.
pub fn multiple(config: &Generator) -> i64 {
    (1 << config.n_downsample_global) * enhancement(config)
}

/// The least height and width: reflection needs more than it pads, an instance norm more than one pixel.
pub fn smallest(config: &Generator) -> i64 {
    (2 << config.n_downsample_global).max(4) * enhancement(config)
}

/// How much larger the output is than the global branch's.
fn enhancement(config: &Generator) -> i64 {
    match config.kind {
        GeneratorKind::Global => 1,
        GeneratorKind::Local => 1 << config.n_local_enhancers,
    }
}

/// One network: parameters, and the power-iteration vectors of spectral normalisation where it is used.
#[derive(Debug)]
pub struct Network {
    /// The trainable tensors.
    pub params: Params,
    spectral: Spectral,
}

impl Network {
    /// A fresh network of this layout, initialised as NVIDIA's `weights_init`, a pure function of `seed` and `name`
    /// (which keeps two networks of one experiment apart).
    pub fn new(layout: &Layout, name: &str, seed: u64, device: Device) -> Result<Self, TchError> {
        let params = Params::build(layout, device, |key, shape| {
            let weight_shape = weight_shape(layout, key).unwrap_or(shape);
            let name = format!("{name}.{key}");
            // A norm's weight is a vector.
            if weight_shape.len() == 1 {
                init::batch_norm(seed, &name, shape)
            } else {
                init::convolution(seed, &name, shape, weight_shape)
            }
        })?;
        Self::with(params, seed)
    }

    /// A network of given parameters.
    pub fn with(params: Params, seed: u64) -> Result<Self, TchError> {
        let spectral = Spectral::new(&params, seed, |key| is_transposed(&params, key))?;
        Ok(Self { params, spectral })
    }

    /// The network as a pass reads it, in `kind`.
    pub fn view(&self, kind: Kind) -> Result<View<'_>, TchError> {
        View::new(&self.params, kind, self.spectral.effective(&self.params)?)
    }

    /// The same for a training step: refines the spectral vectors first, and a pass then moves running statistics.
    pub fn training_view(&mut self, kind: Kind) -> Result<View<'_>, TchError> {
        self.spectral.iterate(&self.params)?;
        Ok(self.view(kind)?.for_training())
    }

    /// Estimate the spectral vectors anew, after the parameters were replaced.
    pub fn refresh_spectral(&mut self) -> Result<(), TchError> {
        self.spectral.settle(&self.params)
    }

    /// The vectors of spectral normalisation.
    pub fn spectral(&self) -> &Spectral {
        &self.spectral
    }

    /// The vectors of spectral normalisation.
    pub fn spectral_mut(&mut self) -> &mut Spectral {
        &mut self.spectral
    }
}

/// The shape of the weight of the layer that `key` belongs to.
fn weight_shape<'a>(layout: &'a Layout, key: &str) -> Option<&'a [i64]> {
    let (stem, _) = key.rsplit_once('.')?;
    let is_weight = |name: &str| name.strip_prefix(stem).is_some_and(|end| end == ".weight" || end == ".weight_orig");
    layout.iter().find(|(name, _)| is_weight(name)).map(|(_, shape)| shape.as_slice())
}

/// Whether a layer is a transposed convolution: the only ones here whose bias does not match dimension 0. (Each halves
/// its channels, so the dimensions always differ.)
fn is_transposed(params: &Params, key: &str) -> bool {
    let shape = |end: &str| params.get(&format!("{key}.{end}")).map(Tensor::size);
    match (shape("weight_orig"), shape("bias")) {
        (Some(weight), Some(bias)) => weight.first() != bias.first(),
        _ => false,
    }
}

/// A convolution's two entries in a layout.
fn convolution(key: impl Into<Cow<'static, str>>, inputs: i64, outputs: i64, kernel: i64) -> Layout {
    let key = key.into();
    vec![(format!("{key}.weight"), vec![outputs, inputs, kernel, kernel]), (format!("{key}.bias"), vec![outputs])]
}

/// A norm's entries: none for an instance norm.
fn norm(norm: Norm, key: &str, width: i64) -> Layout {
    match norm {
        Norm::Instance => Layout::new(),
        Norm::Batch => ["weight", "bias", "running_mean", "running_var"]
            .iter()
            .map(|end| (format!("{key}.{end}"), vec![width]))
            .collect(),
    }
}

/// A convolution at `position` of the sequence `key`, and the norm after it.
fn normed_convolution(config: &Generator, (key, position): (&str, usize), widths: (i64, i64), kernel: i64) -> Layout {
    let (inputs, outputs) = widths;
    let mut layout = convolution(format!("{key}.{position}"), inputs, outputs, kernel);
    layout.extend(norm(config.norm, &format!("{key}.{}", position + 1), outputs));
    layout
}

/// The growing layer at `position` of the sequence `key`, transposed (weights `[in, out, 3, 3]`) or an ordinary
/// convolution after a resize, and the norm after it.
fn growing(config: &Generator, (key, position): (&str, usize), (inputs, outputs): (i64, i64)) -> Layout {
    let shape = match config.upsample {
        Upsample::Transposed => vec![inputs, outputs, 3, 3],
        Upsample::Resize => vec![outputs, inputs, 3, 3],
    };
    let layer = format!("{key}.{position}");
    let mut layout = vec![(format!("{layer}.weight"), shape), (format!("{layer}.bias"), vec![outputs])];
    layout.extend(norm(config.norm, &format!("{key}.{}", position + 1), outputs));
    layout
}

/// `[B, in, H, W]` → `[B, out, 2H, 2W]`.
fn grow(view: &View<'_>, upsample: Upsample, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
    match upsample {
        Upsample::Transposed => view.conv_transpose(key, x),
        Upsample::Resize => {
            let (_, _, h, w) = x.size4()?;
            view.conv_reflect(key, &x.f_upsample_nearest2d([2 * h, 2 * w], None, None)?, 1)
        }
    }
}

/// Both convolutions of a residual block, and their norms.
fn resnet_block(config: &Generator, key: &str, width: i64) -> Layout {
    let block = format!("{key}.conv_block");
    let mut layout = normed_convolution(config, (&block, 1), (width, width), 3);
    layout.extend(normed_convolution(config, (&block, 5), (width, width), 3));
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::params::count;

    #[test]
    fn parameter_counts_are_nvidias() {
        let global = Generator::default();
        assert_eq!(count(&generator_layout(&global)), 182_443_267);
        let coarse = Generator { n_downsample_global: 3, ..Generator::default() };
        assert_eq!(count(&generator_layout(&coarse)), 45_593_347);
        let local = Generator { kind: GeneratorKind::Local, ngf: 32, ..Generator::default() };
        assert_eq!(count(&generator_layout(&local)), 182_701_827);
        assert_eq!(count(&discriminator_layout(&Discriminator::default())), 5_535_618);
    }

    #[test]
    fn keys_are_the_references_positions() {
        let keys = |config: &Generator| -> Vec<String> {
            generator_layout(config)
                .into_iter()
                .filter_map(|(n, _)| n.strip_suffix(".weight").map(str::to_owned))
                .collect()
        };
        let global = keys(&Generator::default());
        assert_eq!(global[..5], ["model.1", "model.4", "model.7", "model.10", "model.13"]);
        assert_eq!(global[5..7], ["model.16.conv_block.1", "model.16.conv_block.5"]);
        assert_eq!(
            global[22..],
            ["model.24.conv_block.5", "model.25", "model.28", "model.31", "model.34", "model.38"][..]
        );
        let local = keys(&Generator { kind: GeneratorKind::Local, ngf: 32, ..Generator::default() });
        assert_eq!(local[26..29], ["model.34", "model1_1.1", "model1_1.4"]);
        assert_eq!(local[local.len() - 2..], ["model1_2.3", "model1_2.7"]);
    }

    #[test]
    fn sizes_that_the_networks_need() {
        let local = Generator { kind: GeneratorKind::Local, ..Generator::default() };
        assert_eq!((multiple(&Generator::default()), multiple(&local)), (16, 32));
        assert_eq!((smallest(&Generator::default()), smallest(&local)), (32, 64));
    }

    #[test]
    fn every_kind_of_generator_keeps_the_size_at_the_smallest_one() {
        for kind in [GeneratorKind::Global, GeneratorKind::Local] {
            for upsample in [Upsample::Transposed, Upsample::Resize] {
                for (spectral_norm, n_local_enhancers, n_downsample_global) in
                    [(false, 2, 0), (true, 1, 1), (false, 1, 2)]
                {
                    let config = Generator {
                        kind,
                        upsample,
                        spectral_norm,
                        n_local_enhancers,
                        n_downsample_global,
                        ngf: 2,
                        n_blocks_global: 1,
                        n_blocks_local: 1,
                        ..Generator::default()
                    };
                    let network = Network::new(&generator_layout(&config), "generator", 1, Device::Cpu).unwrap();
                    let (h, w) = (smallest(&config), smallest(&config) + multiple(&config));
                    let x = init::symmetric(1, "x", &[2, 3, h, w], 1.0).unwrap();
                    for precision in [Kind::Float, Kind::BFloat16] {
                        let view = network.view(precision).unwrap();
                        let y = fit::generate(&view, &config, &x, enhancer::Gradients::All).unwrap();
                        assert_eq!((y.size(), y.kind()), (vec![2, 3, h, w], Kind::Float), "{config:?}");
                        assert!(f64::try_from(y.abs().max()).unwrap() <= 1.0);
                    }
                }
            }
        }
    }
}
