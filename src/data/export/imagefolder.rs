//! Hugging Face `imagefolder`: images beside a `metadata.jsonl` whose `*_file_name` keys become image columns.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use super::{facts, flat_name};
use crate::data::Pair;

/// Write one split into `folder`.
pub(super) fn write(folder: &Path, pairs: &[&Pair]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut metadata = BufWriter::new(File::create(folder.join("metadata.jsonl"))?);
    for pair in pairs {
        let mut line = serde_json::Map::new();
        for (column, path) in [("original_file_name", &pair.photo), ("edited_file_name", &pair.illustration)] {
            let name = flat_name(pair, path);
            fs::copy(path, folder.join(&name))?;
            line.insert(column.to_owned(), name.into());
        }
        line.append(&mut facts(pair));
        serde_json::to_writer(&mut metadata, &line)?;
        metadata.write_all(b"\n")?;
    }
    metadata.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
