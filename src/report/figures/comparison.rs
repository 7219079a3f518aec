//! Several sessions over each other, and what one has over another.

use super::{Settings, heading, slug, smoothing};
use crate::record::curve::{self, Curve, Grid, Values};
use crate::report::axis::Fit;
use crate::report::figure::Figure;
use crate::report::lines::{self, Look};
use crate::report::quantity::Better;
use crate::report::source::Source;
use crate::report::{Axis, Chart, Part, quantity};

/// Series compared at most.
const MOST: usize = 12;

/// Sessions beside each other.
#[derive(Debug, Default)]
pub struct Compared {
    /// Series over each other, and their differences to the first session.
    pub figures: Vec<Figure>,
    /// A row a series.
    pub rows: Vec<Row>,
}

/// One series of all sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The series.
    pub series: String,
    /// Which way is better.
    pub better: Better,
    /// Each session's last value, smoothed where the curve is, and its best with its step; none where it has none.
    pub cells: Vec<Option<Cell>>,
}

/// What one session reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The last value that counts.
    pub last: f64,
    /// At which step.
    pub step: i64,
    /// The best one and its step, where a direction is better.
    pub best: Option<(f64, i64)>,
    /// The step from which on it is better than the first session, to the last that both have.
    pub ahead_from: Option<i64>,
}

impl Row {
    /// The place of the best last value, if one direction is better and there are several.
    pub fn winner(&self) -> Option<usize> {
        let known: Vec<(usize, f64)> =
            self.cells.iter().enumerate().filter_map(|(place, cell)| Some((place, cell.as_ref()?.last))).collect();
        if known.len() < 2 || self.better == Better::Neither {
            return None;
        }
        let best = known.into_iter().reduce(|a, b| if self.better.prefers(b.1, a.1) { b } else { a });
        best.map(|(place, _)| place)
    }
}

/// Compare sessions; the first is what the others are measured against.
pub fn compared(parts: &[Part], labels: &[String], settings: Settings) -> Compared {
    let mut compared = Compared::default();
    let sources: Vec<&Source> = parts.iter().map(|part| &part.source).collect();
    let sources = sources.as_slice();
    let Some((base, others)) = sources.split_first() else { return compared };
    for series in series(sources) {
        let row = row(sources, &series);
        compared.figures.push(overlay(sources, labels, &series, settings));
        let Some(base_curve) = base.series(&series).map(|it| &it.curve) else {
            compared.rows.push(row);
            continue;
        };
        let differences: Vec<(usize, Curve)> = others
            .iter()
            .enumerate()
            .filter_map(|(place, other)| {
                Some((place + 1, lines::difference(&other.series(&series)?.curve, base_curve)))
            })
            .filter(|(_, curve)| curve.len() > 1)
            .collect();
        let mut row = row;
        for (place, curve) in &differences {
            if let Some(Some(cell)) = row.cells.get_mut(*place) {
                cell.ahead_from = ahead_from(curve, row.better);
            }
        }
        compared.rows.push(row);
        compared.figures.extend(difference_figure(sources, labels, &series, &differences, settings));
    }
    compared
}

/// What at least two have: the losses that matter, held-out metrics, speed.
fn series(sources: &[&Source]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        let having = sources.iter().filter(|source| source.series(name).is_some()).count();
        if having > 1 && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    ["loss/g", "loss/d"].into_iter().for_each(&mut add);
    for source in sources {
        source.key_loss().into_iter().for_each(&mut add);
        let metrics = source.names(|name| name.starts_with("val/") && !name.starts_with("val/identity_"));
        metrics.into_iter().filter(|name| !super::is_bound(source, name)).for_each(&mut add);
    }
    ["grad_norm/generator", "speed/images_per_sec", "gpu0/utilization_percent"].into_iter().for_each(&mut add);
    names.truncate(MOST);
    names
}

fn row(sources: &[&Source], series: &str) -> Row {
    let better = Better::of(series);
    let cell = |source: &Source| {
        let curve = &source.series(series)?.curve;
        let values = if curve.half_life().is_some() { Values::Smoothed } else { Values::Raw };
        let last = curve.sampled(curve.len().checked_sub(1)?)?;
        let (from, to) = curve.extent(curve::Axis::Step)?;
        let grid = Grid::new(curve::Axis::Step, from, to, 1);
        let counting = curve.parts().into_iter().filter(|part| !part.superseded);
        let ends = counting.filter_map(|part| {
            let column = *curve.columns(&part, values, grid).first()?;
            match better {
                Better::Higher => column.max(),
                Better::Lower => column.min(),
                Better::Neither => None,
            }
        });
        let best = ends.reduce(|a, b| if better.prefers(b.y, a.y) { b } else { a }).map(|mark| (mark.y, mark.x as i64));
        Some(Cell { last: last.smoothed.unwrap_or(last.value), step: last.step, best, ahead_from: None })
    };
    Row { series: series.to_owned(), better, cells: sources.iter().copied().map(cell).collect() }
}

/// The step from which on every difference is on the better side.
fn ahead_from(difference: &Curve, better: Better) -> Option<i64> {
    let ahead = |index: &usize| difference.point(*index).is_some_and(|point| better.prefers(point.value, 0.0));
    let first = (0..difference.len()).rev().take_while(ahead).last()?;
    difference.point(first).map(|point| point.step)
}

fn overlay(sources: &[&Source], labels: &[String], series: &str, settings: Settings) -> Figure {
    let (name, scale) = quantity::unit(series);
    let curves: Vec<(usize, &Source, &Curve)> = sources
        .iter()
        .enumerate()
        .filter_map(|(place, source)| Some((place, *source, &source.series(series)?.curve)))
        .collect();
    let axes: Vec<curve::Axis> = curves.iter().map(|(_, source, _)| settings.axis.of(source.start_ns())).collect();
    let extents = curves.iter().zip(&axes).filter_map(|((_, _, curve), axis)| curve.extent(*axis));
    let x = lines::stretch(settings.axis.kind(), extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))));
    let mut chart = Chart::new(heading(series), x, Axis::default());
    for ((place, _, curve), axis) in curves.iter().zip(&axes) {
        let look = Look { label: labels[*place].clone(), colour: *place, bare: true, ..Look::default() };
        chart.lines.extend(lines::of(curve, Grid::new(*axis, x.from, x.to, settings.columns), scale, &look));
    }
    chart.unit = name.trim().to_owned();
    chart.points = Some(curves.iter().map(|(_, _, curve)| curve.len() as u64).sum());
    chart.note = smoothing(curves.iter().map(|(_, _, curve)| *curve));
    let log = settings.log_y && series.starts_with("loss");
    Figure::new(format!("compare-{}", slug(series)), chart.fitted(log, Fit::WithoutOutliers))
}

fn difference_figure(
    sources: &[&Source],
    labels: &[String],
    series: &str,
    differences: &[(usize, Curve)],
    settings: Settings,
) -> Option<Figure> {
    let axis_of = |place: usize| settings.axis.of(sources[place].start_ns());
    let extents = differences.iter().filter_map(|(place, curve)| curve.extent(axis_of(*place)));
    let x = lines::stretch(settings.axis.kind(), Some(extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?));
    let (name, scale) = quantity::unit(series);
    let mut chart = Chart::new(heading(series) + ", difference", x, Axis::default());
    for (place, curve) in differences {
        let look = Look { label: labels[*place].clone(), colour: *place, ..Look::default() };
        let grid = Grid::new(axis_of(*place), x.from, x.to, settings.columns);
        chart.lines.extend(lines::of(curve, grid, scale, &look));
    }
    chart.unit = name.trim().to_owned();
    chart.points = Some(differences.iter().map(|(_, curve)| curve.len() as u64).sum());
    let bases = sources.iter().filter_map(|source| source.series(series)).map(|recorded| &recorded.curve);
    chart.note = smoothing(bases);
    let side = match Better::of(series) {
        Better::Higher => "above zero is better than",
        Better::Lower => "below zero is better than",
        Better::Neither => "zero is",
    };
    // Zero belongs to the picture: it is what is compared with.
    let chart = with_zero(chart.fitted(false, Fit::WithoutOutliers));
    let caption = format!("At each step that both recorded; {side} {}.", labels[0]);
    Some(Figure::new(format!("difference-{}", slug(series)), chart).caption(caption))
}

fn with_zero(mut chart: Chart) -> Chart {
    let room = (chart.y.to - chart.y.from) * 0.06;
    if chart.y.from >= 0.0 {
        chart.y.from = -room;
    }
    if chart.y.to <= 0.0 {
        chart.y.to = room;
    }
    chart
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Point;

    #[test]
    fn ahead_is_from_where_it_stays_ahead() {
        let mut curve = Curve::new();
        for (step, value) in [(1, -1.0), (2, 1.0), (3, -1.0), (4, -2.0)] {
            curve.push(Point { step, epoch: 0.0, time_ns: step, generation: 0, value });
        }
        assert_eq!(ahead_from(&curve, Better::Lower), Some(3));
        assert_eq!(ahead_from(&curve, Better::Higher), None);
        assert_eq!(ahead_from(&curve, Better::Neither), None);
    }

    #[test]
    fn the_winner_is_the_best_of_several() {
        let cell = |last: f64| Some(Cell { last, step: 1, best: None, ahead_from: None });
        let row = |better, cells| Row { series: "x".to_owned(), better, cells };
        assert_eq!(row(Better::Lower, vec![cell(2.0), None, cell(1.0)]).winner(), Some(2));
        assert_eq!(row(Better::Higher, vec![cell(2.0), cell(1.0)]).winner(), Some(0));
        assert_eq!(row(Better::Higher, vec![cell(2.0), None]).winner(), None);
        assert_eq!(row(Better::Neither, vec![cell(2.0), cell(1.0)]).winner(), None);
    }
}
