//! A LoRA beside a base: whether it is for this one, and what it makes of it.

use std::collections::{BTreeMap, HashMap};

use tch::{Device, Kind, Tensor};

use super::super::StableDiffusion;
use super::super::lora::{Adapter, Adapters, LoraError, TEXT_ENCODER, UNET};
use super::{Layer, LoraFile, LoraFileError};
use crate::models::params::{Layout, gist};

/// Widths of the text that known models read, by what their LoRAs tell.
const MODELS: [(i64, &str); 3] =
    [(768, "Stable Diffusion 1"), (1024, "Stable Diffusion 2"), (2048, "Stable Diffusion XL")];

impl LoraFile {
    /// What a UNet and a text encoder of these layouts take, `strength` times. Everything that does not fit is named.
    pub fn adapters(&self, unet: &Layout, text: &Layout, strength: f64) -> Result<[Adapters; 2], LoraFileError> {
        let shapes = [unet, text].map(|layout| {
            layout.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect::<HashMap<&str, &[i64]>>()
        });
        let (mut problems, mut adapters) = (Vec::new(), [Adapters::default(), Adapters::default()]);
        for layer in &self.layers {
            let which = usize::from(layer.network == TEXT_ENCODER);
            match fitted(layer, shapes[which].get(format!("{}.weight", layer.module).as_str()).copied(), strength)? {
                Ok(adapter) => adapters[which].layers.push(adapter),
                Err(problem) => problems.push(problem),
            }
        }
        for (name, tensor) in &self.whole {
            let own = name.strip_prefix(UNET).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
            let have = tensor.size();
            // A widened convolution has more inputs; all else is as it was.
            let fits = shapes[0].get(own).is_some_and(|want| {
                have.len() == want.len() && have.iter().zip(*want).enumerate().all(|(at, (a, b))| at == 1 || a == b)
            });
            if fits {
                adapters[0].replaced.push((own.to_owned(), tensor.f_to_kind(Kind::Float)?));
            } else {
                problems
                    .push(format!("`{name}` is {have:?}, the base has {:?}", shapes[0].get(own).unwrap_or(&&[][..])));
            }
        }
        if problems.is_empty() {
            return Ok(adapters);
        }
        let hint = self.other_model(&shapes[0]).map(|hint| format!("{hint}. ")).unwrap_or_default();
        Err(LoraFileError::Unfit(format!(
            "the LoRA does not fit the base: {hint}{} of {} layers do not: {}",
            problems.len(),
            self.layers.len() + self.whole.len(),
            gist(&problems)
        )))
    }

    /// What its widths say it was made for, where the base has others.
    fn other_model(&self, unet: &HashMap<&str, &[i64]>) -> Option<String> {
        let layer = self.layers.iter().find(|layer| layer.module.ends_with("attn2.to_k"))?;
        let made_for = *layer.down.size().get(1)?;
        let base =
            unet.iter().find(|(name, _)| name.ends_with("attn2.to_k.weight")).and_then(|(_, shape)| shape.get(1))?;
        let name = |width: i64| MODELS.iter().find(|(known, _)| *known == width).map_or("", |(_, name)| name);
        let told =
            |width: i64| if name(width).is_empty() { width.to_string() } else { format!("{width} ({})", name(width)) };
        (made_for != *base).then(|| format!("it reads text of width {}, the base {}", told(made_for), told(*base)))
    }
}

/// Put LoRAs beside a model's networks, each with its strength, in place of what they had. Where several change one
/// layer, their factors stand side by side in one.
pub fn attach(model: &mut StableDiffusion, loras: &[(&LoraFile, f64)]) -> Result<(), LoraFileError> {
    let (unet, text) = (model.unet.params.layout(), model.text.params.layout());
    let mut networks = [Vec::new(), Vec::new()];
    for (lora, strength) in loras {
        let adapters = lora.adapters(&unet, &text, *strength)?;
        networks.iter_mut().zip(adapters).for_each(|(all, one)| all.push(one));
    }
    let [unet, text] = networks;
    let unfit = |error: LoraError| LoraFileError::Unfit(error.to_string());
    model.unet.attach(joined(unet, model.unet.device())?).map_err(unfit)?;
    model.text.attach(joined(text, model.text.device())?).map_err(unfit)
}

/// Adapters of one network as one, float32 on its device.
fn joined(all: Vec<Adapters>, device: Device) -> Result<Adapters, LoraFileError> {
    let there = |tensor: &Tensor| tensor.f_to_kind(Kind::Float)?.f_to_device(device);
    let (mut layers, mut joined) = (BTreeMap::<String, Vec<Adapter>>::new(), Adapters::default());
    for adapters in all {
        for adapter in adapters.layers {
            layers.entry(adapter.module.clone()).or_default().push(adapter);
        }
        for (name, tensor) in adapters.replaced {
            if joined.replaced.iter().any(|(other, _)| *other == name) {
                return Err(LoraFileError::Unfit(format!("two LoRAs replace `{name}`: only one can be a paired one")));
            }
            joined.replaced.push((name, there(&tensor)?));
        }
    }
    for (module, parts) in layers {
        if let [only] = parts.as_slice() {
            let (down, up) = (there(&only.down)?, there(&only.up)?);
            joined.layers.push(Adapter { module, down, up, scale: only.scale });
            continue;
        }
        let downs = parts.iter().map(|part| there(&part.down)).collect::<Result<Vec<_>, _>>()?;
        let ups = parts.iter().map(|part| there(&part.up)?.f_mul_scalar(part.scale)).collect::<Result<Vec<_>, _>>()?;
        joined.layers.push(Adapter {
            module,
            down: Tensor::f_cat(&downs, 0)?,
            up: Tensor::f_cat(&ups, 1)?,
            scale: 1.0,
        });
    }
    Ok(joined)
}

/// The layer's adapter in the base's shapes, or why it is none.
fn fitted(layer: &Layer, weight: Option<&[i64]>, strength: f64) -> Result<Result<Adapter, String>, LoraFileError> {
    let Some(weight) = weight else { return Ok(Err(format!("the base has no layer `{}`", layer.name()))) };
    let mut adapter = layer.adapter(strength);
    let (mut down, mut up) = (vec![layer.rank()], vec![weight[0], layer.rank()]);
    down.extend(&weight[1..]);
    up.resize(weight.len(), 1);
    // Linear layers that are 1x1 convolutions to others, and the other way round, have the same numbers.
    let same = |have: &[i64], want: &[i64]| {
        let trimmed = |shape: &[i64]| {
            shape.iter().enumerate().filter(|(at, side)| *at < 2 || **side != 1).map(|(_, s)| *s).collect::<Vec<_>>()
        };
        trimmed(have) == trimmed(want)
    };
    if !(same(&adapter.down.size(), &down) && same(&adapter.up.size(), &up)) {
        let (d, u) = (adapter.down.size(), adapter.up.size());
        return Ok(Err(format!("`{}` is {weight:?} in the base, {d:?} down and {u:?} up here", layer.name())));
    }
    adapter.down = adapter.down.f_view(down.as_slice())?;
    adapter.up = adapter.up.f_view(up.as_slice())?;
    Ok(Ok(adapter))
}
