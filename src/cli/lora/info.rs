//! `atelier lora info`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::Kind;

use super::megabytes;
use crate::cli::print;
use crate::cli::sessions::{count_or_number, number, whole};
use crate::models::stable_diffusion::lora::TEXT_ENCODER;
use crate::models::stable_diffusion::lora_file::{Form, LoraFile};

/// Say what is in a LoRA file: its form, ranks and scales, which layers it changes and how much, what it tells of itself.
///
/// Norms are of what a layer's weight is changed by (Frobenius).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier lora info pytorch_lora_weights.safetensors
  atelier lora info ghibli.safetensors --layers --json")]
pub struct Args {
    /// The file, or the folder that holds `pytorch_lora_weights.safetensors`
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// List every layer, the most changed first
    #[arg(long)]
    layers: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Info {
    file: PathBuf,
    form: &'static str,
    bytes: u64,
    kinds: Vec<String>,
    parameters: usize,
    ranks: BTreeSet<i64>,
    /// Scales (alpha over rank) and how many layers have each.
    scales: BTreeMap<String, usize>,
    paired: bool,
    /// Layers by network and by the last part of their names.
    targets: BTreeMap<String, usize>,
    norm: f64,
    layers: Vec<LayerInfo>,
    remarks: Vec<String>,
    metadata: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct LayerInfo {
    layer: String,
    rank: i64,
    alpha: f64,
    scale: f64,
    norm: f64,
}

/// Look.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let file = LoraFile::load(&args.file)?;
    let info = info(&args.file, file)?;
    if args.json {
        return Ok(print(&format!("{}\n", serde_json::to_string_pretty(&info)?))?);
    }
    Ok(print(&text(&info, args.layers))?)
}

fn info(path: &Path, file: LoraFile) -> anyhow::Result<Info> {
    let mut layers = Vec::with_capacity(file.layers.len());
    let (mut scales, mut targets, mut kinds) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for layer in &file.layers {
        let (scale, norm) = (layer.scale(), layer.norm()?);
        layers.push(LayerInfo { layer: layer.name(), rank: layer.rank(), alpha: layer.alpha, scale, norm });
        *scales.entry(count_or_number(scale)).or_default() += 1;
        *targets.entry(format!("{} {}", network(layer.network), last(&layer.module))).or_default() += 1;
        kinds.insert(kind_name(layer.down.f_kind()?));
    }
    layers.sort_by(|a, b| b.norm.total_cmp(&a.norm));
    let bytes = std::fs::metadata(path).map(|meta| meta.len()).unwrap_or_default();
    Ok(Info {
        file: path.to_owned(),
        form: file.form.name(),
        bytes: if path.is_dir() { weights_in(path) } else { bytes },
        kinds: kinds.into_iter().collect(),
        parameters: file.parameters(),
        ranks: file.ranks(),
        scales,
        paired: file.is_paired(),
        targets,
        norm: layers.iter().map(|layer| layer.norm * layer.norm).sum::<f64>().sqrt(),
        layers,
        remarks: file.remarks,
        metadata: file.metadata,
    })
}

/// As `--precision` has it.
fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Float => "f32".to_owned(),
        Kind::Half => "f16".to_owned(),
        Kind::BFloat16 => "bf16".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn weights_in(folder: &Path) -> u64 {
    let file = folder.join(crate::models::stable_diffusion::lora_file::FILE_NAME);
    std::fs::metadata(file).map(|meta| meta.len()).unwrap_or_default()
}

fn network(name: &str) -> &'static str {
    if name == TEXT_ENCODER { "text encoder" } else { "UNet" }
}

/// The part of a layer's name that says what it is: `to_q`, `to_out.0`, `ff.net.0.proj`.
fn last(module: &str) -> &str {
    let is_word = |part: &str| part.parse::<u32>().is_err();
    let parts: Vec<&str> = module.split('.').collect();
    let mut from = parts.len().saturating_sub(1);
    while from > 0 && !is_word(parts[from]) {
        from -= 1;
    }
    if parts.get(from) == Some(&"proj") || parts.get(from) == Some(&"net") {
        from = from.saturating_sub(if parts[from] == "net" { 1 } else { 3 });
    }
    let length: usize = parts[..from].iter().map(|part| part.len() + 1).sum();
    &module[length..]
}

fn text(info: &Info, all: bool) -> String {
    let form = if info.form == Form::Kohya.name() { "kohya (A1111, ComfyUI)" } else { "diffusers (peft)" };
    let ranks: Vec<String> = info.ranks.iter().map(i64::to_string).collect();
    let scales: Vec<String> = match info.scales.len() {
        1 => info.scales.keys().cloned().collect(),
        _ => info.scales.iter().map(|(scale, count)| format!("{scale} ({count} layers)")).collect(),
    };
    let targets = |network: &str| {
        let own =
            info.targets.iter().filter_map(|(target, count)| Some((target.strip_prefix(network)?.trim_start(), count)));
        own.map(|(target, count)| format!("{count} {target}")).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        ("file", format!("{}  {}", info.file.display(), megabytes(info.bytes))),
        ("form", form.to_owned()),
        ("kept in", info.kinds.join(", ")),
        ("rank", ranks.join(", ")),
        ("scale", format!("{} (alpha over rank)", scales.join(", "))),
        ("layers", info.layers.len().to_string()),
        ("  UNet", targets("UNet")),
        ("  text", targets("text encoder")),
        ("trained", format!("{} parameters", whole(info.parameters as i64))),
        ("norm", number(info.norm)),
    ];
    if info.paired {
        lines.push((
            "paired",
            "it reads the photo beside the noise: conv_in is in it, strength means nothing".to_owned(),
        ));
    }
    let told = |key: &str| info.metadata.get(key).filter(|value| value.len() < 200);
    for (key, label) in [
        ("ss_sd_model_name", "base"),
        ("ss_base_model_version", "made for"),
        ("ss_resolution", "resolution"),
        ("ss_steps", "steps"),
        ("ss_num_epochs", "epochs"),
        ("ss_training_comment", "comment"),
    ] {
        lines.extend(told(key).map(|value| (label, value.clone())));
    }
    lines.extend(info.remarks.iter().map(|remark| ("note", remark.clone())));
    lines.retain(|(_, value)| !value.is_empty());
    let mut text = String::new();
    for (label, value) in &lines {
        text.push_str(&format!("{label:<12}{value}\n"));
    }
    let shown = if all { info.layers.len() } else { 5 };
    text.push_str(if all { "\nevery layer, the most changed first\n" } else { "\nmost changed\n" });
    for layer in info.layers.iter().take(shown) {
        text.push_str(&format!("{:>10}  r {:<3} {}\n", number(layer.norm), layer.rank, layer.layer));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::last;

    #[test]
    fn the_last_part_says_what_a_layer_is() {
        for (module, expected) in [
            ("mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0", "to_out.0"),
            ("mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj", "ff.net.0.proj"),
            ("mid_block.attentions.0.transformer_blocks.0.ff.net.2", "ff.net.2"),
            ("encoder.layers.0.mlp.fc1", "fc1"),
            ("conv_in", "conv_in"),
        ] {
            assert_eq!(last(module), expected);
        }
    }
}
