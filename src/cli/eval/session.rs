//! A session's generator on the pairs that it never learnt from.

use std::path::Path;
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tch::Device;

use super::Measured;
use crate::cli::Usage;
use crate::cli::stylize::of_checkpoint;
use crate::cli::train::dataset;
use crate::config::{self, Experiment, Paths};
use crate::data;
use crate::data::cache::Cache;
use crate::data::loader::{Loader, LoaderOptions};
use crate::models::perceptual::judge::{Judge, Tally};
use crate::models::pix2pixhd::stylist::Stylist;
use crate::session::{Folder, Manifest};
use crate::train::checkpoint::{self, Entry};
use crate::train::validate::measure;

/// Which of a session's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Newest,
    Best,
    Step(i64),
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "newest" => Ok(Self::Newest),
            "best" => Ok(Self::Best),
            step => step.parse().map(Self::Step).map_err(|_no_number| "newest, best, or the step of one".to_owned()),
        }
    }
}

/// A session with one of its checkpoints loaded.
pub(super) struct Subject {
    pub folder: Folder,
    pub state: checkpoint::State,
    experiment: Experiment,
    stylist: Stylist,
    device: Device,
}

impl Subject {
    /// Load it.
    pub fn open(folder: &Folder, which: Which, device: Device) -> anyhow::Result<Self> {
        let manifest = Manifest::load(folder)?;
        let origin = folder.manifest().display().to_string();
        let mut experiment = config::parse_with(&manifest.config(), &origin, &[], Paths::Unchecked)?.experiment;
        // Its relative paths are meant from where it was started.
        if let Some(directory) = &manifest.directory {
            experiment.data.root = Path::new(directory).join(&experiment.data.root);
        }
        let (path, state, tensors) = match which {
            Which::Newest => {
                let newest = checkpoint::newest(&folder.checkpoints(), checkpoint::load_model)?;
                let Some(newest) = newest else {
                    bail!(
                        "session {} has no checkpoint yet; `atelier checkpoint {0}` asks a running one for it",
                        folder.id()
                    );
                };
                for damaged in &newest.damaged {
                    eprintln!("warning: passed over a damaged checkpoint: {damaged}");
                }
                let (state, tensors) = newest.content;
                (newest.path, state, tensors)
            }
            Which::Best | Which::Step(_) => {
                let entry = choose(folder, which, &experiment)?;
                let (state, tensors) = checkpoint::load_model(&entry.path)?;
                (entry.path, state, tensors)
            }
        };
        // As validation does: the moving average where one is kept.
        let ema = experiment.train.ema_decay > 0.0;
        let stylist = of_checkpoint(&experiment, &path, tensors, ema, device)?;
        Ok(Self { folder: folder.clone(), state, experiment, stylist, device })
    }

    /// Stylise the held-out pairs, at most `most` of them, and measure.
    pub fn measure(&self, mut judge: Judge, most: usize) -> anyhow::Result<(Judge, Measured)> {
        let settings = &self.experiment.data;
        let dataset = dataset(settings)?;
        let split = data::split(&dataset, settings.validation_fraction, settings.split_seed);
        if split.validation.is_empty() {
            return Err(Usage(format!(
                "session {} holds no pairs out (data.validation_fraction = {}), so there is nothing to evaluate it on; \
                 `atelier stylize` other photos and compare with --against",
                self.folder.id(),
                settings.validation_fraction
            ))
            .into());
        }
        judge.fit(settings.size, settings.size);
        let indices: Vec<usize> = split.validation.into_iter().take(most.max(1)).collect();
        let cache = Cache::open(&dataset, settings, &data::cache::default_dir())?;
        let options = LoaderOptions {
            config: settings.clone(),
            batch_size: self.experiment.train.batch_size,
            seed: self.experiment.seed,
            augment: false,
            shuffle: false,
            device: self.device,
        };
        let begin = Instant::now();
        let mut loader = Loader::new(cache, indices, options)?;
        let mut tally = Tally::default();
        let mut names = Vec::new();
        for index in 0..loader.batches_per_epoch() {
            let batch = loader.batch(0, index)?;
            let prediction = self.stylist.stylise(&batch.input).context("stylise the held-out pairs")?;
            tally.extend(measure(&judge, &prediction, &batch)?);
            names.extend(batch.ids);
        }
        let (id, step, count, side) = (self.folder.id(), self.state.step, names.len(), settings.size);
        let pairs = if count == 1 { "pair" } else { "pairs" };
        let title = format!("{id}  step {step} · {count} held-out {pairs} of {side}x{side} pixels");
        Ok((judge, Measured { title, names, tally, failed: Vec::new(), unmatched: Vec::new(), begin }))
    }
}

/// The checkpoint of a step, or the best one.
fn choose(folder: &Folder, which: Which, experiment: &Experiment) -> anyhow::Result<Entry> {
    let entries = checkpoint::list(&folder.checkpoints())?;
    if let Which::Step(step) = which {
        let steps: Vec<String> = entries.iter().map(|entry| entry.step.to_string()).collect();
        let there = if steps.is_empty() { "none".to_owned() } else { steps.join(", ") };
        let found = entries.into_iter().find(|entry| entry.step == step);
        return found.ok_or_else(|| {
            Usage(format!("session {} has no checkpoint of step {step}; there are: {there}", folder.id())).into()
        });
    }
    let metric = experiment.checkpoint.best_metric;
    let series = format!("val/{}", metric.name());
    let value = |entry: &Entry| {
        let value = *checkpoint::read_state(&entry.path).ok()?.metrics.get(&series)?;
        (!value.is_nan()).then_some(if metric.higher_is_better() { -value } else { value })
    };
    let ranked = entries.into_iter().filter_map(|entry| Some((value(&entry)?, entry)));
    let best = ranked.min_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, entry)| entry);
    best.with_context(|| format!("session {} has no checkpoint with a value of {series} to choose by", folder.id()))
}
