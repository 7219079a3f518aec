//! What lies beneath the charts: events, log, config.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use crate::app::data::Facts;
use crate::app::effect::{Lane, Reply};
use crate::app::screens::run;
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::session::events::EventLine;
use crate::session::{Folder, Manifest};

/// What lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pane {
    /// What happened.
    #[default]
    Events,
    /// What the process printed.
    Log,
    /// The effective config.
    Config,
    /// Nothing: the charts have all the room.
    Nothing,
}

impl Pane {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Events => Self::Log,
            Self::Log => Self::Config,
            Self::Config => Self::Nothing,
            Self::Nothing => Self::Events,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Log => "log",
            Self::Config => "config",
            Self::Nothing => "",
        }
    }
}

/// What the pane holds beside what the data thread brings.
#[derive(Debug, Clone, Default)]
pub struct PaneState {
    /// Lines of the config.
    pub config: Vec<String>,
}

/// Read the config off the drawing thread.
pub fn read_config(cx: &mut Cx<'_>, folder: Folder) {
    cx.work(Lane::Folder, move || {
        let lines = match Manifest::load(&folder) {
            Ok(manifest) => manifest.config().lines().map(str::to_owned).collect(),
            Err(error) => vec![error.to_string()],
        };
        Reply::Run(run::Reply::Config { id: folder.id(), lines })
    });
}

/// When the crosshair stands somewhere, in nanoseconds since the epoch, and at which step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The step.
    pub step: i64,
    /// The time.
    pub time_ns: i64,
}

/// Draw the pane: with a crosshair, the events around it; without, the newest.
pub fn draw(
    pane: Pane,
    state: &PaneState,
    facts: &Facts,
    place: Option<Place>,
    shared: &Shared,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let count = match pane {
        Pane::Events => facts.events.len(),
        Pane::Log => facts.log.len(),
        Pane::Config => state.config.len(),
        Pane::Nothing => return,
    };
    let title = format!(" {} ", pane.word());
    let x = text::put(buffer, area.x + 2, area.y, area.right(), &title, theme.title);
    text::put(buffer, x, area.y, area.right(), &format!("{count} "), theme.dim);
    let body = Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height - 1 };
    match pane {
        Pane::Events => events(facts, place, shared, body, buffer),
        Pane::Log => {
            let rows = usize::from(body.height);
            let first = facts.log.len().saturating_sub(rows);
            for (row, line) in facts.log[first..].iter().enumerate() {
                put(buffer, body, row, line, shared);
            }
        }
        Pane::Config => {
            for (row, line) in state.config.iter().take(usize::from(body.height)).enumerate() {
                put(buffer, body, row, line, shared);
            }
        }
        Pane::Nothing => {}
    }
}

fn put(buffer: &mut Buffer, body: Rect, row: usize, line: &str, shared: &Shared) {
    let line = text::fit(line, usize::from(body.width), shared.glyphs.ellipsis);
    text::put(buffer, body.x, body.y + row as u16, body.right(), &line, shared.theme.dim);
}

fn events(facts: &Facts, place: Option<Place>, shared: &Shared, body: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let rows = usize::from(body.height);
    let all = &facts.events;
    // With a crosshair: the last event before it stands in the middle, and is marked.
    let at = place.map(|place| all.partition_point(|event| event.time.as_nanosecond() <= i128::from(place.time_ns)));
    let end = match at {
        Some(at) => (at + rows / 2).min(all.len()),
        None => all.len(),
    };
    let first = end.saturating_sub(rows);
    let shown: Vec<(usize, &EventLine)> = all.iter().enumerate().skip(first).take(rows).collect();
    // Newest first, as the eye looks at the top.
    for (row, (index, event)) in shown.into_iter().rev().enumerate() {
        let y = body.y + row as u16;
        let style = match event.kind.as_str() {
            "alert" | "step-skipped" | "checkpoint-damaged" | "validation-failed" | "sample-failed" => theme.warn,
            "error" | "checkpoint-failed" | "crashed" => theme.bad,
            _ => theme.text,
        };
        let near = at.is_some_and(|at| at == index + 1);
        let time = event.time.to_zoned_datetime(shared.zone.clone()).strftime("%H:%M:%S").to_string();
        let mark = if near { shared.glyphs.cursor } else { " " };
        let x = text::put(buffer, body.x, y, body.right(), mark, theme.crosshair);
        let x = text::put(buffer, x, y, body.right(), &time, theme.dim);
        let x = text::put(buffer, x + 1, y, body.right(), &format!("{:>9}", event.step), theme.dim);
        let x = text::put(buffer, x + 2, y, body.right(), &format!("{:<12} ", event.kind), style);
        let room = usize::from(body.right().saturating_sub(x));
        text::put(buffer, x, y, body.right(), &text::fit(&event.message, room, shared.glyphs.ellipsis), theme.dim);
    }
    if all.is_empty() {
        text::put(buffer, body.x, body.y, body.right(), "nothing has happened yet", theme.dim);
    }
}
