//! What was run, over all sessions and notebooks: a file a user, a line an entry, the newest last.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Entries that are kept.
const MOST: usize = 2000;
/// Bytes of an entry; a longer one is not worth finding again.
const LONGEST: usize = 16 << 10;
/// Bytes of the file at which it is written anew with what is kept of it.
const FULL: u64 = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    source: String,
}

/// Sources that were run, oldest first, none twice.
#[derive(Debug, Clone, Default)]
pub struct History {
    path: Option<PathBuf>,
    entries: Vec<String>,
}

impl History {
    /// What the file holds; nothing is remembered where there is no file to be.
    pub fn load(path: Option<PathBuf>) -> Self {
        let text = path.as_deref().map(read).unwrap_or_default();
        let mut history = Self { path, entries: Vec::new() };
        for line in text.lines() {
            // A line that another program left half written costs itself alone.
            if let Ok(line) = serde_json::from_str::<Line>(line) {
                history.put(line.source);
            }
        }
        history
    }

    fn put(&mut self, source: String) {
        self.entries.retain(|entry| *entry != source);
        self.entries.push(source);
        let surplus = self.entries.len().saturating_sub(MOST);
        self.entries.drain(..surplus);
    }

    /// Something was run.
    pub fn add(&mut self, source: &str) {
        let source = source.trim();
        if source.is_empty() || source.len() > LONGEST || self.entries.last().is_some_and(|last| last == source) {
            return;
        }
        self.put(source.to_owned());
        // Who cannot remember works on; that it is not remembered is seen the next time.
        if let Some(path) = &self.path {
            append(path, source).ok();
        }
    }

    /// Entries that hold every one of these words, newest first.
    pub fn search(&self, words: &str) -> Vec<&str> {
        let words = words.to_lowercase();
        let words: Vec<&str> = words.split_whitespace().collect();
        let fits = |entry: &&String| {
            let entry = entry.to_lowercase();
            words.iter().all(|word| entry.contains(word))
        };
        self.entries.iter().rev().filter(fits).map(String::as_str).collect()
    }
}

fn append(path: &Path, source: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let line = |source: &str| serde_json::to_string(&Line { source: source.to_owned() }).unwrap_or_default() + "\n";
    let mut file = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.write_all(line(source).as_bytes())?;
    if file.metadata()?.len() > FULL {
        let all: String = History::load(Some(path.to_owned())).entries.iter().map(|entry| line(entry)).collect();
        let mut beside = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        // A file full of long entries is halved, or it would be written anew each time.
        let from = all.len().saturating_sub(FULL as usize / 2);
        let from = if from == 0 { 0 } else { all[from..].find('\n').map_or(all.len(), |at| from + at + 1) };
        beside.write_all(&all.as_bytes()[from..])?;
        beside.persist(path).map_err(|error| error.error)?;
    }
    Ok(())
}

/// A text of at most twice what is kept; its end where it is longer.
fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let from = bytes.len().saturating_sub(2 * FULL as usize);
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_run_is_found_the_next_time_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/history.jsonl");
        let mut history = History::load(Some(path.clone()));
        for source in ["let a = 1;", "a + 1", "?select 1\n from x", "let a = 1;", " "] {
            history.add(source);
        }
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"sour").unwrap();
        let mut again = History::load(Some(path.clone()));
        assert_eq!(again.search(""), ["let a = 1;", "?select 1\n from x", "a + 1"]);
        assert_eq!(again.search("SELECT x"), ["?select 1\n from x"]);
        again.add("after damage");
        again.add("and more");
        assert_eq!(History::load(Some(path)).search("more"), ["and more"]);
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let mut history = History::load(Some(path.clone()));
        for n in 0..1000 {
            history.add(&format!("{n} {}", "x".repeat(10_000)));
        }
        assert!(fs::metadata(&path).unwrap().len() <= FULL + 20_000);
        history.add(&"y".repeat(LONGEST + 1));
        assert!(history.search("yyy").is_empty());
        assert!(History::load(Some(path)).search("").len() > 100);
        let mut nowhere = History::load(None);
        nowhere.add("x");
        assert_eq!(nowhere.search("x"), ["x"]);
    }
}
