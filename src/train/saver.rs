//! Checkpoints written off the training thread, one at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::config;
use crate::record::Recorder;
use crate::train::checkpoint::{self, CheckpointError, Snapshot, Written};

/// What a write came to: the checkpoint, and those removed to make room.
pub type Saved = Result<(Written, Vec<PathBuf>), CheckpointError>;

/// Called with the outcome, on the writing thread.
pub type OnSaved = Box<dyn FnOnce(&Saved) + Send>;

/// Writes checkpoints of one run in the background.
#[derive(Debug)]
pub struct Saver {
    dir: PathBuf,
    settings: config::Checkpoint,
    in_flight: Option<JoinHandle<Saved>>,
    last: Option<Saved>,
}

impl Saver {
    /// A saver into `dir`.
    pub fn new(dir: PathBuf, settings: config::Checkpoint) -> Self {
        Self { dir, settings, in_flight: None, last: None }
    }

    /// Start writing; waits for the write before it. What `recorder` holds is brought to the disk first: values that led to
    /// a checkpoint must not be lost where the checkpoint is not.
    pub fn submit(
        &mut self,
        snapshot: Snapshot,
        recorder: Arc<dyn Recorder>,
        on_saved: OnSaved,
    ) -> std::io::Result<()> {
        self.wait();
        self.last = None;
        let dir = self.dir.clone();
        let settings = self.settings.clone();
        let write = move || {
            recorder.settle();
            let saved = checkpoint::write(&dir, snapshot)
                .and_then(|written| checkpoint::prune(&dir, &settings).map(|removed| (written, removed)));
            on_saved(&saved);
            saved
        };
        self.in_flight = Some(thread::Builder::new().name("checkpoint".to_owned()).spawn(write)?);
        Ok(())
    }

    /// What the newest write came to, if there was one; waits for it when it is still under way.
    pub fn wait(&mut self) -> Option<&Saved> {
        if let Some(handle) = self.in_flight.take() {
            let panicked = |_cause| {
                let problem = "the writing thread panicked".to_owned();
                Err(CheckpointError::Damaged { path: self.dir.clone(), problem })
            };
            self.last = Some(handle.join().unwrap_or_else(panicked));
        }
        self.last.as_ref()
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.wait();
    }
}
