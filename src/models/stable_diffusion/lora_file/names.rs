//! Names of layers from form to form.

use super::super::lora::{TEXT_ENCODER, UNET};

/// Parts of paths that hold the mark which kohya's form puts between parts, too. Longer ones first.
const COMPOUND: [&str; 23] = [
    "time_emb_proj",
    "down_blocks",
    "up_blocks",
    "mid_block",
    "transformer_blocks",
    "time_embedding",
    "text_model",
    "self_attn",
    "conv_shortcut",
    "conv_in",
    "conv_out",
    "proj_in",
    "proj_out",
    "linear_1",
    "linear_2",
    "out_proj",
    "q_proj",
    "k_proj",
    "v_proj",
    "to_out",
    "to_q",
    "to_k",
    "to_v",
];

/// `down_blocks.0.attentions` → `down_blocks_0_attentions`.
pub(super) fn flat(module: &str) -> String {
    module.replace('.', "_")
}

/// The path that [`flat`] made this of; unique, because no part of a path begins with a whole other one.
pub(super) fn dotted(flat: &str) -> String {
    let mut parts = Vec::new();
    let mut rest = flat;
    while !rest.is_empty() {
        let whole =
            |part: &&str| rest.strip_prefix(*part).is_some_and(|after| after.is_empty() || after.starts_with('_'));
        let part = COMPOUND.into_iter().find(whole).unwrap_or_else(|| rest.split('_').next().unwrap_or(rest));
        parts.push(part);
        rest = rest[part.len()..].strip_prefix('_').unwrap_or_default();
    }
    parts.join(".")
}

/// The network that a path without its name belongs to.
pub(super) fn network(module: &str) -> Option<&'static str> {
    let first = module.split('.').next()?;
    match first {
        "down_blocks" | "up_blocks" | "mid_block" | "conv_in" | "conv_out" | "time_embedding" => Some(UNET),
        "text_model" | "encoder" => Some(TEXT_ENCODER),
        _ => None,
    }
}

/// What else than a LoRA of Stable Diffusion 1 a key tells of.
pub(super) fn other_kind(key: &str) -> Option<String> {
    const METHODS: [(&str, &str); 8] = [
        ("dora_scale", "a DoRA"),
        ("lora_magnitude_vector", "a DoRA"),
        (".hada_w", "a LoHa"),
        (".lokr_w", "a LoKr"),
        (".lora_mid.", "a LoCon with Tucker decomposition"),
        (".oft_", "an OFT"),
        ("lora_B.bias", "a LoRA with biases"),
        (".diff", "whole differences of weights"),
    ];
    const MODELS: [(&str, &str); 7] = [
        ("lora_te2_", "a LoRA of Stable Diffusion XL"),
        ("text_encoder_2.", "a LoRA of Stable Diffusion XL or later"),
        ("lora_unet_input_blocks", "a LoRA that names the UNet's blocks as Stable Diffusion XL's scripts do"),
        ("lora_unet_double_blocks", "a LoRA of Flux"),
        ("lora_unet_single_blocks", "a LoRA of Flux"),
        ("lora_transformer_", "a LoRA of a transformer (Stable Diffusion 3, Flux)"),
        ("transformer.", "a LoRA of a transformer (Stable Diffusion 3, Flux)"),
    ];
    let method = METHODS.iter().find(|(mark, _)| key.contains(mark));
    let model = MODELS.iter().find(|(front, _)| key.starts_with(front));
    let (_, what) = method.or(model)?;
    Some(format!("`{key}` is a tensor of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::stable_diffusion::config::{TextConfig, UNetConfig};
    use crate::models::stable_diffusion::{clip, unet};

    #[test]
    fn every_layer_of_sd15_finds_its_way_back() {
        let layouts = [unet::layout(&UNetConfig::sd15()), clip::layout(&TextConfig::sd15())];
        let layers =
            layouts.iter().flatten().filter(|(name, shape)| shape.len() > 1 && !name.starts_with("embeddings."));
        let modules: Vec<&str> = layers.filter_map(|(name, _)| name.strip_suffix(".weight")).collect();
        assert!(modules.len() > 300, "{}", modules.len());
        for module in modules {
            assert_eq!(dotted(&flat(module)), module);
        }
        assert_eq!(dotted("text_model_encoder_layers_11_mlp_fc1"), "text_model.encoder.layers.11.mlp.fc1");
    }
}
