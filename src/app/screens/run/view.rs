//! Drawing a run: charts, what stands at the crosshair, and what lies beneath.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::app::data::{CurvesAnswer, Plot, Window, XAxis};
use crate::app::hits::{Hits, Target};
use crate::app::plots::{self, Style};
use crate::app::screens::run::grid::Grid;
use crate::app::screens::run::pane::{self, Place, Scene};
use crate::app::screens::run::{Run, VITALS, title};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::chart::{ChartView, Regions};
use crate::record::curve::Sampled;
use crate::report::number;

/// Where what lies.
struct Layout {
    charts: Rect,
    /// What stands at the crosshair; empty without one.
    readout: Rect,
    pane: Rect,
}

fn layout(run: &Run, area: Rect) -> Layout {
    let readout = if run.lens.crosshair.is_some() && area.height >= 10 { 3 } else { 0 };
    // The last line says what the axis is.
    let room = area.height.saturating_sub(readout + 1);
    let pane = if run.tall && area.height >= 10 { room } else { run.settings.pane.height(area.height) };
    let charts = room.saturating_sub(pane);
    let at = |y: u16, height: u16| Rect { y, height, ..area };
    Layout {
        charts: at(area.y, charts),
        readout: at(area.y + charts, readout),
        pane: at(area.y + charts + readout, pane),
    }
}

/// Where what lies beneath the charts is drawn.
pub fn pane_area(run: &Run, area: Rect) -> Rect {
    layout(run, area).pane
}

/// How the charts lie on a screen of this size.
pub fn grid(run: &Run, area: Rect) -> Grid {
    let (columns, rows) = if run.alone { (1, 1) } else { (run.settings.columns, run.settings.rows) };
    Grid::of(layout(run, area).charts, columns, rows)
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
pub fn draw(run: &Run, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let layout = layout(run, area);
    let Some(answer) = &run.answer else {
        let words = match (&run.id, shared.listed) {
            (None, true) => "no session yet: press 1, then n to start one",
            _ => "reading",
        };
        text::put(buffer, area.x + 2, area.y + area.height / 2, area.right(), words, theme.dim);
        return;
    };
    if !layout.charts.is_empty() {
        charts(run, answer, shared, (grid(run, area), layout.charts), buffer, hits);
    }
    if !layout.readout.is_empty() {
        readout(run, answer, shared, layout.readout, buffer);
    }
    if let Some(facts) = answer.sessions.first().filter(|_| !layout.pane.is_empty()) {
        let scene = Scene { pane: run.settings.pane, facts, place: place(run, answer) };
        pane::draw(&scene, &run.pane, shared, layout.pane, buffer, hits);
    }
    let foot = Rect { y: area.bottom() - 1, height: 1, ..area };
    match answer.sessions.first().and_then(|facts| facts.problems.first()) {
        // Where nothing lies beneath the charts, what cannot be read is said here.
        Some(problem) if layout.pane.is_empty() => {
            let problem = text::fit(problem, usize::from(area.width.saturating_sub(2)), shared.glyphs.ellipsis);
            text::put(buffer, foot.x + 1, foot.y, foot.right(), &problem, theme.bad);
        }
        _ => footnote(run, answer, shared, foot, buffer),
    }
}

fn charts(
    run: &Run,
    answer: &CurvesAnswer,
    shared: &Shared,
    (grid, area): (Grid, Rect),
    buffer: &mut Buffer,
    hits: &mut Hits,
) {
    let theme = &shared.theme;
    let palette = theme.chart(shared.glyphs.ascii);
    let shown = run.shown();
    if shown.is_empty() {
        let (words, style) = match &shared.trouble {
            // Nothing can be read, which is not to say that nothing is there.
            Some(trouble) => (trouble.as_str(), theme.bad),
            None if run.filter.is_empty() => ("nothing is recorded yet", theme.dim),
            None => ("no series is called that", theme.dim),
        };
        text::put(buffer, area.x + 2, area.y + area.height / 2, area.right(), words, style);
        return;
    }
    for (index, series) in shown.iter().enumerate() {
        let place = grid.place(area, index);
        hits.push(place, Target::Pane(index));
        let Some(plot) = answer.plots.iter().find(|plot| plot.series == *series) else { continue };
        let style = Style {
            log_y: run.settings.log_y.contains(series),
            cut_outliers: run.settings.cut_outliers,
            // Of many charts the last line says it once.
            half_life: if run.alone { run.half_life() } else { 0.0 },
            crosshair: run.lens.crosshair,
        };
        let chart = plots::chart(plot, answer, shared, style);
        let focused = run.first + index == run.focus;
        let mut palette = palette.clone();
        if focused {
            palette.title = theme.accent;
        }
        ChartView::new(&chart, &palette).render(inner(place), buffer);
        if run.settings.pinned.contains(series) {
            text::put(buffer, place.x, place.y, place.right(), shared.glyphs.mark, theme.accent);
        }
    }
}

/// The point that the crosshair means: of the first chart that has one there.
fn sampled<'a>(run: &Run, answer: &'a CurvesAnswer) -> Option<&'a Sampled> {
    run.lens.crosshair?;
    let lines = || answer.plots.iter().flat_map(|plot| &plot.lines).filter_map(|line| line.at.as_ref());
    // The newest of them: validation is recorded once in many steps.
    lines().max_by_key(|at| at.time_ns)
}

/// The instant of the crosshair.
pub fn place(run: &Run, answer: &CurvesAnswer) -> Option<Place> {
    sampled(run, answer).map(|at| Place { step: at.step, time_ns: at.time_ns })
}

/// Where the crosshair stands on every axis, and what every shown series was there.
fn readout(run: &Run, answer: &CurvesAnswer, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    let Some(at) = sampled(run, answer) else {
        text::put(buffer, area.x + 2, area.y, area.right(), " nothing there yet ", theme.dim);
        return;
    };
    let time =
        Timestamp::from_nanosecond(i128::from(at.time_ns)).unwrap_or_default().to_zoned_datetime(shared.zone.clone());
    let head = format!(
        " at step {}{}epoch {:.2}{}{} ",
        number::count(at.step.unsigned_abs()),
        shared.glyphs.dot,
        at.epoch,
        shared.glyphs.dot,
        time.strftime("%H:%M:%S")
    );
    text::put(buffer, area.x + 2, area.y, area.right(), &head, theme.crosshair);
    let (mut x, mut y) = (area.x + 1, area.y + 1);
    // The chart in focus, then what always is of interest, then the rest.
    let focus = run.series.get(run.focus);
    let rank = |plot: &&Plot| {
        let vital = VITALS.iter().position(|name| *name == plot.series).unwrap_or(VITALS.len());
        (Some(&plot.series) != focus, vital)
    };
    let mut plots: Vec<&Plot> = answer.plots.iter().collect();
    plots.sort_by_key(rank);
    for plot in plots {
        let Some(here) = plot.lines.first().and_then(|line| line.at) else { continue };
        let (unit, scale) = plots::unit(&plot.series);
        let mut value = plots::with_unit(here.value, scale, unit);
        if let Some(smoothed) = here.smoothed {
            value.push_str(&format!(" (~{})", number::value(smoothed * scale)));
        }
        // A value of another step says of which.
        let old = if here.step == at.step { String::new() } else { format!(" @{}", here.step) };
        let needed = text::width(&plot.series) + text::width(&value) + old.len() + 4;
        if usize::from(x) + needed > usize::from(area.right()) {
            (x, y) = (area.x + 1, y + 1);
            if y >= area.bottom() {
                return;
            }
        }
        x = text::put(buffer, x, y, area.right(), &plot.series, theme.dim);
        x = text::put(buffer, x + 1, y, area.right(), &value, theme.text);
        x = text::put(buffer, x, y, area.right(), &old, theme.dim) + 3;
    }
}

/// What the axis is and which charts these are.
fn footnote(run: &Run, answer: &CurvesAnswer, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let dot = shared.glyphs.dot;
    let mut words = format!("x {}", answer.axis.word());
    if answer.log_x {
        words.push_str(" (log)");
    }
    let (from, to) = answer.window;
    let whole = run.lens.window == Window::All;
    words.push_str(&match (whole, answer.axis) {
        (true, _) => format!("{dot}whole run"),
        (false, XAxis::Wall | XAxis::Relative) => format!("{dot}{} in view", title::duration(to - from)),
        (false, _) => format!("{dot}{} to {}", number::value(from), number::value(to)),
    });
    if answer.is_smoothed() {
        words.push_str(&format!("{dot}smoothed over {} steps", number::value(run.half_life())));
    }
    let newest = answer.plots.iter().flat_map(|plot| &plot.lines).filter_map(|line| Some(line.last?.time_ns)).max();
    if let Some(newest) = newest.and_then(|time_ns| Timestamp::from_nanosecond(i128::from(time_ns)).ok()) {
        let time = newest.to_zoned_datetime(shared.zone.clone()).strftime("%H:%M:%S").to_string();
        words.push_str(&format!("{dot}newest {time}"));
    }
    if !run.filter.is_empty() {
        words.push_str(&format!("{dot}filter {}", run.filter));
    }
    let shown = run.shown().len();
    let right = plots::count(run.first + 1, run.first + shown, run.series.len());
    let right = text::put_right(buffer, area.x, area.y, area.right() - 1, &right, theme.dim);
    text::put(buffer, area.x + 1, area.y, right.saturating_sub(1), &words, theme.dim);
}
