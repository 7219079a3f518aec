//! Position in a run, and the learning rate there.

use crate::config;
use crate::record::At;

/// How steps make epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Optimizer steps in an epoch.
    pub steps_per_epoch: i64,
    /// Epochs in all.
    pub epochs: i64,
}

impl Extent {
    /// `batches` an epoch, `accumulate` of them a step; the last step of an epoch takes what is left.
    pub fn new(batches: usize, accumulate: usize, epochs: usize) -> Self {
        Self { steps_per_epoch: batches.div_ceil(accumulate.max(1)) as i64, epochs: epochs as i64 }
    }

    /// Steps in all.
    pub fn steps(self) -> i64 {
        self.steps_per_epoch * self.epochs
    }

    /// The epoch, from 0, in which the step after `step` finished ones lies.
    pub fn epoch_of(self, step: i64) -> usize {
        (step / self.steps_per_epoch) as usize
    }

    /// The position after `step` finished steps.
    pub fn at(self, step: i64) -> At {
        At { step, epoch: step as f64 / self.steps_per_epoch as f64 }
    }

    /// Whether an epoch ends after `step` finished steps.
    pub fn ends_epoch(self, step: i64) -> bool {
        step > 0 && step % self.steps_per_epoch == 0
    }
}

/// Factor on the base learning rate for the step after `step` finished ones.
///
/// Warm-up is linear in steps and its first step already moves (`(step + 1) / warmup_steps`). The decay is the
/// reference's (pix2pixHD `update_learning_rate`): constant within an epoch, the same amount less after each of the last
/// `decay_epochs`, so that the rate would be 0 in the epoch after the last.
pub fn lr_factor(schedule: &config::Schedule, extent: Extent, step: i64) -> f64 {
    let warmup = match schedule.warmup_steps {
        0 => 1.0,
        steps => ((step + 1) as f64 / steps as f64).min(1.0),
    };
    let decay_epochs = schedule.decay_epochs as i64;
    let into_decay = (extent.epoch_of(step) as i64 - (extent.epochs - decay_epochs)).max(0);
    let decay = if decay_epochs == 0 { 1.0 } else { 1.0 - into_decay as f64 / decay_epochs as f64 };
    warmup * decay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(warmup_steps: u64, decay_epochs: usize, epochs: usize) -> Vec<f64> {
        let extent = Extent::new(2, 1, epochs);
        let schedule = config::Schedule { warmup_steps, decay_epochs };
        (0..extent.steps()).map(|step| lr_factor(&schedule, extent, step)).collect()
    }

    #[test]
    fn constant_without_warmup_or_decay() {
        assert_eq!(factors(0, 0, 2), [1.0; 4]);
    }

    #[test]
    fn decay_is_the_reference_one_constant_within_an_epoch() {
        // niter 2, niter_decay 4: the first decay epoch still has the full rate, the last a quarter of it.
        assert_eq!(factors(0, 4, 6), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.75, 0.5, 0.5, 0.25, 0.25]);
    }

    #[test]
    fn the_first_warmup_step_moves() {
        assert_eq!(factors(4, 0, 3), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn an_epoch_counts_its_last_partial_step() {
        let extent = Extent::new(5, 2, 3);
        assert_eq!(extent.steps_per_epoch, 3);
        assert_eq!(extent.epoch_of(2), 0);
        assert_eq!(extent.epoch_of(3), 1);
        assert!(extent.ends_epoch(3) && !extent.ends_epoch(4) && !extent.ends_epoch(0));
        assert!((extent.at(4).epoch - 4.0 / 3.0).abs() < 1e-12);
    }
}
