//! What is reported of runs, before anyone decides on cells or pixels.
//!
//! [`Chart`] is the one chart model: plain data that the terminal (`app::widgets::chart`) and the figures of a report
//! both draw, so that both show the same ticks, the same range and the same numbers.
//!
//! | module | what |
//! |---|---|
//! | [`chart`] | the model: axes, lines as columns, bands, marks |
//! | [`axis`] | ranges, ticks, labels that never overlap |
//! | [`number`] | numbers as text that does not jitter |

pub mod axis;
pub mod chart;
pub mod number;

pub use axis::{Axis, Kind};
pub use chart::{Chart, Crosshair, Line, Mark, MarkKind};
