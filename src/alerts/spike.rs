//! `spike`: a value far from the mean of those before it.
//!
//! Mean and deviation are exponentially weighted by steps, as the dashboard's smoothing is, and know only values before
//! the one that is judged. Losses of adversarial training have long tails: where a series has been positive throughout, a
//! spike must also stand out on a logarithmic scale, on which such tails are short. A value beyond [`TRUSTED`] deviations
//! counts as one at that distance, so that a spike does not hide the next one and a new level is learned in time.

use super::detector::Verdict;
use super::words;
use crate::config::Side;

/// Deviation that every series is granted, as a share of its mean: less is no spike, however even the series.
const FLOOR: f64 = 0.02;
/// Deviations beyond which a value is not learned from as it is.
const TRUSTED: f64 = 3.0;
/// Fewer values than this (by weight) make no deviation.
const ENOUGH: f64 = 20.0;

#[derive(Debug)]
pub struct Spike {
    sigma: f64,
    half_life: f64,
    warmup: i64,
    side: Side,
    /// First and newest step.
    steps: Option<(i64, i64)>,
    plain: Spread,
    /// Of the logarithms; none once a value was not positive.
    log: Option<Spread>,
    /// How the last value stood out: deviations, and the mean before it.
    found: (f64, f64),
}

impl Spike {
    pub fn new(sigma: f64, half_life_steps: u64, warmup_steps: u64, side: Side) -> Self {
        Self {
            sigma,
            half_life: half_life_steps as f64,
            warmup: warmup_steps as i64,
            side,
            steps: None,
            plain: Spread::default(),
            log: Some(Spread::default()),
            found: (0.0, 0.0),
        }
    }

    pub fn push(&mut self, step: i64, value: f64) -> Verdict {
        if !value.is_finite() {
            return Verdict::Unsure;
        }
        let (first, last) = match self.steps {
            Some((first, last)) if step >= last => (first, last),
            // Steps that go back are another stretch of training.
            Some(_) => {
                *self = Self::new(self.sigma, self.half_life as u64, self.warmup as u64, self.side);
                (step, step)
            }
            None => (step, step),
        };
        self.steps = Some((first, step));
        if value <= 0.0 {
            self.log = None;
        }
        let keep = (-((step - last) as f64) / self.half_life).exp2();
        self.plain.fade(keep);
        if let Some(log) = &mut self.log {
            log.fade(keep);
        }
        let ready = step - first >= self.warmup && self.plain.weight_of_evidence() >= ENOUGH;
        let mut distance = self.plain.distance(value, FLOOR * self.plain.mean.abs());
        if let Some(log) = &self.log {
            let other = log.distance(value.ln(), FLOOR);
            // The same side always: the logarithm is monotonic, but means on the two scales differ a little.
            distance =
                if distance.signum() == other.signum() && other.abs() < distance.abs() { other } else { distance };
        }
        self.found = (distance, self.plain.mean);
        self.learn(value, ready);
        let outside = match self.side {
            Side::Above => distance,
            Side::Below => -distance,
            Side::Both => distance.abs(),
        };
        match outside {
            outside if ready && outside > self.sigma => Verdict::Holds,
            // Half-way back is not over yet.
            outside if outside > self.sigma / 2.0 => Verdict::Unsure,
            _ => Verdict::Clear,
        }
    }

    fn learn(&mut self, value: f64, ready: bool) {
        let (mut plain, mut log) = (value, value.ln());
        if ready {
            plain = self.plain.within(plain, FLOOR * self.plain.mean.abs());
            log = self.log.as_ref().map_or(log, |spread| spread.within(log, FLOOR));
        }
        self.plain.push(plain);
        if let Some(spread) = &mut self.log {
            spread.push(log);
        }
    }

    pub fn why(&self, name: &str, value: f64) -> String {
        let (distance, mean) = self.found;
        let side = if distance < 0.0 { "below" } else { "above" };
        format!(
            "{name} {} is {:.1} sigma {side} its mean {} of the last ~{} steps",
            words::number(value),
            distance.abs(),
            words::number(mean),
            self.half_life
        )
    }
}

/// Weighted mean and deviation, one value after the other (West's update).
#[derive(Debug, Default)]
struct Spread {
    weight: f64,
    weight_squared: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    /// Let everything so far count for `keep` of what it did.
    fn fade(&mut self, keep: f64) {
        self.weight *= keep;
        self.weight_squared *= keep * keep;
        self.squares *= keep;
    }

    fn push(&mut self, value: f64) {
        self.weight += 1.0;
        self.weight_squared += 1.0;
        let off = value - self.mean;
        self.mean += off / self.weight;
        self.squares += off * (value - self.mean);
    }

    /// The number of equally weighted values that would tell as much.
    fn weight_of_evidence(&self) -> f64 {
        if self.weight_squared > 0.0 { self.weight * self.weight / self.weight_squared } else { 0.0 }
    }

    fn deviation(&self, floor: f64) -> f64 {
        let freedom = self.weight - self.weight_squared / self.weight;
        let deviation = if freedom > 0.0 { (self.squares / freedom).max(0.0).sqrt() } else { 0.0 };
        deviation.max(floor)
    }

    /// Deviations above the mean; 0 where there is no deviation to measure by.
    fn distance(&self, value: f64, floor: f64) -> f64 {
        let distance = (value - self.mean) / self.deviation(floor);
        if distance.is_nan() { 0.0 } else { distance }
    }

    /// The value, brought to within [`TRUSTED`] deviations.
    fn within(&self, value: f64, floor: f64) -> f64 {
        let reach = TRUSTED * self.deviation(floor);
        value.clamp(self.mean - reach, self.mean + reach)
    }
}
