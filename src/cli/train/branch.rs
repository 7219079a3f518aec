//! `--branch ID[@STEP]`: a new session that begins where another one stood.

use std::path::Path;

use anyhow::Context;

use super::misuse;
use crate::cli::Usage;
use crate::record::Event;
use crate::session::checkpoints::{self, Checkpoint};
use crate::session::{self, Folder, New};
use crate::train::schedule::Extent;

/// Where a branch begins.
pub struct Origin {
    /// The other session.
    pub parent: Folder,
    checkpoint: Checkpoint,
}

impl Origin {
    /// The session and the checkpoint that `query` means.
    pub fn find(root: &Path, query: &str) -> anyhow::Result<Self> {
        let (id, step) = split(query)?;
        let parent = session::find(root, id).map_err(misuse)?;
        let parent = parent.path().canonicalize().map_or(parent, Folder::new);
        let checkpoint = checkpoints::at(&parent, step).map_err(misuse)?;
        Ok(Self { parent, checkpoint })
    }

    /// Refuse a branch on which nothing would be left to do.
    pub fn check(&self, extent: Extent) -> anyhow::Result<()> {
        if self.checkpoint.step < extent.steps() {
            return Ok(());
        }
        Err(Usage(format!(
            "at step {} all {} epochs are done, so that nothing would be trained: add --set train.epochs={}, or branch from \
             an earlier checkpoint",
            self.checkpoint.step,
            extent.epochs,
            2 * extent.epochs
        ))
        .into())
    }

    /// Write the origin into what the new session is told about itself.
    pub fn describe(&self, about: &mut New<'_>) {
        about.parent = Some(self.parent.id());
        about.parent_step = Some(self.checkpoint.step);
    }

    /// Give the checkpoint to the new session's folder; a folder that cannot have it is removed if it was empty.
    pub fn give_to(&self, folder: &Folder) -> anyhow::Result<()> {
        checkpoints::adopt(&self.checkpoint, folder)
            .inspect_err(|_error| {
                std::fs::remove_dir(folder.checkpoints()).ok();
                std::fs::remove_dir(folder.path()).ok();
            })
            .with_context(|| format!("begin from step {} of {}", self.checkpoint.step, self.parent.id()))
    }

    /// What the new session's events say about it.
    pub fn event(&self) -> Event {
        let (parent, step) = (self.parent.id(), self.checkpoint.step);
        Event::new("branched", format!("from step {step} of {parent}")).with("parent", parent).with("parent_step", step)
    }
}

/// `last@1200`: what stands behind the last `@` is a step.
fn split(query: &str) -> Result<(&str, Option<i64>), Usage> {
    let Some((id, step)) = query.rsplit_once('@') else { return Ok((query, None)) };
    let step = step.parse().map_err(|_no_number: std::num::ParseIntError| {
        Usage(format!(
            "`{step}` is no step: a branch is written ID, or ID@STEP with the step of one of its checkpoints"
        ))
    })?;
    Ok((id, Some(step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_follows_the_last_at_sign() {
        assert_eq!(split("last").unwrap(), ("last", None));
        assert_eq!(split("hayao@1200").unwrap(), ("hayao", Some(1200)));
        assert!(split("hayao@best").unwrap_err().to_string().contains("`best` is no step"));
    }
}
