//! `atelier show ID`: everything about one session on a page.

mod evaluation;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::sessions::{self, Root, Tone, paint};
use crate::record::Frames;
use crate::session::{self, Folder, Latest, Listing, Manifest, State, events};

/// Show one session: what it is, how it stands, the newest value of every series, checkpoints, the newest events, and
/// whatever in its folder is damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier show last
  atelier show hayao --events 50
  atelier show last --config > again.toml")]
pub struct Args {
    /// The session: its id, its name, a part of its id that no other has, `last`, or a path to its folder.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    root: Root,
    /// How many of the newest events to show.
    #[arg(long, value_name = "N", default_value_t = 10)]
    events: usize,
    /// Print only the full effective config, as TOML that `atelier train` takes.
    #[arg(long, conflicts_with = "json")]
    config: bool,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
}

/// Show.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let folder = args.root.find(&args.id)?;
    if args.config {
        return Ok(super::print(&Manifest::load(&folder)?.config())?);
    }
    let page = Page::read(&folder, args.events);
    if args.json {
        let mut text = serde_json::to_string_pretty(&page)?;
        text.push('\n');
        return Ok(super::print(&text)?);
    }
    Ok(super::print(&page.render(Timestamp::now(), sessions::colours()))?)
}

/// What there is to show.
#[derive(Debug, Serialize)]
struct Page {
    #[serde(flatten)]
    listing: Listing,
    /// All of the manifest but the config; absent when it cannot be read.
    manifest: Option<Manifest>,
    /// The effective config as TOML.
    config: Option<String>,
    metrics: Vec<Newest>,
    telemetry: Vec<Newest>,
    checkpoints: Vec<Checkpoint>,
    events: Vec<events::EventLine>,
    warnings: Vec<String>,
}

/// The newest value of one series.
#[derive(Debug, Serialize)]
struct Newest {
    series: String,
    #[serde(flatten)]
    latest: Latest,
    time: Option<Timestamp>,
}

/// One folder of checkpoints.
#[derive(Debug, Serialize)]
struct Checkpoint {
    name: String,
    bytes: u64,
    written: Option<Timestamp>,
}

impl Page {
    fn read(folder: &Folder, events: usize) -> Self {
        let mut warnings = Vec::new();
        let manifest = Manifest::load(folder).ok();
        let listing = session::read_listing(folder);
        let metrics = newest(&folder.metrics(), "metrics", &mut warnings);
        let telemetry = newest(&folder.telemetry(), "telemetry", &mut warnings);
        let events = match events::newest(&folder.events(), events) {
            Ok(read) => {
                warnings.extend(read.warnings.into_iter().map(|warning| format!("events: {warning}")));
                read.lines
            }
            Err(error) => {
                warnings.push(format!("events: {error}"));
                Vec::new()
            }
        };
        let config = manifest.as_ref().map(Manifest::config);
        let checkpoints = checkpoints(&folder.checkpoints(), &mut warnings);
        Self { listing, manifest, config, metrics, telemetry, checkpoints, events, warnings }
    }

    fn render(&self, now: Timestamp, colours: bool) -> String {
        let mut text = self.head(colours);
        self.about(now, colours, &mut text);
        let own: Vec<&Newest> = self.metrics.iter().filter(|one| !evaluation::is_part(&one.series)).collect();
        section("metrics", &values(&own), colours, &mut text);
        section("evaluation", &evaluation::lines(&self.metrics), colours, &mut text);
        section("telemetry", &values(&self.telemetry.iter().collect::<Vec<_>>()), colours, &mut text);
        let widest = self.checkpoints.iter().map(|one| sessions::bytes(one.bytes).width()).max().unwrap_or(0);
        let checkpoints: Vec<String> = self
            .checkpoints
            .iter()
            .map(|one| {
                let written = one.written.map(sessions::local).unwrap_or_default();
                format!("{}  {:>widest$}  {written}", one.name, sessions::bytes(one.bytes))
            })
            .collect();
        section("checkpoints", &checkpoints, colours, &mut text);
        let events: Vec<String> = self
            .events
            .iter()
            .map(|event| {
                let (time, step) = (sessions::local(event.time), sessions::whole(event.step));
                format!("{time}  step {step:>7}  {:<12}  {}", event.kind, sessions::brief(&event.message, 160))
            })
            .collect();
        section("events", &events, colours, &mut text);
        let warnings: Vec<String> =
            self.warnings.iter().map(|warning| paint(warning, Tone::Caution, colours)).collect();
        section("warnings", &warnings, colours, &mut text);
        text
    }

    /// The title line, and what to do next where there is something.
    fn head(&self, colours: bool) -> String {
        let one = &self.listing;
        let (sign, word, tone) = sessions::sign(one.state);
        let of = |done: Option<String>, all: Option<String>| match (done, all) {
            (Some(done), Some(all)) => Some(format!("{done}/{all}")),
            (done, _) => done,
        };
        let mut parts = Vec::new();
        if let Some(step) = of(one.step.map(sessions::whole), one.total_steps.map(sessions::whole)) {
            parts.push(format!("step {step}"));
        }
        if let Some(epoch) = of(one.epoch.map(sessions::epochs), one.total_epochs.map(sessions::epochs)) {
            parts.push(format!("epoch {epoch}"));
        }
        if let Some(speed) = one.images_per_sec {
            parts.push(format!("{} img/s", sessions::number(speed)));
        }
        if one.generation > 0 {
            parts.push(format!("generation {}", one.generation));
        }
        let state = paint(&format!("{sign} {word}"), tone, colours);
        let mut text = format!("{}  {state}  {}\n", paint(&one.id, Tone::Strong, colours), parts.join(" · "));
        for note in one.problem.iter().chain(&one.reason) {
            writeln!(text, "  {}", sessions::brief(note, 300)).ok();
        }
        if matches!(one.state, Some(State::Crashed | State::Failed | State::Stopped)) {
            let command = format!("`atelier train --resume {}`", one.id);
            let from = match self.checkpoints.last() {
                Some(newest) => format!("goes on from {}", newest.name),
                None => "begins again: there is no checkpoint".to_owned(),
            };
            writeln!(text, "  {command} {from}").ok();
        }
        text
    }

    fn about(&self, now: Timestamp, colours: bool, text: &mut String) {
        let Some(manifest) = &self.manifest else { return };
        let mut lines: Vec<(&str, String)> = Vec::new();
        let ago = |time: Timestamp| {
            let secs = now.duration_since(time).as_secs_f64();
            format!("{} ({} ago)", sessions::local(time), sessions::age(secs))
        };
        lines.extend(manifest.track().map(|track| ("track", track.to_owned())));
        if manifest.created != manifest.started {
            lines.extend(manifest.created.map(|time| ("created", ago(time))));
        }
        lines.extend(manifest.started.map(|time| ("started", ago(time))));
        lines.extend(manifest.ended.map(|time| ("ended", ago(time))));
        if manifest.ended.is_none() {
            lines.extend(self.listing.last_recorded.map(|time| ("recorded", ago(time))));
        }
        if let Some(host) = &manifest.host {
            let pid = manifest.pid.filter(|_| self.listing.state.is_some_and(State::is_active));
            lines.push(("host", pid.map_or_else(|| host.clone(), |pid| format!("{host}, process {pid}"))));
        }
        let gpus = gpu_names(&manifest.inventory);
        if !gpus.is_empty() {
            lines.push(("gpus", gpus));
        }
        lines.extend(manifest.seed.map(|seed| ("seed", seed.to_string())));
        if let Some(git) = &manifest.git {
            let short: String = git.commit.chars().take(12).collect();
            let branch = git.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
            let dirty = if git.dirty == Some(true) { ", with uncommitted changes" } else { "" };
            lines.push(("commit", format!("{short}{branch}{dirty}")));
        }
        let versions: Vec<String> =
            manifest.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        if !versions.is_empty() {
            lines.push(("versions", versions.join(", ")));
        }
        if !manifest.command.is_empty() {
            lines.push(("command", manifest.command.join(" ")));
        }
        lines.extend(manifest.parent.iter().map(|parent| ("parent", parent.clone())));
        if !manifest.tags.is_empty() {
            lines.push(("tags", manifest.tags.join(" ")));
        }
        lines.extend(manifest.notes.lines().map(|line| ("notes", line.to_owned())));
        lines.extend(manifest.remarks.iter().map(|remark| ("remark", remark.clone())));
        lines.push(("folder", self.listing.path.display().to_string()));
        for (name, value) in lines {
            let name = paint(&format!("{name:<9}"), Tone::Dim, colours);
            writeln!(text, "  {name} {}", sessions::brief(&value, 300)).ok();
        }
    }
}

/// The names of the GPUs of an inventory, repeated ones counted.
fn gpu_names(inventory: &serde_json::Value) -> String {
    let gpus = inventory.get("gpus").and_then(serde_json::Value::as_array);
    let names = gpus.into_iter().flatten().filter_map(|gpu| gpu.get("name")?.as_str());
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    let texts: Vec<String> = counted
        .into_iter()
        .map(|(name, count)| if count == 1 { name.to_owned() } else { format!("{count} x {name}") })
        .collect();
    texts.join(", ")
}

fn section(title: &str, lines: &[String], colours: bool, text: &mut String) {
    if lines.is_empty() {
        return;
    }
    writeln!(text, "\n{}", paint(title, Tone::Dim, colours)).ok();
    for line in lines {
        writeln!(text, "  {}", line.trim_end()).ok();
    }
}

fn values(series: &[&Newest]) -> Vec<String> {
    let name_width = series.iter().map(|one| one.series.width()).max().unwrap_or(0);
    let numbers: Vec<String> = series.iter().map(|one| sessions::count_or_number(one.latest.value)).collect();
    let number_width = numbers.iter().map(|number| number.width()).max().unwrap_or(0);
    let line = |(one, number): (&&Newest, &String)| {
        let pad = " ".repeat(name_width.saturating_sub(one.series.width()));
        format!("{}{pad}  {number:>number_width$}  step {}", one.series, sessions::whole(one.latest.step))
    };
    series.iter().zip(&numbers).map(line).collect()
}

fn newest(dir: &Path, what: &str, warnings: &mut Vec<String>) -> Vec<Newest> {
    if !dir.is_dir() {
        return Vec::new();
    }
    let read = Frames::open(dir).and_then(|frames| Ok((frames.series_names()?, frames)));
    match read {
        Ok((names, frames)) => {
            warnings.extend(frames.warnings().iter().map(|warning| format!("{what}: {warning}")));
            let point = |series: String| {
                let point = frames.latest(&series)?;
                let time = Timestamp::from_nanosecond(i128::from(point.time_ns)).ok();
                Some(Newest { series, latest: Latest { step: point.step, value: point.value }, time })
            };
            names.into_iter().filter_map(point).collect()
        }
        Err(error) => {
            warnings.push(format!("{what}: {error}"));
            Vec::new()
        }
    }
}

fn checkpoints(dir: &Path, warnings: &mut Vec<String>) -> Vec<Checkpoint> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(step) = name.strip_prefix("step-") else { continue };
        if !step.bytes().all(|byte| byte.is_ascii_digit()) {
            // Being written, or left half there by a crash; never mistaken for a checkpoint by name.
            continue;
        }
        let files = fs::read_dir(entry.path()).into_iter().flatten().flatten();
        let bytes = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        let written = entry.metadata().and_then(|data| data.modified()).ok();
        if !entry.path().join("state.json").exists() {
            warnings.push(format!("checkpoints: {name} has no state.json: something removed it"));
        }
        found.push(Checkpoint { name, bytes, written: written.and_then(|time| Timestamp::try_from(time).ok()) });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_gpus_are_counted() {
        let inventory = serde_json::json!({"gpus": [{"name": "H200"}, {"name": "H200"}, {"name": "L4"}, {}]});
        assert_eq!(gpu_names(&inventory), "2 x H200, L4");
        assert_eq!(gpu_names(&serde_json::Value::Null), "");
    }

    #[test]
    fn half_written_checkpoints_are_not_listed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["step-00000020", "step-00000003", "step-00000030.partial", "notes"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("step-00000003/state.json"), "12345").unwrap();
        let mut warnings = Vec::new();
        let found = checkpoints(root.path(), &mut warnings);
        let names: Vec<(&str, u64)> = found.iter().map(|one| (one.name.as_str(), one.bytes)).collect();
        assert_eq!(names, [("step-00000003", 5), ("step-00000020", 0)]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }
}
