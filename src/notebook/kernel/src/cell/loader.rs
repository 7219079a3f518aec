//! Loads compiled cells and calls them. The only unsafe code outside the native shim: a cell is a shared library, and
//! calling into one is what no compiler can check. What is relied on is written at each place.
#![allow(unsafe_code)]

use crate::frame;
use libloading::{Library, Symbol};
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::{Mutex, OnceLock};

/// The argument that makes a process a loader.
pub const ROLE: &str = "--load-cells";

/// What a loader says to its supervisor: a byte, a length in four (little endian), and as many bytes.
pub mod say {
    /// A piece of the value's display.
    pub const VALUE: u8 = b'v';
    /// A panic on the cell's thread.
    pub const PANIC: u8 = b'p';
    /// The cell is over.
    pub const END: u8 = b'e';
    /// It could not be loaded, and why.
    pub const FAILED: u8 = b'x';
}

/// Where to say it, and as which process: a fork of this one must not speak for it.
static SUPERVISOR: OnceLock<(u32, Mutex<File>)> = OnceLock::new();

type Report = extern "C" fn(u8, *const u8, usize);

/// Standard input is the line to the supervisor: `library<tab>function` for each cell.
pub fn run() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let line = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10)?;
    // A cell that reads its standard input finds the end at once.
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let commands = BufReader::new(File::from(line.try_clone()?));
    let _ = SUPERVISOR.set((std::process::id(), Mutex::new(File::from(line))));

    // Variables, which cells hand on to each other. Only they know what is behind it.
    let mut variables: *mut c_void = std::ptr::null_mut();
    for command in commands.lines() {
        let command = command?;
        let Some((library, function)) = command.split_once('\t') else { continue };
        match call(library, function, variables) {
            Ok(after) => variables = after,
            Err(error) => say(say::FAILED, error.to_string().as_bytes()),
        }
        if SUPERVISOR.get().is_none_or(|(pid, _)| *pid != std::process::id()) {
            // A fork that ran to the end of the cell: its life ends here.
            std::process::exit(0);
        }
        say(say::END, &[]);
    }
    Ok(())
}

fn call(path: &str, function: &str, variables: *mut c_void) -> Result<*mut c_void, libloading::Error> {
    // SAFETY: the library was just compiled from the user's cell, and loading it runs at most initialisers that the
    // user's own dependencies have. It may do what it likes: this process holds nothing but what cells put there.
    let library = unsafe { Library::new(path) }?;
    // SAFETY: evcxr generates the function with this very signature (0.22.0, pinned): it takes the store of variables
    // that the cell before it returned, or null.
    let run: Symbol<'_, extern "C" fn(*mut c_void) -> *mut c_void> = unsafe { library.get(function.as_bytes()) }?;
    // SAFETY: both are in the kernel's prelude (prelude.rs), with these signatures; a cell without it has neither.
    let begin: Option<Symbol<'_, extern "C" fn(Report)>> = unsafe { library.get(b"atelier_cell_begin") }.ok();
    // SAFETY: as above.
    let flush: Option<Symbol<'_, extern "C" fn()>> = unsafe { library.get(b"atelier_cell_flush") }.ok();

    if let Some(begin) = begin {
        begin(report);
    }
    let variables = run(variables);
    if let Some(flush) = flush {
        flush();
    }
    // Never unloaded: threads, destructors and variables of the cell may live on in it.
    std::mem::forget(library);
    Ok(variables)
}

/// What the prelude calls to show a value or to tell of a panic.
extern "C" fn report(kind: u8, bytes: *const u8, length: usize) {
    // SAFETY: the prelude passes the pointer and the length of a slice that lives through the call.
    let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
    if matches!(kind, say::VALUE | say::PANIC) {
        say(kind, bytes);
    }
}

fn say(kind: u8, bytes: &[u8]) {
    let Some((pid, line)) = SUPERVISOR.get() else { return };
    if *pid != std::process::id() {
        return;
    }
    let bytes = &bytes[..bytes.len().min(64 * frame::LONGEST)];
    let mut message = vec![kind];
    message.extend((bytes.len() as u32).to_le_bytes());
    message.extend(bytes);
    let mut line = line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // A supervisor that is gone takes this process with it.
    let _ = line.write_all(&message);
}
