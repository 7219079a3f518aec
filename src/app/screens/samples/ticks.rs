//! The line of steps: a tick for each that has samples, in proportion to its step.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::shared::Shared;

/// The column of a step, from 0 to `width` - 1: the first step is left, the last one right.
fn column(steps: &[i64], step: i64, width: u16) -> u16 {
    let (Some(&first), Some(&last)) = (steps.first(), steps.last()) else { return 0 };
    if last <= first || width < 2 {
        return 0;
    }
    let share = (step.clamp(first, last) - first) as f64 / (last - first) as f64;
    (share * f64::from(width - 1)).round() as u16
}

/// The place of the step nearest to a column.
pub fn nearest(steps: &[i64], at: u16, width: u16) -> Option<usize> {
    (0..steps.len()).min_by_key(|&index| column(steps, steps[index], width).abs_diff(at))
}

/// Draw the line: ticks, A and what is compared with, and the step that is shown.
pub fn draw(steps: &[i64], shown: usize, marks: &[(i64, char)], shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let (theme, ascii) = (&shared.theme, shared.glyphs.ascii);
    let mut put = |step: i64, glyph: char, style| {
        buffer[(area.x + column(steps, step, area.width), area.y)].set_char(glyph).set_style(style);
    };
    for &step in steps {
        put(step, if ascii { '\'' } else { '╵' }, theme.dim);
    }
    for &(step, letter) in marks {
        put(step, letter, theme.crosshair);
    }
    if let Some(&step) = steps.get(shown) {
        let glyph = if marks.iter().any(|(mark, _)| *mark == step) { '@' } else { '#' };
        let glyph = if ascii {
            glyph
        } else if glyph == '@' {
            '◆'
        } else {
            '┃'
        };
        put(step, glyph, theme.accent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_stand_in_proportion_and_a_click_finds_the_nearest() {
        let steps = [100, 200, 1100];
        let columns = steps.map(|step| column(&steps, step, 101));
        assert_eq!(columns, [0, 10, 100]);
        let found = [0, 4, 6, 54, 56, 100].map(|at| nearest(&steps, at, 101).unwrap());
        assert_eq!(found, [0, 0, 1, 1, 2, 2]);
        assert_eq!((column(&[], 5, 10), column(&[5], 5, 10), column(&steps, 1100, 1)), (0, 0, 0));
        assert_eq!(nearest(&[], 3, 10), None);
    }
}
