//! The GPUs: a row each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::screens::system::source::Source;
use crate::app::screens::system::{Mode, System, panel};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::meter;
use crate::telemetry::GpuInfo;

/// What a row shows.
pub const ALL: [&str; 14] = [
    "utilization_percent",
    "memory_used_bytes",
    "memory_total_bytes",
    "power_watts",
    "power_limit_watts",
    "temperature_celsius",
    "sm_clock_mhz",
    "processes",
    "throttle_software_power_cap",
    "throttle_hardware_slowdown",
    "throttle_sync_boost",
    "throttle_software_thermal",
    "throttle_hardware_thermal",
    "throttle_power_brake",
];
/// What it shows of a session with many GPUs: what there are in all stands in the manifest.
pub const FEW: [&str; 4] = ["utilization_percent", "memory_used_bytes", "power_watts", "temperature_celsius"];

/// What holds the clocks down, in words.
const THROTTLES: [(&str, &str); 6] = [
    ("throttle_software_power_cap", "power cap"),
    ("throttle_hardware_slowdown", "slowdown"),
    ("throttle_sync_boost", "sync boost"),
    ("throttle_software_thermal", "thermal"),
    ("throttle_hardware_thermal", "hardware thermal"),
    ("throttle_power_brake", "power brake"),
];

const GIB: f64 = 1.0 / (1_u64 << 30) as f64;
/// Celsius that are worth a look.
const HOT: f64 = 85.0;
/// Shares of the memory after which little more fits.
const FULL: f64 = 0.97;

/// Rows in all, the rule with them.
pub fn height(count: usize) -> u16 {
    1 + count as u16
}

/// Draw the rule and a row a GPU.
pub fn draw(system: &System, source: Source<'_>, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let x = text::put(buffer, area.x + 2, area.y, area.right(), " gpus ", theme.title);
    let gpus = panel::gpus(&source.names());
    let words = heading(system, gpus.len(), shared);
    let room = usize::from(area.right().saturating_sub(x + 2));
    let words = text::fit(&words, room, shared.glyphs.ellipsis) + " ";
    text::put(buffer, x, area.y, area.right(), &words, theme.dim);
    let rows = usize::from(area.height.saturating_sub(1));
    for (line, &gpu) in gpus.iter().take(rows).enumerate() {
        let place = Rect { y: area.y + 1 + line as u16, height: 1, ..area };
        if line + 1 == rows && gpus.len() > rows {
            let words = format!("and {} more", gpus.len() - line);
            text::put(buffer, place.x + 1, place.y, place.right(), &words, theme.dim);
            return;
        }
        row(system, source, shared, gpu, place, buffer);
    }
}

fn heading(system: &System, count: usize, shared: &Shared) -> String {
    let machine = system.machine();
    let mut words: Vec<String> = Vec::new();
    match (count, system.mode) {
        (0, Mode::Live) => {
            words.push("no NVIDIA GPU here".to_owned());
            words.extend(machine.and_then(|machine| machine.no_gpus.clone()));
        }
        (0, Mode::Session) => words.push("none in this session's telemetry".to_owned()),
        _ => {
            words.push(count.to_string());
            words.extend(machine.and_then(|it| it.driver.as_ref()).map(|driver| format!("driver {driver}")));
            words.extend(machine.and_then(|it| it.cuda.as_ref()).map(|cuda| format!("CUDA {cuda}")));
        }
    }
    words.join(shared.glyphs.dot)
}

/// A row that is written from left to right; what has no room whole is left out.
struct Pencil<'a> {
    x: u16,
    place: Rect,
    buffer: &'a mut Buffer,
}

impl Pencil<'_> {
    /// `words` aligned right in so many cells, and two cells of space.
    fn right(&mut self, words: &str, cells: u16, style: Style) {
        if self.x + cells <= self.place.right() {
            text::put_right(self.buffer, self.x, self.place.y, self.x + cells, words, style);
        }
        self.x = self.x.saturating_add(cells + 2);
    }

    /// A bar of so many cells, empty where nothing is known, and two cells of space.
    fn bar(&mut self, share: Option<f64>, cells: u16, style: Style, shared: &Shared) {
        let [full, rest] = meter::bar(share.unwrap_or(0.0), usize::from(cells), &shared.glyphs);
        let known = if share.is_some() { cells } else { 0 };
        let full_cells = text::width(&full) as u16;
        let x = self.x;
        self.left(&full, full_cells.min(known), style);
        self.x = x + full_cells;
        self.left(&rest, (cells - full_cells).min(known), shared.theme.rule);
        self.x = x.saturating_add(cells + 2);
    }

    /// `words` in so many cells, and two cells of space.
    fn left(&mut self, words: &str, cells: u16, style: Style) {
        if self.x < self.place.right() {
            text::put(self.buffer, self.x, self.place.y, self.place.right().min(self.x + cells), words, style);
        }
        self.x = self.x.saturating_add(cells + 2);
    }
}

fn row(system: &System, source: Source<'_>, shared: &Shared, gpu: usize, place: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let (none, glyphs) = (shared.glyphs.none, &shared.glyphs);
    let info: Option<&GpuInfo> = system.machine().and_then(|machine| machine.gpus.iter().find(|it| it.index == gpu));
    let value = |name: &str| source.value(&format!("gpu{gpu}/{name}"), system.lens.crosshair);
    let colour = theme.series[gpu % theme.series.len()];
    let (wide, middle) = (place.width >= 110, place.width >= 72);
    let mut pencil = Pencil { x: place.x + 1, place, buffer };

    pencil.left(&format!("gpu{gpu}"), 5, colour);
    if wide {
        let name = info.map_or("", |info| info.name.as_str());
        pencil.left(&text::fit(name, 24, glyphs.ellipsis), 24, theme.text);
    }
    let load = value("utilization_percent");
    let words = load.map_or_else(|| none.to_owned(), |load| format!("{load:.0} %"));
    pencil.right(&words, 5, theme.text);
    if middle {
        pencil.x -= 1;
        let cells = if wide { 12 } else { 6 };
        pencil.bar(load.map(|load| load / 100.0), cells, colour, shared);
    }
    let used = value("memory_used_bytes");
    let total = value("memory_total_bytes").or(info.map(|info| info.memory_bytes as f64)).filter(|total| *total > 0.0);
    let share = used.zip(total).map(|(used, total)| used / total);
    let words = match (used, total) {
        (Some(used), Some(total)) => format!("{:.1}/{:.1} GiB", used * GIB, total * GIB),
        (Some(used), None) => format!("{:.1} GiB", used * GIB),
        (None, _) => none.to_owned(),
    };
    pencil.right(&words, 15, if share.is_some_and(|share| share > FULL) { theme.warn } else { theme.text });
    if wide {
        pencil.x -= 1;
        pencil.bar(share, 8, colour, shared);
    }
    let limit = value("power_limit_watts").or(info.and_then(|info| info.power_limit_watts));
    let words = match (value("power_watts"), limit) {
        (Some(power), Some(limit)) => format!("{power:.0}/{limit:.0} W"),
        (Some(power), None) => format!("{power:.0} W"),
        (None, _) => none.to_owned(),
    };
    pencil.right(&words, 10, theme.text);
    let degrees = if glyphs.ascii { "C" } else { "°C" };
    let heat = value("temperature_celsius");
    let words = heat.map_or_else(|| none.to_owned(), |heat| format!("{heat:.0} {degrees}"));
    pencil.right(&words, 6, if heat.is_some_and(|heat| heat >= HOT) { theme.warn } else { theme.text });
    if place.width >= 90
        && let Some(clock) = value("sm_clock_mhz")
    {
        pencil.right(&format!("{clock:.0} MHz"), 8, theme.dim);
    }
    let held: Vec<&str> = THROTTLES
        .iter()
        .filter(|(name, _)| value(name).is_some_and(|flag| flag > 0.0))
        .map(|(_, words)| *words)
        .collect();
    if !held.is_empty() {
        let room = usize::from(place.right().saturating_sub(pencil.x));
        let words = text::fit(&format!("held by {}", held.join(", ")), room, glyphs.ellipsis);
        pencil.left(&words, room as u16, theme.warn);
    }
}
