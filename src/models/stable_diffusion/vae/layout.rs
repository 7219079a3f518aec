//! Names and shapes of an autoencoder's parameters.

use crate::models::params::Layout;
use crate::models::stable_diffusion::blocks::{convolution, linear, norm, resnet};
use crate::models::stable_diffusion::config::VaeConfig;

/// Name and shape of every parameter, in the order of diffusers' state dict.
pub fn layout(config: &VaeConfig) -> Layout {
    let latent = config.latent_channels;
    let mut layout = encoder(config);
    layout.extend(decoder(config));
    layout.extend(convolution("quant_conv", 2 * latent, 2 * latent, 1));
    layout.extend(convolution("post_quant_conv", latent, latent, 1));
    layout
}

fn encoder(config: &VaeConfig) -> Layout {
    let widths = &config.block_out_channels;
    let (levels, deepest) = (widths.len(), widths[widths.len() - 1]);
    let mut layout = convolution("encoder.conv_in", config.in_channels, widths[0], 3);
    for level in 0..levels {
        let (inputs, outputs) = (widths[level.saturating_sub(1)], widths[level]);
        let key = format!("encoder.down_blocks.{level}");
        layout.extend(resnets(&key, config.layers_per_block, inputs, outputs));
        if level + 1 < levels {
            layout.extend(convolution(&format!("{key}.downsamplers.0.conv"), outputs, outputs, 3));
        }
    }
    layout.extend(middle("encoder.mid_block", deepest));
    layout.extend(norm("encoder.conv_norm_out", deepest));
    layout.extend(convolution("encoder.conv_out", deepest, 2 * config.latent_channels, 3));
    layout
}

fn decoder(config: &VaeConfig) -> Layout {
    let widths = &config.block_out_channels;
    let (levels, deepest) = (widths.len(), widths[widths.len() - 1]);
    let mut layout = convolution("decoder.conv_in", config.latent_channels, deepest, 3);
    for block in 0..levels {
        let level = levels - 1 - block;
        let (inputs, outputs) = (widths[(level + 1).min(levels - 1)], widths[level]);
        let key = format!("decoder.up_blocks.{block}");
        layout.extend(resnets(&key, config.layers_per_block + 1, inputs, outputs));
        if block + 1 < levels {
            layout.extend(convolution(&format!("{key}.upsamplers.0.conv"), outputs, outputs, 3));
        }
    }
    layout.extend(middle("decoder.mid_block", deepest));
    layout.extend(norm("decoder.conv_norm_out", widths[0]));
    layout.extend(convolution("decoder.conv_out", widths[0], config.out_channels, 3));
    layout
}

fn resnets(key: &str, count: usize, inputs: i64, outputs: i64) -> Layout {
    let inputs = |index: usize| if index == 0 { inputs } else { outputs };
    (0..count)
        .flat_map(|index| resnet::layout(&format!("{key}.resnets.{index}"), inputs(index), outputs, None))
        .collect()
}

fn middle(key: &str, width: i64) -> Layout {
    let mut layout = norm(&format!("{key}.attentions.0.group_norm"), width);
    for part in ["to_q", "to_k", "to_v", "to_out.0"] {
        layout.extend(linear(&format!("{key}.attentions.0.{part}"), width, width));
    }
    for index in 0..2 {
        layout.extend(resnet::layout(&format!("{key}.resnets.{index}"), width, width, None));
    }
    layout
}
