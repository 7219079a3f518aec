//! `atelier metrics`: what can be measured, and the weights that some of it looks through.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::Usage;
use crate::config::Metric;
use crate::models::perceptual::fetch;
use crate::models::perceptual::judge::network_of;
use crate::models::perceptual::library::{self, Library, Network};

/// List the metrics that can be measured, and get the weights that some of them look through.
///
/// Weights are kept in ~/.cache/atelier/weights, checked and cut to what is in use. Without a network, put the published
/// file there by hand: it is converted when it is first needed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier metrics
  atelier metrics pull alexnet inception
  atelier metrics pull")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch the published weights of networks, check and convert them.
    Pull {
        /// Which ones; all of them when none is named.
        #[arg(value_enum, value_name = "NETWORK")]
        networks: Vec<Named>,
    },
}

/// A network, as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Named {
    /// Of lpips-alex: 244 MB, of which 10 MB are kept
    Alexnet,
    /// Of lpips-vgg: 553 MB, 59 MB kept
    Vgg16,
    /// Of lpips-squeeze: 5 MB, 3 MB kept
    Squeezenet,
    /// Of fid, fid-clean and kid: 96 MB, 87 MB kept
    Inception,
}

impl From<Named> for Network {
    fn from(named: Named) -> Self {
        match named {
            Named::Alexnet => Self::AlexNet,
            Named::Vgg16 => Self::Vgg16,
            Named::Squeezenet => Self::SqueezeNet,
            Named::Inception => Self::Inception,
        }
    }
}

/// One metric of the list.
#[derive(Debug, Serialize)]
struct Line {
    metric: &'static str,
    better: &'static str,
    network: Option<&'static str>,
    /// The weights, when they are there.
    weights: Option<PathBuf>,
    available: bool,
}

/// List, or pull.
///
/// # Errors
/// Weights cannot be fetched, or are not what they should be.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Some(Command::Pull { .. }) if args.json => {
            Err(Usage("--json goes with the list, not with pull".to_owned()).into())
        }
        Some(Command::Pull { networks }) => pull(networks),
        None => list(args.json),
    }
}

fn pull(networks: &[Named]) -> anyhow::Result<()> {
    let folder = fetch::cache()?;
    let all = Network::ALL.to_vec();
    let wanted = if networks.is_empty() { all } else { networks.iter().map(|&named| named.into()).collect() };
    for network in wanted {
        let bar = bar(network);
        let kept = library::pull(network, &folder, |done, all| {
            if let Some(all) = all {
                bar.set_length(all);
            }
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let kept = kept.with_context(|| format!("get the weights of {}", network.title()))?;
        super::print(&format!("{:<16} {}\n", network.title(), kept.display()))?;
    }
    Ok(())
}

fn bar(network: Network) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left");
    ProgressBar::new(u64::from(network.megabytes()) * 1_000_000)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(network.title())
}

fn list(json: bool) -> anyhow::Result<()> {
    let library = Library::open(&[])?;
    let found: BTreeMap<&str, PathBuf> =
        Network::ALL.iter().filter_map(|&network| Some((network.name(), library.find(network)?))).collect();
    let lines: Vec<Line> = Metric::ALL
        .iter()
        .map(|&metric| {
            let network = network_of(metric).map(Network::name);
            let weights = network.and_then(|name| found.get(name).cloned());
            let available = network.is_none() || weights.is_some();
            let better = if metric.higher_is_better() { "higher" } else { "lower" };
            Line { metric: metric.name(), better, network, weights, available }
        })
        .collect();
    if json {
        let mut text = serde_json::to_string_pretty(&lines)?;
        text.push('\n');
        return Ok(super::print(&text)?);
    }
    let mut text = String::new();
    for line in &lines {
        let of = match (line.network, &line.weights) {
            (None, _) => String::new(),
            (Some(name), Some(_)) => format!("through {name}"),
            (Some(name), None) => format!("through {name}, whose weights are missing: `atelier metrics pull {name}`"),
        };
        let row = format!("{:<14} {:<6} is better   {of}", line.metric, line.better);
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\nweights are kept in {}\n", library.folder().display()));
    Ok(super::print(&text)?)
}
