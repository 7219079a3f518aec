//! The kernel distance of two sets of features (Bińkowski et al. 2018): unbiased at any number of images.

use tch::{Device, Kind, TchError, Tensor};

use super::bootstrap::{self, Interval};
use super::same_features;
use crate::data::random::Draw;

/// Images a subset, and how many subsets, as torch-fidelity and clean-fid take them.
const SUBSET: usize = 1000;
const SUBSETS: usize = 100;
/// Times that small sets are drawn anew for the interval.
const RESAMPLES: usize = 1000;

/// A kernel distance with what is known of its spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kid {
    /// The unbiased estimate. Around 0 for sets of one kind, and then as often below it as above.
    pub value: f64,
    /// 95 % of what other draws of the images gave.
    pub interval: Interval,
    /// Images in each subset when there were enough for subsets, else none.
    pub subset: Option<usize>,
}

/// The squared maximum mean discrepancy under k(x, y) = (xᵀy / D + 1)³, unbiased, of features `[N, D]` and `[M, D]`, N
/// and M at least 2: a float64 scalar on the features' device.
pub fn kernel_distance(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (count_a, count_b, _) = same_features(a, b)?;
    enough(count_a, count_b)?;
    let within = |x: &Tensor, count: i64| {
        let k = kernel(x, x)?;
        k.f_sum(Kind::Double)?.f_sub(&k.f_trace()?)?.f_div_scalar((count * (count - 1)) as f64)
    };
    let across = kernel(a, b)?.f_mean(Kind::Double)?.f_mul_scalar(2.0)?;
    within(a, count_a)?.f_add(&within(b, count_b)?)?.f_sub(&across)
}

/// KID by the usual rules: with more than 1000 images on both sides the mean over 100 subsets of 1000, and the interval
/// is the spread of the subsets; with fewer one exact value over all of them, and the interval is a bootstrap's. Random
/// draws are a function of `seed`. Reads the result back from the device.
pub fn kid(a: &Tensor, b: &Tensor, seed: u64) -> Result<Kid, TchError> {
    let (count_a, count_b, _) = same_features(a, b)?;
    enough(count_a, count_b)?;
    let mut draw = Draw::new(&[0x006b_6964, seed]);
    if count_a.min(count_b) > SUBSET as i64 {
        let mut subset = |x: &Tensor, count: i64| {
            let mut order: Vec<i64> = (0..count).collect();
            draw.shuffle(&mut order);
            x.f_index_select(0, &Tensor::f_from_slice(&order[..SUBSET])?.f_to_device(x.device())?)
        };
        let values = (0..SUBSETS)
            .map(|_| kernel_distance(&subset(a, count_a)?, &subset(b, count_b)?)?.try_into())
            .collect::<Result<Vec<f64>, TchError>>()?;
        let value = bootstrap::mean(&values);
        return Ok(Kid { value, interval: bootstrap::middle(values), subset: Some(SUBSET) });
    }
    let value = f64::try_from(kernel_distance(a, b)?)?;
    let interval = bootstrap::middle(resampled(a, b, &mut draw)?);
    Ok(Kid { value, interval, subset: None })
}

/// The distance of sets drawn anew with replacement. An image drawn twice is not compared with itself: those pairs are
/// left out as the diagonal is, or every draw would look too near to itself.
fn resampled(a: &Tensor, b: &Tensor, draw: &mut Draw) -> Result<Vec<f64>, TchError> {
    let mut counts = |count: i64| {
        let mut drawn = vec![0.0_f64; RESAMPLES * count as usize];
        for row in drawn.chunks_exact_mut(count as usize) {
            (0..count).for_each(|_| row[draw.below(count as usize)] += 1.0);
        }
        Tensor::f_from_slice(&drawn)?.f_reshape([RESAMPLES as i64, count])?.f_to_device(a.device())
    };
    let (a_times, b_times) = (counts(a.size2()?.0)?, counts(b.size2()?.0)?);
    let of_rows = |x: &Tensor| x.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
    // sum over i != j of n_i n_j k(i, j), over the sum of n_i n_j
    let within = |x: &Tensor, times: &Tensor| {
        let k = kernel(x, x)?;
        let others = k.f_sub(&k.f_diag(0)?.f_diag(0)?)?;
        let total = of_rows(times)?.f_square()?.f_sub(&of_rows(&times.f_square()?)?)?;
        of_rows(&times.f_matmul(&others)?.f_mul(times)?)?.f_div(&total)
    };
    let pairs = of_rows(&a_times)?.f_mul(&of_rows(&b_times)?)?;
    let across = of_rows(&a_times.f_matmul(&kernel(a, b)?)?.f_mul(&b_times)?)?.f_div(&pairs)?.f_mul_scalar(2.0)?;
    let values = within(a, &a_times)?.f_add(&within(b, &b_times)?)?.f_sub(&across)?.f_to_device(Device::Cpu)?;
    let values = Vec::<f64>::try_from(values)?;
    // A draw of one image alone has no pairs.
    Ok(values.into_iter().filter(|value| value.is_finite()).collect())
}

fn enough(count_a: i64, count_b: i64) -> Result<(), TchError> {
    if count_a < 2 || count_b < 2 {
        return Err(TchError::Shape(format!(
            "a kernel distance needs at least 2 images on either side, got {count_a} and {count_b}"
        )));
    }
    Ok(())
}

fn kernel(x: &Tensor, y: &Tensor) -> Result<Tensor, TchError> {
    let (x, y) = (x.f_to_kind(Kind::Double)?, y.f_to_kind(Kind::Double)?);
    let dimensions = x.size2()?.1 as f64;
    x.f_matmul(&y.f_transpose(0, 1)?)?.f_div_scalar(dimensions)?.f_add_scalar(1.0)?.f_pow_tensor_scalar(3)
}
