//! `[sd_lora]`: Track 2, Stable Diffusion with low-rank adapters.
//!
//! Names are those of diffusers, peft and the kohya scripts where they agree; reference/training.md §2.7 lists them.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[sd_lora]`: Track 2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SdLora {
    /// The base model, which this track needs: a diffusers folder, a single-file checkpoint, or the name of a model that
    /// `atelier models pull` fetched. With `tiny_base` set the folder may be absent: it is made there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minLength" = 1))]
    pub base: Option<PathBuf>,
    /// Condition on the photo: `conv_in` takes the photo's latents besides the noisy ones (InstructPix2Pix), and is
    /// trained and saved with the adapter. Without, the illustrations alone are learnt, as a style.
    pub paired: bool,
    /// Encode every picture once and keep the latents on disk; else in every step. Needs `data.jitter` off and
    /// `data.fit` = squash, so that a picture has only two forms: as it is, and flipped.
    pub cache_latents: bool,
    /// Recompute activations in the backward pass instead of keeping them: less memory, some 30 % more time.
    pub gradient_checkpointing: bool,
    /// What is trained.
    pub adapter: Adapter,
    /// What the pictures are said to show.
    pub text: Text,
    /// What is learnt of them.
    pub objective: SdObjective,
    /// How held-out photos are stylised.
    pub sampling: Sampling,
    /// Make a small base of our own when `base` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiny_base: Option<TinyBase>,
}

impl Default for SdLora {
    fn default() -> Self {
        Self {
            base: None,
            paired: false,
            cache_latents: true,
            gradient_checkpointing: false,
            adapter: Adapter::default(),
            text: Text::default(),
            objective: SdObjective::default(),
            sampling: Sampling::default(),
            tiny_base: None,
        }
    }
}

/// `[sd_lora.adapter]`: the low-rank adapters, with peft's names and defaults but for the paper's numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adapter {
    /// Rank of each adapter (the paper: 4).
    #[schemars(range(min = 1, max = 1024))]
    pub rank: usize,
    /// What is added to a layer is scaled by `alpha / rank` (the paper: 16).
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1e6))]
    pub alpha: f64,
    /// Share of an adapter's inputs that is left out in each step of training.
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub dropout: f64,
    /// Rank-stabilised: scale by `alpha / sqrt(rank)` instead.
    pub rslora: bool,
    /// Which layers get one.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub targets: Vec<AdapterTarget>,
    /// How the first of an adapter's two matrices begins; the second is zero, so that training begins at the base.
    pub init: AdapterInit,
}

impl Default for Adapter {
    fn default() -> Self {
        Self {
            rank: 4,
            alpha: 16.0,
            dropout: 0.1,
            rslora: false,
            targets: vec![AdapterTarget::Attention],
            init: AdapterInit::Kaiming,
        }
    }
}

/// Layers that can have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterTarget {
    /// The U-Net's attention: `to_q`, `to_k`, `to_v`, `to_out.0`.
    Attention,
    /// The U-Net's convolutions in residual blocks, and those that change the size.
    Convolutions,
    /// The text encoder's attention: `q_proj`, `k_proj`, `v_proj`, `out_proj`.
    TextEncoder,
}

/// How the down-projections begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdapterInit {
    /// Kaiming-uniform with a = √5, peft's default.
    Kaiming,
    /// Normal with deviation 1 / rank, as diffusers' training script.
    Gaussian,
}

/// `[sd_lora.text]`: the prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Text {
    /// The prompt of every picture (the paper: `ghibli-illustration`).
    #[schemars(length(max = 4096))]
    pub prompt: String,
    /// Take a pair's own prompt from `caption.txt` in its folder, where there is one.
    pub captions: bool,
    /// Fill prompts up to the text encoder's 77 positions, as Stable Diffusion is trained; the paper's code does not.
    pub pad: bool,
    /// What is guided away from when stylising.
    #[schemars(length(max = 4096))]
    pub negative: String,
}

impl Default for Text {
    fn default() -> Self {
        Self { prompt: "ghibli-illustration".to_owned(), captions: false, pad: true, negative: String::new() }
    }
}

/// `[sd_lora.objective]`: what the network is asked, and how its answers are weighed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SdObjective {
    /// How much noise: another amount for each picture, or one for the whole batch as the paper's code has it.
    pub timesteps: Timesteps,
    /// What is predicted: what the base's scheduler says, or one of the two.
    pub prediction: Prediction,
    /// Weigh each picture by min(SNR, gamma) / SNR (Hang et al. 2023; 5 is usual); 0 weighs all alike.
    #[schemars(range(min = 0.0, max = 1e6))]
    pub min_snr_gamma: f64,
    /// Add this much of one number a channel to the noise, so that brightness is learnt (0.05 to 0.1 is usual).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub noise_offset: f64,
    /// Clamp latents to [-1, 1] as the paper's code does, which changes a third of them.
    pub clamp_latents: bool,
    /// Share of pictures trained with an empty prompt, which guidance counts on.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub caption_dropout: f64,
    /// Share of pictures trained without their photo (`paired` only), half of them without their prompt too.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub image_dropout: f64,
}

impl Default for SdObjective {
    fn default() -> Self {
        Self {
            timesteps: Timesteps::PerSample,
            prediction: Prediction::Scheduler,
            min_snr_gamma: 0.0,
            noise_offset: 0.0,
            clamp_latents: false,
            caption_dropout: 0.0,
            image_dropout: 0.0,
        }
    }
}

/// How timesteps are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Timesteps {
    /// One for each picture.
    PerSample,
    /// One for the whole batch: gradients that vary more from step to step.
    PerBatch,
}

/// What the network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Prediction {
    /// As `scheduler_config.json` of the base says.
    Scheduler,
    /// The noise.
    Epsilon,
    /// The velocity, `sqrt(a) noise - sqrt(1 - a) latents` (Salimans and Ho 2022).
    VPrediction,
}

/// `[sd_lora.sampling]`: how validation and samples stylise photos.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// The sampler.
    pub sampler: SdSampler,
    /// Its steps; img2img takes `strength` of them.
    #[schemars(range(min = 1, max = 1000))]
    pub steps: usize,
    /// Strength of the prompt's guidance; 1 is none, and halves the work.
    #[schemars(range(min = 1.0, max = 100.0))]
    pub guidance: f64,
    /// Strength of the photo's guidance (`paired` only).
    #[schemars(range(min = 1.0, max = 100.0))]
    pub image_guidance: f64,
    /// How much of the photo is noised away: 0 leaves it, 1 takes all. `paired` begins with noise alone.
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1))]
    pub strength: f64,
    /// Seed of the noise, the same each time so that samples can be compared.
    #[schemars(extend("maximum" = i64::MAX))]
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { sampler: SdSampler::Dpmpp2m, steps: 30, guidance: 7.5, image_guidance: 1.5, strength: 0.6, seed: 0 }
    }
}

/// A sampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SdSampler {
    /// Denoising diffusion implicit models.
    #[serde(rename = "ddim")]
    Ddim,
    /// Pseudo numerical methods, Stable Diffusion 1.5's own.
    #[serde(rename = "pndm")]
    Pndm,
    /// DPM-Solver++, second order, multistep.
    #[serde(rename = "dpmpp-2m")]
    Dpmpp2m,
    /// The same with Karras' spacing of noise levels.
    #[serde(rename = "dpmpp-2m-karras")]
    Dpmpp2mKarras,
    /// Euler's method.
    #[serde(rename = "euler")]
    Euler,
}

/// `[sd_lora.tiny_base]`: a Stable Diffusion small enough for a CPU, trained on the photos of `data.root` before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TinyBase {
    /// Seed of its weights and of its training.
    #[schemars(extend("maximum" = i64::MAX))]
    pub seed: u64,
    /// Steps that the autoencoder is trained for.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub vae_steps: usize,
    /// Steps that the U-Net is then trained for, on the photos.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub unet_steps: usize,
}

impl Default for TinyBase {
    fn default() -> Self {
        Self { seed: 1, vae_steps: 250, unet_steps: 600 }
    }
}
