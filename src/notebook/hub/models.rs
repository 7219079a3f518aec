//! Processes that have a checkpoint loaded, for sessions that no training runs: `atelier-train probe-server`. Started
//! when a cell asks, kept until the hub ends or a newer checkpoint is there.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::session::{Folder, Lock, checkpoints};

/// How long a process may take to load a checkpoint: gigabytes from a slow disk.
const PATIENCE: Duration = Duration::from_mins(5);
/// Time between looks at a process that loads.
const LOOK: Duration = Duration::from_millis(20);
/// How much of what a process said is repeated when it fails, in bytes.
const REPEATED: usize = 4096;

/// A model that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// Where.
    pub socket: String,
    /// `live` or `checkpoint`.
    pub source: &'static str,
    /// The checkpoint's step; none of a running training, which goes on.
    pub step: Option<i64>,
}

/// The processes, by session.
#[derive(Debug)]
pub(super) struct Models {
    program: PathBuf,
    folder: PathBuf,
    next: AtomicU64,
    ended: AtomicBool,
    /// One lock a session, so that one that loads for long stands in no other's way.
    servers: Mutex<HashMap<String, Arc<Mutex<Option<Server>>>>>,
}

#[derive(Debug)]
struct Server {
    child: Child,
    socket: PathBuf,
    step: i64,
    said: Said,
}

impl Models {
    /// Processes of `program` with their sockets in `folder`.
    pub fn new(program: PathBuf, folder: PathBuf) -> Self {
        Self { program, folder, next: AtomicU64::new(1), ended: AtomicBool::new(false), servers: Mutex::default() }
    }

    /// The model of the session in `folder`: of its training if that runs, else of its newest checkpoint.
    pub fn of(&self, folder: &Folder) -> Result<Model, String> {
        if Lock::is_held(folder).unwrap_or(false) && folder.control_socket().exists() {
            let socket = folder.control_socket().display().to_string();
            return Ok(Model { socket, source: "live", step: None });
        }
        let newest = checkpoints::at(folder, None).map_err(|error| error.to_string())?;
        let slot = Arc::clone(self.servers().entry(folder.id()).or_default());
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = slot.as_mut().is_some_and(|server| server.step == newest.step && server.lives());
        if !usable {
            // The old one first: two models at once may be more than the memory holds.
            *slot = None;
            *slot = Some(self.start(folder, newest.step)?);
        }
        let server = slot.as_ref().ok_or("the process is gone")?;
        Ok(Model { socket: server.socket.display().to_string(), source: "checkpoint", step: Some(server.step) })
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Mutex<Option<Server>>>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, folder: &Folder, step: i64) -> Result<Server, String> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let socket = self.folder.join(format!("model-{number}.sock"));
        let program = self.program.display();
        // A path means the same session whatever directory holds the others.
        let path = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
        let mut command = Command::new(&self.program);
        command.arg("probe-server").arg(path).arg("--socket").arg(&socket);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            format!("cannot start {program}, which loads checkpoints: {error} (`just install` makes it)")
        })?;
        let said = Said::of(child.stderr.take());
        let mut server = Server { child, socket, step, said };
        let begin = Instant::now();
        loop {
            if UnixStream::connect(&server.socket).is_ok() {
                return Ok(server);
            }
            if let Some(status) =
                server.child.try_wait().map_err(|error| format!("cannot wait for {program}: {error}"))?
            {
                let said = server.said.all();
                let said = if said.is_empty() { "it did not say why".to_owned() } else { said };
                return Err(format!("the checkpoint of step {step} cannot be loaded ({program}, {status}): {said}"));
            }
            if self.ended.load(Ordering::SeqCst) {
                return Err("the notebook is closed".to_owned());
            }
            if begin.elapsed() > PATIENCE {
                return Err(format!(
                    "{program} has not loaded the checkpoint of step {step} in {} s",
                    PATIENCE.as_secs()
                ));
            }
            thread::sleep(LOOK);
        }
    }

    /// End all processes, those that still load too.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let slots: Vec<_> = self.servers().drain().map(|(_, slot)| slot).collect();
        for slot in slots {
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl Server {
    fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && self.socket.exists()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its input does; killed as well, because it may be deep in a computation.
        drop(self.child.stdin.take());
        self.child.kill().ok();
        self.child.wait().ok();
        remove(&self.socket);
    }
}

fn remove(socket: &Path) {
    std::fs::remove_file(socket).ok();
}

/// The end of what a process said, read as it comes so that it never waits for a full pipe.
#[derive(Debug)]
struct Said {
    thread: Option<JoinHandle<Vec<u8>>>,
}

impl Said {
    fn of(stderr: Option<impl Read + Send + 'static>) -> Self {
        let read = move || stderr.map(last).unwrap_or_default();
        Self { thread: thread::Builder::new().name("hub-model".to_owned()).spawn(read).ok() }
    }

    /// All of it, once the process has ended.
    fn all(&mut self) -> String {
        let bytes = self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

fn last(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return kept,
            Ok(count) => {
                kept.extend(&piece[..count]);
                let over = kept.len().saturating_sub(REPEATED);
                kept.drain(..over);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return kept,
        }
    }
}
