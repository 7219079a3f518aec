//! `atelier doctor`: what this machine has, and what to do about what it lacks.

mod gpu;
#[cfg(feature = "train")]
mod libtorch;
mod limits;
mod storage;
mod terminal;
mod toolchain;

use std::path::PathBuf;

use anyhow::bail;
use serde::Serialize;

use super::print;
use crate::telemetry;

/// Say what this machine has, and what to do about what it lacks.
///
/// Exits with 1 when something is an error; warnings are about comfort, speed or a part that may not be wanted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds the sessions
    #[arg(long, default_value = "sessions", value_name = "DIR")]
    root: PathBuf,

    /// Print the checks as JSON
    #[arg(long)]
    json: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Error,
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    status: Status,
    finding: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, finding: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, finding: finding.into(), remedy: None }
    }

    fn warning(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status: Status::Warning, finding: finding.into(), remedy: Some(remedy.into()) }
    }

    fn error(name: &'static str, finding: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status: Status::Error, finding: finding.into(), remedy: Some(remedy.into()) }
    }
}

/// The whole answer, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Answer {
    /// No check is an error.
    ok: bool,
    version: &'static str,
    checks: Vec<Check>,
}

/// Run `atelier doctor`.
///
/// # Errors
/// Something that is needed is missing or broken.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let size = terminal::size();
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let inventory = telemetry::inventory();
    let mut checks = toolchain::checks(&inventory);
    #[cfg(feature = "train")]
    checks.extend(libtorch::checks(&inventory));
    #[cfg(not(feature = "train"))]
    checks.push(Check::ok("libtorch", "not in this build, which shows sessions but does not train"));
    checks.extend(gpu::checks(&inventory));
    checks.extend(terminal::checks(&environment, size));
    checks.extend(storage::checks(&args.root, &environment));
    checks.extend(limits::checks());

    let errors = checks.iter().filter(|check| check.status == Status::Error).count();
    let answer = Answer { ok: errors == 0, version: env!("CARGO_PKG_VERSION"), checks };
    print(&if args.json { serde_json::to_string_pretty(&answer)? + "\n" } else { table(&answer.checks, size) })?;
    match errors {
        0 => Ok(()),
        1 => bail!("one check is an error"),
        n => bail!("{n} checks are errors"),
    }
}

/// The checks as lines for a person, each remedy under its finding, wrapped to a terminal's `size`.
fn table(checks: &[Check], size: Option<(u16, u16)>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if let Some((columns, _)) = size {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic).set_width(columns);
    }
    for check in checks {
        let mark = match check.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Error => "ERROR",
        };
        let mut text = check.finding.clone();
        if let Some(remedy) = &check.remedy {
            text.push_str("\n-> ");
            text.push_str(remedy);
        }
        table.add_row([mark, check.name, &text]);
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// Bytes for a person.
fn bytes(count: u64) -> String {
    let gib = count as f64 / f64::from(1_u32 << 30);
    if gib >= 1.0 { format!("{gib:.1} GiB") } else { format!("{:.0} MiB", gib * 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_under_its_finding() {
        let text = table(&[Check::ok("disk", "3.0 GiB free"), Check::error("shm", "none", "mount it")], Some((60, 24)));
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[1].starts_with("ERROR") && lines[1].ends_with("none") && lines[2] == "-> mount it", "{text}");
    }

    #[test]
    fn bytes_have_a_unit() {
        assert_eq!((bytes(64 << 20), bytes(3 << 30)), ("64 MiB".to_owned(), "3.0 GiB".to_owned()));
    }
}
