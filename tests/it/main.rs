//! Integration tests, one binary: linking is what costs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test that is skipped says why")]

#[cfg(feature = "train")]
mod commands;
mod common;
mod config;
mod dashboard;
mod dataset;
mod doctor;
#[cfg(feature = "train")]
mod eval;
#[cfg(feature = "train")]
mod kill;
mod layers;
#[cfg(feature = "train")]
mod loader;
#[cfg(feature = "train")]
mod lora_files;
#[cfg(feature = "train")]
mod metrics;
mod pictures;
#[cfg(feature = "train")]
mod pix2pixhd;
#[cfg(feature = "train")]
mod probe;
mod pty;
mod record;
mod repl;
mod report;
#[cfg(feature = "train")]
mod schedulers;
#[cfg(feature = "train")]
mod sd_lora;
mod session;
#[cfg(feature = "train")]
mod stable_diffusion;
#[cfg(feature = "train")]
mod stylize;
#[cfg(feature = "train")]
mod tiny_diffusion;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod trainer;
#[cfg(feature = "train")]
mod trouble;
#[cfg(feature = "train")]
mod weights;
