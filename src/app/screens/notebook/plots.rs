//! Plots that cells gave, drawn as the dashboard's charts are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget as _;

use crate::app::plots;
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::bars;
use crate::app::widgets::chart::{ChartView, Regions};
use crate::record::decimate;
use crate::report::axis::Fit;
use crate::report::{Axis, Chart, Kind, Line};
use crate::session::notebook::{Plot, PlotKind};

/// Series that are drawn; more could not be told apart.
const MOST_SERIES: usize = 8;

/// Draw a plot into `area`.
pub fn draw(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    match plot.kind {
        PlotKind::Line => lines(plot, shared, area, buffer),
        PlotKind::Bars => histogram(plot, shared, area, buffer),
    }
}

/// Lowest and highest of what is finite, and above zero where the axis has nothing else.
fn span<'a>(values: impl Iterator<Item = &'a f64>, log: bool) -> Option<(f64, f64)> {
    let sound = values.copied().filter(|value| value.is_finite() && (!log || *value > 0.0));
    sound.fold(None, |span: Option<(f64, f64)>, value| {
        Some(span.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

fn heading(plot: &Plot) -> String {
    match (plot.title.as_str(), plot.y_label.as_str()) {
        ("", "") => "plot".to_owned(),
        (title, "") => title.to_owned(),
        ("", label) => label.to_owned(),
        (title, label) if title == label => title.to_owned(),
        (title, label) => format!("{title} ({label})"),
    }
}

fn lines(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let palette = shared.theme.chart(shared.glyphs.ascii);
    let all = plot.series.iter().flat_map(|series| &series.x);
    let (from, to) = span(all, plot.log_x).unwrap_or((0.0, 1.0));
    let kind = match plot.x_label.as_str() {
        "step" => Kind::Step,
        "epoch" => Kind::Epoch,
        // Seconds since 1970, and not since a start.
        "time" if from > 1e9 => Kind::Wall { offset_s: crate::app::plots::offset(&shared.zone, shared.now) },
        _ => Kind::Value,
    };
    let axis = Axis::new(kind, from, to).log(plot.log_x);
    let columns = Regions::of(area, true).columns();
    let mut chart = Chart::new(heading(plot), axis, Axis::default());
    let scale = |x: f64| if plot.log_x { x.log10() } else { x };
    for (colour, series) in plot.series.iter().take(MOST_SERIES).enumerate() {
        let x: Vec<f64> = series.x.iter().map(|x| scale(*x)).collect();
        let raw = decimate(&x, &series.y, scale(from), scale(to), columns);
        chart.lines.push(Line { label: series.name.clone(), colour, raw, ..Line::default() });
    }
    chart.points = Some(plot.series.iter().map(|series| series.x.len() as u64).sum());
    let chart = chart.fitted(plot.log_y, Fit::Full);
    ChartView::new(&chart, &palette).render(area, buffer);
    let left_out = plot.series.len().saturating_sub(MOST_SERIES);
    let mut words: Vec<_> = Vec::new();
    if plot.series.len() > 1 {
        let named = plot.series.iter().take(MOST_SERIES).enumerate();
        words.extend(
            named.map(|(index, series)| {
                (text::fit(&series.name, 24, shared.glyphs.ellipsis), shared.theme.series[index])
            }),
        );
        if left_out > 0 {
            words.push((format!("{left_out} more not drawn"), shared.theme.warn));
        }
    }
    plots::beside_title(&words, &chart, shared.theme.rule, area, buffer);
}

fn histogram(plot: &Plot, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let line = Rect { height: 1, ..area };
    text::rule(buffer, line, shared.glyphs.rule, theme.rule);
    let title =
        format!(" {} ", text::fit(&heading(plot), usize::from(area.width.saturating_sub(8)), shared.glyphs.ellipsis));
    let x = text::put(buffer, area.x + 2, area.y, area.right(), &title, theme.title);
    if !plot.x_label.is_empty() {
        text::put(buffer, x + 1, area.y, area.right(), &format!(" {} ", plot.x_label), theme.dim);
    }
    let Some(series) = plot.series.first() else { return };
    let (from, to) = span(series.x.iter(), false).unwrap_or((0.0, 1.0));
    let log = |height: &f64| if plot.log_y { (1.0 + height.max(0.0)).log10() } else { *height };
    let heights: Vec<f64> = series.y.iter().map(log).collect();
    let looks = bars::Looks { bar: theme.series[0], axis: theme.dim, levels: shared.glyphs.levels };
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    bars::draw(&heights, (from, to), looks, below, buffer);
}
