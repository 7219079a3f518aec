//! Pairs that a program makes: landscapes drawn twice, and photos turned into illustrations.
//!
//! Both write the paper's layout with a manifest that marks every pair synthetic. A folder appears only when it is
//! complete: pairs are written beside it and renamed into place.

pub mod canvas;
pub mod colour;
pub mod illustration;
pub mod landscape;
pub mod noise;
pub mod paint;
pub mod photo;
pub mod repaint;
pub mod repainted;
pub mod scene;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;

use crate::data::image_file::{self, ImageFault};
use crate::data::manifest::{self, Entry, FileRecord};
use crate::data::pairs::{Dataset, DatasetError};

pub use landscape::{Landscape, landscape};
pub use repainted::{Repainted, repainted};

/// Smallest and largest side of a drawn landscape, in pixels. The largest takes half a GiB a thread while it is drawn.
pub const SIZES: [usize; 2] = [32, 2048];

/// Most landscapes of one dataset.
pub const MOST: usize = 1_000_000;

/// Why pairs could not be made. Every message names what and where.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The output is already something.
    #[error("{} is already there; name a new folder, or remove it first", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// No such size.
    #[error("cannot draw landscapes of {size} pixels a side: from {} to {} can be drawn", SIZES[0], SIZES[1])]
    Size {
        /// What was asked for.
        size: usize,
    },
    /// No such number.
    #[error("cannot draw {count} landscapes: from 1 to {MOST} can be drawn")]
    Count {
        /// What was asked for.
        count: usize,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A picture cannot be encoded.
    #[error("cannot encode {}: {fault}", path.display())]
    Encode {
        /// Where it would have stood.
        path: PathBuf,
        /// Why.
        fault: ImageFault,
    },
    /// The folder of photos cannot be listed.
    #[error("cannot list {}: {source}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing to repaint.
    #[error("{} holds no photo that can be used: expected .png, .jpg, .jpeg or .webp files{hint}", path.display())]
    NoPhotos {
        /// The folder.
        path: PathBuf,
        /// What was found instead, starting with a separator, or nothing.
        hint: String,
    },
    /// The dataset cannot be opened or its manifest not written.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

/// Draw `count` landscapes of `seed`, `size` pixels a side, into the new dataset `out`. The pixels are the same on
/// every machine and with any number of threads.
pub fn procedural(out: &Path, count: usize, seed: u64, size: usize) -> Result<Dataset, SynthError> {
    procedural_with(out, count, seed, size, &|| {})
}

/// As [`procedural`]; `drawn` is called after each pair, from whichever thread drew it.
pub fn procedural_with(
    out: &Path,
    count: usize,
    seed: u64,
    size: usize,
    drawn: &(dyn Fn() + Sync),
) -> Result<Dataset, SynthError> {
    if !(SIZES[0]..=SIZES[1]).contains(&size) {
        return Err(SynthError::Size { size });
    }
    if !(1..=MOST).contains(&count) {
        return Err(SynthError::Count { count });
    }
    let staging = Staging::beside(out)?;
    let entries: Vec<Entry> = (1..=count)
        .into_par_iter()
        .map(|number| {
            let Landscape { photo, illustration } = landscape(seed, number as u64, size);
            let made =
                Made { id: format!("{number:04}"), source: format!("procedural-{seed}-{number:04}"), sha256: None };
            let entry = staging.write(made, &picture(photo, size), &picture(illustration, size))?;
            drawn();
            Ok(entry)
        })
        .collect::<Result<_, SynthError>>()?;
    staging.finish(&entries)
}

fn picture(bytes: Vec<u8>, size: usize) -> RgbImage {
    // The length is size * size * 3 by construction; an empty picture would be refused by the encoder, with its path.
    RgbImage::from_raw(size as u32, size as u32, bytes).unwrap_or_default()
}

/// What a pair is called and where it comes from.
struct Made {
    id: String,
    source: String,
    sha256: Option<String>,
}

/// A dataset that is being written, in a hidden folder beside its place; gone when dropped unfinished.
struct Staging {
    folder: tempfile::TempDir,
    out: PathBuf,
}

impl Staging {
    fn beside(out: &Path) -> Result<Self, SynthError> {
        // An empty folder may be there already: the rename replaces it.
        let taken = match fs::read_dir(out) {
            Ok(mut items) => items.next().is_some(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if taken {
            return Err(SynthError::Exists { path: out.to_path_buf() });
        }
        let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let cannot = |source| SynthError::Write { path: parent.to_path_buf(), source };
        fs::create_dir_all(parent).map_err(cannot)?;
        let folder = tempfile::Builder::new()
            .prefix(".atelier-synth-")
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(cannot)?;
        Ok(Self { folder, out: out.to_path_buf() })
    }

    fn write(&self, made: Made, photo: &RgbImage, illustration: &RgbImage) -> Result<Entry, SynthError> {
        let Made { id, source, sha256 } = made;
        let folder = self.folder.path().join(&id);
        // Errors name the place the reader knows, not the hidden one.
        let shown = self.out.join(&id);
        fs::create_dir(&folder).map_err(|source| SynthError::Write { path: shown.clone(), source })?;
        let store = |name: &str, image: &RgbImage| {
            let bytes =
                image_file::encode_png(image).map_err(|fault| SynthError::Encode { path: shown.join(name), fault })?;
            fs::write(folder.join(name), &bytes)
                .map_err(|source| SynthError::Write { path: shown.join(name), source })?;
            Ok::<_, SynthError>(FileRecord::of(format!("{id}/{name}"), &bytes, image.dimensions()))
        };
        let photo = store("o.png", photo)?;
        let illustration = store("g.png", illustration)?;
        Ok(Entry { id, source, source_sha256: sha256, tile: None, synthetic: true, photo, illustration })
    }

    fn finish(self, entries: &[Entry]) -> Result<Dataset, SynthError> {
        manifest::save(self.folder.path(), entries)?;
        fs::rename(self.folder.path(), &self.out).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                SynthError::Exists { path: self.out.clone() }
            }
            _ => SynthError::Write { path: self.out.clone(), source },
        })?;
        // What the name stood for has moved; there is nothing left to remove.
        let _moved = self.folder.keep();
        Ok(Dataset::open(&self.out)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_dataset_is_complete_marked_and_repeatable() {
        let dir = tempfile::tempdir().unwrap();
        let one = procedural(&dir.path().join("a/one"), 3, 7, 40).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let two = pool.install(|| procedural(&dir.path().join("two"), 3, 7, 40)).unwrap();
        assert_eq!(one.pairs.len(), 3);
        for (a, b) in one.pairs.iter().zip(&two.pairs) {
            assert!(a.synthetic);
            assert_eq!((&a.source, &a.entry), (&b.source, &b.entry));
            assert_eq!(fs::read(&a.photo).unwrap(), fs::read(&b.photo).unwrap());
            assert_eq!(image_file::open(&a.illustration).unwrap().image.dimensions(), (40, 40));
        }
        assert_eq!(one.sources().len(), 3);
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn what_is_already_there_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("keep"), "me").unwrap();
        assert!(matches!(procedural(dir.path(), 1, 1, 32), Err(SynthError::Exists { .. })));
        assert!(matches!(procedural(&dir.path().join("keep"), 1, 1, 32), Err(SynthError::Exists { .. })));
        assert_eq!(fs::read(dir.path().join("keep")).unwrap(), b"me");
        fs::create_dir(dir.path().join("empty")).unwrap();
        assert_eq!(procedural(&dir.path().join("empty"), 1, 1, 32).unwrap().pairs.len(), 1);
    }

    #[test]
    fn impossible_requests_say_what_is_possible() {
        let out = Path::new("/nonexistent/out");
        assert!(procedural(out, 0, 1, 64).unwrap_err().to_string().contains("from 1 to"));
        assert!(procedural(out, 1, 1, 8).unwrap_err().to_string().contains("from 32 to 2048"));
        assert!(matches!(procedural(Path::new("/proc/atelier/out"), 1, 1, 32), Err(SynthError::Write { .. })));
    }
}
