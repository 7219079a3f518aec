//! A rate from a counter that only grows.

use std::time::Instant;

/// The last reading of a counter.
#[derive(Debug, Default)]
pub(super) struct Rate {
    last: Option<(Instant, u64)>,
}

impl Rate {
    /// Growth per second since the last call; nothing on the first, or after the counter began anew.
    pub(super) fn per_second(&mut self, now: Instant, total: u64) -> Option<f64> {
        let (then, before) = self.last.replace((now, total))?;
        let seconds = now.checked_duration_since(then)?.as_secs_f64();
        (seconds > 0.0 && total >= before).then(|| (total - before) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn needs_two_readings_and_survives_a_reset() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(at(0), 1000), None);
        assert_eq!(rate.per_second(at(2), 1500), Some(250.0));
        assert_eq!(rate.per_second(at(2), 1600), None, "no time passed");
        assert_eq!(rate.per_second(at(3), 100), None, "the counter began anew");
        assert_eq!(rate.per_second(at(4), 100), Some(0.0));
    }
}
