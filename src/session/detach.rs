//! Training that outlives its terminal: the program starts itself again in a process session of its own.
//!
//! The starting side makes ([`super::reserve`]) or finds the session's folder and calls [`spawn`]: the same program
//! with the same arguments, `log.txt` for its output and nothing for its input, so that no descriptor of the terminal
//! is left in it. The child sees by [`child`] that it is one, calls [`leave_terminal`] before anything else, and goes
//! into that folder ([`super::create_in`], [`super::reopen_in`]). It tells that it has started through the manifest,
//! which is there for everyone to read: no pipe that could break ties the two together.

use std::ffi::OsString;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use signal_hook::consts::SIGHUP;

use super::{Folder, Manifest, SessionError, State};

/// The environment variable by which the started process knows its folder.
const INTO: &str = "ATELIER_DETACHED_INTO";
/// Time between looks at the manifest.
const LOOK: Duration = Duration::from_millis(25);
/// How much of its output is repeated when a start fails, in bytes.
const REPEATED: u64 = 16 * 1024;

/// Called by the detached process before anything else: a process session of its own, and no death by hang-up.
pub fn leave_terminal() -> io::Result<()> {
    match rustix::process::setsid() {
        // Already the leader of its group: started by something that put it there.
        Ok(_) | Err(Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    // A handler that does nothing anyone reads: the signal's own action is to kill.
    signal_hook::flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// How a detached start went.
#[derive(Debug)]
pub enum Launched {
    /// It trains (or has finished already).
    Started {
        /// Its process.
        pid: u32,
    },
    /// It still prepares; it goes on by itself.
    Preparing {
        /// Its process.
        pid: u32,
    },
    /// It ended before it trained.
    Failed {
        /// Its exit status.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
}

/// The folder that the starting side prepared, in the process that [`spawn`] started; none in any other.
pub fn child() -> Option<Folder> {
    std::env::var_os(INTO).filter(|path| !path.is_empty()).map(Folder::new)
}

/// Whether this process was started by [`spawn`].
pub fn is_child() -> bool {
    child().is_some()
}

/// Start this program again with its own arguments as the process of the session in `folder`, and wait at most
/// `patience` until it trains or fails. A folder that never became a session is removed.
pub fn spawn(folder: &Folder, patience: Duration) -> Result<Launched, SessionError> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    launch(folder, &arguments, patience)
}

/// [`spawn`] with other arguments, for a caller that is not the `train` command itself.
pub fn launch(folder: &Folder, arguments: &[OsString], patience: Duration) -> Result<Launched, SessionError> {
    // Whatever happens to the current directory of either process, they mean the same folder.
    let path = folder.path().canonicalize().map_err(SessionError::io("open", folder.path()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("atelier").args(arguments).env(INTO, path);
    let launched = launch_command(folder, command, patience);
    let came_to_nothing = !matches!(launched, Ok(Launched::Started { .. } | Launched::Preparing { .. }));
    if came_to_nothing && is_unused(folder) {
        // Its output is in the answer. What cannot be removed stays.
        std::fs::remove_dir_all(folder.path()).ok();
    }
    launched
}

/// Whether nothing but the log and the lock of a start that failed is there.
fn is_unused(folder: &Folder) -> bool {
    let expected = [folder.log(), folder.lock()];
    std::fs::read_dir(folder.path())
        .is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(|entry| expected.contains(&entry.path()))))
}

fn launch_command(folder: &Folder, mut command: Command, patience: Duration) -> Result<Launched, SessionError> {
    let path = folder.log();
    let mut log = Folder::append(&path).map_err(SessionError::io("open", &path))?;
    let begin = log.seek(SeekFrom::End(0)).map_err(SessionError::io("read", &path))?;
    let output = || log.try_clone().map_err(SessionError::io("open", &path));
    command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
    let child = command.spawn().map_err(SessionError::io("start the process that trains in", folder.path()))?;
    let pid = child.id();
    match wait(folder, child, patience)
        .map_err(SessionError::io("wait for the process that trains in", folder.path()))?
    {
        Waited::Trains => Ok(Launched::Started { pid }),
        Waited::Prepares => Ok(Launched::Preparing { pid }),
        Waited::Ended(status) => {
            let length = log.metadata().map_or(begin, |data| data.len());
            let mut output = Vec::new();
            // The end of the output is where the error is.
            let from = begin.max(length.saturating_sub(REPEATED));
            log.seek(SeekFrom::Start(from)).map_err(SessionError::io("read", &path))?;
            log.read_to_end(&mut output).map_err(SessionError::io("read", &path))?;
            Ok(Launched::Failed { status, output: String::from_utf8_lossy(&output).into_owned() })
        }
    }
}

enum Waited {
    Trains,
    Prepares,
    Ended(ExitStatus),
}

fn wait(folder: &Folder, mut child: Child, patience: Duration) -> io::Result<Waited> {
    let deadline = Instant::now() + patience;
    let pid = Some(child.id());
    loop {
        let ended = child.try_wait()?;
        let trained = Manifest::load(folder)
            .is_ok_and(|manifest| manifest.pid == pid && !matches!(manifest.state, State::Starting | State::Failed));
        if let Some(status) = ended {
            return Ok(if trained && status.success() { Waited::Trains } else { Waited::Ended(status) });
        }
        if trained || Instant::now() >= deadline {
            reap(child)?;
            return Ok(if trained { Waited::Trains } else { Waited::Prepares });
        }
        std::thread::sleep(LOOK);
    }
}

/// A caller that lives on, as the dashboard does, must not keep a zombie for every run it started.
fn reap(mut child: Child) -> io::Result<()> {
    std::thread::Builder::new().name("reaper".to_owned()).spawn(move || child.wait().ok())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_start_that_fails_gives_its_status_and_only_its_own_output() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        std::fs::write(folder.log(), "an earlier generation\n").unwrap();
        let command = shell("read line; echo \"got <$line>\"; echo no such file >&2; exit 2");
        match launch_command(&folder, command, Duration::from_mins(1)).unwrap() {
            Launched::Failed { status, output } => {
                assert_eq!(status.code(), Some(2));
                assert_eq!(output, "got <>\nno such file\n");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_folder_that_never_became_a_session_is_unused() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        std::fs::write(folder.log(), "error: no").unwrap();
        std::fs::write(folder.lock(), "").unwrap();
        assert!(is_unused(&folder));
        std::fs::write(folder.manifest(), "").unwrap();
        assert!(!is_unused(&folder));
    }

    #[test]
    fn a_slow_start_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        // Ends with the folder, so that nothing outlives the test whichever of the two looks first.
        let command = shell(&format!("while [ -d {} ]; do sleep 0.02; done", root.path().display()));
        let launched = launch_command(&folder, command, Duration::ZERO).unwrap();
        assert!(matches!(launched, Launched::Preparing { .. }), "{launched:?}");
    }

    #[test]
    fn a_program_that_cannot_start_is_an_error_that_names_the_session() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let error = launch_command(&folder, Command::new("/nowhere/atelier"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().contains(root.path().to_str().unwrap()), "{error}");
    }
}
