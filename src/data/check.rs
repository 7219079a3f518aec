//! Looking for everything that is wrong with a dataset: files, pairs, duplicates, and leaks between the splits.

mod examine;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::Serialize;

use super::pairs::{Dataset, DatasetError, count};
use super::perceptual_hash::{Likeness, near_duplicates};
use super::phase_correlation::Shift;
use super::split::{Record, Side, split};
use examine::Examined;

/// The least confidence of a shift that is believed. Unrelated pictures reach 17.
pub const SURE: f64 = 20.0;
/// A believed shift of this many pixels is a fault. Drawings of soft clouds and foam move by up to 1.1 pixels without
/// one, at confidences up to 31.
pub const SHIFTED: f64 = 1.5;
/// The confidence from which a smaller shift is a fault too,
pub const VERY_SURE: f64 = 40.0;
/// of this many pixels: correct pairs stay under 0.5 there.
pub const SHIFTED_LITTLE: f64 = 0.75;
/// Photo and illustration whose 32x32 thumbnails correlate less, and that phase correlation finds nothing common in,
/// show different things.
pub const RELATED: f64 = 0.3;

/// What to check against.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Share held out; `None` takes the recorded split's, else 0.2.
    pub validation_fraction: Option<f64>,
    /// Seed of the split; `None` takes the recorded split's, else 0.
    pub seed: Option<u64>,
}

/// What a check found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The dataset.
    pub root: PathBuf,
    /// Complete pairs.
    pub pairs: usize,
    /// Distinct sources.
    pub sources: usize,
    /// Pairs on the training side.
    pub train: usize,
    /// Pairs held out.
    pub validation: usize,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is worth knowing and not wrong.
    pub remarks: Vec<String>,
    /// What was measured of each pair that could be read.
    pub measured: Vec<Measured>,
}

impl Report {
    /// How many problems there are of each kind.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for problem in &self.problems {
            *counts.entry(problem.kind).or_insert(0) += 1;
        }
        counts
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// What kind of thing.
    pub kind: Kind,
    /// The pair or folder.
    pub id: String,
    /// The other pair, where two are concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// One line for a person.
    pub message: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file that gives no image.
    Undecodable,
    /// Photo and illustration of different size.
    SizeMismatch,
    /// Photo and illustration of different channels or depth.
    ChannelMismatch,
    /// The illustration is shifted against the photo.
    Misaligned,
    /// Photo and illustration show different things.
    Unrelated,
    /// Two pairs whose photos look the same.
    Duplicate,
    /// The same picture on both sides of the split.
    Leak,
    /// A file is not what the manifest says.
    HashMismatch,
    /// Half a pair, or one that only the disk or only the manifest knows.
    Orphan,
}

impl Kind {
    /// The kind's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::SizeMismatch => "size-mismatch",
            Self::ChannelMismatch => "channel-mismatch",
            Self::Misaligned => "misaligned",
            Self::Unrelated => "unrelated",
            Self::Duplicate => "duplicate",
            Self::Leak => "leak",
            Self::HashMismatch => "hash-mismatch",
            Self::Orphan => "orphan",
        }
    }
}

/// How well a pair's images fit.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// The pair.
    pub id: String,
    /// How far the illustration is shifted against the photo; absent for blank or tiny images.
    pub shift: Option<Shift>,
    /// Correlation of their 32x32 luminance thumbnails.
    pub correlation: Option<f64>,
}

/// Check the dataset at `root`. Every image is read once; `progress` gets pairs done and their total.
pub fn check(root: &Path, options: Options, progress: &(dyn Fn(usize, usize) + Sync)) -> Result<Report, DatasetError> {
    let dataset = Dataset::scan(root)?;
    if dataset.pairs.is_empty() && dataset.left_out.is_empty() {
        // Nothing that could be wrong: the folder is no dataset, which `open` says.
        Dataset::open(root)?;
    }
    let recorded = dataset.recorded_split.as_ref();
    let fraction = options.validation_fraction.or(recorded.map(|r| r.validation_fraction)).unwrap_or(0.2);
    let seed = options.seed.or(recorded.map(|r| r.seed)).unwrap_or(0);
    let sides = split(&dataset, fraction, seed);

    let done = AtomicUsize::new(0);
    let examined: Vec<Examined> = dataset
        .pairs
        .par_iter()
        .map(|pair| {
            let examined = examine::examine(pair, &dataset.root);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, dataset.pairs.len());
            examined
        })
        .collect();

    let mut report = Report {
        root: root.to_path_buf(),
        pairs: dataset.pairs.len(),
        sources: dataset.sources().len(),
        train: sides.train.len(),
        validation: sides.validation.len(),
        problems: orphans(&dataset),
        remarks: dataset.remarks().into_iter().take(usize::from(!dataset.has_manifest)).collect(),
        measured: Vec::new(),
    };
    let held_out: HashSet<usize> = sides.validation.into_iter().collect();
    let side = |index: usize| if held_out.contains(&index) { Side::Validation } else { Side::Train };
    report.problems.extend(duplicates(&dataset, &examined, &side));
    for (pair, examined) in dataset.pairs.iter().zip(examined) {
        report.problems.extend(examined.problems);
        if examined.print.is_some() {
            report.measured.push(Measured {
                id: pair.id.clone(),
                shift: examined.shift,
                correlation: examined.correlation,
            });
        }
    }
    if let Some(record) = recorded {
        recorded_split(&dataset, record, &mut report);
    }
    // By kind, then in the order of the ids, in which they were found.
    report.problems.sort_by_key(|problem| problem.kind);
    Ok(report)
}

fn orphans(dataset: &Dataset) -> Vec<Problem> {
    let orphan = |id: &str, message: &str| Problem {
        kind: Kind::Orphan,
        id: id.to_owned(),
        other: None,
        message: message.to_owned(),
    };
    let mut problems: Vec<Problem> =
        dataset.left_out.iter().map(|left_out| orphan(&left_out.name, &left_out.reason)).collect();
    if dataset.has_manifest {
        let unlisted = dataset.pairs.iter().filter(|pair| pair.entry.is_none());
        problems.extend(unlisted.map(|pair| orphan(&pair.id, "on disk, but not in the manifest")));
    }
    problems
}

/// Near-duplicates and identical files; across the split they are leaks.
fn duplicates(dataset: &Dataset, examined: &[Examined], side: &dyn Fn(usize) -> Side) -> Vec<Problem> {
    let known: Vec<usize> = (0..examined.len()).filter(|&i| examined[i].print.is_some()).collect();
    let prints: Vec<_> = known.iter().filter_map(|&i| examined[i].print.clone()).collect();
    let mut edges: BTreeMap<(usize, usize), &str> = near_duplicates(&prints)
        .into_iter()
        .map(|(a, b, likeness)| {
            let what = match likeness {
                Likeness::Same => "looks like",
                Likeness::Mirrored => "is the mirror image of",
            };
            ((known[a], known[b]), what)
        })
        .collect();
    // Blank pictures have no print to compare, but identical pixels are identical. One edge to the first is enough.
    let mut first: HashMap<&str, usize> = HashMap::new();
    for &index in &known {
        match first.get(examined[index].pixels.as_str()) {
            Some(&earlier) => _ = edges.insert((earlier, index), "is identical to"),
            None => _ = first.insert(&examined[index].pixels, index),
        }
    }
    let mut problems = Vec::new();
    let mut reported: HashSet<(usize, Kind)> = HashSet::new();
    for ((earlier, index), what) in edges {
        let leak = side(earlier) != side(index);
        // A leak is told of the held-out pair; a pair that resembles several is told once of each kind.
        let (told, other) = if leak && side(earlier) == Side::Validation { (earlier, index) } else { (index, earlier) };
        let kind = if leak { Kind::Leak } else { Kind::Duplicate };
        if !reported.insert((told, kind)) {
            continue;
        }
        let (pair, other) = (&dataset.pairs[told], &dataset.pairs[other]);
        let message = if leak {
            format!(
                "held out, but {what} {}, which is trained on (sources {} and {})",
                other.id, pair.source, other.source
            )
        } else {
            format!("{what} {} (sources {} and {})", other.id, pair.source, other.source)
        };
        problems.push(Problem { kind, id: pair.id.clone(), other: Some(other.id.clone()), message });
    }
    problems
}

/// The recorded split against the dataset and against what would be computed.
fn recorded_split(dataset: &Dataset, record: &Record, report: &mut Report) {
    for source in record.conflicts() {
        report.problems.push(Problem {
            kind: Kind::Leak,
            id: source.to_owned(),
            other: None,
            message: "this source stands on both sides of split.json; `atelier dataset split` writes it anew"
                .to_owned(),
        });
    }
    let fresh = Dataset { recorded_split: None, ..dataset.clone() };
    let computed = Record::compute(&fresh, record.validation_fraction, record.seed);
    let sources: HashSet<&str> = dataset.sources().into_iter().collect();
    let recorded: HashSet<&str> = record.train.iter().chain(&record.validation).map(String::as_str).collect();
    let count_of = |n: usize, what: &str| (n > 0).then(|| format!("split.json: {} {what}", count(n, "source")));
    let gone = recorded.difference(&sources).count();
    let new = sources.difference(&recorded).count();
    let held_out: HashSet<&str> = record.validation.iter().map(String::as_str).collect();
    let would: HashSet<&str> = computed.validation.iter().map(String::as_str).collect();
    let moved = sources.intersection(&recorded).filter(|s| held_out.contains(*s) != would.contains(*s)).count();
    report.remarks.extend(count_of(gone, "of it no longer in the dataset"));
    report.remarks.extend(count_of(new, "added since; `atelier dataset split` writes them down"));
    report.remarks.extend(count_of(moved, "on another side than computed: the file was edited, and is followed"));
}
