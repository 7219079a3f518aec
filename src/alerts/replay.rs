//! Rules over what an old session recorded.

use super::{Activity, Alert, Moment, Monitor};
use crate::config::AlertRule;
use crate::record::{At, Frames, Point, RecordError};

/// What a session's events tell of its activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// When, in nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Restarts by then.
    pub generation: u32,
    /// What the run did from then on.
    pub activity: Activity,
}

/// The alerts that `rules` would have raised, oldest first: those that a monitor raised live, had it had these rules. Only
/// rows that reached the disk count.
///
/// # Errors
/// A segment of series cannot be read.
pub fn replay(
    rules: &[AlertRule],
    metrics: &Frames,
    telemetry: &Frames,
    told: &[Told],
) -> Result<Vec<Alert>, RecordError> {
    let mut monitor = Monitor::new(rules);
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    for (store, frames) in [metrics, telemetry].into_iter().enumerate() {
        for name in frames.series_names()?.into_iter().filter(|name| monitor.watches(name)) {
            rows.extend(frames.series(&name)?.points().map(|point| Row { store, series: names.len(), point }));
            names.push(name);
        }
    }
    let mut events: Vec<Event<'_>> = told.iter().map(Event::Told).collect();
    // Telemetry goes on when steps do not: the end of each generation is the last moment to notice that.
    for frames in [metrics, telemetry] {
        events.extend(frames.ends()?.into_iter().map(|(generation, time_ns)| Event::End { generation, time_ns }));
    }
    events.sort_by_key(Event::when);
    // Stable, so that values of one series keep their order.
    rows.sort_by_key(Row::together);

    let mut alerts = Vec::new();
    let mut events = events.into_iter().peekable();
    for batch in rows.chunk_by(|a, b| a.together() == b.together()) {
        let Some(Row { point, .. }) = batch.first() else { continue };
        while let Some(event) = events.next_if(|event| event.when() < (point.generation, point.time_ns)) {
            alerts.extend(event.happen(&mut monitor));
        }
        let values: Vec<(&str, f64)> = batch.iter().map(|row| (names[row.series].as_str(), row.point.value)).collect();
        let at = At { step: point.step, epoch: point.epoch };
        let moment = Moment { at, time_ns: point.time_ns, generation: point.generation };
        alerts.extend(monitor.observe(moment, &values));
    }
    for event in events {
        alerts.extend(event.happen(&mut monitor));
    }
    Ok(alerts)
}

struct Row {
    store: usize,
    series: usize,
    point: Point,
}

impl Row {
    /// The same for rows that were recorded together; orders the others as they were recorded.
    fn together(&self) -> (u32, i64, usize, i64) {
        (self.point.generation, self.point.time_ns, self.store, self.point.step)
    }
}

enum Event<'a> {
    Told(&'a Told),
    End { generation: u32, time_ns: i64 },
}

impl Event<'_> {
    fn when(&self) -> (u32, i64) {
        match self {
            Self::Told(told) => (told.generation, told.time_ns),
            Self::End { generation, time_ns } => (*generation, *time_ns),
        }
    }

    fn happen(&self, monitor: &mut Monitor) -> Vec<Alert> {
        match self {
            Self::Told(told) => monitor.turn_to(told.activity, told.generation, told.time_ns),
            Self::End { generation, time_ns } => monitor.tick_in(*generation, *time_ns),
        }
    }
}
