//! One scene, drawn twice.

use crate::data::synth::scene::Scene;
use crate::data::synth::{illustration, paint, photo};

/// The two pictures of one scene, RGB bytes, rows from the top, `size * size * 3` each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landscape {
    /// The textured one.
    pub photo: Vec<u8>,
    /// The flat one.
    pub illustration: Vec<u8>,
}

/// Draw scene `number` of `seed` on `size` pixels a side: the same bytes on every machine and thread.
pub fn landscape(seed: u64, number: u64, size: usize) -> Landscape {
    let scene = Scene::draw(seed, number);
    // Nine samples a pixel; four where a picture is large anyway.
    let subpixels = if size <= 512 { 3 } else { 2 };
    let canvas = paint::paint(&scene, size * subpixels);
    Landscape {
        photo: photo::develop(&scene, &canvas, subpixels),
        illustration: illustration::illustrate(&scene, &canvas, subpixels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::manifest::sha256;

    /// The pixels of a scene are part of what a seed means. If they change on purpose, change these too; a dataset drawn
    /// before then differs from one drawn after.
    #[test]
    fn the_pixels_are_the_same_everywhere() {
        for (number, photo, illustration) in
            [(1, "5037493ee47a2320", "20fbdc877f65c2e9"), (2, "7f243a0959446fac", "c21dccce1ba9de40")]
        {
            let drawn = landscape(1, number, 64);
            assert_eq!(sha256(&drawn.photo)[..16], *photo, "photo {number}");
            assert_eq!(sha256(&drawn.illustration)[..16], *illustration, "illustration {number}");
        }
    }

    /// What training must beat: the photo differs clearly from its illustration.
    #[test]
    fn the_photo_is_far_from_the_illustration() {
        let mut total = 0.0;
        for number in 0..12 {
            let drawn = landscape(1, number, 48);
            let sum: u32 = drawn.photo.iter().zip(&drawn.illustration).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
            total += f64::from(sum) / drawn.photo.len() as f64 / 255.0;
        }
        assert!(total / 12.0 > 0.12, "mean L1 {}", total / 12.0);
    }

    #[test]
    fn the_same_scene_at_two_sizes_is_the_same_scene() {
        let (small, large) = (landscape(3, 5, 48), landscape(3, 5, 96));
        let mut apart = 0.0;
        for n in 0..48 * 48 * 3 {
            let (y, x, c) = (n / 144, n % 144 / 3, n % 3);
            let mean: u32 = [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|(dy, dx)| u32::from(large.illustration[((2 * y + dy) * 96 + 2 * x + dx) * 3 + c]))
                .iter()
                .sum();
            apart += (f64::from(mean) / 4.0 - f64::from(small.illustration[n])).abs();
        }
        assert!(apart / (48.0 * 48.0 * 3.0) < 12.0, "{}", apart / (48.0 * 48.0 * 3.0));
    }
}
