//! A chart in terminal cells: the back end of [`report::Chart`](crate::report::Chart) for the dashboard.
//!
//! ```text
//! ── G loss  2.013  ema .98 ───────────────── 54 400 pts ──
//!   4 ⡇                      ┊
//!     ⢇⢄                     ┊
//!     ⠈⠢⢄⡀          ▲        ┊
//!   2     ⠈⠉⠒⠒⠤⠤⢄⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀┊⣀⣀⣀
//!     0        4k        8k      12k
//! ```
//!
//! A cell has 2x4 dots, so ask a curve for two columns a cell: [`Regions::columns`] says how many. Where things go
//! depends on the area alone ([`Regions::of`]), so the same call answers mouse clicks ([`Regions::x_at`]) and lines the
//! charts of a grid up, whatever their values are.

use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget};

use crate::report::Chart;

mod canvas;
mod marks;
mod palette;
mod regions;
mod title;
mod trace;

#[cfg(test)]
mod tests;

pub use palette::Palette;
pub use regions::Regions;

use canvas::Canvas;
use marks::Grid;

/// Said where there is nothing to draw.
const EMPTY: &str = "no points here";

/// A chart about to be drawn.
#[derive(Debug, Clone, Copy)]
pub struct ChartView<'a> {
    chart: &'a Chart,
    palette: &'a Palette,
    x_labels: bool,
}

impl<'a> ChartView<'a> {
    /// The chart in these colours, with labels below it where there is room.
    pub fn new(chart: &'a Chart, palette: &'a Palette) -> Self {
        Self { chart, palette, x_labels: true }
    }

    /// Whether the x axis is labelled: not so for a chart that shares the axis of the one below.
    #[must_use]
    pub fn x_labels(self, shown: bool) -> Self {
        Self { x_labels: shown, ..self }
    }

    fn axes(&self, regions: &Regions, buffer: &mut Buffer) {
        let (plot, style) = (regions.plot, self.palette.axis);
        if let Some(gutter) = regions.y_labels {
            // One cell stays free between label and plot.
            let width = usize::from(gutter.width.saturating_sub(1));
            for label in self.chart.y.rows(usize::from(plot.height), width) {
                let text = format!("{:>width$}", label.text);
                buffer.set_stringn(gutter.x, plot.y + label.place as u16, text, width, style);
            }
        }
        if let Some(below) = regions.x_labels {
            let width = usize::from(below.width);
            for label in self.chart.x.labels(width) {
                let room = width.saturating_sub(label.place);
                buffer.set_stringn(below.x + label.place as u16, below.y, label.text, room, style);
            }
        }
    }
}

impl Widget for &ChartView<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        let regions = Regions::of(area.intersection(buffer.area), self.x_labels);
        if let Some(line) = regions.title {
            title::draw(self.chart, self.palette, line, buffer);
        }
        self.axes(&regions, buffer);
        let plot = regions.plot;
        if plot.is_empty() {
            return;
        }
        let mut grid = Grid::new(self.chart, self.palette, plot, buffer);
        grid.restarts();
        let mut canvas = Canvas::new(usize::from(plot.width), usize::from(plot.height));
        trace::all(self.chart, self.palette, &mut canvas);
        let drawn = canvas.draw(plot, self.palette.ascii, grid.buffer());
        let marked = grid.holes();
        if !drawn && !marked {
            grid.centred(EMPTY);
        }
        grid.events();
        grid.crosshair();
    }
}

impl Widget for ChartView<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        (&self).render(area, buffer);
    }
}
