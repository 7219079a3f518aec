//! A diffusers folder: `unet/`, `vae/`, `text_encoder/`, each with a config and weights, and `scheduler/`, `tokenizer/`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind};

use super::part::Part;
use super::{Configs, Kinds, LoadError, assemble};
use crate::models::params::{Layout, Params};
use crate::models::stable_diffusion::config::{ConfigError, TextConfig, UNetConfig, VaeConfig, read_json};
use crate::models::stable_diffusion::{StableDiffusion, clip, unet, vae};
use crate::models::weights;

/// What a folder may say it is, in `model_index.json`.
const PIPELINES: [&str; 4] = [
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionInpaintPipelineLegacy",
];

pub fn open(path: &Path, kinds: Kinds, device: Device) -> Result<StableDiffusion, LoadError> {
    check_pipeline(path)?;
    let config = |part: &str| folder(path, part).map(|folder| folder.join("config.json"));
    let configs = Configs {
        unet: UNetConfig::read(&config("unet")?)?,
        vae: VaeConfig::read(&config("vae")?)?,
        text: TextConfig::read(&config("text_encoder")?)?,
    };
    let scheduler = read_json(&path.join("scheduler/scheduler_config.json"))?;
    let tokenizer = Some(path.join("tokenizer")).filter(|folder| folder.is_dir());
    let load = |name: &str, stems: &[&str], layout: Layout, kind: Kind, rename: fn(String) -> Option<String>| {
        let folder = folder(path, name)?;
        parameters(&folder, stems, Part::new(layout, kind, device), rename)
    };
    let stems = &["diffusion_pytorch_model"];
    let parts = [
        load("unet", stems, unet::layout(&configs.unet), kinds.unet, Some)?,
        load("vae", stems, vae::layout(&configs.vae), kinds.vae, new_attention_name)?,
        load("text_encoder", &["model", "pytorch_model"], clip::layout(&configs.text), kinds.text, unprefixed)?,
    ];
    assemble(path, configs, parts, scheduler, tokenizer)
}

/// Refuse another model by its name, before its parts are looked at.
fn check_pipeline(path: &Path) -> Result<(), LoadError> {
    let file = path.join("model_index.json");
    if !file.exists() {
        return Ok(());
    }
    let index = read_json(&file)?;
    match index.get("_class_name").and_then(Value::as_str) {
        Some(name) if !PIPELINES.contains(&name) => Err(LoadError::unfit(
            &file,
            format!("this is a {name}, not Stable Diffusion 1; take a model such as stable-diffusion-v1-5"),
        )),
        _ => Ok(()),
    }
}

fn folder(path: &Path, part: &str) -> Result<PathBuf, LoadError> {
    let folder = path.join(part);
    if folder.is_dir() {
        return Ok(folder);
    }
    let what = format!("no folder `{part}`: a diffusers model has unet, vae, text_encoder, scheduler and tokenizer");
    Err(LoadError::unfit(path, what))
}

fn parameters(
    folder: &Path,
    stems: &[&str],
    mut part: Part,
    rename: fn(String) -> Option<String>,
) -> Result<Params, LoadError> {
    for file in files(folder, stems)? {
        weights::each(&file, |name, tensor| match rename(name) {
            Some(name) => part.take(name, tensor).map_err(LoadError::torch(&file)),
            None => Ok(()),
        })?;
    }
    part.finish(folder)
}

/// The files that hold a part's weights: one, or the shards that an index lists. Full precision where there is a choice.
pub fn files(folder: &Path, stems: &[&str]) -> Result<Vec<PathBuf>, LoadError> {
    for stem in stems {
        for (whole, index) in [
            (format!("{stem}.safetensors"), format!("{stem}.safetensors.index.json")),
            (format!("{stem}.fp16.safetensors"), format!("{stem}.safetensors.index.fp16.json")),
            (format!("{stem}.bin"), format!("{stem}.bin.index.json")),
        ] {
            if folder.join(&whole).exists() {
                return Ok(vec![folder.join(whole)]);
            }
            if folder.join(&index).exists() {
                return shards(&folder.join(index));
            }
        }
    }
    let what = format!("no weights: `{}.safetensors` is missing (or .fp16.safetensors, .bin, or shards)", stems[0]);
    Err(LoadError::unfit(folder, what))
}

/// The files that an index names, each of which must be there.
fn shards(index: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let value = read_json(index)?;
    let map = value.get("weight_map").cloned().unwrap_or_default();
    let map: BTreeMap<String, String> = serde_json::from_value(map).map_err(|error| ConfigError {
        file: index.to_owned(),
        what: format!("no `weight_map` from tensors to files ({error})"),
    })?;
    let names: BTreeSet<&String> = map.values().collect();
    // A name, not a path: an index reaches into its own folder alone.
    if let Some(name) = names.iter().find(|name| name.contains('/') || name.is_empty()) {
        return Err(LoadError::unfit(index, format!("`{name}` is no name of a file beside it")));
    }
    let files: Vec<PathBuf> = names.into_iter().map(|name| index.with_file_name(name)).collect();
    if files.is_empty() {
        return Err(LoadError::unfit(index, "it lists no files"));
    }
    match files.iter().find(|file| !file.exists()) {
        Some(missing) => Err(LoadError::unfit(
            missing,
            format!("this shard is missing ({} lists {}); fetch it again", index.display(), files.len()),
        )),
        None => Ok(files),
    }
}

/// The published autoencoder has the names that diffusers once gave to attentions.
#[expect(clippy::unnecessary_wraps, reason = "as every part's renaming is, of which some drop tensors")]
fn new_attention_name(name: String) -> Option<String> {
    let Some((front, back)) = name.rsplit_once(".attentions.0.") else { return Some(name) };
    let new = [("query.", "to_q."), ("key.", "to_k."), ("value.", "to_v."), ("proj_attn.", "to_out.0.")]
        .into_iter()
        .find_map(|(old, new)| Some(format!("{front}.attentions.0.{new}{}", back.strip_prefix(old)?)));
    Some(new.unwrap_or(name))
}

/// transformers before its version 5 put `text_model.` before every key, and stored the positions 0, 1, 2, ...
pub fn unprefixed(name: String) -> Option<String> {
    let name = match name.strip_prefix("text_model.") {
        Some(rest) => rest.to_owned(),
        None => name,
    };
    (name != "embeddings.position_ids").then_some(name)
}
