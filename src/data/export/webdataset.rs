//! WebDataset: tar files in which files of one key, `NNNN`, make one sample.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use super::facts;
use crate::data::Pair;

/// Write one split as `NAME-000000.tar`, ... into `folder`.
pub(super) fn write(folder: &Path, name: &str, shards: &[Vec<&Pair>]) -> io::Result<()> {
    for (number, pairs) in shards.iter().enumerate() {
        let file = File::create(folder.join(format!("{name}-{number:06}.tar")))?;
        let mut archive = tar::Builder::new(BufWriter::new(file));
        for pair in pairs {
            // A sample's key ends at the first dot, so dots of an id are escaped, and with them the escape.
            let key = pair.id.replace('%', "%25").replace('.', "%2E");
            for (side, path) in [("o", &pair.photo), ("g", &pair.illustration)] {
                let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
                append(&mut archive, &format!("{key}.{side}.{extension}"), &fs::read(path)?)?;
            }
            append(&mut archive, &format!("{key}.json"), &serde_json::to_vec(&facts(pair))?)?;
        }
        archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    }
    Ok(())
}

/// One file, with a header that says nothing of when and by whom, so that the same dataset gives the same bytes.
fn append(archive: &mut tar::Builder<BufWriter<File>>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, name, content)
}
