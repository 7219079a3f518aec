//! The names that a network's parameters have in a checkpoint of the original code (`CompVis/stable-diffusion`).
//!
//! Derived from diffusers' names: where a layer stands in that code's lists follows from the config.

use crate::models::stable_diffusion::config::{UNetConfig, VaeConfig};

/// Before every parameter of the UNet.
pub const UNET: &str = "model.diffusion_model.";
/// Of the autoencoder.
pub const VAE: &str = "first_stage_model.";
/// Of the text encoder.
pub const TEXT: &str = "cond_stage_model.transformer.text_model.";

/// Inside a residual block of the UNet.
const RESNET: [(&str, &str); 6] = [
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("conv_shortcut", "skip_connection"),
];

/// Outside the UNet's blocks.
const UNET_ENDS: [(&str, &str); 5] = [
    ("conv_in", "input_blocks.0.0"),
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
];

/// A parameter of the UNet by diffusers' key, such as `down_blocks.0.resnets.1.conv1.weight`; none where it is no key of
/// such a network.
pub fn unet(config: &UNetConfig, key: &str) -> Option<String> {
    let stage = config.layers_per_block + 1;
    let parts: Vec<&str> = key.split('.').collect();
    let number = |at: usize| parts.get(at)?.parse::<usize>().ok();
    let (block, rest) = match parts[0] {
        "down_blocks" => {
            let (level, index) = (number(1)?, number(3)?);
            let first = 1 + level * stage;
            match *parts.get(2)? {
                "resnets" => (format!("input_blocks.{}.0", first + index), &parts[4..]),
                "attentions" => (format!("input_blocks.{}.1", first + index), &parts[4..]),
                "downsamplers" => {
                    return Some(format!(
                        "{UNET}input_blocks.{}.0.op.{}",
                        first + config.layers_per_block,
                        parts.last()?
                    ));
                }
                _ => return None,
            }
        }
        "up_blocks" => {
            let (level, index) = (number(1)?, number(3)?);
            let first = level * stage;
            match *parts.get(2)? {
                "resnets" => (format!("output_blocks.{}.0", first + index), &parts[4..]),
                "attentions" => (format!("output_blocks.{}.1", first + index), &parts[4..]),
                "upsamplers" => {
                    // After the attention, where the block has one.
                    let place = 1 + usize::from(*config.up_attention.get(level)?);
                    let block = first + config.layers_per_block;
                    return Some(format!("{UNET}output_blocks.{block}.{place}.conv.{}", parts.last()?));
                }
                _ => return None,
            }
        }
        "mid_block" => match (*parts.get(1)?, number(2)?) {
            ("resnets", index) => (format!("middle_block.{}", 2 * index), &parts[3..]),
            ("attentions", 0) => ("middle_block.1".to_owned(), &parts[3..]),
            _ => return None,
        },
        _ => {
            let (module, end) = key.rsplit_once('.')?;
            let (_, ldm) = UNET_ENDS.iter().find(|(diffusers, _)| *diffusers == module)?;
            return Some(format!("{UNET}{ldm}.{end}"));
        }
    };
    let rest = rest.join(".");
    let is_resnet = parts.contains(&"resnets");
    let inside = if is_resnet { renamed(&rest, &RESNET)? } else { rest };
    Some(format!("{UNET}{block}.{inside}"))
}

/// Inside the autoencoder's attention.
const ATTENTION: [(&str, &str); 5] =
    [("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")];

/// A parameter of the autoencoder by diffusers' key.
pub fn vae(config: &VaeConfig, key: &str) -> Option<String> {
    let parts: Vec<&str> = key.split('.').collect();
    let number = |at: usize| parts.get(at)?.parse::<usize>().ok();
    let half = parts[0];
    let resnet = |rest: &[&str]| rest.join(".").replace("conv_shortcut", "nin_shortcut");
    let name = match *parts.get(1)? {
        "down_blocks" | "up_blocks" => {
            let (block, index) = (number(2)?, number(4)?);
            // The original code counts the decoder's levels from the finest, too.
            let level = if half == "decoder" { config.block_out_channels.len().checked_sub(block + 1)? } else { block };
            let way = if half == "decoder" { "up" } else { "down" };
            match *parts.get(3)? {
                "resnets" => format!("{half}.{way}.{level}.block.{index}.{}", resnet(&parts[5..])),
                "downsamplers" => format!("{half}.down.{level}.downsample.{}", parts[5..].join(".")),
                "upsamplers" => format!("{half}.up.{level}.upsample.{}", parts[5..].join(".")),
                _ => return None,
            }
        }
        "mid_block" => match (*parts.get(2)?, number(3)?) {
            ("resnets", index) => format!("{half}.mid.block_{}.{}", index + 1, resnet(&parts[4..])),
            ("attentions", 0) => format!("{half}.mid.attn_1.{}", renamed(&parts[4..].join("."), &ATTENTION)?),
            _ => return None,
        },
        "conv_norm_out" => format!("{half}.norm_out.{}", parts.get(2)?),
        _ => key.to_owned(), // conv_in, conv_out and quant_conv have one name
    };
    Some(format!("{VAE}{name}"))
}

/// A parameter of the text encoder by transformers' key.
pub fn text(key: &str) -> String {
    format!("{TEXT}{key}")
}

/// `module.weight` with another name for the module.
fn renamed(name: &str, names: &[(&str, &str)]) -> Option<String> {
    let (module, end) = name.rsplit_once('.')?;
    let (_, new) = names.iter().find(|(old, _)| *old == module)?;
    Some(format!("{new}.{end}"))
}

/// Tensors of such a checkpoint that are no parameters: the noise schedule, a moving average beside the weights, token
/// positions, what losses kept.
pub fn is_baggage(name: &str) -> bool {
    const SCHEDULE: [&str; 5] = ["betas", "alphas_", "sqrt_", "log_one_minus_", "posterior_"];
    const OTHER: [&str; 4] = ["model_ema.", "first_stage_model.loss.", "cond_stage_model.transformer.vision", "lvlb_"];
    SCHEDULE.iter().chain(&OTHER).any(|front| name.starts_with(front))
        || ["logit_scale", "scale_factor", "model_ema.decay"].contains(&name)
        || name.ends_with("embeddings.position_ids")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_from_the_config() {
        let unet = |key: &str| unet(&UNetConfig::sd15(), key).unwrap();
        for (diffusers, ldm) in [
            ("conv_in.weight", "input_blocks.0.0.weight"),
            ("time_embedding.linear_2.bias", "time_embed.2.bias"),
            ("down_blocks.0.resnets.0.conv1.weight", "input_blocks.1.0.in_layers.2.weight"),
            ("down_blocks.0.downsamplers.0.conv.bias", "input_blocks.3.0.op.bias"),
            ("down_blocks.1.resnets.0.conv_shortcut.weight", "input_blocks.4.0.skip_connection.weight"),
            ("down_blocks.2.attentions.1.proj_in.weight", "input_blocks.8.1.proj_in.weight"),
            ("down_blocks.3.resnets.1.time_emb_proj.weight", "input_blocks.11.0.emb_layers.1.weight"),
            ("mid_block.resnets.1.norm2.bias", "middle_block.2.out_layers.0.bias"),
            (
                "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0.bias",
                "middle_block.1.transformer_blocks.0.attn2.to_out.0.bias",
            ),
            ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
            ("up_blocks.1.upsamplers.0.conv.weight", "output_blocks.5.2.conv.weight"),
            ("up_blocks.3.attentions.2.norm.weight", "output_blocks.11.1.norm.weight"),
            ("conv_norm_out.weight", "out.0.weight"),
        ] {
            assert_eq!(unet(diffusers), format!("model.diffusion_model.{ldm}"));
        }
        let vae = |key: &str| vae(&VaeConfig::sd15(), key).unwrap();
        for (diffusers, ldm) in [
            ("encoder.conv_in.weight", "encoder.conv_in.weight"),
            ("encoder.down_blocks.1.resnets.0.conv_shortcut.bias", "encoder.down.1.block.0.nin_shortcut.bias"),
            ("encoder.down_blocks.2.downsamplers.0.conv.weight", "encoder.down.2.downsample.conv.weight"),
            ("encoder.mid_block.resnets.1.conv1.weight", "encoder.mid.block_2.conv1.weight"),
            ("decoder.mid_block.attentions.0.to_out.0.bias", "decoder.mid.attn_1.proj_out.bias"),
            ("decoder.mid_block.attentions.0.group_norm.bias", "decoder.mid.attn_1.norm.bias"),
            ("decoder.up_blocks.0.resnets.2.norm1.weight", "decoder.up.3.block.2.norm1.weight"),
            ("decoder.up_blocks.2.upsamplers.0.conv.weight", "decoder.up.1.upsample.conv.weight"),
            ("decoder.conv_norm_out.bias", "decoder.norm_out.bias"),
            ("post_quant_conv.weight", "post_quant_conv.weight"),
        ] {
            assert_eq!(vae(diffusers), format!("first_stage_model.{ldm}"));
        }
    }
}
