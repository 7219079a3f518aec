//! The kernel's side of the protocol: events, one a line, from any thread.

use crate::protocol::{Event, Failure, Phase, Status, What};
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The most text in an event, in bytes.
const PIECE: usize = 64 << 10;

/// Where events go.
#[derive(Debug, Clone)]
pub struct Events(Arc<Mutex<File>>);

impl Events {
    /// To the end of a pipe that nothing else writes to.
    pub fn new(to: File) -> Self {
        Self(Arc::new(Mutex::new(to)))
    }

    /// One event. With nobody left to read it, this process has no reason to be.
    pub fn send(&self, id: u64, what: What) {
        let Ok(mut line) = serde_json::to_vec(&Event { id, what }) else { return };
        line.push(b'\n');
        let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if to.write_all(&line).is_err() {
            std::process::exit(0);
        }
    }

    /// The state, without more.
    pub fn status(&self, id: u64, status: Status) {
        self.send(id, What::Status { status, ms: None, message: None, notes: Vec::new() });
    }

    /// Output, in pieces.
    pub fn output(&self, id: u64, text: &str, event: fn(String) -> What) {
        let mut rest = text;
        while !rest.is_empty() {
            let mut end = rest.len().min(PIECE);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (piece, after) = rest.split_at(end);
            self.send(id, event(piece.to_owned()));
            rest = after;
        }
    }

    /// What went wrong.
    pub fn failure(&self, id: u64, failure: Failure) {
        self.send(id, What::Error(failure));
    }

    /// The end of a request.
    pub fn done(&self, id: u64, ok: bool, since: std::time::Instant, phases: Vec<Phase>) {
        self.send(id, What::Done { ok, ms: milliseconds(since), phases });
    }
}

/// Since then.
pub fn milliseconds(since: std::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Bytes that come in pieces, as text: a character cut between two pieces waits for its rest, and what is no UTF-8
/// becomes U+FFFD.
#[derive(Debug, Default)]
pub struct Decoder(Vec<u8>);

impl Decoder {
    /// The next piece.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.0.extend(bytes);
        let keep = incomplete(&self.0);
        let rest = self.0.split_off(self.0.len() - keep);
        let text = String::from_utf8_lossy(&self.0).into_owned();
        self.0 = rest;
        text
    }

    /// What is left over.
    pub fn finish(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.0)).into_owned()
    }
}

/// How many of the last bytes begin a character that is not whole.
fn incomplete(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let byte = bytes[bytes.len() - back];
        let length = match byte {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if length > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::Decoder;

    #[test]
    fn a_character_cut_in_two_arrives_whole() {
        let bytes = "añ→𝄞z".as_bytes();
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::default();
            let mut text: String = bytes.chunks(size).map(|piece| decoder.push(piece)).collect();
            text += &decoder.finish();
            assert_eq!(text, "añ→𝄞z", "in pieces of {size}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_marked() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(&[0xff, b'a', 0x80]) + &decoder.finish(), "\u{fffd}a\u{fffd}");
    }
}
