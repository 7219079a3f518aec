//! `atelier lora merge`.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{load, refuse_existing, with_strength};
use crate::cli::{Usage, print};
use crate::models::catalog;
use crate::models::stable_diffusion::merge::{self, Part};

/// Add LoRAs to their base for good: a model of its own, for programs that know no LoRA.
///
/// The base's precision is kept. A diffusers folder gives a folder, a checkpoint file gives a file. A paired LoRA makes an
/// InstructPix2Pix model of it, which diffusers opens as StableDiffusionInstructPix2PixPipeline.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier lora merge --base sd15 --lora ghibli.safetensors -o sd15-ghibli
  atelier lora merge --base v1-5.safetensors --lora a.safetensors:0.8 --lora b.safetensors:0.4 -o both.safetensors")]
#[expect(clippy::doc_markdown, reason = "shown as --help text, as it stands")]
pub struct Args {
    /// The base: a diffusers folder, a checkpoint file, or the name of a model that was fetched (`atelier models ls`)
    #[arg(long, value_name = "BASE")]
    base: PathBuf,
    /// A LoRA, and how strong it is added; may be given several times
    #[arg(long = "lora", required = true, value_name = "FILE[:STRENGTH]", value_parser = with_strength)]
    loras: Vec<(PathBuf, f64)>,
    /// Where to write the model
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// Say what was written as JSON
    #[arg(long)]
    json: bool,
}

/// Merge.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let base = catalog::base(&args.base).map_err(Usage)?;
    if !base.exists() {
        return Err(Usage(format!("{}: no such folder or file", base.display())).into());
    }
    refuse_existing(&args.output, false).map_err(|_exists: Usage| {
        Usage(format!("{} exists; a model is never written over another, so give another -o", args.output.display()))
    })?;
    let is_file = args.output.extension().is_some_and(|end| end == "safetensors");
    if base.is_file() && !is_file {
        return Err(
            Usage(format!("the base is a file, so -o must name one: {}.safetensors", args.output.display())).into()
        );
    }
    let files = args.loras.iter().map(|(path, _)| load(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let parts: Vec<Part<'_>> = args
        .loras
        .iter()
        .zip(&files)
        .map(|((path, strength), lora)| Part { path, lora, strength: *strength })
        .collect();
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    let merged = merge::merge(&base, &parts, &args.output, |doing| bar.set_message(doing.to_owned()));
    bar.finish_and_clear();
    merged?;
    let layers: usize = files.iter().map(|file| file.layers.len() + file.whole.len()).sum();
    if args.json {
        print(&format!("{}\n", serde_json::json!({ "model": args.output, "base": base, "layers": layers })))?;
    } else {
        print(&format!("{layers} layers added to {} and written to {}\n", base.display(), args.output.display()))?;
    }
    Ok(())
}
