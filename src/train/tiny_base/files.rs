//! The tiny base as a folder in diffusers' layout.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::networks::{BEGIN, END, Networks, POSITIONS, text_json, unet_json, vae_json};
use crate::config::TinyBase;
use crate::models::weights;

/// The key of `model_index.json` that holds what a base was made of.
const RECIPE: &str = "_atelier_tiny_base";
const INDEX: &str = "model_index.json";

/// Write the tokenizer of 514 words, bytes alone, into `folder`: what prompts are encoded with already while the
/// networks are trained.
pub fn write_tokenizer(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut vocabulary = Map::new();
    for (id, symbol) in symbols().into_iter().enumerate() {
        vocabulary.insert(symbol.to_string(), json!(id));
        vocabulary.insert(format!("{symbol}</w>"), json!(id + 256));
    }
    vocabulary.insert("<|startoftext|>".to_owned(), json!(BEGIN));
    vocabulary.insert("<|endoftext|>".to_owned(), json!(END));
    write_json(&folder.join("vocab.json"), &Value::Object(vocabulary))?;
    fs::write(folder.join("merges.txt"), "#version: 0.2\n")?;
    let config = json!({
        "tokenizer_class": "CLIPTokenizer", "model_max_length": POSITIONS, "do_lower_case": true,
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    });
    write_json(&folder.join("tokenizer_config.json"), &config)
}

/// The character that stands for each byte in GPT-2's and CLIP's vocabularies: itself where it is printable, else one
/// from U+0100 on.
fn symbols() -> Vec<char> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut spare = 256;
    (0..256)
        .map(|byte| {
            let code = if printable(byte) {
                byte
            } else {
                spare += 1;
                spare - 1
            };
            char::from_u32(code).unwrap_or('\u{fffd}')
        })
        .collect()
}

/// Write the rest: configs, weights, and what the base was made of.
pub fn write(folder: &Path, recipe: &TinyBase, networks: &Networks, scale: f64) -> Result<(), String> {
    let io = |error: io::Error| error.to_string();
    let index = json!({
        "_class_name": "StableDiffusionPipeline",
        RECIPE: recipe,
        "feature_extractor": [null, null],
        "safety_checker": [null, null],
        "requires_safety_checker": false,
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    });
    let scheduler = crate::models::stable_diffusion::config::sd15_scheduler();
    let part = |name: &str, config: &Value, file: &str| -> Result<_, String> {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(io)?;
        write_json(&folder.join(file), config).map_err(io)?;
        Ok(folder)
    };
    part("scheduler", &scheduler, "scheduler_config.json")?;
    for (name, config, file, params) in [
        ("unet", unet_json(), "diffusion_pytorch_model", &networks.unet.params),
        ("vae", vae_json(scale), "diffusion_pytorch_model", &networks.vae.params),
        ("text_encoder", text_json(), "model", &networks.text.params),
    ] {
        let folder = part(name, &config, "config.json")?;
        let tensors = params.snapshot().map_err(|error| error.to_string())?;
        weights::save_safetensors(&folder.join(format!("{file}.safetensors")), &tensors, &[("format", "pt")])
            .map_err(|error| error.to_string())?;
    }
    // Last: a folder with it is whole.
    write_json(&folder.join(INDEX), &index).map_err(io)
}

fn write_json(path: &Path, value: &Value) -> io::Result<()> {
    fs::write(path, serde_json::to_string_pretty(value)? + "\n")
}

/// What the base in `folder` was made of, if it is one of ours.
pub fn recipe(folder: &Path) -> Option<TinyBase> {
    let text = fs::read(folder.join(INDEX)).ok()?;
    let index: Value = serde_json::from_slice(&text).ok()?;
    serde_json::from_value(index.get(RECIPE)?.clone()).ok()
}
