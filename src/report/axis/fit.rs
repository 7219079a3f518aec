//! The range of a y axis from what is visible.

use super::{Axis, Kind};

/// How much of the visible values a y axis must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Fit {
    /// All of them.
    #[default]
    Full,
    /// All but the most extreme two in a hundred columns at either end: what is cut off runs out of the picture, it is
    /// not left out. Smoothed lines and bands stay whole.
    WithoutOutliers,
}

/// Finite values of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// Whether it must be visible in any case.
    pub keep: bool,
}

/// Room left above and below, as a share of the range.
const MARGIN: f64 = 0.04;
/// The share of columns that may be cut at either end.
const OUTLIERS: f64 = 0.02;

/// The y axis for these values: from 0 to 1 if there are none. On a logarithmic axis only those above zero count.
pub fn fit(spans: impl Iterator<Item = Span>, log: bool, fit: Fit) -> Axis {
    let (mut kept, mut lows, mut highs) = (None, Vec::new(), Vec::new());
    for span in spans {
        // Of a column that begins below zero a logarithmic axis shows the part above, of which only the top is known.
        let low = if log && span.low <= 0.0 { span.high } else { span.low };
        if log && span.high <= 0.0 {
            continue;
        }
        if span.keep || fit == Fit::Full {
            kept = Some(hull(kept, low, span.high));
        } else {
            lows.push(low);
            highs.push(span.high);
        }
    }
    if !lows.is_empty() {
        let cut = (lows.len() as f64 * OUTLIERS) as usize;
        lows.sort_unstable_by(f64::total_cmp);
        highs.sort_unstable_by(f64::total_cmp);
        kept = Some(hull(kept, lows[cut], highs[highs.len() - 1 - cut]));
    }
    let Some((low, high)) = kept else {
        let (from, to) = if log { (0.1, 10.0) } else { (0.0, 1.0) };
        return Axis::new(Kind::Value, from, to).log(log);
    };
    let (from, to) = if log { around_log(low, high) } else { around(low, high) };
    Axis::new(Kind::Value, from, to).log(log)
}

fn hull(range: Option<(f64, f64)>, low: f64, high: f64) -> (f64, f64) {
    range.map_or((low, high), |(from, to)| (from.min(low), to.max(high)))
}

fn around(low: f64, high: f64) -> (f64, f64) {
    let half = high / 2.0 - low / 2.0; // halves: the whole may be infinite
    // A constant (or what differs by less than can be drawn) gets a range of its own size.
    let size = low.abs().max(high.abs());
    let margin = if half > size * 1e-12 {
        half * 2.0 * MARGIN
    } else if size > 0.0 {
        size * 0.1
    } else {
        1.0
    };
    // Losses end at zero and so does their axis, rather than a little below.
    let from = if low >= 0.0 { (low - margin).max(0.0) } else { low - margin };
    let to = if high <= 0.0 && low < 0.0 { (high + margin).min(0.0) } else { high + margin };
    (from.max(-f64::MAX), to.min(f64::MAX))
}

fn around_log(low: f64, high: f64) -> (f64, f64) {
    let decades = high.log10() - low.log10();
    let factor = if decades > 1e-9 { 10_f64.powf(decades * MARGIN) } else { 2.0 };
    ((low / factor).max(f64::MIN_POSITIVE), (high * factor).min(f64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], log: bool) -> (f64, f64) {
        let axis = fit(values.iter().map(|&v| Span { low: v, high: v, keep: false }), log, Fit::Full);
        assert!(axis.is_sound(), "{values:?} gave {axis:?}");
        (axis.from, axis.to)
    }

    #[test]
    fn every_set_of_values_gives_a_range_that_holds_them() {
        let sets: [&[f64]; 9] = [
            &[0.0],
            &[5.0, 5.0],
            &[-5.0],
            &[1e-300, 2e-300],
            &[-f64::MAX, f64::MAX],
            &[f64::MAX],
            &[f64::MIN_POSITIVE],
            &[1e15, 1e15 + 1.0],
            &[-1.0, 1.0],
        ];
        for set in sets {
            let (from, to) = of(set, false);
            assert!(set.iter().all(|&v| from <= v && v <= to), "{set:?} in {from}..{to}");
            let (from, to) = of(set, true);
            assert!(set.iter().filter(|&&v| v > 0.0).all(|&v| from <= v && v <= to), "log {set:?} in {from}..{to}");
        }
    }

    #[test]
    fn zero_is_an_end_where_nothing_lies_beyond_it() {
        assert_eq!(of(&[0.01, 4.0], false).0, 0.0);
        assert_eq!(of(&[-4.0, -0.01], false).1, 0.0);
        assert_eq!(of(&[], false), (0.0, 1.0));
    }

    #[test]
    fn a_logarithmic_range_begins_at_the_lowest_value_above_zero() {
        let (from, to) = of(&[-3.0, 0.0, 1e-4, 10.0], true);
        assert!(from <= 1e-4 && from > 1e-5 && (10.0..20.0).contains(&to), "{from} {to}");
    }
}
