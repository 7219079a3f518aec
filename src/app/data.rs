//! The threads that read, so that drawing never waits for a disk.

mod curves;
mod listings;
pub mod pictures;
mod watch;

#[cfg(test)]
pub use curves::Holder;
pub use curves::{
    CurvesAnswer, CurvesRequest, CurvesThread, Facts, GroupLine, Groups, PartColumns, Plot, PlotLine, Spot, Spread,
    Want, Window, XAxis,
};
pub use listings::ListingsThread;
pub use pictures::Studio;
pub use watch::{Watch, Watching};
