//! A cell, from its source to what came of it.

use super::Worker;
use crate::events::milliseconds;
use crate::failure::{self, Sent};
use crate::frame;
use crate::output::{Run, Stage};
use crate::place;
use crate::protocol::{Failure, Phase, Status, What};
use crate::refuse::refuse;
use crate::source::Cell;
use crate::types::Edits;
use evcxr::{Error, EvalOutputs};
use std::time::Instant;

impl Worker {
    pub(super) fn exec(&mut self, id: u64, code: &str, phases: &mut Vec<Phase>) -> bool {
        let cell = Cell::parse(code);
        if let Some(failure) = refuse(&cell) {
            self.events.failure(id, failure);
            return false;
        }
        self.output.begin(id, false);
        self.events.status(id, Status::Compiling);
        if !cell.commands.is_empty() && !self.commands(id, &cell) {
            self.output.finish();
            return false;
        }
        let code = cell.without_commands();
        let cell = Cell::parse(&code);
        if cell.statements.is_empty() && code.trim().is_empty() {
            self.output.finish();
            return true;
        }
        let mut edits = Edits::default();
        if !self.has_std_sources {
            match self.typed(&cell, phases) {
                Ok(found) => edits = found,
                Err(failure) => return self.refused(id, failure),
            }
        }
        let mut changed = edits.apply(&code);
        let mut result = if self.interrupt.wanted() { Ok(Err(stopped())) } else { self.attempt(&changed) };
        // rust-analyzer, even with the sources, does not know some types and takes others for what they are not.
        if self.has_std_sources && failed_to_compile(&result) && !self.interrupt.wanted() {
            match self.typed(&cell, phases) {
                Ok(found) if found != Edits::default() => {
                    edits = found;
                    changed = edits.apply(&code);
                    result = self.attempt(&changed);
                }
                Ok(_) => {}
                Err(failure) => return self.refused(id, failure),
            }
        }
        if let Ok(Err(Error::CompilationErrors(errors))) = &result
            && failure::is_of_client(errors)
            && place::forget_client(&self.build)
        {
            result = self.attempt(&changed);
        }
        let run = self.output.finish();
        let sent = Sent { cell: &code, changed: &changed, edits: &edits };
        self.conclude(id, &run, result, &sent, phases)
    }

    fn refused(&self, id: u64, failure: Failure) -> bool {
        self.output.finish();
        let failure = if self.interrupt.wanted() { failure::of_interrupt(false) } else { failure };
        self.events.failure(id, failure);
        false
    }

    /// The commands at the cell's beginning.
    fn commands(&mut self, id: u64, cell: &Cell<'_>) -> bool {
        let lines: Vec<_> = cell.commands.iter().map(|command| command.text.as_str()).collect();
        let result = self.attempt(&lines.join("\n"));
        if self.interrupt.wanted() && !matches!(result, Ok(Ok(_))) {
            self.events.failure(id, failure::of_interrupt(false));
            return false;
        }
        let edits = Edits::default();
        let sent = Sent { cell: cell.text, changed: cell.text, edits: &edits };
        match result {
            Ok(Ok(outputs)) => {
                if let Some(text) = outputs.get("text/plain").filter(|text| !text.is_empty()) {
                    self.events.send(id, What::Value { text: text.to_owned() });
                }
                true
            }
            Ok(Err(error)) => {
                let mut failures = failure::of_error(&error, &sent);
                failure::about_dependencies(&mut failures);
                failures.into_iter().for_each(|failure| self.events.failure(id, failure));
                false
            }
            Err(failure) => {
                self.events.failure(id, failure);
                false
            }
        }
    }

    /// The changes that write types into a cell.
    fn typed(&mut self, cell: &Cell<'_>, phases: &mut Vec<Phase>) -> Result<Edits, Failure> {
        if !cell.lets().iter().any(|one| one.untyped) {
            return Ok(Edits::default());
        }
        let since = Instant::now();
        // Asked to complete something, evcxr writes down what it has analysed: this cell among all items and variables.
        let asked = format!("\"\";{}", cell.text);
        let analysed =
            self.guarded(|context| context.completions(&asked, 1).ok().and_then(|_| context.last_source().ok()));
        let found = analysed.ok().flatten().map(|analysed| self.types.of(cell, &analysed));
        phases.push(Phase { name: "Types".to_owned(), ms: milliseconds(since) });
        match found {
            Some(Ok(edits)) => Ok(edits.unwrap_or_default()),
            Some(Err(variable)) => Err(failure::of_unnameable(cell.text, &variable)),
            None => Ok(Edits::default()),
        }
    }

    fn conclude(
        &mut self,
        id: u64,
        run: &Run,
        result: Result<Result<EvalOutputs, Error>, Failure>,
        sent: &Sent<'_>,
        phases: &mut Vec<Phase>,
    ) -> bool {
        if run.dropped > 0 {
            let text = format!("\n[{} more bytes of output are not shown: a cell may write 16 MiB]\n", run.dropped);
            self.events.send(id, What::Stderr { text });
        }
        let ended_by_panic = matches!(run.stage, Stage::Over { panicked: true, .. });
        let own_end = usize::from(ended_by_panic);
        for panic in run.panics.iter().take(run.panics.len().saturating_sub(own_end)) {
            self.events
                .output(id, &format!("panicked, and was caught: {}\n", panic.message), |text| What::Stderr { text });
        }
        let failures = match result {
            _ if run.killed => {
                // Killed in its last moment, it has ended well for evcxr, which must not go on with it.
                if matches!(result, Ok(Ok(_))) {
                    let _ = self.execute(":restart");
                }
                vec![failure::of_interrupt(true)]
            }
            Ok(Err(_)) if self.interrupt.wanted() => vec![failure::of_interrupt(run.stage != Stage::Compiling)],
            Ok(Ok(outputs)) => {
                phases.extend(outputs.phases.iter().map(|phase| Phase {
                    name: phase.name.clone(),
                    ms: u64::try_from(phase.duration.as_millis()).unwrap_or(u64::MAX),
                }));
                if !run.value.is_empty() {
                    self.events.send(id, What::Value { text: String::from_utf8_lossy(&run.value).into_owned() });
                }
                match (ended_by_panic, run.panics.last()) {
                    (true, Some(panic)) if panic.file == frame::UNLOADED => {
                        let mut failure = failure::of_load(&panic.message);
                        if failure::lacks_client(&panic.message) && place::forget_client(&self.build) {
                            failure.help = Some("The notebook's own library was incomplete, and is built again with the next cell: run this one again.".to_owned());
                        }
                        vec![failure]
                    }
                    (true, Some(panic)) => {
                        let compiled = self.context.last_source().unwrap_or_default();
                        vec![failure::of_panic(panic, sent, &compiled)]
                    }
                    _ if matches!(run.stage, Stage::Over { returned: true, .. }) => vec![failure::of_return()],
                    _ => Vec::new(),
                }
            }
            Ok(Err(Error::SubprocessTerminated(_))) => vec![failure::of_crash(run)],
            Ok(Err(error)) => failure::of_error(&error, sent),
            Err(failure) => vec![failure],
        };
        let ok = failures.is_empty();
        failures.into_iter().for_each(|failure| self.events.failure(id, failure));
        ok
    }
}

fn stopped() -> Error {
    Error::Message("interrupted".to_owned())
}

/// Without having run.
fn failed_to_compile(result: &Result<Result<EvalOutputs, Error>, Failure>) -> bool {
    matches!(result, Ok(Err(Error::Message(_) | Error::CompilationErrors(_))))
}
