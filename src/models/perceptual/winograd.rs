//! Convolutions of stride 1 on a CPU with a fraction of the multiplications (Winograd 1980; Lavin, Gray 2016).
//!
//! A convolution is a product of polynomials. Evaluated at six points (0, 1, -1, 2, -2 and infinity) along each axis, a
//! tile of 6x6 pixels takes one multiplication a point, channel and filter: 36 for the 4x4 outputs of a 3x3 kernel, where
//! sums over the kernel take 144, and 36 instead of 100 for the 2x2 of a 5x5 one. What a point is worth in all tiles is
//! one matrix product; the transforms to and from the points only add. In float32 that rounds about three times as much
//! as the sums do, 1e-5 of the largest output.

#![expect(clippy::inline_always, reason = "loops are compiled for the widest vectors only where they are inlined")]

use std::array;
use std::ops::{Add, Range, Sub};

use tch::{Device, Kind, TchError, Tensor};

use crate::native::floats;
use crate::native::lanes::widest;

/// Pixels of a tile along one axis, and points that it is evaluated at.
const SIDE: usize = 6;
const POINTS: usize = SIDE * SIDE;
/// Channels that go through a transform together.
const LANES: usize = 8;
/// Tiles between two matrix products: enough to keep those busy, few enough for the caches.
const TILES: usize = 128;

/// A convolution with its weights at the points; a `ReLU` follows it.
#[derive(Debug)]
pub(super) struct Winograd {
    /// `[36, inputs, outputs]`.
    weights: Tensor,
    bias: Vec<f32>,
    kernel: usize,
}

impl Winograd {
    /// Of a convolution of stride 1 that keeps the size, weight `[outputs, inputs, k, k]` and bias `[outputs]`, where it
    /// is on a CPU and of a kernel and numbers of channels that this can do.
    pub fn new(weight: &Tensor, bias: &Tensor) -> Result<Option<Self>, TchError> {
        let (outputs, inputs, kernel, width) = weight.size4()?;
        let is_whole = [inputs, outputs].iter().all(|channels| channels % LANES as i64 == 0);
        if weight.device() != Device::Cpu || !(matches!(kernel, 3 | 5) && width == kernel && is_whole) {
            return Ok(None);
        }
        // Each point's row: powers of the point, over the product of its differences from the others.
        let powers = |x: f64, over: f64| (0..kernel).map(move |power| x.powi(power as i32) / over);
        let highest = (1..=kernel).map(|power| if power == kernel { 1.0 } else { 0.0 });
        let rows: Vec<f64> = powers(0.0, 4.0)
            .chain(powers(1.0, -6.0))
            .chain(powers(-1.0, -6.0))
            .chain(powers(2.0, 24.0))
            .chain(powers(-2.0, 24.0))
            .chain(highest)
            .collect();
        let rows = Tensor::f_from_slice(&rows)?.f_reshape([SIDE as i64, kernel])?;
        let weight = weight.f_to_kind(Kind::Double)?;
        // Columns, then rows: [outputs, inputs, 6, 6].
        let at_points = rows.f_matmul(&weight.f_matmul(&rows.f_transpose(0, 1)?)?)?;
        let weights = at_points.f_permute([2, 3, 1, 0])?.f_reshape([POINTS as i64, inputs, outputs])?;
        Ok(Some(Self {
            weights: weights.f_to_kind(Kind::Float)?.f_contiguous()?,
            bias: Vec::try_from(bias)?,
            kernel: kernel as usize,
        }))
    }

    /// The same weights once more, not copied.
    pub fn shallow_clone(&self) -> Self {
        Self { weights: self.weights.shallow_clone(), bias: self.bias.clone(), kernel: self.kernel }
    }

    /// `relu(conv(x) + bias)` of `x` `[N, inputs, H, W]`, whose channels should be innermost in memory, as they are in
    /// what comes out.
    pub fn convolve(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let pixels = x.f_permute([0, 2, 3, 1])?.f_contiguous()?;
        let (count, height, width, inputs) = pixels.size4()?;
        let (_, expected, outputs) = self.weights.size3()?;
        if inputs != expected {
            return Err(TchError::Shape(format!("a convolution of {expected} channels was given {inputs}")));
        }
        let grid = Grid::new(height as usize, width as usize, self.kernel);
        let tiles = count as usize * grid.down * grid.across;
        let convolved = floats::filled::<TchError>(&[count, height, width, outputs], |out| {
            for begin in (0..tiles).step_by(TILES) {
                let tiles = begin..(begin + TILES).min(tiles);
                let at_points = floats::filled(&[POINTS as i64, tiles.len() as i64, inputs], |points| {
                    floats::read(&pixels, |pixels| {
                        widest(
                            #[inline(always)]
                            || to_points(&grid, tiles.clone(), pixels, points),
                        );
                    })
                })?;
                floats::read(&at_points.f_bmm(&self.weights)?, |points| {
                    widest(
                        #[inline(always)]
                        || match self.kernel {
                            3 => from_points::<4>(&grid, tiles, points, &self.bias, out),
                            _ => from_points::<2>(&grid, tiles, points, &self.bias, out),
                        },
                    );
                })?;
            }
            Ok(())
        })?;
        convolved.f_permute([0, 3, 1, 2])
    }
}

/// How tiles lie on images: each is the input of a square of outputs, the squares side by side.
struct Grid {
    height: usize,
    width: usize,
    /// Outputs of a tile along one axis.
    step: usize,
    /// Pixels by which a tile begins before its outputs.
    before: usize,
    /// Tiles along each axis.
    down: usize,
    across: usize,
}

impl Grid {
    fn new(height: usize, width: usize, kernel: usize) -> Self {
        let step = SIDE + 1 - kernel;
        Self { height, width, step, before: kernel / 2, down: height.div_ceil(step), across: width.div_ceil(step) }
    }

    /// A tile's image, and row and column of its first output.
    #[inline(always)]
    fn corner(&self, tile: usize) -> [usize; 3] {
        let (row, column) = (tile / self.across, tile % self.across);
        [row / self.down, row % self.down * self.step, column * self.step]
    }

    /// Where a tile's pixel is among the pixels of all images; none beyond its image's edges.
    #[inline(always)]
    fn pixel(&self, [image, top, left]: [usize; 3], down: usize, right: usize) -> Option<usize> {
        let (row, column) = ((top + down).checked_sub(self.before)?, (left + right).checked_sub(self.before)?);
        (row < self.height && column < self.width).then(|| (image * self.height + row) * self.width + column)
    }
}

/// Tiles `[tiles, 6, 6, C]` out of `pixels` `[N, H, W, C]` to what they are worth at the points, `[36, tiles, C]`.
#[inline(always)]
fn to_points(grid: &Grid, tiles: Range<usize>, pixels: &[f32], points: &mut [f32]) {
    let channels = points.len() / POINTS / tiles.len();
    let plane = tiles.len() * channels;
    let beyond = vec![0.0; channels];
    for (at, tile) in tiles.enumerate() {
        let corner = grid.corner(tile);
        let tile: [&[f32]; POINTS] = array::from_fn(|n| {
            let pixel = grid.pixel(corner, n / SIDE, n % SIDE);
            pixel.map_or(beyond.as_slice(), |pixel| &pixels[pixel * channels..][..channels])
        });
        for channel in (0..channels).step_by(LANES) {
            let mut columns = [Vector::ZERO; POINTS];
            for x in 0..SIDE {
                let column = evaluate(array::from_fn(|y| Vector::of(tile[y * SIDE + x], channel)));
                (0..SIDE).for_each(|y| columns[y * SIDE + x] = column[y]);
            }
            for y in 0..SIDE {
                let row = evaluate(array::from_fn(|x| columns[y * SIDE + x]));
                (0..SIDE).for_each(|x| row[x].store(points, (y * SIDE + x) * plane + at * channels + channel));
            }
        }
    }
}

/// Products at the points `[36, tiles, C]` to outputs within `out` `[N, H, W, C]`, `STEP` along each axis of a tile, with
/// the bias and a `ReLU`.
#[inline(always)]
fn from_points<const STEP: usize>(grid: &Grid, tiles: Range<usize>, points: &[f32], bias: &[f32], out: &mut [f32]) {
    let channels = bias.len();
    let plane = tiles.len() * channels;
    for (at, tile) in tiles.enumerate() {
        let [image, top, left] = grid.corner(tile);
        for channel in (0..channels).step_by(LANES) {
            let mut columns = [Vector::ZERO; POINTS];
            for x in 0..SIDE {
                let point = |y| Vector::of(points, (y * SIDE + x) * plane + at * channels + channel);
                let column: [_; STEP] = interpolate(array::from_fn(point));
                (0..STEP).for_each(|y| columns[y * SIDE + x] = column[y]);
            }
            let bias = Vector::of(bias, channel);
            for y in 0..STEP.min(grid.height - top) {
                let row: [_; STEP] = interpolate(array::from_fn(|x| columns[y * SIDE + x]));
                for (x, sum) in row.into_iter().enumerate().take(grid.width - left) {
                    let pixel = (image * grid.height + top + y) * grid.width + left + x;
                    (sum + bias).or_zero().store(out, pixel * channels + channel);
                }
            }
        }
    }
}

/// A number of each of some channels.
#[derive(Debug, Clone, Copy)]
struct Vector([f32; LANES]);

impl Vector {
    const ZERO: Self = Self([0.0; LANES]);

    #[inline(always)]
    fn of(values: &[f32], begin: usize) -> Self {
        let values = &values[begin..begin + LANES];
        Self(array::from_fn(|lane| values[lane]))
    }

    #[inline(always)]
    fn store(self, values: &mut [f32], begin: usize) {
        values[begin..begin + LANES].iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
    }

    #[inline(always)]
    fn times(self, factor: f32) -> Self {
        Self(self.0.map(|lane| lane * factor))
    }

    #[inline(always)]
    fn or_zero(self) -> Self {
        Self(self.0.map(|lane| lane.max(0.0)))
    }
}

impl Add for Vector {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(array::from_fn(|lane| self.0[lane] + other.0[lane]))
    }
}

impl Sub for Vector {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(array::from_fn(|lane| self.0[lane] - other.0[lane]))
    }
}

/// The transposed interpolation of six values, which makes products at the points the sums of a convolution.
#[inline(always)]
fn evaluate([d0, d1, d2, d3, d4, d5]: [Vector; SIDE]) -> [Vector; SIDE] {
    let (near_even, near_odd) = (d4 - d2.times(4.0), d3 - d1.times(4.0));
    let (far_even, far_odd) = (d4 - d2, (d3 - d1).times(2.0));
    [
        d0.times(4.0) - d2.times(5.0) + d4,
        near_even + near_odd,
        near_even - near_odd,
        far_even + far_odd,
        far_even - far_odd,
        d1.times(4.0) - d3.times(5.0) + d5,
    ]
}

/// `STEP` outputs of what the points sum up to: sums of their powers, and the last point, infinity, in the last one.
#[inline(always)]
fn interpolate<const STEP: usize>([p0, p1, p2, p3, p4, p5]: [Vector; SIDE]) -> [Vector; STEP] {
    let (near_even, near_odd, far_even, far_odd) = (p1 + p2, p1 - p2, p3 + p4, p3 - p4);
    let powers = [
        p0 + near_even + far_even,
        near_odd + far_odd.times(2.0),
        near_even + far_even.times(4.0),
        near_odd + far_odd.times(8.0),
    ];
    array::from_fn(|power| if power + 1 == STEP { powers[power] + p5 } else { powers[power] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::init;

    fn relative(have: &Tensor, want: &Tensor) -> f64 {
        let error = (have.to_kind(Kind::Double) - want).abs().max() / want.abs().max();
        f64::try_from(error).unwrap()
    }

    #[test]
    fn sums_are_those_of_the_convolution_whatever_the_size() {
        for (kernel, outputs) in [(3, 128), (5, 136)] {
            let weight = init::normal(1, "weight", &[outputs, 64, kernel, kernel], 0.05).unwrap();
            let bias = init::normal(1, "bias", &[outputs], 0.5).unwrap();
            let winograd = Winograd::new(&weight, &bias).unwrap().unwrap();
            // One pixel, less than a tile, whole tiles, a row and a column over, more tiles than one product takes.
            for (count, height, width) in [(1, 1, 1), (2, 2, 3), (1, 8, 4), (3, 9, 13), (2, 41, 37)] {
                let x = init::symmetric(2, "x", &[count, 64, height, width], 1.0).unwrap();
                let double = |tensor: &Tensor| tensor.to_kind(Kind::Double);
                let padding = [kernel / 2; 2];
                let want = double(&x).conv2d(&double(&weight), Some(double(&bias)), [1; 2], padding, [1; 2], 1).relu();
                let have = winograd.convolve(&x).unwrap();
                assert_eq!(have.size(), want.size());
                let error = relative(&have, &want);
                assert!(error < 1e-5, "kernel {kernel}, {height}x{width}: {error}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_libtorch() {
        let of = |shape: [i64; 4]| {
            let weight = init::normal(1, "weight", &shape, 0.05).unwrap();
            Winograd::new(&weight, &Tensor::zeros([shape[0]], (Kind::Float, Device::Cpu))).unwrap().is_some()
        };
        assert!(of([128, 128, 3, 3]));
        assert!(!of([128, 128, 1, 1]) && !of([128, 64, 11, 11]), "other kernels");
        assert!(!of([132, 128, 3, 3]) && !of([128, 68, 3, 3]), "channels that are no multiple of the lanes");
    }

    #[test]
    fn another_number_of_channels_is_refused() {
        let weight = init::normal(1, "weight", &[128, 64, 3, 3], 0.05).unwrap();
        let winograd = Winograd::new(&weight, &weight.select(0, 0).flatten(0, -1).narrow(0, 0, 128)).unwrap().unwrap();
        let x = Tensor::zeros([1, 32, 8, 8], (Kind::Float, Device::Cpu));
        assert!(winograd.convolve(&x).unwrap_err().to_string().contains("64 channels was given 32"));
    }
}
