//! Making a dataset of pictures as they lie around: side-by-side composites, two folders, or the paper's layout.
//!
//! An import runs in two passes over the sources, both in parallel. The first reads headers (and, for composites, finds
//! the seam), so that every tile is known before anything is written. The second decodes, cuts and encodes into a
//! folder beside the destination, which is renamed into place at the end: a dataset is there whole or not at all.
//! A source that cannot be used is listed with its reason and the rest is imported.

mod find;
mod plan;
mod seam;
mod write;

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::manifest::Tile;
use super::pairs::DatasetError;

pub use find::Layout;

/// Where the pictures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// One folder; its layout is found or given.
    Folder(PathBuf),
    /// Two folders, matched by stem.
    Matched {
        /// Folder of photos.
        photos: PathBuf,
        /// Folder of illustrations.
        illustrations: PathBuf,
    },
}

/// How to import.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How the pictures lie in their folder; `None` finds out.
    pub layout: Option<Layout>,
    /// Columns between the halves of a composite; `None` finds the gap.
    pub gap: Option<u32>,
    /// Columns to drop on either side of the seam, where JPEG smears one half into the other; `None` drops 4 of JPEGs
    /// whose seam does not fall on a 16-pixel block, else nothing.
    pub trim: Option<u32>,
    /// The illustration is the left half.
    pub swap: bool,
    /// Side of the square tiles to cut; `None` takes pictures whole.
    pub tile: Option<u32>,
    /// Distance between tiles; `None` is the tile's side.
    pub stride: Option<u32>,
    /// At most this many pairs, dealt over the sources in turn so that every source gives some.
    pub limit: Option<usize>,
    /// Mark every pair as synthetic.
    pub synthetic: bool,
    /// Add to a dataset that exists.
    pub append: bool,
}

/// How far an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// `reading` or `cutting`.
    pub stage: &'static str,
    /// Sources done in this stage.
    pub done: usize,
    /// Sources in this stage.
    pub total: usize,
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The dataset.
    pub root: PathBuf,
    /// How the pictures lay.
    pub layout: Layout,
    /// Every source, in natural order.
    pub sources: Vec<SourceSummary>,
    /// Stems of photos without an illustration.
    pub unmatched_photos: Vec<String>,
    /// Stems of illustrations without a photo.
    pub unmatched_illustrations: Vec<String>,
    /// Names in the origin that are no images and were passed over.
    pub ignored: Vec<String>,
    /// Pairs written.
    pub pairs: usize,
    /// Id of the first pair written.
    pub first_id: Option<String>,
    /// Id of the last pair written.
    pub last_id: Option<String>,
}

impl Summary {
    /// Whether something that should have been imported was not.
    pub fn has_faults(&self) -> bool {
        !self.unmatched_photos.is_empty()
            || !self.unmatched_illustrations.is_empty()
            || self.sources.iter().any(|source| matches!(source.outcome, Outcome::Bad { .. }))
    }
}

/// What became of one source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceSummary {
    /// Its name in the manifest.
    pub name: String,
    /// Width and height of the photo, where it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// The gap of a composite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<u32>,
    /// Columns dropped on either side of a composite's seam.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<u32>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What became of one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// Pairs were made of it.
    Imported {
        /// How many.
        pairs: usize,
    },
    /// It gives no pair, and that is nothing to mend: too small for a tile, already there, over the limit.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It should have given pairs and could not.
    Bad {
        /// Why.
        reason: String,
    },
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The origin cannot be listed.
    #[error("cannot list {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The origin holds nothing to import.
    #[error("nothing to import in {}: {reason}", path.display())]
    Nothing {
        /// The folder.
        path: PathBuf,
        /// What was looked for.
        reason: String,
    },
    /// The layout is not clear.
    #[error("the layout of {} is not clear: it holds {found}; say which with --layout", path.display())]
    Layout {
        /// The folder.
        path: PathBuf,
        /// The layouts that fit.
        found: String,
    },
    /// Two files with one stem, so that it is not clear which belongs to the pair.
    #[error("ambiguous names in {}: {}; keep one file for each stem", path.display(), stems.join(", "))]
    Ambiguous {
        /// The folder.
        path: PathBuf,
        /// The files, grouped by stem.
        stems: Vec<String>,
    },
    /// The destination holds something.
    #[error("{} is there already and not empty; --append adds to a dataset, or choose another folder", path.display())]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// The destination is the origin.
    #[error("{} cannot be imported into itself; choose another folder", path.display())]
    Itself {
        /// The folder.
        path: PathBuf,
    },
    /// No source gave a pair.
    #[error("no pair could be made of {} sources; the first, `{name}`: {reason}", total)]
    NoPairs {
        /// How many sources there were.
        total: usize,
        /// The first of them.
        name: String,
        /// Why it gave none.
        reason: String,
        /// The whole account.
        summary: Box<Summary>,
    },
    /// The destination cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The dataset to append to, or the one to import from, cannot be opened.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Import pictures into a dataset at `out`.
pub fn import(
    origin: &Origin,
    out: &Path,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Summary, ImportError> {
    let folders = match origin {
        Origin::Folder(path) => vec![path],
        Origin::Matched { photos, illustrations } => vec![photos, illustrations],
    };
    let full = |path: &Path| path.canonicalize().ok();
    if full(out).is_some_and(|out| folders.iter().any(|folder| full(folder).as_ref() == Some(&out))) {
        return Err(ImportError::Itself { path: out.to_path_buf() });
    }
    let destination = write::Destination::open(out, options.append)?;
    let found = find::find(origin, options.layout)?;
    let plan = plan::plan(&found.sources, &destination.known, options, progress);
    let mut summary = Summary {
        root: out.to_path_buf(),
        layout: found.layout,
        sources: Vec::new(),
        unmatched_photos: found.unmatched_photos,
        unmatched_illustrations: found.unmatched_illustrations,
        ignored: found.ignored,
        pairs: 0,
        first_id: None,
        last_id: None,
    };
    write::write(destination, &found.sources, plan, options, progress, &mut summary)?;
    Ok(summary)
}

/// One picture pair to import, before it is read.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    files: Files,
    inherited: Option<Inherited>,
}

#[derive(Debug, Clone)]
enum Files {
    /// Both halves in one image.
    Composite(PathBuf),
    /// Photo and illustration.
    Pair(PathBuf, PathBuf),
}

/// What a dataset that is imported again already knew of a pair.
#[derive(Debug, Clone, Copy)]
struct Inherited {
    synthetic: bool,
    tile: Option<Tile>,
}
