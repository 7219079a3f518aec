//! From a finished stream to a Parquet file that is cheap to open, and what a crash leaves behind.
//!
//! A sealed segment holds its rows sorted by series (each series in the order of recording), and in its footer, under
//! [`INDEX_KEY`], where each series lies and its last point: one series is read without looking at the others. How it
//! tells damage from what was recorded: see [`sums`].

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    RecordError,
    columns::{Columns, Point},
    names::Names,
    sealed::Sealed,
    segment::{self, SegmentId, claim, list, sync_dir},
    stream::StreamReader,
    sums,
};

/// The key of the index in the footer of a sealed segment.
pub(crate) const INDEX_KEY: &str = "atelier.index";
/// Rows a row group at most.
const ROW_GROUP: usize = 65_536;
/// Rows a row group at least, where series are shorter than this: then several share one.
const SMALL_GROUP: usize = 4_096;

/// What a sealed segment holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Index {
    /// The latest time of any row, nanoseconds since the Unix epoch.
    pub(crate) last_time_ns: i64,
    /// The series in the order of the rows.
    pub(crate) series: Vec<IndexEntry>,
}

/// Where a series lies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct IndexEntry {
    pub(crate) name: String,
    /// Its first row.
    pub(crate) start: usize,
    /// Its number of rows, never zero.
    pub(crate) rows: usize,
    last: LastPoint,
}

/// The last point of a series; the floats as text, because JSON knows neither NaN nor infinity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct LastPoint {
    step: i64,
    epoch: String,
    time_ns: i64,
    generation: u32,
    value: String,
}

impl Index {
    /// Where a series lies, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&IndexEntry> {
        self.series.iter().find(|entry| entry.name == name)
    }
}

impl IndexEntry {
    pub(crate) fn last(&self) -> Point {
        Point {
            step: self.last.step,
            epoch: self.last.epoch.parse().unwrap_or(f64::NAN),
            time_ns: self.last.time_ns,
            generation: self.last.generation,
            value: self.last.value.parse().unwrap_or(f64::NAN),
        }
    }
}

/// Sort by series, each in its order, and say where they are.
pub(crate) fn sort_by_series(rows: &Columns, names: &Names) -> (Columns, Index) {
    let all = names.all();
    let mut by_name: Vec<u32> = (0..all.len() as u32).collect();
    by_name.sort_unstable_by(|&a, &b| all[a as usize].cmp(&all[b as usize]));
    let mut counts = vec![0_u32; all.len()];
    for &series in &rows.series {
        counts[series as usize] += 1;
    }
    let mut next = vec![0_u32; all.len()];
    let mut index = Index { last_time_ns: rows.time.iter().copied().max().unwrap_or(i64::MIN), series: Vec::new() };
    let mut start = 0_u32;
    for &series in &by_name {
        next[series as usize] = start;
        start += counts[series as usize];
    }
    let starts = next.clone();
    let mut order = vec![0_u32; rows.len()];
    for (row, &series) in rows.series.iter().enumerate() {
        let place = &mut next[series as usize];
        order[*place as usize] = row as u32;
        *place += 1;
    }
    let sorted = rows.permuted(&order);
    for series in by_name {
        let count = counts[series as usize] as usize;
        if count == 0 {
            continue;
        }
        let start = starts[series as usize] as usize;
        let point = sorted.point(start + count - 1);
        let last = LastPoint {
            step: point.step,
            epoch: point.epoch.to_string(),
            time_ns: point.time_ns,
            generation: point.generation,
            value: point.value.to_string(),
        };
        index.series.push(IndexEntry { name: all[series as usize].to_string(), start, rows: count, last });
    }
    (sorted, index)
}

/// Turn the stream of segment `id` into Parquet: written beside, synced, renamed; only then the stream is removed.
/// Gives warnings about what could not be kept. A stream without rows is removed.
pub(crate) fn seal(dir: &Path, id: SegmentId) -> Result<Vec<String>, RecordError> {
    let stream = id.path(dir, segment::OPEN);
    let mut reader = StreamReader::open(&stream).map_err(RecordError::io("open", &stream))?;
    let (mut rows, mut names) = (Columns::default(), Names::default());
    let progress = reader.read(&mut rows, &mut names)?;
    let mut warnings: Vec<String> = progress.damaged.iter().map(|why| damaged(&stream, why)).collect();
    if progress.torn > 0 {
        warnings.push(torn(&stream, progress.torn, rows.len()));
    }
    if !progress.damaged.is_empty() {
        // Someone may still rescue what we cannot read: such a stream is kept as it is.
        return Ok(warnings);
    }
    if rows.len() > 0 {
        let (sorted, index) = sort_by_series(&rows, &names);
        drop(rows);
        write_parquet(&id.path(dir, segment::SEALED), sorted, &names, &index)?;
    }
    fs::remove_file(&stream).map_err(RecordError::io("remove", &stream))?;
    Ok(warnings)
}

/// Write `rows` with their `index` to `path` so that it is either whole or not there.
pub(crate) fn write_parquet(path: &Path, rows: Columns, names: &Names, index: &Index) -> Result<(), RecordError> {
    let frame = rows.into_frame(names)?;
    let part = part_of(path);
    let result = write_frame(&part, &frame, index).and_then(|()| {
        fs::rename(&part, path).map_err(RecordError::io("rename", &part))?;
        path.parent().map_or(Ok(()), sync_dir)
    });
    if result.is_err() {
        drop(fs::remove_file(&part)); // best effort: the error that matters is the first
    }
    result
}

/// First row and number of rows of each row group: they begin where a series begins, so that reading one series
/// decodes nothing else.
fn row_groups(index: &Index) -> Vec<(usize, usize)> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    let mut open = false; // whether the last group still takes short series
    for entry in &index.series {
        let short = entry.rows < SMALL_GROUP;
        match groups.last_mut() {
            Some(last) if open && short => last.1 += entry.rows,
            _ => {
                let starts = (0..entry.rows).step_by(ROW_GROUP);
                groups.extend(starts.map(|at| (entry.start + at, ROW_GROUP.min(entry.rows - at))));
            }
        }
        open = short && groups.last().is_some_and(|last| last.1 < SMALL_GROUP);
    }
    groups
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn write_frame(path: &Path, frame: &DataFrame, index: &Index) -> Result<(), RecordError> {
    let mut file = {
        use std::os::unix::fs::OpenOptionsExt;
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
    }
    .map_err(RecordError::io("create", path))?;
    let groups = row_groups(index);
    let mut entries = vec![("atelier.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    entries.extend(serde_json::to_string(index).ok().map(|index| (INDEX_KEY.to_owned(), index)));
    entries.extend(sums::entries(groups.len()));
    let mut bytes = Vec::new(); // in memory, because the sums are written last and stand before the end
    let write = || {
        let mut writer = ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Lz4Raw)
            .with_key_value_metadata(Some(KeyValueMetadata::from_static(entries)))
            .batched(frame.schema())?;
        for (start, rows) in groups {
            writer.write_batch(&frame.slice(start as i64, rows))?;
        }
        writer.finish()?;
        drop(writer);
        sums::fill(&mut bytes)
    };
    write().map_err(RecordError::frame(format!("cannot write {}", path.display())))?;
    file.write_all(&bytes).map_err(RecordError::io("write", path))?;
    file.sync_all().map_err(RecordError::io("sync", path))
}

/// What was found in a folder before a new writer starts in it.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// What was wrong and what was done about it.
    pub(crate) warnings: Vec<String>,
    /// Streams of former writers, cut to whole batches, claimed, still to be sealed.
    pub(crate) unsealed: Vec<(SegmentId, File)>,
    /// The latest time recorded, if any.
    pub(crate) last_time_ns: Option<i64>,
    /// The newest segment, if any.
    pub(crate) newest: Option<SegmentId>,
}

/// Put a folder in order after whatever happened to its last writer: half-sealed files removed, streams cut to their
/// last whole batch. Segments that another process is writing are left alone.
pub(crate) fn recover(dir: &Path) -> Result<Recovered, RecordError> {
    let mut found = Recovered::default();
    let mut sealed = Vec::new();
    for (id, files) in list(dir)? {
        found.newest = Some(id);
        sealed.extend(files.sealed.then_some(id));
        let stream = id.path(dir, segment::OPEN);
        let mut held = None;
        if files.open {
            let file = OpenOptions::new().read(true).append(true).open(&stream);
            let file = match file {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let path = stream.display();
                    found.warnings.push(format!("cannot open {path} to put it in order: {error}; left as it is"));
                    continue;
                }
            };
            if !claim(&file) {
                found.warnings.push(format!("{} is being written by another process; left alone", stream.display()));
                continue;
            }
            held = Some(file);
        }
        if files.part {
            let part = id.path(dir, segment::PART);
            fs::remove_file(&part).map_err(RecordError::io("remove", &part))?;
        }
        let Some(file) = held else { continue };
        if files.sealed {
            // The crash came between the rename and the removal: the sealed file is complete.
            fs::remove_file(&stream).map_err(RecordError::io("remove", &stream))?;
            continue;
        }
        match cut(&stream, &file, &mut found) {
            Ok(true) => found.unsealed.push((id, file)),
            Ok(false) => {}
            Err(error) => found.warnings.push(format!("{error}; left as it is")),
        }
    }
    if found.last_time_ns.is_none() {
        for id in sealed.into_iter().rev() {
            match Sealed::open(&id.path(dir, segment::SEALED)) {
                Ok(sealed) => {
                    found.last_time_ns = sealed.index.map(|index| index.last_time_ns);
                    break;
                }
                Err(error) => found.warnings.push(format!("{error}; left as it is")),
            }
        }
    }
    Ok(found)
}

/// Cut the stream to its last whole batch. False if nothing is left and it was removed.
fn cut(stream: &Path, file: &File, found: &mut Recovered) -> Result<bool, RecordError> {
    let mut reader = StreamReader::open(stream).map_err(RecordError::io("open", stream))?;
    let (mut rows, mut names) = (Columns::default(), Names::default());
    let progress = reader.read(&mut rows, &mut names)?;
    found.warnings.extend(progress.damaged.iter().map(|why| damaged(stream, why)));
    if progress.torn > 0 {
        file.set_len(reader.offset()).map_err(RecordError::io("cut", stream))?;
        found.warnings.push(torn(stream, progress.torn, rows.len()));
    }
    if rows.len() == 0 && progress.damaged.is_empty() {
        fs::remove_file(stream).map_err(RecordError::io("remove", stream))?;
        return Ok(false);
    }
    found.last_time_ns = found.last_time_ns.max(rows.time.iter().copied().max());
    Ok(true)
}

pub(crate) fn torn(path: &Path, bytes: u64, rows: usize) -> String {
    format!(
        "{} ends in an unfinished batch of {bytes} bytes, cut off; the {rows} rows before it are kept",
        path.display()
    )
}

pub(crate) fn damaged(path: &Path, why: &str) -> String {
    format!("{}: {why}; skipped", path.display())
}

/// The index in the footer of a sealed segment; none in a Parquet file that someone else wrote.
pub(crate) fn index_of(metadata: &polars::io::parquet::read::FileMetadata) -> Option<Index> {
    serde_json::from_str(sums::value(metadata, INDEX_KEY)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped(rows: &[usize]) -> Vec<usize> {
        let mut names = Names::default();
        let mut columns = Columns::default();
        for (i, &count) in rows.iter().enumerate() {
            let series = names.intern(&format!("{i:04}"));
            let point = Point { step: 0, epoch: 0.0, time_ns: 0, generation: 0, value: 0.0 };
            (0..count).for_each(|_row| columns.push(series, point));
        }
        let (_sorted, index) = sort_by_series(&columns, &names);
        let groups = row_groups(&index);
        let mut next = 0;
        for &(start, rows) in &groups {
            assert_eq!(start, next, "no row twice, none left out");
            next += rows;
        }
        assert_eq!(next, columns.len());
        groups.into_iter().map(|(_start, rows)| rows).collect()
    }

    #[test]
    fn row_groups_begin_with_a_series_and_short_ones_share() {
        assert_eq!(grouped(&[]), [0; 0]);
        assert_eq!(grouped(&[5]), [5]);
        assert_eq!(grouped(&[70_000, 10, 20, 5_000, 1]), [65_536, 4_464, 30, 5_000, 1]);
        assert_eq!(grouped(&[4_000, 4_000, 4_000]), [8_000, 4_000]);
        assert_eq!(grouped(&vec![1; 10_000]), [4_096, 4_096, 1_808]);
    }
}
