//! What is drawn in whole cells: holes in the data, events, the crosshair.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use unicode_width::UnicodeWidthStr as _;

use super::{Palette, canvas::put};
use crate::{
    record::Column,
    report::{Chart, Line, MarkKind},
};

/// Characters of one kind of terminal.
struct Glyphs {
    nan: char,
    up: char,
    down: char,
    alert: char,
    info: char,
    restart: char,
    crosshair: char,
}

const UNICODE: Glyphs =
    Glyphs { nan: '×', up: '▲', down: '▼', alert: '▲', info: '◆', restart: '┆', crosshair: '┊' };
const ASCII: Glyphs = Glyphs { nan: 'x', up: '^', down: 'v', alert: '!', info: '+', restart: ':', crosshair: '|' };

/// Whether a column holds such values.
type Hole = fn(&Column) -> bool;

/// The plot as cells.
pub(super) struct Grid<'a> {
    chart: &'a Chart,
    palette: &'a Palette,
    glyphs: &'static Glyphs,
    plot: Rect,
    buffer: &'a mut Buffer,
}

impl<'a> Grid<'a> {
    /// `plot` is not empty and lies inside of the buffer.
    pub(super) fn new(chart: &'a Chart, palette: &'a Palette, plot: Rect, buffer: &'a mut Buffer) -> Self {
        let glyphs = if palette.ascii { &ASCII } else { &UNICODE };
        Self { chart, palette, glyphs, plot, buffer }
    }

    pub(super) fn buffer(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Where generations begin: full height, behind everything.
    pub(super) fn restarts(&mut self) {
        let chart = self.chart;
        for mark in chart.marks.iter().filter(|mark| mark.kind == MarkKind::Restart) {
            if let Some(column) = self.column(mark.x) {
                self.vertical(column, self.glyphs.restart, self.palette.restart);
            }
        }
    }

    /// NaN and infinities of the lines, at the edges; says whether there was one.
    pub(super) fn holes(&mut self) -> bool {
        let chart = self.chart;
        let (top, bottom, style) = (0, self.plot.height - 1, self.palette.mark_alert);
        let mut any = false;
        // Rarest last, so that it shows where two meet.
        let kinds: [(Hole, u16, char); 3] = [
            (|column| column.infinite.1 > 0, bottom, self.glyphs.down),
            (|column| column.infinite.0 > 0, top, self.glyphs.up),
            (|column| column.nan > 0, bottom, self.glyphs.nan),
        ];
        for (is_hole, row, glyph) in kinds {
            for columns in chart.lines.iter().map(values) {
                for (index, _) in columns.iter().enumerate().filter(|(_, column)| is_hole(column)) {
                    let column = index * usize::from(self.plot.width) / columns.len();
                    self.put(column as u16, row, glyph, style);
                    any = true;
                }
            }
        }
        any
    }

    /// Alerts, checkpoints and NaN that are told as marks: at their value, else at the bottom.
    pub(super) fn events(&mut self) {
        let chart = self.chart;
        for mark in &chart.marks {
            let (glyph, style) = match mark.kind {
                MarkKind::Restart => continue,
                MarkKind::Alert => (self.glyphs.alert, self.palette.mark_alert),
                MarkKind::Info => (self.glyphs.info, self.palette.mark_info),
                MarkKind::Nan => (self.glyphs.nan, self.palette.mark_alert),
            };
            let height = f64::from(self.plot.height);
            let row = mark.y.filter(|y| !y.is_nan()).map_or(height, |y| (1.0 - chart.y.position(y)) * height);
            if let Some(column) = self.column(mark.x) {
                self.put(column, row.clamp(0.0, height - 1.0) as u16, glyph, style);
            }
        }
    }

    /// The place looked at: full height. What a line draws there stays, in the crosshair's colour: it is what one looks
    /// at.
    pub(super) fn crosshair(&mut self) {
        let place = self.chart.crosshair.as_ref().and_then(|crosshair| self.column(crosshair.x));
        let Some(column) = place else { return };
        let style = self.palette.crosshair;
        for row in 0..self.plot.height {
            let Some(cell) = self.buffer.cell_mut((self.plot.x + column, self.plot.y + row)) else { continue };
            if cell.symbol() == " " || cell.symbol() == self.glyphs.restart.encode_utf8(&mut [0; 4]) {
                put(cell, self.glyphs.crosshair, style);
            } else {
                cell.set_style(style);
            }
        }
    }

    /// A few words in the middle, if they fit.
    pub(super) fn centred(&mut self, text: &str) {
        let Some(free) = self.plot.width.checked_sub(text.width() as u16) else { return };
        let (x, y) = (self.plot.x + free / 2, self.plot.y + (self.plot.height - 1) / 2);
        self.buffer.set_stringn(x, y, text, text.width(), self.palette.axis);
    }

    /// The column of cells of an x on the axis.
    fn column(&self, x: f64) -> Option<u16> {
        let position = self.chart.x.position(x);
        let width = f64::from(self.plot.width);
        (0.0..=1.0).contains(&position).then(|| (position * width).min(width - 1.0) as u16)
    }

    fn vertical(&mut self, column: u16, glyph: char, style: Style) {
        for row in 0..self.plot.height {
            self.put(column, row, glyph, style);
        }
    }

    fn put(&mut self, column: u16, row: u16, glyph: char, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((self.plot.x + column, self.plot.y + row)) {
            put(cell, glyph, style);
        }
    }
}

/// The recorded values of a line if it has them.
fn values(line: &Line) -> &[Column] {
    if line.raw.is_empty() { line.smooth.as_deref().unwrap_or_default() } else { &line.raw }
}
