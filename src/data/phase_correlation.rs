//! How far one image is shifted against another, by phase correlation of their luminance.
//!
//! Kuglin and Hines, "The phase correlation image alignment method" (1975): the inverse transform of the whitened
//! cross spectrum has a peak at the shift. Both images get a Hann window against their borders, and the cross spectrum
//! a Gaussian low-pass, because a drawing shares outlines with its photo but not the finest texture.

use std::f32::consts::PI;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use serde::Serialize;

use super::luminance::Luminance;

/// Longest side of the centre part that is compared, in pixels.
const MAX_SIDE: usize = 512;
/// Shortest side that gives a meaningful spectrum.
const MIN_SIDE: usize = 32;
/// Standard deviation of the low-pass, in cycles a pixel.
const LOW_PASS: f32 = 0.2;
/// Half the side of the square around the peak that does not count as background.
const PEAK_RADIUS: usize = 5;

/// A shift and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Shift {
    /// Pixels by which the second image's content lies further right.
    pub dx: f64,
    /// Pixels by which the second image's content lies further down.
    pub dy: f64,
    /// Height of the peak over the rest of the surface, in standard deviations. Images with nothing in common reach 5
    /// to 17; a photo and its drawing 20 to 250, less where both are nearly blank.
    pub confidence: f64,
}

impl Shift {
    /// Length of the shift in pixels.
    pub fn distance(&self) -> f64 {
        self.dx.hypot(self.dy)
    }
}

/// The shift of `b` against `a`, to a fraction of a pixel; at most half the compared part can be told. `None` when the
/// sizes differ, are under 32 pixels, or one image is of one colour.
pub fn shift(a: &Luminance, b: &Luminance) -> Option<Shift> {
    if (a.width, a.height) != (b.width, b.height) {
        return None;
    }
    let (width, height) = (compared(a.width)?, compared(a.height)?);
    let mut planner = FftPlanner::new();
    let plans = Plans {
        width,
        height,
        rows: planner.plan_fft_forward(width),
        columns: planner.plan_fft_forward(height),
        rows_back: planner.plan_fft_inverse(width),
        columns_back: planner.plan_fft_inverse(height),
    };
    let mut spectrum_a = windowed(a, width, height)?;
    let mut spectrum_b = windowed(b, width, height)?;
    plans.forward(&mut spectrum_a);
    plans.forward(&mut spectrum_b);
    let mut surface = whitened(&spectrum_a, &spectrum_b, width, height);
    plans.back(&mut surface);
    let surface: Vec<f32> = surface.into_iter().map(|value| value.re).collect();
    Some(peak(&surface, width, height))
}

/// The largest power of two that fits, so that the transform is fast.
fn compared(length: usize) -> Option<usize> {
    (length >= MIN_SIDE).then(|| (1 << length.ilog2()).min(MAX_SIDE))
}

struct Plans {
    width: usize,
    height: usize,
    rows: std::sync::Arc<dyn Fft<f32>>,
    columns: std::sync::Arc<dyn Fft<f32>>,
    rows_back: std::sync::Arc<dyn Fft<f32>>,
    columns_back: std::sync::Arc<dyn Fft<f32>>,
}

impl Plans {
    /// Transform `[height, width]`; the result is `[width, height]`, which spares a transposition.
    fn forward(&self, data: &mut Vec<Complex<f32>>) {
        self.rows.process(data);
        *data = transposed(data, self.width, self.height);
        self.columns.process(data);
    }

    /// Undo [`Plans::forward`], but for the scale.
    fn back(&self, data: &mut Vec<Complex<f32>>) {
        self.columns_back.process(data);
        *data = transposed(data, self.height, self.width);
        self.rows_back.process(data);
    }
}

fn transposed(data: &[Complex<f32>], width: usize, height: usize) -> Vec<Complex<f32>> {
    (0..width).flat_map(|x| (0..height).map(move |y| data[y * width + x])).collect()
}

/// The centre part, its mean taken away, under a Hann window.
fn windowed(image: &Luminance, width: usize, height: usize) -> Option<Vec<Complex<f32>>> {
    let (left, top) = ((image.width - width) / 2, (image.height - height) / 2);
    let at = |x: usize, y: usize| image.values[(top + y) * image.width + left + x];
    let mean = (0..height).flat_map(|y| (0..width).map(move |x| f64::from(at(x, y)))).sum::<f64>() as f32
        / (width * height) as f32;
    let hann = |i: usize, n: usize| 0.5 - 0.5 * (2.0 * PI * i as f32 / (n - 1) as f32).cos();
    let across: Vec<f32> = (0..width).map(|x| hann(x, width)).collect();
    let mut blank = true;
    let mut data = Vec::with_capacity(width * height);
    for y in 0..height {
        let down = hann(y, height);
        for (x, across) in across.iter().enumerate() {
            let value = at(x, y) - mean;
            blank &= value.abs() < 0.5;
            data.push(Complex::new(value * across * down, 0.0));
        }
    }
    (!blank).then_some(data)
}

/// The whitened, low-passed cross spectrum; spectra are `[width, height]`.
fn whitened(a: &[Complex<f32>], b: &[Complex<f32>], width: usize, height: usize) -> Vec<Complex<f32>> {
    let frequency = |i: usize, n: usize| if i * 2 < n { i as f32 } else { i as f32 - n as f32 } / n as f32;
    let product = |a: &Complex<f32>, b: &Complex<f32>| b * a.conj();
    let largest = a.iter().zip(b).map(|(a, b)| product(a, b).norm()).fold(0.0, f32::max);
    let floor = largest * 1e-9 + f32::MIN_POSITIVE;
    a.iter()
        .zip(b)
        .enumerate()
        .map(|(index, (a, b))| {
            let (x, y) = (index / height, index % height);
            let (fx, fy) = (frequency(x, width), frequency(y, height));
            let pass = (-(fx * fx + fy * fy) / (2.0 * LOW_PASS * LOW_PASS)).exp();
            let value = product(a, b);
            value * (pass / (value.norm() + floor))
        })
        .collect()
}

fn peak(surface: &[f32], width: usize, height: usize) -> Shift {
    let best = surface.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(index, _)| index);
    let (x, y) = (best % width, best / width);
    let at = |x: usize, y: usize| f64::from(surface[(y % height) * width + x % width]);
    // The distance on the ring: the surface is periodic.
    let ring = |a: usize, b: usize, n: usize| a.abs_diff(b).min(n - a.abs_diff(b));
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for (index, &value) in surface.iter().enumerate() {
        if ring(index % width, x, width) > PEAK_RADIUS || ring(index / width, y, height) > PEAK_RADIUS {
            sum += f64::from(value);
            squares += f64::from(value) * f64::from(value);
            count += 1.0;
        }
    }
    let mean = sum / count;
    let deviation = (squares / count - mean * mean).max(0.0).sqrt();
    let height_of_peak = at(x, y);
    // A parabola through the peak and its two neighbours.
    let refine = |before: f64, after: f64| {
        let curve = before - 2.0 * height_of_peak + after;
        if curve < 0.0 { (0.5 * (before - after) / curve).clamp(-0.5, 0.5) } else { 0.0 }
    };
    let signed = |i: usize, n: usize| if i * 2 < n { i as f64 } else { i as f64 - n as f64 };
    Shift {
        dx: signed(x, width) + refine(at(x + width - 1, y), at(x + 1, y)),
        dy: signed(y, height) + refine(at(x, y + height - 1), at(x, y + 1)),
        confidence: if deviation > 0.0 { (height_of_peak - mean) / deviation } else { 0.0 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large textured field that has no period: hashed noise, blurred by neighbours.
    fn field(x: i64, y: i64) -> f32 {
        let noise = |x: i64, y: i64| {
            let mut h = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)) as u64;
            h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D_1B87_3593);
            ((h >> 40) & 255) as f32
        };
        let mut sum = 0.0;
        for v in -2..=2 {
            for u in -2..=2 {
                sum += noise(x + u, y + v);
            }
        }
        sum / 25.0
    }

    fn window(width: usize, height: usize, left: i64, top: i64) -> Luminance {
        let values = (0..height as i64).flat_map(|y| (0..width as i64).map(move |x| field(x + left, y + top)));
        Luminance { width, height, values: values.collect() }
    }

    #[test]
    fn a_known_shift_is_found_with_its_sign() {
        for (dx, dy) in [(0, 0), (3, -2), (-7, 5), (20, 0)] {
            let found = shift(&window(200, 150, 0, 0), &window(200, 150, -dx, -dy)).unwrap();
            assert!((found.dx - dx as f64).abs() < 0.3 && (found.dy - dy as f64).abs() < 0.3, "{dx},{dy}: {found:?}");
            assert!(found.confidence > 30.0, "{found:?}");
        }
    }

    #[test]
    fn tones_may_change_without_moving_anything() {
        let a = window(256, 256, 0, 0);
        let mut b = window(256, 256, -3, 2);
        for value in &mut b.values {
            *value = (*value / 16.0).floor() * 14.0 + 20.0;
        }
        let found = shift(&a, &b).unwrap();
        assert!((found.dx - 3.0).abs() < 0.5 && (found.dy + 2.0).abs() < 0.5, "{found:?}");
    }

    #[test]
    fn images_with_nothing_in_common_have_no_confidence() {
        let found = shift(&window(256, 256, 0, 0), &window(256, 256, 5000, 9000)).unwrap();
        assert!(found.confidence < 15.0, "{found:?}");
    }

    #[test]
    fn what_cannot_be_measured_is_none() {
        let blank = Luminance { width: 64, height: 64, values: vec![9.0; 64 * 64] };
        assert_eq!(shift(&blank, &window(64, 64, 0, 0)), None);
        assert_eq!(shift(&window(64, 64, 0, 0), &window(64, 65, 0, 0)), None);
        assert_eq!(shift(&window(31, 64, 0, 0), &window(31, 64, 0, 0)), None);
    }
}
