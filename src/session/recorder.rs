//! What a run records through: values to the series store, events to `events.jsonl`.

use std::sync::{Arc, OnceLock};

use crate::alerts::{Activity, Moment};
use crate::config::AlertRule;
use crate::record::{At, Clock, Event, Options, Recorder, Report, Store};

use super::events::EventLine;
use super::events::journal::Journal;
use super::summary::{Board, Summary, timestamp, timestamp_of};
use super::watch::{OnAlert, Watch};
use super::{Folder, SessionError};

/// The session folder's [`Recorder`]. Neither method blocks or fails: what the disk refuses waits in memory, what does
/// not fit there is counted, and the counts are recorded.
#[derive(Debug)]
pub struct SessionRecorder {
    metrics: Store,
    journal: Arc<Journal>,
    board: Arc<Board>,
    clock: Clock,
    generation: u32,
    watch: OnceLock<Watch>,
}

/// A recorder of `metrics/` and `events.jsonl`, and the store of `telemetry/` on the same clock.
pub(super) fn open(folder: &Folder, generation: u32, clock: &Clock) -> Result<(SessionRecorder, Store), SessionError> {
    let board = Arc::new(Board::new(clock.clone(), generation, Summary::load(folder)));
    let journal = Arc::new(Journal::open(folder, Arc::clone(&board))?);
    let options = |what: &'static str| {
        let (journal, board, clock) = (Arc::clone(&journal), Arc::clone(&board), clock.clone());
        Options {
            on_report: Box::new(move |report| {
                let at = board.position().0.unwrap_or(At { step: 0, epoch: 0.0 });
                journal.append(EventLine::new(timestamp(&clock), at, generation, told(what, report)));
            }),
            ..Options::default()
        }
    };
    let metrics = Store::open_with(&folder.metrics(), generation, clock.clone(), options("metrics"))?;
    let telemetry = Store::open_with(&folder.telemetry(), generation, clock.clone(), options("telemetry"))?;
    let recorder =
        SessionRecorder { metrics, journal, board, clock: clock.clone(), generation, watch: OnceLock::new() };
    for (what, store) in [("metrics", &recorder.metrics), ("telemetry", &telemetry)] {
        for warning in store.warnings() {
            recorder.event_here(Event::new("recovered", format!("{what}: {warning}")));
        }
    }
    if recorder.journal.mended() > 0 {
        let cut = recorder.journal.mended();
        recorder.event_here(Event::new("recovered", format!("events: a torn last line was cut off ({cut} bytes)")));
    }
    Ok((recorder, telemetry))
}

fn told(what: &str, report: Report) -> Event {
    match report {
        Report::Failing { why } => {
            Event::new("recording-failing", format!("{what} wait in memory, training goes on: {why}"))
        }
        Report::Recovered { dropped } => {
            Event::new("recording-recovered", format!("{what} are written again; {dropped} rows were given up"))
                .with("dropped", dropped)
        }
        Report::Lost { rows, why } => {
            Event::new("recording-lost", format!("{rows} rows of {what} are lost: {why}")).with("rows", rows)
        }
        Report::Warning { what: warning } => Event::new("recording-warning", format!("{what}: {warning}")),
    }
}

impl SessionRecorder {
    /// The clock of metrics, telemetry and events.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The newest position that values were recorded at.
    pub fn position(&self) -> At {
        self.board.position().0.unwrap_or(At { step: 0, epoch: 0.0 })
    }

    /// The store of `metrics/`.
    pub fn metrics(&self) -> &Store {
        &self.metrics
    }

    /// Record an event at the newest known position.
    pub fn event_here(&self, event: Event) {
        self.event(self.position(), event);
    }

    /// Watch everything recorded from now on with `rules`; what they find is told, not recorded. Only the first call has
    /// an effect.
    pub fn watch(&self, rules: &[AlertRule], on_alert: OnAlert) {
        self.watch.get_or_init(|| Watch::new(rules, on_alert));
    }

    /// Append to a store of this session, under the eyes of whoever watches.
    pub(super) fn append(&self, store: &Store, at: At, values: &[(&str, f64)]) {
        // What is dropped here is counted and recorded by the store itself.
        let Some(watch) = self.watch.get() else {
            store.append(at, values);
            return;
        };
        let alerts = {
            let mut monitor = watch.monitor();
            let time_ns = self.clock.now_ns();
            store.append_at(at, time_ns, values);
            monitor.observe(Moment { at, time_ns, generation: self.generation }, values)
        };
        watch.tell(&alerts);
    }

    /// Wait until everything recorded so far is on the disk.
    pub fn flush(&self) -> Result<(), SessionError> {
        self.metrics.flush()?;
        self.flush_events()
    }

    pub(super) fn flush_events(&self) -> Result<(), SessionError> {
        self.journal.flush()
    }
}

impl Recorder for SessionRecorder {
    fn values(&self, at: At, values: &[(&str, f64)]) {
        self.append(&self.metrics, at, values);
        self.board.post(at, values);
    }

    fn settle(&self) {
        // A disk that refuses is told of by the store itself, and tried again.
        self.flush().ok();
    }

    fn event(&self, at: At, event: Event) {
        let write = |time_ns, event| {
            self.journal.append(EventLine::new(timestamp_of(time_ns), at, self.generation, event));
        };
        let (Some(watch), Some(activity)) = (self.watch.get(), Activity::told(&event.kind, &event.fields)) else {
            return write(self.clock.now_ns(), event);
        };
        let alerts = {
            let mut monitor = watch.monitor();
            let time_ns = self.clock.now_ns();
            write(time_ns, event);
            monitor.turn_to(activity, self.generation, time_ns)
        };
        watch.tell(&alerts);
    }
}
