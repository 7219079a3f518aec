//! How many charts lie beside and below each other.

use ratatui::layout::Rect;

/// Cells that a chart needs to say anything.
const SMALLEST: (u16, u16) = (24, 6);
/// Cells that a chart looks well in.
const COMFORTABLE: (u16, u16) = (44, 10);
/// Charts beside or below each other at most.
pub const MOST: usize = 4;

/// Charts in rows and columns, and the cells of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grid {
    /// Beside each other.
    pub columns: usize,
    /// Below each other.
    pub rows: usize,
    /// Cells of one chart, across and down.
    pub cell: (u16, u16),
}

impl Grid {
    /// The grid for `area`: so many columns and rows as were asked for (0: what looks well), as far as they fit.
    pub fn of(area: Rect, columns: usize, rows: usize) -> Self {
        let fit = |room: u16, asked: usize, smallest: u16, comfortable: u16| {
            let most = usize::from(room / smallest).clamp(1, MOST);
            let well = usize::from(room / comfortable).clamp(1, MOST);
            if asked == 0 { well.min(most) } else { asked.min(most) }
        };
        let columns = fit(area.width, columns, SMALLEST.0, COMFORTABLE.0);
        let rows = fit(area.height, rows, SMALLEST.1, COMFORTABLE.1);
        Self { columns, rows, cell: (area.width / columns as u16, area.height / rows as u16) }
    }

    /// Charts in view.
    pub fn page(self) -> usize {
        self.columns * self.rows
    }

    /// Where chart `index` of those in view lies.
    pub fn place(self, area: Rect, index: usize) -> Rect {
        let (column, row) = (index % self.columns.max(1), index / self.columns.max(1));
        let x = area.x + self.cell.0 * column as u16;
        let y = area.y + self.cell.1 * row as u16;
        // The last ones take what the division leaves.
        let right = if column + 1 == self.columns { area.right() } else { x + self.cell.0 };
        let bottom = if row + 1 == self.rows { area.bottom() } else { y + self.cell.1 };
        Rect { x, y, width: right.saturating_sub(x), height: bottom.saturating_sub(y) }.intersection(area)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_fill_the_area_without_overlap() {
        for (width, height) in [(40, 8), (80, 16), (140, 30), (220, 50), (300, 95)] {
            let area = Rect::new(0, 1, width, height);
            for (columns, rows) in [(0, 0), (1, 1), (4, 4), (3, 2)] {
                let grid = Grid::of(area, columns, rows);
                let covered: u32 = (0..grid.page()).map(|index| grid.place(area, index).area()).sum();
                assert_eq!(covered, area.area(), "{area:?} {grid:?}");
                assert!(grid.columns <= MOST && grid.rows <= MOST);
            }
        }
        assert_eq!(Grid::of(Rect::new(0, 0, 140, 30), 0, 0).columns, 3);
        assert_eq!(Grid::of(Rect::new(0, 0, 40, 8), 4, 4).page(), 1);
    }
}
