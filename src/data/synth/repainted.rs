//! A dataset of real photos with the illustrations that [`repaint`] makes of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::repaint::{self, Recipe};
use super::{Made, Staging, SynthError};
use crate::data::image_file;
use crate::data::manifest::{self, Entry};
use crate::data::names::natural_order;
use crate::data::pairs::{Dataset, has_image_extension};

/// What came of repainting a folder.
#[derive(Debug)]
pub struct Repainted {
    /// The pairs.
    pub dataset: Dataset,
    /// Photos that could not be used, with the reason.
    pub left_out: Vec<(PathBuf, String)>,
    /// Usable photos beyond the limit.
    pub beyond_limit: usize,
}

/// Repaint the photos in the folder `photos` (its own files, in natural order of their names, at most `limit`) into the
/// new dataset `out`. The source of a pair is its photo's file name. `begin` is told how many photos there are, `done`
/// is called after each.
pub fn repainted(
    photos: &Path,
    out: &Path,
    recipe: &Recipe,
    limit: usize,
    begin: &dyn Fn(usize),
    done: &(dyn Fn() + Sync),
) -> Result<Repainted, SynthError> {
    let mut paths = list(photos)?;
    let beyond_limit = paths.len().saturating_sub(limit);
    paths.truncate(limit);
    begin(paths.len());
    let staging = Staging::beside(out)?;
    let results: Vec<Result<Result<Entry, String>, SynthError>> = paths
        .par_iter()
        .enumerate()
        .map(|(index, path)| {
            let made = one(path, index + 1, recipe, &staging);
            done();
            made
        })
        .collect();
    let (mut entries, mut left_out) = (Vec::new(), Vec::new());
    for (result, path) in results.into_iter().zip(paths) {
        match result? {
            Ok(entry) => entries.push(entry),
            Err(reason) => left_out.push((path, reason)),
        }
    }
    if entries.is_empty() {
        let hint = left_out.first().map_or_else(String::new, |(path, reason)| format!("; {} {reason}", path.display()));
        return Err(SynthError::NoPhotos { path: photos.to_path_buf(), hint });
    }
    Ok(Repainted { dataset: staging.finish(&entries)?, left_out, beyond_limit })
}

/// One photo: an entry, a reason why the photo cannot be used, or an error that ends it all.
fn one(path: &Path, number: usize, recipe: &Recipe, staging: &Staging) -> Result<Result<Entry, String>, SynthError> {
    let fitted = || -> Result<_, String> {
        let bytes = image_file::read(path).map_err(|fault| fault.to_string())?;
        let image = image_file::decode(&bytes).map_err(|fault| fault.to_string())?.image;
        Ok((repaint::fit(&image, recipe)?, manifest::sha256(&bytes)))
    };
    let (photo, sha256) = match fitted() {
        Ok(fitted) => fitted,
        Err(reason) => return Ok(Err(reason)),
    };
    let illustration = repaint::repaint(&photo, recipe);
    let source = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let made = Made { id: format!("{number:04}"), source, sha256: Some(sha256) };
    staging.write(made, &photo, &illustration).map(Ok)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, SynthError> {
    let cannot = |source| SynthError::List { path: folder.to_path_buf(), source };
    let items = fs::read_dir(folder).map_err(cannot)?.collect::<io::Result<Vec<_>>>().map_err(cannot)?;
    let mut paths: Vec<PathBuf> =
        items.into_iter().map(|item| item.path()).filter(|path| has_image_extension(path)).collect();
    paths.sort_by(|a, b| natural_order(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_become_marked_pairs_and_bad_ones_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let photos = dir.path().join("photos");
        fs::create_dir(&photos).unwrap();
        let picture = image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 5, y as u8 * 7, 90]));
        for name in ["10.png", "9.jpg"] {
            picture.save(photos.join(name)).unwrap();
        }
        fs::write(photos.join("11.png"), "no image").unwrap();
        fs::write(photos.join("notes.txt"), "no image either").unwrap();
        let out = dir.path().join("out");
        let made = repainted(&photos, &out, &Recipe::default(), 400, &|_| {}, &|| {}).unwrap();
        let sources: Vec<&str> = made.dataset.pairs.iter().map(|pair| pair.source.as_str()).collect();
        assert_eq!(sources, ["9.jpg", "10.png"]);
        assert!(made.dataset.pairs.iter().all(|pair| pair.synthetic));
        assert_eq!(image_file::open(&made.dataset.pairs[1].photo).unwrap().image, picture);
        assert_ne!(image_file::open(&made.dataset.pairs[1].illustration).unwrap().image, picture);
        assert_eq!(made.left_out.len(), 1);
        assert!(made.left_out[0].0.ends_with("11.png"));
        let few = repainted(&photos, &dir.path().join("few"), &Recipe::default(), 1, &|_| {}, &|| {}).unwrap();
        assert_eq!((few.dataset.pairs.len(), few.beyond_limit), (1, 2));
        assert!(matches!(
            repainted(&photos, &out, &Recipe::default(), 1, &|_| {}, &|| {}),
            Err(SynthError::Exists { .. })
        ));
    }

    #[test]
    fn a_folder_without_photos_is_an_error_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let run = |from: &Path| repainted(from, &out, &Recipe::default(), 9, &|_| {}, &|| {}).unwrap_err();
        assert!(matches!(run(dir.path()), SynthError::NoPhotos { .. }));
        assert!(matches!(run(&dir.path().join("no")), SynthError::List { .. }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
