//! The real kernel, driven over its standard input and output as the notebook drives it. One kernel serves all tests
//! but those that end it: a start costs seconds. No test takes a time for its verdict; the deadline only turns a hang
//! into a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "the helpers of tests are tests")]

#[path = "kernel/assist.rs"]
mod assist;
#[path = "kernel/errors.rs"]
mod errors;
#[path = "kernel/harness.rs"]
mod harness;
#[path = "kernel/hazards.rs"]
mod hazards;
#[path = "kernel/life.rs"]
mod life;
#[path = "kernel/output.rs"]
mod output;
#[path = "../../protocol.rs"]
mod protocol;
#[path = "kernel/values.rs"]
mod values;
