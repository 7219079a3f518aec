//! `stalled`: no new step for many times the usual step time.
//!
//! Judged by time alone, so that it needs somebody to say how late it is: any value recorded does (telemetry goes on
//! while the training thread hangs), and a viewer's tick. What is found does not depend on when that happens.

use super::detector::{nanos, secs};
use super::throughput::median;
use super::{Activity, Moment, words};

/// Step times that "usual" looks back on.
const REMEMBERED: usize = 64;
/// Fewer make nothing usual.
const ENOUGH: usize = 5;

#[derive(Debug)]
pub struct Stall {
    times: f64,
    min_secs: f64,
    /// The newest step, and when.
    newest: Option<Moment>,
    /// Since when nothing has come that explains a wait.
    since_ns: i64,
    /// Seconds a step, the newest `REMEMBERED` ones; `next` is the oldest.
    steps: Vec<f64>,
    next: usize,
    activity: Activity,
    /// Whether the wait for the next step says anything about the usual one.
    plain: bool,
    /// Seconds of the last validation.
    validation: Option<f64>,
}

/// A stall: since when the run has been still for too long, and for how many seconds by then.
#[derive(Debug, Clone, PartialEq)]
pub struct Stalled {
    pub moment: Moment,
    pub secs: f64,
    pub why: String,
}

impl Stall {
    pub fn new(step_times: f64, min_seconds: f64) -> Self {
        Self {
            times: step_times,
            min_secs: min_seconds,
            newest: None,
            since_ns: 0,
            steps: Vec::new(),
            next: 0,
            activity: Activity::Training,
            plain: true,
            validation: None,
        }
    }

    /// A value of a series that moves with the steps. True when it is of a new step.
    pub fn progress(&mut self, moment: Moment) -> bool {
        if let Some(newest) = self.newest {
            let steps = moment.at.step - newest.at.step;
            if steps <= 0 {
                return false;
            }
            if self.activity == Activity::Validating {
                self.validation = Some(secs(moment.time_ns.saturating_sub(self.since_ns)));
            } else if self.plain {
                let each = secs(moment.time_ns.saturating_sub(newest.time_ns)) / steps as f64;
                if self.steps.len() < REMEMBERED {
                    self.steps.push(each);
                } else {
                    self.steps[self.next] = each;
                    self.next = (self.next + 1) % REMEMBERED;
                }
            }
        }
        self.newest = Some(moment);
        self.since_ns = moment.time_ns;
        self.activity = Activity::Training;
        self.plain = true;
        true
    }

    /// The run does something else from now on.
    pub fn turn_to(&mut self, activity: Activity, time_ns: i64) {
        self.activity = activity;
        self.since_ns = time_ns;
        self.plain = false;
    }

    /// What is wrong at `now_ns`.
    pub fn check(&self, now_ns: i64) -> Option<Stalled> {
        let newest = self.newest?;
        // Most looks end here, before anything is computed.
        if secs(now_ns.saturating_sub(self.since_ns)) < self.min_secs || self.steps.len() < ENOUGH {
            return None;
        }
        let usual = median(self.steps.iter().copied());
        let (usual, what) = match self.activity {
            Activity::Paused => return None,
            Activity::Validating => (self.validation?, "a validation"),
            Activity::Training => (usual, "a step"),
        };
        let limit = (self.times * usual).max(self.min_secs);
        let due_ns = self.since_ns.saturating_add(nanos(limit));
        (now_ns >= due_ns).then(|| Stalled {
            moment: Moment { time_ns: due_ns, ..newest },
            secs: limit,
            why: format!(
                "no step for {} after step {}, where {what} usually takes {}",
                words::seconds(limit),
                newest.at.step,
                words::seconds(usual)
            ),
        })
    }
}
