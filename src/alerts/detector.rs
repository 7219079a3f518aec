//! What a rule does with the values of one series.

use super::idle::Idle;
use super::memory::MemoryGrowth;
use super::not_finite::NotFinite;
use super::plateau::Plateau;
use super::spike::Spike;
use super::throughput::ThroughputDrop;
use super::{Activity, Moment};
use crate::config::{AlertRule, Watch};

/// One value as a detector sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    pub moment: Moment,
    pub value: f64,
    pub activity: Activity,
    /// The newest values of series that hold a limit, by name.
    pub capacities: &'a [(String, f64)],
}

/// What a value means to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong, or no longer.
    Clear,
    /// Nothing new: whatever was wrong still may be.
    Unsure,
    /// What the rule looks for is there.
    Holds,
}

/// The state of one rule over one series.
#[derive(Debug)]
pub enum Detector {
    NotFinite(NotFinite),
    Spike(Spike),
    Plateau(Plateau),
    ThroughputDrop(ThroughputDrop),
    GpuIdle(Idle),
    MemoryGrowth(MemoryGrowth),
}

impl Detector {
    /// A detector that has seen nothing of the series `name`; none for rules that judge no single series.
    pub fn new(rule: &AlertRule, name: &str) -> Option<Self> {
        Some(match &rule.watch {
            Watch::NotFinite => Self::NotFinite(NotFinite),
            Watch::Spike { sigma, half_life_steps, warmup_steps, side } => {
                Self::Spike(Spike::new(*sigma, *half_life_steps, *warmup_steps, *side))
            }
            Watch::Plateau { window, min_relative_improvement, better } => {
                Self::Plateau(Plateau::new(*window, *min_relative_improvement, *better, name))
            }
            Watch::ThroughputDrop { drop_fraction, window_seconds } => {
                Self::ThroughputDrop(ThroughputDrop::new(*drop_fraction, *window_seconds))
            }
            Watch::GpuIdle { below_percent, idle_seconds } => Self::GpuIdle(Idle::new(*below_percent, *idle_seconds)),
            Watch::Stalled { .. } => return None,
            Watch::MemoryGrowth { within_minutes, window_minutes, capacity_series } => {
                let capacity = capacity_series.as_deref();
                Self::MemoryGrowth(MemoryGrowth::new(*within_minutes, *window_minutes, capacity, name))
            }
        })
    }

    /// Take in the next value.
    pub fn push(&mut self, seen: &Seen<'_>) -> Verdict {
        match self {
            Self::NotFinite(detector) => detector.push(seen.value),
            Self::Spike(detector) => detector.push(seen.moment.at.step, seen.value),
            Self::Plateau(detector) => detector.push(seen.moment.at, seen.value),
            Self::ThroughputDrop(detector) => detector.push(seen.moment.time_ns, seen.value),
            Self::GpuIdle(detector) => detector.push(seen.moment.time_ns, seen.value, seen.activity),
            Self::MemoryGrowth(detector) => detector.push(seen),
        }
    }

    /// Why the last value of the series `name` held, in a line.
    pub fn why(&self, name: &str, value: f64) -> String {
        match self {
            Self::NotFinite(detector) => detector.why(name, value),
            Self::Spike(detector) => detector.why(name, value),
            Self::Plateau(detector) => detector.why(name),
            Self::ThroughputDrop(detector) => detector.why(name),
            Self::GpuIdle(detector) => detector.why(name),
            Self::MemoryGrowth(detector) => detector.why(name),
        }
    }
}

/// Nanoseconds as seconds.
pub fn secs(ns: i64) -> f64 {
    ns as f64 / 1e9
}

/// Seconds as nanoseconds.
pub fn nanos(secs: f64) -> i64 {
    (secs * 1e9) as i64
}
