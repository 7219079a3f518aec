//! The generator that stylises: out of a session or a file.

use std::path::Path;

use anyhow::{Context, bail};
use tch::{Cuda, Device, Kind, Tensor};

use crate::cli::Usage;
use crate::config::{self, Experiment, Paths, Precision};
use crate::models::pix2pixhd::stylist::Stylist;
use crate::models::weights;
use crate::session::{self, Manifest};
use crate::train::checkpoint;

/// The device that was asked for, if it is there.
pub(in crate::cli) fn device(wanted: config::Device) -> anyhow::Result<Device> {
    // Without a GPU or a libtorch for it this fails, and the count below is 0.
    crate::native::torch::load_cuda().ok();
    let count = usize::try_from(Cuda::device_count()).unwrap_or_default();
    match wanted {
        config::Device::Cpu => Ok(Device::Cpu),
        config::Device::Auto => Ok(if count > 0 { Device::Cuda(0) } else { Device::Cpu }),
        config::Device::Cuda(index) if index < count => Ok(Device::Cuda(index)),
        config::Device::Cuda(index) => Err(Usage(format!(
            "--device cuda:{index}: libtorch sees {count} CUDA devices; `atelier doctor` tells why, --device auto takes \
             what there is"
        ))
        .into()),
    }
}

/// The generator of a session's newest whole checkpoint, in the precision it was trained in.
pub(super) fn of_session(root: &Path, id: &str, ema: bool, device: Device) -> anyhow::Result<Stylist> {
    let folder = session::find(root, id)?;
    let manifest = Manifest::load(&folder)?;
    let origin = folder.manifest().display().to_string();
    let experiment = config::parse_with(&manifest.config(), &origin, &[], Paths::Unchecked)?.experiment;
    let newest = checkpoint::newest(&folder.checkpoints(), checkpoint::load_model)?;
    let Some(newest) = newest else {
        bail!("session {} has no checkpoint yet; `atelier checkpoint {0}` asks a running one for it", folder.id());
    };
    for damaged in &newest.damaged {
        eprintln!("warning: passed over a damaged checkpoint: {damaged}");
    }
    let (_, tensors) = newest.content;
    of_checkpoint(&experiment, &newest.path, tensors, ema, device)
}

/// The generator in a checkpoint's networks.
pub(in crate::cli) fn of_checkpoint(
    experiment: &Experiment,
    path: &Path,
    mut tensors: Vec<(String, Tensor)>,
    ema: bool,
    device: Device,
) -> anyhow::Result<Stylist> {
    let generator = &experiment.pix2pixhd.generator;
    if generator.spectral_norm && !ema {
        // The vectors that training refined step by step lie with the optimizer's state.
        let whole = checkpoint::load(path)?;
        let vectors = whole.optimizer.into_iter();
        tensors.extend(vectors.filter_map(|(name, v)| Some((name.strip_prefix("track.")?.to_owned(), v))));
    }
    let kind = match experiment.train.precision {
        Precision::F32 | Precision::Tf32 => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    };
    Stylist::new(tensors, Some(generator), ema, device, kind).with_context(|| path.display().to_string())
}

/// The generator in a weight file; its architecture from a config, or else from its tensors.
pub(super) fn of_file(path: &Path, config: Option<&Path>, ema: bool, device: Device) -> anyhow::Result<Stylist> {
    let loaded = config.map(|path| config::load_with(path, &[], Paths::Unchecked)).transpose().map_err(Usage::from)?;
    let generator = loaded.as_ref().map(|loaded| &loaded.experiment.pix2pixhd.generator);
    let tensors = weights::load_file(path)?;
    Stylist::new(tensors, generator, ema, device, Kind::Float).with_context(|| path.display().to_string())
}
