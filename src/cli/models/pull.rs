//! `atelier models pull`.

use std::path::Path;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::lora::megabytes;
use crate::cli::{Usage, print};
use crate::models::catalog::{File, MODELS, Model};
use crate::models::perceptual::fetch;

/// Fetch a published model into the cache: pinned files, each checked by its SHA-256.
///
/// A download that broke off goes on where it stopped. The model is then called by its name: `--base sd15`. Where
/// ATELIER_OFFLINE is set nothing is fetched: it says which files are missing, where they can be had, and where to put
/// them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier models pull sd15-fp16
  atelier models pull sd15 --verify")]
#[expect(clippy::doc_markdown, reason = "shown as --help text, as it stands")]
pub struct Args {
    /// The model's name, as `atelier models ls` lists it
    #[arg(value_name = "NAME")]
    name: String,
    /// Check the files that are there already to the last bit, and fetch the damaged ones again
    #[arg(long)]
    verify: bool,
    /// Say what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Fetch.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let names = || MODELS.map(|model| model.name).join(", ");
    let model = Model::named(&args.name)
        .ok_or_else(|| Usage(format!("no model is called `{}`; there are {}", args.name, names())))?;
    let folder = model.folder()?;
    if args.verify {
        remove_damaged(model, &folder)?;
    }
    let missing: Vec<&File> = model.missing(&folder).collect();
    if !missing.is_empty() && fetch::is_offline() {
        bail!("{}", by_hand(model, &missing, &folder));
    }
    let length = missing.iter().map(|file| file.bytes).sum();
    let template = "{msg:40!} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(length).with_style(style);
    let mut done = 0;
    for file in &missing {
        bar.set_message(file.path().display().to_string());
        model.fetch(file, &folder, |have| bar.set_position(done + have))?;
        done += file.bytes;
        bar.set_position(done);
    }
    bar.finish_and_clear();
    if args.json {
        let fetched: Vec<_> = missing.iter().map(|file| file.path()).collect();
        return Ok(print(&format!("{}\n", json!({ "name": model.name, "folder": folder, "fetched": fetched })))?);
    }
    let what = match missing.len() {
        0 => "all files are there".to_owned(),
        count => format!("{count} files fetched, {}", megabytes(length)),
    };
    Ok(print(&format!("{what}: {}\nuse it as --base {} ({})\n", folder.display(), model.name, model.licence))?)
}

fn remove_damaged(model: &Model, folder: &Path) -> anyhow::Result<()> {
    for file in model.files.iter().filter(|file| file.is_in(folder)) {
        if !file.verify(folder)? {
            let path = folder.join(file.path());
            eprintln!("warning: {} is not the pinned file any more; it is fetched again", path.display());
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// What to fetch elsewhere, and where to put it.
fn by_hand(model: &Model, missing: &[&File], folder: &Path) -> String {
    let mut text = format!(
        "{} forbids downloads, and {} of {} files of {} are missing in {}; fetch them elsewhere and put each where it says:",
        fetch::OFFLINE,
        missing.len(),
        model.files.len(),
        model.name,
        folder.display()
    );
    for file in missing {
        text.push_str(&format!("\n  {}  {}\n    {}", file.path().display(), megabytes(file.bytes), model.url(file)));
    }
    text
}
