//! Which colour is which session.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::app::hits::{Hits, Target};
use crate::app::screens::compare::Compare;
use crate::app::screens::compare::entry::Entry;
use crate::app::shared::Shared;
use crate::app::text;
use crate::session::State;

/// Rows that the legend takes at most.
const ROWS: u16 = 3;
/// Said of what the others are measured against.
const BASE: &str = " baseline";

/// Cells that an entry takes, with the space after it.
fn width(entry: &Entry, base: bool, shared: &Shared) -> u16 {
    let state = u16::from(state(entry, shared).is_some()) * 2;
    let base = if base { text::width(BASE) as u16 } else { 0 };
    text::width(shared.glyphs.mark) as u16 + 1 + text::width(&entry.label) as u16 + state + base + 3
}

/// The sign of a session that runs, waits or died; finished ones need none.
fn state(entry: &Entry, shared: &Shared) -> Option<State> {
    let states = entry.ids.iter().filter_map(|id| shared.listing(id)?.state);
    states.into_iter().find(|state| !matches!(state, State::Finished | State::Stopped))
}

/// Rows that the legend takes in so many columns.
pub fn height(compare: &Compare, shared: &Shared, columns: u16) -> u16 {
    places(compare, shared, Rect::new(0, 0, columns, ROWS)).last().map_or(1, |(_, place)| place.y + 1)
}

/// Where each entry goes; those without room go nowhere.
fn places(compare: &Compare, shared: &Shared, area: Rect) -> Vec<(usize, Rect)> {
    let (mut x, mut y) = (area.x + 1, area.y);
    let mut found = Vec::new();
    let several = compare.entries.len() > 1;
    for (index, entry) in compare.entries.iter().enumerate() {
        let width = width(entry, several && index == compare.base(), shared);
        if x > area.x + 1 && x + width > area.right() + 2 {
            (x, y) = (area.x + 1, y + 1);
        }
        if y >= area.bottom() {
            break;
        }
        found.push((index, Rect { x, y, width: width.min(area.right().saturating_sub(x)), height: 1 }));
        x += width;
    }
    found
}

/// Draw it.
pub fn draw(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let several = compare.entries.len() > 1;
    let places = places(compare, shared, area);
    for &(index, place) in &places {
        let entry = &compare.entries[index];
        let colour = theme.series[entry.colour % theme.series.len()];
        let right = place.right().min(area.right());
        let x = text::put(buffer, place.x, place.y, right, shared.glyphs.mark, colour);
        let chosen = several && index == compare.chosen();
        let style = if chosen { colour.add_modifier(Modifier::BOLD) } else { colour };
        let mut x = text::put(buffer, x + 1, place.y, right, &entry.label, style);
        if chosen {
            // Where there are no colours the choice must show, too.
            buffer.set_style(Rect { x: place.x, width: x - place.x, ..place }, theme.selected);
        }
        if several && index == compare.base() {
            x = text::put(buffer, x, place.y, right, BASE, theme.dim);
        }
        if let Some(state) = state(entry, shared) {
            let (sign, _) = shared.glyphs.state(Some(state));
            text::put(buffer, x + 1, place.y, right, sign, theme.state(Some(state)));
        }
        hits.push(place, Target::Column(index));
    }
    let left = compare.entries.len() - places.len();
    if left > 0 {
        text::put_right(buffer, area.x, area.bottom() - 1, area.right() - 1, &format!("and {left} more"), theme.dim);
    }
}
