//! What the notebook and its kernel say to each other: one JSON object a line, requests on the kernel's standard input,
//! events on its standard output. Compiled into both programs.

use serde::{Deserialize, Serialize};

/// A request, with a number that its events repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Greater than 0; 0 is what the kernel says of its own accord.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub op: Op,
}

/// What the kernel can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// Run a cell.
    Exec {
        /// Its source.
        code: String,
    },
    /// Compile a cell without running it.
    Check {
        /// Its source.
        code: String,
    },
    /// What may stand at a place.
    Complete {
        /// The cell's source.
        code: String,
        /// The place, in bytes.
        offset: usize,
    },
    /// What stands at a place.
    Hover {
        /// The cell's source.
        code: String,
        /// The place, in bytes.
        offset: usize,
    },
    /// The variables that are there.
    Vars,
    /// Forget all but the prelude.
    Restart,
    /// End the running cell by ending the process that it runs in.
    Interrupt,
}

/// An event, with the request that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Of the request; 0 for none.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// The kernel's state changed.
    Status {
        /// To what.
        status: Status,
        /// How long it took to get there, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
        /// In words: why it is dead, what it waits for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// What a user must know: that the standard library's sources are missing, say.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// The cell wrote to standard output. Pieces, not lines.
    Stdout {
        /// At most 64 KiB.
        text: String,
    },
    /// The cell wrote to standard error.
    Stderr {
        /// At most 64 KiB.
        text: String,
    },
    /// The value of the cell's last expression.
    Value {
        /// As it shows itself.
        text: String,
    },
    /// The cell did not do what it says.
    Error(Failure),
    /// What may stand there.
    Completions {
        /// Best first.
        items: Vec<Completion>,
        /// Where the text begins that one replaces, in bytes.
        start: usize,
        /// Where it ends.
        end: usize,
    },
    /// What stands there; empty where nothing is known.
    Hover {
        /// Markdown.
        text: String,
    },
    /// The variables.
    Variables {
        /// By name.
        rows: Vec<Variable>,
    },
    /// The last event of every request.
    Done {
        /// Whether it was done as asked.
        ok: bool,
        /// In milliseconds.
        ms: u64,
        /// Where the time went.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        phases: Vec<Phase>,
    },
}

/// How the kernel stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Not yet able to run a cell.
    Starting,
    /// Waits for a cell.
    Ready,
    /// A cell is being compiled.
    Compiling,
    /// A cell runs.
    Running,
    /// It can run no cells; the message says why.
    Dead,
}

/// Why a cell failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The first line says it all.
    pub message: String,
    /// Where in the cell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What is gone.
    #[serde(default)]
    pub lost: Lost,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// It does not compile.
    Compile,
    /// It panicked.
    Panic,
    /// Its process ended.
    Crash,
    /// It was interrupted.
    Interrupted,
    /// It asks for what the kernel does not do.
    Refused,
    /// The kernel's own fault.
    Internal,
}

/// What is gone after a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// Nothing.
    #[default]
    Nothing,
    /// Variables; functions, types and imports are kept.
    Variables,
    /// Everything.
    Everything,
}

/// A stretch of the cell's source. Lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Line of the beginning.
    pub line: usize,
    /// Column of the beginning.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column of the end.
    pub end_column: usize,
    /// What the compiler says of it.
    #[serde(default)]
    pub label: String,
    /// Whether it is the place, or only bears on it.
    #[serde(default)]
    pub primary: bool,
}

/// Something that may stand at a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What to put there.
    pub insert: String,
    /// What to show.
    pub label: String,
    /// Its kind: `method`, `field`, `function`.
    #[serde(default)]
    pub kind: String,
}

/// A variable that cells have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its type, as Rust writes it.
    #[serde(rename = "type")]
    pub kind: String,
}

/// A part of the time that a cell took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// In evcxr's words.
    pub name: String,
    /// Milliseconds.
    pub ms: u64,
}
