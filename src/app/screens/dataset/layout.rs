//! Where the list of pairs and the two pictures lie.

use ratatui::layout::{Rect, Size};

use crate::app::widgets::picture::fit;

/// Columns that the list needs beside pictures.
const LIST: u16 = 38;
/// The least columns and rows that a picture is worth.
const LEAST: Size = Size::new(12, 6);

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What the dataset holds, in one row.
    pub summary: Rect,
    /// The titles of the columns.
    pub columns: Rect,
    /// The list.
    pub rows: Rect,
    /// The titles of photo and illustration.
    pub titles: [Rect; 2],
    /// The room of photo and illustration; nothing where it is too small.
    pub pictures: [Rect; 2],
    /// What is wrong with the selected pair.
    pub detail: Rect,
    /// What the checks found.
    pub foot: Rect,
}

impl Layout {
    /// Lay out with pictures of the shape `source`, where a character is `ratio` times as high as wide: at the right
    /// of the list, one above the other or beside each other, or beneath it.
    pub fn of(area: Rect, source: (u32, u32), ratio: f64) -> Self {
        let row = |y: u16| Rect { y, height: u16::from(y < area.bottom()), ..area };
        let (summary, columns) = (row(area.y), row(area.y.saturating_add(1)));
        let foot = Rect { y: area.bottom().saturating_sub(1), height: u16::from(area.height >= 4), ..area };
        let middle = Rect { y: columns.bottom(), height: area.height.saturating_sub(2 + foot.height), ..area };
        let nothing = Rect { width: 0, height: 0, ..middle };
        let beside = area.width.saturating_sub(LIST);
        let (list, side) = if beside >= 2 * LEAST.width {
            let width = beside.min(area.width * 29 / 50);
            let list = Rect { width: area.width - width, ..middle };
            (list, Rect { x: list.right() + 1, width: width.saturating_sub(2), ..middle })
        } else if middle.height >= 2 * LEAST.height + 2 {
            let list = Rect { height: middle.height / 2 - 1, ..middle };
            let side = Rect { y: list.bottom() + 1, height: middle.height - list.height - 1, ..middle };
            (list, Rect { x: side.x + 1, width: side.width.saturating_sub(2), ..side })
        } else {
            (middle, nothing)
        };
        let (titles, pictures, detail) = pair(side, source, ratio);
        let columns = Rect { width: list.width, ..columns };
        Self { summary, columns, rows: list, titles, pictures, detail, foot }
    }
}

/// Two pictures in an area, each beneath its title, and what is left beneath both.
fn pair(area: Rect, source: (u32, u32), ratio: f64) -> ([Rect; 2], [Rect; 2], Rect) {
    // Room for words beneath the pictures.
    let words = if area.height >= 16 { 3 } else { 1 }.min(area.height);
    let room = Rect { height: area.height - words, ..area };
    let half = Size::new(room.width.saturating_sub(2) / 2, room.height.saturating_sub(1));
    let above = Size::new(room.width, (room.height / 2).saturating_sub(1));
    let cells = |room: Size| {
        let size = fit(source, room, ratio);
        u32::from(size.width.min(room.width)) * u32::from(size.height.min(room.height))
    };
    let stacked = cells(above) > cells(half);
    let room_of_one = if stacked { above } else { half };
    let size = fit(source, room_of_one, ratio);
    let size = Size::new(size.width.min(room_of_one.width), size.height.min(room_of_one.height));
    if size.width == 0 || size.height == 0 {
        let nothing = Rect { width: 0, height: 0, ..area };
        return ([nothing; 2], [nothing; 2], area);
    }
    let column = size.width.max(14.min(room_of_one.width));
    let place = |index: u16| {
        let (x, y) = if stacked { (0, index * (size.height + 1)) } else { (index * (column + 2), 0) };
        Rect::new(area.x + x, area.y + y, column, size.height + 1).intersection(area)
    };
    let places = [place(0), place(1)];
    let titles = places.map(|place| Rect { height: place.height.min(1), ..place });
    let pictures = places.map(|place| Rect {
        y: place.y + place.height.min(1),
        height: place.height.saturating_sub(1),
        width: size.width.min(place.width),
        ..place
    });
    let bottom = places[1].bottom();
    (titles, pictures, Rect { y: bottom, height: area.bottom().saturating_sub(bottom), ..area })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_outside_or_on_something_else_at_any_size() {
        for (width, height) in [(0, 0), (1, 1), (20, 3), (40, 10), (80, 22), (140, 38), (300, 98), (30, 98), (300, 5)] {
            for source in [(1, 1), (2, 1), (1, 3), (0, 0)] {
                let area = Rect::new(0, 1, width, height);
                let it = Layout::of(area, source, 2.0);
                let places = [
                    it.summary,
                    it.columns,
                    it.rows,
                    it.titles[0],
                    it.titles[1],
                    it.pictures[0],
                    it.pictures[1],
                    it.detail,
                    it.foot,
                ];
                for (index, place) in places.iter().enumerate() {
                    assert_eq!(place.intersection(area).area(), place.area(), "{area:?} {source:?} {index} {it:?}");
                    for other in &places[index + 1..] {
                        assert!(place.is_empty() || other.is_empty() || !place.intersects(*other), "{area:?} {it:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn pictures_are_beside_the_list_where_there_is_room_and_beneath_it_else() {
        let wide = Layout::of(Rect::new(0, 1, 140, 38), (1, 1), 2.0);
        assert!(wide.pictures[0].x > wide.rows.right() && wide.pictures[0].width >= 30, "{wide:?}");
        let usual = Layout::of(Rect::new(0, 1, 80, 22), (1, 1), 2.0);
        assert!(usual.pictures[0].x > usual.rows.right() && usual.pictures[0].width >= 14, "{usual:?}");
        let narrow = Layout::of(Rect::new(0, 1, 50, 38), (1, 1), 2.0);
        assert!(narrow.pictures[0].y > narrow.rows.bottom() && narrow.pictures[0].width >= 20, "{narrow:?}");
        let tiny = Layout::of(Rect::new(0, 1, 40, 10), (1, 1), 2.0);
        assert!(tiny.pictures[0].is_empty() && tiny.rows.height == 7);
    }
}
