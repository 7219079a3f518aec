//! Structural similarity (Wang et al. 2004) as scikit-image computes it with `gaussian_weights=True, sigma=1.5,
//! use_sample_covariance=False`: 11 Gaussian taps, population covariance, a border of 5 pixels left out, each channel by
//! itself. (torchmetrics keeps the border, scikit-image's default has a uniform window: other numbers.)

use tch::{Kind, TchError, Tensor};

use super::same_images;

const SIGMA: f64 = 1.5;
/// scipy truncates at 3.5 sigma.
const RADIUS: i64 = 5;
const TAPS: i64 = 2 * RADIUS + 1;
/// (0.01 range)² and (0.03 range)², for a range of 1.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;

/// Structural similarity of two batches `[B, C, H, W]` in [0, 1], H and W at least 11: float64 `[B]`.
pub fn ssim(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (batch, channels, height, width) = same_images(a, b)?;
    if height < TAPS || width < TAPS {
        return Err(TchError::Shape(format!(
            "SSIM needs images of at least {TAPS} pixels a side, got {height}x{width}"
        )));
    }
    let plane = |x: &Tensor| x.f_to_kind(Kind::Double)?.f_reshape([batch * channels, 1, height, width]);
    let (a, b) = (plane(a)?, plane(b)?);
    // One convolution for all five local means, [5 B C, 1, H, W]; VALID, which is what leaving the border out comes to.
    let all = Tensor::f_cat(&[&a, &b, &a.f_square()?, &b.f_square()?, &a.f_mul(&b)?], 0)?;
    let means = blur(&all)?.f_chunk(5, 0)?;
    let [mean_a, mean_b, mean_aa, mean_bb, mean_ab] = means.as_slice() else {
        return Err(TchError::Shape("five local means".to_owned()));
    };
    let (aa, bb, ab) = (mean_a.f_square()?, mean_b.f_square()?, mean_a.f_mul(mean_b)?);
    let variances = mean_aa.f_sub(&aa)?.f_add(&mean_bb.f_sub(&bb)?)?;
    let covariance = mean_ab.f_sub(&ab)?;
    let double = |x: &Tensor, c: f64| x.f_mul_scalar(2.0)?.f_add_scalar(c);
    let numerator = double(&ab, C1)?.f_mul(&double(&covariance, C2)?)?;
    let denominator = aa.f_add(&bb)?.f_add_scalar(C1)?.f_mul(&variances.f_add_scalar(C2)?)?;
    numerator.f_div(&denominator)?.f_reshape([batch, -1])?.f_mean_dim(1, false, Kind::Double)
}

/// The Gaussian-weighted local mean of `[N, 1, H, W]`: `[N, 1, H - 10, W - 10]`.
fn blur(x: &Tensor) -> Result<Tensor, TchError> {
    let weights: Vec<f64> = (-RADIUS..=RADIUS).map(|at| (-0.5 * (at as f64 / SIGMA).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weights = Tensor::f_from_slice(&weights)?.f_div_scalar(total)?.f_to_device(x.device())?;
    let none = None::<&Tensor>;
    let rows = x.f_conv2d(&weights.f_reshape([1, 1, TAPS, 1])?, none, [1; 2], [0; 2], [1; 2], 1)?;
    rows.f_conv2d(&weights.f_reshape([1, 1, 1, TAPS])?, none, [1; 2], [0; 2], [1; 2], 1)
}
