//! One of a few things to choose.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::action::Move;
use crate::app::hits::{Hits, Target};
use crate::app::layers::{Outcome, Purpose, panel};
use crate::app::shared::Shared;
use crate::app::text;

/// A list, with what it is for. What is chosen is given as its place in the list, from 0.
pub struct Choose {
    title: String,
    /// A name, and a remark that stands at the right.
    rows: Vec<(String, String)>,
    at: usize,
    purpose: Purpose,
}

/// Rows that a page key moves by.
const PAGE: usize = 5;

impl Choose {
    /// A list of names and remarks that begins at row `at`.
    pub fn new(title: impl Into<String>, rows: Vec<(String, String)>, at: usize, purpose: Purpose) -> Self {
        Self { title: title.into(), rows, at, purpose }
    }

    /// A key. A letter goes to the next name that begins with it.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let step = match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.chosen(self.at),
            KeyCode::Up => Move::Up,
            KeyCode::Down | KeyCode::Tab => Move::Down,
            KeyCode::PageUp => Move::PageUp,
            KeyCode::PageDown => Move::PageDown,
            KeyCode::Home => Move::Home,
            KeyCode::End => Move::End,
            KeyCode::Char(c) => {
                let begins = |index: &usize| self.rows[*index].0.to_lowercase().starts_with(c.to_ascii_lowercase());
                let len = self.rows.len();
                let found = (1..=len).map(|further| (self.at + further) % len).find(begins);
                self.at = found.unwrap_or(self.at);
                return Outcome::Stay;
            }
            _ => return Outcome::Stay,
        };
        self.at = step.apply(self.at, self.rows.len(), PAGE);
        Outcome::Stay
    }

    fn chosen(&self, at: usize) -> Outcome {
        if at < self.rows.len() { Outcome::Typed(self.purpose.clone(), at.to_string()) } else { Outcome::Stay }
    }

    /// The mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>) -> Outcome {
        match (mouse.kind, target) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) => return self.chosen(*row),
            (MouseEventKind::Down(_), _) => return Outcome::Close,
            (MouseEventKind::ScrollUp, _) => self.at = self.at.saturating_sub(1),
            (MouseEventKind::ScrollDown, _) => self.at = (self.at + 1).min(self.rows.len().saturating_sub(1)),
            _ => {}
        }
        Outcome::Stay
    }

    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let inside = panel(shared, area, area.width.min(62), self.rows.len() as u16 + 2, &self.title, buffer);
        let page = usize::from(inside.height).max(1);
        let first = (self.at + 1).saturating_sub(page);
        let rows = self.rows.iter().enumerate().skip(first).take(usize::from(inside.height));
        for (y, (row, (name, remark))) in (inside.y..).zip(rows) {
            let line = Rect { y, height: 1, ..inside };
            let ground = if row == self.at { theme.selected } else { theme.layer };
            buffer.set_style(line, ground);
            hits.push(line, Target::Row(row));
            let right = text::put_right(buffer, line.x, y, line.right(), remark, theme.dim.patch(ground));
            text::put(buffer, line.x, y, right.saturating_sub(1), name, theme.text.patch(ground));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::screens::sessions;

    #[test]
    fn a_letter_goes_round_the_names_that_begin_with_it() {
        let rows = ["state", "name", "step", "loss"].map(|name| (name.to_owned(), String::new())).into();
        let mut choose = Choose::new("sort", rows, 0, Purpose::Sessions(sessions::Purpose::Sort));
        let mut after = |c: char| {
            choose.key(KeyEvent::from(KeyCode::Char(c)));
            choose.at
        };
        assert_eq!([after('s'), after('s'), after('n'), after('z')], [2, 0, 1, 1]);
        let Outcome::Typed(_, chosen) = choose.key(KeyEvent::from(KeyCode::Enter)) else { panic!() };
        assert_eq!(chosen, "1");
    }
}
