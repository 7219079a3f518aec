//! Sessions: one experiment's folder, its manifest, its state, and the socket that steers it.
//!
//! A run writes through [`Session`], which holds the folder's lock for as long as it lives; every other process only
//! reads ([`list`], [`Manifest::load`], `events.jsonl`, the series store) or asks ([`control::Client`]). That a run
//! crashed is never written by anyone: it is what one sees when the manifest says it is alive and nobody holds the lock.

pub mod checkpoints;
pub mod control;
pub mod detach;
pub mod diff;
pub mod edit;
mod error;
pub mod events;
pub mod filter;
mod find;
pub mod findings;
mod folder;
mod git;
mod listing;
mod lock;
mod manifest;
pub mod notebook;
mod recorder;
mod summary;
pub mod tables;
mod trend;
mod watch;
mod writer;

pub use error::SessionError;
pub use find::{find, find_in, ids};
pub use folder::{Folder, reserve};
pub use git::{Git, observe as git};
pub use listing::{Latest, Listing, Observed, list, observe, read as read_listing};
pub use lock::{Holder, Lock, host_name, is_shared};
pub use manifest::{Manifest, Progress, State};
pub use recorder::SessionRecorder;
pub use summary::Summary;
pub use trend::{KEY_LOSSES, Trend};
pub use watch::{OnAlert, Replayed, replay};
pub use writer::{New, Session, create, create_in, reopen, reopen_in};

/// Where sessions live unless told otherwise, relative to the current directory.
pub const DEFAULT_ROOT: &str = "sessions";
