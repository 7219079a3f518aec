//! One session held open: the curves asked for, its events and its log, each read on from where it was read to.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Facts, XAxis};
use crate::alerts;
use crate::record::curve::{Axis, Curve};
use crate::record::{Frames, RecordError, Tail};
use crate::session::events::{EventLine, Follow};
use crate::session::{Folder, Lock};

/// Lines of the log held at most.
const LOG_LINES: usize = 2000;
/// Of a long log only its end is read, in bytes.
const LOG_BYTES: u64 = 256 * 1024;
/// Of a folder that is broken all over, so much is said.
const MOST_PROBLEMS: usize = 100;

/// A session's two stores, events and log.
pub struct Opened {
    id: String,
    folder: Folder,
    stores: [Store; 2],
    follow: Follow,
    events: Arc<Vec<EventLine>>,
    alerts: Arc<Vec<EventLine>>,
    log: Log,
    problems: Vec<String>,
    /// When the session began, on its own clock.
    start_ns: Option<i64>,
    /// Whether a process trains it.
    alive: bool,
    /// Which folder it is that was read, whatever its name; none while it is gone.
    inode: Option<(u64, u64)>,
    /// It was gone: what comes in its place is read from its beginning.
    lost: bool,
}

impl Opened {
    /// Nothing is read yet.
    pub fn new(id: &str, path: &Path) -> Self {
        let folder = Folder::new(path);
        let stores = [Store::new(folder.metrics()), Store::new(folder.telemetry())];
        let log = Log::new(folder.log());
        Self {
            id: id.to_owned(),
            folder,
            stores,
            follow: Follow::default(),
            events: Arc::default(),
            alerts: Arc::default(),
            log,
            problems: Vec::new(),
            start_ns: None,
            alive: false,
            inode: None,
            lost: false,
        }
    }

    /// The session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a process trains it, so that there will be more.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Read what is new; whether anything is.
    pub fn poll(&mut self) -> bool {
        let mut news = self.begin_anew_if_replaced() | self.log.poll();
        let alive = Lock::is_held(&self.folder).unwrap_or(false);
        news |= alive != std::mem::replace(&mut self.alive, alive);
        match self.follow.poll(&self.folder.events()) {
            Ok(found) => {
                news |= !found.lines.is_empty();
                let alerts: Vec<EventLine> =
                    found.lines.iter().filter(|it| it.kind == alerts::EVENT).cloned().collect();
                if !alerts.is_empty() {
                    Arc::make_mut(&mut self.alerts).extend(alerts);
                }
                if !found.lines.is_empty() {
                    Arc::make_mut(&mut self.events).extend(found.lines);
                }
                news |= self.problems(found.warnings.into_iter().map(|warning| format!("events.jsonl: {warning}")));
            }
            Err(error) => news |= self.problems([format!("events.jsonl: {error}")]),
        }
        for index in 0..self.stores.len() {
            match self.stores[index].poll() {
                Ok(more) => news |= more,
                Err(error) => news |= self.problems([error.to_string()]),
            }
            let damage = self.stores[index].take_damage();
            news |= self.problems(damage);
        }
        news
    }

    /// Another folder under the same name (deleted and brought back, moved over) is another session: nothing that was
    /// read to somewhere goes on from there. Whether it is. A folder that is gone leaves what was read of it.
    fn begin_anew_if_replaced(&mut self) -> bool {
        let inode = std::fs::metadata(self.folder.path()).ok().map(|data| (data.dev(), data.ino()));
        let before = std::mem::replace(&mut self.inode, inode);
        match (before, inode) {
            (Some(_), None) => self.lost = true,
            // A number is given out again soon; that it was gone is seen more surely than that it is another.
            (_, Some(_)) if self.lost || before.is_some_and(|_| before != inode) => {
                *self = Self { inode, ..Self::new(&self.id, self.folder.path()) };
                return true;
            }
            _ => {}
        }
        false
    }

    /// Hold these series, as far as the session has them; whether any was not held before.
    pub fn load(&mut self, names: &[&str]) -> bool {
        let mut news = false;
        for index in 0..self.stores.len() {
            match self.stores[index].load(names) {
                Ok(more) => news |= more,
                Err(error) => news |= self.problems([error.to_string()]),
            }
        }
        if news {
            let curves = self.stores.iter().flat_map(|store| store.curves.values());
            self.start_ns = curves.filter_map(Curve::first).map(|point| point.time_ns).chain(self.start_ns).min();
        }
        news
    }

    /// Let curves go that are not wanted, when more than `most` points are held.
    pub fn let_go(&mut self, most: usize, wanted: &[&str]) {
        let held: usize = self.stores.iter().flat_map(|store| store.curves.values()).map(Curve::len).sum();
        if held > most {
            for store in &mut self.stores {
                store.curves.retain(|name, _| wanted.contains(&name.as_str()));
            }
        }
    }

    /// A series that is held.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.stores.iter().find_map(|store| store.curves.get(name))
    }

    /// The same, to set its smoothing.
    pub fn curve_mut(&mut self, name: &str) -> Option<&mut Curve> {
        self.stores.iter_mut().find_map(|store| store.curves.get_mut(name))
    }

    /// An axis as it is meant for this session: relative time counts from the session's own beginning.
    pub fn axis(&self, axis: XAxis) -> Axis {
        match axis {
            XAxis::Step => Axis::Step,
            XAxis::Epoch => Axis::Epoch,
            XAxis::Wall => Axis::Wall,
            XAxis::Relative => {
                let first = self.events.first().map(|event| event.time.as_nanosecond() as i64);
                Axis::Relative { start_ns: [self.start_ns, first].into_iter().flatten().min().unwrap_or(0) }
            }
        }
    }

    /// What is known beside the curves.
    pub fn facts(&self) -> Facts {
        Facts {
            id: self.id.clone(),
            metrics: Arc::clone(&self.stores[0].sorted),
            telemetry: Arc::clone(&self.stores[1].sorted),
            events: Arc::clone(&self.events),
            alerts: Arc::clone(&self.alerts),
            log: Arc::clone(&self.log.lines),
            problems: self.problems.clone(),
        }
    }

    /// Keep each once, for what is wrong with a folder stays wrong and is looked at many times a second; whether any
    /// was not known.
    fn problems(&mut self, texts: impl IntoIterator<Item = String>) -> bool {
        let before = self.problems.len();
        for text in texts {
            if self.problems.len() < MOST_PROBLEMS && !self.problems.contains(&text) {
                self.problems.push(text);
            }
        }
        self.problems.len() > before
    }
}

/// The series of one folder of segments.
struct Store {
    dir: PathBuf,
    tail: Option<Tail>,
    names: BTreeSet<String>,
    sorted: Arc<Vec<String>>,
    curves: HashMap<String, Curve>,
    damage: Vec<String>,
    /// What was read to learn the names, for the curves that are asked for next: a stream that is still written is read
    /// whole each time.
    read: Option<Frames>,
}

impl Store {
    fn new(dir: PathBuf) -> Self {
        let (names, curves) = (BTreeSet::new(), HashMap::new());
        Self { dir, tail: None, names, sorted: Arc::default(), curves, damage: Vec::new(), read: None }
    }

    /// What could not be read since the last call, one line each.
    fn take_damage(&mut self) -> Vec<String> {
        let mut damage = std::mem::take(&mut self.damage);
        damage.extend(self.tail.as_mut().map(Tail::take_warnings).into_iter().flatten());
        damage
    }

    /// Take in new rows; whether the picture changes by them.
    fn poll(&mut self) -> Result<bool, RecordError> {
        let Some(tail) = &mut self.tail else {
            if !self.dir.is_dir() {
                return Ok(false);
            }
            let frames = Frames::open(&self.dir)?;
            self.tail = Some(frames.tail()?);
            self.damage.extend_from_slice(frames.damage());
            self.name(frames.series_names()?);
            self.read = Some(frames);
            return Ok(true);
        };
        let rows = tail.poll()?;
        let mut names = Vec::new();
        let news = !rows.is_empty();
        for row in rows {
            if let Some(curve) = self.curves.get_mut(&*row.series) {
                // A curve loaded since the last poll holds these already: time goes only forwards in a generation.
                let is_new = curve.last().is_none_or(|last| {
                    (row.point.generation, row.point.time_ns, row.point.step)
                        > (last.generation, last.time_ns, last.step)
                });
                if is_new {
                    curve.push(row.point);
                }
            } else if !self.names.contains(&*row.series) {
                names.push(row.series.to_string());
            }
        }
        self.name(names);
        Ok(news)
    }

    fn name(&mut self, names: Vec<String>) {
        let before = self.names.len();
        self.names.extend(names);
        if self.names.len() != before {
            self.sorted = Arc::new(self.names.iter().cloned().collect());
        }
    }

    /// Load what is not held of these names; whether anything was.
    fn load(&mut self, names: &[&str]) -> Result<bool, RecordError> {
        let missing: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| self.names.contains(*name) && !self.curves.contains_key(*name))
            .collect();
        let read = self.read.take();
        if missing.is_empty() {
            // Asked for nothing yet: the question comes with the names.
            self.read = read.filter(|_| names.is_empty());
            return Ok(false);
        }
        let frames = match read {
            Some(mut frames) => {
                frames.refresh()?;
                frames
            }
            None => Frames::open(&self.dir)?,
        };
        for name in missing {
            self.curves.insert(name.to_owned(), Curve::from_series(frames.series(name)?));
        }
        Ok(true)
    }
}

/// The end of what the process printed.
struct Log {
    path: PathBuf,
    offset: u64,
    rest: String,
    lines: Arc<Vec<String>>,
}

impl Log {
    fn new(path: PathBuf) -> Self {
        Self { path, offset: 0, rest: String::new(), lines: Arc::default() }
    }

    fn poll(&mut self) -> bool {
        let Ok(mut file) = File::open(&self.path) else { return false };
        let length = file.metadata().map_or(0, |data| data.len());
        if length <= self.offset {
            // Cut or begun anew: go on from its new end.
            self.offset = length;
            return false;
        }
        let from = self.offset.max(length.saturating_sub(LOG_BYTES));
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(from)).and_then(|_| file.take(length - from).read_to_end(&mut bytes));
        if read.is_err() {
            return false;
        }
        self.offset = from + bytes.len() as u64;
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        let whole = self.rest.rfind('\n').map_or(0, |at| at + 1);
        let rest = self.rest.split_off(whole);
        let text = std::mem::replace(&mut self.rest, rest);
        let lines = Arc::make_mut(&mut self.lines);
        // A progress line is written over itself: what it said last counts.
        lines.extend(text.lines().map(|line| line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("").to_owned()));
        let surplus = lines.len().saturating_sub(LOG_LINES);
        lines.drain(..surplus);
        true
    }
}
