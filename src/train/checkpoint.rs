//! Checkpoints: written whole or not at all, verified when read, the damaged newest one passed over loudly.
//!
//! A checkpoint is a folder `step-XXXXXXXX` of three files: `model.safetensors` (every network, keys prefixed with its
//! name; moving averages under `ema.`), `optimizer.safetensors` (moments, and what else the track keeps) and
//! `state.json`, written last, which holds the position and the SHA-256 of the other two. It is made under another name,
//! synced, and renamed.

mod retention;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;

use crate::data::manifest;
use crate::models::weights;
use crate::native;

pub use retention::prune;

const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const PREFIX: &str = "step-";
const PARTIAL: &str = ".partial";
/// Version of the layout above.
const FORMAT: u32 = 1;

/// What is wrong with a checkpoint, or with writing one.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file system said no.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The contents are not what was written.
    #[error("checkpoint {}: {problem}", path.display())]
    Damaged {
        /// The checkpoint's folder.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
    /// There are checkpoints, and none of them is whole.
    #[error(
        "all {count} checkpoints in {} are damaged; the newest: {newest}. Move them away to start over from step 0",
        path.display()
    )]
    NoneWhole {
        /// The checkpoints' folder.
        path: PathBuf,
        /// How many there are.
        count: usize,
        /// What is wrong with the newest.
        newest: String,
    },
}

/// Size and checksum of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// `state.json`: the position of a checkpoint and the sums of its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the layout.
    pub format: u32,
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished.
    pub epoch: f64,
    /// The experiment's seed.
    pub seed: u64,
    /// Base learning rate, which a command may have changed.
    pub lr: f64,
    /// Steps skipped so far (NaN, out of memory).
    pub skipped_steps: u64,
    /// Newest validation metrics.
    pub metrics: BTreeMap<String, f64>,
    /// Sums of the other files, by name.
    pub files: BTreeMap<String, FileSum>,
}

impl State {
    /// The state at a position, files still unwritten.
    pub fn new(step: i64, epoch: f64, seed: u64, lr: f64) -> Self {
        Self {
            format: FORMAT,
            step,
            epoch,
            seed,
            lr,
            skipped_steps: 0,
            metrics: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Snapshot {
    /// Position and metrics.
    pub state: State,
    /// Networks' tensors, on the CPU and not shared with the networks.
    pub model: Vec<(String, Tensor)>,
    /// Optimizers' and the track's other tensors, likewise.
    pub optimizer: Vec<(String, Tensor)>,
}

/// A checkpoint on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Optimizer steps finished.
    pub step: i64,
    /// The folder.
    pub path: PathBuf,
}

/// What writing a checkpoint took.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The folder.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Time it took.
    pub seconds: f64,
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CheckpointError {
    move |source| CheckpointError::Io { action, path: path.to_owned(), source }
}

/// Write `snapshot` into `dir` as `step-XXXXXXXX`, replacing one of the same step. Until the final rename nothing under
/// that name changes; after a failure nothing is left behind.
pub fn write(dir: &Path, mut snapshot: Snapshot) -> Result<Written, CheckpointError> {
    let begin = Instant::now();
    let name = format!("{PREFIX}{:08}", snapshot.state.step);
    let target = dir.join(&name);
    let partial = dir.join(format!("{name}{PARTIAL}"));
    fs::create_dir_all(dir).map_err(io_error("create", dir))?;
    remove_dir(&partial)?;
    let outcome = fill(&partial, &mut snapshot).and_then(|bytes| {
        remove_dir(&target)?;
        fs::rename(&partial, &target).map_err(io_error("rename", &partial))?;
        sync(dir)?;
        Ok(bytes)
    });
    match outcome {
        Ok(bytes) => Ok(Written { path: target, bytes, seconds: begin.elapsed().as_secs_f64() }),
        Err(error) => {
            fs::remove_dir_all(&partial).ok();
            Err(error)
        }
    }
}

fn fill(partial: &Path, snapshot: &mut Snapshot) -> Result<u64, CheckpointError> {
    fs::create_dir(partial).map_err(io_error("create", partial))?;
    for (name, tensors) in [(MODEL, &snapshot.model), (OPTIMIZER, &snapshot.optimizer)] {
        let path = partial.join(name);
        weights::save_safetensors(&path, tensors, &[])
            .map_err(|error| CheckpointError::Damaged { path: path.clone(), problem: error.to_string() })?;
        sync(&path)?;
        snapshot.state.files.insert(name.to_owned(), sum(&path)?);
    }
    let path = partial.join(STATE);
    let text = serde_json::to_vec_pretty(&snapshot.state).map_err(|error| CheckpointError::Damaged {
        path: path.clone(),
        problem: format!("state cannot be written as JSON: {error}"),
    })?;
    fs::write(&path, &text).map_err(io_error("write", &path))?;
    sync(&path)?;
    sync(partial)?;
    Ok(snapshot.state.files.values().map(|file| file.bytes).sum::<u64>() + text.len() as u64)
}

fn remove_dir(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

fn sync(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error("sync", path))
}

fn sum(path: &Path) -> Result<FileSum, CheckpointError> {
    let map = native::map_file(path).map_err(io_error("read", path))?;
    let digest = Sha256::digest(&map[..]);
    Ok(FileSum { bytes: map.len() as u64, sha256: manifest::hex(&digest) })
}

/// Checkpoints in `dir`, oldest first. A missing folder holds none; folders still being written are not listed.
pub fn list(dir: &Path) -> Result<Vec<Entry>, CheckpointError> {
    let read = match fs::read_dir(dir) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", dir)(error)),
    };
    let mut entries = Vec::new();
    for entry in read {
        let path = entry.map_err(io_error("read", dir))?.path();
        let step = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix(PREFIX));
        if let Some(step) = step.and_then(|digits| digits.parse().ok()) {
            entries.push(Entry { step, path });
        }
    }
    entries.sort_by_key(|entry| entry.step);
    Ok(entries)
}

/// Read `state.json` of a checkpoint; its files stay unread.
pub fn read_state(path: &Path) -> Result<State, CheckpointError> {
    let file = path.join(STATE);
    let text = fs::read(&file).map_err(io_error("read", &file))?;
    let state: State = serde_json::from_slice(&text)
        .map_err(|error| CheckpointError::Damaged { path: path.to_owned(), problem: format!("{STATE}: {error}") })?;
    if state.format != FORMAT {
        let problem = format!("layout {} is not the {FORMAT} this version reads", state.format);
        return Err(CheckpointError::Damaged { path: path.to_owned(), problem });
    }
    Ok(state)
}

/// Read a whole checkpoint; every file must match its checksum.
pub fn load(path: &Path) -> Result<Snapshot, CheckpointError> {
    let state = read_state(path)?;
    let model = load_verified(path, MODEL, &state)?;
    let optimizer = load_verified(path, OPTIMIZER, &state)?;
    Ok(Snapshot { state, model, optimizer })
}

/// Read a checkpoint's networks only, checked likewise: keys are prefixed `generator.`, `discriminator.`, `ema.`.
pub fn load_model(path: &Path) -> Result<(State, Vec<(String, Tensor)>), CheckpointError> {
    let state = read_state(path)?;
    let model = load_verified(path, MODEL, &state)?;
    Ok((state, model))
}

fn load_verified(path: &Path, name: &str, state: &State) -> Result<Vec<(String, Tensor)>, CheckpointError> {
    let damaged = |problem: String| CheckpointError::Damaged { path: path.to_owned(), problem };
    let file = path.join(name);
    let expected = state.files.get(name).ok_or_else(|| damaged(format!("{STATE} has no checksum of {name}")))?;
    let found = sum(&file)?;
    if found.bytes != expected.bytes {
        return Err(damaged(format!("{name} has {} bytes, {} were written", found.bytes, expected.bytes)));
    }
    if found.sha256 != expected.sha256 {
        return Err(damaged(format!("{name} differs from what was written (SHA-256)")));
    }
    weights::load_file(&file).map_err(|error| damaged(format!("{name}: {error}")))
}

/// The newest whole checkpoint of a folder.
#[derive(Debug)]
pub struct Newest<T> {
    /// Its folder.
    pub path: PathBuf,
    /// What was read of it.
    pub content: T,
    /// Damaged newer ones that were passed over, newest first.
    pub damaged: Vec<CheckpointError>,
}

/// The newest checkpoint in `dir` that `read` ([`load`] or [`load_model`]) accepts; `None` when there is none at all.
///
/// # Errors
/// There are some, and every one is damaged: starting over silently would bury them.
pub fn newest<T>(
    dir: &Path,
    read: impl Fn(&Path) -> Result<T, CheckpointError>,
) -> Result<Option<Newest<T>>, CheckpointError> {
    let mut damaged = Vec::new();
    for entry in list(dir)?.into_iter().rev() {
        match read(&entry.path) {
            Ok(content) => return Ok(Some(Newest { path: entry.path, content, damaged })),
            Err(error) => damaged.push(error),
        }
    }
    match damaged.first() {
        None => Ok(None),
        Some(newest) => {
            Err(CheckpointError::NoneWhole { path: dir.to_owned(), count: damaged.len(), newest: newest.to_string() })
        }
    }
}

/// Remove what a killed process left half written.
pub fn remove_partial(dir: &Path) -> io::Result<()> {
    let read = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read?,
    };
    for entry in read {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == &PARTIAL[1..]) {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
