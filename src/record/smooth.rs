//! Smoothing that tells the truth: at full resolution, weighted by distance, without a start-up bias.

/// Exponential smoothing of an irregular series, point by point.
///
/// The smoothed value at x is the mean of all values up to x, each weighted by `0.5^(distance / half_life)`. It depends
/// on nothing else: not on later data, nor on how much of the curve is shown or how wide. The first value is its own
/// mean (no bias towards zero), and a gap in x forgets as much as it is wide.
#[derive(Debug, Clone)]
pub struct Smoother {
    half_life: f64,
    last_x: Option<f64>,
    sum: f64,
    weight: f64,
}

impl Smoother {
    /// Values `half_life` back (in units of x: steps, seconds) count half. Zero or less smooths nothing.
    pub fn new(half_life: f64) -> Self {
        Self { half_life, last_x: None, sum: 0.0, weight: 0.0 }
    }

    /// The smoothed value at the next point. A NaN or infinite `y` comes back as it is and leaves the mean alone. An `x`
    /// before the last one (the overlap after a resume) begins anew.
    pub fn push(&mut self, x: f64, y: f64) -> f64 {
        if self.half_life.is_nan() || self.half_life <= 0.0 || !y.is_finite() || !x.is_finite() {
            return y;
        }
        let keep = match self.last_x {
            Some(last) if x >= last => (-(x - last) / self.half_life).exp2(),
            _ => 0.0,
        };
        self.last_x = Some(x);
        self.sum = self.sum * keep + y;
        self.weight = self.weight * keep + 1.0;
        self.sum / self.weight
    }
}

/// [`Smoother`] over a whole series: `x` and `y` to as many smoothed values as the shorter has. Steps as f64 are exact
/// up to 2^53.
pub fn smooth(x: &[f64], y: &[f64], half_life: f64) -> Vec<f64> {
    let mut smoother = Smoother::new(half_life);
    x.iter().zip(y).map(|(&x, &y)| smoother.push(x, y)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, written out: no recursion, no state.
    fn by_definition(x: &[f64], y: &[f64], half_life: f64, at: usize) -> f64 {
        let weight = |i: usize| 0.5_f64.powf((x[at] - x[i]) / half_life);
        let finite = (0..=at).filter(|&i| y[i].is_finite());
        let (sum, total) = finite.fold((0.0, 0.0), |(s, w), i| (s + weight(i) * y[i], w + weight(i)));
        sum / total
    }

    fn irregular(count: usize) -> (Vec<f64>, Vec<f64>) {
        let x = (0..count).map(|i| (i * i % 7 + 9 * i) as f64 * 0.5).collect();
        let y = (0..count).map(|i| ((i as f64) * 0.37).sin() * 3.0 + (i % 5) as f64).collect();
        (x, y)
    }

    #[test]
    fn equals_the_definition_on_irregular_points() {
        let (x, mut y) = irregular(200);
        y[17] = f64::NAN;
        y[60] = f64::INFINITY;
        let smoothed = smooth(&x, &y, 13.0);
        for i in (0..200).filter(|&i| y[i].is_finite()) {
            let expected = by_definition(&x, &y, 13.0, i);
            assert!((smoothed[i] - expected).abs() < 1e-9, "at {i}: {} is not {expected}", smoothed[i]);
        }
    }

    #[test]
    fn later_data_changes_nothing_before_it() {
        let (x, y) = irregular(500);
        let whole = smooth(&x, &y, 20.0);
        for cut in [1, 2, 250, 499] {
            assert_eq!(smooth(&x[..cut], &y[..cut], 20.0), whole[..cut]);
        }
    }

    #[test]
    fn a_constant_stays_itself_from_the_first_point() {
        let x: Vec<f64> = (0..50).map(f64::from).collect();
        assert!(smooth(&x, &[4.5; 50], 10.0).iter().all(|&value| (value - 4.5).abs() < 1e-12));
    }

    #[test]
    fn nan_and_infinity_are_shown_and_forgotten() {
        let smoothed = smooth(&[0.0, 1.0, 2.0, 3.0], &[1.0, f64::NAN, f64::NEG_INFINITY, 1.0], 5.0);
        assert_eq!(smoothed[0], 1.0);
        assert!(smoothed[1].is_nan());
        assert_eq!(smoothed[2], f64::NEG_INFINITY);
        assert_eq!(smoothed[3], 1.0);
    }

    #[test]
    fn a_wide_gap_forgets_the_past_and_an_overlap_begins_anew() {
        let smoothed = smooth(&[0.0, 1e6, 5e5], &[100.0, 2.0, 7.0], 10.0);
        assert_eq!(smoothed, [100.0, 2.0, 7.0]);
    }

    #[test]
    fn no_half_life_is_no_smoothing() {
        let (x, y) = irregular(20);
        assert_eq!(smooth(&x, &y, 0.0), y);
        assert_eq!(smooth(&x, &y, f64::NAN), y);
    }
}
