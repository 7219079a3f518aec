//! VGG19's features (Simonyan, Zisserman 2014) with torchvision's keys, up to `relu5_1`: the perceptual loss's network.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use super::fetch::{self, FetchError, Pinned};
use crate::config::VggNorm;
use crate::models::params::{Layout, Params, ParamsError};
use crate::models::weights::{self, WeightsError};

/// torchvision's weights; their name carries the beginning of their checksum.
pub const WEIGHTS: Pinned<'static> = Pinned {
    name: "vgg19-dcbb9e9d.pth",
    url: "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256: "dcbb9e9d",
};

/// The least height and width: four poolings halve it.
pub const SMALLEST: i64 = 16;

/// What stands at each position of `features`, up to `relu5_1`; a convolution is followed by its `ReLU`.
const FEATURES: [Layer; 17] = [
    Layer::Conv(0, 3, 64, true),
    Layer::Conv(2, 64, 64, false),
    Layer::Pool,
    Layer::Conv(5, 64, 128, true),
    Layer::Conv(7, 128, 128, false),
    Layer::Pool,
    Layer::Conv(10, 128, 256, true),
    Layer::Conv(12, 256, 256, false),
    Layer::Conv(14, 256, 256, false),
    Layer::Conv(16, 256, 256, false),
    Layer::Pool,
    Layer::Conv(19, 256, 512, true),
    Layer::Conv(21, 512, 512, false),
    Layer::Conv(23, 512, 512, false),
    Layer::Conv(25, 512, 512, false),
    Layer::Pool,
    Layer::Conv(28, 512, 512, true),
];

#[derive(Debug, Clone, Copy)]
enum Layer {
    /// Position in `features`, inputs, outputs, and whether the loss looks at its `ReLU` (the first of each block).
    Conv(usize, i64, i64, bool),
    Pool,
}

/// Why VGG19 could not be had.
#[derive(Debug, thiserror::Error)]
pub enum VggError {
    /// No file, and none could be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file could not be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The file is not VGG19.
    #[error("{}: not VGG19 with torchvision's keys (`features.0.weight`, ...): {cause}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: ParamsError,
    },
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// The frozen network.
#[derive(Debug)]
pub struct Vgg19 {
    /// Weight and bias of every convolution, in order.
    convolutions: Vec<(Tensor, Tensor)>,
    norm: VggNorm,
    kind: Kind,
}

/// The file to use: `path` when given, else what the cache holds (`vgg19-*.safetensors` or `.pth`), else a download.
pub fn find(path: Option<&Path>, progress: impl FnMut(u64, Option<u64>)) -> Result<PathBuf, VggError> {
    if let Some(path) = path {
        return Ok(path.to_owned());
    }
    let cache = fetch::cache()?;
    let mut cached: Vec<PathBuf> = std::fs::read_dir(&cache)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let end = path.extension().and_then(|end| end.to_str());
            name.starts_with("vgg19-") && matches!(end, Some("safetensors" | "pth"))
        })
        .collect();
    cached.sort(); // `.pth` before `.safetensors`; of several any will do, but always the same
    match cached.pop() {
        Some(path) => Ok(path),
        None => Ok(fetch::fetch(&WEIGHTS, &cache, progress)?),
    }
}

impl Vgg19 {
    /// Load from torchvision's state dict; the classifier and what lies beyond `relu5_1` are left out.
    pub fn load(path: &Path, norm: VggNorm, kind: Kind, device: Device) -> Result<Self, VggError> {
        let mut tensors = weights::load_file(path)?;
        let layout = layout();
        tensors.retain(|(name, _)| {
            let beyond = name
                .strip_prefix("features.")
                .and_then(|rest| rest.split('.').next()?.parse::<usize>().ok())
                .is_some_and(|position| position > 28);
            !beyond && !name.starts_with("classifier.")
        });
        let params = Params::from_tensors(&layout, &tensors, device)
            .map_err(|cause| VggError::Unfit { path: path.to_owned(), cause })?;
        Ok(Self::from_params(&params, norm, kind)?)
    }

    /// From parameters of [`layout`].
    pub fn from_params(params: &Params, norm: VggNorm, kind: Kind) -> Result<Self, TchError> {
        let frozen: Vec<Tensor> =
            params.iter().map(|(_, tensor)| tensor.f_detach()?.f_to_kind(kind)).collect::<Result<_, _>>()?;
        let pair = |pair: &[Tensor]| (pair[0].shallow_clone(), pair[1].shallow_clone());
        Ok(Self { convolutions: frozen.chunks_exact(2).map(pair).collect(), norm, kind })
    }

    /// `relu1_1`, `relu2_1`, `relu3_1`, `relu4_1` and `relu5_1` of images `[B, 3, H, W]` in [-1, 1].
    pub fn features(&self, x: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let mut h = self.normalise(x)?.f_to_kind(self.kind)?;
        let mut taps = Vec::with_capacity(5);
        let mut convolutions = self.convolutions.iter();
        for layer in FEATURES {
            match layer {
                Layer::Pool => h = h.f_max_pool2d([2; 2], [2; 2], [0; 2], [1; 2], false)?,
                Layer::Conv(_, _, _, tap) => {
                    let Some((weight, bias)) = convolutions.next() else { break };
                    // In place: a convolution's backward pass does not need its output.
                    h = h.f_conv2d(weight, Some(bias), [1; 2], [1; 2], [1; 2], 1)?.f_relu_()?;
                    if tap {
                        taps.push(h.shallow_clone());
                    }
                }
            }
        }
        Ok(taps)
    }

    fn normalise(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match self.norm {
            // NVIDIA's code feeds the raw image; its weights of the loss were chosen so.
            VggNorm::Legacy => Ok(x.shallow_clone()),
            VggNorm::Imagenet => {
                let channels = |v: [f32; 3]| Tensor::f_from_slice(&v)?.f_reshape([3, 1, 1])?.f_to_device(x.device());
                // ((x + 1) / 2 - mean) / std, as one scale and shift.
                let scale = channels([0.229, 0.224, 0.225].map(|std| 0.5 / std))?;
                let shift = channels([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)].map(|(m, s)| (0.5 - m) / s))?;
                x.f_mul(&scale)?.f_add(&shift)
            }
        }
    }
}

/// Name and shape of every parameter up to `relu5_1`.
pub fn layout() -> Layout {
    let mut layout = Layout::new();
    for layer in FEATURES {
        if let Layer::Conv(position, inputs, outputs, _) = layer {
            layout.push((format!("features.{position}.weight"), vec![outputs, inputs, 3, 3]));
            layout.push((format!("features.{position}.bias"), vec![outputs]));
        }
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::init;
    use crate::models::weights::save_safetensors;

    fn params() -> Params {
        Params::build(&layout(), Device::Cpu, |name, shape| {
            let fan_in: i64 = shape.iter().skip(1).product();
            init::normal(1, name, shape, (2.0 / fan_in as f32).sqrt())
        })
        .unwrap()
    }

    #[test]
    fn taps_are_the_first_relu_of_each_block_and_stay_as_they_were() {
        let vgg = Vgg19::from_params(&params(), VggNorm::Legacy, Kind::Float).unwrap();
        let x = init::symmetric(1, "x", &[1, 3, 32, 48], 1.0).unwrap();
        let taps = vgg.features(&x).unwrap();
        let sizes: Vec<_> = taps.iter().map(Tensor::size).collect();
        assert_eq!(sizes, [[1, 64, 32, 48], [1, 128, 16, 24], [1, 256, 8, 12], [1, 512, 4, 6], [1, 512, 2, 3]]);
        let first = x.conv2d(&vgg.convolutions[0].0, Some(&vgg.convolutions[0].1), 1, 1, 1, 1).relu();
        assert_eq!(taps[0], first);
        assert!(taps.iter().all(|tap| f64::try_from(tap.min()).unwrap() >= 0.0));
    }

    #[test]
    fn imagenet_normalisation_is_torchvisions() {
        let vgg = Vgg19::from_params(&params(), VggNorm::Imagenet, Kind::Float).unwrap();
        let x = Tensor::from_slice(&[-1.0_f32, 0.0, 1.0]).reshape([1, 3, 1, 1]);
        let have: Vec<f32> = Vec::try_from(vgg.normalise(&x).unwrap().flatten(0, -1)).unwrap();
        let want = [(0.0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1.0 - 0.406) / 0.225];
        assert!(have.iter().zip(want).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{have:?}");
    }

    #[test]
    fn another_network_is_refused_by_name_and_the_classifier_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vgg.safetensors");
        let mut tensors = params().snapshot().unwrap();
        tensors.push(("classifier.0.weight".to_owned(), Tensor::zeros([2, 2], (Kind::Float, Device::Cpu))));
        tensors.push(("features.30.weight".to_owned(), Tensor::zeros([2, 2], (Kind::Float, Device::Cpu))));
        save_safetensors(&path, &tensors, &[]).unwrap();
        Vgg19::load(&path, VggNorm::Legacy, Kind::Float, Device::Cpu).unwrap();
        drop(tensors.remove(0));
        save_safetensors(&path, &tensors, &[]).unwrap();
        let error = Vgg19::load(&path, VggNorm::Legacy, Kind::Float, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains("`features.0.weight` [64, 3, 3, 3] is missing"), "{error}");
    }
}
