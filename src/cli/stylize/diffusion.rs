//! Stable Diffusion that stylises: a base, LoRAs beside it, and a prompt.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use image::imageops::{FilterType, resize};
use indicatif::ProgressBar;
use tch::{Device, Kind, Tensor};

use super::{Format, Loaded, files, is_memory};
use crate::cli::lora::with_strength;
use crate::cli::trained::Trained;
use crate::cli::{Usage, told};
use crate::models::catalog;
use crate::models::stable_diffusion::StableDiffusion;
use crate::models::stable_diffusion::load::{self, Kinds};
use crate::models::stable_diffusion::lora_file::{self, LoraFile};
use crate::models::stable_diffusion::pipeline::{Pipeline, PipelineError, Sampling, Taken, Texts, preview};
use crate::models::stable_diffusion::scheduler::{Method, SchedulerConfig};
use crate::models::stable_diffusion::tokenizer::Tokenizer;
use crate::tracks::sd_lora;

/// What is asked of Stable Diffusion.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The base: a diffusers folder, a checkpoint file, or the name of a model that was fetched (`atelier models ls`)
    #[arg(long, value_name = "BASE", requires = "prompt")]
    base: Option<PathBuf>,

    /// A LoRA and how strong it is, 1 unless said; may be given several times
    #[arg(long = "lora", value_name = "FILE[:STRENGTH]", value_parser = with_strength)]
    loras: Vec<(PathBuf, f64)>,

    /// What the pictures show, and the words that the LoRA was trained on
    #[arg(long, value_name = "TEXT")]
    prompt: Option<String>,

    /// What they should not show
    #[arg(long, value_name = "TEXT")]
    negative: Option<String>,

    /// How much of the photo is given up, 0 to 1 [default: 0.6]
    #[arg(long, value_name = "SHARE")]
    strength: Option<f64>,

    /// Steps from pure noise, of which strength's share is taken [default: 30]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,

    /// How far to follow the prompt; 1 takes half the time and ignores --negative [default: 7.5]
    #[arg(long, value_name = "X")]
    guidance: Option<f64>,

    /// How closely a paired LoRA keeps to the photo [default: 1.5]
    #[arg(long, value_name = "X")]
    image_guidance: Option<f64>,

    /// ddim, pndm, dpmpp-2m, dpmpp-2m-karras or euler [default: dpmpp-2m]
    #[arg(long, value_name = "NAME")]
    sampler: Option<Method>,

    /// Where the noise comes from; the same for every photo [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<i64>,

    /// What the UNet computes in: f32, or bf16 on a GPU, unless said
    #[arg(long, value_enum)]
    precision: Option<Precision>,

    /// Keep a picture of the work so far beside each result: NAME.preview.png, after every step, gone at the end
    #[arg(long)]
    preview: bool,
}

/// What a network computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Precision {
    F32,
    Bf16,
    F16,
}

impl Options {
    /// A generator takes no prompt.
    pub(super) fn refuse_beside_a_generator(&self) -> Result<(), Usage> {
        let given = [
            ("--lora", !self.loras.is_empty()),
            ("--prompt", self.prompt.is_some()),
            ("--negative", self.negative.is_some()),
            ("--strength", self.strength.is_some()),
            ("--steps", self.steps.is_some()),
            ("--guidance", self.guidance.is_some()),
            ("--image-guidance", self.image_guidance.is_some()),
            ("--sampler", self.sampler.is_some()),
            ("--seed", self.seed.is_some()),
            ("--precision", self.precision.is_some()),
            ("--preview", self.preview),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((name, _)) => {
                Err(Usage(format!("{name} is for Stable Diffusion (--base); this model is a generator")))
            }
            None => Ok(()),
        }
    }

    /// How to sample: as asked, else as `default` says.
    fn sampling(&self, default: &Sampling) -> Result<Sampling, Usage> {
        let within = |name: &str, value: f64, most: f64| {
            if (0.0..=most).contains(&value) {
                Ok(value)
            } else {
                Err(Usage(format!("{name} {value} must lie between 0 and {most}")))
            }
        };
        Ok(Sampling {
            method: self.sampler.unwrap_or(default.method),
            steps: self.steps.unwrap_or(default.steps),
            strength: within("--strength", self.strength.unwrap_or(default.strength), 1.0)?,
            guidance: within("--guidance", self.guidance.unwrap_or(default.guidance), 1000.0)?,
            image_guidance: within("--image-guidance", self.image_guidance.unwrap_or(default.image_guidance), 1000.0)?,
            tile: default.tile,
        })
    }
}

/// What the pictures show, and what they should not.
struct Prompts<'a> {
    texts: [&'a str; 2],
    /// Fill up to the text encoder's positions, as all but some sessions were trained.
    pad: bool,
}

impl Prompts<'_> {
    fn encode(&self, model: &StableDiffusion, tokenizer: &Tokenizer) -> anyhow::Result<Texts> {
        let mut longest = 0;
        for (name, text) in ["--prompt", "--negative"].into_iter().zip(self.texts) {
            let encoded = tokenizer.encode(text);
            longest = longest.max((encoded.tokens + 2).min(tokenizer.length()));
            if let Some(warning) = encoded.warning() {
                eprintln!("warning: {name}: {warning}");
            }
        }
        let mut texts = Texts::encode(&model.text, tokenizer, self.texts[0], self.texts[1])?;
        if !self.pad {
            for text in [&mut texts.prompt, &mut texts.negative] {
                *text = text.f_narrow(1, 0, longest as i64)?;
            }
        }
        Ok(texts)
    }
}

/// A base with its LoRAs and prompt, ready to stylise.
#[derive(Debug)]
pub struct Diffusion {
    model: StableDiffusion,
    scheduler: SchedulerConfig,
    texts: Texts,
    sampling: Sampling,
    seed: i64,
    preview: bool,
    /// Side of the pictures that the base was trained on, until the warning about much larger ones is out.
    trained_on: Cell<Option<i64>>,
}

impl Diffusion {
    /// Load everything; what is wrong with the request is said before the weights are read.
    pub(super) fn open(options: &Options, tile: Option<i64>, device: Device) -> anyhow::Result<Self> {
        let sampling = options.sampling(&Sampling { tile, ..Sampling::default() })?;
        let Some(base) = &options.base else {
            return Err(Usage("give --session, --weights or --base".to_owned()).into());
        };
        let base = catalog::base(base).map_err(Usage)?;
        let prompts = [options.prompt.as_deref().unwrap_or_default(), options.negative.as_deref().unwrap_or_default()];
        Self::assemble(options, &base, Vec::new(), &Prompts { texts: prompts, pad: true }, sampling, device)
    }

    /// A session's base with the adapters that it trained; its prompt and sampling where the request has none.
    pub(super) fn of_session(
        options: &Options,
        trained: &Trained,
        ema: bool,
        tile: Option<i64>,
        device: Device,
    ) -> anyhow::Result<Self> {
        let config = &trained.experiment.sd_lora;
        let sampling = options.sampling(&Sampling { tile, ..sd_lora::sampling(&config.sampling) })?;
        let Some(base) = &config.base else { bail!("session {} names no sd_lora.base", trained.id) };
        let base = catalog::base(&trained.path_of(base)).map_err(Usage)?;
        let file =
            sd_lora::adapter_file(config, &trained.model, ema).with_context(|| trained.path.display().to_string())?;
        let prompt = options.prompt.as_deref().unwrap_or(&config.text.prompt);
        let negative = options.negative.as_deref().unwrap_or(&config.text.negative);
        let prompts = Prompts { texts: [prompt, negative], pad: config.text.pad };
        let loras = vec![(trained.path.clone(), file, 1.0)];
        let mut diffusion = Self::assemble(options, &base, loras, &prompts, sampling, device)?;
        // What it was trained to predict, whatever the base was.
        diffusion.scheduler = sd_lora::scheduler(&diffusion.model, config)?;
        Ok(diffusion)
    }

    fn assemble(
        options: &Options,
        base: &Path,
        mut loras: Vec<(PathBuf, LoraFile, f64)>,
        prompts: &Prompts<'_>,
        sampling: Sampling,
        device: Device,
    ) -> anyhow::Result<Self> {
        for (path, strength) in &options.loras {
            let file = LoraFile::load(path)?;
            for remark in &file.remarks {
                eprintln!("warning: {}: {remark}", path.display());
            }
            loras.push((path.clone(), file, *strength));
        }
        let usual = if device.is_cuda() { Precision::Bf16 } else { Precision::F32 };
        let unet = match options.precision.unwrap_or(usual) {
            Precision::F32 => Kind::Float,
            Precision::F16 => Kind::Half,
            Precision::Bf16 => Kind::BFloat16,
        };
        // The autoencoder and the text encoder take little of the time, and in float16 the autoencoder overflows.
        let mut model = load::open(base, Kinds { unet, vae: Kind::Float, text: Kind::Float }, device)?;
        let parts: Vec<(&LoraFile, f64)> = loras.iter().map(|(_, file, strength)| (file, *strength)).collect();
        lora_file::attach(&mut model, &parts).map_err(|error| match loras.as_slice() {
            [(path, ..)] => anyhow!("{}: {error}", path.display()),
            _ => anyhow!(error),
        })?;
        let tokenizer = match &model.tokenizer {
            Some(folder) => Tokenizer::open(folder)?,
            None => Tokenizer::clip()?,
        };
        let texts = prompts.encode(&model, &tokenizer)?;
        let scheduler =
            SchedulerConfig::from_json(&model.scheduler, &model.source.join("scheduler/scheduler_config.json"))?;
        let pipeline = Pipeline::new(&model.unet, &model.vae, scheduler.clone())?;
        if pipeline.is_paired() && options.strength.is_some() {
            eprintln!(
                "warning: --strength means nothing to a model that reads the photo itself; --image-guidance is its measure"
            );
        }
        pipeline.check(&sampling).map_err(|error| Usage(error.to_string()))?;
        let trained_on = Cell::new(Some(model.unet.config.sample_size * model.vae.config.factor()));
        let seed = options.seed.unwrap_or_default();
        Ok(Self { model, scheduler, texts, sampling, seed, preview: options.preview, trained_on })
    }

    /// `[B, 3, H, W]` in [-1, 1] of photos of one size.
    pub(super) fn stylise(&self, images: &Tensor, batch: &[Loaded], bar: &ProgressBar) -> anyhow::Result<Tensor> {
        self.warn_of_size(images, batch, bar);
        let pipeline = Pipeline::new(&self.model.unet, &self.model.vae, self.scheduler.clone())?;
        let seeds = vec![self.seed; batch.len()];
        let mut shown = Ok(());
        let result = pipeline.stylise(images, &self.texts, &self.sampling, &seeds, &mut |taken: &Taken<'_>| {
            bar.set_message(format!("step {} of {}", taken.done, taken.all));
            if self.preview && shown.is_ok() {
                shown = show(taken, batch);
            }
        });
        bar.set_message("");
        if self.preview {
            for loaded in batch {
                // It may never have been written.
                let _ = std::fs::remove_file(preview_path(loaded));
            }
        }
        if let Err(error) = shown {
            bar.suspend(|| eprintln!("warning: no previews: {}", told(&error)));
        }
        result.map_err(|error| explain(&error, batch.len()))
    }

    /// Pictures far larger than the ones it was trained on repeat themselves, and take very long.
    fn warn_of_size(&self, images: &Tensor, batch: &[Loaded], bar: &ProgressBar) {
        let side = images.size().into_iter().skip(2).max().unwrap_or_default();
        let Some(trained) = self.trained_on.get().filter(|trained| side > 2 * trained) else { return };
        self.trained_on.set(None);
        let name = batch.first().map(|loaded| loaded.job.input.display().to_string()).unwrap_or_default();
        bar.suspend(|| {
            eprintln!(
                "warning: {name} has a side of {side} pixels, and the base was trained on {trained}: pictures so large repeat \
                 themselves and take long; scaled down first they come out better"
            );
        });
    }
}

/// Write previews of the latents after a step.
fn show(taken: &Taken<'_>, batch: &[Loaded]) -> anyhow::Result<()> {
    let pictures = preview(taken.latents)?.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    let (_, height, width, _) = pictures.size4()?;
    for (at, loaded) in batch.iter().enumerate() {
        let picture = pictures.f_get(at as i64)?;
        let mut pixels = vec![0_u8; (3 * height * width) as usize];
        let count = pixels.len();
        picture.f_copy_data_u8(&mut pixels, count)?;
        let Some(picture) = image::RgbImage::from_raw(width as u32, height as u32, pixels) else { bail!("no picture") };
        let larger = resize(&picture, 4 * picture.width(), 4 * picture.height(), FilterType::Triangle);
        files::write(&larger, &preview_path(loaded), Format::Png)?;
    }
    Ok(())
}

fn preview_path(loaded: &Loaded) -> PathBuf {
    loaded.job.output.with_extension("preview.png")
}

fn explain(error: &PipelineError, batch: usize) -> anyhow::Error {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    if !is_memory(&text) {
        return anyhow!("{first}");
    }
    let less = if batch > 1 {
        "fewer at once (--batch 1)"
    } else {
        "a smaller photo, or --tile 512 where decoding is what fails"
    };
    anyhow!("too large for the memory at once; try {less} ({first})")
}
