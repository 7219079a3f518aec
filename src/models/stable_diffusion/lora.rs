//! Low-rank adapters (Hu et al. 2021) as peft computes them: `y = W x + up(down(dropout(x))) · scale`.
//!
//! A [`Lora`] is what is trained: float32 leaves in one [`Params`], under the keys of peft's files. [`Adapters`] are what
//! one network holds of it (or of a file): the same leaves by the layer they belong to. [`Prepared`] is what one pass
//! reads: in the network's kind, the scale folded in.

mod target;

use std::collections::HashMap;

use tch::{Device, Kind, TchError, Tensor};

pub use target::{ATTENTION, CONVOLUTIONS, TEXT_ATTENTION};

use crate::models::init;
use crate::models::params::{Layout, Params, gist};

/// Where a network's entries begin in a [`Lora`], as in diffusers' files.
pub const UNET: &str = "unet";
/// The same for the text encoder.
pub const TEXT_ENCODER: &str = "text_encoder";

/// How the projection down begins; the one up begins at zero, so that at first nothing is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Init {
    /// peft's default: uniform within 1/√fan-in (Kaiming's rule with a = √5).
    #[default]
    Kaiming,
    /// Normal, of deviation 1/r.
    Gaussian,
}

/// What is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// r: the width between down and up.
    pub rank: i64,
    /// The scale is alpha/r.
    pub alpha: f64,
    /// The share of a layer's inputs that its adapter does not see in a training step.
    pub dropout: f64,
    /// The scale is alpha/√r instead (Kalajdzievski 2023).
    pub rslora: bool,
    /// How the projection down begins.
    pub init: Init,
    /// Layers of the UNet, matched as peft does: by the whole name, or by its last parts.
    pub unet_targets: Vec<String>,
    /// Layers of the text encoder; none trains it not.
    pub text_targets: Vec<String>,
}

impl LoraConfig {
    /// What the product of up and down is multiplied by.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rslora { rank.sqrt() } else { rank }
    }
}

impl Default for LoraConfig {
    /// The paper's: r 4, alpha 16, dropout 0.1 on the UNet's attention.
    fn default() -> Self {
        Self {
            rank: 4,
            alpha: 16.0,
            dropout: 0.1,
            rslora: false,
            init: Init::Kaiming,
            unet_targets: ATTENTION.map(str::to_owned).into(),
            text_targets: Vec::new(),
        }
    }
}

/// Why adapters cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LoraError {
    /// The settings do not fit the networks.
    #[error("{0}")]
    Config(String),
    /// libtorch refused.
    #[error(transparent)]
    Torch(#[from] TchError),
}

/// Trainable adapters of one or two networks.
#[derive(Debug)]
pub struct Lora {
    /// Float32 leaves: `<network>.<layer>.lora_A.weight` (down, `[r, in]` or `[r, in, k, k]`) and `.lora_B.weight` (up,
    /// `[out, r]` or `[out, r, 1, 1]`), and whole parameters of a network that are trained with them.
    pub params: Params,
    /// What they were made with.
    pub config: LoraConfig,
}

impl Lora {
    /// Fresh adapters for these networks' layers, a pure function of `seed`. `whole` are parameters that are trained as
    /// they are, by their full key (`unet.conv_in.weight`).
    pub fn new(
        config: &LoraConfig,
        unet: &Layout,
        text_encoder: &Layout,
        whole: Vec<(String, Tensor)>,
        seed: u64,
        device: Device,
    ) -> Result<Self, LoraError> {
        config.check()?;
        let mut layout = target::layout(UNET, unet, &config.unet_targets, config.rank).map_err(LoraError::Config)?;
        let text = target::layout(TEXT_ENCODER, text_encoder, &config.text_targets, config.rank);
        layout.extend(text.map_err(LoraError::Config)?);
        layout.extend(whole.iter().map(|(name, tensor)| (name.clone(), tensor.size())));
        if layout.is_empty() {
            return Err(LoraError::Config("no layer is a target: nothing would be trained".to_owned()));
        }
        let whole: HashMap<String, Tensor> = whole.into_iter().collect();
        let params = Params::build(&layout, device, |name, shape| match whole.get(name) {
            Some(tensor) => Ok(tensor.shallow_clone()),
            None => config.begin(seed, name, shape),
        })?;
        Ok(Self { params, config: config.clone() })
    }

    /// What one network ([`UNET`], [`TEXT_ENCODER`]) holds of them: the same leaves, so that a step on
    /// [`Lora::params`] is seen by the network at once.
    pub fn adapters(&self, network: &str) -> Result<Adapters, TchError> {
        let scale = self.config.scale();
        let mut adapters = Adapters { dropout: self.config.dropout, ..Adapters::default() };
        for (name, tensor) in self.params.iter() {
            let Some(name) = name.strip_prefix(network).and_then(|rest| rest.strip_prefix('.')) else { continue };
            if let Some(module) = name.strip_suffix(".lora_A.weight") {
                let up = self.params.get(&format!("{network}.{module}.lora_B.weight"));
                let up =
                    up.ok_or_else(|| TchError::TensorNameNotFound(module.to_owned(), "the adapters".to_owned()))?;
                adapters.layers.push(Adapter {
                    module: module.to_owned(),
                    down: tensor.shallow_clone(),
                    up: up.shallow_clone(),
                    scale,
                });
            } else if !name.ends_with(".lora_B.weight") {
                adapters.replaced.push((name.to_owned(), tensor.shallow_clone()));
            }
        }
        Ok(adapters)
    }
}

impl LoraConfig {
    fn check(&self) -> Result<(), LoraError> {
        let fault = |what: String| Err(LoraError::Config(what));
        if self.rank < 1 {
            return fault(format!("rank {}: at least 1 is needed", self.rank));
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return fault(format!("alpha {}: a positive number is needed", self.alpha));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return fault(format!("dropout {}: from 0 to less than 1 is possible", self.dropout));
        }
        Ok(())
    }

    fn begin(&self, seed: u64, name: &str, shape: &[i64]) -> Result<Tensor, TchError> {
        if name.ends_with(".lora_B.weight") {
            return Tensor::f_zeros(shape, (Kind::Float, Device::Cpu));
        }
        match self.init {
            Init::Kaiming => {
                let fan_in: i64 = shape.iter().skip(1).product();
                init::symmetric(seed, name, shape, 1.0 / (fan_in as f32).sqrt())
            }
            Init::Gaussian => init::normal(seed, name, shape, 1.0 / self.rank as f32),
        }
    }
}

/// The adapter of one layer.
#[derive(Debug)]
pub struct Adapter {
    /// The layer's key in its network: `mid_block.attentions.0.transformer_blocks.0.attn1.to_q`.
    pub module: String,
    /// `[r, in]`, or `[r, in, k, k]` of a convolution.
    pub down: Tensor,
    /// `[out, r]`, or `[out, r, 1, 1]`.
    pub up: Tensor,
    /// alpha/r, or whatever its file says.
    pub scale: f64,
}

impl Adapter {
    /// What it amounts to as an addition to the layer's weight, float32: `[out, in]` or `[out, in, k, k]`.
    pub fn delta(&self) -> Result<Tensor, TchError> {
        let _guard = tch::no_grad_guard();
        let wide = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(Kind::Float)?.f_flatten(1, -1);
        let mut shape = self.down.size();
        shape[0] = self.up.size()[0];
        wide(&self.up)?.f_mm(&wide(&self.down)?)?.f_mul_scalar(self.scale)?.f_view(shape.as_slice())
    }
}

/// What one network holds beside its frozen parameters.
#[derive(Debug, Default)]
pub struct Adapters {
    /// Adapters of layers. Ranks and scales may differ from layer to layer.
    pub layers: Vec<Adapter>,
    /// Parameters that stand in for the network's own: a widened `conv_in`.
    pub replaced: Vec<(String, Tensor)>,
    /// The share of inputs that adapters do not see in a training step.
    pub dropout: f64,
}

impl Adapters {
    /// Refuse what does not fit a network of this layout, naming everything. A `replaced` parameter may be wider than
    /// the network's own.
    pub fn check(&self, layout: &Layout) -> Result<(), LoraError> {
        let shapes: HashMap<&str, &[i64]> =
            layout.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        let mut problems = Vec::new();
        for Adapter { module, down, up, .. } in &self.layers {
            let Some(weight) = shapes.get(format!("{module}.weight").as_str()) else {
                problems.push(format!("the network has no layer `{module}`"));
                continue;
            };
            let (down, up) = (down.size(), up.size());
            let fits = down.len() == weight.len()
                && up.len() == weight.len()
                && down[1..] == weight[1..]
                && up[0] == weight[0]
                && up[1] == down[0]
                && up[2..].iter().all(|&side| side == 1);
            if !fits {
                problems.push(format!("`{module}` is {weight:?}, its adapter is {down:?} down and {up:?} up"));
            }
        }
        for (name, tensor) in &self.replaced {
            if shapes.get(name.as_str()).is_none_or(|shape| shape.len() != tensor.dim()) {
                problems.push(format!("the network has no parameter `{name}` like {:?}", tensor.size()));
            }
        }
        if problems.is_empty() {
            return Ok(());
        }
        Err(LoraError::Config(format!("the adapters do not fit the network: {}", gist(&problems))))
    }

    /// The same as a pass in `kind` reads them, with the scale folded in. All are cast together: one kernel instead of
    /// one for each of some hundred small tensors, and as few on the way back.
    pub fn prepared(&self, kind: Kind, training: bool) -> Result<Prepared, TchError> {
        let mut prepared = Prepared { dropout: if training { self.dropout } else { 0.0 }, ..Prepared::default() };
        for (name, tensor) in &self.replaced {
            prepared.replaced.insert(name.clone(), tensor.f_to_kind(kind)?);
        }
        if self.layers.is_empty() {
            return Ok(prepared);
        }
        let downs: Vec<&Tensor> = self.layers.iter().map(|adapter| &adapter.down).collect();
        let first = self.layers[0].scale;
        let (ups, factor): (Vec<Tensor>, f64) = if self.layers.iter().all(|adapter| adapter.scale == first) {
            (self.layers.iter().map(|adapter| adapter.up.shallow_clone()).collect(), first)
        } else {
            let scaled = self.layers.iter().map(|adapter| adapter.up.f_mul_scalar(adapter.scale));
            (scaled.collect::<Result<_, _>>()?, 1.0)
        };
        let downs = cast_together(&downs, 1.0, kind)?;
        let ups = cast_together(&ups.iter().collect::<Vec<_>>(), factor, kind)?;
        for (adapter, (down, up)) in self.layers.iter().zip(downs.into_iter().zip(ups)) {
            prepared.layers.insert(adapter.module.clone(), Pair { down, up });
        }
        Ok(prepared)
    }
}

/// The tensors times `factor` in `kind`, as views of one.
fn cast_together(tensors: &[&Tensor], factor: f64, kind: Kind) -> Result<Vec<Tensor>, TchError> {
    let flat: Vec<Tensor> = tensors.iter().map(|tensor| tensor.f_flatten(0, -1)).collect::<Result<_, _>>()?;
    let mut joined = Tensor::f_cat(&flat, 0)?;
    if factor != 1.0 {
        joined = joined.f_mul_scalar(factor)?;
    }
    let lengths: Vec<i64> = flat.iter().map(|tensor| tensor.numel() as i64).collect();
    let parts = joined.f_to_kind(kind)?.f_split_with_sizes(lengths.as_slice(), 0)?;
    parts.iter().zip(tensors).map(|(part, tensor)| part.f_view(tensor.size().as_slice())).collect()
}

/// The two projections of a layer.
#[derive(Debug)]
pub struct Pair {
    /// Down.
    pub down: Tensor,
    /// Up, times the scale.
    pub up: Tensor,
}

/// What is in a part of [`Prepared`] ([`Prepared::part`]), but its tensors.
#[derive(Debug, Clone)]
pub struct Names {
    /// Layers, of two tensors each.
    pub layers: Vec<String>,
    /// Parameters, of one each.
    pub replaced: Vec<String>,
    dropout: f64,
}

/// Adapters as one pass reads them, found by a layer's or a parameter's key.
#[derive(Debug, Default)]
pub struct Prepared {
    layers: HashMap<String, Pair>,
    replaced: HashMap<String, Tensor>,
    dropout: f64,
}

impl Prepared {
    /// The adapter of a layer.
    pub fn layer(&self, key: &str) -> Option<&Pair> {
        self.layers.get(key)
    }

    /// What stands in for a parameter.
    pub fn replaced(&self, key: &str) -> Option<&Tensor> {
        self.replaced.get(key)
    }

    /// What concerns the layers whose keys begin with one of `prefixes`, as a list of tensors, and the names with which
    /// [`Prepared::of`] makes it whole again.
    pub fn part(&self, prefixes: &[&str]) -> (Names, Vec<Tensor>) {
        let within = |key: &&String| prefixes.iter().any(|prefix| key.starts_with(prefix));
        let layers: Vec<String> = self.layers.keys().filter(within).cloned().collect();
        let replaced: Vec<String> = self.replaced.keys().filter(within).cloned().collect();
        let pairs = layers.iter().flat_map(|name| [&self.layers[name].down, &self.layers[name].up]);
        let tensors =
            pairs.chain(replaced.iter().map(|name| &self.replaced[name])).map(Tensor::shallow_clone).collect();
        (Names { layers, replaced, dropout: self.dropout }, tensors)
    }

    /// Adapters of these names from their tensors.
    pub fn of(names: &Names, tensors: &[Tensor]) -> Self {
        let (pairs, replaced) = tensors.split_at(2 * names.layers.len());
        let pairs =
            pairs.chunks_exact(2).map(|pair| Pair { down: pair[0].shallow_clone(), up: pair[1].shallow_clone() });
        let replaced = replaced.iter().map(Tensor::shallow_clone);
        Self {
            layers: names.layers.iter().cloned().zip(pairs).collect(),
            replaced: names.replaced.iter().cloned().zip(replaced).collect(),
            dropout: names.dropout,
        }
    }

    /// What an adapter sees of a layer's input.
    pub fn dropped(&self, x: &Tensor) -> Result<Tensor, TchError> {
        if self.dropout > 0.0 { x.f_dropout(self.dropout, true) } else { Ok(x.shallow_clone()) }
    }
}

/// A convolution's weight with more inputs, the new ones zero, so that at first nothing changes: `[out, in, k, k]` →
/// `[out, inputs, k, k]`, float32.
pub fn widen(weight: &Tensor, inputs: i64) -> Result<Tensor, TchError> {
    let _guard = tch::no_grad_guard();
    let (outputs, old, height, width) = weight.size4()?;
    let new = Tensor::f_zeros([outputs, inputs - old, height, width], (Kind::Float, weight.device()))?;
    Tensor::f_cat(&[weight.f_detach()?.f_to_kind(Kind::Float)?, new], 1)
}
