//! The writing side of a session: made or reopened by the process that trains, held until it ends.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustix::fs::fstat;

use super::lock::host_name;
use super::recorder;
use super::{Folder, Lock, Manifest, SessionError, SessionRecorder, State, control, find, git, reserve};
use crate::record::{At, Clock, Event, Store};

/// What a new session is told about itself.
#[derive(Debug, Clone, Default)]
pub struct New<'a> {
    /// Short name; becomes the end of the id.
    pub name: &'a str,
    /// Free labels.
    pub tags: &'a [String],
    /// Free text.
    pub notes: &'a str,
    /// The full effective config, as TOML.
    pub config: &'a str,
    /// The command line.
    pub command: Vec<String>,
    /// Everything random follows from it.
    pub seed: Option<u64>,
    /// The session that this one branched from.
    pub parent: Option<String>,
    /// At which of its steps.
    pub parent_step: Option<i64>,
    /// The machine, as the telemetry layer saw it; `Null` when nobody looked.
    pub inventory: serde_json::Value,
    /// Library versions by name; Atelier's own is added.
    pub versions: BTreeMap<String, String>,
}

/// A session held for writing: no other process can write it until this is dropped.
#[derive(Debug)]
pub struct Session {
    folder: Folder,
    manifest: Mutex<Manifest>,
    recorder: Arc<SessionRecorder>,
    telemetry: Arc<Store>,
    log: Mutex<File>,
    // Last: released when everything else is closed.
    _lock: Lock,
}

/// Make a new session under `root`, in state [`State::Starting`], generation 0.
pub fn create(root: &Path, new: &New<'_>) -> Result<Session, SessionError> {
    let folder = reserve(root, new.name)?;
    create_in(folder.clone(), new).inspect_err(|_error| {
        // Nothing was recorded: an id that came to nothing should not stay behind. Whatever cannot be removed stays.
        if !folder.manifest().exists() {
            fs::remove_dir_all(folder.path()).ok();
        }
    })
}

/// Make a new session in a folder that [`reserve`] made.
pub fn create_in(folder: Folder, new: &New<'_>) -> Result<Session, SessionError> {
    let lock = Lock::acquire(&folder)?;
    let mut manifest = Manifest::new(new.name, new.config)?;
    manifest.tags = new.tags.to_vec();
    new.notes.clone_into(&mut manifest.notes);
    manifest.seed = new.seed;
    manifest.parent.clone_from(&new.parent);
    manifest.parent_step = new.parent_step;
    here(&mut manifest, new.command.clone(), new.versions.clone(), new.inventory.clone());
    manifest.save(&folder)?;
    for path in [folder.samples(), folder.checkpoints()] {
        folder.make(&path)?;
    }
    Session::start(folder, lock, manifest)
}

/// Take up an existing session again: generation + 1, refused while another process holds it.
///
/// `query` is anything [`find`] understands. The manifest keeps its config; `command`, host, versions and inventory are
/// those of the new process (an inventory of `Null` keeps the old one).
pub fn reopen(root: &Path, query: &str, new: &New<'_>) -> Result<Session, SessionError> {
    reopen_in(find(root, query)?, new)
}

/// [`reopen`] for a folder that is already known.
pub fn reopen_in(folder: Folder, new: &New<'_>) -> Result<Session, SessionError> {
    // Read first, lock then: a folder without a manifest is no session, and must not get a lock file.
    let state = Manifest::load(&folder)?.state;
    let lock = Lock::acquire_of(&folder, state)?;
    let mut manifest = Manifest::load(&folder)?;
    let before = (manifest.state, manifest.generation, manifest.started);
    manifest.generation = manifest.generation.saturating_add(1);
    manifest.state = State::Starting;
    manifest.reason = None;
    manifest.ended = None;
    manifest.started = Some(Timestamp::now());
    let inventory = if new.inventory.is_null() { manifest.inventory.clone() } else { new.inventory.clone() };
    here(&mut manifest, new.command.clone(), new.versions.clone(), inventory);
    // With the lock in hand, a socket can only be a dead process's.
    control::remove_stale(&folder)?;
    manifest.save(&folder)?;
    for path in [folder.samples(), folder.checkpoints()] {
        folder.make(&path)?;
    }
    let session = Session::start(folder, lock, manifest)?;
    let (state, generation, started) = before;
    if state.is_active() {
        let message =
            format!("generation {generation} ended without a word while {}: it crashed or was killed", state.word());
        let mut event = Event::new("crashed", message).with("crashed_generation", generation);
        if let Some(started) = started {
            event = event.with("crashed_started", started.to_string());
        }
        session.recorder.event_here(event);
    }
    Ok(session)
}

/// What every start of a process writes about itself.
fn here(
    manifest: &mut Manifest,
    command: Vec<String>,
    versions: BTreeMap<String, String>,
    inventory: serde_json::Value,
) {
    let directory = std::env::current_dir().ok();
    manifest.command = command;
    manifest.git = directory.as_deref().and_then(git::observe);
    manifest.directory = directory.map(|path| path.to_string_lossy().into_owned());
    manifest.pid = Some(std::process::id());
    manifest.host = Some(host_name());
    manifest.device = None;
    manifest.versions.extend(versions);
    manifest.versions.insert("atelier".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    manifest.set_inventory(inventory);
}

impl Session {
    fn start(folder: Folder, lock: Lock, manifest: Manifest) -> Result<Self, SessionError> {
        let log = Folder::append(&folder.log()).map_err(SessionError::io("open", &folder.log()))?;
        let (recorder, telemetry) = recorder::open(&folder, manifest.generation, &Clock::start())?;
        Ok(Self {
            folder,
            manifest: Mutex::new(manifest),
            recorder: Arc::new(recorder),
            telemetry: Arc::new(telemetry),
            log: Mutex::new(log),
            _lock: lock,
        })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.folder.id()
    }

    /// Restarts so far.
    pub fn generation(&self) -> u32 {
        self.manifest().generation
    }

    /// The manifest as this process last wrote it.
    pub fn manifest(&self) -> Manifest {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where values and events go.
    pub fn recorder(&self) -> Arc<SessionRecorder> {
        Arc::clone(&self.recorder)
    }

    /// Where the machine's samples go.
    pub fn telemetry_store(&self) -> Arc<Store> {
        Arc::clone(&self.telemetry)
    }

    /// Record a sample of the machine at `at`.
    pub fn sample(&self, at: At, values: &[(&str, f64)]) {
        self.recorder.append(&self.telemetry, at, values);
    }

    /// Change the manifest and save it.
    ///
    /// Tags and notes may have been edited by a person since: `change` is applied to the file as it is now, unless that
    /// cannot be read any more.
    pub fn update(&self, change: impl FnOnce(&mut Manifest)) -> Result<(), SessionError> {
        let mut held = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut manifest = Manifest::load(&self.folder).unwrap_or_else(|_damaged| held.clone());
        change(&mut manifest);
        // Kept even if the disk refuses: the next save brings it along.
        *held = manifest;
        held.save(&self.folder)
    }

    /// Write a change of state into the manifest. The event that goes with it is the caller's, who knows the step.
    pub fn set_state(&self, state: State, reason: Option<&str>) -> Result<(), SessionError> {
        self.update(|manifest| {
            manifest.state = state;
            manifest.reason = reason.filter(|reason| !reason.is_empty()).map(str::to_owned);
        })
    }

    /// Write down what a reader of the results must know, once.
    pub fn remark(&self, remark: &str) -> Result<(), SessionError> {
        self.update(|manifest| {
            if !manifest.remarks.iter().any(|known| known == remark) {
                manifest.remarks.push(remark.to_owned());
            }
        })
    }

    /// Write down how much there is to do, for progress and what is left.
    pub fn set_totals(&self, steps: i64, epochs: f64) -> Result<(), SessionError> {
        self.update(|manifest| {
            manifest.progress.total_steps = Some(steps);
            manifest.progress.total_epochs = epochs.is_finite().then_some(epochs);
        })
    }

    /// Write down where this generation trains.
    pub fn set_device(&self, device: &str) -> Result<(), SessionError> {
        self.update(|manifest| manifest.device = Some(device.to_owned()))
    }

    /// Append a line to `log.txt` with its time. A log that cannot be written is not worth a training run.
    pub fn log(&self, line: &str) {
        let now = jiff::ZonedDateTime::now();
        let stamp = now.strftime("%Y-%m-%d %H:%M:%S");
        let mut text = String::new();
        for part in line.lines() {
            writeln!(text, "{stamp} {part}").ok();
        }
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.write_all(text.as_bytes()).ok();
    }

    /// Whether what this process prints already lands in `log.txt`, as a detached one's does.
    pub fn prints_to_log(&self) -> bool {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        match (fstat(&*log), fstat(io::stdout())) {
            (Ok(log), Ok(out)) => log.st_dev == out.st_dev && log.st_ino == out.st_ino,
            _ => false,
        }
    }

    /// The socket to take commands on: mode 0600, whatever a dead process left in its place removed.
    pub fn control_listener(&self) -> Result<UnixListener, SessionError> {
        control::bind(&self.folder)
    }

    /// End this generation: everything recorded goes to the disk, the series are sealed, the manifest says how it ended.
    ///
    /// All of that is tried even if part of it fails; the first failure is returned.
    pub fn finish(&self, state: State, reason: Option<&str>) -> Result<(), SessionError> {
        let sealed = self.recorder.metrics().seal().map_err(SessionError::from);
        let sealed_telemetry = self.telemetry.seal().map_err(SessionError::from);
        for (what, result) in [("metrics", &sealed), ("telemetry", &sealed_telemetry)] {
            if let Err(error) = result {
                self.recorder.event_here(Event::new("recording-failing", format!("{what} are not sealed: {error}")));
            }
        }
        let flushed = self.recorder.flush_events();
        let saved = self.update(|manifest| {
            manifest.state = state;
            manifest.reason = reason.filter(|reason| !reason.is_empty()).map(str::to_owned);
            manifest.ended = Some(Timestamp::now());
        });
        let removed = control::remove_stale(&self.folder);
        sealed.and(sealed_telemetry).and(flushed).and(saved).and(removed)
    }
}
