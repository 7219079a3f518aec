//! `atelier dataset check`.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Sides, count, print_json, progress_bar, table};
use crate::cli::print;
use crate::data::check::{self, Options, Report};

/// Look for everything that is wrong with a dataset; exit code 1 when something is.
///
/// undecodable, size-mismatch, channel-mismatch: files that do not make a pair. misaligned: phase correlation finds the
/// illustration shifted. unrelated: the two images show different things. duplicate: two photos look the same, also
/// mirrored or compressed anew. leak: the same across the split. hash-mismatch: a file is not what the manifest says.
/// orphan: half a pair, or one that only the disk or only the manifest knows.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The dataset.
    dataset: PathBuf,
    #[command(flatten)]
    sides: Sides,
    /// Print the report, with the measured shift of every pair, as JSON.
    #[arg(long)]
    json: bool,
}

/// Check and print.
pub fn run(args: &Args) -> anyhow::Result<()> {
    args.sides.checked()?;
    let options = Options { validation_fraction: args.sides.validation, seed: args.sides.seed };
    let bar = progress_bar();
    bar.set_message("checking");
    let report = check::check(&args.dataset, options, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let report = report?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&describe(&report)?)?;
    }
    if !report.problems.is_empty() {
        anyhow::bail!("{} in {}", count(report.problems.len(), "problem"), args.dataset.display());
    }
    Ok(())
}

fn describe(report: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    if !report.problems.is_empty() {
        let mut rows = table(&["problem", "pair", ""]);
        for problem in &report.problems {
            rows.add_row([problem.kind.name(), problem.id.as_str(), problem.message.as_str()]);
        }
        writeln!(text, "{}", rows.trim_fmt())?;
    }
    writeln!(
        text,
        "{} of {}: {} to train on, {} held out",
        count(report.pairs, "pair"),
        count(report.sources, "source"),
        report.train,
        report.validation
    )?;
    let sure: Vec<f64> = report
        .measured
        .iter()
        .filter_map(|measured| measured.shift.filter(|shift| shift.confidence >= check::SURE))
        .map(|shift| shift.distance())
        .collect();
    if let Some(largest) = sure.iter().copied().max_by(f64::total_cmp) {
        writeln!(
            text,
            "alignment measured in {} of {} pairs (the others are too even): largest shift {largest:.2} pixels",
            sure.len(),
            report.measured.len()
        )?;
    }
    for remark in &report.remarks {
        writeln!(text, "note: {remark}")?;
    }
    if report.problems.is_empty() {
        writeln!(text, "nothing wrong")?;
    } else {
        let counts: Vec<String> = report.counts().iter().map(|(kind, n)| format!("{n} {}", kind.name())).collect();
        writeln!(text, "found: {}", counts.join(", "))?;
    }
    Ok(text)
}
