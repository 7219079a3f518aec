//! diffusers' form, peft's, and the ones they had before.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Kind, TchError, Tensor};

use super::super::lora::{TEXT_ENCODER, UNET};
use super::{Layer, LoraFile, LoraFileError, Role, names};

/// Where the scale goes in diffusers' form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpha {
    /// Into the projection up; alpha is the rank then, and every reader that there is gets the same.
    Folded,
    /// Into the header, as peft has it: readers older than diffusers 0.34, and ComfyUI, do not see it.
    Header,
}

/// The header's entry.
pub(super) const METADATA: &str = "lora_adapter_metadata";

/// The header's entry where a paired adapter's `conv_in` lies in a file beside.
pub(super) const PAIRED: &str = "atelier_paired";

/// How keys end, newest form first.
const ENDS: [(&str, Role); 9] = [
    (".lora_A.weight", Role::Down),
    (".lora_B.weight", Role::Up),
    (".lora.down.weight", Role::Down),
    (".lora.up.weight", Role::Up),
    (".lora_linear_layer.down.weight", Role::Down),
    (".lora_linear_layer.up.weight", Role::Up),
    ("_lora.down.weight", Role::Down),
    ("_lora.up.weight", Role::Up),
    (".alpha", Role::Alpha),
];

/// Network, module and role of a key, or what is wrong with it.
pub(super) fn parse(key: &str) -> Result<(&'static str, String, Role), String> {
    // peft names the adapter where it saves a model's whole state.
    let plain = key.replace(".default.weight", ".weight");
    let plain = plain.strip_prefix("base_model.model.").unwrap_or(&plain);
    let unknown = || format!("`{key}` is no tensor of a LoRA");
    let (network, rest) = if let Some(rest) = plain.strip_prefix("unet.") {
        (UNET, rest)
    } else if let Some(rest) = plain.strip_prefix("text_encoder.") {
        (TEXT_ENCODER, rest)
    } else {
        (names::network(plain).ok_or_else(unknown)?, plain)
    };
    let Some((end, role)) = ENDS.iter().find(|(end, _)| rest.ends_with(end)) else {
        let is_whole = network == UNET && matches!(rest, "conv_in.weight" | "conv_in.bias");
        return if is_whole { Ok((network, rest.to_owned(), Role::Whole)) } else { Err(unknown()) };
    };
    let module = rest[..rest.len() - end.len()].replace(".processor", "");
    Ok((network, current(network, &module, end), *role))
}

/// The layer that a module of an older form is.
fn current(network: &str, module: &str, end: &str) -> String {
    if network == UNET {
        return if end.starts_with('_') && module.ends_with(".to_out") {
            format!("{module}.0")
        } else {
            module.to_owned()
        };
    }
    let module = module.strip_prefix("text_model.").unwrap_or(module);
    let Some((front, last)) = module.rsplit_once('.').filter(|_| end.starts_with('_')) else {
        return module.to_owned();
    };
    match last {
        "to_q" => format!("{front}.q_proj"),
        "to_k" => format!("{front}.k_proj"),
        "to_v" => format!("{front}.v_proj"),
        "to_out" => format!("{front}.out_proj"),
        _ => module.to_owned(),
    }
}

/// What the header (or peft's `adapter_config.json` beside the file) says of the scale.
#[derive(Debug, Default)]
pub(super) struct Said(Map<String, Value>);

impl Said {
    pub(super) fn read(path: &Path, metadata: &BTreeMap<String, String>) -> Result<Self, LoraFileError> {
        let fault = |what: String| LoraFileError::Format { path: path.to_owned(), what };
        if let Some(text) = metadata.get(METADATA) {
            let said =
                serde_json::from_str(text).map_err(|error| fault(format!("its `{METADATA}` is not JSON ({error})")))?;
            return Ok(Self(said));
        }
        let beside = path.with_file_name("adapter_config.json");
        if path.file_name().is_none_or(|name| name != "adapter_model.safetensors") || !beside.is_file() {
            return Ok(Self::default());
        }
        let config: Map<String, Value> = std::fs::read_to_string(&beside)
            .map_err(|error| error.to_string())
            .and_then(|text| serde_json::from_str(&text).map_err(|error| format!("not JSON ({error})")))
            .map_err(|what| LoraFileError::Format { path: beside, what })?;
        let both = [UNET, TEXT_ENCODER].into_iter();
        Ok(Self(both.flat_map(|net| config.iter().map(move |(k, v)| (format!("{net}.{k}"), v.clone()))).collect()))
    }

    /// Alpha of a layer, and whether it is over the rank's root.
    pub(super) fn alpha(&self, network: &str, module: &str) -> Option<(f64, bool)> {
        let get = |key: &str| self.0.get(&format!("{network}.{key}"));
        let patterns = get("alpha_pattern").and_then(Value::as_object);
        let own = patterns.into_iter().flatten().find(|(pattern, _)| names_layer(pattern, module));
        let alpha = own.map(|(_, alpha)| alpha).or_else(|| get("lora_alpha"))?.as_f64()?;
        Some((alpha, get("use_rslora").and_then(Value::as_bool).unwrap_or_default()))
    }
}

/// Whether peft would take the settings under `pattern` for this layer. Patterns are regular expressions there; the ones
/// that are written are paths, or their ends.
fn names_layer(pattern: &str, module: &str) -> bool {
    match pattern.strip_prefix('^') {
        Some(whole) => whole == module,
        None => module.strip_suffix(pattern).is_some_and(|front| front.is_empty() || front.ends_with('.')),
    }
}

/// Tensors under diffusers' keys, and the header.
#[expect(clippy::type_complexity, reason = "two lists, told apart by the caller at once")]
pub(super) fn content(
    file: &LoraFile,
    alpha: Alpha,
    kind: Kind,
) -> Result<(Vec<(String, Tensor)>, Vec<(String, String)>), TchError> {
    let _guard = tch::no_grad_guard();
    let mut tensors = Vec::with_capacity(2 * file.layers.len());
    for layer in &file.layers {
        let (front, middle) = match layer.network {
            UNET => (String::from("unet."), "lora"),
            // As older transformers have it; diffusers takes `text_model.` off for newer ones.
            _ => (String::from("text_encoder.text_model."), "lora_linear_layer"),
        };
        let scale = layer.scale();
        let up = match alpha {
            Alpha::Folded if scale != 1.0 => layer.up.f_to_kind(Kind::Float)?.f_mul_scalar(scale)?,
            _ => layer.up.shallow_clone(),
        };
        tensors.push((format!("{front}{}.{middle}.down.weight", layer.module), layer.down.f_to_kind(kind)?));
        tensors.push((format!("{front}{}.{middle}.up.weight", layer.module), up.f_to_kind(kind)?));
    }
    let mut settings = BTreeMap::new();
    for network in [UNET, TEXT_ENCODER] {
        settings.extend(peft_settings(file, network, alpha).into_iter().map(|(k, v)| (format!("{network}.{k}"), v)));
    }
    let settings = serde_json::to_string_pretty(&settings).unwrap_or_default(); // strings and numbers alone
    let mut header = vec![("format".to_owned(), "pt".to_owned()), (METADATA.to_owned(), settings)];
    if file.is_paired() {
        header.push((PAIRED.to_owned(), "true".to_owned()));
    }
    Ok((tensors, header))
}

/// The settings with which peft makes this network's adapters: the ones that matter, known to every release.
fn peft_settings(file: &LoraFile, network: &str, alpha: Alpha) -> BTreeMap<&'static str, Value> {
    let layers: Vec<&Layer> = file.layers.iter().filter(|layer| layer.network == network).collect();
    if layers.is_empty() {
        return BTreeMap::new();
    }
    // One root for all or none: what peft can say. Otherwise the scales are said by alphas alone.
    let rslora = alpha == Alpha::Header && layers.iter().all(|layer| layer.rslora);
    let alpha_of = |layer: &Layer| match alpha {
        Alpha::Folded => layer.rank() as f64,
        Alpha::Header if rslora => layer.alpha,
        Alpha::Header => layer.scale() * layer.rank() as f64,
    };
    let rank = most_common(layers.iter().map(|layer| layer.rank()));
    let usual = layers.iter().find(|layer| layer.rank() == rank).map_or(1.0, |layer| alpha_of(layer));
    let ranks = layers.iter().filter(|layer| layer.rank() != rank);
    let alphas = layers.iter().filter(|layer| alpha_of(layer) != usual);
    let modules: BTreeSet<&str> = layers.iter().map(|layer| layer.module.as_str()).collect();
    let rank_pattern: Map<String, Value> = ranks.map(|layer| (layer.module.clone(), json!(layer.rank()))).collect();
    let alpha_pattern: Map<String, Value> =
        alphas.map(|layer| (layer.module.clone(), json!(alpha_of(layer)))).collect();
    BTreeMap::from([
        ("r", json!(rank)),
        ("lora_alpha", json!(usual)),
        ("lora_dropout", json!(0.0)),
        ("target_modules", json!(modules)),
        ("rank_pattern", Value::Object(rank_pattern)),
        ("alpha_pattern", Value::Object(alpha_pattern)),
        ("use_rslora", json!(rslora)),
        ("use_dora", json!(false)),
        ("bias", json!("none")),
    ])
}

fn most_common(ranks: impl Iterator<Item = i64>) -> i64 {
    let mut counts: BTreeMap<i64, usize> = BTreeMap::new();
    ranks.for_each(|rank| *counts.entry(rank).or_default() += 1);
    counts.into_iter().max_by_key(|&(_, count)| count).map_or(1, |(rank, _)| rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_that_diffusers_had_is_read() {
        let to_out = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0";
        for (key, network, module, role) in [
            ("unet.mid_block.a.attn1.to_q.lora_A.weight", UNET, "mid_block.a.attn1.to_q", Role::Down),
            ("unet.mid_block.a.attn1.to_q.lora_B.default.weight", UNET, "mid_block.a.attn1.to_q", Role::Up),
            ("base_model.model.mid_block.a.attn1.to_q.lora_B.weight", UNET, "mid_block.a.attn1.to_q", Role::Up),
            ("unet.up_blocks.1.resnets.0.conv1.lora.down.weight", UNET, "up_blocks.1.resnets.0.conv1", Role::Down),
            (
                "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
                UNET,
                to_out,
                Role::Up,
            ),
            (
                "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
                UNET,
                to_out,
                Role::Down,
            ),
            ("unet.mid_block.a.to_k.alpha", UNET, "mid_block.a.to_k", Role::Alpha),
            ("unet.conv_in.weight", UNET, "conv_in.weight", Role::Whole),
            (
                "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.up.weight",
                TEXT_ENCODER,
                "encoder.layers.0.self_attn.q_proj",
                Role::Up,
            ),
            (
                "text_encoder.text_model.encoder.layers.3.self_attn.to_out_lora.down.weight",
                TEXT_ENCODER,
                "encoder.layers.3.self_attn.out_proj",
                Role::Down,
            ),
            (
                "text_encoder.encoder.layers.0.mlp.fc1.lora_A.weight",
                TEXT_ENCODER,
                "encoder.layers.0.mlp.fc1",
                Role::Down,
            ),
        ] {
            assert_eq!(parse(key), Ok((network, module.to_owned(), role)), "{key}");
        }
        for key in ["unet.conv_out.weight", "x.lora_A.weight", "unet.", "model.diffusion_model.out.2.weight"] {
            assert!(parse(key).unwrap_err().contains(key), "{key}");
        }
    }

    #[test]
    fn patterns_are_matched_as_peft_does() {
        let module = "mid_block.attentions.0.to_q";
        assert!(
            names_layer("to_q", module) && names_layer(module, module) && names_layer(&format!("^{module}"), module)
        );
        assert!(!names_layer("o_q", module) && !names_layer("^to_q", module) && !names_layer("to_k", module));
    }
}
