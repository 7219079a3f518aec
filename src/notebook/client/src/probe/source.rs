//! Where an answer comes from: every display of something measured ends with it.

use std::fmt;

use super::json::Json;
use super::show::{count, span};

/// Which session an answer is about, at which step, how old it was when it came, and whether the running training or a
/// checkpoint gave it.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The session's id.
    pub session: String,
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished.
    pub epoch: Option<f64>,
    /// Whether the running training answered, and not a checkpoint.
    pub live: bool,
    /// How old the values were when they came, in milliseconds.
    pub age_ms: Option<f64>,
}

impl Source {
    /// As the training process tells it; `session` where it leaves that out.
    pub(crate) fn of(line: &Json, session: &str) -> Self {
        Self {
            session: line.get("session").as_str().unwrap_or(session).to_owned(),
            step: line.get("step").as_i64().unwrap_or(0),
            epoch: line.get("epoch").as_f64(),
            live: line.get("source").as_str() != Some("checkpoint"),
            age_ms: line.get("age_ms").as_f64(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = if self.live { "live" } else { "checkpoint" };
        write!(out, "{} · step {} · {source}", self.session, count(self.step))?;
        match self.age_ms {
            Some(age) => write!(out, " · {} old", span(age)),
            None => Ok(()),
        }
    }
}
