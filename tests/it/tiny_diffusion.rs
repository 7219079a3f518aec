//! A Stable Diffusion small enough for tests: a diffusers folder with random weights.

use std::fs;
use std::path::Path;

use atelier::models::init;
use atelier::models::params::Layout;
use atelier::models::stable_diffusion::config::{TextConfig, UNetConfig, VaeConfig};
use atelier::models::stable_diffusion::{clip, unet, vae};
use atelier::models::weights;
use serde_json::json;
use tch::Tensor;

/// Random tensors of a layout: weights of unit gain, norms of one, so that signals neither vanish nor explode.
fn random(layout: &Layout, seed: u64) -> Vec<(String, Tensor)> {
    let tensor = |(name, shape): &(String, Vec<i64>)| {
        let fan_in: i64 = shape.iter().skip(1).product();
        let value = match (name.ends_with("bias"), shape.len()) {
            (true, _) => init::normal(seed, name, shape, 0.05),
            (false, 1) => init::normal(seed, name, shape, 0.05).map(|x| x + 1.0),
            (false, _) => init::normal(seed, name, shape, 1.0 / (fan_in as f32).sqrt()),
        };
        (name.clone(), value.unwrap())
    };
    layout.iter().map(tensor).collect()
}

/// Write the folder.
pub fn write(folder: &Path) {
    let part = |name: &str, config: serde_json::Value, file: &str, tensors: Vec<(String, Tensor)>| {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        weights::save_safetensors(&folder.join(file), &tensors, &[("format", "pt")]).unwrap();
    };
    let unet_json = json!({
        "_class_name": "UNet2DConditionModel", "sample_size": 8, "cross_attention_dim": 16, "attention_head_dim": 2,
        "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "in_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    });
    let vae_json = json!({
        "_class_name": "AutoencoderKL", "block_out_channels": [4, 4, 8, 8], "layers_per_block": 1, "norm_num_groups": 2,
        "down_block_types": vec!["DownEncoderBlock2D"; 4], "up_block_types": vec!["UpDecoderBlock2D"; 4],
        "scaling_factor": 0.18215,
    });
    let text_json = json!({
        "architectures": ["CLIPTextModel"], "vocab_size": 49408, "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 2, "num_attention_heads": 2,
    });
    let unet_config = UNetConfig::from_json(&unet_json, Path::new("config.json")).unwrap();
    let vae_config = VaeConfig::from_json(&vae_json, Path::new("config.json")).unwrap();
    let text_config = TextConfig::from_json(&text_json, Path::new("config.json")).unwrap();
    let file = "diffusion_pytorch_model.safetensors";
    part("unet", unet_json, file, random(&unet::layout(&unet_config), 1));
    part("vae", vae_json, file, random(&vae::layout(&vae_config), 2));
    // As transformers wrote it before its version 5.
    let text = random(&clip::layout(&text_config), 3);
    let text = text.into_iter().map(|(name, tensor)| (format!("text_model.{name}"), tensor)).collect();
    part("text_encoder", text_json, "model.safetensors", text);
    fs::create_dir_all(folder.join("scheduler")).unwrap();
    let scheduler = json!({
        "_class_name": "PNDMScheduler", "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1,
    });
    fs::write(folder.join("scheduler/scheduler_config.json"), scheduler.to_string()).unwrap();
    fs::write(folder.join("model_index.json"), json!({ "_class_name": "StableDiffusionPipeline" }).to_string())
        .unwrap();
}
