//! How far apart two layers of features are, on a CPU, in one pass over their memory: libtorch takes eight.

#![expect(clippy::inline_always, reason = "loops are compiled for the widest vectors only where they are inlined")]

use tch::{Kind, TchError, Tensor};

use super::lpips::EPSILON;
use crate::native::floats;
use crate::native::lanes::widest;

/// Channels that are summed up beside each other; every layer has a multiple of them.
const LANES: usize = 16;

/// Of features `a` and `b` `[B, C, H, W]` in host memory, with their channels innermost: each pixel's scaled to unit
/// length, the squared difference weighted by `head` `[C]` and averaged over the picture. Float64 `[B]`.
pub(super) fn unit_distance(a: &Tensor, b: &Tensor, head: &Tensor) -> Result<Tensor, TchError> {
    let innermost = |x: &Tensor| x.f_permute([0, 2, 3, 1])?.f_contiguous();
    let (a, b) = (innermost(a)?, innermost(b)?);
    let (count, height, width, channels) = a.size4()?;
    if a.size() != b.size() || head.size() != [channels] || channels % LANES as i64 != 0 {
        return Err(TchError::Shape(format!("features {:?}, {:?} and {:?} weights", a.size(), b.size(), head.size())));
    }
    let (channels, pixels) = (channels as usize, (height * width) as usize);
    let head: Vec<f32> = head.try_into()?;
    let mut means = Vec::new();
    floats::read(&a, |a| {
        floats::read(&b, |b| {
            for image in (0..count as usize).map(|n| n * pixels * channels) {
                let image = image..image + pixels * channels;
                let sum = widest(
                    #[inline(always)]
                    || sum(&a[image.clone()], &b[image], &head),
                );
                means.push(sum / pixels as f64);
            }
        })
    })??;
    Tensor::f_from_slice(&means)?.f_to_kind(Kind::Double)
}

/// The sum over pixels.
#[inline(always)]
fn sum(a: &[f32], b: &[f32], head: &[f32]) -> f64 {
    let channels = head.len();
    let mut sum = 0.0;
    for (a, b) in a.chunks_exact(channels).zip(b.chunks_exact(channels)) {
        sum += f64::from(pixel(a, b, head));
    }
    sum
}

/// One pixel's weighted squared difference of directions.
#[inline(always)]
fn pixel(a: &[f32], b: &[f32], head: &[f32]) -> f32 {
    let (mut of_a, mut of_b) = ([0.0; LANES], [0.0; LANES]);
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for lane in 0..LANES {
            of_a[lane] += a[lane] * a[lane];
            of_b[lane] += b[lane] * b[lane];
        }
    }
    let unit = |squares: [f32; LANES]| 1.0 / (total(squares).sqrt() + EPSILON);
    let (of_a, of_b) = (unit(of_a), unit(of_b));
    let mut sums = [0.0; LANES];
    for ((a, b), head) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)).zip(head.chunks_exact(LANES)) {
        for lane in 0..LANES {
            let difference = a[lane] * of_a - b[lane] * of_b;
            sums[lane] += head[lane] * difference * difference;
        }
    }
    total(sums)
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    total
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::models::init;

    #[test]
    fn it_is_the_formula_in_float64() {
        for channels in [16, 64, 192] {
            let features = |name: &str| init::normal(1, name, &[3, channels, 5, 7], 2.0).unwrap();
            let (a, b) = (features("a"), features("b"));
            let head = init::normal(1, "head", &[channels], 1.0).unwrap().abs();
            let unit = |x: &Tensor| {
                let x = x.to_kind(Kind::Double);
                &x / (x.square().sum_dim_intlist([1_i64].as_slice(), true, None).sqrt() + 1e-10)
            };
            let weights = head.to_kind(Kind::Double).reshape([channels, 1, 1]);
            let squares = (unit(&a) - unit(&b)).square() * weights;
            let want =
                squares.sum_dim_intlist([1_i64].as_slice(), false, None).mean_dim([1_i64, 2].as_slice(), false, None);
            let have = unit_distance(&a, &b, &head).unwrap();
            assert_eq!((have.size(), have.kind()), (vec![3], Kind::Double));
            let error = f64::try_from(((have - &want) / want).abs().max()).unwrap();
            assert!(error < 1e-6, "{channels} channels: {error}");
        }
    }

    #[test]
    fn nothing_seen_is_no_distance_and_other_sizes_are_refused() {
        let zeros = Tensor::zeros([1, 16, 2, 2], (Kind::Float, Device::Cpu));
        let head = Tensor::ones([16], (Kind::Float, Device::Cpu));
        assert_eq!(f64::try_from(unit_distance(&zeros, &zeros, &head).unwrap()).unwrap(), 0.0);
        assert!(unit_distance(&zeros, &zeros.narrow(2, 0, 1), &head).is_err());
        assert!(unit_distance(&zeros, &zeros, &head.narrow(0, 0, 8)).is_err());
    }
}
