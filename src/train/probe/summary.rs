//! Statistics of a tensor.

use tch::{Device, Kind, TchError, Tensor};

/// Elements that are read at a time.
const PIECE: i64 = 1 << 20;

/// Statistics of a tensor's values as float32, accumulated in float64. All but the counts are of the values that are
/// numbers; infinities are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// How many are not numbers.
    pub nans: u64,
    /// How many are 0.
    pub zeros: u64,
    /// Mean; NaN of nothing.
    pub mean: f64,
    /// Standard deviation, with the count as divisor.
    pub std: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// Euclidean norm.
    pub norm: f64,
}

impl Summary {
    /// Of a tensor of any kind, on any device.
    pub fn of(tensor: &Tensor) -> Result<Self, TchError> {
        let flat = plain(tensor)?.f_flatten(0, -1)?;
        let (mut count, mut nans, mut zeros) = (0, 0, 0);
        let (mut min, mut max) = (f64::NAN, f64::NAN);
        let (mut sum, mut squares) = (0.0, 0.0);
        each(&flat, |x| {
            count += 1;
            if x.is_nan() {
                nans += 1;
                return;
            }
            zeros += u64::from(x == 0.0);
            // `min` and `max` pass over a NaN.
            min = x.min(min);
            max = x.max(max);
            sum += x;
            squares += x * x;
        })?;
        let numbers = (count - nans) as f64;
        let mean = sum / numbers;
        let mut deviations = 0.0;
        each(&flat, |x| {
            if !x.is_nan() {
                deviations += (x - mean) * (x - mean);
            }
        })?;
        Ok(Self { count, nans, zeros, mean, std: (deviations / numbers).sqrt(), min, max, norm: squares.sqrt() })
    }
}

/// The Euclidean norm of all of a tensor's values; NaN where one of them is.
pub fn norm(tensor: &Tensor) -> Result<f64, TchError> {
    if tensor.device().is_cuda() {
        // There, and not as bytes on the way to here.
        return f64::try_from(tensor.f_to_kind(Kind::Float)?.f_norm()?);
    }
    let mut squares = 0.0;
    each(&plain(tensor)?.f_flatten(0, -1)?, |x| squares += x * x)?;
    Ok(squares.sqrt())
}

/// The tensor as float32 on the CPU, its elements in order.
pub fn plain(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()
}

/// The values of a flat tensor that is [`plain`], piece by piece.
pub fn pieces(flat: &Tensor, mut take: impl FnMut(&[f32])) -> Result<(), TchError> {
    let count = flat.numel() as i64;
    let mut values = Vec::new();
    for begin in (0..count).step_by(PIECE as usize) {
        let length = PIECE.min(count - begin);
        values.resize(length as usize, 0.0);
        flat.f_narrow(0, begin, length)?.f_copy_data(&mut values, length as usize)?;
        take(&values);
    }
    Ok(())
}

fn each(flat: &Tensor, mut take: impl FnMut(f64)) -> Result<(), TchError> {
    pieces(flat, |values| values.iter().for_each(|value| take(f64::from(*value))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(tensor: Tensor) -> f64 {
        f64::try_from(tensor).unwrap()
    }

    #[test]
    fn a_summary_is_what_libtorch_says() {
        tch::manual_seed(3);
        for shape in [&[3, 5][..], &[1 << 20, 2], &[1]] {
            let x = Tensor::randn(shape, (Kind::Float, Device::Cpu)) * 3.0 + 1.0;
            let wide = x.to_kind(Kind::Double);
            let summary = Summary::of(&x.transpose(0, -1)).unwrap();
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs().max(1.0);
            assert_eq!((summary.count, summary.nans, summary.zeros), (x.numel() as u64, 0, 0));
            assert!(near(summary.mean, value(wide.mean(Kind::Double))), "{summary:?}");
            assert!(near(summary.std, value(wide.std(false))), "{summary:?}");
            assert_eq!((summary.min, summary.max), (value(wide.min()), value(wide.max())));
            assert!(near(summary.norm, value(wide.norm())) && near(norm(&x).unwrap(), value(wide.norm())));
        }
    }

    #[test]
    fn what_is_no_number_is_counted_and_left_out() {
        let x = Tensor::from_slice(&[f32::NAN, 0.0, -0.0, 3.0, f32::NAN]).to_kind(Kind::BFloat16);
        let summary = Summary::of(&x).unwrap();
        assert_eq!((summary.count, summary.nans, summary.zeros), (5, 2, 2));
        assert_eq!((summary.mean, summary.min, summary.max, summary.norm), (1.0, 0.0, 3.0, 3.0));
        assert!(norm(&x).unwrap().is_nan());
        let endless = Summary::of(&Tensor::from_slice(&[f32::INFINITY, 1.0])).unwrap();
        assert_eq!((endless.max, endless.nans), (f64::INFINITY, 0));
        let nothing = Summary::of(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))).unwrap();
        assert!(nothing.count == 0 && nothing.mean.is_nan() && nothing.min.is_nan() && nothing.norm == 0.0);
    }
}
