//! What was appended since the last look: each row once, by byte offset.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    RecordError,
    columns::{Columns, Row},
    names::Names,
    seal::damaged,
    sealed::Sealed,
    segment::{self, SegmentId, list},
    stream::StreamReader,
};

/// Follows a folder while it grows. The folder may not exist yet, segments may be sealed or begun between two looks:
/// every row comes exactly once, segment by segment in their order; within one in the order of recording (of a segment
/// that was begun and sealed between two looks, in the order of time).
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    segments: BTreeMap<SegmentId, Place>,
    names: Names,
    warnings: Vec<String>,
}

#[derive(Debug)]
enum Place {
    /// The file stays open: what is appended before it is sealed is read even after its name is gone.
    At(StreamReader),
    Done,
}

impl Tail {
    /// Follow `dir` from its beginning. To follow only what is new, see [`Frames::tail`](super::Frames::tail).
    pub fn open(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), segments: BTreeMap::new(), names: Names::default(), warnings: Vec::new() }
    }

    /// Count all of a segment as seen.
    pub(crate) fn skip(&mut self, id: SegmentId) {
        self.segments.insert(id, Place::Done);
    }

    /// Go on in a segment where `reader` stands.
    pub(crate) fn go_on(&mut self, id: SegmentId, reader: StreamReader) {
        self.segments.insert(id, Place::At(reader));
    }

    /// The rows that came since the last call.
    ///
    /// # Errors
    /// The folder cannot be read. A segment that cannot be is skipped with a warning ([`Tail::take_warnings`]).
    pub fn poll(&mut self) -> Result<Vec<Row>, RecordError> {
        let mut rows = Columns::default();
        // Listed before anything is read: a stream missing in the list gets no more rows, so reading it once more to
        // its end is the last time.
        let found = list(&self.dir)?;
        for (&id, place) in &mut self.segments {
            let Place::At(reader) = place else { continue };
            let growing = found.get(&id).is_some_and(|files| files.open && !files.sealed);
            let read = reader.read(&mut rows, &mut self.names);
            let over = match read {
                Ok(progress) => {
                    self.warnings.extend(progress.damaged.iter().map(|why| damaged(reader.path(), why)));
                    reader.ended() || !growing
                }
                Err(error) => {
                    self.warnings.push(format!("{error}; not followed any more"));
                    true
                }
            };
            if over {
                *place = Place::Done;
            }
        }
        for (id, files) in found {
            if self.segments.contains_key(&id) {
                continue;
            }
            let place = if files.sealed {
                self.whole(&id.path(&self.dir, segment::SEALED), &mut rows);
                Place::Done
            } else if files.open {
                let path = id.path(&self.dir, segment::OPEN);
                match StreamReader::open(&path) {
                    Ok(mut reader) => match reader.read(&mut rows, &mut self.names) {
                        Ok(progress) => {
                            self.warnings.extend(progress.damaged.iter().map(|why| damaged(&path, why)));
                            Place::At(reader)
                        }
                        Err(error) => {
                            self.warnings.push(format!("{error}; left out"));
                            Place::Done
                        }
                    },
                    // Sealed since it was listed: the next look finds the sealed file. Later segments wait for it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => {
                        self.warnings.push(format!("cannot open {}: {error}; left out", path.display()));
                        Place::Done
                    }
                }
            } else {
                continue;
            };
            self.segments.insert(id, place);
        }
        let names = self.names.all();
        Ok((0..rows.len())
            .map(|row| Row { series: Arc::clone(&names[rows.series[row] as usize]), point: rows.point(row) })
            .collect())
    }

    fn whole(&mut self, path: &Path, rows: &mut Columns) {
        let read = Sealed::open(path).and_then(|sealed| sealed.columns(&mut self.names));
        match read {
            Ok(sealed) => {
                let mut order: Vec<u32> = (0..sealed.len() as u32).collect();
                order.sort_by_key(|&row| sealed.time[row as usize]); // stable
                for row in order.into_iter().map(|row| row as usize) {
                    rows.push(sealed.series[row], sealed.point(row));
                }
            }
            Err(error) => self.warnings.push(format!("{error}; left out")),
        }
    }

    /// What could not be read since the last call, one line each.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }
}
