//! Dots on cells: 2x4 to a cell, in two layers.

use std::ops::RangeInclusive;

use ratatui::{
    buffer::{Buffer, Cell},
    layout::Rect,
    style::Style,
};

/// Bits of a braille character by row and column of its dots.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BRAILLE: u32 = 0x2800;

/// Which layer. In a cell that has dots on both only those over show: a line stays readable on the noise behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Under,
    Over,
}

/// What to draw with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) layer: Layer,
    pub(super) style: Style,
}

/// One layer of one cell: dots merge, the later style counts.
#[derive(Debug, Clone, Copy, Default)]
struct Dots {
    bits: u8,
    style: Style,
}

/// A place in dots from the upper left; the middle of the first dot is (0, 0).
pub(super) type Place = (f64, f64);

/// A drawing in dots. Everything is clipped to it: lines that leave it are cut where they do, not left out.
#[derive(Debug)]
pub(super) struct Canvas {
    width: usize,
    under: Vec<Dots>,
    over: Vec<Dots>,
    /// In dots.
    wide: usize,
    high: usize,
}

impl Canvas {
    /// An empty one of so many cells.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let cells = vec![Dots::default(); width * height];
        Self { width, under: cells.clone(), over: cells, wide: width * 2, high: height * 4 }
    }

    /// Dots from left to right.
    pub(super) fn wide(&self) -> usize {
        self.wide
    }

    /// Dots from top to bottom.
    pub(super) fn high(&self) -> usize {
        self.high
    }

    fn dot(&mut self, x: usize, y: usize, pen: Pen) {
        let cell = y / 4 * self.width + x / 2;
        let layer = match pen.layer {
            Layer::Under => &mut self.under,
            Layer::Over => &mut self.over,
        };
        if let Some(dots) = layer.get_mut(cell) {
            dots.bits |= BITS[y % 4][x % 2];
            dots.style = pen.style;
        }
    }

    /// A vertical line in one column of dots.
    pub(super) fn span(&mut self, x: usize, y: (f64, f64), pen: Pen) {
        let (top, bottom) = (y.0.min(y.1).round(), y.0.max(y.1).round());
        let lowest = self.high as f64 - 1.0;
        if x >= self.wide || !(bottom >= 0.0 && top <= lowest) {
            return;
        }
        for y in top.max(0.0) as usize..=bottom.min(lowest) as usize {
            self.dot(x, y, pen);
        }
    }

    /// A straight line: one dot in each column of dots that it crosses, in each row if it is steeper than that.
    pub(super) fn line(&mut self, from: Place, to: Place, pen: Pen) {
        let Some((enter, leave)) = self.clipped(from, to) else {
            return;
        };
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        // Where the dots are depends on the whole line: where it is cut must not shift what is left of it.
        if dx.abs() >= dy.abs() {
            let slope = if dx == 0.0 { 0.0 } else { dy / dx };
            for x in crossed(enter.0, leave.0, self.wide) {
                let y = (from.1 + (x as f64 - from.0) * slope).round();
                if (0.0..self.high as f64).contains(&y) {
                    self.dot(x, y as usize, pen);
                }
            }
        } else {
            for y in crossed(enter.1, leave.1, self.high) {
                let x = (from.0 + (y as f64 - from.1) * dx / dy).round();
                if (0.0..self.wide as f64).contains(&x) {
                    self.dot(x as usize, y, pen);
                }
            }
        }
    }

    /// The part of a line that is inside (Liang and Barsky 1984), if any.
    fn clipped(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        if !(dx.is_finite() && dy.is_finite()) {
            return None;
        }
        let (right, bottom) = (self.wide as f64 - 0.5, self.high as f64 - 0.5);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for (run, room) in [(-dx, from.0 + 0.5), (dx, right - from.0), (-dy, from.1 + 0.5), (dy, bottom - from.1)] {
            if run == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if run < 0.0 {
                enter = enter.max(room / run);
            } else {
                leave = leave.min(room / run);
            }
        }
        let at = |share: f64| (from.0 + dx * share, from.1 + dy * share);
        (self.wide > 0 && self.high > 0 && enter <= leave).then(|| (at(enter), at(leave)))
    }

    /// Write the cells that have dots; says whether there was one.
    pub(super) fn draw(&self, area: Rect, ascii: bool, buffer: &mut Buffer) -> bool {
        let mut drawn = false;
        for (index, (under, over)) in self.under.iter().zip(&self.over).enumerate() {
            let (dots, plain) = if over.bits != 0 { (over, '*') } else { (under, '.') };
            if dots.bits == 0 {
                continue;
            }
            drawn = true;
            let place = (area.x + (index % self.width) as u16, area.y + (index / self.width) as u16);
            if let Some(cell) = buffer.cell_mut(place) {
                let braille = char::from_u32(BRAILLE + u32::from(dots.bits)).unwrap_or(plain);
                put(cell, if ascii { plain } else { braille }, dots.style);
            }
        }
        drawn
    }
}

/// The dots between two places along one direction, both included, of so many that there are.
fn crossed(from: f64, to: f64, count: usize) -> RangeInclusive<usize> {
    let last = count as f64 - 1.0;
    let (low, high) = (from.min(to).round(), from.max(to).round());
    low.clamp(0.0, last) as usize..=high.clamp(0.0, last) as usize
}

/// Put a character in the place of what a cell shows, on its background.
pub(super) fn put(cell: &mut Cell, glyph: char, style: Style) {
    let background = cell.bg;
    cell.reset();
    cell.bg = background;
    cell.set_char(glyph).set_style(style);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEN: Pen = Pen { layer: Layer::Over, style: Style::new() };

    fn dots(canvas: &Canvas) -> Vec<String> {
        let lit = |x: usize, y: usize| canvas.over[y / 4 * canvas.width + x / 2].bits & BITS[y % 4][x % 2] != 0;
        (0..canvas.high).map(|y| (0..canvas.wide).map(|x| if lit(x, y) { '#' } else { ' ' }).collect()).collect()
    }

    #[test]
    fn lines_that_leave_are_cut_where_they_do() {
        let mut canvas = Canvas::new(4, 1);
        canvas.line((-4.0, -4.0), (11.0, 11.0), PEN);
        assert_eq!(dots(&canvas), ["#       ", " #      ", "  #     ", "   #    "]);
        let mut canvas = Canvas::new(4, 1);
        canvas.line((2.0, 1e9), (6.0, -1e9), PEN); // as good as vertical, half-way
        assert_eq!(dots(&canvas), ["    #   "; 4]);
        let mut canvas = Canvas::new(4, 1);
        canvas.line((-1e9, 2.0), (1e9, 2.0), PEN);
        assert_eq!(dots(&canvas)[2], "########");
        for (from, to) in [((0.0, -3.0), (7.0, -1.0)), ((8.0, 0.0), (9.0, 3.0)), ((5.0, 9.0), (20.0, 3.5))] {
            let mut canvas = Canvas::new(4, 1);
            canvas.line(from, to, PEN);
            assert_eq!(dots(&canvas), ["        "; 4], "{from:?} to {to:?}");
        }
    }

    #[test]
    fn spans_are_cut_at_both_ends_and_one_beside_the_picture_is_none() {
        let mut canvas = Canvas::new(2, 1);
        canvas.span(0, (-1e9, 1e9), PEN);
        canvas.span(1, (1.0, 2.0), PEN);
        canvas.span(2, (-5.0, -1.0), PEN);
        canvas.span(3, (3.0, 3.0), PEN);
        canvas.span(9, (0.0, 3.0), PEN);
        assert_eq!(dots(&canvas), ["#   ", "##  ", "##  ", "#  #"]);
    }
}
