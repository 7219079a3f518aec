//! `events.jsonl`: what happened once, one JSON object a line.
//!
//! ```json
//! {"time":"2026-02-03T10:11:12.345678901Z","step":1200,"epoch":3.5,"generation":0,"kind":"checkpoint","message":"…"}
//! ```
//! Further fields stand beside these. A line is written with a single write; a torn last one (power loss, full disk) is
//! passed over by readers and cut off when the session is next written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::{At, Event};

pub(super) mod journal;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// When, on the session's clock.
    pub time: Timestamp,
    /// Optimizer steps finished by then.
    pub step: i64,
    /// Epochs finished by then; absent when it was no number.
    #[serde(default)]
    pub epoch: Option<f64>,
    /// Restarts by then.
    #[serde(default)]
    pub generation: u32,
    /// Machine-readable kind.
    pub kind: String,
    /// One line for a person.
    #[serde(default)]
    pub message: String,
    /// Whatever else the event carries.
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Names that an event's own fields may not take.
const RESERVED: [&str; 6] = ["time", "step", "epoch", "generation", "kind", "message"];

impl EventLine {
    /// The line for `event`. A field that bears the name of one of the line's own is kept as `field_<name>`.
    pub fn new(time: Timestamp, at: At, generation: u32, event: Event) -> Self {
        let rename = |name: String| if RESERVED.contains(&name.as_str()) { format!("field_{name}") } else { name };
        Self {
            time,
            step: at.step,
            epoch: at.epoch.is_finite().then_some(at.epoch),
            generation,
            kind: event.kind,
            message: event.message,
            fields: event.fields.into_iter().map(|(name, value)| (rename(name), value)).collect(),
        }
    }
}

/// What could be read of a file of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// The lines, oldest first.
    pub lines: Vec<EventLine>,
    /// What could not be read and why, one line each.
    pub warnings: Vec<String>,
}

/// All events of the file at `path`; none when there is no such file.
pub fn read(path: &Path) -> io::Result<Events> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(parse(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Events::default()),
        Err(error) => Err(error),
    }
}

/// The newest `count` events, without reading more of a long file than they take.
pub fn newest(path: &Path, count: usize) -> io::Result<Events> {
    const CHUNK: u64 = 64 * 1024;
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Events::default()),
        Err(error) => return Err(error),
    };
    let end = file.seek(SeekFrom::End(0))?;
    let mut wanted = CHUNK;
    loop {
        let from = end.saturating_sub(wanted);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(end - from).read_to_end(&mut bytes)?;
        let whole =
            if from == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) };
        let mut events = parse(bytes.get(whole..).unwrap_or_default());
        if events.lines.len() >= count || from == 0 {
            events.lines.drain(..events.lines.len().saturating_sub(count));
            return Ok(events);
        }
        wanted = wanted.saturating_mul(4);
    }
}

/// Follows a file of events by byte offset: every whole line once, nothing read twice.
#[derive(Debug, Default)]
pub struct Follow {
    offset: u64,
}

impl Follow {
    /// The events appended since the last call (the first call: all). A line still being written is left for the next
    /// call; after the file was cut (a session reopened after a crash), reading goes on from its new end.
    pub fn poll(&mut self, path: &Path) -> io::Result<Events> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Events::default()),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length < self.offset {
            self.offset = length;
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.truncate(whole);
        self.offset += whole as u64;
        Ok(parse(&bytes))
    }
}

fn parse(bytes: &[u8]) -> Events {
    let mut events = Events::default();
    let mut damaged = 0_usize;
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, after) = match end {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[][..]),
        };
        rest = after;
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice(line) {
            Ok(line) => events.lines.push(line),
            Err(_) if end.is_none() => {
                events.warnings.push(format!("the last event is torn ({} bytes, passed over)", line.len()));
            }
            Err(_) => damaged += 1,
        }
    }
    if damaged > 0 {
        events.warnings.push(format!("{damaged} damaged event lines were passed over"));
    }
    events
}

/// Cut a torn last line off; returns how many bytes it had.
pub(super) fn mend(file: &File) -> io::Result<u64> {
    const CHUNK: u64 = 64 * 1024;
    let length = file.metadata()?.len();
    let mut end = length;
    let mut reader = file;
    while end > 0 {
        let from = end.saturating_sub(CHUNK);
        let mut bytes = vec![0; (end - from) as usize];
        reader.seek(SeekFrom::Start(from))?;
        reader.read_exact(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            end = from + at as u64 + 1;
            break;
        }
        end = from;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(length - end)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn line(step: i64) -> String {
        let event = Event::new("checkpoint", format!("saved {step}")).with("bytes", 12).with("step", "mine");
        let line = EventLine::new(Timestamp::UNIX_EPOCH, At { step, epoch: f64::NAN }, 2, event);
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn a_line_is_flat_json_whose_own_keys_win() {
        let read = parse(line(7).as_bytes());
        assert_eq!(read.warnings, Vec::<String>::new());
        let line = &read.lines[0];
        assert_eq!((line.step, line.epoch, line.generation), (7, None, 2));
        assert_eq!(line.fields["bytes"], 12);
        assert_eq!(line.fields["field_step"], "mine");
    }

    #[test]
    fn torn_and_damaged_lines_are_passed_over_and_counted() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.jsonl");
        fs::write(&path, format!("{}garbage\n\n{}{}", line(1), line(2), &line(3)[..20])).unwrap();
        let events = read(&path).unwrap();
        assert_eq!(events.lines.iter().map(|line| line.step).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(events.warnings.len(), 2, "{:?}", events.warnings);

        let file = crate::session::Folder::append(&path).unwrap();
        assert_eq!(mend(&file).unwrap(), 20);
        assert_eq!(mend(&file).unwrap(), 0);
        assert!(fs::read_to_string(&path).unwrap().ends_with(&line(2)));
    }

    #[test]
    fn one_torn_line_alone_is_cut_to_nothing_however_long() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(200_000).unwrap();
        assert_eq!(mend(&file).unwrap(), 200_000);
        assert_eq!(file.metadata().unwrap().len(), 0);
    }

    #[test]
    fn the_newest_are_found_from_the_end() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.jsonl");
        let text: String = (0..5_000).map(line).collect();
        fs::write(&path, &text).unwrap();
        let steps = |count| -> Vec<i64> { newest(&path, count).unwrap().lines.iter().map(|line| line.step).collect() };
        assert_eq!(steps(3), [4_997, 4_998, 4_999]);
        assert_eq!(steps(4_999), (1..5_000).collect::<Vec<_>>());
        assert_eq!(steps(9_999).len(), 5_000);
        assert_eq!(newest(&root.path().join("none"), 3).unwrap(), Events::default());
    }

    #[test]
    fn following_gives_every_line_once_and_waits_for_whole_ones() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("events.jsonl");
        let mut follow = Follow::default();
        assert!(follow.poll(&path).unwrap().lines.is_empty());
        let second = line(2);
        fs::write(&path, line(1) + &second[..30]).unwrap();
        assert_eq!(follow.poll(&path).unwrap().lines.len(), 1);
        assert_eq!(follow.poll(&path).unwrap(), Events::default());
        fs::write(&path, line(1) + &second).unwrap();
        assert_eq!(follow.poll(&path).unwrap().lines[0].step, 2);
    }
}
