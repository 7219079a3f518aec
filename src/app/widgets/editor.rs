//! A text of several lines being typed: where the cursor is, what can be undone, how lines are indented.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::UnicodeWidthStr as _;

use crate::session::notebook::plain::plain;

/// Longest text, in bytes.
const LONGEST: usize = 256 << 10;
/// Columns of an indentation.
const INDENT: usize = 4;
/// Changes that can be taken back.
const MOST_UNDO: usize = 200;
/// Lines that a page key moves by.
const PAGE: usize = 10;

/// A text and the place in it where typing goes on, in bytes.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    text: String,
    at: usize,
    /// The column that up and down keep to.
    goal: Option<usize>,
    undo: Vec<(String, usize)>,
    redo: Vec<(String, usize)>,
    /// Whether the last change was a character typed, which the next one joins.
    typing: bool,
    /// Counts changes.
    pub revision: u64,
}

impl Editor {
    /// A text, with the cursor at its end.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), at: text.len(), ..Self::default() }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is, in bytes.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Put the cursor somewhere; to the character that begins there or next before.
    pub fn move_to(&mut self, at: usize) {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        self.at = at;
        self.goal = None;
        self.typing = false;
    }

    /// What stands before the cursor on its line.
    pub fn before(&self) -> &str {
        &self.text[self.line_start(self.at)..self.at]
    }

    /// Whether the cursor is on the first line, and on the last.
    pub fn on_edge(&self) -> (bool, bool) {
        (!self.text[..self.at].contains('\n'), !self.text[self.at..].contains('\n'))
    }

    /// Put pasted text in: lines stay, what could steer a terminal does not.
    pub fn paste(&mut self, text: &str) {
        let clean = plain(&text.replace("\r\n", "\n").replace('\r', "\n"));
        self.replace(self.at..self.at, &clean);
    }

    /// Replace a stretch; the cursor stands behind what is new.
    pub fn replace(&mut self, range: std::ops::Range<usize>, with: &str) {
        self.keep(false);
        self.change(range, with);
    }

    fn change(&mut self, range: std::ops::Range<usize>, with: &str) {
        let range = range.start.min(self.text.len())..range.end.min(self.text.len());
        let sound = range.start <= range.end
            && self.text.is_char_boundary(range.start)
            && self.text.is_char_boundary(range.end);
        if !sound {
            return;
        }
        let room = LONGEST.saturating_sub(self.text.len() - range.len());
        let mut length = with.len().min(room);
        while !with.is_char_boundary(length) {
            length -= 1;
        }
        self.text.replace_range(range.clone(), &with[..length]);
        self.at = range.start + length;
        self.goal = None;
        self.revision += 1;
    }

    /// Keep what there is for an undo; characters typed in one go are one.
    fn keep(&mut self, typing: bool) {
        if !(typing && self.typing) {
            self.undo.push((self.text.clone(), self.at));
            let surplus = self.undo.len().saturating_sub(MOST_UNDO);
            self.undo.drain(..surplus);
        }
        self.redo.clear();
        self.typing = typing;
    }

    fn back(&mut self, forward: bool) {
        let (from, to) = if forward { (&mut self.redo, &mut self.undo) } else { (&mut self.undo, &mut self.redo) };
        if let Some((text, at)) = from.pop() {
            to.push((std::mem::replace(&mut self.text, text), self.at));
            self.at = at;
            self.revision += 1;
        }
        self.goal = None;
        self.typing = false;
    }

    /// A key; whether it meant something here.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('a') if control => self.move_to(self.line_start(self.at)),
            KeyCode::Char('z' | '_') if control => self.back(false),
            KeyCode::Char('y') if control => self.back(true),
            KeyCode::Char('u') if control => self.replace(self.line_start(self.at)..self.at, ""),
            KeyCode::Char('k') if control => self.replace(self.at..self.line_end(self.at), ""),
            KeyCode::Char('w') if control => self.replace(self.word_before()..self.at, ""),
            KeyCode::Backspace if alt || control => self.replace(self.word_before()..self.at, ""),
            KeyCode::Char('b') if alt => self.move_to(self.word_before()),
            KeyCode::Char('f') if alt => self.move_to(self.word_after()),
            KeyCode::Char('/') if alt => self.comment(),
            KeyCode::Char(c) if !control && !alt => self.typed(c),
            KeyCode::Enter if !control && !alt => self.newline(),
            KeyCode::Tab => self.indent(),
            KeyCode::BackTab => self.unindent(),
            KeyCode::Backspace => self.backspace(),
            KeyCode::Delete => self.replace(self.at..self.after(self.at), ""),
            KeyCode::Left if control || alt => self.move_to(self.word_before()),
            KeyCode::Right if control || alt => self.move_to(self.word_after()),
            KeyCode::Left => self.move_to(self.previous(self.at)),
            KeyCode::Right => self.move_to(self.after(self.at)),
            KeyCode::Home if control => self.move_to(0),
            KeyCode::End if control => self.move_to(self.text.len()),
            KeyCode::Home => self.home(),
            KeyCode::End => self.move_to(self.line_end(self.at)),
            KeyCode::Up => self.vertical(1, true),
            KeyCode::Down => self.vertical(1, false),
            KeyCode::PageUp => self.vertical(PAGE, true),
            KeyCode::PageDown => self.vertical(PAGE, false),
            _ => return false,
        }
        true
    }

    fn typed(&mut self, c: char) {
        if c.is_control() {
            return;
        }
        self.keep(true);
        // A bracket that closes goes back to where the one that opened stands.
        let blank = self.before().chars().all(|it| it == ' ') && self.before().len() >= INDENT;
        if matches!(c, '}' | ')' | ']') && blank {
            self.change(self.at - INDENT..self.at, "");
        }
        self.change(self.at..self.at, c.encode_utf8(&mut [0; 4]));
    }

    fn newline(&mut self) {
        self.keep(false);
        let line = self.before();
        let blank: String = line.chars().take_while(|c| *c == ' ').collect();
        let opens = line.trim_end().ends_with(['{', '(', '[']);
        let closes = self.text[self.at..].starts_with(['}', ')', ']']);
        let deeper = if opens { format!("{blank}{}", " ".repeat(INDENT)) } else { blank.clone() };
        self.change(self.at..self.at, &format!("\n{deeper}"));
        if opens && closes {
            let at = self.at;
            self.change(at..at, &format!("\n{blank}"));
            self.at = at;
        }
    }

    fn indent(&mut self) {
        let column = self.before().width();
        self.replace(self.at..self.at, &" ".repeat(INDENT - column % INDENT));
    }

    fn unindent(&mut self) {
        let start = self.line_start(self.at);
        let blank = self.text[start..].chars().take_while(|c| *c == ' ').count().min(INDENT);
        let at = self.at;
        self.replace(start..start + blank, "");
        self.at = at.saturating_sub(blank).max(start);
    }

    fn comment(&mut self) {
        let start = self.line_start(self.at);
        let blank = self.text[start..].chars().take_while(|c| *c == ' ').count();
        let begin = start + blank;
        let at = self.at;
        if self.text[begin..].starts_with("// ") {
            self.replace(begin..begin + 3, "");
            self.at = at.saturating_sub(3).max(start);
        } else {
            self.replace(begin..begin, "// ");
            self.at = (at + 3).min(self.text.len());
        }
        self.move_to(self.at);
    }

    fn backspace(&mut self) {
        let before = self.before();
        let blank = !before.is_empty() && before.chars().all(|c| c == ' ');
        let from = if blank { self.at - ((before.len() - 1) % INDENT + 1) } else { self.previous(self.at) };
        self.keep(true);
        self.change(from..self.at, "");
    }

    /// To the first character of the line, and from there to its very beginning.
    fn home(&mut self) {
        let start = self.line_start(self.at);
        let first = start + self.text[start..].chars().take_while(|c| *c == ' ').count();
        self.move_to(if self.at == first { start } else { first });
    }

    fn vertical(&mut self, lines: usize, up: bool) {
        let column = self.goal.unwrap_or_else(|| self.before().width());
        let mut start = self.line_start(self.at);
        for _ in 0..lines {
            if up && start > 0 {
                start = self.line_start(start - 1);
            } else if let (false, Some(end)) = (up, self.text[start..].find('\n')) {
                start += end + 1;
            }
        }
        let line = &self.text[start..self.line_end(start)];
        let mut at = line.len();
        for (byte, _) in line.char_indices() {
            if line[..byte].width() >= column {
                at = byte;
                break;
            }
        }
        self.move_to(start + at);
        self.goal = Some(column);
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end)
    }

    fn previous(&self, at: usize) -> usize {
        self.text[..at].char_indices().next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self, at: usize) -> usize {
        self.text[at..].chars().next().map_or(at, |c| at + c.len_utf8())
    }

    fn word_before(&self) -> usize {
        let head = self.text[..self.at].trim_end_matches(|c: char| !is_word(c));
        head.char_indices().rev().find(|(_, c)| !is_word(*c)).map_or(0, |(at, c)| at + c.len_utf8())
    }

    fn word_after(&self) -> usize {
        let tail = &self.text[self.at..];
        let begin = tail.find(is_word).unwrap_or(tail.len());
        let end = tail[begin..].find(|c| !is_word(c)).unwrap_or(tail.len() - begin);
        self.at + begin + end
    }
}

/// Whether a character is part of a word.
pub fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(editor: &mut Editor, keys: &[(KeyCode, KeyModifiers)]) {
        for (code, modifiers) in keys {
            editor.key(KeyEvent::new(*code, *modifiers));
        }
    }

    fn typed(editor: &mut Editor, text: &str) {
        for c in text.chars() {
            let code = if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) };
            editor.key(KeyEvent::from(code));
        }
    }

    const PLAIN: KeyModifiers = KeyModifiers::NONE;
    const CONTROL: KeyModifiers = KeyModifiers::CONTROL;

    #[test]
    fn lines_are_indented_as_code_is() {
        let mut editor = Editor::default();
        typed(&mut editor, "fn f() {\nlet x = [\n1,\n]\n;\n}");
        assert_eq!(editor.text(), "fn f() {\n    let x = [\n        1,\n    ]\n    ;\n}");
        let mut between = Editor::new("f(|x| {})");
        between.move_to(7);
        typed(&mut between, "\n");
        assert_eq!(between.text(), "f(|x| {\n    \n})");
        assert_eq!(between.at(), 12);
        press(&mut between, &[(KeyCode::Backspace, PLAIN)]);
        assert_eq!(between.text(), "f(|x| {\n\n})", "a whole indentation at once");
        press(&mut between, &[(KeyCode::Tab, PLAIN), (KeyCode::Tab, PLAIN), (KeyCode::BackTab, PLAIN)]);
        assert_eq!(between.text(), "f(|x| {\n    \n})");
        press(&mut between, &[(KeyCode::Char('/'), KeyModifiers::ALT), (KeyCode::Char('/'), KeyModifiers::ALT)]);
        assert_eq!(between.text(), "f(|x| {\n    \n})");
    }

    #[test]
    fn undo_goes_back_by_what_was_done_and_redo_forward() {
        let mut editor = Editor::new("a");
        typed(&mut editor, " bc");
        editor.paste("\r\nx\u{1b}[31my\t|");
        assert_eq!(editor.text(), "a bc\nxy  |");
        press(
            &mut editor,
            &[(KeyCode::Char('w'), CONTROL), (KeyCode::Char('z'), CONTROL), (KeyCode::Char('z'), CONTROL)],
        );
        assert_eq!(editor.text(), "a bc");
        press(&mut editor, &[(KeyCode::Char('z'), CONTROL)]);
        assert_eq!((editor.text(), editor.at()), ("a", 1), "characters typed in one go are one");
        press(&mut editor, &[(KeyCode::Char('y'), CONTROL); 9]);
        assert_eq!(editor.text(), "a bc\n");
        press(&mut editor, &[(KeyCode::Char('z'), CONTROL); 99]);
        assert_eq!(editor.text(), "a");
    }

    #[test]
    fn up_and_down_keep_their_column_over_short_and_wide_lines() {
        let mut editor = Editor::new("0123456789\n写真\n\nabcdefgh");
        editor.move_to(7);
        press(&mut editor, &[(KeyCode::Down, PLAIN)]);
        assert_eq!(editor.before(), "写真");
        press(&mut editor, &[(KeyCode::Down, PLAIN), (KeyCode::Down, PLAIN)]);
        assert_eq!(editor.before(), "abcdefg");
        press(&mut editor, &[(KeyCode::Up, PLAIN), (KeyCode::PageUp, PLAIN)]);
        assert_eq!(editor.before(), "0123456");
    }

    #[test]
    fn any_keys_leave_a_whole_text() {
        let codes = [
            KeyCode::Enter,
            KeyCode::Tab,
            KeyCode::BackTab,
            KeyCode::Backspace,
            KeyCode::Delete,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::Up,
            KeyCode::Down,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::PageUp,
            KeyCode::PageDown,
            KeyCode::Char('写'),
            KeyCode::Char('}'),
            KeyCode::Char('{'),
            KeyCode::Char('\u{301}'),
            KeyCode::Char('w'),
            KeyCode::Char('z'),
            KeyCode::Char('y'),
            KeyCode::Char('/'),
            KeyCode::Char('k'),
            KeyCode::Char('u'),
            KeyCode::Char('f'),
            KeyCode::Char(' '),
        ];
        let mut seed = 0x5eed_u64;
        let mut next = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let mut editor = Editor::new("let 写 = 1;\n    é");
        for _ in 0..50_000 {
            let modifiers = [PLAIN, PLAIN, PLAIN, CONTROL, KeyModifiers::ALT][next(5)];
            press(&mut editor, &[(codes[next(codes.len())], modifiers)]);
            assert!(editor.text().is_char_boundary(editor.at()) && editor.text().len() <= LONGEST);
            if editor.text().len() > 4000 {
                editor = Editor::new("x");
            }
        }
    }

    #[test]
    fn a_paste_of_megabytes_is_cut() {
        let mut editor = Editor::default();
        editor.paste(&"写".repeat(1 << 20));
        assert!(editor.text().len() <= LONGEST && editor.text().len() > LONGEST - 3);
    }
}
