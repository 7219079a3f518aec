//! Notebooks read and written, off the drawing thread.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;

use crate::session::notebook::{Kept, KeptCell, Notebook};

/// When a file changed, and its length.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).ok().and_then(|data| Some((data.modified().ok()?, data.len())))
}

/// A notebook to be written.
#[derive(Debug)]
pub struct Job {
    /// Counts: an older one never replaces a newer one.
    pub serial: u64,
    /// The file.
    pub path: PathBuf,
    /// The text.
    pub notebook: Notebook,
    /// The file beside it, and what the cells gave, if that has changed.
    pub outputs: Option<(PathBuf, Vec<KeptCell>)>,
}

/// What became of it.
#[derive(Debug)]
pub struct Saved {
    /// The file.
    pub path: PathBuf,
    /// Which.
    pub serial: u64,
    /// Where the text lies now that another program had written in between, or why it could not be written.
    pub result: Result<Option<PathBuf>, String>,
}

#[derive(Debug, Default)]
struct Known {
    serial: u64,
    stamp: Stamp,
}

/// Writes notebooks, the newest last, and sees when another program has.
#[derive(Debug, Clone, Default)]
pub struct Files {
    known: Arc<Mutex<HashMap<PathBuf, Known>>>,
}

impl Files {
    /// Read a notebook.
    ///
    /// # Errors
    /// In words for a person.
    pub fn read(&self, path: &Path, outputs: &Path) -> Result<(Notebook, Kept), String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = stamp(path);
        let notebook = Notebook::load(path).map_err(|error| error.to_string())?;
        known.entry(path.to_owned()).or_default().stamp = seen;
        Ok((notebook, Kept::load(outputs)))
    }

    /// Whether another program has written the file since it was read or written here.
    pub fn is_foreign(&self, path: &Path) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(path).is_some_and(|known| known.stamp != stamp(path))
    }

    /// Write a notebook. What another program wrote in between is kept beside it.
    pub fn write(&self, job: Job) -> Saved {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(job.path.clone()).or_default();
        let saved = |result| Saved { path: job.path.clone(), serial: job.serial, result };
        if job.serial <= known.serial {
            return saved(Ok(None));
        }
        let there = stamp(&job.path);
        let mut kept = None;
        if there.is_some() && there != known.stamp {
            match aside(&job.path) {
                Ok(path) => kept = Some(path),
                Err(error) => {
                    return saved(Err(format!("{} was changed by another program: {error}", job.path.display())));
                }
            }
        }
        if let Err(error) = job.notebook.save(&job.path) {
            return saved(Err(error.to_string()));
        }
        known.serial = job.serial;
        known.stamp = stamp(&job.path);
        if let Some((path, cells)) = job.outputs
            && let Err(error) = Kept::save(cells, &path)
        {
            return Saved { path: job.path, serial: job.serial, result: Err(error.to_string()) };
        }
        Saved { path: job.path, serial: job.serial, result: Ok(kept) }
    }
}

/// Keep a copy of a file beside it: `notebook.theirs-20260304-120000.rs`.
fn aside(path: &Path) -> std::io::Result<PathBuf> {
    let stem = path.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let now = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let to = path.with_file_name(format!("{stem}.theirs-{now}.rs"));
    std::fs::copy(path, &to)?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::notebook::Cell;

    fn job(path: &Path, serial: u64, source: &str) -> Job {
        let notebook = Notebook { cells: vec![Cell::new(source)], ..Notebook::default() };
        Job { serial, path: path.to_owned(), notebook, outputs: None }
    }

    #[test]
    fn an_older_text_never_replaces_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notebook.rs");
        let files = Files::default();
        files.write(job(&path, 2, "new"));
        files.write(job(&path, 1, "old"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "// %%\nnew\n");
    }

    #[test]
    fn what_another_program_wrote_is_kept_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notebook.rs");
        let files = Files::default();
        assert!(files.read(&path, &folder.path().join("notebook.json")).unwrap().0.cells.is_empty());
        files.write(job(&path, 1, "ours"));
        assert!(!files.is_foreign(&path));
        std::fs::write(&path, "// %%\ntheirs, and longer\n").unwrap();
        assert!(files.is_foreign(&path));
        let saved = files.write(job(&path, 2, "ours again"));
        let aside = saved.result.unwrap().unwrap();
        assert!(std::fs::read_to_string(aside).unwrap().contains("theirs"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "// %%\nours again\n");
        assert_eq!(files.write(job(&path, 3, "x")).result.unwrap(), None);
    }
}
