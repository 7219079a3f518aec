//! How a value shows itself: as a table, a plot or a picture in the notebook's pane, as plain text everywhere else.

use std::fmt::{self, Write as _};
use std::io::Write as _;

use super::hub;
use super::image::Image;
use super::json::Json;
use super::plot::Plot;

/// Rows of a table that are shown; the rest is counted.
const ROWS: usize = 40;
/// Columns that are shown.
const COLUMNS: usize = 10;

/// What is to be seen of a value, piece by piece.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Text(String),
    Table(Table),
    Plot(Plot),
    Image(Image, String),
}

/// Gives a type that has `fn contents(&self) -> Vec<Content>` its display in cells and everywhere else.
macro_rules! shown {
    ($($name:ident),*) => {$(
        impl $name {
            /// Show it under the running cell.
            pub fn evcxr_display(&self) {
                $crate::probe::show::present(&self.contents());
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::probe::show::plain(&self.contents(), out)
            }
        }

        /// As it displays itself: cells show by this what they have no better way for.
        impl std::fmt::Debug for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, out)
            }
        }
    )*};
}
pub(crate) use shown;

/// Show `contents` through the hub; what it does not take goes to standard output as text.
pub(crate) fn present(contents: &[Content]) {
    for content in contents {
        let taken = content.rich().iter().try_for_each(|(mime, label, bytes)| hub::show(mime, label, bytes));
        if taken.is_err() {
            let text = Plain(std::slice::from_ref(content)).to_string();
            // Nobody to tell if even that is closed.
            std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()).ok();
        }
    }
}

/// `contents` as text.
pub(crate) fn plain(contents: &[Content], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = Plain(contents).to_string();
    out.write_str(text.trim_end_matches('\n'))
}

struct Plain<'a>(&'a [Content]);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for content in self.0 {
            match content {
                Content::Text(text) => writeln!(out, "{}", text.trim_end())?,
                Content::Table(table) => out.write_str(&table.text())?,
                Content::Plot(plot) => out.write_str(&plot.summary())?,
                Content::Image(image, label) => {
                    writeln!(out, "{label}: picture, {} x {}", image.width(), image.height())?;
                }
            }
        }
        Ok(())
    }
}

impl Content {
    /// Messages to the hub: the media type, a label and the bytes of each.
    fn rich(&self) -> Vec<(&'static str, String, Vec<u8>)> {
        let text = |text: &str| ("text/plain", String::new(), text.as_bytes().to_vec());
        match self {
            Self::Text(words) => vec![text(words)],
            Self::Table(table) => {
                let mut messages = vec![("text/x-table", table.title.clone(), table.json().to_string().into_bytes())];
                let remarks = table.remarks();
                messages.extend((!remarks.is_empty()).then(|| text(&remarks.join("\n"))));
                messages
            }
            Self::Plot(plot) => {
                vec![("application/x-atelier-plot", plot.name().to_owned(), plot.json().to_string().into_bytes())]
            }
            Self::Image(image, label) => vec![("application/x-atelier-image", label.clone(), image.message())],
        }
    }
}

/// A table of texts: what every list of rows becomes to be seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub title: String,
    /// Names, and whether the column is of numbers.
    pub columns: Vec<(String, bool)>,
    pub rows: Vec<Vec<String>>,
    /// How many rows there are beyond those given.
    pub more: usize,
    /// Lines below it.
    pub notes: Vec<String>,
}

impl Table {
    /// A table whose columns are named in `columns`; those with a `#` before the name are of numbers.
    pub fn new(columns: &[&str]) -> Self {
        let column = |name: &&str| (name.trim_start_matches('#').to_owned(), name.starts_with('#'));
        Self { columns: columns.iter().map(column).collect(), ..Self::default() }
    }

    /// With these rows, of which only as many are made as are shown.
    pub fn filled(mut self, rows: impl ExactSizeIterator<Item = Vec<String>>) -> Self {
        self.more = rows.len().saturating_sub(ROWS);
        self.rows = rows.take(ROWS).collect();
        self
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if !note.is_empty() {
            self.notes.push(note);
        }
        self
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.more > 0 {
            remarks.push(format!("{} more rows", count(self.more as i64)));
        }
        if self.columns.len() > COLUMNS {
            let names: Vec<&str> = self.columns[COLUMNS..].iter().map(|(name, _)| name.as_str()).collect();
            remarks.push(format!("{} more columns: {}", names.len(), brief(&names.join(", "), 160)));
        }
        remarks.extend(self.notes.iter().cloned());
        remarks
    }

    fn json(&self) -> Json {
        let columns = self.columns.iter().take(COLUMNS).map(|(name, number)| {
            Json::object([("name", Json::text(name)), ("align", Json::text(if *number { "right" } else { "left" }))])
        });
        let row = |row: &Vec<String>| Json::texts(&row[..row.len().min(COLUMNS)]);
        Json::object([
            ("columns", Json::List(columns.collect())),
            ("rows", Json::List(self.rows.iter().map(row).collect())),
        ])
    }

    fn text(&self) -> String {
        let shown = self.columns.len().min(COLUMNS);
        let wide = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..shown)
            .map(|at| self.rows.iter().map(|row| wide(&row[at])).fold(wide(&self.columns[at].0), usize::max))
            .collect();
        let mut text = String::new();
        let mut line = |cells: &[&str]| {
            let mut line = String::new();
            for (at, cell) in cells.iter().enumerate() {
                let pad = " ".repeat(widths[at] - wide(cell));
                let (before, after) = if self.columns[at].1 { (pad.as_str(), "") } else { ("", pad.as_str()) };
                line.push_str(&format!("{before}{cell}{after}  "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        };
        line(&self.columns[..shown].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        self.rows.iter().for_each(|row| line(&row[..shown].iter().map(String::as_str).collect::<Vec<_>>()));
        // Where a table is drawn, whoever draws it says so.
        if self.rows.is_empty() {
            text.push_str("no rows\n");
        }
        for remark in self.remarks() {
            writeln!(text, "{remark}").ok();
        }
        text
    }
}

/// A number as a person reads it: four or five digits that count.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // Zeros at the end stay: in a column the points stand below each other.
    match size {
        _ if size < 1e7 && value.fract() == 0.0 => format!("{value:.0}"),
        _ if !(1e-4..1e7).contains(&size) => format!("{value:.3e}"),
        _ if size < 1.0 => format!("{value:.5}"),
        _ if size < 100.0 => format!("{value:.4}"),
        _ if size < 10_000.0 => format!("{value:.2}"),
        _ => format!("{value:.1}"),
    }
}

/// A whole number in groups of three.
pub(crate) fn count(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = if value < 0 { "-".to_owned() } else { String::new() };
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A duration, roughly.
pub(crate) fn span(milliseconds: f64) -> String {
    let seconds = milliseconds / 1000.0;
    match seconds {
        _ if seconds < 1.0 => format!("{milliseconds:.0} ms"),
        _ if seconds < 120.0 => format!("{seconds:.0} s"),
        _ if seconds < 7200.0 => format!("{:.0} min", seconds / 60.0),
        _ if seconds < 172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// `2 x 3 x 4`; of a scalar nothing but that.
pub(crate) fn shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

/// The size of a file.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// `text` without what would steer a terminal, and no longer than `most` characters.
pub(crate) fn brief(text: &str, most: usize) -> String {
    let mut letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let mut kept: String = letters.by_ref().take(most).collect();
    if letters.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_a_person_writes_them() {
        assert_eq!([0.0, 1.0, 0.412, -12.5, 1e-9].map(number), ["0", "1", "0.41200", "-12.5000", "1.000e-9"]);
        assert_eq!([123_456.78, 5000.0, f64::NAN, f64::INFINITY].map(number), ["123456.8", "5000", "NaN", "inf"]);
        assert_eq!(count(-1_234_567), "-1\u{202f}234\u{202f}567");
        assert_eq!([12.0, 90_000.0, 10_800_000.0].map(span), ["12 ms", "90 s", "3 h"]);
        assert_eq!(brief("a\u{1b}[2Jb", 4), "a […");
    }

    #[test]
    fn a_table_counts_what_it_does_not_show() {
        let rows: Vec<Vec<String>> = (0..100).map(|row| vec![format!("row {row}"), row.to_string()]).collect();
        let table = Table::new(&["name", "#value"]).filled(rows.into_iter()).note("said");
        let text = table.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines[0], lines[1]), ("name    value", "row 0       0"));
        assert_eq!(lines[ROWS + 1..], ["60 more rows", "said"]);
        assert_eq!(table.json().get("columns").list()[1].get("align").as_str(), Some("right"));
        assert_eq!(table.json().get("rows").list().len(), ROWS);
    }

    /// In a process of its own, because the hub is found by the environment.
    #[test]
    fn values_show_themselves_through_the_hub_and_without_one_as_text() {
        use std::process::Command;
        use std::sync::{Arc, Mutex};

        use crate::probe::testing::{Folder, serve, yes};
        use crate::probe::{Series, Tensor};

        const CHILD: &str = "ATELIER_PROBE_TEST_CHILD";
        if std::env::var_os(CHILD).is_some() {
            Series::new("loss", vec![1.0], vec![0.5]).plot().evcxr_display();
            Tensor::new("w", vec![1, 2], vec![0.0, 1.0]).evcxr_display();
            Tensor::new("w", vec![1, 2], vec![0.0, 1.0]).image().evcxr_display();
            return;
        }
        let child = |hub: &std::path::Path| {
            let name = "probe::show::tests::values_show_themselves_through_the_hub_and_without_one_as_text";
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", name, "--nocapture"]).env(CHILD, "1").env(hub::VARIABLE, hub);
            let output = command.output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let folder = Folder::new();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&shown);
        serve(&folder.join("hub"), move |request, bytes| {
            assert_eq!(request.get("ask").as_str(), Some("show"));
            kept.lock().unwrap().push((request.get("mime").as_str().unwrap().to_owned(), bytes.to_vec()));
            yes("", &[])
        });
        let told = child(&folder.join("hub"));
        assert!(!told.contains("loss"), "{told}");
        let shown = shown.lock().unwrap();
        let mimes: Vec<&str> = shown.iter().map(|(mime, _)| mime.as_str()).collect();
        let image = "application/x-atelier-image";
        assert_eq!(mimes, ["application/x-atelier-plot", "text/x-table", "text/plain", image]);
        assert_eq!(Json::parse(&shown[0].1).unwrap().get("title").as_str(), Some("loss"));
        assert_eq!(Json::parse(&shown[1].1).unwrap().get("rows").list().len(), 1);
        assert_eq!(shown[3].1, b"{\"width\":2,\"height\":1}\n\0\0\0\xff\xff\xff");

        let told = child(&folder.join("nobody"));
        assert!(told.contains("loss  ▁ 0.50000 → 0.50000 (1 points)") && told.contains("picture, 2 x 1"), "{told}");
    }
}
