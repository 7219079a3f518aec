//! One session as a report reads it: whatever of its folder can be read, and words on what cannot.

use std::path::PathBuf;

use super::quantity;
use super::samples::{self, SampleStep};
use crate::data::{Dataset, split};
use crate::record::curve::{Axis, Curve};
use crate::record::{Frames, Point, threads};
use crate::session::checkpoints::{self, Checkpoint};
use crate::session::events::{self, EventLine};
use crate::session::notebook::{Cell, Kept, KeptCell, Notebook};
use crate::session::{self, Folder, KEY_LOSSES, Listing, Manifest};

/// One series.
#[derive(Debug)]
pub struct Recorded {
    /// Its name.
    pub name: String,
    /// Its points.
    pub curve: Curve,
}

/// A session.
#[derive(Debug)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its folder.
    pub folder: Folder,
    /// How it stands.
    pub listing: Listing,
    /// What it is; none when the manifest cannot be read.
    pub manifest: Option<Manifest>,
    /// What happened, oldest first.
    pub events: Vec<EventLine>,
    /// What training measured, by name.
    pub metrics: Vec<Recorded>,
    /// What the machine measured, by name.
    pub telemetry: Vec<Recorded>,
    /// Steps with sample pictures.
    pub samples: Vec<SampleStep>,
    /// Checkpoints, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// The pairs that it was trained on.
    pub dataset: Option<Pairs>,
    /// The notebook's cells, with what they last gave.
    pub notebook: Vec<(Cell, Option<KeptCell>)>,
    /// What could not be read, one line each.
    pub warnings: Vec<String>,
}

/// The pairs that a session was trained on, as its config names them and as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// The folder, as the config has it.
    pub root: String,
    /// What is in it now; none when it cannot be read, with the reason.
    pub found: Result<PairsFound, String>,
}

/// What is in a folder of pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairsFound {
    /// Pairs.
    pub pairs: usize,
    /// Pictures that they were cut from.
    pub sources: usize,
    /// Pairs that are drawn, not photographed.
    pub synthetic: usize,
    /// Pairs trained on and held out, by the config's split.
    pub split: Option<(usize, usize)>,
    /// Sizes of photos in pixels, most frequent first, with the number of pairs; only those that the manifest knows.
    pub sizes: Vec<((u32, u32), usize)>,
    /// Entries that are no whole pair.
    pub left_out: usize,
}

/// The cells of a session's notebook that hold something.
fn notebook(folder: &Folder, warnings: &mut Vec<String>) -> Vec<(Cell, Option<KeptCell>)> {
    let notebook = Notebook::load(&folder.notebook()).unwrap_or_else(|error| {
        warnings.push(error.to_string());
        Notebook::default()
    });
    let sources: Vec<&str> = notebook.cells.iter().map(Cell::source).collect();
    let kept = Kept::load(&folder.notebook_outputs()).matched(sources.into_iter());
    notebook.cells.iter().cloned().zip(kept).filter(|(cell, _)| !cell.source().trim().is_empty()).collect()
}

impl Source {
    /// Read a session, its curves smoothed by a half-life in steps. Nothing here fails: what cannot be read is a warning.
    pub fn read(folder: &Folder, half_life: f64) -> Self {
        let mut warnings = Vec::new();
        let manifest = match Manifest::load(folder) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                warnings.push(error.to_string());
                None
            }
        };
        let listing = session::read_listing(folder);
        warnings
            .extend(listing.problem.iter().filter(|problem| !warnings.contains(problem)).cloned().collect::<Vec<_>>());
        let events = match events::read(&folder.events()) {
            Ok(read) => {
                warnings.extend(read.warnings.into_iter().map(|warning| format!("events.jsonl: {warning}")));
                read.lines
            }
            Err(error) => {
                warnings.push(format!("events.jsonl: {error}"));
                Vec::new()
            }
        };
        let [metrics, telemetry] = [folder.metrics(), folder.telemetry()].map(|store| {
            let (read, problems) = curves(&store, half_life);
            warnings.extend(problems);
            read
        });
        let samples = samples::list(folder, &mut warnings);
        let checkpoints = checkpoints::list(folder).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Vec::new()
        });
        let dataset = manifest.as_ref().and_then(pairs);
        let notebook = notebook(folder, &mut warnings);
        let folder = folder.clone();
        Self {
            id: folder.id(),
            folder,
            listing,
            manifest,
            events,
            metrics,
            telemetry,
            samples,
            checkpoints,
            dataset,
            notebook,
            warnings,
        }
    }

    /// A series of the metrics or of the telemetry.
    pub fn series(&self, name: &str) -> Option<&Recorded> {
        self.metrics.iter().chain(&self.telemetry).find(|recorded| recorded.name == name)
    }

    /// The name of the series that stands for its loss.
    pub fn key_loss(&self) -> Option<&str> {
        let known = KEY_LOSSES.into_iter().find(|name| self.series(name).is_some());
        known.or_else(|| self.metrics.iter().map(|it| it.name.as_str()).find(|name| name.starts_with("loss/")))
    }

    /// Names of metrics, sorted, of which `wanted` holds.
    pub fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<&str> {
        self.metrics.iter().map(|recorded| recorded.name.as_str()).filter(|name| wanted(name)).collect()
    }

    /// When it began, in nanoseconds since the Unix epoch: its first event or value.
    pub fn start_ns(&self) -> i64 {
        let event = self.events.first().map(|event| event.time.as_nanosecond() as i64);
        let values = self.metrics.iter().chain(&self.telemetry).filter_map(|it| Some(it.curve.first()?.time_ns));
        values.chain(event).min().unwrap_or(0)
    }

    /// The first and the last place of its metrics on an axis; of its telemetry if it has no metrics.
    pub fn extent(&self, axis: Axis) -> Option<(f64, f64)> {
        let of = |recorded: &[Recorded]| {
            let ends = recorded.iter().filter_map(|it| it.curve.extent(axis));
            ends.filter(|(from, to)| from.is_finite() && to.is_finite()).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
        };
        of(&self.metrics).or_else(|| of(&self.telemetry))
    }

    /// Values of all series together.
    pub fn points(&self) -> u64 {
        self.metrics.iter().chain(&self.telemetry).map(|recorded| recorded.curve.len() as u64).sum()
    }

    /// The newest point of a series, if it is a number.
    pub fn newest(&self, name: &str) -> Option<Point> {
        self.series(name)?.curve.last().filter(|point| point.value.is_finite())
    }
}

/// Every series in a folder of segments, in the order of their names.
fn curves(dir: &std::path::Path, half_life: f64) -> (Vec<Recorded>, Vec<String>) {
    if !dir.is_dir() {
        return (Vec::new(), Vec::new());
    }
    let opened = Frames::open(dir).and_then(|frames| Ok((frames.series_names()?, frames)));
    let (names, frames) = match opened {
        Ok(opened) => opened,
        Err(error) => return (Vec::new(), vec![error.to_string()]),
    };
    let mut problems: Vec<String> = frames.warnings().to_vec();
    let read: Vec<Result<Recorded, String>> = threads::each(&names, |name| {
        let mut curve = Curve::from_series(frames.series(name).map_err(|error| error.to_string())?);
        if quantity::is_noisy(name, curve.len()) {
            curve.set_half_life(half_life);
        }
        Ok(Recorded { name: name.clone(), curve })
    });
    let mut found = Vec::with_capacity(read.len());
    for one in read {
        match one {
            Ok(recorded) => found.push(recorded),
            Err(error) => problems.push(error),
        }
    }
    problems.dedup();
    (found, problems)
}

fn pairs(manifest: &Manifest) -> Option<Pairs> {
    let root = manifest.config_value("data.root")?.as_str()?.to_owned();
    // Relative to where the command was given.
    let path = manifest.directory.as_ref().map_or_else(PathBuf::new, PathBuf::from).join(&root);
    let found = Dataset::open(&path).map_err(|error| error.to_string()).map(|dataset| {
        let fraction = manifest
            .config_value("data.validation_fraction")
            .and_then(|value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)));
        let seed = manifest.config_value("data.split_seed").and_then(toml_edit::Value::as_integer).unwrap_or(0) as u64;
        let split = fraction.map(|fraction| {
            let split = split(&dataset, fraction, seed);
            (split.train.len(), split.validation.len())
        });
        let mut sizes: Vec<((u32, u32), usize)> = Vec::new();
        for entry in dataset.pairs.iter().filter_map(|pair| pair.entry.as_ref()) {
            let size = (entry.photo.width, entry.photo.height);
            match sizes.iter_mut().find(|(known, _)| *known == size) {
                Some((_, count)) => *count += 1,
                None => sizes.push((size, 1)),
            }
        }
        sizes.sort_by_key(|&(size, count)| (std::cmp::Reverse(count), size));
        PairsFound {
            pairs: dataset.pairs.len(),
            sources: dataset.sources().len(),
            synthetic: dataset.pairs.iter().filter(|pair| pair.synthetic).count(),
            split,
            sizes,
            left_out: dataset.left_out.len(),
        }
    });
    Some(Pairs { root, found })
}
