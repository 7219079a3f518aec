//! The adapters: from a config, and out of a checkpoint.

use tch::{Device, TchError, Tensor};

use super::{ADAPTER, SdLoraError};
use crate::config::{self, AdapterInit, AdapterTarget};
use crate::models::params::{Layout, Params};
use crate::models::stable_diffusion::StableDiffusion;
use crate::models::stable_diffusion::lora::{self, ATTENTION, CONVOLUTIONS, Init, Lora, LoraConfig, TEXT_ATTENTION};
use crate::models::stable_diffusion::lora_file::LoraFile;

/// The base's first convolution for `channels`: what is new is zero, so that at first photos change nothing.
pub(super) fn first_convolution(base: &StableDiffusion, channels: i64) -> Result<Vec<(String, Tensor)>, SdLoraError> {
    let of = |name: &str| {
        let found = base.unet.params.get(name).map(Tensor::shallow_clone);
        found.ok_or_else(|| TchError::TensorNameNotFound(name.to_owned(), "the U-Net".to_owned()))
    };
    let weight = of("conv_in.weight")?;
    let weight = if weight.size()[1] == channels { weight } else { lora::widen(&weight, channels)? };
    Ok(vec![("unet.conv_in.weight".to_owned(), weight), ("unet.conv_in.bias".to_owned(), of("conv_in.bias")?)])
}

/// What a config asks for, in the words of the networks.
pub(super) fn lora_config(adapter: &config::Adapter) -> LoraConfig {
    let has = |target: AdapterTarget| adapter.targets.contains(&target);
    let words = |chosen: bool, words: &[&str]| words.iter().filter(|_| chosen).map(|&word| word.to_owned()).collect();
    let mut unet_targets: Vec<String> = words(has(AdapterTarget::Attention), &ATTENTION);
    unet_targets.extend::<Vec<String>>(words(has(AdapterTarget::Convolutions), &CONVOLUTIONS));
    LoraConfig {
        rank: adapter.rank as i64,
        alpha: adapter.alpha,
        dropout: adapter.dropout,
        rslora: adapter.rslora,
        init: match adapter.init {
            AdapterInit::Kaiming => Init::Kaiming,
            AdapterInit::Gaussian => Init::Gaussian,
        },
        unet_targets,
        text_targets: words(has(AdapterTarget::TextEncoder), &TEXT_ATTENTION),
    }
}

/// The adapters among a checkpoint's tensors, or their moving average, as a file of them is read.
pub fn adapter_file(config: &config::SdLora, model: &[(String, Tensor)], ema: bool) -> Result<LoraFile, SdLoraError> {
    let prefix = if ema { format!("ema.{ADAPTER}.") } else { format!("{ADAPTER}.") };
    let of = |(name, tensor): &(String, Tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor.shallow_clone()));
    let tensors: Vec<(String, Tensor)> = model.iter().filter_map(of).collect();
    if tensors.is_empty() {
        let what = if ema { "no moving average: train.ema_decay was 0" } else { "no adapters" };
        return Err(SdLoraError::Config(format!("the checkpoint holds {what}")));
    }
    let layout: Layout = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    let params =
        Params::from_tensors(&layout, &tensors, Device::Cpu).map_err(|error| SdLoraError::Config(error.to_string()))?;
    Ok(LoraFile::of(&Lora { params, config: lora_config(&config.adapter) })?)
}
