//! Text from a cell without anything that could steer a terminal: whatever a cell prints, the screen stays whole.

/// How long a string of a terminal's (OSC, DCS) may be before it is taken for text that only looks like one.
const LONGEST: usize = 4096;
/// Columns between two tab stops.
const TAB: usize = 4;

/// Where in a control sequence the text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In a sequence that a letter ends.
    Sequence,
    /// In a string that BEL or ESC `\` ends, so long already.
    String(usize),
    /// In such a string, after ESC.
    StringEscape,
}

/// Takes control sequences out of a text that comes in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaner {
    state: State,
    column: usize,
}

/// What is left of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// A character to show.
    Char(char),
    /// The line ends.
    Newline,
    /// The line begins anew: what is written next replaces it.
    Return,
}

impl Cleaner {
    /// Give what a piece shows to `to`, sign by sign.
    pub fn push(&mut self, piece: &str, mut to: impl FnMut(Sign)) {
        for c in piece.chars() {
            self.state = match (self.state, c) {
                // The last of them for a sequence of two with something between: `ESC ( B`.
                (State::Text | State::Sequence | State::Escape, '\u{1b}') | (State::Escape, ' '..='/') => State::Escape,
                (State::Text, '\u{9b}') | (State::Escape, '[') | (State::Sequence, ' '..='?') => State::Sequence,
                (State::Escape, ']' | 'P' | 'X' | '^' | '_') | (State::Text, '\u{90}' | '\u{9d}') => State::String(0),
                (State::Escape | State::StringEscape, _)
                | (State::Sequence, '@'..='~')
                | (State::String(_), '\u{7}' | '\u{9c}') => State::Text,
                (State::String(_), '\u{1b}') => State::StringEscape,
                (State::String(length), _) if length < LONGEST => State::String(length + 1),
                (State::Text | State::Sequence | State::String(_), _) => {
                    self.text(c, &mut to);
                    State::Text
                }
            };
        }
    }

    fn text(&mut self, c: char, to: &mut impl FnMut(Sign)) {
        match c {
            '\n' => {
                self.column = 0;
                to(Sign::Newline);
            }
            '\r' => {
                self.column = 0;
                to(Sign::Return);
            }
            '\t' => {
                for _ in 0..TAB - self.column % TAB {
                    self.column += 1;
                    to(Sign::Char(' '));
                }
            }
            _ if c.is_control() || turns(c) => {}
            c => {
                self.column += 1;
                to(Sign::Char(c));
            }
        }
    }
}

/// Characters that change the direction of the text around them.
fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole text without control sequences.
pub fn plain(text: &str) -> String {
    let mut captured = super::Captured::default();
    captured.push(text);
    captured.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_text_stays() {
        for (from, to) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", "abc"),
            ("\u{1b}(Bx\u{1b}cy\u{1b}=z", "xyz"),
            ("\u{9b}2Jhome\u{8}\u{0}\u{7f}\u{85}", "home"),
            ("\u{1b}Pq#0;2;0;0;0\u{1b}\\after", "after"),
            ("a\tb\nabcde\tf", "a   b\nabcde   f"),
            ("10 %\r20 %\rdone\r\nnext", "done\nnext"),
            ("\u{202e}evil\u{2066}写", "evil写"),
            ("\u{1b}[31", ""),
            ("\u{1b}[3\nx", "\nx"),
        ] {
            assert_eq!(plain(from), to, "{from:?}");
        }
    }

    #[test]
    fn a_sequence_that_is_cut_into_pieces_is_still_one() {
        let text = "a\u{1b}[1;31mb\u{1b}]0;t\u{1b}\\c\td\u{1b}[0m写\n";
        let whole = plain(text);
        for at in text.char_indices().map(|(at, _)| at) {
            let mut captured = super::super::Captured::default();
            captured.push(&text[..at]);
            captured.push(&text[at..]);
            assert_eq!(captured.text(), whole, "cut at {at}");
        }
    }

    #[test]
    fn a_string_that_never_ends_hides_no_more_than_it_may() {
        let text = format!("\u{1b}]{}", "x".repeat(LONGEST + 100));
        assert_eq!(plain(&text).len(), 100);
    }
}
