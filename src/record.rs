//! The series store: what a run measures, appended as it happens and read while it grows.
//!
//! | item | what |
//! |---|---|
//! | [`Store`] | the writer: a thread behind a bounded channel; appending costs the caller one send |
//! | [`Frames`] | a folder of segments as polars frames: whole series, latest points, SQL |
//! | [`Tail`] | what was appended since the last look, by byte offset, each row once |
//! | [`smooth`], [`decimate`] | honest curves: smooth at full resolution, then first/min/max/last of each column |
//! | [`Curve`] | one series held for drawing: both of them at any zoom, at a cost that does not grow with its length |
//! | [`export`] | CSV, Parquet, TensorBoard event files |
//! | [`Clock`] | one time line for metrics, telemetry and events that never goes back |
//!
//! On disk (`docs/data-format.md` is the reference for other programs): a folder of segments named
//! `<generation>-<index>`. The one being written is an Arrow IPC stream (`.arrows`), appended one record batch at a
//! time; finished ones are Parquet, sorted by series, with checksums that are compared before anything is read of them.
//! Every row is
//! `step: i64, epoch: f64, time: datetime[ns, UTC], generation: u32, series: str, value: f64`.
//!
//! ```
//! use atelier::record::{At, Clock, Frames, Store};
//!
//! let folder = tempfile::tempdir()?;
//! let store = Store::open(folder.path(), 0, Clock::start())?;
//! for step in 1..=100 {
//!     store.append(At { step, epoch: step as f64 / 50.0 }, &[("loss/g", 1.0 / step as f64), ("lr", 2e-4)]);
//! }
//! store.flush()?; // on disk now; without it at most 250 ms later
//!
//! let frames = Frames::open(folder.path())?;
//! assert_eq!(frames.series("loss/g")?.len(), 100);
//! let low = frames.sql("select min(value) as low from metrics where series = 'loss/g'")?;
//! assert_eq!(low.column("low")?.f64()?.get(0), Some(0.01));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

mod clock;
mod columns;
pub mod curve;
mod decimate;
mod disk;
pub mod export;
mod frames;
mod names;
mod seal;
mod sealed;
mod segment;
mod smooth;
mod store;
mod stream;
mod sums;
mod tail;
pub mod threads;
mod writer;

pub use clock::Clock;
pub(crate) use columns::schema;
pub use columns::{Point, Row, Series1};
pub use curve::Curve;
pub use decimate::{Column, Mark, decimate};
pub use frames::Frames;
pub use smooth::{Smoother, smooth};
pub use store::{DROPPED_ROWS, Options, Report, Status, Store};
pub use tail::Tail;

/// Where in a run something happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// Optimizer steps finished, counted from the start of the experiment (not of the process).
    pub step: i64,
    /// Epochs finished, as a fraction.
    pub epoch: f64,
}

/// The seam between what trains and the outside: a session folder, plain lines on a terminal, a test's memory.
pub trait Recorder: Send + Sync {
    /// Record `values` (series name, value) at `at`. Never blocks: when the disk stalls, rows are dropped and counted.
    fn values(&self, at: At, values: &[(&str, f64)]);

    /// Record something that happened once.
    fn event(&self, at: At, event: Event);

    /// Wait until what was recorded so far is on the disk, or has been refused by it. Called off the training thread,
    /// before a checkpoint becomes visible: a run that resumes from it does not repeat what led to it.
    fn settle(&self) {}
}

/// Something that happened once: a line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Machine-readable kind in kebab-case: `started`, `resumed`, `checkpoint`, `step-skipped`, `command`, ...
    pub kind: String,
    /// One line for a person.
    pub message: String,
    /// What else is known, by name.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

impl Event {
    /// An event without further fields.
    pub fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), message: message.into(), fields: serde_json::Map::new() }
    }

    /// The same event with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }
}

/// What can go wrong with a folder of series.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is no segment of ours, or a damaged one.
    #[error("{} is not a readable series segment: {why}", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A series that the folder does not hold.
    #[error("no series `{name}` in {}{hint}", dir.display())]
    UnknownSeries {
        /// The name asked for.
        name: String,
        /// The folder looked in.
        dir: PathBuf,
        /// The nearest names, as the end of the sentence.
        hint: String,
    },
    /// A query or a conversion that polars refused.
    #[error("{what}: {source}")]
    Frame {
        /// What was tried.
        what: String,
        /// What polars said.
        source: polars::error::PolarsError,
    },
    /// The folder already holds a later generation than the one to be written.
    #[error("{} already holds generation {found}; a writer must come after it (asked for {asked})", dir.display())]
    Generation {
        /// The folder.
        dir: PathBuf,
        /// The newest generation there.
        found: u32,
        /// The generation asked for.
        asked: u32,
    },
    /// The recorder thread could not start, or is gone.
    #[error("the recorder of {} is not running: {why}", dir.display())]
    Stopped {
        /// The folder.
        dir: PathBuf,
        /// Why.
        why: String,
    },
    /// Values are waiting in memory because they cannot be written.
    #[error("cannot write series to {}: {why} ({waiting} rows wait in memory, {dropped} dropped)", dir.display())]
    Waiting {
        /// The folder.
        dir: PathBuf,
        /// The last failure.
        why: String,
        /// Rows still held in memory.
        waiting: u64,
        /// Rows given up since the store was opened.
        dropped: u64,
    },
}

impl RecordError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What was tried, in front of polars' own words.
    pub(crate) fn frame(what: impl Into<String>) -> impl FnOnce(polars::error::PolarsError) -> Self {
        let what = what.into();
        move |source| Self::Frame { what, source }
    }
}
