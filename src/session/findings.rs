//! What another process than a session's own found out about it, such as an evaluation of its checkpoint: rows of its
//! series, at the step that they are about.
//!
//! A running process writes its series itself, so it is asked to; where none runs, the rows are written under the
//! session's lock. They go to the store alone: how far the run is, and what its alerts watch, is not touched by them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::control::{Client, ControlError, Request, Response};
use super::edit::{EditError, held};
use super::summary::{read_float, write_float};
use super::{Folder, Manifest, SessionError, SessionRecorder, recorder};
use crate::record::{At, Clock, Event, Recorder as _};

/// Series that findings may be about: the run's own are its own.
const PREFIX: &str = "eval/";
/// Most values at a time; with their names they fit into one line of the protocol.
const MOST: usize = 256;
/// Longest name of a series, in bytes.
const LONGEST: usize = 96;
/// How long a running process has for its answer. It needs no step for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Rows of one step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The step that they are about.
    pub step: i64,
    /// Its epoch.
    pub epoch: f64,
    /// One line for a person, which becomes an event.
    pub message: String,
    /// The values.
    pub values: Vec<Finding>,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its series, `eval/...`.
    pub series: String,
    /// The value.
    #[serde(serialize_with = "write_float", deserialize_with = "read_float")]
    pub value: f64,
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} values of step {}", self.values.len(), self.step)
    }
}

impl Findings {
    /// What is wrong with them, in words, if something is.
    pub fn check(&self) -> Result<(), String> {
        if self.values.len() > MOST {
            return Err(format!("{} values at a time are too many: at most {MOST}", self.values.len()));
        }
        let stray = |series: &str| !series.starts_with(PREFIX) || series.len() > LONGEST;
        match self.values.iter().find(|value| stray(&value.series)) {
            Some(value) => {
                Err(format!("`{}` cannot be added: its name must begin with `{PREFIX}`", value.series.escape_debug()))
            }
            None => Ok(()),
        }
    }

    /// Write them down, by the process that holds the session.
    pub fn give(&self, recorder: &SessionRecorder) {
        let at = At { step: self.step, epoch: self.epoch };
        let values: Vec<(&str, f64)> = self.values.iter().map(|one| (one.series.as_str(), one.value)).collect();
        recorder.metrics().append(at, &values);
        recorder.event(at, Event::new("evaluated", self.message.clone()));
    }
}

/// Add findings to the session in `folder`: through the process that runs it, or else here and now.
///
/// # Errors
/// They are none that may be added, the process does not answer, or the disk refuses.
pub fn add(folder: &Folder, findings: Findings) -> Result<(), EditError> {
    findings.check().map_err(EditError::Refused)?;
    match Client::connect(folder) {
        Ok(client) => match client.with_timeout(PATIENCE).request(&Request::Record(findings))? {
            Response::Ok { .. } => return Ok(()),
            Response::Error { message } => return Err(EditError::Refused(message)),
        },
        Err(ControlError::NotRunning { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let _lock = held(folder)?;
    let generation = Manifest::load(folder)?.generation;
    let (recorder, telemetry) = recorder::open(folder, generation, &Clock::start())?;
    drop(telemetry);
    findings.give(&recorder);
    recorder.metrics().seal().map_err(SessionError::from)?;
    Ok(recorder.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Frames;
    use crate::session::{New, State, Summary, create, events};

    fn findings(series: &str, value: f64) -> Findings {
        let values = vec![Finding { series: series.to_owned(), value }];
        Findings { step: 5, epoch: 0.5, message: "looked at".to_owned(), values }
    }

    #[test]
    fn findings_about_a_session_at_rest_are_rows_and_an_event_and_nothing_else_moves() {
        let root = tempfile::tempdir().unwrap();
        let session = create(root.path(), &New { name: "x", ..New::default() }).unwrap();
        let folder = session.folder().clone();
        session.recorder().values(At { step: 9, epoch: 0.9 }, &[("loss/g", 1.0)]);
        let busy = add(&folder, findings("eval/ssim", 0.5)).unwrap_err();
        assert!(matches!(busy, EditError::Control(_)), "a session without a socket is not written beside: {busy}");
        session.finish(State::Finished, None).unwrap();
        drop(session);
        let before = Summary::load(&folder).unwrap();

        add(&folder, findings("eval/ssim", 0.5)).unwrap();
        add(&folder, findings("eval/psnr", f64::INFINITY)).unwrap();
        let frames = Frames::open(&folder.metrics()).unwrap();
        let ssim = frames.series("eval/ssim").unwrap();
        assert_eq!(
            (ssim.step.as_slice(), ssim.value.as_slice(), ssim.generation[0]),
            ([5].as_slice(), [0.5].as_slice(), 0)
        );
        assert_eq!(frames.series("eval/psnr").unwrap().value, [f64::INFINITY]);
        assert_eq!(frames.series("loss/g").unwrap().len(), 1);
        let last = events::read(&folder.events()).unwrap().lines.pop().unwrap();
        assert_eq!((last.kind.as_str(), last.step), ("evaluated", 5));
        assert_eq!(Summary::load(&folder).unwrap(), before);
        assert_eq!(Manifest::load(&folder).unwrap().state, State::Finished);
    }

    #[test]
    fn the_runs_own_series_are_not_written_into() {
        let root = tempfile::tempdir().unwrap();
        for series in ["loss/g", "evaluation", &format!("eval/{}", "x".repeat(200))] {
            let error = add(&Folder::new(root.path()), findings(series, 1.0)).unwrap_err().to_string();
            assert!(error.contains("must begin with"), "{error}");
        }
    }

    #[test]
    fn findings_go_through_the_protocol_with_infinities() {
        let request = Request::Record(findings("eval/psnr", f64::INFINITY));
        assert_eq!(Request::parse(&request.to_line()).unwrap(), request);
    }
}
