//! `atelier train`: one experiment, from config to trained session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use crossbeam_channel::Sender;

use crate::alerts::{self, Alert};
use crate::cli::{Usage, told};
use crate::config::{self, AlertAction, ConfigErrors, Loaded, Paths};
use crate::native::torch::{libtorch_version, load_cuda};
use crate::record::{At, Event, Recorder};
use crate::session::control::{Request, Response, Source};
use crate::session::detach::Launched;
use crate::session::{self, Folder, New, Session, SessionError, SessionRecorder, State};
use crate::telemetry::{self, Reading};
use crate::train::control::Order;
use crate::train::engine::{Engine, Outcome, Surroundings};
use crate::train::interrupt::Interrupt;
use crate::train::probe::Desk;
use crate::train::validate::HeldOut;
use crate::train::{checkpoint, control};

mod branch;
mod prepare;
mod progress;

pub(super) use prepare::dataset;

use branch::Origin;
use prepare::Prepared;
use progress::Progress;

/// Train an experiment and keep everything about it in a session folder.
///
/// Ctrl-C once finishes the step, writes a checkpoint and ends well; twice ends at once. Either way
/// `atelier train --resume ID` goes on from the newest checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier train configs/quickstart.toml
  atelier train configs/pix2pixhd.toml --set data.root=data/mine --set train.epochs=50 --detach
  atelier train --resume last
  atelier train --resume 260102-101500-mine --set train.epochs=200
  atelier train --branch last@1200 --set optimizer.lr=1e-4 --set name=slower")]
pub struct Args {
    /// The experiment's config.
    #[arg(required_unless_present_any = ["resume", "branch"])]
    config: Option<PathBuf>,
    /// Override a key of the config, checked as the file is: `--set train.epochs=5`. May be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Go on with a session that was stopped, failed or crashed: its id, a part of it, or `last`.
    #[arg(long, value_name = "ID", conflicts_with = "config")]
    resume: Option<String>,
    /// Begin a new session from a checkpoint of another: its id as above, and the step (the newest checkpoint without).
    /// Config and data are the other's, with `--set` over them.
    #[arg(long, value_name = "ID[@STEP]", conflicts_with_all = ["config", "resume"])]
    branch: Option<String>,
    /// Train in the background: the run survives the end of this terminal.
    #[arg(long)]
    detach: bool,
    /// Where sessions live.
    #[arg(long, value_name = "DIR", default_value = session::DEFAULT_ROOT)]
    root: PathBuf,
}

/// How long a detached start is waited for before it is left to itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// Train.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let child = session::detach::child();
    if child.is_some() {
        session::detach::leave_terminal().context("leave the terminal")?;
    }
    // Before anything slow, so that no signal is missed.
    let interrupt = Interrupt::from_signals(child.is_some()).context("install signal handlers")?;
    let folder = match &args.resume {
        Some(query) => Some(session::find(&args.root, query).map_err(misuse)?),
        None => child.clone(),
    };
    let root = args.root.canonicalize().unwrap_or_else(|_| args.root.clone());
    let whole = |folder: Folder| folder.path().canonicalize().map_or(folder, Folder::new);
    let folder = folder.map(whole);
    // Found before the process goes into another directory.
    let origin = args.branch.as_deref().map(|query| Origin::find(&args.root, query)).transpose()?;
    let config_of = origin.as_ref().map(|origin| &origin.parent).or(folder.as_ref());
    let loaded = effective_config(args, config_of)?;
    if args.detach && child.is_none() {
        // Mistakes in the config were told here, where someone reads them.
        let folder = match folder {
            Some(folder) => folder,
            None => session::reserve(&root, &loaded.experiment.name)?,
        };
        return detach(&folder);
    }
    // On a machine without CUDA there is nothing to load, and `prepare` says so to whoever asks for it.
    load_cuda().ok();
    match (folder, &args.resume) {
        (Some(folder), Some(_)) => {
            let session = Arc::new(session::reopen_in(folder, &description(&loaded))?);
            let prepared = prepare::prepare(&loaded.experiment, &interrupt).or_else(|error| {
                session.finish(State::Failed, Some(&told(&error)))?;
                Err(error)
            })?;
            carry_out(&session, &loaded, prepared, interrupt, Begin::Resume { lr: asked_rate(args, &loaded) })
        }
        (folder, _) => {
            // What cannot even begin leaves no session behind.
            let prepared = prepare::prepare(&loaded.experiment, &interrupt)?;
            let mut about = description(&loaded);
            let session = match (&origin, folder) {
                (Some(origin), folder) => {
                    origin.check(prepared.extent)?;
                    origin.describe(&mut about);
                    let folder = folder.map_or_else(|| session::reserve(&root, about.name), Ok)?;
                    origin.give_to(&folder)?;
                    session::create_in(folder, &about)?
                }
                (None, Some(folder)) => session::create_in(folder, &about)?,
                (None, None) => session::create(&root, &about)?,
            };
            let begin = match &origin {
                Some(origin) => {
                    session.recorder().event_here(origin.event());
                    Begin::Resume { lr: asked_rate(args, &loaded) }
                }
                None => Begin::New,
            };
            carry_out(&Arc::new(session), &loaded, prepared, interrupt, begin)
        }
    }
}

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Begin {
    /// At step 0.
    New,
    /// At the newest checkpoint in its folder, its own or one it was given.
    Resume {
        /// A base learning rate to go on with instead of the checkpoint's.
        lr: Option<f64>,
    },
}

/// The base learning rate, where it is among the overrides: a checkpoint has one of its own, which a command may have
/// set, and that holds until someone asks for another.
fn asked_rate(args: &Args, loaded: &Loaded) -> Option<f64> {
    let names_it = |set: &String| {
        let key: String = set.split('=').next().unwrap_or_default().split_whitespace().collect();
        key == "optimizer.lr" || key == "optimizer"
    };
    args.set.iter().any(names_it).then_some(loaded.experiment.optimizer.lr)
}

/// The config to run: a file's, or that of the session to resume, with the overrides laid over it.
///
/// A resumed session's relative paths are meant from the directory it was started in, so the process goes there.
fn effective_config(args: &Args, folder: Option<&Folder>) -> anyhow::Result<Loaded> {
    let loaded = match (folder, &args.config) {
        (_, Some(path)) => config::load(path, &args.set),
        (Some(folder), None) => {
            let manifest = session::Manifest::load(folder)?;
            if let Some(directory) = manifest.directory.as_ref().map(Path::new).filter(|path| path.is_dir()) {
                std::env::set_current_dir(directory).with_context(|| format!("go to {}", directory.display()))?;
            }
            resumed_config(folder, &manifest.config(), &args.set)
        }
        (None, None) => return Err(Usage("name a config, or a session with --resume".to_owned()).into()),
    };
    loaded.map_err(|errors| Usage::from(errors).into())
}

/// A session's own config. With a checkpoint to go on from, the weights it once started from are not read again, and may
/// be gone.
fn resumed_config(folder: &Folder, text: &str, overrides: &[String]) -> Result<Loaded, ConfigErrors> {
    let goes_on = checkpoint::list(&folder.checkpoints()).is_ok_and(|entries| !entries.is_empty());
    let paths = if goes_on { Paths::Resumed } else { Paths::Checked };
    let mut loaded = config::parse_with(text, &folder.manifest().display().to_string(), overrides, paths)?;
    if goes_on {
        loaded.experiment.pix2pixhd.generator.pretrained = None;
    }
    Ok(loaded)
}

/// A session that cannot be found is a mistake of the call; everything else is not.
fn misuse(error: SessionError) -> anyhow::Error {
    if error.is_usage() { Usage(error.to_string()).into() } else { error.into() }
}

fn detach(folder: &Folder) -> anyhow::Result<()> {
    let id = folder.id();
    match session::detach::spawn(folder, PATIENCE)? {
        Launched::Started { pid } => println!("{id} trains in the background, process {pid}"),
        Launched::Preparing { pid } => println!("{id} still prepares in the background, process {pid}"),
        Launched::Failed { status, output } => bail!("{id} did not start ({status}):\n{}", output.trim_end()),
    }
    println!("  atelier show {id}     how it stands");
    println!("  atelier stop {id}     write a checkpoint and end");
    Ok(())
}

fn description(loaded: &Loaded) -> New<'_> {
    let experiment = &loaded.experiment;
    New {
        name: &experiment.name,
        tags: &experiment.tags,
        notes: &experiment.notes,
        config: &loaded.text,
        command: std::env::args().collect(),
        seed: Some(experiment.seed),
        parent: None,
        parent_step: None,
        inventory: serde_json::to_value(telemetry::inventory()).unwrap_or_default(),
        versions: BTreeMap::from([("libtorch".to_owned(), libtorch_version().to_owned())]),
    }
}

/// Train in an open session and write down how it ended.
fn carry_out(
    session: &Arc<Session>,
    loaded: &Loaded,
    prepared: Prepared,
    interrupt: Interrupt,
    begin: Begin,
) -> anyhow::Result<()> {
    let outcome = train(session, loaded, prepared, interrupt, begin);
    let (state, reason) = match &outcome {
        Ok(Outcome::Finished) => (State::Finished, None),
        Ok(Outcome::Stopped(reason)) => (State::Stopped, Some(reason.clone())),
        Ok(Outcome::Failed(reason)) => (State::Failed, Some(reason.clone())),
        Err(error) => (State::Failed, Some(told(error))),
    };
    session.finish(state, reason.as_deref())?;
    let id = session.id();
    match outcome? {
        Outcome::Finished => println!("{} is done: {}", id, session.folder().path().display()),
        Outcome::Stopped(reason) => {
            println!("{id} stopped: {reason}\n  atelier train --resume {id}     goes on");
        }
        Outcome::Failed(reason) => bail!("{id} failed: {reason}"),
    }
    println!("  atelier show {id}\n  atelier stylize --session {id} photo.jpg -o out/");
    if loaded.experiment.track == config::Track::SdLora {
        println!("  atelier lora convert --session {id} --to kohya -o {id}.safetensors");
    }
    Ok(())
}

fn train(
    session: &Arc<Session>,
    loaded: &Loaded,
    prepared: Prepared,
    interrupt: Interrupt,
    begin: Begin,
) -> anyhow::Result<Outcome> {
    let Prepared { device, extent, learner, train, validation, pairs } = prepared;
    session.set_totals(extent.steps(), extent.epochs as f64)?;
    session.set_device(&prepare::name_of(device))?;
    let unmeasured = validation.as_ref().map(HeldOut::remarks).unwrap_or_default();
    for remark in loaded.remarks.iter().chain(&learner.track().remarks()).chain(&unmeasured) {
        session.remark(remark)?;
    }
    let progress = Arc::new(Progress::new(extent.steps(), extent.epochs));
    progress.line(&format!(
        "{}  {} pairs to train on, {} held out, {} steps on {:?}",
        session.id(),
        pairs.0,
        pairs.1,
        extent.steps(),
        device
    ));
    let position = Arc::new(Mutex::new(extent.at(0)));
    let recorder = Arc::new(Tee {
        recorder: session.recorder(),
        session: Arc::clone(session),
        progress: Arc::clone(&progress),
        position: Arc::clone(&position),
    });
    let desk = Desk {
        session: session.id(),
        source: Source::Live,
        train: train.pairs(),
        held_out: validation.as_ref().and_then(|held_out| held_out.batches.pairs()),
    };
    let (orders, mailbox) = control::serve(session.control_listener()?, annotating(session), desk)?;
    // Weakly: the recorder holds what it tells, which would otherwise hold the recorder.
    let tell = Arc::downgrade(&recorder);
    session.recorder().watch(
        &loaded.experiment.alert_rules(),
        Box::new(move |alert| {
            if let Some(tee) = tell.upgrade() {
                tee.alert(alert, &orders);
            }
        }),
    );
    let recorder: Arc<dyn Recorder> = recorder;
    let samples = Arc::clone(session);
    let remarks = Arc::clone(&recorder);
    let surroundings = Surroundings {
        recorder,
        on_state: Box::new({
            let session = Arc::clone(session);
            // A manifest that cannot be written now is written by the next change; the run goes on.
            move |state, reason| {
                session.set_state(state, Some(reason)).unwrap_or_else(|error| session.log(&error.to_string()));
            }
        }),
        mailbox,
        interrupt,
        checkpoints: session.folder().checkpoints(),
        samples: session.folder().samples(),
    };
    let mut engine = Engine::new(loaded.experiment.clone(), learner, train, validation, extent, device, surroundings);
    if let Begin::Resume { lr } = begin {
        engine.resume()?;
        if let Some(lr) = lr {
            engine.set_lr(lr);
        }
        if engine.is_done() {
            progress.line(&format!(
                "all {} epochs are done; `--set train.epochs={}` goes on",
                extent.epochs,
                2 * extent.epochs
            ));
        }
    }
    // Not before the run knows where it goes on: what is sampled belongs to that step.
    *position.lock().unwrap_or_else(PoisonError::into_inner) = engine.at();
    let _telemetry = telemetry::spawn(
        Duration::from_millis(loaded.experiment.telemetry.interval_ms),
        telemetry::Sampler::new(session.folder().path()),
        move |at, reading| match reading {
            Reading::Values(values) => samples.sample(at, values),
            Reading::Remark(text) => remarks.event(at, Event::new("warning", text)),
        },
        move || *position.lock().unwrap_or_else(PoisonError::into_inner),
    )
    .context("start the telemetry thread")?;
    let outcome = engine.run();
    progress.close();
    Ok(outcome?)
}

/// What the control thread does by itself: notes and the like, which no step has to wait for.
fn annotating(session: &Arc<Session>) -> control::Aside {
    let session = Arc::clone(session);
    Arc::new(move |request| {
        let edit = match request {
            Request::Annotate(edit) => edit,
            Request::Record(findings) => {
                return Some(findings.check().map_or_else(Response::error, |()| {
                    let recorder = session.recorder();
                    findings.give(&recorder);
                    Response::ok(findings.to_string(), recorder.position())
                }));
            }
            _ => return None,
        };
        if let Err(problem) = edit.check() {
            return Some(Response::error(problem));
        }
        let recorder = session.recorder();
        Some(match session.update(|manifest| edit.apply(manifest)) {
            Ok(()) => {
                recorder.event_here(Event::new("annotated", edit.to_string()));
                Response::ok(edit.to_string(), recorder.position())
            }
            Err(error) => Response::error(error.to_string()),
        })
    })
}

/// Everything goes to the session; what a person should see goes to the terminal too.
struct Tee {
    session: Arc<Session>,
    recorder: Arc<SessionRecorder>,
    progress: Arc<Progress>,
    /// Where the run is, for whoever samples the machine.
    position: Arc<Mutex<At>>,
}

impl Tee {
    /// Write an alert down, show it, and do as its rule says, by the way that a person's commands take.
    fn alert(&self, alert: &Alert, orders: &Sender<Order>) {
        self.event(alert.moment.at, alert.event());
        self.progress.notify(&alert.notify, &alert.message);
        let request = match alert.action {
            AlertAction::Mark => return,
            AlertAction::Pause => Request::Pause,
            AlertAction::Stop => Request::Stop,
        };
        // A run that has ended takes no orders.
        orders.send(Order::because(request, format!("{}: {}", alerts::EVENT, alert.message))).ok();
    }
}

impl Recorder for Tee {
    fn values(&self, at: At, values: &[(&str, f64)]) {
        *self.position.lock().unwrap_or_else(PoisonError::into_inner) = at;
        self.recorder.values(at, values);
        self.progress.values(at, values);
    }

    fn event(&self, at: At, event: Event) {
        if !self.session.prints_to_log() {
            self.session.log(&format!("step {}: {}: {}", at.step, event.kind, event.message));
        }
        self.recorder.event(at, event.clone());
        self.progress.event(at, event);
    }

    fn settle(&self) {
        self.recorder.settle();
    }
}
