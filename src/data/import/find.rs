//! Which pictures a folder holds, and which belong together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Files, ImportError, Inherited, Origin, Source};
use crate::data::names::{natural_order, printable};
use crate::data::pairs::{Dataset, Missing, has_image_extension};

/// How pictures lie in their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Photo and illustration side by side in one image.
    Composite,
    /// Two folders, matched by stem.
    Folders,
    /// `NNNN/o.png` and `NNNN/g.png`.
    Paper,
}

/// Names of two folders that are understood without `--photos` and `--illustrations`.
const FOLDER_NAMES: [(&str, &str); 9] = [
    ("photos", "illustrations"),
    ("photo", "illustration"),
    ("original", "edited"),
    ("originals", "edited"),
    ("input", "target"),
    ("inputs", "targets"),
    ("trainA", "trainB"),
    ("A", "B"),
    ("o", "g"),
];

/// Images of kinds that others read and Atelier does not: worth a word, where a text file is not.
const FOREIGN: [&str; 9] = ["gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "jxl", "psd"];

/// What was found.
pub(super) struct Found {
    pub layout: Layout,
    pub sources: Vec<Source>,
    pub unmatched_photos: Vec<String>,
    pub unmatched_illustrations: Vec<String>,
    pub ignored: Vec<String>,
}

impl Found {
    fn new(layout: Layout, mut sources: Vec<Source>, ignored: Vec<String>) -> Self {
        sources.sort_by(|a, b| natural_order(&a.name, &b.name));
        Self { layout, sources, unmatched_photos: vec![], unmatched_illustrations: vec![], ignored }
    }
}

pub(super) fn find(origin: &Origin, layout: Option<Layout>) -> Result<Found, ImportError> {
    match origin {
        Origin::Matched { photos, illustrations } => folders(photos, illustrations),
        Origin::Folder(path) => {
            let listing = Listing::read(path)?;
            match layout.map_or_else(|| detect(path, &listing), Ok)? {
                Layout::Composite => composites(path, listing),
                Layout::Paper => paper(path),
                Layout::Folders => {
                    let (photos, illustrations) = known_folders(&listing).ok_or_else(|| ImportError::Nothing {
                        path: path.clone(),
                        reason:
                            "no two folders of known names (photos and illustrations, input and target, trainA and \
                                 trainB, ...); name them with --photos and --illustrations"
                                .to_owned(),
                    })?;
                    folders(&path.join(photos), &path.join(illustrations))
                }
            }
        }
    }
}

/// The names in a folder, hidden ones left out, in natural order.
struct Listing {
    images: Vec<OsString>,
    folders: Vec<OsString>,
    others: Vec<String>,
}

impl Listing {
    fn read(path: &Path) -> Result<Self, ImportError> {
        let cannot_list = |source| ImportError::List { path: path.to_path_buf(), source };
        let mut listing = Self { images: vec![], folders: vec![], others: vec![] };
        for item in fs::read_dir(path).map_err(cannot_list)? {
            let name = item.map_err(cannot_list)?.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let full = path.join(&name);
            if fs::metadata(&full).is_ok_and(|metadata| metadata.is_dir()) {
                listing.folders.push(name);
            } else if has_image_extension(&full) || is_foreign_image(&full) {
                // Links that lead nowhere stay in: reading them gives the reason.
                listing.images.push(name);
            } else {
                listing.others.push(printable(&name));
            }
        }
        let order = |a: &OsString, b: &OsString| natural_order(&printable(a), &printable(b));
        listing.images.sort_by(order);
        listing.folders.sort_by(order);
        listing.others.sort_by(|a, b| natural_order(a, b));
        Ok(listing)
    }
}

fn is_foreign_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| FOREIGN.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

fn detect(path: &Path, listing: &Listing) -> Result<Layout, ImportError> {
    let mut fits = Vec::new();
    if !listing.images.is_empty() {
        fits.push((Layout::Composite, "images"));
    }
    if known_folders(listing).is_some() {
        fits.push((Layout::Folders, "two folders of matching names"));
    } else if Dataset::scan(path).is_ok_and(|dataset| holds_pairs(&dataset, listing)) {
        fits.push((Layout::Paper, "folders with o.* or g.* images"));
    }
    match fits.as_slice() {
        [(layout, _)] => Ok(*layout),
        [] => Err(ImportError::Nothing {
            path: path.to_path_buf(),
            reason: "no PNG, JPEG or WebP images, no NNNN/o.png and g.png, and no two folders of known names; two \
                     folders can be named with --photos and --illustrations"
                .to_owned(),
        }),
        several => Err(ImportError::Layout {
            path: path.to_path_buf(),
            found: several.iter().map(|(_, what)| *what).collect::<Vec<_>>().join(" and "),
        }),
    }
}

/// Whether a folder in the listing is a pair, or half of one.
fn holds_pairs(dataset: &Dataset, listing: &Listing) -> bool {
    let is_folder = |name: &str| listing.folders.iter().any(|folder| printable(folder) == name);
    !dataset.pairs.is_empty() || dataset.left_out.iter().any(|left_out| is_folder(&left_out.name))
}

fn known_folders(listing: &Listing) -> Option<(&OsString, &OsString)> {
    let named = |wanted: &str| listing.folders.iter().find(|name| name.eq_ignore_ascii_case(wanted));
    FOLDER_NAMES.iter().find_map(|(photos, illustrations)| named(photos).zip(named(illustrations)))
}

fn composites(path: &Path, listing: Listing) -> Result<Found, ImportError> {
    if listing.images.is_empty() {
        return Err(ImportError::Nothing {
            path: path.to_path_buf(),
            reason: "no PNG, JPEG or WebP images in the folder itself".to_owned(),
        });
    }
    let source =
        |name: OsString| Source { name: printable(&name), files: Files::Composite(path.join(name)), inherited: None };
    let mut ignored = listing.others;
    ignored.extend(listing.folders.iter().map(|name| format!("{}/", printable(name))));
    Ok(Found::new(Layout::Composite, listing.images.into_iter().map(source).collect(), ignored))
}

fn paper(path: &Path) -> Result<Found, ImportError> {
    let dataset = Dataset::scan(path)?;
    if dataset.pairs.is_empty() && dataset.left_out.is_empty() {
        return Err(ImportError::Nothing {
            path: path.to_path_buf(),
            reason: "no folder in it holds an o.* or g.* image".to_owned(),
        });
    }
    let known = dataset.has_manifest;
    let sources = dataset.pairs.into_iter().map(|pair| Source {
        inherited: known.then_some(Inherited { synthetic: pair.synthetic, tile: pair.tile() }),
        name: pair.source,
        files: Files::Pair(pair.photo, pair.illustration),
    });
    let mut found = Found::new(Layout::Paper, sources.collect(), vec![]);
    for left_out in dataset.left_out {
        // Folders that are neither side's alone are named by their reason.
        let label = format!("{} ({})", left_out.name, left_out.reason);
        match left_out.missing {
            Some(Missing::Photo) => found.unmatched_illustrations.push(label),
            _ => found.unmatched_photos.push(label),
        }
    }
    Ok(found)
}

fn folders(photos: &Path, illustrations: &Path) -> Result<Found, ImportError> {
    let mut photos = by_stem(photos)?;
    let mut illustrations = by_stem(illustrations)?;
    let mut sources = Vec::new();
    for (stem, photo) in &photos.files {
        if let Some(illustration) = illustrations.files.get(stem) {
            sources.push(Source {
                name: printable(stem),
                files: Files::Pair(photo.clone(), illustration.clone()),
                inherited: None,
            });
        }
    }
    let alone = |files: &BTreeMap<OsString, PathBuf>, other: &BTreeMap<OsString, PathBuf>| {
        let mut names: Vec<String> =
            files.iter().filter(|(stem, _)| !other.contains_key(*stem)).map(|(_, path)| file_name(path)).collect();
        names.sort_by(|a, b| natural_order(a, b));
        names
    };
    let unmatched_photos = alone(&photos.files, &illustrations.files);
    let unmatched_illustrations = alone(&illustrations.files, &photos.files);
    if sources.is_empty() {
        let example = |names: &[String]| names.first().map_or("nothing".to_owned(), |name| format!("`{name}`"));
        return Err(ImportError::Nothing {
            path: photos.path,
            reason: format!(
                "no file has the stem of one in {} (here {}, there {}); names decide which image belongs to which",
                illustrations.path.display(),
                example(&unmatched_photos),
                example(&unmatched_illustrations)
            ),
        });
    }
    photos.ignored.append(&mut illustrations.ignored);
    let mut found = Found::new(Layout::Folders, sources, photos.ignored);
    found.unmatched_photos = unmatched_photos;
    found.unmatched_illustrations = unmatched_illustrations;
    Ok(found)
}

struct ByStem {
    path: PathBuf,
    files: BTreeMap<OsString, PathBuf>,
    ignored: Vec<String>,
}

fn by_stem(path: &Path) -> Result<ByStem, ImportError> {
    let listing = Listing::read(path)?;
    let mut groups: BTreeMap<OsString, Vec<PathBuf>> = BTreeMap::new();
    for name in listing.images {
        let file = path.join(name);
        groups.entry(file.file_stem().unwrap_or_default().to_owned()).or_default().push(file);
    }
    let stems: Vec<String> = groups
        .values()
        .filter(|files| files.len() > 1)
        .map(|files| files.iter().map(|file| file_name(file)).collect::<Vec<_>>().join(" and "))
        .collect();
    if !stems.is_empty() {
        return Err(ImportError::Ambiguous { path: path.to_path_buf(), stems });
    }
    let files = groups.into_iter().filter_map(|(stem, mut files)| files.pop().map(|file| (stem, file))).collect();
    Ok(ByStem { path: path.to_path_buf(), files, ignored: listing.others })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(printable).unwrap_or_default()
}
