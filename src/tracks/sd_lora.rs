//! Track 2: Stable Diffusion with low-rank adapters.
//!
//! The base is frozen; the adapters, and with `paired` the widened first convolution, are the one network that the
//! engine moves. A step draws an amount of noise for each illustration's latents and asks the U-Net for it
//! (Ho et al. 2020; Rombach et al. 2022). What else the paper's code does, and why it is not done here unless asked
//! for, is in docs/sd-lora.md.

mod adapter;
pub mod latents;
pub mod objective;
mod prompts;
pub mod store;

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use tch::{Device, Kind, TchError, Tensor};

pub use self::adapter::adapter_file;
use self::adapter::{first_convolution, lora_config};
use self::latents::{Encoder, LatentBatches};
use self::prompts::Prompts;
use self::store::Store;
use crate::config::{self, AdapterTarget, Experiment, Precision, SdSampler};
use crate::data::Dataset;
use crate::data::batch::{Batch, Form};
use crate::data::cache::{self, Cache, DataError};
use crate::data::loader::LoaderOptions;
use crate::models::catalog;
use crate::models::pad;
use crate::models::params::Params;
use crate::models::stable_diffusion::StableDiffusion;
use crate::models::stable_diffusion::load::{self, Kinds, LoadError};
use crate::models::stable_diffusion::lora::{self, Lora, LoraError};
use crate::models::stable_diffusion::pipeline::{Pipeline, PipelineError, Sampling, Texts};
use crate::models::stable_diffusion::scheduler::{Method, NoiseSchedule, Prediction, SchedulerConfig};
use crate::models::stable_diffusion::tokenizer::{Tokenizer, TokenizerError};
use crate::models::stable_diffusion::vae::Moments;
use crate::models::stable_diffusion::{clip, unet, vae};
use crate::models::tap::is_wanted;
use crate::tracks::{Forward, Objective, Saliency, StepContext, Track};

/// The one network that is trained.
pub const ADAPTER: &str = "adapter";

/// Why the track could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SdLoraError {
    /// Settings that do not fit each other or the base.
    #[error("{0}")]
    Config(String),
    /// The base is none.
    #[error("sd_lora.base: {0}")]
    Base(#[from] LoadError),
    /// The base's vocabulary is none.
    #[error("sd_lora.base: {0}")]
    Tokenizer(#[from] TokenizerError),
    /// The adapters do not fit the base.
    #[error("sd_lora.adapter: {0}")]
    Adapter(#[from] LoraError),
    /// A pair's prompt cannot be read.
    #[error("{}: {cause}; or set sd_lora.text.captions = false", path.display())]
    Caption {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// libtorch refused.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
}

/// The base, its adapters and the prompts.
#[derive(Debug)]
pub struct SdLora {
    config: config::SdLora,
    base: StableDiffusion,
    lora: Lora,
    schedule: NoiseSchedule,
    scheduler: SchedulerConfig,
    prompts: Prompts,
    store: PathBuf,
    remarks: Vec<String>,
}

impl SdLora {
    /// The experiment's base on `device` with fresh adapters, which are a pure function of its seed. Prompts are
    /// `dataset`'s; what is encoded is kept under the user's cache folder.
    pub fn new(experiment: &Experiment, dataset: &Dataset, device: Device) -> Result<Self, SdLoraError> {
        let config = experiment.sd_lora.clone();
        let path = config.base.as_deref().ok_or_else(|| SdLoraError::Config("sd_lora.base is not set".to_owned()))?;
        let arithmetic = match experiment.train.precision {
            Precision::F32 | Precision::Tf32 => Kind::Float,
            Precision::Bf16 => Kind::BFloat16,
        };
        let trains_text = config.adapter.targets.contains(&AdapterTarget::TextEncoder);
        // What runs once may as well be exact.
        let once = if config.cache_latents { Kind::Float } else { arithmetic };
        let kinds = Kinds { unet: arithmetic, vae: once, text: if trains_text { arithmetic } else { once } };
        let path = catalog::base(path).map_err(|problem| SdLoraError::Config(format!("sd_lora.base: {problem}")))?;
        let base = load::open(&path, kinds, device)?;
        let tokenizer = match &base.tokenizer {
            Some(folder) => Tokenizer::open(folder)?,
            None => Tokenizer::clip()?,
        };
        let prompts = Prompts::new(&config.text, dataset, &tokenizer)
            .map_err(|(path, cause)| SdLoraError::Caption { path, cause })?;
        let remarks = prompts.remarks(&config.text, dataset.pairs.len());
        let mut track = Self::with_base(experiment, base, prompts)?;
        track.remarks.extend(remarks);
        if config.cache_latents && !trains_text {
            let text = &track.base.text;
            let identity = format!("{} {:?}", store::fingerprint(text.params.iter())?, text.kind());
            let mut store = Store::new(track.store.clone());
            track.prompts.embed(text, &identity, &mut store)?;
            track.remarks.extend(store.remarks().iter().cloned());
        }
        Ok(track)
    }

    fn with_base(experiment: &Experiment, mut base: StableDiffusion, prompts: Prompts) -> Result<Self, SdLoraError> {
        let config = experiment.sd_lora.clone();
        let device = base.unet.device();
        let factor = base.vae.config.factor();
        if experiment.data.size as i64 % factor != 0 {
            let size = experiment.data.size;
            return Err(SdLoraError::Config(format!(
                "data.size = {size} is no multiple of {factor}, the pixels that the base's autoencoder makes one of: use {}",
                size.next_multiple_of(factor as usize)
            )));
        }
        let channels = base.vae.config.latent_channels;
        let due = if config.paired { 2 * channels } else { channels };
        let has = base.unet.config.in_channels;
        if has != channels && has != due {
            return Err(SdLoraError::Config(format!(
                "sd_lora.base: its U-Net takes {has} channels, and {due} are due{}",
                if has == 2 * channels { "; sd_lora.paired = true trains one that looks at photos" } else { "" }
            )));
        }
        let whole = if config.paired { first_convolution(&base, due)? } else { Vec::new() };
        let lora = Lora::new(
            &lora_config(&config.adapter),
            &base.unet.params.layout(),
            &base.text.params.layout(),
            whole,
            experiment.seed,
            device,
        )?;
        base.unet.attach(lora.adapters(lora::UNET)?)?;
        base.text.attach(lora.adapters(lora::TEXT_ENCODER)?)?;
        let scheduler = scheduler(&base, &config)?;
        let schedule = NoiseSchedule::new(&scheduler, device)?;
        let layers = lora.params.iter().filter(|(name, _)| name.ends_with(".lora_A.weight")).count();
        let remarks = vec![format!(
            "{} adapts {layers} layers of {} with {} parameters",
            if config.paired { "the run looks at photos and" } else { "the run" },
            base.source.display(),
            lora.params.count()
        )];
        Ok(Self { config, base, lora, schedule, scheduler, prompts, store: cache::dir_of("latents"), remarks })
    }

    /// Batches of latents of the pairs at `indices`, each picture encoded once: see [`LatentBatches`].
    pub fn batches(
        &self,
        cache: Cache,
        indices: Vec<usize>,
        options: LoaderOptions,
        progress: &mut dyn FnMut(usize, usize) -> bool,
    ) -> Result<LatentBatches, DataError> {
        let vae = &self.base.vae;
        let identity = format!("{} {:?}", store::fingerprint(vae.params.iter())?, vae.kind());
        let encode = |pixels: &Tensor| {
            let moments = vae.encode(pixels)?;
            Tensor::f_cat(&[moments.mean, moments.logvar], 1)
        };
        let encoder = Encoder { encode: &encode, identity: &identity, photos: self.config.paired, progress };
        LatentBatches::new(cache, indices, options, Store::new(self.store.clone()), encoder)
    }

    /// Whether batches of latents are wanted, rather than pictures.
    pub fn caches_latents(&self) -> bool {
        self.config.cache_latents
    }

    /// The distributions that pictures `[B, 3, H, W]` are encoded to, or have been.
    fn moments(&self, pictures: &Tensor, form: Form) -> Result<Moments, TchError> {
        match form {
            Form::Pixels => self.base.vae.encode(pictures),
            Form::Moments => {
                let halves = pictures.f_chunk(2, 1)?;
                Ok(Moments { mean: halves[0].shallow_clone(), logvar: halves[1].shallow_clone() })
            }
        }
    }

    /// Latents of the illustrations as the U-Net knows them, `[B, C, h, w]`.
    fn latents(&self, batch: &Batch) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        let moments = self.moments(&batch.target, batch.form)?;
        let latents = moments.sample(&moments.mean.f_randn_like()?)?;
        let latents = latents.f_mul_scalar(self.base.vae.config.scaling_factor)?;
        if self.config.objective.clamp_latents { latents.f_clamp(-1.0, 1.0) } else { Ok(latents) }
    }

    /// Latents of the photos: their mode, not scaled (`InstructPix2Pix`); zeros where `dropped`.
    fn photos(&self, batch: &Batch, dropped: &[bool]) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        let mode = self.moments(&batch.input, batch.form)?.mean;
        if !dropped.contains(&true) {
            return Ok(mode);
        }
        let kept: Vec<f32> = dropped.iter().map(|dropped| if *dropped { 0.0 } else { 1.0 }).collect();
        mode.f_mul(&Tensor::f_from_slice(&kept)?.f_view([-1, 1, 1, 1])?.f_to_device(mode.device())?)
    }
}

/// How a config says to sample.
pub fn sampling(config: &config::Sampling) -> Sampling {
    Sampling {
        method: match config.sampler {
            SdSampler::Ddim => Method::Ddim,
            SdSampler::Pndm => Method::Pndm,
            SdSampler::Dpmpp2m => Method::DpmPp2M,
            SdSampler::Dpmpp2mKarras => Method::DpmPp2MKarras,
            SdSampler::Euler => Method::Euler,
        },
        steps: config.steps,
        strength: config.strength,
        guidance: config.guidance,
        image_guidance: config.image_guidance,
        tile: None,
    }
}

/// The base's scheduler, with the prediction that the config asks for.
pub fn scheduler(base: &StableDiffusion, config: &config::SdLora) -> Result<SchedulerConfig, SdLoraError> {
    let mut scheduler = SchedulerConfig::from_json(&base.scheduler, &base.source)
        .map_err(|error| SdLoraError::Config(format!("sd_lora.base: {error}")))?;
    match config.objective.prediction {
        config::Prediction::Scheduler => {}
        config::Prediction::Epsilon => scheduler.prediction_type = Prediction::Epsilon,
        config::Prediction::VPrediction => scheduler.prediction_type = Prediction::Velocity,
    }
    Ok(scheduler)
}

impl Track for SdLora {
    fn networks(&self) -> Vec<(&'static str, &Params)> {
        vec![(ADAPTER, &self.lora.params)]
    }

    fn predictor(&self) -> &'static str {
        ADAPTER
    }

    fn is_trained(&self, _network: &str, _parameter: &str, _epoch: usize) -> bool {
        true
    }

    fn lr_factor(&self, _network: &str) -> f64 {
        1.0
    }

    fn forward(&mut self, batch: &Batch, _context: StepContext) -> Result<Forward, TchError> {
        let objective = &self.config.objective;
        let count = batch.ids.len() as i64;
        let (unprompted, unseen) = objective::dropped(objective, count)?;
        let latents = self.latents(batch)?; // [B, C, h, w]
        let noise = objective::noise(&latents, objective.noise_offset)?;
        let levels = self.schedule.timesteps();
        let timesteps = objective::timesteps(objective.timesteps, levels, count, latents.device())?; // [B]
        let noisy = self.schedule.add_noise(&latents, &noise, &timesteps)?;
        let sample = if self.config.paired {
            Tensor::f_cat(&[noisy, self.photos(batch, &unseen)?], 1)? // [B, 2C, h, w]
        } else {
            noisy
        };
        let context = self.prompts.context(&self.base.text, &batch.ids, &unprompted)?; // [B, N, D]
        let checkpointing = self.config.gradient_checkpointing;
        let predicted = self.base.unet.forward_training(&sample, &timesteps, &context, checkpointing)?;
        let target = self.schedule.target(&latents, &noise, &timesteps)?;
        let (loss, plain) = objective::loss(&self.schedule, objective.min_snr_gamma, &predicted, &target, &timesteps)?;
        let mut terms = vec![("loss/total", loss.f_detach()?)];
        if objective.min_snr_gamma > 0.0 {
            terms.push(("loss/mse", plain.f_detach()?));
        }
        Ok(Forward { objectives: vec![Objective { network: ADAPTER, loss }], terms })
    }

    fn predict(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        self.stylise(input).map_err(|error| match error {
            PipelineError::Torch(error) => error,
            error => TchError::Kind(error.to_string()),
        })
    }

    fn frozen(&self) -> Vec<(&'static str, &Params)> {
        let base = &self.base;
        vec![(unet::NETWORK, &base.unet.params), (vae::NETWORK, &base.vae.params), (clip::NETWORK, &base.text.params)]
    }

    fn stages(&self) -> Vec<String> {
        let of = |network: &'static str, stages: Vec<String>| {
            stages.into_iter().map(move |stage| format!("{network}/{stage}"))
        };
        let unet = of(unet::NETWORK, unet::stages(&self.base.unet.config));
        unet.chain(of(vae::NETWORK, vae::stages(&self.base.vae.config))).chain(self.text_stages()).collect()
    }

    fn show(&self, input: &Tensor, _target: Option<&Tensor>) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        let output = self.predict(input)?;
        // Last, so that what is shown is the prompt's and not what is guided away from; and embeddings may be kept.
        if is_wanted(self.text_stages()) {
            let _ = self.prompts.encode_common(&self.base.text)?;
        }
        Ok(output)
    }

    fn saliency(&self, input: &Tensor, _target: Option<&Tensor>) -> Result<Saliency, TchError> {
        let photo = input.f_detach()?.f_set_requires_grad(true)?;
        let factor = self.base.vae.config.factor();
        let (grown, _) = pad::to_multiple(&photo, factor, factor)?;
        let mode = self.base.vae.encode(&grown)?.mean.f_to_device(self.base.unet.device())?;
        tch::manual_seed(self.config.sampling.seed as i64);
        let noise = Tensor::f_randn(mode.size(), (Kind::Float, Device::Cpu))?.f_to_device(mode.device())?;
        let last = self.schedule.timesteps() - 1;
        let (sample, time) = if self.config.paired {
            (Tensor::f_cat(&[noise, mode], 1)?, last)
        } else {
            let latents = mode.f_mul_scalar(self.base.vae.config.scaling_factor)?;
            let time = ((self.config.sampling.strength * last as f64) as i64).clamp(0, last);
            let at = Tensor::f_from_slice(&[time])?.f_to_device(latents.device())?;
            (self.schedule.add_noise(&latents, &noise, &at)?, time)
        };
        let time = Tensor::f_from_slice(&[time])?.f_to_device(sample.device())?;
        let [prompt, _] = tch::no_grad(|| self.prompts.guidance(&self.base.text))?;
        let value = self.base.unet.forward(&sample, &time, &prompt)?.f_square()?.f_mean(Kind::Float)?;
        let gradient = Tensor::f_run_backward(&[&value], &[&photo], false, false)?.swap_remove(0);
        Ok(Saliency { gradient, score: "mean square of the U-Net's output at the first step of sampling" })
    }

    fn passes(&self) -> f64 {
        let config::Sampling { steps, strength, guidance, image_guidance, .. } = self.config.sampling;
        let (taken, copies) = if self.config.paired {
            (1.0, if guidance > 1.0 && image_guidance >= 1.0 { 3.0 } else { 1.0 })
        } else {
            (strength, if guidance > 1.0 { 2.0 } else { 1.0 })
        };
        // The autoencoder's two halves cost about as much as a pass each.
        steps as f64 * taken * copies + 2.0
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        Vec::new()
    }

    fn load_state(&mut self, _state: &[(String, Tensor)]) -> Result<(), Cow<'static, str>> {
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }
}

impl SdLora {
    fn text_stages(&self) -> impl Iterator<Item = String> {
        clip::stages(&self.base.text.config).into_iter().map(|stage| format!("{}/{stage}", clip::NETWORK))
    }

    /// Pictures of photos `[B, 3, H, W]`, with the adapters as they are.
    fn stylise(&self, photos: &Tensor) -> Result<Tensor, PipelineError> {
        let sampling = sampling(&self.config.sampling);
        let [prompt, negative] = self.prompts.guidance(&self.base.text)?;
        let seeds = vec![self.config.sampling.seed as i64; photos.size4()?.0 as usize];
        let pipeline = Pipeline::new(&self.base.unet, &self.base.vae, self.scheduler.clone())?;
        pipeline.stylise(photos, &Texts { prompt, negative }, &sampling, &seeds, &mut |_| ())
    }
}
