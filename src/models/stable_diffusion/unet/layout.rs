//! Names and shapes of a UNet's parameters.

use crate::models::params::Layout;
use crate::models::stable_diffusion::blocks::{convolution, linear, norm, resnet, transformer};
use crate::models::stable_diffusion::config::UNetConfig;

/// Name and shape of every parameter, in the order of diffusers' state dict.
pub fn layout(config: &UNetConfig) -> Layout {
    let widths = &config.block_out_channels;
    let (levels, first, deepest) = (widths.len(), widths[0], widths[widths.len() - 1]);
    let time = 4 * first;
    let mut layout = convolution("conv_in", config.in_channels, first, 3);
    layout.extend(linear("time_embedding.linear_1", first, time));
    layout.extend(linear("time_embedding.linear_2", time, time));
    for level in 0..levels {
        let (inputs, outputs) = (widths[level.saturating_sub(1)], widths[level]);
        let key = format!("down_blocks.{level}");
        let inputs: Vec<i64> =
            (0..config.layers_per_block).map(|index| if index == 0 { inputs } else { outputs }).collect();
        layout.extend(block(config, &key, level, &inputs, config.down_attention[level]));
        if level + 1 < levels {
            layout.extend(convolution(&format!("{key}.downsamplers.0.conv"), outputs, outputs, 3));
        }
    }
    for at in 0..levels {
        let level = levels - 1 - at;
        let (below, outputs) = (widths[(level + 1).min(levels - 1)], widths[level]);
        let key = format!("up_blocks.{at}");
        let inputs: Vec<i64> = (0..=config.layers_per_block)
            .map(|index| {
                let carried = if index == 0 { below } else { outputs };
                // The last layer joins what the level below its own gave.
                let joined = if index == config.layers_per_block { widths[level.saturating_sub(1)] } else { outputs };
                carried + joined
            })
            .collect();
        layout.extend(block(config, &key, level, &inputs, config.up_attention[at]));
        if at + 1 < levels {
            layout.extend(convolution(&format!("{key}.upsamplers.0.conv"), outputs, outputs, 3));
        }
    }
    layout.extend(attention(config, "mid_block.attentions.0", levels - 1));
    for index in 0..2 {
        layout.extend(resnet::layout(&format!("mid_block.resnets.{index}"), deepest, deepest, Some(time)));
    }
    layout.extend(norm("conv_norm_out", first));
    layout.extend(convolution("conv_out", first, config.out_channels, 3));
    layout
}

/// The layers of a block: its attentions first, then its residual blocks of these many inputs each.
fn block(config: &UNetConfig, key: &str, level: usize, inputs: &[i64], attends: bool) -> Layout {
    let (outputs, time) = (config.block_out_channels[level], 4 * config.block_out_channels[0]);
    let mut layout = Layout::new();
    for index in 0..if attends { inputs.len() } else { 0 } {
        layout.extend(attention(config, &format!("{key}.attentions.{index}"), level));
    }
    for (index, &inputs) in inputs.iter().enumerate() {
        layout.extend(resnet::layout(&format!("{key}.resnets.{index}"), inputs, outputs, Some(time)));
    }
    layout
}

fn attention(config: &UNetConfig, key: &str, level: usize) -> Layout {
    let shape = transformer::Shape::of(config, level);
    transformer::layout(key, config.block_out_channels[level], config.cross_attention_dim, shape)
}
