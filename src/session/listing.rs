//! What a list of sessions shows: one small manifest and one small summary read for each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use super::lock::is_shared;
use super::summary::{is_better, write_float};
use super::trend::KEY_LOSSES;
use super::{Folder, Lock, Manifest, SessionError, State, Summary, Trend, find, host_name};
use crate::config::Metric;
use crate::record::{Frames, threads};

/// A manifest together with how the session really stands.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The manifest.
    pub manifest: Manifest,
    /// How it stands: [`State::Crashed`] where the manifest says that it is alive and nobody holds the lock.
    pub state: State,
    /// Why `state` may be wrong, when that cannot be seen from here.
    pub doubt: Option<String>,
}

/// Read a session's manifest and see whether it is alive.
pub fn observe(folder: &Folder) -> Result<Observed, SessionError> {
    let manifest = Manifest::load(folder)?;
    if !manifest.state.is_active() {
        return Ok(Observed { state: manifest.state, manifest, doubt: None });
    }
    let held = match Lock::is_held(folder) {
        Ok(held) => held,
        Err(error) => {
            let doubt = format!("whether a process runs it cannot be seen: {error}");
            return Ok(Observed { state: manifest.state, manifest, doubt: Some(doubt) });
        }
    };
    if held {
        return Ok(Observed { state: manifest.state, manifest, doubt: None });
    }
    // It may have ended between the two looks: what it wrote before it let the lock go is there now.
    let manifest = Manifest::load(folder)?;
    if !manifest.state.is_active() {
        return Ok(Observed { state: manifest.state, manifest, doubt: None });
    }
    match &manifest.host {
        Some(host) if *host != host_name() && is_shared(folder.path()) => {
            let doubt = format!("it ran on {host}; whether it still does cannot be seen from here");
            Ok(Observed { state: manifest.state, manifest, doubt: Some(doubt) })
        }
        _ => Ok(Observed { state: State::Crashed, manifest, doubt: None }),
    }
}

/// The newest value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latest {
    /// At which step.
    pub step: i64,
    /// The value; NaN and the infinities are texts in JSON.
    #[serde(serialize_with = "write_float")]
    pub value: f64,
}

/// One line of a list of sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listing {
    /// The id.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// How it stands; absent when the manifest cannot be read.
    pub state: Option<State>,
    /// Why.
    pub reason: Option<String>,
    /// Short name.
    pub name: String,
    /// What is trained.
    pub track: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Free text.
    pub notes: String,
    /// Put away: lists leave it out unless they are asked for it.
    pub archived: bool,
    /// Where it trains: as the process found it, else as the config says.
    pub device: Option<String>,
    /// Optimizer steps finished; absent before the first.
    pub step: Option<i64>,
    /// Optimizer steps in all.
    pub total_steps: Option<i64>,
    /// Epochs finished.
    pub epoch: Option<f64>,
    /// Epochs in all.
    pub total_epochs: Option<f64>,
    /// Images a second, while it runs.
    pub images_per_sec: Option<f64>,
    /// Restarts.
    pub generation: u32,
    /// When the session was made.
    pub created: Option<Timestamp>,
    /// Start of the newest generation.
    pub started: Option<Timestamp>,
    /// Its end, if it ended in order.
    pub ended: Option<Timestamp>,
    /// When it last recorded something.
    pub last_recorded: Option<Timestamp>,
    /// Host of the newest generation.
    pub host: Option<String>,
    /// Process of the newest generation.
    pub pid: Option<u32>,
    /// The session that it branched from.
    pub parent: Option<String>,
    /// At which step it branched off.
    pub parent_step: Option<i64>,
    /// The series that checkpoints are chosen by.
    pub best_metric: Option<String>,
    /// The newest value of every series.
    pub latest: BTreeMap<String, Latest>,
    /// The best value of every held-out metric.
    pub best: BTreeMap<String, Latest>,
    /// The course of the loss.
    pub trend: Trend,
    /// What is wrong with the folder, if something is.
    pub problem: Option<String>,
}

/// The series with images a second.
const SPEED: &str = "speed/images_per_sec";

impl Listing {
    /// Seconds since it was made: no end and no restart makes it younger.
    pub fn age_secs(&self, now: Timestamp) -> Option<f64> {
        let since = self.created.or(self.started).or(self.last_recorded)?;
        Some(now.duration_since(since).as_secs_f64().max(0.0))
    }

    /// The share of its steps that is done, 0 to 1.
    pub fn progress(&self) -> Option<f64> {
        let total = self.total_steps.filter(|total| *total > 0)?;
        Some((self.step.unwrap_or(0) as f64 / total as f64).clamp(0.0, 1.0))
    }

    /// The newest value of the series that stands for the loss, with its name.
    pub fn loss(&self) -> Option<(&'static str, Latest)> {
        self.first_of(&KEY_LOSSES)
    }

    /// The metric that stands for quality: the one that checkpoints are chosen by, else the first that was measured.
    pub fn metric(&self) -> Option<&str> {
        let chosen = self.best_metric.as_deref().filter(|name| self.latest.contains_key(*name));
        chosen.or_else(|| self.latest.keys().map(String::as_str).find(|name| Metric::of_series(name).is_some()))
    }

    /// The best value of [`Self::metric`], with its name.
    pub fn best_value(&self) -> Option<(&str, Latest)> {
        let name = self.metric()?;
        self.best.get(name).map(|best| (name, *best))
    }

    /// The newest value of the first of `names` that there is, with its name.
    pub fn first_of<'a>(&self, names: &[&'a str]) -> Option<(&'a str, Latest)> {
        names.iter().find_map(|name| self.latest.get(*name).map(|latest| (*name, *latest)))
    }

    fn empty(folder: &Folder) -> Self {
        Self {
            id: folder.id(),
            path: folder.path().to_owned(),
            state: None,
            reason: None,
            name: folder.id(),
            track: None,
            tags: Vec::new(),
            notes: String::new(),
            archived: false,
            device: None,
            step: None,
            total_steps: None,
            epoch: None,
            total_epochs: None,
            images_per_sec: None,
            generation: 0,
            created: None,
            started: None,
            ended: None,
            last_recorded: None,
            host: None,
            pid: None,
            parent: None,
            parent_step: None,
            best_metric: None,
            latest: BTreeMap::new(),
            best: BTreeMap::new(),
            trend: Trend::default(),
            problem: None,
        }
    }
}

/// Every session under `root`, oldest first. Folders that are damaged or unreadable are listed with their problem; a
/// root that is not there has no sessions.
pub fn list(root: &Path) -> Result<Vec<Listing>, SessionError> {
    let ids = find::ids(root)?;
    Ok(threads::each(&ids, |id| read(&Folder::new(root.join(id)))))
}

/// One session for a list. Never fails: what cannot be read is the listing's `problem`.
pub fn read(folder: &Folder) -> Listing {
    let mut listing = Listing::empty(folder);
    match observe(folder) {
        Ok(observed) => fill(&mut listing, &observed),
        // It reads its data and builds its networks before there is anything to write down.
        Err(_) if is_new(folder) && Lock::is_held(folder).unwrap_or(false) => listing.state = Some(State::Starting),
        Err(_) if is_new(folder) => {
            listing.problem = Some("no manifest: it is being prepared, or its start was interrupted".to_owned());
        }
        Err(error) => listing.problem = Some(error.to_string()),
    }
    let recorded_in = match Summary::load(folder) {
        Some(summary) => Some(take(&mut listing, summary)),
        None => take_from_store(&mut listing, folder),
    };
    // A speed is of this generation, or it says nothing about what runs.
    let alive =
        matches!(listing.state, Some(State::Running | State::Paused)) && recorded_in == Some(listing.generation);
    listing.images_per_sec = listing.latest.get(SPEED).map(|latest| latest.value).filter(|_| alive);
    listing
}

/// Nothing but what exists before the first manifest: a log and a lock. What one may not look at is not missing.
fn is_new(folder: &Folder) -> bool {
    let missing = |path: PathBuf| matches!(path.try_exists(), Ok(false));
    folder.path().exists() && [folder.manifest(), folder.metrics(), folder.events()].into_iter().all(missing)
}

fn fill(listing: &mut Listing, observed: &Observed) {
    let manifest = &observed.manifest;
    listing.state = Some(observed.state);
    listing.reason.clone_from(&manifest.reason);
    listing.name.clone_from(&manifest.name);
    listing.track = manifest.track().map(str::to_owned);
    listing.tags.clone_from(&manifest.tags);
    listing.notes.clone_from(&manifest.notes);
    listing.archived = manifest.archived;
    let wanted = || Some(manifest.config_value("device")?.as_str()?.to_owned());
    listing.device = manifest.device.clone().or_else(wanted);
    listing.total_steps = manifest.progress.total_steps;
    let planned =
        || manifest.config_value("train.epochs").and_then(toml_edit::Value::as_integer).map(|epochs| epochs as f64);
    listing.total_epochs = manifest.progress.total_epochs.or_else(planned);
    listing.generation = manifest.generation;
    listing.created = manifest.created;
    listing.started = manifest.started;
    listing.ended = manifest.ended;
    listing.host.clone_from(&manifest.host);
    listing.pid = manifest.pid;
    listing.parent.clone_from(&manifest.parent);
    listing.parent_step = manifest.parent_step;
    let metric = manifest.config_value("checkpoint.best_metric").and_then(toml_edit::Value::as_str);
    listing.best_metric = metric.map(|metric| format!("val/{metric}"));
    listing.problem.clone_from(&observed.doubt);
}

/// Gives the generation that the values are of.
fn take(listing: &mut Listing, summary: Summary) -> u32 {
    let generation = summary.generation;
    listing.step = Some(summary.step);
    listing.epoch = summary.epoch;
    listing.last_recorded = Some(summary.time);
    let latest =
        |(name, newest): (String, super::summary::Newest)| (name, Latest { step: newest.step, value: newest.value });
    listing.latest = summary.series.into_iter().map(latest).collect();
    listing.best = summary.best.into_iter().map(latest).collect();
    listing.trend = summary.trend;
    generation
}

/// Without a summary (a folder that came from elsewhere, a crash in the first second) the store tells.
fn take_from_store(listing: &mut Listing, folder: &Folder) -> Option<u32> {
    if !folder.metrics().is_dir() {
        return None;
    }
    let frames = match Frames::open(&folder.metrics()) {
        Ok(frames) => frames,
        Err(error) => {
            listing.problem.get_or_insert_with(|| error.to_string());
            return None;
        }
    };
    let mut generation = None;
    for name in frames.series_names().unwrap_or_default() {
        let Some(point) = frames.latest(&name) else { continue };
        if listing.step.is_none_or(|step| step <= point.step) {
            listing.step = Some(point.step);
            listing.epoch = Some(point.epoch);
        }
        let time = Timestamp::from_nanosecond(i128::from(point.time_ns)).ok();
        listing.last_recorded = listing.last_recorded.max(time);
        generation = generation.max(Some(point.generation));
        listing.latest.insert(name, Latest { step: point.step, value: point.value });
    }
    fill_course(listing, &frames);
    if listing.last_recorded.is_none() {
        let changed = std::fs::metadata(folder.path()).and_then(|data| data.modified()).ok();
        listing.last_recorded = changed.and_then(|time: SystemTime| Timestamp::try_from(time).ok());
    }
    generation
}

/// The best of every metric and the course of the loss, from every value that the store has.
fn fill_course(listing: &mut Listing, frames: &Frames) {
    let loss = KEY_LOSSES.into_iter().find(|name| listing.latest.contains_key(*name));
    let names: Vec<String> = listing.latest.keys().cloned().collect();
    for name in names {
        let is_loss = loss == Some(name.as_str());
        if !is_loss && Metric::of_series(&name).is_none() {
            continue;
        }
        let Ok(points) = frames.series(&name) else { continue };
        for (&step, &value) in points.step.iter().zip(&points.value) {
            if is_better(&name, value, listing.best.get(&name).map(|best| best.value)) {
                listing.best.insert(name.clone(), Latest { step, value });
            }
            if is_loss {
                listing.trend.push(&[(&name, value)]);
            }
        }
    }
}
