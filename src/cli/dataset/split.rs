//! `atelier dataset split`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::{count, print_json};
use crate::cli::{Usage, print};
use crate::data::split::{self, Record};
use crate::data::{Dataset, split as split_pairs};

/// Hold a share of the sources out for validation, and write it down in the dataset.
///
/// Pairs of one source always stand on one side. A source's side follows from its name and the seed alone, so adding
/// files never moves the others; the share held out is therefore near the one asked for, not exactly it. Training with
/// the same `data.validation_fraction` and `data.split_seed` uses what is written here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The dataset.
    dataset: PathBuf,
    /// Share of the sources to hold out, from 0 to below 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2)]
    validation: f64,
    /// Another seed is another split.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Show the split without writing it down.
    #[arg(long)]
    dry_run: bool,
    /// Print the split as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Output<'a> {
    dataset: PathBuf,
    recorded: bool,
    #[serde(flatten)]
    record: &'a Record,
    train_ids: Vec<&'a str>,
    validation_ids: Vec<&'a str>,
    remarks: Vec<String>,
}

/// Split, record and print.
pub fn run(args: &Args) -> anyhow::Result<()> {
    if !(0.0..1.0).contains(&args.validation) {
        return Err(Usage(format!("--validation {} is out of range: at least 0, less than 1", args.validation)).into());
    }
    let mut dataset = Dataset::open(&args.dataset)?;
    let former = dataset.recorded_split.clone();
    let record = Record::compute(&dataset, args.validation, args.seed);
    if !args.dry_run {
        record.save(&dataset.root)?;
    }
    dataset.recorded_split = Some(record.clone());
    let sides = split_pairs(&dataset, args.validation, args.seed);
    let ids = |indices: &[usize]| indices.iter().map(|&i| dataset.pairs[i].id.as_str()).collect::<Vec<_>>();
    let mut remarks = dataset.remarks();
    if let Some(former) = former.filter(|f| (f.validation_fraction, f.seed) != (args.validation, args.seed)) {
        remarks.push(format!(
            "replaces the split recorded with --validation {} --seed {}",
            former.validation_fraction, former.seed
        ));
    }
    if args.json {
        return print_json(&Output {
            dataset: args.dataset.clone(),
            recorded: !args.dry_run,
            train_ids: ids(&sides.train),
            validation_ids: ids(&sides.validation),
            record: &record,
            remarks,
        });
    }
    let total = record.train.len() + record.validation.len();
    let mut text = String::new();
    for (name, sources, pairs) in
        [("train", &record.train, sides.train.len()), ("validation", &record.validation, sides.validation.len())]
    {
        let share = 100.0 * sources.len() as f64 / total.max(1) as f64;
        writeln!(
            text,
            "{name:<10} {:>12} ({share:4.1} %) {:>12}",
            count(sources.len(), "source"),
            count(pairs, "pair")
        )?;
    }
    let held_out = if record.validation.is_empty() { "nothing".to_owned() } else { record.validation.join(", ") };
    writeln!(text, "held out: {held_out}")?;
    for remark in remarks {
        writeln!(text, "note: {remark}")?;
    }
    if args.dry_run {
        writeln!(text, "not written down (--dry-run)")?;
    } else {
        writeln!(text, "written to {}", args.dataset.join(split::FILE_NAME).display())?;
    }
    Ok(print(&text)?)
}
