//! What the keys do: read off the tables that the keys themselves use.

use crossterm::event::{KeyCode, KeyEvent, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::action::Move;
use crate::app::keymap::{self, Binding, GLOBAL, MOVES};
use crate::app::layers::{Outcome, panel};
use crate::app::screens::ScreenKind;
use crate::app::shared::Shared;
use crate::app::text;

/// A list of keys, scrolled.
pub struct Help {
    lines: Vec<Line>,
    top: usize,
}

/// Cells of a column, and of the keys in it.
const COLUMN: u16 = 64;
const KEYS: u16 = 16;

enum Line {
    Head(String),
    Key(String, &'static str),
    Gap,
}

impl Help {
    /// The keys of a screen and those that work everywhere.
    pub fn new(screen: ScreenKind, own: &'static [Binding], ascii: bool) -> Self {
        let mut lines = Vec::new();
        for (head, table) in [
            (format!("On the {} screen", screen.word()), own),
            ("Everywhere".to_owned(), GLOBAL),
            ("In lists".to_owned(), MOVES),
        ] {
            if !lines.is_empty() {
                lines.push(Line::Gap);
            }
            lines.push(Line::Head(head));
            lines.extend(table.iter().filter_map(|binding| {
                // What the screen means otherwise is not listed as what it means elsewhere.
                let taken = |key: &str| !std::ptr::eq(table, own) && own.iter().any(|it| it.keys.contains(&key));
                let keys: Vec<String> =
                    binding.keys.iter().filter(|key| !taken(key)).map(|key| keymap::shown(key, ascii)).collect();
                (!keys.is_empty()).then(|| Line::Key(keys.join(" "), binding.help))
            }));
        }
        lines.push(Line::Gap);
        lines.push(Line::Head("With the mouse".to_owned()));
        lines.push(Line::Key("click".to_owned(), "Choose a row, sort by a title, go to a screen, put the crosshair"));
        lines.push(Line::Key("wheel".to_owned(), "Scroll; on a chart, zoom around the pointer, with ctrl move along"));
        lines.push(Line::Key("drag".to_owned(), "On a chart, move the crosshair"));
        lines.push(Line::Key("right drag".to_owned(), "On a chart, or with ctrl: move along the axis"));
        Self { lines, top: 0 }
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let step = match key.code {
            KeyCode::Up | KeyCode::Char('k') => Move::Up,
            KeyCode::Down | KeyCode::Char('j') => Move::Down,
            KeyCode::PageUp => Move::PageUp,
            KeyCode::PageDown | KeyCode::Char(' ') => Move::PageDown,
            KeyCode::Home => Move::Home,
            _ => return Outcome::Close,
        };
        self.top = step.apply(self.top, self.lines.len(), 10);
        Outcome::Stay
    }

    /// The mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Outcome {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.top = self.top.saturating_sub(2),
            MouseEventKind::ScrollDown => self.top = (self.top + 2).min(self.lines.len().saturating_sub(1)),
            MouseEventKind::Down(_) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    /// The rows of a column of so many cells, long texts broken.
    fn rows(&self, width: u16) -> Vec<Row<'_>> {
        let room = usize::from(width.saturating_sub(KEYS));
        let mut rows = Vec::new();
        for line in &self.lines {
            match line {
                Line::Head(head) => rows.push(Row::Head(head)),
                Line::Gap => rows.push(Row::Gap),
                Line::Key(keys, help) => {
                    for (part, words) in text::wrap(help, room).into_iter().enumerate() {
                        rows.push(Row::Key(if part == 0 { keys.as_str() } else { "" }, words));
                    }
                }
            }
        }
        rows
    }

    /// Draw in the middle: in two columns where there is room.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let columns: u16 = if area.width >= 2 * COLUMN + 8 { 2 } else { 1 };
        let width = ((COLUMN + 2) * columns + 4).min(area.width);
        let column = (width.saturating_sub(4)) / columns - 2 * (columns - 1);
        let rows = self.rows(column);
        let all = rows.len().div_ceil(usize::from(columns)) as u16;
        let inside = panel(shared, area, width, (all + 2).min(area.height.saturating_sub(1)), "keys", buffer);
        let page = usize::from(inside.height);
        let in_view = page * usize::from(columns);
        let top = self.top.min(rows.len().saturating_sub(in_view));
        for (at, row) in rows.iter().skip(top).take(in_view).enumerate() {
            let x = inside.x + (at / page.max(1)) as u16 * (column + 4);
            draw_row(
                row,
                shared,
                Rect { x, y: inside.y + (at % page.max(1)) as u16, width: column, height: 1 },
                buffer,
            );
        }
        if top + in_view < rows.len() {
            let theme = &shared.theme;
            let more = format!("{} more below", rows.len() - top - in_view);
            text::put_right(buffer, inside.x, inside.bottom(), inside.right(), &more, theme.dim.patch(theme.layer));
        }
    }
}

/// A row as it is drawn.
enum Row<'a> {
    Head(&'a str),
    Key(&'a str, String),
    Gap,
}

fn draw_row(row: &Row<'_>, shared: &Shared, place: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    match row {
        Row::Head(head) => {
            text::put(buffer, place.x, place.y, place.right(), head, theme.title.patch(theme.layer));
        }
        Row::Key(keys, help) => {
            let column = (place.x + KEYS).min(place.right());
            text::put(buffer, place.x + 1, place.y, column, keys, theme.key.patch(theme.layer));
            text::put(buffer, column, place.y, place.right(), help, theme.text.patch(theme.layer));
        }
        Row::Gap => {}
    }
}
