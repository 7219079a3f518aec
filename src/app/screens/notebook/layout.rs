//! The rows of a cell: what is on the screen of it, line by line, at a width.

use std::ops::Range;

use ratatui::layout::Size;
use unicode_width::UnicodeWidthChar as _;

use crate::app::text;
use crate::app::widgets::picture;
use crate::notebook::document::{Entry, Kind};
use crate::session::notebook::{Output, Plot, Problem, Stream, Table};

/// Rows of one output that are shown in the notebook; all of it can be opened.
pub const FOLD: usize = 200;
/// Columns that what a cell gave stands in from its source.
pub const INSET: u16 = 2;
/// Rows of a plot.
const PLOT: u16 = 11;
/// Columns of a plot, at most.
const PLOT_WIDE: u16 = 100;

/// How a row of output is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What was written to standard output.
    Plain,
    /// What was written to standard error.
    Warn,
    /// The value of the last expression.
    Value,
    /// What failed.
    Bad,
    /// Said by the notebook itself, or less weighty.
    Dim,
    /// Column names; a heading.
    Head,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A part of a line of the source, in bytes.
    Source(Range<usize>),
    /// The title of a cell.
    Title,
    /// Beneath a stretch of the source: from this column on so many, and what is said of it.
    Mark {
        /// The first column.
        column: usize,
        /// How many.
        width: usize,
        /// What is said.
        label: String,
        /// Whether it is the place itself.
        primary: bool,
    },
    /// What is said of a stretch of the source, where it has no room behind the mark.
    Note {
        /// The first column.
        column: usize,
        /// What is said.
        words: String,
        /// Whether it is of the place itself.
        primary: bool,
    },
    /// Text.
    Text(String, Tone),
    /// Row `row` of the picture or plot that output `output` is.
    Part {
        /// Which output.
        output: usize,
        /// Which row of it.
        row: u16,
        /// Columns and rows of the whole.
        size: Size,
    },
    /// Nothing.
    Gap,
}

/// What a cell is drawn with.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Columns for the text.
    pub width: usize,
    /// Rows of the screen.
    pub height: u16,
    /// How many times as high as wide a character is.
    pub ratio: f64,
}

/// The rows of a cell; `draft` is its text while it is typed.
pub fn rows(entry: &Entry, draft: Option<&str>, room: Room) -> Vec<Row> {
    let width = room.width.max(1);
    let mut rows = Vec::new();
    let source = draft.unwrap_or(entry.cell.source());
    let kind = entry.kind();
    if kind != Kind::Text && !entry.cell.title().is_empty() {
        rows.push(Row::Title);
    }
    let problem = if draft.is_none_or(|draft| draft == entry.cell.source()) { entry.problem() } else { None };
    source_rows(source, problem, width, &mut rows);
    if kind == Kind::Text {
        rows.push(Row::Gap);
        return rows;
    }
    for (index, output) in entry.outputs.iter().enumerate() {
        let width = width.saturating_sub(usize::from(INSET)).max(1);
        output_rows(index, output, problem.is_some(), Room { width, ..room }, &mut rows);
    }
    rows.push(Row::Gap);
    rows
}

fn source_rows(source: &str, problem: Option<&Problem>, width: usize, rows: &mut Vec<Row>) {
    let mut begin = 0;
    for (number, line) in source.split('\n').enumerate() {
        let parts = broken(line, width);
        for part in &parts {
            rows.push(Row::Source(begin + part.start..begin + part.end));
        }
        if let Some(problem) = problem {
            marks(problem, number + 1, line, width, &parts, rows);
        }
        begin += line.len() + 1;
    }
}

/// The marks under a line of which a problem names places.
fn marks(problem: &Problem, number: usize, line: &str, width: usize, parts: &[Range<usize>], rows: &mut Vec<Row>) {
    for place in problem.places.iter().filter(|place| place.line == number) {
        let byte = |column: usize| line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let begin = byte(place.column);
        let end = if place.end_line == place.line { byte(place.end_column).max(begin) } else { line.len() };
        // Under the part of the line that it begins in: after the others only if that is the last one.
        let part = parts.iter().rfind(|part| part.start <= begin).cloned().unwrap_or(0..line.len());
        let column = text::width(&line[part.start..begin]).min(width.saturating_sub(1));
        let long = text::width(&line[begin..end.min(part.end).max(begin)]).max(1).min(width - column);
        let label = place.label.lines().next().unwrap_or_default().to_owned();
        let (wide, primary) = (text::width(&label), place.primary);
        if column + long + 1 + wide <= width {
            rows.push(Row::Mark { column, width: long, label, primary });
        } else {
            rows.push(Row::Mark { column, width: long, label: String::new(), primary });
            for words in text::wrap(&label, width) {
                rows.push(Row::Note { column: column.min(width.saturating_sub(wide)), words, primary });
            }
        }
    }
}

/// The parts of a line that fit into a width each, in bytes; one that is empty for an empty line.
pub fn wrapped(line: &str, width: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut used = 0;
    for (at, c) in line.char_indices() {
        let wide = c.width().unwrap_or(0);
        if used + wide > width && at > begin {
            parts.push(begin..at);
            begin = at;
            used = 0;
        }
        used += wide;
    }
    parts.push(begin..line.len());
    parts
}

/// Columns in which a line of code looks for a better place to be broken.
const BACK: usize = 28;

/// The same for code: broken behind a space or a comma where there is one near the edge.
pub fn broken(line: &str, width: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut begin = 0;
    loop {
        let first = wrapped(&line[begin..], width).swap_remove(0);
        let end = begin + first.end;
        if end >= line.len() {
            parts.push(begin..line.len());
            return parts;
        }
        let least = width.saturating_sub(BACK).max(width / 2);
        let better = line[begin..end].rfind([' ', ',']).map(|at| begin + at + 1);
        let end = better.filter(|at| text::width(&line[begin..*at]) > least).unwrap_or(end);
        parts.push(begin..end);
        begin = end;
    }
}

/// Where the cursor is: the row among those of the source's, and the column.
pub fn cursor(source: &str, at: usize, width: usize) -> (usize, usize) {
    let mut row = 0;
    let mut begin = 0;
    for line in source.split('\n') {
        let parts = broken(line, width.max(1));
        if at <= begin + line.len() {
            let inside = at - begin;
            let part = parts.iter().rposition(|part| part.start <= inside).unwrap_or(0);
            let column = text::width(&line[parts[part].start..inside]);
            // Behind the last character of a full row it stands on the next.
            return if column >= width.max(1) { (row + part + 1, 0) } else { (row + part, column) };
        }
        row += parts.len();
        begin += line.len() + 1;
    }
    (row, 0)
}

fn output_rows(index: usize, output: &Output, marked: bool, room: Room, rows: &mut Vec<Row>) {
    match output {
        Output::Text { stream, text } => {
            let tone = if *stream == Stream::Stderr { Tone::Warn } else { Tone::Plain };
            folded(text.lines(), tone, room.width, rows);
        }
        Output::Value { text } => folded(text.lines(), Tone::Value, room.width, rows),
        Output::Table(table) => table_rows(table, room.width, rows),
        Output::Image(image) => {
            let height = (room.height / 2).clamp(4, 24);
            let most = Size::new(room.width.min(160) as u16, height);
            let size = picture::fit((image.width, image.height), most, room.ratio);
            if !image.label.is_empty() {
                rows.push(Row::Text(format!("{}  {}x{}", image.label, image.width, image.height), Tone::Dim));
            }
            rows.extend((0..size.height).map(|row| Row::Part { output: index, row, size }));
        }
        Output::Plot(plot) => {
            let size = plot_size(plot, room);
            rows.extend((0..size.height).map(|row| Row::Part { output: index, row, size }));
        }
        Output::Problem(problem) => problem_rows(problem, marked, room.width, rows),
    }
}

/// Columns and rows of a plot.
fn plot_size(_plot: &Plot, room: Room) -> Size {
    Size::new((room.width as u16).min(PLOT_WIDE), PLOT.min((room.height / 2).max(5)))
}

/// Lines, broken to the width, as many as are shown at once.
fn folded<'a>(lines: impl Iterator<Item = std::borrow::Cow<'a, str>>, tone: Tone, width: usize, rows: &mut Vec<Row>) {
    let first = rows.len();
    let mut hidden = 0_usize;
    for line in lines {
        if hidden > 0 {
            hidden += 1;
            continue;
        }
        for part in wrapped(&line, width) {
            if rows.len() - first == FOLD {
                hidden += 1;
                break;
            }
            rows.push(Row::Text(line[part].to_owned(), tone));
        }
    }
    if hidden > 0 {
        more(hidden as u64, rows);
    }
}

fn more(hidden: u64, rows: &mut Vec<Row>) {
    let count = crate::report::number::count(hidden);
    rows.push(Row::Text(format!("… {count} more, o to open"), Tone::Dim));
}

fn table_rows(table: &Table, width: usize, rows: &mut Vec<Row>) {
    if !table.label.is_empty() {
        rows.push(Row::Text(table.label.clone(), Tone::Dim));
    }
    let widths = fitting(&table.widths(), width);
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (index, ((cell, wide), column)) in cells.zip(&widths).zip(&table.columns).enumerate() {
            if *wide == 0 {
                break;
            }
            let cell = text::fit_ends(cell, *wide, "…");
            let pad = " ".repeat(wide.saturating_sub(text::width(&cell)));
            if index > 0 {
                line.push_str("  ");
            }
            line.push_str(&if column.right { pad + &cell } else { cell + &pad });
        }
        line.trim_end().to_owned()
    };
    rows.push(Row::Text(line(&mut table.columns.iter().map(|column| column.name.as_str())), Tone::Head));
    for row in table.rows.iter().take(FOLD) {
        rows.push(Row::Text(line(&mut row.iter().map(String::as_str)), Tone::Plain));
    }
    let shown = table.rows.len().min(FOLD) as u64;
    let hidden = table.total.saturating_sub(shown);
    if hidden > 0 {
        more(hidden, rows);
    } else if table.rows.is_empty() {
        rows.push(Row::Text("no rows".to_owned(), Tone::Dim));
    }
}

/// Widths of columns that fit: the widest are cut first, and the last go whole where even that is too much.
fn fitting(widths: &[usize], room: usize) -> Vec<usize> {
    const LEAST: usize = 6;
    let mut widths: Vec<usize> = widths.to_vec();
    loop {
        let kept = widths.iter().filter(|width| **width > 0).count();
        let needed: usize = widths.iter().sum::<usize>() + 2 * kept.saturating_sub(1);
        if needed <= room || kept == 0 {
            return widths;
        }
        let Some(widest) = widths.iter().copied().max() else { return widths };
        if widest <= LEAST {
            match kept {
                1 => {
                    widths[0] = room;
                    return widths;
                }
                _ => widths[kept - 1] = 0,
            }
            continue;
        }
        let over = needed - room;
        if let Some(at) = widths.iter().position(|width| *width == widest) {
            widths[at] = widest.saturating_sub(over.div_ceil(2).max(1)).max(LEAST);
        }
    }
}

fn problem_rows(problem: &Problem, marked: bool, width: usize, rows: &mut Vec<Row>) {
    let kind = match problem.kind.as_str() {
        "" | "question" | "compile" => "error",
        other => other,
    };
    let mut lines = problem.message.lines();
    let first = lines.next().unwrap_or_default();
    let head = if first.starts_with(kind) { first.to_owned() } else { format!("{kind}: {first}") };
    for part in text::wrap(&head, width) {
        rows.push(Row::Text(part, Tone::Bad));
    }
    let mut count = 0;
    for line in lines {
        for part in wrapped(line, width) {
            count += 1;
            if count <= FOLD {
                rows.push(Row::Text(line[part].to_owned(), Tone::Plain));
            }
        }
    }
    if count > FOLD {
        more((count - FOLD) as u64, rows);
    }
    // Places that the text shows need no words.
    if !marked {
        for place in problem.places.iter().filter(|place| !place.label.is_empty()) {
            let words = format!("line {}, column {}: {}", place.line, place.column, place.label);
            rows.extend(text::wrap(&words, width).into_iter().map(|part| Row::Text(part, Tone::Dim)));
        }
    }
    if !problem.help.is_empty() {
        let help = format!("help: {}", problem.help);
        rows.extend(text::wrap(&help, width).into_iter().map(|part| Row::Text(part, Tone::Dim)));
    }
    let lost = problem.lost.words();
    if !lost.is_empty() {
        rows.push(Row::Text(lost.to_owned(), Tone::Warn));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::notebook::Column;

    #[test]
    fn lines_are_wrapped_by_what_they_take_and_the_cursor_follows() {
        assert_eq!(wrapped("", 4), vec![0..0]);
        assert_eq!(wrapped("abcdef", 4), [0..4, 4..6]);
        assert_eq!(wrapped("写真写", 5), [0..6, 6..9]);
        assert_eq!(wrapped("写", 1), vec![0..3], "wider than there is room: at least it is there");
        let source = "abcdef\n写真\n";
        let places: Vec<(usize, usize)> = [0, 3, 4, 6, 7, 10, 14].iter().map(|at| cursor(source, *at, 4)).collect();
        assert_eq!(places, [(0, 0), (0, 3), (1, 0), (1, 2), (2, 0), (2, 2), (3, 0)]);
        assert_eq!(cursor("abcd", 4, 4), (1, 0), "behind a full row");
        let line = "let total = first.sum() + second.sum();";
        let parts: Vec<&str> = broken(line, 26).into_iter().map(|part| &line[part]).collect();
        assert_eq!(parts, ["let total = first.sum() + ", "second.sum();"]);
        for width in 1..40 {
            let parts = broken(line, width);
            assert!(parts.iter().all(|part| text::width(&line[part.clone()]) <= width), "{parts:?}");
            assert_eq!(parts.iter().map(|part| &line[part.clone()]).collect::<String>(), line);
        }
    }

    #[test]
    fn tables_fit_by_cutting_the_widest_and_dropping_the_last() {
        assert_eq!(fitting(&[3, 4], 20), [3, 4]);
        let cut = fitting(&[3, 40, 10], 30);
        assert!(cut.iter().sum::<usize>() + 4 <= 30 && cut[0] == 3 && cut[1] >= 10, "{cut:?}");
        assert_eq!(fitting(&[6, 6, 6, 6], 15), [6, 6, 0, 0]);
        assert_eq!(fitting(&[50], 4), [4]);
        let table = Table {
            columns: vec![
                Column { name: "name".to_owned(), right: false },
                Column { name: "n".to_owned(), right: true },
            ],
            rows: vec![vec!["写真からイラスト".to_owned(), "12".to_owned()], vec!["a".to_owned()]],
            total: 5000,
            ..Table::default()
        };
        let mut rows = Vec::new();
        table_rows(&table, 14, &mut rows);
        let texts: Vec<&str> = rows.iter().map(|row| if let Row::Text(text, _) = row { text } else { "" }).collect();
        assert_eq!(texts, ["name         n", "写真…スト   12", "a", "… 4 998 more, o to open"]);
    }

    #[test]
    fn long_outputs_are_folded() {
        let mut rows = Vec::new();
        let text = crate::session::notebook::Captured::new(&"x\n".repeat(1612));
        folded(text.lines(), Tone::Plain, 10, &mut rows);
        assert_eq!(rows.len(), FOLD + 1);
        assert_eq!(rows[FOLD], Row::Text("… 1 412 more, o to open".to_owned(), Tone::Dim));
    }
}
