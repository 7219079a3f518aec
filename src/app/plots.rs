//! From what the data thread answers to the chart model that is drawn.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style as Looks;

use crate::app::data::{CurvesAnswer, Facts, Plot, PlotLine, XAxis};
use crate::app::shared::Shared;
use crate::app::text;
use crate::report::axis::Fit;
use crate::report::quantity::title;
pub use crate::report::quantity::{unit, with_unit};
use crate::report::{Axis, Chart, Crosshair, Kind, Line, Mark, MarkKind, number};
use crate::session::events::EventLine;

/// Which charts are in view, counted from one: `charts 1-6 of 32`, `chart 3 of 32`.
pub fn count(first: usize, last: usize, all: usize) -> String {
    match last.saturating_sub(first) {
        _ if last < first => String::new(),
        0 => format!("chart {first} of {all}"),
        _ => format!("charts {first}-{last} of {all}"),
    }
}

/// How charts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Style {
    /// Equal ratios on the y axis.
    pub log_y: bool,
    /// Let single far values go off the top, marked, so that the rest can be read.
    pub cut_outliers: bool,
    /// Half-life of the smoothing in steps, for the note.
    pub half_life: f64,
    /// Where the crosshair is.
    pub crosshair: Option<f64>,
}

/// The x axis of an answer.
pub fn x_axis(answer: &CurvesAnswer, shared: &Shared) -> Axis {
    let kind = match answer.axis {
        XAxis::Step => Kind::Step,
        XAxis::Epoch => Kind::Epoch,
        XAxis::Wall => Kind::Wall { offset_s: offset(&shared.zone, shared.now) },
        XAxis::Relative => Kind::Relative,
    };
    Axis::new(kind, answer.window.0, answer.window.1).log(answer.log_x)
}

/// Seconds that the reader's clock is ahead of UTC.
pub fn offset(zone: &TimeZone, at: Timestamp) -> i32 {
    zone.to_offset(at).seconds()
}

/// A plot as a chart: a line a session and generation, the marks of the sessions' events along it.
pub fn chart(plot: &Plot, answer: &CurvesAnswer, shared: &Shared, style: Style) -> Chart {
    let x = x_axis(answer, shared);
    let mut chart = Chart::new(title(&plot.series), x, Axis::default());
    let (unit, scale) = unit(&plot.series);
    let several = plot.lines.len() > 1;
    for line in &plot.lines {
        let facts = answer.sessions.get(line.session);
        let colour = match facts {
            Some(facts) if answer.sessions.len() > 1 => shared.colour(&facts.id),
            _ => of_series(&plot.series),
        };
        let label = facts.map(|facts| facts.id.clone()).unwrap_or_default();
        chart.lines.extend(line.parts.iter().map(|part| Line {
            label: label.clone(),
            colour,
            dim: part.superseded,
            filled: false,
            raw: part.raw.clone(),
            smooth: part.smooth.clone(),
            band: None,
            beyond: part.beyond,
        }));
        chart.marks.extend(line.parts.iter().skip(1).filter(|part| part.generation > 0).map(|part| Mark {
            x: part.begins,
            y: None,
            kind: MarkKind::Restart,
            label: format!("restart {}", part.generation),
        }));
        if let Some(facts) = facts {
            chart.marks.extend(alerts(facts, &plot.series, answer, line));
        }
    }
    chart.points = Some(plot.lines.iter().map(|line| line.points as u64).sum());
    let smoothed = plot.lines.iter().any(|line| line.smooth_range.is_some());
    if smoothed && style.half_life > 0.0 {
        chart.note = Some(format!("half-life {}", number::value(style.half_life)));
    }
    if let [line] = plot.lines.as_slice() {
        // What is not a recorded value says so.
        let smoothed = line.last_smoothed.map(|value| format!("~{}", with_unit(value, scale, unit)));
        chart.value = smoothed.or_else(|| line.last.map(|point| with_unit(point.value, scale, unit)));
    }
    if let Some(x) = style.crosshair {
        let at = plot.lines.first().filter(|_| !several).and_then(|line| line.at.as_ref());
        chart.crosshair = Some(Crosshair { x, value: at.map(|at| with_unit(at.value, scale, unit)) });
    }
    let fit = if style.cut_outliers { Fit::WithoutOutliers } else { Fit::Full };
    chart.fitted(style.log_y, fit)
}

/// The alerts of a session that name this series, where they happened.
fn alerts<'a>(
    facts: &'a Facts,
    series: &'a str,
    answer: &'a CurvesAnswer,
    line: &'a PlotLine,
) -> impl Iterator<Item = Mark> + 'a {
    let about = move |event: &&EventLine| {
        let named = event.fields.get("series").and_then(serde_json::Value::as_str);
        named.is_none_or(|named| named == series)
    };
    facts.alerts.iter().filter(about).filter_map(move |event| {
        let x = x_of_event(event, answer.axis, line)?;
        let inside = x >= answer.window.0 && x <= answer.window.1;
        inside.then(|| Mark {
            x,
            y: event.fields.get("value").and_then(serde_json::Value::as_f64),
            kind: MarkKind::Alert,
            label: event.message.clone(),
        })
    })
}

/// Where an event stands on the axis of a session's line; none where the line cannot tell.
pub fn x_of_event(event: &EventLine, axis: XAxis, line: &PlotLine) -> Option<f64> {
    let secs = event.time.as_nanosecond() as f64 / 1e9;
    match axis {
        XAxis::Step => Some(event.step as f64),
        XAxis::Epoch => event.epoch,
        XAxis::Wall => Some(secs),
        XAxis::Relative => Some(secs - line.start_ns? as f64 / 1e9),
    }
}

/// The series' colour where it stands alone: metrics, validation, telemetry and the rest are told apart.
fn of_series(series: &str) -> usize {
    match series.split('/').next().unwrap_or_default() {
        "loss" => 0,
        "val" => 2,
        "grad_norm" => 3,
        "lr" => 6,
        group if group.starts_with("gpu") => 1,
        "speed" | "time" | "host" | "process" | "memory" => 5,
        _ => 0,
    }
}

/// What several lines say, each in its own colour, in the rule of a drawn chart's title: all of them, or none where one
/// has no room.
pub fn beside_title(words: &[(String, Looks)], chart: &Chart, rule: Looks, place: Rect, buffer: &mut Buffer) {
    if place.height < 2 {
        return;
    }
    // Two dashes and a space before the title, a space after.
    let mut x = place.x + 4 + text::width(&chart.title) as u16;
    // The number of points keeps its place at the right.
    let points = chart.points.map_or(0, |points| number::count(points).len() as u16 + 9);
    let right = place.right().saturating_sub(points);
    let needed: usize = words.iter().map(|(word, _)| text::width(word) + 1).sum();
    if usize::from(x) + needed + 1 > usize::from(right) {
        return;
    }
    for (word, style) in words {
        x = text::put(buffer, x, place.y, right, " ", rule);
        x = text::put(buffer, x, place.y, right, word, *style);
        text::put(buffer, x, place.y, right, " ", rule);
    }
}
