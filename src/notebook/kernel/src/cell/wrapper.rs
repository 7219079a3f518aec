//! Stands before rustc when cargo compiles a cell, and writes down with which arguments: the kernel asks rustc for the
//! types of variables with the same ones.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Beside the cell's Cargo.toml: arguments, one a line.
pub const NOTE: &str = "rustc-arguments";

/// Becomes rustc; returns only where that fails.
pub fn run(rustc: &OsStr, arguments: &[OsString]) -> io::Error {
    let is_cell = arguments.windows(2).any(|pair| pair[0] == "--crate-name" && pair[1] == "ctx");
    if let (true, Some(folder)) = (is_cell, std::env::var_os("CARGO_MANIFEST_DIR")) {
        let lines: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
        // A build must not fail for want of a note: without it, types have to be written out.
        let _ = std::fs::write(Path::new(&folder).join(NOTE), lines.join("\n"));
    }
    Command::new(rustc).args(arguments).exec()
}
