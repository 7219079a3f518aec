//! Drawing a comparison: legend, charts, table, config.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::app::data::{CurvesAnswer, GroupLine, Plot, XAxis};
use crate::app::hits::{Hits, Target};
use crate::app::plots::{self, Style};
use crate::app::screens::compare::entry::{self, Entry, Reading, Which};
use crate::app::screens::compare::{Compare, GRIDS, Part, Series, config, legend, table};
use crate::app::screens::run::grid::Grid;
use crate::app::screens::run::title::duration;
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::chart::{ChartView, Regions};
use crate::report::axis::Fit;
use crate::report::{Chart, Line, number};

/// Rows that the charts keep when something lies below them.
const CHARTS: u16 = 6;
/// Rows below which only the part in focus is shown.
const SPLIT: u16 = 12;
/// Rows of a table that is worth its place: rule, heading, two rows.
const TABLE: u16 = 4;

/// Where what lies. Parts that are not shown are empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layout {
    pub legend: Rect,
    pub charts: Rect,
    pub grid: Grid,
    pub table: Rect,
    pub config: Rect,
    pub foot: Rect,
}

impl Layout {
    /// Whether a part is on the screen, or would be if it had the focus.
    pub fn shows(&self, part: Part) -> bool {
        match part {
            Part::Charts => true,
            Part::Table => !self.table.is_empty(),
            Part::Config => !self.config.is_empty(),
        }
    }
}

/// Lay the parts out in `area`.
pub fn layout(compare: &Compare, shared: &Shared, area: Rect) -> Layout {
    let at = |y: u16, height: u16| Rect { y, height, ..area };
    let legend = legend::height(compare, shared, area.width).min(area.height);
    let foot = u16::from(area.height > legend);
    let room = area.height.saturating_sub(legend + foot);
    let (table, config) = below(compare, room);
    let charts = room.saturating_sub(table + config);
    let top = area.y + legend;
    let place = at(top, charts);
    let (columns, rows) = GRIDS[compare.settings.grid.min(GRIDS.len() - 1)];
    Layout {
        legend: at(area.y, legend),
        charts: place,
        grid: if place.is_empty() { Grid::default() } else { filled(Grid::of(place, columns, rows), compare, place) },
        table: at(top + charts, table),
        config: at(top + charts + table, config),
        foot: at(area.bottom().saturating_sub(foot), foot),
    }
}

/// A grid without rows and columns that would stay empty.
fn filled(grid: Grid, compare: &Compare, area: Rect) -> Grid {
    let charts = compare.series.len().clamp(1, grid.page().max(1));
    let rows = charts.div_ceil(grid.columns.max(1));
    let columns = charts.div_ceil(rows);
    Grid { columns, rows, cell: (area.width / columns as u16, area.height / rows as u16) }
}

/// Rows of the table and of the config, of `room` for them and the charts.
fn below(compare: &Compare, room: u16) -> (u16, u16) {
    let settings = &compare.settings;
    let wanted = |shown: bool, rows: usize| if shown { (rows as u16).saturating_add(2).max(TABLE) } else { 0 };
    let table = wanted(settings.table, compare.series.len());
    let config = wanted(settings.config, compare.configs.diff.rows.len());
    if room < SPLIT {
        return match compare.part {
            Part::Table if settings.table => (room, 0),
            Part::Config if settings.config => (0, room),
            _ => (0, 0),
        };
    }
    let spare = room - CHARTS;
    if settings.table && settings.config {
        // The charts keep a third. The part in focus has the larger share of the rest, and what the other does not need.
        let all = (room * 2 / 3).min(spare);
        let share = |first: u16, other: u16| {
            let first = first.min((all * 3 / 5).max(all.saturating_sub(other)));
            (first, other.min(all - first))
        };
        if compare.part == Part::Config {
            let (config, table) = share(config, table);
            return (table, config);
        }
        return share(table, config);
    }
    let most = if compare.part == Part::Charts { room * 2 / 5 } else { room / 2 }.max(TABLE).min(spare);
    (table.min(most), config.min(most))
}

/// The part of a chart's area in which x runs from the window's left to its right.
pub fn plot_area(area: Rect) -> Rect {
    Regions::of(inner(area), true).plot
}

/// A chart and a space to its right, so that neighbours do not touch.
fn inner(area: Rect) -> Rect {
    Rect { width: area.width.saturating_sub(1), ..area }
}

/// Draw.
pub fn draw(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let layout = layout(compare, shared, area);
    if compare.sessions.is_empty() {
        let words = if shared.listed { "no session yet: press 1, then n to start one" } else { "reading" };
        text::put(buffer, area.x + 2, area.y + area.height / 2, area.right(), words, theme.dim);
        return;
    }
    legend::draw(compare, shared, layout.legend, buffer, hits);
    charts(compare, shared, layout.charts, layout.grid, buffer, hits);
    if !layout.table.is_empty() {
        table::draw(compare, shared, layout.table, buffer, hits);
    }
    if !layout.config.is_empty() {
        config::draw(compare, shared, layout.config, buffer);
    }
    footnote(compare, shared, layout.foot, buffer);
}

fn charts(compare: &Compare, shared: &Shared, area: Rect, grid: Grid, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    if area.is_empty() {
        return;
    }
    let shown = compare.charted();
    let Some(answer) = compare.answer.as_ref().filter(|_| !shown.is_empty()) else {
        let words = match &compare.answer {
            None => "reading",
            Some(_) if compare.filter.is_empty() => "nothing is recorded yet",
            Some(_) => "no series is called that",
        };
        text::put(buffer, area.x + 2, area.y + area.height / 2, area.right(), words, theme.dim);
        return;
    };
    for (index, series) in shown.iter().enumerate() {
        let place = grid.place(area, index);
        hits.push(place, Target::Pane(index));
        let Some(plot) = answer.plots.iter().find(|plot| plot.series == series.name) else { continue };
        chart(compare, answer, plot, compare.first + index == compare.focus, shared, inner(place), buffer);
        missing(compare, series, shared, inner(place), buffer);
    }
}

fn chart(
    compare: &Compare,
    answer: &CurvesAnswer,
    plot: &Plot,
    focused: bool,
    shared: &Shared,
    place: Rect,
    buffer: &mut Buffer,
) {
    let theme = &shared.theme;
    let style = Style {
        log_y: compare.settings.log_y.contains(&plot.series),
        cut_outliers: compare.settings.cut_outliers,
        half_life: compare.half_life(),
        crosshair: compare.lens.crosshair,
    };
    let (alone, groups) = split(compare, answer, plot);
    let mut chart = plots::chart(&alone, answer, shared, style);
    // What each line says stands in its own colour instead.
    chart.note = None;
    if compare.entries.len() > 1 {
        chart.value = None;
        if let Some(crosshair) = &mut chart.crosshair {
            crosshair.value = None;
        }
    }
    if compare.entries.len() > 1 && !compare.settings.raw {
        // The noise of several sessions over each other hides what is compared.
        chart.lines.iter_mut().filter(|line| line.smooth.is_some()).for_each(|line| line.raw.clear());
    }
    let joined = groups.iter().map(|(line, entry)| group(line, entry));
    chart.lines.extend(joined);
    chart.points = Some(plot.lines.iter().map(|line| line.points as u64).sum());
    let fit = if style.cut_outliers { Fit::WithoutOutliers } else { Fit::Full };
    let chart = chart.fitted(style.log_y, fit);
    let mut palette = theme.chart(shared.glyphs.ascii);
    if focused {
        palette.title = theme.accent;
    }
    ChartView::new(&chart, &palette).render(place, buffer);
    if compare.entries.len() > 1 {
        values(compare, answer, plot, &chart, shared, place, buffer);
    }
}

/// The lines that stand for themselves, and those of groups.
fn split<'a>(compare: &'a Compare, answer: &CurvesAnswer, plot: &'a Plot) -> (Plot, Vec<(&'a GroupLine, &'a Entry)>) {
    let groups: Vec<(&GroupLine, &Entry)> = plot
        .groups
        .iter()
        .filter_map(|line| {
            let entry = compare.entries.iter().find(|entry| entry::is_group(answer, line.group, entry))?;
            Some((line, entry))
        })
        .collect();
    let in_group = |session: usize| {
        let id = answer.sessions.get(session).map(|facts| &facts.id);
        groups.iter().any(|(_, entry)| id.is_some_and(|id| entry.ids.contains(id)))
    };
    let lines = plot.lines.iter().filter(|line| !in_group(line.session)).cloned().collect();
    (Plot { series: plot.series.clone(), lines, groups: Vec::new() }, groups)
}

fn group(line: &GroupLine, entry: &Entry) -> Line {
    Line {
        label: entry.label.clone(),
        colour: entry.colour,
        dim: false,
        filled: false,
        raw: line.mean.clone(),
        smooth: None,
        band: Some(line.band.clone()),
        beyond: line.beyond,
    }
}

/// What each line says, in its colour, in the rule of the title: the newest values, or those at the crosshair.
fn values(
    compare: &Compare,
    answer: &CurvesAnswer,
    plot: &Plot,
    chart: &Chart,
    shared: &Shared,
    place: Rect,
    buffer: &mut Buffer,
) {
    let theme = &shared.theme;
    let which = if compare.lens.crosshair.is_some() { Which::Here } else { Which::Final };
    let (_, scale) = plots::unit(&plot.series);
    let words = compare.entries.iter().filter_map(|entry| {
        let reading: Reading = entry::reading(plot, answer, entry, which)?;
        Some((number::value(reading.value * scale), theme.series[entry.colour % theme.series.len()]))
    });
    plots::beside_title(&words.collect::<Vec<_>>(), chart, theme.rule, place, buffer);
}

/// Says that not all sessions have the series.
fn missing(compare: &Compare, series: &Series, shared: &Shared, place: Rect, buffer: &mut Buffer) {
    let all = compare.sessions.len();
    if series.sessions < all && place.height > CHARTS {
        let words = format!("in {} of {all}", series.sessions);
        text::put_right(buffer, place.x, place.y + 1, place.right(), &words, shared.theme.dim);
    }
}

/// A place on the x axis in words.
pub fn place(x: f64, axis: XAxis, shared: &Shared) -> String {
    match axis {
        XAxis::Step => format!("step {}", number::count(x.max(0.0) as u64)),
        XAxis::Epoch => format!("epoch {x:.2}"),
        XAxis::Wall => {
            let time = Timestamp::from_nanosecond((x * 1e9) as i128).unwrap_or_default();
            time.to_zoned_datetime(shared.zone.clone()).strftime("%m-%d %H:%M:%S").to_string()
        }
        XAxis::Relative => format!("{} after the start", duration(x)),
    }
}

/// What the axis is, which charts these are, and what would show more.
fn footnote(compare: &Compare, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    if area.is_empty() {
        return;
    }
    let mut words = vec![format!("x {}", compare.settings.axis.word())];
    if let Some(x) = compare.lens.crosshair {
        words.push(format!("crosshair at {}", place(x, compare.settings.axis, shared)));
    }
    if compare.half_life() > 0.0 {
        words.push(format!("smoothed over {} steps", number::value(compare.half_life())));
    }
    if compare.groups_are_shown() && compare.entries.iter().any(Entry::is_group) {
        words.push(format!("band {}", compare.settings.spread.word()));
    } else if compare.settings.seeds && compare.settings.axis == XAxis::Wall {
        words.push("seeds apart: clock times have no mean".to_owned());
    }
    if !compare.filter.is_empty() {
        words.push(format!("filter {}", compare.filter));
    }
    let words = if compare.sessions.len() < 2 {
        "mark two or more sessions on screen 1 with space to compare them".to_owned()
    } else {
        words.join(shared.glyphs.dot)
    };
    let shown = compare.charted().len();
    let first = (compare.first + 1).min(compare.series.len());
    let count = match shown {
        0 => String::new(),
        _ => plots::count(first, compare.first + shown, compare.series.len()),
    };
    let right = text::put_right(buffer, area.x, area.y, area.right().saturating_sub(1), &count, theme.dim);
    let room = usize::from(right.saturating_sub(area.x + 2));
    text::put(buffer, area.x + 1, area.y, right, &text::fit(&words, room, shared.glyphs.ellipsis), theme.dim);
}
