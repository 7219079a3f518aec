//! The curve against plain scans over the same points, on data nobody would record on purpose.

use super::*;
use crate::record::{decimate, smooth};

/// `SplitMix64`: enough to be irregular, and the same on every machine.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: u64) -> u64 {
        self.bits() % count
    }

    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A run with repeated steps, gaps, ties, NaN, infinities, restarts that overlap and now and then a clock set back.
fn wild(random: &mut Random, count: usize) -> Series1 {
    let mut series = Series1::default();
    let (mut step, mut time, mut generation) = (0_i64, 1_700_000_000_000_000_000_i64, 0);
    let (restarts, skew) = (random.below(3), random.below(2));
    for _ in 0..count {
        match random.below(400) {
            0 if restarts > 0 => {
                generation += 1 + random.below(2) as u32;
                step = (step - random.below(200) as i64).max(0);
            }
            1 if skew > 0 => time -= random.below(5_000_000_000) as i64,
            2 => step += random.below(1000) as i64,
            _ => step += random.below(3) as i64,
        }
        time += random.below(300_000_000) as i64;
        let value = match random.below(60) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            3..=9 => 1.0, // ties
            10 => -0.0,
            11 => 0.0,
            _ => (random.unit() - 0.5) * 10_f64.powi(random.below(9) as i32 - 4),
        };
        let epoch = if random.below(1500) == 0 { f64::NAN } else { step as f64 / 50.0 };
        series.push(Point { step, epoch, time_ns: time, generation, value });
    }
    series
}

fn pushed(series: &Series1, half_life: f64) -> Curve {
    let mut curve = Curve::new();
    curve.set_half_life(half_life);
    curve.extend(series.points());
    curve
}

fn axes(curve: &Curve) -> [Axis; 4] {
    [Axis::Step, Axis::Epoch, Axis::Wall, curve.relative()]
}

fn x_of(curve: &Curve, axis: Axis, point: Point) -> f64 {
    match (axis, curve.relative()) {
        (Axis::Step, _) => point.step as f64,
        (Axis::Epoch, _) => point.epoch,
        (Axis::Wall, _) => point.time_ns as f64 / 1e9,
        (_, Axis::Relative { start_ns }) => (point.time_ns - start_ns) as f64 / 1e9,
        _ => unreachable!("relative() is relative"),
    }
}

fn same(left: f64, right: f64) -> bool {
    left.to_bits() == right.to_bits()
}

/// The range to look at: all, nothing, one point, or any two places on and between points, even outside.
fn window(random: &mut Random, extent: (f64, f64)) -> (f64, f64) {
    let (low, high) = extent;
    let mut place = || low + (high - low) * (random.unit() * 1.4 - 0.2);
    let (a, b) = (place(), place());
    match random.below(5) {
        0 => extent,
        1 => (a.round(), a.round()),
        2 => (a.min(b).round(), a.max(b).round()),
        3 => (a, b), // perhaps the wrong way round
        _ => (a.min(b), a.max(b)),
    }
}

/// The same columns from a scan over the stretch that a part lies on, of which only the part's points count.
fn scanned(curve: &Curve, part: &Part, held: &[f64], grid: Grid) -> Vec<Column> {
    let xs: Vec<f64> = part.points.clone().map(|i| x_of(curve, grid.axis, curve.point(i).unwrap())).collect();
    let ys = &held[part.points.clone()];
    let mut columns = if grid.log {
        let logs: Vec<f64> = xs.iter().map(|x| x.log10()).collect();
        decimate(&logs, ys, grid.from.log10(), grid.to.log10(), grid.columns) // its x are logarithms
    } else {
        decimate(&xs, ys, grid.from, grid.to, grid.columns)
    };
    // A part that goes on a line is joined to it; `decimate` was not told what lies before.
    let before = part.points.start.checked_sub(1).filter(|&i| i >= part.line && held[i].is_finite());
    let opening = columns.iter_mut().find(|column| column.marks.is_some());
    if let (Some(_), Some(column), true) = (before, opening, ys[0].is_finite()) {
        column.joined |= column.first().is_some_and(|mark| same(mark.x, xs[0]) && same(mark.y, ys[0]));
    }
    columns
}

#[test]
fn columns_equal_those_of_a_scan_over_the_same_points() {
    let mut random = Random(1);
    let mut compared = 0;
    for round in 0..150 {
        let count = [0, 1, 2, 63, 64, 65, 700, 5000][random.below(8) as usize];
        let series = wild(&mut random, count);
        let half_life = [0.0, 5.0, 300.0][random.below(3) as usize];
        let curve = pushed(&series, half_life);
        let steps: Vec<f64> = series.step.iter().map(|&step| step as f64).collect();
        let smoothed = smooth(&steps, &series.value, half_life);
        for axis in axes(&curve) {
            let Some(extent) = curve.extent(axis) else {
                assert_eq!(series.epoch.iter().filter(|epoch| !epoch.is_nan()).count(), 0);
                continue;
            };
            for _ in 0..6 {
                let (from, to) = window(&mut random, extent);
                let grid = Grid::new(axis, from, to, [0, 1, 2, 7, 80, 400][random.below(6) as usize]);
                let log = random.below(3) == 0 && from > 0.0;
                let grid = grid.log(log);
                for part in curve.parts() {
                    for (values, held) in [(Values::Raw, &series.value), (Values::Smoothed, &smoothed)] {
                        let columns = curve.columns(&part, values, grid);
                        let expected = scanned(&curve, &part, held, grid);
                        if log {
                            // The scan was over logarithms: its marks have others for x.
                            let plain = |columns: &[Column]| -> Vec<_> {
                                let ys = |c: &Column| c.marks.map(|marks| marks.map(|mark| mark.y.to_bits()));
                                columns.iter().map(|c| (c.count, c.nan, c.infinite, ys(c))).collect()
                            };
                            assert_eq!(plain(&columns), plain(&expected), "round {round} {grid:?} {part:?}");
                        } else {
                            assert_eq!(columns, expected, "round {round} {grid:?} {part:?} {values:?}");
                        }
                        compared += columns.iter().filter(|column| column.count > 0).count();
                    }
                }
            }
        }
    }
    assert!(compared > 50_000, "only {compared} columns had anything in them");
}

#[test]
fn one_part_is_the_curve_as_decimate_shows_it() {
    let mut random = Random(2);
    let mut series = wild(&mut random, 20_000);
    series.generation.fill(0);
    series.step.sort_unstable();
    series.time_ns.sort_unstable();
    series.epoch = series.step.iter().map(|&step| step as f64 / 9.0).collect();
    let curve = Curve::from_series(series.clone());
    let parts = curve.parts();
    assert_eq!(parts.len(), 1);
    let (from, to) = (1000.0, 17_003.5);
    let expected = decimate(&series.epoch, &series.value, from / 9.0, to / 9.0, 213);
    assert_eq!(curve.columns(&parts[0], Values::Raw, Grid::new(Axis::Epoch, from / 9.0, to / 9.0, 213)), expected);
    assert!(expected[0].joined || expected[0].first().is_none(), "the range is cut: what lies left of it counts");
}

#[test]
fn pushing_equals_building_at_once_and_smoothing_late_equals_smoothing_from_the_start() {
    let mut random = Random(3);
    for count in [0, 1, 64, 4500] {
        let series = wild(&mut random, count);
        let pushed = pushed(&series, 20.0);
        let mut built = Curve::from_series(series);
        built.set_half_life(7.0);
        built.set_half_life(20.0);
        assert_eq!(built.parts(), pushed.parts());
        for part in built.parts() {
            for values in [Values::Raw, Values::Smoothed] {
                for axis in axes(&built) {
                    let Some((from, to)) = built.extent(axis) else { continue };
                    let grid = Grid::new(axis, from, to, 50);
                    assert_eq!(built.columns(&part, values, grid), pushed.columns(&part, values, grid));
                }
            }
        }
        built.set_half_life(0.0);
        assert_eq!(built.half_life(), None);
        assert_eq!(built.at(Axis::Step, 1e9).and_then(|sampled| sampled.smoothed), None);
    }
}

#[test]
fn smoothed_values_change_neither_with_the_zoom_nor_with_later_points() {
    let mut random = Random(4);
    let mut series = wild(&mut random, 3000);
    series.generation.fill(0);
    series.step = (0..3000).collect();
    series.time_ns.sort_unstable();
    series.epoch.fill(0.0);
    let mut curve = Curve::new();
    curve.set_half_life(34.0);
    let mut seen = Vec::new();
    for point in series.points() {
        curve.push(point);
        seen.push(curve.at(Axis::Step, point.step as f64).unwrap().smoothed.unwrap());
    }
    for (index, &then) in seen.iter().enumerate() {
        assert!(same(curve.sampled(index).unwrap().smoothed.unwrap(), then), "point {index}");
    }
    // Every smoothed value shows unchanged in a picture of any width that gives it a column of its own.
    let part = &curve.parts()[0];
    for (from, to) in [(0_usize, 2999_usize), (100, 163), (2000, 2999)] {
        let grid = Grid::new(Axis::Step, from as f64, to as f64, to - from);
        for column in curve.columns(part, Values::Smoothed, grid) {
            for mark in column.marks.into_iter().flatten() {
                assert!(same(mark.y, seen[mark.x as usize]));
            }
        }
    }
}

#[test]
fn the_range_is_that_of_the_visible_finite_points() {
    let mut random = Random(5);
    for _ in 0..40 {
        let count = 1 + random.below(4000) as usize;
        let series = wild(&mut random, count);
        let curve = pushed(&series, 12.0);
        for axis in axes(&curve) {
            let Some(extent) = curve.extent(axis) else { continue };
            let (from, to) = window(&mut random, extent);
            let shown = series.points().filter(|&point| {
                let x = x_of(&curve, axis, point);
                x >= from && x <= to && point.value.is_finite()
            });
            let expected = shown.fold(None, |range: Option<(f64, f64)>, point| {
                let (low, high) = range.unwrap_or((point.value, point.value));
                Some((low.min(point.value), high.max(point.value)))
            });
            assert_eq!(curve.range(Values::Raw, axis, from, to), expected, "{axis:?} {from}..{to}");
        }
        assert_eq!(curve.nan_count(), series.value.iter().filter(|value| value.is_nan()).count());
    }
}

/// Generation 0 ran to step 100; generation 1 went on from the checkpoint at 60 and has reached 80.
fn resumed() -> Curve {
    let mut curve = Curve::new();
    let mut point = |step: i64, generation: u32| {
        let time_ns = (step + i64::from(generation) * 1000) * 1_000_000_000;
        curve.push(Point { step, epoch: step as f64 / 10.0, time_ns, generation, value: f64::from(generation) });
    };
    (0..=100).for_each(|step| point(step, 0));
    (61..=80).for_each(|step| point(step, 1));
    curve
}

#[test]
fn what_a_restart_repeats_is_a_part_of_its_own_joined_to_the_rest() {
    let curve = resumed();
    let parts = curve.parts();
    let told: Vec<_> = parts.iter().map(|part| (part.generation, part.superseded, part.points.clone())).collect();
    assert_eq!(told, [(0, false, 0..61), (0, true, 61..101), (1, false, 101..121)]);
    let grid = Grid::new(Axis::Step, 0.0, 100.0, 101);
    assert!(curve.columns(&parts[1], Values::Raw, grid)[61].joined);
    assert_eq!(curve.beyond(&parts[1], Values::Raw, grid).0.map(|mark| mark.x), Some(60.0), "and says to what");
    assert!(!curve.columns(&parts[2], Values::Raw, grid)[61].joined, "a restart is a new line");
    assert_eq!(curve.beyond(&parts[2], Values::Raw, grid), (None, None));
}

#[test]
fn the_newest_generation_counts_as_far_as_it_goes() {
    let curve = resumed();
    let at = |x: f64| curve.at(Axis::Step, x).map(|sampled| (sampled.step, sampled.generation));
    assert_eq!(at(-0.5), None);
    assert_eq!(at(60.9), Some((60, 0)));
    assert_eq!(at(61.0), Some((61, 1)));
    assert_eq!(at(80.0), Some((80, 1)));
    assert_eq!(at(80.7), Some((80, 1)), "equally far: the newer");
    assert_eq!(at(81.0), Some((81, 0)));
    assert_eq!(at(1e9), Some((100, 0)));
    assert_eq!(at(f64::NAN), None);
    let nearest = |x: f64| curve.nearest(Axis::Step, x).map(|sampled| (sampled.step, sampled.generation));
    assert_eq!(nearest(-7.0), Some((0, 0)));
    assert_eq!(nearest(60.8), Some((61, 1)));
    assert_eq!(nearest(70.4), Some((70, 1)));
    assert_eq!(nearest(90.6), Some((91, 0)));
    assert_eq!(nearest(f64::NAN), None);
    // In time the generations lie apart.
    assert_eq!(curve.at(Axis::Wall, 100.0).map(|s| (s.step, s.generation)), Some((100, 0)));
    assert_eq!(curve.at(Axis::Relative { start_ns: 0 }, 1070.5).map(|s| (s.step, s.generation)), Some((70, 1)));
    assert_eq!(curve.last().map(|point| point.step), Some(80), "the last recorded, not the furthest");
    assert_eq!(curve.extent(Axis::Step), Some((0.0, 100.0)));
}

#[test]
fn as_of_equals_a_scan_wherever_there_is_one_generation() {
    let mut random = Random(6);
    let mut series = wild(&mut random, 3000);
    series.generation.fill(4);
    series.step.sort_unstable();
    series.time_ns.sort_unstable();
    series.epoch = series.step.iter().map(|&step| step as f64).collect();
    let curve = Curve::from_series(series.clone());
    for _ in 0..2000 {
        let x = (random.unit() * 1.2 - 0.1) * series.epoch[2999];
        let expected = series.epoch.iter().rposition(|&epoch| epoch <= x);
        assert_eq!(curve.at(Axis::Epoch, x).map(|sampled| sampled.index), expected, "at {x}");
        let nearest = curve.nearest(Axis::Epoch, x).unwrap();
        let least = series.epoch.iter().map(|epoch| (epoch - x).abs()).fold(f64::INFINITY, f64::min);
        assert_eq!((nearest.epoch - x).abs(), least, "near {x}");
    }
}

#[test]
fn a_clock_set_back_or_a_missing_epoch_begins_a_part_and_nothing_is_lost() {
    let mut curve = Curve::new();
    let times = [10, 20, 30, 5, 6, 7];
    for (step, time) in times.into_iter().enumerate() {
        let epoch = if step == 4 { f64::NAN } else { step as f64 };
        curve.push(Point { step: step as i64, epoch, time_ns: time, generation: 0, value: step as f64 });
    }
    let parts = curve.parts();
    assert_eq!(parts.iter().map(|part| part.points.clone()).collect::<Vec<_>>(), [0..3, 3..4, 4..5, 5..6]);
    let shown = |axis: Axis| -> usize {
        let (from, to) = curve.extent(axis).unwrap();
        let grid = Grid::new(axis, from, to, 9);
        parts.iter().flat_map(|part| curve.columns(part, Values::Raw, grid)).map(|column| column.count).sum()
    };
    assert_eq!((shown(Axis::Step), shown(Axis::Wall), shown(curve.relative())), (6, 6, 6));
    assert_eq!(shown(Axis::Epoch), 5, "a point without an epoch has no place on that axis");
    assert_eq!(curve.relative(), Axis::Relative { start_ns: 5 });
}

#[test]
fn a_zoom_between_two_points_knows_the_line_through_it() {
    let mut curve = Curve::new();
    for (step, value) in [(0, 1.0), (100, 2.0), (200, f64::NAN), (300, 4.0)] {
        curve.push(Point { step, epoch: 0.0, time_ns: 0, generation: 0, value });
    }
    let part = &curve.parts()[0];
    let beyond = |from: f64, to: f64| {
        let (before, after) = curve.beyond(part, Values::Raw, Grid::new(Axis::Step, from, to, 10));
        (before.map(|mark| mark.x), after.map(|mark| mark.x))
    };
    assert_eq!(beyond(40.0, 60.0), (Some(0.0), Some(100.0)));
    assert_eq!(beyond(-5.0, 60.0), (None, Some(100.0)));
    assert_eq!(beyond(40.0, 150.0), (Some(0.0), None), "no line leads to a NaN");
    assert_eq!(beyond(250.0, 400.0), (None, None), "nor from one");
    assert_eq!(beyond(-9.0, -5.0), (None, None));
    assert_eq!(beyond(301.0, 400.0), (Some(300.0), None));
}

#[test]
fn logarithmic_columns_are_equally_wide_in_the_exponent_and_leave_zero_out() {
    let mut curve = Curve::new();
    for step in 0..=1000 {
        curve.push(Point { step, epoch: 0.0, time_ns: 0, generation: 0, value: 1.0 });
    }
    assert_eq!(curve.positive_extent(Axis::Step), Some((1.0, 1000.0)));
    assert_eq!(curve.positive_extent(Axis::Epoch), None);
    let part = &curve.parts()[0];
    let columns = curve.columns(part, Values::Raw, Grid::new(Axis::Step, 1.0, 1000.0, 3).log(true));
    assert_eq!(columns.iter().map(|column| column.count).collect::<Vec<_>>(), [9, 90, 901]);
    let none = curve.columns(part, Values::Raw, Grid::new(Axis::Step, 0.0, 1000.0, 3).log(true));
    assert!(none.iter().all(|column| column.count == 0), "there is no logarithm of zero");
}

#[test]
fn a_point_takes_less_than_48_bytes() {
    let series = wild(&mut Random(7), 100_000);
    let mut curve = pushed(&series, 30.0);
    assert!(curve.bytes() <= 48 * curve.len(), "{} bytes a point", curve.bytes() / curve.len());
    curve.set_half_life(60.0);
    assert!(curve.bytes() <= 48 * curve.len());
    let mut built = Curve::from_series(series);
    built.set_half_life(30.0);
    assert!(built.bytes() <= 48 * built.len());
    built.set_half_life(0.0);
    assert!(built.bytes() <= 38 * built.len(), "{} bytes a point unsmoothed", built.bytes() / built.len());
}

#[test]
fn senseless_questions_have_empty_answers() {
    let curve = resumed();
    let part = &curve.parts()[0];
    for (from, to) in [(2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        let grid = Grid::new(Axis::Step, from, to, 4);
        assert!(curve.columns(part, Values::Raw, grid).iter().all(|column| column.count == 0));
        assert_eq!(curve.beyond(part, Values::Raw, grid), (None, None));
    }
    assert!(curve.columns(part, Values::Raw, Grid::new(Axis::Step, 0.0, 9.0, 0)).is_empty());
    let empty = Curve::new();
    assert_eq!((empty.first(), empty.last(), empty.extent(Axis::Step)), (None, None, None));
    assert_eq!(empty.range(Values::Raw, Axis::Step, 0.0, 1.0), None);
    assert_eq!(empty.at(Axis::Step, 0.0), None);
    // A part of a longer curve names points that this one has not.
    assert_eq!(empty.columns(part, Values::Raw, Grid::new(Axis::Step, 0.0, 9.0, 3)), [Column::default(); 3]);
}
