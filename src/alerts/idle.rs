//! `gpu-idle`: a device with nothing to do while the run is not paused.

use super::Activity;
use super::detector::{Verdict, nanos};
use super::words;

#[derive(Debug)]
pub struct Idle {
    below: f64,
    long_ns: i64,
    /// The first sample of an unbroken row below the limit.
    since_ns: Option<i64>,
}

impl Idle {
    pub fn new(below_percent: f64, idle_seconds: f64) -> Self {
        Self { below: below_percent, long_ns: nanos(idle_seconds), since_ns: None }
    }

    pub fn push(&mut self, time_ns: i64, value: f64, activity: Activity) -> Verdict {
        // A paused run is meant to idle.
        if activity == Activity::Paused || value.is_nan() || value >= self.below {
            self.since_ns = None;
            return Verdict::Clear;
        }
        let since = *self.since_ns.get_or_insert(time_ns);
        if time_ns.saturating_sub(since) >= self.long_ns { Verdict::Holds } else { Verdict::Unsure }
    }

    pub fn why(&self, name: &str) -> String {
        let long = words::seconds(self.long_ns as f64 / 1e9);
        format!("{name} has been below {} for {long}: the run waits for something else", words::number(self.below))
    }
}
