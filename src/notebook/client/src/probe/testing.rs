//! What tests need: a folder, the other end of a socket, numbers that look random.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::json::Json;

/// A folder that goes when this does.
pub(crate) struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("atelier-probe-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Answer every connection to `path` with what `answer` makes of its one request, until the tests end.
pub(crate) fn serve(path: &Path, answer: impl Fn(&Json, &[u8]) -> Vec<u8> + Send + 'static) {
    serve_raw(path, move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        let request = Json::parse(&line).unwrap();
        assert_eq!(request.get("version").as_i64(), Some(1));
        let mut bytes = vec![0; request.get("bytes").as_u64().unwrap_or(0) as usize];
        reader.read_exact(&mut bytes).unwrap();
        // A client that does not like the beginning of an answer hangs up.
        stream.write_all(&answer(&request, &bytes)).ok();
    });
}

/// The same with the bare connection.
pub(crate) fn serve_raw(path: &Path, answer: impl Fn(UnixStream) + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap())));
}

/// An answer that says yes, with these fields and bytes.
pub(crate) fn yes(fields: &str, bytes: &[u8]) -> Vec<u8> {
    let comma = if fields.is_empty() { "" } else { "," };
    let count = if bytes.is_empty() { String::new() } else { format!(",\"bytes\":{}", bytes.len()) };
    let mut answer =
        format!("{{\"version\":1,\"outcome\":\"ok\",\"message\":\"\"{comma}{fields}{count}}}\n").into_bytes();
    answer.extend(bytes);
    answer
}

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit.max(1)
    }

    /// `bytes` with a few changed, cut out, doubled or added.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = self.next() as u8,
                1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, b"0123456789\"{}[],:-en"[self.below(20)]),
                _ => {
                    let piece = bytes[at..].iter().take(8).copied().collect::<Vec<_>>();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes
    }
}

/// The message of the panic that `what` ends with.
pub(crate) fn message(what: impl FnOnce()) -> String {
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what)).unwrap_err();
    told.downcast_ref::<String>().unwrap().clone()
}
