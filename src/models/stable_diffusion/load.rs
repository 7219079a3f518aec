//! Models from disk: a diffusers folder, or a single checkpoint file of the original code.
//!
//! Files are mapped, and each tensor is checked, cast and moved as it is read. Strict: everything that is missing, too
//! much, misshapen or not finite is named.

pub(super) mod folder;
pub mod ldm;
mod part;
mod single;

use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError};

use super::StableDiffusion;
use super::clip::TextEncoder;
use super::config::{ConfigError, TextConfig, UNetConfig, VaeConfig};
use super::unet::UNet;
use super::vae::Vae;
use crate::models::params::Params;
use crate::models::weights::WeightsError;

/// Why a model could not be loaded. The file or folder comes first in every message.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A config that describes no network known here.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file that could not be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Files that can be read, and are not this model.
    #[error("{}: {what}", .path.display())]
    Unfit {
        /// The file or folder.
        path: PathBuf,
        /// What does not fit, and what to do.
        what: String,
    },
    /// libtorch refused.
    #[error("{}: libtorch: {cause}", .path.display())]
    Torch {
        /// What was being loaded.
        path: PathBuf,
        /// What libtorch said.
        cause: TchError,
    },
}

impl LoadError {
    fn unfit(path: &Path, what: impl Into<String>) -> Self {
        Self::Unfit { path: path.to_owned(), what: what.into() }
    }

    fn torch(path: &Path) -> impl Fn(TchError) -> Self {
        move |cause| Self::Torch { path: path.to_owned(), cause }
    }
}

/// The kinds to keep the networks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Of the UNet.
    pub unet: Kind,
    /// Of the autoencoder. In float16 the published weights overflow.
    pub vae: Kind,
    /// Of the text encoder.
    pub text: Kind,
}

impl Kinds {
    /// One for all.
    pub fn all(kind: Kind) -> Self {
        Self { unet: kind, vae: kind, text: kind }
    }
}

/// What the three networks are.
#[derive(Debug, Clone, PartialEq)]
pub struct Configs {
    /// The UNet.
    pub unet: UNetConfig,
    /// The autoencoder.
    pub vae: VaeConfig,
    /// The text encoder.
    pub text: TextConfig,
}

impl Configs {
    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self { unet: UNetConfig::sd15(), vae: VaeConfig::sd15(), text: TextConfig::sd15() }
    }
}

/// A diffusers folder, or a `.safetensors` or `.ckpt` file of Stable Diffusion 1.
pub fn open(path: &Path, kinds: Kinds, device: Device) -> Result<StableDiffusion, LoadError> {
    if path.is_dir() {
        return folder::open(path, kinds, device);
    }
    if !path.exists() {
        return Err(LoadError::unfit(path, "there is no such file or folder"));
    }
    open_file(path, Configs::sd15(), kinds, device)
}

/// A single file of networks of other sizes: it does not say them itself.
pub fn open_file(path: &Path, configs: Configs, kinds: Kinds, device: Device) -> Result<StableDiffusion, LoadError> {
    single::open(path, configs, kinds, device)
}

/// The networks put together, if they are of one model.
fn assemble(
    path: &Path,
    configs: Configs,
    [unet, vae, text]: [Params; 3],
    scheduler: serde_json::Value,
    tokenizer: Option<PathBuf>,
) -> Result<StableDiffusion, LoadError> {
    let (reads, gives) = (configs.unet.cross_attention_dim, configs.text.hidden_size);
    if reads != gives {
        let what = format!("the UNet reads text of {reads} numbers a token, the text encoder gives {gives}");
        return Err(LoadError::unfit(path, what));
    }
    let (predicts, latents) = (configs.unet.out_channels, configs.vae.latent_channels);
    if predicts != latents {
        let what = format!("the UNet predicts {predicts} channels, the autoencoder's latents have {latents}");
        return Err(LoadError::unfit(path, what));
    }
    let torch = LoadError::torch(path);
    Ok(StableDiffusion {
        unet: UNet::new(configs.unet, unet).map_err(&torch)?,
        vae: Vae::new(configs.vae, vae).map_err(&torch)?,
        text: TextEncoder::new(configs.text, text).map_err(&torch)?,
        scheduler,
        tokenizer,
        source: path.to_owned(),
    })
}
