//! What a cell wrote, however much it was: the beginning and the end are kept, what lies between is counted.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plain::{Cleaner, Sign};

/// Bytes kept of the beginning.
const HEAD: usize = 256 << 10;
/// Bytes kept of the end, at least; twice as many at most.
const TAIL: usize = 256 << 10;

/// A text of bounded size.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Captured {
    head: String,
    tail: String,
    /// Lines between the two that are gone.
    lines: u64,
    /// Bytes that are gone with them.
    bytes: u64,
    /// The next character begins the last line anew.
    returned: bool,
    cleaner: Cleaner,
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("head", &self.head)
            .field("tail", &self.tail)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl Captured {
    /// A whole text.
    pub fn new(text: &str) -> Self {
        let mut captured = Self::default();
        captured.push(text);
        captured
    }

    /// More of it, as it was written: control sequences are left out.
    pub fn push(&mut self, piece: &str) {
        let mut cleaner = std::mem::take(&mut self.cleaner);
        cleaner.push(piece, |sign| match sign {
            Sign::Newline => {
                self.returned = false;
                self.put('\n');
            }
            Sign::Return => self.returned = true,
            Sign::Char(c) => {
                if std::mem::take(&mut self.returned) {
                    let end = self.end();
                    let line = end.rfind('\n').map_or(0, |at| at + 1);
                    end.truncate(line);
                }
                self.put(c);
            }
        });
        self.cleaner = cleaner;
    }

    /// Where writing goes on.
    fn end(&mut self) -> &mut String {
        if self.bytes == 0 && self.tail.is_empty() { &mut self.head } else { &mut self.tail }
    }

    fn put(&mut self, c: char) {
        if self.bytes == 0 && self.tail.is_empty() && self.head.len() + c.len_utf8() <= HEAD {
            self.head.push(c);
            return;
        }
        self.tail.push(c);
        if self.tail.len() > 2 * TAIL {
            let mut cut = self.tail.len() - TAIL;
            // From the beginning of a line, if there is one near.
            cut = self.tail.as_bytes()[cut..]
                .iter()
                .take(TAIL / 2)
                .position(|byte| *byte == b'\n')
                .map_or(cut, |at| cut + at + 1);
            while !self.tail.is_char_boundary(cut) {
                cut += 1;
            }
            self.lines += self.tail[..cut].matches('\n').count() as u64;
            self.bytes += cut as u64;
            self.tail.drain(..cut);
        }
    }

    /// Whether anything was written.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_empty()
    }

    /// Bytes kept.
    pub fn len(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Lines that are gone.
    pub fn lines_left_out(&self) -> u64 {
        self.lines
    }

    /// The lines that are kept, with a line that says what is gone.
    pub fn lines(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let gone = (self.bytes > 0).then(|| {
            let bytes = self.bytes as f64 / f64::from(1 << 20);
            Cow::Owned(format!("[{} lines, {bytes:.1} MiB, are not kept]", self.lines))
        });
        let (head, tail) = if self.bytes == 0 {
            (self.head.as_str(), self.tail.as_str())
        } else {
            // A line that is cut is one of those that are gone.
            (self.head.rfind('\n').map_or(self.head.as_str(), |end| &self.head[..end]), self.tail.as_str())
        };
        // The first line of the tail goes on the last one of the head where nothing lies between.
        let whole = self.bytes == 0 && !tail.is_empty() && !head.ends_with('\n');
        let joint = whole.then(|| {
            let begin = head.rfind('\n').map_or(0, |at| at + 1);
            let end = tail.find('\n').unwrap_or(tail.len());
            (begin, end)
        });
        let before = joint.map_or(head, |(begin, _)| &head[..begin]);
        let after = joint.map_or(tail, |(_, end)| tail[end..].strip_prefix('\n').unwrap_or(""));
        let joined = joint.map(|(begin, end)| Cow::Owned(format!("{}{}", &head[begin..], &tail[..end])));
        let head_lines = before.lines().map(Cow::Borrowed);
        let tail_lines = after.lines().map(Cow::Borrowed);
        head_lines.chain(joined).chain(gone).chain(tail_lines)
    }

    /// The text that is kept.
    pub fn text(&self) -> String {
        if self.bytes == 0 {
            return format!("{}{}", self.head, self.tail);
        }
        self.lines().collect::<Vec<_>>().join("\n")
    }

    /// The same with at most so many bytes kept, half of the beginning and half of the end.
    #[must_use]
    pub fn shortened(&self, bytes: usize) -> Self {
        if self.len() <= bytes {
            return self.clone();
        }
        let text = format!("{}{}", self.head, self.tail);
        let mut head = bytes / 2;
        while !text.is_char_boundary(head) {
            head -= 1;
        }
        let mut tail = text.len() - bytes / 2;
        while !text.is_char_boundary(tail) {
            tail += 1;
        }
        let gone = &text[head..tail];
        let lines = self.lines + gone.matches('\n').count() as u64;
        Self {
            head: text[..head].to_owned(),
            tail: text[tail..].to_owned(),
            lines,
            bytes: self.bytes + gone.len() as u64,
            ..Self::default()
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(String),
    Parts { head: String, tail: String, lines: u64, bytes: u64 },
}

impl Serialize for Captured {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = if self.bytes == 0 {
            Written::Whole(self.text())
        } else {
            Written::Parts { head: self.head.clone(), tail: self.tail.clone(), lines: self.lines, bytes: self.bytes }
        };
        written.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Captured {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Whole(text) => Self::new(&text),
            Written::Parts { head, tail, lines, bytes } => {
                let clean = |text: &str| super::plain::plain(text);
                Self { head: clean(&head), tail: clean(&tail), lines, bytes: bytes.max(1), ..Self::default() }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end_in_bounded_memory() {
        let mut captured = Captured::default();
        let mut most = 0;
        for line in 0..400_000 {
            captured.push(&format!("line {line}\n"));
            most = most.max(captured.len());
        }
        assert!(most <= HEAD + 2 * TAIL + 8, "{most}");
        let lines: Vec<String> = captured.lines().map(Cow::into_owned).collect();
        assert_eq!(lines[0], "line 0");
        assert_eq!(lines.last().map(String::as_str), Some("line 399999"));
        let gone = lines.iter().position(|line| line.contains("are not kept")).unwrap();
        let after: u64 = lines[gone + 1].trim_start_matches("line ").parse().unwrap();
        assert_eq!(gone as u64 + captured.lines_left_out(), after, "nothing is counted twice");
    }

    #[test]
    fn a_line_that_goes_from_the_beginning_into_the_end_is_one_line() {
        let mut captured = Captured::default();
        captured.push(&"x".repeat(HEAD - 3));
        captured.push("abcdef\nnext\n");
        let lines: Vec<String> = captured.lines().map(Cow::into_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("xabcdef") && lines[1] == "next");
    }

    #[test]
    fn a_gigabyte_without_a_line_end_is_no_trouble() {
        let mut captured = Captured::default();
        let piece = "写".repeat(20_000);
        for _ in 0..200 {
            captured.push(&piece);
        }
        assert!(captured.len() <= HEAD + 2 * TAIL);
        assert!(captured.text().contains("are not kept"));
    }

    #[test]
    fn it_is_kept_and_read_again() {
        let small = Captured::new("a\nb\n");
        let json = serde_json::to_string(&small).unwrap();
        assert_eq!(json, "\"a\\nb\\n\"");
        assert_eq!(serde_json::from_str::<Captured>(&json).unwrap().text(), "a\nb\n");
        let long = Captured::new(&"0123456789\n".repeat(1000)).shortened(1000);
        assert!(long.len() <= 1000 && long.text().contains("[909 lines"), "{}", long.text());
        let again: Captured = serde_json::from_str(&serde_json::to_string(&long).unwrap()).unwrap();
        assert_eq!(again.text(), long.text());
    }
}
