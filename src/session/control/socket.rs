//! The socket's two ends. A socket's path may have 107 bytes at most, a session folder's may have more: then both sides
//! go through the folder's descriptor, `/proc/self/fd/<n>/control.sock`.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::session::folder::FILE_MODE;
use crate::session::{Folder, SessionError};

/// `sun_path` holds 108 bytes, the last of which ends the path.
const PATH_LIMIT: usize = 107;

/// A path short enough for the system, and what must stay open for it.
struct Address {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Address {
    fn of(folder: &Folder) -> io::Result<Self> {
        let path = folder.control_socket();
        if path.as_os_str().len() <= PATH_LIMIT {
            return Ok(Self { path, _folder: None });
        }
        let opened =
            rustix::fs::open(folder.path(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let name = path.file_name().unwrap_or_default();
        let path = Path::new("/proc/self/fd").join(opened.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(opened) })
    }
}

/// Listen on the session's socket, mode 0600. The caller must hold the session's lock: that is what makes a socket
/// found there a dead process's, to be replaced.
pub fn bind(folder: &Folder) -> Result<UnixListener, SessionError> {
    let path = folder.control_socket();
    remove_stale(folder)?;
    let listen = || {
        let address = Address::of(folder)?;
        let listener = UnixListener::bind(&address.path)?;
        // The folder is private, so that nobody else can reach it in between.
        fs::set_permissions(&address.path, Permissions::from_mode(FILE_MODE))?;
        Ok(listener)
    };
    listen().map_err(SessionError::io("listen on", &path))
}

/// Listen on a socket of this path, mode 0600, in place of one that is there. The folder should be private.
pub fn bind_at(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(data) if data.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a socket is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(FILE_MODE))?;
    Ok(listener)
}

/// Whether the process at the other end belongs to the user that this one does: the socket's mode says so already, but
/// not to root, nor where someone has changed it.
pub fn is_same_user(stream: &UnixStream) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid == rustix::process::geteuid())
}

/// Remove a socket that a dead process left. The caller must hold the session's lock. What is not a socket stays.
pub fn remove_stale(folder: &Folder) -> Result<(), SessionError> {
    let path = folder.control_socket();
    let removed = match fs::symlink_metadata(&path) {
        Ok(data) if data.file_type().is_socket() => fs::remove_file(&path),
        Ok(_) => return Ok(()),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(SessionError::io("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// Connect to the session's socket, waiting at most `timeout` for a process that is too busy to accept.
pub fn connect(folder: &Folder, timeout: Duration) -> io::Result<UnixStream> {
    const PAUSE: Duration = Duration::from_millis(20);
    let deadline = Instant::now() + timeout;
    let address = Address::of(folder)?;
    let target = SocketAddrUnix::new(&address.path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    loop {
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &target) {
            Ok(()) => {
                let stream = UnixStream::from(socket);
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            // A Unix socket whose queue of connections is full answers this instead of waiting.
            Err(Errno::AGAIN | Errno::INTR) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
}
