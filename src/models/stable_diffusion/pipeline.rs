//! Photos to pictures: img2img, as diffusers' `StableDiffusionImg2ImgPipeline` does it, and with a network that reads the
//! photo beside the noise, as `StableDiffusionInstructPix2PixPipeline` (Brooks et al. 2023) does.
//!
//! The noise comes from libtorch's CPU generator, image by image, each seeded on its own: the same seed gives the same
//! picture in any batch and on any device, and the one that diffusers gives with one `torch.Generator("cpu")` an image.

mod preview;

use tch::{Device, Kind, TchError, Tensor};

pub use preview::preview;

use super::clip::TextEncoder;
use super::scheduler::{Method, NoiseSchedule, Sampler, SchedulerConfig, SchedulerError};
use super::tokenizer::Tokenizer;
use super::unet::UNet;
use super::vae::Vae;
use crate::models::pad;

/// How to sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Which sampler.
    pub method: Method,
    /// Steps from pure noise; img2img takes `strength` of them.
    pub steps: usize,
    /// How much of the photo is given up, 0 to 1 (img2img).
    pub strength: f64,
    /// How much further than the network's word on the prompt to go, from its word without; at most 1: not at all.
    pub guidance: f64,
    /// The same for the photo (paired networks); less than 1: no guidance at all.
    pub image_guidance: f64,
    /// Side of the squares, in pixels, that large pictures are decoded in; none decodes them whole.
    pub tile: Option<i64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { method: Method::DpmPp2M, steps: 30, strength: 0.6, guidance: 7.5, image_guidance: 1.5, tile: None }
    }
}

/// What the network reads: the prompt, and what to keep away from.
#[derive(Debug)]
pub struct Texts {
    /// `[1, N, D]`.
    pub prompt: Tensor,
    /// `[1, N, D]`.
    pub negative: Tensor,
}

impl Texts {
    /// Encode both.
    pub fn encode(
        encoder: &TextEncoder,
        tokenizer: &Tokenizer,
        prompt: &str,
        negative: &str,
    ) -> Result<Self, TchError> {
        let _guard = tch::no_grad_guard();
        let encode = |text: &str| {
            let ids = tokenizer.encode(text).ids;
            encoder.forward(&Tensor::f_from_slice(&ids)?.f_unsqueeze(0)?)
        };
        Ok(Self { prompt: encode(prompt)?, negative: encode(negative)? })
    }
}

/// A step that was taken, for whoever watches.
#[derive(Debug)]
pub struct Taken<'a> {
    /// How many, this one included.
    pub done: usize,
    /// Of how many.
    pub all: usize,
    /// The latents after it, as the autoencoder knows them but for the noise that is left: `[B, 4, h, w]`.
    pub latents: &'a Tensor,
}

/// Why no picture came.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// These steps cannot be taken.
    #[error(transparent)]
    Scheduler(#[from] SchedulerError),
    /// Networks or inputs that do not go together.
    #[error("{0}")]
    Unfit(String),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// Networks that make pictures of photos.
#[derive(Debug)]
pub struct Pipeline<'a> {
    unet: &'a UNet,
    vae: &'a Vae,
    config: SchedulerConfig,
    noise: NoiseSchedule,
}

impl<'a> Pipeline<'a> {
    /// These networks under this noise schedule.
    pub fn new(unet: &'a UNet, vae: &'a Vae, config: SchedulerConfig) -> Result<Self, PipelineError> {
        let (takes, latents) = (unet.in_channels(), vae.config.latent_channels);
        if takes != latents && takes != 2 * latents {
            return Err(PipelineError::Unfit(format!(
                "the UNet takes {takes} channels; {latents} (the noisy picture) or {} (and the photo) can be given",
                2 * latents
            )));
        }
        let noise = NoiseSchedule::new(&config, unet.device())?;
        Ok(Self { unet, vae, config, noise })
    }

    /// Whether the network reads the photo beside the noise, so that `strength` means nothing.
    pub fn is_paired(&self) -> bool {
        self.unet.in_channels() == 2 * self.vae.config.latent_channels
    }

    /// Refuse steps that cannot be taken, before there is a photo.
    pub fn check(&self, sampling: &Sampling) -> Result<(), SchedulerError> {
        let mut sampler = Sampler::new(sampling.method, &self.config, &self.noise, sampling.steps)?;
        if self.is_paired() { Ok(()) } else { sampler.start_from_image(sampling.strength) }
    }

    /// Pictures of `photos` `[B, 3, H, W]` in [-1, 1] of any size: same size and range, float32. `seeds` has one for each;
    /// `watch` hears of every step.
    pub fn stylise(
        &self,
        photos: &Tensor,
        texts: &Texts,
        sampling: &Sampling,
        seeds: &[i64],
        watch: &mut dyn FnMut(&Taken<'_>),
    ) -> Result<Tensor, PipelineError> {
        let _guard = tch::no_grad_guard();
        let (batch, _, height, width) = photos.size4()?;
        if batch != seeds.len() as i64 || batch * height * width == 0 {
            let (size, seeds) = (photos.size(), seeds.len());
            return Err(PipelineError::Unfit(format!("photos {size:?} with {seeds} seeds: one for each is needed")));
        }
        let factor = self.vae.config.factor();
        let (grown, place) = pad::to_multiple(photos, factor, factor)?;
        let latents = if self.is_paired() {
            self.paired(&grown, texts, sampling, seeds, watch)?
        } else {
            self.img2img(&grown, texts, sampling, seeds, watch)?
        };
        let latents = latents.f_div_scalar(self.vae.config.scaling_factor)?;
        let (_, _, rows, columns) = latents.size4()?;
        let pictures = match sampling.tile.map(|tile| (tile / factor).max(8)) {
            Some(tile) if tile < rows.max(columns) => self.vae.decode_tiled(&latents, tile, tile / 4, |_, _| ())?,
            _ => self.vae.decode_sliced(&latents)?,
        };
        Ok(place.crop(&pictures.f_clamp(-1.0, 1.0)?)?)
    }

    /// From the photo, made noisy.
    fn img2img(
        &self,
        photos: &Tensor,
        texts: &Texts,
        sampling: &Sampling,
        seeds: &[i64],
        watch: &mut dyn FnMut(&Taken<'_>),
    ) -> Result<Tensor, PipelineError> {
        let mut sampler = Sampler::new(sampling.method, &self.config, &self.noise, sampling.steps)?;
        sampler.start_from_image(sampling.strength)?;
        let moments = self.vae.encode(photos)?;
        let [encoding, noise] = Self::draw::<2>(&moments.mean, seeds)?;
        let latents = moments.sample(&encoding)?.f_mul_scalar(self.vae.config.scaling_factor)?;
        let device = self.unet.device();
        let latents = sampler.add_noise(&latents.f_to_device(device)?, &noise.f_to_device(device)?)?;
        let guided = sampling.guidance > 1.0;
        let context = if guided { vec![&texts.negative, &texts.prompt] } else { vec![&texts.prompt] };
        let context = context_of(&context, seeds.len())?;
        self.walk(sampler, latents, watch, |input, timestep| {
            let copies = if guided { 2 } else { 1 };
            let output = self.unet.forward(&input.f_repeat([copies, 1, 1, 1])?, timestep, &context)?;
            if !guided {
                return Ok(output);
            }
            let parts = output.f_chunk(2, 0)?;
            towards(&parts[0], &parts[1], sampling.guidance)
        })
    }

    /// From pure noise, with the photo's latents beside it; guided by photo and prompt apart (Brooks et al., Eq. 3).
    fn paired(
        &self,
        photos: &Tensor,
        texts: &Texts,
        sampling: &Sampling,
        seeds: &[i64],
        watch: &mut dyn FnMut(&Taken<'_>),
    ) -> Result<Tensor, PipelineError> {
        let sampler = Sampler::new(sampling.method, &self.config, &self.noise, sampling.steps)?;
        // The mode, and not scaled: so was the network trained.
        let photo = self.vae.encode(photos)?.mean.f_to_device(self.unet.device())?;
        let [noise] = Self::draw::<1>(&photo, seeds)?;
        let latents = noise.f_to_device(self.unet.device())?.f_mul_scalar(sampler.init_noise_sigma())?;
        let guided = sampling.guidance > 1.0 && sampling.image_guidance >= 1.0;
        let (context, photo) = if guided {
            (
                vec![&texts.prompt, &texts.negative, &texts.negative],
                Tensor::f_cat(&[&photo, &photo, &photo.f_zeros_like()?], 0)?,
            )
        } else {
            (vec![&texts.prompt], photo)
        };
        let context = context_of(&context, seeds.len())?;
        self.walk(sampler, latents, watch, |input, timestep| {
            let copies = if guided { 3 } else { 1 };
            let input = Tensor::f_cat(&[&input.f_repeat([copies, 1, 1, 1])?, &photo], 1)?;
            let output = self.unet.forward(&input, timestep, &context)?;
            if !guided {
                return Ok(output);
            }
            let parts = output.f_chunk(3, 0)?;
            let (text, image, none) = (&parts[0], &parts[1], &parts[2]);
            let to_image = towards(none, image, sampling.image_guidance)?;
            to_image.f_add(&text.f_sub(image)?.f_mul_scalar(sampling.guidance)?)
        })
    }

    /// All steps; `predict` gets the network's input and the time, `[1]`.
    fn walk(
        &self,
        mut sampler: Sampler,
        mut latents: Tensor,
        watch: &mut dyn FnMut(&Taken<'_>),
        predict: impl Fn(&Tensor, &Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, PipelineError> {
        let timesteps = sampler.timesteps().to_vec();
        for (step, &timestep) in timesteps.iter().enumerate() {
            let time = Tensor::f_from_slice(&[timestep as f32])?.f_to_device(self.unet.device())?;
            let output = predict(&sampler.scale_input(step, &latents)?, &time)?;
            latents = sampler.step(step, &output, &latents)?;
            let shown = sampler.unscaled(step, &latents)?;
            watch(&Taken { done: step + 1, all: timesteps.len(), latents: &shown });
        }
        Ok(latents)
    }

    /// `N` draws of normal noise like `latents`, each image's from a generator of its own, as diffusers draws them.
    fn draw<const N: usize>(latents: &Tensor, seeds: &[i64]) -> Result<[Tensor; N], TchError> {
        let mut shape = latents.size();
        shape[0] = 1;
        let mut draws: [Vec<Tensor>; N] = std::array::from_fn(|_| Vec::with_capacity(seeds.len()));
        for &seed in seeds {
            tch::manual_seed(seed);
            for draw in &mut draws {
                draw.push(Tensor::f_randn(shape.as_slice(), (Kind::Float, Device::Cpu))?);
            }
        }
        let device = latents.device();
        let mut joined = Vec::with_capacity(N);
        for draw in draws {
            joined.push(Tensor::f_cat(&draw, 0)?.f_to_device(device)?);
        }
        joined
            .try_into()
            .map_err(|_other_count: Vec<Tensor>| TchError::Shape("as many draws as were asked for".to_owned()))
    }
}

/// From `from` through `to`, `scale` times as far.
fn towards(from: &Tensor, to: &Tensor, scale: f64) -> Result<Tensor, TchError> {
    from.f_add(&to.f_sub(from)?.f_mul_scalar(scale)?)
}

/// Each text for every image of a batch, one after the other: `[texts * B, N, D]`.
fn context_of(texts: &[&Tensor], batch: usize) -> Result<Tensor, TchError> {
    let each = texts.iter().map(|text| text.f_expand([batch as i64, -1, -1], false)).collect::<Result<Vec<_>, _>>()?;
    Tensor::f_cat(&each, 0)
}
