//! Arithmetic on pixels: cutting, wiping, subtracting.

use std::borrow::Cow;

use image::{Rgb, RgbImage, imageops};

use super::View;
use crate::app::theme::{self, ThemeName};
use crate::data::resize;

/// How far two pictures are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Mean absolute difference over all pixels and channels, of values in [0, 1]: what `val/l1` is.
    pub mean: f64,
    /// The largest difference of a pixel, its channels averaged.
    pub most: f64,
}

/// What is seen of a picture, `width` x `height` pixels large.
///
/// Enlarged to twice its size or more, pixels are shown as they are: a smooth picture would hide what a network did.
pub fn seen(image: &RgbImage, view: View, width: u32, height: u32) -> Result<RgbImage, String> {
    // All of it is not copied.
    let cut = if view.zoom <= 1 { Cow::Borrowed(image) } else { Cow::Owned(cut(image, view)) };
    if cut.width() == 0 || cut.height() == 0 {
        return Err("the picture has no pixels".to_owned());
    }
    if width >= 2 * cut.width() && height >= 2 * cut.height() {
        return Ok(imageops::resize(cut.as_ref(), width, height, imageops::FilterType::Nearest));
    }
    resize::resize(&cut, width as usize, height as usize)
}

fn cut(image: &RgbImage, view: View) -> RgbImage {
    let zoom = u32::from(view.zoom.max(1));
    let (width, height) = image.dimensions();
    let (across, down) = (width.div_ceil(zoom), height.div_ceil(zoom));
    // The middle is kept where all that is seen is inside.
    let begin = |middle: u16, all: u32, part: u32| {
        (all * u32::from(middle) / 1000).saturating_sub(part / 2).min(all.saturating_sub(part))
    };
    let (x, y) = (begin(view.centre.0, width, across), begin(view.centre.1, height, down));
    crop(image, (x, y), (across, down))
}

/// A rectangle of a picture, in which it lies.
pub fn crop(image: &RgbImage, (x, y): (u32, u32), (width, height): (u32, u32)) -> RgbImage {
    let channels = 3;
    let (row, begin, length) = (image.width() as usize * channels, x as usize * channels, width as usize * channels);
    let mut cut = RgbImage::new(width, height);
    let lines = image.as_raw().chunks_exact(row.max(1)).skip(y as usize);
    // Whole rows at once: pixel by pixel takes longer than all the rest.
    for (to, from) in cut.chunks_exact_mut(length.max(1)).zip(lines) {
        to.copy_from_slice(&from[begin..begin + length]);
    }
    cut
}

/// The left picture up to `at` thousandths of the width, the right one from there, with a seam between.
pub fn wipe(left: &RgbImage, right: &RgbImage, at: u16, seam: [u8; 3]) -> RgbImage {
    let (width, height) = left.dimensions();
    let middle = (width * u32::from(at.min(1000)) / 1000).min(width.saturating_sub(1));
    let thick = (width / 200).max(1);
    RgbImage::from_fn(width, height, |x, y| {
        if (middle..middle + thick).contains(&x) {
            Rgb(seam)
        } else if x < middle {
            *left.get_pixel(x, y)
        } else {
            *right.get_pixel(x, y)
        }
    })
}

/// The difference of two pictures of one size: the mean of its channels as a colour, the last of which stands for `top`
/// thousandths of the whole scale and everything above.
pub fn difference(of: &RgbImage, against: &RgbImage, top: u16, ramp: ThemeName) -> (RgbImage, Measure) {
    // A pixel's difference is a whole number of 765ths.
    let most_possible = 3 * 255;
    let share = |sum: u32| sum as f32 / most_possible as f32;
    let top = f32::from(top.max(1)) / 1000.0;
    let colours: Vec<Rgb<u8>> = (0..=most_possible).map(|sum| Rgb(theme::heat(ramp, share(sum) / top))).collect();
    let (mut total, mut most) = (0_u64, 0_u32);
    let map = RgbImage::from_fn(of.width(), of.height(), |x, y| {
        let (a, b) = (of.get_pixel(x, y).0, against.get_pixel(x, y).0);
        let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum();
        total += u64::from(sum);
        most = most.max(sum);
        colours[sum as usize]
    });
    let pixels = u64::from(of.width()) * u64::from(of.height());
    let mean = total as f64 / (pixels.max(1) * u64::from(most_possible)) as f64;
    (map, Measure { mean, most: f64::from(share(most)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(values: &[&[u8]]) -> RgbImage {
        RgbImage::from_fn(values[0].len() as u32, values.len() as u32, |x, y| Rgb([values[y as usize][x as usize]; 3]))
    }

    #[test]
    fn a_difference_is_the_mean_of_the_channels_worked_out_by_hand() {
        let of = RgbImage::from_fn(2, 1, |x, _| Rgb(if x == 0 { [10, 20, 30] } else { [255, 255, 255] }));
        let against = RgbImage::from_fn(2, 1, |x, _| Rgb(if x == 0 { [40, 20, 0] } else { [255, 255, 255] }));
        let (map, measure) = difference(&of, &against, 1000, ThemeName::None);
        // (30 + 0 + 30) / 3 = 20 levels in one pixel of two.
        assert!((measure.mean - 10.0 / 255.0).abs() < 1e-12, "{measure:?}");
        assert!((measure.most - 20.0 / 255.0).abs() < 1e-6);
        assert_eq!(map.get_pixel(0, 0).0, [20; 3], "the ramp without colours is grey, level for level");
        assert_eq!(map.get_pixel(1, 0).0, [0; 3]);
        assert_eq!(difference(&against, &of, 1000, ThemeName::None), (map, measure), "whichever way round");
    }

    #[test]
    fn a_smaller_scale_shows_smaller_differences_and_ends_at_its_last_colour() {
        let (of, against) = (grey(&[&[0, 0, 0]]), grey(&[&[0, 26, 200]]));
        let (map, _) = difference(&of, &against, 100, ThemeName::Dark);
        assert_eq!(map.get_pixel(0, 0).0, theme::heat(ThemeName::Dark, 0.0));
        assert_eq!(map.get_pixel(1, 0).0, theme::heat(ThemeName::Dark, 1.0), "26 of 255 is just over a tenth");
        assert_eq!(map.get_pixel(2, 0).0, theme::heat(ThemeName::Dark, 1.0));
    }

    #[test]
    fn a_zoom_shows_the_pixels_around_its_middle_and_stays_inside() {
        let image = grey(&[&[0, 1, 2, 3], &[4, 5, 6, 7], &[8, 9, 10, 11], &[12, 13, 14, 15]]);
        let corner = |centre| {
            let part = cut(&image, View { zoom: 2, centre });
            (part.dimensions(), part.get_pixel(0, 0).0[0])
        };
        assert_eq!(corner((500, 500)), ((2, 2), 5));
        assert_eq!(corner((0, 0)), ((2, 2), 0));
        assert_eq!(corner((1000, 1000)), ((2, 2), 10));
        assert_eq!(cut(&image, View::default()), image);
        assert_eq!(cut(&image, View { zoom: 4, centre: (1000, 0) }).get_pixel(0, 0).0[0], 3);
    }

    #[test]
    fn enlarged_pixels_stay_pixels() {
        let image = grey(&[&[0, 255]]);
        let large = seen(&image, View::default(), 8, 4).unwrap();
        assert!(large.pixels().all(|pixel| matches!(pixel.0[0], 0 | 255)));
        assert_eq!((large.get_pixel(3, 0).0[0], large.get_pixel(4, 0).0[0]), (0, 255));
        assert!(seen(&RgbImage::new(0, 0), View::default(), 4, 4).is_err());
    }

    #[test]
    fn views_are_kept_inside_the_picture() {
        let view = View { zoom: 2, centre: (0, 1000) }.inside();
        assert_eq!(view.centre, (250, 750));
        assert_eq!(View { zoom: 1, centre: (0, 700) }.inside().centre, (500, 500));
    }
}
