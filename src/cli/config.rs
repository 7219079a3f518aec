//! `atelier config`: check configs, show what they come to, and describe every key.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Usage, print};
use crate::config::{self, ConfigErrors, Loaded, Paths};

/// Check configs, show what they come to, describe every key.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check config files: every mistake with file, line and column; exit code 2 when there is one.
    ///
    /// Example: atelier config check configs/*.toml --set train.epochs=3
    Check {
        /// Config files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        how: How,
        /// Print one JSON array: for each file its mistakes and remarks.
        #[arg(long)]
        json: bool,
    },
    /// Print the effective config: every key, defaults and overrides included.
    Show {
        /// A config file.
        file: PathBuf,
        #[command(flatten)]
        how: How,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON schema of configs, for editors.
    Schema,
    /// List every key with its kind, default and meaning, as Markdown.
    Keys {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct How {
    /// Override a key; may be given several times: --set train.epochs=3 --set optimizer.lr=1e-4
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Do not ask that the paths named in the config exist here.
    #[arg(long)]
    no_paths: bool,
}

impl How {
    fn load(&self, file: &Path) -> Result<Loaded, ConfigErrors> {
        let paths = if self.no_paths { Paths::Unchecked } else { Paths::Checked };
        config::load_with(file, &self.overrides, paths)
    }
}

impl From<ConfigErrors> for Usage {
    fn from(errors: ConfigErrors) -> Self {
        Self(errors.to_string())
    }
}

/// Run `atelier config`.
pub fn run(args: Args) -> anyhow::Result<()> {
    match args.command {
        Command::Check { files, how, json } => check(&files, &how, json),
        Command::Show { file, how, json } => {
            let loaded = how.load(&file).map_err(Usage::from)?;
            if json { print_json(&loaded.experiment) } else { Ok(print(&loaded.text)?) }
        }
        Command::Schema => print_json(&config::json_schema()),
        Command::Keys { json: false } => Ok(print(&config::keys_as_markdown())?),
        Command::Keys { json: true } => {
            let keys: Vec<_> = config::leaves()
                .into_iter()
                .map(|key| {
                    json!({
                        "key": key.path,
                        "expected": key.shape.expected(),
                        "default": key.default,
                        "required": key.required,
                        "meaning": key.doc,
                    })
                })
                .collect();
            print_json(&keys)
        }
    }
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(print(&format!("{}\n", serde_json::to_string_pretty(value)?))?)
}

fn check(files: &[PathBuf], how: &How, json: bool) -> anyhow::Result<()> {
    let results: Vec<_> = files.iter().map(|file| (file, how.load(file))).collect();
    if json {
        let all: Vec<_> = results
            .iter()
            .map(|(file, result)| match result {
                Ok(loaded) => {
                    json!({"file": file.display().to_string(), "ok": true, "errors": [], "remarks": loaded.remarks})
                }
                Err(errors) => {
                    json!({"file": file.display().to_string(), "ok": false, "errors": errors.errors, "remarks": []})
                }
            })
            .collect();
        print_json(&all)?;
    } else {
        for (file, result) in &results {
            match result {
                Ok(loaded) => {
                    print(&format!("{}: ok\n", file.display()))?;
                    for remark in &loaded.remarks {
                        print(&format!("  note: {remark}\n"))?;
                    }
                }
                Err(errors) => eprintln!("{errors}\n"),
            }
        }
    }
    let failed = results.iter().filter(|(_, result)| result.is_err()).count();
    if failed > 0 {
        return Err(Usage(format!("{failed} of {} configs cannot be used", files.len())).into());
    }
    Ok(())
}
