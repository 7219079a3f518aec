//! What Track 2 needs before its first step: a base, and latents.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use tch::Device;

use crate::cli::Usage;
use crate::config::{Experiment, TinyBase};
use crate::data::Dataset;
use crate::data::batch::Batches;
use crate::data::cache::Cache;
use crate::data::loader::{Loader, LoaderOptions};
use crate::tracks::Track;
use crate::tracks::sd_lora::{SdLora, SdLoraError};
use crate::train::interrupt::Interrupt;
use crate::train::tiny_base;

/// Pictures in a step of the tiny base's autoencoder: half of them photos.
const PAIRS: usize = 4;

/// The track and its batches of the pairs at `indices`; the base is made first where it is absent and the config says so.
pub fn prepare(
    experiment: &Experiment,
    dataset: &Dataset,
    cache: Cache,
    indices: Vec<usize>,
    options: LoaderOptions,
    interrupt: &Interrupt,
) -> anyhow::Result<(Box<dyn Track>, Box<dyn Batches>)> {
    if let (Some(recipe), Some(base)) = (&experiment.sd_lora.tiny_base, &experiment.sd_lora.base) {
        make_base(recipe, base, cache.clone(), indices.clone(), &options, interrupt)?;
    }
    let track = SdLora::new(experiment, dataset, options.device).map_err(|error| match error {
        SdLoraError::Config(_) => anyhow::Error::from(Usage(error.to_string())),
        error => error.into(),
    })?;
    if !track.caches_latents() {
        let batches = Loader::new(cache, indices, options)?;
        return Ok((Box::new(track), Box::new(batches)));
    }
    let bar = Bar::new("encoding pictures");
    let batches = track.batches(cache, indices, options, &mut |done, all| {
        bar.show(done, all, "");
        interrupt.reason().is_none()
    })?;
    bar.close();
    Ok((Box::new(track), Box::new(batches)))
}

/// Make the tiny base where there is none; say so where there is another.
fn make_base(
    recipe: &TinyBase,
    base: &Path,
    cache: Cache,
    indices: Vec<usize>,
    options: &LoaderOptions,
    interrupt: &Interrupt,
) -> anyhow::Result<()> {
    if base.exists() {
        if let Some(found) = tiny_base::recipe(base).filter(|found| found != recipe) {
            eprintln!(
                "{} was made by another recipe ({found:?}) than [sd_lora.tiny_base]; it is used as it is. Remove it to have \
                 it made anew",
                base.display()
            );
        }
        return Ok(());
    }
    let options = LoaderOptions { batch_size: PAIRS, seed: recipe.seed, device: Device::Cpu, ..options.clone() };
    let mut pictures = Loader::new(cache, indices, options)?;
    let bar = Bar::new("making the base");
    tiny_base::make(recipe, &mut pictures, base, &mut |at| {
        bar.show(at.step, at.steps, &format!("{} loss {:.4}", at.part, at.loss));
        interrupt.reason().is_none()
    })
    .with_context(|| format!("make the base {}", base.display()))?;
    bar.close();
    Ok(())
}

/// A live line on a terminal; elsewhere a line at each quarter.
struct Bar {
    title: &'static str,
    bar: ProgressBar,
}

impl Bar {
    fn new(title: &'static str) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self { title, bar }
    }

    fn show(&self, done: usize, all: usize, detail: &str) {
        let gap = if detail.is_empty() { "" } else { "  " };
        self.bar.set_length(all as u64);
        self.bar.set_message(format!("{}{gap}{detail}", self.title));
        self.bar.set_position(done as u64);
        if self.bar.is_hidden() && all > 0 && done > 0 && (4 * done) / all != (4 * (done - 1)) / all {
            eprintln!("{}: {done} of {all}{gap}{detail}", self.title);
        }
    }

    fn close(&self) {
        self.bar.finish_and_clear();
    }
}
