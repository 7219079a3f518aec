//! The same augmentation as [`crate::data::augment::jitter`], as tensor operations: crop, flip, steps and normalisation
//! of bytes that are on the device already. Equal within rounding.

use tch::{Device, Kind, TchError, Tensor};

use crate::data::augment::jitter::GREY;
use crate::data::augment::{Augment, Step};
use crate::native::torch::device_memory;

/// From bytes `[2, 3, H, W]` (photo, illustration) to floats `[2, 3, size, size]` in [-1, 1].
pub fn on_device(bytes: &Tensor, augment: &Augment, size: usize) -> Result<Tensor, TchError> {
    let shape = bytes.size();
    let &[_, _, height, width] = shape.as_slice() else {
        return Err(TchError::Shape(format!("{shape:?} is not [2, 3, H, W]")));
    };
    let [left, top] = augment.corner(width as usize, height as usize, size);
    let size = size as i64;
    let mut image = bytes.f_narrow(2, top as i64, size)?.f_narrow(3, left as i64, size)?;
    if augment.flip {
        image = image.f_flip([3])?;
    }
    if augment.steps.is_empty() {
        return image.f_to_kind(Kind::Float)?.f_mul_scalar(2.0 / 255.0)?.f_sub_scalar(1.0);
    }
    let mut image = image.f_to_kind(Kind::Float)?.f_mul_scalar(1.0 / 255.0)?;
    for &step in &augment.steps {
        image = apply(step, &image)?;
    }
    image.f_mul_scalar(2.0)?.f_sub_scalar(1.0)
}

fn apply(step: Step, image: &Tensor) -> Result<Tensor, TchError> {
    match step {
        Step::Brightness(factor) => image.f_mul_scalar(f64::from(factor))?.f_clamp(0.0, 1.0),
        Step::Contrast(factor) => {
            // [2, 1, 1, 1]: each image has its own mean.
            let mean = grey(image)?.f_mean_dim(&[1_i64, 2, 3][..], true, Kind::Float)?;
            blend(image, &mean, factor)
        }
        Step::Saturation(factor) => blend(image, &grey(image)?, factor),
        Step::Hue(turns) => turn(image, 6.0 * f64::from(turns)),
    }
}

fn blend(image: &Tensor, other: &Tensor, factor: f32) -> Result<Tensor, TchError> {
    let rest = other.f_mul_scalar(f64::from(1.0 - factor))?;
    image.f_mul_scalar(f64::from(factor))?.f_add(&rest)?.f_clamp(0.0, 1.0)
}

/// `[2, 3, H, W]` to `[2, 1, H, W]`.
fn grey(image: &Tensor) -> Result<Tensor, TchError> {
    let part = |channel: usize| image.f_narrow(1, channel as i64, 1)?.f_mul_scalar(f64::from(GREY[channel]));
    part(0)?.f_add(&part(1)?)?.f_add(&part(2)?)
}

/// As the jitter's `turn`, for the three channels at once.
fn turn(image: &Tensor, shift: f64) -> Result<Tensor, TchError> {
    let value = image.f_amax(1, true)?;
    let chroma = value.f_sub(&image.f_amin(1, true)?)?;
    let divisor = chroma.f_where_self(&chroma.f_gt(0.0)?, &chroma.f_ones_like()?)?;
    let channel = |n: i64| image.f_narrow(1, n, 1);
    let (red, green, blue) = (channel(0)?, channel(1)?, channel(2)?);
    let ratio = |a: &Tensor, b: &Tensor, offset: f64| a.f_sub(b)?.f_div(&divisor)?.f_add_scalar(offset);
    let other = ratio(&blue, &red, 2.0)?.f_where_self(&value.f_eq_tensor(&green)?, &ratio(&red, &green, 4.0)?)?;
    let hue = ratio(&green, &blue, 0.0)?.f_where_self(&value.f_eq_tensor(&red)?, &other)?.f_add_scalar(shift)?;
    // k = (n + hue) mod 6 at n = 5, 3, 1 for red, green, blue: [2, 3, H, W].
    let starts = Tensor::f_from_slice(&[5.0_f32, 3.0, 1.0])?.f_to_device(image.device())?.f_view([1, 3, 1, 1])?;
    let k = hue.f_add(&starts)?.f_remainder(6.0)?;
    let spread = k.f_minimum(&k.f_neg()?.f_add_scalar(4.0)?)?.f_clamp(0.0, 1.0)?;
    value.f_sub(&chroma.f_mul(&spread)?)
}

/// Free memory of a CUDA device, in bytes; `None` for the CPU, or where the device does not say.
pub fn free_memory(device: Device) -> Option<u64> {
    let memory = device_memory(device).ok().flatten()?;
    u64::try_from(memory.free).ok()
}
