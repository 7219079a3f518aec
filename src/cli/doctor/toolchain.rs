//! What building takes: Rust, a C++ compiler, Python; and git, which sessions are traced with.

use std::process::{Command, Stdio};

use super::{Check, bytes};
use crate::telemetry::Inventory;

const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

pub(super) fn checks(inventory: &Inventory) -> Vec<Check> {
    let machine = format!(
        "{}, {}, {} on {} processors, {} of memory",
        inventory.host,
        inventory.os,
        inventory.cpu,
        inventory.cpus,
        bytes(inventory.memory_bytes)
    );
    vec![Check::ok("machine", machine), rust(), cpp(), python(), git()]
}

/// The first line that a program prints, when it runs and succeeds.
fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let command = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&command.stdout).lines().next().unwrap_or_default().trim().to_owned();
    command.status.success().then_some(text)
}

fn rust() -> Check {
    let remedy = "to build: https://rustup.rs installs it, rust-toolchain.toml picks the release";
    match (first_line("rustc", &["--version"]), first_line("cargo", &["--version"])) {
        (Some(rustc), Some(_)) if !new_enough(&rustc, RUST) => {
            Check::warning("rust", format!("{rustc}, older than {RUST}"), "to build: rustup update")
        }
        (Some(rustc), Some(cargo)) => Check::ok("rust", format!("{rustc}; {cargo}")),
        (Some(rustc), None) => Check::warning("rust", format!("{rustc}, but no cargo"), remedy),
        (None, _) => Check::warning("rust", "no rustc", remedy),
    }
}

/// Whether `rustc 1.95.0 (…)` is at least `1.95`.
fn new_enough(rustc: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').map_while(|part| part.parse().ok()).collect() };
    let have = numbers(rustc.split_whitespace().nth(1).unwrap_or_default());
    have.is_empty() || have >= numbers(least)
}

fn cpp() -> Check {
    let chosen = std::env::var("CXX").ok();
    let mut compilers = chosen.as_deref().into_iter().chain(["c++", "g++", "clang++"]);
    match compilers.find_map(|name| first_line(name, &["--version"])) {
        Some(version) => Check::ok("c++", version),
        None => Check::warning("c++", "no C++ compiler", "to build: install g++ or clang (apt install g++)"),
    }
}

fn python() -> Check {
    let Some(version) = first_line("python3", &["--version"]) else {
        return Check::warning("python", "no python3", "to fetch libtorch: install Python 3.10 or later with venv");
    };
    if first_line("python3", &["-c", "import venv, ensurepip"]).is_none() {
        return Check::warning(
            "python",
            format!("{version} without venv"),
            "to fetch libtorch: apt install python3-venv",
        );
    }
    Check::ok("python", version)
}

fn git() -> Check {
    match first_line("git", &["--version"]) {
        Some(version) => Check::ok("git", version),
        None => Check::warning("git", "no git", "sessions cannot say whether the sources had changes: install git"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_as_numbers() {
        assert!(new_enough("rustc 1.95.0 (abc 2026-01-01)", "1.95"));
        assert!(new_enough("rustc 1.100.1", "1.95"));
        assert!(!new_enough("rustc 1.9.0", "1.95"));
        assert!(new_enough("rustc from a fork", "1.95"), "an unknown form is not complained of");
    }

    #[test]
    fn a_program_that_fails_or_is_missing_has_no_version() {
        assert_eq!(first_line("sh", &["-c", "echo one; echo two"]), Some("one".to_owned()));
        assert_eq!(first_line("sh", &["-c", "echo one; exit 3"]), None);
        assert_eq!(first_line("no-such-program-here", &[]), None);
    }
}
