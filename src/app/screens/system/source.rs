//! Where the values of a machine come from: its last ten minutes, or what a session recorded of it.

use std::collections::BTreeSet;

use crate::app::data::{CurvesAnswer, PartColumns};
use crate::app::plots;
use crate::app::screens::system::history::History;
use crate::app::shared::Shared;
use crate::record::{Column, Mark};
use crate::report::{Axis, Kind, Line};

/// One of the two.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The machine that the dashboard runs on.
    Live {
        /// What was sampled.
        history: &'a History,
        /// The stretch of time that is shown.
        stretch: (f64, f64),
    },
    /// The machine that a session ran on.
    Session(&'a CurvesAnswer),
}

impl<'a> Source<'a> {
    /// The names of all series.
    pub fn names(self) -> BTreeSet<&'a str> {
        match self {
            Self::Live { history, .. } => history.names().collect(),
            Self::Session(answer) => {
                let facts = answer.sessions.first();
                facts.into_iter().flat_map(|facts| facts.telemetry.iter()).map(String::as_str).collect()
            }
        }
    }

    /// A series at a place on the x axis, or now; none where it is not told.
    pub fn value(self, series: &str, at: Option<f64>) -> Option<f64> {
        match self {
            Self::Live { history, .. } => history.value(series, at),
            Self::Session(answer) => {
                let line = answer.plots.iter().find(|plot| plot.series == series)?.lines.first()?;
                if at.is_some() { line.at.map(|at| at.value) } else { line.last.map(|last| last.value) }
            }
        }
    }

    /// The x axis.
    pub fn axis(self, shared: &Shared) -> Axis {
        match self {
            Self::Live { stretch: (from, to), .. } => {
                Axis::new(Kind::Wall { offset_s: plots::offset(&shared.zone, shared.now) }, from, to)
            }
            Self::Session(answer) => plots::x_axis(answer, shared),
        }
    }

    /// The lines of a series in so many columns, its values times `scale`, in this colour.
    pub fn lines(self, series: &str, scale: f64, colour: usize, columns: usize) -> Vec<Line> {
        match self {
            Self::Live { history, stretch } => {
                let parts = history.columns(series, scale, stretch, columns);
                parts.into_iter().map(|raw| Line { colour, raw, ..Line::default() }).collect()
            }
            Self::Session(answer) => {
                let plot = answer.plots.iter().find(|plot| plot.series == series);
                let parts = plot.and_then(|plot| plot.lines.first()).map(|line| line.parts.as_slice());
                let line = |part: &PartColumns| Line {
                    colour,
                    dim: part.superseded,
                    raw: part.raw.iter().map(|column| scaled(column, scale)).collect(),
                    beyond: (part.beyond.0.map(|it| times(it, scale)), part.beyond.1.map(|it| times(it, scale))),
                    ..Line::default()
                };
                parts.unwrap_or_default().iter().map(line).collect()
            }
        }
    }

    /// Points behind a series' line, where that is worth saying.
    pub fn points(self, series: &str) -> Option<u64> {
        match self {
            Self::Live { .. } => None,
            Self::Session(answer) => {
                let plot = answer.plots.iter().find(|plot| plot.series == series)?;
                Some(plot.lines.first()?.points as u64)
            }
        }
    }
}

fn scaled(column: &Column, scale: f64) -> Column {
    Column { marks: column.marks.map(|marks| marks.map(|mark| times(mark, scale))), ..*column }
}

fn times(mark: Mark, scale: f64) -> Mark {
    Mark { y: mark.y * scale, ..mark }
}
