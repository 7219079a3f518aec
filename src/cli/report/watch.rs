//! A report that grows with its sessions.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, bounded};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::session::{self, Folder, State};

/// After how many seconds a browser loads the page of a running session again.
pub const REFRESH_SECONDS: u32 = 5;
/// Time between two reports at the least.
const PACE: Duration = Duration::from_secs(2);
/// How often folders are looked at where the kernel tells of changes, and where it does not.
const HEARTBEAT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_secs(1);

/// Whether a session goes on.
pub fn is_active(folder: &Folder) -> bool {
    session::observe(folder).is_ok_and(|observed| observed.state.is_active() && observed.state != State::Crashed)
}

/// Write now, again whenever the sessions' folders have changed, and a last time when the last of them has ended.
pub fn watch(folders: &[Folder], mut write: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    // Held until the end: nobody tells without it.
    let (watcher, changes) = watcher(folders);
    let look = if watcher.is_some() { HEARTBEAT } else { POLL };
    loop {
        let (seen, active) = (fingerprint(folders), folders.iter().any(is_active));
        let begun = Instant::now();
        write()?;
        // Looked at before writing: what came later than that is still to be shown.
        if !active {
            return Ok(());
        }
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
        while fingerprint(folders) == seen && folders.iter().any(is_active) {
            changes.recv_timeout(look).ok();
        }
        changes.try_iter().for_each(drop);
    }
}

/// Told of changes in the folders; no watcher where the kernel cannot tell.
fn watcher(folders: &[Folder]) -> (Option<RecommendedWatcher>, Receiver<()>) {
    let (wake, changes) = bounded(1);
    let handler = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            wake.try_send(()).ok();
        }
    };
    if folders.iter().any(|folder| session::is_shared(folder.path())) {
        return (None, changes);
    }
    let Ok(mut watcher) = notify::recommended_watcher(handler) else { return (None, changes) };
    for path in folders.iter().flat_map(watched) {
        // What is not there yet is found by looking.
        if watcher.watch(&path, RecursiveMode::NonRecursive).is_err() && path.is_dir() {
            return (None, changes);
        }
    }
    (Some(watcher), changes)
}

fn watched(folder: &Folder) -> [PathBuf; 4] {
    [folder.path().to_owned(), folder.metrics(), folder.telemetry(), folder.samples()]
}

/// Names, sizes and times of everything that a report reads.
fn fingerprint(folders: &[Folder]) -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let mut found: Vec<(PathBuf, u64, Option<SystemTime>)> = Vec::new();
    for entry in folders.iter().flat_map(watched).filter_map(|path| std::fs::read_dir(path).ok()).flatten().flatten() {
        let Ok(data) = entry.metadata() else { continue };
        // Rewritten every second though nothing that a report shows has changed.
        if entry.file_name() != "summary.json" && entry.file_name() != "log.txt" {
            found.push((entry.path(), data.len(), data.modified().ok()));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_does_not_run_is_written_once() {
        let root = tempfile::tempdir().unwrap();
        let mut written = 0;
        let folders = [Folder::new(root.path())];
        watch(&folders, || {
            written += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(written, 1);
    }

    #[test]
    fn what_a_report_reads_changes_the_fingerprint_and_caches_do_not() {
        let root = tempfile::tempdir().unwrap();
        let folders = [Folder::new(root.path())];
        let before = fingerprint(&folders);
        std::fs::write(folders[0].summary(), "{}").unwrap();
        assert_eq!(fingerprint(&folders), before);
        std::fs::write(folders[0].events(), "{}").unwrap();
        assert_ne!(fingerprint(&folders), before);
    }
}
