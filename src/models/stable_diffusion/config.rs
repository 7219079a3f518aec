//! What the networks are: the `config.json` files of diffusers and transformers.
//!
//! Keys and defaults are those libraries' own, and so any size works. An architecture that the networks here are not is
//! refused by the key that says so; keys that change nothing here (sample rates of a library, file history) are ignored.

mod read;

use std::path::Path;

use serde_json::{Value, json};

use read::Reader;
pub use read::{ConfigError, json as read_json};

/// No width, count or vocabulary is larger; sizes in a damaged file must not overflow what is computed from them.
const LARGEST: i64 = 1 << 20;
/// Nor are there more blocks, or layers in one.
const DEEPEST: i64 = 64;

/// `UNet2DConditionModel`.
#[derive(Debug, Clone, PartialEq)]
pub struct UNetConfig {
    /// Channels of the sample: 4, or 8 where the photo's latents are concatenated (`InstructPix2Pix`).
    pub in_channels: i64,
    /// Channels of the prediction.
    pub out_channels: i64,
    /// The side that it was trained on, in latent pixels.
    pub sample_size: i64,
    /// Width of each level, the finest first.
    pub block_out_channels: Vec<i64>,
    /// Whether the blocks on the way down have attention.
    pub down_attention: Vec<bool>,
    /// Whether the blocks on the way up have attention, the coarsest first.
    pub up_attention: Vec<bool>,
    /// Residual blocks of a level on the way down; one more on the way up.
    pub layers_per_block: usize,
    /// Transformer blocks of one attention.
    pub transformer_layers: usize,
    /// Attention heads of each level. diffusers calls them `attention_head_dim`.
    pub heads: Vec<i64>,
    /// Width of the text embedding.
    pub cross_attention_dim: i64,
    /// Groups of every group norm.
    pub norm_num_groups: i64,
    /// Of the group norms in residual blocks.
    pub norm_eps: f64,
    /// The time embedding is [cos, sin] instead of [sin, cos].
    pub flip_sin_to_cos: bool,
    /// Shortens the series of the time embedding's frequencies.
    pub freq_shift: i64,
    /// The projections around an attention are linear layers (Stable Diffusion 2) instead of 1x1 convolutions.
    pub use_linear_projection: bool,
}

impl UNetConfig {
    /// Read a `config.json`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_json(&read::json(path)?, path)
    }

    /// From what such a file holds; `path` is for messages.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self, ConfigError> {
        let read = Reader::new(value, path)?;
        read.class("_class_name", &["UNet2DConditionModel"])?;
        for (key, only) in UNET_ONLY {
            read.only(key, only)?;
        }
        let block_out_channels = read.ints("block_out_channels", &[320, 640, 1280, 1280])?;
        let levels = block_out_channels.len();
        read.per_level("block_out_channels", levels, DEEPEST as usize)?;
        let attention = |key: &str, plain: &str, attending: &str, default: &[&str]| -> Result<Vec<bool>, ConfigError> {
            let types = read.words(key, default)?;
            let known = types.iter().map(|name| match name.as_str() {
                name if name == attending => Ok(true),
                name if name == plain => Ok(false),
                other => Err(read.fault(format!("`{key}` has {other}; only {attending} and {plain} are supported"))),
            });
            let known: Vec<bool> = known.collect::<Result<_, _>>()?;
            read.same_length(key, known.len(), levels)?;
            Ok(known)
        };
        let (down, down_with) = ("DownBlock2D", "CrossAttnDownBlock2D");
        let (up, up_with) = ("UpBlock2D", "CrossAttnUpBlock2D");
        let down_attention = attention("down_block_types", down, down_with, &[down_with, down_with, down_with, down])?;
        let up_attention = attention("up_block_types", up, up_with, &[up, up_with, up_with, up_with])?;
        // diffusers' own misnaming: what it calls the heads' dimension is their number, unless that is given as well.
        let key = if read.is_given("num_attention_heads") { "num_attention_heads" } else { "attention_head_dim" };
        let heads = read.ints_or_one(key, 8, levels)?;
        let config = Self {
            in_channels: read.int("in_channels", 4)?,
            out_channels: read.int("out_channels", 4)?,
            sample_size: read.int("sample_size", 64)?,
            down_attention,
            up_attention,
            layers_per_block: read.int_up_to("layers_per_block", 2, DEEPEST)? as usize,
            transformer_layers: read.int_up_to("transformer_layers_per_block", 1, DEEPEST)? as usize,
            heads,
            cross_attention_dim: read.int("cross_attention_dim", 1280)?,
            norm_num_groups: read.int("norm_num_groups", 32)?,
            norm_eps: read.float("norm_eps", 1e-5)?,
            flip_sin_to_cos: read.flag("flip_sin_to_cos", true)?,
            freq_shift: read.int_from("freq_shift", 0, 0)?,
            use_linear_projection: read.flag("use_linear_projection", false)?,
            block_out_channels,
        };
        read.divides("norm_num_groups", config.norm_num_groups, &config.block_out_channels)?;
        for (&width, &heads) in config.block_out_channels.iter().zip(&config.heads) {
            read.divides(key, heads, &[width])?;
        }
        let half = config.block_out_channels[0] / 2;
        if config.block_out_channels[0] % 2 != 0 || config.freq_shift >= half {
            return Err(read.fault(format!(
                "a first width of {} with `freq_shift` {} leaves no time embedding",
                config.block_out_channels[0], config.freq_shift
            )));
        }
        Ok(config)
    }

    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self {
            in_channels: 4,
            out_channels: 4,
            sample_size: 64,
            block_out_channels: vec![320, 640, 1280, 1280],
            down_attention: vec![true, true, true, false],
            up_attention: vec![false, true, true, true],
            layers_per_block: 2,
            transformer_layers: 1,
            heads: vec![8; 4],
            cross_attention_dim: 768,
            norm_num_groups: 32,
            norm_eps: 1e-5,
            flip_sin_to_cos: true,
            freq_shift: 0,
            use_linear_projection: false,
        }
    }
}

/// What else diffusers' UNet can be, by key, with the one value (or its absence) that is supported.
const UNET_ONLY: [(&str, &str); 21] = [
    ("center_input_sample", "false"),
    ("downsample_padding", "1"),
    ("mid_block_scale_factor", "1"),
    ("mid_block_type", "\"UNetMidBlock2DCrossAttn\""),
    ("act_fn", "\"silu\""),
    ("only_cross_attention", "false"),
    ("dual_cross_attention", "false"),
    ("encoder_hid_dim", "null"),
    ("class_embed_type", "null"),
    ("addition_embed_type", "null"),
    ("num_class_embeds", "null"),
    ("attention_type", "\"default\""),
    ("cross_attention_norm", "null"),
    ("resnet_time_scale_shift", "\"default\""),
    ("resnet_skip_time_act", "false"),
    ("resnet_out_scale_factor", "1"),
    ("time_embedding_type", "\"positional\""),
    ("time_embedding_act_fn", "null"),
    ("time_cond_proj_dim", "null"),
    ("conv_in_kernel", "3"),
    ("conv_out_kernel", "3"),
];

/// `AutoencoderKL`.
#[derive(Debug, Clone, PartialEq)]
pub struct VaeConfig {
    /// Channels of an image.
    pub in_channels: i64,
    /// Channels of a decoded image.
    pub out_channels: i64,
    /// Channels of the latents.
    pub latent_channels: i64,
    /// Width of each level, the finest first.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks of a level of the encoder; the decoder has one more.
    pub layers_per_block: usize,
    /// Groups of every group norm.
    pub norm_num_groups: i64,
    /// What the diffusion model's latents are multiplied by. The caller does it: nothing here does.
    pub scaling_factor: f64,
}

impl VaeConfig {
    /// Read a `config.json`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_json(&read::json(path)?, path)
    }

    /// From what such a file holds; `path` is for messages.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self, ConfigError> {
        let read = Reader::new(value, path)?;
        read.class("_class_name", &["AutoencoderKL"])?;
        let only = [
            ("act_fn", "\"silu\""),
            ("use_quant_conv", "true"),
            ("use_post_quant_conv", "true"),
            ("latents_mean", "null"),
            ("latents_std", "null"),
            ("mid_block_add_attention", "true"),
        ];
        for (key, only) in only {
            read.only(key, only)?;
        }
        if read.is_given("shift_factor") && read.float("shift_factor", 0.0)? != 0.0 {
            return Err(read.fault("`shift_factor` is not 0: latents of other models than Stable Diffusion 1 and 2"));
        }
        let block_out_channels = read.ints("block_out_channels", &[64])?;
        let levels = block_out_channels.len();
        // Each level halves the image: more of them than bits in its side are none.
        read.per_level("block_out_channels", levels, 12)?;
        for (key, only) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let types = read.words(key, &[only])?;
            if let Some(other) = types.iter().find(|name| *name != only) {
                return Err(read.fault(format!("`{key}` has {other}; only {only} is supported")));
            }
            read.same_length(key, types.len(), levels)?;
        }
        let config = Self {
            in_channels: read.int("in_channels", 3)?,
            out_channels: read.int("out_channels", 3)?,
            latent_channels: read.int("latent_channels", 4)?,
            layers_per_block: read.int_up_to("layers_per_block", 1, DEEPEST)? as usize,
            norm_num_groups: read.int("norm_num_groups", 32)?,
            scaling_factor: read.float("scaling_factor", 0.18215)?,
            block_out_channels,
        };
        read.divides("norm_num_groups", config.norm_num_groups, &config.block_out_channels)?;
        if !(config.scaling_factor.is_finite() && config.scaling_factor > 0.0) {
            return Err(read.fault(format!("`scaling_factor` is {}, not a positive number", config.scaling_factor)));
        }
        Ok(config)
    }

    /// Stable Diffusion 1.5's.
    pub fn sd15() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            latent_channels: 4,
            block_out_channels: vec![128, 256, 512, 512],
            layers_per_block: 2,
            norm_num_groups: 32,
            scaling_factor: 0.18215,
        }
    }

    /// Pixels of an image to one of its latents, along a side: 8.
    pub fn factor(&self) -> i64 {
        1 << (self.block_out_channels.len() - 1)
    }
}

/// What stands between the two layers of a text encoder's MLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x σ(1.702 x): Stable Diffusion 1's CLIP.
    QuickGelu,
    /// The error function's: Stable Diffusion 2's.
    Gelu,
}

/// `CLIPTextModel`.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConfig {
    /// Tokens that there are.
    pub vocab_size: i64,
    /// Width of an embedding.
    pub hidden_size: i64,
    /// Width inside an MLP.
    pub intermediate_size: i64,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Attention heads of a layer.
    pub num_attention_heads: i64,
    /// Tokens of a prompt.
    pub max_position_embeddings: i64,
    /// Activation of the MLPs.
    pub hidden_act: Activation,
    /// Of the layer norms.
    pub layer_norm_eps: f64,
}

impl TextConfig {
    /// Read a `config.json`.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::from_json(&read::json(path)?, path)
    }

    /// From what such a file holds; `path` is for messages.
    pub fn from_json(value: &Value, path: &Path) -> Result<Self, ConfigError> {
        let read = Reader::new(value, path)?;
        read.class("model_type", &["clip_text_model", "clip"])?;
        read.class("architectures", &["CLIPTextModel", "CLIPModel"])?;
        // The text half of a whole CLIP.
        let read = if read.is_given("text_config") { Reader::new(&value["text_config"], path)? } else { read };
        let hidden_act = match read.word("hidden_act", "quick_gelu")?.as_str() {
            "quick_gelu" => Activation::QuickGelu,
            "gelu" => Activation::Gelu,
            other => {
                return Err(read.fault(format!("`hidden_act` is {other}; only quick_gelu and gelu are supported")));
            }
        };
        let config = Self {
            vocab_size: read.int("vocab_size", 49408)?,
            hidden_size: read.int("hidden_size", 512)?,
            intermediate_size: read.int("intermediate_size", 2048)?,
            num_hidden_layers: read.int_up_to("num_hidden_layers", 12, DEEPEST)? as usize,
            num_attention_heads: read.int("num_attention_heads", 8)?,
            max_position_embeddings: read.int("max_position_embeddings", 77)?,
            hidden_act,
            layer_norm_eps: read.float("layer_norm_eps", 1e-5)?,
        };
        read.divides("num_attention_heads", config.num_attention_heads, &[config.hidden_size])?;
        Ok(config)
    }

    /// Stable Diffusion 1.5's: CLIP ViT-L/14.
    pub fn sd15() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

/// The noise schedule of Stable Diffusion 1.5, as its `scheduler_config.json` says: for a single file, which has none.
pub fn sd15_scheduler() -> Value {
    json!({
        "_class_name": "PNDMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
        "set_alpha_to_one": false,
        "skip_prk_steps": true,
        "steps_offset": 1,
        "clip_sample": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unet(change: impl FnOnce(&mut Value)) -> Result<UNetConfig, String> {
        let mut value = json!({
            "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "cross_attention_dim": 768,
            "norm_eps": 1e-05, "mid_block_scale_factor": 1.0, "a_later_key": [1, 2]
        });
        change(&mut value);
        UNetConfig::from_json(&value, Path::new("unet/config.json")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_published_files_give_the_published_networks() {
        assert_eq!(unet(|_| ()).unwrap(), UNetConfig::sd15());
        let vae = json!({
            "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
            "down_block_types": vec!["DownEncoderBlock2D"; 4], "up_block_types": vec!["UpDecoderBlock2D"; 4],
            "sample_size": 512, "force_upcast": true
        });
        assert_eq!(VaeConfig::from_json(&vae, Path::new("config.json")).unwrap(), VaeConfig::sd15());
        let text = json!({
            "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "hidden_size": 768,
            "intermediate_size": 3072, "num_attention_heads": 12, "torch_dtype": "float32"
        });
        assert_eq!(TextConfig::from_json(&text, Path::new("config.json")).unwrap(), TextConfig::sd15());
        let whole = json!({ "model_type": "clip", "text_config": text });
        assert_eq!(TextConfig::from_json(&whole, Path::new("config.json")).unwrap(), TextConfig::sd15());
    }

    #[test]
    fn stable_diffusion_2_is_a_config_like_any_other() {
        let config = unet(|value| {
            value["attention_head_dim"] = json!([5, 10, 20, 20]);
            value["use_linear_projection"] = json!(true);
            value["cross_attention_dim"] = json!(1024);
        });
        let config = config.unwrap();
        assert_eq!((config.heads.as_slice(), config.use_linear_projection), (&[5, 10, 20, 20][..], true));
    }

    #[test]
    fn other_architectures_are_refused_by_the_key_that_says_so() {
        let refused = |key: &str, value: Value| unet(|config| config[key] = value).unwrap_err();
        let error = refused("addition_embed_type", json!("text_time"));
        assert!(
            error.contains("unet/config.json") && error.contains("`addition_embed_type` is \"text_time\""),
            "{error}"
        );
        assert!(refused("_class_name", json!("SD3Transformer2DModel")).contains("SD3Transformer2DModel"));
        assert!(refused("down_block_types", json!(["KDownBlock2D", "DownBlock2D"])).contains("KDownBlock2D"));
        assert!(refused("layers_per_block", json!([1, 2, 2, 2])).contains("`layers_per_block`"));
        assert!(refused("norm_num_groups", json!(7)).contains("320"));
        assert!(refused("attention_head_dim", json!(7)).contains("320"));
        assert!(refused("block_out_channels", json!([320, 640])).contains("`down_block_types` has 4"));
        for nonsense in [json!(0), json!(-4), json!(1e30), json!("four"), json!(i64::MAX), json!(null)] {
            assert!(refused("in_channels", nonsense).contains("`in_channels`"));
        }
        assert!(UNetConfig::from_json(&json!([1]), Path::new("x")).unwrap_err().to_string().contains("x: "));
        let text = json!({ "architectures": ["CLIPTextModelWithProjection"] });
        assert!(TextConfig::from_json(&text, Path::new("x")).unwrap_err().to_string().contains("WithProjection"));
        let vae = json!({ "latent_channels": 16, "shift_factor": 0.1159 });
        assert!(VaeConfig::from_json(&vae, Path::new("x")).unwrap_err().to_string().contains("shift_factor"));
    }
}
