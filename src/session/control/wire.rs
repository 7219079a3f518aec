//! Messages on the socket: a line of JSON, and where it has `"bytes": N`, N raw bytes after its end. Everything has a
//! limit, and nothing is reserved on the word of whoever sends.

use std::io::{self, BufRead, Read};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{LINE_LIMIT, Request, Response, VERSION};

/// Most bytes that follow a line.
pub const PAYLOAD_LIMIT: u64 = 256 << 20;
/// Longest line of an answer, in bytes.
pub const ANSWER_LIMIT: usize = 4 << 20;

/// A request with what came after its line.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What is asked.
    pub request: Request,
    /// What it brings.
    pub payload: Vec<u8>,
}

/// What came instead of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    /// What to answer.
    pub problem: String,
    /// Whether it cannot be told where the next message begins.
    pub lost: bool,
}

/// The next message of a client; none at the end.
///
/// # Errors
/// The socket's.
pub fn read_message(reader: &mut impl BufRead) -> io::Result<Option<Result<Message, Garbage>>> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        bytes: Option<u64>,
    }
    let mut line = Vec::new();
    if reader.by_ref().take(LINE_LIMIT as u64).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let garbage = |problem: String, lost: bool| Ok(Some(Err(Garbage { problem, lost })));
    if line.len() >= LINE_LIMIT && line.last() != Some(&b'\n') {
        return garbage(format!("not a request: a line of more than {LINE_LIMIT} bytes"), true);
    }
    let Ok(text) = std::str::from_utf8(&line) else {
        return garbage("not a request: the line is no UTF-8".to_owned(), false);
    };
    // What is no JSON at all announces no bytes either.
    let head: Head = match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) => return garbage(format!("not a request: {error}"), false),
        Ok(value) if value.get("bytes").is_none() => Head { bytes: None },
        Ok(value) => match serde_json::from_value(value) {
            Ok(head) => head,
            Err(error) => return garbage(format!("not a request: `bytes`: {error}"), true),
        },
    };
    let bytes = head.bytes.unwrap_or_default();
    if bytes > PAYLOAD_LIMIT {
        return garbage(format!("{bytes} bytes after a request, and {PAYLOAD_LIMIT} are the most"), true);
    }
    let parsed = Request::parse(text).and_then(|request| match request.payload() {
        wanted if wanted == bytes => Ok(request),
        wanted => Err(format!("the request takes {wanted} bytes after its line, and {bytes} were announced")),
    });
    let mut rest = reader.by_ref().take(bytes);
    match parsed {
        Ok(request) => {
            let mut payload = Vec::new();
            if rest.read_to_end(&mut payload)? as u64 != bytes {
                return Ok(None);
            }
            Ok(Some(Ok(Message { request, payload })))
        }
        Err(problem) => {
            io::copy(&mut rest, &mut io::sink())?;
            garbage(problem, false)
        }
    }
}

/// Where an answer's values are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The process that trains.
    Live,
    /// The session's newest checkpoint.
    Checkpoint,
}

/// What every answer says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// The session's id.
    pub session: String,
    /// Where its values are from.
    pub source: Source,
    /// How old they are.
    pub age_ms: u64,
}

impl Stamp {
    /// Of values as they were at `time`.
    pub fn of(session: &str, source: Source, time: Timestamp) -> Self {
        let age = Timestamp::now().duration_since(time).as_millis();
        Self { session: session.to_owned(), source, age_ms: u64::try_from(age).unwrap_or_default() }
    }
}

/// The line of an answer with `result`, after which `bytes` bytes will follow. One that would be too long becomes an
/// error that says what to do; then nothing may follow, which the flag tells.
pub fn answer_line(
    response: &Response,
    stamp: &Stamp,
    result: Option<&serde_json::Value>,
    bytes: u64,
) -> (String, bool) {
    #[derive(Serialize)]
    struct Answer<'a> {
        version: u32,
        #[serde(flatten)]
        response: &'a Response,
        #[serde(flatten)]
        stamp: &'a Stamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<&'a serde_json::Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
    }
    let line = |response: &Response, result, bytes: u64| {
        let bytes = (bytes > 0).then_some(bytes);
        let answer = Answer { version: VERSION, response, stamp, result, bytes };
        // Strings, numbers and times always are JSON.
        let mut line = serde_json::to_string(&answer).unwrap_or_default();
        line.push('\n');
        line
    };
    let refuse = |problem: String| (line(&Response::error(problem), None, 0), false);
    if bytes > PAYLOAD_LIMIT {
        return refuse(format!(
            "the answer has {} MiB, and {} are the most: ask for less of it",
            bytes >> 20,
            PAYLOAD_LIMIT >> 20
        ));
    }
    let whole = line(response, result, bytes);
    if whole.len() > ANSWER_LIMIT {
        return refuse(format!(
            "the answer's line would have {} bytes, and {ANSWER_LIMIT} are the most: ask by a narrower glob",
            whole.len()
        ));
    }
    (whole, true)
}
