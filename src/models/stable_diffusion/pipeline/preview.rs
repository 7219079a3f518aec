//! What latents will look like, without the autoencoder.

use tch::{Kind, TchError, Tensor};

/// Red, green and blue of each of Stable Diffusion 1's four latent channels: a table in common use, fitted to its
/// autoencoder.
const COLOURS: [f32; 12] =
    [0.3512, 0.2297, 0.3227, 0.3250, 0.4974, 0.2350, -0.2829, 0.1762, 0.2721, -0.2120, -0.2616, -0.7177];

/// A small picture `[B, 3, h, w]`, uint8 on the CPU, of latents `[B, 4, h, w]`; of other widths grey, by their mean.
pub fn preview(latents: &Tensor) -> Result<Tensor, TchError> {
    let _guard = tch::no_grad_guard();
    let z = latents.f_to_kind(Kind::Float)?.f_to_device(tch::Device::Cpu)?;
    let rgb = if z.size4()?.1 == 4 {
        let colours = Tensor::f_from_slice(&COLOURS)?.f_view([4, 3])?.f_transpose(0, 1)?;
        z.f_conv2d(&colours.f_reshape([3, 4, 1, 1])?, None::<&Tensor>, [1; 2], [0; 2], [1; 2], 1)?
    } else {
        z.f_mean_dim([1_i64].as_slice(), true, Kind::Float)?.f_repeat([1, 3, 1, 1])?
    };
    let pixels = rgb.f_mul_scalar(0.5)?.f_add_scalar(0.5)?.f_mul_scalar(255.0)?.f_round()?;
    pixels.f_clamp(0.0, 255.0)?.f_to_kind(Kind::Uint8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn the_table_colours_every_channel() {
        let at = |channel: i64, value: f64| {
            let z = Tensor::zeros([1, 4, 1, 2], (Kind::Float, Device::Cpu));
            let _ = z.narrow(1, channel, 1).fill_(value);
            Vec::<u8>::try_from(preview(&z).unwrap().select(3, 0).flatten(0, -1)).unwrap()
        };
        assert_eq!(at(0, 0.0), [128, 128, 128]);
        assert_eq!(at(0, 1.0), [172, 157, 169]);
        assert_eq!(at(3, 1.0), [100, 94, 36]);
        assert_eq!(at(3, -100.0), [255, 255, 255]);
        let grey = preview(&Tensor::ones([2, 8, 3, 3], (Kind::Float, Device::Cpu))).unwrap();
        assert_eq!((grey.size(), grey.double_value(&[1, 2, 0, 0])), (vec![2, 3, 3, 3], 255.0));
    }
}
