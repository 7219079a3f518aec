//! The loop: steps, epochs, what happens between them, and how a run ends.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tch::{Device, TchError};

use crate::config::Experiment;
use crate::data::batch::Batches;
use crate::native::torch::{Mark, device_memory, empty_cache, reset_peak_memory};
use crate::record::{At, Event, Recorder};
use crate::session::State;
use crate::train::checkpoint::{self, CheckpointError, Snapshot};
use crate::train::control::Mailbox;
use crate::train::interrupt::Interrupt;
use crate::train::learner::{Learner, SKIPPED, StepError};
use crate::train::pending::{Finished, Pending};
use crate::train::probe::Probes;
use crate::train::saver::{Saved, Saver};
use crate::train::schedule::Extent;
use crate::train::validate::{HeldOut, sample, validate};

mod commands;

use commands::Hold;

/// How often a paused run looks for signals.
const PAUSE_POLL: Duration = Duration::from_millis(100);

/// Told of a change of state, with its reason.
pub type OnState = Box<dyn FnMut(State, &str)>;

/// Everything a run needs from the outside.
pub struct Surroundings {
    /// Where values and events go.
    pub recorder: Arc<dyn Recorder>,
    /// Told of every change of state, with its reason.
    pub on_state: OnState,
    /// Commands.
    pub mailbox: Mailbox,
    /// Signals.
    pub interrupt: Interrupt,
    /// Folder of checkpoints.
    pub checkpoints: PathBuf,
    /// Folder of samples.
    pub samples: PathBuf,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs done.
    Finished,
    /// Asked to stop; resumable.
    Stopped(String),
    /// Gave up; resumable from its last checkpoint.
    Failed(String),
}

/// A run that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// libtorch refused.
    #[error("{0}")]
    Torch(#[from] TchError),
    /// The checkpoint to resume from cannot be used.
    #[error("{0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoint does not fit the config.
    #[error("checkpoint {} does not fit this experiment: {problem}", path.display())]
    Misfit {
        /// The checkpoint.
        path: PathBuf,
        /// The first tensor that does not fit.
        problem: String,
    },
}

/// One experiment under way.
pub struct Engine {
    settings: Experiment,
    learner: Learner,
    train: Box<dyn Batches>,
    validation: Option<HeldOut>,
    surroundings: Surroundings,
    saver: Saver,
    extent: Extent,
    device: Device,
    /// Optimizer steps finished.
    step: i64,
    pending: Option<Pending>,
    skipped_in_a_row: usize,
    skipped_steps: u64,
    /// Newest validation metrics, as a checkpoint keeps them.
    metrics: Vec<(String, f64)>,
    /// Step and learning rate of the checkpoint that was last read or begun to be written.
    saved: (i64, f64),
    /// Whether it was said what batch would fit.
    advised: bool,
    /// Things worth telling that the batches have told already.
    told: HashSet<String>,
    /// When the step before was done; none where something else came between.
    last_end: Option<Mark>,
    hold: Hold,
    probes: Probes,
    /// Seconds that a pair takes on its way forward.
    pair_seconds: Option<f64>,
    stop: Option<String>,
    failure: Option<String>,
}

impl Engine {
    /// An engine at step 0. `validation` is absent where nothing is held out.
    pub fn new(
        settings: Experiment,
        learner: Learner,
        train: Box<dyn Batches>,
        validation: Option<HeldOut>,
        extent: Extent,
        device: Device,
        surroundings: Surroundings,
    ) -> Self {
        let saver = Saver::new(surroundings.checkpoints.clone(), settings.checkpoint.clone());
        let saved = (0, learner.lr);
        Self {
            settings,
            learner,
            train,
            validation,
            surroundings,
            saver,
            extent,
            device,
            step: 0,
            pending: None,
            skipped_in_a_row: 0,
            skipped_steps: 0,
            metrics: Vec::new(),
            saved,
            advised: false,
            told: HashSet::new(),
            last_end: None,
            hold: Hold::Running,
            probes: Probes::default(),
            pair_seconds: None,
            stop: None,
            failure: None,
        }
    }

    /// Go to the newest whole checkpoint of the session. Without any, the run begins at step 0, as a run killed before
    /// its first checkpoint must. Damaged ones that were passed over are recorded.
    pub fn resume(&mut self) -> Result<(), EngineError> {
        let Some(found) = checkpoint::newest(&self.surroundings.checkpoints, checkpoint::load)? else {
            self.event(Event::new("resumed", "no checkpoint yet: beginning at step 0"));
            return Ok(());
        };
        let Snapshot { state, model, optimizer } = found.content;
        self.learner
            .restore(state.step, &model, &optimizer)
            .map_err(|problem| EngineError::Misfit { path: found.path.clone(), problem })?;
        self.learner.lr = state.lr;
        self.step = state.step;
        self.saved = (state.step, state.lr);
        self.skipped_steps = state.skipped_steps;
        self.metrics = state.metrics.into_iter().collect();
        for error in found.damaged {
            self.event(Event::new("checkpoint-damaged", format!("{error}; falling back to the one before")));
        }
        let path = found.path.display().to_string();
        self.event(
            Event::new("resumed", format!("from step {} ({path})", state.step))
                .with("step", state.step)
                .with("checkpoint", path),
        );
        Ok(())
    }

    /// Go on at another base learning rate than the checkpoint's: what the config says, where someone has asked for it.
    pub fn set_lr(&mut self, lr: f64) {
        self.learner.lr = lr;
    }

    /// Where the run is.
    pub fn at(&self) -> At {
        self.extent.at(self.step)
    }

    /// Whether every epoch has been trained.
    pub fn is_done(&self) -> bool {
        self.step >= self.extent.steps()
    }

    /// Run to the end, a stop, or a failure. Whatever the outcome, a checkpoint of the last whole step is left behind.
    pub fn run(mut self) -> Result<Outcome, EngineError> {
        self.announce();
        let ended = self.steps();
        self.dismiss();
        let failed_hard = ended.as_ref().err().map(ToString::to_string);
        if let Err(error) = self.settle() {
            self.event(Event::new("error", error.to_string()));
        }
        let saved = self.save_last();
        if let Some(reason) = failed_hard {
            self.event(Event::new("error", reason));
        }
        ended?;
        let outcome = match (self.failure.take(), self.stop.take(), saved) {
            (Some(reason), ..) => Outcome::Failed(reason),
            (None, _, Err(problem)) => Outcome::Failed(format!("the last checkpoint could not be written: {problem}")),
            (None, Some(reason), Ok(())) => Outcome::Stopped(reason),
            (None, None, Ok(())) => Outcome::Finished,
        };
        Ok(outcome)
    }

    fn announce(&mut self) {
        let Extent { steps_per_epoch, epochs } = self.extent;
        self.event(
            Event::new("started", format!("step {} of {}", self.step, self.extent.steps()))
                .with("steps", self.extent.steps())
                .with("steps_per_epoch", steps_per_epoch)
                .with("epochs", epochs)
                .with("device", format!("{:?}", self.device)),
        );
        let held_out = self.validation.as_ref().map(HeldOut::remarks).unwrap_or_default();
        for remark in self.learner.track().remarks().into_iter().chain(held_out) {
            self.event(Event::new("remark", remark));
        }
        (self.surroundings.on_state)(State::Running, "");
    }

    fn steps(&mut self) -> Result<(), EngineError> {
        while self.step < self.extent.steps() {
            self.obey()?;
            if self.stop.is_some() || self.failure.is_some() {
                break;
            }
            self.advance()?;
            if self.failure.is_none() {
                self.between_steps()?;
            }
        }
        Ok(())
    }

    /// One step. Where the device works behind the host, the former step's scalars are read after this one is queued.
    fn advance(&mut self) -> Result<(), EngineError> {
        if self.step % self.extent.steps_per_epoch == 0 {
            self.learner.enter_epoch(self.extent.epoch_of(self.step))?;
        }
        let queued = self.learner.step(self.train.as_mut(), self.step);
        self.step += 1;
        match queued {
            Ok(pending) => {
                if let Some(former) = self.pending.replace(pending) {
                    self.record_step(former)?;
                }
                if !self.device.is_cuda() {
                    self.settle()?;
                }
                Ok(())
            }
            Err(StepError::Torch(error)) => {
                self.step -= 1;
                Err(error.into())
            }
            Err(StepError::OutOfMemory(message)) => {
                self.settle()?;
                empty_cache(self.device)?;
                self.last_end = None;
                let advice = self.advise_on_memory();
                empty_cache(self.device)?;
                self.skip("out-of-memory", &format!("{message}{advice}"));
                Ok(())
            }
            Err(StepError::Data(error)) => {
                self.settle()?;
                self.last_end = None;
                self.skip("data", &error.to_string());
                Ok(())
            }
        }
    }

    /// What batch would fit where this one did not: tried once in a run, since each try costs a step.
    fn advise_on_memory(&mut self) -> String {
        if std::mem::replace(&mut self.advised, true) {
            return String::new();
        }
        let wanted = self.settings.train.batch_size;
        match self.learner.fitting_batch(self.train.as_mut(), self.step - 1) {
            Ok(Some(fits)) => format!(
                "; a batch of {wanted} does not fit, one of {fits} was tried and does: train.batch_size = {fits} with \
                 train.accumulate = {} makes the same step",
                self.settings.train.accumulate * wanted.div_ceil(fits)
            ),
            Ok(None) if wanted == 1 => "; not even a single pair fits: lower data.size".to_owned(),
            Ok(None) => format!("; a batch of {wanted} does not fit, nor does a single pair: lower data.size"),
            // What is wrong with the batch otherwise will be said when it is asked for again.
            Err(_) => String::new(),
        }
    }

    /// Read the scalars still under way.
    fn settle(&mut self) -> Result<(), TchError> {
        match self.pending.take() {
            Some(pending) => self.record_step(pending),
            None => Ok(()),
        }
    }

    fn record_step(&mut self, pending: Pending) -> Result<(), TchError> {
        let Finished { at, mut values, phases, seconds, end } = pending.finish()?;
        // From end to end where steps follow each other, so that nothing between them goes uncounted.
        let seconds = self.last_end.as_ref().map_or(Ok(seconds), |before| end.seconds_since(before))?;
        self.last_end = Some(end);
        let pairs = (self.settings.train.batch_size * self.settings.train.accumulate) as f64;
        // What it takes when nothing else takes the time: the least of late.
        let now = phases.forward / pairs;
        self.pair_seconds = Some(self.pair_seconds.map_or(now, |before| now.min(before * 1.02)));
        for (name, value) in [
            ("speed/images_per_sec", pairs / seconds),
            ("time/step_seconds", seconds),
            ("time/data_seconds", phases.data),
            ("time/forward_seconds", phases.forward),
            ("time/backward_seconds", phases.backward),
            ("time/optimizer_seconds", phases.optimizer),
        ] {
            values.push((name.to_owned(), value));
        }
        if let Some(memory) = device_memory(self.device)? {
            values.push(("memory/allocated_bytes".to_owned(), memory.allocated as f64));
            values.push(("memory/peak_allocated_bytes".to_owned(), memory.peak_allocated as f64));
            values.push(("memory/reserved_bytes".to_owned(), memory.reserved as f64));
            // Each row has its own: the first steps' search for fast kernels would hide all later ones.
            reset_peak_memory(self.device)?;
        }
        let borrowed: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        self.surroundings.recorder.values(at, &borrowed);
        if values.iter().any(|(name, value)| name == SKIPPED && *value != 0.0) {
            let culprits: Vec<_> = values
                .iter()
                .filter(|(name, value)| !value.is_finite() && !name.starts_with("speed/"))
                .map(|(name, _)| name.as_str())
                .collect();
            let message = format!("not finite: {}; weights left as they were", culprits.join(", "));
            self.skip_at(at, "not-finite", &message);
        } else {
            self.skipped_in_a_row = 0;
        }
        Ok(())
    }

    fn skip(&mut self, cause: &str, message: &str) {
        self.skip_at(self.extent.at(self.step), cause, message);
    }

    fn skip_at(&mut self, at: At, cause: &str, message: &str) {
        self.skipped_steps += 1;
        self.skipped_in_a_row += 1;
        let event = Event::new("step-skipped", message)
            .with("cause", cause)
            .with("in_a_row", self.skipped_in_a_row)
            .with("in_all", self.skipped_steps);
        self.surroundings.recorder.event(at, event);
        self.surroundings.recorder.values(at, &[("train/skipped_steps", self.skipped_steps as f64)]);
        let limit = self.settings.train.max_skipped_steps;
        if self.skipped_in_a_row >= limit {
            self.failure = Some(format!(
                "{limit} steps in a row came to nothing, the last: {message}. See events.jsonl; after a change (lower lr, \
                 smaller batch, mended data) go on with --resume"
            ));
        }
    }

    /// Validation, samples and checkpoints that are due after this step.
    fn between_steps(&mut self) -> Result<(), EngineError> {
        let last = self.step == self.extent.steps();
        let epoch_end = self.extent.ends_epoch(self.step).then(|| self.step / self.extent.steps_per_epoch);
        let due = |every_epochs: usize| {
            epoch_end.is_some_and(|epoch| every_epochs > 0 && (last || epoch % every_epochs as i64 == 0))
        };
        let due_steps = |every: u64| every > 0 && self.step % every as i64 == 0;
        let (validating, sampling, saving) = (
            due(self.settings.validation.every_epochs),
            due(self.settings.samples.every_epochs) || due_steps(self.settings.samples.every_steps),
            due(self.settings.checkpoint.every_epochs) || due_steps(self.settings.checkpoint.every_steps),
        );
        if epoch_end.is_some() {
            self.pass_on_remarks();
        }
        if !(validating || sampling || saving) {
            return Ok(());
        }
        self.settle()?;
        if self.failure.is_some() {
            return Ok(());
        }
        if validating {
            self.validate()?;
        }
        if sampling {
            // What went wrong is an event already.
            self.sample().ok();
        }
        if saving && !last {
            // The last one is written when the loop has ended, however it ended.
            self.save(Box::new(|_| ()))?;
        }
        self.last_end = None;
        Ok(())
    }

    /// What happened to the pairs on their way: a cache that the disk refuses, entries that had to be rebuilt.
    fn pass_on_remarks(&mut self) {
        let held_out = self.validation.as_ref().map(|held_out| held_out.batches.remarks()).unwrap_or_default();
        for remark in self.train.remarks().into_iter().chain(held_out) {
            if self.told.insert(remark.clone()) {
                self.event(Event::new("warning", remark));
            }
        }
    }

    fn validate(&mut self) -> Result<(), EngineError> {
        let settings = &self.settings.validation;
        let Some(held_out) = self.validation.as_mut() else { return Ok(()) };
        self.surroundings.recorder.event(self.extent.at(self.step), Event::new("validating", "held-out pairs"));
        let begin = Instant::now();
        let seed = self.settings.seed;
        match tch::no_grad(|| validate(&self.learner, held_out, settings.max_pairs, seed)) {
            Ok(metrics) => {
                let mut values: Vec<_> = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                values.push(("time/validation_seconds", begin.elapsed().as_secs_f64()));
                self.surroundings.recorder.values(self.extent.at(self.step), &values);
                self.metrics = metrics;
            }
            Err(error) => {
                empty_cache(self.device)?;
                self.event(Event::new("validation-failed", error.to_string()));
            }
        }
        reset_peak_memory(self.device)?;
        Ok(())
    }

    /// Pictures now; gives what happened, for whoever asked.
    fn sample(&mut self) -> Result<String, String> {
        let Some(HeldOut { batches, .. }) = self.validation.as_mut() else {
            return Err("nothing is held out, so there are no pairs to sample".to_owned());
        };
        let count = self.settings.samples.count;
        let dir = &self.surroundings.samples;
        match tch::no_grad(|| sample(&self.learner, batches.as_mut(), count, dir, self.step)) {
            Ok(path) => {
                let message = format!("samples in {}", path.display());
                self.event(Event::new("sample", message.clone()).with("path", path.display().to_string()));
                Ok(message)
            }
            Err(error) => {
                self.event(Event::new("sample-failed", error.to_string()));
                Err(error.to_string())
            }
        }
    }

    /// Start a checkpoint in the background. A write that fails is an event, not the end: training goes on and the next
    /// one tries again.
    fn save(&mut self, on_saved: Box<dyn FnOnce(&Saved) + Send>) -> Result<(), EngineError> {
        self.settle()?;
        let (model, optimizer) = self.learner.snapshot()?;
        let at = self.extent.at(self.step);
        let mut state = checkpoint::State::new(at.step, at.epoch, self.settings.seed, self.learner.lr);
        state.skipped_steps = self.skipped_steps;
        state.metrics = self.metrics.iter().cloned().collect();
        let held = Arc::clone(&self.surroundings.recorder);
        let recorder = Arc::clone(&held);
        let report = move |saved: &Saved| {
            recorder.event(at, saved_event(saved));
            on_saved(saved);
        };
        match self.saver.submit(Snapshot { state, model, optimizer }, held, Box::new(report)) {
            Ok(()) => self.saved = self.position(),
            Err(error) => self.event(Event::new("checkpoint-failed", format!("no thread to write it: {error}"))),
        }
        Ok(())
    }

    /// The checkpoint at the end of a run, waited for; a write of the same step that failed is tried once more.
    fn save_last(&mut self) -> Result<(), String> {
        let former_failed = matches!(self.saver.wait(), Some(Err(_)));
        if self.saved == self.position() && !former_failed {
            return Ok(());
        }
        self.save(Box::new(|_| ())).map_err(|error| error.to_string())?;
        match self.saver.wait() {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("no thread to write it".to_owned()),
        }
    }

    /// The checkpoint of this very position that was just written, if one was; waits for it.
    fn saved_already(&mut self) -> Option<PathBuf> {
        if self.saved != self.position() {
            return None;
        }
        let (written, _) = self.saver.wait()?.as_ref().ok()?;
        Some(written.path.clone())
    }

    /// What a command may have changed since a checkpoint of the same step.
    fn position(&self) -> (i64, f64) {
        (self.step, self.learner.lr)
    }

    fn event(&self, event: Event) {
        self.surroundings.recorder.event(self.extent.at(self.step), event);
    }
}

fn saved_event(saved: &Saved) -> Event {
    match saved {
        Ok((written, removed)) => Event::new(
            "checkpoint",
            format!(
                "{} ({:.2} MiB, {:.2} s)",
                written.path.display(),
                written.bytes as f64 / f64::from(1 << 20),
                written.seconds
            ),
        )
        .with("path", written.path.display().to_string())
        .with("bytes", written.bytes)
        .with("seconds", written.seconds)
        .with("removed", removed.len()),
        Err(error) => {
            Event::new("checkpoint-failed", format!("{error}; training goes on, the next checkpoint tries again"))
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("step", &self.step).field("extent", &self.extent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
