//! Pinned weights from the network: fetched once, verified by checksum, kept in the user's cache.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

/// Set to anything but 0, this forbids every download: weights then come from a path or the cache.
pub const OFFLINE: &str = "ATELIER_OFFLINE";

/// A file on the network that never changes.
#[derive(Debug, Clone, Copy)]
pub struct Pinned {
    /// What it is called in the cache.
    pub name: &'static str,
    /// Where it is.
    pub url: &'static str,
    /// How its SHA-256 begins, in hexadecimal.
    pub sha256: &'static str,
}

/// Why weights could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The file system refused.
    #[error("{}: {cause}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Downloads are forbidden.
    #[error("{name} is not in the cache and {OFFLINE} forbids the download; put {url} into {}", .folder.display())]
    Offline {
        /// The file.
        name: &'static str,
        /// Where it could be had.
        url: String,
        /// Where it is looked for.
        folder: PathBuf,
    },
    /// The network failed. What came so far is kept, and the next try goes on from there.
    #[error("{url}: {cause}; fetch it on another machine and put it into {}", .folder.display())]
    Network {
        /// What was asked for.
        url: String,
        /// What went wrong.
        cause: String,
        /// Where it is looked for.
        folder: PathBuf,
    },
    /// Something else came than was asked for.
    #[error("{url}: SHA-256 {have} does not begin with {want}: not the pinned file, so it was thrown away")]
    Checksum {
        /// What was asked for.
        url: String,
        /// What came.
        have: String,
        /// What was expected.
        want: &'static str,
    },
    /// A file in the cache that bears the name of a published one and is another.
    #[error("{path}: SHA-256 {have} does not begin with {want}: not the published file; remove it, or give its path")]
    NotPinned {
        /// The file.
        path: String,
        /// What it is.
        have: String,
        /// What was expected.
        want: &'static str,
    },
    /// There is no home folder to keep it in.
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no cache for weights; give their path in the config")]
    NoCache,
}

/// Where weights are kept: `~/.cache/atelier/weights`, or under `XDG_CACHE_HOME`.
pub fn cache() -> Result<PathBuf, FetchError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache"))).ok_or(FetchError::NoCache)?;
    Ok(root.join("atelier/weights"))
}

/// Whether downloads are forbidden.
pub fn is_offline() -> bool {
    std::env::var_os(OFFLINE).is_some_and(|value| !value.is_empty() && value != "0")
}

/// The pinned file in `folder`, fetched when it is not there. A download that broke off goes on where it stopped; of
/// two processes one fetches and the other waits. `progress` hears (bytes so far, bytes in all when known).
pub fn fetch(
    pinned: &Pinned,
    folder: &Path,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<PathBuf, FetchError> {
    let path = folder.join(pinned.name);
    if path.is_file() {
        return Ok(path);
    }
    if is_offline() {
        let url = pinned.url.to_owned();
        return Err(FetchError::Offline { name: pinned.name, url, folder: folder.to_owned() });
    }
    let partial = folder.join(format!("{}.part", pinned.name));
    let io = |cause| FetchError::Io { path: partial.clone(), cause };
    fs::create_dir_all(folder).map_err(|cause| FetchError::Io { path: folder.to_owned(), cause })?;
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(&partial).map_err(io)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
    if path.is_file() {
        return Ok(path); // the process that we waited for fetched it
    }
    let network = |cause: String| FetchError::Network { url: pinned.url.to_owned(), cause, folder: folder.to_owned() };
    download(pinned.url, &mut file, &mut progress).map_err(|failure| match failure {
        Failure::Network(cause) => network(cause),
        Failure::Io(cause) => io(cause),
    })?;
    let have = sha256(&mut file).map_err(io)?;
    if !have.starts_with(pinned.sha256) {
        fs::remove_file(&partial).map_err(io)?;
        return Err(FetchError::Checksum { url: pinned.url.to_owned(), have, want: pinned.sha256 });
    }
    file.sync_all().map_err(io)?;
    fs::rename(&partial, &path).map_err(io)?;
    Ok(path)
}

enum Failure {
    Network(String),
    Io(io::Error),
}

fn download(url: &str, file: &mut File, progress: &mut impl FnMut(u64, Option<u64>)) -> Result<(), Failure> {
    let network = |error: ureq::Error| Failure::Network(error.to_string());
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_recv_body(Some(Duration::from_hours(2)))
        .build()
        .into();
    let mut have = file.metadata().map_err(Failure::Io)?.len();
    let request = agent.get(url);
    let request = if have > 0 { request.header("Range", format!("bytes={have}-")) } else { request };
    let response = match request.call() {
        Err(ureq::Error::StatusCode(416)) => return Ok(()), // all of it is there; the checksum decides
        other => other.map_err(network)?,
    };
    if response.status().as_u16() != 206 && have > 0 {
        file.set_len(0).map_err(Failure::Io)?; // the server starts anew, so do we
        have = 0;
    }
    let length = response.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let total = length.map(|length| have + length);
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = body.read(&mut buffer).map_err(|error| Failure::Network(error.to_string()))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count]).map_err(Failure::Io)?;
        have += count as u64;
        progress(have, total);
    }
    match total {
        Some(total) if have < total => Err(Failure::Network(format!("broke off after {have} of {total} bytes"))),
        _ => Ok(()),
    }
}

/// The SHA-256 of a whole file, in hexadecimal.
pub(super) fn sha256(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    let hex = |mut text: String, byte: &u8| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    };
    Ok(hash.finalize().iter().fold(String::new(), hex))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    /// A server on this machine that answers each request with the next of `answers` (head, body) and returns the
    /// requests' range headers.
    fn serve(answers: Vec<(&'static str, Vec<u8>)>) -> (&'static str, JoinHandle<Vec<Option<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let thread = thread::spawn(move || {
            answers
                .into_iter()
                .map(|(head, body)| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut range = None;
                    for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: ") {
                            range = Some(value.to_owned());
                        }
                        if line.is_empty() {
                            break;
                        }
                    }
                    stream.write_all(head.as_bytes()).unwrap();
                    stream.write_all(&body).unwrap();
                    range
                })
                .collect()
        });
        (Box::leak(url.into_boxed_str()), thread)
    }

    const BODY: &[u8] = b"hello world";
    /// sha256("hello world") begins with b94d27b9.
    fn pinned(url: &'static str, sha256: &'static str) -> Pinned {
        Pinned { name: "w.pth", url, sha256 }
    }

    #[test]
    fn a_broken_download_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let (url, server) = serve(vec![
            ("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n", BODY[..5].to_vec()),
            ("HTTP/1.1 206 Partial Content\r\nContent-Length: 6\r\nConnection: close\r\n\r\n", BODY[5..].to_vec()),
        ]);
        let pinned = pinned(url, "b94d27b9");
        let error = fetch(&pinned, folder.path(), |_, _| {}).unwrap_err();
        assert!(matches!(error, FetchError::Network { .. }), "{error}");
        let mut last = (0, None);
        let path = fetch(&pinned, folder.path(), |have, all| last = (have, all)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), BODY);
        assert_eq!(last, (11, Some(11)));
        assert_eq!(server.join().unwrap(), [None, Some("bytes=5-".to_owned())]);
        // Now it is there, and no server is needed.
        assert_eq!(fetch(&pinned, folder.path(), |_, _| {}).unwrap(), path);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_server_without_ranges_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("w.pth.part"), b"hellX").unwrap();
        let (url, server) =
            serve(vec![("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n", BODY.to_vec())]);
        let path = fetch(&pinned(url, "b94d27b9"), folder.path(), |_, _| {}).unwrap();
        assert_eq!(fs::read(path).unwrap(), BODY);
        server.join().unwrap();
    }

    #[test]
    fn another_file_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let (url, server) =
            serve(vec![("HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\n", BODY.to_vec())]);
        let error = fetch(&pinned(url, "dcbb9e9d"), folder.path(), |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("b94d27b9") && error.contains("dcbb9e9d"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        server.join().unwrap();
    }

    #[test]
    fn an_absent_server_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: &'static str = Box::leak(format!("http://{}/f", listener.local_addr().unwrap()).into_boxed_str());
        drop(listener);
        let error = fetch(&pinned(url, "b94d27b9"), folder.path(), |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(url) && error.contains("put it into"), "{error}");
    }
}
