//! What is reported of runs: the chart model that the dashboard draws too, the figures made of it, and the pages that
//! hold them.
//!
//! [`Chart`] is the one chart model: plain data that the terminal (`app::widgets::chart`) and the figures of a report
//! both draw, so that both show the same ticks, the same range and the same numbers.
//!
//! | module | what |
//! |---|---|
//! | [`chart`] | the model: axes, lines as columns, bands, marks |
//! | [`axis`] | ranges, ticks, labels that never overlap |
//! | [`number`], [`quantity`] | numbers as text that does not jitter; units and directions by a series' name |
//! | [`source`], [`samples`] | what a report reads of a session |
//! | [`lines`], [`figures`], [`figure`] | from curves to figures |
//! | [`ink`], [`draw`] | from figures to SVG and pixels |
//! | [`page`], [`markdown`], [`output`] | the files |
//!
//! A report depends on the session's folder alone (and on the pairs it names): nothing in it is of the moment when it is
//! made, so that the same folder gives the same bytes.

pub mod axis;
pub mod cells;
pub mod chart;
pub mod draw;
pub mod figure;
pub mod figures;
pub mod ink;
pub mod lines;
pub mod markdown;
pub mod number;
pub mod output;
pub mod page;
pub mod quantity;
pub mod samples;
pub mod source;
pub mod verdict;
mod words;

pub use axis::{Axis, Kind};
pub use chart::{Chart, Crosshair, Line, Mark, MarkKind};
pub use figure::Figure;
pub use output::{Format, Shape, WriteError};

use rayon::prelude::*;

use crate::config;
use crate::record::threads;
use crate::session::Folder;
use figures::{Compared, Figures, Settings};
use samples::Sheet;
use source::Source;
use verdict::{Score, Verdict};

/// One session's part of a report.
#[derive(Debug)]
pub struct Part {
    /// What was read.
    pub source: Source,
    /// Its figures.
    pub figures: Figures,
    /// Its metrics on held-out pairs.
    pub scores: Vec<Score>,
    /// What they come to.
    pub verdict: Verdict,
    /// Its sample pictures.
    pub sheet: Option<Sheet>,
}

/// A report of one session or of several.
#[derive(Debug)]
pub struct Report {
    /// The sessions, in the order in which they were asked for.
    pub parts: Vec<Part>,
    /// What each is called: its name, or its id where several have one name.
    pub labels: Vec<String>,
    /// The sessions beside each other, if there are several.
    pub compared: Compared,
    settings: Settings,
}

/// A figure that a report does not have.
#[derive(Debug, thiserror::Error)]
#[error("no figure or series `{name}`{hint}")]
pub struct UnknownFigure {
    name: String,
    hint: String,
}

impl Report {
    /// Read sessions and make their figures. What of a folder cannot be read is told in the report.
    pub fn read(folders: &[Folder], settings: Settings) -> Self {
        let sources = threads::each(folders, |folder| Source::read(folder, settings.half_life));
        let parts: Vec<Part> = sources
            .into_par_iter()
            .map(|source| {
                let (figures, sheet) = rayon::join(|| figures::of(&source, settings), || samples::sheet(&source));
                let scores = verdict::scores(&source);
                Part { figures, verdict: verdict::verdict(&scores), scores, sheet, source }
            })
            .collect();
        let labels = labels(&parts);
        let compared = if parts.len() > 1 { figures::compared(&parts, &labels, settings) } else { Compared::default() };
        Self { parts, labels, compared, settings }
    }

    /// The name of its files: the session's id, or of several the first two.
    pub fn stem(&self) -> String {
        match self.parts.as_slice() {
            [] => "report".to_owned(),
            [one] => file(&one.source.id),
            [one, other] => format!("{}-vs-{}", file(&one.source.id), file(&other.source.id)),
            [one, rest @ ..] => format!("{}-and-{}-more", file(&one.source.id), rest.len()),
        }
    }

    /// The file name of a session's figure, without its ending.
    pub fn file_name(&self, session: usize, figure: &str) -> String {
        match self.parts.as_slice() {
            [_] => figure.to_owned(),
            _ => format!("{}-{figure}", session + 1),
        }
    }

    /// Every figure with the name of its file.
    pub fn figures(&self) -> Vec<(String, &Figure)> {
        let mut all: Vec<(String, &Figure)> = self.compared.figures.iter().map(|it| (it.name.clone(), it)).collect();
        for (number, part) in self.parts.iter().enumerate() {
            all.extend(part.figures.all().map(|figure| (self.file_name(number, &figure.name), figure)));
        }
        all
    }

    /// One figure: by its name, by the name of any series, or `loss` for the loss that stands for a session. Of several
    /// sessions it is the one that lays them over each other.
    ///
    /// # Errors
    /// There is none of that name; the error names the nearest.
    pub fn figure(&self, name: &str) -> Result<Figure, UnknownFigure> {
        let several = self.parts.len() > 1;
        let key = self.parts.first().and_then(|part| part.source.key_loss()).filter(|_| name == "loss");
        let name = key.unwrap_or(name);
        let slug = figures::slug(name);
        let known = self.figures();
        let wanted = [format!("compare-{slug}"), slug.clone()];
        let wanted = if several { &wanted[..] } else { &wanted[1..] };
        let find =
            |wanted: &String| known.iter().find(|(known, _)| known == wanted).map(|(_, figure)| (*figure).clone());
        if let Some(figure) = wanted.iter().find_map(find) {
            return Ok(figure);
        }
        let series = self.parts.first().and_then(|part| figures::of_series(&part.source, name, self.settings));
        series.ok_or_else(|| self.unknown(name, &known))
    }

    fn unknown(&self, name: &str, known: &[(String, &Figure)]) -> UnknownFigure {
        let figures = known.iter().map(|(name, _)| name.as_str());
        let series = self.parts.iter().flat_map(|part| part.source.metrics.iter().chain(&part.source.telemetry));
        let names: Vec<&str> = figures.chain(series.map(|recorded| recorded.name.as_str())).collect();
        let near = config::nearest(name, names.iter().copied());
        let alike = |other: &&str| strsim::jaro_winkler(name, other);
        let hint = match near.as_slice() {
            [] if names.is_empty() => "; nothing is recorded yet".to_owned(),
            [] => {
                let mut by: Vec<&str> = names.clone();
                by.sort_by(|a, b| alike(b).total_cmp(&alike(a)).then_with(|| a.cmp(b)));
                by.dedup();
                format!(
                    "; there are {}; `--list` shows all",
                    verdict::and(&by.iter().take(5).copied().collect::<Vec<_>>())
                )
            }
            near => {
                format!("; did you mean {}?", near.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" or "))
            }
        };
        UnknownFigure { name: name.to_owned(), hint }
    }
}

/// A folder's name as a file's.
fn file(id: &str) -> String {
    id.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).take(120).collect()
}

fn labels(parts: &[Part]) -> Vec<String> {
    let name = |part: &Part| {
        let name = &part.source.listing.name;
        if name.is_empty() { part.source.id.clone() } else { name.clone() }
    };
    let names: Vec<String> = parts.iter().map(name).collect();
    let unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    parts
        .iter()
        .zip(&names)
        .map(|(part, name)| if unique(name) { name.clone() } else { part.source.id.clone() })
        .collect()
}
