//! Why a question has no answer, and how a cell is told.

use std::fmt;

/// Why a question has no answer: what is wrong, with what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem(String);

impl Problem {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same, with what it is about before it.
    pub fn about(self, what: impl fmt::Display) -> Self {
        Self(format!("{what}: {}", self.0))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The answer. A cell has no use for a `Result`: a question mark in it costs a second compilation, and a panic ends the
/// cell, keeps its variables and shows the message.
pub(crate) fn answer<T>(result: Result<T, Problem>) -> T {
    match result {
        Ok(answer) => answer,
        Err(problem) => give_up(&problem),
    }
}

/// End the cell with `problem` as its message.
pub(crate) fn give_up(problem: &Problem) -> ! {
    panic!("{problem}")
}
