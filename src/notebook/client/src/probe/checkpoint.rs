//! The checkpoints of a session, read where they lie: of a file only its header and the tensors that are asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::json::Json;
use super::problem::{Problem, answer};
use super::show::{Content, Table, brief, count, number, shown, size};
use super::source::Source;
use super::tables::{Diff, StatsTable, TensorList};
use super::tensor::Tensor;

mod file;

pub use file::TensorFile;

/// Networks of every checkpoint, and moving averages of them under `ema.`.
const MODEL: &str = "model.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";

/// The checkpoints of one session, oldest first.
#[derive(Clone)]
pub struct Checkpoints {
    session: String,
    folder: PathBuf,
    steps: Vec<(i64, PathBuf)>,
}
shown!(Checkpoints, Checkpoint);

impl Checkpoints {
    pub(crate) fn list(session_folder: &Path, session: &str) -> Result<Self, Problem> {
        let folder = session_folder.join("checkpoints");
        let mut steps = Vec::new();
        match fs::read_dir(&folder) {
            Ok(read) => {
                for path in read.flatten().map(|entry| entry.path()) {
                    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    let step = name.strip_prefix("step-").and_then(|digits| digits.parse().ok());
                    // Written last: without it the checkpoint is not whole.
                    if let Some(step) = step.filter(|_| path.join(STATE).is_file()) {
                        steps.push((step, path));
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Problem::new(format!("{}: {error}", folder.display()))),
        }
        steps.sort();
        Ok(Self { session: session.to_owned(), folder, steps })
    }

    /// The steps that there are checkpoints of.
    pub fn steps(&self) -> Vec<i64> {
        self.steps.iter().map(|(step, _)| *step).collect()
    }

    /// The checkpoint of a step.
    pub fn at(&self, step: i64) -> Checkpoint {
        answer(self.open(Some(step)))
    }

    /// The newest one.
    pub fn latest(&self) -> Checkpoint {
        answer(self.open(None))
    }

    pub(crate) fn open(&self, wanted: Option<i64>) -> Result<Checkpoint, Problem> {
        let found = match wanted {
            None => self.steps.last(),
            Some(wanted) => self.steps.iter().find(|(step, _)| *step == wanted),
        };
        let (step, path) = found.ok_or_else(|| {
            let steps: Vec<String> = self.steps().iter().map(i64::to_string).collect();
            let place = self.folder.display();
            Problem::new(match (steps.is_empty(), wanted) {
                (false, Some(wanted)) => {
                    format!("no checkpoint of step {wanted} in {place}: there are {}", brief(&steps.join(", "), 400))
                }
                _ => {
                    format!("no whole checkpoint in {place} yet: a running training writes one by `atelier checkpoint`")
                }
            })
        })?;
        Checkpoint::open(path, *step, &self.session)
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let rows = self.steps.iter().rev().map(|(step, path)| {
            let bytes = |name| fs::metadata(path.join(name)).map(|data| data.len()).unwrap_or_default();
            vec![count(*step), size(bytes(MODEL)), size(bytes(OPTIMIZER)), path.display().to_string()]
        });
        let table = Table::new(&["#step", "#model", "#optimizer", "folder"]).filled(rows);
        vec![Content::Table(table.note(format!("{} · checkpoints", self.session)))]
    }
}

/// One checkpoint: its networks' tensors by the names `<network>/<key>` (or with a `.` between, as in the file).
#[derive(Clone)]
pub struct Checkpoint {
    path: PathBuf,
    step: i64,
    epoch: f64,
    metrics: Vec<(String, f64)>,
    model: TensorFile,
}

impl Checkpoint {
    fn open(path: &Path, step: i64, session: &str) -> Result<Self, Problem> {
        let state = path.join(STATE);
        let read = fs::read(&state).map_err(|error| Problem::new(error.to_string()));
        let state = read.and_then(|text| Json::parse(&text)).map_err(|problem| problem.about(state.display()))?;
        let epoch = state.get("epoch").as_f64().unwrap_or(f64::NAN);
        let source = source(path, step, epoch, session);
        let metrics = state.get("metrics").fields().iter();
        Ok(Self {
            path: path.to_owned(),
            step,
            epoch,
            metrics: metrics.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect(),
            model: TensorFile::of(&path.join(MODEL), Some(source))?,
        })
    }

    /// Optimizer steps finished.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Epochs finished.
    pub fn epoch(&self) -> f64 {
        self.epoch
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The newest validation metrics when it was written.
    pub fn metrics(&self) -> &[(String, f64)] {
        &self.metrics
    }

    /// The file with the networks.
    pub fn model(&self) -> TensorFile {
        self.model.clone()
    }

    /// The file with the optimizers' state: moments, and how many steps each parameter took.
    pub fn optimizer(&self) -> TensorFile {
        answer(TensorFile::of(&self.path.join(OPTIMIZER), self.model.source().cloned()))
    }

    /// The names of all tensors.
    pub fn names(&self) -> Vec<String> {
        self.model.names()
    }

    /// The tensors whose name fits a pattern: `.list("generator/*.weight")`.
    pub fn list(&self, glob: &str) -> TensorList {
        self.model.list(glob)
    }

    /// The shape of a tensor; nothing but the header is read.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.model.shape(name)
    }

    /// One tensor; only its bytes are read.
    pub fn tensor(&self, name: &str) -> Tensor {
        self.model.tensor(name)
    }

    /// Statistics of the tensors whose name fits a pattern, read piece by piece.
    pub fn stats(&self, glob: &str) -> StatsTable {
        self.model.stats(glob)
    }

    /// What changed from this one to `other`, tensor by tensor, the greatest relative change first.
    pub fn diff(&self, other: &Self) -> Diff {
        self.model.diff(&other.model)
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let metrics: Vec<String> =
            self.metrics.iter().map(|(name, value)| format!("{name} {}", number(*value))).collect();
        let table = self.model.list("*").table().note(metrics.join(" · "));
        vec![Content::Table(table)]
    }
}

fn source(path: &Path, step: i64, epoch: f64, session: &str) -> Source {
    let written = fs::metadata(path.join(STATE)).and_then(|data| data.modified());
    let age = written.ok().and_then(|time| SystemTime::now().duration_since(time).ok());
    Source {
        session: session.to_owned(),
        step,
        epoch: Some(epoch).filter(|epoch| epoch.is_finite()),
        live: false,
        age_ms: age.map(|age| age.as_secs_f64() * 1000.0),
    }
}

#[cfg(test)]
mod tests;
