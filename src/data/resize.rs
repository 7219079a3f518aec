//! Resizing as Pillow's `BICUBIC` does it, which is what torchvision's `Resize` and NVIDIA's pix2pixHD call: Keys'
//! cubic with a = -1/2 (that is Catmull-Rom), its support widened by the scale when shrinking, so that nothing aliases.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Longest side over shortest side of a picture after [`short_side`]; longer ones are squeezed to it.
pub const MOST_STRETCHED: usize = 8;

/// Resize to `width` x `height` pixels.
///
/// # Errors
/// A reason, when a size is zero or the memory is not to be had.
pub fn resize(image: &RgbImage, width: usize, height: usize) -> Result<RgbImage, String> {
    // Two passes that round to bytes between, so their order decides what is clipped. Pillow goes across first; its
    // newest versions go down first where that is much the cheaper, of which the clear case is taken over here.
    let (to_width, to_height) = (width as u32, height as u32);
    let between = if to_width > image.width() && to_height < image.height() {
        pass(image, image.width(), to_height)?
    } else {
        pass(image, to_width, image.height())?
    };
    pass(&between, to_width, to_height)
}

fn pass(image: &RgbImage, width: u32, height: u32) -> Result<RgbImage, String> {
    if image.dimensions() == (width, height) {
        return Ok(image.clone());
    }
    let source = TypedImageRef::<U8x3>::from_buffer(image.width(), image.height(), image.as_raw())
        .map_err(|error| error.to_string())?;
    let mut target = RgbImage::new(width, height);
    let mut view =
        TypedImage::<U8x3>::from_buffer(width, height, target.as_mut()).map_err(|error| error.to_string())?;
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom)).use_alpha(false);
    Resizer::new().resize_typed(&source, &mut view, &options).map_err(|error| error.to_string())?;
    Ok(target)
}

/// Width and height after resizing the short side to `size`, as torchvision's `Resize(size)`: the long side is
/// truncated to whole pixels.
pub fn short_side(width: usize, height: usize, size: usize) -> (usize, usize) {
    let long = |long: usize, short: usize| (size * long / short.max(1)).clamp(size, size * MOST_STRETCHED);
    if width >= height { (long(width, height), size) } else { (size, long(height, width)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_side_is_fitted_and_the_long_one_follows() {
        assert_eq!(short_side(640, 480, 240), (320, 240));
        assert_eq!(short_side(480, 641, 240), (240, 320));
        assert_eq!(short_side(7, 7, 64), (64, 64));
        assert_eq!(short_side(10_000, 1, 64), (512, 64));
    }

    #[test]
    fn the_same_size_changes_nothing_and_a_flat_colour_stays_flat() {
        let noise = RgbImage::from_fn(17, 9, |x, y| image::Rgb([(x * 13) as u8, (y * 29) as u8, (x * y) as u8]));
        assert_eq!(resize(&noise, 17, 9).unwrap(), noise);
        let flat = RgbImage::from_pixel(40, 30, image::Rgb([12, 200, 255]));
        for (width, height) in [(16, 16), (64, 80), (1, 1)] {
            assert!(resize(&flat, width, height).unwrap().pixels().all(|p| p.0 == [12, 200, 255]));
        }
    }

    /// Golden bytes: Pillow 13.0, `Image.resize(size, Image.BICUBIC)`.
    #[test]
    fn bytes_are_pillows_within_one_level() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/resize");
        for ((w, h), (width, height)) in
            [((37, 23), (16, 16)), ((24, 31), (40, 24)), ((64, 48), (16, 12)), ((90, 7), (20, 20))]
        {
            let source = RgbImage::from_fn(w, h, |x, y| {
                image::Rgb([x * 7 + y * 13, x * x + 3 * y, (x ^ y) * 5].map(|v| (v % 256) as u8))
            });
            let golden = std::fs::read(folder.join(format!("{w}x{h}-{width}x{height}.rgb"))).unwrap();
            let made = resize(&source, width, height).unwrap();
            assert_eq!(made.as_raw().len(), golden.len());
            let apart: Vec<u8> = made.as_raw().iter().zip(&golden).map(|(a, b)| a.abs_diff(*b)).collect();
            let differing = apart.iter().filter(|d| **d > 0).count();
            assert!(apart.iter().all(|d| *d <= 1), "{w}x{h}: {:?}", apart.iter().max());
            assert!(differing * 50 <= apart.len(), "{differing} of {} bytes differ", apart.len());
        }
    }

    #[test]
    fn a_size_of_zero_is_an_error_or_an_empty_picture_but_no_panic() {
        let image = RgbImage::new(4, 4);
        assert!(resize(&image, 0, 4).map_or(true, |empty| empty.as_raw().is_empty()));
        assert!(resize(&RgbImage::new(0, 0), 4, 4).map_or(true, |made| made.dimensions() == (4, 4)));
    }
}
