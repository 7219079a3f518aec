//! `atelier alerts`: the rules in force, and what rules would have found in an old session.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::sessions::{self, Root, Tone, paint};
use super::{Usage, print};
use crate::alerts::Alert;
use crate::config::{self, AlertRule};
use crate::session::{self, Folder, Manifest};

/// Rules that watch a run for NaN, spikes, plateaus, stalls and memory: list them, try them on old sessions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Replay rules over a session's metrics and telemetry: every alert they raise, when and why.
    ///
    /// Works on any session, also one that trains; nothing is changed or done.
    #[command(after_help = "Examples:
  atelier alerts try last
  atelier alerts rules > rules.toml; edit rules.toml; atelier alerts try last --rules rules.toml")]
    Try {
        /// The session: its id, its name, a part of its id that no other has, `last`, or a path to its folder.
        #[arg(value_name = "ID")]
        id: String,
        /// Take the rules of this file: a config, or one that holds just [[alerts]]. Otherwise they are the session's own.
        #[arg(long, value_name = "FILE")]
        rules: Option<PathBuf>,
        #[command(flatten)]
        root: Root,
        /// Print the alerts as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the rules in force with every parameter, as TOML that `alerts try --rules` takes.
    Rules {
        /// A config, or a file that holds just [[alerts]]. Without one: the built-in rules.
        config: Option<PathBuf>,
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Run `atelier alerts`.
///
/// # Errors
/// No such session or file, a mistake in the rules, or series that cannot be read.
pub fn run(args: &Args) -> anyhow::Result<()> {
    match &args.command {
        Command::Try { id, rules, root, json } => replay(&root.find(id)?, rules.as_deref(), *json),
        Command::Rules { config, json } => {
            let rules = match config {
                Some(path) => config::load_alert_rules(path).map_err(Usage::from)?,
                None => AlertRule::built_in(),
            };
            let text = if *json { pretty(&rules)? } else { config::rules_as_toml(&rules) };
            Ok(print(&text)?)
        }
    }
}

fn replay(folder: &Folder, rules: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let rules = match rules {
        Some(path) => config::load_alert_rules(path).map_err(Usage::from)?,
        None => own_rules(folder)?,
    };
    let session::Replayed { alerts, warnings } = session::replay(folder, &rules)?;
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if json {
        let alerts: Vec<Value> = alerts.iter().map(as_json).collect();
        let whole = json!({ "session": folder.id(), "rules": rules, "alerts": alerts, "warnings": warnings });
        return Ok(print(&pretty(&whole)?)?);
    }
    Ok(print(&table(&folder.id(), &rules, &alerts, sessions::colours()))?)
}

/// The rules of the session's own config. The rest of it does not matter: an older Atelier may have written it.
fn own_rules(folder: &Folder) -> anyhow::Result<Vec<AlertRule>> {
    let manifest = Manifest::load(folder)?;
    config::stored_alert_rules(&manifest.config(), &folder.manifest().display().to_string())
        .map_err(|errors| Usage(format!("{errors}\n\ngive other rules with --rules FILE")).into())
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// An alert as its event has it, with its place.
fn as_json(alert: &Alert) -> Value {
    let mut whole = json!({
        "time": time(alert).to_string(),
        "step": alert.moment.at.step,
        "epoch": alert.moment.at.epoch,
        "generation": alert.moment.generation,
        "message": alert.message,
    });
    if let Value::Object(fields) = &mut whole {
        fields.extend(alert.event().fields);
    }
    whole
}

fn time(alert: &Alert) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(alert.moment.time_ns)).unwrap_or_default()
}

fn table(id: &str, rules: &[AlertRule], alerts: &[Alert], colours: bool) -> String {
    let words: Vec<&str> = rules.iter().map(|rule| rule.kind().word()).collect();
    let by = if words.is_empty() { "no rules are in force".to_owned() } else { format!("rules: {}", words.join(", ")) };
    if alerts.is_empty() {
        return format!("{id}: nothing to raise  ({by})\n");
    }
    let again = alerts.iter().any(|alert| alert.moment.generation > 0);
    let mut rows = vec![["when", "step", "rule", "message"].map(str::to_owned)];
    for alert in alerts {
        let step = sessions::whole(alert.moment.at.step);
        let step = if again { format!("{step} (generation {})", alert.moment.generation) } else { step };
        let message = sessions::brief(&alert.message, 300);
        rows.push([sessions::local(time(alert)), step, alert.kind.word().to_owned(), message]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (index, [when, step, rule, message]) in rows.iter().enumerate() {
        let pad = |cell: &str, column: usize| " ".repeat(widths[column].saturating_sub(cell.width()));
        let (after_when, before_step, after_rule) = (pad(when, 0), pad(step, 1), pad(rule, 2));
        let line = format!("{when}{after_when}  {before_step}{step}  {rule}{after_rule}  {message}");
        text.push_str(&paint(&line, if index == 0 { Tone::Dim } else { Tone::Plain }, colours));
        text.push('\n');
    }
    let plural = if alerts.len() == 1 { "" } else { "s" };
    text.push_str(&paint(&format!("{} alert{plural} in {id}  ({by})", alerts.len()), Tone::Dim, colours));
    text.push('\n');
    text
}
