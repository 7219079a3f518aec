//! `atelier probe-server`: a session's newest checkpoint, asked as a running session is (see docs/sessions.md). Started
//! by the notebook, and ended by it: when standard input closes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::json;
use tch::Device;

use super::sessions::Root;
use crate::config::{self, Experiment, Paths, Precision};
use crate::data::cache::{self, Cache};
use crate::data::loader::Plain;
use crate::data::{self, Dataset};
use crate::session::control::{Of, Probe, Request, Response, Source, bind_at};
use crate::session::{Folder, Manifest};
use crate::tracks::Track;
use crate::tracks::pix2pixhd::Pix2PixHd;
use crate::tracks::sd_lora::SdLora;
use crate::train::checkpoint::{self, Snapshot};
use crate::train::control::{self, Mailbox};
use crate::train::learner::Learner;
use crate::train::probe::{Desk, Moment, Probes};
use crate::train::schedule::Extent;

/// How often it is looked whether standard input has closed.
const POLL: Duration = Duration::from_millis(100);

/// Answer probes of a session's newest checkpoint, on the CPU, until standard input closes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    /// Where to listen. The folder should be nobody else's.
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    #[command(flatten)]
    root: Root,
}

/// A model that was kept, and what is known of its pairs.
struct Kept {
    learner: Learner,
    desk: Desk,
    moment: Moment,
    path: PathBuf,
}

/// Load, listen, answer.
///
/// # Errors
/// There is no such session, no whole checkpoint of it, or nowhere to listen.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let socket = std::path::absolute(&args.socket)?;
    let folder = args.root.find(&args.id)?;
    let folder = folder.path().canonicalize().map_or(folder, Folder::new);
    let Kept { learner, desk, moment, path } = open(&folder)?;
    let listener = bind_at(&socket).with_context(|| format!("listen on {}", socket.display()))?;
    let (_orders, mailbox) = control::serve(listener, aside(path.clone(), moment), desk)?;
    let closed = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&closed);
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        // Whatever comes there means nothing.
        io::copy(&mut io::stdin().lock(), &mut io::sink()).ok();
        tell.store(true, Ordering::Relaxed);
    })?;
    // For whoever started it: from now on it answers.
    let ready = json!({ "socket": socket, "session": folder.id(), "step": moment.at.step, "checkpoint": path });
    super::print(&format!("{ready}\n"))?;
    answer(&learner, moment, &mailbox, &closed);
    fs::remove_file(&socket).ok();
    Ok(())
}

/// Until `closed`.
fn answer(learner: &Learner, moment: Moment, mailbox: &Mailbox, closed: &AtomicBool) {
    const BUSY: Duration = Duration::from_millis(5);
    let mut probes = Probes::default();
    while !closed.load(Ordering::Relaxed) {
        let order = mailbox.wait(if probes.is_idle() { POLL } else { BUSY });
        if let Some(control::Order { request: Request::Probe(probe), sight, reply, .. }) = order {
            probes.push(probe, sight, reply);
        }
        // Counted in no session's events: nothing runs that keeps them.
        probes.serve(learner, moment);
    }
}

/// What a checkpoint answers without looking into it.
fn aside(path: PathBuf, moment: Moment) -> control::Aside {
    let no_gradients = "a checkpoint keeps no gradients: they are there while the session runs; go on with it by \
                        `atelier train --resume`";
    Arc::new(move |request| match request {
        Request::Probe(
            Probe::GradientNorms { .. }
            | Probe::List { of: Of::Gradient, .. }
            | Probe::Stats { of: Of::Gradient, .. }
            | Probe::Tensor { of: Of::Gradient, .. },
        ) => Some(Response::error(no_gradients)),
        Request::Probe(_) => None,
        Request::Status => Some(Response::ok(format!("checkpoint {}", path.display()), moment.at)),
        other => Some(Response::error(format!(
            "`{other}` steers a session that runs, and here its newest checkpoint answers: probes alone"
        ))),
    })
}

fn open(folder: &Folder) -> anyhow::Result<Kept> {
    let manifest = Manifest::load(folder)?;
    // Relative paths of the config are meant from where the session was started.
    if let Some(directory) = manifest.directory.as_ref().map(Path::new).filter(|path| path.is_dir()) {
        std::env::set_current_dir(directory).with_context(|| format!("go to {}", directory.display()))?;
    }
    let origin = folder.manifest().display().to_string();
    let experiment = config::parse_with(&manifest.config(), &origin, &[], Paths::Unchecked)?.experiment;
    let Some(newest) = checkpoint::newest(&folder.checkpoints(), checkpoint::load)? else {
        bail!("session {} has no checkpoint yet, so there is no model to ask", folder.id());
    };
    for damaged in &newest.damaged {
        eprintln!("warning: passed over a damaged checkpoint: {damaged}");
    }
    let Snapshot { state, model, optimizer } = newest.content;
    let (dataset, [train, held_out]) = pairs(&experiment);
    let steps_per_epoch = if state.epoch > 0.0 { (state.step as f64 / state.epoch).round() } else { 1.0 };
    let extent = Extent { steps_per_epoch: (steps_per_epoch as i64).max(1), epochs: experiment.train.epochs as i64 };
    let experiment = looked_at(experiment);
    let mut learner = Learner::new(track(&experiment, &dataset)?, &experiment, extent, Device::Cpu)?;
    learner.restore(state.step, &model, &optimizer).map_err(|problem| {
        anyhow::anyhow!("checkpoint {} does not fit its session: {problem}", newest.path.display())
    })?;
    let written = fs::metadata(newest.path.join("state.json")).and_then(|data| data.modified()).ok();
    let size = experiment.data.size as u64;
    let moment = Moment {
        at: crate::record::At { step: state.step, epoch: state.epoch },
        since: written.and_then(|time| Timestamp::try_from(time).ok()),
        is_pressed: false,
        steps_come: false,
        pair_seconds: None,
        pair_pixels: size * size,
        pairs: experiment.train.batch_size as u64,
    };
    let part = |plain: Option<Plain>| plain.map(|plain| Arc::new(plain) as Arc<dyn data::batch::Pairs>);
    let desk = Desk { session: folder.id(), source: Source::Checkpoint, train: part(train), held_out: part(held_out) };
    Ok(Kept { learner, desk, moment, path: newest.path })
}

/// The session's pairs as its run split them, where they are still there.
fn pairs(experiment: &Experiment) -> (Dataset, [Option<Plain>; 2]) {
    let opened = Dataset::open(&experiment.data.root).map_err(|error| error.to_string()).and_then(|dataset| {
        let cache = Cache::open(&dataset, &experiment.data, &cache::default_dir());
        Ok((cache.map_err(|error| error.to_string())?, dataset))
    });
    match opened {
        Ok((cache, dataset)) => {
            let split = data::split(&dataset, experiment.data.validation_fraction, experiment.data.split_seed);
            let plain = |indices: Vec<usize>| {
                Some(indices)
                    .filter(|indices| !indices.is_empty())
                    .map(|indices| Plain::new(cache.clone(), indices, Device::Cpu))
            };
            let parts = [plain(split.train), plain(split.validation)];
            (dataset, parts)
        }
        Err(problem) => {
            eprintln!("warning: the pairs cannot be asked for: {problem}");
            let root = experiment.data.root.clone();
            let none =
                Dataset { root, pairs: Vec::new(), has_manifest: false, left_out: Vec::new(), recorded_split: None };
            (none, [None, None])
        }
    }
}

/// The experiment without what only training needs: published weights of a loss, where the networks began.
fn looked_at(mut experiment: Experiment) -> Experiment {
    experiment.train.precision = Precision::F32;
    experiment.pix2pixhd.generator.pretrained = None;
    let loss = &mut experiment.pix2pixhd.loss;
    if loss.vgg != 0.0 {
        loss.vgg = 0.0;
        // A loss of nothing is refused, and none is computed here.
        loss.l1 = loss.l1.max(1.0);
    }
    experiment
}

fn track(experiment: &Experiment, dataset: &Dataset) -> anyhow::Result<Box<dyn Track>> {
    Ok(match experiment.track {
        config::Track::Pix2pixhd => Box::new(Pix2PixHd::new(experiment, Device::Cpu)?),
        config::Track::SdLora => Box::new(SdLora::new(experiment, dataset, Device::Cpu)?),
    })
}
