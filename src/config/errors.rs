//! What is wrong with a config: where, what was expected, and what to do next.

use std::fmt::{self, Write as _};
use std::ops::Range;

use serde::Serialize;

/// Everything wrong with one config, in the order of the file, overrides last. Its `Display` is the whole message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", self.render())]
pub struct ConfigErrors {
    /// The config's path, or what stands for it.
    pub origin: String,
    /// Never empty.
    pub errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// A single mistake that has no place within the text.
    pub(super) fn whole(origin: &str, message: impl Into<String>, next: impl Into<String>) -> Self {
        let error = ConfigError { next: Some(next.into()), ..ConfigError::new(origin, message) };
        Self { origin: origin.to_owned(), errors: vec![error] }
    }

    fn render(&self) -> String {
        let count = self.errors.len();
        let mut text = if count == 1 { String::new() } else { format!("{count} mistakes in {}\n\n", self.origin) };
        for (index, error) in self.errors.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n\n" };
            let _ = write!(text, "{gap}{error}");
        }
        text
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct ConfigError {
    /// The file, or the override as it was given: `--set train.epocs=3`.
    pub origin: String,
    /// Line, from 1; absent when the mistake has no place (a missing file).
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The dotted key concerned, where one is known.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What was expected instead.
    pub expected: Option<String>,
    /// The nearest valid keys or words.
    pub suggestions: Vec<String>,
    /// What to do next.
    pub next: Option<String>,
    /// The offending line.
    pub snippet: Option<Snippet>,
}

/// A line of the config with the offending part marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snippet {
    /// The line as shown: tabs as spaces, control characters replaced, long lines cut around the mark.
    pub text: String,
    /// The marked part, in characters of `text`.
    pub mark: Range<usize>,
}

impl ConfigError {
    /// A mistake of which only the message is known.
    pub(super) fn new(origin: &str, message: impl Into<String>) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            column: None,
            key: None,
            message: message.into(),
            expected: None,
            suggestions: Vec::new(),
            next: None,
            snippet: None,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The line of an override is always 1 and its origin is its text: only the column says something.
        let is_override = self.origin.starts_with("--set ");
        f.write_str(&self.origin)?;
        match (self.line, self.column) {
            (Some(line), Some(column)) if !is_override => write!(f, ":{line}:{column}")?,
            _ => {}
        }
        write!(f, ": {}", self.message)?;
        let number = self.line.filter(|_| !is_override).map(|line| line.to_string()).unwrap_or_default();
        let gutter = " ".repeat(number.len());
        if let Some(Snippet { text, mark }) = &self.snippet {
            let carets = "^".repeat(mark.len().max(1));
            write!(f, "\n {gutter} |\n {number} | {text}\n {gutter} | {}{carets}", " ".repeat(mark.start))?;
        }
        if !self.suggestions.is_empty() {
            let names: Vec<String> = self.suggestions.iter().map(|name| format!("`{name}`")).collect();
            write!(f, "\n {gutter} = did you mean {}?", names.join(" or "))?;
        }
        if let Some(expected) = &self.expected {
            write!(f, "\n {gutter} = expected {expected}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n {gutter} = {next}")?;
        }
        Ok(())
    }
}
