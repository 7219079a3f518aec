//! Probes are counted, and told in events: the first at once, then at most one event a second for all that were answered.

use std::time::{Duration, Instant};

use crate::record::Event;

/// Between two events.
const PAUSE: Duration = Duration::from_secs(1);

/// What was answered.
#[derive(Debug, Default)]
pub struct Tally {
    in_all: u64,
    untold: u64,
    spent: Duration,
    latest: String,
    told: Option<Instant>,
}

impl Tally {
    /// A probe was answered, and cost the training this.
    pub fn add(&mut self, what: &str, spent: Duration) {
        self.in_all += 1;
        self.untold += 1;
        self.spent += spent;
        self.latest = what.to_owned();
    }

    /// The event to record, if it is time.
    pub fn due(&mut self) -> Option<Event> {
        if self.told.is_some_and(|told| told.elapsed() < PAUSE) { None } else { self.rest() }
    }

    /// The event to record at the end, if something is untold.
    pub fn rest(&mut self) -> Option<Event> {
        if self.untold == 0 {
            return None;
        }
        self.told = Some(Instant::now());
        let (probes, spent) = (std::mem::take(&mut self.untold), std::mem::take(&mut self.spent));
        let ms = spent.as_secs_f64() * 1e3;
        let latest = std::mem::take(&mut self.latest);
        let message = match probes {
            1 => format!("{latest} ({ms:.1} ms)"),
            _ => format!("{latest}, and {} others ({ms:.1} ms)", probes - 1),
        };
        Some(Event::new("probe", message).with("probes", probes).with("in_all", self.in_all).with("ms", ms))
    }
}
