//! A question to answer by yes.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::hits::{Hits, Target};
use crate::app::layers::{Outcome, Purpose, panel};
use crate::app::shared::Shared;
use crate::app::text;
use crate::session::Listing;

/// A question, with what is done after a yes.
pub struct Confirm {
    question: String,
    detail: String,
    purpose: Purpose,
}

impl Confirm {
    /// Ask `question`; `detail` says what a yes brings about.
    pub fn new(question: impl Into<String>, detail: impl Into<String>, purpose: Purpose) -> Self {
        Self { question: question.into(), detail: detail.into(), purpose }
    }

    /// Ask whether a session is to end.
    pub fn stop(listing: &Listing, purpose: Purpose) -> Self {
        let detail = "It finishes its step, writes a checkpoint and ends. It can be resumed from there.";
        Self::new(format!("stop {}?", listing.name), detail, purpose)
    }

    /// A key. Only a plain `y` is a yes: enter is hit too easily for what cannot be taken back.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('y' | 'Y') => Outcome::Typed(self.purpose.clone(), "yes".to_owned()),
            KeyCode::Esc | KeyCode::Char('n' | 'N' | 'q') => Outcome::Close,
            _ => Outcome::Stay,
        }
    }

    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let width = area.width.min(64);
        let lines = text::wrap(&self.detail, usize::from(width.saturating_sub(6)));
        let inside = panel(shared, area, width, 5 + lines.len() as u16, &self.question, buffer);
        for (index, line) in lines.iter().enumerate() {
            text::put(
                buffer,
                inside.x,
                inside.y + 1 + index as u16,
                inside.right(),
                line,
                theme.layer.patch(theme.text),
            );
        }
        let y = inside.bottom().saturating_sub(1);
        let mut x = inside.x;
        for (key, word, code) in [("y", " yes", KeyCode::Char('y')), ("esc", " no", KeyCode::Esc)] {
            let begin = x;
            x = text::put(buffer, x, y, inside.right(), key, theme.key.patch(theme.layer));
            x = text::put(buffer, x, y, inside.right(), word, theme.dim.patch(theme.layer));
            hits.push(Rect { x: begin, y, width: x - begin, height: 1 }, Target::Key(code));
            x += 3;
        }
    }
}
