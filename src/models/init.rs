//! Random tensors as a pure function of (seed, name): no global generator, no order of construction, any thread.

use rayon::prelude::*;
use tch::{TchError, Tensor};

use crate::native::floats::filled;

/// Normal numbers for a tensor of this name and shape, mean 0.
pub fn normal(seed: u64, name: &str, shape: &[i64], deviation: f32) -> Result<Tensor, TchError> {
    let stream = stream(seed, name);
    fill(shape, |at| {
        // Box-Muller, one of its two numbers: the pair (2 at, 2 at + 1) of uniform numbers gives element `at`.
        let radius = (-2.0 * (1.0 - uniform(stream, 2 * at)).ln()).sqrt();
        deviation * radius * (std::f32::consts::TAU * uniform(stream, 2 * at + 1)).cos()
    })
}

/// Uniform numbers in `[-bound, bound)` for a tensor of this name and shape.
pub fn symmetric(seed: u64, name: &str, shape: &[i64], bound: f32) -> Result<Tensor, TchError> {
    let stream = stream(seed, name);
    fill(shape, |at| bound * (2.0 * uniform(stream, at) - 1.0))
}

/// One uniform number in [0, 1) from a place in a named stream.
pub fn draw(seed: u64, name: &str, at: u64) -> f32 {
    uniform(stream(seed, name), at)
}

/// The convolutions of NVIDIA's `weights_init`: weights N(0, 0.02); biases PyTorch's default, `U(±1/√fan_in)`.
///
/// `weight_shape` is the shape of the layer's weight, which gives a bias its fan-in (PyTorch counts dimension 1, also
/// for transposed convolutions).
pub fn convolution(seed: u64, name: &str, shape: &[i64], weight_shape: &[i64]) -> Result<Tensor, TchError> {
    if name.strip_suffix(".bias").is_some() {
        let fan_in: i64 = weight_shape.iter().skip(1).product();
        symmetric(seed, name, shape, 1.0 / (fan_in.max(1) as f32).sqrt())
    } else {
        normal(seed, name, shape, 0.02)
    }
}

/// A batch norm's tensors as NVIDIA's `weights_init` and PyTorch leave them: weights N(1, 0.02), biases and means 0,
/// variances 1.
pub fn batch_norm(seed: u64, name: &str, shape: &[i64]) -> Result<Tensor, TchError> {
    let constant = |value: f32| fill(shape, |_| value);
    match name.rsplit('.').next() {
        Some("weight") => normal(seed, name, shape, 0.02)?.f_add_scalar(1.0),
        Some("running_var") => constant(1.0),
        _ => constant(0.0),
    }
}

fn fill(shape: &[i64], element: impl Fn(u64) -> f32 + Sync + Send) -> Result<Tensor, TchError> {
    // Straight into libtorch's memory: a tensor too large for the machine is then libtorch's error, not an abort.
    filled(shape, |values| {
        values.par_iter_mut().enumerate().for_each(|(at, value)| *value = element(at as u64));
        Ok(())
    })
}

/// FNV-1a of the name, mixed with the seed.
fn stream(seed: u64, name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    splitmix(splitmix(seed) ^ hash)
}

/// 24 random bits as a number in [0, 1).
fn uniform(stream: u64, at: u64) -> f32 {
    (splitmix(stream.wrapping_add(at.wrapping_mul(0x9e37_79b9_7f4a_7c15))) >> 40) as f32 / (1_u64 << 24) as f32
}

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014), the mixing step.
fn splitmix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn normal_numbers_have_their_moments_and_tails() {
        let x = normal(7, "model.1.weight", &[1000, 1000], 0.02).unwrap().to_kind(Kind::Double);
        let scaled = &x / 0.02;
        let mean = |t: &Tensor| f64::try_from(t.mean(Kind::Double)).unwrap();
        assert!(mean(&scaled).abs() < 4e-3, "mean {}", mean(&scaled));
        assert!((mean(&scaled.square()) - 1.0).abs() < 6e-3);
        assert!((mean(&scaled.pow_tensor_scalar(4)) - 3.0).abs() < 5e-2);
        assert!((mean(&scaled.abs().gt(3.0).to_kind(Kind::Double)) - 2.7e-3).abs() < 3e-4);
    }

    #[test]
    fn what_no_machine_can_hold_is_an_error() {
        assert!(normal(1, "huge", &[1 << 30, 1 << 30], 1.0).is_err());
    }

    #[test]
    fn depends_on_seed_and_name_alone() {
        let make = |seed, name| normal(seed, name, &[64], 1.0).unwrap();
        assert_eq!(make(1, "a"), make(1, "a"));
        assert_ne!(make(1, "a"), make(2, "a"));
        assert_ne!(make(1, "a"), make(1, "b"));
    }

    #[test]
    fn biases_stay_within_pytorchs_bound() {
        let bias = convolution(1, "x.bias", &[4096], &[4096, 4, 3, 3]).unwrap();
        let (low, high) = (f64::try_from(bias.min()).unwrap(), f64::try_from(bias.max()).unwrap());
        assert!((-1.0 / 6.0..-0.16).contains(&low) && (0.16..1.0 / 6.0).contains(&high), "{low} {high}");
    }
}
