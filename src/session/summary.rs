//! `summary.json`: the newest value of every series, so that a list of hundreds of sessions reads one small file each.
//!
//! It is a cache: rewritten about once a second while the session runs and once more at its end, and at most that much
//! behind the series store, which alone is the truth.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Folder;
use super::manifest::replace_cache;
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
}

/// The newest value of one series.
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

fn read_float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
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
    changed: bool,
}

impl Board {
    /// A board that starts from what an earlier generation left.
    pub fn new(clock: Clock, generation: u32, before: Option<Summary>) -> Self {
        let mut state = State::default();
        if let Some(before) = before {
            state.at = Some(At { step: before.step, epoch: before.epoch.unwrap_or(f64::NAN) });
            state.series = before.series.into_iter().collect();
        }
        Self { clock, generation, newest: Mutex::new(state) }
    }

    pub fn post(&self, at: At, values: &[(&str, f64)]) {
        let mut state = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        state.at = Some(at);
        state.changed = true;
        for &(name, value) in values {
            let newest = Newest { step: at.step, value };
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
