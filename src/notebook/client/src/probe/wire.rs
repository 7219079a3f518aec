//! How a message travels, in both directions: a JSON line, and as many raw bytes as its field `bytes` says.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::json::Json;
use super::problem::Problem;

/// The version of the protocol.
pub(crate) const VERSION: i64 = 1;
/// Longest line of a request, in bytes.
pub(crate) const REQUEST_LIMIT: usize = 64 * 1024;
/// Longest line of an answer.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// Most raw bytes that follow a line.
pub(crate) const BYTES_LIMIT: u64 = 256 * 1024 * 1024;
/// `sun_path` holds 108 bytes, the last of which ends the path.
const PATH_LIMIT: usize = 107;

/// Why there was no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody listens there.
    Absent(Problem),
    /// The other side, or what it says, is the problem.
    Refused(Problem),
}

impl Failure {
    pub fn problem(self) -> Problem {
        match self {
            Self::Absent(problem) | Self::Refused(problem) => problem,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// An answer: its line, and the bytes after it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub line: Json,
    pub bytes: Vec<u8>,
}

/// Ask the socket at `path` one thing and wait at most `patience` for each piece of the answer. `fields` is an object;
/// the version and the length of `bytes` are added.
pub(crate) fn ask(path: &Path, fields: Json, bytes: &[u8], patience: Duration) -> Result<Answer, Failure> {
    let mut stream = connect(path)?;
    let timed = |error: io::Error| Problem::new(format!("cannot use {}: {error}", path.display()));
    stream.set_read_timeout(Some(patience)).map_err(timed)?;
    stream.set_write_timeout(Some(patience)).map_err(timed)?;
    send(&mut stream, fields, bytes)?;
    let answer = receive(&mut BufReader::new(stream))?;
    match answer.line.get("outcome").as_str() {
        Some("ok") => Ok(answer),
        Some("error") => {
            let message = answer.line.get("message").as_str().unwrap_or("it does not say why");
            Err(Problem::new(message).into())
        }
        _ => Err(garbled("it has no outcome").into()),
    }
}

fn garbled(problem: &str) -> Problem {
    Problem::new(format!("the answer makes no sense ({problem}): the other side may run another version of Atelier"))
}

fn send(stream: &mut UnixStream, fields: Json, bytes: &[u8]) -> Result<(), Problem> {
    if bytes.len() as u64 > BYTES_LIMIT {
        let (size, limit) = (bytes.len() >> 20, BYTES_LIMIT >> 20);
        return Err(Problem::new(format!("{size} MiB are more than the {limit} MiB that can be sent: send a part")));
    }
    let mut all = vec![("version".to_owned(), Json::Whole(VERSION))];
    if let Json::Object(fields) = fields {
        all.extend(fields);
    }
    if !bytes.is_empty() {
        all.push(("bytes".to_owned(), Json::Whole(bytes.len() as i64)));
    }
    let line = format!("{}\n", Json::Object(all));
    if line.len() > REQUEST_LIMIT {
        let limit = REQUEST_LIMIT >> 10;
        return Err(Problem::new(format!("the question is longer than {limit} KiB: ask in several")));
    }
    // Whoever refuses a request may close before all of it is written: then the answer says why.
    match stream.write_all(line.as_bytes()).and_then(|()| stream.write_all(bytes)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::new(format!("cannot send the question: {error}")))
        }
        _ => Ok(()),
    }
}

/// One message. Every length is bounded before anything is kept for it.
pub(crate) fn receive(reader: &mut impl BufRead) -> Result<Answer, Problem> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Problem::new(
            "no answer in time: what was asked may still take effect at the end of a long step; ask again later, or \
             with more patience",
        ),
        _ => Problem::new(format!("the connection broke: {error}")),
    };
    let mut line = Vec::new();
    reader.by_ref().take(ANSWER_LIMIT as u64 + 1).read_until(b'\n', &mut line).map_err(failed)?;
    if line.len() > ANSWER_LIMIT {
        return Err(garbled("its first line is too long"));
    }
    if line.last() != Some(&b'\n') {
        return Err(Problem::new("the other side ended before it answered"));
    }
    let line = Json::parse(&line).map_err(|problem| garbled(&problem.to_string()))?;
    let count = match line.get("bytes") {
        Json::Null => 0,
        count => count.as_u64().filter(|count| *count <= BYTES_LIMIT).ok_or_else(|| garbled("too many bytes"))?,
    };
    let mut bytes = Vec::new();
    // Grows with what really comes, whatever was promised.
    reader.by_ref().take(count).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 != count {
        return Err(Problem::new(format!("the other side ended after {} of {count} bytes", bytes.len())));
    }
    Ok(Answer { line, bytes })
}

fn connect(path: &Path) -> Result<UnixStream, Failure> {
    let absent = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Failure::Absent(Problem::new(format!("nobody listens on {}", path.display())))
        }
        _ => Failure::Refused(Problem::new(format!("cannot reach {}: {error}", path.display()))),
    };
    let socket = fs::metadata(path).map_err(|error| absent(&error))?;
    let own = fs::metadata("/proc/self").map(|process| process.uid());
    if !socket.file_type().is_socket() || own.is_ok_and(|own| own != socket.uid()) {
        let what = format!("{} is no socket of yours: nothing is sent there", path.display());
        return Err(Failure::Refused(Problem::new(what)));
    }
    let (address, _held) = address(path).map_err(|error| absent(&error))?;
    UnixStream::connect(address).map_err(|error| absent(&error))
}

/// A path short enough for the system, through its folder's descriptor where it is too long, and that descriptor.
fn address(path: &Path) -> io::Result<(PathBuf, Option<File>)> {
    if path.as_os_str().len() <= PATH_LIMIT {
        return Ok((path.to_owned(), None));
    }
    let folder = File::open(path.parent().unwrap_or(Path::new("/")))?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string());
    Ok((short.join(path.file_name().unwrap_or_default()), Some(folder)))
}

/// The numbers in `bytes`, four little-endian bytes each; what is left over is dropped.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
}

/// The other way round.
pub(crate) fn float_bytes(floats: &[f32]) -> Vec<u8> {
    floats.iter().flat_map(|float| float.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests;
