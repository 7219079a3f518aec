//! Finds evcxr's own lines in a cell's standard output. They are text among text, so a cell can print them too: what
//! is accepted here, and when, is what makes a forged one harmless.

const MARK: &[u8] = b"EVCXR_";
const PANIC: &[u8] = b"EVCXR_PANIC_NOTIFICATION";
const RETURNED: &[u8] = b"EVCXR_ERROR_OCCURRED";
const CHANGED: &[u8] = b"EVCXR_VARIABLE_CHANGED_TYPE:";
const CONTENT: &[u8] = b"EVCXR_BEGIN_CONTENT text/plain";
const CONTENT_END: &[u8] = b"EVCXR_END_CONTENT";
/// No line of evcxr's is longer; a value's display is cut at it too.
const LONGEST_LINE: usize = 1024;
const LONGEST_VALUE: usize = 60_000;

/// What is in a piece of output.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// The cell's own.
    Text(Vec<u8>),
    /// A value, displayed by evcxr's own code or by a type that speaks its protocol.
    Value(Vec<u8>),
}

/// One run's standard output.
#[derive(Debug, Default)]
pub struct Markers {
    /// A mark that is not whole yet, with what follows it.
    held: Vec<u8>,
    /// Inside a value: what of it came so far, its opening line first.
    value: Option<Vec<u8>>,
    /// A panic's mark is the last thing that a cell prints: one that anything follows is text.
    panic: bool,
    /// `?` ended the cell.
    pub returned: bool,
    /// Variables whose type was redefined.
    pub changed: Vec<String>,
    /// Whether that is believed: evcxr runs the cell again after it, so only as the first output of all.
    believes: bool,
}

impl Markers {
    /// For a run. `believes` in redefined types must be false right after a run that told of redefined types: evcxr would run a
    /// cell that forges them for ever.
    pub fn new(believes: bool) -> Self {
        Self { believes, ..Self::default() }
    }

    /// Takes in a piece.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Part> {
        let mut bytes = [std::mem::take(&mut self.held), bytes.to_vec()].concat();
        let mut parts = Vec::new();
        let mut text = Vec::new();
        loop {
            let Some(start) = find(&bytes, MARK) else {
                let keep = suffix_of_mark(&bytes);
                let rest = bytes.split_off(bytes.len() - keep);
                self.take(&bytes, &mut text);
                self.held = rest;
                break;
            };
            let line_end = bytes[start..].iter().position(|byte| *byte == b'\n').map(|end| start + end);
            let Some(end) = line_end else {
                let rest = bytes.split_off(start);
                self.take(&bytes, &mut text);
                if rest.len() > LONGEST_LINE {
                    self.take(&rest, &mut text);
                } else {
                    self.held = rest;
                }
                break;
            };
            let after = bytes.split_off(end + 1);
            let line = bytes.split_off(start);
            self.take(&bytes, &mut text);
            self.line(&line, &mut text, &mut parts);
            bytes = after;
        }
        flush(&mut text, &mut parts);
        parts
    }

    /// Whether [`Markers::relax`] would give anything.
    pub fn holds(&self) -> bool {
        !self.held.is_empty() && self.held.len() < MARK.len() && self.value.is_none()
    }

    /// What is held back although no mark has begun for certain: nothing more came for a while.
    pub fn relax(&mut self) -> Vec<Part> {
        if !self.holds() {
            return Vec::new();
        }
        let (mut text, mut parts) = (Vec::new(), Vec::new());
        let held = std::mem::take(&mut self.held);
        self.take(&held, &mut text);
        flush(&mut text, &mut parts);
        parts
    }

    /// The run is over: what is left, and whether it ended in a panic. `panicked` says whether there was one at all.
    pub fn finish(&mut self, panicked: bool) -> (Vec<Part>, bool) {
        let (mut text, mut parts) = (Vec::new(), Vec::new());
        if let Some(value) = self.value.take() {
            text.extend(value);
        }
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            self.take(&held, &mut text);
        }
        let ended = self.panic && panicked;
        if self.panic && !panicked {
            text.extend([PANIC, b"\n"].concat());
        }
        self.panic = false;
        flush(&mut text, &mut parts);
        (parts, ended)
    }

    fn line(&mut self, line: &[u8], text: &mut Vec<u8>, parts: &mut Vec<Part>) {
        let mark = line.strip_suffix(b"\n").unwrap_or(line);
        if let Some(value) = &mut self.value {
            if mark == CONTENT_END {
                let value = value.split_off(CONTENT.len() + 1);
                self.value = None;
                flush(text, parts);
                parts.push(Part::Value(value.strip_suffix(b"\n").unwrap_or(&value).to_vec()));
                return;
            }
        } else if mark == PANIC {
            if std::mem::replace(&mut self.panic, true) {
                text.extend([PANIC, b"\n"].concat());
            }
            return;
        } else if mark == RETURNED {
            self.returned = true;
            return;
        } else if let (Some(name), true) = (mark.strip_prefix(CHANGED), self.believes) {
            self.changed.push(String::from_utf8_lossy(name).into_owned());
            return;
        } else if mark == CONTENT {
            self.value = Some(line.to_vec());
            return;
        }
        self.take(line, text);
    }

    /// Ordinary text, or more of a value.
    fn take(&mut self, bytes: &[u8], text: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.panic) {
            text.extend([PANIC, b"\n"].concat());
        }
        self.believes = false;
        if let Some(value) = &mut self.value {
            value.extend(bytes);
            if value.len() > LONGEST_VALUE {
                text.extend(std::mem::take(value));
                self.value = None;
            }
        } else {
            text.extend(bytes);
        }
    }
}

fn flush(text: &mut Vec<u8>, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// How many of the last bytes may be the beginning of a mark.
fn suffix_of_mark(bytes: &[u8]) -> usize {
    (1..MARK.len()).rev().find(|length| bytes.ends_with(&MARK[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: Vec<Part>) -> String {
        parts
            .into_iter()
            .map(|part| match part {
                Part::Text(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Part::Value(bytes) => format!("<{}>", String::from_utf8_lossy(&bytes)),
            })
            .collect()
    }

    /// The same output in pieces of every size gives the same.
    fn run(output: &str, panicked: bool) -> (String, bool) {
        let mut first = None;
        for size in 1..=output.len().max(1) {
            let mut markers = Markers::new(true);
            let mut out = String::new();
            for piece in output.as_bytes().chunks(size) {
                out += &text(markers.push(piece));
            }
            let (parts, ended) = markers.finish(panicked);
            out += &text(parts);
            let result = (out, ended);
            assert_eq!(*first.get_or_insert(result.clone()), result, "in pieces of {size}");
        }
        first.unwrap_or_default()
    }

    #[test]
    fn a_panic_is_seen_behind_text_without_a_newline() {
        assert_eq!(run("partialEVCXR_PANIC_NOTIFICATION\n", true), ("partial".to_owned(), true));
    }

    #[test]
    fn a_forged_panic_is_text() {
        let forged = "EVCXR_PANIC_NOTIFICATION\n";
        assert_eq!(run(forged, false), (forged.to_owned(), false));
        let followed = "EVCXR_PANIC_NOTIFICATION\nand on\n";
        assert_eq!(run(followed, true), (followed.to_owned(), false));
    }

    #[test]
    fn a_completion_is_never_a_completion() {
        let forged = "EVCXR_EXECUTION_COMPLETE\nEVCXR_INPUT_REQUEST:x\nEVCXR_\nEV";
        assert_eq!(run(forged, false), (forged.to_owned(), false));
    }

    #[test]
    fn values_are_taken_out_and_half_a_value_is_text() {
        assert_eq!(run("aEVCXR_BEGIN_CONTENT text/plain\n1\n2\nEVCXR_END_CONTENT\nb", false).0, "a<1\n2>b");
        let half = "EVCXR_BEGIN_CONTENT text/plain\n1\n";
        assert_eq!(run(half, false).0, half);
    }

    #[test]
    fn a_redefined_type_counts_only_as_the_first_output_and_only_once() {
        let mark = b"EVCXR_VARIABLE_CHANGED_TYPE:x\n";
        let mut markers = Markers::new(true);
        assert_eq!(markers.push(mark), []);
        assert_eq!(markers.changed, ["x"]);
        let mut markers = Markers::new(true);
        assert_eq!(text(markers.push(&[b"hello\n", &mark[..]].concat())).len(), 6 + mark.len());
        assert_eq!(markers.changed, [""; 0]);
        let mut markers = Markers::new(false);
        assert_eq!(text(markers.push(mark)).len(), mark.len());
    }

    #[test]
    fn text_that_only_looks_like_a_mark_comes_out_when_nothing_follows() {
        let mut markers = Markers::new(true);
        assert_eq!(text(markers.push(b"name? E")), "name? ");
        assert_eq!(text(markers.relax()), "E");
    }
}
