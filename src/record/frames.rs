//! A folder of segments as polars frames.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use polars::{prelude::*, sql::SQLContext};

use super::{
    RecordError, Tail,
    columns::{Columns, Point, Series1, schema},
    names::Names,
    seal::{damaged, torn},
    sealed::Sealed,
    segment::{self, SegmentId, list},
    stream::StreamReader,
};

/// Tries to list a folder whose streams are being sealed at the same moment.
const RACES: usize = 16;

/// Everything recorded in a folder at one moment: sealed segments, read in place when asked for, and the streams still
/// being written, read into memory. Reading locks nobody out.
#[derive(Debug)]
pub struct Frames {
    dir: PathBuf,
    segments: BTreeMap<SegmentId, Segment>,
    names: Names,
    damage: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Segment {
    Sealed(Sealed),
    Open {
        reader: StreamReader,
        rows: Columns,
        torn: u64,
    },
    /// Not ours or not readable; said once.
    Unreadable,
}

impl Frames {
    /// Read what is in `dir` now. A folder that does not exist yet is empty.
    ///
    /// # Errors
    /// The folder cannot be read. Single segments that cannot be are [`Frames::warnings`].
    pub fn open(dir: &Path) -> Result<Self, RecordError> {
        let mut frames = Self {
            dir: dir.to_owned(),
            segments: BTreeMap::new(),
            names: Names::default(),
            damage: Vec::new(),
            warnings: Vec::new(),
        };
        frames.refresh()?;
        Ok(frames)
    }

    /// Take in what was recorded since, reading only that.
    pub fn refresh(&mut self) -> Result<(), RecordError> {
        for _race in 0..RACES {
            let mut raced = false;
            for (id, files) in list(&self.dir)? {
                match self.segments.get_mut(&id) {
                    Some(Segment::Sealed(_) | Segment::Unreadable) => {}
                    Some(Segment::Open { reader, rows, torn }) if !files.sealed => {
                        match reader.read(rows, &mut self.names) {
                            Ok(progress) => {
                                *torn = progress.torn;
                                self.damage.extend(progress.damaged.iter().map(|why| damaged(reader.path(), why)));
                            }
                            // What was read of it stays.
                            Err(error) => self.damage.push(error.to_string()),
                        }
                    }
                    Some(Segment::Open { .. }) | None => match self.load(id, files.sealed) {
                        Some(segment) => drop(self.segments.insert(id, segment)),
                        None => raced = true,
                    },
                }
            }
            if !raced {
                break;
            }
        }
        self.warnings.clone_from(&self.damage);
        for segment in self.segments.values() {
            if let Segment::Open { reader, rows, torn: bytes } = segment
                && *bytes > 0
            {
                self.warnings.push(torn(reader.path(), *bytes, rows.len()));
            }
        }
        Ok(())
    }

    /// None if the stream was sealed and removed since the folder was listed.
    fn load(&mut self, id: SegmentId, sealed: bool) -> Option<Segment> {
        if sealed {
            let path = id.path(&self.dir, segment::SEALED);
            return Some(match Sealed::open(&path) {
                Ok(sealed) => Segment::Sealed(sealed),
                Err(error) => self.unreadable(&error),
            });
        }
        let path = id.path(&self.dir, segment::OPEN);
        let mut reader = match StreamReader::open(&path) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return Some(self.unreadable(&RecordError::io("open", &path)(error))),
        };
        let mut rows = Columns::default();
        Some(match reader.read(&mut rows, &mut self.names) {
            Ok(progress) => {
                self.damage.extend(progress.damaged.iter().map(|why| damaged(&path, why)));
                Segment::Open { reader, rows, torn: progress.torn }
            }
            Err(error) => self.unreadable(&error),
        })
    }

    fn unreadable(&mut self, error: &RecordError) -> Segment {
        self.damage.push(format!("{error}; left out"));
        Segment::Unreadable
    }

    /// What could not be read, and unfinished batches at the end of streams: one line each. The latter is the rule for
    /// a moment while a batch is being written, and what remains after a crash.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What could not be read, one line each, without unfinished batches at the end of streams: while a session runs
    /// there is one every now and then.
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// The number of rows of all series together.
    pub fn rows(&self) -> usize {
        self.segments
            .values()
            .map(|segment| match segment {
                Segment::Sealed(sealed) => sealed.rows,
                Segment::Open { rows, .. } => rows.len(),
                Segment::Unreadable => 0,
            })
            .sum()
    }

    /// The names of all series, sorted.
    pub fn series_names(&self) -> Result<Vec<String>, RecordError> {
        let mut found = BTreeSet::new();
        for segment in self.segments.values() {
            match segment {
                Segment::Sealed(Sealed { index: Some(index), .. }) => {
                    found.extend(index.series.iter().map(|entry| entry.name.clone()));
                }
                Segment::Sealed(sealed) => {
                    let mut names = Names::default();
                    sealed.columns(&mut names)?;
                    found.extend(names.all().iter().map(ToString::to_string));
                }
                Segment::Open { rows, .. } => {
                    let mut here = vec![false; self.names.all().len()];
                    rows.series.iter().for_each(|&number| here[number as usize] = true);
                    let names = self.names.all().iter().zip(here).filter(|(_name, here)| *here);
                    found.extend(names.map(|(name, _here)| name.to_string()));
                }
                Segment::Unreadable => {}
            }
        }
        Ok(found.into_iter().collect())
    }

    /// One whole series: every generation, nothing dropped (see [`Series1::newest`]).
    ///
    /// # Errors
    /// There is no such series, or a segment cannot be read.
    pub fn series(&self, name: &str) -> Result<Series1, RecordError> {
        let mut series = Series1::default();
        series.reserve(self.segments.values().map(|segment| segment.rows_indexed(name)).sum());
        for segment in self.segments.values() {
            match segment {
                Segment::Sealed(sealed) => sealed.series(name, &mut series)?,
                Segment::Open { rows, .. } => {
                    let Some(number) = self.names.number(name) else { continue };
                    let ours = rows.series.iter().enumerate().filter(|&(_row, &series)| series == number);
                    ours.for_each(|(row, _number)| series.push(rows.point(row)));
                }
                Segment::Unreadable => {}
            }
        }
        if series.is_empty() {
            return Err(self.unknown(name));
        }
        Ok(series)
    }

    fn unknown(&self, name: &str) -> RecordError {
        let mut near: Vec<(f64, String)> = self
            .series_names()
            .unwrap_or_default()
            .into_iter()
            .map(|other| (strsim::jaro_winkler(name, &other), other))
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let hint = match near.first() {
            Some((score, best)) if *score > 0.8 => format!("; did you mean `{best}`?"),
            Some(_) => {
                let some: Vec<&str> = near.iter().take(5).map(|(_score, name)| name.as_str()).collect();
                format!("; {} are recorded, such as `{}`", near.len(), some.join("`, `"))
            }
            None => "; nothing is recorded there yet".to_owned(),
        };
        RecordError::UnknownSeries { name: name.to_owned(), dir: self.dir.clone(), hint }
    }

    /// The point of a series that was recorded last, if it has any.
    pub fn latest(&self, name: &str) -> Option<Point> {
        let number = self.names.number(name);
        self.segments.values().rev().find_map(|segment| match segment {
            Segment::Sealed(sealed) => sealed.latest(name),
            Segment::Open { rows, .. } => {
                rows.series.iter().rposition(|&series| Some(series) == number).map(|row| rows.point(row))
            }
            Segment::Unreadable => None,
        })
    }

    /// The latest time of each generation that recorded anything, in nanoseconds since the Unix epoch.
    ///
    /// # Errors
    /// A segment that another program wrote cannot be read.
    pub fn ends(&self) -> Result<BTreeMap<u32, i64>, RecordError> {
        let mut ends = BTreeMap::new();
        for (id, segment) in &self.segments {
            let last = match segment {
                Segment::Sealed(Sealed { index: Some(index), .. }) => Some(index.last_time_ns),
                Segment::Sealed(sealed) => sealed.columns(&mut Names::default())?.time.into_iter().max(),
                Segment::Open { rows, .. } => rows.time.iter().copied().max(),
                Segment::Unreadable => None,
            };
            if let Some(last) = last {
                let end = ends.entry(id.generation).or_insert(last);
                *end = last.max(*end);
            }
        }
        Ok(ends)
    }

    /// Everything in memory, in the schema of the store. Ordered by generation and segment; within a sealed segment by
    /// series. Sort by `time` for the order of recording.
    pub fn data_frame(&self) -> Result<DataFrame, RecordError> {
        let mut whole = DataFrame::empty_with_schema(&schema());
        for segment in self.segments.values() {
            let part = match segment {
                Segment::Sealed(sealed) => sealed.frame()?,
                Segment::Open { rows, .. } => rows.clone().into_frame(&self.names)?,
                Segment::Unreadable => continue,
            };
            whole.vstack_mut(&part).map_err(RecordError::frame("cannot join the segments"))?;
        }
        Ok(whole)
    }

    /// Everything as [`Frames::data_frame`] gives it, with the sealed segments kept for the next time: what
    /// [`Frames::lazy`] says of memory holds here too.
    pub fn kept_data_frame(&self) -> Result<DataFrame, RecordError> {
        for segment in self.segments.values() {
            if let Segment::Sealed(sealed) = segment {
                sealed.kept()?;
            }
        }
        self.data_frame()
    }

    /// The table lazily. The first call reads every sealed segment whole, whatever is asked of the table then, and keeps
    /// it until these frames are dropped: 52 bytes a row and what names longer than twelve bytes take once. Later calls
    /// share it. For one series, [`Frames::series`] reads that series alone.
    pub fn lazy(&self) -> Result<LazyFrame, RecordError> {
        let mut parts = Vec::new();
        for segment in self.segments.values() {
            match segment {
                Segment::Sealed(sealed) => parts.push(sealed.kept()?.lazy()),
                Segment::Open { rows, .. } => parts.push(rows.clone().into_frame(&self.names)?.lazy()),
                Segment::Unreadable => {}
            }
        }
        if parts.is_empty() {
            return Ok(DataFrame::empty_with_schema(&schema()).lazy());
        }
        concat(parts, UnionArgs::default())
            .map_err(RecordError::frame(format!("cannot join the segments of {}", self.dir.display())))
    }

    /// The answer to an SQL query in polars' dialect; the one table is `metrics` ([`Frames::lazy`] says what the first
    /// query costs).
    ///
    /// # Errors
    /// The query is not understood, with polars' own words.
    pub fn sql(&self, query: &str) -> Result<DataFrame, RecordError> {
        let mut context = SQLContext::new();
        context.register("metrics", self.lazy()?);
        let answer = context.execute(query).and_then(LazyFrame::collect);
        answer.map_err(RecordError::frame(format!("cannot answer `{query}`")))
    }

    /// A tail that goes on exactly after what these frames hold.
    pub fn tail(&self) -> Result<Tail, RecordError> {
        let mut tail = Tail::open(&self.dir);
        for (&id, segment) in &self.segments {
            match segment {
                Segment::Sealed(_) | Segment::Unreadable => tail.skip(id),
                Segment::Open { reader, .. } => {
                    let reader = reader.try_clone().map_err(RecordError::io("open", reader.path()))?;
                    tail.go_on(id, reader);
                }
            }
        }
        Ok(tail)
    }
}

impl Segment {
    /// The rows of a series as far as an index knows them.
    fn rows_indexed(&self, name: &str) -> usize {
        match self {
            Self::Sealed(Sealed { index: Some(index), .. }) => index.get(name).map_or(0, |entry| entry.rows),
            _ => 0,
        }
    }
}
