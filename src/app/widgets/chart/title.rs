//! The rule with the title in it: `── G loss  2.013  ema .98 ───── 54 400 pts ──`.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Palette;
use crate::report::{Chart, number};

/// Cells of the title that are worth showing.
const LEAST: usize = 4;

/// Draw it into a line of one row. What does not fit goes: first the note, then the number of points, then the end of
/// the title, at last the value.
pub(super) fn draw(chart: &Chart, palette: &Palette, line: Rect, buffer: &mut Buffer) {
    let width = usize::from(line.width);
    let (rule, more) = if palette.ascii { ("-", "~") } else { ("─", "…") };
    let title = clean(&chart.title);
    let (value, value_style) = value(chart, palette);
    let mut note = chart.note.as_deref().map(clean).filter(|note| !note.is_empty());
    let mut points = chart.points.map(|points| format!("{} pts", number::count(points)));
    let mut value = value.filter(|value| !value.is_empty());

    let piece = |text: &Option<String>| text.as_ref().map_or(0, |text| text.width() + 2);
    // Two dashes and a space before, a space and a dash after; the points bring a space and three cells after them.
    let around = 5;
    let tail = |points: &Option<String>| points.as_ref().map_or(0, |text| text.width() + 4);
    let room = |note: &Option<String>, points: &Option<String>, value: &Option<String>| {
        width.saturating_sub(around + piece(note) + piece(value) + tail(points))
    };
    if room(&note, &points, &value) < title.width() {
        note = None;
    }
    if room(&note, &points, &value) < title.width() {
        points = None;
    }
    if room(&note, &points, &value) < title.width().min(LEAST) {
        value = None;
    }
    let title = shortened(&title, room(&note, &points, &value), more);

    let mut pieces = Vec::new();
    // Too narrow for words: the rule alone.
    if !(title.is_empty() && value.is_none() && note.is_none()) {
        pieces.extend([(rule.repeat(2), palette.rule), (" ".to_owned(), palette.rule), (title, palette.title)]);
        for (text, style) in [(value, value_style), (note, palette.note)] {
            pieces.extend(text.map(|text| [("  ".to_owned(), palette.rule), (text, style)]).into_iter().flatten());
        }
        pieces.push((" ".to_owned(), palette.rule));
    }
    let used: usize = pieces.iter().map(|(text, _)| text.width()).sum();
    let end = points.map(|points| format!(" {points} "));
    let end_width = end.as_ref().map_or(0, |text| text.width() + 2);
    pieces.push((rule.repeat(width.saturating_sub(used + end_width)), palette.rule));
    pieces.extend(end.map(|text| [(text, palette.note), (rule.repeat(2), palette.rule)]).into_iter().flatten());

    let mut at = line.x;
    for (text, style) in pieces {
        (at, _) = buffer.set_stringn(at, line.y, text, usize::from(line.right().saturating_sub(at)), style);
    }
}

/// The value under the crosshair, else the latest.
fn value(chart: &Chart, palette: &Palette) -> (Option<String>, Style) {
    match &chart.crosshair {
        Some(crosshair) if crosshair.value.is_some() => (crosshair.value.as_deref().map(clean), palette.crosshair),
        _ => (chart.value.as_deref().map(clean), palette.value),
    }
}

/// Without what would move the cursor.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// At most `width` cells, the end marked if something is missing.
fn shortened(text: &str, width: usize, more: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut short = String::new();
    let mut used = more.width();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        short.push(c);
    }
    short + more
}
