//! A photo repainted as an illustration: texture smoothed away but not edges, colours gathered into a small palette
//! and graded, ink drawn along the edges. Semi-automated: the [`Recipe`] holds every parameter.
//!
//! Lightness and colour are Oklab's (Ottosson 2020), in which equal steps look equal; so smoothing does not darken and
//! the palette's k-means groups what looks alike.

mod ink;
mod oklab;
mod palette;
mod plane;
mod recipe;
mod smooth;

use image::RgbImage;

use self::plane::{Lab, Plane};
use crate::data::resize;

pub use recipe::{Grade, Ink, Palette, Recipe, Smooth};

/// Longest side at which a [`Recipe`]'s lengths are given.
pub const REFERENCE_SIDE: f32 = 1024.0;

/// Bring a photo to the recipe's working size: not over `max_side`, the shape kept.
///
/// # Errors
/// A reason, when the picture has no pixels.
pub fn fit(photo: &RgbImage, recipe: &Recipe) -> Result<RgbImage, String> {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    let longest = width.max(height);
    if longest <= recipe.max_side {
        return Ok(photo.clone());
    }
    let scaled = |side: usize| ((side * recipe.max_side + longest / 2) / longest).max(1);
    resize::resize(photo, scaled(width), scaled(height))
}

/// Repaint a photo, at its own size.
pub fn repaint(photo: &RgbImage, recipe: &Recipe) -> RgbImage {
    let (width, height) = (photo.width() as usize, photo.height() as usize);
    if width == 0 || height == 0 {
        return photo.clone();
    }
    // Below half the reference side a pixel is as small as detail gets.
    let scale = (width.max(height) as f32 / REFERENCE_SIDE).max(0.5);
    let source = oklab::from_rgb(photo);
    let smoothed = smooth::smooth(&source, &recipe.smooth, scale);
    let mut painted = palette::flatten(&smoothed, &recipe.palette);
    grade(&mut painted, &recipe.grade);
    if recipe.ink.strength > 0.0 {
        let lines = ink::lines(&smooth::guided(&source, 1.5 * scale, 0.0004).light, &recipe.ink, scale);
        draw(&mut painted, &lines, &recipe.ink);
    }
    oklab::to_rgb(&painted)
}

/// Lift the middle tones, spread the ends, strengthen colour where there is little.
fn grade(image: &mut Lab, grade: &Grade) {
    let Grade { lift, contrast, chroma } = *grade;
    for ((light, a), b) in image.light.data.iter_mut().zip(&mut image.a.data).zip(&mut image.b.data) {
        let x = light.clamp(0.0, 1.0);
        // 4x(1-x) peaks at 1 in the middle; the S-curve leaves 0, 1/2 and 1 where they are.
        let lifted = x + lift * 4.0 * x * (1.0 - x) * (1.0 - x);
        let curved = lifted + contrast * 2.0 * lifted * (1.0 - lifted) * (lifted - 0.5);
        *light = curved.clamp(0.0, 1.0);
        let strength = (*a * *a + *b * *b).sqrt();
        // Full gain for pale colours, none for what is vivid already.
        let gain = 1.0 + (chroma - 1.0) * (1.0 - (strength / 0.28).min(1.0));
        *a *= gain;
        *b *= gain;
    }
}

/// Lay ink over the picture: towards a darker form of the colour underneath, tinted by the ink's own.
fn draw(image: &mut Lab, lines: &Plane, ink: &Ink) {
    let [ink_light, ink_a, ink_b] = oklab::of_hex(&ink.colour).unwrap_or([0.2, 0.0, 0.0]);
    for (n, &line) in lines.data.iter().enumerate() {
        let cover = (line * ink.strength).clamp(0.0, 1.0);
        let (light, a, b) = (&mut image.light.data[n], &mut image.a.data[n], &mut image.b.data[n]);
        let dark = 0.5 * ink_light + 0.5 * (*light * 0.45);
        *light += (dark - *light) * cover;
        *a += (0.5 * ink_a + 0.5 * *a - *a) * cover;
        *b += (0.5 * ink_b + 0.5 * *b - *b) * cover;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> RgbImage {
        // Two noisy halves, blue over green, with a sharp border.
        RgbImage::from_fn(96, 64, |x, y| {
            let noise = ((x * 7919 + y * 104_729) % 41) as u8;
            if y < 32 {
                image::Rgb([70 + noise, 110 + noise, 170 + noise])
            } else {
                image::Rgb([60 + noise, 90 + noise, 40 + noise])
            }
        })
    }

    fn spread(image: &RgbImage, rows: std::ops::Range<u32>) -> f64 {
        let values: Vec<f64> = rows.flat_map(|y| (8..88).map(move |x| f64::from(image.get_pixel(x, y).0[1]))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn texture_goes_and_the_border_stays_with_ink_on_it() {
        let photo = photo();
        let painted = repaint(&photo, &Recipe::default());
        assert_eq!(painted.dimensions(), photo.dimensions());
        for rows in [4..24, 40..60] {
            assert!(spread(&painted, rows.clone()) < 0.35 * spread(&photo, rows));
        }
        let luma = |y: u32| (8..88).map(|x| f64::from(painted.get_pixel(x, y).0[1])).sum::<f64>() / 80.0;
        assert!(luma(10) - luma(50) > 15.0, "{} {}", luma(10), luma(50));
        let darkest = (28..36).map(luma).fold(f64::MAX, f64::min);
        assert!(darkest < luma(50) - 5.0, "no ink: {darkest} against {}", luma(50));
    }

    #[test]
    fn a_repaint_is_repeatable_and_survives_odd_shapes() {
        let photo = photo();
        let recipe = Recipe::default();
        assert_eq!(repaint(&photo, &recipe), repaint(&photo, &recipe));
        for (width, height) in [(1, 1), (2, 1), (1, 50), (7, 3), (0, 0)] {
            let tiny = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 9]));
            assert_eq!(repaint(&tiny, &recipe).dimensions(), (width, height));
        }
    }

    #[test]
    fn large_photos_are_brought_to_the_working_size() {
        let recipe = Recipe { max_side: 48, ..Recipe::default() };
        assert_eq!(fit(&photo(), &recipe).unwrap().dimensions(), (48, 32));
        assert_eq!(fit(&photo(), &Recipe::default()).unwrap().dimensions(), (96, 64));
    }
}
