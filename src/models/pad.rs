//! Images of any size for networks that want multiples: reflected up, and cropped back.

use tch::{Kind, TchError, Tensor};

/// Where an image lies in the one that it was grown to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    top: i64,
    left: i64,
    height: i64,
    width: i64,
}

impl Place {
    /// The image's part of what was made of the grown one, `[B, C, H, W]`.
    pub fn crop(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_narrow(2, self.top, self.height)?.f_narrow(3, self.left, self.width)
    }
}

/// `[B, C, H, W]` grown to sides that are multiples of `multiple` and at least `smallest`, the image in the middle.
pub fn to_multiple(x: &Tensor, multiple: i64, smallest: i64) -> Result<(Tensor, Place), TchError> {
    let (_, _, height, width) = x.size4()?;
    let fitting = |side: i64| (side.max(smallest) as u64).next_multiple_of(multiple as u64) as i64;
    let (to_height, to_width) = (fitting(height), fitting(width));
    let (top, left) = ((to_height - height) / 2, (to_width - width) / 2);
    let grown = reflect(&reflect(x, 2, top, to_height)?, 3, left, to_width)?;
    Ok((grown, Place { top, left, height, width }))
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

    #[test]
    fn what_is_grown_is_cropped_back() {
        let x = Tensor::rand([2, 3, 13, 24], (Kind::Float, Device::Cpu));
        let (grown, place) = to_multiple(&x, 8, 32).unwrap();
        assert_eq!(grown.size(), [2, 3, 32, 32]);
        assert_eq!(place.crop(&grown).unwrap(), x);
        let (same, _) = to_multiple(&x.narrow(2, 0, 8), 8, 8).unwrap();
        assert_eq!(same.size(), [2, 3, 8, 24]);
    }
}
