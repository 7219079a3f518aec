//! `atelier dataset`: pairs of photo and illustration, from import to export.

use clap::Subcommand;

use super::Usage;
use crate::data::Dataset;

mod card;
mod check;
mod export;
mod import;
mod split;
mod stats;
mod synth;

/// The subcommands of `atelier dataset`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Import(import::Args),
    Check(check::Args),
    Split(split::Args),
    Stats(stats::Args),
    Synth(synth::Args),
    Card(card::Args),
    Export(export::Args),
}

/// Run one of them.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Import(args) => import::run(args),
        Command::Check(args) => check::run(&args),
        Command::Split(args) => split::run(&args),
        Command::Stats(args) => stats::run(&args),
        Command::Synth(args) => synth::run(args),
        Command::Card(args) => card::run(args),
        Command::Export(args) => export::run(&args),
    }
}

/// The split that a command looks at: what is given, else what is recorded in the dataset, else a fifth by seed 0.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Sides {
    /// Share of the sources held out; the recorded one when not given, else 0.2.
    #[arg(long, value_name = "SHARE")]
    validation: Option<f64>,
    /// Seed of the split; the recorded one when not given, else 0.
    #[arg(long)]
    seed: Option<u64>,
}

impl Sides {
    /// The share and the seed for a dataset.
    fn of(&self, dataset: &Dataset) -> anyhow::Result<(f64, u64)> {
        self.checked()?;
        let recorded = dataset.recorded_split.as_ref();
        let fraction = self.validation.or(recorded.map(|r| r.validation_fraction)).unwrap_or(0.2);
        Ok((fraction, self.seed.or(recorded.map(|r| r.seed)).unwrap_or(0)))
    }

    fn checked(&self) -> anyhow::Result<()> {
        match self.validation {
            Some(share) if !(0.0..1.0).contains(&share) => {
                Err(Usage(format!("--validation {share} is out of range: at least 0, less than 1")).into())
            }
            _ => Ok(()),
        }
    }
}

/// `1 pair`, `2 pairs`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A table without lines.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.iter().copied());
    table
}

/// Print as indented JSON.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(super::print(&text)?)
}

/// A progress bar on standard error; nothing where that is no terminal.
fn progress_bar() -> indicatif::ProgressBar {
    let bar = indicatif::ProgressBar::no_length();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{msg:8} {wide_bar} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
