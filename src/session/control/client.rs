//! The asking side: connect, send, wait as long as a step may take.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{LINE_LIMIT, Request, Response, connect};
use crate::session::{Folder, Lock, Manifest, State};

/// How long to wait for a process to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for an answer unless told otherwise: a slow step on a CPU, and a validation, fit in.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);

/// Why a session could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No process runs it.
    #[error("session {id} {}: no process runs it{}", past(*state), next_step(*state, id))]
    NotRunning {
        /// The session.
        id: String,
        /// How it stands.
        state: State,
    },
    /// A process runs it and does not listen.
    #[error("session {id} runs but takes no commands{}; {hint}", pid.map_or_else(String::new, |pid| format!(" (process {pid})")))]
    NotListening {
        /// The session.
        id: String,
        /// Its process.
        pid: Option<u32>,
        /// What to do.
        hint: &'static str,
    },
    /// It runs on another machine.
    #[error("session {id} runs on {host}: give the command there")]
    Elsewhere {
        /// The session.
        id: String,
        /// Where it runs.
        host: String,
    },
    /// The socket is someone else's.
    #[error("session {id} belongs to another user: only its owner can steer it")]
    Permission {
        /// The session.
        id: String,
    },
    /// No answer in time. The request stays with the process.
    #[error(
        "no answer from session {id} in {} s: `{request}` is queued and takes effect at the end of the current step; \
         `atelier show {id}` tells when it has",
        waited.as_secs()
    )]
    NoAnswer {
        /// The session.
        id: String,
        /// What was asked.
        request: String,
        /// How long it waited.
        waited: Duration,
    },
    /// The process ended, or closed the connection, without an answer.
    #[error("session {id} ended before it answered `{request}`; `atelier show {id}` tells how")]
    HungUp {
        /// The session.
        id: String,
        /// What was asked.
        request: String,
    },
    /// The answer makes no sense.
    #[error("session {id} answered something that is no response ({problem}): it may run another version of Atelier")]
    Garbled {
        /// The session.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Anything else.
    #[error("cannot talk to session {id}: {source}")]
    Io {
        /// The session.
        id: String,
        /// The system's answer.
        source: io::Error,
    },
}

fn past(state: State) -> &'static str {
    match state {
        State::Finished => "has finished",
        State::Stopped => "was stopped",
        State::Failed => "has failed",
        State::Starting | State::Running | State::Paused | State::Crashed => "has crashed",
    }
}

fn next_step(state: State, id: &str) -> String {
    match state {
        State::Finished => String::new(),
        _ => format!("; go on with it by `atelier train --resume {id}`"),
    }
}

/// A connection to the process that runs a session.
#[derive(Debug)]
pub struct Client {
    id: String,
    stream: UnixStream,
    timeout: Duration,
}

impl Client {
    /// Connect to the process that runs the session in `folder`.
    pub fn connect(folder: &Folder) -> Result<Self, ControlError> {
        let id = folder.id();
        match connect(folder, CONNECT_TIMEOUT) {
            Ok(stream) => Ok(Self { id, stream, timeout: ANSWER_TIMEOUT }),
            Err(error) => Err(explain(folder, id, error)),
        }
    }

    /// Wait at most this long for an answer (10 minutes unless told).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ask, and wait for the answer.
    pub fn request(&mut self, request: &Request) -> Result<Response, ControlError> {
        self.request_patiently(request, |_waited| {})
    }

    /// Ask, and wait for the answer; `waiting` is told about once a second how long it has been.
    pub fn request_patiently(
        &mut self,
        request: &Request,
        mut waiting: impl FnMut(Duration),
    ) -> Result<Response, ControlError> {
        const SLICE: Duration = Duration::from_secs(1);
        let begin = Instant::now();
        let hung_up = |id: &str| ControlError::HungUp { id: id.to_owned(), request: request.to_string() };
        let io = |id: &str, source: io::Error| match source.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => hung_up(id),
            _ => ControlError::Io { id: id.to_owned(), source },
        };
        // A request is shorter than a socket's buffer: writing it does not wait for the process.
        self.stream.set_write_timeout(Some(CONNECT_TIMEOUT)).map_err(|error| io(&self.id, error))?;
        self.stream.write_all(request.to_line().as_bytes()).map_err(|error| io(&self.id, error))?;
        let mut line = Vec::new();
        let mut byte = [0_u8; 1];
        loop {
            let left = self.timeout.saturating_sub(begin.elapsed());
            if left.is_zero() {
                let (id, request) = (self.id.clone(), request.to_string());
                return Err(ControlError::NoAnswer { id, request, waited: begin.elapsed() });
            }
            self.stream.set_read_timeout(Some(left.min(SLICE))).map_err(|error| io(&self.id, error))?;
            // A byte at a time: answers are short, and nothing of the next one may be taken.
            match self.stream.read(&mut byte) {
                Ok(0) => return Err(hung_up(&self.id)),
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() >= LINE_LIMIT => {
                    return Err(ControlError::Garbled {
                        id: self.id.clone(),
                        problem: "a line without an end".to_owned(),
                    });
                }
                Ok(_) => line.push(byte[0]),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    waiting(begin.elapsed());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io(&self.id, error)),
            }
        }
        serde_json::from_slice(&line)
            .map_err(|error| ControlError::Garbled { id: self.id.clone(), problem: error.to_string() })
    }
}

/// What a failed connection means, seen together with the lock and the manifest.
fn explain(folder: &Folder, id: String, error: io::Error) -> ControlError {
    let manifest = Manifest::load(folder).ok();
    let state = manifest.as_ref().map_or(State::Crashed, |manifest| manifest.state);
    let host = manifest.as_ref().and_then(|manifest| manifest.host.clone());
    match error.kind() {
        io::ErrorKind::PermissionDenied => ControlError::Permission { id },
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => match Lock::is_held(folder) {
            Ok(true) => {
                let holder = Lock::holder(folder);
                let here = crate::session::host_name();
                if let Some(holder) = holder.as_ref().filter(|holder| holder.host != here) {
                    return ControlError::Elsewhere { id, host: holder.host.clone() };
                }
                let hint = match state {
                    State::Starting => "it is still preparing: try again in a moment",
                    _ => "it may be ending: `atelier show` tells",
                };
                ControlError::NotListening { id, pid: holder.map(|holder| holder.pid), hint }
            }
            Ok(false) => {
                let elsewhere = host.filter(|host| {
                    state.is_active()
                        && *host != crate::session::host_name()
                        && crate::session::lock::is_shared(folder.path())
                });
                match elsewhere {
                    Some(host) => ControlError::Elsewhere { id, host },
                    None => {
                        ControlError::NotRunning { id, state: if state.is_active() { State::Crashed } else { state } }
                    }
                }
            }
            Err(source) => ControlError::Io { id, source },
        },
        io::ErrorKind::TimedOut => ControlError::NotListening {
            id,
            pid: Lock::holder(folder).map(|holder| holder.pid),
            hint: "too many commands wait for it already: try again when the current step is done",
        },
        _ => ControlError::Io { id, source: error },
    }
}
