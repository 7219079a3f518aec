//! One sealed segment: opened by its footer, read a series or the whole at a time.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use polars::prelude::*;

use super::{
    RecordError,
    columns::{Columns, Point, Series1, schema, values},
    names::Names,
    seal::{Index, IndexEntry, index_of},
    sums::{self, Sums},
};

#[cfg(test)]
mod tests;

/// The columns of one series, without its name.
const SERIES_COLUMNS: [&str; 5] = ["step", "epoch", "time", "generation", "value"];

/// A sealed segment, read in place when asked for.
#[derive(Debug)]
pub(crate) struct Sealed {
    path: PathBuf,
    pub(crate) rows: usize,
    /// None in a file that another program wrote.
    pub(crate) index: Option<Index>,
    /// None in a file without checksums.
    sums: Option<Sums>,
    /// All of it, kept by the first query. A sealed file never changes.
    frame: OnceLock<DataFrame>,
}

impl Sealed {
    /// Open the file by its footer.
    ///
    /// # Errors
    /// It is not readable, not ours, or its footer was damaged.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordError> {
        let failed = || RecordError::frame(format!("cannot read {}", path.display()));
        let file = File::open(path).map_err(RecordError::io("open", path))?;
        let summed = sums::check_footer(&file, path)?;
        let mut reader = ParquetReader::new(file);
        let metadata = reader.get_metadata().map_err(failed())?.clone();
        let found = reader.with_slice(Some((0, 0))).finish().map_err(failed())?;
        if **found.schema() != schema() {
            let columns: Vec<String> = found.schema().iter().map(|(name, dtype)| format!("{name}: {dtype}")).collect();
            let why = format!("its columns are {}", columns.join(", "));
            return Err(RecordError::Segment { path: path.to_owned(), why });
        }
        let index = if summed || !sums::mentioned(&metadata) { index_of(&metadata) } else { None };
        let sums = summed.then(|| Sums::of(&metadata, path)).transpose()?;
        Ok(Self { path: path.to_owned(), rows: metadata.num_rows, index, sums, frame: OnceLock::new() })
    }

    fn failed(&self) -> impl FnOnce(PolarsError) -> RecordError {
        RecordError::frame(format!("cannot read {}", self.path.display()))
    }

    /// A reader of `rows`, once they are known to be as they were sealed. The file is mapped, not read: what is not
    /// asked for stays on disk.
    fn reader(&self, rows: Range<usize>) -> Result<ParquetReader<File>, RecordError> {
        let file = File::open(&self.path).map_err(RecordError::io("open", &self.path))?;
        if let Some(sums) = &self.sums {
            sums.check(&file, &self.path, &rows)?;
        }
        let mut reader = ParquetReader::new(file).with_slice(Some((rows.start, rows.len())));
        if let Some(sums) = &self.sums {
            reader.set_metadata(Arc::clone(&sums.metadata)); // the footer that was checked, not the one there now
        }
        Ok(reader)
    }

    /// All rows: those that are kept, or read anew and not kept.
    pub(crate) fn frame(&self) -> Result<DataFrame, RecordError> {
        match self.frame.get() {
            Some(frame) => Ok(frame.clone()), // shares the columns
            None => self.reader(0..self.rows)?.finish().map_err(self.failed()),
        }
    }

    /// All rows, kept for the next time.
    pub(crate) fn kept(&self) -> Result<DataFrame, RecordError> {
        let frame = self.frame()?;
        Ok(self.frame.get_or_init(|| frame).clone())
    }

    /// All rows, for files without an index.
    pub(crate) fn columns(&self, names: &mut Names) -> Result<Columns, RecordError> {
        Columns::from_frame(&self.frame()?, names).map_err(self.failed())
    }

    pub(crate) fn series(&self, name: &str, series: &mut Series1) -> Result<(), RecordError> {
        let Some(index) = &self.index else {
            let mut names = Names::default();
            let rows = self.columns(&mut names)?;
            let number = names.number(name);
            let ours = (0..rows.len()).filter(|&row| Some(rows.series[row]) == number);
            ours.for_each(|row| series.push(rows.point(row)));
            return Ok(());
        };
        let Some(entry) = index.get(name) else { return Ok(()) };
        let frame = self
            .reader(entry.start..entry.start + entry.rows)?
            .with_columns(Some(SERIES_COLUMNS.map(str::to_owned).to_vec()))
            .finish()
            .map_err(self.failed())?;
        let mut append = || {
            series.step.append(&mut values(frame.column("step")?.i64()?));
            series.epoch.append(&mut values(frame.column("epoch")?.f64()?));
            series.time_ns.append(&mut values(frame.column("time")?.datetime()?.physical()));
            series.generation.append(&mut values(frame.column("generation")?.u32()?));
            series.value.append(&mut values(frame.column("value")?.f64()?));
            PolarsResult::Ok(())
        };
        append().map_err(self.failed())
    }

    pub(crate) fn latest(&self, name: &str) -> Option<Point> {
        if let Some(index) = &self.index {
            return index.get(name).map(IndexEntry::last);
        }
        let mut series = Series1::default();
        self.series(name, &mut series).ok()?;
        series.get(series.len().checked_sub(1)?)
    }
}

#[cfg(test)]
impl Sealed {
    /// Where the pages of each column begin in the file.
    fn page_starts(&self) -> Vec<usize> {
        let mut reader = ParquetReader::new(File::open(&self.path).unwrap());
        let metadata = reader.get_metadata().unwrap().clone();
        let groups = metadata.row_groups.iter();
        groups.flat_map(|group| group.byte_ranges_iter().map(|range| range.start as usize)).collect()
    }
}
