//! One message: a JSON line and the bytes after it. The other side may say anything.

use std::io::{self, BufRead, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Map, Value, json};

/// The version of the protocol.
const VERSION: u64 = 1;
/// Longest line of a request, in bytes.
const REQUEST_LIMIT: u64 = 64 * 1024;
/// Longest line of an answer.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Most bytes after a line.
pub(super) const BYTES_LIMIT: u64 = 256 * 1024 * 1024;
/// How long a client may take to read its answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// The fields of a line, and the bytes after it.
pub(super) type Message = (Map<String, Value>, Vec<u8>);
/// What is answered, or why not.
pub(super) type Answer = Result<Message, String>;

/// The next request and its bytes; none when the client has hung up. After an error nothing more can be understood.
pub(super) fn read(reader: &mut impl BufRead) -> Result<Option<Message>, String> {
    let broken = |error: io::Error| format!("the connection broke: {error}");
    let mut line = Vec::new();
    reader.by_ref().take(REQUEST_LIMIT + 1).read_until(b'\n', &mut line).map_err(broken)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 > REQUEST_LIMIT {
        return Err(format!("the request is longer than {REQUEST_LIMIT} bytes"));
    }
    if line.last() != Some(&b'\n') {
        return Err("the request has no end".to_owned());
    }
    let request: Map<String, Value> =
        serde_json::from_slice(&line).map_err(|error| format!("not a request: {error}"))?;
    match request.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(other) => {
            return Err(format!("the request speaks version {other} of the protocol, this notebook {VERSION}"));
        }
        None => return Err(format!("the request has no version; this notebook speaks {VERSION}")),
    }
    let count = match request.get("bytes") {
        None | Some(Value::Null) => 0,
        Some(count) => count
            .as_u64()
            .filter(|count| *count <= BYTES_LIMIT)
            .ok_or_else(|| format!("at most {BYTES_LIMIT} bytes can follow a request, not {count}"))?,
    };
    let mut bytes = Vec::new();
    // Grows with what really comes, whatever was promised.
    reader.by_ref().take(count).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() as u64 != count {
        return Err(format!("{} of {count} bytes came", bytes.len()));
    }
    Ok(Some((request, bytes)))
}

/// Send an answer.
pub(super) fn write(mut stream: &UnixStream, answer: Answer) -> io::Result<()> {
    let (line, bytes) = lines(answer);
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(line.as_bytes())?;
    stream.write_all(&bytes)
}

fn lines(answer: Answer) -> (String, Vec<u8>) {
    let refusal = |message: String| {
        (format!("{}\n", json!({ "version": VERSION, "outcome": "error", "message": message })), Vec::new())
    };
    let (fields, bytes) = match answer {
        Ok(answer) => answer,
        Err(message) => return refusal(message),
    };
    if bytes.len() as u64 > BYTES_LIMIT {
        let (size, limit) = (bytes.len() >> 20, BYTES_LIMIT >> 20);
        return refusal(format!("the answer has {size} MiB, more than {limit}: ask for fewer rows or columns"));
    }
    let mut all = Map::new();
    all.insert("version".to_owned(), VERSION.into());
    all.insert("outcome".to_owned(), "ok".into());
    all.insert("message".to_owned(), "".into());
    all.extend(fields);
    if !bytes.is_empty() {
        all.insert("bytes".to_owned(), bytes.len().into());
    }
    let line = format!("{}\n", Value::Object(all));
    if line.len() > ANSWER_LIMIT {
        return refusal(format!("the answer's line has {} bytes, more than {ANSWER_LIMIT}: ask for less", line.len()));
    }
    (line, bytes)
}

/// Say why nothing more is answered. Nobody may listen any more.
pub(super) fn refuse(stream: &UnixStream, why: &str) {
    write(stream, Err(why.to_owned())).ok();
    stream.shutdown(std::net::Shutdown::Write).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        read(&mut &*bytes).unwrap_err()
    }

    #[test]
    fn a_request_and_its_bytes_are_read_and_no_more() {
        let mut stream = &b"{\"version\":1,\"ask\":\"show\",\"bytes\":3}\nabc{\"version\":1}\n"[..];
        let (request, bytes) = read(&mut stream).unwrap().unwrap();
        assert_eq!((request["ask"].as_str(), &bytes[..]), (Some("show"), &b"abc"[..]));
        assert!(read(&mut stream).unwrap().unwrap().1.is_empty());
        assert!(read(&mut stream).unwrap().is_none());
    }

    #[test]
    fn what_is_no_request_is_refused_with_why() {
        assert!(refusal(b"{\"version\":2}\n").contains("version 2"));
        assert!(refusal(b"{}\n").contains("no version"));
        assert!(refusal(b"[1]\n").contains("not a request"));
        assert!(refusal(b"{\"version\":1}").contains("no end"));
        assert!(refusal(b"{\"version\":1,\"bytes\":5}\nabc").contains("3 of 5"));
        assert!(refusal(b"{\"version\":1,\"bytes\":268435457}\n").contains("268435456"));
        assert!(refusal(b"{\"version\":1,\"bytes\":-1}\n").contains("-1"));
        assert!(refusal(&vec![b' '; 70_000]).contains("65536"));
    }

    #[test]
    fn an_answer_that_is_too_long_becomes_an_error_that_says_so() {
        let long = Map::from_iter([("rows".to_owned(), Value::from("x".repeat(ANSWER_LIMIT)))]);
        let (line, _) = lines(Ok((long, Vec::new())));
        assert!(line.len() < 200 && line.contains("ask for less"), "{line}");
    }
}
