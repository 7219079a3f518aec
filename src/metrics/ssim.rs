//! Structural similarity (Wang et al. 2004) as scikit-image computes it with `gaussian_weights=True, sigma=1.5,
//! use_sample_covariance=False`: 11 Gaussian taps, population covariance, a border of 5 pixels left out, each channel by
//! itself. (torchmetrics keeps the border, scikit-image's default has a uniform window: other numbers.)
//!
//! And its multi-scale form (Wang et al. 2003) as torchmetrics computes it, with the border of the coarsest scale
//! reflected and negative terms cut to zero.
//!
//! Of two images x and y the sum s = x + y and the difference d = x - y are blurred rather than x and y: that takes four
//! local means instead of five, and what nearly cancels, the variance of d, is then never the difference of two large
//! numbers. With s taken about its own mean, float32 agrees with scikit-image's float64 to 1e-6.

use tch::{Device, Kind, TchError, Tensor};

use super::{mean_of_image, same_images};

const SIGMA: f64 = 1.5;
/// scipy truncates at 3.5 sigma.
const RADIUS: i64 = 5;
const TAPS: i64 = 2 * RADIUS + 1;
/// (0.01 range)² and (0.03 range)², for a range of 1.
const C1: f64 = 1e-4;
const C2: f64 = 9e-4;
/// Exponents of the scales, finest first (Wang et al. 2003).
const WEIGHTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/// The least side for [`ms_ssim`]: halved four times, the window must still fit into it.
pub const SMALLEST_MS: i64 = (TAPS - 1) * 16 + 1;
/// The least side for [`ssim`].
pub const SMALLEST: i64 = TAPS;

/// Structural similarity of two batches `[B, C, H, W]` in [0, 1], H and W at least 11: float64 `[B]`.
pub fn ssim(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (_, _, height, width) = same_images(a, b)?;
    at_least(SMALLEST, height, width, "SSIM")?;
    let (luminance, contrast) = terms(a, b)?;
    mean_of_image(&luminance.f_mul(&contrast)?)
}

/// Multi-scale structural similarity of two batches `[B, C, H, W]` in [0, 1], H and W at least 161: float64 `[B]`.
pub fn ms_ssim(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (_, _, height, width) = same_images(a, b)?;
    at_least(SMALLEST_MS, height, width, "MS-SSIM")?;
    let (mut a, mut b) = (a.shallow_clone(), b.shallow_clone());
    let halve = |x: &Tensor| x.f_avg_pool2d([2; 2], [2; 2], [0; 2], false, true, None);
    let mut product = None::<Tensor>;
    for (scale, weight) in WEIGHTS.into_iter().enumerate() {
        let mean = if scale + 1 < WEIGHTS.len() {
            let (_, contrast) = terms(&a, &b)?;
            (a, b) = (halve(&a)?, halve(&b)?);
            mean_of_image(&contrast)?
        } else {
            let pad = |x: &Tensor| x.f_reflection_pad2d([RADIUS; 4]);
            let (luminance, contrast) = terms(&pad(&a)?, &pad(&b)?)?;
            mean_of_image(&luminance.f_mul(&contrast)?)?
        };
        let term = mean.f_clamp_min(0.0)?.f_pow_tensor_scalar(weight)?;
        product = Some(product.map_or(Ok(term.shallow_clone()), |product| product.f_mul(&term))?);
    }
    product.ok_or_else(|| TchError::Shape("MS-SSIM without scales".to_owned()))
}

fn at_least(side: i64, height: i64, width: i64, what: &str) -> Result<(), TchError> {
    if height < side || width < side {
        return Err(TchError::Shape(format!(
            "{what} needs images of at least {side} pixels a side, got {height}x{width}"
        )));
    }
    Ok(())
}

/// The luminance term and the contrast-structure term of every window that lies inside, `[B, C, H - 10, W - 10]` each.
fn terms(a: &Tensor, b: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    // A GPU may take float32 products in TF32, which is far too coarse here; it has float64 for so little work.
    let kind = if a.device() == Device::Cpu { Kind::Float } else { Kind::Double };
    let (a, b) = (a.f_to_kind(kind)?, b.f_to_kind(kind)?);
    let mut sum = a.f_add(&b)?;
    let difference = a.f_sub(&b)?;
    let centre = sum.f_mean_dim([2_i64, 3].as_slice(), true, kind)?;
    let sum = sum.f_sub_(&centre)?;
    let all = Tensor::f_cat(&[&sum, &difference, &sum.f_square()?, &difference.f_square()?], 1)?;
    let means = blur(&all)?.f_chunk(4, 1)?;
    let [mean_s, mean_d, mean_ss, mean_dd] = means.as_slice() else {
        return Err(TchError::Shape("four local means".to_owned()));
    };
    let variance_s = mean_ss.f_sub(&mean_s.f_square()?)?;
    let variance_d = mean_dd.f_sub(&mean_d.f_square()?)?;
    let contrast = ratio(&variance_s, &variance_d, C2)?;
    let luminance = ratio(&mean_s.f_add(&centre)?.f_square_()?, &mean_d.f_square()?, C1)?;
    Ok((luminance, contrast))
}

/// (2 x y + c) / (x² + y² + c), where s = (x + y)² and d = (x - y)²; likewise for (co)variances.
fn ratio(s: &Tensor, d: &Tensor, c: f64) -> Result<Tensor, TchError> {
    let half = |mut x: Tensor| x.f_mul_scalar_(0.5)?.f_add_scalar_(c);
    half(s.f_sub(d)?)?.f_div_(&half(s.f_add(d)?)?)
}

/// The Gaussian-weighted local mean of `[B, C, H, W]`: `[B, C, H - 10, W - 10]`.
fn blur(x: &Tensor) -> Result<Tensor, TchError> {
    let channels = x.size4()?.1;
    let weights: Vec<f64> = (-RADIUS..=RADIUS).map(|at| (-0.5 * (at as f64 / SIGMA).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weights =
        Tensor::f_from_slice(&weights)?.f_div_scalar(total)?.f_to_device(x.device())?.f_to_kind(x.f_kind()?)?;
    // One channel a group: each plane by itself, which libtorch does several times faster than planes as a batch.
    let along = |height: i64, width: i64| {
        weights.f_reshape([1, 1, height, width])?.f_expand([channels, 1, height, width], false)?.f_contiguous()
    };
    let pass = |x: &Tensor, kernel: &Tensor| x.f_conv2d(kernel, None::<&Tensor>, [1; 2], [0; 2], [1; 2], channels);
    pass(&pass(x, &along(TAPS, 1)?)?, &along(1, TAPS)?)
}
