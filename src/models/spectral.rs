//! Spectral normalisation: weights divided by an estimate of their largest singular value (Miyato et al. 2018).
//!
//! As `torch.nn.utils.spectral_norm`: the parameter is `KEY.weight_orig`, and one power iteration a training step
//! refines the vectors `KEY.weight_u` and `KEY.weight_v`. They are state, not parameters: a resume needs them.

use std::collections::HashMap;

use tch::{TchError, Tensor};

use crate::models::init;
use crate::models::params::{Layout, Params};

/// The end of a spectrally normalised weight's name.
const ORIGINAL: &str = ".weight_orig";
/// Power iterations at the start; PyTorch does none and starts with a poor estimate.
const FIRST_ITERATIONS: usize = 15;
const EPS: f64 = 1e-12;

/// The layout of the same network with every convolution's weight spectrally normalised; a norm's is a vector.
pub fn rename(layout: Layout) -> Layout {
    layout
        .into_iter()
        .map(|(name, shape)| match name.strip_suffix(".weight") {
            Some(stem) if shape.len() > 1 => (format!("{stem}{ORIGINAL}"), shape),
            _ => (name, shape),
        })
        .collect()
}

/// The power-iteration vectors of one network; empty for a network without spectral normalisation.
#[derive(Debug, Default)]
pub struct Spectral {
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// The convolution's key, without `.weight_orig`.
    key: String,
    /// Whether outputs are the weight's second dimension (transposed convolutions).
    transposed: bool,
    u: Tensor,
    v: Tensor,
}

impl Spectral {
    /// Vectors for every `weight_orig` of `params`. `is_transposed` tells transposed convolutions by key.
    pub fn new(params: &Params, seed: u64, is_transposed: impl Fn(&str) -> bool) -> Result<Self, TchError> {
        let _guard = tch::no_grad_guard();
        let mut layers = Vec::new();
        for (name, weight) in params.iter() {
            let Some(key) = name.strip_suffix(ORIGINAL) else { continue };
            let transposed = is_transposed(key);
            let (rows, columns) = matrix(weight, transposed)?.size2()?;
            let unit = |end: &str, length| {
                unit(&init::normal(seed, &format!("{key}.{end}"), &[length], 1.0)?.f_to_device(weight.device())?)
            };
            let (u, v) = (unit("weight_u", rows)?, unit("weight_v", columns)?);
            layers.push(Layer { key: key.to_owned(), transposed, u, v });
        }
        let mut spectral = Self { layers };
        spectral.settle(params)?;
        Ok(spectral)
    }

    /// As many power iterations as give a usable estimate for weights not seen before.
    pub fn settle(&mut self, params: &Params) -> Result<(), TchError> {
        (0..FIRST_ITERATIONS).try_for_each(|_| self.iterate(params))
    }

    /// One power iteration of every vector.
    pub fn iterate(&mut self, params: &Params) -> Result<(), TchError> {
        let _guard = tch::no_grad_guard();
        for layer in &mut self.layers {
            let matrix = layer.matrix(params)?;
            layer.v = unit(&matrix.f_transpose(0, 1)?.f_mv(&layer.u)?)?;
            layer.u = unit(&matrix.f_mv(&layer.v)?)?;
        }
        Ok(())
    }

    /// `KEY.weight` of every layer: the original divided by `uᵀ W v`, with its graph.
    pub fn effective(&self, params: &Params) -> Result<Vec<(String, Tensor)>, TchError> {
        self.layers
            .iter()
            .map(|layer| {
                let sigma = layer.u.f_dot(&layer.matrix(params)?.f_mv(&layer.v)?)?;
                Ok((format!("{}.weight", layer.key), original(params, &layer.key)?.f_div(&sigma)?))
            })
            .collect()
    }

    /// The vectors by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.layers
            .iter()
            .flat_map(|layer| {
                [
                    (format!("{}.weight_u", layer.key), layer.u.shallow_clone()),
                    (format!("{}.weight_v", layer.key), layer.v.shallow_clone()),
                ]
            })
            .collect()
    }

    /// Take back what [`Spectral::state`] gave. The error says which vector is missing or misshapen.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), String> {
        let mut loaded = Vec::new();
        for layer in &self.layers {
            let take = |end: &str, old: &Tensor| {
                let name = format!("{}.{end}", layer.key);
                let vector = state.get(&name).ok_or_else(|| format!("`{name}` is missing"))?;
                if vector.size() != old.size() {
                    return Err(format!("`{name}` is {:?} where the network has {:?}", vector.size(), old.size()));
                }
                vector.f_to_device(old.device()).and_then(|v| v.f_to_kind(tch::Kind::Float)).map_err(|e| e.to_string())
            };
            loaded.push((take("weight_u", &layer.u)?, take("weight_v", &layer.v)?));
        }
        for (layer, (u, v)) in self.layers.iter_mut().zip(loaded) {
            (layer.u, layer.v) = (u, v);
        }
        Ok(())
    }
}

impl Layer {
    fn matrix(&self, params: &Params) -> Result<Tensor, TchError> {
        matrix(original(params, &self.key)?, self.transposed)
    }
}

fn original<'a>(params: &'a Params, key: &str) -> Result<&'a Tensor, TchError> {
    let name = format!("{key}{ORIGINAL}");
    params.get(&name).ok_or_else(|| TchError::TensorNameNotFound(name, "the network's parameters".to_owned()))
}

/// The weight as a matrix of one row an output channel.
fn matrix(weight: &Tensor, transposed: bool) -> Result<Tensor, TchError> {
    let weight = if transposed { weight.f_transpose(0, 1)? } else { weight.shallow_clone() };
    weight.f_flatten(1, -1)
}

fn unit(vector: &Tensor) -> Result<Tensor, TchError> {
    vector.f_div(&vector.f_norm()?.f_clamp_min(EPS)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    fn params() -> Params {
        let layout =
            vec![("a.weight_orig".to_owned(), vec![6, 4, 3, 3]), ("t.weight_orig".to_owned(), vec![6, 4, 3, 3])];
        Params::build(&layout, Device::Cpu, |name, shape| init::normal(3, name, shape, 1.0)).unwrap()
    }

    #[test]
    fn the_effective_weights_have_largest_singular_value_one() {
        let params = params();
        let mut spectral = Spectral::new(&params, 1, |key| key == "t").unwrap();
        for _ in 0..200 {
            spectral.iterate(&params).unwrap();
        }
        for (name, weight) in spectral.effective(&params).unwrap() {
            let matrix = matrix(&weight, name == "t.weight").unwrap();
            assert_eq!(matrix.size(), if name == "t.weight" { [4, 54] } else { [6, 36] });
            let largest = f64::try_from(matrix.to_kind(Kind::Double).svd(true, true).1.max()).unwrap();
            assert!((largest - 1.0).abs() < 1e-4, "{name}: {largest}");
        }
    }

    #[test]
    fn state_goes_out_and_back() {
        let params = params();
        let spectral = Spectral::new(&params, 1, |key| key == "t").unwrap();
        let mut other = Spectral::new(&params, 2, |key| key == "t").unwrap();
        let mut state: HashMap<_, _> = spectral.state().into_iter().collect();
        other.load_state(&state).unwrap();
        assert_eq!(other.effective(&params).unwrap()[1].1, spectral.effective(&params).unwrap()[1].1);
        state.remove("t.weight_v");
        assert!(other.load_state(&state).unwrap_err().contains("`t.weight_v` is missing"));
    }
}
