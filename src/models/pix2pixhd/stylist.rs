//! A trained generator, ready to stylise.

use tch::{Device, Kind, TchError, Tensor};

use super::enhancer::Gradients;
use super::{Network, fit, generator_layout, infer, pretrained, smallest};
use crate::config::Generator;
use crate::models::params::{Layout, Params, ParamsError, drop_baggage};

/// A generator without its training.
#[derive(Debug)]
pub struct Stylist {
    network: Network,
    config: Generator,
    kind: Kind,
}

/// Why weights do not make a generator.
#[derive(Debug, thiserror::Error)]
pub enum StylistError {
    /// No generator in them.
    #[error("{0}")]
    Unknown(String),
    /// A generator, but not the one that was asked for.
    #[error("{0}")]
    Unfit(#[from] ParamsError),
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

impl Stylist {
    /// A generator from its tensors: NVIDIA's keys, a checkpoint's (`generator.`, with `ema` its moving average), or
    /// wrapped for several GPUs. Without a `config` the architecture is read off the shapes.
    pub fn new(
        tensors: Vec<(String, Tensor)>,
        config: Option<&Generator>,
        ema: bool,
        device: Device,
        kind: Kind,
    ) -> Result<Self, StylistError> {
        let tensors = pretrained::generator_tensors(tensors, ema).map_err(StylistError::Unknown)?;
        let (parameters, vectors) = pretrained::split_spectral(drop_baggage(tensors).0);
        let layout: Layout = parameters.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
        let config = match config {
            Some(config) => config.clone(),
            None => infer::generator(&layout).map_err(StylistError::Unknown)?,
        };
        let params = Params::from_tensors(&generator_layout(&config), &parameters, device)?;
        let mut network = Network::with(params, 0)?;
        if config.spectral_norm && !vectors.is_empty() {
            network.spectral_mut().load_state(&vectors).map_err(StylistError::Unknown)?;
        }
        Ok(Self { network, config, kind })
    }

    /// What it is, in NVIDIA's option names.
    pub fn describe(&self) -> String {
        infer::describe(&self.config)
    }

    /// Images smaller than this are padded, so smaller tiles are of no use.
    pub fn smallest_tile(&self) -> i64 {
        smallest(&self.config)
    }

    /// Stylise images `[B, 3, H, W]` in [-1, 1] of any size: same size and range, float32.
    pub fn stylise(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        fit::generate(&self.network.view(self.kind)?, &self.config, x, Gradients::All)
    }
}
