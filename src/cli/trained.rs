//! What a session trained: its config, and its newest whole checkpoint.

use std::path::{Path, PathBuf};

use anyhow::bail;
use tch::Tensor;

use crate::config::{self, Experiment, Paths};
use crate::session::{self, Manifest};
use crate::train::checkpoint::{self, State};

/// A session's networks, as its newest whole checkpoint has them.
#[derive(Debug)]
pub struct Trained {
    /// The session's id.
    pub id: String,
    /// What was trained.
    pub experiment: Experiment,
    /// Where the checkpoint stands.
    pub state: State,
    /// The checkpoint's folder.
    pub path: PathBuf,
    /// Networks' tensors by prefixed name.
    pub model: Vec<(String, Tensor)>,
    /// From where the config's relative paths start.
    directory: Option<PathBuf>,
}

impl Trained {
    /// The session that `id` means under `root`. Damaged checkpoints that are passed over are told on standard error.
    pub fn open(root: &Path, id: &str) -> anyhow::Result<Self> {
        let folder = session::find(root, id)?;
        let manifest = Manifest::load(&folder)?;
        let origin = folder.manifest().display().to_string();
        let experiment = config::parse_with(&manifest.config(), &origin, &[], Paths::Unchecked)?.experiment;
        let newest = checkpoint::newest(&folder.checkpoints(), checkpoint::load_model)?;
        let Some(newest) = newest else {
            bail!("session {} has no checkpoint yet; `atelier checkpoint {0}` asks a running one for it", folder.id());
        };
        for damaged in &newest.damaged {
            eprintln!("warning: passed over a damaged checkpoint: {damaged}");
        }
        let (state, model) = newest.content;
        let directory = manifest.directory.map(PathBuf::from);
        Ok(Self { id: folder.id(), experiment, state, path: newest.path, model, directory })
    }

    /// A path of the config, as the session meant it.
    pub fn path_of(&self, path: &Path) -> PathBuf {
        let there = self.directory.as_ref().map(|directory| directory.join(path));
        there.filter(|there| there.exists()).unwrap_or_else(|| path.to_owned())
    }
}
