//! Where in an area the parts of a chart go.

use ratatui::layout::Rect;

use crate::report::Axis;

/// The parts of a chart. They depend on the area alone, not on the data: charts of one grid line up, nothing jumps
/// while values change, and the columns can be asked for before the range of y is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regions {
    /// The rule with the title: from two rows on.
    pub title: Option<Rect>,
    /// Labels of the y axis, with a free cell at the right end: from twelve columns on.
    pub y_labels: Option<Rect>,
    /// Where the lines go.
    pub plot: Rect,
    /// Labels of the x axis: if asked for, from four rows and twelve columns on.
    pub x_labels: Option<Rect>,
}

impl Regions {
    /// The parts in `area`, with labels on the x axis or without.
    pub fn of(area: Rect, x_labels: bool) -> Self {
        let title = area.height >= 2;
        let below = x_labels && area.height >= 4 && area.width >= 12;
        let gutter = match area.width {
            32.. => 7,
            20.. => 6,
            12.. => 5,
            _ => 0,
        };
        let plot = Rect {
            x: area.x + gutter,
            y: area.y + u16::from(title),
            width: area.width - gutter,
            height: area.height - u16::from(title) - u16::from(below),
        };
        Self {
            title: title.then_some(Rect { height: 1, ..area }),
            y_labels: (gutter > 0).then_some(Rect { x: area.x, width: gutter, ..plot }),
            plot,
            x_labels: below.then_some(Rect { y: plot.bottom(), height: 1, ..plot }),
        }
    }

    /// How many columns a curve should be asked for: two a cell.
    pub fn columns(&self) -> usize {
        usize::from(self.plot.width) * 2
    }

    /// What stands at the middle of a column of the terminal, for a mouse; none outside of the plot.
    pub fn x_at(&self, axis: &Axis, column: u16) -> Option<f64> {
        let inside = (self.plot.left()..self.plot.right()).contains(&column);
        inside.then(|| axis.at((f64::from(column - self.plot.x) + 0.5) / f64::from(self.plot.width)))
    }
}
