//! Where pictures and the line of steps lie.

use ratatui::layout::{Rect, Size};

use crate::app::widgets::picture::fit;

/// The pane that is the line of steps, for the mouse; pictures are 0, 1 and 2.
pub const TICKS: usize = 9;
/// The first pane of the strip along the training.
pub const FILM: usize = 100;
/// Columns between two pictures.
const GAP: u16 = 2;
/// Rows of the pictures of the strip, at the least and at the most.
const LEAST_FILM_ROWS: u16 = 4;
const FILM_ROWS: u16 = 10;
/// Columns that a step needs to be read.
const LABEL: u16 = 7;

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The title of each picture.
    pub titles: Vec<Rect>,
    /// The room of each picture, beneath its title.
    pub pictures: Vec<Rect>,
    /// A rule, the line of steps, and what was measured.
    pub foot: Rect,
}

impl Layout {
    /// Lay out `count` pictures of the shape `source`, where a character is `ratio` times as high as wide: beside each
    /// other or one above the other, whichever makes them larger.
    pub fn of(area: Rect, count: usize, source: (u32, u32), ratio: f64) -> Self {
        let foot = area.height.min(3);
        let room = Rect { height: area.height - foot, ..area };
        let foot = Rect { y: room.bottom(), height: foot, ..area };
        let inside = Rect { x: area.x + area.width.min(1), width: area.width.saturating_sub(2), ..room };
        let count = count.clamp(1, 3) as u16;
        let beside =
            Size::new((inside.width.saturating_sub(GAP * (count - 1))) / count, inside.height.saturating_sub(1));
        let above = Size::new(inside.width, (inside.height / count).saturating_sub(1));
        let cells = |room: Size| {
            let size = fit(source, room, ratio);
            u32::from(size.width) * u32::from(size.height)
        };
        let (room, stacked) = if cells(above) > cells(beside) { (above, true) } else { (beside, false) };
        let size = fit(source, room, ratio);
        let size = Size::new(size.width.min(room.width), size.height.min(room.height));
        // Titles need room to be read, whatever the shape of the picture.
        let column = size.width.max(16.min(room.width));
        let whole = if stacked { column } else { column * count + GAP * (count - 1) };
        let left = inside.x + inside.width.saturating_sub(whole) / 2;
        // A free row above them where they leave one.
        let taken = if stacked { (size.height + 1) * count } else { size.height + 1 };
        let inside = if taken + 1 < inside.height {
            Rect { y: inside.y + 1, height: inside.height - 1, ..inside }
        } else {
            inside
        };
        let place = |index: u16| {
            if stacked {
                Rect::new(left, inside.y + index * (size.height + 1), column, size.height + 1)
            } else {
                Rect::new(left + index * (column + GAP), inside.y, column, size.height + 1)
            }
            .intersection(inside)
        };
        let places: Vec<Rect> = (0..count).map(place).collect();
        let titles = places.iter().map(|place| Rect { height: place.height.min(1), ..*place }).collect();
        let picture = |place: &Rect| Rect {
            y: place.y + place.height.min(1),
            height: place.height.saturating_sub(1),
            width: size.width.min(place.width),
            ..*place
        };
        Self { titles, pictures: places.iter().map(picture).collect(), foot }
    }
}

impl Layout {
    /// Where a strip of pictures along the training lies, if the others leave room for it: the places of the steps, of
    /// `steps` that there are, evenly spread and with the one that is shown (`at`) among them.
    pub fn film(&self, steps: usize, at: usize, source: (u32, u32), ratio: f64) -> Vec<(usize, Rect)> {
        let Some(first) = self.pictures.first() else { return Vec::new() };
        let bottom = self.pictures.iter().map(|place| place.bottom()).max().unwrap_or(self.foot.y);
        // A free row above, one for the steps.
        let height = self.foot.y.saturating_sub(bottom + 3).min(FILM_ROWS);
        if height < LEAST_FILM_ROWS {
            return Vec::new();
        }
        let width = self.foot.right().saturating_sub(first.x + 1);
        let size = fit(source, Size::new(width, height), ratio);
        let column = size.width.max(LABEL);
        let count = usize::from((width + 1) / (column + 1)).min(steps);
        if count < 2 {
            return Vec::new();
        }
        let mut places: Vec<usize> = (0..count).map(|index| index * (steps - 1) / (count - 1)).collect();
        if let Some(nearest) = places.iter_mut().min_by_key(|place| place.abs_diff(at)) {
            *nearest = at;
        }
        (0..)
            .zip(places)
            .map(|(index, step): (u16, usize)| {
                (
                    step,
                    Rect { x: first.x + index * (column + 1), y: bottom + 2, width: size.width, height: size.height },
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(layout: &Layout) -> Vec<(u16, u16)> {
        layout.pictures.iter().map(|it| (it.width, it.height)).collect()
    }

    #[test]
    fn three_squares_lie_beside_each_other_on_a_wide_screen_and_above_on_a_tall_one() {
        let wide = Layout::of(Rect::new(0, 1, 140, 38), 3, (1, 1), 2.0);
        assert_eq!(sizes(&wide), [(44, 22); 3]);
        assert!(wide.pictures.windows(2).all(|pair| pair[0].right() < pair[1].x && pair[0].y == pair[1].y));
        let tall = Layout::of(Rect::new(0, 1, 40, 98), 3, (1, 1), 2.0);
        assert_eq!(sizes(&tall), [(38, 19); 3]);
        assert!(tall.pictures.windows(2).all(|pair| pair[0].bottom() < pair[1].y));
    }

    #[test]
    fn the_strip_holds_the_first_the_last_and_the_shown_step_beneath_the_pictures() {
        let layout = Layout::of(Rect::new(0, 1, 140, 38), 3, (1, 1), 2.0);
        let film = layout.film(40, 7, (1, 1), 2.0);
        let steps: Vec<usize> = film.iter().map(|(step, _)| *step).collect();
        assert!(steps.len() > 4 && steps.is_sorted() && steps.contains(&7), "{steps:?}");
        assert_eq!((steps.first(), steps.last()), (Some(&0), Some(&39)));
        for (_, place) in &film {
            assert!(place.y > layout.pictures[0].bottom() && place.bottom() <= layout.foot.y && place.right() < 140);
        }
        assert!(layout.film(1, 0, (1, 1), 2.0).is_empty(), "one step is no course");
        assert!(Layout::of(Rect::new(0, 1, 80, 22), 3, (3, 1), 2.0).film(9, 0, (3, 1), 2.0).len() != 1);
        assert!(Layout::of(Rect::new(0, 1, 220, 58), 2, (1, 1), 2.0).film(9, 0, (1, 1), 2.0).is_empty(), "no room");
    }

    #[test]
    fn nothing_lies_outside_or_on_something_else_at_any_size() {
        for (width, height) in [(0, 0), (1, 1), (3, 2), (20, 3), (40, 10), (80, 22), (140, 38), (300, 98), (20, 98)] {
            for count in 0..=3 {
                for source in [(1, 1), (3, 1), (1, 3), (0, 0)] {
                    let area = Rect::new(0, 1, width, height);
                    let layout = Layout::of(area, count, source, 2.0);
                    let mut places: Vec<Rect> = layout.titles.iter().chain(&layout.pictures).copied().collect();
                    places.push(layout.foot);
                    for (index, place) in places.iter().enumerate() {
                        assert_eq!(place.intersection(area).area(), place.area(), "{area:?} {count} {source:?}");
                        let rest = &places[index + 1..];
                        assert!(rest.iter().all(|it| !it.intersects(*place) || it.is_empty() || place.is_empty()));
                    }
                }
            }
        }
    }
}
