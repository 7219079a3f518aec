//! A line of text being typed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr as _;

use crate::app::shared::Shared;
use crate::app::text;

/// Longest text, in bytes: a paste of megabytes must not slow every key that follows.
const LONGEST: usize = 4096;

/// A text and the place in it where typing goes on, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
    at: usize,
}

impl Input {
    /// A text, with the cursor at its end.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.len() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Put text in at the cursor. Line ends and other control characters become spaces.
    pub fn insert(&mut self, text: &str) {
        for c in text.trim_end_matches(['\n', '\r']).chars() {
            if self.text.len() + c.len_utf8() > LONGEST {
                return;
            }
            let c = if c.is_control() { ' ' } else { c };
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    /// A key; whether it changed the text. The keys of a shell's line work.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let before = self.text.len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('a') if control => self.at = 0,
            KeyCode::Char('e') if control => self.at = self.text.len(),
            KeyCode::Char('u') if control => self.cut(0, self.at),
            KeyCode::Char('k') if control => self.cut(self.at, self.text.len()),
            KeyCode::Char('w') if control => self.cut(self.word_before(), self.at),
            KeyCode::Backspace if alt || control => self.cut(self.word_before(), self.at),
            KeyCode::Char(c) if !control && !alt => {
                self.insert(c.encode_utf8(&mut [0; 4]));
                return true;
            }
            KeyCode::Backspace => self.cut(self.before(), self.at),
            KeyCode::Delete => self.cut(self.at, self.after()),
            KeyCode::Left if control || alt => self.at = self.word_before(),
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.after(),
            KeyCode::Home => self.at = 0,
            KeyCode::End => self.at = self.text.len(),
            _ => {}
        }
        self.text.len() != before
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }

    fn before(&self) -> usize {
        self.text[..self.at].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.at..].chars().next().map_or(self.at, |c| self.at + c.len_utf8())
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.at].trim_end();
        head.rfind(' ').map_or(0, |at| at + 1)
    }

    /// Draw on one row, scrolled so that the cursor is in view.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let theme = &shared.theme;
        let style = theme.text.patch(theme.layer);
        let x = text::put(buffer, area.x, area.y, area.right(), "> ", theme.accent.patch(theme.layer));
        let room = usize::from(area.right().saturating_sub(x));
        let mut begin = 0;
        while self.text[begin..self.at].width() + 1 > room && begin < self.at {
            begin += self.text[begin..].chars().next().map_or(1, char::len_utf8);
        }
        text::put(buffer, x, area.y, area.right(), &self.text[begin..], style);
        let cursor = x + self.text[begin..self.at].width() as u16;
        if cursor < area.right() {
            buffer[(cursor, area.y)].set_style(style.add_modifier(Modifier::REVERSED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(input: &mut Input, code: KeyCode, modifiers: KeyModifiers) -> bool {
        input.key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn editing_goes_by_characters_not_bytes() {
        let mut input = Input::new("é写");
        assert!(press(&mut input, KeyCode::Backspace, KeyModifiers::NONE));
        assert_eq!(input.text(), "é");
        press(&mut input, KeyCode::Left, KeyModifiers::NONE);
        assert!(press(&mut input, KeyCode::Delete, KeyModifiers::NONE));
        assert_eq!(input.text(), "");
        assert!(!press(&mut input, KeyCode::Backspace, KeyModifiers::NONE));
    }

    #[test]
    fn words_go_as_in_a_shell() {
        let mut input = Input::new("state:running loss<0.1");
        press(&mut input, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(input.text(), "state:running ");
        press(&mut input, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(input.text(), "");
    }

    #[test]
    fn a_paste_is_one_line_and_bounded() {
        let mut input = Input::new("");
        input.insert("a\nb\x1b[31m\n");
        assert_eq!(input.text(), "a b [31m");
        input.insert(&"x".repeat(1 << 20));
        assert_eq!(input.text().len(), LONGEST);
    }
}
