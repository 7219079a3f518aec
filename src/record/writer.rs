//! The recorder thread: collects rows into batches, writes them, and keeps going when the disk does not.

use std::{
    collections::VecDeque,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::{
    At, Clock, RecordError,
    columns::{Columns, Point},
    disk::{Disk, SegmentFile},
    seal::seal,
    segment::{self, SegmentId, sync_dir},
    store::{DROPPED_ROWS, Options, Report, Shared},
    stream::{END, Encoder},
};

/// What has come is written this often: under the promised 250 ms, with room for a late wake-up.
const BATCH_AGE: Duration = Duration::from_millis(200);
/// Rows a batch, the count of dropped ones included.
pub(crate) const BATCH_ROWS: usize = 4_096;
/// Batches kept in memory while writing fails (about 12 MB).
const BACKLOG: usize = 64;
/// How often a failed write is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The values of one step, on their way to the thread.
pub(crate) struct Step {
    pub(crate) at: At,
    pub(crate) time: i64,
    pub(crate) values: Box<[(u32, f64)]>,
}

/// What the handle asks of the thread.
pub(crate) enum Ask {
    /// A batch is waiting.
    Look,
    Flush(Sender<Result<(), RecordError>>),
    /// Answered with where the answer of the sealer will come.
    Seal(Sender<Result<Receiver<Result<(), RecordError>>, RecordError>>),
}

/// The segment being written.
struct Open {
    id: SegmentId,
    file: Box<dyn SegmentFile>,
    /// Bytes up to the end of the last whole batch.
    length: u64,
    rows: u64,
}

pub(crate) struct Writer<D: Disk> {
    dir: PathBuf,
    next: SegmentId,
    shared: Arc<Shared>,
    options: Options,
    disk: D,
    encoder: Encoder,
    /// Our copy of the shared names, so that a batch takes the lock only when a new name came.
    names: Vec<Arc<str>>,
    dropped_name: u32,
    current: Columns,
    /// Whole batches that wait because writing fails.
    waiting: VecDeque<Columns>,
    open: Option<Open>,
    retry_at: Option<Instant>,
    /// The count of dropped rows that was last recorded.
    dropped_recorded: u64,
    last: Point,
    sealer: Option<Sealer>,
    unsealed: Vec<(SegmentId, Option<File>)>,
}

impl<D: Disk> Writer<D> {
    pub(crate) fn new(
        dir: &Path,
        first: SegmentId,
        shared: Arc<Shared>,
        options: Options,
        disk: D,
        unsealed: Vec<(SegmentId, File)>,
    ) -> Self {
        let dropped_name = shared.names.lock().unwrap_or_else(PoisonError::into_inner).intern(DROPPED_ROWS);
        Self {
            dir: dir.to_owned(),
            next: first,
            shared,
            options,
            disk,
            encoder: Encoder::new(),
            names: Vec::new(),
            dropped_name,
            current: Columns::with_capacity(BATCH_ROWS),
            waiting: VecDeque::new(),
            open: None,
            retry_at: None,
            dropped_recorded: 0,
            last: Point { step: 0, epoch: 0.0, time_ns: 0, generation: first.generation, value: 0.0 },
            sealer: None,
            unsealed: unsealed.into_iter().map(|(id, file)| (id, Some(file))).collect(),
        }
    }

    pub(crate) fn run(mut self, steps: &Receiver<Step>, asks: &Receiver<Ask>, clock: &Clock) {
        self.last.time_ns = clock.now_ns();
        self.start_sealing();
        let mut write_at = Instant::now() + BATCH_AGE;
        loop {
            // Senders wake the thread when the rows waiting reach a batch; if they did so while it was at work, it goes on.
            let batch_waits = self.shared.queued.load(Ordering::Relaxed) >= BATCH_ROWS;
            let ask = asks.recv_deadline(if batch_waits { Instant::now() } else { write_at });
            // Before the answer: what was appended before the question is part of it.
            for _step in 0..steps.len() {
                let Ok(step) = steps.try_recv() else { break };
                self.take(&step);
            }
            match ask {
                Ok(Ask::Look) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Ask::Flush(reply)) => drop(reply.send(self.flush())),
                Ok(Ask::Seal(reply)) => drop(reply.send(self.seal())),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if now >= write_at {
                if self.retry_at.is_none_or(|retry_at| now >= retry_at) {
                    drop(self.write_all()); // a failure is reported and tried again
                }
                write_at = now + BATCH_AGE;
            }
            self.collect_seals();
        }
        self.finish();
    }

    fn take(&mut self, step: &Step) {
        let &Step { at, time, ref values } = step;
        self.shared.queued.fetch_sub(values.len(), Ordering::Relaxed);
        let generation = self.next.generation;
        self.last = Point { step: at.step, epoch: at.epoch, time_ns: time, generation, value: 0.0 };
        for (taken, &(series, value)) in values.iter().enumerate() {
            if self.current.len() + 1 >= BATCH_ROWS {
                if self.waiting.len() >= BACKLOG {
                    let rest = values.len() - taken;
                    self.shared.dropped.fetch_add(rest as u64, Ordering::Relaxed);
                    return;
                }
                self.close_batch();
                if self.retry_at.is_none() {
                    drop(self.write_waiting());
                }
            }
            self.current.push(series, Point { value, ..self.last });
        }
    }

    /// Move the rows collected to those that wait to be written, with the count of dropped rows if it grew.
    fn close_batch(&mut self) {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if dropped > self.dropped_recorded {
            self.current.push(self.dropped_name, Point { value: dropped as f64, ..self.last });
            self.dropped_recorded = dropped;
        }
        if self.current.len() > 0 {
            self.waiting.push_back(std::mem::replace(&mut self.current, Columns::with_capacity(BATCH_ROWS)));
        }
    }

    fn write_all(&mut self) -> Result<(), RecordError> {
        // What waits goes first: while that fails, rows go on filling the batch at hand, because a short batch for every
        // attempt would take the memory of a full one.
        self.write_waiting()?;
        self.close_batch();
        self.write_waiting()?;
        if self.shared.dropped.load(Ordering::Relaxed) > self.dropped_recorded {
            self.close_batch();
            self.write_waiting()?;
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), RecordError> {
        while let Some(batch) = self.waiting.pop_front() {
            if let Err(error) = self.write_batch(&batch) {
                self.waiting.push_front(batch);
                return Err(self.failed(&error.to_string()));
            }
            if self.open.as_ref().is_some_and(|open| open.rows >= self.options.segment_rows) {
                self.end_segment();
            }
        }
        if self.retry_at.take().is_some() {
            *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
            let dropped = self.shared.dropped.load(Ordering::Relaxed);
            (self.options.on_report)(Report::Recovered { dropped });
        }
        Ok(())
    }

    fn write_batch(&mut self, batch: &Columns) -> Result<(), RecordError> {
        if batch.series.iter().any(|&number| number as usize >= self.names.len()) {
            let shared = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
            self.names.extend_from_slice(&shared.all()[self.names.len()..]);
        }
        let bytes = self.encoder.batch(batch, &self.names)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.new_segment()?,
        };
        let path = open.id.path(&self.dir, segment::OPEN);
        let linked = open.file.is_linked().map_err(RecordError::io("look at", &path))?;
        if !linked {
            // Not put back: the next attempt begins a new segment.
            let why = format!("it was deleted while being written, with the {} rows in it", open.rows);
            return Err(RecordError::Segment { path, why });
        }
        match open.file.append(&bytes) {
            Ok(()) => {
                open.length += bytes.len() as u64;
                open.rows += batch.len() as u64;
                self.shared.written.fetch_add(batch.len() as u64, Ordering::Relaxed);
                self.open = Some(open);
                Ok(())
            }
            Err(error) => {
                // Never half a batch in the middle: cut it off, or leave it at the end and go on in a new segment.
                match open.file.truncate(open.length) {
                    Ok(()) => self.open = Some(open),
                    Err(_stuck) => self.unsealed.push((open.id, None)),
                }
                Err(RecordError::io("write", &path)(error))
            }
        }
    }

    fn new_segment(&mut self) -> Result<Open, RecordError> {
        let id = self.next;
        let path = id.path(&self.dir, segment::OPEN);
        let header = self.encoder.header()?;
        let mut file = match self.disk.create(&path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() == std::io::ErrorKind::AlreadyExists {
                    self.next.index = self.next.index.saturating_add(1);
                }
                return Err(RecordError::io("create", &path)(error));
            }
        };
        if let Err(error) = file.append(&header) {
            // An empty name is worth nothing to anyone; if it cannot be removed, the next attempt takes the next one.
            if std::fs::remove_file(&path).is_err() {
                self.next.index = self.next.index.saturating_add(1);
            }
            return Err(RecordError::io("write", &path)(error));
        }
        self.next.index = self.next.index.saturating_add(1);
        Ok(Open { id, file, length: header.len() as u64, rows: 0 })
    }

    fn failed(&mut self, why: &str) -> RecordError {
        let first = self.retry_at.replace(Instant::now() + RETRY).is_none();
        *self.shared.failing.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        if first {
            (self.options.on_report)(Report::Failing { why: why.to_owned() });
        }
        RecordError::Waiting {
            dir: self.dir.clone(),
            why: why.to_owned(),
            waiting: self.rows_waiting(),
            dropped: self.shared.dropped.load(Ordering::Relaxed),
        }
    }

    fn rows_waiting(&self) -> u64 {
        (self.waiting.iter().map(Columns::len).sum::<usize>() + self.current.len()) as u64
    }

    fn flush(&mut self) -> Result<(), RecordError> {
        self.write_all()?;
        let Some(open) = &mut self.open else { return Ok(()) };
        open.file.sync().map_err(RecordError::io("sync", &open.id.path(&self.dir, segment::OPEN)))?;
        sync_dir(&self.dir)
    }

    fn seal(&mut self) -> Result<Receiver<Result<(), RecordError>>, RecordError> {
        self.write_all()?;
        self.end_segment();
        self.start_sealing();
        let (reply, answer) = unbounded();
        match &self.sealer {
            Some(sealer) => sealer.ask(reply),
            None => drop(reply.send(Ok(()))),
        }
        Ok(answer)
    }

    /// Mark the open segment as complete and hand it to the sealer.
    fn end_segment(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        // The mark is a courtesy to readers; without it they find the end by the file's length.
        if open.file.append(&END).is_err() {
            drop(open.file.truncate(open.length));
        }
        let id = open.id;
        self.sealer().take(id, Held { _stream: Some(open.file), _found: None });
    }

    fn start_sealing(&mut self) {
        for (id, file) in std::mem::take(&mut self.unsealed) {
            self.sealer().take(id, Held { _stream: None, _found: file });
        }
    }

    fn sealer(&mut self) -> &Sealer {
        let dir = &self.dir;
        self.sealer.get_or_insert_with(|| Sealer::start(dir))
    }

    fn collect_seals(&mut self) {
        let Some(sealer) = &self.sealer else { return };
        for what in sealer.warnings.try_iter() {
            (self.options.on_report)(Report::Warning { what });
        }
    }

    fn finish(&mut self) {
        if let Err(error) = self.write_all() {
            let rows = self.rows_waiting();
            (self.options.on_report)(Report::Lost { rows, why: error.to_string() });
        }
        if let Some(sealer) = &mut self.sealer {
            sealer.stop();
        }
        self.collect_seals();
    }
}

/// What keeps the claim on a stream until it is sealed.
struct Held {
    _stream: Option<Box<dyn SegmentFile>>,
    _found: Option<File>,
}

enum Job {
    Seal(SegmentId, Held),
    Ask(Sender<Result<(), RecordError>>),
}

/// Seals finished segments on a thread of its own, so that appending never waits for it.
struct Sealer {
    jobs: Option<Sender<Job>>,
    warnings: Receiver<String>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    fn start(dir: &Path) -> Self {
        let (jobs, todo) = unbounded();
        let (tell, warnings) = unbounded();
        let dir = dir.to_owned();
        let thread = std::thread::Builder::new().name("sealer".to_owned()).spawn(move || run_jobs(&dir, &todo, &tell));
        // Without a thread the streams stay streams until the next start, as readable as before.
        Self { jobs: Some(jobs), warnings, thread: thread.ok() }
    }

    fn take(&self, id: SegmentId, held: Held) {
        if let Some(jobs) = &self.jobs {
            drop(jobs.send(Job::Seal(id, held)));
        }
    }

    fn ask(&self, reply: Sender<Result<(), RecordError>>) {
        if let Some(jobs) = &self.jobs {
            drop(jobs.send(Job::Ask(reply)));
        }
    }

    fn stop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn run_jobs(dir: &Path, todo: &Receiver<Job>, tell: &Sender<String>) {
    // Segments that could not be sealed are tried again before the next answer.
    let mut again: Vec<(SegmentId, Held)> = Vec::new();
    for job in todo {
        match job {
            Job::Seal(id, held) => match seal(dir, id) {
                Ok(warnings) => warnings.into_iter().for_each(|what| drop(tell.send(what))),
                Err(error) => {
                    drop(tell.send(format!("cannot seal {id}: {error}; it stays readable as a stream")));
                    again.push((id, held));
                }
            },
            Job::Ask(reply) => {
                let mut result = Ok(());
                again.retain(|(id, _held)| match seal(dir, *id) {
                    Ok(_warnings) => false,
                    Err(error) => {
                        result = Err(error);
                        true
                    }
                });
                drop(reply.send(result));
            }
        }
    }
}
