//! The notebook's kernel: evcxr behind JSON lines on standard input and output (protocol.rs). Alone in its process,
//! because evcxr and rust-analyzer take half a gigabyte, write to standard error, and may end their host.

mod assist;
mod events;
mod failure;
mod frame;
mod interrupt;
mod output;
mod place;
#[path = "../../protocol.rs"]
mod protocol;
mod refuse;
mod source;
mod toolchain;
mod types;
mod worker;

use crate::events::{Events, milliseconds};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::place::Place;
use crate::protocol::{Failure, FailureKind, Lost, Op, Request, Status, What};
use crate::toolchain::Toolchain;
use crate::worker::{Job, Worker};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

/// Told to the cell's supervisor: the pipe for its frames.
const EVENTS: &str = "ATELIER_CELL_EVENTS";
/// Likewise: the folder that cells run in.
const FOLDER: &str = "ATELIER_CELL_FOLDER";

fn main() -> io::Result<()> {
    let since = Instant::now();
    // Before anything else, since the kernel begins anew in it.
    let toolchain = Toolchain::find();
    let (requests, answers) = take_over_stdio()?;
    let events = Events::new(answers);
    events.status(0, Status::Starting);
    match toolchain.and_then(|toolchain| start(toolchain, &events, since)) {
        Ok((output, interrupt, jobs)) => {
            read(requests, &events, &output, &interrupt, &jobs);
            // Nobody asks any more: nothing is left behind.
            output.kill_group();
            interrupt::kill_compilers();
            std::process::exit(0);
        }
        Err(message) => die(&events, message),
    }
}

fn die(events: &Events, message: String) -> ! {
    events.send(0, What::Status { status: Status::Dead, ms: None, message: Some(message), notes: Vec::new() });
    std::process::exit(0);
}

/// Standard input and output belong to the protocol alone: whatever evcxr, cargo or a build script reads finds the end,
/// and whatever they print goes to standard error.
fn take_over_stdio() -> io::Result<(File, File)> {
    let requests = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let answers = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    Ok((File::from(requests), File::from(answers)))
}

type Started = (Output, Interrupt, Sender<Job>);

fn start(toolchain: Toolchain, events: &Events, since: Instant) -> Result<Started, String> {
    let folder = std::env::current_dir().map_err(|error| format!("the folder to work in is gone: {error}"))?;
    let cell = cell_program()?;
    let place = Place::take(&cell).map_err(|error| format!("the kernel's cache cannot be used: {error}"))?;
    // evcxr looks for its configuration here first, so that nobody else's is found.
    std::env::set_current_dir(&place.folder).map_err(|error| format!("{}: {error}", place.folder.display()))?;
    let (jobs, received) = channel();
    let interrupt = Interrupt::default();
    let revive = jobs.clone();
    let orphaned = move || {
        let _ = revive.send(Job::Revive);
    };
    let output = Output::start(&place.events, events.clone(), orphaned).map_err(|error| error.to_string())?;
    let shared = (events.clone(), output.clone(), interrupt.clone());
    let events = events.clone();
    // evcxr's one thread, which lives as long as the process: its children end with it.
    let worker = std::thread::Builder::new().name("evcxr".to_owned()).stack_size(16 << 20).spawn(move || {
        match Worker::start(&place, &toolchain, &cell, &folder, shared) {
            Ok((worker, notes)) => {
                let ms = Some(milliseconds(since));
                events.send(0, What::Status { status: Status::Ready, ms, message: None, notes });
                worker.serve(&received);
            }
            Err(message) => die(&events, message),
        }
    });
    worker.map_err(|error| error.to_string())?;
    Ok((output, interrupt, jobs))
}

/// Beside this program, or where `ATELIER_CELL` says.
fn cell_program() -> Result<PathBuf, String> {
    let named = std::env::var_os("ATELIER_CELL").map(PathBuf::from);
    let beside = || std::env::current_exe().ok()?.parent().map(|folder| folder.join("atelier-cell"));
    let program = named.or_else(beside).unwrap_or_default();
    if program.is_file() {
        return program.canonicalize().map_err(|error| error.to_string());
    }
    Err(format!(
        "`atelier-cell` is missing beside `atelier-kernel` ({}): build both by `cargo build --release -p atelier-kernel`",
        program.parent().unwrap_or(Path::new("")).display()
    ))
}

/// Reads requests to their end. Interrupts are answered here, since the worker is what they interrupt.
fn read(requests: File, events: &Events, output: &Output, interrupt: &Interrupt, jobs: &Sender<Job>) {
    for line in BufReader::new(requests).split(b'\n').map_while(Result::ok) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match serde_json::from_slice::<Request>(&line) {
            Ok(Request { id, op: Op::Interrupt }) => {
                let (events, output, interrupt) = (events.clone(), output.clone(), interrupt.clone());
                let busy = interrupt.ask();
                std::thread::spawn(move || {
                    let since = Instant::now();
                    if let Some(busy) = busy {
                        interrupt.enforce(busy, &output);
                    }
                    events.done(id, true, since, Vec::new());
                });
            }
            Ok(request) => {
                if matches!(request.op, Op::Restart) {
                    // What runs may run for ever.
                    if let Some(busy) = interrupt.ask() {
                        let (output, interrupt) = (output.clone(), interrupt.clone());
                        std::thread::spawn(move || interrupt.enforce(busy, &output));
                    }
                }
                let _ = jobs.send(Job::Request(request, interrupt.received()));
            }
            Err(error) => {
                let failure = Failure {
                    kind: FailureKind::Refused,
                    message: format!("the kernel does not understand this request: {error}"),
                    spans: Vec::new(),
                    help: None,
                    lost: Lost::Nothing,
                };
                events.failure(0, failure);
            }
        }
    }
}
