//! LPIPS v0.1 (Zhang et al. 2018): how differently a classifier sees two images, weighted as people judged.
//!
//! As the `lpips` package 0.1.4 computes it (reference/training.md §3.2): features of each layer scaled to unit length
//! over the channels, their squared difference weighted by a linear head without a bias, averaged over the picture, and
//! summed over the layers.

use tch::{Device, Kind, TchError, Tensor};

use super::backbone::{Architecture, Backbone};
use super::unit_distance::unit_distance;
use crate::models::weights::{self, WeightsError};

/// What the classifiers' inputs were normalised with, of images in [-1, 1].
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];
/// Added to lengths before features are divided by them.
pub(super) const EPSILON: f32 = 1e-10;

/// The authors' heads for all three backbones, 24 KB: `tests/golden/make_lpips_heads.py`, licence beside.
static HEADS: &[u8] = include_bytes!("lpips_heads.safetensors");

/// A backbone with its heads.
#[derive(Debug)]
pub struct Lpips {
    backbone: Backbone,
    /// One weight a channel of each layer.
    heads: Vec<Tensor>,
}

/// What the network sees in a batch of images: each layer's features, on a GPU at unit length.
#[derive(Debug)]
pub struct Seen(Vec<Tensor>);

impl Lpips {
    /// With the authors' heads, on the backbone's device.
    pub fn new(backbone: Backbone, device: Device) -> Result<Self, WeightsError> {
        let prefix = match backbone.architecture() {
            Architecture::Alex => "alex",
            Architecture::Vgg => "vgg",
            Architecture::Squeeze => "squeeze",
        };
        let name = std::path::Path::new("lpips_heads.safetensors");
        let tensors = weights::parse_safetensors(name, HEADS)?;
        let head = |layer: usize| {
            let key = format!("{prefix}.{layer}");
            let (_, head) = tensors
                .iter()
                .find(|(name, _)| *name == key)
                .ok_or_else(|| WeightsError::Format { path: name.to_owned(), what: format!("`{key}` is missing") })?;
            head.f_to_device(device).map_err(|cause| WeightsError::Torch { path: name.to_owned(), cause })
        };
        let heads = (0..backbone.architecture().channels().len()).map(head).collect::<Result<_, _>>()?;
        Ok(Self { backbone, heads })
    }

    /// The same weights once more, not copied: for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let heads = self.heads.iter().map(Tensor::shallow_clone).collect();
        Self { backbone: self.backbone.shallow_clone(), heads }
    }

    /// Which backbone it has.
    pub fn architecture(&self) -> Architecture {
        self.backbone.architecture()
    }

    /// Look at images `[B, 3, H, W]` in [0, 1].
    pub fn look(&self, images: &Tensor) -> Result<Seen, TchError> {
        let (_, _, height, width) = images.size4()?;
        let least = self.architecture().smallest();
        if height.min(width) < least {
            return Err(TchError::Shape(format!(
                "LPIPS ({:?}) needs images of at least {least} pixels a side, got {height}x{width}",
                self.architecture()
            )));
        }
        let channels =
            |values: [f32; 3]| Tensor::f_from_slice(&values)?.f_reshape([3, 1, 1])?.f_to_device(images.device());
        // ((2 x - 1) - shift) / scale, as one scale and shift.
        let scale = channels(SCALE.map(|scale| 2.0 / scale))?;
        let shift = channels([0, 1, 2].map(|at| (-1.0 - SHIFT[at]) / SCALE[at]))?;
        let normalised = images.f_to_kind(Kind::Float)?.f_mul(&scale)?.f_add_(&shift)?;
        let features = self.backbone.features(&normalised)?;
        if images.device() == Device::Cpu {
            return Ok(Seen(features));
        }
        let unit = |layer: &Tensor| {
            let mut length = layer.f_norm_scalaropt_dim(2, [1_i64].as_slice(), true)?;
            layer.f_mul(&length.f_add_scalar_(f64::from(EPSILON))?.f_reciprocal_()?)
        };
        Ok(Seen(features.iter().map(unit).collect::<Result<_, _>>()?))
    }

    /// The distance of two batches of the same size and number: float64 `[B]`.
    pub fn distance(&self, a: &Seen, b: &Seen) -> Result<Tensor, TchError> {
        let mut sum = None::<Tensor>;
        for ((a, b), head) in a.0.iter().zip(&b.0).zip(&self.heads) {
            if a.size() != b.size() {
                return Err(TchError::Shape(format!("cannot compare features {:?} with {:?}", a.size(), b.size())));
            }
            let layer = if a.device() == Device::Cpu {
                unit_distance(a, b, head)?
            } else {
                // The mean over the picture first: the weights then meet one number a channel.
                let mean = a.f_sub(b)?.f_square_()?.f_mean_dim([2_i64, 3].as_slice(), false, Kind::Float)?;
                mean.f_matmul(head)?.f_to_kind(Kind::Double)?
            };
            sum = Some(sum.map_or(Ok(layer.shallow_clone()), |sum| sum.f_add(&layer))?);
        }
        sum.ok_or_else(|| TchError::Shape("LPIPS without layers".to_owned()))
    }

    /// LPIPS of two batches `[B, 3, H, W]` in [0, 1]: float64 `[B]`.
    pub fn lpips(&self, a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
        // Both in one batch: half the calls, and each weight read once.
        let both = self.look(&Tensor::f_cat(&[a, b], 0)?)?;
        let count = a.size4()?.0;
        self.distance(&both.part(0, count)?, &both.part(count, count)?)
    }
}

impl Seen {
    /// Some of the batch's images: `count` from `start` on.
    pub fn part(&self, start: i64, count: i64) -> Result<Self, TchError> {
        Ok(Self(self.0.iter().map(|layer| layer.f_narrow(0, start, count)).collect::<Result<_, _>>()?))
    }
}
