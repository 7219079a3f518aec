//! The `atelier` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    atelier::cli::main()
}
