//! `atelier export`: a session's series for other programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::{
    cli::{Usage, print, sessions::Root},
    record::{Frames, RecordError, export},
};

/// Write a session's series as CSV, Parquet or TensorBoard event files.
///
/// Works while the session trains: it exports what is recorded so far.
///
/// Examples:
///   atelier export 261123-194130-quickstart --format csv
///   atelier export quickstart --format tensorboard -o runs/quickstart && tensorboard --logdir runs
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The session: its id, its name, a part of its id, `last`, or its folder
    id: String,

    /// What to write: one CSV file, one Parquet file, or a folder that TensorBoard shows
    #[arg(long, value_enum)]
    format: Format,

    /// Where to write; `-` is standard output for csv [default: ID.csv, ID.parquet or ID-tensorboard, here]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Export the machine's telemetry instead of the metrics
    #[arg(long)]
    telemetry: bool,

    /// Overwrite what is at PATH
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    root: Root,

    /// Say what was written as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Parquet,
    Tensorboard,
}

/// Run `atelier export`.
///
/// # Errors
/// No such session, nothing recorded, or the output cannot be written.
pub fn run(args: Args) -> anyhow::Result<()> {
    let session = args.root.find(&args.id)?;
    let id = session.id();
    let (what, folder) =
        if args.telemetry { ("telemetry", session.telemetry()) } else { ("metrics", session.metrics()) };
    let frames = Frames::open(&folder)?;
    for warning in frames.warnings() {
        eprintln!("warning: {warning}");
    }
    if frames.rows() == 0 {
        bail!("session {id} has no {what} to export: nothing is recorded in {}", folder.display());
    }
    let output = args.output.unwrap_or_else(|| match args.format {
        Format::Csv => format!("{id}.csv").into(),
        Format::Parquet => format!("{id}.parquet").into(),
        Format::Tensorboard => format!("{id}-tensorboard").into(),
    });
    if output == Path::new("-") {
        if args.format != Format::Csv {
            return Err(Usage("only --format csv goes to standard output; give -o PATH".to_owned()).into());
        }
        let out = std::io::BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
        return match export::csv_to(&frames, out) {
            // A reader that has seen enough (`| head`) is not an error.
            Err(RecordError::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            done => Ok(done.map(|_rows| ())?),
        };
    }
    if !args.force && output.symlink_metadata().is_ok() {
        return Err(Usage(format!("{} exists; give another -o PATH, or --force to overwrite", output.display())).into());
    }
    if let Some(parent) = output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create the folder {}", parent.display()))?;
    }
    let done = match args.format {
        Format::Csv => export::csv(&frames, &output),
        Format::Parquet => export::parquet(&frames, &output),
        Format::Tensorboard => export::tensorboard(&frames, &output),
    }?;
    if args.json {
        print(&format!("{}\n", serde_json::json!({ "session": id, "rows": done.rows, "files": done.files })))?;
    } else {
        print(&format!("{} rows of {id} written to {}\n", done.rows, output.display()))?;
        if args.format == Format::Tensorboard {
            print(&format!("show them with: tensorboard --logdir {}\n", output.display()))?;
        }
    }
    Ok(())
}
