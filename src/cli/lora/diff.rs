//! `atelier lora diff`.

use std::path::PathBuf;

use serde_json::json;

use super::load;
use crate::cli::print;
use crate::cli::sessions::number;
use crate::models::stable_diffusion::lora_file::{Comparison, compare};

/// Say how far two LoRAs are apart, layer by layer: by what they add, whatever their form, rank and scale.
///
/// Differences are relative to the larger of both: 0 for equal ones, about 1.4 for ones that have nothing in common.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier lora diff step-1000.safetensors step-2000.safetensors
  atelier lora diff mine.safetensors converted.safetensors --json")]
pub struct Args {
    /// One file or folder
    #[arg(value_name = "FILE")]
    first: PathBuf,
    /// The other
    #[arg(value_name = "FILE")]
    second: PathBuf,
    /// List every layer, not the ten that differ most
    #[arg(long)]
    layers: bool,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Compare.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (first, second) = (load(&args.first)?, load(&args.second)?);
    let mut layers = compare(&first, &second)?;
    // What only one has comes first, then by difference.
    let weight = |layer: &Comparison| layer.relative().unwrap_or(f64::INFINITY);
    layers.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let square = |value: Option<f64>| value.unwrap_or_default().powi(2);
    let total =
        |pick: fn(&Comparison) -> Option<f64>| layers.iter().map(|layer| square(pick(layer))).sum::<f64>().sqrt();
    let (norms, apart) = ([total(|layer| layer.first), total(|layer| layer.second)], distance(&layers));
    let larger = norms[0].max(norms[1]);
    let relative = if larger == 0.0 { 0.0 } else { apart / larger };
    if args.json {
        let layers: Vec<_> = layers
            .iter()
            .map(|l| {
                json!({ "layer": l.layer, "first": l.first, "second": l.second, "difference": l.difference, "relative": l.relative() })
            })
            .collect();
        let all = json!({ "first": norms[0], "second": norms[1], "difference": apart, "relative": relative, "layers": layers });
        return Ok(print(&format!("{all:#}\n"))?);
    }
    let lone = layers.iter().filter(|layer| layer.first.is_none() || layer.second.is_none()).count();
    let mut text = format!(
        "{} layers, {lone} in one file alone; norms {} and {}, difference {} ({} of the larger)\n",
        layers.len(),
        number(norms[0]),
        number(norms[1]),
        number(apart),
        number(relative)
    );
    let shown = if args.layers { layers.len() } else { 10 };
    text.push_str(&format!("\n{:>10} {:>10} {:>10} {:>10}  layer\n", "first", "second", "difference", "relative"));
    for layer in layers.iter().take(shown) {
        let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let Comparison { first, second, difference, layer: name } = layer;
        let cells = [*first, *second, *difference, layer.relative()].map(cell);
        text.push_str(&format!("{:>10} {:>10} {:>10} {:>10}  {name}\n", cells[0], cells[1], cells[2], cells[3]));
    }
    Ok(print(&text)?)
}

/// Norm of the whole difference; of a layer that only one has, or that has another shape, all of it.
fn distance(layers: &[Comparison]) -> f64 {
    let square = |value: Option<f64>| value.unwrap_or_default().powi(2);
    let of = |layer: &Comparison| match layer.difference {
        Some(difference) => difference * difference,
        None => square(layer.first) + square(layer.second),
    };
    layers.iter().map(of).sum::<f64>().sqrt()
}
