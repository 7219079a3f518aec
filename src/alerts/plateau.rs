//! `plateau`: nothing got better for long.

use super::detector::Verdict;
use super::words;
use crate::config::{Better, Metric, Window};
use crate::record::At;

#[derive(Debug)]
pub struct Plateau {
    window: Window,
    improvement: f64,
    higher: bool,
    best: Option<(f64, At)>,
}

impl Plateau {
    pub fn new(window: Window, improvement: f64, better: Better, name: &str) -> Self {
        let last = name.rsplit('/').next().unwrap_or(name);
        let higher = match better {
            Better::Higher => true,
            Better::Lower => false,
            Better::Auto => Metric::ALL.into_iter().any(|metric| metric.name() == last && metric.higher_is_better()),
        };
        Self { window, improvement, higher, best: None }
    }

    pub fn push(&mut self, at: At, value: f64) -> Verdict {
        if !value.is_finite() {
            return Verdict::Unsure;
        }
        let improved = self.best.is_none_or(|(best, _)| {
            let margin = self.improvement * best.abs();
            if self.higher { value > best + margin } else { value < best - margin }
        });
        if improved {
            self.best = Some((value, at));
            return Verdict::Clear;
        }
        let long = self.best.is_some_and(|(_, since)| match self.window {
            Window::Epochs(epochs) => at.epoch - since.epoch >= epochs,
            Window::Steps(steps) => at.step.saturating_sub(since.step) >= steps as i64,
        });
        if long { Verdict::Holds } else { Verdict::Unsure }
    }

    pub fn why(&self, name: &str) -> String {
        let Some((best, since)) = self.best else { return String::new() };
        let margin = if self.improvement > 0.0 {
            format!("{} % better than", words::number(100.0 * self.improvement))
        } else {
            "better than".to_owned()
        };
        let long = match self.window {
            Window::Epochs(epochs) => format!("{} epochs", words::number(epochs)),
            Window::Steps(steps) => format!("{steps} steps"),
        };
        format!("{name} has not become {margin} {} for {long}, since step {}", words::number(best), since.step)
    }
}
