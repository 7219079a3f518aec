//! Alert rules over a session: while it records, afterwards, and from outside.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::{Folder, Listing, SessionError, State, events};
use crate::alerts::{self, Activity, Alert, Moment, Monitor, Told};
use crate::config::AlertRule;
use crate::record::{At, Frames};

/// Told of every alert, on the thread that recorded what raised it: the training thread or that of telemetry.
pub type OnAlert = Box<dyn Fn(&Alert) + Send + Sync>;

/// The rules that watch a session being recorded.
pub(super) struct Watch {
    monitor: Mutex<Monitor>,
    on_alert: OnAlert,
}

impl Watch {
    pub fn new(rules: &[AlertRule], on_alert: OnAlert) -> Self {
        Self { monitor: Mutex::new(Monitor::new(rules)), on_alert }
    }

    /// The monitor. Whoever holds it may read the clock: times are then in the order in which it is told of them, which is
    /// the order in which a replay will tell it.
    pub fn monitor(&self) -> MutexGuard<'_, Monitor> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tell of alerts, with the monitor no longer held.
    pub fn tell(&self, alerts: &[Alert]) {
        for alert in alerts {
            (self.on_alert)(alert);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("monitor", &self.monitor).finish_non_exhaustive()
    }
}

/// What [`replay`] found.
#[derive(Debug)]
pub struct Replayed {
    /// The alerts, oldest first.
    pub alerts: Vec<Alert>,
    /// What of the session could not be read, one line each.
    pub warnings: Vec<String>,
}

/// The alerts that `rules` would have raised over everything `folder` recorded, whatever rules it had then.
pub fn replay(folder: &Folder, rules: &[AlertRule]) -> Result<Replayed, SessionError> {
    let metrics = Frames::open(&folder.metrics())?;
    let telemetry = Frames::open(&folder.telemetry())?;
    let read = events::read(&folder.events()).map_err(SessionError::io("read", &folder.events()))?;
    let told: Vec<Told> = read
        .lines
        .iter()
        .filter_map(|line| {
            let activity = Activity::told(&line.kind, &line.fields)?;
            Some(Told { time_ns: nanos(line.time), generation: line.generation, activity })
        })
        .collect();
    let alerts = alerts::replay(rules, &metrics, &telemetry, &told)?;
    let series = metrics.warnings().iter().chain(telemetry.warnings()).cloned();
    let warnings = series.chain(read.warnings.iter().map(|warning| format!("events: {warning}"))).collect();
    Ok(Replayed { alerts, warnings })
}

impl Listing {
    /// Show `monitor` how this session stands at `now`: what a process that hangs cannot say itself. For a viewer that
    /// lists sessions again and again, with a monitor of the rules for stalled runs for each (other rules need every
    /// value, and a list knows only the newest). Quiet about sessions that are not running.
    pub fn watch(&self, monitor: &mut Monitor, now: Timestamp) -> Vec<Alert> {
        let generation = self.generation;
        match (self.state, self.last_recorded, self.step) {
            (Some(State::Running), Some(time), Some(step)) => {
                let at = At { step, epoch: self.epoch.unwrap_or(f64::NAN) };
                let moment = Moment { at, time_ns: nanos(time), generation };
                let values: Vec<(&str, f64)> =
                    self.latest.iter().map(|(name, latest)| (name.as_str(), latest.value)).collect();
                let mut alerts = monitor.observe(moment, &values);
                alerts.extend(monitor.tick(nanos(now)));
                alerts
            }
            (Some(State::Paused), ..) => monitor.turn_to(Activity::Paused, generation, nanos(now)),
            _ => Vec::new(),
        }
    }
}

/// A time of the session's clock, as the store has it.
fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}
