//! `summary.json`: the newest value of every series, the best of every metric and the course of the loss, so that a list
//! of hundreds of sessions reads one small file each.
//!
//! It is a cache: rewritten about once a second while the session runs and once more at its end, and at most that much
//! behind the series store, which alone is the truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Folder;
use super::manifest::replace_cache;
use super::trend::Trend;
use crate::config::Metric;
use crate::record::{At, Clock};

/// The newest values of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// When this was written.
    pub time: Timestamp,
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished; absent when it was no number.
    pub epoch: Option<f64>,
    /// Restarts so far.
    pub generation: u32,
    /// The newest value of every series.
    pub series: BTreeMap<String, Newest>,
    /// The best value of every held-out metric, and where it was first reached.
    #[serde(default)]
    pub best: BTreeMap<String, Newest>,
    /// The course of the loss.
    #[serde(default)]
    pub trend: Trend,
}

/// A value of one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Newest {
    /// At which step.
    pub step: i64,
    /// The value; NaN and the infinities are the texts `NaN`, `inf`, `-inf` in JSON.
    #[serde(serialize_with = "write_float", deserialize_with = "read_float")]
    pub value: f64,
}

impl Summary {
    /// The summary of `folder`; none when there is none or it is damaged.
    pub fn load(folder: &Folder) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.summary()).ok()?).ok()
    }
}

/// A float as JSON: the values that JSON has no number for as text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn write_float<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_str(&value.to_string()) }
}

pub(super) fn read_float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Float {
        Number(f64),
        Text(String),
    }
    match Float::deserialize(deserializer)? {
        Float::Number(value) => Ok(value),
        Float::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// Whether `value` of `series` is better than `held`, the best so far; never for series that are no held-out metric.
pub(super) fn is_better(series: &str, value: f64, held: Option<f64>) -> bool {
    // Most series are none: told without a look at the names of the metrics.
    let Some(metric) = series.starts_with("val/").then(|| Metric::of_series(series)).flatten() else { return false };
    let better = |held: f64| if metric.higher_is_better() { value > held } else { value < held };
    !value.is_nan() && held.is_none_or(better)
}

/// Where the recorder leaves the newest values for the thread that saves them.
#[derive(Debug)]
pub(super) struct Board {
    clock: Clock,
    generation: u32,
    newest: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    at: Option<At>,
    series: HashMap<String, Newest>,
    best: BTreeMap<String, Newest>,
    trend: Trend,
    changed: bool,
}

impl Board {
    /// A board that starts from what an earlier generation left.
    pub fn new(clock: Clock, generation: u32, before: Option<Summary>) -> Self {
        let mut state = State::default();
        if let Some(before) = before {
            state.at = Some(At { step: before.step, epoch: before.epoch.unwrap_or(f64::NAN) });
            state.best = before.best;
            // A summary of before there were bests: the newest is at least one of the candidates.
            for (name, newest) in &before.series {
                if !state.best.contains_key(name) && is_better(name, newest.value, None) {
                    state.best.insert(name.clone(), *newest);
                }
            }
            state.series = before.series.into_iter().collect();
            state.trend = before.trend;
        }
        Self { clock, generation, newest: Mutex::new(state) }
    }

    pub fn post(&self, at: At, values: &[(&str, f64)]) {
        let mut state = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        state.at = Some(at);
        state.changed = true;
        state.trend.push(values);
        for &(name, value) in values {
            let newest = Newest { step: at.step, value };
            if is_better(name, value, state.best.get(name).map(|best| best.value)) {
                state.best.insert(name.to_owned(), newest);
            }
            match state.series.get_mut(name) {
                Some(old) => *old = newest,
                None => {
                    state.series.insert(name.to_owned(), newest);
                }
            }
        }
    }

    /// The session clock's reading.
    pub fn now(&self) -> Timestamp {
        timestamp(&self.clock)
    }

    /// The newest position and the generation.
    pub fn position(&self) -> (Option<At>, u32) {
        (self.newest.lock().unwrap_or_else(PoisonError::into_inner).at, self.generation)
    }

    /// Write the summary if anything changed. A cache that cannot be written is no reason to do anything else: the old
    /// one stays, and says how old it is.
    pub fn save(&self, folder: &Folder) {
        let summary = {
            let mut state = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut state.changed) {
                return;
            }
            let at = state.at.unwrap_or(At { step: 0, epoch: 0.0 });
            Summary {
                time: self.now(),
                step: at.step,
                epoch: at.epoch.is_finite().then_some(at.epoch),
                generation: self.generation,
                series: state.series.iter().map(|(name, newest)| (name.clone(), *newest)).collect(),
                best: state.best.clone(),
                trend: state.trend.clone(),
            }
        };
        let saved = serde_json::to_vec(&summary)
            .map_err(std::io::Error::other)
            .map_err(super::SessionError::io("write", &folder.summary()))
            .and_then(|text| replace_cache(&folder.summary(), &text));
        if saved.is_err() {
            self.newest.lock().unwrap_or_else(PoisonError::into_inner).changed = true;
        }
    }
}

/// The session clock's reading.
pub(super) fn timestamp(clock: &Clock) -> Timestamp {
    timestamp_of(clock.now_ns())
}

/// A reading of it.
pub(super) fn timestamp_of(time_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: i64) -> At {
        At { step, epoch: step as f64 }
    }

    fn saved(before: Option<Summary>, rows: &[(i64, &[(&str, f64)])]) -> Summary {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let board = Board::new(Clock::start(), 0, before);
        rows.iter().for_each(|(step, values)| board.post(at(*step), values));
        board.save(&folder);
        Summary::load(&folder).unwrap()
    }

    #[test]
    fn the_best_of_a_metric_follows_its_direction_and_survives_worse_values_and_nan() {
        let summary = saved(
            None,
            &[
                (10, &[("val/l1", 0.5), ("val/psnr", 20.0), ("val/identity_l1", 0.1), ("loss/g", 2.0)]),
                (20, &[("val/l1", 0.3), ("val/psnr", 24.0), ("loss/g", 1.0)]),
                (30, &[("val/l1", f64::NAN), ("val/psnr", 22.0)]),
                (40, &[("val/l1", 0.3), ("val/psnr", f64::NAN)]),
            ],
        );
        let best: Vec<_> = summary.best.iter().map(|(name, best)| (name.as_str(), best.step, best.value)).collect();
        assert_eq!(best, [("val/l1", 20, 0.3), ("val/psnr", 20, 24.0)]);
        assert_eq!(summary.trend.values(), [2.0, 1.0]);
    }

    #[test]
    fn a_restart_goes_on_with_the_best_and_the_course_so_far() {
        let first = saved(None, &[(10, &[("val/ssim", 0.7), ("loss/g", 3.0)])]);
        let second = saved(Some(first), &[(20, &[("val/ssim", 0.6), ("loss/g", 2.0)])]);
        assert_eq!((second.best["val/ssim"].step, second.series["val/ssim"].step), (10, 20));
        assert_eq!(second.trend.values(), [3.0, 2.0]);
    }

    #[test]
    fn a_summary_of_before_there_were_bests_still_loads() {
        let text = r#"{"time":"2026-01-01T00:00:00Z","step":7,"epoch":1.5,"generation":0,
                       "series":{"val/l1":{"step":7,"value":0.25},"loss/g":{"step":7,"value":"NaN"}}}"#;
        let old: Summary = serde_json::from_str(text).unwrap();
        assert!(old.best.is_empty() && old.trend.values().is_empty());
        let next = saved(Some(old), &[(8, &[("val/l1", 0.5)])]);
        assert_eq!((next.best["val/l1"].step, next.best["val/l1"].value), (7, 0.25));
    }

    #[test]
    fn a_summary_stays_small_however_long_the_run() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let board = Board::new(Clock::start(), 0, None);
        for step in 0..20_000 {
            board.post(at(step), &[("loss/g", 1.0 / (step + 1) as f64), ("val/l1", (step as f64).sin())]);
        }
        board.save(&folder);
        let bytes = std::fs::metadata(folder.summary()).unwrap().len();
        assert!(bytes < 2048, "{bytes}");
    }
}
