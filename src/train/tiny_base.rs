//! A Stable Diffusion of a hundredth of the size, made by ourselves: what Track 2 is shown with where there is neither
//! the real one nor a GPU.
//!
//! A frozen model of random weights has nothing to adapt: its autoencoder decodes noise. So the autoencoder is trained
//! on all pictures for a moment, then the U-Net on the photos alone, as the real one was on photographs; what
//! illustrations look like is left for the adapters. The text encoder stays random, a fixed code of the prompt. The
//! result is a folder in diffusers' layout like any other base.

mod files;
mod networks;

use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use crate::config::{self, Timesteps, TinyBase};
use crate::data::batch::{BatchError, Batches};
use crate::models::params::Params;
use crate::models::stable_diffusion::config::sd15_scheduler;
use crate::models::stable_diffusion::scheduler::{NoiseSchedule, SchedulerConfig};
use crate::models::stable_diffusion::tokenizer::Tokenizer;
use crate::models::stable_diffusion::vae::Vae;
use crate::native::torch::clip_grad_norm;
use crate::tracks::sd_lora::objective;
use crate::train::learner::step_seed;
use crate::train::optimizer::Adam;

pub use files::recipe;
use networks::Networks;

/// Why there is no base.
#[derive(Debug, thiserror::Error)]
pub enum TinyBaseError {
    /// The pictures could not be had.
    #[error("{0}")]
    Data(BatchError),
    /// The folder could not be written.
    #[error("{}: {what}", path.display())]
    Write {
        /// The base's folder.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// Someone asked for it.
    #[error("stopped; nothing of it is kept")]
    Stopped,
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// Where the making of a base stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// `autoencoder` or `U-Net`.
    pub part: &'static str,
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Loss of the newest one.
    pub loss: f64,
}

/// What the pictures are said to show while the base is trained: `photo`, and one in ten times nothing.
pub const PROMPT: &str = "photo";
const CAPTION_DROPOUT: f64 = 0.1;
/// Weight of the divergence from the unit normal in the autoencoder's loss: as latent diffusion's, next to nothing.
const DIVERGENCE: f64 = 1e-6;
const LR: f64 = 2e-3;

/// Train the base that `recipe` describes on the pictures of `batches` (on the CPU) and write it to `folder`, whole or
/// not at all. A pure function of the recipe and the pictures. `progress` says whether to go on.
pub fn make(
    recipe: &TinyBase,
    batches: &mut dyn Batches,
    folder: &Path,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), TinyBaseError> {
    let failed = |what: String| TinyBaseError::Write { path: folder.to_owned(), what };
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(parent).map_err(|error| failed(error.to_string()))?;
    // Beside, then renamed: never half a base. What is left is removed when this returns.
    let partial = tempfile::Builder::new().prefix(".tiny-base-").tempdir_in(parent);
    let partial = partial.map_err(|error| failed(error.to_string()))?;
    let whole = partial.path().join("base");
    let words = whole.join("tokenizer");
    files::write_tokenizer(&words).map_err(|error| failed(error.to_string()))?;
    let tokenizer = Tokenizer::open(&words).map_err(|error| failed(error.to_string()))?;

    let networks = Networks::new(recipe.seed)?;
    train_vae(recipe, &networks, batches, progress)?;
    let moments = encode_photos(&networks.vae, batches)?;
    let scale = latent_scale(&moments)?;
    let prompts = [PROMPT, ""].map(|prompt| {
        let ids = Tensor::f_from_slice(&tokenizer.encode(prompt).ids)?.f_unsqueeze(0)?;
        tch::no_grad(|| networks.text.forward(&ids))
    });
    let [named, nameless] = prompts;
    let prompts = Tensor::f_cat(&[named?, nameless?], 0)?; // [2, 77, D]
    train_unet(recipe, &networks, &Lesson { moments, scale, prompts }, progress)?;
    files::write(&whole, recipe, &networks, scale).map_err(failed)?;
    std::fs::rename(&whole, folder).map_err(|error| failed(error.to_string()))
}

/// What the U-Net learns from.
struct Lesson {
    /// Moments of the photos, `[N, 2C, h, w]`.
    moments: Tensor,
    scale: f64,
    /// Embeddings of [`PROMPT`] and of no prompt, `[2, 77, D]`.
    prompts: Tensor,
}

/// Photos and illustrations of the step's batch.
fn pictures(batches: &mut dyn Batches, step: usize) -> Result<(Tensor, Tensor), TinyBaseError> {
    let count = batches.per_epoch();
    let batch = batches.batch(step / count, step % count).map_err(TinyBaseError::Data)?;
    Ok((batch.input, batch.target))
}

/// An optimizer whose rate falls linearly to nothing.
struct Descent {
    adam: Adam,
    steps: usize,
    /// What the optimizer takes for "nothing was not finite".
    fine: Tensor,
}

impl Descent {
    fn new(params: &Params, steps: usize) -> Result<Self, TchError> {
        let settings = config::Optimizer { betas: [0.9, 0.99], ..config::Optimizer::default() };
        let adam = Adam::new(params, &settings, |_| true)?;
        let device = params.iter().next().map_or(Device::Cpu, |(_, tensor)| tensor.device());
        Ok(Self { adam, steps, fine: Tensor::f_zeros([], (Kind::Float, device))? })
    }

    fn step(&mut self, at: usize, loss: &Tensor) -> Result<(), TchError> {
        let gradients = Tensor::f_run_backward(&[loss], self.adam.params(), false, false)?;
        let _ = clip_grad_norm(&gradients, 1.0)?;
        let left = 1.0 - at as f64 / self.steps as f64;
        // A short warm-up: Adam's first steps are as large as any.
        let warm = ((at + 1) as f64 / 20.0).min(1.0);
        self.adam.step(&gradients, LR * left * warm, &self.fine)
    }
}

fn train_vae(
    recipe: &TinyBase,
    networks: &Networks,
    batches: &mut dyn Batches,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), TinyBaseError> {
    let steps = recipe.vae_steps;
    let mut descent = Descent::new(&networks.vae.params, steps)?;
    for step in 0..steps {
        let (photos, illustrations) = pictures(batches, step)?;
        let images = Tensor::f_cat(&[photos, illustrations], 0)?;
        tch::manual_seed(step_seed(recipe.seed, step as i64));
        let moments = networks.vae.encode(&images)?;
        let latents = moments.sample(&moments.mean.f_randn_like()?)?;
        let error = networks.vae.decode(&latents)?.f_sub(&images)?;
        let fidelity = error.f_abs()?.f_mean(Kind::Float)?.f_add(&error.f_square()?.f_mean(Kind::Float)?)?;
        let variance = moments.logvar.f_exp()?;
        let divergence = moments.mean.f_square()?.f_add(&variance)?.f_sub(&moments.logvar)?.f_sub_scalar(1.0)?;
        let divergence = divergence.f_sum(Kind::Float)?.f_mul_scalar(0.5 * DIVERGENCE / images.size()[0] as f64)?;
        let loss = fidelity.f_add(&divergence)?;
        descent.step(step, &loss)?;
        let at = Progress { part: "autoencoder", step: step + 1, steps, loss: f64::try_from(&fidelity)? };
        if !progress(at) {
            return Err(TinyBaseError::Stopped);
        }
    }
    Ok(())
}

/// One over the deviation of latents: what makes them about unit normal, as Stable Diffusion's 0.18215.
fn latent_scale(moments: &Tensor) -> Result<f64, TinyBaseError> {
    let means = moments.f_chunk(2, 1)?.swap_remove(0);
    let deviation = f64::try_from(means.f_to_kind(Kind::Double)?.f_std(true)?)?;
    Ok(1.0 / deviation.max(1e-6))
}

/// Moments of all photos, `[N, 2C, h, w]`.
fn encode_photos(vae: &Vae, batches: &mut dyn Batches) -> Result<Tensor, TinyBaseError> {
    let mut all = Vec::new();
    // Two epochs: flips are drawn anew in each.
    for step in 0..2 * batches.per_epoch() {
        let (photos, _) = pictures(batches, step)?;
        let moments = tch::no_grad(|| vae.encode(&photos))?;
        all.push(Tensor::f_cat(&[moments.mean, moments.logvar], 1)?);
    }
    Ok(Tensor::f_cat(&all, 0)?)
}

fn train_unet(
    recipe: &TinyBase,
    networks: &Networks,
    lesson: &Lesson,
    progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<(), TinyBaseError> {
    const PICTURES: i64 = 8;
    let steps = recipe.unet_steps;
    let device = networks.device();
    let Lesson { moments, scale, prompts } = lesson;
    let config = SchedulerConfig::from_json(&sd15_scheduler(), Path::new("the tiny base"))
        .map_err(|error| TchError::Kind(error.to_string()))?;
    let schedule = NoiseSchedule::new(&config, device)?;
    let mut descent = Descent::new(&networks.unet.params, steps)?;
    for step in 0..steps {
        tch::manual_seed(step_seed(!recipe.seed, step as i64));
        let chosen = Tensor::f_randint(moments.size()[0], [PICTURES], (Kind::Int64, device))?;
        let halves = moments.f_index_select(0, &chosen)?.f_chunk(2, 1)?;
        let deviation = halves[1].f_mul_scalar(0.5)?.f_exp()?;
        let latents = halves[0].f_add(&deviation.f_mul(&halves[0].f_randn_like()?)?)?.f_mul_scalar(*scale)?;
        let noise = objective::noise(&latents, 0.0)?;
        let timesteps = objective::timesteps(Timesteps::PerSample, schedule.timesteps(), PICTURES, device)?;
        let noisy = schedule.add_noise(&latents, &noise, &timesteps)?;
        let nameless = Tensor::f_rand([PICTURES], (Kind::Float, device))?.f_lt(CAPTION_DROPOUT)?;
        let context = prompts.f_index_select(0, &nameless.f_to_kind(Kind::Int64)?)?;
        let predicted = networks.unet.forward_training(&noisy, &timesteps, &context, false)?;
        let loss = predicted.f_sub(&noise)?.f_square()?.f_mean(Kind::Float)?;
        descent.step(step, &loss)?;
        let at = Progress { part: "U-Net", step: step + 1, steps, loss: f64::try_from(&loss)? };
        if !progress(at) {
            return Err(TinyBaseError::Stopped);
        }
    }
    Ok(())
}
