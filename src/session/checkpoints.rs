//! A session's checkpoints as a viewer sees them, and how one becomes the beginning of another session.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Folder, SessionError};

const PREFIX: &str = "step-";
const STATE: &str = "state.json";

/// A checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished.
    pub epoch: f64,
    /// The base learning rate then, which goes on from there: it may have been changed while the run was under way.
    pub lr: Option<f64>,
    /// Newest validation metrics then, by name (`val/l1`).
    pub metrics: BTreeMap<String, f64>,
    /// Its folder.
    pub path: PathBuf,
}

/// What a viewer reads of `state.json`.
#[derive(Deserialize)]
struct State {
    step: i64,
    epoch: f64,
    lr: Option<f64>,
    #[serde(default)]
    metrics: BTreeMap<String, f64>,
}

/// The checkpoints of a session, oldest first. Those half written, and those without a readable `state.json`, are left
/// out: nothing can begin from them.
pub fn list(folder: &Folder) -> Result<Vec<Checkpoint>, SessionError> {
    let dir = folder.checkpoints();
    let read = match fs::read_dir(&dir) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(SessionError::io("list the checkpoints in", &dir)(error)),
    };
    let mut found: Vec<Checkpoint> = read.flatten().filter_map(|entry| checkpoint(&entry.path())).collect();
    found.sort_by_key(|checkpoint| checkpoint.step);
    Ok(found)
}

fn checkpoint(path: &Path) -> Option<Checkpoint> {
    let digits = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let step: i64 = digits.parse().ok()?;
    let state: State = serde_json::from_slice(&fs::read(path.join(STATE)).ok()?).ok()?;
    let State { epoch, lr, metrics, .. } = state;
    (state.step == step).then(|| Checkpoint { step, epoch, lr, metrics, path: path.to_owned() })
}

/// The checkpoint of `step`; of the newest step when none is given.
pub fn at(folder: &Folder, step: Option<i64>) -> Result<Checkpoint, SessionError> {
    let all = list(folder)?;
    let found = match step {
        None => all.last().cloned(),
        Some(step) => all.iter().find(|checkpoint| checkpoint.step == step).cloned(),
    };
    let steps = all.iter().map(|checkpoint| checkpoint.step).collect();
    found.ok_or_else(|| SessionError::NoCheckpoint { id: folder.id(), wanted: step, steps })
}

/// Give the session in `child` a checkpoint of another's as its own: the same files under a second name where the disk
/// can do that, copies elsewhere. It appears there whole or not at all.
///
/// A checkpoint's files are never written again, only removed, so that the two names do not disturb each other.
pub fn adopt(checkpoint: &Checkpoint, child: &Folder) -> Result<(), SessionError> {
    let target = child.checkpoint_at(checkpoint.step);
    let partial = target.with_extension("partial");
    child.make(&partial)?;
    let filled = fill(checkpoint, &partial)
        .and_then(|()| fs::rename(&partial, &target).map_err(SessionError::io("write", &target)));
    if filled.is_err() {
        // Half of it would be in the way of the next try; what cannot be removed is not mistaken for a checkpoint.
        fs::remove_dir_all(&partial).ok();
    }
    filled
}

fn fill(checkpoint: &Checkpoint, partial: &Path) -> Result<(), SessionError> {
    // The newest checkpoints are kept and others removed while a run goes on: then it is gone, and the error says which.
    let read = fs::read_dir(&checkpoint.path).map_err(SessionError::io("read", &checkpoint.path))?;
    for entry in read {
        let from = entry.map_err(SessionError::io("read", &checkpoint.path))?.path();
        let Some(name) = from.file_name() else { continue };
        let to = partial.join(name);
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(SessionError::io("copy", &from))?;
        }
    }
    fs::metadata(partial.join(STATE)).map_err(SessionError::io("copy", &checkpoint.path.join(STATE)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Folder, step: i64) {
        let path = folder.checkpoint_at(step);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("model.safetensors"), format!("weights of {step}")).unwrap();
        let state = format!(r#"{{"format":1,"step":{step},"epoch":{step}.5,"metrics":{{"val/l1":0.25}},"more":1}}"#);
        fs::write(path.join(STATE), state).unwrap();
    }

    #[test]
    fn whole_checkpoints_are_listed_by_step() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        assert_eq!(list(&folder).unwrap(), []);
        [20, 3, 100_000_000].into_iter().for_each(|step| write(&folder, step));
        fs::create_dir(folder.checkpoints().join("step-00000030.partial")).unwrap();
        fs::create_dir(folder.checkpoint_at(40)).unwrap();
        let found = list(&folder).unwrap();
        assert_eq!(found.iter().map(|it| it.step).collect::<Vec<_>>(), [3, 20, 100_000_000]);
        assert_eq!((found[0].epoch, found[0].metrics["val/l1"]), (3.5, 0.25));
        assert_eq!(at(&folder, None).unwrap().step, 100_000_000);
        assert_eq!(at(&folder, Some(20)).unwrap().step, 20);
        let error = at(&folder, Some(21)).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("3, 20"), "{error}");
    }

    #[test]
    fn an_adopted_checkpoint_outlives_its_first_owner() {
        let root = tempfile::tempdir().unwrap();
        let (parent, child) = (Folder::new(root.path().join("parent")), Folder::new(root.path().join("child")));
        write(&parent, 20);
        adopt(&at(&parent, None).unwrap(), &child).unwrap();
        fs::remove_dir_all(parent.path()).unwrap();
        let own = at(&child, Some(20)).unwrap();
        assert_eq!(fs::read_to_string(own.path.join("model.safetensors")).unwrap(), "weights of 20");
    }

    #[test]
    fn a_checkpoint_removed_meanwhile_leaves_nothing_half_there() {
        let root = tempfile::tempdir().unwrap();
        let (parent, child) = (Folder::new(root.path().join("parent")), Folder::new(root.path().join("child")));
        write(&parent, 20);
        let found = at(&parent, None).unwrap();
        fs::remove_dir_all(&found.path).unwrap();
        let error = adopt(&found, &child).unwrap_err().to_string();
        assert!(error.contains("step-00000020"), "{error}");
        assert_eq!(fs::read_dir(child.checkpoints()).unwrap().count(), 0);
    }
}
