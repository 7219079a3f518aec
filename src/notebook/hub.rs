//! The hub: what cells ask for everything that is not in their own process, over a Unix socket.
//!
//! It lives in the process of the notebook's pane, answers questions about sessions from the store, starts a process
//! that loads a checkpoint where no training runs, and passes on what cells show. A message is a JSON line, and as many
//! raw bytes as its field `bytes` says. Every request has `"version": 1` and one `ask`:
//!
//! | ask | fields | answer |
//! |---|---|---|
//! | `hello` | | `session` (id or null), `root` |
//! | `sessions` | | `rows` |
//! | `run` | `name`: id, a part of id or name, `latest` | `row` |
//! | `sql` | `query`, `session` (id or null) | `rows`, `columns`, `warnings`; bytes: the columns |
//! | `model` | `session` | `socket`, `source`, `step` |
//! | `show` | `mime`, `label`; bytes | |
//!
//! Who connects must be the same user; every length is bounded; what is not understood is answered with why.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Sender;
use serde_json::{Map, Value};

mod answers;
mod columns;
mod message;
mod models;
mod place;

use answers::Hall;
use models::Models;
use place::Place;

/// Connections at a time: a cell has one for as long as it asks.
const CONNECTIONS: usize = 64;

/// How long to wait after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(20);

/// Media types that cells can show.
pub const MIMES: [&str; 5] =
    ["text/plain", "text/x-table", "image/png", "application/x-atelier-image", "application/x-atelier-plot"];

/// Something that a cell shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show {
    /// One of [`MIMES`].
    pub mime: String,
    /// A few words about it; may be empty.
    pub label: String,
    /// It.
    pub bytes: Vec<u8>,
}

/// What a hub knows.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the sessions are.
    pub root: PathBuf,
    /// The session that the notebook was opened for.
    pub session: Option<String>,
    /// The program that loads checkpoints: `atelier-train`.
    pub trainer: PathBuf,
}

/// A hub that listens. Dropping it ends its connections and what it started, and removes its socket.
#[derive(Debug)]
pub struct Hub {
    place: Place,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// What the threads of the connections share.
#[derive(Debug)]
struct Shared {
    hall: Hall,
    stop: AtomicBool,
    /// A second handle of each connection, by which it is ended.
    open: Mutex<HashMap<u64, UnixStream>>,
}

impl Hub {
    /// Listen in a private folder. What cells show goes into `shows`; while nobody takes it, the cell waits.
    ///
    /// # Errors
    /// No folder for the socket can be made, or the socket cannot be.
    pub fn start(options: Options, shows: Sender<Show>) -> io::Result<Self> {
        let place = Place::make()?;
        let socket = place.socket();
        let listener = UnixListener::bind(&socket)?;
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o600))?;
        let models = Models::new(options.trainer.clone(), place.folder().to_owned());
        let hall = Hall { options, shows, models, tables: Mutex::default() };
        let shared = Arc::new(Shared { hall, stop: AtomicBool::new(false), open: Mutex::default() });
        let own = Arc::clone(&shared);
        let listening = thread::Builder::new().name("hub".to_owned()).spawn(move || listen(&listener, &own))?;
        Ok(Self { place, shared, listening: Some(listening) })
    }

    /// Where it listens: what cells have in `ATELIER_HUB`.
    pub fn socket(&self) -> PathBuf {
        self.place.socket()
    }

    /// The folder that the socket is in, nobody else's.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Whatever a thread waits for ends: a read by the shutdown, a model that loads by its process' end, the
        // listening one by a connection.
        for stream in self.shared.open().values() {
            stream.shutdown(Shutdown::Both).ok();
        }
        self.shared.hall.models.end();
        if UnixStream::connect(self.socket()).is_ok()
            && let Some(listening) = self.listening.take()
        {
            listening.join().ok();
        }
    }
}

impl Shared {
    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<u64, UnixStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(listener: &UnixListener, shared: &Arc<Shared>) {
    for (number, stream) in (0_u64..).zip(listener.incoming()) {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // It failed before it was taken, which is the client's to notice; or there are no descriptors left, and some
            // must be given back first.
            thread::sleep(PAUSE);
            continue;
        };
        if let Err(refusal) = admit(&stream, shared.open().len()) {
            message::refuse(&stream, &refusal);
            continue;
        }
        let Ok(second) = stream.try_clone() else { continue };
        shared.open().insert(number, second);
        let own = Arc::clone(shared);
        let spawned = thread::Builder::new().name("hub-client".to_owned()).spawn(move || {
            converse(&stream, &own.hall);
            own.open().remove(&number);
        });
        if spawned.is_err() {
            shared.open().remove(&number);
        }
    }
}

/// Whether a connection is to be served; if not, why.
fn admit(stream: &UnixStream, open: usize) -> Result<(), String> {
    let peer =
        rustix::net::sockopt::socket_peercred(stream).map_err(|error| format!("who asks is unknown: {error}"))?;
    if peer.uid != rustix::process::geteuid() {
        return Err("the notebook belongs to another user".to_owned());
    }
    if open >= CONNECTIONS {
        return Err(format!("{open} connections are open already: close some"));
    }
    Ok(())
}

/// Answer one client until it hangs up, or says something after which nothing can be understood.
fn converse(stream: &UnixStream, hall: &Hall) {
    let mut reader = io::BufReader::new(stream);
    loop {
        let answer = match message::read(&mut reader) {
            Ok(Some((request, bytes))) => answered(hall, &request, bytes),
            Ok(None) => return,
            Err(refusal) => {
                message::refuse(stream, &refusal);
                return;
            }
        };
        if message::write(stream, answer).is_err() {
            return;
        }
    }
}

/// The answer. What an engine of queries gives up over is an error of that question alone.
fn answered(hall: &Hall, request: &Map<String, Value>, bytes: Vec<u8>) -> message::Answer {
    panic::catch_unwind(AssertUnwindSafe(|| hall.answer(request, bytes)))
        .unwrap_or_else(|_| Err("the question made the notebook fail: ask it in another way".to_owned()))
}

#[cfg(test)]
mod tests;
