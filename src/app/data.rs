//! The threads that read, so that drawing never waits for a disk.

mod curves;
mod listings;
mod watch;

#[cfg(test)]
pub use curves::Holder;
pub use curves::{CurvesAnswer, CurvesRequest, CurvesThread, Facts, Plot, PlotLine, Want, Window, XAxis};
pub use listings::ListingsThread;
pub use watch::{Watch, Watching};
