//! `atelier models`: published models, fetched by name.

mod ls;
mod pull;

use clap::Subcommand;

/// The subcommands of `atelier models`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Pull(pull::Args),
    Ls(ls::Args),
}

/// Run one of them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Pull(args) => pull::run(args),
        Command::Ls(args) => ls::run(args),
    }
}
