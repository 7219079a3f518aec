//! Writing a folder beside its destination and renaming it into place: it is there whole or not at all.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// Whether something is at `path` that a rename would not replace: anything but an empty folder.
pub fn occupied(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut items) => Ok(items.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The folder that holds `path`.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A temporary folder in `folder`, which is made when missing. Removed when dropped. Its permissions are a plain
/// folder's, since it becomes one.
pub fn folder_in(folder: &Path) -> io::Result<TempDir> {
    fs::create_dir_all(folder)?;
    tempfile::Builder::new().prefix(".atelier-").permissions(Permissions::from_mode(0o777)).tempdir_in(folder)
}

/// Wait until everything written in a folder's file system is on disk: a rename must not reach it first.
pub fn sync(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?)?;
    Ok(())
}
