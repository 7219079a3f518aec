//! Ask sessions, checkpoints and running trainings from a cell of the notebook.
//!
//! A cell knows this crate as `atelier` and has `use atelier::probe::*;` before its first line. It needs the standard
//! library alone: every dependency would be linked into every cell.

pub mod probe;
