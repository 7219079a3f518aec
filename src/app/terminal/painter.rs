//! What is on the screen, and the bytes that turn it into the next picture.

use std::io::{self, Write};

use crossterm::queue;
use crossterm::style::Print;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::ink::{self, Ink};
use super::overlay::Overlay;
use crate::app::hits::Placed;
use crate::app::text;

/// Stands in the right half of a wide character that is shown; it is never written, and differs from all that is.
const HALF: &str = "\u{fffc}";

/// Writes pictures, each as what differs from the one before.
pub struct Painter<W: Write> {
    writer: W,
    shown: Buffer,
    next: Buffer,
    overlay: Overlay,
}

impl<W: Write> Painter<W> {
    /// Of the screen behind `writer` nothing is known yet.
    pub fn new(writer: W) -> Self {
        let nothing = Buffer::empty(Rect::ZERO);
        let (shown, next) = (nothing.clone(), nothing);
        Self { writer, shown, next, overlay: Overlay::default() }
    }

    /// Draw a picture of so many columns and rows: what differs from the one before is written, in one synchronised
    /// update; nothing is if nothing does. `render` draws the cells and gives the pictures that are laid over them.
    pub fn draw(
        &mut self,
        (width, height): (u16, u16),
        render: impl FnOnce(&mut Buffer) -> Vec<Placed>,
    ) -> io::Result<()> {
        let area = Rect::new(0, 0, width, height);
        let resized = self.shown.area != area;
        if resized {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
        }
        self.next.reset();
        let placed = render(&mut self.next);
        let mut before = if resized { self.overlay.forget() } else { String::new() };
        let after = self.overlay.lay(&placed, &mut self.next, &mut before);
        blank(&mut self.next);
        let changed = self.shown.diff(&self.next);
        if changed.is_empty() && before.is_empty() && after.is_empty() && !resized {
            return Ok(());
        }
        let mut ink = Ink::new(width);
        for (x, y, cell) in changed {
            ink.put(x, y, cell);
        }
        queue!(self.writer, BeginSynchronizedUpdate)?;
        if resized {
            queue!(self.writer, Clear(ClearType::All))?;
        }
        queue!(self.writer, Print(before), Print(ink.finish()), Print(after), EndSynchronizedUpdate)?;
        self.writer.flush()?;
        std::mem::swap(&mut self.shown, &mut self.next);
        halve(&mut self.shown);
        Ok(())
    }

    /// Forget what is shown, so that the next picture is drawn whole.
    pub fn clear(&mut self) {
        self.shown = Buffer::empty(Rect::ZERO);
    }

    /// Make the terminal forget the pictures that it keeps for us.
    pub fn forget(&mut self) -> io::Result<()> {
        let goodbye = self.overlay.forget();
        self.tell(&goodbye)
    }

    /// Write something that changes no cell.
    pub fn tell(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes())?;
        self.writer.flush()
    }
}

/// Blanks that differ in what nobody sees of them are the same.
fn blank(buffer: &mut Buffer) {
    for cell in buffer.content.iter_mut().filter(|cell| !ink::is_inked(cell)) {
        (cell.fg, cell.modifier) = (Color::Reset, Modifier::empty());
    }
}

/// In the right half of a wide character nothing was written. When the character goes, terminals differ in what they
/// leave there: so whatever comes there is written.
fn halve(shown: &mut Buffer) {
    for index in 0..shown.content.len() {
        for half in 1..usize::from(text::cells(&shown.content[index])) {
            if let Some(cell) = shown.content.get_mut(index + half) {
                cell.set_symbol(HALF);
            }
        }
    }
}

/// A terminal's end of the wire, kept: for tests.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub struct Tape(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

#[cfg(test)]
impl Tape {
    /// What was written since the last call.
    pub fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

#[cfg(test)]
impl Write for Tape {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Color, Style};

    use super::*;

    const SIZE: (u16, u16) = (20, 5);

    fn painter() -> (Painter<Tape>, Tape) {
        let tape = Tape::default();
        (Painter::new(tape.clone()), tape)
    }

    /// The bytes of a picture with these lines.
    fn paint((painter, tape): &mut (Painter<Tape>, Tape), size: (u16, u16), lines: &[&str]) -> String {
        let render = |buffer: &mut Buffer| {
            for (y, line) in lines.iter().enumerate() {
                buffer.set_string(0, y as u16, line, Style::new().fg(Color::Red));
            }
            Vec::new()
        };
        painter.draw(size, render).unwrap();
        String::from_utf8(tape.take()).unwrap()
    }

    #[test]
    fn a_picture_is_one_synchronised_update_of_the_cells_that_changed() {
        let mut painter = painter();
        let first = paint(&mut painter, SIZE, &["loss 0.100", "steady"]);
        assert!(first.starts_with("\x1b[?2026h\x1b[2J") && first.ends_with("\x1b[?2026l"), "{first:?}");
        assert_eq!(paint(&mut painter, SIZE, &["loss 0.100", "steady"]), "", "nothing changed, nothing is written");
        let second = paint(&mut painter, SIZE, &["loss 0.102", "steady"]);
        assert!(second.starts_with("\x1b[?2026h\x1b[1;10H") && second.ends_with("\x1b[?2026l"), "{second:?}");
        assert!(second.contains('2') && !second.contains("loss") && !second.contains("steady"), "{second:?}");
    }

    #[test]
    fn another_size_or_a_strange_hand_on_the_screen_has_it_drawn_whole() {
        let mut painter = painter();
        paint(&mut painter, SIZE, &["loss"]);
        let resized = paint(&mut painter, (21, 5), &["loss"]);
        assert!(resized.contains("\x1b[2J") && resized.contains("loss"), "{resized:?}");
        painter.0.clear();
        let again = paint(&mut painter, (21, 5), &["loss"]);
        assert!(again.contains("\x1b[2J") && again.contains("loss"), "{again:?}");
    }

    #[test]
    fn a_wide_character_that_goes_leaves_nothing_behind() {
        let mut painter = painter();
        let mut screen = vt100::Parser::new(SIZE.1, SIZE.0, 0);
        for line in ["写真 a", "ab真 a", "写b 真", "", "a写", "e\u{301}写"] {
            screen.process(paint(&mut painter, SIZE, &[line]).as_bytes());
            assert_eq!(screen.screen().contents().trim_end(), line);
        }
    }

    #[test]
    fn a_wide_character_that_goes_takes_its_ground_with_it() {
        let (mut painter, tape) = painter();
        let mut screen = vt100::Parser::new(SIZE.1, SIZE.0, 0);
        let shaded = Style::new().bg(Color::Rgb(1, 2, 3));
        // It moves by half of itself, then something shaded takes its left half alone.
        for (x, text, style, free) in [(2, "写", shaded, 0), (1, "写", Style::new(), 3), (1, "a", shaded, 2)] {
            let render = |buffer: &mut Buffer| {
                buffer.set_string(x, 0, text, style);
                Vec::new()
            };
            painter.draw(SIZE, render).unwrap();
            screen.process(&tape.take());
            let left = screen.screen().cell(0, free).unwrap();
            assert_eq!(left.bgcolor(), vt100::Color::Default, "column {free} after {text} at {x}");
        }
    }
}
