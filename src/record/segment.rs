//! Segment files by name: `<generation>-<index>.arrows` while written, `.parquet` once sealed.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::RecordError;

/// The ending of a segment that is being written: an Arrow IPC stream.
pub(crate) const OPEN: &str = "arrows";
/// The ending of a sealed segment.
pub(crate) const SEALED: &str = "parquet";
/// The ending of a sealed segment that is not complete yet.
pub(crate) const PART: &str = "parquet.part";

/// Which segment: first by restart, then by order within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentId {
    pub(crate) generation: u32,
    pub(crate) index: u32,
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:04}", self.generation, self.index)
    }
}

impl SegmentId {
    pub(crate) fn path(self, dir: &Path, ending: &str) -> PathBuf {
        dir.join(format!("{self}.{ending}"))
    }

    fn parse(stem: &str) -> Option<Self> {
        let (generation, index) = stem.split_once('-')?;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (digits(generation) && digits(index))
            .then(|| Some(Self { generation: generation.parse().ok()?, index: index.parse().ok()? }))?
    }
}

/// Which files of a segment exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) open: bool,
    pub(crate) sealed: bool,
    pub(crate) part: bool,
}

/// The segments in `dir`, in order. Other files are none of ours and ignored. A folder that does not exist is empty.
pub(crate) fn list(dir: &Path) -> Result<BTreeMap<SegmentId, Files>, RecordError> {
    let mut found: BTreeMap<SegmentId, Files> = BTreeMap::new();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(RecordError::io("list", dir)(error)),
    };
    for entry in entries {
        let name = entry.map_err(RecordError::io("list", dir))?.file_name();
        let Some((stem, ending)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let Some(id) = SegmentId::parse(stem) else { continue };
        match ending {
            OPEN => found.entry(id).or_default().open = true,
            SEALED => found.entry(id).or_default().sealed = true,
            PART => found.entry(id).or_default().part = true,
            _ => {}
        }
    }
    Ok(found)
}

/// Mark `file` as being written by this process. False when another writer holds it. File systems without locks count
/// as free: the session's own lock is the first guard, this one the second.
pub(crate) fn claim(file: &File) -> bool {
    use rustix::fs::{FlockOperation, flock};
    !matches!(flock(file, FlockOperation::NonBlockingLockExclusive), Err(rustix::io::Errno::WOULDBLOCK))
}

/// Make renames and removals in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), RecordError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(RecordError::io("sync", dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_ordered_by_number() {
        let small = SegmentId { generation: 9, index: 12_345 };
        let large = SegmentId { generation: 10_000, index: 0 };
        assert_eq!(small.to_string(), "0009-12345");
        for id in [small, large, SegmentId { generation: u32::MAX, index: u32::MAX }] {
            assert_eq!(SegmentId::parse(&id.to_string()), Some(id));
        }
        assert!(small < large);
        for bad in ["", "-", "1", "1-", "-1", "+1-2", "1-2-3", "99999999999-1", "a-b"] {
            assert_eq!(SegmentId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_missing_folder_is_empty_and_foreign_files_are_ignored() {
        let dir = tempfile::tempdir().unwrap();
        assert!(list(&dir.path().join("nowhere")).unwrap().is_empty());
        for name in ["notes.txt", "0000-0001.arrows", "0000-0000.parquet", "0000-0001.parquet.part", "x.arrows"] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let found = list(dir.path()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[&SegmentId { generation: 0, index: 1 }], Files { open: true, sealed: false, part: true });
    }
}
