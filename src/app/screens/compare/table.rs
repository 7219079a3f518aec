//! Values of all series and sessions, each with its difference to the baseline.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::app::data::{CurvesAnswer, Plot};
use crate::app::hits::{Hits, Target};
use crate::app::plots;
use crate::app::screens::compare::entry::{self, Reading, Which};
use crate::app::screens::compare::{Compare, Part, padded, view};
use crate::app::shared::Shared;
use crate::app::text;
use crate::report::number;
use crate::report::quantity::Better;

/// Cells of a value.
const VALUE: usize = 10;
/// Cells of a difference.
const DIFFERENCE: usize = 10;
/// Cells between two columns.
const GAP: usize = 2;
/// Cells of a series' name, at least and at most.
const NAME: (usize, usize) = (12, 30);

/// The share of a value below which a difference is what rounding left.
const DUST: f64 = 1e-12;

/// Rows of series in an area with a rule and a heading.
pub fn rows_in(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(2))
}

/// The columns that have room.
struct Columns {
    name: usize,
    /// Cells that the baseline's column has beyond those of a value, for its heading.
    wider: usize,
    /// Entries, the baseline first.
    entries: Vec<usize>,
    /// Cells of a difference with the space before it; none where there is no room for one.
    difference: usize,
}

impl Columns {
    fn of(compare: &Compare, width: u16) -> Self {
        let longest = compare.series.iter().map(|series| text::width(&series.name)).max().unwrap_or(0);
        let name = longest.clamp(NAME.0, NAME.1).min(usize::from(width) / 3).max(1);
        let base = compare.base();
        let others: Vec<usize> = (0..compare.entries.len()).filter(|&place| place != base).collect();
        let free = usize::from(width).saturating_sub(name + VALUE + 2);
        // Two values say more than one and no difference.
        let difference = if free < GAP + VALUE + 1 + DIFFERENCE { 0 } else { 1 + DIFFERENCE };
        let room = free / (GAP + VALUE + difference);
        let at = others.iter().position(|&place| place == compare.chosen()).unwrap_or(0);
        let first = (at + 1).saturating_sub(room).min(others.len().saturating_sub(room));
        let shown = others.into_iter().skip(first).take(room);
        let entries: Vec<usize> =
            std::iter::once(base).chain(shown).filter(|&place| place < compare.entries.len()).collect();
        let spare = free.saturating_sub(entries.len().saturating_sub(1) * (GAP + VALUE + difference));
        let label = compare.entries.get(base).map_or(0, |entry| text::width(&entry.label));
        Self { name, wider: label.saturating_sub(VALUE).min(spare), entries, difference }
    }

    /// Where a column's value ends: only the baseline, which is first, has no difference behind it.
    fn value_right(&self, area: Rect, column: usize) -> u16 {
        let first = usize::from(area.x) + 1 + self.name + 2 + VALUE + self.wider;
        let others = column * (GAP + VALUE) + column.saturating_sub(1) * self.difference;
        (first + others) as u16
    }

    /// Where a column ends.
    fn right(&self, area: Rect, column: usize) -> u16 {
        self.value_right(area, column) + if column > 0 { self.difference as u16 } else { 0 }
    }
}

/// Draw it.
pub fn draw(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let Some(answer) = compare.answer.as_ref().filter(|_| area.height > 1) else {
        heading(compare, false, shared, area, buffer);
        return;
    };
    let columns = Columns::of(compare, area.width.saturating_sub(2));
    for (column, &place) in columns.entries.iter().enumerate() {
        let entry = &compare.entries[place];
        let right = columns.right(area, column).min(area.right());
        let room = VALUE + 1 + if column > 0 { columns.difference } else { columns.wider };
        let label = text::fit(&entry.label, room, shared.glyphs.ellipsis);
        let style = theme.series[entry.colour % theme.series.len()];
        let style = if place == compare.chosen() && compare.entries.len() > 1 {
            style.add_modifier(Modifier::BOLD)
        } else {
            style
        };
        let begin = text::put_right(buffer, area.x, area.y + 1, right, &label, style);
        hits.push(Rect { x: begin, y: area.y + 1, width: right - begin, height: 1 }, Target::Column(place));
    }
    let rows = compare.listed();
    let mut apart = false;
    for (line, series) in rows.iter().enumerate() {
        let y = area.y + 2 + line as u16;
        let place = Rect { y, height: 1, ..area };
        let index = compare.first_row + line;
        hits.push(place, Target::Row(index));
        if index == compare.focus {
            let style = if compare.part == Part::Table { theme.selected } else { theme.text };
            buffer.set_style(place, style);
            text::put(buffer, area.x, y, area.right(), shared.glyphs.cursor, theme.accent);
        }
        text::put(buffer, area.x + 1, y, area.right(), &padded(&series.name, columns.name, shared), theme.text);
        if let Some(plot) = answer.plots.iter().find(|plot| plot.series == series.name) {
            apart |= row(compare, answer, plot, shared, area, y, &columns, buffer);
        }
    }
    heading(compare, apart, shared, area, buffer);
}

/// Draw a row; whether newest values in it are of other steps than the baseline's.
#[expect(clippy::too_many_arguments, reason = "one row of a table in a buffer")]
fn row(
    compare: &Compare,
    answer: &CurvesAnswer,
    plot: &Plot,
    shared: &Shared,
    area: Rect,
    y: u16,
    columns: &Columns,
    buffer: &mut Buffer,
) -> bool {
    let theme = &shared.theme;
    let better = Better::of(&plot.series);
    let (_, scale) = plots::unit(&plot.series);
    let all: Vec<Option<Reading>> = compare
        .entries
        .iter()
        .map(|entry| entry::reading(plot, answer, entry, compare.settings.which))
        .map(|reading| reading.map(|it| Reading { value: it.value * scale, ..it }))
        .collect();
    let best = best_of(&all, better);
    let base = all.get(compare.base()).copied().flatten();
    let mut apart = false;
    for (column, &place) in columns.entries.iter().enumerate() {
        let right = columns.value_right(area, column).min(area.right());
        let Some(reading) = all[place] else {
            text::put_right(buffer, area.x, y, right, shared.glyphs.none, theme.dim);
            continue;
        };
        let style = if best == Some(reading.value) { theme.text.add_modifier(Modifier::BOLD) } else { theme.text };
        let style = if reading.value.is_finite() { style } else { theme.bad };
        text::put_right(buffer, area.x, y, right, &number::value(reading.value), style);
        if place == compare.base() || columns.difference == 0 {
            continue;
        }
        let Some(base) = base else { continue };
        let Some(words) = difference(reading.value, base.value) else { continue };
        // Values of different steps show no progress of one over the other.
        let is_apart = compare.settings.which == Which::Final && reading.step != base.step;
        apart |= is_apart;
        let style = if is_apart {
            theme.dim
        } else if better.prefers(reading.value, base.value) {
            theme.good
        } else if better.prefers(base.value, reading.value) {
            theme.warn
        } else {
            theme.dim
        };
        let right = columns.right(area, column).min(area.right());
        text::put_right(buffer, area.x, y, right, &words, style);
    }
    apart
}

/// The best finite value where there are at least two that are not the same.
fn best_of(all: &[Option<Reading>], better: Better) -> Option<f64> {
    let values = || all.iter().flatten().map(|reading| reading.value).filter(|value| value.is_finite());
    let best = values().reduce(|best, value| if better.prefers(value, best) { value } else { best })?;
    (better != Better::Neither && values().any(|value| better.prefers(best, value))).then_some(best)
}

/// `+0.012`, `-1.3e-5`, `=`: how far from the baseline; none where one of them is no number.
fn difference(value: f64, base: f64) -> Option<String> {
    let difference = value - base;
    if !difference.is_finite() {
        return None;
    }
    // What rounding leaves of equal values, of smoothed ones say, is no difference.
    let same = difference.abs() <= DUST * value.abs().max(base.abs());
    Some(if same {
        "=".to_owned()
    } else {
        let sign = if difference > 0.0 { "+" } else { "" };
        format!("{sign}{}", number::value(difference))
    })
}

fn heading(compare: &Compare, apart: bool, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let style = if compare.part == Part::Table { theme.accent } else { theme.title };
    let which = compare.settings.which;
    let x = text::put(buffer, area.x + 2, area.y, area.right(), &format!(" {} ", which.word()), style);
    let mut words: Vec<String> = Vec::new();
    if which == Which::Here {
        words.push(match (compare.lens.crosshair, &compare.answer) {
            (Some(x), Some(answer)) => view::place(x, answer.axis, shared),
            _ => "of the crosshair, which left and right set in the charts".to_owned(),
        });
    }
    if compare.answer.as_ref().is_some_and(CurvesAnswer::is_smoothed) {
        words.push(format!("smoothed over {} steps", number::value(compare.half_life())));
    }
    if compare.entries.len() > 1 {
        words.push("and difference to the baseline".to_owned());
    }
    if apart {
        words.push("(dim: of another step)".to_owned());
    }
    let (len, rows) = (compare.series.len(), rows_in(area));
    let count = if len > rows {
        format!(" {}-{} of {len} ", compare.first_row + 1, (compare.first_row + rows).min(len))
    } else {
        String::new()
    };
    let right = text::put_right(buffer, x, area.y, area.right().saturating_sub(1), &count, theme.dim);
    // A piece that has no room goes whole.
    let room = usize::from(right.saturating_sub(x + 1));
    while words.iter().map(|it| text::width(it) + 1).sum::<usize>() > room {
        words.pop();
    }
    let x = text::put(buffer, x, area.y, right, &words.join(" "), theme.dim);
    // The rule goes on after a free cell.
    text::put(buffer, x, area.y, right, if words.is_empty() { "" } else { " " }, theme.dim);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(values: &[f64]) -> Vec<Option<Reading>> {
        let mut all: Vec<Option<Reading>> = values.iter().map(|&value| Some(Reading { value, step: 1 })).collect();
        all.push(None);
        all
    }

    #[test]
    fn the_best_is_a_matter_of_the_series() {
        let values = readings(&[0.7, 0.9, f64::NAN, 0.8]);
        assert_eq!(best_of(&values, Better::Higher), Some(0.9));
        assert_eq!(best_of(&values, Better::Lower), Some(0.7));
        assert_eq!(best_of(&values, Better::Neither), None);
        assert_eq!(best_of(&readings(&[0.5, 0.5]), Better::Lower), None, "nobody is better than anybody");
        assert_eq!(best_of(&readings(&[f64::NAN]), Better::Lower), None);
    }

    #[test]
    fn differences_have_a_sign() {
        assert_eq!(difference(2.5, 2.0).as_deref(), Some("+0.500"));
        assert_eq!(difference(1.0, 2.5).as_deref(), Some("-1.500"));
        assert_eq!(difference(1.0, 1.0).as_deref(), Some("="));
        assert_eq!(difference(2e-4, 2e-4 + 3e-20).as_deref(), Some("="), "rounding is no difference");
        assert_eq!(difference(0.0, 1e-300).as_deref(), Some("-1.0e-300"));
        assert_eq!(difference(f64::NAN, 1.0), None);
        assert_eq!(difference(1.0, f64::INFINITY), None);
    }
}
