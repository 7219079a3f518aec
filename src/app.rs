//! The dashboard.

pub mod widgets;
