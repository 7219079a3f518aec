//! Drawing a machine: GPUs and host in numbers, charts, processes.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::app::data::XAxis;
use crate::app::hits::{Hits, Target};
use crate::app::plots;
use crate::app::screens::run::grid::Grid;
use crate::app::screens::run::title::duration;
use crate::app::screens::system::panel::{self, Panel, Top};
use crate::app::screens::system::source::Source;
use crate::app::screens::system::{Mode, System, gpus, history, host, processes};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::chart::{ChartView, Regions};
use crate::record::Column;
use crate::report::{Axis, Chart, Crosshair, Kind, number};

/// Cells of a chart that is worth its place.
const CHART: (u16, u16) = (34, 6);
/// Charts beside each other at most.
const BESIDE: u16 = 4;
/// Rows of processes that are shown before charts get more.
const PROCESSES: u16 = 4;

/// Where what lies. Parts without room are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    pub gpus: Rect,
    pub host: Rect,
    pub charts: Rect,
    pub grid: Grid,
    pub processes: Rect,
    pub foot: Rect,
}

/// Lay the parts out in `area`.
pub fn layout(system: &System, area: Rect) -> Layout {
    let at = |y: u16, height: u16| Rect { y, height, ..area };
    let foot = u16::from(area.height > 2);
    let room = area.height - foot;
    let Some(source) = system.source() else {
        return Layout { charts: at(area.y, room), foot: at(area.y + room, foot), ..Layout::default() };
    };
    let names = source.names();
    let panels = panel::panels(&names).len();
    let gpus = gpus::height(panel::gpus(&names).len()).min(room / 2).max(1).min(room);
    let host = host::height(system, source, area.width).min((room - gpus) / 2);
    let left = room - gpus - host;
    let wanted = if system.mode == Mode::Live { processes::height(system) } else { 0 };
    let processes = if left >= CHART.1 + PROCESSES {
        wanted.min((left - CHART.1).min((left / 3).max(PROCESSES)))
    } else if left < CHART.1 {
        // No room for a chart: for processes instead, if they say anything there.
        if left >= 3 { wanted.min(left) } else { 0 }
    } else {
        0
    };
    let height = left - processes;
    let charts = at(area.y + gpus + host, height);
    // As many beside each other as fit, evenly over the rows that this takes.
    let most = usize::from((area.width / CHART.0).clamp(1, BESIDE));
    let columns = panels.div_ceil(panels.div_ceil(most).max(1)).max(1);
    let rows = usize::from((height / CHART.1).max(1)).min(panels.div_ceil(columns).max(1));
    let grid = if height < 3 {
        Grid { columns, rows: 0, cell: (0, 0) }
    } else {
        Grid { columns, rows, cell: (area.width / columns as u16, height / rows as u16) }
    };
    Layout {
        gpus: at(area.y, gpus),
        host: at(area.y + gpus, host),
        charts,
        grid,
        processes: at(charts.bottom(), processes),
        foot: at(area.y + room, foot),
    }
}

/// The part of a chart's area in which x runs from left to right.
pub fn plot_area(area: Rect) -> Rect {
    Regions::of(inner(area), true).plot
}

/// A chart and a space to its right, so that neighbours do not touch.
fn inner(area: Rect) -> Rect {
    Rect { width: area.width.saturating_sub(1), ..area }
}

/// Draw.
pub fn draw(system: &System, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let layout = layout(system, area);
    let source = system.source();
    let Some(source) = source.filter(|source| !source.names().is_empty()) else {
        let words = match (system.mode, &system.id, source.is_some()) {
            (Mode::Live, ..) => "looking at the machine",
            (Mode::Session, None, _) => "no session yet: press 1, then n to start one",
            (Mode::Session, _, false) => "reading",
            (Mode::Session, _, true) => "this session recorded nothing of its machine",
        };
        text::put(buffer, area.x + 2, area.y + area.height / 2, area.right(), words, theme.dim);
        footnote(system, None, shared, layout.foot, buffer);
        return;
    };
    gpus::draw(system, source, shared, layout.gpus, buffer);
    if !layout.host.is_empty() {
        host::draw(system, source, shared, layout.host, buffer);
    }
    let panels = panel::panels(&source.names());
    for (index, panel) in system.in_view(&panels).iter().enumerate() {
        let place = layout.grid.place(layout.charts, index);
        hits.push(place, Target::Pane(index));
        chart(system, source, panel, shared, inner(place), buffer);
    }
    if !layout.processes.is_empty() {
        processes::draw(system, source, shared, layout.processes, buffer);
    }
    footnote(system, Some(panels.len()), shared, layout.foot, buffer);
}

fn chart(system: &System, source: Source<'_>, panel: &Panel, shared: &Shared, place: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let columns = Regions::of(place, true).columns();
    let mut chart = Chart::new(panel.title.clone(), source.axis(shared), Axis::default());
    for line in &panel.lines {
        chart.lines.extend(source.lines(&line.series, panel.scale, line.colour, columns));
    }
    let points: Option<Vec<u64>> = panel.lines.iter().map(|line| source.points(&line.series)).collect();
    chart.points = points.map(|points| points.iter().sum());
    chart.y = Axis::new(Kind::Value, 0.0, top(panel, source, &chart));
    chart.crosshair = system.lens.crosshair.map(|x| Crosshair { x, value: None });
    ChartView::new(&chart, &theme.chart(shared.glyphs.ascii)).render(place, buffer);
    let alone = panel.lines.len() == 1;
    let unit = if panel.unit == " C" && !shared.glyphs.ascii { " °C" } else { panel.unit };
    let words = panel.lines.iter().filter_map(|line| {
        let value = source.value(&line.series, system.lens.crosshair)? * panel.scale;
        let value = if panel.unit == " %" || panel.unit == " C" { format!("{value:.0}") } else { number::value(value) };
        let label = if line.label.is_empty() { String::new() } else { format!("{} ", line.label) };
        let unit = if alone { unit } else { "" };
        Some((format!("{label}{value}{unit}"), theme.series[line.colour % theme.series.len()]))
    });
    let mut words: Vec<_> = words.collect();
    if !alone && !words.is_empty() && !unit.is_empty() {
        words.push((unit.trim().to_owned(), theme.dim));
    }
    plots::beside_title(&words, &chart, theme.rule, place, buffer);
}

/// What the top edge of a chart stands for: at least the highest value that is drawn.
fn top(panel: &Panel, source: Source<'_>, chart: &Chart) -> f64 {
    let columns = chart.lines.iter().flat_map(|line| &line.raw);
    let peak = columns.filter_map(Column::max).map(|mark| mark.y).fold(0.0, f64::max);
    let whole = match &panel.top {
        Top::Value(value) => Some(*value),
        Top::Series(series) => {
            series.iter().filter_map(|series| source.value(series, None)).map(|it| it * panel.scale).reduce(f64::max)
        }
        Top::Lines => None,
    };
    match whole {
        Some(whole) if whole > 0.0 => whole.max(peak),
        // A little room above the line.
        _ if peak > 0.0 => peak * 1.05,
        _ => 1.0,
    }
}

/// How fresh this is, where the crosshair stands, and which charts these are.
fn footnote(system: &System, charts: Option<usize>, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    if area.is_empty() {
        return;
    }
    let dot = shared.glyphs.dot;
    let clock = |secs: f64| {
        let time = Timestamp::from_nanosecond((secs * 1e9) as i128).unwrap_or_default();
        time.to_zoned_datetime(shared.zone.clone()).strftime("%H:%M:%S").to_string()
    };
    let mut words = match (system.mode, &system.answer) {
        (Mode::Live, _) => match system.history.newest() {
            Some(newest) => format!(
                "read each second{dot}last {}{dot}{} of {} samples kept",
                clock(newest),
                system.history.len(),
                history::KEPT
            ),
            None => String::new(),
        },
        (Mode::Session, Some(answer)) => {
            let lasts = answer.plots.iter().flat_map(|plot| &plot.lines).filter_map(|line| line.last);
            let last = lasts.map(|point| point.time_ns).max();
            let last = last.map(|ns| format!("{dot}last recorded {}", clock(ns as f64 / 1e9))).unwrap_or_default();
            format!("telemetry of the session{dot}x {}{last}", answer.axis.word())
        }
        (Mode::Session, None) => String::new(),
    };
    if let Some(x) = system.lens.crosshair {
        let place = match (system.mode, system.settings.axis) {
            (Mode::Live, _) | (_, XAxis::Wall) => clock(x),
            (_, XAxis::Relative) => format!("{} after the start", duration(x)),
            (_, XAxis::Step) => format!("step {}", number::count(x.max(0.0) as u64)),
            (_, XAxis::Epoch) => format!("epoch {x:.2}"),
        };
        // What the numbers above are of comes first.
        words = format!("at {place}{dot}{words}");
    }
    let mut right = area.right().saturating_sub(1);
    let grid = system.layout.grid;
    if let Some(all) = charts.filter(|all| *all > grid.page()) {
        let from = system.first * grid.columns;
        let count = plots::count(from + 1, (from + grid.page()).min(all), all);
        right = text::put_right(buffer, area.x, area.y, right, &count, theme.dim);
    }
    let room = usize::from(right.saturating_sub(area.x + 2));
    text::put(buffer, area.x + 1, area.y, right, &text::fit(&words, room, shared.glyphs.ellipsis), theme.dim);
}
