//! A kernel and what it says.

use crate::protocol::{Event, Failure, FailureKind, Lost, Op, Request, Status, Variable, What};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// After which a wait is a hang.
pub const DEADLINE: Duration = Duration::from_mins(4);

/// What came of a request.
#[derive(Debug, Default)]
pub struct Answer {
    pub ok: bool,
    pub stdout: String,
    pub stderr: String,
    pub value: Option<String>,
    pub failures: Vec<Failure>,
    pub statuses: Vec<Status>,
    pub variables: Vec<Variable>,
    pub completions: Vec<String>,
    pub replaced: (usize, usize),
    pub hover: String,
    pub phases: Vec<String>,
    /// The longest text in one event.
    pub longest: usize,
}

impl Answer {
    /// The only failure.
    pub fn failure(&self) -> &Failure {
        assert_eq!(self.failures.len(), 1, "one failure: {self:?}");
        &self.failures[0]
    }

    pub fn kind(&self) -> FailureKind {
        self.failure().kind
    }

    pub fn lost(&self) -> Lost {
        self.failure().lost
    }

    #[track_caller]
    pub fn fine(self) -> Self {
        assert!(self.ok && self.failures.is_empty(), "a success: {self:?}");
        self
    }
}

/// A running kernel.
pub struct Kernel {
    pub child: Child,
    stdin: Option<ChildStdin>,
    pub events: Receiver<Event>,
    next: u64,
    /// Of other requests than the one that was waited for.
    kept: Vec<Event>,
    pub notes: Vec<String>,
}

/// The command, with a cache of its own choice.
pub fn command(cache: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-kernel"));
    command.env("ATELIER_CACHE", cache).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Where tests keep the build cache: beside their binaries, so that a second run starts warm.
pub fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

impl Kernel {
    /// Starts one and waits until it is ready.
    pub fn start(cache: &Path) -> Self {
        let mut kernel = Self::spawn(&mut command(cache));
        loop {
            let event = kernel.event();
            if let What::Status { status, notes, message, .. } = event.what {
                assert_ne!(status, Status::Dead, "{message:?}");
                if status == Status::Ready {
                    kernel.notes = notes;
                    return kernel;
                }
            }
        }
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, events) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.unwrap();
                // Every line of it is an event: nothing that a cell or evcxr prints gets between.
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                if send.send(event).is_err() {
                    break;
                }
            }
        });
        Self { child, stdin, events, next: 0, kept: Vec::new(), notes: Vec::new() }
    }

    pub fn event(&self) -> Event {
        self.events.recv_timeout(DEADLINE).expect("the kernel says something")
    }

    /// Likewise, those that were kept first.
    pub fn any(&mut self) -> Event {
        if self.kept.is_empty() { self.event() } else { self.kept.remove(0) }
    }

    pub fn send(&mut self, op: Op) -> u64 {
        self.next += 1;
        let line = serde_json::to_string(&Request { id: self.next, op }).unwrap();
        self.raw(&line);
        self.next
    }

    pub fn raw(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// All events of a request to its end.
    pub fn answer(&mut self, id: u64) -> Answer {
        self.answer_until(id, |_, _| false)
    }

    /// Likewise, but until `enough` says so of what came so far.
    pub fn answer_until(&mut self, id: u64, mut enough: impl FnMut(&Answer, &What) -> bool) -> Answer {
        let mut answer = Answer::default();
        loop {
            let position = self.kept.iter().position(|event| event.id == id);
            let event = match position {
                Some(position) => self.kept.remove(position),
                None => self.event(),
            };
            if event.id != id {
                self.kept.push(event);
                continue;
            }
            match &event.what {
                What::Status { status, .. } => answer.statuses.push(*status),
                What::Stdout { text } => {
                    answer.longest = answer.longest.max(text.len());
                    answer.stdout += text;
                }
                What::Stderr { text } => answer.stderr += text,
                What::Value { text } => answer.value = Some(text.clone()),
                What::Error(failure) => answer.failures.push(failure.clone()),
                What::Completions { items, start, end } => {
                    answer.completions = items.iter().map(|item| item.insert.clone()).collect();
                    answer.replaced = (*start, *end);
                }
                What::Hover { text } => answer.hover = text.clone(),
                What::Variables { rows } => answer.variables = rows.clone(),
                What::Done { ok, phases, .. } => {
                    answer.ok = *ok;
                    answer.phases = phases.iter().map(|phase| phase.name.clone()).collect();
                    return answer;
                }
            }
            if enough(&answer, &event.what) {
                return answer;
            }
        }
    }

    pub fn ask(&mut self, op: Op) -> Answer {
        let id = self.send(op);
        self.answer(id)
    }

    pub fn exec(&mut self, code: &str) -> Answer {
        self.ask(Op::Exec { code: code.to_owned() })
    }

    /// The value of a cell that works.
    #[track_caller]
    pub fn value(&mut self, code: &str) -> String {
        self.exec(code).fine().value.unwrap_or_default()
    }

    /// Sends a cell and returns when it runs and has written `mark`.
    pub fn run_until(&mut self, code: &str, mark: &str) -> u64 {
        let id = self.send(Op::Exec { code: code.to_owned() });
        let answer = self.answer_until(id, |answer, _| answer.stdout.contains(mark));
        assert!(answer.stdout.contains(mark), "{answer:?}");
        id
    }

    /// Closes its standard input and waits for its end.
    pub fn close(mut self) -> ExitStatus {
        self.stdin = None;
        self.child.wait().unwrap()
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The kernel that tests share, restarted (which is quick) for each.
pub fn shared() -> MutexGuard<'static, Kernel> {
    static KERNEL: OnceLock<Mutex<Kernel>> = OnceLock::new();
    let kernel = KERNEL.get_or_init(|| Mutex::new(Kernel::start(cache())));
    let mut kernel = kernel.lock().unwrap_or_else(PoisonError::into_inner);
    kernel.ask(Op::Restart).fine();
    kernel
}
