//! What the tiny base is built of.

use serde_json::{Value, json};
use tch::{Device, Kind, TchError, Tensor};

use crate::models::init;
use crate::models::params::{Layout, Params};
use crate::models::stable_diffusion::clip::{self, TextEncoder};
use crate::models::stable_diffusion::config::{TextConfig, UNetConfig, VaeConfig};
use crate::models::stable_diffusion::unet::{self, UNet};
use crate::models::stable_diffusion::vae::{self, Vae};

/// Positions of a prompt, as CLIP's.
pub const POSITIONS: usize = 77;
/// Bytes, and bytes that end a word.
const WORDS: i64 = 512;
/// Begins a prompt.
pub const BEGIN: i64 = WORDS;
/// Ends a prompt, and fills what is left of the positions.
pub const END: i64 = WORDS + 1;

/// The three networks, all of whose weights may be trained.
#[derive(Debug)]
pub struct Networks {
    pub unet: UNet,
    pub vae: Vae,
    pub text: TextEncoder,
}

impl Networks {
    /// Fresh ones, a pure function of the seed, on the CPU.
    pub fn new(seed: u64) -> Result<Self, TchError> {
        let fresh = |name: &str, layout: &Layout| fresh(name, layout, seed);
        let path = std::path::Path::new("the tiny base");
        let shape = |error: crate::models::stable_diffusion::config::ConfigError| TchError::Kind(error.to_string());
        let unet = UNetConfig::from_json(&unet_json(), path).map_err(shape)?;
        let vae = VaeConfig::from_json(&vae_json(1.0), path).map_err(shape)?;
        let text = TextConfig::from_json(&text_json(), path).map_err(shape)?;
        Ok(Self {
            unet: UNet::new(unet.clone(), fresh("unet", &unet::layout(&unet))?)?,
            vae: Vae::new(vae.clone(), fresh("vae", &vae::layout(&vae))?)?,
            text: TextEncoder::new(text.clone(), fresh("text_encoder", &clip::layout(&text))?)?,
        })
    }

    /// Where they are.
    pub fn device(&self) -> Device {
        self.unet.device()
    }
}

/// `unet/config.json`.
pub fn unet_json() -> Value {
    json!({
        "_class_name": "UNet2DConditionModel",
        "sample_size": 16, "in_channels": 4, "out_channels": 4,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "block_out_channels": [32, 64], "layers_per_block": 1,
        "cross_attention_dim": 32, "attention_head_dim": 4, "norm_num_groups": 8, "norm_eps": 1e-5,
    })
}

/// `vae/config.json`: 4 pixels to a latent, along each side.
pub fn vae_json(scaling_factor: f64) -> Value {
    json!({
        "_class_name": "AutoencoderKL",
        "in_channels": 3, "out_channels": 3, "latent_channels": 4,
        "down_block_types": vec!["DownEncoderBlock2D"; 3], "up_block_types": vec!["UpDecoderBlock2D"; 3],
        "block_out_channels": [16, 32, 64], "layers_per_block": 1, "norm_num_groups": 8,
        "sample_size": 64, "scaling_factor": scaling_factor,
    })
}

/// `text_encoder/config.json`.
pub fn text_json() -> Value {
    json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model",
        "vocab_size": WORDS + 2, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": POSITIONS,
        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        "bos_token_id": BEGIN, "eos_token_id": END, "pad_token_id": END,
    })
}

/// Weights as PyTorch begins them: `U(±1/√fan_in)` for layers and their biases, ones and zeros for norms; embeddings as
/// CLIP's, normal of deviation 0.02.
fn fresh(network: &str, layout: &Layout, seed: u64) -> Result<Params, TchError> {
    let options = (Kind::Float, Device::Cpu);
    let weight_of = |name: &str| {
        let weight = name.strip_suffix(".bias").map(|stem| format!("{stem}.weight"));
        layout.iter().find(|(other, _)| Some(other) == weight.as_ref()).map(|(_, shape)| shape.clone())
    };
    Params::build(layout, Device::Cpu, |name, shape| {
        let key = format!("{network}.{name}");
        let weight = weight_of(name).unwrap_or_else(|| shape.to_vec());
        let is_bias = name.rsplit('.').next() == Some("bias");
        match (is_bias, weight.len()) {
            (_, _) if name.contains("embedding.weight") && !name.contains("time_") => {
                init::normal(seed, &key, shape, 0.02)
            }
            (false, 1) => Tensor::f_ones(shape, options),
            (true, 1) => Tensor::f_zeros(shape, options),
            _ => {
                let fan_in: i64 = weight.iter().skip(1).product();
                init::symmetric(seed, &key, shape, 1.0 / (fan_in as f32).sqrt())
            }
        }
    })
}
