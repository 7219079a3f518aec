//! What learns: a track, its optimizers and its moving average, moved one step at a time.

use std::time::Instant;

use tch::{Device, Kind, TchError, Tensor};

use crate::config::Experiment;
use crate::data::batch::{BatchError, Batches};
use crate::models::params::is_running;
use crate::native::torch::{Mark, add_lists, clip_grad_norm, empty_cache, lerp_lists, scale_list};
use crate::tracks::{Forward, StepContext, Track};
use crate::train::optimizer::Adam;
use crate::train::pending::{Lap, Pending};
use crate::train::schedule::{Extent, lr_factor};

mod inspect;

pub use inspect::{Seen, Sight};

/// The scalar that is 1 when a step changed nothing because something in it was not finite.
pub const SKIPPED: &str = "train/skipped";

/// Why a step came to nothing.
#[derive(Debug)]
pub enum StepError {
    /// The device has no memory left for it.
    OutOfMemory(String),
    /// The batch could not be had.
    Data(BatchError),
    /// libtorch refused: a fault of the program or the device, not of this batch.
    Torch(TchError),
}

impl From<TchError> for StepError {
    fn from(error: TchError) -> Self {
        let text = error.to_string();
        if text.contains("out of memory") || text.contains("can't allocate memory") {
            Self::OutOfMemory(gist(&text).to_owned())
        } else {
            Self::Torch(error)
        }
    }
}

/// What libtorch says of itself first; the advice on allocators that follows would fill the screen.
fn gist(text: &str) -> &str {
    let line = text.lines().next().unwrap_or(text);
    let line = line.split(" Including non-PyTorch").next().unwrap_or(line);
    line.trim_start_matches("Internal torch error: ")
}

/// A track with everything that moves it.
pub struct Learner {
    track: Box<dyn Track>,
    optimizers: Vec<(&'static str, Adam)>,
    ema: Option<Ema>,
    settings: Experiment,
    extent: Extent,
    device: Device,
    /// The gradients of the last step, a list for each optimizer: averaged over its micro-batches and clipped, as the
    /// optimizers took them. They go before the next step begins, so that they cost no memory where it is short.
    gradients: Option<(i64, Vec<Vec<Tensor>>)>,
    /// Base learning rate, before schedule and per-network factors.
    pub lr: f64,
}

/// The moving average of the predicting network.
struct Ema {
    names: Vec<String>,
    average: Vec<Tensor>,
    live: Vec<Tensor>,
    decay: f64,
}

impl Learner {
    /// A learner at step 0.
    pub fn new(track: Box<dyn Track>, settings: &Experiment, extent: Extent, device: Device) -> Result<Self, TchError> {
        let decay = settings.train.ema_decay;
        let ema = if decay > 0.0 { Some(Ema::new(track.as_ref(), decay)?) } else { None };
        let lr = settings.optimizer.lr;
        let settings = settings.clone();
        let mut learner = Self { track, optimizers: Vec::new(), ema, settings, extent, device, gradients: None, lr };
        learner.enter_epoch(0)?;
        Ok(learner)
    }

    /// The track.
    pub fn track(&self) -> &dyn Track {
        self.track.as_ref()
    }

    /// Make the optimizers fit an epoch: one whose set of trained parameters changes is built anew, its moments lost, as
    /// the reference does when `niter_fix_global` ends.
    pub fn enter_epoch(&mut self, epoch: usize) -> Result<(), TchError> {
        let mut optimizers = Vec::new();
        for (network, params) in self.track.networks() {
            let is_trained = |name: &str| !is_running(name) && self.track.is_trained(network, name, epoch);
            let kept = self.optimizers.iter().position(|(name, optimizer)| {
                *name == network
                    && params
                        .iter()
                        .map(|(name, _)| name)
                        .filter(|name| is_trained(name))
                        .eq(optimizer.names().iter().map(String::as_str))
            });
            let optimizer = match kept {
                Some(index) => self.optimizers.swap_remove(index).1,
                None => Adam::new(params, &self.settings.optimizer, is_trained)?,
            };
            optimizers.push((network, optimizer));
        }
        self.optimizers = optimizers;
        Ok(())
    }

    /// Queue the step after `step` finished ones. Nothing here waits for the device; randomness is seeded from the
    /// experiment's seed and `step` alone. A step that comes to nothing leaves running statistics as they were, too.
    pub fn step(&mut self, batches: &mut dyn Batches, step: i64) -> Result<Pending, StepError> {
        self.gradients = None;
        let before = self.running()?;
        let attempt = self.attempt(batches, step, &before);
        if attempt.is_err() {
            for (live, before) in &before {
                tch::no_grad(|| live.shallow_clone().f_copy_(before))?;
            }
        }
        attempt
    }

    /// How many pairs of the batch after `step` finished steps fit into memory, found by trying: halves of it and so on,
    /// forward and backward without an update. `None` where not even one does. What the track keeps is left as it was.
    pub fn fitting_batch(&mut self, batches: &mut dyn Batches, step: i64) -> Result<Option<usize>, StepError> {
        let running = self.running()?;
        let state: Vec<(String, Tensor)> = self
            .track
            .state()
            .into_iter()
            .map(|(name, tensor)| Ok((name, duplicate(&tensor)?)))
            .collect::<Result<_, TchError>>()?;
        let found = self.try_halves(batches, step);
        for (live, before) in &running {
            tch::no_grad(|| live.shallow_clone().f_copy_(before))?;
        }
        self.track.load_state(&state).map_err(|problem| TchError::Kind(problem.into_owned()))?;
        found
    }

    fn try_halves(&mut self, batches: &mut dyn Batches, step: i64) -> Result<Option<usize>, StepError> {
        let epoch = self.extent.epoch_of(step);
        let context = StepContext { seed: self.settings.seed, step, epoch };
        let first = (step % self.extent.steps_per_epoch) as usize * self.settings.train.accumulate;
        let whole = batches.batch(epoch, first).map_err(StepError::Data)?;
        let mut count = whole.ids.len() / 2;
        while count > 0 {
            empty_cache(self.device)?;
            let tried = whole.first(count).map_err(StepError::from).and_then(|part| {
                let forward = self.track.forward(&part, context)?;
                self.gradients(&forward)?;
                // Read, so that the device has done it.
                forward.objectives.iter().try_for_each(|objective| f64::try_from(&objective.loss).map(|_| ()))?;
                Ok(())
            });
            match tried {
                Ok(()) => return Ok(Some(count)),
                Err(StepError::OutOfMemory(_)) => count /= 2,
                Err(other) => return Err(other),
            }
        }
        Ok(None)
    }

    /// The gradients of a forward pass, a list for each optimizer.
    fn gradients(&self, forward: &Forward) -> Result<Vec<Vec<Tensor>>, TchError> {
        // The last objective first: its graph is the smallest, and the first one then frees all of them as it goes.
        let mut lists: Vec<Vec<Tensor>> = self.optimizers.iter().map(|_| Vec::new()).collect();
        for (order, objective) in forward.objectives.iter().rev().enumerate() {
            let keep_graph = order + 1 < forward.objectives.len();
            let index = self.position(objective.network)?;
            let params = self.optimizers[index].1.params();
            lists[index] = Tensor::f_run_backward(&[&objective.loss], params, keep_graph, false)?;
        }
        Ok(lists)
    }

    /// The running statistics of every network, each with a copy of its values.
    fn running(&self) -> Result<Vec<(Tensor, Tensor)>, TchError> {
        let networks = self.track.networks();
        let all = networks.iter().flat_map(|(_, params)| params.running());
        all.map(|live| Ok((live.f_detach()?, duplicate(live)?))).collect()
    }

    fn attempt(
        &mut self,
        batches: &mut dyn Batches,
        step: i64,
        running: &[(Tensor, Tensor)],
    ) -> Result<Pending, StepError> {
        let epoch = self.extent.epoch_of(step);
        tch::manual_seed(step_seed(self.settings.seed, step));
        let context = StepContext { seed: self.settings.seed, step, epoch };
        let first = (step % self.extent.steps_per_epoch) as usize * self.settings.train.accumulate;
        let micro_batches = self.settings.train.accumulate.min(batches.per_epoch() - first);

        let mut gradients: Vec<Vec<Tensor>> = Vec::new();
        let mut terms: Vec<(String, Tensor)> = Vec::new();
        let mut losses: Vec<Tensor> = Vec::new();
        let mut laps = Vec::new();
        let mut data_seconds = 0.0;
        for index in first..first + micro_batches {
            let waiting = Instant::now();
            let batch = batches.batch(epoch, index).map_err(StepError::Data)?;
            data_seconds += waiting.elapsed().as_secs_f64();
            let begin = Mark::now(self.device)?;
            let forward = self.track.forward(&batch, context)?;
            let forwarded = Mark::now(self.device)?;
            let micro = self.gradients(&forward)?;
            laps.push(Lap { begin, forward: forwarded, backward: Mark::now(self.device)? });
            for objective in &forward.objectives {
                losses.push(objective.loss.f_detach()?);
            }
            accumulate(&mut gradients, micro)?;
            accumulate_terms(&mut terms, forward.terms)?;
        }
        let share = 1.0 / micro_batches as f64;
        if micro_batches > 1 {
            for list in &gradients {
                scale_list(list, share)?;
            }
            for (_, term) in &mut terms {
                *term = term.f_mul_scalar(share)?;
            }
        }
        self.update(step, &gradients, &losses, running, &mut terms)?;
        self.gradients = Some((step + 1, gradients));
        Ok(Pending::new(self.extent.at(step + 1), terms, data_seconds, laps, self.device)?)
    }

    /// Clip, update and average; adds gradient norms, learning rates and whether the step was skipped to `terms`.
    fn update(
        &mut self,
        step: i64,
        gradients: &[Vec<Tensor>],
        losses: &[Tensor],
        running: &[(Tensor, Tensor)],
        terms: &mut Vec<(String, Tensor)>,
    ) -> Result<(), TchError> {
        let max_norm = self.settings.optimizer.clip_grad_norm;
        let mut suspects: Vec<Tensor> = losses.iter().map(|loss| loss.f_reshape([1])).collect::<Result<_, _>>()?;
        for ((network, _), grads) in self.optimizers.iter().zip(gradients) {
            let norm = clip_grad_norm(grads, max_norm)?;
            suspects.push(norm.f_reshape([1])?);
            terms.push((format!("grad_norm/{network}"), norm));
        }
        let finite = Tensor::f_cat(&suspects, 0)?.f_isfinite()?.f_all()?;
        let found_inf = finite.f_logical_not()?.f_to_kind(Kind::Float)?;
        let schedule = lr_factor(&self.settings.schedule, self.extent, step);
        for ((network, optimizer), grads) in self.optimizers.iter_mut().zip(gradients) {
            let lr = self.lr * schedule * self.track.lr_factor(network);
            optimizer.step(grads, lr, &found_inf)?;
            terms.push((format!("lr/{network}"), Tensor::f_from_slice(&[lr])?.f_to_device(self.device)?));
        }
        for (live, before) in running {
            live.shallow_clone().f_copy_(&live.f_where_self(&finite, before)?)?;
        }
        if let Some(ema) = &self.ema {
            lerp_lists(&ema.average, &ema.live, 1.0 - ema.decay)?;
        }
        terms.push((SKIPPED.to_owned(), found_inf));
        Ok(())
    }

    fn position(&self, network: &str) -> Result<usize, TchError> {
        self.optimizers
            .iter()
            .position(|(name, _)| *name == network)
            .ok_or_else(|| TchError::Kind(format!("an objective names `{network}`, which is no network of the track")))
    }

    /// Stylise with the moving average where there is one, else with the live weights.
    pub fn predict(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let Some(ema) = &self.ema else { return self.track.predict(input) };
        ema.exchange()?;
        let output = self.track.predict(input);
        ema.exchange()?;
        output
    }

    /// Copies on the CPU of everything a resume needs: networks (and their average), then optimizers and track state.
    #[expect(clippy::type_complexity, reason = "two lists of named tensors, told apart by the caller at once")]
    pub fn snapshot(&self) -> Result<(Vec<(String, Tensor)>, Vec<(String, Tensor)>), TchError> {
        let keep = |name: String, tensor: &Tensor| -> Result<(String, Tensor), TchError> {
            let tensor = tensor.f_detach()?;
            // A tensor that is on the CPU already must be copied: training goes on while this is written.
            let copy = tensor.f_to_device_(Device::Cpu, tensor.f_kind()?, false, true)?;
            Ok((name, copy))
        };
        let mut model = Vec::new();
        for (network, params) in self.track.networks() {
            for (name, tensor) in params.iter() {
                model.push(keep(format!("{network}.{name}"), tensor)?);
            }
        }
        if let Some(ema) = &self.ema {
            let network = self.track.predictor();
            for (name, tensor) in ema.names.iter().zip(&ema.average) {
                model.push(keep(format!("ema.{network}.{name}"), tensor)?);
            }
        }
        let mut optimizer = Vec::new();
        for (network, adam) in &self.optimizers {
            for (name, tensor) in adam.state(network) {
                optimizer.push(keep(name, &tensor)?);
            }
        }
        for (name, tensor) in self.track.state() {
            optimizer.push(keep(format!("track.{name}"), &tensor)?);
        }
        Ok((model, optimizer))
    }

    /// Take back a [`Learner::snapshot`] made after `step` steps. Strict in names and shapes.
    pub fn restore(
        &mut self,
        step: i64,
        model: &[(String, Tensor)],
        optimizer: &[(String, Tensor)],
    ) -> Result<(), String> {
        let find = |list: &[(String, Tensor)], name: &str| {
            list.iter().find(|(key, _)| key == name).map(|(_, tensor)| tensor.shallow_clone())
        };
        let copy = |into: &Tensor, from: Option<Tensor>, name: &str| -> Result<(), String> {
            let from = from.ok_or_else(|| format!("`{name}` is missing"))?;
            if from.size() != into.size() {
                return Err(format!("`{name}` has shape {:?}, the network needs {:?}", from.size(), into.size()));
            }
            tch::no_grad(|| into.shallow_clone().f_copy_(&from)).map_err(|error| format!("`{name}`: {error}"))
        };
        self.gradients = None;
        // The optimizers as they were when the checkpoint was made: in the epoch of its last step.
        self.enter_epoch(self.extent.epoch_of((step - 1).max(0))).map_err(|error| error.to_string())?;
        for (network, params) in self.track.networks() {
            for (name, tensor) in params.iter() {
                let name = format!("{network}.{name}");
                copy(tensor, find(model, &name), &name)?;
            }
        }
        if let Some(ema) = &self.ema {
            let network = self.track.predictor();
            for (name, tensor) in ema.names.iter().zip(&ema.average) {
                let name = format!("ema.{network}.{name}");
                copy(tensor, find(model, &name), &name)?;
            }
        }
        for (network, adam) in &mut self.optimizers {
            adam.load_state(network, |name| find(optimizer, name))?;
        }
        let track: Vec<_> = optimizer
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix("track.")?.to_owned(), tensor.shallow_clone())))
            .collect();
        self.track.load_state(&track).map_err(|problem| problem.to_string())
    }
}

impl Ema {
    fn new(track: &dyn Track, decay: f64) -> Result<Self, TchError> {
        let predictor = track.predictor();
        let mut ema = Self { names: Vec::new(), average: Vec::new(), live: Vec::new(), decay };
        for (network, params) in track.networks() {
            for (name, tensor) in params.iter().filter(|_| network == predictor) {
                ema.names.push(name.to_owned());
                ema.average.push(duplicate(tensor)?);
                ema.live.push(tensor.f_detach()?);
            }
        }
        Ok(ema)
    }

    /// Swap values of average and live weights, bit for bit; twice is nothing.
    fn exchange(&self) -> Result<(), TchError> {
        for (average, live) in self.average.iter().zip(&self.live) {
            let held = duplicate(live)?;
            live.shallow_clone().f_copy_(average)?;
            average.shallow_clone().f_copy_(&held)?;
        }
        Ok(())
    }
}

/// A copy that shares nothing, on the same device.
fn duplicate(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_detach()?.f_to_device_(tensor.device(), tensor.f_kind()?, false, true)
}

fn accumulate(sum: &mut Vec<Vec<Tensor>>, micro: Vec<Vec<Tensor>>) -> Result<(), TchError> {
    if sum.is_empty() {
        *sum = micro;
        return Ok(());
    }
    sum.iter().zip(&micro).try_for_each(|(into, from)| add_lists(into, from))
}

fn accumulate_terms(sum: &mut Vec<(String, Tensor)>, micro: Vec<(&'static str, Tensor)>) -> Result<(), TchError> {
    for (name, value) in micro {
        match sum.iter_mut().find(|(key, _)| key == name) {
            Some((_, total)) => *total = total.f_add(&value)?,
            None => sum.push((name.to_owned(), value)),
        }
    }
    Ok(())
}

/// The seed of libtorch's generators for one step: `SplitMix64` of the experiment's seed and the step.
pub fn step_seed(seed: u64, step: i64) -> i64 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add((step as u64).wrapping_add(1));
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    // Kept positive: libtorch takes a signed seed and reserves nothing, but prints of it stay readable.
    ((z ^ (z >> 31)) >> 1) as i64
}
