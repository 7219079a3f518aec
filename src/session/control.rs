//! Steering a running session: JSON lines over the Unix socket in its folder.
//!
//! A client sends one request a line and gets one response a line, in order. The running process answers at the next
//! step boundary, when the command has had its effect:
//! ```json
//! {"version":1,"command":"set","key":"lr","value":"1e-4"}
//! {"version":1,"outcome":"ok","message":"…","step":1200,"epoch":3.5,"time":"2026-02-03T10:11:12.5Z"}
//! {"version":1,"outcome":"error","message":"…"}
//! ```
//! Beside commands there are [probes](Probe): questions about the model, answered with a `result` and, where there are
//! values, with raw bytes after the line ([`wire`]). docs/sessions.md is the reference for other programs.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::edit::Edit;
use super::findings::Findings;
use crate::record::At;

mod client;
pub mod probe;
mod socket;
pub mod wire;

pub use client::{Client, ControlError};
pub use probe::{Input, Of, Part, Probe};
pub use socket::{bind, bind_at, connect, is_same_user, remove_stale};
pub use wire::{Source, Stamp};

/// The version of this protocol; a process refuses a newer one, naming both.
pub const VERSION: u32 = 1;
/// Longest line either side reads, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024;
/// Most steps that a paused run is told to take at a time.
pub const MOST_STEPS: u32 = 1_000_000;

/// What a running session can be asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// Wait at the next step boundary.
    Pause,
    /// Go on after a pause.
    Resume,
    /// While paused: take this many steps and pause again. Answered when they are done.
    Step {
        /// How many.
        n: u32,
    },
    /// Finish the step, write a checkpoint, end.
    Stop,
    /// Write a checkpoint now.
    Checkpoint,
    /// Write sample pictures now.
    Sample,
    /// Change a setting while it runs.
    Set {
        /// What, such as `lr`.
        key: String,
        /// To what, as a person would write it.
        value: String,
    },
    /// Change what a person wrote about it: name, tags, notes, whether it is put away. Answered at once.
    Annotate(Edit),
    /// Add what another process found out about it to its series. Answered at once.
    Record(Findings),
    /// Answer a question about the model.
    Probe(Probe),
    /// Say where it stands.
    Status,
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => out.write_str("pause"),
            Self::Resume => out.write_str("resume"),
            Self::Step { n } => write!(out, "step {n}"),
            Self::Stop => out.write_str("stop"),
            Self::Checkpoint => out.write_str("checkpoint"),
            Self::Sample => out.write_str("sample"),
            Self::Set { key, value } => write!(out, "set {key} {value}"),
            Self::Annotate(edit) => write!(out, "annotate: {edit}"),
            Self::Record(findings) => write!(out, "record {findings}"),
            Self::Probe(probe) => write!(out, "probe: {probe}"),
            Self::Status => out.write_str("status"),
        }
    }
}

impl Request {
    /// The request in a line from a client, or what to answer to it.
    pub fn parse(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            #[serde(default)]
            version: Option<u32>,
        }
        let head: Head = serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))?;
        if let Some(version) = head.version.filter(|version| *version > VERSION) {
            return Err(format!(
                "the request speaks version {version} of the protocol, this process up to {VERSION}: it runs an older \
                 Atelier ({})",
                env!("CARGO_PKG_VERSION")
            ));
        }
        let request: Self = serde_json::from_str(line).map_err(|error| format!("not a request: {error}"))?;
        match &request {
            Self::Probe(probe) => probe.check()?,
            Self::Step { n } if !(1..=MOST_STEPS).contains(n) => {
                return Err(format!("`n` is from 1 to {MOST_STEPS} steps, not {n}"));
            }
            _ => {}
        }
        Ok(request)
    }

    /// Bytes that follow its line.
    pub fn payload(&self) -> u64 {
        match self {
            Self::Probe(probe) => probe.payload(),
            _ => 0,
        }
    }

    /// The line to send, with its end.
    pub fn to_line(&self) -> String {
        line(self)
    }
}

/// What a running session answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Response {
    /// It was done.
    Ok {
        /// One line for a person.
        message: String,
        /// Optimizer steps finished when it took effect.
        step: i64,
        /// Epochs finished then.
        #[serde(default)]
        epoch: Option<f64>,
        /// When it took effect.
        time: Timestamp,
    },
    /// It was not done.
    Error {
        /// Why, in one line.
        message: String,
    },
}

impl Response {
    /// It was done, now, at `at`.
    pub fn ok(message: impl Into<String>, at: At) -> Self {
        let epoch = at.epoch.is_finite().then_some(at.epoch);
        Self::Ok { message: message.into(), step: at.step, epoch, time: Timestamp::now() }
    }

    /// It was not done.
    pub fn error(message: impl Into<String>) -> Self {
        Self::Error { message: message.into() }
    }

    /// The line to send, with its end.
    pub fn to_line(&self) -> String {
        line(self)
    }
}

fn line<T: Serialize>(body: &T) -> String {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        version: u32,
        #[serde(flatten)]
        body: &'a T,
    }
    // Strings, numbers and times always are JSON.
    let mut line = serde_json::to_string(&Versioned { version: VERSION, body }).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
