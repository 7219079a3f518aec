//! `atelier` with libtorch: what the program of that name becomes where it trains (see `cli::beside`).

use std::process::ExitCode;

fn main() -> ExitCode {
    atelier::cli::main()
}
