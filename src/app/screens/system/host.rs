//! The host in numbers, and the training process where a session recorded it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::screens::system::source::Source;
use crate::app::screens::system::{Mode, System};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::meter;

/// The series that the numbers are of.
pub const SERIES: [&str; 19] = [
    "host/cpu_percent",
    "host/load_1m",
    "host/memory_used_bytes",
    "host/memory_total_bytes",
    "host/memory_limit_bytes",
    "host/memory_limit_free_bytes",
    "host/swap_used_bytes",
    "host/disk_free_bytes",
    "host/disk_read_bytes_per_sec",
    "host/disk_write_bytes_per_sec",
    "host/net_rx_bytes_per_sec",
    "host/net_tx_bytes_per_sec",
    "process/cpu_percent",
    "process/memory_rss_bytes",
    "process/threads",
    "process/open_files",
    "process/read_bytes_per_sec",
    "process/write_bytes_per_sec",
    "gpu0/own_memory_bytes",
];

const GIB: f64 = 1.0 / (1_u64 << 30) as f64;
const MIB: f64 = 1.0 / (1_u64 << 20) as f64;
/// Cells of a bar.
const BAR: usize = 8;
/// Cells between two numbers.
const SPACE: u16 = 3;

/// A number with its name; of a share also a bar.
struct Item {
    name: &'static str,
    words: String,
    share: Option<f64>,
}

impl Item {
    fn width(&self) -> u16 {
        let bar = if self.share.is_some() { BAR + 1 } else { 0 };
        (text::width(self.name) + 1 + text::width(&self.words) + bar) as u16
    }
}

/// The numbers; what is not told is not there. Each is as wide for one value as for the next.
fn items(system: &System, source: Source<'_>) -> Vec<Item> {
    let value = |name: &str| source.value(name, system.lens.crosshair);
    let mut items = Vec::new();
    let mut item = |name: &'static str, words: Option<String>, share: Option<f64>| {
        items.extend(words.map(|words| Item { name, words, share }));
    };
    let cpu = value("host/cpu_percent");
    item("cpu", cpu.map(|it| format!("{it:>3.0} %")), cpu.map(|it| it / 100.0));
    let cpus = system.machine().map(|machine| machine.cpus).filter(|cpus| *cpus > 0);
    let of = cpus.map(|cpus| format!(" of {cpus}")).unwrap_or_default();
    item("load", value("host/load_1m").map(|it| format!("{it:>5.2}{of}")), None);
    let (used, total) = (value("host/memory_used_bytes"), value("host/memory_total_bytes"));
    let words = used.map(|used| match total {
        Some(total) => format!("{:>5.1}/{:.1} GiB", used * GIB, total * GIB),
        None => format!("{:>5.1} GiB", used * GIB),
    });
    item("memory", words, used.zip(total).map(|(used, total)| used / total));
    let limit = value("host/memory_limit_bytes").zip(value("host/memory_limit_free_bytes"));
    let words = limit.map(|(limit, free)| format!("{:>5.1}/{:.1} GiB", (limit - free) * GIB, limit * GIB));
    item("container", words, limit.map(|(limit, free)| (limit - free) / limit));
    item("swap", value("host/swap_used_bytes").map(|it| format!("{:>4.1} GiB", it * GIB)), None);
    item("disk free", value("host/disk_free_bytes").map(|it| format!("{:>6.1} GiB", it * GIB)), None);
    let pair = |a: &str, b: &str, words: [&str; 2]| {
        let (a, b) = (value(a)?, value(b)?);
        Some(format!("{:>6.1} {} {:>6.1} {} MiB/s", a * MIB, words[0], b * MIB, words[1]))
    };
    item("disks", pair("host/disk_read_bytes_per_sec", "host/disk_write_bytes_per_sec", ["read", "written"]), None);
    item("network", pair("host/net_rx_bytes_per_sec", "host/net_tx_bytes_per_sec", ["in", "out"]), None);
    if system.mode == Mode::Session {
        item("training cpu", value("process/cpu_percent").map(|it| format!("{it:>4.0} %")), None);
        item("its memory", value("process/memory_rss_bytes").map(|it| format!("{:>5.1} GiB", it * GIB)), None);
        item("threads", value("process/threads").map(|it| format!("{it:>3.0}")), None);
        item("files", value("process/open_files").map(|it| format!("{it:>3.0}")), None);
        item("storage", pair("process/read_bytes_per_sec", "process/write_bytes_per_sec", ["read", "written"]), None);
    }
    items
}

/// Where each number goes.
fn places(items: &[Item], area: Rect) -> Vec<(u16, u16)> {
    let (mut x, mut y) = (area.x + 1, area.y);
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        if x > area.x + 1 && x + item.width() > area.right() {
            (x, y) = (area.x + 1, y + 1);
        }
        places.push((x, y));
        x += item.width() + SPACE;
    }
    places
}

/// Rows in all, the rule with them.
pub fn height(system: &System, source: Source<'_>, columns: u16) -> u16 {
    let places = places(&items(system, source), Rect::new(0, 0, columns, 0));
    places.last().map_or(0, |(_, y)| y + 2)
}

/// Draw the rule and the numbers.
pub fn draw(system: &System, source: Source<'_>, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let x = text::put(buffer, area.x + 2, area.y, area.right(), " host ", theme.title);
    if let Some(machine) = system.machine() {
        let known = [&machine.cpu, &machine.os].into_iter().filter(|it| !it.is_empty() && *it != "unknown");
        let words = known.map(String::as_str).collect::<Vec<_>>().join(shared.glyphs.dot);
        let room = usize::from(area.right().saturating_sub(x + 2));
        if !words.is_empty() {
            let words = text::fit(&words, room, shared.glyphs.ellipsis) + " ";
            text::put(buffer, x, area.y, area.right(), &words, theme.dim);
        }
    }
    let items = items(system, source);
    let inside = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    for (item, (x, y)) in items.iter().zip(places(&items, inside)) {
        if y >= area.bottom() {
            return;
        }
        let x = text::put(buffer, x, y, area.right(), item.name, theme.dim);
        let x = text::put(buffer, x + 1, y, area.right(), &item.words, theme.text);
        if let Some(share) = item.share {
            let [full, rest] = meter::bar(share, BAR, &shared.glyphs);
            let x = text::put(buffer, x + 1, y, area.right(), &full, theme.series[5]);
            text::put(buffer, x, y, area.right(), &rest, theme.rule);
        }
    }
}
