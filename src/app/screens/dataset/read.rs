//! What a session's dataset holds, read off the drawing thread.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use unicode_width::UnicodeWidthStr as _;

use crate::data::pairs::{Dataset, DatasetError};
use crate::data::split::split;
use crate::session::{Folder, Manifest};

/// One line of the list: a pair, or a folder that looks like one.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The pair's id.
    pub id: String,
    /// Its photo and its illustration; absent for what is no pair.
    pub files: Option<(PathBuf, PathBuf)>,
    /// Width and height in pixels, as far as the manifest says.
    pub size: Option<(u32, u32)>,
    /// Not trained on.
    pub held_out: bool,
    /// What it was cut or drawn from.
    pub source: String,
    /// Made by a program.
    pub synthetic: bool,
    /// Why it is no pair.
    pub left_out: Option<String>,
    /// What a filter looks at, in lower case.
    pub words: String,
}

impl Row {
    /// The side of the split, in words.
    pub fn side(&self) -> &'static str {
        match (&self.left_out, self.held_out) {
            (Some(_), _) => "left out",
            (None, true) => "held out",
            (None, false) => "train",
        }
    }
}

/// A dataset as a session sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// Where it is.
    pub root: PathBuf,
    /// Its pairs in the order of their ids, then what is none.
    pub rows: Vec<Row>,
    /// How many are trained on.
    pub train: usize,
    /// How many are held out.
    pub held_out: usize,
    /// How many were made by a program.
    pub synthetic: usize,
    /// Distinct sources.
    pub sources: usize,
    /// Share held out, as the session's config says.
    pub fraction: f64,
    /// Seed of the split.
    pub seed: u64,
    /// What is worth knowing.
    pub remarks: Vec<String>,
    /// Cells of the longest id and of the longest source.
    pub longest: (usize, usize),
}

/// Read the dataset of a session.
///
/// # Errors
/// What is missing or cannot be read, and what to do about it.
pub fn read(folder: &Folder) -> Result<Pairs, String> {
    let manifest = Manifest::load(folder).map_err(|error| error.to_string())?;
    let value = |path: &str| manifest.config_value(path);
    let root = value("data.root").and_then(toml_edit::Value::as_str);
    let root = root.ok_or_else(|| format!("the config of {} names no data.root", folder.id()))?;
    // As the process that trained meant it: against the directory that it was started in.
    let root = Path::new(manifest.directory.as_deref().unwrap_or_default()).join(root);
    let fraction = value("data.validation_fraction").and_then(toml_edit::Value::as_float).unwrap_or(0.2);
    let seed = value("data.split_seed").and_then(toml_edit::Value::as_integer).unwrap_or(0) as u64;
    let drawn = value("data.procedural.count").and_then(toml_edit::Value::as_integer);
    let drawn = drawn.map(|count| {
        let number = |path: &str, standard| value(path).and_then(toml_edit::Value::as_integer).unwrap_or(standard);
        let (seed, size) = (number("data.procedural.seed", 0), number("data.procedural.size", 256));
        format!("atelier dataset synth --procedural {count} --seed {seed} --size {size} -o {}", root.display())
    });
    pairs(&root, fraction, seed).map_err(|error| advice(&error, &root, drawn))
}

fn pairs(root: &Path, fraction: f64, seed: u64) -> Result<Pairs, DatasetError> {
    let dataset = Dataset::scan(root)?;
    if dataset.pairs.is_empty() && dataset.left_out.is_empty() {
        // The folder is no dataset, which `open` says best.
        Dataset::open(root)?;
    }
    let sides = split(&dataset, fraction, seed);
    let held_out: HashSet<usize> = sides.validation.iter().copied().collect();
    let mut rows: Vec<Row> = Vec::with_capacity(dataset.pairs.len() + dataset.left_out.len());
    let (sources, remarks) = (dataset.sources().len(), dataset.remarks());
    for (index, pair) in dataset.pairs.into_iter().enumerate() {
        let size = pair.entry.as_ref().map(|entry| (entry.photo.width, entry.photo.height));
        rows.push(Row {
            id: pair.id,
            files: Some((pair.photo, pair.illustration)),
            size,
            held_out: held_out.contains(&index),
            source: pair.source,
            synthetic: pair.synthetic,
            left_out: None,
            words: String::new(),
        });
    }
    rows.extend(dataset.left_out.into_iter().map(|left_out| Row {
        id: left_out.name,
        files: None,
        size: None,
        held_out: false,
        source: String::new(),
        synthetic: false,
        left_out: Some(left_out.reason),
        words: String::new(),
    }));
    for row in &mut rows {
        let made = if row.synthetic { "synthetic" } else { "" };
        let reason = row.left_out.as_deref().unwrap_or_default();
        row.words = format!("{} {} {} {made} {reason}", row.id, row.source, row.side()).to_lowercase();
    }
    let longest = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).width()).max().unwrap_or(0);
    let longest = (longest(|row| &row.id), longest(|row| &row.source));
    let synthetic = rows.iter().filter(|row| row.synthetic).count();
    let (train, held_out) = (sides.train.len(), sides.validation.len());
    Ok(Pairs { root: root.to_owned(), rows, train, held_out, synthetic, sources, fraction, seed, remarks, longest })
}

/// What is wrong, and the command that mends it.
fn advice(error: &DatasetError, root: &Path, drawn: Option<String>) -> String {
    match (error, drawn) {
        (DatasetError::Root { .. }, Some(command)) => format!(
            "no dataset at {} yet: training draws it before its first step, and so does\n{command}",
            root.display()
        ),
        (DatasetError::Root { .. }, None) => format!(
            "no dataset at {}: it was moved, or it is on another machine. Pictures become one by\natelier dataset import \
             PICTURES -o {}",
            root.display(),
            root.display()
        ),
        (error, _) => {
            // The reason beneath says why, as for a file that cannot be read.
            let why = std::error::Error::source(error).map(|it| format!(": {it}")).unwrap_or_default();
            format!("{error}{why}")
        }
    }
}
