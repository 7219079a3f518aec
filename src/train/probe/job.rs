//! One question on its way through the boundaries.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use jiff::Timestamp;
use tch::{Kind, TchError, Tensor};

use super::serve::Bench;
use super::{Answer, Body, Found, Held, Piece, Shown};
use crate::alerts::Glob;
use crate::native::torch::empty_cache;
use crate::session::control::wire::PAYLOAD_LIMIT;
use crate::session::control::{Of, Probe, Response};
use crate::train::learner::{Seen, Sight};

/// Pixels that may be predicted from at a time, whatever the training's own pictures.
const LEAST_ROOM: u64 = 1 << 20;
/// The same with a saliency, which keeps all that a pass computes.
const LEAST_SALIENT_ROOM: u64 = 1 << 16;

/// What becomes of a job.
pub(super) enum Next {
    /// It goes on at another boundary.
    Later,
    /// It is answered.
    Done,
    /// Nobody waits for it any more.
    Gone,
}

/// A question, and how far its answer is.
#[derive(Debug)]
pub(super) struct Job {
    probe: Probe,
    sight: Option<Sight>,
    reply: Sender<Answer>,
    state: State,
    /// What it has cost the training.
    pub spent: Duration,
}

#[derive(Debug)]
enum State {
    New,
    /// Tensors still to be copied.
    Copying(VecDeque<String>),
    /// Steps still to be measured, and the last that was.
    Measuring {
        left: u32,
        last: i64,
    },
}

impl fmt::Display for Job {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Text of a client's goes into the log: one line of it.
        let text = self.probe.to_string();
        out.write_str(&text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect::<String>())
    }
}

/// Why a job ends without an answer to its question.
enum Stop {
    Refused(String),
    Gone,
}

impl From<TchError> for Stop {
    fn from(error: TchError) -> Self {
        let text = error.to_string();
        Self::Refused(text.lines().next().unwrap_or_default().trim_start_matches("Internal torch error: ").to_owned())
    }
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

impl Job {
    pub fn new(probe: Probe, sight: Option<Sight>, reply: Sender<Answer>) -> Self {
        Self { probe, sight, reply, state: State::New, spent: Duration::ZERO }
    }

    /// Answer without what was asked for. Whoever asked may have hung up.
    pub fn say(&self, response: Response) {
        self.reply.try_send(response.into()).ok();
    }

    /// Do what there is time for.
    pub fn go_on(&mut self, bench: &mut Bench<'_>) -> Next {
        match self.try_to(bench) {
            Ok(None) => Next::Later,
            Ok(Some(body)) => {
                let found =
                    Found { at: bench.moment.at, time: bench.moment.since.unwrap_or_else(Timestamp::now), body };
                match self.reply.try_send(Answer::Found(Box::new(found))) {
                    Ok(()) => Next::Done,
                    Err(_) => Next::Gone,
                }
            }
            Err(Stop::Refused(why)) => {
                self.say(Response::error(why));
                Next::Done
            }
            Err(Stop::Gone) => Next::Gone,
        }
    }

    fn try_to(&mut self, bench: &mut Bench<'_>) -> Result<Option<Body>, Stop> {
        match &self.probe {
            Probe::List { of, glob } => {
                let tensors = matching(bench.learner.tensors(*of)?, glob);
                let list = tensors.into_iter().map(|(name, tensor)| (name, tensor.size(), kind_of(&tensor))).collect();
                Ok(Some(Body::List(list)))
            }
            Probe::Taps => Ok(Some(Body::Taps(bench.learner.track().stages()))),
            Probe::Tensor { of, name } => {
                let (of, name) = (*of, name.clone());
                one(bench, of, &name)
            }
            Probe::Stats { of, glob } => {
                let (of, glob) = (*of, glob.clone());
                self.stats(bench, of, &glob)
            }
            Probe::Forward { taps, saliency, budget_ms, .. } => {
                let sight = self.sight.as_ref().ok_or_else(|| "the question came without its picture".to_owned())?;
                forward(bench, sight, taps, *saliency, *budget_ms)
            }
            Probe::GradientNorms { steps, glob } => {
                let (steps, glob) = (*steps, glob.clone());
                self.norms(bench, steps, &glob)
            }
        }
    }

    fn stats(&mut self, bench: &mut Bench<'_>, of: Of, glob: &str) -> Result<Option<Body>, Stop> {
        let tensors = bench.learner.tensors(of)?;
        if of == Of::Gradient {
            // Nothing changes them after their step, so that they need no copy: all at once, and all of one step.
            let tensors = some(matching(tensors, glob), of, glob)?;
            self.give(bench, tensors)?;
            return Ok(Some(Body::Stats));
        }
        if matches!(self.state, State::New) {
            let glob = Glob::new(glob);
            let names = tensors.iter().map(|(name, _)| name).filter(|name| glob.matches(name));
            self.state = State::Copying(names.cloned().collect());
        }
        let State::Copying(names) = &mut self.state else { return Ok(None) };
        if names.is_empty() {
            return Err(none_matches(of, glob).into());
        }
        let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
        let mut copies = Vec::new();
        let mut bytes = 0;
        while let Some(name) = names.front() {
            if bench.is_full() || bytes >= super::HELD_LIMIT {
                break;
            }
            let Some(tensor) = tensors.get(name) else {
                return Err(format!("`{name}` is gone: what is trained has changed").into());
            };
            let cost = copying(bench, of, name, tensor)?;
            if bench.is_short_for(cost) {
                break;
            }
            bytes += 4 * tensor.numel() as u64;
            copies.push((name.clone(), copy(bench, name, tensor)?));
            names.pop_front();
        }
        let done = names.is_empty();
        if !copies.is_empty() {
            self.give(bench, copies)?;
        }
        Ok(done.then_some(Body::Stats))
    }

    fn norms(&mut self, bench: &mut Bench<'_>, steps: u32, glob: &str) -> Result<Option<Body>, Stop> {
        if matches!(self.state, State::New) {
            if !bench.moment.steps_come {
                return Err(
                    "no step would come to measure: `resume` the run first, or look at the last step's gradients"
                        .to_owned()
                        .into(),
                );
            }
            self.state = State::Measuring { left: steps, last: bench.moment.at.step };
        }
        let State::Measuring { left, last } = self.state else { return Ok(None) };
        let Some(step) = bench.learner.gradients_of().filter(|step| *step > last) else {
            // Told by nothing else that the client has gone.
            return Ok(None);
        };
        if bench.is_full() {
            return Ok(None);
        }
        let tensors = some(matching(bench.learner.tensors(Of::Gradient)?, glob), Of::Gradient, glob)?;
        self.give(bench, tensors)?;
        self.state = State::Measuring { left: left - 1, last: step };
        Ok((left == 1).then_some(Body::Norms))
    }

    fn give(&self, bench: &Bench<'_>, tensors: Vec<(String, Tensor)>) -> Result<(), Stop> {
        let bytes = tensors.iter().map(|(_, tensor)| 4 * tensor.numel() as u64).sum();
        let piece = Piece { step: bench.moment.at.step, tensors, _held: Held::new(bytes, bench.ledger) };
        self.reply.try_send(Answer::Piece(piece)).map_err(|_gone| Stop::Gone)
    }
}

/// The tensor of this name.
fn one(bench: &mut Bench<'_>, of: Of, name: &str) -> Result<Option<Body>, Stop> {
    let mut tensors = bench.learner.tensors(of)?;
    let Some(at) = tensors.iter().position(|(other, _)| other == name) else {
        let near = tensors.iter().map(|(other, _)| (strsim::jaro_winkler(other, name), other));
        let near = near.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0));
        let near = near.map(|(_, other)| format!("; did you mean `{other}`?")).unwrap_or_default();
        return Err(format!("there is no {of} `{}`{near} `list` names all", name.escape_debug()).into());
    };
    let (name, tensor) = tensors.swap_remove(at);
    let bytes = 4 * tensor.numel() as u64;
    if bytes > PAYLOAD_LIMIT {
        return Err(format!(
            "`{name}` has {} MiB, and {} are the most that is sent: ask for its `stats`",
            bytes >> 20,
            PAYLOAD_LIMIT >> 20
        )
        .into());
    }
    if of == Of::Gradient {
        return Ok(Some(Body::Tensor(name, tensor)));
    }
    let cost = copying(bench, of, &name, &tensor)?;
    if bench.is_full() || bench.is_short_for(cost) {
        return Ok(None);
    }
    let copied = copy(bench, &name, &tensor)?;
    Ok(Some(Body::Tensor(name, copied)))
}

/// What copying a tensor will cost; refused where that is more than a boundary may.
fn copying(bench: &Bench<'_>, of: Of, name: &str, tensor: &Tensor) -> Result<Duration, Stop> {
    if bench.learner.is_frozen(name) || tensor.device().is_cuda() {
        // Shared, or copied on the device, behind what is queued there.
        return Ok(Duration::ZERO);
    }
    let bytes = bytes_of(tensor);
    let cost = Duration::from_secs_f64(bytes as f64 / bench.costs.copying);
    if bench.moment.is_pressed && cost > bench.budget {
        return Err(format!(
            "the {of} `{name}` has {:.1} MiB, and copying it takes about {} ms, where probes may cost a step {}: `pause` \
             the run, ask, and `resume` it; or ask for less by a narrower glob",
            bytes as f64 / f64::from(1 << 20),
            cost.as_millis(),
            bench.budget.as_millis()
        )
        .into());
    }
    Ok(cost)
}

/// A copy that the next step does not change. Where nothing ever will, the tensor itself.
fn copy(bench: &mut Bench<'_>, name: &str, tensor: &Tensor) -> Result<Tensor, Stop> {
    const TELLING: u64 = 1 << 20;
    if bench.learner.is_frozen(name) {
        return Ok(tensor.shallow_clone());
    }
    *bench.has_worked = true;
    let begin = Instant::now();
    let copied = tensor.f_detach()?.f_to_device_(tensor.device(), tensor.f_kind()?, false, true)?;
    let bytes = bytes_of(tensor);
    if bytes >= TELLING && !tensor.device().is_cuda() {
        let rate = bytes as f64 / begin.elapsed().as_secs_f64().max(1e-6);
        bench.costs.copying = 0.7 * bench.costs.copying + 0.3 * rate;
    }
    Ok(copied)
}

fn bytes_of(tensor: &Tensor) -> u64 {
    (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64
}

fn forward(
    bench: &mut Bench<'_>,
    sight: &Sight,
    taps: &[String],
    saliency: bool,
    budget_ms: Option<u64>,
) -> Result<Option<Body>, Stop> {
    let (_, _, height, width) = sight.input.size4()?;
    let pixels = (height * width) as u64;
    let own = bench.moment.pair_pixels * bench.moment.pairs;
    let room = if saliency { own.max(LEAST_SALIENT_ROOM) } else { (4 * own).max(LEAST_ROOM) };
    if pixels > room {
        return Err(format!(
            "a picture of {width}x{height} pixels may take more memory than the run can spare: {room} pixels are the \
             most{}",
            if saliency { " with a saliency" } else { "" }
        )
        .into());
    }
    let budget = budget_ms.map_or(bench.budget, |ms| bench.budget.max(Duration::from_millis(ms)));
    let measured = if saliency { bench.costs.salient } else { bench.costs.looking };
    let guessed = bench.moment.pair_seconds.map(|seconds| {
        let passes = bench.learner.track().passes() + if saliency { 3.0 } else { 0.0 };
        seconds * passes / bench.moment.pair_pixels.max(1) as f64
    });
    let cost = Duration::try_from_secs_f64(pixels as f64 * measured.expected(guessed)).unwrap_or(Duration::MAX);
    if bench.moment.is_pressed && cost > budget {
        let ms = cost.as_millis();
        return Err(format!(
            "a prediction of {width}x{height} pixels{} takes about {ms} ms, where probes may cost a step {}: allow it \
             more by `budget_ms`, or `pause` the run, ask, and `resume` it",
            if saliency { " with its saliency" } else { "" },
            budget.as_millis()
        )
        .into());
    }
    if bench.is_full() || bench.is_short_for(cost) {
        return Ok(None);
    }
    *bench.has_worked = true;
    let begin = Instant::now();
    let seen = bench.learner.look(sight, taps, saliency, PAYLOAD_LIMIT / 2);
    let device = bench.learner.device();
    let Seen { output, record, saliency: gradient, by_average } = match seen {
        Ok(seen) => seen,
        Err(error) => {
            // What it took and did not need is the training's again.
            empty_cache(device).ok();
            return Err(error.into());
        }
    };
    if device.is_cuda() {
        // So that the time is the device's: one number of the last result.
        let _ = f64::try_from(output.f_flatten(0, -1)?.f_get(0)?.f_to_kind(Kind::Double)?)?;
    }
    let known = if saliency { &mut bench.costs.salient } else { &mut bench.costs.looking };
    known.learn(begin.elapsed().as_secs_f64() / pixels as f64);
    if record.is_over() {
        return Err(format!(
            "what the taps would show has more than {} MiB: ask for fewer of them, or for a smaller picture",
            (PAYLOAD_LIMIT / 2) >> 20
        )
        .into());
    }
    let shown = Shown {
        input: sight.input.shallow_clone(),
        target: sight.target.as_ref().map(Tensor::shallow_clone),
        output,
        saliency: gradient,
        taps: record.tensors,
        id: sight.id.clone(),
        by_average,
    };
    Ok(Some(Body::Shown(shown)))
}

fn matching(tensors: Vec<(String, Tensor)>, glob: &str) -> Vec<(String, Tensor)> {
    let glob = Glob::new(glob);
    tensors.into_iter().filter(|(name, _)| glob.matches(name)).collect()
}

fn some(tensors: Vec<(String, Tensor)>, of: Of, glob: &str) -> Result<Vec<(String, Tensor)>, Stop> {
    if tensors.is_empty() { Err(none_matches(of, glob).into()) } else { Ok(tensors) }
}

fn none_matches(of: Of, glob: &str) -> String {
    format!("`{}` matches the name of no {of}: `list` names all", glob.escape_debug())
}

/// A kind as files of tensors call it.
fn kind_of(tensor: &Tensor) -> &'static str {
    match tensor.kind() {
        Kind::Float => "f32",
        Kind::Double => "f64",
        Kind::Half => "f16",
        Kind::BFloat16 => "bf16",
        Kind::Int64 => "i64",
        Kind::Int => "i32",
        Kind::Uint8 => "u8",
        Kind::Bool => "bool",
        _ => "other",
    }
}
