//! Reads what the cell's supervisor tells, passes output on as it comes, and keeps how the run stands.

use crate::events::{Decoder, Events};
use crate::frame::Frame;
use crate::protocol::{Status, What};
use rustix::process::{Pid, Signal};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A panic on the cell's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panic {
    /// Of the compiled source.
    pub line: u32,
    /// Likewise.
    pub column: u32,
    /// `build/src/lib.rs` for cells.
    pub file: String,
    /// What it says.
    pub message: String,
}

/// How a process ended: its exit code, or a signal.
pub type Death = Option<(Option<i32>, Option<i32>)>;

/// How far a run has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is being compiled.
    #[default]
    Compiling,
    /// The user's function has begun.
    Running,
    /// It has returned.
    Over {
        /// By a panic.
        panicked: bool,
        /// By `?`.
        returned: bool,
    },
}

/// How a run stands.
#[derive(Debug, Default)]
pub struct Run {
    /// The request; 0 between requests.
    pub id: u64,
    /// Whether its output is of no interest: the prelude's.
    pub quiet: bool,
    /// How far it has come.
    pub stage: Stage,
    /// The display of the last expression.
    pub value: Vec<u8>,
    /// Panics, those that the cell caught among them.
    pub panics: Vec<Panic>,
    /// Bytes of output over the limit.
    pub dropped: u64,
    /// How the process that ran it ended: its exit code, or a signal.
    pub died: Death,
    /// The last words on standard error: a stack overflow says so there.
    pub last_words: String,
    /// Whether an interrupt has ended the process.
    pub killed: bool,
}

#[derive(Debug, Default)]
struct State {
    run: Run,
    /// The supervisor, which is its process group too.
    group: Option<u32>,
    synced: u64,
    death: Death,
}

/// Shared by the reader, the worker and whoever interrupts.
#[derive(Debug, Clone)]
pub struct Output {
    state: Arc<(Mutex<State>, Condvar)>,
    pipe: Arc<File>,
}

impl Output {
    /// Starts reading. `orphaned` is called when the process that cells run in ends while none runs.
    pub fn start(pipe: &Path, events: Events, orphaned: impl Fn() + Send + 'static) -> io::Result<Self> {
        // Open for both, a named pipe never ends, however many supervisors come and go.
        let pipe = OpenOptions::new().read(true).write(true).open(pipe)?;
        let output = Self { state: Arc::default(), pipe: Arc::new(pipe.try_clone()?) };
        let state = Arc::clone(&output.state);
        std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            let mut pipe = BufReader::with_capacity(1 << 16, pipe);
            let mut decoders = [Decoder::default(), Decoder::default()];
            while let Ok(frame) = Frame::read(&mut pipe) {
                let (mutex, condition) = &*state;
                let mut state = mutex.lock().unwrap_or_else(PoisonError::into_inner);
                take(frame, &mut state, &mut decoders, &events, &orphaned);
                condition.notify_all();
            }
        })?;
        Ok(output)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins.
    pub fn begin(&self, id: u64, quiet: bool) {
        self.lock().run = Run { id, quiet, ..Run::default() };
    }

    /// It is over: all that was written until now has been passed on.
    pub fn finish(&self) -> Run {
        self.sync();
        std::mem::take(&mut self.lock().run)
    }

    /// Waits until the reader has seen all that is in the pipe.
    pub fn sync(&self) {
        let token = self.lock().synced + 1;
        if (&*self.pipe).write_all(&Frame::Sync(token).encode()).is_err() {
            return;
        }
        let waited = self.state.1.wait_timeout_while(self.lock(), Duration::from_mins(1), |state| state.synced < token);
        drop(waited);
    }

    /// Ends the process that a cell runs in, if one runs. Says whether it did.
    pub fn kill_running(&self) -> bool {
        let mut state = self.lock();
        if state.run.id == 0 || state.run.stage != Stage::Running {
            return false;
        }
        state.run.killed = true;
        kill(state.group);
        true
    }

    /// Whether there is a process for cells.
    pub fn has_process(&self) -> bool {
        self.lock().group.is_some()
    }

    /// How the last one ended that did so between cells.
    pub fn last_death(&self) -> Death {
        self.lock().death
    }

    /// Ends that process and all that cells have started, whatever it does.
    pub fn kill_group(&self) {
        kill(self.lock().group);
    }
}

fn kill(group: Option<u32>) {
    if let Some(group) = group.and_then(|group| Pid::from_raw(group as i32)) {
        // Gone already: as wished.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

fn take(frame: Frame, state: &mut State, decoders: &mut [Decoder; 2], events: &Events, orphaned: &impl Fn()) {
    let run = &mut state.run;
    match frame {
        Frame::Hello { pid } => state.group = Some(pid),
        Frame::Begin => {
            *run = Run { id: run.id, quiet: run.quiet, stage: Stage::Running, ..Run::default() };
            if !run.quiet {
                events.status(run.id, Status::Running);
            }
        }
        Frame::Stdout(bytes) => {
            let text = decoders[0].push(&bytes);
            if !run.quiet {
                events.output(run.id, &text, |text| What::Stdout { text });
            }
        }
        Frame::Stderr(bytes) => {
            let text = decoders[1].push(&bytes);
            run.last_words.push_str(&text);
            if run.last_words.len() > 4096 {
                let mut from = run.last_words.len() - 2048;
                while !run.last_words.is_char_boundary(from) {
                    from += 1;
                }
                run.last_words.drain(..from);
            }
            if !run.quiet {
                events.output(run.id, &text, |text| What::Stderr { text });
            }
        }
        Frame::Value(bytes) => run.value.extend(bytes),
        Frame::Panic { line, column, file, message } => {
            // A cell that catches panics in a loop.
            if run.panics.len() > 64 {
                run.panics.drain(..32);
            }
            run.panics.push(Panic { line, column, file, message });
        }
        Frame::End { panicked, returned, dropped } => {
            (run.stage, run.dropped) = (Stage::Over { panicked, returned }, dropped);
            flush(run, decoders, events);
        }
        Frame::Died { code, signal } => {
            state.group = None;
            if run.stage == Stage::Running {
                run.died = Some((code, signal));
                flush(run, decoders, events);
            } else {
                state.death = Some((code, signal));
                orphaned();
            }
        }
        Frame::Sync(token) => {
            // A killed supervisor says no last word.
            flush(run, decoders, events);
            state.synced = state.synced.max(token);
        }
    }
}

/// Characters that were never finished.
fn flush(run: &Run, decoders: &mut [Decoder; 2], events: &Events) {
    let [out, err] = decoders;
    let (out, err) = (out.finish(), err.finish());
    if !run.quiet {
        events.output(run.id, &out, |text| What::Stdout { text });
        events.output(run.id, &err, |text| What::Stderr { text });
    }
}
