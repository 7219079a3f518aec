//! How sure a mean over images is: percentile bootstrap intervals (Efron 1979), a pure function of values and seed.

use serde::Serialize;

use crate::data::random::Draw;

/// Times that the images are drawn anew.
const RESAMPLES: usize = 10_000;

/// The middle 95 % of what another draw of images would have given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// 2.5 % lie below.
    pub low: f64,
    /// 2.5 % lie above.
    pub high: f64,
}

/// The mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95 % interval of the mean of `values`. One value alone says nothing about others: then there is none, and none
/// where a value is NaN. Intervals of few values (below 20 or so) are too narrow, as all bootstrap intervals are.
pub fn interval(values: &[f64], seed: u64) -> Option<Interval> {
    if values.len() < 2 || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut draw = Draw::new(&[0x626f_6f74, seed]);
    let mean = |_| (0..values.len()).map(|_| values[draw.below(values.len())]).sum::<f64>() / values.len() as f64;
    Some(middle((0..RESAMPLES).map(mean).collect()))
}

/// The middle 95 % of values, with linear interpolation between neighbours.
pub(super) fn middle(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
        let place = share * last as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        // Equal ones also where they are infinite.
        if below == above { below } else { below + (above - below) * place.fract() }
    };
    Interval { low: at(0.025), high: at(0.975) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_covers_the_mean_and_narrows_with_the_number() {
        let values = |count: usize| -> Vec<f64> {
            let mut draw = Draw::new(&[7]);
            (0..count).map(|_| draw.unit()).collect()
        };
        let wide = interval(&values(40), 1).unwrap();
        let narrow = interval(&values(4000), 1).unwrap();
        for (count, one) in [(40, wide), (4000, narrow)] {
            let centre = mean(&values(count));
            // Of uniform values: 1.96 standard deviations of the mean, sqrt(1 / 12 / count).
            let expected = 2.0 * 1.96 / (12.0 * count as f64).sqrt();
            assert!(one.low < centre && centre < one.high);
            assert!(((one.high - one.low) / expected - 1.0).abs() < 0.15, "{count}: {one:?} against {expected}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = [0.137, 0.551, 0.303, 0.929, 0.218, 0.774, 0.083];
        assert_eq!(interval(&values, 3), interval(&values, 3));
        assert_ne!(interval(&values, 3), interval(&values, 4));
    }

    #[test]
    fn one_value_none_and_nan_have_no_interval_and_equal_ones_a_point() {
        assert_eq!(interval(&[], 1), None);
        assert_eq!(interval(&[0.4], 1), None);
        assert_eq!(interval(&[0.4, f64::NAN], 1), None);
        assert_eq!(interval(&[0.5, 0.5, 0.5], 1), Some(Interval { low: 0.5, high: 0.5 }));
        let endless = interval(&[f64::INFINITY, f64::INFINITY], 1);
        assert_eq!(endless, Some(Interval { low: f64::INFINITY, high: f64::INFINITY }));
    }
}
