//! Failures in words: what evcxr and rustc say, at the place in the user's cell.

use crate::output::{Panic, Run};
use crate::protocol::{Failure, FailureKind, Lost, Span};
use crate::source::{Cell, Place};
use crate::types::{Edits, Unnameable};
use evcxr::{CompilationError, Error};

/// More help nobody than they do harm: the first are the causes.
const MOST: usize = 20;

/// A cell as the user wrote it and as evcxr saw it.
pub struct Sent<'a> {
    /// The user's.
    pub cell: &'a str,
    /// evcxr's.
    pub changed: &'a str,
    /// From one to the other.
    pub edits: &'a Edits,
}

impl Sent<'_> {
    fn last_statement(&self) -> Option<Span> {
        let cell = Cell::parse(self.cell);
        let range = cell.statements.last()?;
        let end = range.start + self.cell[range.clone()].trim_end().len();
        Some(Place::span(self.cell, &(range.start..end)))
    }

    fn span(&self, from: Place, to: Place, label: String, primary: bool) -> Span {
        let [from, to] = [from, to].map(|place| self.edits.place_back(self.cell, self.changed, place));
        let (line, column) = (from.line, from.column);
        // Never empty, and never past the text.
        let (end_line, end_column) = if to > from { (to.line, to.column) } else { (line, column + 1) };
        Span { line, column, end_line, end_column, label, primary }
    }
}

/// What evcxr returns instead of a result.
pub fn of_error(error: &Error, sent: &Sent<'_>) -> Vec<Failure> {
    match error {
        Error::CompilationErrors(errors) => of_compiler(errors, sent),
        Error::TypeRedefinedVariablesLost(names) => vec![Failure {
            kind: FailureKind::Compile,
            message: format!("the types of {} were redefined, so their values are lost", names.join(", ")),
            spans: Vec::new(),
            help: Some("Make them again.".to_owned()),
            lost: Lost::Variables,
        }],
        Error::Message(message) | Error::SubprocessTerminated(message) => vec![of_message(message)],
    }
}

/// rustc's errors; warnings are dropped.
pub fn of_compiler(errors: &[CompilationError], sent: &Sent<'_>) -> Vec<Failure> {
    let wanted = errors.iter().filter(|error| error.level() == "error" || error.level().is_empty());
    let mut failures: Vec<_> = wanted.map(|error| of_one(error, sent)).collect();
    if failures.is_empty() {
        failures = errors.iter().map(|error| of_one(error, sent)).collect();
    }
    failures.dedup();
    failures.truncate(MOST);
    failures
}

fn of_one(error: &CompilationError, sent: &Sent<'_>) -> Failure {
    let said = words(error.message().trim_end());
    let spans = error.spanned_messages().iter().filter_map(|message| {
        let span = message.span?;
        let from = Place { line: span.start_line, column: span.start_column };
        let to = Place { line: span.end_line, column: span.end_column };
        let label = words(&message.label);
        let label = if label.ends_with(&said) { String::new() } else { label };
        Some(sent.span(from, to, label, message.is_primary))
    });
    let mut help = error.help();
    help.extend(error.evcxr_extra_hint().map(str::to_owned));
    if matches!(error.code(), Some("E0384" | "E0596")) {
        help.push("A variable of an earlier cell becomes mutable by `let mut x = x;`".to_owned());
    }
    let code = error.code().map(|code| format!(" [{code}]")).unwrap_or_default();
    let mut spans: Vec<_> = spans.collect();
    if spans.is_empty() && error.code() == Some("E0277") {
        // The value that would be shown, wrapped in code that is not the user's.
        spans.extend(sent.last_statement());
    }
    let mut message = format!("{said}{code}");
    if let Some(words) = linkers_words(&error.rendered()) {
        message = format!("{message}\n{words}");
    }
    Failure {
        kind: FailureKind::Compile,
        message,
        spans,
        help: (!help.is_empty()).then(|| help.join("\n")),
        lost: Lost::Nothing,
    }
}

/// What rustc says, without the names of what evcxr puts behind a cell.
fn words(text: &str) -> String {
    text.replace("`evcxr_variable_store`", "the end of the cell").replace("<end of input>", "the end of the cell")
}

/// Whether the linker found the client's library wanting, which no cell can be blamed for.
pub fn is_of_client(errors: &[CompilationError]) -> bool {
    let words = errors.iter().filter_map(|error| linkers_words(&error.rendered()));
    words.into_iter().any(|words| words.contains("libatelier-"))
}

/// What the linker said: the last of rustc's notes, after its long command line.
fn linkers_words(rendered: &str) -> Option<String> {
    if !rendered.starts_with("error: linking with") {
        return None;
    }
    let (_, words) = rendered.rsplit_once("= note:")?;
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).take(MOST).collect();
    Some(lines.join("\n"))
}

fn of_message(message: &str) -> Failure {
    // evcxr passes on all that cargo wrote where that is no error of the compiler; the error is in the middle of it.
    let said = message.strip_prefix("Compilation failed, but no parsable errors were found.").and_then(|cargo| {
        let from = cargo.find("\nerror")? + 1;
        let to = cargo.rfind("\nSTDOUT:").filter(|to| *to > from).unwrap_or(cargo.len());
        cargo.get(from..to)
    });
    let message = said.unwrap_or(message);
    let mut help = None;
    if message.contains("determine type of variable") {
        help = Some("Write it out: `let name: Type = …;`, or put the statement into braces.".to_owned());
    } else if ["no matching package", "failed to fetch", "offline", "failed to download", "Unable to update"]
        .iter()
        .any(|words| message.contains(words))
    {
        help = Some(
            "The notebook works offline: what cargo has not downloaded yet cannot be added. `:offline 0` in a cell of its own lets it use the network."
                .to_owned(),
        );
    }
    Failure {
        kind: FailureKind::Compile,
        message: message.trim().to_owned(),
        spans: Vec::new(),
        help,
        lost: Lost::Nothing,
    }
}

/// Adds the note on being offline to what came of a `:dep`.
pub fn about_dependencies(failures: &mut [Failure]) {
    for failure in failures {
        if failure.help.is_none() {
            failure.help = of_message(&failure.message).help;
        }
    }
}

/// A variable that cannot be kept.
pub fn of_unnameable(cell: &str, variable: &Unnameable) -> Failure {
    let Unnameable { name, at, kind, closure } = variable;
    let (message, help) = if *closure {
        (
            format!("`{name}` is a closure, which no later cell could name, so it cannot be kept"),
            format!(
                "Box it: `let {name}: Box<dyn Fn(…) -> …> = Box::new(…);`, make it a `fn`, or put the statements that use it into braces."
            ),
        )
    } else {
        (
            format!("`{name}` has a type that cannot be written down, so it cannot be kept for later cells"),
            format!(
                "rustc calls it {}. Collect an iterator into a `Vec`, box the value (`Box<dyn …>`), or put the statements that use it into braces.",
                crate::types::short(kind)
            ),
        )
    };
    Failure {
        kind: FailureKind::Compile,
        message,
        spans: vec![Place::span(cell, at)],
        help: Some(help),
        lost: Lost::Nothing,
    }
}

/// A panic that ended the cell.
pub fn of_panic(panic: &Panic, sent: &Sent<'_>, compiled: &str) -> Failure {
    Failure {
        kind: FailureKind::Panic,
        message: format!("panicked: {}", panic.message),
        spans: place_of_panic(panic, sent, compiled).into_iter().collect(),
        help: Some("Variables from before this cell are kept; what it made itself is not.".to_owned()),
        lost: Lost::Nothing,
    }
}

/// A cell's library that the process of the cells could not load.
pub fn of_load(message: &str) -> Failure {
    // dlopen's own words begin with the library's path, which says nothing.
    let why = message.split_once(".so: ").map_or(message, |(_, why)| why);
    Failure {
        kind: FailureKind::Compile,
        message: format!("the cell could not be loaded: {why}"),
        spans: Vec::new(),
        help: Some("Nothing of it has run. A symbol that is missing is in no library that was linked.".to_owned()),
        lost: Lost::Nothing,
    }
}

/// Whether a symbol of the client is missing, which no cell can be blamed for.
pub fn lacks_client(message: &str) -> bool {
    message.contains("undefined symbol: _ZN7atelier5probe")
}

/// The place in the cell: its statements stand word for word in what was compiled.
fn place_of_panic(panic: &Panic, sent: &Sent<'_>, compiled: &str) -> Option<Span> {
    if !panic.file.ends_with("build/src/lib.rs") {
        return None;
    }
    let byte = Place { line: panic.line as usize, column: panic.column as usize }.byte(compiled);
    let cell = Cell::parse(sent.changed);
    for statement in &cell.statements {
        let text = sent.changed[statement.clone()].trim_end();
        for (start, _) in compiled.match_indices(text) {
            if (start..start + text.len()).contains(&byte) {
                let place = Place::of(sent.changed, statement.start + byte - start);
                let end = Place { line: place.line, column: place.column + 1 };
                return Some(sent.span(place, end, "panicked here".to_owned(), true));
            }
        }
    }
    None
}

/// An error that `?` gave back.
pub fn of_return() -> Failure {
    Failure {
        kind: FailureKind::Panic,
        message: "ended early: `?` met the error printed above".to_owned(),
        spans: Vec::new(),
        help: Some("Variables from before this cell are kept; what it made itself is not.".to_owned()),
        lost: Lost::Nothing,
    }
}

/// The cell's process ended by itself.
pub fn of_crash(run: &Run) -> Failure {
    let message = match run.died {
        _ if run.last_words.contains("has overflowed its stack") => "overflowed its stack".to_owned(),
        Some((Some(code), _)) => format!("ended its process with exit code {code}"),
        Some((None, Some(signal))) => format!("crashed: {}", signal_name(signal)),
        _ => "its process ended".to_owned(),
    };
    Failure {
        kind: FailureKind::Crash,
        message,
        spans: Vec::new(),
        help: Some("Variables are lost, and a new process is ready; functions, types and imports are kept.".to_owned()),
        lost: Lost::Variables,
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "illegal instruction (SIGILL)",
        6 => "aborted (SIGABRT)",
        7 => "bus error (SIGBUS)",
        8 => "arithmetic error (SIGFPE)",
        9 => "killed (SIGKILL); out of memory is the usual reason",
        11 => "segmentation fault (SIGSEGV)",
        15 => "terminated (SIGTERM)",
        _ => return format!("ended by signal {signal}"),
    };
    name.to_owned()
}

/// Stopped as asked.
pub fn of_interrupt(was_running: bool) -> Failure {
    let (message, lost) = if was_running {
        ("interrupted; variables are lost, functions, types and imports are kept", Lost::Variables)
    } else {
        ("interrupted while it was being compiled; nothing is lost", Lost::Nothing)
    };
    Failure { kind: FailureKind::Interrupted, message: message.to_owned(), spans: Vec::new(), help: None, lost }
}

/// The kernel's own fault.
pub fn internal(message: String, lost: Lost) -> Failure {
    let help = Some("Run the cell again, or restart the kernel.".to_owned());
    Failure { kind: FailureKind::Internal, message, spans: Vec::new(), help, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_that_fails_is_quoted_without_its_command_line() {
        let rendered = "error: linking with `cc` failed: exit status: 1\n  |\n  = note:  \"cc\" \"-m64\" \"-lnolib_x\"\n  = \
             note: some arguments are omitted. use `--verbose` to show all linker arguments\n  = note: rust-lld: error: \
             unable to find library -lnolib_x\n          collect2: error: ld returned 1 exit status\n          \n\n";
        let words = linkers_words(rendered).unwrap();
        assert_eq!(
            words,
            "rust-lld: error: unable to find library -lnolib_x\ncollect2: error: ld returned 1 exit status"
        );
        assert_eq!(linkers_words("error[E0425]: cannot find value `x`\n  = note: something\n"), None);
    }
}
