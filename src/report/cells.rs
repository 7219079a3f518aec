//! Plots that a notebook's cells gave, as charts.

use super::axis::Fit;
use super::{Axis, Chart, Kind, Line};
use crate::record::decimate;
use crate::session::notebook::{Plot, PlotKind, PlotSeries};

/// Series that are drawn; more could not be told apart.
pub const MOST_SERIES: usize = 8;

/// What a plot is called.
pub fn heading(plot: &Plot) -> String {
    match (plot.title.as_str(), plot.y_label.as_str()) {
        ("", "") => "plot".to_owned(),
        (title, "") => title.to_owned(),
        ("", label) => label.to_owned(),
        (title, label) if title == label => title.to_owned(),
        (title, label) => format!("{title} ({label})"),
    }
}

/// Lowest and highest of what is finite, and above zero where an axis has nothing else.
pub fn span<'a>(values: impl Iterator<Item = &'a f64>, log: bool) -> Option<(f64, f64)> {
    let sound = values.copied().filter(|value| value.is_finite() && (!log || *value > 0.0));
    sound.fold(None, |span: Option<(f64, f64)>, value| {
        Some(span.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
    })
}

/// A plot over so many columns; bars as the ground beneath the steps that their tops make. `offset_s` is what a reader's clock is ahead of
/// UTC.
pub fn chart(plot: &Plot, columns: usize, offset_s: i32) -> Chart {
    let stepped: Vec<PlotSeries>;
    let series = match plot.kind {
        PlotKind::Line => &plot.series,
        PlotKind::Bars => {
            stepped = plot.series.iter().map(|series| steps(series, plot.log_y)).collect();
            &stepped
        }
    };
    let (from, to) = span(series.iter().flat_map(|series| &series.x), plot.log_x).unwrap_or((0.0, 1.0));
    let kind = match plot.x_label.as_str() {
        "step" => Kind::Step,
        "epoch" => Kind::Epoch,
        // Seconds since 1970, and not since a start.
        "time" if from > 1e9 => Kind::Wall { offset_s },
        _ => Kind::Value,
    };
    let mut chart = Chart::new(heading(plot), Axis::new(kind, from, to).log(plot.log_x), Axis::default());
    let place = |x: f64| if plot.log_x { x.log10() } else { x };
    let filled = plot.kind == PlotKind::Bars;
    for (colour, series) in series.iter().take(MOST_SERIES).enumerate() {
        let x: Vec<f64> = series.x.iter().map(|x| place(*x)).collect();
        let raw = decimate(&x, &series.y, place(from), place(to), columns);
        chart.lines.push(Line { label: series.name.clone(), colour, filled, raw, ..Line::default() });
    }
    chart.points = Some(plot.series.iter().map(|series| series.x.len() as u64).sum());
    let mut chart = chart.fitted(plot.log_y, Fit::Full);
    let lowest = span(series.iter().flat_map(|series| &series.y), plot.log_y);
    if filled && !plot.log_y && lowest.is_some_and(|(low, _)| low >= 0.0) {
        // Bars stand on the axis.
        chart.y.from = 0.0;
    }
    chart
}

/// Bars as a line along their tops, from the ground and back to it where there is one: a logarithm has none.
fn steps(series: &PlotSeries, log: bool) -> PlotSeries {
    let edges = edges(&series.x);
    let tops = edges.windows(2).zip(&series.y).flat_map(|(edge, y)| [(edge[0], *y), (edge[1], *y)]);
    let ground = |edge: Option<&f64>| edge.filter(|_| !log).map(|edge| (*edge, 0.0));
    let (x, y) = ground(edges.first()).into_iter().chain(tops).chain(ground(edges.last())).unzip();
    PlotSeries { name: series.name.clone(), x, y }
}

/// Where bars with these middles begin and end: each but the last ends where the next begins.
pub fn edges(middles: &[f64]) -> Vec<f64> {
    let half = |pair: Option<&[f64]>| pair.map_or(0.5, |pair| (pair[1] - pair[0]) / 2.0);
    let (Some(first), Some(last)) = (middles.first(), middles.last()) else { return Vec::new() };
    let begin = first - half(middles.windows(2).next());
    let end = last + half(middles.windows(2).next_back());
    let between = middles.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    [begin].into_iter().chain(between).chain([end]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_keeps_its_extremes_and_its_axes() {
        let series = |y: Vec<f64>| PlotSeries { name: "a".to_owned(), x: (1..=y.len()).map(|x| x as f64).collect(), y };
        let plot = Plot {
            title: "loss".to_owned(),
            x_label: "step".to_owned(),
            series: vec![series((0..1000).map(f64::from).collect()), series(vec![f64::NAN])],
            ..Plot::default()
        };
        let drawn = chart(&plot, 40, 0);
        assert_eq!((drawn.x.kind, drawn.x.from, drawn.x.to, drawn.points), (Kind::Step, 1.0, 1000.0, Some(1001)));
        assert!(drawn.y.from <= 0.0 && drawn.y.to >= 999.0, "{:?}", drawn.y);
        let bars = chart(&Plot { kind: PlotKind::Bars, log_y: true, ..plot.clone() }, 40, 0);
        assert_eq!((bars.x.from, bars.x.to, bars.y.log), (0.5, 1000.5, true));
        let bars = chart(&Plot { kind: PlotKind::Bars, ..plot }, 40, 0);
        assert!(bars.lines.iter().all(|line| line.filled) && bars.y.from == 0.0, "{:?}", bars.y);
        assert!(chart(&Plot::default(), 40, 0).lines.is_empty());
        assert_eq!(edges(&[1.0, 2.0, 4.0]), [0.5, 1.5, 3.0, 5.0]);
        assert_eq!((edges(&[3.0]), edges(&[])), (vec![2.5, 3.5], vec![]));
    }
}
