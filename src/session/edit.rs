//! What a person may change about a session: its name, tags and notes, whether it is put away, whether it is there.
//!
//! The manifest of a session that runs is written by its own process. An edit therefore goes through the control socket
//! where a process listens, and is made under the session's lock where none does: never beside either.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::control::{Client, ControlError, Request, Response};
use super::{Folder, Lock, Manifest, SessionError, observe};

mod remove;

pub use remove::remove;

/// Longest name, in characters.
const NAME_LIMIT: usize = 96;
/// Longest tag, in characters.
const TAG_LIMIT: usize = 48;
/// Longest notes, in bytes: with the rest of a request they must fit into one line of the protocol.
const NOTES_LIMIT: usize = 16 * 1024;
/// How long a running process has for its answer. It needs no step for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A change; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Edit {
    /// Another name. The id stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Other notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// All tags, instead of those it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Tags to add.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add_tags: Vec<String>,
    /// Tags to take off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_tags: Vec<String>,
    /// Put away, or taken out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// It makes no sense, or not now.
    #[error("{0}")]
    Refused(String),
    /// The process that runs the session could not be asked.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The folder could not be changed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Edit {
    /// What is wrong with it, in words, if something is.
    pub fn check(&self) -> Result<(), String> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        for tag in self.tags.iter().flatten().chain(&self.add_tags) {
            check_tag(tag)?;
        }
        if self.notes.as_ref().is_some_and(|notes| notes.len() > NOTES_LIMIT) {
            return Err(format!("notes may have {} KiB; longer ones belong into a file beside", NOTES_LIMIT / 1024));
        }
        Ok(())
    }

    /// Make the change; nothing else of the manifest is touched.
    pub fn apply(&self, manifest: &mut Manifest) {
        if let Some(name) = &self.name {
            name.trim().clone_into(&mut manifest.name);
        }
        if let Some(notes) = &self.notes {
            notes.trim_end().clone_into(&mut manifest.notes);
        }
        if let Some(tags) = &self.tags {
            manifest.tags.clear();
            add(&mut manifest.tags, tags);
        }
        add(&mut manifest.tags, &self.add_tags);
        manifest.tags.retain(|tag| !self.remove_tags.contains(tag));
        if let Some(archived) = self.archived {
            manifest.archived = archived;
        }
    }
}

/// Add what is not there yet, in order.
fn add(tags: &mut Vec<String>, more: &[String]) {
    for tag in more {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
}

/// Whether a session may have this name, and why not.
pub fn check_name(name: &str) -> Result<(), String> {
    let name = name.trim();
    match name.chars().count() {
        0 => Err("a name has at least one character".to_owned()),
        count if count > NAME_LIMIT => Err(format!("a name has at most {NAME_LIMIT} characters, this one has {count}")),
        _ if name.chars().any(char::is_control) => Err("a name has no control characters".to_owned()),
        _ => Ok(()),
    }
}

/// Whether this can be a tag, and why not.
pub fn check_tag(tag: &str) -> Result<(), String> {
    if tag.is_empty() || tag.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("`{}` is no tag: a tag is one word", tag.escape_debug()));
    }
    if tag.chars().count() > TAG_LIMIT {
        return Err(format!("a tag has at most {TAG_LIMIT} characters"));
    }
    Ok(())
}

impl fmt::Display for Edit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.name.as_ref().map(|name| format!("name {}", name.trim())));
        parts.extend(self.tags.as_ref().map(|tags| match tags.as_slice() {
            [] => "no tags".to_owned(),
            tags => format!("tags {}", tags.join(" ")),
        }));
        parts.extend(self.add_tags.iter().map(|tag| format!("+{tag}")));
        parts.extend(self.remove_tags.iter().map(|tag| format!("-{tag}")));
        parts.extend(self.notes.as_ref().map(|notes| if notes.is_empty() { "no notes" } else { "notes" }.to_owned()));
        parts.extend(self.archived.map(|archived| if archived { "archived" } else { "out of the archive" }.to_owned()));
        out.write_str(&parts.join(", "))
    }
}

/// Change the session in `folder`; gives what was done, in words.
///
/// # Errors
/// The edit makes no sense, the process that runs the session does not answer, or the manifest cannot be written.
pub fn edit(folder: &Folder, edit: &Edit) -> Result<String, EditError> {
    edit.check().map_err(EditError::Refused)?;
    match Client::connect(folder) {
        Ok(client) => match client.with_timeout(PATIENCE).request(&Request::Annotate(edit.clone()))? {
            Response::Ok { message, .. } => return Ok(message),
            Response::Error { message } => return Err(EditError::Refused(message)),
        },
        Err(ControlError::NotRunning { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let _lock = held(folder)?;
    let mut manifest = Manifest::load(folder)?;
    edit.apply(&mut manifest);
    manifest.save(folder)?;
    Ok(edit.to_string())
}

/// The lock of a session that no process runs.
pub(super) fn held(folder: &Folder) -> Result<Lock, EditError> {
    // A folder without a manifest is no session, and must not get a lock file.
    let observed = observe(folder)?;
    if let Some(doubt) = observed.doubt {
        return Err(EditError::Refused(format!("{}: {doubt}; do it there", folder.id())));
    }
    Ok(Lock::acquire_of(folder, observed.manifest.state)?)
}

/// Make the changes of names in `folder` outlast a power loss.
fn sync(folder: &Path) -> Result<(), SessionError> {
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(SessionError::io("sync", folder))
}

/// Whether anything is there, a dangling link included.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

#[cfg(test)]
mod tests;
