//! The model of a session: asked of the running training at its next step boundary, or of a process that has its newest
//! checkpoint loaded. Every answer says which.

use std::path::PathBuf;
use std::time::Duration;

use super::hub::Hub;
use super::image::Image;
use super::json::Json;
use super::problem::{Problem, answer};
use super::run::Run;
use super::show::{Content, count, shown};
use super::source::Source;
use super::tables::{GradientNorms, StatsTable, TensorList};
use super::tensor::Tensor;
use super::wire::{self, Answer, Failure, float_bytes};

mod output;
mod parts;

use output::Input;
pub use output::Output;

/// How long a step, or a validation between two steps, may take.
const PATIENCE: Duration = Duration::from_mins(10);
/// Most steps that one question waits for.
const STEPS: usize = 10_000;

/// A session's model. It is asked anew each time: nothing is held, and a training that ends meanwhile is followed by its
/// newest checkpoint.
#[derive(Clone)]
pub struct Live {
    session: String,
    control: PathBuf,
    hub: Hub,
    running: bool,
    taps: Vec<String>,
    budget_ms: Option<i64>,
}
shown!(Live, Said);

/// Which tensors of a model.
#[derive(Debug, Clone, Copy)]
enum Of {
    Weight,
    Gradient,
    Optimizer,
}

impl Of {
    fn json(self) -> Json {
        Json::text(match self {
            Self::Weight => "weight",
            Self::Gradient => "gradient",
            Self::Optimizer => "optimizer",
        })
    }
}

impl Live {
    pub(crate) fn of(run: &Run) -> Result<Self, Problem> {
        // How it stands now, not when the variable was made.
        let now = run.hub.try_run(run.id())?;
        let live = Self {
            session: run.id().to_owned(),
            control: run.folder().join("control.sock"),
            hub: run.hub.clone(),
            running: now.is_running(),
            taps: Vec::new(),
            budget_ms: None,
        };
        if !live.running {
            // Now, so that a session without a checkpoint says so at once.
            live.hub.model(&live.session)?;
        }
        Ok(live)
    }

    /// Whether the training ran when this was made.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The weights whose name fits a pattern: `.list("generator/*.weight")`.
    pub fn list(&self, glob: &str) -> TensorList {
        answer(self.listed(Of::Weight, glob))
    }

    /// The gradients whose name fits a pattern.
    pub fn list_gradients(&self, glob: &str) -> TensorList {
        answer(self.listed(Of::Gradient, glob))
    }

    /// The optimizer's tensors whose name fits a pattern.
    pub fn list_optimizer(&self, glob: &str) -> TensorList {
        answer(self.listed(Of::Optimizer, glob))
    }

    /// One weight, such as `generator/model.1.weight`.
    pub fn weights(&self, name: &str) -> Tensor {
        answer(self.tensor(Of::Weight, name))
    }

    /// The gradient of one weight, of the last step.
    pub fn grad(&self, name: &str) -> Tensor {
        answer(self.tensor(Of::Gradient, name))
    }

    /// A tensor of the optimizer, such as `generator/model.1.weight/exp_avg`.
    pub fn optimizer(&self, name: &str) -> Tensor {
        answer(self.tensor(Of::Optimizer, name))
    }

    /// Statistics of the weights whose name fits a pattern.
    pub fn stats(&self, glob: &str) -> StatsTable {
        answer(self.statistics(Of::Weight, glob))
    }

    /// Statistics of the gradients of the last step.
    pub fn gradient_stats(&self, glob: &str) -> StatsTable {
        answer(self.statistics(Of::Gradient, glob))
    }

    /// The places in the networks whose activations [`Output::tap`] gives.
    pub fn taps(&self) -> Vec<String> {
        let asked = self.probe("taps", Vec::new(), &[], PATIENCE).and_then(|Answer { line, .. }| {
            let names = line.get("result").get("names");
            if !matches!(names, Json::List(_)) {
                return Err(parts::garbled("no names"));
            }
            Ok(names.list().iter().filter_map(Json::as_str).map(str::to_owned).collect())
        });
        answer(asked)
    }

    /// The same model, whose outputs come with the activations at these places: `.with_taps(&["model.4*"])`.
    #[must_use]
    pub fn with_taps(&self, globs: &[&str]) -> Self {
        Self { taps: globs.iter().map(|glob| (*glob).to_owned()).collect(), ..self.clone() }
    }

    /// The same model, whose forward passes may hold the training up for so many milliseconds: without it, one that would
    /// for more than 50 is refused while the training runs.
    #[must_use]
    pub fn with_budget(&self, milliseconds: u32) -> Self {
        Self { budget_ms: Some(milliseconds.into()), ..self.clone() }
    }

    /// What the model makes of the held-out pair at `index`.
    pub fn forward(&self, index: usize) -> Output {
        answer(self.run_forward(&Input::Pair { index, held_out: true }, &self.taps, false))
    }

    /// What the model makes of the training pair at `index`.
    pub fn forward_train(&self, index: usize) -> Output {
        answer(self.run_forward(&Input::Pair { index, held_out: false }, &self.taps, false))
    }

    /// What the model makes of a picture of your own.
    pub fn forward_image(&self, image: &Image) -> Output {
        answer(self.run_forward(&Input::Picture(image.tensor()), &self.taps, false))
    }

    /// Which pixels of the held-out pair at `index` its output depends on most.
    pub fn saliency(&self, index: usize) -> Output {
        answer(self.run_forward(&Input::Pair { index, held_out: true }, &self.taps, true))
    }

    fn run_forward(&self, input: &Input, taps: &[String], saliency: bool) -> Result<Output, Problem> {
        let (described, payload) = match input {
            Input::Pair { index, held_out } => {
                let part = Json::text(if *held_out { "held-out" } else { "train" });
                (Json::object([("pair", Json::Whole(*index as i64)), ("part", part)]), Vec::new())
            }
            Input::Picture(tensor) => {
                let shape = tensor.shape().iter().map(|size| Json::Whole(*size as i64)).collect();
                (Json::object([("image", Json::List(shape))]), float_bytes(tensor.data()))
            }
        };
        let mut fields = vec![("input", described), ("taps", Json::texts(taps)), ("saliency", Json::Bool(saliency))];
        fields.extend(self.budget_ms.map(|budget| ("budget_ms", Json::Whole(budget))));
        let Answer { line, bytes } = self.probe("forward", fields, &payload, PATIENCE)?;
        let source = Source::of(&line, &self.session);
        let parts = parts::tensors(line.get("result"), &bytes, &source)?;
        let rows = parts::rows(line.get("result").get("stats"))?;
        let said = ["id", "weights", "score"].iter().filter_map(|name| {
            let value = line.get("result").get(name).as_str()?;
            Some(if *name == "id" { value.to_owned() } else { format!("{name}: {value}") })
        });
        let notes = said.chain([source.to_string()]).collect::<Vec<_>>().join(" · ");
        Ok(Output::new(self.clone(), input.clone(), parts, StatsTable::new(rows, notes.clone()), source, notes))
    }

    /// The norm of every gradient at each of the next `steps` steps. Waits for them.
    pub fn gradient_norms(&self, steps: usize) -> GradientNorms {
        self.gradient_norms_of(steps, "*")
    }

    /// The same of the parameters whose name fits a pattern.
    pub fn gradient_norms_of(&self, steps: usize, glob: &str) -> GradientNorms {
        let asked = self.patience(steps).and_then(|patience| {
            let fields = vec![("steps", Json::Whole(steps as i64)), ("glob", Json::text(glob))];
            let Answer { line, .. } = self.probe("gradient-norms", fields, &[], patience)?;
            let row = |row: &Json| {
                let (step, name) = (row.get("step").as_i64()?, row.get("name").as_str()?);
                // JSON has no NaN: a norm that is none comes as null or as text.
                Some((step, name.to_owned(), row.get("norm").as_f64().unwrap_or(f64::NAN)))
            };
            let rows: Option<Vec<_>> = line.get("result").get("rows").list().iter().map(row).collect();
            let rows = rows.ok_or_else(|| parts::garbled("a row without its step or name"))?;
            Ok(GradientNorms::new(rows, Source::of(&line, &self.session).to_string()))
        });
        answer(asked)
    }

    /// Wait at the next step boundary, until [`Live::resume`].
    pub fn pause(&self) -> Said {
        answer(self.command("pause", Vec::new(), PATIENCE))
    }

    /// While it is paused: do so many steps, and wait again.
    pub fn step(&self, steps: usize) -> Said {
        let steps_of = || vec![("n", Json::Whole(steps as i64))];
        answer(self.patience(steps).and_then(|patience| self.command("step", steps_of(), patience)))
    }

    /// Go on after [`Live::pause`].
    pub fn resume(&self) -> Said {
        answer(self.command("resume", Vec::new(), PATIENCE))
    }

    /// Change the learning rate, from the next step on.
    pub fn set_lr(&self, lr: f64) -> Said {
        let fields = vec![("key", Json::text("lr")), ("value", Json::text(format!("{lr:e}")))];
        answer(self.command("set", fields, PATIENCE))
    }

    /// Where it stands.
    pub fn status(&self) -> Said {
        answer(self.command("status", Vec::new(), PATIENCE))
    }

    fn patience(&self, steps: usize) -> Result<Duration, Problem> {
        if !(1..=STEPS).contains(&steps) {
            let what = format!("{steps} steps: ask for 1 to {STEPS} at a time");
            return Err(Problem::new(what).about(&self.session));
        }
        Ok(PATIENCE * steps as u32)
    }

    fn listed(&self, of: Of, glob: &str) -> Result<TensorList, Problem> {
        let Answer { line, .. } =
            self.probe("list", vec![("of", of.json()), ("glob", Json::text(glob))], &[], PATIENCE)?;
        let rows = parts::list(line.get("result").get("tensors"))?;
        Ok(TensorList::new(rows, Source::of(&line, &self.session).to_string()))
    }

    fn tensor(&self, of: Of, name: &str) -> Result<Tensor, Problem> {
        let fields = vec![("of", of.json()), ("name", Json::text(name))];
        let Answer { line, bytes } = self.probe("tensor", fields, &[], PATIENCE)?;
        parts::tensor(line.get("result"), name, &bytes).map(|tensor| tensor.of(Source::of(&line, &self.session)))
    }

    fn statistics(&self, of: Of, glob: &str) -> Result<StatsTable, Problem> {
        let fields = vec![("of", of.json()), ("glob", Json::text(glob))];
        let Answer { line, .. } = self.probe("stats", fields, &[], PATIENCE)?;
        let rows = parts::rows(line.get("result").get("rows"))?;
        Ok(StatsTable::new(rows, Source::of(&line, &self.session).to_string()))
    }

    /// Ask the running training, or whoever has the newest checkpoint.
    fn probe(
        &self,
        what: &str,
        fields: Vec<(&str, Json)>,
        bytes: &[u8],
        patience: Duration,
    ) -> Result<Answer, Problem> {
        let head = [("command", Json::text("probe")), ("what", Json::text(what))];
        let all = head.into_iter().chain(fields).map(|(name, value)| (name.to_owned(), value));
        let request = Json::Object(all.collect());
        if self.running {
            match wire::ask(&self.control, request.clone(), bytes, patience) {
                // It has ended meanwhile.
                Err(Failure::Absent(_)) => {}
                answered => return self.told(answered),
            }
        }
        let socket = self.hub.model(&self.session)?;
        self.told(wire::ask(&socket, request, bytes, patience))
    }

    /// Tell the running training to do something.
    fn command(&self, command: &str, fields: Vec<(&str, Json)>, patience: Duration) -> Result<Said, Problem> {
        let over = || {
            let what =
                "no process runs it: there is nothing to steer; its newest checkpoint answers the other questions";
            Problem::new(what).about(&self.session)
        };
        if !self.running {
            return Err(over());
        }
        let all = [("command", Json::text(command))].into_iter().chain(fields);
        let request = Json::Object(all.map(|(name, value)| (name.to_owned(), value)).collect());
        let answered = wire::ask(&self.control, request, &[], patience);
        if let Err(Failure::Absent(_)) = answered {
            return Err(over());
        }
        let Answer { line, .. } = self.told(answered)?;
        let message = line.get("message").as_str().unwrap_or("done").to_owned();
        Ok(Said { message, source: Source::of(&line, &self.session) })
    }

    fn told(&self, answered: Result<Answer, Failure>) -> Result<Answer, Problem> {
        answered.map_err(|failure| failure.problem().about(&self.session))
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let what = if self.running {
            "the running training answers at its next step"
        } else {
            "no process runs it: its newest checkpoint answers"
        };
        vec![Content::Text(format!("{} · {what}", self.session))]
    }
}

/// What a training said to a command.
#[derive(Clone, PartialEq)]
pub struct Said {
    message: String,
    source: Source,
}

impl Said {
    /// In its words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// At which step it took effect.
    pub fn step(&self) -> i64 {
        self.source.step
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Text(format!("{} · step {} · {}", self.source.session, count(self.source.step), self.message))]
    }
}

#[cfg(test)]
mod tests;
