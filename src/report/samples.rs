//! Sample pictures: original, target and prediction of held-out pairs at the first, the best and the last step.

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ImageFormat, Rgb, RgbImage};
use rayon::prelude::*;

use super::ink::{Anchor, Face, Ground, Ink, Paint, PictureError, Pixels};
use super::quantity::{Better, metric};
use super::{number, source::Source};
use crate::data::image_file;
use crate::data::pairs::has_image_extension;
use crate::session::Folder;

/// Pairs shown at most.
const ROWS: usize = 6;
/// Longest side of a picture in a page, in pixels: a third of a page's width on a screen with two pixels for one.
const SIDE: u32 = 320;
/// Up to this size pictures are kept exactly; larger ones as JPEG.
const EXACT: u32 = 160;
const QUALITY: u8 = 88;

/// The pictures of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleStep {
    /// The step.
    pub step: i64,
    /// Files, sorted by name.
    pub files: Vec<PathBuf>,
}

/// The steps of a session that have pictures, in order. What is half written is passed over.
pub fn list(folder: &Folder, warnings: &mut Vec<String>) -> Vec<SampleStep> {
    let dir = folder.samples();
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            warnings.push(format!("{} cannot be read: {error}", dir.display()));
            return Vec::new();
        }
    };
    let mut steps: Vec<SampleStep> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let digits = name.to_str()?.strip_prefix("step-")?;
            let step = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
            let files = files(&entry.path());
            (!files.is_empty()).then_some(SampleStep { step, files })
        })
        .collect();
    steps.sort_by_key(|it| it.step);
    steps
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| has_image_extension(path)).collect();
    files.sort();
    files
}

/// A column of the sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// `Original`, `Target`, `First`, `Best`, `Last`.
    pub title: String,
    /// Step and what makes it the best; empty for original and target.
    pub note: String,
}

/// Pictures in rows, a row a pair.
#[derive(Debug)]
pub struct Sheet {
    /// What is in the columns.
    pub headings: Vec<Heading>,
    /// Names of the pairs' files, and their pictures; none where one cannot be read.
    pub rows: Vec<(String, Vec<Option<RgbImage>>)>,
    /// What could not be read, one line each.
    pub problems: Vec<String>,
}

/// The sheet of a session; none if it has no samples.
pub fn sheet(source: &Source) -> Option<Sheet> {
    let steps = &source.samples;
    let (first, last) = (steps.first()?, steps.last()?);
    let best = best(source);
    let mut chosen = vec![("First".to_owned(), String::new(), first)];
    if let Some((name, value, at)) = &best {
        // The pictures next before the best value, or the first after it.
        let place = steps.partition_point(|it| it.step <= *at).saturating_sub(1);
        let made = &steps[place];
        let near = if made.step == *at { String::new() } else { format!(" at step {}", number::count_of(*at)) };
        chosen.push(("Best".to_owned(), format!("{} {}{near}", metric(name), number::value(*value)), made));
    }
    chosen.push(("Last".to_owned(), String::new(), last));
    merge(&mut chosen);

    let mut headings = vec![
        Heading { title: "Original".to_owned(), note: String::new() },
        Heading { title: "Target".to_owned(), note: String::new() },
    ];
    headings.extend(chosen.iter().map(|(title, why, step)| {
        let at = format!("step {}", number::count_of(step.step));
        Heading { title: title.clone(), note: if why.is_empty() { at } else { format!("{at} · {why}") } }
    }));
    let names: Vec<String> = last
        .files
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .take(ROWS)
        .collect();
    let read: Vec<(String, Vec<Option<RgbImage>>, Vec<String>)> = names
        .into_par_iter()
        .map(|name| {
            let mut problems = Vec::new();
            let mut parts: Vec<Option<[RgbImage; 3]>> = chosen
                .iter()
                .map(|(_, _, step)| {
                    let path = step.files.iter().find(|path| path.file_stem().is_some_and(|stem| *stem == *name))?;
                    match triptych(path) {
                        Ok(parts) => Some(parts),
                        Err(problem) => {
                            problems.push(problem);
                            None
                        }
                    }
                })
                .collect();
            let predictions: Vec<Option<RgbImage>> =
                parts.iter_mut().map(|it| it.as_mut().map(|it| std::mem::take(&mut it[2]))).collect();
            let known = parts.into_iter().rev().flatten().next().map(|[original, target, _]| (original, target));
            let (original, target) = known.unzip();
            let mut cells = vec![original, target];
            cells.extend(predictions);
            (name, cells, problems)
        })
        .collect();
    let mut sheet = Sheet { headings, rows: Vec::new(), problems: Vec::new() };
    for (name, cells, problems) in read {
        sheet.rows.push((name, cells));
        sheet.problems.extend(problems);
    }
    sheet.problems.dedup();
    Some(sheet)
}

/// Steps that are several things at once become one column: `Best, last`.
fn merge(chosen: &mut Vec<(String, String, &SampleStep)>) {
    let mut merged: Vec<(String, String, &SampleStep)> = Vec::new();
    for (title, why, step) in chosen.drain(..) {
        match merged.iter_mut().find(|(_, _, known)| known.step == step.step) {
            Some((known, reason, _)) => {
                *known = format!("{known}, {}", title.to_lowercase());
                if reason.is_empty() {
                    *reason = why;
                }
            }
            None => merged.push((title, why, step)),
        }
    }
    merged.sort_by_key(|(_, _, step)| step.step);
    *chosen = merged;
}

/// The metric that checkpoints are chosen by: its name, its best value and the step of that.
fn best(source: &Source) -> Option<(String, f64, i64)> {
    let name = source.listing.best_metric.clone().unwrap_or_else(|| "val/l1".to_owned());
    let curve = &source.series(&name)?.curve;
    let better = Better::of(&name);
    let points = (0..curve.len()).filter_map(|index| curve.point(index)).filter(|point| point.value.is_finite());
    let best = points.reduce(|a, b| if better.prefers(b.value, a.value) { b } else { a })?;
    Some((name.trim_start_matches("val/").to_owned(), best.value, best.step))
}

/// `input | target | prediction` of one file, each no larger than a page needs.
fn triptych(path: &Path) -> Result<[RgbImage; 3], String> {
    let named = || {
        let of =
            |path: Option<&Path>| path.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        format!("samples/{}/{}", of(path.parent()), of(Some(path)))
    };
    let image = image_file::open(path).map_err(|error| format!("{}: {error}", named()))?.image;
    let (width, height) = image.dimensions();
    if width < 3 || !width.is_multiple_of(3) {
        return Err(format!("{}: {width} x {height} pixels are no three pictures side by side", named()));
    }
    let each = width / 3;
    Ok([0, 1, 2].map(|place| {
        let part = imageops::crop_imm(&image, place * each, 0, each, height).to_image();
        let longest = each.max(height);
        if longest <= SIDE {
            return part;
        }
        let small = |side: u32| ((u64::from(side) * u64::from(SIDE) / u64::from(longest)) as u32).max(1);
        imageops::resize(&part, small(each), small(height), FilterType::CatmullRom)
    }))
}

/// A picture as the bytes of a file and the kind of the file.
pub fn encode(picture: &RgbImage) -> Result<(Vec<u8>, &'static str), image::ImageError> {
    let mut bytes = Vec::new();
    if picture.width().max(picture.height()) <= EXACT {
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
        return Ok((bytes, "image/png"));
    }
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(picture)?;
    Ok((bytes, "image/jpeg"))
}

impl Sheet {
    /// The sheet as one PNG file.
    pub fn png(&self, ground: Ground) -> Result<Vec<u8>, PictureError> {
        const CELL: u32 = 240;
        const GAP: u32 = 12;
        const HEAD: u32 = 52;
        let (columns, rows) = (self.headings.len() as u32, self.rows.len() as u32);
        let size = (GAP + columns * (CELL + GAP), HEAD + rows * (CELL + GAP));
        let mut pixels = Pixels::new(size, 96.0, ground)?;
        let left = |column: usize| GAP + column as u32 * (CELL + GAP);
        for (column, heading) in self.headings.iter().enumerate() {
            let x = f64::from(left(column));
            pixels.text((x, 22.0), &heading.title, Face::Panel, Anchor::Start, Paint::Text);
            let note = Face::Small.fitted(&heading.note, f64::from(CELL));
            pixels.text((x, 40.0), &note, Face::Small, Anchor::Start, Paint::Muted);
        }
        for (row, (_, cells)) in self.rows.iter().enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                let top = HEAD + row as u32 * (CELL + GAP);
                match cell {
                    Some(picture) => pixels.place(&filling(picture, CELL), (left(column), top)),
                    None => pixels.text(
                        (f64::from(left(column)), f64::from(top) + 20.0),
                        "not there",
                        Face::Small,
                        Anchor::Start,
                        Paint::Muted,
                    ),
                }
            }
        }
        pixels.png()
    }
}

/// A picture as large as a square allows: small ones keep their pixels visible.
fn filling(picture: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let longest = width.max(height).max(1);
    let scaled = |edge: u32| (edge * side / longest).max(1);
    let filter = if longest * 2 <= side { FilterType::Nearest } else { FilterType::Triangle };
    let mut square = RgbImage::from_pixel(scaled(width), scaled(height), Rgb([0; 3]));
    imageops::replace(&mut square, &imageops::resize(picture, scaled(width), scaled(height), filter), 0, 0);
    square
}
