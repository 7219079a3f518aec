//! One image from planes of bytes to planes of floats in [-1, 1]: crop, flip, colour steps and normalisation in a
//! single pass, a row at a time, so that every step works in the first-level cache and in wide vectors.
//!
//! torchvision's definitions on float images x in [0, 1], with grey(x) = 0.2989 r + 0.587 g + 0.114 b and c clamping
//! to [0, 1]: brightness c(f x); contrast c(f x + (1 - f) mean grey); saturation c(f x + (1 - f) grey); hue through HSV.
//! Only contrast needs the whole image first: its mean takes one more pass over the steps before it.

#![expect(clippy::manual_clamp, reason = "max and min are one instruction each, and nothing here is NaN")]
#![expect(clippy::inline_always, reason = "loops are compiled for the widest vectors only where they are inlined")]

use super::{Augment, Step};
use crate::native::lanes::widest;

/// torchvision's grey weights.
pub const GREY: [f32; 3] = [0.2989, 0.587, 0.114];

/// Three planes of bytes, `width * height` each.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Red, green, blue planes, one after the other.
    pub planes: &'a [u8],
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

/// Three rows of floats.
struct Row {
    red: Vec<f32>,
    green: Vec<f32>,
    blue: Vec<f32>,
}

/// Write the augmented square of `size` as three planes of floats in [-1, 1] to `out`, `3 * size * size` elements.
///
/// # Errors
/// When `out` or the image is not of the size they claim.
pub fn render(image: Image<'_>, augment: &Augment, size: usize, out: &mut [f32]) -> Result<(), String> {
    let Image { planes, width, height } = image;
    if size == 0 || width < size || height < size || planes.len() != 3 * width * height || out.len() != 3 * size * size
    {
        return Err(format!("{} bytes as {width}x{height} pixels cannot give {} floats", planes.len(), out.len()));
    }
    widest(
        #[inline(always)]
        || draw(image, augment, size, out),
    );
    Ok(())
}

#[inline(always)]
fn draw(image: Image<'_>, augment: &Augment, size: usize, out: &mut [f32]) {
    let corner = augment.corner(image.width, image.height, size);
    let (red, rest) = out.split_at_mut(size * size);
    let (green, blue) = rest.split_at_mut(size * size);
    let rows = red.chunks_exact_mut(size).zip(green.chunks_exact_mut(size)).zip(blue.chunks_exact_mut(size));
    if augment.steps.is_empty() {
        for (row, ((red, green), blue)) in rows.enumerate() {
            for (channel, target) in [red, green, blue].into_iter().enumerate() {
                let source = line(image, corner, row, channel, size);
                convert(source, augment.flip, 2.0 / 255.0, -1.0, target);
            }
        }
        return;
    }
    let mut work = Row { red: vec![0.0; size], green: vec![0.0; size], blue: vec![0.0; size] };
    let mean = mean_grey(image, augment, corner, size, &mut work);
    for (row, ((red, green), blue)) in rows.enumerate() {
        load(image, augment.flip, corner, row, size, &mut work);
        for &step in &augment.steps {
            apply(step, mean, &mut work);
        }
        for (target, source) in [(red, &work.red), (green, &work.green), (blue, &work.blue)] {
            for (to, from) in target.iter_mut().zip(source) {
                *to = *from * 2.0 - 1.0;
            }
        }
    }
}

/// The mean grey that the contrast step sees: of the cropped image after the steps before it. 0 without contrast.
#[inline(always)]
fn mean_grey(image: Image<'_>, augment: &Augment, corner: [usize; 2], size: usize, work: &mut Row) -> f32 {
    let Some(at) = augment.steps.iter().position(|step| matches!(step, Step::Contrast(_))) else { return 0.0 };
    let mut sum = 0.0_f64;
    for row in 0..size {
        load(image, false, corner, row, size, work);
        for &step in &augment.steps[..at] {
            apply(step, 0.0, work);
        }
        sum += f64::from(sum_grey(work));
    }
    (sum / (size * size) as f64) as f32
}

#[inline(always)]
fn sum_grey(row: &Row) -> f32 {
    // Eight running sums: the order of additions is fixed, and they go into one vector.
    let mut lanes = [0.0_f32; 8];
    let (red, green, blue) = (row.red.chunks(8), row.green.chunks(8), row.blue.chunks(8));
    for ((red, green), blue) in red.zip(green).zip(blue) {
        for (((lane, r), g), b) in lanes.iter_mut().zip(red).zip(green).zip(blue) {
            *lane += GREY[0] * r + GREY[1] * g + GREY[2] * b;
        }
    }
    lanes.iter().sum()
}

#[inline(always)]
fn line(image: Image<'_>, corner: [usize; 2], row: usize, channel: usize, size: usize) -> &[u8] {
    let start = channel * image.width * image.height + (corner[1] + row) * image.width + corner[0];
    &image.planes[start..start + size]
}

#[inline(always)]
fn convert(source: &[u8], flip: bool, scale: f32, offset: f32, target: &mut [f32]) {
    if flip {
        for (to, &from) in target.iter_mut().zip(source.iter().rev()) {
            *to = f32::from(from) * scale + offset;
        }
    } else {
        for (to, &from) in target.iter_mut().zip(source) {
            *to = f32::from(from) * scale + offset;
        }
    }
}

#[inline(always)]
fn load(image: Image<'_>, flip: bool, corner: [usize; 2], row: usize, size: usize, work: &mut Row) {
    for (channel, target) in [&mut work.red, &mut work.green, &mut work.blue].into_iter().enumerate() {
        convert(line(image, corner, row, channel, size), flip, 1.0 / 255.0, 0.0, target);
    }
}

#[inline(always)]
fn unit(v: f32) -> f32 {
    v.max(0.0).min(1.0)
}

#[inline(always)]
fn apply(step: Step, mean: f32, row: &mut Row) {
    match step {
        Step::Brightness(factor) => {
            for plane in [&mut row.red, &mut row.green, &mut row.blue] {
                for v in plane.iter_mut() {
                    *v = unit(*v * factor);
                }
            }
        }
        Step::Contrast(factor) => {
            let offset = (1.0 - factor) * mean;
            for plane in [&mut row.red, &mut row.green, &mut row.blue] {
                for v in plane.iter_mut() {
                    *v = unit(*v * factor + offset);
                }
            }
        }
        Step::Saturation(factor) => {
            for ((r, g), b) in row.red.iter_mut().zip(&mut row.green).zip(&mut row.blue) {
                let grey = (1.0 - factor) * (GREY[0] * *r + GREY[1] * *g + GREY[2] * *b);
                *r = unit(*r * factor + grey);
                *g = unit(*g * factor + grey);
                *b = unit(*b * factor + grey);
            }
        }
        Step::Hue(turns) => {
            let shift = 6.0 * turns;
            for ((r, g), b) in row.red.iter_mut().zip(&mut row.green).zip(&mut row.blue) {
                [*r, *g, *b] = turn([*r, *g, *b], shift);
            }
        }
    }
}

/// Turn a colour's hue by `shift` sixths of a turn, in [-6, 6], through HSV: with hue h in sixths, value v and chroma
/// c, a channel is v - c max(0, min(k, 4 - k, 1)) at k = (n + h) mod 6, n = 5, 3, 1 for red, green, blue. No branches.
#[inline(always)]
fn turn([r, g, b]: [f32; 3], shift: f32) -> [f32; 3] {
    let value = r.max(g).max(b);
    let chroma = value - r.min(g).min(b);
    // A grey has no hue; any will do, as it has no chroma to spread either.
    let inverse = 1.0 / if chroma > 0.0 { chroma } else { 1.0 };
    let blue_or_green = if value == g { (b - r) * inverse + 2.0 } else { (r - g) * inverse + 4.0 };
    let hue = if value == r { (g - b) * inverse } else { blue_or_green } + shift;
    let channel = |n: f32| {
        let k = n + hue;
        let k = if k >= 6.0 { k - 6.0 } else { k };
        let k = if k >= 6.0 { k - 6.0 } else { k };
        let k = if k < 0.0 { k + 6.0 } else { k };
        let k = if k < 0.0 { k + 6.0 } else { k };
        value - chroma * k.min(4.0 - k).min(1.0).max(0.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

#[cfg(test)]
mod tests;
