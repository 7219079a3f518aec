//! Sessions that differ in nothing but their seed, drawn as one: mean and spread.
//!
//! The definition, for one series and the n members of a group that have it:
//!
//! - A member's points are those that still count: what a restart has gone over again is left out. Of several points of
//!   one step the first counts.
//! - Its value at a step is the recorded one, or the smoothed one where the member's own line is smoothed: each is
//!   smoothed at full resolution over its own points first, so that no value depends on the others or on the zoom.
//! - The group has a value at each step that **every** one of the n has recorded, and nowhere else: a mean over fewer
//!   would jump where one ends, and call it a change.
//! - The value is the arithmetic mean of the n. The spread is from the lowest to the highest of them, or one sample
//!   standard deviation (divided by n - 1) to either side of the mean.
//! - If one of the n is NaN or infinite at a step, so are mean and spread: NaN.
//! - Its epoch is the first member's, its relative time the mean of the members' times since their own beginnings.
//!   Clock times of different runs have no mean: on that axis there are no groups.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::XAxis;
use crate::record::curve::{Axis, Curve, Grid, Part, Values};
use crate::record::{Column, Mark, Point};
use crate::report::lines::band;

/// How the spread of a group is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spread {
    /// From the lowest to the highest member.
    #[default]
    Range,
    /// A sample standard deviation to either side of the mean.
    Deviation,
}

impl Spread {
    /// The other one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Range => Self::Deviation,
            Self::Deviation => Self::Range,
        }
    }

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Range => "min to max",
            Self::Deviation => "1 sd",
        }
    }
}

/// Which sessions of a request are drawn as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Groups {
    /// Places in the request's sessions, a list a group.
    pub members: Vec<Vec<usize>>,
    /// How the spread is shown.
    pub spread: Spread,
}

/// One group's line in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupLine {
    /// The group's place in the request.
    pub group: usize,
    /// Members that have the series.
    pub members: usize,
    /// Steps at which the group has a value.
    pub points: usize,
    /// The mean.
    pub mean: Vec<Column>,
    /// Where the mean comes from and leads to beyond the columns.
    pub beyond: (Option<Mark>, Option<Mark>),
    /// Lowest and highest of each column; NaN where there is none.
    pub band: Vec<(f64, f64)>,
    /// At the last step that all members have.
    pub last: Option<Spot>,
    /// At the crosshair.
    pub at: Option<Spot>,
    /// Lowest and highest finite mean; x is the step.
    pub ends: Option<(Mark, Mark)>,
}

/// A group at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// The step.
    pub step: i64,
    /// The mean.
    pub mean: f64,
    /// The lower end of the spread.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A member's curve, and when the member began, in nanoseconds since the Unix epoch.
pub type Member<'a> = (&'a Curve, i64);

/// What a joined line was made of: while this stays the same, only what is new is joined.
#[derive(Debug, Clone, PartialEq)]
struct Made {
    spread: Spread,
    members: Vec<MadeOf>,
}

#[derive(Debug, Clone, PartialEq)]
struct MadeOf {
    half_life: Option<f64>,
    start_ns: i64,
    /// Of the parts that count, where each begins; the last one may have grown.
    begins: Vec<usize>,
    /// And where all but the last end.
    ends: Vec<usize>,
}

/// The mean and the spread of one series over a group, growing as its members grow.
#[derive(Debug, Default)]
pub struct Joined {
    made: Option<Made>,
    /// Of each member, points of those that count that are behind.
    taken: Vec<usize>,
    mean: Curve,
    low: Curve,
    high: Curve,
}

impl Joined {
    /// Join what the members have recorded since the last call; everything anew if they are not what they were.
    pub fn take_in(&mut self, members: &[Member<'_>], spread: Spread) {
        let ranges: Vec<Vec<Range<usize>>> = members.iter().map(|(curve, _)| counting(curve)).collect();
        let made =
            Made { spread, members: members.iter().zip(&ranges).map(|(member, ranges)| of(member, ranges)).collect() };
        if self.made.as_ref() != Some(&made) {
            *self = Self { made: Some(made), taken: vec![0; members.len()], ..Self::default() };
        }
        if members.is_empty() {
            return;
        }
        let step_of = |member: usize, taken: usize| {
            let index = nth(&ranges[member], taken)?;
            Some((index, members[member].0.point(index)?))
        };
        let mut values = Vec::with_capacity(members.len());
        loop {
            let heads: Option<Vec<(usize, Point)>> =
                self.taken.iter().enumerate().map(|(member, &taken)| step_of(member, taken)).collect();
            let Some(heads) = heads else { return };
            let step = heads.iter().map(|(_, point)| point.step).max().unwrap_or_default();
            if heads.iter().any(|(_, point)| point.step < step) {
                for (taken, (_, point)) in self.taken.iter_mut().zip(&heads) {
                    *taken += usize::from(point.step < step);
                }
                continue;
            }
            values.clear();
            values.extend(heads.iter().zip(members).map(|((index, point), (curve, _))| {
                curve.sampled(*index).and_then(|sampled| sampled.smoothed).unwrap_or(point.value)
            }));
            let since: i128 =
                heads.iter().zip(members).map(|((_, point), (_, start))| i128::from(point.time_ns - start)).sum();
            self.push(step, heads[0].1.epoch, (since / members.len() as i128) as i64, &values, spread);
            self.taken.iter_mut().for_each(|taken| *taken += 1);
        }
    }

    fn push(&mut self, step: i64, epoch: f64, since_ns: i64, values: &[f64], spread: Spread) {
        let before = self.mean.last();
        // Sorted along every axis, whatever the members' clocks do: one line, never several.
        let epoch = before.map_or(epoch, |before| epoch.max(before.epoch));
        let time_ns = before.map_or(since_ns, |before| since_ns.max(before.time_ns));
        let (mean, low, high) = statistics(values, spread);
        for (curve, value) in [(&mut self.mean, mean), (&mut self.low, low), (&mut self.high, high)] {
            curve.push(Point { step, epoch, time_ns, generation: 0, value });
        }
    }

    /// The line of group number `group` for a chart.
    pub fn line(&self, group: usize, axis: XAxis, grid: Grid, crosshair: Option<f64>) -> GroupLine {
        // Times of the joined curves count from the members' beginnings already.
        let grid =
            Grid { axis: if axis == XAxis::Relative { Axis::Relative { start_ns: 0 } } else { grid.axis }, ..grid };
        let part = self.mean.parts().into_iter().next();
        let columns = |curve: &Curve, part: &Part| curve.columns(part, Values::Raw, grid);
        let (mean, band, beyond) = match &part {
            Some(part) => {
                let mean = columns(&self.mean, part);
                let band = band(&columns(&self.low, part), &columns(&self.high, part));
                (mean, band, self.mean.beyond(part, Values::Raw, grid))
            }
            None => (vec![Column::default(); grid.columns], Vec::new(), (None, None)),
        };
        GroupLine {
            group,
            members: self.taken.len(),
            points: self.mean.len(),
            mean,
            beyond,
            band,
            last: self.mean.len().checked_sub(1).and_then(|last| self.spot(last)),
            at: crosshair.and_then(|x| self.mean.at(grid.axis, x)).and_then(|at| self.spot(at.index)),
            ends: ends(&self.mean, Values::Raw),
        }
    }

    fn spot(&self, index: usize) -> Option<Spot> {
        let mean = self.mean.point(index)?;
        let (low, high) = (self.low.point(index)?.value, self.high.point(index)?.value);
        Some(Spot { step: mean.step, mean: mean.value, low, high })
    }
}

/// Mean, lower and upper end of the spread: see the head of this module.
fn statistics(values: &[f64], spread: Spread) -> (f64, f64, f64) {
    if values.iter().any(|value| !value.is_finite()) {
        return (f64::NAN, f64::NAN, f64::NAN);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    match spread {
        Spread::Range => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (mean, low, high)
        }
        Spread::Deviation => {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            let deviation = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };
            (mean, mean - deviation, mean + deviation)
        }
    }
}

/// Lowest and highest finite value of what still counts of a curve, over all steps; x is the step.
pub fn ends(curve: &Curve, values: Values) -> Option<(Mark, Mark)> {
    let (from, to) = curve.extent(Axis::Step)?;
    let grid = Grid::new(Axis::Step, from, to, 1);
    let counting = curve.parts().into_iter().filter(|part| !part.superseded);
    let found = counting.filter_map(|part| {
        let column = *curve.columns(&part, values, grid).first()?;
        Some((column.min()?, column.max()?))
    });
    found.reduce(|(low, high), (lower, higher)| {
        (if lower.y < low.y { lower } else { low }, if higher.y > high.y { higher } else { high })
    })
}

/// The points that count, in the order of their steps.
fn counting(curve: &Curve) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> =
        curve.parts().into_iter().filter(|part| !part.superseded).map(|part| part.points).collect();
    ranges.sort_by_key(|range| curve.point(range.start).map_or(i64::MAX, |point| point.step));
    ranges
}

fn of(member: &Member<'_>, ranges: &[Range<usize>]) -> MadeOf {
    MadeOf {
        half_life: member.0.half_life(),
        start_ns: member.1,
        begins: ranges.iter().map(|range| range.start).collect(),
        ends: ranges.iter().rev().skip(1).map(|range| range.end).collect(),
    }
}

/// The index of the `number`th point of these ranges.
fn nth(ranges: &[Range<usize>], number: usize) -> Option<usize> {
    let mut before = 0;
    for range in ranges {
        if number < before + range.len() {
            return Some(range.start + number - before);
        }
        before += range.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A curve of (step, value), half a second a step.
    fn curve(points: &[(i64, f64)]) -> Curve {
        let mut curve = Curve::new();
        for &(step, value) in points {
            push(&mut curve, 0, step, value);
        }
        curve
    }

    fn push(curve: &mut Curve, generation: u32, step: i64, value: f64) {
        // A restart comes an hour later.
        let time_ns = step * 500_000_000 + i64::from(generation) * 3_600_000_000_000;
        curve.push(Point { step, epoch: step as f64 / 10.0, time_ns, generation, value });
    }

    fn joined(curves: &[Curve], spread: Spread) -> Joined {
        let mut joined = Joined::default();
        joined.take_in(&curves.iter().map(|curve| (curve, 0)).collect::<Vec<_>>(), spread);
        joined
    }

    fn spots(joined: &Joined) -> Vec<(i64, f64, f64, f64)> {
        let spots = (0..joined.mean.len()).filter_map(|index| joined.spot(index));
        spots.map(|spot| (spot.step, spot.mean, spot.low, spot.high)).collect()
    }

    #[test]
    fn the_mean_and_the_range_are_of_steps_that_all_have() {
        let curves = [
            curve(&[(1, 1.0), (2, 2.0), (3, 9.0), (4, 4.0)]),
            curve(&[(2, 4.0), (3, 3.0), (4, 5.0), (5, 0.0)]),
            curve(&[(1, 7.0), (2, 6.0), (4, 12.0), (6, 1.0)]),
        ];
        assert_eq!(spots(&joined(&curves, Spread::Range)), [(2, 4.0, 2.0, 6.0), (4, 7.0, 4.0, 12.0)]);
    }

    #[test]
    fn the_deviation_is_the_samples() {
        // 2, 4, 6: mean 4, squares 4 + 0 + 4, over n - 1 = 2: deviation 2.
        let curves = [curve(&[(1, 2.0)]), curve(&[(1, 4.0)]), curve(&[(1, 6.0)])];
        assert_eq!(spots(&joined(&curves, Spread::Deviation)), [(1, 4.0, 2.0, 6.0)]);
        assert_eq!(spots(&joined(&curves[..1], Spread::Deviation)), [(1, 2.0, 2.0, 2.0)]);
    }

    #[test]
    fn one_that_is_no_number_makes_no_mean() {
        let curves = [curve(&[(1, 1.0), (2, f64::NAN), (3, 3.0)]), curve(&[(1, 3.0), (2, 2.0), (3, f64::INFINITY)])];
        let all = spots(&joined(&curves, Spread::Range));
        assert_eq!(all[0], (1, 2.0, 1.0, 3.0));
        assert!(all[1..].iter().all(|(_, mean, low, high)| mean.is_nan() && low.is_nan() && high.is_nan()), "{all:?}");
    }

    #[test]
    fn members_are_smoothed_before_they_are_joined() {
        let mut curves = [curve(&[(0, 0.0), (1, 4.0)]), curve(&[(1, 10.0)])];
        curves[0].set_half_life(1.0);
        // 0 counts half, 4 whole: 4 / 1.5. The other member alone is its own mean.
        let smoothed = 4.0 / 1.5;
        assert_eq!(spots(&joined(&curves, Spread::Range)), [(1, f64::midpoint(smoothed, 10.0), smoothed, 10.0)]);
    }

    #[test]
    fn what_a_restart_went_over_again_does_not_count() {
        let mut resumed = curve(&[(1, 1.0), (2, 2.0), (3, 100.0), (4, 100.0)]);
        for (step, value) in [(3, 3.0), (4, 4.0)] {
            push(&mut resumed, 1, step, value);
        }
        let other = curve(&[(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0)]);
        let means: Vec<f64> = spots(&joined(&[resumed, other], Spread::Range)).iter().map(|spot| spot.1).collect();
        assert_eq!(means, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn growing_point_by_point_gives_what_joining_at_once_gives() {
        let value = |seed: i64, step: i64| ((step * 7 + seed * 13) % 11) as f64;
        let steps = |seed: i64| (1..60).filter(move |step| step % (seed + 2) != 0);
        let whole: Vec<Curve> =
            (0..3).map(|seed| curve(&steps(seed).map(|step| (step, value(seed, step))).collect::<Vec<_>>())).collect();
        let at_once = spots(&joined(&whole, Spread::Deviation));
        let mut growing = Joined::default();
        let mut parts = vec![Curve::new(); 3];
        for step in 1..60 {
            for seed in 0..3 {
                if steps(seed).any(|it| it == step) {
                    push(&mut parts[seed as usize], 0, step, value(seed, step));
                }
                growing.take_in(&parts.iter().map(|curve| (curve, 0)).collect::<Vec<_>>(), Spread::Deviation);
            }
        }
        assert_eq!(spots(&growing), at_once);
        // A restart makes an old answer wrong, and is noticed.
        push(&mut parts[0], 1, 5, 1000.0);
        growing.take_in(&parts.iter().map(|curve| (curve, 0)).collect::<Vec<_>>(), Spread::Deviation);
        assert_eq!(spots(&growing).last().map(|spot| spot.0), Some(5));
    }

    #[test]
    fn the_band_leads_across_empty_columns_and_the_crosshair_reads_it() {
        let curves = [curve(&[(0, 0.0), (10, 10.0)]), curve(&[(0, 2.0), (10, 20.0)])];
        let joined = joined(&curves, Spread::Range);
        let grid = Grid::new(Axis::Step, 0.0, 10.0, 11);
        let line = joined.line(0, XAxis::Step, grid, Some(4.0));
        assert_eq!(line.band.len(), 11);
        assert_eq!((line.band[0], line.band[5], line.band[10]), ((0.0, 2.0), (5.0, 11.0), (10.0, 20.0)));
        assert_eq!((line.members, line.points), (2, 2));
        assert_eq!(line.at, Some(Spot { step: 0, mean: 1.0, low: 0.0, high: 2.0 }));
        assert_eq!(line.ends, Some((Mark { x: 0.0, y: 1.0 }, Mark { x: 10.0, y: 15.0 })));
    }

    #[test]
    fn relative_time_counts_from_each_members_own_beginning() {
        let late = {
            let mut curve = Curve::new();
            curve.push(Point { step: 4, epoch: 0.4, time_ns: 100_000_000_000, generation: 0, value: 3.0 });
            curve
        };
        let early = curve(&[(4, 1.0)]); // two seconds after zero
        let mut joined = Joined::default();
        joined.take_in(&[(&early, 0), (&late, 96_000_000_000)], Spread::Range);
        let grid = Grid::new(Axis::Relative { start_ns: 77 }, 0.0, 10.0, 10);
        let line = joined.line(0, XAxis::Relative, grid, None);
        let filled: Vec<usize> = (0..10).filter(|&at| line.mean[at].count > 0).collect();
        assert_eq!(filled, [3], "2 s and 4 s: 3 s");
    }

    #[test]
    fn the_best_leaves_out_what_was_gone_over_again() {
        let mut curve = curve(&[(1, 5.0), (2, 0.0), (3, 9.0)]);
        push(&mut curve, 1, 2, 4.0);
        assert_eq!(ends(&curve, Values::Raw), Some((Mark { x: 2.0, y: 4.0 }, Mark { x: 1.0, y: 5.0 })));
        assert_eq!(ends(&Curve::new(), Values::Raw), None);
    }
}
