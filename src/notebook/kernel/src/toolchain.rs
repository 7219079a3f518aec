//! The Rust on this machine, which compiles the cells.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

/// Told to the kernel that this one becomes when it adds cargo's own folder to the path.
const ADDED: &str = "ATELIER_KERNEL_PATH_ADDED";
/// The oldest that compiles what evcxr writes around a cell (let chains, edition 2024).
const OLDEST: (u32, u32) = (1, 88);
const QUERIES: &str = "Questions in SQL (a line that starts with ? or select) need no Rust and still work.";

/// What is there.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// rustc itself, not what rustup puts before it.
    pub rustc: PathBuf,
    /// Whether rust-analyzer finds the standard library's sources.
    pub has_std_sources: bool,
}

impl Toolchain {
    /// Finds it, or says in full why no cell can run.
    pub fn find() -> Result<Self, String> {
        let (rustc, cargo) = (ask("rustc", &["-vV"]), ask("cargo", &["-V"]));
        let (rustc, missing) = match (rustc, cargo) {
            (Ok(rustc), Ok(_)) => (rustc, None),
            (Err(error), _) => (String::new(), Some(("rustc", error))),
            (_, Err(error)) => (String::new(), Some(("cargo", error))),
        };
        if let Some((tool, error)) = missing {
            let again = add_to_path();
            let why = if error.kind() == io::ErrorKind::NotFound {
                "not on the PATH, nor in ~/.cargo/bin".to_owned()
            } else {
                error.to_string()
            };
            let hint = again.map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(format!(
                "Cells need Rust, and `{tool}` cannot be run: {why}{hint}. Install Rust (rustup.rs) and restart the kernel. {QUERIES}"
            ));
        }
        check_version(&rustc)?;
        let sysroot = ask("rustc", &["--print", "sysroot"])
            .map_err(|error| format!("`rustc --print sysroot` failed: {error}. {QUERIES}"))?;
        let sysroot = PathBuf::from(sysroot.trim());
        let direct = sysroot.join("bin/rustc");
        let rustc = if direct.is_file() { direct } else { PathBuf::from("rustc") };
        let has_std_sources = sysroot.join("lib/rustlib/src/rust/library/std/src/lib.rs").is_file();
        Ok(Self { rustc, has_std_sources })
    }
}

/// Words for an error of evcxr's constructor.
pub fn explain_start(error: &str) -> String {
    if error.contains("No libstd found") {
        return format!(
            "The Rust here has no shared standard library (libstd-*.so), which cells are linked with; some distributions leave it out. Install Rust by rustup. {QUERIES}"
        );
    }
    if error.contains("linker") && error.contains("not found") {
        return format!("Cells are linked by `cc`, which is missing: install a C compiler (gcc or clang). {QUERIES}");
    }
    format!("The first cell could not be compiled: {error}. {QUERIES}")
}

fn check_version(version: &str) -> Result<(), String> {
    let release = version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or("unknown");
    let mut parts = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < OLDEST {
        return Err(format!(
            "Cells need Rust {}.{} or newer; here is {release}. Run `rustup update`, or put a newer one on the PATH. {QUERIES}",
            OLDEST.0, OLDEST.1
        ));
    }
    Ok(())
}

fn ask(tool: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(words.lines().next().unwrap_or("it failed").to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Starts this program anew with cargo's own folder on the path, where that has the tools: many put it there only in
/// interactive shells. Returns where it cannot.
fn add_to_path() -> Option<io::Error> {
    if env::var_os(ADDED).is_some() {
        return None;
    }
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))?;
    let bin = home.join("bin");
    if !(bin.join("cargo").is_file() && bin.join("rustc").is_file()) {
        return None;
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(env::split_paths(&path).chain([bin])).ok()?;
    let program = env::current_exe().ok()?;
    Some(Command::new(program).args(env::args_os().skip(1)).env("PATH", path).env(ADDED, "1").exec())
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn an_old_compiler_is_named_with_what_to_do() {
        let error = check_version("rustc 1.70.0\nrelease: 1.70.0\n").unwrap_err();
        assert!(error.contains("1.88") && error.contains("1.70.0") && error.contains("rustup update"), "{error}");
        assert_eq!(check_version("release: 1.95.0-nightly"), Ok(()));
    }
}
