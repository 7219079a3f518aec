//! `throughput-drop`: a speed that fell below what was usual.
//!
//! Time is cut into windows. The speed of one is the harmonic mean of its values: all the work done in it over all the
//! time that took, where each value is the speed of an equally large step. Usual is the median of the windows before.

use std::collections::VecDeque;

use super::detector::{Verdict, nanos};
use super::words;

/// Windows that "usual" looks back on.
const REMEMBERED: usize = 64;
/// Fewer make nothing usual.
const ENOUGH: usize = 3;

#[derive(Debug)]
pub struct ThroughputDrop {
    drop: f64,
    window_ns: i64,
    begun_ns: Option<i64>,
    values: f64,
    inverses: f64,
    before: VecDeque<f64>,
    /// Speed of the last whole window, and what was usual.
    found: (f64, f64),
}

impl ThroughputDrop {
    pub fn new(drop_fraction: f64, window_seconds: f64) -> Self {
        Self {
            drop: drop_fraction,
            window_ns: nanos(window_seconds),
            begun_ns: None,
            values: 0.0,
            inverses: 0.0,
            before: VecDeque::new(),
            found: (0.0, 0.0),
        }
    }

    pub fn push(&mut self, time_ns: i64, value: f64) -> Verdict {
        // Also NaN and the infinities: no speed at all.
        if !(value > 0.0 && value.is_finite()) {
            return Verdict::Unsure;
        }
        let begun = *self.begun_ns.get_or_insert(time_ns);
        let verdict = if time_ns.saturating_sub(begun) >= self.window_ns && self.values > 0.0 {
            self.begun_ns = Some(time_ns);
            self.close()
        } else {
            Verdict::Unsure
        };
        self.values += 1.0;
        self.inverses += 1.0 / value;
        verdict
    }

    fn close(&mut self) -> Verdict {
        let speed = self.values / self.inverses;
        (self.values, self.inverses) = (0.0, 0.0);
        let usual = (self.before.len() >= ENOUGH).then(|| median(self.before.iter().copied()));
        if self.before.len() == REMEMBERED {
            self.before.pop_front();
        }
        self.before.push_back(speed);
        let Some(usual) = usual else { return Verdict::Clear };
        self.found = (speed, usual);
        if speed < (1.0 - self.drop) * usual { Verdict::Holds } else { Verdict::Clear }
    }

    pub fn why(&self, name: &str) -> String {
        let (speed, usual) = self.found;
        format!(
            "{name} was {} in the last {}, {:.0} % below the usual {}",
            words::number(speed),
            words::seconds(self.window_ns as f64 / 1e9),
            100.0 * (1.0 - speed / usual),
            words::number(usual)
        )
    }
}

/// The middle of finite values, the mean of the two in the middle; 0 of none.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => sorted[n / 2 - 1].midpoint(sorted[n / 2]),
    }
}
