//! What of a notebook is on the screen. Only cells on it are laid out, and those between it and where it goes.

use std::cell::Cell;

use crate::app::screens::notebook::layout::{self, Room, Row};
use crate::notebook::document::{CellId, Document};

/// Where one is in a notebook.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The selected cell, by its place.
    pub at: usize,
    /// The first cell on the screen, and its first row there.
    pub top: (usize, usize),
    /// What is typed is of this cell.
    pub draft: Option<(CellId, String)>,
    /// Cells laid out so far, for the test that they are few.
    pub laid: Cell<usize>,
}

impl View {
    /// The rows of a cell.
    pub fn rows(&self, document: &Document, at: usize, room: Room) -> Vec<Row> {
        self.laid.set(self.laid.get() + 1);
        let Some(entry) = document.entries().get(at) else { return Vec::new() };
        let draft = self.draft.as_ref().filter(|(id, _)| *id == entry.id).map(|(_, text)| text.as_str());
        layout::rows(entry, draft, room)
    }

    fn height(&self, document: &Document, at: usize, room: Room) -> usize {
        self.rows(document, at, room).len()
    }

    /// The selection and the scroll where there is something.
    pub fn settle(&mut self, document: &Document, room: Room) {
        let last = document.len().saturating_sub(1);
        self.at = self.at.min(last);
        if self.top.0 > last {
            self.top = (last, 0);
        }
        let height = self.height(document, self.top.0, room);
        self.top.1 = self.top.1.min(height.saturating_sub(1));
        let lowest = self.lowest(document, room);
        self.top = self.top.min(lowest);
    }

    /// The place from which on the rest fills the screen.
    fn lowest(&self, document: &Document, room: Room) -> (usize, usize) {
        self.up_from((document.len(), 0), usize::from(room.height), document, room)
    }

    /// So many rows up from a place.
    fn up_from(&self, from: (usize, usize), rows: usize, document: &Document, room: Room) -> (usize, usize) {
        let (mut cell, mut row) = from;
        let mut left = rows;
        loop {
            if row >= left {
                return (cell, row - left);
            }
            left -= row;
            if cell == 0 {
                return (0, 0);
            }
            cell -= 1;
            row = self.height(document, cell, room);
        }
    }

    /// Scroll by rows, without moving the selection.
    pub fn scroll(&mut self, by: isize, document: &Document, room: Room) {
        if by < 0 {
            self.top = self.up_from(self.top, by.unsigned_abs(), document, room);
        } else {
            let (mut cell, mut row) = self.top;
            row += by.unsigned_abs();
            loop {
                let height = self.height(document, cell, room);
                if row < height || cell + 1 >= document.len() {
                    break;
                }
                row -= height;
                cell += 1;
            }
            self.top = (cell, row);
        }
        self.settle(document, room);
    }

    /// Rows from the top of the screen to a row of the selected cell; none if it is above it, or far below.
    fn distance(&self, row: usize, document: &Document, room: Room) -> Option<usize> {
        if self.at < self.top.0 || self.at == self.top.0 && row < self.top.1 {
            return None;
        }
        let mut rows = 0;
        for cell in self.top.0..self.at {
            rows += self.height(document, cell, room);
            if rows > self.top.1 + 2 * usize::from(room.height) {
                return Some(usize::MAX);
            }
        }
        Some(rows + row - self.top.1)
    }

    /// Bring rows of the selected cell into sight, the first of them above all.
    pub fn reveal(&mut self, rows: std::ops::Range<usize>, document: &Document, room: Room) {
        self.settle(document, room);
        let page = usize::from(room.height).max(1);
        let end = rows.end.min(rows.start + page);
        match self.distance(rows.start, document, room) {
            None => self.top = (self.at, rows.start),
            Some(first) => {
                let last = first.saturating_add(end - rows.start);
                if last > page {
                    self.top = self.up_from((self.at, end), page, document, room);
                }
            }
        }
    }

    /// Rows of the selected cell that lie below the screen, and above it.
    pub fn beyond(&self, document: &Document, room: Room) -> (usize, usize) {
        let height = self.height(document, self.at, room).saturating_sub(1);
        let above = if self.at == self.top.0 { self.top.1 } else { 0 };
        let end = self.distance(height.max(above), document, room).unwrap_or(0);
        (end.saturating_sub(usize::from(room.height)), above)
    }

    /// The cells on the screen: which, its first row there, how far down the screen it begins, and its rows.
    pub fn visible(&self, document: &Document, room: Room) -> Vec<(usize, usize, usize, Vec<Row>)> {
        let mut visible = Vec::new();
        let mut y = 0;
        let (mut cell, mut first) = self.top;
        while y < usize::from(room.height) && cell < document.len() {
            let rows = self.rows(document, cell, room);
            let count = rows.len().saturating_sub(first);
            visible.push((cell, first, y, rows));
            y += count;
            first = 0;
            cell += 1;
        }
        visible
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::session::notebook::{Captured, Kept, Notebook, Output, Stream};

    const ROOM: Room = Room { width: 60, height: 20, ratio: 2.0 };

    /// Cells of 1 to 4 lines, and outputs of up to 300.
    fn document(cells: usize) -> Document {
        let text = (0..cells).map(|n| format!("// %%\n{}", "x\n".repeat(1 + n % 4))).collect::<Vec<_>>().concat();
        let mut document = Document::new(Path::new("a"), Path::new("b"), Notebook::parse(&text), Kept::default(), 0);
        let ids: Vec<CellId> = document.entries().iter().map(|entry| entry.id).collect();
        for (n, id) in ids.into_iter().enumerate() {
            let text = Captured::new(&"line\n".repeat(n % 7 * 50));
            document.get_mut(id).unwrap().outputs = vec![Output::Text { stream: Stream::Stdout, text }];
        }
        document
    }

    #[test]
    fn five_hundred_cells_with_outputs_lay_out_only_what_is_seen() {
        let document = document(500);
        let mut view = View::default();
        let laid = |view: &View| view.laid.replace(0);
        view.visible(&document, ROOM);
        assert!(laid(&view) <= 20);
        for _ in 0..2000 {
            view.scroll(3, &document, ROOM);
            view.visible(&document, ROOM);
            let count = laid(&view);
            assert!(count <= 60, "{count} cells for one picture");
        }
        assert!(view.top.0 > 30);
        view.at = 499;
        view.reveal(0..2, &document, ROOM);
        view.visible(&document, ROOM);
        assert!(laid(&view) <= 500, "one way through all of them at most");
        assert_eq!(view.visible(&document, ROOM).last().unwrap().0, 499);
        view.at = 0;
        view.reveal(0..2, &document, ROOM);
        assert_eq!(view.top, (0, 0));
    }

    #[test]
    fn scrolling_down_and_up_again_ends_where_it_began() {
        let document = document(60);
        let mut view = View::default();
        for step in [1, 7, 19, 200, 3] {
            view.scroll(40, &document, ROOM);
            let before = view.top;
            view.scroll(step, &document, ROOM);
            view.scroll(-step, &document, ROOM);
            assert_eq!(view.top, before);
        }
        view.scroll(isize::from(i16::MAX), &document, ROOM);
        let seen = view.visible(&document, ROOM);
        let (_, first, y, rows) = seen.last().unwrap();
        assert_eq!(y + rows.len() - first, 20, "the end stands at the bottom");
    }
}
