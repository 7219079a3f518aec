//! Where a hub's sockets are: a folder of its own that nobody else can enter.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const SOCKET: &str = "hub.sock";
const PREFIX: &str = "hub-";
/// `sun_path` holds 108 bytes, the last of which ends the path. The longest name in the folder needs this much less.
const PATH_LIMIT: usize = 107 - 24;

/// A private folder, removed with all that is in it when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    folder: TempDir,
}

impl Place {
    /// In the user's runtime folder where there is one that will do, else among the temporary files.
    pub fn make() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
        let first = runtime.and_then(|path| Self::within(&path.join("atelier")).ok());
        let second = || Self::in_temporary(&std::env::temp_dir());
        first.map_or_else(|| second().or_else(|_| Self::in_temporary(Path::new("/tmp"))), Ok)
    }

    /// In a folder that all hubs of this user share.
    fn within(shared: &Path) -> io::Result<Self> {
        match fs::DirBuilder::new().mode(0o700).create(shared) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let data = fs::symlink_metadata(shared)?;
        if !data.is_dir() || data.uid() != rustix::process::geteuid().as_raw() || data.mode() & 0o077 != 0 {
            return Err(io::Error::other(format!("{} is not private", shared.display())));
        }
        sweep(shared);
        short(private(PREFIX, shared)?)
    }

    fn in_temporary(folder: &Path) -> io::Result<Self> {
        short(private("atelier-hub-", folder)?)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.folder().join(SOCKET)
    }
}

/// A new folder within `parent`, private from its first moment.
fn private(prefix: &str, parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(fs::Permissions::from_mode(0o700)).tempdir_in(parent)
}

fn short(folder: TempDir) -> io::Result<Place> {
    let length = folder.path().as_os_str().len();
    if length > PATH_LIMIT {
        return Err(io::Error::other(format!("{}: too long a path for a socket", folder.path().display())));
    }
    Ok(Place { folder })
}

/// Remove what hubs that were killed left: their sockets are there and nobody listens.
fn sweep(shared: &Path) {
    let Ok(entries) = fs::read_dir(shared) else { return };
    for folder in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    {
        let refused = UnixStream::connect(folder.path().join(SOCKET));
        if refused.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            fs::remove_dir_all(folder.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn folders_are_private_and_those_of_the_dead_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let shared = root.path().join("atelier");
        let first = Place::within(&shared).unwrap();
        assert_eq!(fs::metadata(first.folder()).unwrap().mode() & 0o777, 0o700);
        let listener = UnixListener::bind(first.socket()).unwrap();
        let dead = shared.join("hub-dead");
        fs::create_dir(&dead).unwrap();
        drop(UnixListener::bind(dead.join(SOCKET)).unwrap());
        let second = Place::within(&shared).unwrap();
        assert!(first.socket().exists() && !dead.exists() && second.folder() != first.folder());
        drop((listener, first));
        assert_eq!(fs::read_dir(&shared).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_others_can_enter_or_with_too_long_a_path_is_not_used() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::DirBuilder::new().mode(0o755).create(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Place::within(&open).unwrap_err().to_string().contains("not private"));
        let long = root.path().join("x".repeat(100));
        assert!(Place::within(&long).unwrap_err().to_string().contains("too long"));
    }
}
