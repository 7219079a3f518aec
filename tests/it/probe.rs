//! Probes of running sessions and of checkpoints, over the socket: what they answer, and that they change nothing.

mod client;
mod fuzz;
mod look;
mod sessions;
