//! `atelier stylize`: photos to illustrations with a trained generator, or with Stable Diffusion and LoRAs.

mod diffusion;
mod files;
mod generator;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use clap::{ArgGroup, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use tch::{Device, Kind, TchError, Tensor};

pub(super) use self::generator::{device, of_checkpoint};

use self::files::Job;
use crate::cli::trained::Trained;
use crate::cli::{Usage, print, told};
use crate::config;
use crate::models::pix2pixhd::stylist::Stylist;
use crate::models::tile::{self, Tiles};

/// Turn photos into illustrations with a trained model; each result has its photo's own size.
///
/// The model is a session's newest whole checkpoint, a generator or adapters beside their base (whose prompt and sampling
/// are the session's unless said otherwise); or a generator's weight file (.safetensors or NVIDIA's .pth), whose
/// architecture is read off its tensors; or Stable Diffusion with LoRAs. Folders are searched for .png, .jpg and .webp
/// files, their own folders too. A file that cannot be read or written does not stop the others: all are named at the
/// end, with exit code 1.
///
/// Large photos and generators: --tile works through overlapping squares and needs memory for one at a time. Instance
/// norms then see a square's statistics instead of the whole photo's, so colours may drift between squares; take the
/// largest tile that fits, and leave --tile out where the whole photo does.
///
/// Stable Diffusion: --base with a --prompt, and LoRAs where there are. The photo is made noisy and drawn anew from there:
/// --strength says how much of it is given up. A paired LoRA reads the photo itself; then --image-guidance says how
/// closely it is kept, and strength means nothing. The same seed gives the same picture, in any batch, and the one that
/// diffusers gives. --tile is the square that pictures are decoded in.
///
/// Examples:
///   atelier stylize --session quickstart photo.jpg -o out
///   atelier stylize --session sd15-lora photo.jpg -o out --strength 0.5
///   atelier stylize --weights latest_net_G.pth photos -o out --tile 1024 --overlap 128
///   atelier stylize --base sd15 --lora ghibli.safetensors --prompt ghibli-illustration photos -o out
///   atelier stylize --base sd15 --lora ghibli.safetensors:0.8 --prompt 'ghibli-illustration, a harbour' \
///     --negative 'photo, blurry' --strength 0.5 --steps 40 --sampler dpmpp-2m-karras --seed 7 photo.jpg -o out
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, group(ArgGroup::new("model").required(true).args(["session", "weights", "base"])))]
#[expect(clippy::doc_markdown, reason = "shown as --help text, as it stands")]
pub struct Args {
    /// Photos, or folders of them
    #[arg(required = true, value_name = "IMAGE|DIR")]
    inputs: Vec<PathBuf>,

    /// Where the illustrations go; it is made when it is not there
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Take the model of this session: its id, or a beginning or an end of it that no other session has
    #[arg(long, value_name = "ID")]
    session: Option<String>,

    /// Take the generator in this file
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

    /// The config that the weights were trained with, where their tensors alone should not decide
    #[arg(long, value_name = "CONFIG", requires = "weights")]
    config: Option<PathBuf>,

    /// Take the moving average of the weights
    #[arg(long)]
    ema: bool,

    #[command(flatten, next_help_heading = "Stable Diffusion")]
    diffusion: diffusion::Options,

    /// Side of the squares that a photo larger than one is worked through in, in pixels
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(16..=65536))]
    tile: Option<i64>,

    /// How far neighbouring squares overlap and are blended, in pixels
    #[arg(long, value_name = "M", default_value_t = 64, value_parser = clap::value_parser!(i64).range(0..=32768))]
    overlap: i64,

    /// Photos of one size that are worked on at once
    #[arg(long, value_name = "B", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    batch: u16,

    /// Where to compute: auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    device: config::Device,

    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Png)]
    format: Format,

    /// Overwrite files that are there already (never a photo that is worked on)
    #[arg(long)]
    force: bool,

    /// The folder that holds the sessions
    #[arg(long, default_value = "sessions", value_name = "DIR")]
    root: PathBuf,
}

/// A picture format; png and webp are lossless, jpg is of quality 95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Png,
    Jpg,
    Webp,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpg => "jpg",
            Self::Webp => "webp",
        }
    }
}

pub(super) fn parse_device(text: &str) -> Result<config::Device, String> {
    config::Device::try_from(text.to_owned())
}

/// Run `atelier stylize`.
///
/// # Errors
/// No generator, no photos, or some of them failed.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if let Some(tile) = args.tile.filter(|tile| *tile <= args.overlap) {
        return Err(Usage(format!("--overlap {} must be smaller than --tile {tile}", args.overlap)).into());
    }
    let jobs = files::jobs(&args.inputs, &args.output, args.format)?;
    let device = generator::device(args.device)?;
    let engine = Engine::open(args, device)?;
    std::fs::create_dir_all(&args.output).with_context(|| format!("make {}", args.output.display()))?;

    let bar = progress(jobs.len());
    let mut failures = Vec::new();
    let mut waiting: Vec<Loaded> = Vec::new();
    for job in jobs {
        match Loaded::open(job, args.force, device) {
            Ok(loaded) => {
                if waiting.first().is_some_and(|first| first.image.size() != loaded.image.size()) {
                    failures.extend(flush(&mut waiting, &engine, args, &bar));
                }
                waiting.push(loaded);
                if waiting.len() == usize::from(args.batch) {
                    failures.extend(flush(&mut waiting, &engine, args, &bar));
                }
            }
            Err(failure) => {
                bar.inc(1);
                failures.push(failure);
            }
        }
    }
    failures.extend(flush(&mut waiting, &engine, args, &bar));
    bar.finish_and_clear();
    if failures.is_empty() {
        return Ok(());
    }
    for (path, error) in &failures {
        eprintln!("error: {}: {}", path.display(), told(error));
    }
    bail!("{} of {} photos could not be stylised", failures.len(), bar.length().unwrap_or_default());
}

/// What makes pictures.
enum Engine {
    Generator(Stylist),
    Diffusion(Box<diffusion::Diffusion>),
}

impl Engine {
    fn open(args: &Args, device: Device) -> anyhow::Result<Self> {
        let generator = match (&args.session, &args.weights) {
            (Some(id), _) => {
                let trained = Trained::open(&args.root, id)?;
                if trained.experiment.track == config::Track::SdLora {
                    let options = &args.diffusion;
                    let diffusion = diffusion::Diffusion::of_session(options, &trained, args.ema, args.tile, device)?;
                    return Ok(Self::Diffusion(Box::new(diffusion)));
                }
                generator::of_session(trained, args.ema, device)?
            }
            (None, Some(path)) => generator::of_file(path, args.config.as_deref(), args.ema, device)?,
            (None, None) => {
                return Ok(Self::Diffusion(Box::new(diffusion::Diffusion::open(&args.diffusion, args.tile, device)?)));
            }
        };
        args.diffusion.refuse_beside_a_generator()?;
        if let Some(tile) = args.tile.filter(|tile| *tile < generator.smallest_tile()) {
            return Err(Usage(format!(
                "--tile {tile}: this generator works on squares of {} pixels at least ({})",
                generator.smallest_tile(),
                generator.describe()
            ))
            .into());
        }
        Ok(Self::Generator(generator))
    }

    /// `[B, 3, H, W]` in [-1, 1] of photos of one size.
    fn stylise(&self, batch: &[Loaded], args: &Args, bar: &ProgressBar) -> anyhow::Result<Tensor> {
        let images: Vec<&Tensor> = batch.iter().map(|loaded| &loaded.image).collect();
        let images = Tensor::f_cat(&images, 0)?;
        match self {
            Self::Generator(stylist) => generate(stylist, &images, args, bar).map_err(|error| explain(&error, args)),
            Self::Diffusion(diffusion) => diffusion.stylise(&images, batch, bar),
        }
    }
}

/// A photo and why it failed.
type Failure = (PathBuf, anyhow::Error);

/// A photo that waits for its batch to fill.
struct Loaded {
    job: Job,
    /// `[1, 3, H, W]` in [-1, 1].
    image: Tensor,
}

impl Loaded {
    fn open(job: Job, force: bool, device: Device) -> Result<Self, Failure> {
        let opened = (|| {
            if !force && job.output.symlink_metadata().is_ok() {
                bail!("{} is there already; --force overwrites it", job.output.display());
            }
            let image = files::read(&job.input)?;
            let (width, height) = image.dimensions();
            let pixels =
                Tensor::f_from_slice(image.as_raw())?.f_reshape([1, i64::from(height), i64::from(width), 3])?;
            let pixels = pixels.f_to_device(device)?.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?;
            Ok(pixels.f_div_scalar(127.5)?.f_sub_scalar(1.0)?)
        })();
        match opened {
            Ok(image) => Ok(Self { job, image }),
            Err(error) => Err((job.input, error)),
        }
    }
}

/// Stylise and write what waits; a batch that fails as a whole is tried one by one.
fn flush(waiting: &mut Vec<Loaded>, engine: &Engine, args: &Args, bar: &ProgressBar) -> Vec<Failure> {
    let batch = std::mem::take(waiting);
    let started = Instant::now();
    let together = if batch.len() > 1 { engine.stylise(&batch, args, bar).ok() } else { None };
    let mut failures = Vec::new();
    for (at, loaded) in batch.iter().enumerate() {
        let done = (|| {
            let image = match &together {
                Some(images) => images.f_narrow(0, at as i64, 1)?,
                None => engine.stylise(std::slice::from_ref(loaded), args, bar)?,
            };
            write(&image, &loaded.job, args.format)
        })();
        bar.inc(1);
        match done {
            Ok((width, height)) => {
                let seconds = started.elapsed().as_secs_f64();
                let line = format!("{}  {width}x{height}  {seconds:.1} s\n", loaded.job.output.display());
                bar.suspend(|| print(&line)).ok();
            }
            Err(error) => failures.push((loaded.job.input.clone(), error)),
        }
    }
    failures
}

fn generate(stylist: &Stylist, images: &Tensor, args: &Args, bar: &ProgressBar) -> Result<Tensor, TchError> {
    let (_, _, height, width) = images.size4()?;
    match args.tile {
        Some(tile) if tile < height.max(width) => tile::map(
            images,
            Tiles { tile, overlap: args.overlap, scale: 1 },
            |x| stylist.stylise(x),
            |done, all| {
                bar.set_message(format!("tile {done} of {all}"));
            },
        ),
        _ => stylist.stylise(images),
    }
}

/// Memory is what usually runs out; libtorch's own message says so in many lines.
fn explain(error: &TchError, args: &Args) -> anyhow::Error {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default().to_owned();
    if is_memory(&text) {
        let tile = args.tile.map_or(1024, |tile| tile / 2);
        anyhow!("too large for the memory at once; try --tile {tile} ({first})")
    } else {
        anyhow!(first)
    }
}

/// Whether libtorch says that there is not enough memory.
fn is_memory(text: &str) -> bool {
    ["out of memory", "can't allocate memory", "not enough memory"].iter().any(|words| text.contains(words))
}

/// Write `[1, 3, H, W]` in [-1, 1]; gives width and height.
fn write(image: &Tensor, job: &Job, format: Format) -> anyhow::Result<(u32, u32)> {
    let (_, _, height, width) = image.size4()?;
    let bytes = image.f_add_scalar(1.0)?.f_mul_scalar(127.5)?.f_round()?.f_clamp(0.0, 255.0)?.f_to_kind(Kind::Uint8)?;
    let bytes = bytes.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    let mut pixels = vec![0_u8; (3 * height * width) as usize];
    let count = pixels.len();
    bytes.f_copy_data_u8(&mut pixels, count)?;
    let (width, height) = (width as u32, height as u32);
    let image = image::RgbImage::from_raw(width, height, pixels).context("as many pixels as the image has")?;
    files::write(&image, &job.output, format)?;
    Ok((width, height))
}

fn progress(count: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} photos, {eta} left {msg}");
    ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Whether two paths name the same file; a file that is not there is no other.
fn is_same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
