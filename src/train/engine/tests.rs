//! The engine driven headless, with a track of one weight.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use tch::{Kind, Tensor};

use super::*;
use crate::config::{self, Experiment};
use crate::data::batch::{Batch, BatchError, Form};
use crate::models::params::Params;
use crate::session::control::Request;
use crate::tracks::{Forward, Objective, StepContext, Track};
use crate::train::control::Order;
use crate::train::probe::Answer;

mod probes;

const BATCHES: usize = 3;

static GENERATOR: Mutex<()> = Mutex::new(());

thread_local! {
    /// Held from a test's first run to its end: libtorch's generator is one for the process, which a real process has
    /// one run of, and tests are threads of the same process.
    static ALONE: MutexGuard<'static, ()> = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
}

/// What was recorded, kept in memory.
#[derive(Default)]
struct Memory {
    values: Mutex<Vec<(i64, String, f64)>>,
    events: Mutex<Vec<(i64, Event)>>,
    /// The newest step that had been recorded when the recorder was last asked to bring all to the disk.
    settled: Mutex<Option<i64>>,
}

impl Recorder for Memory {
    fn values(&self, at: At, values: &[(&str, f64)]) {
        let mut kept = self.values.lock().unwrap();
        kept.extend(values.iter().map(|(name, value)| (at.step, (*name).to_owned(), *value)));
    }

    fn event(&self, at: At, event: Event) {
        self.events.lock().unwrap().push((at.step, event));
    }

    fn settle(&self) {
        let recorded = self.values.lock().unwrap().iter().map(|(step, ..)| *step).max();
        *self.settled.lock().unwrap() = recorded;
    }
}

impl Memory {
    fn series(&self, name: &str) -> Vec<(i64, f64)> {
        let values = self.values.lock().unwrap();
        values.iter().filter(|(_, key, _)| key == name).map(|(step, _, value)| (*step, *value)).collect()
    }

    fn events(&self, kind: &str) -> Vec<(i64, String)> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter(|(_, event)| event.kind == kind)
            .map(|(step, event)| (*step, event.message.clone()))
            .collect()
    }
}

/// `y = w x`, fitted under dropout: its losses depend on libtorch's generator, as a real track's do.
struct Line {
    params: Params,
    /// Steps whose loss is NaN.
    poison: Vec<i64>,
    /// Pairs of a batch beyond which memory runs out.
    room: usize,
    seen: i64,
}

fn params(weight: &[f32]) -> Params {
    let norm = ["norm.weight", "norm.running_mean"].map(|name| (name.to_owned(), vec![1]));
    let layout = [vec![("weight".to_owned(), vec![weight.len() as i64])], norm.into()].concat();
    let make = |name: &str, shape: &[i64]| match name {
        "weight" => Tensor::f_from_slice(weight),
        _ => Tensor::f_zeros(shape, (Kind::Float, Device::Cpu)),
    };
    Params::build(&layout, Device::Cpu, make).unwrap()
}

impl Line {
    fn new(poison: &[i64]) -> Self {
        Self { params: params(&[0.25, -0.5]), poison: poison.to_vec(), room: usize::MAX, seen: 0 }
    }
}

impl Track for Line {
    fn networks(&self) -> Vec<(&'static str, &Params)> {
        vec![("generator", &self.params)]
    }

    fn predictor(&self) -> &'static str {
        "generator"
    }

    fn is_trained(&self, _: &str, _: &str, _: usize) -> bool {
        true
    }

    fn lr_factor(&self, _: &str) -> f64 {
        1.0
    }

    fn forward(&mut self, batch: &Batch, context: StepContext) -> Result<Forward, TchError> {
        if batch.ids.len() > self.room {
            // In libtorch's words.
            return Err(TchError::Torch(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes".into(),
            ));
        }
        let weight = self.params.get("weight").unwrap();
        let kept = batch.input.f_dropout(0.3, true)?;
        let mut loss = (weight * kept - &batch.target).f_square()?.f_mean(Kind::Float)?;
        // Uses every trained parameter, and moves a running statistic as a batch norm does.
        loss += self.params.get("norm.weight").unwrap().f_sum(Kind::Float)? * 0.0;
        let _ = self.params.get("norm.running_mean").unwrap().shallow_clone().f_add_scalar_(1.0)?;
        if self.poison.contains(&context.step) {
            loss *= f64::NAN;
        }
        self.seen += 1;
        let terms = vec![("loss/g", loss.f_detach()?)];
        Ok(Forward { objectives: vec![Objective { network: "generator", loss }], terms })
    }

    fn predict(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_mul(self.params.get("weight").unwrap())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![("seen".to_owned(), Tensor::from_slice(&[self.seen]))]
    }

    fn load_state(&mut self, state: &[(String, Tensor)]) -> Result<(), Cow<'static, str>> {
        self.seen = i64::try_from(&state[0].1).map_err(|error| Cow::Owned(error.to_string()))?;
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Batches that are a pure function of epoch and index; those in `missing` cannot be had.
struct Numbers {
    missing: Vec<(usize, usize)>,
    /// Pairs of a batch.
    pairs: usize,
}

impl Batches for Numbers {
    fn per_epoch(&self) -> usize {
        BATCHES
    }

    fn remarks(&self) -> Vec<String> {
        vec!["the cache is full".to_owned()]
    }

    fn batch(&mut self, epoch: usize, index: usize) -> Result<Batch, BatchError> {
        if self.missing.contains(&(epoch, index)) {
            return Err("data/0001/o.png: no such file".into());
        }
        let x = (epoch * BATCHES + index) as f32;
        Ok(Batch {
            input: Tensor::from_slice(&[x.sin(), x.cos()]).repeat([self.pairs as i64, 1]),
            target: Tensor::from_slice(&[x.sin() * 0.7, x.cos() * 0.7]).repeat([self.pairs as i64, 1]),
            form: Form::Pixels,
            ids: vec![format!("{index:04}"); self.pairs],
        })
    }
}

/// A run in `dir` and the ends of it that a test holds.
struct Bench {
    memory: Arc<Memory>,
    orders: Sender<Order>,
    states: Arc<Mutex<Vec<State>>>,
    engine: Engine,
}

fn settings() -> Experiment {
    let text = "name = 'line'\ntrack = 'pix2pixhd'\n[data]\nroot = '.'\n[optimizer]\nlr = 0.01\n\
                [train]\nepochs = 4\nbatch_size = 1\nema_decay = 0.9\nmax_skipped_steps = 3\n\
                [checkpoint]\nevery_epochs = 0\nevery_steps = 2\nkeep_last = 2\n[validation]\nevery_epochs = 0\n\
                [samples]\nevery_epochs = 0";
    toml_edit::de::from_str(text).unwrap()
}

fn bench(dir: &Path, settings: Experiment, track: Line, missing: &[(usize, usize)]) -> Bench {
    ALONE.with(|_| ());
    let extent = Extent::new(BATCHES, settings.train.accumulate, settings.train.epochs);
    let learner = Learner::new(Box::new(track), &settings, extent, Device::Cpu).unwrap();
    let memory = Arc::new(Memory::default());
    let (orders, mailbox) = Mailbox::new();
    let states = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&states);
    let surroundings = Surroundings {
        recorder: Arc::clone(&memory) as Arc<dyn Recorder>,
        on_state: Box::new(move |state, _| told.lock().unwrap().push(state)),
        mailbox,
        interrupt: Interrupt::new(),
        checkpoints: dir.join("checkpoints"),
        samples: dir.join("samples"),
    };
    let batches = Box::new(Numbers { missing: missing.to_vec(), pairs: settings.train.batch_size });
    let engine = Engine::new(settings, learner, batches, None, extent, Device::Cpu, surroundings);
    Bench { memory, orders, states, engine }
}

fn ask(orders: &Sender<Order>, request: Request) -> Receiver<Answer> {
    let (reply, answer) = bounded(1);
    orders.send(Order { request, sight: None, reply, reason: None }).unwrap();
    answer
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one_bit_for_bit() {
    let whole = tempfile::tempdir().unwrap();
    let run = bench(whole.path(), settings(), Line::new(&[]), &[]);
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    let reference = run.memory.series("loss/g");
    assert_eq!(reference.len(), 12);

    for killed_at in 0..12 {
        let dir = tempfile::tempdir().unwrap();
        let mut first = bench(dir.path(), settings(), Line::new(&[]), &[]);
        // Not `run`: a killed process writes no last checkpoint, only those it had begun in time.
        for _ in 0..killed_at {
            first.engine.advance().unwrap();
            first.engine.between_steps().unwrap();
        }
        drop(first.engine);
        let mut second = bench(dir.path(), settings(), Line::new(&[]), &[]);
        second.engine.resume().unwrap();
        assert_eq!(second.engine.step, killed_at / 2 * 2, "from the newest checkpoint");
        assert_eq!(second.engine.run().unwrap(), Outcome::Finished);
        let from = (killed_at / 2 * 2) as usize;
        assert_eq!(second.memory.series("loss/g"), reference[from..], "killed at {killed_at}");
        for series in ["grad_norm/generator", "lr/generator"] {
            assert_eq!(second.memory.series(series), run.memory.series(series)[from..]);
        }
    }
}

#[test]
fn what_led_to_a_checkpoint_is_on_the_disk_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    for _ in 0..2 {
        run.engine.advance().unwrap();
        run.engine.between_steps().unwrap();
    }
    assert!(run.engine.saver.wait().unwrap().is_ok());
    assert_eq!(*run.memory.settled.lock().unwrap(), Some(2));
}

#[test]
fn final_weights_of_a_resumed_run_are_the_same_too() {
    let final_model = |dir: &Path| {
        let newest = checkpoint::newest(&dir.join("checkpoints"), checkpoint::load).unwrap().unwrap();
        assert_eq!(newest.content.state.step, 12);
        let all = newest.content.model.into_iter().chain(newest.content.optimizer);
        all.map(|(name, tensor)| (name, Vec::<f32>::try_from(tensor.to_kind(Kind::Float)).unwrap())).collect::<Vec<_>>()
    };
    let whole = tempfile::tempdir().unwrap();
    bench(whole.path(), settings(), Line::new(&[]), &[]).engine.run().unwrap();
    let parts = tempfile::tempdir().unwrap();
    let first = bench(parts.path(), settings(), Line::new(&[]), &[]);
    ask(&first.orders, Request::Stop);
    assert_eq!(first.engine.run().unwrap(), Outcome::Stopped("stopped by command".to_owned()));
    let mut second = bench(parts.path(), settings(), Line::new(&[]), &[]);
    second.engine.resume().unwrap();
    second.engine.run().unwrap();
    assert_eq!(final_model(parts.path()), final_model(whole.path()));
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[4]), &[]);
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    let skipped = run.memory.events("step-skipped");
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].0, 5);
    assert!(skipped[0].1.contains("loss/g"), "{}", skipped[0].1);
    let losses = run.memory.series("loss/g");
    assert!(losses[4].1.is_nan() && losses[5..].iter().all(|(_, loss)| loss.is_finite()), "{losses:?}");
    let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
    assert_eq!(newest.content.state.skipped_steps, 1);
    let updates = &newest.content.optimizer.iter().find(|(name, _)| name == "generator.weight.step").unwrap().1;
    assert_eq!(f64::try_from(updates).unwrap(), 11.0, "a skipped step is no update");
}

#[test]
fn too_many_skipped_steps_in_a_row_end_the_run_with_whole_weights() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[5, 6, 7, 8]), &[]);
    let Outcome::Failed(reason) = run.engine.run().unwrap() else { panic!("went on") };
    assert!(reason.starts_with("3 steps in a row") && reason.contains("--resume"), "{reason}");
    let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
    assert_eq!(newest.content.state.step, 8);
    let finite = |(name, tensor): &(String, Tensor)| (name.clone(), bool::try_from(tensor.isfinite().all()).unwrap());
    assert!(newest.content.model.iter().map(finite).all(|(_, finite)| finite));
}

#[test]
fn a_batch_that_cannot_be_had_is_skipped_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[(1, 2)]);
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    assert_eq!(run.memory.events("step-skipped"), [(6, "data/0001/o.png: no such file".to_owned())]);
    assert_eq!(run.memory.series("loss/g").len(), 11);
}

#[test]
fn commands_take_effect_between_steps_and_are_events() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    let answers = [
        ask(&run.orders, Request::Pause),
        ask(&run.orders, Request::Status),
        ask(&run.orders, Request::Set { key: "lr".to_owned(), value: "0.5".to_owned() }),
        ask(&run.orders, Request::Set { key: "lr".to_owned(), value: "fast".to_owned() }),
        ask(&run.orders, Request::Set { key: "seed".to_owned(), value: "1".to_owned() }),
        ask(&run.orders, Request::Checkpoint),
        ask(&run.orders, Request::Sample),
        ask(&run.orders, Request::Resume),
    ];
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    let texts: Vec<String> = answers.iter().map(|answer| format!("{:?}", answer.recv().unwrap())).collect();
    assert!(texts[1].contains("paused"), "{texts:?}");
    assert!(texts[2].contains("5e-1"), "{texts:?}");
    assert!(texts[3].contains("`fast` is no learning rate"), "{texts:?}");
    assert!(texts[4].contains("`seed` cannot be changed"), "{texts:?}");
    assert!(texts[5].contains("step-00000000"), "{texts:?}");
    assert!(texts[6].contains("nothing is held out"), "{texts:?}");
    assert_eq!(*run.states.lock().unwrap(), [State::Running, State::Paused, State::Running]);
    assert_eq!(run.memory.events("command").len(), 7, "status is no event");
    assert!(run.memory.series("lr/generator").iter().all(|(_, lr)| (lr - 0.5).abs() < 1e-12));
}

#[test]
fn a_learning_rate_that_was_set_survives_a_resume() {
    let dir = tempfile::tempdir().unwrap();
    let first = bench(dir.path(), settings(), Line::new(&[]), &[]);
    ask(&first.orders, Request::Set { key: "lr".to_owned(), value: "0.125".to_owned() });
    ask(&first.orders, Request::Checkpoint);
    ask(&first.orders, Request::Stop);
    first.engine.run().unwrap();
    let mut second = bench(dir.path(), settings(), Line::new(&[]), &[]);
    second.engine.resume().unwrap();
    second.engine.run().unwrap();
    assert_eq!(second.memory.series("lr/generator")[0].1, 0.125);
}

#[test]
fn a_checkpoint_asked_for_where_the_schedule_wrote_one_is_not_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    for _ in 0..2 {
        run.engine.advance().unwrap();
        run.engine.between_steps().unwrap();
    }
    let again = [ask(&run.orders, Request::Checkpoint), ask(&run.orders, Request::Checkpoint)];
    run.engine.obey().unwrap();
    for answer in again {
        let answer = format!("{:?}", answer.recv().unwrap());
        assert!(answer.contains("step-00000002") && answer.contains("already"), "{answer}");
    }
    assert_eq!(run.memory.events("checkpoint").len(), 1);
    // Another learning rate is another checkpoint, of the same step.
    let set = ask(&run.orders, Request::Set { key: "lr".to_owned(), value: "0.125".to_owned() });
    let third = ask(&run.orders, Request::Checkpoint);
    run.engine.obey().unwrap();
    set.recv().unwrap();
    assert!(!format!("{:?}", third.recv().unwrap()).contains("already"));
    run.engine.saver.wait();
    assert_eq!(run.memory.events("checkpoint").len(), 2);
    let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
    assert_eq!((newest.content.state.step, newest.content.state.lr), (2, 0.125));
}

#[test]
fn a_learning_rate_set_at_a_scheduled_checkpoint_is_kept_by_the_stop_that_follows() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    for _ in 0..2 {
        run.engine.advance().unwrap();
        run.engine.between_steps().unwrap();
    }
    ask(&run.orders, Request::Set { key: "lr".to_owned(), value: "0.125".to_owned() });
    ask(&run.orders, Request::Stop);
    run.engine.run().unwrap();
    let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
    assert_eq!((newest.content.state.step, newest.content.state.lr), (2, 0.125));
}

#[test]
fn a_step_that_comes_to_nothing_leaves_running_statistics_as_they_were() {
    let statistics = |poison: &[i64], missing: &[(usize, usize)]| {
        let dir = tempfile::tempdir().unwrap();
        let run = bench(dir.path(), settings(), Line::new(poison), missing);
        run.engine.run().unwrap();
        let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
        let model = newest.content.model;
        let mean = model.iter().find(|(name, _)| name == "generator.norm.running_mean").unwrap();
        f64::try_from(&mean.1).unwrap()
    };
    // `Line` adds 1 at each forward pass, so it counts the steps that had an effect.
    assert_eq!(statistics(&[], &[]), 12.0);
    assert_eq!(statistics(&[4], &[]), 11.0, "a loss that is not finite");
    assert_eq!(statistics(&[], &[(1, 2)]), 11.0, "a batch that cannot be had");
}

#[test]
fn what_happened_to_the_pairs_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    run.engine.run().map(|_| ()).unwrap();
    assert_eq!(run.memory.events("warning"), [(3, "the cache is full".to_owned())]);
}

#[test]
fn a_signal_while_paused_stops_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    let paused = ask(&run.orders, Request::Pause);
    let interrupt = run.engine.surroundings.interrupt.clone();
    let asker = std::thread::spawn(move || {
        paused.recv().unwrap();
        interrupt.ask();
    });
    assert!(matches!(run.engine.run().unwrap(), Outcome::Stopped(_)));
    asker.join().unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_written_does_not_end_training() {
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder should be: as good as a full or read-only disk.
    std::fs::write(dir.path().join("checkpoints"), b"").unwrap();
    let run = bench(dir.path(), settings(), Line::new(&[]), &[]);
    let Outcome::Failed(reason) = run.engine.run().unwrap() else { panic!("nothing was kept, and that passed") };
    assert!(reason.contains("last checkpoint could not be written"), "{reason}");
    assert_eq!(run.memory.series("loss/g").len(), 12, "every step was taken");
    assert!(run.memory.events("checkpoint-failed").len() >= 5);
}

#[test]
fn a_checkpoint_of_another_shape_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), settings(), Line::new(&[]), &[]).engine.run().unwrap();
    let line = Line { params: params(&[0.25, -0.5, 1.0]), ..Line::new(&[]) };
    let error = bench(dir.path(), settings(), line, &[]).engine.resume().unwrap_err().to_string();
    assert!(error.contains("generator.weight") && error.contains("[2]") && error.contains("[3]"), "{error}");
}

#[test]
fn accumulated_batches_make_one_step() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings();
    settings.train = config::Train { accumulate: 2, ..settings.train };
    let run = bench(dir.path(), settings, Line::new(&[]), &[]);
    assert_eq!(run.engine.run().unwrap(), Outcome::Finished);
    assert_eq!(run.memory.series("loss/g").len(), 8, "three batches are two steps an epoch");
}

#[test]
fn a_batch_that_does_not_fit_is_told_with_one_that_does() {
    let told = |batch_size: usize, room: usize| {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = settings();
        settings.train.batch_size = batch_size;
        let run = bench(dir.path(), settings, Line { room, ..Line::new(&[]) }, &[]);
        let Outcome::Failed(reason) = run.engine.run().unwrap() else { panic!("went on") };
        assert!(reason.contains("3 steps in a row"), "{reason}");
        let newest = checkpoint::newest(&dir.path().join("checkpoints"), checkpoint::load).unwrap().unwrap();
        let seen = newest.content.optimizer.iter().find(|(name, _)| name == "track.seen").unwrap();
        assert_eq!(i64::try_from(&seen.1).unwrap(), 0, "trying leaves no trace");
        run.memory.events("step-skipped")
    };
    let events = told(10, 3);
    assert!(events[0].1.contains("can't allocate memory"), "{events:?}");
    assert!(events[0].1.contains("one of 2 was tried and does: train.batch_size = 2 with train.accumulate = 5"));
    assert!(!events[1].1.contains("was tried"), "once is enough: {events:?}");
    assert!(told(4, 0)[0].1.contains("nor does a single pair"));
    assert!(told(1, 0)[0].1.contains("not even a single pair fits"));
}
