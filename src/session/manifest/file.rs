//! Replacing a small file so that a reader sees the old one or the new one, never half of one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::session::SessionError;
use crate::session::folder::FILE_MODE;

/// Whether the new contents must be on the disk before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durable {
    /// fsync the file and its folder.
    Yes,
    /// Leave it to the kernel.
    No,
}

/// Write `contents` beside `path` and rename it into place. On failure the old file is untouched.
pub fn replace(path: &Path, contents: &[u8], durable: Durable) -> Result<(), SessionError> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_file_name(format!(".{name}.{}-{count}", std::process::id()));
    let written = write(&beside, contents, durable).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // The half-written one may not exist, or be unremovable for the same reason that it could not be written.
        fs::remove_file(&beside).ok();
        return Err(SessionError::io("write", path)(error));
    }
    if durable == Durable::Yes
        && let Some(folder) = path.parent()
    {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(SessionError::io("sync", folder))?;
    }
    Ok(())
}

fn write(path: &Path, contents: &[u8], durable: Durable) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(contents)?;
    if durable == Durable::Yes { file.sync_all() } else { Ok(()) }
}
