//! The distance between two sets of features as Gaussians (Fréchet 1957; Heusel et al. 2017): what FID is of Inception's.

use tch::{Kind, TchError, Tensor};

use super::same_features;

/// |mean a - mean b|² + tr(A + B - 2 (A B)^(1/2)) of features `[N, D]` and `[M, D]`, N and M at least 2, with sample
/// covariances A and B: a float64 scalar on the features' device.
///
/// The root is never taken of a D x D product, whose rounding errors pytorch-fid must guard against for N below D. With
/// the centred features X and Y scaled by 1 / sqrt(n - 1), A = Xᵀ X and B = Yᵀ Y, and the trace of the root of A B is
/// the sum of the singular values of X Yᵀ: exact for any N, and small where the sets are.
///
/// As an estimate it is biased upwards by an amount that falls with N and depends on the features (Chong, Forsyth 2020):
/// hundreds of images give a number that is mostly bias. Compare only at equal N, against the same reference.
pub fn frechet_distance(a: &Tensor, b: &Tensor) -> Result<Tensor, TchError> {
    let (count_a, count_b, _) = same_features(a, b)?;
    if count_a < 2 || count_b < 2 {
        return Err(TchError::Shape(format!(
            "a Fréchet distance needs at least 2 images on either side, got {count_a} and {count_b}"
        )));
    }
    let (mean_a, x) = centred(a)?;
    let (mean_b, y) = centred(b)?;
    let square = |x: &Tensor| x.f_square()?.f_sum(Kind::Double);
    let product = reduced(&x)?.f_matmul(&reduced(&y)?.f_transpose(0, 1)?)?;
    let root = product.f_linalg_norm_ord_str("nuc", [0_i64, 1].as_slice(), false, Kind::Double)?;
    let traces = square(&x)?.f_add(&square(&y)?)?;
    square(&mean_a.f_sub(&mean_b)?)?.f_add(&traces)?.f_sub(&root.f_mul_scalar(2.0)?)
}

/// The mean `[D]`, and the rows about it over sqrt(N - 1), in float64.
fn centred(features: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let features = features.f_to_kind(Kind::Double)?;
    let mean = features.f_mean_dim([0_i64].as_slice(), false, Kind::Double)?;
    let scale = 1.0 / ((features.size2()?.0 - 1) as f64).sqrt();
    let rows = features.f_sub(&mean)?.f_mul_scalar(scale)?;
    Ok((mean, rows))
}

/// X with more rows than columns is replaced by R of X = Q R: the singular values of X Yᵀ do not see Q.
fn reduced(x: &Tensor) -> Result<Tensor, TchError> {
    let (rows, columns) = x.size2()?;
    if rows <= columns { Ok(x.shallow_clone()) } else { Ok(Tensor::f_linalg_qr(x, "r")?.1) }
}
