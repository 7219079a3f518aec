//! What a cell of the notebook asks with. Everything here is imported already.
//!
//! | question | answer |
//! |---|---|
//! | `sessions()`, `run("latest")`, `sql("select …")` | what was recorded, from the store |
//! | `run("latest").metrics().series("loss/g").ema(0.9).plot()` | a curve |
//! | `run("latest").checkpoint_latest().tensor("…").hist()` | a checkpoint, of which only the tensor is read |
//! | `run("latest").live().forward(17)` | the model, asked at the next step of its training |
//!
//! ```no_run
//! use atelier_probe::probe::*; // a cell has it already, as `atelier::probe`
//!
//! let r = run("latest");
//! let losses = r.sql("select epoch, avg(value) as loss from metrics where series = 'loss/g' group by epoch");
//! let (epochs, loss): (Vec<f64>, Vec<f64>) = (losses.f64("epoch"), losses.f64("loss"));
//! plot(&[&r.metrics().series("loss/g"), &r.metrics().series("loss/d").ema(0.9)]).log_y();
//! sql("select session, series, step, value from metrics where series = 'val/l1'").ema(0.5).plot();
//!
//! let c = r.checkpoint_latest();
//! c.tensor("generator/model.1.weight").singular_values().plot().log_y();
//! r.checkpoint(1000).diff(&c).rows().first().map(|change| change.relative);
//!
//! let m = r.live();
//! m.gradient_stats("generator/*").by_norm();
//! m.forward(17).tap("generator/model.4").image().save_ppm("tap.ppm");
//! m.with_taps(&["generator/*"]).with_budget(500).forward_image(&Image::load_ppm("photo.ppm")).tap_stats();
//! m.gradient_norms_of(20, "{generator,discriminator}/*").plot();
//! m.pause();
//! m.step(1);
//! m.set_lr(1e-4);
//! m.resume();
//! ```
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
