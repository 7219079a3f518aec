//! Two folders of images, and perhaps a third with what they were made from.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use image::RgbImage;
use rayon::prelude::*;
use tch::{Device, Kind, TchError, Tensor};

use super::Measured;
use super::batches;
use super::report::Sample;
use crate::cli::Usage;
use crate::config::Metric;
use crate::data::cache::free_memory;
use crate::data::image_file;
use crate::models::perceptual::judge::{Judge, Tally};

/// What is found in folders, by extension.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// Images matched by name.
pub(super) struct Folders {
    title: String,
    trios: Vec<Trio>,
    unmatched: Vec<String>,
}

/// What a trio's files hold.
pub(super) struct Images {
    pub prediction: RgbImage,
    pub target: RgbImage,
    pub input: Option<RgbImage>,
}

/// A prediction, its target, and what it was made from.
pub(super) struct Trio {
    name: String,
    prediction: PathBuf,
    target: PathBuf,
    input: Option<PathBuf>,
}

impl Folders {
    /// The images of `predictions` with those of the same name in `targets`, and in `inputs` where that is given. Inner
    /// folders are part of the name, the extension is not.
    pub fn open(predictions: &Path, targets: &Path, inputs: Option<&Path>) -> anyhow::Result<Self> {
        let found = images(predictions)?;
        let mut aims = images(targets)?;
        let mut origins = inputs.map(images).transpose()?;
        let mut trios = Vec::new();
        let mut unmatched = Vec::new();
        for (name, prediction) in found {
            let target = aims.remove(&name);
            let input = origins.as_mut().map(|origins| origins.remove(&name));
            match (target, input) {
                (None, _) => unmatched.push(format!("{}: no target", prediction.display())),
                (Some(_), Some(None)) => unmatched.push(format!("{}: no input", prediction.display())),
                (Some(target), input) => trios.push(Trio { name, prediction, target, input: input.flatten() }),
            }
        }
        unmatched.extend(aims.values().map(|path| format!("{}: no prediction", path.display())));
        if trios.is_empty() {
            bail!(
                "no image of {} has one of the same name in {}{}: {}",
                predictions.display(),
                targets.display(),
                inputs.map(|inputs| format!(" and {}", inputs.display())).unwrap_or_default(),
                unmatched.first().map(String::as_str).unwrap_or_default()
            );
        }
        let against = inputs.map(|inputs| format!(", made from {}", inputs.display())).unwrap_or_default();
        let (count, images) = (trios.len(), if trios.len() == 1 { "image" } else { "images" });
        let title = format!("{} against {}{against} · {count} {images}", predictions.display(), targets.display());
        Ok(Self { title, trios, unmatched })
    }

    /// The images with their partners, by name.
    #[cfg(test)]
    pub(super) fn trios(&self) -> &[Trio] {
        &self.trios
    }

    /// Decode and measure, as many at a time as there are cores and as memory allows.
    pub fn measure(self, mut judge: Judge, device: Device) -> anyhow::Result<(Judge, Measured)> {
        judge.warm_up(device, size(&self.trios[0].target))?;
        let begin = Instant::now();
        let sizes: Vec<(u32, u32)> = self.trios.par_iter().filter_map(|trio| size(&trio.target)).collect();
        if let Some(smallest) = sizes.iter().min_by_key(|(width, height)| width.min(height)) {
            judge.fit(smallest.1 as usize, smallest.0 as usize);
        }
        let largest = sizes.iter().map(|(width, height)| u64::from(*width) * u64::from(*height)).max().unwrap_or(1);
        let outcomes = if device == Device::Cpu {
            spread(&self.trios, &judge, device, workers(&judge, largest))?
        } else {
            batches::measure(&self.trios, &judge, device)?
        };
        let mut measured = Measured {
            title: self.title,
            names: Vec::new(),
            tally: Tally::default(),
            failed: Vec::new(),
            unmatched: self.unmatched,
            begin,
        };
        let mut trios = self.trios.into_iter();
        for (count, outcome) in outcomes {
            let names = trios.by_ref().take(count).map(|trio| trio.name);
            match outcome {
                Ok(tally) => {
                    measured.tally.extend(tally);
                    measured.names.extend(names);
                }
                Err(why) => measured.failed.extend(names.map(|name| Sample { name, why: why.clone() })),
            }
        }
        if measured.names.is_empty() {
            let first = measured.failed.first().map(|one| one.why.as_str()).unwrap_or_default();
            bail!("none of {} images could be measured; the first: {first}", measured.failed.len());
        }
        Ok((judge, measured))
    }
}

/// How many images one after the other, and what was measured of them.
pub(super) type Outcome = (usize, Result<Tally, String>);

/// Each image's tally, in order; threads take one image after the other.
fn spread(trios: &[Trio], judge: &Judge, device: Device, workers: usize) -> anyhow::Result<Vec<Outcome>> {
    let next = AtomicUsize::new(0);
    let work = |judge: Judge| {
        // One image a core: libtorch's own threads would wait for each other at every small operation.
        if workers > 1 {
            tch::set_num_threads(1);
        }
        let mut done = Vec::new();
        while let Some(trio) = trios.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((trio.name.as_str(), trio.measure(&judge, device)));
        }
        done
    };
    let judges: Vec<Judge> = (0..workers).map(|_| judge.shallow_clone()).collect();
    let mut outcomes = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = judges.into_iter().map(|judge| scope.spawn(move || work(judge))).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect::<Result<Vec<_>, _>>()
    })
    .map_err(|_panic| anyhow!("a thread that measures failed in a way that should be impossible; please report this"))?
    .into_iter()
    .flatten()
    .collect::<HashMap<&str, _>>();
    Ok(trios.iter().filter_map(|trio| Some((1, outcomes.remove(trio.name.as_str())?))).collect())
}

impl Trio {
    /// Decode and measure.
    fn measure(&self, judge: &Judge, device: Device) -> Result<Tally, String> {
        look(judge, &[&self.read()?], device).map_err(|error| self.refused(&error))
    }

    /// The decoded images, of one size.
    pub(super) fn read(&self) -> Result<Images, String> {
        let read = |path: &Path| {
            image_file::open(path).map(|decoded| decoded.image).map_err(|fault| format!("{} {fault}", path.display()))
        };
        let (prediction, target) = (read(&self.prediction)?, read(&self.target)?);
        let input = self.input.as_deref().map(read).transpose()?;
        for (image, path) in [(Some(&prediction), Some(&self.prediction)), (input.as_ref(), self.input.as_ref())] {
            let (Some(image), Some(path)) = (image, path) else { continue };
            if image.dimensions() != target.dimensions() {
                let ((w, h), (to_w, to_h)) = (image.dimensions(), target.dimensions());
                return Err(format!("{} is {w}x{h} pixels, its target {to_w}x{to_h}", path.display()));
            }
        }
        Ok(Images { prediction, target, input })
    }

    pub(super) fn refused(&self, error: &TchError) -> String {
        let text = error.to_string();
        format!("{}: {}", self.target.display(), text.lines().next().unwrap_or_default())
    }
}

/// Measure images of one size.
pub(super) fn look(judge: &Judge, batch: &[&Images], device: Device) -> Result<Tally, TchError> {
    let all = |of: fn(&Images) -> Option<&RgbImage>| -> Result<Option<Tensor>, TchError> {
        let images: Vec<&RgbImage> = batch.iter().filter_map(|images| of(images)).collect();
        if images.is_empty() { Ok(None) } else { tensor(&images, device).map(Some) }
    };
    let (prediction, target) = (all(|images| Some(&images.prediction))?, all(|images| Some(&images.target))?);
    match (prediction, target) {
        (Some(prediction), Some(target)) => {
            judge.measure(&prediction, &target, all(|images| images.input.as_ref())?.as_ref())
        }
        _ => Ok(Tally::default()),
    }
}

/// `[B, 3, H, W]` in [0, 1] of images of one size.
fn tensor(images: &[&RgbImage], device: Device) -> Result<Tensor, TchError> {
    let bytes = images.iter().map(|image| {
        let shape = [i64::from(image.height()), i64::from(image.width()), 3];
        Tensor::f_from_data_size(image.as_raw(), &shape, Kind::Uint8)
    });
    let bytes = Tensor::f_stack(&bytes.collect::<Result<Vec<_>, _>>()?, 0)?.f_to_device(device)?;
    bytes.f_permute([0, 3, 1, 2])?.f_contiguous()?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)
}

fn size(path: &Path) -> Option<(u32, u32)> {
    let facts = image_file::probe(&image_file::read(path).ok()?).ok()?;
    Some((facts.width, facts.height))
}

/// How many images of `pixels` may be measured at a time: no more than half of the free memory holds.
fn workers(judge: &Judge, pixels: u64) -> usize {
    // Bytes a pixel, for three images: the first layers of the networks are what counts.
    let cost = |metric: &Metric| match metric {
        Metric::LpipsVgg => 2500,
        Metric::LpipsSqueeze => 700,
        _ => 400,
    };
    let each = judge.metrics().iter().map(cost).max().unwrap_or(400) * pixels;
    let fitting = (free_memory() / 2 / each.max(1)) as usize;
    rayon::current_num_threads().min(fitting).max(1)
}

/// The images under `folder` by their path in it without the extension; neither hidden files nor linked folders.
fn images(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    if !folder.is_dir() {
        let what = if folder.exists() { "is no folder" } else { "does not exist" };
        return Err(Usage(format!("{} {what}", folder.display())).into());
    }
    let mut found = BTreeMap::new();
    search(folder, Path::new(""), &mut found)?;
    if found.is_empty() {
        bail!("{}: no .png, .jpg or .webp files there", folder.display());
    }
    Ok(found)
}

fn search(folder: &Path, inside: &Path, found: &mut BTreeMap<String, PathBuf>) -> anyhow::Result<()> {
    let failed = || format!("read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let extension = path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            search(&path, &inside.join(&name), found)?;
        } else if path.is_file() && EXTENSIONS.contains(&extension.as_str()) {
            let key = inside.join(path.file_stem().unwrap_or_default()).to_string_lossy().into_owned();
            if let Some(other) = found.insert(key, path.clone()) {
                let (a, b) = if other < path { (other, path) } else { (path, other) };
                return Err(Usage(format!(
                    "{} and {} bear the same name but for the extension: only one of them can be meant",
                    a.display(),
                    b.display()
                ))
                .into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::new(4, 4).save(path).unwrap();
    }

    #[test]
    fn images_are_matched_without_extension_and_the_rest_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (out, to) = (root.path().join("out"), root.path().join("to"));
        for name in
            ["out/a.png", "out/deep/b.png", "out/lone.png", "to/a.jpg", "to/deep/b.webp", "to/b.png", "to/.c.png"]
        {
            save(&root.path().join(name));
        }
        let folders = Folders::open(&out, &to, None).unwrap();
        let names: Vec<&str> = folders.trios.iter().map(|trio| trio.name.as_str()).collect();
        assert_eq!(names, ["a", "deep/b"]);
        let said = folders.unmatched.join("\n");
        assert!(said.contains("lone.png: no target") && said.contains("to/b.png: no prediction"), "{said}");
        assert_eq!(folders.unmatched.len(), 2);
    }

    #[test]
    fn two_files_of_one_name_and_folders_without_images_are_refused() {
        let root = tempfile::tempdir().unwrap();
        save(&root.path().join("a.png"));
        save(&root.path().join("a.jpg"));
        let error = images(root.path()).unwrap_err().to_string();
        assert!(error.contains("a.jpg") && error.contains("a.png"), "{error}");
        let empty = tempfile::tempdir().unwrap();
        assert!(images(empty.path()).unwrap_err().to_string().contains("no .png"));
        assert!(images(&empty.path().join("gone")).unwrap_err().is::<Usage>());
    }
}
