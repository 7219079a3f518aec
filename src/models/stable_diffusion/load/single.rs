//! A single file of all three networks, as the original code and most sites publish them.

use std::collections::HashMap;
use std::path::Path;

use tch::Device;

use super::part::Part;
use super::{Configs, Kinds, LoadError, assemble, ldm};
use crate::models::params::{Layout, gist};
use crate::models::stable_diffusion::config::sd15_scheduler;
use crate::models::stable_diffusion::{StableDiffusion, clip, unet, vae};
use crate::models::weights;

/// Beginnings of tensors that other models have, and which.
const OTHERS: [(&str, &str); 7] = [
    ("conditioner.embedders.", "Stable Diffusion XL"),
    ("cond_stage_model.model.", "Stable Diffusion 2 in its original form: convert it to a diffusers folder"),
    ("model.diffusion_model.joint_blocks.", "Stable Diffusion 3"),
    ("model.diffusion_model.double_blocks.", "Flux"),
    ("lora_", "a LoRA, which goes beside a base model"),
    ("unet.", "a LoRA, which goes beside a base model"),
    ("down_blocks.", "a single part of a diffusers folder: give the folder that holds unet, vae and text_encoder"),
];

pub fn open(path: &Path, mut configs: Configs, kinds: Kinds, device: Device) -> Result<StableDiffusion, LoadError> {
    let layouts = [unet::layout(&configs.unet), vae::layout(&configs.vae), clip::layout(&configs.text)];
    let places = places(path, &configs, &layouts)?;
    let [unet, vae, text] = layouts;
    let mut parts =
        [Part::new(unet, kinds.unet, device), Part::new(vae, kinds.vae, device), Part::new(text, kinds.text, device)];
    let mut unknown: Vec<String> = Vec::new();
    weights::each(path, |name, tensor| {
        let Some((part, key)) = places.get(&name) else {
            refuse_others(path, &name)?;
            if !ldm::is_baggage(&name) {
                unknown.push(format!("`{name}` is not one of its parameters"));
            }
            return Ok(());
        };
        if *part == 0 && key == "conv_in.weight" {
            configs.unet.in_channels = in_channels(path, &tensor.size(), configs.vae.latent_channels)?;
            parts[0].expect(key, tensor.size());
        }
        parts[*part].take(key.clone(), tensor).map_err(LoadError::torch(path))
    })?;
    if parts.iter().all(Part::is_empty) {
        let what = format!("no Stable Diffusion checkpoint: {}", gist(&unknown));
        return Err(LoadError::unfit(path, what));
    }
    if !unknown.is_empty() {
        return Err(LoadError::unfit(path, format!("not Stable Diffusion 1: {}", gist(&unknown))));
    }
    let [unet, vae, text] = parts;
    let params = [unet.finish(path)?, vae.finish(path)?, text.finish(path)?];
    assemble(path, configs, params, sd15_scheduler(), None)
}

/// By a parameter's name in the file: its network, and its key there.
fn places(
    path: &Path,
    configs: &Configs,
    layouts: &[Layout; 3],
) -> Result<HashMap<String, (usize, String)>, LoadError> {
    let mut places = HashMap::new();
    for (part, layout) in layouts.iter().enumerate() {
        for (key, _) in layout {
            let name = match part {
                0 => ldm::unet(&configs.unet, key),
                1 => ldm::vae(&configs.vae, key),
                _ => Some(ldm::text(key)),
            };
            let name = name.ok_or_else(|| LoadError::unfit(path, format!("`{key}` has no name in such a file")))?;
            places.insert(name, (part, key.clone()));
        }
    }
    Ok(places)
}

fn refuse_others(path: &Path, name: &str) -> Result<(), LoadError> {
    match OTHERS.iter().find(|(front, _)| name.starts_with(front)) {
        Some((_, what)) => {
            Err(LoadError::unfit(path, format!("`{name}` is a tensor of {what}; Stable Diffusion 1 is needed")))
        }
        None => Ok(()),
    }
}

/// The channels that the file's UNet takes: as many as latents have, or twice as many (`InstructPix2Pix`).
fn in_channels(path: &Path, shape: &[i64], latents: i64) -> Result<i64, LoadError> {
    match shape.get(1) {
        Some(&channels) if channels == latents || channels == 2 * latents => Ok(channels),
        Some(9) => Err(LoadError::unfit(path, "an inpainting model, which needs a mask; take the ordinary one")),
        _ => Err(LoadError::unfit(
            path,
            format!("its UNet begins with {shape:?}; {latents} or {} channels are supported", 2 * latents),
        )),
    }
}
