//! `atelier dataset import`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use clap::ValueEnum;

use super::{count, print_json, progress_bar, table};
use crate::cli::{Usage, print};
use crate::data::import::{self, ImportError, Layout, Options, Origin, Outcome, Summary};

/// Make a dataset of pictures: side-by-side composites, two folders, or the paper's layout.
///
/// Nothing is overwritten, and the dataset appears whole or not at all. Pictures that cannot be used are listed with
/// the reason while the rest is imported; the exit code is then 1.
///
/// Examples:
///   atelier dataset import composites -o data/pairs --tile 512
///   atelier dataset import composites -o data/pairs --gap 7 --trim 4 --tile 256 --stride 128 --limit 400
///   atelier dataset import --photos real --illustrations drawn -o data/pairs
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Folder of composites, of NNNN/o.png and g.png, or with two folders of known names in it.
    #[arg(value_name = "SRC", required_unless_present_all = ["photos", "illustrations"], conflicts_with_all = ["photos", "illustrations"])]
    source: Option<PathBuf>,
    /// Folder of photos, matched by file name without extension.
    #[arg(long, value_name = "DIR", requires = "illustrations")]
    photos: Option<PathBuf>,
    /// Folder of illustrations.
    #[arg(long, value_name = "DIR", requires = "photos")]
    illustrations: Option<PathBuf>,
    /// The dataset to make.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// How the pictures lie in SRC.
    #[arg(long, value_enum, default_value_t = LayoutChoice::Auto)]
    layout: LayoutChoice,
    /// Columns between the halves of a composite: `auto` finds them.
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    gap: AutoOr,
    /// Columns to drop on either side of the seam: `auto` drops 4 of JPEGs whose seam is not on a 16-pixel block.
    #[arg(long, value_name = "auto|N", default_value = "auto")]
    trim: AutoOr,
    /// The illustration is the left half of a composite.
    #[arg(long)]
    swap: bool,
    /// Cut square tiles of this side, with the same box in photo and illustration.
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=32_768))]
    tile: Option<u32>,
    /// Distance between tiles; the tile's side when not given.
    #[arg(long, value_name = "PIXELS", requires = "tile", value_parser = clap::value_parser!(u32).range(1..=32_768))]
    stride: Option<u32>,
    /// Make at most this many pairs, dealt over the sources in turn.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Mark the pairs as synthetic: a program made the illustrations.
    #[arg(long)]
    synthetic: bool,
    /// Add to a dataset that exists; pictures that are already in it are passed over.
    #[arg(long)]
    append: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayoutChoice {
    /// Find out.
    Auto,
    /// Photo and illustration side by side in one image.
    Composite,
    /// Two folders, matched by stem.
    Folders,
    /// NNNN/o.png and NNNN/g.png.
    Paper,
}

/// `auto` or a number.
#[derive(Debug, Clone, Copy)]
struct AutoOr(Option<u32>);

impl FromStr for AutoOr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self(None));
        }
        text.parse().map(|n| Self(Some(n))).map_err(|error| format!("{error}; expected `auto` or a number of pixels"))
    }
}

/// Import and print what came of it.
pub fn run(args: Args) -> anyhow::Result<()> {
    let layout = match args.layout {
        LayoutChoice::Auto => None,
        LayoutChoice::Composite => Some(Layout::Composite),
        LayoutChoice::Folders => Some(Layout::Folders),
        LayoutChoice::Paper => Some(Layout::Paper),
    };
    let origin = match (args.source, args.photos, args.illustrations) {
        (Some(source), None, None) => Origin::Folder(source),
        (None, Some(photos), Some(illustrations)) => {
            if !matches!(layout, None | Some(Layout::Folders)) {
                return Err(Usage("--photos and --illustrations are two folders: leave --layout out".to_owned()).into());
            }
            Origin::Matched { photos, illustrations }
        }
        _ => return Err(Usage("give either SRC or --photos and --illustrations".to_owned()).into()),
    };
    let options = Options {
        layout,
        gap: args.gap.0,
        trim: args.trim.0,
        swap: args.swap,
        tile: args.tile,
        stride: args.stride,
        limit: args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        synthetic: args.synthetic,
        append: args.append,
    };
    let bar = progress_bar();
    let result = import::import(&origin, &args.output, &options, &|progress| {
        bar.set_message(progress.stage);
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let summary = match &result {
        Ok(summary) => Some(summary),
        Err(ImportError::NoPairs { summary, .. }) => Some(summary.as_ref()),
        Err(_) => None,
    };
    if let Some(summary) = summary {
        if args.json { print_json(summary)? } else { print(&describe(summary)?)? }
    }
    let summary = result.context("import")?;
    if summary.has_faults() {
        anyhow::bail!("some pictures could not be imported; they are listed above with the reason");
    }
    Ok(())
}

fn describe(summary: &Summary) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let mut rows = table(&["source", "size", "gap", "trim", "pairs", ""]);
    let number = |value: Option<u32>| value.map_or_else(String::new, |value| value.to_string());
    for source in &summary.sources {
        let (pairs, note) = match &source.outcome {
            Outcome::Imported { pairs } => (pairs.to_string(), String::new()),
            Outcome::Skipped { reason } => ("-".to_owned(), format!("skipped: {reason}")),
            Outcome::Bad { reason } => ("-".to_owned(), format!("not imported: {reason}")),
        };
        let size = source.size.map_or_else(String::new, |[width, height]| format!("{width}x{height}"));
        rows.add_row([source.name.clone(), size, number(source.gap), number(source.trim), pairs, note]);
    }
    writeln!(text, "{}", rows.trim_fmt())?;
    for (what, names) in [
        ("photos without an illustration", &summary.unmatched_photos),
        ("illustrations without a photo", &summary.unmatched_illustrations),
        ("passed over, no images", &summary.ignored),
    ] {
        if !names.is_empty() {
            writeln!(text, "{what}: {}", names.join(", "))?;
        }
    }
    let imported = summary.sources.iter().filter(|s| matches!(s.outcome, Outcome::Imported { .. })).count();
    if let (Some(first), Some(last)) = (&summary.first_id, &summary.last_id) {
        writeln!(
            text,
            "{} from {} in {}, {first} to {last}",
            count(summary.pairs, "pair"),
            count(imported, "source"),
            summary.root.display()
        )?;
        writeln!(text, "next: atelier dataset check {}", summary.root.display())?;
    } else {
        writeln!(text, "nothing new in {}", summary.root.display())?;
    }
    Ok(text)
}
