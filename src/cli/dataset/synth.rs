//! `atelier dataset synth`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use super::{count, print_json, progress_bar};
use crate::cli::{Usage, print};
use crate::data::synth::repaint::Recipe;
use crate::data::synth::{self, SIZES, SynthError};

/// Make pairs by program: landscapes drawn twice, or photos repainted as illustrations.
///
/// Pairs are marked synthetic in the manifest. The dataset must not exist yet, and appears whole or not at all.
///
/// Examples:
///   atelier dataset synth --procedural 64 --seed 1 --size 256 -o data/landscapes
///   atelier dataset synth --photos pictures -o data/repainted
///   atelier dataset synth --print-config > repaint.toml
///   atelier dataset synth --photos pictures --config repaint.toml --limit 100 -o data/repainted
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, group = clap::ArgGroup::new("what").required(true).args(["procedural", "photos", "print_config"]))]
pub struct Args {
    /// Draw this many landscapes, each as a textured photo and as a flat illustration.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=synth::MOST as u64))]
    procedural: Option<u64>,
    /// Which landscapes: the same seed draws the same pixels on every machine.
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with = "photos")]
    seed: u64,
    /// Side of a landscape in pixels.
    #[arg(long, value_name = "PIXELS", default_value_t = 256, conflicts_with = "photos",
          value_parser = clap::value_parser!(u64).range(SIZES[0] as u64..=SIZES[1] as u64))]
    size: u64,
    /// Repaint the photos in this folder.
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// How to repaint, as a TOML file; what it leaves out keeps its default.
    #[arg(long, value_name = "FILE", requires = "photos")]
    config: Option<PathBuf>,
    /// Repaint at most this many photos.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Print the defaults of --config and do nothing else.
    #[arg(long)]
    print_config: bool,
    /// The dataset to make.
    #[arg(short, long, value_name = "DIR", required_unless_present = "print_config")]
    output: Option<PathBuf>,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

/// What was made, for `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    root: PathBuf,
    pairs: usize,
    left_out: Vec<LeftOut>,
    beyond_limit: usize,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    photo: PathBuf,
    reason: String,
}

/// Make the pairs and print what came of it.
pub fn run(args: Args) -> anyhow::Result<()> {
    if args.print_config {
        return Ok(print(&Recipe::default().to_toml())?);
    }
    let Some(output) = args.output else {
        return Err(Usage("name the dataset to make with -o DIR".to_owned()).into());
    };
    let bar = progress_bar();
    let made = if let Some(photos) = args.photos {
        let recipe = match &args.config {
            Some(path) => Recipe::load(path).map_err(|errors| Usage(errors.to_string()))?,
            None => Recipe::default(),
        };
        bar.set_message("repaint");
        let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
        let started = |photos: usize| bar.set_length(photos as u64);
        synth::repainted(&photos, &output, &recipe, limit, &started, &|| bar.inc(1)).map(|made| Summary {
            root: output,
            pairs: made.dataset.pairs.len(),
            left_out: made.left_out.into_iter().map(|(photo, reason)| LeftOut { photo, reason }).collect(),
            beyond_limit: made.beyond_limit,
        })
    } else {
        let pairs = args.procedural.unwrap_or(1);
        bar.set_message("draw");
        bar.set_length(pairs);
        synth::procedural_with(&output, pairs as usize, args.seed, args.size as usize, &|| bar.inc(1))
            .map(|dataset| Summary { root: output, pairs: dataset.pairs.len(), left_out: Vec::new(), beyond_limit: 0 })
    };
    bar.finish_and_clear();
    let summary = match made {
        Err(error @ (SynthError::Exists { .. } | SynthError::Size { .. } | SynthError::Count { .. })) => {
            return Err(Usage(error.to_string()).into());
        }
        made => made.context("make pairs")?,
    };
    if args.json {
        print_json(&summary)?;
    } else {
        print(&describe(&summary)?)?;
    }
    if !summary.left_out.is_empty() {
        anyhow::bail!("{} could not be used; the reasons are above", count(summary.left_out.len(), "photo"));
    }
    Ok(())
}

fn describe(summary: &Summary) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for LeftOut { photo, reason } in &summary.left_out {
        writeln!(text, "left out: {} {reason}", photo.display())?;
    }
    if summary.beyond_limit > 0 {
        writeln!(text, "{} beyond --limit", count(summary.beyond_limit, "photo"))?;
    }
    let root = summary.root.display();
    writeln!(text, "{} in {root}, marked synthetic", count(summary.pairs, "pair"))?;
    writeln!(text, "next: atelier dataset check {root}")?;
    Ok(text)
}
