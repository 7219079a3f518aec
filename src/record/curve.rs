//! One series held for drawing: any stretch of it, at any zoom, at a cost that does not grow with its length.
//!
//! The points stay as they were recorded. Beside them grows a pyramid of the extremes of ever longer blocks
//! (`pyramid.rs`), so that a picture of w columns over n points costs O(w log n), and so does adding a point: nothing
//! is ever rebuilt but the smoothed values, and those only when the half-life changes.
//!
//! Memory: 32 bytes a point, 40 with smoothing, 0.9 more for each pyramid, and at most a tenth in reserve: below 48
//! bytes a point in a curve of some thousand points ([`Curve::bytes`] says what it is). At most 2^32 - 1 points.

use std::ops::Range;

use super::{Column, Mark, Point, Series1, Smoother};

mod grid;
mod parts;
mod pyramid;
mod seek;

#[cfg(test)]
mod tests;

pub use grid::{Axis, Grid};
pub use parts::Part;

use parts::Stretch;
use pyramid::{Extremes, Pyramid};
use seek::seek;

/// Which values of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Values {
    /// As they were recorded.
    Raw,
    /// Smoothed along the steps; as recorded while the curve has no half-life.
    Smoothed,
}

/// One point as the crosshair reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampled {
    /// Its place in the order of recording.
    pub index: usize,
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished, as a fraction.
    pub epoch: f64,
    /// Nanoseconds since the Unix epoch, UTC.
    pub time_ns: i64,
    /// Restarts before it was recorded.
    pub generation: u32,
    /// The value as it was recorded.
    pub value: f64,
    /// The smoothed value; none while the curve has no half-life.
    pub smoothed: Option<f64>,
}

/// One series, ready to be drawn: see the head of this module.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    step: Vec<i64>,
    epoch: Vec<f64>,
    time_ns: Vec<i64>,
    value: Vec<f64>,
    extremes: Pyramid,
    smoothing: Option<Smoothing>,
    stretches: Vec<Stretch>,
}

/// The smoothed values of a curve and what is needed to go on with them.
#[derive(Debug, Clone)]
struct Smoothing {
    half_life: f64,
    smoother: Smoother,
    value: Vec<f64>,
    extremes: Pyramid,
}

impl Smoothing {
    fn new(half_life: f64) -> Self {
        Self { half_life, smoother: Smoother::new(half_life), value: Vec::new(), extremes: Pyramid::default() }
    }

    fn push(&mut self, step: i64, value: f64) {
        let smoothed = self.smoother.push(step as f64, value);
        append(&mut self.value, smoothed);
        self.extremes.grow(&self.value);
    }
}

impl Curve {
    /// No points yet, not smoothed.
    pub fn new() -> Self {
        Self::default()
    }

    /// The points pushed from now on come after those of `series`, which are kept without a copy.
    pub fn from_series(series: Series1) -> Self {
        let Series1 { step, epoch, time_ns, generation, value } = series;
        let mut curve = Self { step, epoch, time_ns, value, ..Self::default() };
        for (index, generation) in generation.into_iter().enumerate() {
            curve.place(index, generation);
        }
        curve.extremes.grow(&curve.value);
        trim(&mut curve.step);
        trim(&mut curve.epoch);
        trim(&mut curve.time_ns);
        trim(&mut curve.value);
        curve
    }

    /// Add the next point in the order of recording.
    pub fn push(&mut self, point: Point) {
        append(&mut self.step, point.step);
        append(&mut self.epoch, point.epoch);
        append(&mut self.time_ns, point.time_ns);
        append(&mut self.value, point.value);
        self.place(self.value.len() - 1, point.generation);
        self.extremes.grow(&self.value);
        if let Some(smoothing) = &mut self.smoothing {
            smoothing.push(point.step, point.value);
        }
    }

    /// Point `index` belongs to the last stretch, or begins a new one.
    fn place(&mut self, index: usize, generation: u32) {
        let goes_on = self.stretches.last().is_some_and(|last| {
            last.generation == generation
                && self.step[index] >= self.step[index - 1]
                && self.time_ns[index] >= self.time_ns[index - 1]
                // A point without an epoch cannot be sorted among others: such points make stretches of their own.
                && (self.epoch[index] >= self.epoch[index - 1]
                    || self.epoch[index].is_nan() && self.epoch[index - 1].is_nan())
        });
        match self.stretches.last_mut() {
            Some(last) if goes_on => last.end = index + 1,
            _ => self.stretches.push(Stretch { generation, start: index, end: index + 1 }),
        }
    }

    /// Smooth by a half-life in steps ([`Smoother`]), over all points in the order of recording; zero, less or NaN ends
    /// it. Costs O(n) if the half-life is a new one.
    pub fn set_half_life(&mut self, steps: f64) {
        if steps.is_nan() || steps <= 0.0 {
            self.smoothing = None;
            return;
        }
        if self.half_life() == Some(steps) {
            return;
        }
        let mut smoothing = Smoothing::new(steps);
        smoothing.value.reserve_exact(self.len());
        for (&step, &value) in self.step.iter().zip(&self.value) {
            smoothing.push(step, value);
        }
        self.smoothing = Some(smoothing);
    }

    /// The half-life in steps, if the curve is smoothed.
    pub fn half_life(&self) -> Option<f64> {
        self.smoothing.as_ref().map(|smoothing| smoothing.half_life)
    }

    /// The number of points, of any value.
    pub fn len(&self) -> usize {
        self.value.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.value.is_empty()
    }

    /// How many points are NaN.
    pub fn nan_count(&self) -> usize {
        self.extremes.of(&self.value, 0..self.len()).nan as usize
    }

    /// The first point recorded.
    pub fn first(&self) -> Option<Point> {
        self.point(0)
    }

    /// The point recorded last.
    pub fn last(&self) -> Option<Point> {
        self.point(self.len().checked_sub(1)?)
    }

    /// Point `index` in the order of recording.
    pub fn point(&self, index: usize) -> Option<Point> {
        Some(Point {
            step: *self.step.get(index)?,
            epoch: *self.epoch.get(index)?,
            time_ns: *self.time_ns.get(index)?,
            generation: self.stretches[self.stretch_of(index)].generation,
            value: *self.value.get(index)?,
        })
    }

    /// The steps of all points, in the order of recording.
    pub fn steps(&self) -> &[i64] {
        &self.step
    }

    /// The epochs of all points, in the order of recording.
    pub fn epochs(&self) -> &[f64] {
        &self.epoch
    }

    /// The values of all points as they were recorded, in that order.
    pub fn values(&self) -> &[f64] {
        &self.value
    }

    /// Bytes held on the heap.
    pub fn bytes(&self) -> usize {
        let columns = self.step.capacity() + self.epoch.capacity() + self.time_ns.capacity() + self.value.capacity();
        let smoothed = self.smoothing.as_ref();
        let smoothed = smoothed.map_or(0, |smoothing| smoothing.value.capacity() * 8 + smoothing.extremes.bytes());
        columns * 8 + self.extremes.bytes() + smoothed + self.stretches.capacity() * size_of::<Stretch>()
    }

    /// Time since this curve's earliest point.
    pub fn relative(&self) -> Axis {
        let earliest = self.stretches.iter().map(|stretch| self.time_ns[stretch.start]).min();
        Axis::Relative { start_ns: earliest.unwrap_or(0) }
    }

    /// The first and the last x, over all generations.
    pub fn extent(&self, axis: Axis) -> Option<(f64, f64)> {
        let ends = self.sorted(axis).map(|stretch| (self.x(axis, stretch.start), self.x(axis, stretch.end - 1)));
        ends.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
    }

    /// The first x above zero and the last: what a logarithmic axis can show.
    pub fn positive_extent(&self, axis: Axis) -> Option<(f64, f64)> {
        let firsts = self.sorted(axis).filter_map(|stretch| {
            let first = seek(stretch.range(), stretch.start, |index| self.x(axis, index) <= 0.0);
            (first < stretch.end).then(|| self.x(axis, first))
        });
        Some((firsts.reduce(f64::min)?, self.extent(axis)?.1))
    }

    /// The lowest and the highest finite value with `from <= x <= to`, over all generations.
    pub fn range(&self, values: Values, axis: Axis, from: f64, to: f64) -> Option<(f64, f64)> {
        let (held, pyramid) = self.held(values);
        let found = self.sorted(axis).map(|stretch| {
            let inside = self.inside(axis, stretch.range(), from, to);
            pyramid.of(held, inside)
        });
        let all = found.fold(Extremes::default(), |mut all, one| {
            all.append(&one);
            all
        });
        (all.low <= all.high).then_some((all.low, all.high))
    }

    /// What stands at x: the last point at or before it. Where generations overlap the newest counts, and an older one
    /// only beyond the newer one's end.
    pub fn at(&self, axis: Axis, x: f64) -> Option<Sampled> {
        let mut best: Option<(f64, usize)> = None;
        for stretch in self.newest_first(axis) {
            let range = stretch.range();
            let after = seek(range.clone(), range.end - 1, |index| self.x(axis, index) <= x);
            if after == range.start {
                continue;
            }
            let found = self.x(axis, after - 1);
            if best.is_none_or(|(held, _)| found > held) {
                best = Some((found, after - 1));
            }
            if x <= self.x(axis, range.end - 1) {
                break;
            }
        }
        self.sampled(best?.1)
    }

    /// The point nearest to x on either side; of equally near ones that of the newest generation. Where generations
    /// overlap the newest counts.
    pub fn nearest(&self, axis: Axis, x: f64) -> Option<Sampled> {
        if x.is_nan() {
            return None;
        }
        let mut best: Option<(f64, usize)> = None;
        for stretch in self.newest_first(axis) {
            let range = stretch.range();
            let after = seek(range.clone(), range.end - 1, |index| self.x(axis, index) <= x);
            for index in [after.checked_sub(1), Some(after)].into_iter().flatten().filter(|i| range.contains(i)) {
                let distance = (self.x(axis, index) - x).abs();
                if best.is_none_or(|(held, _)| distance < held) {
                    best = Some((distance, index));
                }
            }
            if after > range.start && x <= self.x(axis, range.end - 1) {
                break;
            }
        }
        self.sampled(best?.1)
    }

    /// Point `index` with its smoothed value.
    pub fn sampled(&self, index: usize) -> Option<Sampled> {
        let Point { step, epoch, time_ns, generation, value } = self.point(index)?;
        let smoothed = self.smoothing.as_ref().and_then(|smoothing| smoothing.value.get(index).copied());
        Some(Sampled { index, step, epoch, time_ns, generation, value, smoothed })
    }

    /// One part of the curve for the columns of a grid, exactly as [`decimate`](super::decimate) gives them for its
    /// points: O(columns x log n).
    ///
    /// A part taken from another curve, or from this one before points were added, shows the points it names as far as
    /// they exist.
    pub fn columns(&self, part: &Part, values: Values, grid: Grid) -> Vec<Column> {
        let mut columns = vec![Column::default(); grid.columns];
        let Some(visible) = self.visible(part, grid) else {
            return columns;
        };
        let (held, pyramid) = self.held(values);
        let ruler = grid.ruler();
        let mut at = visible.start;
        while at < visible.end {
            let place = ruler.place(self.x(grid.axis, at));
            let guess = at + (visible.end - at) / (grid.columns - place);
            let end = seek(at + 1..visible.end, guess, |index| ruler.place(self.x(grid.axis, index)) <= place);
            let found = pyramid.of(held, at..end);
            columns[place] = self.column(&found, held, end - at, part, grid.axis);
            at = end;
        }
        columns
    }

    fn column(&self, found: &Extremes, held: &[f64], count: usize, part: &Part, axis: Axis) -> Column {
        let mark = |index: u32| Mark { x: self.x(axis, index as usize), y: held[index as usize] };
        let first = found.first as usize;
        Column {
            count,
            nan: found.nan as usize,
            infinite: (found.up as usize, found.down as usize),
            marks: found.any().then(|| [mark(found.first), mark(found.lowest), mark(found.highest), mark(found.last)]),
            joined: found.any() && first > part.line && held[first - 1].is_finite(),
        }
    }

    /// The finite points between which a part's line enters and leaves the columns of a grid: with the first the line
    /// reaches the left edge (and joins the part before it), with the second the right edge, and a zoom between two
    /// points still shows the line. None where no line leads: at the ends of the curve, and next to NaN.
    pub fn beyond(&self, part: &Part, values: Values, grid: Grid) -> (Option<Mark>, Option<Mark>) {
        let Some(visible) = self.visible(part, grid) else {
            return (None, None);
        };
        let (held, _) = self.held(values);
        let mark = |index: usize| Some(Mark { x: self.x(grid.axis, index), y: held[index] });
        let before = visible.start.checked_sub(1).filter(|&index| index >= part.line && held[index].is_finite());
        let after = Some(visible.end).filter(|&index| index < part.points.end.min(self.len()) && index > part.line);
        let after = after.filter(|&index| held[index - 1].is_finite() && held[index].is_finite());
        (before.and_then(mark), after.and_then(mark))
    }

    /// The points of a part that a grid shows: where there is none, an empty range at the place where they would be.
    /// None if the part cannot be shown on it at all.
    fn visible(&self, part: &Part, grid: Grid) -> Option<Range<usize>> {
        let end = part.points.end.min(self.len());
        let start = part.points.start.min(end);
        let shown = start < end && self.has_x(grid.axis, start) && grid.is_sound();
        shown.then(|| self.inside(grid.axis, start..end, grid.from, grid.to))
    }

    /// The points of a sorted range with `from <= x <= to`.
    fn inside(&self, axis: Axis, range: Range<usize>, from: f64, to: f64) -> Range<usize> {
        if range.is_empty() || from.is_nan() || to.is_nan() || from > to {
            return range.start..range.start;
        }
        let (first, last) = (self.x(axis, range.start), self.x(axis, range.end - 1));
        let guess = |x: f64| {
            let share = ((x - first) / (last - first)).clamp(0.0, 1.0); // NaN if all x are equal: 0 as usize
            range.start + (share * range.len() as f64) as usize
        };
        let start = seek(range.clone(), guess(from), |index| self.x(axis, index) < from);
        let end = seek(start..range.end, guess(to), |index| self.x(axis, index) <= to);
        start..end
    }

    fn x(&self, axis: Axis, index: usize) -> f64 {
        match axis {
            Axis::Step => self.step[index] as f64,
            Axis::Epoch => self.epoch[index],
            Axis::Wall => self.time_ns[index] as f64 / 1e9,
            Axis::Relative { start_ns } => self.time_ns[index].saturating_sub(start_ns) as f64 / 1e9,
        }
    }

    fn has_x(&self, axis: Axis, index: usize) -> bool {
        axis != Axis::Epoch || !self.epoch[index].is_nan()
    }

    /// The stretches that an axis can show.
    fn sorted(&self, axis: Axis) -> impl Iterator<Item = &Stretch> {
        self.stretches.iter().filter(move |stretch| self.has_x(axis, stretch.start))
    }

    /// The same, newest generation first, within a generation the last recorded first.
    fn newest_first(&self, axis: Axis) -> Vec<&Stretch> {
        let mut all: Vec<&Stretch> = self.sorted(axis).collect();
        all.reverse();
        all.sort_by_key(|stretch| std::cmp::Reverse(stretch.generation)); // stable, and sorted already but for strange data
        all
    }

    /// The stretch that holds point `index`, if it exists.
    fn stretch_of(&self, index: usize) -> usize {
        self.stretches.partition_point(|stretch| stretch.end <= index)
    }

    fn held(&self, values: Values) -> (&[f64], &Pyramid) {
        match (values, &self.smoothing) {
            (Values::Smoothed, Some(smoothing)) => (&smoothing.value, &smoothing.extremes),
            _ => (&self.value, &self.extremes),
        }
    }
}

impl Extend<Point> for Curve {
    fn extend<I: IntoIterator<Item = Point>>(&mut self, points: I) {
        for point in points {
            self.push(point);
        }
    }
}

/// Push, growing by a tenth instead of by all: a curve is held for hours, and twelve of them at once.
fn append<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact((column.len() / 10).max(64));
    }
    column.push(value);
}

/// Give back what a column holds in reserve beyond a tenth.
fn trim<T>(column: &mut Vec<T>) {
    column.shrink_to(column.len() + column.len() / 10);
}
