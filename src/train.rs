//! Running an experiment: engine, schedule, checkpoints, control.
//!
//! [`engine::Engine`] owns the loop and everything between steps. [`learner::Learner`] owns what learns: the track, its
//! optimizers and its moving average. Randomness is a pure function of (seed, step), so a resume from a checkpoint is
//! exact with no generator state to save.

pub mod checkpoint;
pub mod control;
pub mod engine;
pub mod interrupt;
pub mod learner;
pub mod optimizer;
mod pending;
pub mod probe;
mod saver;
pub mod schedule;
pub mod tiny_base;
pub mod validate;
