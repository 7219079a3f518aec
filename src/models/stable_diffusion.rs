//! Stable Diffusion 1 (Rombach et al. 2022): UNet, autoencoder and text encoder with diffusers' and transformers'
//! state-dict keys, of any size that their `config.json` files describe.
//!
//! The networks are frozen and may be bfloat16; what is trained is float32 and stands beside them ([`lora`]). Every cast
//! is explicit: group norms compute in float32, the rest in the network's kind, and what leaves a network is float32.

pub mod blocks;
pub mod clip;
pub mod config;
pub mod load;
pub mod lora;
pub mod lora_file;
pub mod merge;
pub mod net;
pub mod pipeline;
pub mod scheduler;
pub mod tokenizer;
pub mod unet;
pub mod vae;

use std::path::PathBuf;

use clip::TextEncoder;
use unet::UNet;
use vae::Vae;

/// A whole model.
#[derive(Debug)]
pub struct StableDiffusion {
    /// Predicts the noise.
    pub unet: UNet,
    /// Between images and latents.
    pub vae: Vae,
    /// Between tokens and what the `UNet` attends to.
    pub text: TextEncoder,
    /// `scheduler_config.json`.
    pub scheduler: serde_json::Value,
    /// The folder with the tokenizer's `vocab.json` and `merges.txt`; a single file has none.
    pub tokenizer: Option<PathBuf>,
    /// Where it was loaded from.
    pub source: PathBuf,
}
