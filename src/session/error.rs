//! What can go wrong with a session, said so that one knows what to do next.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use super::Holder;

/// An error of the session layer.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// What was tried, as an infinitive: `create`, `read`, `sync`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// `session.toml` is not what it should be.
    #[error("{} is damaged: {problem}; the series, events and checkpoints beside it are not affected", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong, with line and column where known.
        problem: String,
    },
    /// Another process writes this session.
    #[error(
        "session {id} is in use by {}; stop it with `atelier stop {id}`, or wait for it to end",
        holder.as_ref().map_or_else(|| "another process".to_owned(), ToString::to_string)
    )]
    Busy {
        /// The session's id.
        id: String,
        /// Who holds it, when the lock file says so.
        holder: Option<Holder>,
    },
    /// The file system has no locks.
    #[error(
        "{} cannot be locked ({source}): its file system has no file locks; put the sessions on a local disk, or mount \
         the share with locking",
        path.display()
    )]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No session answers to this name.
    #[error("no session `{query}` in {}{}", root.display(), suggest(near))]
    Unknown {
        /// What was asked for.
        query: String,
        /// Where.
        root: PathBuf,
        /// Ids that look alike, best first.
        near: Vec<String>,
    },
    /// Several sessions answer to this name.
    #[error("`{query}` could be any of {} sessions:{}\ngive more of the id", matches.len(), lines(matches))]
    Ambiguous {
        /// What was asked for.
        query: String,
        /// The ids that fit, newest first.
        matches: Vec<String>,
    },
    /// There is no such checkpoint.
    #[error("session {id} has no checkpoint{}{}", wanted.map_or_else(String::new, |step| format!(" of step {step}")), those(steps))]
    NoCheckpoint {
        /// The session's id.
        id: String,
        /// The step that was asked for; the newest when absent.
        wanted: Option<i64>,
        /// The steps there are.
        steps: Vec<i64>,
    },
    /// A name from which no folder can be made.
    #[error("the effective config cannot be kept in the manifest: {0}")]
    Config(String),
    /// The series store refused.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
}

impl SessionError {
    /// For `map_err`: wraps what the system said about `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Whether the caller asked for something that is not there, rather than something having failed.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Ambiguous { .. } | Self::NoCheckpoint { .. })
    }
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::PermissionDenied => "; check who owns it and its mode",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        io::ErrorKind::NotADirectory => "; part of this path is a file",
        _ => "",
    }
}

fn suggest(near: &[String]) -> String {
    if near.is_empty() { "; `atelier ls` shows what is there".to_owned() } else { format!("; near it:{}", lines(near)) }
}

fn those(steps: &[i64]) -> String {
    if steps.is_empty() {
        return "; the first is written when one is due, or by `atelier checkpoint ID` while it runs".to_owned();
    }
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    format!("; there are those of steps {}", steps.join(", "))
}

fn lines(ids: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    for id in ids.iter().take(SHOWN) {
        text.push_str("\n  ");
        text.push_str(id);
    }
    if ids.len() > SHOWN {
        write!(text, "\n  … and {} more", ids.len() - SHOWN).ok();
    }
    text
}
