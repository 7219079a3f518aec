//! Commands, taken between steps; each is an event with its time and step, and answered once it has had its effect.

use super::{Engine, EngineError, PAUSE_POLL, saved_event};
use crate::record::Event;
use crate::session::State;
use crate::session::control::{Request, Response};
use crate::train::control::Order;

/// The same limit as a config's.
const LARGEST_LR: f64 = 1.0;

impl Engine {
    /// Carry out what waits in the mailbox. While paused, wait there for more.
    pub(super) fn obey(&mut self) -> Result<(), EngineError> {
        let mut paused = false;
        loop {
            if let Some(reason) = self.surroundings.interrupt.reason() {
                self.stop.get_or_insert_with(|| reason.to_owned());
            }
            if self.stop.is_some() {
                return Ok(());
            }
            let order =
                if paused { self.surroundings.mailbox.wait(PAUSE_POLL) } else { self.surroundings.mailbox.take() };
            match order {
                Some(order) => self.carry_out(order, &mut paused)?,
                None if paused => {}
                None => return Ok(()),
            }
        }
    }

    fn carry_out(&mut self, order: Order, paused: &mut bool) -> Result<(), EngineError> {
        // What is answered must hold: everything up to this step is read first.
        self.settle()?;
        let Order { request, reply, reason } = order;
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
                if !*paused {
                    *paused = true;
                    (self.surroundings.on_state)(State::Paused, reason.as_deref().unwrap_or_default());
                }
                self.confirm("paused")
            }
            Request::Resume => {
                if *paused {
                    *paused = false;
                    (self.surroundings.on_state)(State::Running, "");
                    self.last_end = None;
                }
                self.confirm("running")
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
            Request::Annotate(_) | Request::Record(_) => {
                Response::error("this run keeps no session to write that into")
            }
            Request::Status => self.confirm(if *paused { "paused" } else { "running" }),
            Request::Checkpoint => {
                if let Some(path) = self.saved_already() {
                    let answer = self.confirm(&format!("{} (this step's was written already)", path.display()));
                    reply.send(answer).ok();
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
                    reply.send(response).ok();
                }))?;
                return Ok(());
            }
        };
        // Whoever asked may have hung up.
        reply.send(answer).ok();
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
