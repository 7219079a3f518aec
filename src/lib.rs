//! Atelier trains image-stylisation models, records every run in a folder, and shows, steers and resumes it.
//!
//! # Layers
//! Imports run downwards in this list, never up (`tests/it/layers.rs` holds it):
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | one file a subcommand: parse, call, print |
//! | [`app`] | the dashboard: event, action, update, view |
//! | [`notebook`] | cells, the kernel's protocol, questions in SQL |
//! | `train` | engine, schedule, checkpoint, control server |
//! | `tracks` | a track = models + losses + one step + predict |
//! | `models` | networks with the reference implementations' state-dict keys |
//! | `metrics` | pure functions on tensors |
//! | [`report`] | the chart model of dashboard and reports; figures and pages |
//! | [`data`] | pairs on disk, import, check, split, synth, augment, loader, card |
//! | [`session`] | manifest, folder layout, listing, supervision, control client |
//! | [`alerts`] | rules over series: NaN, spikes, plateaus, stalls, memory |
//! | [`telemetry`] | NVML and host samplers |
//! | [`record`] | the series store |
//! | [`config`] | typed experiment config |
//! | [`native`] | the only unsafe code |
//!
//! `config`, `record`, `telemetry`, `alerts`, `session`, `report`, `notebook` and `app` know no tch, and neither does
//! `data` but for its loader; the feature `train` (default) adds what does.
//!
//! Differences from the first design: `session` stands below `train`, because a run writes its own folder and a viewer
//! must read it without libtorch. The notebook's kernel (evcxr) and what its cells link are packages of their own below
//! `src/notebook/`, instead of a feature, so that neither is ever linked into, or waited for by, what trains and shows.

pub mod alerts;
pub mod app;
pub mod cli;
pub mod config;
pub mod data;
#[cfg(feature = "train")]
pub mod metrics;
#[cfg(feature = "train")]
pub mod models;
pub mod native;
pub mod notebook;
pub mod record;
pub mod report;
pub mod session;
pub mod telemetry;
#[cfg(feature = "train")]
pub mod tracks;
#[cfg(feature = "train")]
pub mod train;
