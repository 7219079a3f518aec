//! Axes: what they show, where their ticks stand, and labels that fit.

mod fit;
mod ticks;
mod time;

use super::number;

pub use fit::{Fit, Span, fit};
pub use ticks::{Label, Tick};

/// What an axis measures, which decides how its ticks read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Whole optimizer steps.
    Step,
    /// Epochs.
    Epoch,
    /// Seconds since the Unix epoch, read as clock time.
    Wall {
        /// Seconds that the reader's clock is ahead of UTC.
        offset_s: i32,
    },
    /// Seconds since a start.
    Relative,
    /// Any value.
    Value,
}

impl Kind {
    /// The noun.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Wall { .. } => "clock",
            Self::Relative => "time",
            Self::Value => "",
        }
    }
}

/// A stretch of a quantity along an edge of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub kind: Kind,
    /// At the left or at the bottom.
    pub from: f64,
    /// At the right or at the top.
    pub to: f64,
    /// Equal ratios are equally far apart. Then only what is above zero has a place.
    pub log: bool,
}

impl Axis {
    /// A linear axis.
    pub fn new(kind: Kind, from: f64, to: f64) -> Self {
        Self { kind, from, to, log: false }
    }

    /// The same axis, logarithmic or not.
    #[must_use]
    pub fn log(self, log: bool) -> Self {
        Self { log, ..self }
    }

    /// Whether it has a from, a to and something between them.
    fn is_sound(&self) -> bool {
        self.from.is_finite() && self.to.is_finite() && self.from < self.to && (!self.log || self.from > 0.0)
    }

    /// Where `value` stands: 0 at `from`, 1 at `to`, outside of that if it is outside. Everything stands in the middle
    /// of an axis without extent; what is not above zero stands at minus infinity of a logarithmic one.
    pub fn position(&self, value: f64) -> f64 {
        if !self.is_sound() {
            return 0.5;
        }
        let (from, to, value) = if self.log {
            (self.from.log10(), self.to.log10(), if value > 0.0 { value.log10() } else { f64::NEG_INFINITY })
        } else {
            (self.from / 2.0, self.to / 2.0, value / 2.0) // halves: the difference of two huge numbers is still finite
        };
        if to > from { (value - from) / (to - from) } else { 0.5 }
    }

    /// A place on the axis as a reader reads it: `54 400`, `3.25`, `2h05m10`.
    pub fn reading(&self, value: f64) -> String {
        match self.kind {
            Kind::Step => number::grouped(value.round(), 0),
            Kind::Epoch => format!("{value:.2}"),
            Kind::Wall { offset_s } => time::clock(value, offset_s, 1.0).unwrap_or_else(|| number::value(value)),
            Kind::Relative => time::duration(value.round(), 1.0),
            Kind::Value => number::value(value),
        }
    }

    /// What stands at a position: the inverse of [`position`](Self::position).
    pub fn at(&self, position: f64) -> f64 {
        if !self.is_sound() {
            return self.from;
        }
        if self.log {
            let (from, to) = (self.from.log10(), self.to.log10());
            return 10_f64.powf(from + (to - from) * position);
        }
        self.from * (1.0 - position) + self.to * position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_and_values_are_each_others_inverse() {
        for axis in [
            Axis::new(Kind::Value, -3.0, 9.0),
            Axis::new(Kind::Step, 1.0, 1e6).log(true),
            Axis::new(Kind::Value, -f64::MAX, f64::MAX),
        ] {
            assert_eq!((axis.position(axis.from), axis.position(axis.to)), (0.0, 1.0));
            for position in [0.0, 0.25, 0.5, 0.9, 1.0] {
                assert!((axis.position(axis.at(position)) - position).abs() < 1e-12, "{axis:?}");
            }
        }
        let log = Axis::new(Kind::Value, 1e-3, 10.0).log(true);
        assert_eq!((log.position(0.0), log.position(-2.0)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        for flat in [Axis::new(Kind::Value, 2.0, 2.0), Axis::new(Kind::Value, f64::NAN, 1.0)] {
            assert_eq!(flat.position(7.0), 0.5);
        }
    }
}
