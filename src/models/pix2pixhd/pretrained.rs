//! Starting from weights that exist: a generator's own, or a coarser one's inside an enhancer.

use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use super::{Network, generator_layout, infer};
use crate::config::{Generator, GeneratorKind};
use crate::models::params::{Layout, ParamsError, drop_baggage};
use crate::models::weights::{self, WeightsError};

/// Why a generator could not start from a file.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// The file could not be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// What it holds does not fit.
    #[error("{path}: {what}")]
    Unfit {
        /// The file.
        path: String,
        /// What does not fit.
        what: String,
    },
}

/// A generator's tensors in a file: NVIDIA's own, ours (`generator.` before every key), or wrapped for several GPUs
/// (`module.`). With `ema` the moving average's (`ema.generator.`).
pub fn generator_tensors(tensors: Vec<(String, Tensor)>, ema: bool) -> Result<Vec<(String, Tensor)>, String> {
    let average = "ema.generator.";
    if ema && !tensors.iter().any(|(key, _)| key.starts_with(average)) {
        return Err(
            "no moving average is kept there (`ema.generator.` keys); train with ema_decay, or leave --ema".into()
        );
    }
    let prefix = if ema { average } else { "generator." };
    let prefix = [prefix, "module."].into_iter().find(|prefix| tensors.iter().any(|(key, _)| key.starts_with(prefix)));
    let Some(prefix) = prefix else { return Ok(tensors) };
    let strip = |(key, tensor): (String, Tensor)| Some((key.strip_prefix(prefix)?.to_owned(), tensor));
    Ok(tensors.into_iter().filter_map(strip).collect())
}

/// The vectors of spectral normalisation apart from the parameters.
pub fn split_spectral(tensors: Vec<(String, Tensor)>) -> (Vec<(String, Tensor)>, HashMap<String, Tensor>) {
    let is_vector = |key: &str| key.ends_with(".weight_u") || key.ends_with(".weight_v");
    let (vectors, parameters): (Vec<_>, Vec<_>) = tensors.into_iter().partition(|(key, _)| is_vector(key));
    (parameters, vectors.into_iter().collect())
}

/// Fill `network`, a generator of this `config`, from a file, and say what was done. The file holds the same
/// architecture, or (NVIDIA's coarse-to-fine recipe) one whose body is this enhancer's global branch or its first
/// enhancers: then the file's last convolution is dropped and what is finer keeps its initialisation.
pub fn fill(network: &mut Network, config: &Generator, path: &Path) -> Result<Vec<String>, PretrainedError> {
    let unfit = |what: String| PretrainedError::Unfit { path: path.display().to_string(), what };
    let tensors = generator_tensors(weights::load_file(path)?, false).map_err(unfit)?;
    let (tensors, remark) = drop_baggage(tensors);
    let mut remarks: Vec<String> = remark.into_iter().map(|remark| format!("{}: {remark}", path.display())).collect();
    let (mut tensors, vectors) = split_spectral(tensors);
    let layout: Layout = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    let source = infer::generator(&layout).map_err(unfit)?;

    let coarser = config.kind == GeneratorKind::Local
        && (source.kind == GeneratorKind::Global || source.n_local_enhancers < config.n_local_enhancers);
    if coarser {
        let last: Vec<String> = generator_layout(&source).into_iter().rev().take(2).map(|(name, _)| name).collect();
        tensors.retain(|(name, _)| !last.contains(name));
    }
    let fits = if coarser { network.params.assign_part(&tensors) } else { network.params.assign(&tensors) };
    fits.map_err(|error| match error {
        ParamsError::Mismatch(_) => unfit(format!(
            "it holds {}, the config asks for {}; {error}",
            infer::describe(&source),
            infer::describe(config)
        )),
        ParamsError::Torch(_) => unfit(error.to_string()),
    })?;
    if config.spectral_norm && !coarser && !vectors.is_empty() {
        network.spectral_mut().load_state(&vectors).map_err(unfit)?;
    } else {
        network.refresh_spectral().map_err(|error| unfit(error.to_string()))?;
    }
    let part = if coarser { ", as the coarse part of this enhancer" } else { "" };
    remarks.push(format!("started from {}: {}{part}", path.display(), infer::describe(&source)));
    Ok(remarks)
}
