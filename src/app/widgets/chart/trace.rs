//! Lines and bands onto the canvas.

use ratatui::style::Style;

use super::{
    Palette,
    canvas::{Canvas, Layer, Pen, Place},
};
use crate::{
    record::{Column, Mark},
    report::{Axis, Chart, Line},
};

/// Beyond this many dots a line's slope can no longer be told from vertical.
const FAR: f64 = 1e9;

/// All lines of a chart, later ones on top.
pub(super) fn all(chart: &Chart, palette: &Palette, canvas: &mut Canvas) {
    for line in &chart.lines {
        let colour = line.colour % palette.series.len();
        let (mut front, mut back) = (palette.series[colour], palette.bands[colour]);
        if line.dim {
            (front, back) = (front.patch(palette.dim), back.patch(palette.dim));
        }
        Tracer { x: chart.x, y: chart.y, canvas: &mut *canvas }.line(line, front, back);
    }
}

struct Tracer<'a> {
    x: Axis,
    y: Axis,
    canvas: &'a mut Canvas,
}

impl Tracer<'_> {
    fn line(&mut self, line: &Line, front: Style, back: Style) {
        let (under, over) = (Pen { layer: Layer::Under, style: back }, Pen { layer: Layer::Over, style: front });
        if let Some(band) = &line.band {
            self.band(band, under);
        }
        match &line.smooth {
            None => self.columns(&line.raw, line.beyond, over),
            Some(smooth) => {
                self.columns(&line.raw, (None, None), under);
                self.columns(smooth, line.beyond, over);
            }
        }
    }

    /// Each column is a vertical from its lowest to its highest value, joined from its last to the next one's first.
    fn columns(&mut self, columns: &[Column], beyond: (Option<Mark>, Option<Mark>), pen: Pen) {
        let place = |tracer: &Self, mark: Mark| (tracer.far_column(mark.x), tracer.row(mark.y));
        let mut last: Option<Place> = beyond.0.map(|mark| place(self, mark));
        for (index, column) in columns.iter().enumerate() {
            let Some([first, low, high, end]) = column.marks else {
                last = last.filter(|_| column.count == 0); // only what is no number: no line across
                continue;
            };
            // The middle of the column; with a column a dot that dot.
            let x = (index * 2 + 1) * self.canvas.wide() / (columns.len() * 2);
            if let Some(from) = last.filter(|_| column.joined) {
                self.canvas.line(from, (x as f64, self.row(first.y)), pen);
            }
            self.canvas.span(x, (self.row(low.y), self.row(high.y)), pen);
            last = Some((x as f64, self.row(end.y)));
        }
        if let (Some(from), Some(to)) = (last, beyond.1.map(|mark| place(self, mark))) {
            self.canvas.line(from, to, pen);
        }
    }

    /// The stretch between lowest and highest, filled.
    fn band(&mut self, band: &[(f64, f64)], pen: Pen) {
        let wide = self.canvas.wide();
        for x in 0..wide {
            let Some(&(low, high)) = band.get(x * band.len() / wide) else { continue };
            if low.is_finite() && high.is_finite() {
                self.canvas.span(x, (self.row(low), self.row(high)), pen);
            }
        }
    }

    /// The row of dots of a value, 0 at the top; far outside for what is far outside, or not above zero on a
    /// logarithmic axis.
    fn row(&self, value: f64) -> f64 {
        ((1.0 - self.y.position(value)) * (self.canvas.high() as f64 - 1.0)).clamp(-FAR, FAR)
    }

    /// The column of dots of an x that may lie outside.
    fn far_column(&self, x: f64) -> f64 {
        (self.x.position(x) * self.canvas.wide() as f64 - 0.5).clamp(-FAR, FAR)
    }
}
