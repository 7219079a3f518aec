//! The few layers that the networks share, as functions of a [`View`] and a key.

use std::collections::HashMap;

use tch::{Kind, TchError, Tensor};

use crate::models::params::Params;

/// A network's parameters as one forward pass reads them: in the arithmetic's precision, spectrally normalised where
/// asked. Cast once, then shared by every pass of a step; gradients flow back to the float32 masters.
#[derive(Debug)]
pub struct View<'a> {
    params: &'a Params,
    prepared: HashMap<String, Tensor>,
    kind: Kind,
    /// The slope of every leaky `ReLU`, 0.2: tch's own `leaky_relu` has no argument for it.
    slope: Option<Tensor>,
    /// Whether batch norms take the batch's statistics and bring the running ones along.
    training: bool,
}

impl<'a> View<'a> {
    /// The parameters in `kind`. `replaced` holds effective tensors by key (see [`crate::models::spectral`]), float32.
    pub fn new(params: &'a Params, kind: Kind, replaced: Vec<(String, Tensor)>) -> Result<Self, TchError> {
        let mut prepared = HashMap::new();
        let device = params.iter().next().map(|(_, tensor)| tensor.device());
        for (name, tensor) in replaced {
            prepared.insert(name, tensor.f_to_kind(kind)?); // the same tensor where the kind is
        }
        for (name, tensor) in params.iter().filter(|(name, _)| !name.ends_with(".weight_orig")) {
            // Norms compute in the masters' precision, and a cast copy of running statistics would lose their updates.
            if tensor.f_kind()? != kind && !params.is_of_norm(name) {
                prepared.insert(name.to_owned(), tensor.f_to_kind(kind)?);
            }
        }
        let slope = device.map(|device| Tensor::f_full([1], 0.2, (kind, device))).transpose()?;
        Ok(Self { params, prepared, kind, slope, training: false })
    }

    /// The same for a training step: batch norms normalise by the batch and update their running statistics.
    #[must_use]
    pub fn for_training(self) -> Self {
        Self { training: true, ..self }
    }

    /// The arithmetic's precision.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The tensor of this key.
    pub fn get(&self, key: &str) -> Result<&Tensor, TchError> {
        self.prepared
            .get(key)
            .or_else(|| self.params.get(key))
            .ok_or_else(|| TchError::TensorNameNotFound(key.to_owned(), "the network's parameters".to_owned()))
    }

    fn layer(&self, key: &str) -> Result<(&Tensor, &Tensor), TchError> {
        Ok((self.get(&format!("{key}.weight"))?, self.get(&format!("{key}.bias"))?))
    }

    /// Convolution `[B, in, H, W]` → `[B, out, H', W']` with zero padding.
    pub fn conv(&self, key: &str, x: &Tensor, stride: i64, padding: i64) -> Result<Tensor, TchError> {
        let (weight, bias) = self.layer(key)?;
        x.f_conv2d(weight, Some(bias), [stride; 2], [padding; 2], [1; 2], 1)
    }

    /// Convolution of the reflected image: as large as `x` when the kernel is `2 pad + 1` wide.
    pub fn conv_reflect(&self, key: &str, x: &Tensor, pad: i64) -> Result<Tensor, TchError> {
        self.conv(key, &x.f_reflection_pad2d([pad; 4])?, 1, 0)
    }

    /// Transposed 3x3 convolution, `[B, in, H, W]` → `[B, out, 2H, 2W]`.
    pub fn conv_transpose(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let (weight, bias) = self.layer(key)?;
        x.f_conv_transpose2d(weight, Some(bias), [2; 2], [1; 2], [1; 2], 1, [1; 2])
    }

    /// Leaky `ReLU` with slope 0.2.
    pub fn leaky_relu(&self, x: &Tensor) -> Result<Tensor, TchError> {
        match &self.slope {
            Some(slope) => x.f_prelu(slope),
            None => x.f_leaky_relu(),
        }
    }

    /// The norm at `key`: a batch norm where the network has parameters for one there, else an instance norm.
    pub fn norm(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let entry = |end: &str| self.params.get(&format!("{key}.{end}"));
        let [Some(weight), Some(bias), Some(mean), Some(var)] =
            ["weight", "bias", "running_mean", "running_var"].map(entry)
        else {
            return instance_norm(x);
        };
        let x = x.f_to_kind(weight.f_kind()?)?;
        let y = x.f_batch_norm(Some(weight), Some(bias), Some(mean), Some(var), self.training, MOMENTUM, EPS, true)?;
        y.f_to_kind(self.kind)
    }

    /// The norm at `key`, then `ReLU`. Not in place: an instance norm's result is a view, and libtorch would copy
    /// gradients for it.
    pub fn norm_relu(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        self.norm(key, x)?.f_relu()
    }

    /// `x + norm(conv(relu(norm(conv(x)))))`, with nothing after the addition.
    pub fn resnet_block(&self, key: &str, x: &Tensor) -> Result<Tensor, TchError> {
        let at = |position: usize| format!("{key}.conv_block.{position}");
        let h = self.norm_relu(&at(2), &self.conv_reflect(&at(1), x, 1)?)?;
        let h = self.norm(&at(6), &self.conv_reflect(&at(5), &h, 1)?)?;
        x.f_add(&h)
    }
}

/// The kind in which outputs and losses are kept for arithmetic in `kind`: float32, or float64 for float64.
pub fn wide(kind: Kind) -> Kind {
    if kind == Kind::Double { Kind::Double } else { Kind::Float }
}

/// PyTorch's defaults of both norms.
const MOMENTUM: f64 = 0.1;
const EPS: f64 = 1e-5;

/// Instance norm without affine parameters or running statistics, eps 1e-5. libtorch accumulates the statistics of a
/// bfloat16 input in float32.
pub fn instance_norm(x: &Tensor) -> Result<Tensor, TchError> {
    let none = None::<&Tensor>;
    x.f_instance_norm(none, none, none, none, true, MOMENTUM, EPS, true)
}

/// The pyramid step of generator and discriminator: 3x3 average, stride 2, borders averaged over what is there.
/// `[B, C, H, W]` → `[B, C, ceil(H/2), ceil(W/2)]`.
pub fn downsample(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_avg_pool2d([3; 2], [2; 2], [1; 2], false, false, None)
}
