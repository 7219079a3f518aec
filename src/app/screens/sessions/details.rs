//! Beneath the table: what the list has no room for, about the session that is selected.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::effect::{self, Lane};
use crate::app::screens::sessions::Reply;
use crate::app::screens::sessions::keys::Hints;
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::report::number;
use crate::session::{Folder, Listing, Manifest, State, checkpoints};

/// What is read of a session's folder when it is selected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// The session.
    pub id: String,
    /// Steps of its checkpoints, oldest first.
    pub checkpoints: Vec<i64>,
    /// The config it was started with, where it was one.
    pub config: Option<String>,
    /// Everything random follows from it.
    pub seed: Option<u64>,
    /// What a reader of its results must know.
    pub remarks: Vec<String>,
}

/// Read them off the drawing thread.
pub fn ask(id: &str, cx: &mut Cx<'_>) {
    let folder = cx.shared.folder(id);
    cx.work(Lane::Session, move || effect::Reply::Sessions(Reply::Details(Box::new(read(&folder)))));
}

fn read(folder: &Folder) -> Details {
    let mut details = Details { id: folder.id(), ..Details::default() };
    // What cannot be read is the listing's problem already.
    details.checkpoints = checkpoints::list(folder).unwrap_or_default().iter().map(|it| it.step).collect();
    if let Ok(manifest) = Manifest::load(folder) {
        details.config =
            manifest.command.iter().find(|it| Path::new(it).extension().is_some_and(|end| end == "toml")).cloned();
        details.seed = manifest.seed;
        details.remarks = manifest.remarks;
    }
    details
}

/// The lines about a session, each with how it is meant.
fn lines(listing: &Listing, details: Option<&Details>, shared: &Shared) -> Vec<(String, Style)> {
    let theme = &shared.theme;
    let mut lines = Vec::new();
    if let Some(problem) = &listing.problem {
        lines.push((problem.clone(), theme.bad));
    }
    let newest = details.and_then(|details| details.checkpoints.last());
    let from = || match newest {
        Some(step) => format!("r goes on from step {}", number::count(step.unsigned_abs())),
        None => "r begins it again: there is no checkpoint".to_owned(),
    };
    match listing.state {
        Some(State::Crashed) => {
            let what = "ended without a word: killed, out of memory, or power loss";
            lines.push((format!("{what}{}{}", shared.glyphs.dot, from()), theme.bad));
        }
        Some(State::Failed) => {
            let reason = listing.reason.as_deref().unwrap_or("failed, and did not say why");
            lines.push((format!("{reason}{}{}", shared.glyphs.dot, from()), theme.bad));
        }
        Some(State::Stopped) => {
            let reason = listing.reason.as_deref().unwrap_or("stopped");
            lines.push((format!("{reason}{}{}", shared.glyphs.dot, from()), theme.dim));
        }
        _ => lines.extend(listing.reason.clone().map(|reason| (reason, theme.warn))),
    }
    lines.push((facts(listing, details).join(shared.glyphs.dot), theme.dim));
    if !listing.notes.is_empty() {
        let notes: Vec<&str> = listing.notes.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines.push((notes.join(shared.glyphs.dot), theme.text));
    }
    lines.extend(details.into_iter().flat_map(|details| &details.remarks).map(|remark| (remark.clone(), theme.warn)));
    lines
}

fn facts(listing: &Listing, details: Option<&Details>) -> Vec<String> {
    let count = |step: i64| number::count(step.unsigned_abs());
    let mut facts = Vec::new();
    if let Some(details) = details {
        facts.extend(details.config.clone());
        match (details.checkpoints.len(), details.checkpoints.last()) {
            (1, Some(step)) => facts.push(format!("1 checkpoint, step {}", count(*step))),
            (many, Some(step)) => facts.push(format!("{many} checkpoints, newest step {}", count(*step))),
            // Said already where it matters.
            (_, None) if matches!(Hints::of(listing.state), Hints::Resumable) => {}
            (_, None) => facts.push("no checkpoint".to_owned()),
        }
    }
    if let Some((name, best)) = listing.best_value() {
        facts.push(format!("best {name} {} at step {}", number::value(best.value), count(best.step)));
    }
    if let Some(parent) = &listing.parent {
        let step = listing.parent_step.map(|step| format!(" at step {}", count(step))).unwrap_or_default();
        facts.push(format!("branched from {parent}{step}"));
    }
    if listing.generation > 0 {
        let times = if listing.generation == 1 { "once".to_owned() } else { format!("{} times", listing.generation) };
        facts.push(format!("resumed {times}"));
    }
    facts.extend(details.and_then(|details| details.seed).map(|seed| format!("seed {seed}")));
    if let Some(host) = &listing.host {
        let pid = listing.pid.filter(|_| listing.state.is_some_and(State::is_active));
        facts.push(pid.map_or_else(|| host.clone(), |pid| format!("{host}, process {pid}")));
    }
    facts
}

/// Draw them under a rule with the session's id.
pub fn draw(listing: &Listing, details: Option<&Details>, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let room = usize::from(area.width.saturating_sub(6));
    let title = format!(" {} ", text::fit(&listing.id, room, shared.glyphs.ellipsis));
    let x = text::put(buffer, area.x + 2, area.y, area.right().saturating_sub(2), &title, theme.title);
    if let Some(created) = listing.created.or(listing.started) {
        let time = created.to_zoned_datetime(shared.zone.clone()).strftime(" %-d %b %Y %H:%M ").to_string();
        let left = area.right().saturating_sub(2 + time.len() as u16);
        if left > x + 4 {
            text::put(buffer, left, area.y, area.right(), &time, theme.dim);
        }
    }
    let width = usize::from(area.width.saturating_sub(4));
    let mut y = area.y + 1;
    let lines = lines(listing, details.filter(|details| details.id == listing.id), shared);
    let all = lines.len();
    for (index, (line, style)) in lines.into_iter().enumerate() {
        // The first may take a second row, if the others still have theirs.
        let rows = usize::from(area.bottom().saturating_sub(y));
        let spare = if index == 0 { rows.saturating_sub(all - 1).clamp(1, 2) } else { 1 };
        let wrapped = text::wrap(&line, width);
        let cut = wrapped.len() > spare;
        for (row, part) in wrapped.iter().take(spare).enumerate() {
            if y >= area.bottom() {
                return;
            }
            let last = cut && row + 1 == spare;
            let part = if last { format!("{part} {}", wrapped[row + 1]) } else { part.clone() };
            let part = text::fit(&part, width, shared.glyphs.ellipsis);
            text::put(buffer, area.x + 2, y, area.right(), &part, style);
            y += 1;
        }
    }
}
