//! The chart model: plain data, drawn by whoever has cells or pixels.

use std::borrow::Cow;

use super::axis::{self, Axis, Fit, Kind};
use crate::record::{self, Column};

/// One chart. Lines are already cut into columns of its x axis: equal in width, or in ratio if the axis is logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// The latest value as text, unit included.
    pub value: Option<String>,
    /// How it is shown: `ema .98`.
    pub note: Option<String>,
    /// The unit of the values; empty where they have none.
    pub unit: String,
    /// How many points stand behind the picture: what honesty asks for.
    pub points: Option<u64>,
    /// What runs from left to right.
    pub x: Axis,
    /// What that is in a word: `step`.
    pub x_name: Cow<'static, str>,
    /// What runs from bottom to top.
    pub y: Axis,
    /// Later ones are drawn over earlier ones.
    pub lines: Vec<Line>,
    /// Alerts, checkpoints, restarts.
    pub marks: Vec<Mark>,
    /// The place looked at.
    pub crosshair: Option<Crosshair>,
}

/// One line: a part of a curve, or a group of curves with its band.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// What it is, for a legend.
    pub label: String,
    /// Which of the palette's series colours, taken modulo their number.
    pub colour: usize,
    /// Drawn faintly: steps that a restart went over again, or a session not in focus.
    pub dim: bool,
    /// Filled down to zero: the tops of bars.
    pub filled: bool,
    /// The recorded values, from the left edge of the x axis to the right one. May be empty if only the smoothed line is
    /// wanted.
    pub raw: Vec<Column>,
    /// The smoothed values: if there are any, the recorded ones lie behind them as a band.
    pub smooth: Option<Vec<Column>>,
    /// Lowest and highest of each column, NaN where there is none: mean and spread of seeds, say.
    pub band: Option<Vec<(f64, f64)>>,
    /// The points from which and to which the line leads beyond its columns (`record::Curve::beyond`): of the raw
    /// values, or of the smoothed ones if there are any.
    pub beyond: (Option<record::Mark>, Option<record::Mark>),
}

/// Something that happened at an x.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// When.
    pub x: f64,
    /// At which value, if at one.
    pub y: Option<f64>,
    /// What.
    pub kind: MarkKind,
    /// In words, for who has room for them.
    pub label: String,
}

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A rule was broken here.
    Alert,
    /// A checkpoint was written, or something else worth knowing.
    Info,
    /// A new generation began.
    Restart,
    /// A value was NaN. Those in a line's columns show by themselves.
    Nan,
}

/// The place looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Crosshair {
    /// Where.
    pub x: f64,
    /// What stands there, as text; shown in the title in the place of the latest value.
    pub value: Option<String>,
}

impl Chart {
    /// A chart with nothing in it yet.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            value: None,
            note: None,
            unit: String::new(),
            points: None,
            x_name: x.kind.word().into(),
            x,
            y,
            lines: Vec::new(),
            marks: Vec::new(),
            crosshair: None,
        }
    }

    /// Set the y axis to what the lines come to: see [`Fit`].
    #[must_use]
    pub fn fitted(mut self, log: bool, fit: Fit) -> Self {
        let spans = self.lines.iter().flat_map(Line::spans);
        self.y = axis::fit(spans, log, fit);
        self
    }
}

impl Line {
    /// Lowest and highest of each column of everything it shows, smoothed values and bands marked as never to be cut.
    fn spans(&self) -> impl Iterator<Item = axis::Span> + '_ {
        let raw_behind = self.smooth.is_some();
        let of = |columns: &'_ [Column], keep: bool| -> Vec<axis::Span> {
            let ends = columns.iter().filter_map(|column| Some((column.min()?.y, column.max()?.y)));
            ends.map(|(low, high)| axis::Span { low, high, keep }).collect()
        };
        let mut spans = of(&self.raw, false);
        spans.extend(of(self.smooth.as_deref().unwrap_or_default(), raw_behind));
        let bands = self.band.iter().flatten().filter(|(low, high)| low.is_finite() && high.is_finite());
        spans.extend(bands.map(|&(low, high)| axis::Span { low, high, keep: true }));
        let (before, after) = self.beyond;
        // A zoom between two points shows only the line through it.
        if spans.is_empty()
            && let (Some(before), Some(after)) = (before, after)
        {
            spans.push(axis::Span { low: before.y.min(after.y), high: before.y.max(after.y), keep: true });
        }
        spans.into_iter()
    }
}

impl Default for Axis {
    fn default() -> Self {
        Self::new(Kind::Value, 0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decimate;

    fn line(values: &[f64]) -> Line {
        let x: Vec<f64> = (0..values.len()).map(|i| i as f64).collect();
        Line { raw: decimate(&x, values, 0.0, values.len() as f64 - 1.0, values.len()), ..Line::default() }
    }

    fn chart(lines: Vec<Line>) -> Chart {
        Chart { lines, ..Chart::new("", Axis::default(), Axis::default()) }
    }

    #[test]
    fn the_range_holds_every_visible_value_unless_cutting_is_asked_for() {
        let mut values = vec![1.0; 100];
        values[40] = 900.0;
        values[50] = f64::NAN;
        values[60] = f64::INFINITY;
        let full = chart(vec![line(&values)]).fitted(false, Fit::Full).y;
        assert!(full.from <= 1.0 && full.to >= 900.0 && full.to < 1000.0, "{full:?}");
        let cut = chart(vec![line(&values)]).fitted(false, Fit::WithoutOutliers).y;
        assert!(cut.from <= 1.0 && cut.to < 10.0, "{cut:?}");
    }

    #[test]
    fn the_smoothed_line_and_bands_are_never_cut() {
        let mut smooth = line(&[1.0; 100]).raw;
        smooth[3].marks = smooth[3].marks.map(|marks| marks.map(|mark| record::Mark { y: 50.0, ..mark }));
        let lines = vec![
            Line { smooth: Some(smooth), ..line(&[1.0; 100]) },
            Line { band: Some(vec![(f64::NAN, f64::NAN), (-7.0, 3.0)]), ..Line::default() },
        ];
        let y = chart(lines).fitted(false, Fit::WithoutOutliers).y;
        assert!(y.from <= -7.0 && y.to >= 50.0, "{y:?}");
    }

    #[test]
    fn a_zoom_between_two_points_fits_the_line_through_it() {
        let at = |x: f64, y: f64| Some(record::Mark { x, y });
        let line = Line { beyond: (at(-1.0, 2.0), at(5.0, 4.0)), ..Line::default() };
        let y = chart(vec![line]).fitted(false, Fit::Full).y;
        assert!(y.from <= 2.0 && y.to >= 4.0 && y.to < 5.0, "{y:?}");
    }
}
