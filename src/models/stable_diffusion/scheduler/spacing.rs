//! Which timesteps and noise levels a sampler visits; numpy's rounding, so that they are diffusers' to the last bit.

use super::config::Spacing;

/// `count` timesteps of `all`, latest first, not rounded under even spacing.
///
/// `extra` is 1 for the samplers that space one step more and leave the one at the image's end out.
pub(super) fn timesteps(spacing: Spacing, all: usize, count: usize, offset: usize, extra: usize) -> Vec<f64> {
    match spacing {
        Spacing::Linspace => {
            let points = linspace(0.0, (all - 1) as f64, count + extra);
            points.into_iter().rev().take(count).collect()
        }
        Spacing::Leading => {
            let stride = all / (count + extra);
            (0..count + extra).rev().take(count).map(|at| (at * stride + offset) as f64).collect()
        }
        Spacing::Trailing => {
            let stride = all as f64 / count as f64;
            (0..count).map(|at| (all as f64 - at as f64 * stride).round_ties_even() - 1.0).collect()
        }
    }
}

/// Evenly from `start` to `end`, both included.
fn linspace(start: f64, end: f64, count: usize) -> Vec<f64> {
    let step = (end - start) / (count.max(2) - 1) as f64;
    let mut points: Vec<f64> = (0..count).map(|at| start + at as f64 * step).collect();
    if let Some(last) = points.last_mut().filter(|_| count > 1) {
        *last = end;
    }
    points
}

/// `√((1-ᾱ)/ᾱ)` of every timestep: the noise level where the image is not scaled down.
pub(super) fn sigmas(alphas_cumprod: &[f32]) -> Vec<f32> {
    alphas_cumprod.iter().map(|&alpha| ((1.0 - alpha) / alpha).sqrt()).collect()
}

/// The noise level at a timestep between whole ones.
pub(super) fn sigma_at(sigmas: &[f32], timestep: f64) -> f64 {
    let below = (timestep.floor() as usize).min(sigmas.len() - 1);
    let above = (below + 1).min(sigmas.len() - 1);
    let (low, high) = (f64::from(sigmas[below]), f64::from(sigmas[above]));
    low + (high - low) * (timestep - below as f64)
}

/// `count` noise levels from `max` down to `min`, as Karras et al. (2022) space them (Eq. 5, ρ = 7).
pub(super) fn karras(min: f64, max: f64, count: usize) -> Vec<f64> {
    const RHO: f64 = 7.0;
    let (low, high) = (min.powf(1.0 / RHO), max.powf(1.0 / RHO));
    linspace(0.0, 1.0, count).into_iter().map(|ramp| (high + ramp * (low - high)).powf(RHO)).collect()
}

/// The timestep at which the noise level is `sigma`, between whole ones by its logarithm.
pub(super) fn timestep_at(log_sigmas: &[f32], sigma: f64) -> f64 {
    let wanted = sigma.max(1e-10).ln();
    let below = log_sigmas.partition_point(|&log| f64::from(log) <= wanted).saturating_sub(1);
    let below = below.min(log_sigmas.len().saturating_sub(2));
    let above = (below + 1).min(log_sigmas.len() - 1);
    let (low, high) = (f64::from(log_sigmas[below]), f64::from(log_sigmas[above]));
    let weight = if low == high { 0.0 } else { ((low - wanted) / (low - high)).clamp(0.0, 1.0) };
    (1.0 - weight) * below as f64 + weight * above as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacings_are_numpys() {
        let whole = |steps: Vec<f64>| steps.into_iter().map(|step| step.round_ties_even() as i64).collect::<Vec<_>>();
        assert_eq!(whole(timesteps(Spacing::Leading, 1000, 4, 1, 0)), [751, 501, 251, 1]);
        assert_eq!(whole(timesteps(Spacing::Leading, 1000, 4, 1, 1)), [801, 601, 401, 201]);
        assert_eq!(whole(timesteps(Spacing::Linspace, 1000, 4, 1, 0)), [999, 666, 333, 0]);
        assert_eq!(whole(timesteps(Spacing::Linspace, 1000, 4, 1, 1)), [999, 749, 500, 250]);
        assert_eq!(whole(timesteps(Spacing::Trailing, 1000, 3, 1, 0)), [999, 666, 332]);
        assert_eq!(whole(timesteps(Spacing::Linspace, 1000, 1, 0, 0)), [0]);
        assert_eq!(whole(timesteps(Spacing::Linspace, 1000, 1, 0, 1)), [999]);
    }

    #[test]
    fn noise_levels_and_timesteps_are_each_others_inverse() {
        let levels: Vec<f32> = (0..100).map(|at| 0.03 * 1.06_f32.powi(at)).collect();
        let logs: Vec<f32> = levels.iter().map(|level| level.ln()).collect();
        for at in [0.0, 7.0, 63.0, 99.0] {
            assert!((timestep_at(&logs, sigma_at(&levels, at)) - at).abs() < 1e-3, "{at}");
        }
        assert_eq!((timestep_at(&logs, 1e-9), timestep_at(&logs, 1e9)), (0.0, 99.0));
        let spaced = karras(0.1, 10.0, 5);
        assert!((spaced[0] - 10.0).abs() < 1e-9 && (spaced[4] - 0.1).abs() < 1e-9);
        assert!(spaced.windows(2).all(|pair| pair[0] > pair[1]));
    }
}
