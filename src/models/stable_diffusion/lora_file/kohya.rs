//! The form of kohya's sd-scripts, which A1111 and ComfyUI read.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::super::lora::{TEXT_ENCODER, UNET};
use super::{LoraFile, LoraFileError, Role, names};
use crate::models::weights;

const UNET_FRONT: &str = "lora_unet_";
const TEXT_FRONT: &str = "lora_te_";
/// What some trainers write where there is one text encoder alone.
const FIRST_TEXT_FRONT: &str = "lora_te1_";
/// transformers' name before its version 5.
const TEXT_MODEL: &str = "text_model.";

/// What such a file tells about its training, where it is known.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The base's name.
    pub base: Option<String>,
    /// Side of the training images in pixels.
    pub resolution: Option<i64>,
    /// Steps taken.
    pub steps: Option<u64>,
    /// Epochs.
    pub epochs: Option<f64>,
    /// Anything else, for people.
    pub comment: Option<String>,
}

/// Whether a key is of this form.
pub(super) fn is_key(key: &str) -> bool {
    [UNET_FRONT, TEXT_FRONT, FIRST_TEXT_FRONT].iter().any(|front| key.starts_with(front))
}

/// Network, module and role of a key, or what is wrong with it.
pub(super) fn parse(key: &str) -> Result<(&'static str, String, Role), String> {
    let unknown = || format!("`{key}` is no tensor of a LoRA in kohya's form");
    let (flat, end) = key.split_once('.').ok_or_else(unknown)?;
    let role = match end {
        "lora_down.weight" => Role::Down,
        "lora_up.weight" => Role::Up,
        "alpha" => Role::Alpha,
        _ => return Err(unknown()),
    };
    if let Some(flat) = flat.strip_prefix(UNET_FRONT) {
        return Ok((UNET, names::dotted(flat), role));
    }
    let flat = flat.strip_prefix(TEXT_FRONT).or_else(|| flat.strip_prefix(FIRST_TEXT_FRONT));
    let module = names::dotted(flat.ok_or_else(unknown)?);
    let module = module.strip_prefix(TEXT_MODEL).map(str::to_owned).unwrap_or(module);
    Ok((TEXT_ENCODER, module, role))
}

/// Tensors under kohya's keys, and the header.
#[expect(clippy::type_complexity, reason = "a list and a map, told apart by the caller at once")]
pub(super) fn content(
    file: &LoraFile,
    about: &About,
    kind: Kind,
    fault: impl Fn(String) -> LoraFileError,
) -> Result<(Vec<(String, Tensor)>, BTreeMap<String, String>), LoraFileError> {
    if let Some((name, _)) = file.whole.first() {
        return Err(fault(format!(
            "a paired adapter cannot be written so: kohya's form has no place for `{name}`; keep diffusers' form, or merge \
             it into its base"
        )));
    }
    let _guard = tch::no_grad_guard();
    let mut tensors = Vec::with_capacity(3 * file.layers.len());
    for layer in &file.layers {
        let front = if layer.network == UNET {
            format!("{UNET_FRONT}{}", names::flat(&layer.module))
        } else {
            format!("{TEXT_FRONT}{}", names::flat(&format!("{TEXT_MODEL}{}", layer.module)))
        };
        let alpha = layer.scale() * layer.rank() as f64; // rank-stabilised too: readers divide by the rank
        tensors.push((format!("{front}.lora_down.weight"), layer.down.f_to_kind(kind)?));
        tensors.push((format!("{front}.lora_up.weight"), layer.up.f_to_kind(kind)?));
        tensors
            .push((format!("{front}.alpha"), Tensor::f_from_slice(&[alpha as f32])?.f_reshape([])?.f_to_kind(kind)?));
    }
    let one = |values: Vec<String>| match values.as_slice() {
        [one] => one.clone(),
        _ => "Dynamic".to_owned(),
    };
    let mut alphas: Vec<String> =
        file.layers.iter().map(|layer| (layer.scale() * layer.rank() as f64).to_string()).collect();
    alphas.sort_unstable();
    alphas.dedup();
    let mut metadata = BTreeMap::from([
        ("ss_network_module".to_owned(), "networks.lora".to_owned()),
        ("ss_network_dim".to_owned(), one(file.ranks().iter().map(i64::to_string).collect())),
        ("ss_network_alpha".to_owned(), one(alphas)),
        ("ss_base_model_version".to_owned(), "sd_v1".to_owned()),
        ("ss_v2".to_owned(), "False".to_owned()),
    ]);
    let resolution = about.resolution.map(|side| format!("({side}, {side})"));
    for (key, value) in [
        ("ss_sd_model_name", about.base.clone()),
        ("ss_resolution", resolution),
        ("ss_steps", about.steps.map(|steps| steps.to_string())),
        ("ss_num_epochs", about.epochs.map(|epochs| epochs.to_string())),
        ("ss_training_comment", about.comment.clone()),
    ] {
        metadata.extend(value.map(|value| (key.to_owned(), value)));
    }
    metadata.insert("sshs_model_hash".to_owned(), weights::data_sha256(&tensors).map_err(LoraFileError::Torch)?);
    Ok((tensors, metadata))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_with_other_marks() {
        for (key, network, module, role) in [
            (
                "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_attn1_to_out_0.lora_down.weight",
                UNET,
                "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0",
                Role::Down,
            ),
            (
                "lora_unet_up_blocks_1_resnets_2_time_emb_proj.alpha",
                UNET,
                "up_blocks.1.resnets.2.time_emb_proj",
                Role::Alpha,
            ),
            (
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight",
                TEXT_ENCODER,
                "encoder.layers.0.self_attn.q_proj",
                Role::Up,
            ),
        ] {
            assert_eq!(parse(key), Ok((network, module.to_owned(), role)));
        }
        for key in ["lora_unet_x", "lora_unet_x.weight", "unet.x.lora_down.weight"] {
            assert!(parse(key).unwrap_err().contains(key), "{key}");
        }
    }
}
