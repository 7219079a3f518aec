//! What the configs differ in.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::screens::compare::entry;
use crate::app::screens::compare::{Compare, Part, padded};
use crate::app::shared::Shared;
use crate::app::text;

/// Cells of a value's column.
const VALUE: usize = 18;

/// Keys in view in an area with a rule and a heading.
pub fn rows_in(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(2))
}

/// Draw one row a key, one column a session.
pub fn draw(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let rows = &compare.configs.diff.rows;
    heading(compare, shared, area, buffer);
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height - 1 };
    if rows.is_empty() {
        let words = match (compare.sessions.len(), compare.configs.of.len() == compare.sessions.len()) {
            (_, false) => "reading",
            (0 | 1, _) => "one session alone differs in nothing",
            _ => "the same everywhere",
        };
        text::put(buffer, body.x, body.y, body.right(), words, theme.dim);
        return;
    }
    let widest = rows.iter().map(|row| text::width(&row.key)).max().unwrap_or(0);
    // The keys leave room for two values: one alone says nothing of what differs.
    let most = usize::from(body.width).saturating_sub(2 * (VALUE + 2)).min(usize::from(body.width) / 2);
    let key = widest.min(most).max(8);
    let room = usize::from(body.width).saturating_sub(key);
    let columns = (room / (VALUE + 2)).clamp(1, compare.sessions.len());
    let value = (room / columns).saturating_sub(2);
    let base = compare.entries.get(compare.base()).and_then(|entry| place(compare, &entry.ids[0])).unwrap_or(0);
    let shown = in_view(compare, base, columns);
    let alone = entry::entries(&compare.sessions, &[], shared);
    for (column, &session) in shown.iter().enumerate() {
        let x = body.x + (key + column * (value + 2)) as u16 + 2;
        let id = &compare.sessions[session];
        let style = theme.series[shared.colour(id) % theme.series.len()];
        text::put(
            buffer,
            x,
            body.y,
            body.right(),
            &text::fit_ends(&alone[session].label, value, shared.glyphs.ellipsis),
            style,
        );
    }
    for (line, row) in rows.iter().skip(compare.first_key).take(rows_in(area)).enumerate() {
        let y = body.y + 1 + line as u16;
        text::put(buffer, body.x, y, body.right(), &padded(&row.key, key, shared), theme.text);
        for (column, &session) in shown.iter().enumerate() {
            let x = body.x + (key + column * (value + 2)) as u16 + 2;
            let own = row.values.get(session).and_then(Option::as_deref);
            let other = row.values.get(base).and_then(Option::as_deref);
            // What is as in the baseline steps back.
            let style = if session == base || own != other { theme.text } else { theme.dim };
            let words = text::fit(own.unwrap_or(shared.glyphs.none), value, shared.glyphs.ellipsis);
            text::put(buffer, x, y, body.right(), &words, style);
        }
    }
}

fn heading(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let style = if compare.part == Part::Config { theme.accent } else { theme.title };
    let x = text::put(buffer, area.x + 2, area.y, area.right(), " config ", style);
    let diff = &compare.configs.diff;
    let words = format!("{} differ, {} are the same everywhere ", diff.rows.len(), diff.equal);
    let mut x = text::put(buffer, x, area.y, area.right(), &words, theme.dim);
    if let Some(problem) = compare.configs.problems.first() {
        let room = usize::from(area.right().saturating_sub(x + 1));
        x = text::put(buffer, x, area.y, area.right(), &text::fit(problem, room, shared.glyphs.ellipsis), theme.bad);
    }
    let (rows, keys) = (diff.rows.len(), rows_in(area));
    if rows > keys {
        let words = format!(" {}-{} of {rows} ", compare.first_key + 1, (compare.first_key + keys).min(rows));
        text::put_right(buffer, x, area.y, area.right() - 1, &words, theme.dim);
    }
}

/// The sessions that have room: the baseline first, then those around the chosen one.
fn in_view(compare: &Compare, base: usize, columns: usize) -> Vec<usize> {
    let chosen = compare.entries.get(compare.chosen()).and_then(|entry| place(compare, &entry.ids[0])).unwrap_or(0);
    let others: Vec<usize> = (0..compare.sessions.len()).filter(|&session| session != base).collect();
    let at = others.iter().position(|&session| session == chosen).unwrap_or(0);
    let room = columns.saturating_sub(1);
    let first = (at + 1).saturating_sub(room).min(others.len().saturating_sub(room));
    std::iter::once(base).chain(others.into_iter().skip(first).take(room)).collect()
}

fn place(compare: &Compare, id: &str) -> Option<usize> {
    compare.sessions.iter().position(|it| it == id)
}
