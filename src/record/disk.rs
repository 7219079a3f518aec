//! The few things the writer asks of a disk, behind a trait so that a test can make it fail.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use super::segment::claim;

/// Makes segment files.
pub(crate) trait Disk: Send + 'static {
    /// A new, empty file at `path`, which must not exist.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A file that grows at its end.
pub(crate) trait SegmentFile: Send {
    /// Write all of `bytes` at the end. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Cut the file to `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Wait until the bytes are on the disk itself.
    fn sync(&mut self) -> io::Result<()>;
    /// Whether the file still has a name: a deleted one swallows every write without an error.
    fn is_linked(&self) -> io::Result<bool>;
}

/// The file system.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        if let Some(dir) = path.parent()
            && !dir.exists()
        {
            // One level only: a session whose `metrics` was removed gets it back, an unmounted disk is not papered over.
            std::fs::create_dir(dir)?;
        }
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        claim(&file);
        Ok(Box::new(RealFile(file)))
    }
}

struct RealFile(File);

impl SegmentFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn is_linked(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 0)
    }
}
