//! Image metrics: pure functions on tensors.
//!
//! | of | functions |
//! |---|---|
//! | two batches of images, float `[B, 3, H, W]` in [0, 1]: float64 `[B]` | [`l1`], [`mse`], [`psnr`], [`ssim`], [`ms_ssim`] |
//! | two sets of features, `[N, D]` and `[M, D]`: one value | [`frechet_distance`], [`kernel_distance`], [`kid`] |
//! | values of images | [`bootstrap`] |
//!
//! All compute on the device that holds their input and wait for nothing but what is named as read back. Nothing is
//! clamped: what lies outside [0, 1] counts as it is, NaN gives NaN. Metrics that look through a network (LPIPS, the
//! features of FID and KID) are in `models::perceptual`.

pub mod bootstrap;
mod frechet;
mod kid;
mod ssim;

pub use frechet::frechet_distance;
pub use kid::{Kid, kernel_distance, kid};
pub use ssim::{SMALLEST as SSIM_SMALLEST, SMALLEST_MS as MS_SSIM_SMALLEST, ms_ssim, ssim};

use tch::{Kind, TchError, Tensor};

/// Mean absolute error.
pub fn l1(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    mean_of_image(&difference(a, b)?.f_abs()?)
}

/// Mean squared error.
pub fn mse(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    mean_of_image(&difference(a, b)?.f_square()?)
}

/// Peak signal-to-noise ratio in dB, for a peak of 1; infinite for equal images.
pub fn psnr(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    mse(a, b)?.f_log10()?.f_mul_scalar(-10.0)
}

fn difference(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    same_images(a, b)?;
    a.f_to_kind(Kind::Double)?.f_sub(&b.f_to_kind(Kind::Double)?)
}

fn mean_of_image(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_mean_dim([1_i64, 2, 3].as_slice(), false, Kind::Double)
}

/// `(B, C, H, W)` of two batches that must have the same shape, which libtorch would otherwise broadcast.
fn same_images(a: &Tensor, b: &Tensor) -> Result<(i64, i64, i64, i64), TchError> {
    let shape = a.size4()?;
    if a.size() == b.size() {
        Ok(shape)
    } else {
        Err(TchError::Shape(format!("cannot compare images {:?} with {:?}", a.size(), b.size())))
    }
}

/// `(N, M, D)` of two sets of features of the same length.
fn same_features(a: &Tensor, b: &Tensor) -> Result<(i64, i64, i64), TchError> {
    let ((count_a, length_a), (count_b, length_b)) = (a.size2()?, b.size2()?);
    if length_a == length_b {
        Ok((count_a, count_b, length_a))
    } else {
        Err(TchError::Shape(format!("cannot compare features {:?} with {:?}", a.size(), b.size())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn flat(value: f64) -> Tensor {
        Tensor::full([1, 3, 16, 16], value, (Kind::Float, Device::Cpu))
    }

    fn value(metric: Result<Tensor, TchError>) -> f64 {
        f64::try_from(metric.unwrap()).unwrap()
    }

    #[test]
    fn known_differences() {
        let (a, b) = (flat(0.5), flat(0.25));
        assert_eq!(value(l1(&a, &b)), 0.25);
        assert_eq!(value(mse(&a, &b)), 0.0625);
        assert!((value(psnr(&a, &b)) - 12.041_199_826_559_248).abs() < 1e-12);
        assert_eq!(value(psnr(&a, &a)), f64::INFINITY);
        assert_eq!(value(ssim(&a, &a)), 1.0);
        // Two flat images: the structure term is 1, the luminance term is what SSIM's definition says.
        let expected = (2.0 * 0.125 + 1e-4) / (0.25 + 0.0625 + 1e-4);
        assert!((value(ssim(&a, &b)) - expected).abs() < 1e-6);
    }

    #[test]
    fn images_of_a_batch_do_not_mix_and_nan_stays() {
        let a = Tensor::cat(&[flat(0.5), flat(0.5), flat(f64::NAN)], 0);
        let b = Tensor::cat(&[flat(0.5), flat(0.0), flat(0.5)], 0);
        for metric in [l1, mse, psnr, ssim] {
            let values = Vec::<f64>::try_from(metric(&a, &b).unwrap()).unwrap();
            assert!(values.len() == 3 && values[0] != values[1] && values[2].is_nan(), "{values:?}");
        }
    }

    #[test]
    fn unlike_shapes_are_errors() {
        let small = Tensor::zeros([1, 3, 8, 16], (Kind::Float, Device::Cpu));
        for metric in [l1, mse, psnr, ssim] {
            assert!(metric(&flat(0.0), &small).unwrap_err().to_string().contains("[1, 3, 8, 16]"));
        }
        assert!(ssim(&small, &small).unwrap_err().to_string().contains("at least 11"));
        let many = flat(0.0).expand([4, 3, 16, 16], false);
        assert!(l1(&flat(0.0), &many).is_err(), "no broadcasting");
    }
}
