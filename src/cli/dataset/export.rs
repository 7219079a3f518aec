//! `atelier dataset export`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;

use super::{Sides, count, print_json, progress_bar};
use crate::cli::print;
use crate::data::Dataset;
use crate::data::export::{self, Format, Options};

/// Write a dataset for other programs: Hugging Face `datasets`, `webdataset`, or anything that reads Parquet.
///
/// Then, in Python: `datasets.load_dataset("DIR")` of an imagefolder and of parquet,
/// `webdataset.WebDataset("DIR/train-000000.tar").decode("pil")` of a webdataset.
///
/// Example:
///   atelier dataset export data/pairs --format parquet -o out
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The dataset.
    dataset: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    format: FormatChoice,
    /// The folder to make.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    #[command(flatten)]
    sides: Sides,
    /// Megabytes of images after which a new tar or Parquet file begins.
    #[arg(long, value_name = "MB", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    shard: u64,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatChoice {
    /// Images and a metadata.jsonl for each split.
    Imagefolder,
    /// Tar files of NNNN.o.png, NNNN.g.png, NNNN.json.
    Webdataset,
    /// Parquet files with the images in them.
    Parquet,
}

/// Export and print.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let dataset = Dataset::open(&args.dataset)?;
    let (validation_fraction, seed) = args.sides.of(&dataset)?;
    let format = match args.format {
        FormatChoice::Imagefolder => Format::Imagefolder,
        FormatChoice::Webdataset => Format::Webdataset,
        FormatChoice::Parquet => Format::Parquet,
    };
    let options = Options { format, validation_fraction, seed, shard_bytes: args.shard * 1_000_000 };
    let bar = progress_bar();
    bar.set_message("reading");
    let result = export::export(&dataset, &args.output, options, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    let summary = result?;
    if args.json {
        return print_json(&summary);
    }
    let mut text = format!(
        "{}: {} to train on, {} held out, in {} ({:.1} MB)\n",
        summary.output.display(),
        summary.train,
        summary.validation,
        count(summary.files, "file"),
        summary.bytes as f64 / 1e6
    );
    for remark in dataset.remarks() {
        writeln!(text, "note: {remark}")?;
    }
    Ok(print(&text)?)
}
