//! Alerts: rules over series, evaluated as the values come.
//!
//! A [`Monitor`] holds the rules of a config and what they have learned so far. It is fed everything that is recorded,
//! in the order of time, and says what is wrong. It reads no clock and draws no random numbers, so the same stream gives
//! the same alerts whether it is live, replayed by [`replay`], or followed by a viewer:
//!
//! ```
//! use atelier::alerts::{Moment, Monitor};
//! use atelier::config::AlertRule;
//! use atelier::record::At;
//!
//! let mut monitor = Monitor::new(&AlertRule::built_in());
//! let second = |step: i64| Moment { at: At { step, epoch: 0.0 }, time_ns: step * 1_000_000_000, generation: 0 };
//! for step in 1..=200 {
//!     assert_eq!(monitor.observe(second(step), &[("loss/g", 2.0 + 0.1 * (step % 3) as f64)]), []);
//! }
//! let alerts = monitor.observe(second(201), &[("loss/g", 3.9)]);
//! assert!(alerts[0].message.starts_with("loss/g 3.9 is "), "{}", alerts[0].message);
//!
//! // A process that hangs records nothing: whoever looks on has to say how late it is.
//! assert_eq!(monitor.tick(202 * 1_000_000_000), []);
//! assert!(monitor.tick(900 * 1_000_000_000)[0].message.starts_with("no step for"));
//! ```
//!
//! What a viewer does: a monitor for each session it shows, fed by [`Tail`](crate::record::Tail), with what
//! [`Activity::told`] finds in the session's events, and [`Monitor::tick`] with the present time at each look. For a list
//! of sessions, of which only the newest values are known, `Listing::watch` does that with the rules for stalled runs.
//!
//! Every restart begins anew: a rule learns only from the generation it judges, so a resumed run that repeats steps is
//! no spike. Formulas and parameters are in docs/alerts.md.

use std::sync::Arc;

use serde_json::Value;

use crate::config::{AlertAction, AlertKind, Notify};
use crate::record::{At, Event};

mod detector;
mod glob;
mod idle;
mod memory;
mod monitor;
mod not_finite;
mod notify;
mod plateau;
mod replay;
mod spike;
mod stall;
mod throughput;
mod words;

pub use glob::Glob;
pub use monitor::Monitor;
pub use notify::terminal_sequence;
pub use replay::{Told, replay};

/// The kind of the event that an alert becomes.
pub const EVENT: &str = "alert";

/// Where and when something was recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Step and epoch.
    pub at: At,
    /// Nanoseconds since the Unix epoch, on the session's clock.
    pub time_ns: i64,
    /// Restarts before.
    pub generation: u32,
}

/// Something a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The rule's kind.
    pub kind: AlertKind,
    /// The rule's place in the rules that the monitor was given.
    pub rule: usize,
    /// The series it was found in; of several in one moment the first by name.
    pub series: Arc<str>,
    /// The others.
    pub also: Vec<Arc<str>>,
    /// Where and when. Of a stalled run: when it had been still for too long, whenever that was noticed.
    pub moment: Moment,
    /// What was found: the series' value, or of a stalled run the seconds without a step.
    pub value: f64,
    /// What is wrong and why, in a line.
    pub message: String,
    /// What the run is to do.
    pub action: AlertAction,
    /// How a terminal tells a person.
    pub notify: Vec<Notify>,
}

impl Alert {
    /// The event that tells of it, with the fields `rule`, `series`, `also` (if any), `value`, `action` and `notify`. NaN
    /// and the infinities, which JSON has no numbers for, are the texts `NaN`, `inf` and `-inf`.
    pub fn event(&self) -> Event {
        let names = |names: &[Arc<str>]| names.iter().map(|name| Value::from(&**name)).collect::<Vec<_>>();
        let value = if self.value.is_finite() { Value::from(self.value) } else { self.value.to_string().into() };
        let notify: Vec<Value> = self.notify.iter().map(|how| how.word().into()).collect();
        let mut event =
            Event::new(EVENT, self.message.clone()).with("rule", self.kind.word()).with("series", &*self.series);
        if !self.also.is_empty() {
            event = event.with("also", names(&self.also));
        }
        event.with("value", value).with("action", self.action.word()).with("notify", notify)
    }
}

/// What a run is doing, as far as rules care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It takes steps.
    Training,
    /// It measures held-out pairs; the next step ends that.
    Validating,
    /// It waits, by command.
    Paused,
}

impl Activity {
    /// What an event of this kind and with these fields tells, if anything.
    pub fn told(kind: &str, fields: &serde_json::Map<String, Value>) -> Option<Self> {
        match kind {
            "started" => Some(Self::Training),
            "validating" => Some(Self::Validating),
            "command" => match fields.get("command")?.get("command")?.as_str()? {
                "pause" => Some(Self::Paused),
                "resume" => Some(Self::Training),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
