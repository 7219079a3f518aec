//! Checksums of a sealed segment: damage is found before anyone believes a length in it.
//!
//! polars' Parquet reader trusts what a page or a footer says of its own size, so that one flipped bit can ask for more
//! memory than there is, which ends the process. Two entries of the footer's key-value metadata guard against that, and
//! leave the file plain Parquet: under [`GROUPS`] the CRC-32 of each row group, which is checked whenever rows of it are
//! read, and under [`FOOTER`] that of the footer, which is checked when the file is opened. The footer cannot hold its
//! own sum as it is, so the digits of that one are left out of it. It is the last entry: where it stands, counted from
//! the end of the file, depends on nothing that could be damaged.

use std::{fs::File, io::Cursor, ops::Range, os::unix::fs::FileExt, path::Path};

use polars::{io::parquet::read::FileMetadata, prelude::*};

use super::RecordError;

/// The key of the row groups' checksums, eight hexadecimal digits each, one after the other.
const GROUPS: &str = "atelier.crc32.groups";
/// The key of the footer's checksum, eight hexadecimal digits.
const FOOTER: &str = "atelier.crc32.footer";
/// Digits of a checksum.
const DIGITS: usize = 8;
/// The end of the file, in which the footer's checksum is looked for: behind it stand only the name of the writing
/// library and the order of the columns.
const TAIL: u64 = 256;
/// What follows the footer: its length and the four letters of Parquet.
const END: u64 = 8;
/// Bytes read at a time; they still lie in the processor's cache when they are summed.
const BUFFER: usize = 256 << 10;

/// The entries of the key-value metadata, still without the sums. They come last.
pub(crate) fn entries(groups: usize) -> [(String, String); 2] {
    [(GROUPS.to_owned(), "0".repeat(DIGITS * groups)), (FOOTER.to_owned(), "0".repeat(DIGITS))]
}

/// Write the sums of the finished Parquet file `bytes` into its [`entries`].
pub(crate) fn fill(bytes: &mut [u8]) -> PolarsResult<()> {
    let metadata = ParquetReader::new(Cursor::new(&*bytes)).get_metadata()?.clone();
    let sums = metadata.row_groups.iter().map(|group| {
        let Range { start, end } = group.full_byte_range();
        bytes.get(start as usize..end as usize).map(crc32fast::hash)
    });
    let sums: Option<Vec<String>> = sums.map(|sum| Some(digits(sum?))).collect();
    sums.and_then(|sums| {
        let sums = sums.concat();
        let at = place(bytes, GROUPS, sums.len())?;
        bytes.get_mut(at)?.copy_from_slice(sums.as_bytes());
        let footer = footer(bytes, bytes.len() as u64)?;
        let at = place(bytes, FOOTER, DIGITS)?;
        let sum = digits(sum_without(&bytes[footer.start as usize..], at.start - footer.start as usize)?);
        bytes.get_mut(at)?.copy_from_slice(sum.as_bytes());
        Some(())
    })
    .ok_or_else(|| polars_err!(ComputeError: "the place for its checksums was not found"))
}

/// Whether the file carries checksums; then its footer is as it was sealed.
///
/// # Errors
/// The footer is not as it was sealed, or cannot be read.
pub(crate) fn check_footer(file: &File, path: &Path) -> Result<bool, RecordError> {
    let read = |range: Range<u64>| {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut bytes, range.start).map(|()| bytes).map_err(RecordError::io("read", path))
    };
    let size = file.metadata().map_err(RecordError::io("read", path))?.len();
    let tail_at = size.saturating_sub(TAIL);
    let tail = read(tail_at..size)?;
    let Some(at) = place(&tail, FOOTER, DIGITS) else { return Ok(false) };
    let written = tail.get(at.clone()).and_then(sum_of);
    let footer = footer(&tail, size).filter(|footer| footer.start <= tail_at + at.start as u64);
    if let (Some(footer), Some(written)) = (footer, written) {
        let at = (tail_at + at.start as u64 - footer.start) as usize;
        if sum_without(&read(footer.start..size)?, at) == Some(written) {
            return Ok(true);
        }
    }
    Err(damaged(path, "its footer", ""))
}

/// The footer and the sums of a file whose footer [`check_footer`] found to be as it was sealed.
#[derive(Debug)]
pub(crate) struct Sums {
    pub(crate) metadata: Arc<FileMetadata>,
    groups: Vec<u32>,
}

impl Sums {
    pub(crate) fn of(metadata: &Arc<FileMetadata>, path: &Path) -> Result<Self, RecordError> {
        let text = value(metadata, GROUPS).unwrap_or_default().as_bytes();
        let groups: Option<Vec<u32>> = text.chunks(DIGITS).map(sum_of).collect();
        let groups = groups.filter(|groups| groups.len() == metadata.row_groups.len());
        let why = || format!("its footer has no checksum for each row group under {GROUPS}; restore it from a copy");
        let groups = groups.ok_or_else(|| RecordError::Segment { path: path.to_owned(), why: why() })?;
        Ok(Self { metadata: Arc::clone(metadata), groups })
    }

    /// Read what holds `rows`, and compare.
    ///
    /// # Errors
    /// It is not as it was sealed, or cannot be read.
    pub(crate) fn check(&self, file: &File, path: &Path, rows: &Range<usize>) -> Result<(), RecordError> {
        let mut buffer = vec![0; BUFFER];
        let mut next = 0;
        for (group, &written) in self.metadata.row_groups.iter().zip(&self.groups) {
            let here = next..next + group.num_rows();
            next = here.end;
            if here.end <= rows.start || rows.end <= here.start {
                continue;
            }
            let bytes = group.full_byte_range();
            let found = sum_in(file, bytes.clone(), &mut buffer).map_err(RecordError::io("read", path))?;
            if found != written {
                let what = format!("its bytes {} to {}, rows {} to {}", bytes.start, bytes.end, here.start, here.end);
                return Err(damaged(path, &what, ", or move it out of the folder to go on without it"));
            }
        }
        Ok(())
    }
}

/// Whether a file is said to carry checksums. Where [`check_footer`] found none all the same, another program wrote it
/// anew and kept the keys: they mean nothing any more, nor does the index.
pub(crate) fn mentioned(metadata: &FileMetadata) -> bool {
    value(metadata, FOOTER).is_some()
}

/// An entry of the key-value metadata.
pub(crate) fn value<'a>(metadata: &'a FileMetadata, key: &str) -> Option<&'a str> {
    let entries = metadata.key_value_metadata.as_ref()?;
    entries.iter().find(|entry| entry.key == key)?.value.as_deref()
}

fn damaged(path: &Path, what: &str, next: &str) -> RecordError {
    let why =
        format!("it was damaged after it was sealed ({what}: the checksum differs); restore it from a copy{next}");
    RecordError::Segment { path: path.to_owned(), why }
}

/// Where the value of the last entry `key` lies, if it has this length: after the key Thrift writes one byte that says
/// that a text follows, and its length, seven bits a byte. Only the key is compared: with anything else damaged, the
/// file is still known to carry a checksum.
fn place(bytes: &[u8], key: &str, length: usize) -> Option<Range<usize>> {
    let key = key.as_bytes();
    let bits = (usize::BITS - length.leading_zeros()) as usize;
    let at = bytes.windows(key.len()).rposition(|window| window == key)? + key.len() + 1 + bits.div_ceil(7);
    Some(at..at + length)
}

/// Where the footer lies in a file of `size` bytes that ends with `tail`, if that can be true.
fn footer(tail: &[u8], size: u64) -> Option<Range<u64>> {
    let length = tail.last_chunk::<{ END as usize }>()?.first_chunk()?;
    let end = size.checked_sub(END)?;
    Some(end.checked_sub(u64::from(u32::from_le_bytes(*length)))?..end)
}

/// The sum of all but the digits at `at`.
fn sum_without(bytes: &[u8], at: usize) -> Option<u32> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes.get(..at)?);
    sum.update(bytes.get(at + DIGITS..)?);
    Some(sum.finalize())
}

fn sum_in(file: &File, mut range: Range<u64>, buffer: &mut [u8]) -> std::io::Result<u32> {
    let mut sum = crc32fast::Hasher::new();
    while range.start < range.end {
        let size = buffer.len().min((range.end - range.start) as usize);
        file.read_exact_at(&mut buffer[..size], range.start)?;
        sum.update(&buffer[..size]);
        range.start += size as u64;
    }
    Ok(sum.finalize())
}

fn digits(sum: u32) -> String {
    format!("{sum:08x}")
}

fn sum_of(digits: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == DIGITS)?;
    u32::from_str_radix(digits, 16).ok()
}
