//! Cells as the fewest bytes that put them on the screen: over a slow link it is bytes that make a picture late.
//!
//! ratatui's own backend names both colours whenever one of them changes, changes them for blanks that show neither, and
//! says where the cursor goes by row and column even when it goes two to the right: three times the bytes for the
//! curves of a session that trains.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// Modifiers that show on a blank; all others are those of characters.
const ON_BLANKS: Modifier = Modifier::REVERSED.union(Modifier::UNDERLINED).union(Modifier::CROSSED_OUT);

/// Modifiers and what turns them on, by the numbers of ECMA-48.
const CODES: [(Modifier, u8); 9] = [
    (Modifier::BOLD, 1),
    (Modifier::DIM, 2),
    (Modifier::ITALIC, 3),
    (Modifier::UNDERLINED, 4),
    (Modifier::SLOW_BLINK, 5),
    (Modifier::RAPID_BLINK, 6),
    (Modifier::REVERSED, 7),
    (Modifier::HIDDEN, 8),
    (Modifier::CROSSED_OUT, 9),
];

/// Whether anything but the ground is to be seen of a cell.
pub fn is_inked(cell: &Cell) -> bool {
    cell.symbol() != " " || cell.modifier.intersects(ON_BLANKS)
}

/// The bytes of one picture.
#[derive(Debug)]
pub struct Ink {
    bytes: String,
    /// Where the next character goes, if that is certain.
    cursor: Option<(u16, u16)>,
    fg: Color,
    bg: Color,
    modifier: Modifier,
    /// Columns of the screen.
    width: u16,
}

impl Ink {
    /// A picture on a screen of so many columns whose cursor may be anywhere and whose colours are its own.
    pub fn new(width: u16) -> Self {
        let modifier = Modifier::empty();
        Self { bytes: String::new(), cursor: None, fg: Color::Reset, bg: Color::Reset, modifier, width }
    }

    /// Put a cell where it belongs.
    pub fn put(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        self.style(cell);
        let symbol = cell.symbol();
        self.bytes.push_str(symbol);
        // How far wide characters and combined ones move it, terminals disagree on; at the edge, where it stays.
        let is_plain = symbol.chars().count() == 1 && crate::app::text::width(symbol) == 1;
        self.cursor = (is_plain && x + 1 < self.width).then_some((x + 1, y));
    }

    /// All of it, leaving the colours as they were.
    pub fn finish(mut self) -> String {
        if (self.fg, self.bg, self.modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
            self.bytes.push_str("\x1b[m");
        }
        self.bytes
    }

    fn go(&mut self, x: u16, y: u16) {
        let there = match self.cursor {
            Some((column, row)) if (column, row) == (x, y) => return,
            Some((column, row)) if row == y && x == column + 1 => "\x1b[C".to_owned(),
            Some((column, row)) if row == y && x > column => format!("\x1b[{}C", x - column),
            _ if x == 0 => format!("\x1b[{}H", y + 1),
            _ => format!("\x1b[{};{}H", y + 1, x + 1),
        };
        self.bytes.push_str(&there);
    }

    fn style(&mut self, cell: &Cell) {
        let inked = is_inked(cell);
        let mut codes = String::new();
        let modifier = if inked { cell.modifier } else { self.modifier - ON_BLANKS };
        if !modifier.contains(self.modifier) {
            // What turns one of them off turns others off, too.
            codes.push_str("0;");
            (self.fg, self.bg, self.modifier) = (Color::Reset, Color::Reset, Modifier::empty());
        }
        for (one, code) in CODES {
            if modifier.contains(one) && !self.modifier.contains(one) {
                codes.push_str(&format!("{code};"));
            }
        }
        self.modifier = modifier;
        if inked && self.fg != cell.fg {
            codes.push_str(&colour(cell.fg, 30));
            self.fg = cell.fg;
        }
        if self.bg != cell.bg {
            codes.push_str(&colour(cell.bg, 40));
            self.bg = cell.bg;
        }
        if codes.pop().is_some() {
            self.bytes.push_str(&format!("\x1b[{codes}m"));
        }
    }
}

/// The codes of a colour, of characters (`base` 30) or of the ground (40), and a semicolon.
fn colour(colour: Color, base: u8) -> String {
    let place = match colour {
        Color::Reset => return format!("{};", base + 9),
        Color::Rgb(r, g, b) => return format!("{};2;{r};{g};{b};", base + 8),
        Color::Indexed(index) => return format!("{};5;{index};", base + 8),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
    };
    format!("{};", base + place)
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const BLUE: Color = Color::Rgb(108, 182, 255);

    fn bytes(draw: impl FnOnce(&mut Buffer)) -> String {
        let empty = Buffer::empty(Rect::new(0, 0, 20, 3));
        let mut buffer = empty.clone();
        draw(&mut buffer);
        let mut ink = Ink::new(20);
        for (x, y, cell) in empty.diff(&buffer) {
            ink.put(x, y, cell);
        }
        ink.finish()
    }

    #[test]
    fn a_colour_is_named_once_for_a_curve_with_gaps() {
        let curve = bytes(|buffer| {
            for x in [2, 3, 5, 9] {
                buffer.set_string(x, 1, "⡇", Style::new().fg(BLUE));
            }
            buffer[(4, 1)].set_fg(Color::Red);
        });
        assert_eq!(curve, "\x1b[2;3H\x1b[38;2;108;182;255m⡇⡇ ⡇\x1b[3C⡇\x1b[m");
    }

    #[test]
    fn after_a_wide_or_combined_character_and_at_the_edge_the_place_is_said_anew() {
        let text = bytes(|buffer| {
            buffer.set_string(0, 0, "写ae\u{301}b", Style::new());
            buffer.set_string(19, 1, "x", Style::new());
            buffer.set_string(0, 2, "y", Style::new());
        });
        assert_eq!(text, "\x1b[1H写\x1b[1;3Hae\u{301}\x1b[1;5Hb\x1b[2;20Hx\x1b[3Hy");
    }

    #[test]
    fn what_is_turned_off_is_off_and_what_shows_on_blanks_is_shown() {
        let bold = Style::new().add_modifier(Modifier::BOLD).bg(Color::LightRed);
        let text = bytes(|buffer| {
            buffer.set_string(0, 0, "a", bold);
            buffer.set_string(1, 0, "b", Style::new().add_modifier(Modifier::DIM).fg(Color::Indexed(200)));
            buffer.set_string(2, 0, " ", Style::new().add_modifier(Modifier::REVERSED));
        });
        assert_eq!(text, "\x1b[1H\x1b[1;101ma\x1b[0;2;38;5;200mb\x1b[0;7m \x1b[m");
    }
}
