//! The writer's handle: what the training thread touches.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    At, Clock, RecordError,
    disk::{Disk, RealDisk},
    names::Names,
    seal::recover,
    segment::SegmentId,
    writer::{Ask, BATCH_ROWS, Step, Writer},
};

/// The series that counts rows given up since the store was opened, because the disk could not follow. Cumulative:
/// recorded whenever it grew.
pub const DROPPED_ROWS: &str = "record/dropped_rows";

/// Steps that may wait for the recorder thread.
const QUEUE_STEPS: usize = 8_192;
/// Rows that may wait for the recorder thread (16 bytes each).
const QUEUE_ROWS: usize = 262_144;
/// Requests that may wait for the recorder thread.
const QUEUE_ASKS: usize = 64;

/// Something the recorder thread wants known; the text is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Writing failed. Rows wait in memory and writing is tried again; training goes on.
    Failing {
        /// What failed.
        why: String,
    },
    /// Writing works again.
    Recovered {
        /// Rows given up so far, since the store was opened.
        dropped: u64,
    },
    /// The store was closed while writing failed: these rows are lost.
    Lost {
        /// How many.
        rows: u64,
        /// The last failure.
        why: String,
    },
    /// Something was found wrong and dealt with, or a finished segment could not be sealed (it stays readable as it is).
    Warning {
        /// What.
        what: String,
    },
}

/// How a store behaves; the default is right for a run.
pub struct Options {
    /// Seal a segment and begin the next when it has this many rows.
    pub segment_rows: u64,
    /// Called on the recorder thread for everything worth telling.
    pub on_report: Box<dyn FnMut(Report) + Send>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_rows: 1_000_000, on_report: Box::new(|_report| {}) }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("segment_rows", &self.segment_rows).finish_non_exhaustive()
    }
}

/// How a store is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Rows handed to the operating system.
    pub written: u64,
    /// Rows given up.
    pub dropped: u64,
    /// Why writing fails at the moment, if it does.
    pub failing: Option<String>,
}

/// What the handle and the recorder thread share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) names: Mutex<Names>,
    pub(crate) queued: AtomicUsize,
    pub(crate) written: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failing: Mutex<Option<String>>,
}

/// Appends rows to a folder of segments. Appending never blocks; a thread of its own writes what was appended at most
/// 250 ms later, so no more than that is lost however the process ends. Dropping the store writes the rest and waits;
/// [`Store::seal`] also turns the segment into Parquet.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    clock: Clock,
    shared: Arc<Shared>,
    steps: Option<Sender<Step>>,
    asks: Option<Sender<Ask>>,
    thread: Option<JoinHandle<()>>,
    warnings: Vec<String>,
}

impl Store {
    /// Start writing generation `generation` (restarts so far) into `dir`, made if missing (mode 0700).
    ///
    /// What a crash left is put in order first: see [`Store::warnings`]. The clock is set after everything recorded.
    ///
    /// # Errors
    /// The folder cannot be made or read, or holds a later generation already.
    pub fn open(dir: &Path, generation: u32, clock: Clock) -> Result<Self, RecordError> {
        Self::open_with(dir, generation, clock, Options::default())
    }

    /// [`Store::open`] with other options.
    pub fn open_with(dir: &Path, generation: u32, clock: Clock, options: Options) -> Result<Self, RecordError> {
        Self::start(dir, generation, clock, options, RealDisk)
    }

    pub(crate) fn start<D: Disk>(
        dir: &Path,
        generation: u32,
        clock: Clock,
        options: Options,
        disk: D,
    ) -> Result<Self, RecordError> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(RecordError::io("create the folder", dir))?;
        let found = recover(dir)?;
        let index = match found.newest {
            Some(newest) if newest.generation > generation => {
                let dir = dir.to_owned();
                return Err(RecordError::Generation { dir, found: newest.generation, asked: generation });
            }
            Some(newest) if newest.generation == generation => newest.index.saturating_add(1),
            _ => 0,
        };
        if let Some(last) = found.last_time_ns {
            clock.not_before(last);
        }
        let (steps, steps_come) = bounded(QUEUE_STEPS);
        let (asks, asks_come) = bounded(QUEUE_ASKS);
        let shared = Arc::new(Shared::default());
        let first = SegmentId { generation, index };
        let writer = Writer::new(dir, first, Arc::clone(&shared), options, disk, found.unsealed);
        let clock_of_thread = clock.clone();
        let thread = std::thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || writer.run(&steps_come, &asks_come, &clock_of_thread))
            .map_err(|error| RecordError::Stopped { dir: dir.to_owned(), why: error.to_string() })?;
        let dir = dir.to_owned();
        let (steps, asks, thread) = (Some(steps), Some(asks), Some(thread));
        Ok(Self { dir, clock, shared, steps, asks, thread, warnings: found.warnings })
    }

    /// What was found wrong in the folder at the start and what was done about it, one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Record `values` (series name, value) at `at`, all with the time of this call. Never blocks: if too much waits to
    /// be written already, the values are dropped, counted in [`DROPPED_ROWS`], and the answer is false.
    pub fn append(&self, at: At, values: &[(&str, f64)]) -> bool {
        self.append_at(at, self.clock.now_ns(), values)
    }

    /// [`Store::append`] with a time that the caller read off the store's clock, and wants to know.
    pub fn append_at(&self, at: At, time_ns: i64, values: &[(&str, f64)]) -> bool {
        if values.is_empty() {
            return true;
        }
        let rows = values.len();
        let waiting = self.shared.queued.fetch_add(rows, Ordering::Relaxed);
        // A step that alone is larger than the limit is taken when nothing else waits.
        let sent = (waiting == 0 || waiting + rows <= QUEUE_ROWS)
            && self.steps.as_ref().is_some_and(|steps| steps.try_send(self.step(at, time_ns, values)).is_ok());
        if sent {
            self.wake_for_a_batch(waiting, rows);
        } else {
            self.shared.queued.fetch_sub(rows, Ordering::Relaxed);
            self.shared.dropped.fetch_add(rows as u64, Ordering::Relaxed);
        }
        sent
    }

    /// [`Store::append`] for those who have the time, such as an import: waits for room instead of dropping.
    pub fn append_waiting(&self, at: At, values: &[(&str, f64)]) -> Result<(), RecordError> {
        let steps = self.steps.as_ref().ok_or_else(|| self.gone())?;
        let waiting = self.shared.queued.fetch_add(values.len(), Ordering::Relaxed);
        self.wake_for_a_batch(waiting, values.len());
        steps.send(self.step(at, self.clock.now_ns(), values)).map_err(|_gone| self.gone())
    }

    /// The thread looks by itself every 200 ms; waking it costs a system call, so only a full batch is worth one.
    fn wake_for_a_batch(&self, waiting: usize, rows: usize) {
        if waiting < BATCH_ROWS
            && waiting + rows >= BATCH_ROWS
            && let Some(asks) = &self.asks
        {
            drop(asks.try_send(Ask::Look)); // if other requests fill the queue, the thread is awake
        }
    }

    fn step(&self, at: At, time: i64, values: &[(&str, f64)]) -> Step {
        let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        Step { at, time, values: values.iter().map(|&(name, value)| (names.intern(name), value)).collect() }
    }

    /// Wait until everything appended so far is on the disk itself.
    ///
    /// # Errors
    /// It cannot be written at the moment; it stays in memory and is tried again.
    pub fn flush(&self) -> Result<(), RecordError> {
        self.ask(Ask::Flush)?
    }

    /// Write everything, end the segment and turn it (and all earlier ones) into Parquet. What is appended afterwards
    /// begins a new segment.
    ///
    /// # Errors
    /// Something could not be written or sealed; the streams stay and are as readable as before.
    pub fn seal(&self) -> Result<(), RecordError> {
        // Two answers: the thread's, that all is written, then the sealer's, that all is sealed.
        self.ask(Ask::Seal)??.recv().map_err(|_gone| self.gone())?
    }

    /// Numbers about the store.
    pub fn status(&self) -> Status {
        Status {
            written: self.shared.written.load(Ordering::Relaxed),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
            failing: self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn ask<T>(&self, ask: impl FnOnce(Sender<T>) -> Ask) -> Result<T, RecordError> {
        let (reply, answer): (Sender<T>, Receiver<T>) = bounded(1);
        let asks = self.asks.as_ref().ok_or_else(|| self.gone())?;
        asks.send(ask(reply)).map_err(|_gone| self.gone())?;
        answer.recv().map_err(|_gone| self.gone())
    }

    fn gone(&self) -> RecordError {
        RecordError::Stopped { dir: self.dir.clone(), why: "its thread ended".to_owned() }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.steps.take());
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join()); // a panic there was printed there; nothing is left to save
        }
    }
}

#[cfg(test)]
mod tests;
