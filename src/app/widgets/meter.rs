//! Small pictures of numbers: a bar of progress, a row of levels.

use crate::app::glyphs::Glyphs;

/// A bar of `cells`, filled to `share` (0 to 1) in eighths of a cell.
pub fn bar(share: f64, cells: usize, glyphs: &Glyphs) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let parts = glyphs.eighths.len();
    let filled = (share * (cells * parts) as f64).floor() as usize;
    let mut text = String::new();
    for cell in 0..cells {
        let here = filled.saturating_sub(cell * parts).min(parts);
        text.push(if here == 0 { glyphs.track } else { glyphs.eighths[here - 1] });
    }
    text
}

/// A row of levels, one a value, scaled between the lowest and the highest; what is not finite is a space.
pub fn spark(values: &[f64], glyphs: &Glyphs) -> String {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let low = finite.clone().fold(f64::INFINITY, f64::min);
    let high = finite.fold(f64::NEG_INFINITY, f64::max);
    let top = glyphs.levels.len() - 1;
    let level = |value: f64| {
        if !value.is_finite() {
            return ' ';
        }
        // A constant is in the middle: neither low nor high.
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        glyphs.levels[(share * top as f64).round() as usize]
    };
    values.iter().map(|&value| level(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::glyphs::{ASCII, UNICODE};

    #[test]
    fn a_bar_is_full_only_at_the_end_and_empty_only_at_the_beginning() {
        assert_eq!(bar(0.0, 4, &UNICODE), "░░░░");
        assert_eq!(bar(0.999, 4, &UNICODE), "███▉");
        assert_eq!(bar(1.0, 4, &UNICODE), "████");
        assert_eq!(bar(0.5, 4, &ASCII), "##..");
        assert_eq!(bar(f64::NAN, 2, &ASCII), "..");
        assert_eq!(bar(7.0, 2, &ASCII), "##");
    }

    #[test]
    fn levels_span_what_there_is() {
        assert_eq!(spark(&[0.0, 1.0, f64::NAN, 0.5], &UNICODE), "▁█ ▅");
        assert_eq!(spark(&[3.0, 3.0], &UNICODE), "▅▅");
        assert_eq!(spark(&[], &UNICODE), "");
    }
}
