//! Ticks at round places, and their labels laid out so that none touches another.

use unicode_width::UnicodeWidthStr as _;

use super::{Axis, Kind, time};
use crate::report::number;

/// A round place on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub at: f64,
    /// How it reads.
    pub label: String,
}

/// A tick's label with the cell at which it begins (below an axis) or the row in which it stands (beside one).
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Characters from the left, or rows from the top.
    pub place: usize,
    /// The text.
    pub text: String,
}

impl Axis {
    /// At most `most` ticks at round places: 1, 2, 5 times a power of ten, decades, or what is round on a clock. None on
    /// an axis without extent.
    pub fn ticks(&self, most: usize) -> Vec<Tick> {
        if !self.is_sound() || most == 0 {
            return Vec::new();
        }
        if self.log {
            let decades = self.decades(most);
            if !decades.is_empty() {
                return decades;
            }
        }
        match self.kind {
            Kind::Wall { .. } | Kind::Relative => self.times(most),
            Kind::Step => self.even(most, 1.0),
            Kind::Epoch | Kind::Value => self.even(most, 0.0),
        }
    }

    /// Labels for an axis drawn below `width` characters: centred under their ticks, at least two spaces apart, none cut.
    pub fn labels(&self, width: usize) -> Vec<Label> {
        let label = |tick: Tick| {
            let length = tick.label.width();
            let cell = (self.position(tick.at) * width as f64) as usize;
            let start = cell.min(width.saturating_sub(1)).saturating_sub(length.saturating_sub(1) / 2);
            let place = start.min(width.checked_sub(length)?);
            Some(Label { place, text: tick.label })
        };
        // About ten characters a label is as dense as still reads well.
        self.laid_out((width / 10).clamp(2, 12), |ticks| {
            let labels: Vec<Label> = ticks.filter_map(label).collect();
            let apart = |pair: &[Label]| pair[0].place + pair[0].text.width() + 2 <= pair[1].place;
            labels.windows(2).all(apart).then_some(labels)
        })
    }

    /// Labels for an axis drawn beside `height` rows, each at most `width` characters: in the rows of their values, top
    /// first, with a row between them where there is room.
    pub fn rows(&self, height: usize, width: usize) -> Vec<Label> {
        if height == 0 {
            return Vec::new();
        }
        let label = |tick: Tick| Some(Label { place: self.row(tick.at, height), text: fitted(tick.label, width)? });
        let distance = if height < 4 { 1 } else { 2 };
        self.laid_out(height.div_ceil(2).clamp(2, 9), |ticks| {
            let mut labels: Vec<Label> = ticks.filter_map(label).collect();
            labels.reverse();
            let apart = |pair: &[Label]| pair[0].place + distance <= pair[1].place;
            labels.windows(2).all(apart).then_some(labels)
        })
    }

    /// The labels of the closest ticks, at most `densest`, for which `placed` finds room. One label gives no scale: where
    /// no round distance leaves two, some of closer ticks are taken, equally far apart.
    fn laid_out(
        &self,
        densest: usize,
        placed: impl Fn(&mut dyn Iterator<Item = Tick>) -> Option<Vec<Label>>,
    ) -> Vec<Label> {
        // Each round distance is at most 2.5 times the one before: with up to six ticks there are always several.
        let thinned = (3..=6).flat_map(|most| (1..=3).map(move |stride| (most, stride)));
        let tried = (2..=densest).rev().map(|most| (most, 1)).chain(thinned);
        let mut alone = Vec::new();
        for (most, stride) in tried.chain([(1, 1)]) {
            let labels = placed(&mut self.ticks(most).into_iter().step_by(stride)).unwrap_or_default();
            match labels.len() {
                0 => {}
                1 if alone.is_empty() => alone = labels,
                1 => {}
                _ => return labels,
            }
        }
        alone
    }

    /// The row of a value on this axis when drawn in `height` rows of four dots.
    fn row(&self, value: f64, height: usize) -> usize {
        let dots = (height * 4).saturating_sub(1) as f64;
        ((1.0 - self.position(value)) * dots).round().max(0.0) as usize / 4
    }

    /// Ticks a multiple of 1, 2 or 5 times a power of ten apart, at least `least`.
    fn even(&self, most: usize, least: f64) -> Vec<Tick> {
        let span = self.to - self.from;
        if !span.is_finite() {
            return Vec::new();
        }
        let power = (span / most as f64).max(least).log10().floor() as i32;
        let steps = (power..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| times_ten(digit, power)));
        self.first_that_fits(steps.filter(|step| *step >= least), most, 0.0, |at, step| label(at, step))
    }

    fn times(&self, most: usize) -> Vec<Tick> {
        let rough = (self.to - self.from) / most as f64;
        let short = (-6..0).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| times_ten(digit, power)));
        let long = (2..).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| times_ten(digit, power) * time::DAY));
        let steps = short.chain(time::STEPS).chain(long).filter(|step| *step >= rough / 5.0);
        match self.kind {
            Kind::Wall { offset_s } => self.first_that_fits(steps, most, f64::from(offset_s), |at, step| {
                time::clock(at, offset_s, step).unwrap_or_else(|| label(at, step))
            }),
            _ => self.first_that_fits(steps, most, 0.0, time::duration),
        }
    }

    /// Ticks at the multiples of the first step (of rising ones) that gives at most `most`; `offset` is added before
    /// looking for multiples. None if the steps are below what a number of this size can tell apart.
    fn first_that_fits(
        &self,
        steps: impl Iterator<Item = f64>,
        most: usize,
        offset: f64,
        label: impl Fn(f64, f64) -> String,
    ) -> Vec<Tick> {
        for step in steps {
            // A hair of tolerance, so that a tick on the very end of the axis is not lost to rounding.
            let first = ((self.from + offset) / step - 1e-9).ceil();
            let last = ((self.to + offset) / step + 1e-9).floor();
            if !step.is_finite() || first.abs().max(last.abs()) > 1e15 {
                return Vec::new();
            }
            let count = (last - first + 1.0).max(0.0);
            if count <= most as f64 {
                return (0..count as usize)
                    .map(|number| (first + number as f64) * step - offset)
                    // The tolerance is a share of the step: where that is huge beside the axis it reaches outside.
                    .filter(|at| (-1e-6..=1.0 + 1e-6).contains(&self.position(*at)))
                    .map(|at| Tick { at: if at == 0.0 { 0.0 } else { at }, label: label(at, step) })
                    .collect();
            }
        }
        Vec::new()
    }

    /// Ticks at powers of ten, or at 1, 2 and 5 times them where there are few; none if fewer than two fit.
    fn decades(&self, most: usize) -> Vec<Tick> {
        let first = (self.from.log10() - 1e-9).ceil() as i32;
        let last = (self.to.log10() + 1e-9).floor() as i32;
        let tick = |digit: f64, power: i32| {
            let at = times_ten(digit, power);
            let label = if self.kind == Kind::Relative { time::duration(at, at.min(1.0)) } else { label(at, at) };
            Tick { at, label }
        };
        let inside = |tick: &Tick| (-1e-9..=1.0 + 1e-9).contains(&self.position(tick.at));
        if last - first < 2 {
            let fine: Vec<Tick> = (first - 1..=last)
                .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| tick(digit, power)))
                .filter(inside)
                .collect();
            if (2..=most).contains(&fine.len()) {
                return fine;
            }
        }
        let count = (last - first + 1).max(0) as usize;
        if count < 2 && most > 1 {
            return Vec::new();
        }
        let stride = count.div_ceil(most).max(1);
        (first..=last)
            .filter(|power| power.rem_euclid(stride as i32) == 0)
            .map(|power| tick(1.0, power))
            .take(most)
            .collect()
    }
}

/// Exact where f64 can be: 5 * 10^-1 is 0.5.
fn times_ten(digit: f64, power: i32) -> f64 {
    if power < 0 { digit / 10_f64.powi(-power) } else { digit * 10_f64.powi(power) }
}

/// Digits after the point that tell multiples of `step` apart.
pub(super) fn decimals(step: f64) -> usize {
    (-(step.log10() + 1e-9).floor()).max(0.0) as usize
}

/// A tick's label: as many digits as ticks `step` apart need, and no more.
fn label(value: f64, step: f64) -> String {
    let size = value.abs();
    if size < step * 1e-6 {
        return "0".to_owned();
    }
    if (step < 1e-4 && size < 1e-2) || size >= 1e15 {
        let digits = (size.log10() + 1e-9).floor() - (step.log10() + 1e-9).floor();
        let text = format!("{value:.*e}", digits.max(0.0) as usize);
        return match text.split_once('e') {
            Some((digits, power)) => format!("{}e{power}", number::short(digits)),
            None => text,
        };
    }
    if let (scale, Some(suffix)) = number::scale(value) {
        let digits = (scale / step).log10().ceil().max(0.0) as usize;
        if digits <= 2 {
            return format!("{}{suffix}", number::short(&format!("{:.digits$}", value / scale)));
        }
        return number::grouped(value, decimals(step));
    }
    format!("{value:.*}", decimals(step))
}

/// The label in at most `width` characters, by what can be left out without changing what it says.
fn fitted(label: String, width: usize) -> Option<String> {
    if label.width() <= width {
        return Some(label);
    }
    let plain = label.replace(' ', "");
    let bare = plain.strip_prefix("0.").map(|rest| format!(".{rest}"));
    let bare = bare.or_else(|| plain.strip_prefix("-0.").map(|rest| format!("-.{rest}")));
    [plain, bare.unwrap_or_default()].into_iter().find(|text| !text.is_empty() && text.width() <= width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(axis: Axis, most: usize) -> Vec<String> {
        axis.ticks(most).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_say_no_more_than_they_must() {
        let value = |from: f64, to: f64| Axis::new(Kind::Value, from, to);
        assert_eq!(ticks(value(0.0, 13_600.0), 4), ["0", "5k", "10k"]);
        assert_eq!(ticks(value(0.0, 13_600.0), 7), ["0", "2k", "4k", "6k", "8k", "10k", "12k"]);
        assert_eq!(ticks(value(0.2, 1.7), 4), ["0.5", "1.0", "1.5"]);
        assert_eq!(ticks(value(-1.0, 1.0), 3), ["-1", "0", "1"]);
        assert_eq!(ticks(value(0.0, 1.6e6), 4), ["0", "500k", "1M", "1.5M"]);
        assert_eq!(ticks(value(0.0, 5e-5), 3), ["0", "2e-5", "4e-5"]);
        assert_eq!(ticks(value(1e-4, 2e-4), 3), ["1e-4", "1.5e-4", "2e-4"]);
        assert_eq!(ticks(value(54_402.0, 54_410.0), 3), ["54 405", "54 410"]);
        assert_eq!(ticks(value(0.382_01, 0.382_09), 4), ["0.38202", "0.38204", "0.38206", "0.38208"]);
        assert_eq!(ticks(Axis::new(Kind::Step, 3.0, 5.0), 12), ["3", "4", "5"], "no half steps");
        assert_eq!(ticks(Axis::new(Kind::Epoch, 3.0, 4.0), 3), ["3.0", "3.5", "4.0"]);
    }

    #[test]
    fn logarithmic_ticks_are_decades_then_their_parts() {
        let value = |from: f64, to: f64| Axis::new(Kind::Value, from, to).log(true);
        assert_eq!(ticks(value(1e-4, 10.0), 6), ["0.0001", "0.001", "0.01", "0.1", "1", "10"]);
        assert_eq!(ticks(value(1e-6, 1e6), 4), ["0.0001", "1", "10k"]);
        assert_eq!(ticks(value(0.15, 6.0), 5), ["0.2", "0.5", "1", "2", "5"]);
        assert_eq!(ticks(value(2.1, 2.9), 4), ["2.2", "2.4", "2.6", "2.8"], "within a part it is as good as linear");
    }

    #[test]
    fn times_are_round_on_the_clock() {
        let day = 1_789_948_800.0; // midnight UTC
        let wall = |from: f64, to: f64| Axis::new(Kind::Wall { offset_s: 0 }, day + from, day + to);
        assert_eq!(ticks(wall(0.0, 3600.0 * 7.0), 4), ["09-21", "02:00", "04:00", "06:00"]);
        assert_eq!(ticks(wall(61.0, 170.0), 4), ["00:01:30", "00:02:00", "00:02:30"]);
        let away = Axis::new(Kind::Wall { offset_s: 5 * 3600 + 1800 }, day, day + 7200.0);
        assert_eq!(ticks(away, 3), ["06:00", "07:00"], "round where the reader is");
        assert_eq!(ticks(Axis::new(Kind::Relative, 0.0, 5400.0), 4), ["0", "30m", "1h", "1h30"]);
        assert_eq!(ticks(Axis::new(Kind::Relative, 0.0, 400.0 * time::DAY), 4), ["0", "200d", "400d"]);
        assert_eq!(ticks(Axis::new(Kind::Relative, 1.0, 1000.0).log(true), 4), ["1s", "10s", "1m40", "16m40"]);
    }

    fn many() -> Vec<Axis> {
        let mut axes = Vec::new();
        let ranges = [
            (0.0, 1.0),
            (-3.7, 12_345.6),
            (0.0, 13_600.0),
            (1e-9, 2e-9),
            (1.0, 1e9),
            (-1e300, 1e300),
            (54_402.0, 54_410.0),
            (1.790e9, 1.790_01e9),
            (1e17, 1e17 + 64.0),
            (0.382_01, 0.382_09),
            (5.0, 5.0),
            (f64::NAN, 1.0),
        ];
        for (from, to) in ranges {
            for kind in [Kind::Step, Kind::Epoch, Kind::Wall { offset_s: 3600 }, Kind::Relative, Kind::Value] {
                axes.extend([false, true].map(|log| Axis::new(kind, from, to).log(log)));
            }
        }
        axes
    }

    #[test]
    fn there_are_never_more_ticks_than_asked_for_and_none_outside() {
        for axis in many() {
            for most in 0..14 {
                let ticks = axis.ticks(most);
                assert!(ticks.len() <= most, "{axis:?} {most}: {ticks:?}");
                assert!(ticks.windows(2).all(|pair| pair[0].at < pair[1].at), "{axis:?}: {ticks:?}");
                assert!(ticks.iter().all(|tick| (-1e-6..=1.0 + 1e-6).contains(&axis.position(tick.at))), "{ticks:?}");
                let mut labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
                labels.dedup();
                assert_eq!(labels.len(), ticks.len(), "two ticks read the same on {axis:?}: {ticks:?}");
            }
        }
    }

    #[test]
    fn labels_never_overlap_nor_stick_out() {
        for axis in many() {
            for size in 0..90 {
                let labels = axis.labels(size);
                assert!(labels.windows(2).all(|pair| pair[0].place + pair[0].text.len() + 2 <= pair[1].place));
                assert!(
                    labels.iter().all(|label| label.place + label.text.len() <= size),
                    "{axis:?} {size}: {labels:?}"
                );
                for width in [0, 1, 4, 6] {
                    let rows = axis.rows(size, width);
                    assert!(rows.windows(2).all(|pair| pair[0].place < pair[1].place), "{axis:?} {size}: {rows:?}");
                    assert!(rows.iter().all(|label| label.place < size && label.text.len() <= width));
                }
            }
        }
    }

    #[test]
    fn there_are_labels_wherever_there_is_room() {
        for (from, to) in [(0.0, 1.0), (1.93, 4.1), (0.37, 0.42), (0.0, 13_600.0), (97.0, 97.5), (0.382_01, 0.382_09)] {
            let axis = Axis::new(Kind::Value, from, to);
            assert!(axis.labels(20).len() >= 2, "{axis:?}");
            for height in 2..20 {
                assert!(axis.rows(height, 6).len() >= 2, "{axis:?} in {height} rows");
            }
        }
        let rows = Axis::new(Kind::Value, 1.93, 4.1).rows(4, 6);
        assert_eq!(rows.iter().map(|label| label.text.as_str()).collect::<Vec<_>>(), ["4", "2"]);
        assert_eq!(rows.iter().map(|label| label.place).collect::<Vec<_>>(), [0, 3]);
    }
}
