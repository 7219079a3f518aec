//! What the cell's supervisor tells the kernel, through a named pipe: frames no longer than a pipe writes in one piece,
//! so that a killed writer never leaves half of one.

use std::io::{self, Read};

/// `PIPE_BUF` on Linux: a write of no more is atomic.
pub const LONGEST: usize = 4096;
/// What of it may be payload.
pub const PAYLOAD: usize = LONGEST - 3;

/// The file of a panic that is none: the cell's library could not be loaded, for the reason that is the message.
pub const UNLOADED: &str = "";

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The supervisor stands ready; its process is also its process group.
    Hello {
        /// Of the supervisor.
        pid: u32,
    },
    /// The user's function begins.
    Begin,
    /// A piece of standard output.
    Stdout(Vec<u8>),
    /// A piece of standard error.
    Stderr(Vec<u8>),
    /// A piece of the display of the last expression.
    Value(Vec<u8>),
    /// A panic on the cell's own thread, caught by the cell or not.
    Panic {
        /// Of the source that was compiled, not of the cell.
        line: u32,
        /// Likewise.
        column: u32,
        /// `src/lib.rs` for a cell.
        file: String,
        /// What it says.
        message: String,
    },
    /// The user's function is over.
    End {
        /// By a panic.
        panicked: bool,
        /// By `?`.
        returned: bool,
        /// Bytes of output that were over the limit.
        dropped: u64,
    },
    /// The process that cells run in is gone.
    Died {
        /// Its exit code, or else:
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
    /// The kernel's own: all before it has been read.
    Sync(u64),
}

impl Frame {
    /// As bytes, at most [`LONGEST`].
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::Hello { pid } => (1, pid.to_le_bytes().to_vec()),
            Self::Begin => (2, Vec::new()),
            Self::Stdout(bytes) => (3, bytes.clone()),
            Self::Stderr(bytes) => (4, bytes.clone()),
            Self::Value(bytes) => (5, bytes.clone()),
            Self::Panic { line, column, file, message } => (6, panic_payload(*line, *column, file, message)),
            Self::End { panicked, returned, dropped } => {
                let mut payload = vec![u8::from(*panicked), u8::from(*returned)];
                payload.extend(dropped.to_le_bytes());
                (7, payload)
            }
            Self::Died { code, signal } => {
                let mut payload = vec![u8::from(code.is_some())];
                payload.extend(code.or(*signal).unwrap_or(0).to_le_bytes());
                (8, payload)
            }
            Self::Sync(token) => (9, token.to_le_bytes().to_vec()),
        };
        let length = payload.len().min(PAYLOAD);
        let mut frame = vec![kind];
        frame.extend((length as u16).to_le_bytes());
        frame.extend(&payload[..length]);
        frame
    }

    /// The next one of a stream; unknown kinds are skipped.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        loop {
            let mut head = [0; 3];
            from.read_exact(&mut head)?;
            let mut payload = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
            from.read_exact(&mut payload)?;
            if let Some(frame) = Self::decode(head[0], payload) {
                return Ok(frame);
            }
        }
    }

    fn decode(kind: u8, payload: Vec<u8>) -> Option<Self> {
        Some(match kind {
            1 => Self::Hello { pid: u32::from_le_bytes(payload.get(..4)?.try_into().ok()?) },
            2 => Self::Begin,
            3 => Self::Stdout(payload),
            4 => Self::Stderr(payload),
            5 => Self::Value(payload),
            6 => read_panic(&payload)?,
            7 => Self::End {
                panicked: *payload.first()? != 0,
                returned: *payload.get(1)? != 0,
                dropped: u64::from_le_bytes(payload.get(2..10)?.try_into().ok()?),
            },
            8 => {
                let number = i32::from_le_bytes(payload.get(1..5)?.try_into().ok()?);
                let exited = *payload.first()? != 0;
                Self::Died { code: exited.then_some(number), signal: (!exited).then_some(number) }
            }
            9 => Self::Sync(u64::from_le_bytes(payload.get(..8)?.try_into().ok()?)),
            _ => return None,
        })
    }
}

/// A panic as bytes, for the frame and for what the loader tells its supervisor.
pub fn panic_payload(line: u32, column: u32, file: &str, message: &str) -> Vec<u8> {
    let mut payload = line.to_le_bytes().to_vec();
    payload.extend(column.to_le_bytes());
    payload.extend(file.as_bytes().iter().take(512));
    payload.push(0);
    let room = PAYLOAD - payload.len();
    payload.extend(message.as_bytes().iter().take(room));
    payload
}

/// The other way round.
pub fn read_panic(payload: &[u8]) -> Option<Frame> {
    let line = u32::from_le_bytes(payload.get(..4)?.try_into().ok()?);
    let column = u32::from_le_bytes(payload.get(4..8)?.try_into().ok()?);
    let rest = &payload[8..];
    let end = rest.iter().position(|byte| *byte == 0)?;
    let file = String::from_utf8_lossy(&rest[..end]).into_owned();
    let message = String::from_utf8_lossy(&rest[end + 1..]).into_owned();
    Some(Frame::Panic { line, column, file, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_back_as_it_was_sent_and_fits_one_write() {
        let frames = [
            Frame::Hello { pid: 7 },
            Frame::Begin,
            Frame::Stdout(vec![0, 255, 10]),
            Frame::Stderr(b"x".to_vec()),
            Frame::Value(vec![b'v'; PAYLOAD]),
            Frame::Panic { line: 3, column: 4, file: "src/lib.rs".to_owned(), message: "boom\nmore".to_owned() },
            Frame::End { panicked: true, returned: false, dropped: 1 << 40 },
            Frame::Died { code: Some(3), signal: None },
            Frame::Died { code: None, signal: Some(11) },
            Frame::Sync(9),
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        let mut stream = &bytes[..];
        for frame in &frames {
            assert!(frame.encode().len() <= LONGEST);
            assert_eq!(&Frame::read(&mut stream).unwrap(), frame);
        }
    }

    #[test]
    fn a_panic_too_long_for_a_frame_is_cut() {
        let frame = Frame::Panic { line: 1, column: 1, file: "f".repeat(9000), message: "m".repeat(9000) };
        assert_eq!(frame.encode().len(), LONGEST);
        assert!(matches!(Frame::read(&mut &frame.encode()[..]).unwrap(), Frame::Panic { line: 1, .. }));
    }
}
