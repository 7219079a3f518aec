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

enum Line {
    Head(String),
    Key(String, &'static str),
    Gap,
}

impl Help {
    /// The keys of a screen and those that work everywhere.
    pub fn new(screen: ScreenKind, own: &'static [Binding]) -> Self {
        let mut lines = Vec::new();
        for (head, table) in [
            (format!("On the {} screen", screen.word()), own),
            ("In lists".to_owned(), MOVES),
            ("Everywhere".to_owned(), GLOBAL),
        ] {
            if !lines.is_empty() {
                lines.push(Line::Gap);
            }
            lines.push(Line::Head(head));
            lines.extend(table.iter().map(|binding| {
                let keys: Vec<String> = binding.keys.iter().map(|key| keymap::shown(key)).collect();
                Line::Key(keys.join(" "), binding.help)
            }));
        }
        lines.push(Line::Gap);
        lines.push(Line::Head("With the mouse".to_owned()));
        lines.push(Line::Key("click".to_owned(), "Choose a row, sort by a title, go to a screen, move the crosshair"));
        lines.push(Line::Key("wheel".to_owned(), "Scroll; on a chart, zoom around the pointer"));
        lines.push(Line::Key("drag".to_owned(), "On a chart, move along the axis"));
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

    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let height = (self.lines.len() as u16 + 2).min(area.height.saturating_sub(1));
        let inside = panel(shared, area, area.width.min(86), height, "keys", buffer);
        let page = usize::from(inside.height);
        let top = self.top.min(self.lines.len().saturating_sub(page));
        for (row, line) in self.lines.iter().skip(top).take(page).enumerate() {
            let y = inside.y + row as u16;
            match line {
                Line::Head(head) => {
                    text::put(buffer, inside.x, y, inside.right(), head, theme.title.patch(theme.layer));
                }
                Line::Key(keys, help) => {
                    let column = (inside.x + 18).min(inside.right());
                    text::put(buffer, inside.x + 1, y, column, keys, theme.key.patch(theme.layer));
                    text::put(buffer, column, y, inside.right(), help, theme.text.patch(theme.layer));
                }
                Line::Gap => {}
            }
        }
        if top + page < self.lines.len() {
            let more = format!("{} more below", self.lines.len() - top - page);
            text::put_right(buffer, inside.x, inside.bottom(), inside.right(), &more, theme.dim.patch(theme.layer));
        }
    }
}
