//! Where everything of a session lies (DESIGN §3), and how a new folder gets its id.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;

use super::SessionError;

/// Mode of everything a session writes: its owner's alone.
pub(super) const FOLDER_MODE: u32 = 0o700;
/// Mode of files, and of the socket.
pub(super) const FILE_MODE: u32 = 0o600;
/// Longest name in an id, in bytes: leaves room in a 255-byte file name for the time stamp and a suffix.
const NAME_LIMIT: usize = 96;

/// One session's folder: path accessors, no promise that anything is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The session in `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The id: the folder's name.
    pub fn id(&self) -> String {
        self.path
            .file_name()
            .map_or_else(|| self.path.display().to_string(), |name| name.to_string_lossy().into_owned())
    }

    /// `session.toml`.
    pub fn manifest(&self) -> PathBuf {
        self.path.join("session.toml")
    }

    /// Segments of what training measures.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics")
    }

    /// Segments of what the machine measures.
    pub fn telemetry(&self) -> PathBuf {
        self.path.join("telemetry")
    }

    /// `events.jsonl`.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// `log.txt`: what the process printed.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.txt")
    }

    /// `summary.json`: the newest value of every series, rewritten about once a second (a cache for lists).
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// Sample pictures.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// The sample pictures of one step: `samples/step-00001200`.
    pub fn samples_at(&self, step: i64) -> PathBuf {
        self.samples().join(step_name(step))
    }

    /// The evaluation of the checkpoint of one step, image by image: `evaluations/step-00001200.json`.
    pub fn evaluation_at(&self, step: i64) -> PathBuf {
        self.path.join("evaluations").join(format!("{}.json", step_name(step)))
    }

    /// Checkpoints.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// The checkpoint of one step: `checkpoints/step-00001200`.
    pub fn checkpoint_at(&self, step: i64) -> PathBuf {
        self.checkpoints().join(step_name(step))
    }

    /// The Unix socket of the running process.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// The file whose flock the writing process holds.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// Cells of the session's notebook.
    pub fn notebook(&self) -> PathBuf {
        self.path.join("notebook.rs")
    }

    /// What the cells of the notebook last gave.
    pub fn notebook_outputs(&self) -> PathBuf {
        self.path.join("notebook.json")
    }

    /// Make a subfolder of the session, private as the session is.
    pub fn make(&self, path: &Path) -> Result<(), SessionError> {
        let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
        made.map_err(SessionError::io("create", path))
    }

    /// Open a file of the session for appending, private as the session is.
    pub(super) fn append(path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new().create(true).read(true).append(true).mode(FILE_MODE).open(path)
    }
}

/// `step-00001200`.
fn step_name(step: i64) -> String {
    format!("step-{step:08}")
}

/// Make a new, empty session folder under `root` with an id of its own, `YYMMDD-HHMMSS-<name>` in local time.
///
/// `mkdir` decides between processes that ask for the same id in the same second: the second one gets `-2`.
pub fn reserve(root: &Path, name: &str) -> Result<Folder, SessionError> {
    reserve_at(root, name, &ZonedDateTime::now())
}

pub(super) fn reserve_at(root: &Path, name: &str, now: &ZonedDateTime) -> Result<Folder, SessionError> {
    fs::create_dir_all(root).map_err(SessionError::io("create the sessions folder", root))?;
    let stem = format!("{}-{}", now.strftime("%y%m%d-%H%M%S"), slug(name));
    let mut attempt = 1_u32;
    loop {
        let id = if attempt == 1 { stem.clone() } else { format!("{stem}-{attempt}") };
        let path = root.join(id);
        match fs::DirBuilder::new().mode(FOLDER_MODE).create(&path) {
            Ok(()) => return Ok(Folder::new(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            Err(error) => return Err(SessionError::io("create the session folder", &path)(error)),
        }
    }
}

/// `name` as part of a file name and of a shell word: letters, digits, `.`, `_`, single `-`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars() {
        let kept = if letter.is_alphanumeric() || matches!(letter, '.' | '_') { letter } else { '-' };
        if slug.len() + kept.len_utf8() > NAME_LIMIT {
            break;
        }
        if kept != '-' || !slug.ends_with('-') {
            slug.push(kept);
        }
    }
    let slug = slug.trim_matches(['-', '.']);
    if slug.is_empty() { "session".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn names_become_safe_words() {
        assert_eq!(slug("hayao 512/l1"), "hayao-512-l1");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("宮崎 駿"), "宮崎-駿");
        assert_eq!(slug("  "), "session");
        assert!(slug(&"é".repeat(400)).len() <= NAME_LIMIT);
    }

    #[test]
    fn one_second_gives_every_concurrent_run_its_own_folder() {
        let root = tempfile::tempdir().unwrap();
        let now = ZonedDateTime::now();
        let mut ids: Vec<String> = std::thread::scope(|scope| {
            let spawn = |_| scope.spawn(|| reserve_at(root.path(), "same", &now).unwrap().id());
            let threads: Vec<_> = (0..16).map(spawn).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 16);
        assert!(ids.iter().any(|id| id.ends_with("-same")));
        assert!(ids.iter().any(|id| id.ends_with("-same-16")));
    }

    #[test]
    fn folders_are_private() {
        let root = tempfile::tempdir().unwrap();
        let folder = reserve(root.path(), "quiet").unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_root_that_is_a_file_is_named_in_the_error() {
        let root = tempfile::NamedTempFile::new().unwrap();
        let error = reserve(root.path(), "x").unwrap_err().to_string();
        assert!(error.contains(root.path().to_str().unwrap()), "{error}");
    }
}
