//! Commands, taken between steps; each is an event with its time and step, and answered once it has had its effect.

use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::{Engine, EngineError, PAUSE_POLL, saved_event};
use crate::record::Event;
use crate::session::State;
use crate::session::control::{Request, Response};
use crate::train::control::Order;
use crate::train::probe::{Answer, BOUNDARY, Moment};

/// The same limit as a config's.
const LARGEST_LR: f64 = 1.0;
/// How soon a paused run goes on with probes that wait for their clients to read.
const PROBE_POLL: Duration = Duration::from_millis(5);

/// Whether steps are taken.
#[derive(Debug)]
pub(super) enum Hold {
    /// One after the other.
    Running,
    /// None.
    Paused,
    /// Some, then none.
    Stepping {
        /// The step after which there are none.
        until: i64,
        /// Of how many.
        of: u32,
        /// Told when they are.
        reply: Sender<Answer>,
    },
}

impl Engine {
    /// Carry out what waits in the mailbox, and answer probes. While paused, wait there for more.
    pub(super) fn obey(&mut self) -> Result<(), EngineError> {
        self.count_step()?;
        let begin = Instant::now();
        loop {
            if let Some(reason) = self.surroundings.interrupt.reason() {
                self.stop.get_or_insert_with(|| reason.to_owned());
            }
            if self.stop.is_some() {
                return Ok(());
            }
            // Clients that ask without end do not hold a run up.
            let listens = self.is_paused() || begin.elapsed() < BOUNDARY;
            if let Some(order) = listens.then(|| self.surroundings.mailbox.take()).flatten() {
                self.carry_out(order)?;
                continue;
            }
            self.serve_probes();
            if !self.is_paused() {
                return Ok(());
            }
            let patience = if self.probes.is_idle() { PAUSE_POLL } else { PROBE_POLL };
            if let Some(order) = self.surroundings.mailbox.wait(patience) {
                self.carry_out(order)?;
            }
        }
    }

    fn is_paused(&self) -> bool {
        matches!(self.hold, Hold::Paused)
    }

    /// A step of those that were asked for is done; after the last the run is paused again, and that is told.
    fn count_step(&mut self) -> Result<(), EngineError> {
        let Hold::Stepping { until, of, .. } = self.hold else { return Ok(()) };
        if self.step < until {
            return Ok(());
        }
        self.settle()?;
        self.end_stepping(Hold::Paused, &format!("{of} {} taken, paused", if of == 1 { "step" } else { "steps" }));
        (self.surroundings.on_state)(State::Paused, "");
        Ok(())
    }

    /// Another hold; whoever waits for steps is told why they end.
    fn end_stepping(&mut self, hold: Hold, why: &str) {
        if let Hold::Stepping { reply, .. } = std::mem::replace(&mut self.hold, hold) {
            reply.try_send(self.confirm(why).into()).ok();
        }
    }

    fn serve_probes(&mut self) {
        let size = self.settings.data.size as u64;
        let moment = Moment {
            at: self.extent.at(self.step),
            since: None,
            is_pressed: !self.is_paused(),
            steps_come: !self.is_paused(),
            pair_seconds: self.pair_seconds,
            pair_pixels: size * size,
            pairs: self.settings.train.batch_size as u64,
        };
        if let Some(event) = self.probes.serve(&self.learner, moment) {
            self.event(event);
        }
    }

    /// The run ends: nobody waits for what will not come.
    pub(super) fn dismiss(&mut self) {
        if let Hold::Stepping { until, of, .. } = self.hold {
            let why = format!("the run ended after {} of {of} steps", self.step - until + i64::from(of));
            self.end_stepping(Hold::Running, &why);
        }
        if let Some(event) = self.probes.dismiss("the run has ended; its newest checkpoint answers from now on") {
            self.event(event);
        }
    }

    fn carry_out(&mut self, order: Order) -> Result<(), EngineError> {
        let Order { request, sight, reply, reason } = order;
        if let Request::Probe(probe) = request {
            self.probes.push(probe, sight, reply);
            return Ok(());
        }
        // What is answered must hold: everything up to this step is read first.
        self.settle()?;
        if !matches!(request, Request::Status) {
            let mut event = Event::new("command", request.to_string())
                .with("command", serde_json::to_value(&request).unwrap_or_default());
            if let Some(reason) = &reason {
                event = event.with("reason", reason.as_str());
            }
            self.event(event);
        }
        let answer = match request {
            Request::Pause => {
                if !self.is_paused() {
                    self.end_stepping(Hold::Paused, "paused by another command before the last of the steps");
                    (self.surroundings.on_state)(State::Paused, reason.as_deref().unwrap_or_default());
                }
                self.confirm("paused")
            }
            Request::Resume => {
                if !matches!(self.hold, Hold::Running) {
                    self.end_stepping(Hold::Running, "resumed by another command: the steps go on without end");
                    (self.surroundings.on_state)(State::Running, "");
                    self.last_end = None;
                }
                self.confirm("running")
            }
            Request::Step { n } => {
                if self.is_paused() {
                    self.hold = Hold::Stepping { until: self.step + i64::from(n), of: n, reply };
                    (self.surroundings.on_state)(State::Running, "");
                    self.last_end = None;
                    // Answered when they are done.
                    return Ok(());
                }
                Response::error("steps are asked of a paused run, and this one takes them already: `pause` it first")
            }
            Request::Stop => {
                self.stop = Some(reason.unwrap_or_else(|| "stopped by command".to_owned()));
                self.confirm("stopping; a checkpoint of this step is being written")
            }
            Request::Sample => match self.sample() {
                Ok(message) => self.confirm(&message),
                Err(problem) => Response::error(problem),
            },
            Request::Set { key, value } => self.set(&key, &value),
            Request::Annotate(_) | Request::Record(_) | Request::Probe(_) => {
                Response::error("this run keeps no session to write that into")
            }
            Request::Status => self.confirm(if self.is_paused() { "paused" } else { "running" }),
            Request::Checkpoint => {
                if let Some(path) = self.saved_already() {
                    let answer = self.confirm(&format!("{} (this step's was written already)", path.display()));
                    reply.send(answer.into()).ok();
                    return Ok(());
                }
                // Answered by the writing thread, when the checkpoint is on disk.
                let at = self.extent.at(self.step);
                self.save(Box::new(move |saved| {
                    let message = saved_event(saved).message;
                    let response = match saved {
                        Ok(_) => Response::ok(message, at),
                        Err(_) => Response::error(message),
                    };
                    reply.send(response.into()).ok();
                }))?;
                return Ok(());
            }
        };
        // Whoever asked may have hung up.
        reply.send(answer.into()).ok();
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Response {
        if key != "lr" {
            return Response::error(format!("`{key}` cannot be changed while a run is under way; `lr` can"));
        }
        match value.parse::<f64>() {
            Ok(lr) if (0.0..=LARGEST_LR).contains(&lr) => {
                let before = std::mem::replace(&mut self.learner.lr, lr);
                self.confirm(&format!("base learning rate {before:e} is now {lr:e}"))
            }
            _ => Response::error(format!("`{value}` is no learning rate: a number from 0 to {LARGEST_LR}")),
        }
    }

    fn confirm(&self, message: &str) -> Response {
        Response::ok(message.to_owned(), self.extent.at(self.step))
    }
}
