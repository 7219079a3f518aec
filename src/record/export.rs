//! Series for other programs: CSV, one Parquet file, TensorBoard event files.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use polars::prelude::*;

use super::{
    Frames, RecordError,
    columns::{Columns, Point},
    names::Names,
};

mod tensorboard;

pub use tensorboard::tensorboard;

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// The files, in the order written.
    pub files: Vec<PathBuf>,
    /// Rows in all of them.
    pub rows: usize,
}

/// Write everything to the CSV file `out`: a header, then `step,epoch,time,generation,series,value` in the order of
/// recording. Time is RFC 3339 in UTC; floats are written so that they read back exactly, `NaN`, `inf` and `-inf` as
/// such.
pub fn csv(frames: &Frames, out: &Path) -> Result<Exported, RecordError> {
    let rows = whole(out, |file| csv_to(frames, file))?;
    Ok(Exported { files: vec![out.to_owned()], rows })
}

/// [`csv`] into any writer. Gives the number of rows.
pub fn csv_to(frames: &Frames, mut out: impl Write) -> Result<usize, RecordError> {
    let (rows, names) = in_order(frames)?;
    let quoted: Vec<String> = names.all().iter().map(|name| quote(name)).collect();
    let mut write = || {
        writeln!(out, "step,epoch,time,generation,series,value")?;
        for row in 0..rows.len() {
            let Point { step, epoch, time_ns, generation, value } = rows.point(row);
            let name = &quoted[rows.series[row] as usize];
            let time = jiff::Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or_default();
            writeln!(out, "{step},{epoch:?},{time:.9},{generation},{name},{value:?}")?;
        }
        out.flush()
    };
    write().map_err(RecordError::io("write", Path::new("the CSV")))?;
    Ok(rows.len())
}

/// Write everything to the one Parquet file `out`, in the order of recording.
pub fn parquet(frames: &Frames, out: &Path) -> Result<Exported, RecordError> {
    let mut frame = sorted(frames)?;
    whole(out, |file| {
        ParquetWriter::new(file)
            .finish(&mut frame)
            .map_err(RecordError::frame(format!("cannot write {}", out.display())))
    })?;
    Ok(Exported { files: vec![out.to_owned()], rows: frame.height() })
}

/// Everything in the order of recording.
fn sorted(frames: &Frames) -> Result<DataFrame, RecordError> {
    let options = SortMultipleOptions::default().with_maintain_order(true);
    frames
        .data_frame()?
        .sort(["generation", "time"], options)
        .map_err(RecordError::frame("cannot sort the series by time"))
}

fn in_order(frames: &Frames) -> Result<(Columns, Names), RecordError> {
    let mut names = Names::default();
    let frame = sorted(frames)?;
    let rows = Columns::from_frame(&frame, &mut names).map_err(RecordError::frame("cannot read the series back"))?;
    Ok((rows, names))
}

/// Quoted where CSV needs it; an empty name too, which would read as missing.
fn quote(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']) && text.trim() == text;
    if plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// Write the file `out` so that it is either whole or as it was before.
fn whole<T>(out: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<T, RecordError>) -> Result<T, RecordError> {
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let result = File::create(&part).map_err(RecordError::io("create", &part)).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let done = write(&mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).map_err(RecordError::io("write", &part))?;
        fs::rename(&part, out).map_err(RecordError::io("rename", &part))?;
        Ok(done)
    });
    if result.is_err() {
        drop(fs::remove_file(&part)); // best effort: the error that matters is the first
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_csv_needs_it() {
        assert_eq!(quote("loss/g"), "loss/g");
        assert_eq!(quote(""), "\"\"");
        assert_eq!(quote("a,b"), "\"a,b\"");
        assert_eq!(quote("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(quote(" x"), "\" x\"");
    }

    #[test]
    fn a_failed_export_leaves_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out.csv");
        fs::write(&out, "old").unwrap();
        let failed = whole(&out, |file| -> Result<(), RecordError> {
            file.write_all(b"half").unwrap();
            Err(RecordError::Stopped { dir: PathBuf::new(), why: String::new() })
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
