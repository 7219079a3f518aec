//! What to cut from each source, decided before anything is written.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::ImageFormat;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{Files, Options, Progress, Source, seam};
use crate::data::image_file::{self, Facts, ImageFault};
use crate::data::manifest::{Entry, Tile, hex};

/// Columns dropped beside a seam that JPEG may have smeared.
const TRIM: u32 = 4;
/// JPEG with halved chroma, and WebP, code blocks of this many pixels: a seam on a block's edge stays sharp.
const BLOCK: u32 = 16;

/// What becomes of one source.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Cut(Cut),
    Skip(String),
    Bad(String),
}

/// What to cut from one source.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    /// First column of the photo in its file.
    pub photo_x: u32,
    /// First column of the illustration in its file.
    pub illustration_x: u32,
    /// Boxes, the same in both images, by rows.
    pub boxes: Vec<Tile>,
    /// The whole of both files is wanted, so that their bytes can be taken as they are.
    pub whole: bool,
}

/// One source, read and decided.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub step: Step,
    pub sha256: String,
    pub size: Option<[u32; 2]>,
    pub gap: Option<u32>,
    pub trim: Option<u32>,
}

/// What the dataset that is added to already holds.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: HashMap<String, Option<String>>,
    hashes: HashSet<String>,
}

impl Known {
    pub(super) fn of(entries: &[Entry]) -> Self {
        Self {
            names: entries.iter().map(|e| (e.source.clone(), e.source_sha256.clone())).collect(),
            hashes: entries.iter().filter_map(|e| e.source_sha256.clone()).collect(),
        }
    }

    fn step(&self, source: &Source, sha256: &str) -> Option<Step> {
        if self.hashes.contains(sha256) {
            return Some(Step::Skip("already in the dataset".to_owned()));
        }
        // Tiles of one picture share its name; a dataset imported again brings many pairs of one source.
        if source.inherited.is_some() {
            return None;
        }
        self.names.get(&source.name).map(|_| {
            Step::Bad("the dataset has another picture of this name; rename the file, or their tiles would count as one source".to_owned())
        })
    }
}

/// A source as its first reading leaves it.
struct Read {
    sha256: String,
    kind: Kind,
}

enum Kind {
    Composite { facts: Facts, gap: u32 },
    Pair { size: (u32, u32) },
    Decided(Step),
}

pub(super) fn plan(
    sources: &[Source],
    known: &Known,
    options: &Options,
    progress: &(dyn Fn(Progress) + Sync),
) -> Vec<Planned> {
    let done = AtomicUsize::new(0);
    let mut read: Vec<Read> = sources
        .par_iter()
        .map(|source| {
            let read = read_source(source, known, options);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Progress { stage: "reading", done, total: sources.len() });
            read
        })
        .collect();
    if options.gap.is_none() {
        settle_gaps(&mut read);
    }
    let mut planned: Vec<Planned> = read.into_iter().map(|read| decide(read, options)).collect();
    if let Some(limit) = options.limit {
        deal(&mut planned, limit);
    }
    planned
}

fn read_source(source: &Source, known: &Known, options: &Options) -> Read {
    let mut sha256 = String::new();
    let mut attempt = || -> Result<Kind, String> {
        match &source.files {
            Files::Composite(path) => {
                let bytes = image_file::read(path).map_err(|fault| fault.to_string())?;
                sha256 = hex(&Sha256::digest(&bytes));
                if let Some(step) = known.step(source, &sha256) {
                    return Ok(Kind::Decided(step));
                }
                if let Some(gap) = options.gap {
                    let facts = image_file::probe(&bytes).map_err(|fault| fault.to_string())?;
                    return Ok(Kind::Composite { facts, gap });
                }
                let decoded = image_file::decode(&bytes).map_err(|fault| fault.to_string())?;
                Ok(Kind::Composite { facts: decoded.facts, gap: seam::gap(&decoded.image) })
            }
            Files::Pair(photo, illustration) => {
                let read = |path, side: &str| image_file::read(path).map_err(|fault| format!("the {side} {fault}"));
                let (o, g) = (read(photo, "photo")?, read(illustration, "illustration")?);
                sha256 = hex(&Sha256::new().chain_update(&o).chain_update(&g).finalize());
                if let Some(step) = known.step(source, &sha256) {
                    return Ok(Kind::Decided(step));
                }
                let probe = |bytes: &[u8], side: &str| {
                    image_file::probe(bytes).map_err(|fault: ImageFault| format!("the {side} {fault}"))
                };
                let (o, g) = (probe(&o, "photo")?, probe(&g, "illustration")?);
                if (o.width, o.height) != (g.width, g.height) {
                    return Err(format!(
                        "the photo has {}x{} pixels, the illustration {}x{}; a pair must have one size",
                        o.width, o.height, g.width, g.height
                    ));
                }
                Ok(Kind::Pair { size: (o.width, o.height) })
            }
        }
    };
    let kind = attempt().unwrap_or_else(|reason| Kind::Decided(Step::Bad(reason)));
    Read { sha256, kind }
}

fn settle_gaps(read: &mut [Read]) {
    let mut gaps: Vec<&mut u32> = read
        .iter_mut()
        .filter_map(|read| match &mut read.kind {
            Kind::Composite { gap, .. } => Some(gap),
            _ => None,
        })
        .collect();
    let mut values: Vec<u32> = gaps.iter().map(|gap| **gap).collect();
    seam::agree(&mut values);
    for (gap, value) in gaps.iter_mut().zip(values) {
        **gap = value;
    }
}

fn decide(read: Read, options: &Options) -> Planned {
    let mut planned =
        Planned { step: Step::Skip(String::new()), sha256: read.sha256, size: None, gap: None, trim: None };
    match read.kind {
        Kind::Decided(step) => planned.step = step,
        Kind::Composite { facts, gap } => match halves(facts, gap, options) {
            Ok(halves) => {
                let Halves { width, trim, right_x } = halves;
                planned.size = Some([width, facts.height]);
                planned.gap = Some(gap);
                planned.trim = Some(trim);
                let (photo_x, illustration_x) = if options.swap { (right_x, 0) } else { (0, right_x) };
                let area = Tile { x: trim, y: 0, width: width - 2 * trim, height: facts.height };
                planned.step = match boxes(area, options) {
                    Ok(boxes) => Step::Cut(Cut { photo_x, illustration_x, boxes, whole: false }),
                    Err(reason) => Step::Skip(reason),
                };
            }
            Err(reason) => planned.step = Step::Bad(reason),
        },
        Kind::Pair { size: (width, height) } => {
            planned.size = Some([width, height]);
            let area = Tile { x: 0, y: 0, width, height };
            let swapped = if options.swap {
                Some("--swap is for composites; give the folders the other way round")
            } else {
                None
            };
            planned.step = match (swapped, boxes(area, options)) {
                (Some(reason), _) => Step::Bad(reason.to_owned()),
                (None, Ok(boxes)) => {
                    Step::Cut(Cut { photo_x: 0, illustration_x: 0, whole: options.tile.is_none(), boxes })
                }
                (None, Err(reason)) => Step::Skip(reason),
            };
        }
    }
    planned
}

struct Halves {
    width: u32,
    trim: u32,
    right_x: u32,
}

fn halves(facts: Facts, gap: u32, options: &Options) -> Result<Halves, String> {
    let width = facts.width;
    if gap >= width {
        return Err(format!("is {width} pixels wide, not more than the gap of {gap}"));
    }
    if (width - gap) % 2 == 1 {
        return Err(if options.gap.is_some() {
            format!("is {width} pixels wide, so a gap of {gap} leaves halves of unequal width")
        } else {
            format!(
                "is {width} pixels wide and no gap was found: the halves cannot be equal; give --gap when there is one"
            )
        });
    }
    let half = (width - gap) / 2;
    let right_x = half + gap;
    let lossy = matches!(facts.format, ImageFormat::Jpeg | ImageFormat::WebP);
    let on_blocks = half.is_multiple_of(BLOCK) && right_x.is_multiple_of(BLOCK);
    let trim = options.trim.unwrap_or(if lossy && !on_blocks { TRIM } else { 0 });
    if 2 * u64::from(trim) >= u64::from(half) {
        return Err(format!("has halves of {half} pixels, which a trim of {trim} on both sides leaves nothing of"));
    }
    Ok(Halves { width: half, trim, right_x })
}

/// Tiles by rows, from the top left corner; what is left over at the right and the bottom is not used.
fn boxes(area: Tile, options: &Options) -> Result<Vec<Tile>, String> {
    let Some(side) = options.tile else { return Ok(vec![area]) };
    if area.width < side || area.height < side {
        let trimmed = if area.x > 0 { " after the trim" } else { "" };
        return Err(format!("{}x{} pixels{trimmed} are less than a tile of {side}x{side}", area.width, area.height));
    }
    let stride = options.stride.unwrap_or(side).max(1);
    let starts = |length: u32| (0..=(length - side) / stride).map(move |i| i * stride);
    Ok(starts(area.height)
        .flat_map(|y| starts(area.width).map(move |x| Tile { x: area.x + x, y: area.y + y, width: side, height: side }))
        .collect())
}

/// Keep at most `limit` boxes: dealt to the sources in turn, and spread evenly over each.
fn deal(planned: &mut [Planned], limit: usize) {
    let offered: Vec<usize> =
        planned.iter().map(|planned| if let Step::Cut(cut) = &planned.step { cut.boxes.len() } else { 0 }).collect();
    let mut kept = vec![0; offered.len()];
    let mut left = limit.min(offered.iter().sum());
    while left > 0 {
        for (kept, offered) in kept.iter_mut().zip(&offered) {
            if left > 0 && *kept < *offered {
                *kept += 1;
                left -= 1;
            }
        }
    }
    for (planned, kept) in planned.iter_mut().zip(kept) {
        if let Step::Cut(cut) = &mut planned.step {
            let offered = cut.boxes.len();
            cut.boxes = (0..kept).map(|i| cut.boxes[i * offered / kept]).collect();
            if kept == 0 {
                planned.step = Step::Skip(format!("over the limit of {limit} pairs"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(width: u32, format: ImageFormat) -> Facts {
        Facts { format, width, height: 100, channels: 3, bits: 8, rotated: false }
    }

    fn tiled(side: u32, stride: Option<u32>) -> Options {
        Options { tile: Some(side), stride, ..Options::default() }
    }

    #[test]
    fn tiles_run_by_rows_and_leave_the_rest() {
        let area = Tile { x: 4, y: 0, width: 25, height: 21 };
        let corners: Vec<(u32, u32)> = boxes(area, &tiled(10, None)).unwrap().iter().map(|t| (t.x, t.y)).collect();
        assert_eq!(corners, [(4, 0), (14, 0), (4, 10), (14, 10)]);
        assert_eq!(boxes(area, &tiled(10, Some(5))).unwrap().len(), 4 * 3);
        assert_eq!(boxes(area, &tiled(21, None)).unwrap().len(), 1);
        assert!(boxes(area, &tiled(22, None)).unwrap_err().contains("22x22"));
        assert_eq!(boxes(area, &Options::default()).unwrap(), [area]);
    }

    #[test]
    fn halves_lose_the_trim_on_both_sides_so_that_boxes_stay_aligned() {
        let auto = Options::default();
        let h = halves(facts(1031, ImageFormat::Jpeg), 7, &auto).unwrap();
        assert_eq!((h.width, h.trim, h.right_x), (512, 4, 519));
        let h = halves(facts(1024, ImageFormat::Jpeg), 0, &auto).unwrap();
        assert_eq!((h.width, h.trim, h.right_x), (512, 0, 512), "a seam on a block's edge is sharp");
        assert_eq!(halves(facts(1000, ImageFormat::Jpeg), 0, &auto).unwrap().trim, 4);
        assert_eq!(halves(facts(1000, ImageFormat::Png), 0, &auto).unwrap().trim, 0);
        let explicit = Options { gap: Some(7), trim: Some(0), ..auto.clone() };
        assert_eq!(halves(facts(1031, ImageFormat::Jpeg), 7, &explicit).unwrap().trim, 0);
        assert!(halves(facts(1030, ImageFormat::Png), 7, &explicit).err().unwrap().contains("unequal"));
        assert!(halves(facts(1031, ImageFormat::Png), 0, &auto).err().unwrap().contains("--gap"));
        assert!(halves(facts(6, ImageFormat::Png), 7, &explicit).is_err());
        assert!(halves(facts(16, ImageFormat::Png), 0, &Options { trim: Some(4), ..auto }).is_err());
    }

    #[test]
    fn a_limit_is_dealt_over_the_sources_and_spread_over_each() {
        let tile = |x| Tile { x, y: 0, width: 1, height: 1 };
        let planned = |n: u32| Planned {
            step: Step::Cut(Cut { photo_x: 0, illustration_x: 0, boxes: (0..n).map(tile).collect(), whole: false }),
            sha256: String::new(),
            size: None,
            gap: None,
            trim: None,
        };
        let kept = |planned: &Planned| match &planned.step {
            Step::Cut(cut) => cut.boxes.iter().map(|b| b.x).collect::<Vec<_>>(),
            _ => vec![],
        };
        let mut all = vec![planned(9), planned(1), planned(6)];
        deal(&mut all, 6);
        assert_eq!(all.iter().map(kept).collect::<Vec<_>>(), [vec![0, 3, 6], vec![0], vec![0, 3]]);
        let mut few = vec![planned(9), planned(1), planned(6)];
        deal(&mut few, 2);
        assert!(matches!(&few[2].step, Step::Skip(reason) if reason.contains("limit of 2")));
        deal(&mut all, 1000);
        assert_eq!(kept(&all[0]).len(), 3);
    }
}
