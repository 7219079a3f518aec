//! Writing the pairs: into a folder beside the destination, then into place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{RgbImage, imageops};
use rayon::prelude::*;
use tempfile::TempDir;

use super::plan::{Cut, Known, Planned, Step};
use super::{Files, ImportError, Inherited, Options, Outcome, Progress, Source, SourceSummary, Summary};
use crate::data::image_file::{self, Decoded};
use crate::data::manifest::{self, Entry, FileRecord, Tile};
use crate::data::staging;

/// Where the pairs go.
pub(super) struct Destination {
    out: PathBuf,
    staging: TempDir,
    existing: Option<Vec<Entry>>,
    next_id: u64,
    pub known: Known,
}

impl Destination {
    /// Make sure that there is a place to write to, before any work is done.
    pub(super) fn open(out: &Path, append: bool) -> Result<Self, ImportError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| ImportError::Write { path, source }
        };
        let occupied = staging::occupied(out).map_err(failed(out))?;
        if occupied && !append {
            return Err(ImportError::Exists { path: out.to_path_buf() });
        }
        // On the destination's file system, so that a rename is enough at the end.
        let beside = if occupied { out } else { staging::parent(out) };
        let staging = staging::folder_in(beside).map_err(failed(beside))?;
        let existing = if occupied { Some(manifest::load(out)?.unwrap_or_default()) } else { None };
        let next_id = if occupied { highest_id(out).map_err(failed(out))? + 1 } else { 1 };
        let known = Known::of(existing.as_deref().unwrap_or_default());
        Ok(Self { out: out.to_path_buf(), staging, existing, next_id, known })
    }
}

/// The highest number among the names in a folder, pairs or not: no id is used twice.
fn highest_id(folder: &Path) -> io::Result<u64> {
    let mut highest = 0;
    for item in fs::read_dir(folder)? {
        let name = item?.file_name();
        highest = highest.max(name.to_str().and_then(|name| name.parse().ok()).unwrap_or(0));
    }
    Ok(highest)
}

/// One pair in the staging folder, not yet named.
struct Staged {
    folder: PathBuf,
    entry: Entry,
}

pub(super) fn write(
    destination: Destination,
    sources: &[Source],
    planned: Vec<Planned>,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
    summary: &mut Summary,
) -> Result<(), ImportError> {
    let staging = destination.staging.path();
    let total = planned.iter().filter(|planned| matches!(planned.step, Step::Cut(_))).count();
    let done = AtomicUsize::new(0);
    let written: Vec<Result<Vec<Staged>, String>> = sources
        .par_iter()
        .zip(&planned)
        .enumerate()
        .map(|(index, (source, planned))| {
            let Step::Cut(cut) = &planned.step else { return Ok(Ok(Vec::new())) };
            let job = Job { source, cut, planned, options, folder: staging.join(format!("{index}")) };
            let staged = job.run()?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: "cutting", done, total });
            Ok(staged)
        })
        .collect::<Result<_, ImportError>>()?;

    let mut staged = Vec::new();
    for ((source, planned), written) in sources.iter().zip(planned).zip(written) {
        let outcome = match (planned.step, written) {
            (Step::Skip(reason), _) => Outcome::Skipped { reason },
            (Step::Bad(reason), _) | (Step::Cut(_), Err(reason)) => Outcome::Bad { reason },
            (Step::Cut(_), Ok(mut pairs)) => {
                let outcome = Outcome::Imported { pairs: pairs.len() };
                staged.append(&mut pairs);
                outcome
            }
        };
        summary.sources.push(SourceSummary {
            name: source.name.clone(),
            size: planned.size,
            gap: planned.gap,
            trim: planned.trim,
            outcome,
        });
    }
    if staged.is_empty() {
        let all_known = destination.existing.is_some() && !summary.has_faults();
        return if all_known { Ok(()) } else { Err(no_pairs(summary)) };
    }
    summary.pairs = staged.len();
    commit(destination, staged, summary)
}

fn no_pairs(summary: &Summary) -> ImportError {
    let first = summary.sources.first();
    let reason = first.map(|source| match &source.outcome {
        Outcome::Bad { reason } | Outcome::Skipped { reason } => reason.clone(),
        Outcome::Imported { .. } => String::new(),
    });
    ImportError::NoPairs {
        total: summary.sources.len(),
        name: first.map(|source| source.name.clone()).unwrap_or_default(),
        reason: reason.unwrap_or_default(),
        summary: Box::new(summary.clone()),
    }
}

/// Name the pairs in order and put the dataset in place.
fn commit(destination: Destination, staged: Vec<Staged>, summary: &mut Summary) -> Result<(), ImportError> {
    let Destination { out, staging, existing, next_id, .. } = destination;
    let last = next_id + staged.len() as u64 - 1;
    let width = last.to_string().len().max(4);
    let mut entries = Vec::with_capacity(staged.len());
    let mut folders = Vec::with_capacity(staged.len());
    for (number, pair) in (next_id..).zip(staged) {
        let id = format!("{number:0width$}");
        let mut entry = pair.entry;
        entry.photo.file = format!("{id}/{}", entry.photo.file);
        entry.illustration.file = format!("{id}/{}", entry.illustration.file);
        entry.id.clone_from(&id);
        entries.push(entry);
        folders.push((pair.folder, id));
    }
    summary.first_id = entries.first().map(|entry| entry.id.clone());
    summary.last_id = entries.last().map(|entry| entry.id.clone());

    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ImportError::Write { path, source }
    };
    // Names are given in a folder of their own, so that the numbered source folders cannot be in the way.
    let named = staging.path().join("named");
    fs::create_dir(&named).map_err(failed(&named))?;
    for (folder, id) in &folders {
        fs::rename(folder, named.join(id)).map_err(failed(folder))?;
    }
    if let Some(mut all) = existing {
        staging::sync(&named).map_err(failed(&named))?;
        let mut moved: Vec<PathBuf> = Vec::new();
        let result = folders.iter().try_for_each(|(_, id)| {
            let target = out.join(id);
            fs::rename(named.join(id), &target).map_err(failed(&target))?;
            moved.push(target);
            Ok(())
        });
        let result = result.and_then(|()| {
            all.extend(entries);
            manifest::save(&out, &all).map_err(ImportError::from)
        });
        if result.is_err() {
            // Take the new folders away again, so that a second try starts from the dataset as it was.
            for folder in moved {
                let _ = fs::remove_dir_all(folder);
            }
        }
        return result;
    }
    manifest::save(&named, &entries)?;
    staging::sync(&named).map_err(failed(&named))?;
    // An empty folder at the destination is replaced.
    fs::rename(&named, &out).map_err(failed(&out))
}

/// Cutting one source.
struct Job<'a> {
    source: &'a Source,
    cut: &'a Cut,
    planned: &'a Planned,
    options: &'a Options,
    folder: PathBuf,
}

impl Job<'_> {
    /// The outer error stops the import (the disk is full), the inner one is this source's own.
    fn run(&self) -> Result<Result<Vec<Staged>, String>, ImportError> {
        let (photo, illustration) = match self.decode() {
            Ok(images) => images,
            Err(reason) => return Ok(Err(reason)),
        };
        let illustration = illustration.as_ref().unwrap_or(&photo);
        let mut staged = Vec::with_capacity(self.cut.boxes.len());
        for (index, &tile) in self.cut.boxes.iter().enumerate() {
            let folder = self.folder.join(index.to_string());
            fs::create_dir_all(&folder).map_err(|source| ImportError::Write { path: folder.clone(), source })?;
            let photo = self.image(&folder, "o", &photo, self.cut.photo_x, tile)?;
            let illustration = self.image(&folder, "g", illustration, self.cut.illustration_x, tile)?;
            let (photo, illustration) = match (photo, illustration) {
                (Ok(photo), Ok(illustration)) => (photo, illustration),
                (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
            };
            staged.push(Staged { folder, entry: self.entry(tile, photo, illustration) });
        }
        Ok(Ok(staged))
    }

    fn entry(&self, tile: Tile, photo: FileRecord, illustration: FileRecord) -> Entry {
        let whole = self.planned.size == Some([tile.width, tile.height]) && (tile.x, tile.y) == (0, 0);
        let tile = match self.source.inherited {
            // A tile of a tile: its place in the first picture.
            Some(Inherited { tile: Some(outer), .. }) => {
                Some(Tile { x: tile.x + outer.x, y: tile.y + outer.y, ..tile })
            }
            _ => (!whole).then_some(tile),
        };
        Entry {
            id: String::new(),
            source: self.source.name.clone(),
            source_sha256: Some(self.planned.sha256.clone()),
            tile,
            synthetic: self.options.synthetic || self.source.inherited.is_some_and(|inherited| inherited.synthetic),
            photo,
            illustration,
        }
    }

    /// The file or files, decoded; `None` for the illustration of a composite, which is in the photo's file.
    #[expect(clippy::type_complexity, reason = "read once, right here")]
    fn decode(&self) -> Result<((Vec<u8>, Decoded), Option<(Vec<u8>, Decoded)>), String> {
        let open = |path: &Path, what: &str| {
            let bytes = image_file::read(path).map_err(|fault| format!("{what}{fault}"))?;
            let decoded = image_file::decode(&bytes).map_err(|fault| format!("{what}{fault}"))?;
            Ok::<_, String>((bytes, decoded))
        };
        let images = match &self.source.files {
            Files::Composite(path) => (open(path, "")?, None),
            Files::Pair(photo, illustration) => {
                (open(photo, "the photo ")?, Some(open(illustration, "the illustration ")?))
            }
        };
        // The file may have changed since it was planned for.
        let reach = |x: u32, image: &RgbImage| {
            self.cut.boxes.iter().all(|b| x + b.x + b.width <= image.width() && b.y + b.height <= image.height())
        };
        let illustration = &images.1.as_ref().unwrap_or(&images.0).1.image;
        if reach(self.cut.photo_x, &images.0.1.image) && reach(self.cut.illustration_x, illustration) {
            Ok(images)
        } else {
            Err("changed its size while it was imported".to_owned())
        }
    }

    /// Write one image of a pair; its file's name stands for the path until the pair has an id.
    fn image(
        &self,
        folder: &Path,
        stem: &str,
        (bytes, decoded): &(Vec<u8>, Decoded),
        x: u32,
        tile: Tile,
    ) -> Result<Result<FileRecord, String>, ImportError> {
        let encoded;
        let (content, extension): (&[u8], _) = if self.cut.whole && decoded.facts.is_plain() {
            (bytes, decoded.facts.extension())
        } else {
            let part = imageops::crop_imm(&decoded.image, x + tile.x, tile.y, tile.width, tile.height).to_image();
            encoded = match image_file::encode_png(&part) {
                Ok(encoded) => encoded,
                Err(fault) => return Ok(Err(fault.to_string())),
            };
            (&encoded, "png")
        };
        let name = format!("{stem}.{extension}");
        let path = folder.join(&name);
        fs::write(&path, content).map_err(|source| ImportError::Write { path, source })?;
        Ok(Ok(FileRecord::of(name, content, (tile.width, tile.height))))
    }
}
