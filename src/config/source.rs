//! Where texts came from: one address space for a file and its overrides, and the way back to line and column.

use std::ops::Range;

use super::errors::{ConfigError, Snippet};

/// Longest part of a line that is shown.
const SHOWN: usize = 110;

/// The texts a config is made of. Each is parsed with as much blank space before it as the texts before it are long,
/// so that a span of the merged document says by itself which text it is from.
#[derive(Debug)]
pub struct Sources {
    texts: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    /// The file, or `--set key=value`.
    origin: String,
    /// As the user wrote it.
    text: String,
    /// Where it begins in the common address space.
    base: usize,
    /// Bytes it takes there.
    len: usize,
}

impl Sources {
    /// The file's text comes first.
    pub fn new(origin: &str, text: &str) -> Self {
        let file = Source { origin: origin.to_owned(), text: text.to_owned(), base: 0, len: text.len() };
        Self { texts: vec![file] }
    }

    /// Add a text whose parsed form is `len` bytes long; returns where it begins.
    pub fn add(&mut self, origin: String, text: &str, len: usize) -> usize {
        // One byte apart: an empty span at the end of one text must not be taken for the start of the next.
        let base = self.texts.last().map_or(0, |last| last.base + last.len + 1);
        self.texts.push(Source { origin, text: text.to_owned(), base, len });
        base
    }

    /// The origin of the file.
    pub fn origin(&self) -> &str {
        self.texts.first().map_or("", |file| &file.origin)
    }

    /// Whether a span is of an override rather than of the file.
    pub fn is_override(&self, span: &Range<usize>) -> bool {
        self.texts.get(1).is_some_and(|first| first.base <= span.start)
    }

    /// An error at a span of the common address space; without one, it concerns the file as a whole.
    pub fn error(&self, span: Option<Range<usize>>, message: impl Into<String>) -> ConfigError {
        let Some(span) = span else { return ConfigError::new(self.origin(), message) };
        let Some(source) = self.texts.iter().rev().find(|source| source.base <= span.start) else {
            return ConfigError::new(self.origin(), message);
        };
        let local = span.start - source.base..span.end.saturating_sub(source.base);
        let place = place(&source.text, local);
        ConfigError {
            line: Some(place.line),
            column: Some(place.column),
            snippet: Some(place.snippet),
            ..ConfigError::new(&source.origin, message)
        }
    }

    /// The text of a span as the user wrote it.
    pub fn slice(&self, span: &Range<usize>) -> Option<&str> {
        let source = self.texts.iter().rev().find(|source| source.base <= span.start)?;
        source.text.get(span.start - source.base..span.end.checked_sub(source.base)?)
    }
}

struct Place {
    line: usize,
    column: usize,
    snippet: Snippet,
}

/// Line and column (from 1, in characters) of a byte range, with its line to show. Any range is accepted.
fn place(text: &str, span: Range<usize>) -> Place {
    let start = floor(text, span.start);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = &text[line_start..];
    let line = rest.split('\n').next().unwrap_or("");
    let line = line.strip_suffix('\r').unwrap_or(line);
    let column = text[line_start..start].chars().count();
    let end = floor(text, span.end.max(start)).min(line_start + line.len()).max(start);
    let length = text[start..end].chars().count();
    Place { line: before.matches('\n').count() + 1, column: column + 1, snippet: snippet(line, column, length) }
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

fn snippet(line: &str, column: usize, length: usize) -> Snippet {
    // A byte-order mark has no width; a terminal must not be handed control characters of a foreign file.
    let shown: Vec<char> = line
        .chars()
        .map(|c| {
            if c == '\t' || c == '\u{feff}' {
                ' '
            } else if c.is_control() {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    let start = column.min(shown.len());
    let from = if shown.len() <= SHOWN { 0 } else { start.saturating_sub(SHOWN / 2).min(shown.len() - SHOWN) };
    let to = (from + SHOWN).min(shown.len());
    let mut text = String::new();
    let lead = if from > 0 { "..." } else { "" };
    text.push_str(lead);
    text.extend(&shown[from..to]);
    if to < shown.len() {
        text.push_str("...");
    }
    let start = start - from + lead.len();
    let length = length.max(1).min(SHOWN.saturating_sub(start - lead.len()).max(1));
    Snippet { text, mark: start..start + length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_from_one() {
        let text = "a = 1\n\u{e9}t\u{e9} = 2\r\nlast";
        let at = text.find('2').unwrap();
        let place = place(text, at..at + 1);
        assert_eq!((place.line, place.column), (2, 7));
        assert_eq!(place.snippet, Snippet { text: "\u{e9}t\u{e9} = 2".to_owned(), mark: 6..7 });
    }

    #[test]
    fn any_range_of_any_text_has_a_place() {
        for text in ["", "\n", "\u{1f3a8}", "a\tb\u{7}", &"x".repeat(1000)] {
            for start in 0..text.len() + 3 {
                for end in [0, start, start + 1, start + 5000] {
                    let place = place(text, start..end);
                    assert!(place.line >= 1 && place.column >= 1);
                    assert!(place.snippet.mark.start <= place.snippet.text.chars().count());
                    assert!(place.snippet.text.chars().count() <= SHOWN + 6);
                    assert!(!place.snippet.text.chars().any(char::is_control));
                }
            }
        }
    }

    #[test]
    fn a_span_says_which_text_it_is_from() {
        let mut sources = Sources::new("file.toml", "abc");
        let first = sources.add("--set x=1".to_owned(), "x=1", 3);
        let second = sources.add("--set y=2".to_owned(), "y=2", 3);
        assert_eq!(sources.error(Some(0..1), "").origin, "file.toml");
        assert_eq!(sources.error(Some(3..3), "").origin, "file.toml");
        assert_eq!(sources.error(Some(first..first + 1), "").origin, "--set x=1");
        assert_eq!(sources.error(Some(second + 2..second + 3), "").column, Some(3));
        assert_eq!(sources.error(None, "").line, None);
    }
}
