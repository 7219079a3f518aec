//! The Rust on this machine, which compiles the cells.

use crate::place;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

/// Told to the kernel that this one becomes, once it knows its Rust: rustc's path.
const RUSTC: &str = "ATELIER_KERNEL_RUSTC";
/// Likewise: whether the standard library's sources are there.
const SOURCES: &str = "ATELIER_KERNEL_SOURCES";
/// Told to the kernel that this one becomes when it adds cargo's own folder to the path.
const ADDED: &str = "ATELIER_KERNEL_PATH_ADDED";
/// Where rust-analyzer looks for those sources first.
const SOURCE_PATH: &str = "RUST_SRC_PATH";
/// Where a program that begins finds shared libraries.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";
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
    /// Finds it, or says in full why no cell can run. The environment that evcxr and rust-analyzer need can be set only
    /// for a program that begins, so with it the kernel begins anew.
    pub fn find() -> Result<Self, String> {
        if let Some(rustc) = env::var_os(RUSTC) {
            return Ok(Self { rustc: rustc.into(), has_std_sources: env::var_os(SOURCES).is_some() });
        }
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
        let print = |what| {
            ask("rustc", &["--print", what])
                .map_err(|error| format!("`rustc --print {what}` failed: {error}. {QUERIES}"))
        };
        let (sysroot, libraries) = (print("sysroot")?, print("target-libdir")?);
        let error = begin_with(Path::new(sysroot.trim()), Path::new(libraries.trim()));
        Err(format!("The kernel could not begin with the Rust in {}: {error}. {QUERIES}", sysroot.trim()))
    }
}

/// Begins the kernel anew with this Rust, and returns only where that fails.
fn begin_with(sysroot: &Path, libraries: &Path) -> io::Error {
    let again = || -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.args(env::args_os().skip(1));
        // The same for evcxr, which asks rustup, as for whoever takes the first on the path; and without rustup's
        // detour before each.
        let bin = sysroot.join("bin");
        let rustc = if bin.join("rustc").is_file() && bin.join("cargo").is_file() {
            let path = env::var_os("PATH").unwrap_or_default();
            let path =
                env::join_paths([bin.clone()].into_iter().chain(env::split_paths(&path))).map_err(io::Error::other)?;
            command.env("PATH", path).env("RUSTUP_TOOLCHAIN", sysroot);
            bin.join("rustc")
        } else {
            PathBuf::from("rustc")
        };
        command.env(RUSTC, rustc);
        // Cells share the standard library, and what rustc writes into them of where it lies is relative to where they
        // were made, which holds neither behind a link nor after they were moved.
        let known = env::var_os(LIBRARY_PATH).unwrap_or_default();
        let all = [libraries.to_owned()]
            .into_iter()
            .chain(env::split_paths(&known).filter(|path| !path.as_os_str().is_empty()));
        command.env(LIBRARY_PATH, env::join_paths(all).map_err(io::Error::other)?);
        let named = env::var_os(SOURCE_PATH).map(PathBuf::from).filter(|library| library.join("core").is_dir());
        if named.is_some() || sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
            command.env(SOURCES, "1");
        } else {
            // rust-analyzer would have rustup download them into the user's toolchain, unasked and over the network.
            // A folder that looks as if they were there keeps it from that.
            let stand_in = place::cache()?.join("no-sources");
            fs::create_dir_all(stand_in.join("core"))
                .map_err(|error| io::Error::other(format!("the cache {}: {error}", stand_in.display())))?;
            command.env(SOURCE_PATH, stand_in);
        }
        Ok(command)
    };
    match again() {
        Ok(mut command) => command.exec(),
        Err(error) => error,
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
