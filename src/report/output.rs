//! The files of a report: written beside and renamed, so that a reader never sees half of one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::draw::{self, Look};
use super::figure::Figure;
use super::ink::{Ground, PictureError, Pixels, Svg};
use super::{Report, markdown, page};

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, clap::ValueEnum)]
pub enum Format {
    /// One page with everything in it.
    Html,
    /// Each figure as pixels.
    Png,
    /// Each figure as lines.
    Svg,
    /// A text that shows the PNG files.
    Md,
}

/// How a figure alone is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Pixels, across and down.
    pub size: (u32, u32),
    /// Pixels an inch: how large words and lines are in it.
    pub dpi: f64,
    /// What lies behind it.
    pub ground: Ground,
}

impl Shape {
    /// Of the figures beside a report.
    pub const BESIDE: Self = Self { size: (1280, 760), dpi: 192.0, ground: Ground::Light };

    /// Its size in CSS pixels.
    pub fn css(&self) -> (f64, f64) {
        let scale = 96.0 / self.dpi;
        (f64::from(self.size.0) * scale, f64::from(self.size.1) * scale)
    }
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refused.
    #[error("cannot write {}: {source}{}", path.display(), remedy(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A figure came to nothing.
    #[error("figure {name}: {source}")]
    Picture {
        /// Its name.
        name: String,
        /// Why.
        source: PictureError,
    },
    /// The text came to nothing.
    #[error("the text of the report could not be made")]
    Text(#[from] std::fmt::Error),
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "; choose another folder with -o, or change who may write there",
        io::ErrorKind::ReadOnlyFilesystem => "; choose another folder with -o: this file system is read-only",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space and try again",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; part of this path is a file: choose another with -o"
        }
        _ => "",
    }
}

/// A figure as PNG.
pub fn png(figure: &Figure, shape: Shape) -> Result<Vec<u8>, PictureError> {
    let mut pixels = Pixels::new(shape.size, shape.dpi, shape.ground)?;
    draw::figure(figure, shape.css(), Look::ALONE, &mut pixels);
    pixels.png()
}

/// A figure as an SVG file.
pub fn svg(figure: &Figure, shape: Shape) -> String {
    let (width, height) = shape.css();
    let mut svg = Svg::new(width, height);
    draw::figure(figure, (width, height), Look::ALONE, &mut svg);
    svg.file(&figure.alt(), shape.dpi / 96.0)
}

/// Write a report into `dir`: `<stem>.html`, `<stem>.md`, and the figures in `<stem>/`. Gives the files, the page first.
///
/// # Errors
/// A file or folder cannot be written.
pub fn write(
    report: &Report,
    dir: &Path,
    formats: &BTreeSet<Format>,
    refresh: Option<u32>,
) -> Result<Vec<PathBuf>, WriteError> {
    let stem = report.stem();
    let beside = dir.join(&stem);
    make(dir)?;
    // The text shows them.
    let pngs = formats.contains(&Format::Png) || formats.contains(&Format::Md);
    let svgs = formats.contains(&Format::Svg);
    let mut jobs: Vec<Job<'_>> = Vec::new();
    if formats.contains(&Format::Html) {
        jobs.push(Job::Page);
    }
    if pngs || svgs {
        make(&beside)?;
        for (name, figure) in report.figures() {
            jobs.extend(pngs.then(|| Job::Png(name.clone(), figure)));
            jobs.extend(svgs.then_some(Job::Svg(name, figure)));
        }
        for (number, part) in report.parts.iter().enumerate().filter(|_| pngs) {
            jobs.extend(part.sheet.as_ref().map(|sheet| Job::Sheet(report.file_name(number, "samples"), sheet)));
        }
    }
    if formats.contains(&Format::Md) {
        jobs.push(Job::Text);
    }
    let picture = |name: &str| {
        let name = name.to_owned();
        move |source| WriteError::Picture { name, source }
    };
    let work = |job: &Job<'_>| {
        let (path, bytes) = match job {
            Job::Page => (dir.join(format!("{stem}.html")), page::page(report, refresh).into_bytes()),
            Job::Text => {
                let text = markdown::markdown(report, |name| format!("{}/{name}.png", address(&stem)))?;
                (dir.join(format!("{stem}.md")), text.into_bytes())
            }
            Job::Png(name, figure) => {
                (beside.join(format!("{name}.png")), png(figure, tall(figure, Shape::BESIDE)).map_err(picture(name))?)
            }
            Job::Svg(name, figure) => {
                (beside.join(format!("{name}.svg")), svg(figure, tall(figure, Shape::BESIDE)).into_bytes())
            }
            Job::Sheet(name, sheet) => {
                (beside.join(format!("{name}.png")), sheet.png(Ground::Light).map_err(picture(name))?)
            }
        };
        replace(&path, &bytes)?;
        Ok(path)
    };
    jobs.par_iter().map(work).collect()
}

/// One file to be made.
enum Job<'a> {
    Page,
    Text,
    Png(String, &'a Figure),
    Svg(String, &'a Figure),
    Sheet(String, &'a super::samples::Sheet),
}

/// A figure of several panels needs more height.
fn tall(figure: &Figure, shape: Shape) -> Shape {
    let panels = figure.panels.len() as u32;
    if panels < 2 {
        return shape;
    }
    Shape { size: (shape.size.0, 200 + 230 * panels), ..shape }
}

fn make(dir: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(dir).map_err(|source| WriteError::Io { path: dir.to_owned(), source })
}

/// Write beside and rename into place; what was there is replaced.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let refused = |source| WriteError::Io { path: path.to_owned(), source };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It may not exist, or be unremovable for the same reason.
        fs::remove_file(&beside).ok();
    }
    written.map_err(refused)
}

/// A folder's name as a part of an address in a text.
fn address(name: &str) -> String {
    let mut address = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address += &format!("%{byte:02X}");
        }
    }
    address
}
