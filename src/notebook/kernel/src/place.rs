//! Where a kernel lives: a folder in the user's cache with its build folder, its configuration and the client crate's
//! sources. One kernel a folder, held by a lock; the build folder stays, so that the next start is warm.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, io};

mod client {
    include!(concat!(env!("OUT_DIR"), "/client.rs"));
}

/// More kernels than one person runs at once.
const MOST: usize = 32;

/// The cells' crate and the client are a workspace of their own, so that one in a folder above is not taken for theirs;
/// and so their profile is this one. Optimisation is fixed here and never changed: a change would rebuild all
/// dependencies, and have rust-analyzer read everything again. The client is never built in increments: where one was
/// killed, rustc took optimised objects of two builds together, which no longer fitted.
const WORKSPACE: &str = r#"[workspace]
members = ["build", "client"]
resolver = "3"

[profile.dev]
opt-level = 0
debug = false
strip = "debuginfo"
rpath = true
lto = false
debug-assertions = true
overflow-checks = true
codegen-units = 16
panic = "unwind"
incremental = true

[profile.dev.package.atelier-probe]
opt-level = 3
incremental = false
"#;

/// A locked folder.
#[derive(Debug)]
pub struct Place {
    /// The folder; the process's own while the kernel runs.
    pub folder: PathBuf,
    /// evcxr's: Cargo.toml, `src/lib.rs` and `target` of the cells.
    pub build: PathBuf,
    /// The pipe that the cell's supervisor writes into.
    pub events: PathBuf,
    /// The client crate.
    client: PathBuf,
    /// Held as long as this is.
    _lock: File,
}

/// Whether the client has the module that cells import.
pub fn has_probe() -> bool {
    client::HAS_PROBE
}

impl Place {
    /// The first free one in `$ATELIER_CACHE`, `$XDG_CACHE_HOME/atelier` or `~/.cache/atelier`. `cell` is the program
    /// that cells are loaded into.
    pub fn take(cell: &Path) -> io::Result<Self> {
        let cache = cache()?;
        for number in 1..=MOST {
            let folder = cache.join(format!("kernel-{number}"));
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let lock =
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => return Self::prepare(&folder, lock, cell),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MOST} kernels run already in {}", cache.display())))
    }

    fn prepare(folder: &Path, lock: File, cell: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let (build, client) = (folder.join("build"), folder.join("client"));
        fs::create_dir_all(&build)?;
        remove_cells(&build.join("target"));
        let events = folder.join("events");
        if fs::symlink_metadata(&events).is_ok() {
            fs::remove_file(&events)?;
        }
        rustix::fs::mknodat(rustix::fs::CWD, &events, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
        write_client(&client)?;
        write(&folder.join("Cargo.toml"), WORKSPACE)?;
        let cargo = format!("[build]\nrustc-workspace-wrapper = {}\n", quoted(cell)?);
        write(&folder.join(".cargo/config.toml"), &cargo)?;
        let place = Self { folder: folder.clone(), build, events, client, _lock: lock };
        place.configure(true)?;
        Ok(place)
    }

    /// Tells evcxr how to build, and whether cells have the client.
    ///
    /// The client could be added by `:dep` once evcxr runs. But evcxr has read everything by then, and would read it
    /// again, the standard library too: seconds. What stands in its Cargo.toml from the beginning is read once, and the
    /// only words of ours that evcxr 0.22.0 puts there are the optimisation level. The table behind it takes in the
    /// rest of evcxr's profile, which a member of a workspace could not have anyway.
    pub fn configure(&self, with_client: bool) -> io::Result<()> {
        let mut level = "0".to_owned();
        if with_client {
            let path = quoted(&self.client)?;
            level += &format!(
                "\n\n[dependencies.atelier]\npackage = \"atelier-probe\"\npath = {path}\n\n[package.metadata.unused]"
            );
        }
        let evcxr = format!(
            "[evcxr]\ntmpdir = {}\nopt_level = {level:?}\noffline_mode = true\nallow_static_linking = true\npreserve_vars_on_panic = true\n",
            quoted(&self.build)?
        );
        write(&self.folder.join("evcxr.toml"), &evcxr)
    }
}

/// Where all kernels keep their files.
pub fn cache() -> io::Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("ATELIER_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("atelier")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/atelier")))
        .ok_or_else(|| io::Error::other("neither XDG_CACHE_HOME nor HOME says where the kernel may keep its files"))
}

/// The libraries of cells of an earlier kernel. What cannot be removed is overwritten later.
fn remove_cells(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !matches!(&*name, ".fingerprint" | "incremental" | "build") {
            remove_cells(&path);
        } else if name.starts_with("libcode_") {
            let _ = fs::remove_file(path);
        }
    }
}

/// Has cargo build the client again: what is left of a build that was killed may not link. Whether there was anything.
pub fn forget_client(build: &Path) -> bool {
    fn forget(folder: &Path, depth: usize) -> bool {
        let mut found = false;
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            let is_folder = path.is_dir();
            if ["libatelier-", "atelier-", "atelier_probe-"].iter().any(|start| name.starts_with(start)) {
                found |= if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.is_ok();
            } else if is_folder && depth > 0 {
                found |= forget(&path, depth - 1);
            }
        }
        found
    }
    // target, the machine's name, debug, deps
    forget(build, 4)
}

fn write_client(folder: &Path) -> io::Result<()> {
    // The name that cells know it by is its own, so that rustc names its types by it.
    let manifest =
        "[package]\nname = \"atelier-probe\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\nname = \"atelier\"\n";
    write(&folder.join("Cargo.toml"), manifest)?;
    for (path, text) in client::FILES {
        write(&folder.join(path), text)?;
    }
    Ok(())
}

/// Only what differs: cargo looks at the time of a file.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|before| before == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn quoted(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
    Ok(format!("{text:?}"))
}
