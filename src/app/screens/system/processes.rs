//! The processes on the GPUs, and those that hold a session.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::screens::system::System;
use crate::app::screens::system::source::Source;
use crate::app::shared::Shared;
use crate::app::text;

const GIB: f64 = 1.0 / (1_u64 << 30) as f64;

/// Rows that all of them take, rule and heading with them; none where there is no process to show.
pub fn height(system: &System) -> u16 {
    if system.processes.is_empty() { 0 } else { system.processes.len() as u16 + 2 }
}

/// Draw a row a process.
pub fn draw(system: &System, source: Source<'_>, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let x = text::put(buffer, area.x + 2, area.y, area.right(), " processes ", theme.title);
    text::put(buffer, x, area.y, area.right(), &counted(system, source), theme.dim);
    let head = |buffer: &mut Buffer, left: u16, cells: u16, words: &str| {
        text::put_right(buffer, area.x + left, area.y + 1, area.x + left + cells, words, theme.dim);
    };
    // Narrow terminals do without whose it is.
    let user = area.width >= 64;
    let rest = if user { 51 } else { 40 };
    head(buffer, 1, 8, "pid");
    head(buffer, 10, 4, "gpu");
    head(buffer, 15, 12, "gpu memory");
    head(buffer, 28, 11, "memory");
    if user {
        text::put(buffer, area.x + 41, area.y + 1, area.right(), "user", theme.dim);
    }
    text::put(buffer, area.x + rest, area.y + 1, area.right(), "session or command", theme.dim);
    let rows = usize::from(area.height.saturating_sub(2));
    for (line, process) in system.processes.iter().take(rows).enumerate() {
        let y = area.y + 2 + line as u16;
        if line + 1 == rows && system.processes.len() > rows {
            let words = format!("and {} more", system.processes.len() - line);
            text::put(buffer, area.x + 1, y, area.right(), &words, theme.dim);
            return;
        }
        let mut right = |left: u16, cells: u16, words: Option<String>| {
            let (words, style) = words.map_or((shared.glyphs.none.to_owned(), theme.dim), |words| (words, theme.text));
            text::put_right(buffer, area.x + left, y, (area.x + left + cells).min(area.right()), &words, style);
        };
        right(1, 8, Some(process.pid.to_string()));
        right(10, 4, process.gpu.map(|gpu| gpu.to_string()));
        right(15, 12, process.gpu_bytes.map(|bytes| format!("{:.1} GiB", bytes * GIB)));
        right(28, 11, process.rss_bytes.map(|bytes| format!("{:.1} GiB", bytes * GIB)));
        if user {
            let name = text::fit(process.user.as_deref().unwrap_or(shared.glyphs.none), 9, shared.glyphs.ellipsis);
            text::put(buffer, area.x + 41, y, area.right(), &name, theme.text);
        }
        let mut x = area.x + rest;
        if let Some(listing) = system.holder(process.pid, shared) {
            let colour = theme.series[shared.colour(&listing.id) % theme.series.len()];
            x = text::put(buffer, x, y, area.right(), shared.glyphs.mark, colour);
            x = text::put(
                buffer,
                x + 1,
                y,
                area.right(),
                &text::fit(&listing.name, 32, shared.glyphs.ellipsis),
                colour,
            ) + 2;
        }
        let room = usize::from(area.right().saturating_sub(x));
        let command = process.command.as_deref().unwrap_or("not seen from here");
        text::put(buffer, x, y, area.right(), &text::fit(command, room, shared.glyphs.ellipsis), theme.dim);
    }
}

/// How many there are, and how many more the driver counts without saying which.
fn counted(system: &System, source: Source<'_>) -> String {
    let told = system.processes.iter().filter(|process| process.gpu.is_some()).count();
    let names = source.names();
    let counts = names.iter().filter(|name| name.starts_with("gpu") && name.ends_with("/processes"));
    let all: f64 = counts.filter_map(|name| source.value(name, None)).sum();
    let hidden = (all as usize).saturating_sub(told);
    let shown = system.processes.len();
    if hidden > 0 { format!("{shown}, and {hidden} that the driver only counts ") } else { format!("{shown} ") }
}
