//! `manifest.jsonl` in a dataset's root: where each pair comes from, one JSON object a line, in the order of the ids.
//!
//! ```json
//! {"id":"0001","source":"11.jpg","tile":{"x":0,"y":0,"width":512,"height":512},"synthetic":false,
//!  "photo":{"file":"0001/o.png","sha256":"…","bytes":401234,"width":512,"height":512},
//!  "illustration":{"file":"0001/g.png","sha256":"…","bytes":389120,"width":512,"height":512}}
//! ```
//! (each object on one line). Lines are self-contained, so a reader needs no header and a later writer may add keys.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::pairs::DatasetError;

/// The manifest's name in a dataset's root.
pub const FILE_NAME: &str = "manifest.jsonl";

/// One line of the manifest: one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The pair's folder.
    pub id: String,
    /// What the pair was cut or drawn from. Pairs of one source never stand on both sides of a split.
    pub source: String,
    /// SHA-256 of the source's bytes, hexadecimal; tells an import whether it has seen this picture before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<String>,
    /// The box that was cut from the source, the same in photo and illustration; absent when the whole was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
    /// Whether a program made the illustration (or both images).
    #[serde(default)]
    pub synthetic: bool,
    /// `NNNN/o.*`.
    pub photo: FileRecord,
    /// `NNNN/g.*`.
    pub illustration: FileRecord,
}

/// A box in pixels of the source image, its orientation applied; the origin is the top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// One image file as it was when the manifest was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Path relative to the dataset's root, with `/`.
    pub file: String,
    /// SHA-256 of the file's bytes, hexadecimal.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
}

impl FileRecord {
    /// Record a file from its bytes and the size of the image in them.
    pub fn of(file: String, bytes: &[u8], (width, height): (u32, u32)) -> Self {
        Self { file, sha256: sha256(bytes), bytes: bytes.len() as u64, width, height }
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

/// Read the manifest of the dataset at `root`; `None` when it has none.
pub fn load(root: &Path) -> Result<Option<Vec<Entry>>, DatasetError> {
    let path = root.join(FILE_NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(DatasetError::Read { path, source }),
    };
    let mut entries: Vec<Entry> = Vec::new();
    let mut seen = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let bad = |reason: String| DatasetError::Manifest { path: path.clone(), line: index + 1, reason };
        let entry: Entry = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
        if !seen.insert(entry.id.clone()) {
            return Err(bad(format!("the id `{}` stands on an earlier line too", entry.id)));
        }
        entries.push(entry);
    }
    Ok(Some(entries))
}

/// Write the manifest of the dataset at `root`, in the natural order of the ids. Atomic.
pub fn save(root: &Path, entries: &[Entry]) -> Result<(), DatasetError> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by(|a, b| super::names::natural_order(&a.id, &b.id));
    let mut text = String::new();
    for entry in order {
        let line = serde_json::to_string(entry)
            .map_err(|error| DatasetError::Write { path: root.join(FILE_NAME), source: io::Error::other(error) })?;
        text.push_str(&line);
        text.push('\n');
    }
    replace(&root.join(FILE_NAME), text.as_bytes())
}

/// Put a file in place at once: written beside, synced, renamed over.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), DatasetError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".atelier-").permissions(file_mode()).tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| DatasetError::Write { path: path.to_path_buf(), source })
}

/// What a plain `File::create` asks for; the umask takes its part away. A temporary file would be private otherwise.
fn file_mode() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Entry {
        let record = |name: &str| FileRecord::of(format!("{id}/{name}"), b"abc", (4, 2));
        Entry {
            id: id.to_owned(),
            source: "11.jpg".to_owned(),
            source_sha256: None,
            tile: Some(Tile { x: 8, y: 0, width: 4, height: 2 }),
            synthetic: false,
            photo: record("o.png"),
            illustration: record("g.png"),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_in_natural_order() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &[entry("10"), entry("9")]).unwrap();
        let loaded = load(dir.path()).unwrap().unwrap();
        assert_eq!(loaded, [entry("9"), entry("10")]);
    }

    #[test]
    fn sha256_is_the_standard_one() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_bad_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &[entry("1")]).unwrap();
        let path = dir.path().join(FILE_NAME);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{text}\n{{\"id\":\"2\"")).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("line 3"), "{error}");
        fs::write(&path, format!("{text}{text}")).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("`1`"), "{error}");
    }

    #[test]
    fn unknown_keys_of_a_later_writer_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&entry("1")).unwrap().replacen('{', "{\"prompt\":\"hills\",", 1);
        fs::write(dir.path().join(FILE_NAME), line).unwrap();
        assert_eq!(load(dir.path()).unwrap().unwrap(), [entry("1")]);
    }
}
