//! `atelier eval`: how near predictions come to their targets, and how sure that is.

mod batches;
mod folders;
mod record;
mod report;
mod session;
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;

use self::report::{Report, Sample};
use super::Usage;
use super::sessions::{self, Root};
use super::stylize::{device, parse_device};
use crate::config::{self, Metric};
use crate::models::perceptual::judge::{Judge, Tally};
use crate::native::torch::allow_tf32;

/// Measure predictions against their targets: of a session on its held-out pairs, or of two folders of images.
///
/// A session's checkpoint stylises the held-out pairs as validation does, at the config's size, and the results join its
/// series as `eval/...`; `atelier show` has them. Two folders are matched by the names of their images without the
/// extension.
///
/// Every mean comes with a 95 % interval (bootstrap over the images), and with what the untouched input scores: a
/// prediction that does not beat it has not helped. Metrics whose weights are missing are named with the command that
/// gets them; the others go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier eval last
  atelier eval hayao --checkpoint best --metrics psnr,ssim,lpips-alex
  atelier eval out/ --against illustrations/ --input photos/
  atelier eval out/ --against illustrations/ --weights alexnet.safetensors --json > out.json")]
pub struct Args {
    /// A session (its id, its name, a part of its id that no other has, or `last`), or a folder of images.
    #[arg(value_name = "ID|DIR")]
    what: String,
    /// The folder that holds the targets.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The folder that holds the untouched inputs, for the baseline.
    #[arg(long, value_name = "DIR", requires = "against")]
    input: Option<PathBuf>,
    /// What to measure, with commas between: l1, mse, psnr, ssim, ms-ssim, lpips-alex, lpips-vgg, lpips-squeeze, fid,
    /// fid-clean, kid.
    #[arg(long, value_name = "METRICS", value_delimiter = ',', value_parser = parse_metric,
        default_values = ["l1", "psnr", "ssim", "ms-ssim", "lpips-alex", "fid", "kid"])]
    metrics: Vec<Metric>,
    /// A file with weights of a network that a metric looks through, recognised by its content. May be given again.
    #[arg(long, value_name = "FILE")]
    weights: Vec<PathBuf>,
    /// Which checkpoint: `newest`, `best` (by the config's `checkpoint.best_metric`), or its step.
    #[arg(long, value_name = "WHICH", default_value = "newest", conflicts_with = "against")]
    checkpoint: session::Which,
    /// Look at this many of the held-out pairs at most.
    #[arg(long, value_name = "N", conflicts_with = "against")]
    max_pairs: Option<usize>,
    /// Leave the session as it is: nothing is added to its series.
    #[arg(long, conflicts_with = "against")]
    dry: bool,
    /// How many of the best and the worst images to name.
    #[arg(long, value_name = "N", default_value_t = 3)]
    extremes: usize,
    /// Seed of the intervals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to compute: auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto", value_parser = parse_device)]
    device: config::Device,
    /// How a GPU computes the convolutions of the networks that metrics look through.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// Print everything as JSON, values of single images included.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    root: Root,
}

/// How exact a GPU's convolutions are; a CPU's always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Precision {
    /// In TF32, as PyTorch does unless told otherwise, and so as published values were measured.
    #[default]
    Tf32,
    /// In float32: as on a CPU, at a fraction of the speed.
    F32,
}

fn parse_metric(name: &str) -> Result<Metric, String> {
    Metric::of_name(name.trim()).ok_or_else(|| {
        let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        format!("there is no such metric; there are {}", names.join(", "))
    })
}

/// What was measured, before the statistics.
struct Measured {
    /// One line on what it is of.
    title: String,
    /// The images that have values, in the tally's order.
    names: Vec<String>,
    tally: Tally,
    /// What could not be measured, and why.
    failed: Vec<Sample>,
    /// Images without a partner.
    unmatched: Vec<String>,
    /// When the first image was asked for.
    begin: Instant,
}

/// Evaluate.
///
/// # Errors
/// There is nothing to evaluate, or some of it could not be.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let device = device(args.device)?;
    // Products sum up what the networks saw; they stay exact either way.
    allow_tf32(false, args.precision == Precision::Tf32)?;
    let judge = Judge::new(&args.metrics, &args.weights, device).map_err(|error| Usage(error.to_string()))?;
    let folder = Path::new(&args.what);
    let (report, finding) = match &args.against {
        Some(targets) => {
            let folders = folders::Folders::open(folder, targets, args.input.as_deref())?;
            let (judge, measured) = folders.measure(judge, device)?;
            (Report::new(&judge, measured, args.seed)?, None)
        }
        None if folder.is_dir() && !folder.join("session.toml").exists() && args.what.contains('/') => {
            return Err(Usage(format!(
                "{0} is no session; to compare its images, name their targets: --against DIR",
                args.what
            ))
            .into());
        }
        None => {
            let subject = session::Subject::open(&args.root.find(&args.what)?, args.checkpoint, device)?;
            let (judge, measured) = subject.measure(judge, args.max_pairs.unwrap_or(usize::MAX))?;
            let mut report = Report::new(&judge, measured, args.seed)?;
            report.step = Some(subject.state.step);
            let recorded = if args.dry { None } else { Some(record::record(&subject, &report)) };
            (report, recorded)
        }
    };
    if args.json {
        super::print(&report.to_json()?)?;
    } else {
        super::print(&table::render(&report, args.extremes, sessions::colours()))?;
    }
    if let Some(outcome) = finding {
        let line = outcome?;
        if !args.json {
            super::print(&format!("\n{line}\n"))?;
        }
    }
    match report.failed.len() {
        0 => Ok(()),
        count => bail!("{count} of {} could not be measured; the others are above", count + report.images.len()),
    }
}
