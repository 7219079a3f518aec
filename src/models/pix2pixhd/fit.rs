//! Any size: reflected up to what a generator needs, and cropped back.

use tch::{Kind, TchError, Tensor};

use super::enhancer::{self, Gradients};
use super::{generator, multiple, smallest};
use crate::config::{Generator, GeneratorKind};
use crate::models::layers::View;

/// A generator's output for `[B, 3, H, W]` in [-1, 1] of any H and W from 1: same size and range, float32.
pub fn generate(view: &View<'_>, config: &Generator, x: &Tensor, gradients: Gradients) -> Result<Tensor, TchError> {
    let (_, channels, height, width) = x.size4()?;
    if channels != 3 || height < 1 || width < 1 {
        return Err(TchError::Shape(format!("expected images [B, 3, H, W], got {:?}", x.size())));
    }
    let forward = |x: &Tensor| match config.kind {
        GeneratorKind::Global => generator::forward(view, config, x),
        GeneratorKind::Local => enhancer::forward(view, config, x, gradients),
    };
    let fitting = |side: i64| (side.max(smallest(config)) as u64).next_multiple_of(multiple(config) as u64) as i64;
    let (to_height, to_width) = (fitting(height), fitting(width));
    if (to_height, to_width) == (height, width) {
        return forward(x);
    }
    let (top, left) = ((to_height - height) / 2, (to_width - width) / 2);
    let padded = reflect(&reflect(x, 2, top, to_height)?, 3, left, to_width)?;
    forward(&padded)?.f_narrow(2, top, height)?.f_narrow(3, left, width)
}

/// `x` with dimension `dim` grown to `length` by reflection at its ends, as often as it takes; `before` of it in front.
fn reflect(x: &Tensor, dim: i64, before: i64, length: i64) -> Result<Tensor, TchError> {
    let side = x.size()[dim as usize];
    if side == length {
        return Ok(x.shallow_clone());
    }
    let period = (2 * (side - 1)).max(1);
    let at: Vec<i64> = (0..length)
        .map(|at| (at - before).rem_euclid(period))
        .map(|at| if at < side { at } else { period - at })
        .collect();
    x.f_index_select(dim, &Tensor::f_from_slice(&at)?.f_to_device_(x.device(), Kind::Int64, false, false)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn reflection_is_libtorchs_and_goes_on_where_that_stops() {
        let x = Tensor::arange(3 * 5 * 7, (Kind::Float, Device::Cpu)).reshape([1, 3, 5, 7]);
        let wide = reflect(&reflect(&x, 2, 2, 8).unwrap(), 3, 4, 13).unwrap();
        assert_eq!(wide, x.reflection_pad2d([4, 2, 2, 1]));
        let row = Tensor::from_slice(&[1.0_f32, 2.0, 3.0]).reshape([1, 1, 1, 3]);
        let far: Vec<f32> = Vec::try_from(reflect(&row, 3, 4, 11).unwrap().flatten(0, -1)).unwrap();
        assert_eq!(far, [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0]);
        let pixel = Tensor::from_slice(&[5.0_f32]).reshape([1, 1, 1, 1]);
        assert_eq!(f64::try_from(reflect(&pixel, 3, 1, 4).unwrap().sum(Kind::Float)).unwrap(), 20.0);
    }
}
