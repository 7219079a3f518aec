//! `atelier dataset stats`.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Sides, count, print_json, progress_bar};
use crate::cli::print;
use crate::data::Dataset;
use crate::data::stats::{self, Baseline, Stats};

/// Count and measure: sizes, colours, and the distance a model must beat.
///
/// The identity baseline takes the photo itself as the prediction; L1 and PSNR are averages over pairs of images in
/// [0, 1], the definitions that training records as val/l1 and val/psnr.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The dataset.
    dataset: PathBuf,
    #[command(flatten)]
    sides: Sides,
    /// Print as JSON.
    #[arg(long)]
    json: bool,
}

/// Measure and print.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.dataset)?;
    let (fraction, seed) = args.sides.of(&dataset)?;
    let bar = progress_bar();
    bar.set_message("reading");
    let stats = stats::stats(&dataset, fraction, seed, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    if args.json {
        print_json(&stats)?;
    } else {
        print(&describe(&stats, &dataset)?)?;
    }
    if let Some(first) = stats.unreadable.first() {
        let n = count(stats.unreadable.len(), "pair");
        anyhow::bail!("{n} could not be measured, the first {}: {}", first.id, first.reason);
    }
    Ok(())
}

fn describe(stats: &Stats, dataset: &Dataset) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let mut line = |name: &str, value: String| writeln!(text, "{name:<14} {value}");
    line("pairs", format!("{} of {}", stats.pairs, count(stats.sources, "source")))?;
    line("synthetic", format!("{} ({:.1} %)", stats.synthetic, 100.0 * stats.synthetic_share))?;
    line("on disk", format!("{:.1} MB", stats.bytes as f64 / 1e6))?;
    let sizes: Vec<String> =
        stats.sizes.iter().take(8).map(|size| format!("{}x{} ({})", size.width, size.height, size.pairs)).collect();
    let more = stats.sizes.len().saturating_sub(8);
    line("sizes", sizes.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() })?;
    let triple = |values: [f64; 3]| values.map(|value| format!("{value:.3}")).join(" ");
    for (name, colours) in [("photo", &stats.photo), ("illustration", &stats.illustration)] {
        line(name, format!("mean {}   std {}   (R G B)", triple(colours.mean), triple(colours.std)))?;
    }
    if let (Some(mean), Some((id, least))) = (stats.correlation, &stats.least_correlated) {
        line("correlation", format!("{mean:.3} on average, least {least:.3} in {id}"))?;
    }
    let sides =
        [("all", &stats.baseline.all), ("train", &stats.baseline.train), ("validation", &stats.baseline.validation)];
    for (side, baseline) in sides {
        if let Some(Baseline { pairs, l1, mse, psnr }) = baseline {
            line(
                if side == "all" { "identity" } else { "" },
                format!("L1 {l1:.4}   MSE {mse:.5}   PSNR {psnr:.2} dB   ({side}, {})", count(*pairs, "pair")),
            )?;
        }
    }
    for remark in dataset.remarks() {
        line("note", remark)?;
    }
    Ok(text)
}
