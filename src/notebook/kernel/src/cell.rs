//! `atelier-cell`: what the notebook's cells are loaded into. Three roles: the supervisor, which evcxr talks to; the
//! loader below it, which alone runs the user's code; and a wrapper around rustc that notes how a cell is compiled.
//! Two processes, so that nothing that user code does to its own (closes or hands on its pipes, forks, exits, overflows
//! its stack) is ever seen by evcxr as anything but an end.

#[path = "frame.rs"]
#[allow(dead_code, reason = "frames are written here and read by the kernel")]
mod frame;
#[path = "cell/loader.rs"]
mod loader;
#[path = "cell/markers.rs"]
mod markers;
#[path = "cell/supervisor.rs"]
mod supervisor;
#[path = "cell/wrapper.rs"]
mod wrapper;

use std::io::Write as _;
use std::process::ExitCode;

/// What the kernel tells a supervisor by its environment: the pipe that frames go into.
pub const EVENTS: &str = "ATELIER_CELL_EVENTS";
/// Likewise: the folder that cells run in.
pub const FOLDER: &str = "ATELIER_CELL_FOLDER";
/// Set by evcxr for the process that it sends cells to.
const EVCXR_RUNTIME: &str = "EVCXR_IS_RUNTIME";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = if arguments.first().is_some_and(|first| first == loader::ROLE) {
        loader::run()
    } else if std::env::var_os(EVCXR_RUNTIME).is_some() {
        supervisor::run()
    } else if let Some((rustc, rest)) = arguments.split_first() {
        Err(wrapper::run(rustc, rest))
    } else {
        Err(std::io::Error::other("it is started by atelier-kernel, and does nothing alone"))
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "atelier-cell: {error}");
            ExitCode::FAILURE
        }
    }
}
