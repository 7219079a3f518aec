//! `atelier report`: a page that can be sent, and figures for papers.

mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;

use super::sessions::Root;
use super::{Usage, print};
use crate::report::figures::Settings;
use crate::report::ink::Ground;
use crate::report::lines::XAxis;
use crate::report::output::{self, Format, Shape};
use crate::report::{Report, draw};
use crate::session::Folder;

/// Where reports go unless told otherwise.
const FOLDER: &str = "reports";

/// Write a report: one HTML file with everything in it, and every figure as PNG and SVG.
///
/// Of several sessions: they are laid over each other, their differences to the first are drawn, and what differs in
/// their configs is listed. Works while a session trains; the same folder gives the same bytes.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[command(after_help = "Examples:
  atelier report last
  atelier report baseline wider slower          # against the first
  atelier report last --figure loss -o loss.png --size 1600x900 --dpi 200
  atelier report last --figure gpu0/power_watts -o power.svg --x time
  atelier report last --watch                   # again and again, until it ends")]
pub struct Args {
    /// Sessions: each an id, a name, a part of an id that no other has, `last`, or a path to a folder.
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    /// Folder for the report (reports); with --figure the file, .png or .svg.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// What to write: html, png, svg, md [default: html, png and svg; with --figure by the file's ending].
    #[arg(long, value_enum, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<Format>,
    /// One figure alone: its name (--list), any series, or `loss`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["watch", "list"])]
    figure: Option<String>,
    /// Name the figures, and write nothing.
    #[arg(long, conflicts_with = "watch")]
    list: bool,
    /// Size of the figure in pixels.
    #[arg(long, value_name = "WxH", requires = "figure", default_value = "1600x900")]
    size: Size,
    /// Pixels an inch: how large words and lines are in the figure.
    #[arg(long, requires = "figure", default_value_t = 200.0, value_parser = resolution)]
    dpi: f64,
    /// Draw the figure for dark ground.
    #[arg(long, requires = "figure")]
    dark: bool,
    /// What runs from left to right.
    #[arg(long, value_enum, default_value = "step")]
    x: XAxis,
    /// Half-life of the smoothing in steps; 0 for none.
    #[arg(long, value_name = "STEPS", default_value_t = 20.0, value_parser = half_life)]
    smooth: f64,
    /// Logarithmic y axis for losses.
    #[arg(long)]
    log: bool,
    /// Write the report again whenever the sessions have grown, until they end.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    root: Root,
    /// Say what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// `1600x900`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u32, u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse::<u32>().ok().filter(|side| (64..=10_000).contains(side));
        let (width, height) = text.split_once(['x', 'X', '×']).ok_or("write it as WIDTHxHEIGHT, such as 1600x900")?;
        match (number(width), number(height)) {
            (Some(width), Some(height)) => Ok(Self(width, height)),
            _ => Err("each side is a whole number from 64 to 10000".to_owned()),
        }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.0, self.1)
    }
}

fn resolution(text: &str) -> Result<f64, String> {
    let dpi: f64 = text.parse().map_err(|_no_number| "it is a number, such as 200".to_owned())?;
    if (24.0..=1200.0).contains(&dpi) { Ok(dpi) } else { Err("it is from 24 to 1200".to_owned()) }
}

fn half_life(text: &str) -> Result<f64, String> {
    let steps: f64 = text.parse().map_err(|_no_number| "it is a number of steps, such as 100".to_owned())?;
    if steps >= 0.0 && steps.is_finite() { Ok(steps) } else { Err("it is a number of steps, 0 or more".to_owned()) }
}

/// Run `atelier report`.
///
/// # Errors
/// No such session or figure, or the output cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut folders: Vec<Folder> = Vec::new();
    for id in &args.ids {
        let folder = args.root.find(id)?;
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    if let Some(name) = &args.figure {
        return figure(args, &folders, name);
    }
    let settings = args.settings(Settings::default().columns);
    if args.list {
        return list(args, &Report::read(&folders, settings));
    }
    let formats = args.formats();
    let dir = args.output.clone().unwrap_or_else(|| PathBuf::from(FOLDER));
    if args.watch {
        return watch::watch(&folders, || {
            let refresh = folders.iter().any(watch::is_active).then_some(watch::REFRESH_SECONDS);
            let files = output::write(&Report::read(&folders, settings), &dir, &formats, refresh)?;
            told(&files, false)
        });
    }
    told(&output::write(&Report::read(&folders, settings), &dir, &formats, None)?, args.json)
}

impl Args {
    fn settings(&self, columns: usize) -> Settings {
        Settings { axis: self.x, half_life: self.smooth, log_y: self.log, columns }
    }

    fn formats(&self) -> BTreeSet<Format> {
        if self.format.is_empty() {
            return [Format::Html, Format::Png, Format::Svg].into();
        }
        self.format.iter().copied().collect()
    }
}

/// What was written, the page by name and the figures by their folder.
fn told(files: &[PathBuf], json: bool) -> anyhow::Result<()> {
    if json {
        let files: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        return Ok(print(&format!("{}\n", serde_json::json!({ "files": files })))?);
    }
    let is_text = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "html" || ending == "md");
    let mut text = String::new();
    for path in files.iter().filter(is_text) {
        text += &format!("{}\n", path.display());
    }
    let pictures: Vec<&PathBuf> = files.iter().filter(|path| !is_text(path)).collect();
    if let Some(folder) = pictures.first().and_then(|path| path.parent()) {
        text += &format!("{} figures in {}\n", pictures.len(), folder.display());
    }
    Ok(print(&text)?)
}

fn list(args: &Args, report: &Report) -> anyhow::Result<()> {
    let figures = report.figures();
    if args.json {
        let of = |(name, figure): &(String, &crate::report::Figure)| serde_json::json!({ "name": name, "title": figure.title, "points": figure.points() });
        let all: serde_json::Value = figures.iter().map(of).collect();
        return Ok(print(&format!("{all}\n"))?);
    }
    let width = figures.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let lines = figures.iter().map(|(name, figure)| format!("{name:<width$}  {}\n", figure.title));
    Ok(print(&lines.collect::<String>())?)
}

/// One figure alone.
fn figure(args: &Args, folders: &[Folder], name: &str) -> anyhow::Result<()> {
    let format = match (args.format.as_slice(), &args.output) {
        ([], None) => Format::Png,
        ([], Some(path)) => of_ending(path)?,
        ([one @ (Format::Png | Format::Svg)], _) => *one,
        _ => return Err(Usage("a figure alone is png or svg; give one of them with --format".to_owned()).into()),
    };
    let Size(width, height) = args.size;
    let ground = if args.dark { Ground::Dark } else { Ground::Light };
    let shape = Shape { size: (width, height), dpi: args.dpi, ground };
    let report = Report::read(folders, args.settings(draw::columns(f64::from(width) / 2.0)));
    let figure = report.figure(name).map_err(|error| Usage(error.to_string()))?;
    let ending = if format == Format::Svg { "svg" } else { "png" };
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("{}.{ending}", figure.name)));
    let bytes = match format {
        Format::Svg => output::svg(&figure, shape).into_bytes(),
        _ => output::png(&figure, shape)?,
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {}", parent.display()))?;
    }
    output::replace(&path, &bytes)?;
    told_one(&path, args.json)
}

fn told_one(path: &Path, json: bool) -> anyhow::Result<()> {
    if json { told(&[path.to_owned()], true) } else { Ok(print(&format!("{}\n", path.display()))?) }
}

fn of_ending(path: &Path) -> anyhow::Result<Format> {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("png") => Ok(Format::Png),
        Some("svg") => Ok(Format::Svg),
        _ => {
            Err(Usage(format!("{} ends neither in .png nor in .svg; name it so, or give --format", path.display()))
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_two_whole_numbers() {
        assert_eq!("1600x900".parse(), Ok(Size(1600, 900)));
        assert_eq!("1600 × 900".parse(), Ok(Size(1600, 900)));
        for wrong in ["", "x", "1600", "0x900", "1600x-9", "99999x99", "1e3x900"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        assert!(resolution("0").is_err() && resolution("nan").is_err() && resolution("96").is_ok());
        assert!(half_life("-1").is_err() && half_life("inf").is_err() && half_life("0").is_ok());
    }

    #[test]
    fn the_ending_of_a_figures_file_says_what_it_is() {
        assert_eq!(of_ending(Path::new("a/loss.PNG")).unwrap(), Format::Png);
        assert!(of_ending(Path::new("loss")).is_err() && of_ending(Path::new("loss.jpg")).is_err());
    }
}
