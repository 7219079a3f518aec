//! The notebook: questions in SQL answered at once, and cells in Rust run by a kernel of its own (DESIGN, notebook).

pub mod hub;
pub mod protocol;
pub mod question;
