//! A dataset on disk, in the paper's layout: `NNNN/o.png` (the photo) and `NNNN/g.png` (the illustration), each image
//! `.png`, `.jpg`, `.jpeg` or `.webp`, with a [manifest] beside the folders.
//!
//! A folder of bare pairs without a manifest opens too; then nothing says which pairs were cut from one picture, so
//! each pair counts as its own source.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{self, Entry, Tile};
use super::names::{natural_order, printable};
use super::split::Record;

/// File name extensions of the images that can be read, in lower case.
pub const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Pairs on disk.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The folder that holds the pairs' folders.
    pub root: PathBuf,
    /// Complete pairs, in the natural order of their ids.
    pub pairs: Vec<Pair>,
    /// Whether a manifest says where the pairs come from.
    pub has_manifest: bool,
    /// What looks like a pair and is none, with the reason.
    pub left_out: Vec<LeftOut>,
    /// The split that `dataset split` wrote down.
    pub recorded_split: Option<Record>,
}

/// One photo and its illustration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Name of the pair's folder, `NNNN`.
    pub id: String,
    /// Path of the photo.
    pub photo: PathBuf,
    /// Path of the illustration.
    pub illustration: PathBuf,
    /// What the pair was cut or drawn from; the id itself where no manifest says it.
    pub source: String,
    /// Whether a program made it.
    pub synthetic: bool,
    /// The pair's line of the manifest.
    pub entry: Option<Entry>,
}

impl Pair {
    /// The box cut from the source, where known.
    pub fn tile(&self) -> Option<Tile> {
        self.entry.as_ref().and_then(|entry| entry.tile)
    }
}

/// A folder that looks like a pair and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The folder, relative to the root.
    pub name: String,
    /// Which half of a pair is not there, if the other one is.
    pub missing: Option<Missing>,
    /// Why.
    pub reason: String,
}

/// Half of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// `o.*`.
    Photo,
    /// `g.*`.
    Illustration,
}

/// What can go wrong with a dataset as a whole. Every message names the path.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The root is missing or no folder.
    #[error("no dataset at {}; `atelier dataset import` or `synth` makes one", path.display())]
    Root {
        /// The root.
        path: PathBuf,
        /// Why it cannot be listed.
        source: io::Error,
    },
    /// The folder holds no complete pair.
    #[error("{} holds no pair: expected folders with o.png and g.png (or .jpg, .jpeg, .webp) in them{hint}", path.display())]
    Empty {
        /// The root.
        path: PathBuf,
        /// What was found instead, starting with a separator, or nothing.
        hint: String,
    },
    /// A line of the manifest cannot be read.
    #[error("{}, line {line}: {reason}; correct the line, or remove the file to open the bare pairs", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The recorded split cannot be read.
    #[error("{}: {reason}; remove it and run `atelier dataset split` again", path.display())]
    Split {
        /// The split file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Dataset {
    /// Open the dataset at `root`. Images are not decoded: `dataset check` does that.
    ///
    /// Folders that look like pairs and are none are listed in [`Dataset::left_out`]; a dataset without a single
    /// complete pair is an error.
    pub fn open(root: &Path) -> Result<Self, DatasetError> {
        let dataset = Self::scan(root)?;
        if dataset.pairs.is_empty() {
            return Err(DatasetError::Empty { path: root.to_path_buf(), hint: hint(&dataset) });
        }
        Ok(dataset)
    }

    /// As [`Dataset::open`], but a folder without any pair is no error.
    pub fn scan(root: &Path) -> Result<Self, DatasetError> {
        let cannot_list = |source| DatasetError::Root { path: root.to_path_buf(), source };
        let mut names = Vec::new();
        for item in fs::read_dir(root).map_err(cannot_list)? {
            names.push(item.map_err(cannot_list)?.file_name());
        }
        let manifest = manifest::load(root)?;
        let has_manifest = manifest.is_some();
        let mut entries: HashMap<String, Entry> =
            manifest.unwrap_or_default().into_iter().map(|entry| (entry.id.clone(), entry)).collect();

        let mut pairs = Vec::new();
        let mut left_out = Vec::new();
        for name in names {
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let label = printable(&name);
            match Slot::read(&root.join(&name)) {
                Slot::Nothing => {}
                Slot::Broken(missing, reason) => {
                    entries.remove(&label);
                    left_out.push(LeftOut { name: label, missing, reason });
                }
                Slot::Pair { .. } if name.to_str().is_none() => left_out.push(LeftOut {
                    name: label,
                    missing: None,
                    reason: "the folder's name is no UTF-8 text, so it cannot be an id; rename it".to_owned(),
                }),
                Slot::Pair { photo, illustration } => {
                    let entry = entries.remove(&label);
                    pairs.push(Pair {
                        photo,
                        illustration,
                        source: entry.as_ref().map_or_else(|| label.clone(), |entry| entry.source.clone()),
                        synthetic: entry.as_ref().is_some_and(|entry| entry.synthetic),
                        id: label,
                        entry,
                    });
                }
            }
        }
        left_out.extend(entries.into_keys().map(|name| LeftOut {
            name,
            missing: None,
            reason: "in the manifest, but not on disk".to_owned(),
        }));
        pairs.sort_by(|a, b| natural_order(&a.id, &b.id));
        left_out.sort_by(|a, b| natural_order(&a.name, &b.name));
        let recorded_split = Record::load(root)?;
        Ok(Self { root: root.to_path_buf(), pairs, has_manifest, left_out, recorded_split })
    }

    /// Distinct sources, in natural order.
    pub fn sources(&self) -> Vec<&str> {
        let distinct: HashSet<&str> = self.pairs.iter().map(|pair| pair.source.as_str()).collect();
        let mut sources: Vec<&str> = distinct.into_iter().collect();
        sources.sort_by(|a, b| natural_order(a, b));
        sources
    }

    /// What whoever uses the dataset should be told, one line each: no manifest, folders left out.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let unlisted = self.pairs.iter().filter(|pair| pair.entry.is_none()).count();
        if !self.has_manifest {
            remarks.push(format!(
                "{} has no {}: each pair counts as its own source, so tiles of one picture may stand on both sides of \
                 a split",
                self.root.display(),
                manifest::FILE_NAME
            ));
        } else if unlisted > 0 {
            let unlisted = count(unlisted, "pair");
            remarks.push(format!("{unlisted} not in the manifest: each counts as its own source"));
        }
        if let Some(first) = self.left_out.first() {
            remarks.push(format!(
                "{} left out, the first `{}`: {}; `atelier dataset check` lists them all",
                count(self.left_out.len(), "folder"),
                first.name,
                first.reason
            ));
        }
        remarks
    }
}

/// `1 folder`, `2 folders`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn hint(dataset: &Dataset) -> String {
    if let Some(first) = dataset.left_out.first() {
        return format!(
            "; {} left out, the first `{}`: {}",
            count(dataset.left_out.len(), "folder"),
            first.name,
            first.reason
        );
    }
    "; `atelier dataset import` makes them from composites or from two folders".to_owned()
}

/// What one folder in the root turns out to be.
enum Slot {
    Pair { photo: PathBuf, illustration: PathBuf },
    Broken(Option<Missing>, String),
    Nothing,
}

impl Slot {
    fn read(folder: &Path) -> Self {
        // A link is followed: a dataset may be assembled of links. A loop of links ends here as an error.
        match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Self::Nothing,
            Err(error) => return Self::Broken(None, format!("cannot be opened: {error}")),
        }
        let (photos, illustrations) = match (candidates(folder, "o"), candidates(folder, "g")) {
            (Ok(photos), Ok(illustrations)) => (photos, illustrations),
            (Err(error), _) | (_, Err(error)) => return Self::Broken(None, format!("cannot be listed: {error}")),
        };
        match (photos.as_slice(), illustrations.as_slice()) {
            ([], []) => Self::Nothing,
            ([photo], [illustration]) => Self::Pair { photo: photo.clone(), illustration: illustration.clone() },
            ([], _) => Self::Broken(Some(Missing::Photo), "has an illustration (g.*) but no photo (o.*)".to_owned()),
            (_, []) => {
                Self::Broken(Some(Missing::Illustration), "has a photo (o.*) but no illustration (g.*)".to_owned())
            }
            _ => Self::Broken(None, "has more than one o.* or g.* image: keep one of each".to_owned()),
        }
    }
}

/// Images in `folder` whose stem is `stem`, sorted.
fn candidates(folder: &Path, stem: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.file_stem() == Some(OsStr::new(stem)) && has_image_extension(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name says that it is an image of a kind that can be read.
pub fn has_image_extension(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::FileRecord;

    fn pair(root: &Path, id: &str, photo: &str, illustration: &str) {
        fs::create_dir_all(root.join(id)).unwrap();
        fs::write(root.join(id).join(photo), b"photo").unwrap();
        fs::write(root.join(id).join(illustration), b"illustration").unwrap();
    }

    #[test]
    fn bare_pairs_open_in_natural_order_and_say_that_the_source_is_the_id() {
        let dir = tempfile::tempdir().unwrap();
        for id in ["10", "9", "100"] {
            pair(dir.path(), id, "o.png", "g.jpg");
        }
        pair(dir.path(), "11", "o.WEBP", "g.jpeg");
        fs::write(dir.path().join("README.md"), "not a pair").unwrap();
        let dataset = Dataset::open(dir.path()).unwrap();
        let ids: Vec<&str> = dataset.pairs.iter().map(|p| p.id.as_str()).collect();
        assert_eq!(ids, ["9", "10", "11", "100"]);
        assert!(dataset.pairs.iter().all(|p| p.source == p.id && !p.synthetic));
        assert!(dataset.left_out.is_empty());
        assert!(dataset.remarks()[0].contains("no manifest.jsonl"));
    }

    #[test]
    fn halves_doubles_and_loops_are_left_out_with_their_reason() {
        let dir = tempfile::tempdir().unwrap();
        pair(dir.path(), "1", "o.png", "g.png");
        fs::create_dir(dir.path().join("2")).unwrap();
        fs::write(dir.path().join("2/o.png"), b"x").unwrap();
        pair(dir.path(), "3", "o.png", "o.jpg");
        pair(dir.path(), "4", "o.png", "g.png");
        fs::write(dir.path().join("4/g.webp"), b"x").unwrap();
        std::os::unix::fs::symlink("5", dir.path().join("5")).unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        let dataset = Dataset::open(dir.path()).unwrap();
        assert_eq!(dataset.pairs.len(), 1);
        let names: Vec<&str> = dataset.left_out.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["2", "3", "4", "5"]);
        assert!(dataset.left_out[0].reason.contains("no illustration"));
        assert!(dataset.left_out[2].reason.contains("more than one"));
        assert!(dataset.left_out[3].reason.contains("cannot be opened"));
    }

    #[test]
    fn the_manifest_gives_sources_and_its_missing_pairs_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        pair(dir.path(), "1", "o.png", "g.png");
        let entry = |id: &str| Entry {
            id: id.to_owned(),
            source: "11.jpg".to_owned(),
            source_sha256: None,
            tile: None,
            synthetic: true,
            photo: FileRecord::of(format!("{id}/o.png"), b"photo", (1, 1)),
            illustration: FileRecord::of(format!("{id}/g.png"), b"illustration", (1, 1)),
        };
        manifest::save(dir.path(), &[entry("1"), entry("2")]).unwrap();
        let dataset = Dataset::open(dir.path()).unwrap();
        assert_eq!(dataset.pairs[0].source, "11.jpg");
        assert!(dataset.pairs[0].synthetic);
        assert_eq!(
            dataset.left_out,
            [LeftOut { name: "2".into(), missing: None, reason: "in the manifest, but not on disk".into() }]
        );
    }

    #[test]
    fn a_missing_root_and_an_empty_one_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Dataset::open(&dir.path().join("no")), Err(DatasetError::Root { .. })));
        assert!(matches!(Dataset::open(dir.path()), Err(DatasetError::Empty { .. })));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(Dataset::open(&dir.path().join("file")), Err(DatasetError::Root { .. })));
    }

    #[test]
    fn a_folder_whose_name_is_no_text_is_left_out() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        pair(dir.path(), "1", "o.png", "g.png");
        let odd = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
        fs::rename(dir.path().join("1"), &odd).unwrap();
        let error = Dataset::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("caf\\xe9") && error.contains("UTF-8"), "{error}");
    }
}
