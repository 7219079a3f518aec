//! Bars over an axis, as of a histogram: a column of the screen for each, or for several where there are too many.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::text;
use crate::report::number;

/// How bars look.
#[derive(Debug, Clone, Copy)]
pub struct Looks {
    /// The bars.
    pub bar: Style,
    /// Numbers at the edges.
    pub axis: Style,
    /// Parts of a cell from the lowest to the whole one.
    pub levels: &'static [char],
    /// Heights by their logarithm (of one more, so that nothing stays nothing).
    pub log: bool,
}

/// Columns for the numbers at the left.
const GUTTER: u16 = 9;

/// Draw bars of these heights between `from` and `to` into `area`: numbers at the left and below where there is room.
pub fn draw(heights: &[f64], (from, to): (f64, f64), looks: Looks, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    if area.width < 4 || area.height < 2 || looks.levels.is_empty() {
        return;
    }
    let gutter = if area.width > 3 * GUTTER { GUTTER } else { 0 };
    let below = u16::from(area.height > 3);
    let columns = spread(heights, usize::from(area.width - gutter));
    // The axis ends where the bars do.
    let plot = Rect { x: area.x + gutter, y: area.y, width: columns.len() as u16, height: area.height - below };
    let top = columns.iter().copied().fold(0.0, f64::max);
    let length = |height: f64| if looks.log { height.ln_1p() } else { height };
    let steps = looks.levels.len();
    for (x, height) in (plot.left()..plot.right()).zip(&columns) {
        let share = if top > 0.0 { length(*height) / length(top) } else { 0.0 };
        let filled = share * f64::from(plot.height) * steps as f64;
        // What is there at all is seen.
        let mut left = (filled.round() as usize).max(usize::from(*height > 0.0));
        for y in (plot.top()..plot.bottom()).rev() {
            if left == 0 {
                break;
            }
            buffer[(x, y)].set_char(looks.levels[left.min(steps) - 1]).set_style(looks.bar);
            left = left.saturating_sub(steps);
        }
    }
    if gutter > 0 {
        for (y, value) in [(plot.top(), top), (plot.bottom() - 1, 0.0)] {
            text::put_right(buffer, area.x, y, plot.x - 1, &number::value(value), looks.axis);
        }
    }
    if below > 0 {
        let y = plot.bottom();
        let end = number::value(to);
        let right = text::put_right(buffer, plot.x, y, plot.right(), &end, looks.axis);
        text::put(buffer, plot.x, y, right.saturating_sub(1), &number::value(from), looks.axis);
    }
}

/// The heights as they fall on so many columns: the highest where several share one, each repeated where there is room.
fn spread(heights: &[f64], columns: usize) -> Vec<f64> {
    let sound = |height: &f64| if height.is_finite() { height.max(0.0) } else { 0.0 };
    if heights.is_empty() {
        return Vec::new();
    }
    if heights.len() >= columns {
        return (0..columns)
            .map(|at| {
                let (begin, end) = (at * heights.len() / columns, (at + 1) * heights.len() / columns);
                heights[begin..end].iter().map(sound).fold(0.0, f64::max)
            })
            .collect();
    }
    let each = columns / heights.len();
    heights.iter().flat_map(|height| std::iter::repeat_n(sound(height), each)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: Looks = Looks { bar: Style::new(), axis: Style::new(), levels: &['.', ':', '#'], log: false };

    #[test]
    fn bars_are_as_high_as_what_they_stand_for() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 3));
        draw(&[0.0, 1.0, 2.0, 6.0, f64::NAN, 0.001], (0.0, 1.0), LOOKS, buffer.area, &mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["   #  ", "   #  ", " :## ."]));
    }

    #[test]
    fn the_axis_ends_where_the_bars_do_and_a_logarithm_is_labelled_by_its_numbers() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 33, 4));
        draw(&[999.0, 99.0, 9.0], (0.0, 3.0), Looks { log: true, ..LOOKS }, buffer.area, &mut buffer);
        let rows = [
            "     999 ########                 ",
            "         ################         ",
            "       0 ########################",
        ];
        let lines: Vec<String> = (0..4).map(|y| (0..33).map(|x| buffer[(x, y)].symbol()).collect()).collect();
        assert_eq!(lines[..3], rows.map(|row| format!("{row:33.33}")));
        assert_eq!(lines[3].trim_end(), "         0                      3");
    }

    #[test]
    fn many_share_columns_and_few_are_wide() {
        assert_eq!(spread(&[1.0, 9.0, 2.0, 3.0], 2), [9.0, 3.0]);
        assert_eq!(spread(&[1.0, 2.0], 5), [1.0, 1.0, 2.0, 2.0]);
        assert!(spread(&[], 5).is_empty());
        for (width, height) in [(0, 0), (1, 1), (3, 9), (40, 2), (80, 12)] {
            let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
            draw(&[1.0; 100], (-1.0, 1.0), LOOKS, Rect::new(0, 0, 99, 99), &mut buffer);
        }
    }
}
