//! The only unsafe code: what Rust's safe libraries and tch do not offer.
#![allow(unsafe_code, reason = "the one place for it; every block says why it is sound")]

#[cfg(feature = "train")]
pub mod checkpoint;
#[cfg(feature = "train")]
pub mod floats;
pub mod lanes;
#[cfg(feature = "train")]
pub mod torch;

use std::fs::File;
use std::io;
use std::path::Path;

use memmap2::Mmap;

/// Map a file for reading.
///
/// The file must not be truncated while the map lives (a read past the new end raises SIGBUS): map only files that are
/// written once and then renamed into place, as caches, sealed segments and checkpoints are.
pub fn map_file(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the contract above; a concurrent writer of the same inode is excluded by write-then-rename.
    unsafe { Mmap::map(&file) }
}
