//! One writer a session: a flock held for as long as the writing process lives.
//!
//! The kernel drops the lock with the process, however it dies, so that a lock held is a process alive. Readers take
//! the shared lock for a few microseconds to see whether it is held; a writer that meets only readers waits for them.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::folder::FILE_MODE;
use super::{Folder, SessionError, State};

/// How long a writer waits for readers to look away; a moment of theirs is microseconds.
const READERS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a process may take to go after it has written how it ended.
const ENDING: Duration = Duration::from_secs(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(1);

/// Who writes a session, as the lock file tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Process id, on `host`.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "process {} on {} since {:.0}", self.pid, self.host, self.since)
    }
}

/// The writer's lock on a session; dropping it (or dying) releases it.
#[derive(Debug)]
pub struct Lock {
    // Held for its open file description alone.
    _file: File,
}

impl Lock {
    /// Take the lock, or say who holds it.
    pub fn acquire(folder: &Folder) -> Result<Self, SessionError> {
        let path = folder.lock();
        let deadline = Instant::now() + READERS_TIMEOUT;
        while Instant::now() < deadline {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(FILE_MODE)
                .open(&path)
                .map_err(SessionError::io("open", &path))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Someone may have removed or replaced the file between open and flock: a lock on it excludes nobody.
                Ok(()) if same_file(&file, &path) => {
                    write_holder(&mut file).map_err(SessionError::io("write", &path))?;
                    return Ok(Self { _file: file });
                }
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    // Where a shared lock can be had, only readers stand in the way.
                    if flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK) {
                        break;
                    }
                    drop(file);
                    std::thread::sleep(BETWEEN_ATTEMPTS);
                }
                Err(error) => return Err(SessionError::NoLocks { path, source: error.into() }),
            }
        }
        Err(SessionError::Busy { id: folder.id(), holder: Self::holder(folder) })
    }

    /// Take the lock of a session whose manifest says `state`. Where it says that the session has ended, a process that
    /// still holds it is about to go and is waited for.
    pub fn acquire_of(folder: &Folder, state: State) -> Result<Self, SessionError> {
        let deadline = Instant::now() + if state.is_active() { Duration::ZERO } else { ENDING };
        loop {
            match Self::acquire(folder) {
                Err(SessionError::Busy { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(BETWEEN_LOOKS);
                }
                taken => return taken,
            }
        }
    }

    /// Whether some process holds the lock now. Never waits; a folder without a lock file is held by nobody.
    pub fn is_held(folder: &Folder) -> io::Result<bool> {
        let file = match File::open(folder.lock()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Who took the lock last.
    pub fn holder(folder: &Folder) -> Option<Holder> {
        let mut text = String::new();
        File::open(folder.lock()).ok()?.take(4096).read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(named)) => held.dev() == named.dev() && held.ino() == named.ino(),
        _ => false,
    }
}

fn write_holder(file: &mut File) -> io::Result<()> {
    let holder = Holder { pid: std::process::id(), host: host_name(), since: Timestamp::now() };
    let mut text = serde_json::to_string(&holder)?;
    text.push('\n');
    file.set_len(0)?;
    file.write_all(text.as_bytes())
}

/// This machine's name, as the kernel has it.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Whether `path` lies on a file system that other hosts write too, where a lock may not be seen.
pub fn is_shared(path: &Path) -> bool {
    const NFS: i64 = 0x6969;
    const SMB: [i64; 2] = [0xff53_4d42, 0xfe53_4d42];
    const FUSE: i64 = 0x6573_5546;
    const LUSTRE: i64 = 0x0bd0_0bd0;
    const CEPH: i64 = 0x00c3_6400;
    const NINE_P: i64 = 0x0102_1997;
    rustix::fs::statfs(path).is_ok_and(|stat| {
        #[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
        let kind = stat.f_type as i64 & 0xffff_ffff;
        SMB.contains(&kind) || [NFS, FUSE, LUSTRE, CEPH, NINE_P].contains(&kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_and_told_who_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let first = Lock::acquire(&folder).unwrap();
        assert!(Lock::is_held(&folder).unwrap());
        let error = Lock::acquire(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        assert!(error.contains(&host_name()), "{error}");
        drop(first);
        assert!(!Lock::is_held(&folder).unwrap());
        Lock::acquire(&folder).unwrap();
    }

    #[test]
    fn a_process_that_has_ended_by_its_manifest_is_given_the_time_to_go() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let first = Lock::acquire(&folder).unwrap();
        assert!(Lock::acquire_of(&folder, State::Running).is_err(), "at once: it means to stay");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::acquire_of(&folder, State::Stopped));
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[test]
    fn readers_that_look_all_the_time_never_lock_a_writer_out() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        drop(Lock::acquire(&folder).unwrap());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(std::sync::atomic::Ordering::Relaxed) {
                        Lock::is_held(&folder).unwrap();
                    }
                });
            }
            for _ in 0..20 {
                let taken = Lock::acquire(&folder);
                if taken.is_err() {
                    done.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                taken.unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn a_lock_file_removed_under_a_writer_admits_another() {
        // What docs/reliability.md warns of: a lock belongs to the file, not to its name.
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let _first = Lock::acquire(&folder).unwrap();
        fs::remove_file(folder.lock()).unwrap();
        assert!(!Lock::is_held(&folder).unwrap());
        let _second = Lock::acquire(&folder).unwrap();
        assert!(Lock::is_held(&folder).unwrap());
    }

    #[test]
    fn garbage_in_the_lock_file_is_no_holder_and_no_obstacle() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        fs::write(folder.lock(), "no json").unwrap();
        assert_eq!(Lock::holder(&folder), None);
        let _lock = Lock::acquire(&folder).unwrap();
        assert_eq!(Lock::holder(&folder).unwrap().pid, std::process::id());
    }
}
