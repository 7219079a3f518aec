//! `not-finite`: a value that is NaN or infinite.

use super::detector::Verdict;
use super::words;

/// Needs to remember nothing.
#[derive(Debug)]
pub struct NotFinite;

impl NotFinite {
    #[expect(clippy::unused_self, reason = "one of several detectors")]
    pub fn push(&self, value: f64) -> Verdict {
        if value.is_finite() { Verdict::Clear } else { Verdict::Holds }
    }

    #[expect(clippy::unused_self, reason = "one of several detectors")]
    pub fn why(&self, name: &str, value: f64) -> String {
        format!("{name} is {}", words::number(value))
    }
}
