//! From curves to the lines of charts.

use std::ops::Range;

use super::quantity::{self, unit};
use super::{Axis, Chart, Kind, Line, Mark, MarkKind};
use crate::record::curve::{self, Curve, Grid, Values};
use crate::record::{Column, decimate};

/// What stands on the x axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum XAxis {
    /// Optimizer steps.
    #[default]
    Step,
    /// Epochs.
    Epoch,
    /// Time since each session began.
    Time,
}

impl XAxis {
    /// What it is of a session that began at `start_ns`.
    pub fn of(self, start_ns: i64) -> curve::Axis {
        match self {
            Self::Step => curve::Axis::Step,
            Self::Epoch => curve::Axis::Epoch,
            Self::Time => curve::Axis::Relative { start_ns },
        }
    }

    /// How its ticks read.
    pub fn kind(self) -> Kind {
        match self {
            Self::Step => Kind::Step,
            Self::Epoch => Kind::Epoch,
            Self::Time => Kind::Relative,
        }
    }
}

/// How a line looks.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// For the legend; may be empty.
    pub label: String,
    /// Which of the palette's series colours.
    pub colour: usize,
    /// Without the recorded values behind the smoothed ones.
    pub bare: bool,
    /// In dashes: what is only compared with.
    pub dim: bool,
    /// The recorded values alone, however the curve is smoothed: where one value in the beginning, a hundred times the
    /// others, would draw the smoothed line for long.
    pub plain: bool,
}

/// A stretch of an axis that is never without extent, beginning at zero where the data nearly does.
pub fn stretch(kind: Kind, extent: Option<(f64, f64)>) -> Axis {
    let (from, to) = extent.unwrap_or((0.0, 1.0));
    if from >= to {
        let half = if kind == Kind::Step { 1.0 } else { 0.5 };
        return Axis::new(kind, from - half, to + half);
    }
    let from = if from > 0.0 && from <= 0.05 * to { 0.0 } else { from };
    Axis::new(kind, from, to)
}

/// The lines of one curve: a part for each generation, what a restart has gone over again dimmed.
pub fn of(curve: &Curve, grid: Grid, scale: f64, look: &Look) -> Vec<Line> {
    let smoothed = curve.half_life().is_some() && !look.plain;
    let values = if smoothed { Values::Smoothed } else { Values::Raw };
    let line = |part: &curve::Part| Line {
        label: look.label.clone(),
        colour: look.colour,
        dim: part.superseded || look.dim,
        filled: false,
        raw: if smoothed && look.bare { Vec::new() } else { scaled(curve.columns(part, Values::Raw, grid), scale) },
        smooth: smoothed.then(|| scaled(curve.columns(part, Values::Smoothed, grid), scale)),
        band: None,
        beyond: {
            let (before, after) = curve.beyond(part, values, grid);
            (before.map(|mark| times(mark, scale)), after.map(|mark| times(mark, scale)))
        },
    };
    curve.parts().iter().map(line).collect()
}

/// What is compared with and was the same each time it was measured, over the whole width: measured once, it would be a
/// dot that nobody sees. None where it changed.
pub fn level(curve: &Curve, x: Axis, scale: f64, look: &Look) -> Option<Line> {
    let (first, rest) = curve.values().split_first()?;
    if !first.is_finite() || rest.iter().any(|value| value != first) {
        return None;
    }
    let mark = |x: f64| Some(crate::record::Mark { x, y: first * scale });
    let (label, beyond) = (look.label.clone(), (mark(x.from), mark(x.to)));
    Some(Line { label, colour: look.colour, dim: look.dim, beyond, ..Line::default() })
}

/// Where a curve's generations begin.
pub fn restarts(curve: &Curve, axis: curve::Axis) -> Vec<Mark> {
    let mut known = 0;
    let mut marks = Vec::new();
    for part in curve.parts() {
        if part.generation > known {
            known = part.generation;
            let x = curve.point(part.points.start).map_or(f64::NAN, |point| place(axis, &point));
            marks.push(Mark { x, y: None, kind: MarkKind::Restart, label: format!("restart {known}") });
        }
    }
    marks
}

/// Where a point stands on an axis.
pub fn place(axis: curve::Axis, point: &crate::record::Point) -> f64 {
    match axis {
        curve::Axis::Step => point.step as f64,
        curve::Axis::Epoch => point.epoch,
        curve::Axis::Wall => point.time_ns as f64 / 1e9,
        curve::Axis::Relative { start_ns } => point.time_ns.saturating_sub(start_ns) as f64 / 1e9,
    }
}

fn scaled(mut columns: Vec<Column>, scale: f64) -> Vec<Column> {
    if scale != 1.0 {
        for column in &mut columns {
            column.marks = column.marks.map(|marks| marks.map(|mark| times(mark, scale)));
        }
    }
    columns
}

fn times(mark: crate::record::Mark, scale: f64) -> crate::record::Mark {
    crate::record::Mark { y: mark.y * scale, ..mark }
}

/// Lowest and highest of each column between two curves, led in a straight line across columns without a point where the
/// line is joined: from the last value of the column before to the first of the one after.
pub fn band(low: &[Column], high: &[Column]) -> Vec<(f64, f64)> {
    let ends = |(low, high): (&Column, &Column)| Some((low.min()?.y, high.max()?.y));
    let mut band: Vec<(f64, f64)> = low.iter().zip(high).map(|it| ends(it).unwrap_or((f64::NAN, f64::NAN))).collect();
    let mut before: Option<usize> = None;
    for at in 0..band.len() {
        if low[at].marks.is_none() || high[at].marks.is_none() {
            before = before.filter(|_| low[at].count == 0);
            continue;
        }
        if let Some(from) = before.filter(|_| low[at].joined) {
            let last = |columns: &[Column]| columns[from].last().map_or(f64::NAN, |it| it.y);
            let first = |columns: &[Column]| columns[at].first().map_or(f64::NAN, |it| it.y);
            let (start, end) = ((last(low), last(high)), (first(low), first(high)));
            for (done, between) in band[from + 1..at].iter_mut().enumerate() {
                let share = (done + 1) as f64 / (at - from) as f64;
                *between = (start.0 + (end.0 - start.0) * share, start.1 + (end.1 - start.1) * share);
            }
        }
        before = Some(at);
    }
    band
}

/// The points that still count, in the order of their steps.
fn counting(curve: &Curve) -> impl Iterator<Item = usize> {
    let mut ranges: Vec<Range<usize>> =
        curve.parts().into_iter().filter(|part| !part.superseded).map(|part| part.points).collect();
    ranges.sort_by_key(|range| curve.point(range.start).map_or(i64::MAX, |point| point.step));
    ranges.into_iter().flatten()
}

/// What a series was over one epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: i64,
    /// Values in it that are numbers.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// A tenth of them are lower, by nearest rank.
    pub low: f64,
    /// A tenth of them are higher, by nearest rank.
    pub high: f64,
    /// Values in it that are no numbers.
    pub odd: usize,
}

/// Each epoch's mean and the range of the middle four fifths of its values: of the recorded ones, and of what still counts.
/// A value recorded when e epochs were done is of epoch ⌈e⌉.
pub fn epochs(curve: &Curve) -> Vec<Epoch> {
    let mut found: Vec<Epoch> = Vec::new();
    let mut values: Vec<f64> = Vec::new();
    let mut open: Option<(i64, usize)> = None;
    let mut close = |open: Option<(i64, usize)>, values: &mut Vec<f64>| {
        let Some((number, odd)) = open else { return };
        let count = values.len();
        let mean = if count > 0 { values.iter().sum::<f64>() / count as f64 } else { f64::NAN };
        values.sort_unstable_by(f64::total_cmp);
        let rank = |share: f64| values.get((count as f64 * share) as usize).copied().unwrap_or(mean);
        found.push(Epoch { number, count, mean, low: rank(0.1), high: rank(0.9), odd });
        values.clear();
    };
    let (all, epochs) = (curve.values(), curve.epochs());
    for index in counting(curve).filter(|index| epochs[*index].is_finite()) {
        let number = (epochs[index].ceil() as i64).max(1);
        if open.is_none_or(|(known, _)| known != number) {
            close(open.take(), &mut values);
            open = Some((number, 0));
        }
        if all[index].is_finite() {
            values.push(all[index]);
        } else if let Some((_, odd)) = &mut open {
            *odd += 1;
        }
    }
    close(open, &mut values);
    found
}

/// A chart of epochs' means; none if there are fewer than two.
pub fn epoch_chart(series: &str, epochs: &[Epoch], colour: usize, columns: usize) -> Option<Chart> {
    let (first, last) = (epochs.first()?.number, epochs.last()?.number);
    if first == last {
        return None;
    }
    let (name, scale) = unit(series);
    let (from, to) = (first as f64 - 0.5, last as f64 + 0.5);
    let columns = columns.min((last - first + 1) as usize);
    let x: Vec<f64> = epochs.iter().map(|epoch| epoch.number as f64).collect();
    let of = |value: fn(&Epoch) -> f64| {
        let y: Vec<f64> = epochs.iter().map(|epoch| value(epoch) * scale).collect();
        decimate(&x, &y, from, to, columns)
    };
    let band = band(&of(|epoch| epoch.low), &of(|epoch| epoch.high));
    let mut chart =
        Chart::new(quantity::heading(series) + ", per epoch", Axis::new(Kind::Step, from, to), Axis::default());
    chart.x_name = "epoch".into();
    chart.unit = name.trim().to_owned();
    chart.lines.push(Line { colour, raw: of(|epoch| epoch.mean), band: Some(band), ..Line::default() });
    chart.points = Some(epochs.iter().map(|epoch| (epoch.count + epoch.odd) as u64).sum());
    chart.value = epochs.last().map(|epoch| quantity::with_unit(epoch.mean, scale, name));
    Some(chart)
}

/// `of` less `base`, at each step that both recorded and that still counts; smoothed values where a curve is smoothed.
pub fn difference(of: &Curve, base: &Curve) -> Curve {
    let read = |curve: &Curve, index: usize| {
        let sampled = curve.sampled(index)?;
        Some((sampled.step, sampled.smoothed.unwrap_or(sampled.value)))
    };
    let (mut ours, mut theirs) = (counting(of).peekable(), counting(base).peekable());
    let mut difference = Curve::new();
    while let (Some(&one), Some(&other)) = (ours.peek(), theirs.peek()) {
        let (Some((step, value)), Some((against, base_value)), Some(point)) =
            (read(of, one), read(base, other), of.point(one))
        else {
            break;
        };
        if step <= against {
            ours.next();
        }
        if against <= step {
            theirs.next();
        }
        if step == against {
            difference.push(crate::record::Point { generation: 0, value: value - base_value, ..point });
        }
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Point;

    fn curve(values: &[(i64, f64)], generation: u32) -> Curve {
        let mut curve = Curve::new();
        extend(&mut curve, values, generation);
        curve
    }

    fn extend(curve: &mut Curve, values: &[(i64, f64)], generation: u32) {
        for &(step, value) in values {
            let time_ns = step + i64::from(generation) * 1000;
            curve.push(Point { step, epoch: step as f64 / 10.0, time_ns, generation, value });
        }
    }

    #[test]
    fn an_epoch_ends_with_its_last_step_and_odd_values_are_counted_beside() {
        let values: Vec<(i64, f64)> =
            (1..=25).map(|step| (step, if step == 15 { f64::NAN } else { step as f64 })).collect();
        let found = epochs(&curve(&values, 0));
        let read: Vec<(i64, usize, f64, usize)> =
            found.iter().map(|it| (it.number, it.count, it.mean, it.odd)).collect();
        assert_eq!(read, [(1, 10, 5.5, 0), (2, 9, (155.0 - 15.0) / 9.0, 1), (3, 5, 23.0, 0)]);
        assert_eq!((found[0].low, found[0].high), (2.0, 10.0));
    }

    #[test]
    fn what_a_restart_went_over_again_is_no_part_of_an_epoch() {
        let mut both = curve(&(1..=20).map(|step| (step, 100.0)).collect::<Vec<_>>(), 0);
        extend(&mut both, &(11..=20).map(|step| (step, 1.0)).collect::<Vec<_>>(), 1);
        let means: Vec<f64> = epochs(&both).iter().map(|epoch| epoch.mean).collect();
        assert_eq!(means, [100.0, 1.0]);
    }

    #[test]
    fn a_difference_is_taken_where_both_recorded() {
        let (one, other) =
            (curve(&[(1, 5.0), (2, 6.0), (4, 7.0), (5, 1.0)], 0), curve(&[(2, 1.0), (3, 9.0), (4, 9.0)], 0));
        let found = difference(&one, &other);
        let points: Vec<(i64, f64)> =
            (0..found.len()).filter_map(|i| found.point(i)).map(|p| (p.step, p.value)).collect();
        assert_eq!(points, [(2, 5.0), (4, -2.0)]);
        assert!(difference(&one, &Curve::new()).is_empty());
    }

    #[test]
    fn what_never_changed_is_a_level_over_the_whole_width() {
        let x = Axis::new(Kind::Step, 0.0, 50.0);
        let of = |values: &[(i64, f64)]| level(&curve(values, 0), x, 10.0, &Look::default()).map(|line| line.beyond);
        let mark = |x: f64| Some(crate::record::Mark { x, y: 5.0 });
        assert_eq!(of(&[(20, 0.5)]), Some((mark(0.0), mark(50.0))));
        assert_eq!(of(&[(20, 0.5), (40, 0.5)]), Some((mark(0.0), mark(50.0))));
        assert_eq!([of(&[]), of(&[(20, f64::NAN)]), of(&[(20, 0.5), (40, 0.6)])], [None; 3]);
    }

    #[test]
    fn a_slow_first_step_does_not_draw_a_plain_line() {
        let mut slow = Curve::new();
        slow.set_half_life(20.0);
        extend(&mut slow, &[(1, 25.0), (2, 0.1), (3, 0.1)], 0);
        let grid = Grid::new(curve::Axis::Step, 0.0, 3.0, 3);
        let drawn = |plain: bool| of(&slow, grid, 1.0, &Look { plain, ..Look::default() });
        assert!(drawn(false).iter().all(|line| line.smooth.is_some()));
        assert!(drawn(true).iter().all(|line| line.smooth.is_none() && !line.raw.is_empty()));
    }

    #[test]
    fn axes_always_have_extent_and_begin_at_zero_where_the_data_nearly_does() {
        assert_eq!(stretch(Kind::Step, Some((7.0, 7.0))), Axis::new(Kind::Step, 6.0, 8.0));
        assert_eq!(stretch(Kind::Step, Some((1.0, 100.0))), Axis::new(Kind::Step, 0.0, 100.0));
        assert_eq!(stretch(Kind::Step, Some((50.0, 100.0))), Axis::new(Kind::Step, 50.0, 100.0));
        assert_eq!(stretch(Kind::Epoch, None), Axis::new(Kind::Epoch, 0.0, 1.0));
    }
}
