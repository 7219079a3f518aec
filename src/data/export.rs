//! A dataset for other programs: the Hugging Face `imagefolder`, WebDataset shards, or Parquet with embedded images.
//!
//! Image bytes are copied as they are, each checked to decode; the two sides of the split become the splits `train`
//! and `validation`. The same dataset gives the same bytes.

mod imagefolder;
mod parquet;
mod webdataset;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::image_file;
use super::pairs::{Dataset, Pair};
use super::split::split;
use super::staging;

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A folder of images for each split, with a `metadata.jsonl`.
    Imagefolder,
    /// Tar files of `NNNN.o.png`, `NNNN.g.png`, `NNNN.json`.
    Webdataset,
    /// Parquet files with the images' bytes in them.
    Parquet,
}

/// How to export.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What to write.
    pub format: Format,
    /// Share held out as the split `validation`; at 0 everything is `train`.
    pub validation_fraction: f64,
    /// Seed of the split.
    pub seed: u64,
    /// Image bytes after which a new tar or Parquet file begins.
    pub shard_bytes: u64,
}

/// What an export wrote.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Where.
    pub output: PathBuf,
    /// What.
    pub format: Format,
    /// Pairs in `train`.
    pub train: usize,
    /// Pairs in `validation`.
    pub validation: usize,
    /// Files written.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The destination holds something.
    #[error("{} is there already and not empty; choose another folder", path.display())]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// Files that give no image, which nobody else could read either.
    #[error("{count} pairs cannot be read, the first {id}: {reason}; `atelier dataset check` lists them all")]
    Unreadable {
        /// How many.
        count: usize,
        /// The first.
        id: String,
        /// Why.
        reason: String,
    },
    /// The destination cannot be written, or an image vanished meanwhile.
    #[error("cannot export to {}", path.display())]
    Write {
        /// The destination.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Export a dataset to the folder `out`, which appears whole or not at all. `progress` gets pairs checked and their
/// total.
pub fn export(
    dataset: &Dataset,
    out: &Path,
    options: Options,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Summary, ExportError> {
    let failed = |source| ExportError::Write { path: out.to_path_buf(), source };
    if staging::occupied(out).map_err(failed)? {
        return Err(ExportError::Exists { path: out.to_path_buf() });
    }
    check(dataset, progress)?;
    let folder = staging::folder_in(staging::parent(out)).map_err(failed)?;
    let named = folder.path().join("export");
    let sides = split(dataset, options.validation_fraction, options.seed);
    let write = || -> io::Result<(usize, u64)> {
        fs::create_dir(&named)?;
        for (name, indices) in [("train", &sides.train), ("validation", &sides.validation)] {
            let pairs: Vec<&Pair> = indices.iter().map(|&i| &dataset.pairs[i]).collect();
            if pairs.is_empty() {
                continue;
            }
            match options.format {
                Format::Imagefolder => imagefolder::write(&named.join(name), &pairs)?,
                Format::Webdataset => webdataset::write(&named, name, &shards(&pairs, options.shard_bytes)?)?,
                Format::Parquet => {
                    parquet::write(&named.join("data"), name, &shards(&pairs, options.shard_bytes)?)?;
                }
            }
        }
        staging::sync(&named)?;
        let written = measure(&named)?;
        fs::rename(&named, out)?;
        Ok(written)
    };
    let (files, bytes) = write().map_err(failed)?;
    Ok(Summary {
        output: out.to_path_buf(),
        format: options.format,
        train: sides.train.len(),
        validation: sides.validation.len(),
        files,
        bytes,
    })
}

fn check(dataset: &Dataset, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<(), ExportError> {
    let done = std::sync::atomic::AtomicUsize::new(0);
    let faults: Vec<(String, String)> = dataset
        .pairs
        .par_iter()
        .filter_map(|pair| {
            let fault = |path, what: &str| image_file::open(path).err().map(|fault| format!("the {what} {fault}"));
            let found = fault(&pair.photo, "photo").or_else(|| fault(&pair.illustration, "illustration"));
            progress(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, dataset.pairs.len());
            found.map(|reason| (pair.id.clone(), reason))
        })
        .collect();
    let count = faults.len();
    faults.into_iter().next().map_or(Ok(()), |(id, reason)| Err(ExportError::Unreadable { count, id, reason }))
}

/// Files and bytes below a folder.
fn measure(folder: &Path) -> io::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for item in fs::read_dir(folder)? {
        let item = item?;
        let metadata = item.metadata()?;
        if metadata.is_dir() {
            let (f, b) = measure(&item.path())?;
            files += f;
            bytes += b;
        } else {
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}

/// Cut pairs into runs of at most `limit` image bytes, each at least one pair.
fn shards<'a>(pairs: &[&'a Pair], limit: u64) -> io::Result<Vec<Vec<&'a Pair>>> {
    let mut shards: Vec<Vec<&Pair>> = Vec::new();
    let mut filled = 0;
    for &pair in pairs {
        let bytes = fs::metadata(&pair.photo)?.len() + fs::metadata(&pair.illustration)?.len();
        match shards.last_mut() {
            Some(shard) if filled + bytes <= limit => {
                shard.push(pair);
                filled += bytes;
            }
            _ => {
                shards.push(vec![pair]);
                filled = bytes;
            }
        }
    }
    Ok(shards)
}

/// `0001_o.png`: an image's name when all images lie in one folder.
fn flat_name(pair: &Pair, path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    format!("{}_{name}", pair.id)
}

/// What is told of a pair beside its images.
fn facts(pair: &Pair) -> serde_json::Map<String, serde_json::Value> {
    let mut facts = serde_json::Map::new();
    facts.insert("id".to_owned(), pair.id.clone().into());
    facts.insert("source".to_owned(), pair.source.clone().into());
    facts.insert("synthetic".to_owned(), pair.synthetic.into());
    facts
}
