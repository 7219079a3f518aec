//! The command line: one file a subcommand; parse, call, print.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this layer is the one that prints")]

mod alerts;
#[cfg(not(feature = "train"))]
mod beside;
mod config;
mod control;
mod dash;
mod dataset;
mod doctor;
mod edit;
#[cfg(feature = "train")]
mod eval;
mod export;
#[cfg(feature = "train")]
mod lora;
mod ls;
#[cfg(feature = "train")]
mod metrics;
#[cfg(feature = "train")]
mod models;
#[cfg(feature = "train")]
mod probe_server;
mod query;
mod repl;
mod report;
mod sessions;
mod show;
#[cfg(feature = "train")]
mod stylize;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod trained;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::session::control::Request;

/// Train photo-to-illustration models; watch, steer, resume and probe every run.
///
/// Without a command: the dashboard of all sessions.
#[derive(Debug, Parser)]
#[command(name = "atelier", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dash: dash::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "train")]
    Train(train::Args),
    /// Train an experiment and keep everything about it in a session folder.
    #[cfg(not(feature = "train"))]
    Train(beside::Args),
    Alerts(alerts::Args),
    Config(config::Args),
    /// Pairs of photo and illustration: import, check, split, describe, export.
    Dataset(dataset::Args),
    Doctor(doctor::Args),
    Export(export::Args),
    Ls(ls::Args),
    /// LoRA files: look inside, convert, merge into a base, compare.
    #[cfg(feature = "train")]
    Lora(lora::Args),
    /// LoRA files: look inside, convert, merge into a base, compare.
    #[cfg(not(feature = "train"))]
    Lora(beside::Args),
    /// Published models: fetch by name, list.
    #[cfg(feature = "train")]
    Models(models::Args),
    /// Published models: fetch by name, list.
    #[cfg(not(feature = "train"))]
    Models(beside::Args),
    #[cfg(feature = "train")]
    #[command(hide = true)]
    ProbeServer(probe_server::Args),
    /// Answer probes of a session's newest checkpoint, on the CPU, until standard input closes.
    #[cfg(not(feature = "train"))]
    #[command(hide = true)]
    ProbeServer(beside::Args),
    Report(report::Args),
    Show(show::Args),
    Query(query::Args),
    Repl(repl::Args),
    /// Make a running session wait at its next step.
    Pause(control::Args),
    /// Let a paused session go on. (One that ended goes on by `atelier train --resume ID`.)
    Resume(control::Args),
    /// Make a running session finish its step, write a checkpoint and end.
    Stop(control::Args),
    /// Make a running session write a checkpoint.
    Checkpoint(control::Args),
    /// Make a running session write sample pictures.
    Sample(control::Args),
    /// Change a setting of a running session.
    Set(control::SetArgs),
    Tag(edit::TagArgs),
    Note(edit::NoteArgs),
    Rename(edit::RenameArgs),
    Archive(edit::ArchiveArgs),
    Delete(edit::DeleteArgs),
    #[cfg(feature = "train")]
    Eval(eval::Args),
    /// Measure predictions against their targets: of a session on its held-out pairs, or of two folders of images.
    #[cfg(not(feature = "train"))]
    Eval(beside::Args),
    #[cfg(feature = "train")]
    Metrics(metrics::Args),
    /// List the metrics that can be measured, and get the weights that some of them look through.
    #[cfg(not(feature = "train"))]
    Metrics(beside::Args),
    #[cfg(feature = "train")]
    Stylize(stylize::Args),
    /// Turn photos into illustrations with a session's generator or a weight file.
    #[cfg(not(feature = "train"))]
    Stylize(beside::Args),
}

/// A mistake in how the program was called or configured: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The whole command line as clap knows it: names, flags, help.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parse the process's arguments and run; errors are printed here and nowhere else.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", told(&error));
            let usage = error.is::<Usage>();
            ExitCode::from(if usage { 2 } else { 1 })
        }
    }
}

/// What an error says and what its causes add: one that is quoted already is not said again.
fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for text in error.chain().map(ToString::to_string).filter(|text| !text.is_empty()) {
        if !told.contains(&text) {
            if !told.is_empty() {
                told.push_str(": ");
            }
            told.push_str(&text);
        }
    }
    told
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Some(command) = cli.command else { return dash::run(&cli.dash) };
    match command {
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(&args),
        #[cfg(not(feature = "train"))]
        Command::Train(_)
        | Command::Stylize(_)
        | Command::Eval(_)
        | Command::Metrics(_)
        | Command::Lora(_)
        | Command::Models(_)
        | Command::ProbeServer(_) => beside::run(),
        Command::Alerts(args) => alerts::run(&args),
        Command::Config(args) => config::run(args),
        Command::Dataset(args) => dataset::run(args),
        #[cfg(not(feature = "train"))]
        Command::Doctor(_) if beside::is_there() => beside::run(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Export(args) => export::run(args),
        Command::Ls(args) => ls::run(&args),
        #[cfg(feature = "train")]
        Command::Lora(args) => lora::run(&args),
        #[cfg(feature = "train")]
        Command::Models(args) => models::run(&args),
        #[cfg(feature = "train")]
        Command::ProbeServer(args) => probe_server::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Repl(args) => repl::run(&args),
        Command::Pause(args) => control::run(&args, &Request::Pause),
        Command::Resume(args) => control::run(&args, &Request::Resume),
        Command::Stop(args) => control::run(&args, &Request::Stop),
        Command::Checkpoint(args) => control::run(&args, &Request::Checkpoint),
        Command::Sample(args) => control::run(&args, &Request::Sample),
        Command::Set(args) => control::run_set(args),
        Command::Tag(args) => edit::run_tag(args),
        Command::Note(args) => edit::run_note(&args),
        Command::Rename(args) => edit::run_rename(args),
        Command::Archive(args) => edit::run_archive(&args),
        Command::Delete(args) => edit::run_delete(&args),
        #[cfg(feature = "train")]
        Command::Eval(args) => eval::run(&args),
        #[cfg(feature = "train")]
        Command::Metrics(args) => metrics::run(&args),
        #[cfg(feature = "train")]
        Command::Stylize(args) => stylize::run(&args),
    }
}

/// Print to standard output. A reader that has seen enough (`| head`) is not an error.
fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("weights.pth: {0}; get them again")]
    struct Quoting(#[from] io::Error);

    #[test]
    fn a_cause_is_said_once() {
        let cause = || io::Error::other("cut short");
        let error = anyhow::Error::new(Quoting(cause())).context("load VGG19");
        assert_eq!(told(&error), "load VGG19: weights.pth: cut short; get them again");
        let error = Err::<(), _>(cause()).context("read weights.pth").unwrap_err();
        assert_eq!(told(&error), "read weights.pth: cut short");
    }
}
