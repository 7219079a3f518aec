//! How the kernel stands, as its client knows it: what was asked, what is running, why it is dead. No process here:
//! what is to be done outside is given back as [`Wish`]es, and what happens there comes in as [`News`].

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::protocol::{Event, Op, Request, Status, What};
use crate::session::notebook::Output;

/// What the client wants of the kernel's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Start it, after ending the one there is; its news bear this number.
    Start {
        /// The number.
        generation: u64,
        /// For this notebook.
        notebook: Option<PathBuf>,
    },
    /// Tell it something.
    Send(Request),
    /// End it.
    End,
}

/// What happens to the kernel.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// Of which start.
    pub generation: u64,
    /// What.
    pub what: Happening,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// It said something.
    Said(Event),
    /// The running cell showed something.
    Shown(Box<Output>),
    /// It said something that is no event of the protocol.
    Garbled(String),
    /// It could not be started.
    Missing(Missing),
    /// Its process ended; what it last complained of, as far as it did.
    Ended(String),
}

/// Why there is no kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// In a few words.
    pub what: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.what)?;
        if self.help.is_empty() { Ok(()) } else { write!(out, "; {}", self.help) }
    }
}

/// How the kernel stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not started yet.
    Absent,
    /// Not yet able to run a cell, since then.
    Starting(Timestamp),
    /// It waits for a cell.
    Ready,
    /// A cell is being compiled, since then.
    Compiling(Timestamp),
    /// A cell runs, since then.
    Running(Timestamp),
    /// It can run no cells, and why.
    Dead(String),
}

/// Lines of garbage after which it is no kernel that speaks.
const PATIENCE: u32 = 200;

/// The client.
#[derive(Debug)]
pub struct Client {
    /// How the kernel stands.
    pub standing: Standing,
    /// What a user must know: that sources are missing, say.
    pub notes: Vec<String>,
    /// How long it took to start, in milliseconds.
    pub started_ms: Option<u64>,
    /// When it was asked to interrupt what runs.
    pub interrupting: Option<Timestamp>,
    /// Counts starts.
    generation: u64,
    next: u64,
    /// The cell that runs, by its request.
    executing: Option<u64>,
    garbled: u32,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            standing: Standing::Absent,
            notes: Vec::new(),
            started_ms: None,
            interrupting: None,
            generation: 0,
            next: 0,
            executing: None,
            garbled: 0,
        }
    }
}

impl Client {
    /// Start the kernel, or start it anew.
    pub fn start(&mut self, notebook: Option<&Path>, now: Timestamp) -> Wish {
        self.generation += 1;
        *self =
            Self { generation: self.generation, next: self.next, standing: Standing::Starting(now), ..Self::default() };
        Wish::Start { generation: self.generation, notebook: notebook.map(Path::to_owned) }
    }

    /// Whether it can be told something.
    pub fn is_alive(&self) -> bool {
        !matches!(self.standing, Standing::Absent | Standing::Dead(_))
    }

    /// Whether a cell can be run at once.
    pub fn is_free(&self) -> bool {
        self.standing == Standing::Ready && self.executing.is_none()
    }

    /// The request of the cell that runs.
    pub fn executing(&self) -> Option<u64> {
        self.executing
    }

    /// Ask it something; gives the request, whose number its answers bear.
    pub fn ask(&mut self, op: Op) -> Request {
        self.next += 1;
        if matches!(op, Op::Exec { .. } | Op::Check { .. }) {
            self.executing = Some(self.next);
        }
        Request { id: self.next, op }
    }

    /// Whether news are of the kernel that is there now.
    pub fn is_current(&self, news: &News) -> bool {
        news.generation == self.generation
    }

    /// Take in what it said; whether the cell that runs is done.
    pub fn said(&mut self, event: &Event, now: Timestamp) -> bool {
        match &event.what {
            What::Status { status, ms, message, notes } => {
                self.notes.extend(notes.iter().filter(|note| !self.notes.contains(note)).cloned().collect::<Vec<_>>());
                self.standing = match status {
                    Status::Starting => Standing::Starting(match self.standing {
                        Standing::Starting(since) => since,
                        _ => now,
                    }),
                    Status::Ready => {
                        if let Standing::Starting(_) = self.standing {
                            self.started_ms = *ms;
                        }
                        Standing::Ready
                    }
                    Status::Compiling => Standing::Compiling(now),
                    Status::Running => Standing::Running(now),
                    Status::Dead => {
                        Standing::Dead(message.clone().unwrap_or_else(|| "the kernel does not say why".to_owned()))
                    }
                };
            }
            What::Done { .. } if self.executing == Some(event.id) => {
                self.executing = None;
                self.interrupting = None;
                if self.is_alive() {
                    self.standing = Standing::Ready;
                }
                return true;
            }
            _ => {}
        }
        false
    }

    /// Take in a line that is none of the protocol's; whether that was one too many.
    pub fn garbled(&mut self) -> bool {
        self.garbled += 1;
        self.garbled == PATIENCE
    }

    /// There is no kernel any more, or never was.
    pub fn died(&mut self, why: String) {
        self.executing = None;
        self.interrupting = None;
        self.standing = Standing::Dead(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: Status) -> Event {
        Event { id: 0, what: What::Status { status, ms: Some(3700), message: None, notes: vec!["note".to_owned()] } }
    }

    #[test]
    fn it_follows_the_kernel_from_start_to_end() {
        let now = Timestamp::UNIX_EPOCH;
        let mut client = Client::default();
        assert_eq!(client.start(None, now), Wish::Start { generation: 1, notebook: None });
        assert!(client.is_alive() && !client.is_free());
        client.said(&status(Status::Starting), now);
        client.said(&status(Status::Ready), now);
        assert!(client.is_free());
        assert_eq!((client.started_ms, client.notes.len()), (Some(3700), 1), "a note once");
        let request = client.ask(Op::Exec { code: "1".to_owned() });
        assert!(!client.is_free());
        client.said(&status(Status::Compiling), now);
        assert_eq!(client.standing, Standing::Compiling(now));
        let done = |id| Event { id, what: What::Done { ok: true, ms: 5, phases: Vec::new() } };
        assert!(!client.said(&done(request.id + 7), now), "of something else");
        assert!(client.said(&done(request.id), now));
        assert!(client.is_free());
        client.said(
            &Event {
                id: 0,
                what: What::Status {
                    status: Status::Dead,
                    ms: None,
                    message: Some("no rust".to_owned()),
                    notes: Vec::new(),
                },
            },
            now,
        );
        assert_eq!(client.standing, Standing::Dead("no rust".to_owned()));
        assert_eq!(client.start(None, now), Wish::Start { generation: 2, notebook: None });
        let old = News { generation: 1, what: Happening::Garbled(String::new()) };
        assert!(!client.is_current(&old));
        let next = client.ask(Op::Vars);
        assert!(next.id > request.id, "numbers are never used twice");
    }
}
