//! A text to read: what a process said before it ended.

use crossterm::event::{KeyCode, KeyEvent, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::action::Move;
use crate::app::layers::{Outcome, panel};
use crate::app::shared::Shared;
use crate::app::text;

/// A text, scrolled.
pub struct Report {
    title: String,
    text: String,
    top: usize,
}

/// Lines that a page key moves by.
const PAGE: usize = 10;

impl Report {
    /// A text with a title.
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), text: text.into(), top: 0 }
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let step = match key.code {
            KeyCode::Up | KeyCode::Char('k') => Move::Up,
            KeyCode::Down | KeyCode::Char('j') => Move::Down,
            KeyCode::PageUp => Move::PageUp,
            KeyCode::PageDown | KeyCode::Char(' ') => Move::PageDown,
            KeyCode::Home | KeyCode::Char('g') => Move::Home,
            KeyCode::End | KeyCode::Char('G') => Move::End,
            _ => return Outcome::Close,
        };
        self.top = step.apply(self.top, self.text.lines().count(), PAGE);
        Outcome::Stay
    }

    /// The mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Outcome {
        let last = self.text.lines().count().saturating_sub(1);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.top = self.top.saturating_sub(2),
            MouseEventKind::ScrollDown => self.top = (self.top + 2).min(last),
            MouseEventKind::Down(_) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let width = area.width.min(112);
        let lines = self.lines(usize::from(width.saturating_sub(6)));
        let height = (lines.len() as u16 + 3).min(area.height.saturating_sub(1));
        let inside = panel(shared, area, width, height, &self.title, buffer);
        let page = usize::from(inside.height);
        let top = self.top.min(lines.len().saturating_sub(page));
        for (row, line) in lines.iter().skip(top).take(page).enumerate() {
            let y = inside.y + row as u16;
            let style = if line.starts_with("error") { theme.bad } else { theme.text };
            text::put(buffer, inside.x, y, inside.right(), line, style.patch(theme.layer));
        }
        if top + page < lines.len() {
            let more = format!(" {} more below ", lines.len() - top - page);
            text::put_right(buffer, inside.x, inside.bottom(), inside.right(), &more, theme.dim.patch(theme.layer));
        }
    }

    /// Broken to the width. Lines that stand as they were printed keep the spaces they begin with, by which carets point.
    fn lines(&self, cells: usize) -> Vec<String> {
        let keep =
            |line: &str| if text::width(line) <= cells { vec![line.to_owned()] } else { text::wrap(line, cells) };
        self.text.lines().flat_map(|line| if line.is_empty() { vec![String::new()] } else { keep(line) }).collect()
    }
}
