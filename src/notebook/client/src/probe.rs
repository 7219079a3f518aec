//! What a cell of the notebook asks with. Everything here is imported already.
//!
//! | question | answer |
//! |---|---|
//! | `sessions()`, `run("latest")`, `sql("select …")` | what was recorded, from the store |
//! | `run("latest").metrics().series("loss/g").ema(0.9).plot()` | a curve |
//! | `run("latest").checkpoint_latest().tensor("…").hist()` | a checkpoint, of which only the tensor is read |
//! | `run("latest").live().forward(17)` | the model, asked at the next step of its training |
//!
//! A question that cannot be answered ends the cell with a message that says why (it panics), and keeps its variables.
//! Every value that can be shown has `evcxr_display`, by which it becomes a table, a plot or a picture, and is plain
//! text to `{}` and `{:?}`.

mod checkpoint;
mod frame;
mod glob;
mod hub;
mod image;
mod json;
mod live;
mod metrics;
mod plot;
mod problem;
mod run;
mod series;
mod show;
mod source;
mod tables;
mod tensor;
#[cfg(test)]
mod testing;
mod wire;

pub use checkpoint::{Checkpoint, Checkpoints, TensorFile};
pub use frame::{Frame, Value};
pub use hub::{Hub, run, sessions, sql, this};
pub use image::Image;
pub use live::{Live, Output, Said};
pub use metrics::Metrics;
pub use plot::{Plot, plot};
pub use run::{Run, Sessions};
pub use series::Series;
pub use source::Source;
pub use tables::{Change, Diff, GradientNorms, StatsRow, StatsTable, TensorList, TensorRow};
pub use tensor::{Stats, Tensor};
