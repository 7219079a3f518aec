//! Does what is asked, one request after the other, on the one thread that has evcxr.

mod exec;

use crate::assist;
use crate::events::Events;
use crate::failure::{self, Sent};
use crate::interrupt::Interrupt;
use crate::output::{Output, Run};
use crate::place::{self, Place};
use crate::protocol::{Failure, FailureKind, Lost, Op, Request, Status, Variable, What};
use crate::refuse::refuse;
use crate::source::Cell;
use crate::toolchain::{self, Toolchain};
use crate::types::{self, Edits, Types};
use evcxr::{CommandContext, Error, EvalContext, EvalContextOutputs, EvalOutputs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

const PRELUDE: &str = include_str!("prelude.rs.txt");
const IMPORT: &str = "use atelier::probe::*;\n";

/// What the worker is given.
#[derive(Debug)]
pub enum Job {
    /// By the notebook, and its number.
    Request(Request, u64),
    /// The process that cells run in has ended while none ran.
    Revive,
}

/// Whoever has evcxr.
pub struct Worker {
    context: CommandContext,
    events: Events,
    output: Output,
    interrupt: Interrupt,
    types: Types,
    /// evcxr's folder.
    build: PathBuf,
    has_std_sources: bool,
    has_client: bool,
}

impl Worker {
    /// Starts evcxr and makes all ready for the first cell. The error is for the user.
    pub fn start(
        place: &Place,
        toolchain: &Toolchain,
        cell: &Path,
        folder: &Path,
        (events, output, interrupt): (Events, Output, Interrupt),
    ) -> Result<(Self, Vec<String>), String> {
        output.begin(0, true);
        let mut notes = Vec::new();
        let mut has_client = true;
        let (context, outputs) = construct(place, cell, folder).or_else(|error| {
            has_client = false;
            place.configure(false).map_err(|error| error.to_string())?;
            let started = construct(place, cell, folder).map_err(|error| toolchain::explain_start(&error))?;
            notes.push(format!(
                "The client crate `atelier` could not be built, so cells cannot reach sessions: {error}"
            ));
            Ok::<_, String>(started)
        })?;
        // Nothing should come here, since all output goes through the supervisor. But what is never taken out would
        // make evcxr wait for ever.
        for lines in [outputs.stdout, outputs.stderr] {
            std::thread::spawn(move || {
                use std::io::Write as _;
                for line in lines {
                    let _ = writeln!(std::io::stderr(), "{line}");
                }
            });
        }
        let types = Types::new(toolchain.rustc.clone(), place.build.clone(), place.folder.join("types"));
        let mut worker = Self {
            context: CommandContext::with_eval_context(context),
            events,
            output,
            interrupt,
            types,
            build: place.build.clone(),
            has_std_sources: toolchain.has_std_sources,
            has_client,
        };
        if !toolchain.has_std_sources {
            notes.push("The standard library's sources are missing, so completion and hover know little of its types; `rustup component add rust-src` adds them. Cells run all the same.".to_owned());
        }
        worker.prepare().map_err(|error| toolchain::explain_start(&error.to_string()))?;
        worker.output.finish();
        Ok((worker, notes))
    }

    /// The prelude.
    fn prepare(&mut self) -> Result<(), Error> {
        let import = if self.has_client && place::has_probe() { IMPORT } else { "" };
        self.execute(&format!("{import}{PRELUDE}"))
    }

    /// Whatever rust-analyzer does on first use, it does before that.
    fn warm_up(&mut self) {
        let code = "let atelier_warm = vec![1]; atelier_warm.";
        let _ = self.guarded(|context| context.completions(code, code.len()));
    }

    /// Serves until there is nobody left to ask.
    pub fn serve(mut self, jobs: &Receiver<Job>) {
        let mut warm = false;
        loop {
            let job = match jobs.try_recv() {
                Err(TryRecvError::Empty) => {
                    // Nobody waits: the time for it.
                    if !std::mem::replace(&mut warm, true) {
                        self.warm_up();
                    }
                    match jobs.recv() {
                        Ok(job) => job,
                        Err(_) => return,
                    }
                }
                Ok(job) => job,
                Err(TryRecvError::Disconnected) => return,
            };
            match job {
                Job::Request(request, number) if self.interrupt.busy(request.id, number) => self.request(request),
                Job::Request(request, _) => self.skip(&request),
                Job::Revive => self.revive(),
            }
        }
    }

    /// It was interrupted while it waited.
    fn skip(&self, request: &Request) {
        let mut failure = failure::of_interrupt(false);
        failure.message = "not run: it was interrupted while it waited".to_owned();
        self.events.failure(request.id, failure);
        self.events.done(request.id, false, Instant::now(), Vec::new());
    }

    fn request(&mut self, Request { id, op }: Request) {
        let since = Instant::now();
        let mut phases = Vec::new();
        let ok = match op {
            Op::Exec { code } => self.exec(id, &code, &mut phases),
            Op::Check { code } => self.check(id, &code),
            Op::Complete { code, offset } => {
                let (items, start, end) = assist::complete(self, &code, offset);
                self.events.send(id, What::Completions { items, start, end });
                true
            }
            Op::Hover { code, offset } => {
                let text = assist::hover(self, &code, offset);
                self.events.send(id, What::Hover { text });
                true
            }
            Op::Vars => {
                let rows = self.variables();
                self.events.send(id, What::Variables { rows });
                true
            }
            Op::Restart => self.restart(id),
            // Answered where requests are read.
            Op::Interrupt => true,
        };
        self.events.status(id, Status::Ready);
        self.events.done(id, ok, since, phases);
        self.interrupt.idle();
    }

    fn check(&mut self, id: u64, code: &str) -> bool {
        let cell = Cell::parse(code);
        if let Some(failure) = refuse(&cell) {
            self.events.failure(id, failure);
            return false;
        }
        self.events.status(id, Status::Compiling);
        let edits = Edits::default();
        let sent = Sent { cell: code, changed: code, edits: &edits };
        let failures = match self.guarded(|context| context.check(code)) {
            _ if self.interrupt.wanted() => vec![failure::of_interrupt(false)],
            Ok(Ok(errors)) if errors.iter().all(|error| error.level() == "warning") => Vec::new(),
            Ok(Ok(errors)) => failure::of_compiler(&errors, &sent),
            Ok(Err(error)) => failure::of_error(&error, &sent),
            Err(failure) => vec![failure],
        };
        let ok = failures.is_empty();
        failures.into_iter().for_each(|failure| self.events.failure(id, failure));
        ok
    }

    fn restart(&mut self, id: u64) -> bool {
        self.events.status(id, Status::Starting);
        self.output.begin(id, true);
        self.output.kill_group();
        let cleared = self.execute(":clear");
        let result = cleared.and_then(|()| self.prepare());
        self.output.finish();
        match result {
            Ok(()) => true,
            Err(error) => {
                self.events
                    .failure(id, failure::internal(format!("the kernel could not restart: {error}"), Lost::Everything));
                false
            }
        }
    }

    /// A thread that a cell had left behind ended the process, say.
    fn revive(&mut self) {
        if self.output.has_process() {
            return;
        }
        let _ = self.execute(":restart");
        let run = Run { died: self.output.last_death(), ..Run::default() };
        let mut failure = failure::of_crash(&run);
        failure.kind = FailureKind::Crash;
        failure.message = format!("between cells, the cells' process ended: {}", failure.message);
        self.events.failure(0, failure);
    }

    /// Runs code whose output is of no interest.
    fn execute(&mut self, code: &str) -> Result<(), Error> {
        match self.guarded(|context| context.execute(code)) {
            Ok(result) => result.map(drop),
            Err(failure) => Err(Error::Message(failure.message)),
        }
    }

    fn attempt(&mut self, code: &str) -> Result<Result<EvalOutputs, Error>, Failure> {
        let result = self.guarded(|context| context.execute(code));
        if result.is_err() {
            // Whatever evcxr was in the middle of: its process may be, too.
            self.output.kill_group();
            let _ = self.execute(":restart");
        }
        result
    }

    /// evcxr and rust-analyzer panic on some input; the kernel does not go with them.
    pub fn guarded<T>(&mut self, what: impl FnOnce(&mut CommandContext) -> T) -> Result<T, Failure> {
        catch_unwind(AssertUnwindSafe(|| what(&mut self.context))).map_err(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            let words =
                words.or_else(|| panic.downcast_ref::<&str>().map(|&words| words.to_owned())).unwrap_or_default();
            failure::internal(format!("evcxr panicked on this cell: {words}"), Lost::Variables)
        })
    }

    /// By name.
    pub fn variables(&self) -> Vec<Variable> {
        let mut rows: Vec<_> = self
            .context
            .variables_and_types()
            .map(|(name, kind)| Variable { name: name.to_owned(), kind: types::short(kind) })
            .collect();
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }
}

fn construct(place: &Place, cell: &Path, folder: &Path) -> Result<(EvalContext, EvalContextOutputs), String> {
    let mut command = Command::new(cell);
    command.env(crate::EVENTS, &place.events).env(crate::FOLDER, folder);
    match catch_unwind(AssertUnwindSafe(|| EvalContext::with_subprocess_command(command))) {
        Ok(started) => started.map_err(|error| error.to_string()),
        Err(_) => Err("evcxr panicked".to_owned()),
    }
}
