//! Deleting a session: out of the way by one rename, then gone.

use std::fs;
use std::path::{Path, PathBuf};

use super::{EditError, exists, held, sync};
use crate::session::{Folder, Lock, SessionError};

/// What a session being deleted is called: hidden, so that a deletion cut short leaves no half session in any list.
const TRASH: &str = ".deleted-";

/// Delete the session in `folder` and everything in it. Never one that a process runs or prepares: that is looked at
/// with the session's lock in hand.
///
/// # Errors
/// It runs, it is no session, or the file system refuses; then everything is still there, or hidden and to be removed
/// by the next deletion.
pub fn remove(folder: &Folder) -> Result<(), EditError> {
    let id = folder.id();
    let path = folder.path();
    let Some(root) = path.parent() else { return Err(EditError::Refused(format!("{id} is no session"))) };
    if !is_session(folder) {
        let message = format!("{} is no session: nothing in it is what a session has", path.display());
        return Err(EditError::Refused(message));
    }
    if id.starts_with('.') {
        return Err(EditError::Refused(format!("{id} is hidden: no list shows it as a session")));
    }
    if let Some(pid) = preparing(folder) {
        return Err(EditError::Refused(format!("{id} is being prepared by process {pid}: wait for it, or stop it")));
    }
    let lock = if folder.manifest().exists() {
        match held(folder) {
            // What cannot be read cannot say that it runs; the lock can.
            Err(EditError::Session(SessionError::Manifest { .. })) => Lock::acquire(folder)?,
            lock => lock?,
        }
    } else {
        Lock::acquire(folder)?
    };
    let trash = free_name(root, &id);
    fs::rename(path, &trash).map_err(SessionError::io("delete", path))?;
    // From here on it is gone for everyone, and no new process can open it by its name.
    drop(lock);
    sync(root)?;
    sweep(root);
    if exists(&trash) {
        let message =
            format!("{id} is out of every list, but its files are still in {}: remove them by hand", trash.display());
        return Err(EditError::Refused(message));
    }
    Ok(())
}

/// Whether anything in the folder is a session's.
fn is_session(folder: &Folder) -> bool {
    let signs = [folder.manifest(), folder.events(), folder.summary(), folder.metrics(), folder.log(), folder.lock()];
    signs.iter().any(|path| exists(path))
}

/// A process that has the session's log for its output: between its start and its manifest nothing else tells of it.
fn preparing(folder: &Folder) -> Option<u32> {
    if folder.manifest().exists() {
        return None;
    }
    let log = folder.log().canonicalize().ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut writers = pids.filter(|pid| fs::read_link(format!("/proc/{pid}/fd/1")).is_ok_and(|target| target == log));
    writers.next()
}

/// A hidden name beside the session that nothing has yet.
fn free_name(root: &Path, id: &str) -> PathBuf {
    let mut number = 0_u32;
    loop {
        let path = root.join(format!("{TRASH}{id}-{}-{number}", std::process::id()));
        if !exists(&path) {
            return path;
        }
        number += 1;
    }
}

/// Remove this session's remains and those of deletions that were cut short. What cannot be removed stays hidden.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(TRASH.as_bytes()) {
            continue;
        }
        // A link to a folder elsewhere: the link goes, the folder is not ours to empty.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.ok();
    }
}
