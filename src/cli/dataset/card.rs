//! `atelier dataset card`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{Sides, print_json, progress_bar};
use crate::cli::{Usage, print};
use crate::data::card::{self, About, GRID_NAME, MARK};
use crate::data::{Dataset, image_file, manifest, stats};

/// Write a dataset card: README.md with the Hugging Face header, figures and citation, and a picture of some pairs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The dataset.
    dataset: PathBuf,
    /// The dataset's name; its folder's name when not given.
    #[arg(long)]
    title: Option<String>,
    /// Licence, as the hub spells it. Choose one that the pictures' owners allow.
    #[arg(long, value_name = "ID", default_value = "cc-by-4.0")]
    license: String,
    /// An author for the citation; may be given several times.
    #[arg(long = "author", value_name = "NAME")]
    authors: Vec<String>,
    /// Year of the citation; this year when not given.
    #[arg(long)]
    year: Option<i16>,
    /// Address for the citation.
    #[arg(long)]
    url: Option<String>,
    /// Where to write the card; README.md in the dataset when not given. samples.png goes beside it.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Pairs in the picture; 0 leaves it out.
    #[arg(long, value_name = "N", default_value_t = 8)]
    samples: usize,
    /// Replace a README.md that another program or a person wrote.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    sides: Sides,
    /// Print what was written as JSON.
    #[arg(long)]
    json: bool,
}

/// Write the card.
pub fn run(args: Args) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._+".contains(c);
    if args.license.is_empty() || !args.license.chars().all(plain) {
        return Err(Usage(format!(
            "`{}` is no licence identifier: small letters, digits, and - . _ as in cc-by-4.0, mit, other",
            args.license
        ))
        .into());
    }
    let dataset = Dataset::open(&args.dataset)?;
    let (fraction, seed) = args.sides.of(&dataset)?;
    let output = args.output.unwrap_or_else(|| args.dataset.join("README.md"));
    refuse_foreign(&output, args.force)?;

    let bar = progress_bar();
    bar.set_message("reading");
    let stats = stats::stats(&dataset, fraction, seed, &|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    if let Some(first) = stats.unreadable.first() {
        bail!(
            "{} cannot be described: {} {}; see `atelier dataset check`",
            args.dataset.display(),
            first.id,
            first.reason
        );
    }
    let about = About {
        title: args.title.map_or_else(|| folder_name(&args.dataset), Ok)?,
        license: args.license,
        authors: args.authors,
        year: args.year.unwrap_or_else(|| jiff::ZonedDateTime::now().year()),
        url: args.url,
    };
    let grid = if args.samples > 0 { card::grid(&dataset, args.samples) } else { None };
    let picture = output.with_file_name(GRID_NAME);
    if let Some(grid) = &grid {
        let bytes = image_file::encode_png(grid).context("drawing the samples")?;
        manifest::replace(&picture, &bytes)?;
    }
    manifest::replace(&output, card::card(&about, &stats, grid.is_some())?.as_bytes())?;
    if args.json {
        return print_json(&serde_json::json!({"card": output, "samples": grid.is_some().then_some(picture)}));
    }
    print(&format!("wrote {}\n", output.display()))?;
    if grid.is_some() {
        print(&format!("wrote {}\n", picture.display()))?;
    }
    Ok(())
}

/// A card of ours may be replaced; a text that someone wrote may not.
fn refuse_foreign(output: &Path, force: bool) -> anyhow::Result<()> {
    let ours = fs::read_to_string(output).map_or(true, |text| text.contains(MARK));
    if output.exists() && !ours && !force {
        bail!("{} was not written by this command; --force replaces it, -o writes elsewhere", output.display());
    }
    Ok(())
}

fn folder_name(path: &Path) -> anyhow::Result<String> {
    let full = fs::canonicalize(path)?;
    full.file_name().map(|name| name.to_string_lossy().into_owned()).context("the folder has no name; give --title")
}
