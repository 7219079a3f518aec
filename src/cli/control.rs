//! `atelier pause|resume|stop|checkpoint|sample|set`: commands to a running session.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::bail;

use super::sessions::{self, Root};
use crate::session::control::{Client, Request, Response};

/// How soon a person is told that the command waits for the step to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A command that needs nothing but the session.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    options: Options,
}

/// `atelier set ID KEY VALUE`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier set last lr 1e-4")]
pub struct SetArgs {
    /// The session: its id, its name, a part of its id that no other has, or `last`.
    #[arg(value_name = "ID")]
    id: String,
    /// What to change: `lr`, the base learning rate.
    key: String,
    /// The new value.
    #[arg(allow_negative_numbers = true)]
    value: String,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Args)]
struct Options {
    #[command(flatten)]
    root: Root,
    /// Give up waiting for the answer after this long, in seconds. The command still takes effect.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Give a command.
pub fn run(args: &Args, request: &Request) -> anyhow::Result<()> {
    give(&args.id, &args.options, request)
}

/// Change a setting.
pub fn run_set(args: SetArgs) -> anyhow::Result<()> {
    give(&args.id, &args.options, &Request::Set { key: args.key, value: args.value })
}

fn give(query: &str, options: &Options, request: &Request) -> anyhow::Result<()> {
    let folder = options.root.find(query)?;
    let mut client = Client::connect(&folder)?.with_timeout(Duration::from_secs(options.timeout));
    let mut told = options.json || !std::io::stderr().is_terminal();
    let response = client.request_patiently(request, |waited| {
        if !told && waited >= PATIENCE {
            eprintln!("queued: the session answers at the end of its current step");
            told = true;
        }
    })?;
    if options.json {
        super::print(&response.to_line())?;
    }
    match response {
        Response::Ok { message, step, epoch, time } => {
            if !options.json {
                let epoch = epoch.map(|epoch| format!(" · epoch {}", sessions::epochs(epoch))).unwrap_or_default();
                let (id, step, time) = (folder.id(), sessions::whole(step), sessions::clock(time));
                super::print(&format!("{id}  {message}  (step {step}{epoch} · {time})\n"))?;
            }
            Ok(())
        }
        Response::Error { message } => bail!("session {} refused `{request}`: {message}", folder.id()),
    }
}
