//! Noise schedules: what training adds (DDPM, Ho et al. 2020) and how sampling takes it away again, from a diffusers
//! `scheduler_config.json`.

mod config;
mod noise;
mod sampler;
mod spacing;

pub use config::{BetaSchedule, Prediction, SchedulerConfig, SchedulerError, Spacing};
pub use noise::NoiseSchedule;
pub use sampler::{Method, Sampler};
