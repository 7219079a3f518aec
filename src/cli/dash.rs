//! `atelier` without a command: the dashboard.

use std::path::{Path, PathBuf};

use crate::app::{self, Options, ThemeName};
use crate::cli::Usage;
use crate::session;

/// What the dashboard can be told from the command line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where sessions live.
    #[arg(long, value_name = "DIR", default_value = session::DEFAULT_ROOT)]
    root: PathBuf,
    /// Open this session at once: its id, a part of it, or `last`.
    #[arg(long, value_name = "ID")]
    open: Option<String>,
    #[command(flatten)]
    look: Look,
}

/// How it looks, and how much it sends.
#[derive(Debug, clap::Args)]
pub struct Look {
    /// Colours (default: what was chosen last; none where `NO_COLOR` is set).
    #[arg(long, value_enum)]
    theme: Option<ThemeName>,
    /// Draw with ASCII characters only.
    #[arg(long)]
    ascii: bool,
    /// For slow links: two pictures a second at most, and pictures from blocks of characters.
    #[arg(long)]
    low_bandwidth: bool,
    /// Look at files once a second instead of waiting to be told of changes.
    #[arg(long)]
    poll: bool,
}

impl Look {
    /// The options of a dashboard over `root` that looks like this.
    pub fn options(&self, root: &Path) -> Options {
        Options {
            theme: self.theme,
            ascii: self.ascii,
            low_bandwidth: self.low_bandwidth,
            polling: self.poll,
            ..Options::new(root).remembering()
        }
    }
}

/// Show it until the user leaves.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let open = match &args.open {
        Some(query) => Some(session::find(&args.root, query).map_err(|error| Usage(error.to_string()))?.id()),
        None => None,
    };
    app::run(&Options { open, ..args.look.options(&args.root) })
}
