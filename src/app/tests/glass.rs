//! The dashboard seen through a terminal: what the bytes that are written come to on a screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};

use super::{Driver, text_of};
use crate::app::terminal::{Painter, Tape};

/// A terminal that shows the pictures of a driver.
pub struct Glass {
    painter: Painter<Tape>,
    tape: Tape,
    screen: vt100::Parser,
}

impl Glass {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        let tape = Tape::default();
        Self { painter: Painter::new(tape.clone()), tape, screen: vt100::Parser::new(24, 80, 0) }
    }

    /// Show the next picture, see that every cell of it is on the screen, and give what was written.
    pub fn show(&mut self, driver: &mut Driver) -> Vec<u8> {
        let (width, height) = driver.size;
        if width == 0 || height == 0 {
            return Vec::new();
        }
        self.screen.screen_mut().set_size(height, width);
        let mut drawn = Buffer::default();
        let render = |buffer: &mut Buffer| {
            driver.app.draw(buffer);
            drawn.clone_from(buffer);
            Vec::new()
        };
        self.painter.draw(driver.size, render).unwrap();
        let bytes = self.tape.take();
        self.screen.process(&bytes);
        let wanted = text_of(&drawn);
        let seen = self.screen.screen().rows(0, width);
        for (row, (seen, wanted)) in seen.zip(wanted.lines()).enumerate() {
            assert_eq!(seen.trim_end(), wanted, "row {row} of {width}x{height} is broken");
        }
        for Position { x: column, y: row } in drawn.area.positions() {
            let wanted = &drawn[(column, row)];
            let Some(seen) = self.screen.screen().cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
                continue;
            };
            assert_eq!(seen.bgcolor(), colour(wanted.bg), "the ground of {column},{row} at {width}x{height}");
            let inverse = wanted.modifier.contains(Modifier::REVERSED);
            assert_eq!(seen.inverse(), inverse, "{column},{row} at {width}x{height}");
            if wanted.symbol() != " " {
                assert_eq!(seen.fgcolor(), colour(wanted.fg), "{column},{row} at {width}x{height}");
                let has = |it| wanted.modifier.contains(it);
                let (bold, dim) = (has(Modifier::BOLD), has(Modifier::DIM));
                // This terminal takes them for degrees of one thing.
                if !(bold && dim) {
                    assert_eq!((seen.bold(), seen.dim()), (bold, dim), "{column},{row} at {width}x{height}");
                }
                assert_eq!(seen.underline(), has(Modifier::UNDERLINED), "{column},{row} at {width}x{height}");
            }
        }
        bytes
    }
}

fn colour(colour: Color) -> vt100::Color {
    match colour {
        Color::Reset => vt100::Color::Default,
        Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
        Color::Indexed(index) => vt100::Color::Idx(index),
        other => panic!("no theme has {other}"),
    }
}
