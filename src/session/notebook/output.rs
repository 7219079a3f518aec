//! What a cell gave: text, a value, a table, a picture, a plot, a failure.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Captured;

/// One thing that a cell gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Output {
    /// What it wrote.
    Text {
        /// Where to.
        stream: Stream,
        /// What.
        text: Captured,
    },
    /// The value of its last expression.
    Value {
        /// As it shows itself.
        text: Captured,
    },
    /// A table.
    Table(Table),
    /// A picture.
    Image(Image),
    /// A plot.
    Plot(Plot),
    /// It did not do what it says.
    Problem(Problem),
}

/// Where a cell wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A table, as text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Table {
    /// What it is; may be empty.
    pub label: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows, as many as are kept.
    pub rows: Vec<Vec<String>>,
    /// How many rows there were.
    pub total: u64,
}

/// A column of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Whether its cells end at the right, as numbers do.
    pub right: bool,
}

/// A picture.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// What it is; may be empty.
    pub label: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The PNG file.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub png: Arc<[u8]>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({}, {}x{}, {} bytes)", self.label, self.width, self.height, self.png.len())
    }
}

fn write_bytes<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text).map(Arc::from).map_err(serde::de::Error::custom)
}

/// A plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What runs from left to right.
    pub x_label: String,
    /// What runs from bottom to top.
    pub y_label: String,
    /// Equal ratios are equally far apart, from left to right.
    pub log_x: bool,
    /// The same from bottom to top.
    pub log_y: bool,
    /// Lines or bars.
    pub kind: PlotKind,
    /// What is plotted.
    pub series: Vec<PlotSeries>,
}

/// How a plot is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlotKind {
    /// A line a series.
    #[default]
    Line,
    /// A bar a point, as of a histogram.
    Bars,
}

/// One series of a plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlotSeries {
    /// Its name.
    pub name: String,
    /// Where.
    #[serde(deserialize_with = "numbers")]
    pub x: Vec<f64>,
    /// How much. As many as `x`; JSON's null is no number.
    #[serde(deserialize_with = "numbers")]
    pub y: Vec<f64>,
}

/// Numbers where null stands for none, which is how JSON writes NaN.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let values = Vec::<Option<f64>>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// Why a cell failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A word for what went wrong: `compile`, `panic`, `crash`, `interrupted`, `refused`, `question`.
    pub kind: String,
    /// The first line says it all.
    pub message: String,
    /// What to do.
    pub help: String,
    /// Where in the cell.
    pub places: Vec<Place>,
    /// What is gone.
    pub lost: Lost,
}

/// A stretch of a cell's source. Lines and columns from 1, columns in characters, the end exclusive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Line of the beginning.
    pub line: usize,
    /// Column of the beginning.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column of the end.
    pub end_column: usize,
    /// What the compiler says of it.
    pub label: String,
    /// Whether it is the place, or only bears on it.
    pub primary: bool,
}

/// What is gone after a failure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lost {
    /// Nothing.
    #[default]
    Nothing,
    /// Variables; functions, types and imports are kept.
    Variables,
    /// Everything.
    Everything,
}

impl Lost {
    /// In words for a person; nothing where nothing is lost.
    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Variables => "variables lost, definitions kept",
            Self::Everything => "variables and definitions lost",
        }
    }
}

impl Output {
    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text { text, .. } | Self::Value { text } => text.len(),
            Self::Table(table) => table.rows.iter().flatten().map(|cell| cell.len() + 24).sum(),
            Self::Image(image) => image.png.len(),
            Self::Plot(plot) => plot.series.iter().map(|series| 16 * series.x.len()).sum(),
            Self::Problem(problem) => problem.message.len() + problem.help.len(),
        }
    }

    /// It as text alone.
    pub fn text(&self) -> String {
        match self {
            Self::Text { text, .. } | Self::Value { text } => text.text(),
            Self::Table(table) => table.text(),
            Self::Image(image) => {
                let label = if image.label.is_empty() { "image" } else { &image.label };
                format!("[{label}: {}x{} pixels]", image.width, image.height)
            }
            Self::Plot(plot) => {
                let points: usize = plot.series.iter().map(|series| series.x.len()).sum();
                let title = if plot.title.is_empty() { "plot" } else { &plot.title };
                format!("[{title}: {} series, {points} points]", plot.series.len())
            }
            Self::Problem(problem) => problem.text(),
        }
    }
}

impl Problem {
    /// It in a few lines.
    pub fn text(&self) -> String {
        let mut text = self.message.clone();
        for place in self.places.iter().filter(|place| !place.label.is_empty()) {
            text.push_str(&format!("\n  line {}, column {}: {}", place.line, place.column, place.label));
        }
        if !self.help.is_empty() {
            text.push_str(&format!("\nhelp: {}", self.help));
        }
        if self.lost != Lost::Nothing {
            text.push_str(&format!("\n{}", self.lost.words()));
        }
        text
    }
}

impl Table {
    /// How wide each column is.
    pub fn widths(&self) -> Vec<usize> {
        use unicode_width::UnicodeWidthStr as _;
        let cells = |index: usize| self.rows.iter().filter_map(move |row| row.get(index)).map(|cell| cell.width());
        self.columns.iter().enumerate().map(|(at, column)| cells(at).fold(column.name.width(), usize::max)).collect()
    }

    /// Columns as wide as what is in them.
    pub fn text(&self) -> String {
        use unicode_width::UnicodeWidthStr as _;
        let widths = self.widths();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).zip(&self.columns).map(|((cell, width), column)| {
                let pad = " ".repeat(width.saturating_sub(cell.width()));
                if column.right { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut lines = vec![line(self.columns.iter().map(|column| column.name.as_str()).collect())];
        lines.extend(self.rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
        let left = self.total.saturating_sub(self.rows.len() as u64);
        if left > 0 {
            lines.push(format!("{left} more rows"));
        }
        lines.join("\n")
    }
}
