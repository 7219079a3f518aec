//! `atelier lora`: LoRA files looked at, converted, merged, compared.

mod convert;
mod diff;
mod info;
mod merge;

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use tch::Kind;

use super::Usage;
use crate::models::stable_diffusion::lora_file::LoraFile;

/// The subcommands of `atelier lora`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Info(info::Args),
    Convert(convert::Args),
    Merge(merge::Args),
    Diff(diff::Args),
}

/// Run one of them.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Info(args) => info::run(args),
        Command::Convert(args) => convert::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Diff(args) => diff::run(args),
    }
}

/// What numbers are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Precision {
    F32,
    F16,
    Bf16,
}

impl Precision {
    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::F16 => Kind::Half,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// `FILE` or `FILE:STRENGTH`; a file whose own name has a colon is itself.
pub(super) fn with_strength(text: &str) -> Result<(PathBuf, f64), String> {
    if let Some((path, strength)) = text.rsplit_once(':').filter(|_| !Path::new(text).exists()) {
        let strength: f64 = strength.parse().map_err(|_no_number: std::num::ParseFloatError| {
            format!("after the colon a strength is expected, not `{strength}`")
        })?;
        return if strength.is_finite() {
            Ok((path.into(), strength))
        } else {
            Err("a strength is a finite number".into())
        };
    }
    Ok((text.into(), 1.0))
}

/// The LoRA in a file; what its reader should know goes to standard error.
fn load(path: &Path) -> anyhow::Result<LoraFile> {
    let file = LoraFile::load(path)?;
    for remark in &file.remarks {
        eprintln!("warning: {}: {remark}", path.display());
    }
    Ok(file)
}

/// Refuse to write over what is there.
fn refuse_existing(path: &Path, force: bool) -> Result<(), Usage> {
    if !force && path.symlink_metadata().is_ok() {
        return Err(Usage(format!("{} exists; give another -o PATH, or --force to overwrite", path.display())));
    }
    Ok(())
}

/// `1.3 MB`.
pub(super) fn megabytes(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{:.1} MB", bytes as f64 / 1e6)
    } else {
        format!("{:.2} GB", bytes as f64 / 1e9)
    }
}
