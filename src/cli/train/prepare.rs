//! From a checked config to everything the engine runs on: device, pairs, loaders, track.

use anyhow::Context;
use tch::{Cuda, Device};

use crate::cli::Usage;
use crate::config::{self, Experiment, Precision};
use crate::data::batch::Batches;
use crate::data::cache::Cache;
use crate::data::loader::{Loader, LoaderOptions};
use crate::data::{self, Dataset};
use crate::models::perceptual::judge::Judge;
use crate::native::torch::allow_tf32;
use crate::tracks::Track;
use crate::tracks::pix2pixhd::Pix2PixHd;
use crate::train::interrupt::Interrupt;
use crate::train::learner::Learner;
use crate::train::schedule::Extent;
use crate::train::validate::HeldOut;

mod sd;

/// A run that is ready to begin.
pub struct Prepared {
    /// Where it trains.
    pub device: Device,
    /// Steps and epochs.
    pub extent: Extent,
    /// What learns.
    pub learner: Learner,
    /// Batches to train on.
    pub train: Box<dyn Batches>,
    /// Batches held out, if any are.
    pub validation: Option<HeldOut>,
    /// Pairs to train on, and pairs held out.
    pub pairs: (usize, usize),
}

/// Prepare a run: everything that can fail before there is anything to lose. What takes long looks for signals.
pub fn prepare(experiment: &Experiment, interrupt: &Interrupt) -> anyhow::Result<Prepared> {
    let device = device(experiment.device)?;
    if experiment.train.threads > 0 {
        tch::set_num_threads(experiment.train.threads as i32);
    }
    let coarse = experiment.train.precision != Precision::F32;
    allow_tf32(coarse, coarse)?;
    if device.is_cuda() {
        tch::Cuda::cudnn_set_benchmark(true);
    }
    let dataset = dataset(&experiment.data)?;
    let split = data::split(&dataset, experiment.data.validation_fraction, experiment.data.split_seed);
    if split.train.is_empty() {
        return Err(Usage(format!(
            "{} has no pairs to train on after the split: add pairs, or lower data.validation_fraction",
            experiment.data.root.display()
        ))
        .into());
    }
    let pairs = (split.train.len(), split.validation.len());
    let cache = Cache::open(&dataset, &experiment.data, &data::cache::default_dir())?;
    let options = |training: bool| LoaderOptions {
        config: experiment.data.clone(),
        batch_size: experiment.train.batch_size,
        seed: experiment.seed,
        augment: training,
        shuffle: training,
        device,
    };
    let validation = if split.validation.is_empty() {
        None
    } else {
        let batches = Box::new(Loader::new(cache.clone(), split.validation, options(false))?);
        Some(HeldOut { batches, judge: judge(experiment, device)? })
    };
    let (track, train): (Box<dyn Track>, Box<dyn Batches>) = match experiment.track {
        config::Track::Pix2pixhd => {
            let train = Loader::new(cache, split.train, options(true))?;
            (Box::new(Pix2PixHd::new(experiment, device)?), Box::new(train))
        }
        config::Track::SdLora => sd::prepare(experiment, &dataset, cache, split.train, options(true), interrupt)?,
    };
    let extent = Extent::new(train.per_epoch(), experiment.train.accumulate, experiment.train.epochs);
    let learner = Learner::new(track, experiment, extent, device)?;
    Ok(Prepared { device, extent, learner, train, validation, pairs })
}

/// The metrics of the config's validation.
fn judge(experiment: &Experiment, device: Device) -> anyhow::Result<Judge> {
    let settings = &experiment.validation;
    let metrics = if settings.every_epochs > 0 { settings.metrics.as_slice() } else { &[] };
    let mut judge = Judge::new(metrics, &settings.weights, device)?;
    judge.fit(experiment.data.size, experiment.data.size);
    Ok(judge)
}

/// The device a config names, checked to be there.
fn device(wanted: config::Device) -> anyhow::Result<Device> {
    let count = Cuda::device_count().max(0) as usize;
    match wanted {
        config::Device::Cpu => Ok(Device::Cpu),
        config::Device::Auto => Ok(if count > 0 { Device::Cuda(0) } else { Device::Cpu }),
        config::Device::Cuda(index) if index < count => Ok(Device::Cuda(index)),
        config::Device::Cuda(index) => Err(Usage(format!(
            "device cuda:{index} is not there: libtorch sees {count} CUDA devices. `atelier doctor` tells why; device = \
             \"auto\" takes what there is"
        ))
        .into()),
    }
}

/// A device as configs write it.
pub fn name_of(device: Device) -> String {
    match device {
        Device::Cuda(index) => config::Device::Cuda(index).into(),
        Device::Cpu | Device::Mps | Device::Vulkan => config::Device::Cpu.into(),
    }
}

/// The config's pairs; drawn first where it says so and they are absent.
pub(in crate::cli) fn dataset(config: &config::Data) -> anyhow::Result<Dataset> {
    let root = &config.root;
    match config.procedural {
        Some(procedural) if !root.exists() => {
            data::synth::procedural(root, procedural.count, procedural.seed, procedural.size)
                .with_context(|| format!("draw {} pairs into {}", procedural.count, root.display()))
        }
        _ => Dataset::open(root).with_context(|| format!("open the pairs in {}", root.display())),
    }
}
