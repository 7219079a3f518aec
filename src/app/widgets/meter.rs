//! Small pictures of numbers: a bar of progress, a row of levels.

use crate::app::glyphs::Glyphs;

/// A bar of `cells`, filled to `share` (0 to 1): the filled part and the rest, which is drawn faintly.
pub fn bar(share: f64, cells: usize, glyphs: &Glyphs) -> [String; 2] {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let parts = glyphs.fill.len();
    let filled = (share * (cells * parts) as f64).floor() as usize;
    let here = |cell: usize| filled.saturating_sub(cell * parts).min(parts);
    let full: String = (0..cells).map(here).take_while(|here| *here > 0).map(|here| glyphs.fill[here - 1]).collect();
    let rest = cells - full.chars().count();
    [full, std::iter::repeat_n(glyphs.track, rest).collect()]
}

/// A row of levels, one a value, scaled between the lowest and the highest; what is not finite is a space.
pub fn spark(values: &[f64], glyphs: &Glyphs) -> String {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let low = finite.clone().fold(f64::INFINITY, f64::min);
    let high = finite.fold(f64::NEG_INFINITY, f64::max);
    // A constant is in the middle: neither low nor high.
    let share = |value: f64| if high > low { (value - low) / (high - low) } else { value - low + 0.5 };
    levels(values.iter().map(|&value| share(value)), glyphs)
}

/// A row of levels from shares of the whole, 0 to 1; what is not finite is a space.
pub fn levels(shares: impl Iterator<Item = f64>, glyphs: &Glyphs) -> String {
    let top = glyphs.levels.len() - 1;
    let level = |share: f64| {
        if share.is_finite() { glyphs.levels[(share.clamp(0.0, 1.0) * top as f64).round() as usize] } else { ' ' }
    };
    shares.map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::glyphs::{ASCII, UNICODE};

    #[test]
    fn a_bar_is_full_only_at_the_end_and_empty_only_at_the_beginning() {
        assert_eq!(bar(0.0, 4, &UNICODE), ["", "────"]);
        assert_eq!(bar(0.999, 4, &UNICODE), ["━━━╸", ""]);
        assert_eq!(bar(1.0, 4, &UNICODE), ["━━━━", ""]);
        assert_eq!(bar(0.7, 4, &UNICODE), ["━━╸", "─"]);
        assert_eq!(bar(0.5, 4, &ASCII), ["##", ".."]);
        assert_eq!(bar(f64::NAN, 2, &ASCII), ["", ".."]);
        assert_eq!(bar(7.0, 2, &ASCII), ["##", ""]);
    }

    #[test]
    fn levels_span_what_there_is() {
        assert_eq!(spark(&[0.0, 1.0, f64::NAN, 0.5], &UNICODE), "▁█ ▅");
        assert_eq!(spark(&[3.0, 3.0], &UNICODE), "▅▅");
        assert_eq!(spark(&[], &UNICODE), "");
    }
}
