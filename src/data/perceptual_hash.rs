//! Near-duplicates: pictures that look the same after another compression, another size, or mirroring.
//!
//! A 64-bit difference hash (dHash: is each of 8x8 cells brighter than its right neighbour?) finds candidates, a
//! correlation of 32x32 thumbnails and of their detail confirms them. The hash alone would call all clear skies one
//! picture.
//!
//! Candidates come from buckets: when two hashes differ in at most 6 of 64 bits, at least one of 7 bands of bits is
//! equal in both, so only pictures that share a band are compared, not all with all.

use std::collections::HashMap;

use super::luminance::{Luminance, correlation, deviation};

/// Bits in which the hashes of near-duplicates may differ.
const MAX_DISTANCE: u32 = 6;
/// One band more than that, so that one is left untouched.
const BANDS: u32 = MAX_DISTANCE + 1;
/// Side of the thumbnails.
const THUMBNAIL: usize = 32;
/// Correlation of the thumbnails of near-duplicates.
const ALIKE: f64 = 0.98;
/// Correlation of the thumbnails' detail.
const DETAIL_ALIKE: f64 = 0.85;
/// Standard deviation of the detail, in levels, under which there is nothing to recognise a picture by.
const DETAIL_LEAST: f64 = 1.0;

/// What is kept of a picture to recognise it by.
#[derive(Debug, Clone)]
pub struct Print {
    hash: u64,
    mirrored_hash: u64,
    thumbnail: Luminance,
    detail: Luminance,
}

impl Print {
    /// The print of a picture.
    pub fn of(picture: &Luminance) -> Self {
        let thumbnail = picture.shrunk(THUMBNAIL, THUMBNAIL);
        let cells = picture.shrunk(9, 8);
        let detail = thumbnail.detail(2);
        Self { hash: difference_hash(&cells), mirrored_hash: difference_hash(&cells.mirrored()), thumbnail, detail }
    }

    /// Whether two pictures look the same, as they are or mirrored.
    pub fn likeness(&self, other: &Self) -> Option<Likeness> {
        let near = |a: u64, b: u64| (a ^ b).count_ones() <= MAX_DISTANCE;
        if near(self.hash, other.hash) && alike(&self.thumbnail, &other.thumbnail, &self.detail, &other.detail) {
            return Some(Likeness::Same);
        }
        let mirrored = near(self.hash, other.mirrored_hash)
            && alike(&self.thumbnail, &other.thumbnail.mirrored(), &self.detail, &other.detail.mirrored());
        mirrored.then_some(Likeness::Mirrored)
    }
}

/// How two pictures look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// As they are.
    Same,
    /// One is the other's mirror image.
    Mirrored,
}

fn alike(a: &Luminance, b: &Luminance, detail_a: &Luminance, detail_b: &Luminance) -> bool {
    deviation(&detail_a.values) >= DETAIL_LEAST
        && deviation(&detail_b.values) >= DETAIL_LEAST
        && correlation(&a.values, &b.values) >= ALIKE
        && correlation(&detail_a.values, &detail_b.values) >= DETAIL_ALIKE
}

fn difference_hash(cells: &Luminance) -> u64 {
    let rows = cells.values.chunks_exact(cells.width);
    rows.flat_map(|row| row.windows(2)).fold(0, |hash, pair| (hash << 1) | u64::from(pair[0] > pair[1]))
}

/// One of the bands of a hash: bits by their position modulo the number of bands, so that a change in one corner of the
/// picture does not touch them all.
fn band(hash: u64, band: u32) -> u64 {
    (0..64).filter(|bit| bit % BANDS == band).fold(0, |value, bit| (value << 1) | ((hash >> bit) & 1))
}

/// All pairs of near-duplicates, by index, the smaller first; each pair once, in order.
pub fn near_duplicates(prints: &[Print]) -> Vec<(usize, usize, Likeness)> {
    let mut found: HashMap<(usize, usize), Likeness> = HashMap::new();
    for which in 0..BANDS {
        let mut buckets: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, print) in prints.iter().enumerate() {
            let mirrored = band(print.mirrored_hash, which);
            // Earlier pictures are in the buckets by their plain hash; this one asks with both of its own.
            let plain = band(print.hash, which);
            for key in if plain == mirrored { vec![plain] } else { vec![plain, mirrored] } {
                for &earlier in buckets.get(&key).into_iter().flatten() {
                    if !found.contains_key(&(earlier, index))
                        && let Some(likeness) = prints[earlier].likeness(print)
                    {
                        found.insert((earlier, index), likeness);
                    }
                }
            }
            buckets.entry(plain).or_default().push(index);
        }
    }
    let mut pairs: Vec<_> = found.into_iter().map(|((a, b), likeness)| (a, b, likeness)).collect();
    pairs.sort_unstable_by_key(|&(a, b, _)| (a, b));
    pairs
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::imageops::{self, FilterType};
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

    use super::*;

    /// A picture of a few soft shapes, different for each seed.
    fn picture(seed: u32) -> RgbImage {
        let spot = |i: u32, x: u32, y: u32| {
            let h = (seed * 977 + i * 131).wrapping_mul(2_654_435_761);
            let (cx, cy, r) = ((h >> 4) % 128, (h >> 12) % 128, 8 + (h >> 20) % 24);
            let d = x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2);
            if d < r * r { (h >> 8) % 160 } else { 0 }
        };
        RgbImage::from_fn(128, 128, |x, y| {
            let value = (0..6).map(|i| spot(i, x, y)).sum::<u32>().min(255) as u8;
            Rgb([value, value / 2 + 40, 200 - value / 3])
        })
    }

    fn print(image: &RgbImage) -> Print {
        Print::of(&Luminance::of(image))
    }

    #[test]
    fn another_compression_size_and_brightness_are_still_the_same_picture() {
        let original = picture(1);
        let mut jpeg = Cursor::new(Vec::new());
        DynamicImage::from(original.clone()).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        let recompressed = image::load_from_memory(jpeg.get_ref()).unwrap().into_rgb8();
        let resized = imageops::resize(&original, 90, 90, FilterType::Triangle);
        let brighter = imageops::brighten(&original, 12);
        for changed in [recompressed, resized, brighter] {
            assert_eq!(print(&original).likeness(&print(&changed)), Some(Likeness::Same));
        }
        let mirrored = imageops::flip_horizontal(&original);
        assert_eq!(print(&original).likeness(&print(&mirrored)), Some(Likeness::Mirrored));
    }

    #[test]
    fn different_pictures_and_blank_ones_are_not_duplicates() {
        let prints: Vec<Print> = (0..60).map(|seed| print(&picture(seed))).collect();
        assert_eq!(near_duplicates(&prints), []);
        let sky = |from: u32| print(&RgbImage::from_fn(128, 128, |_, y| Rgb([(from + y / 2) as u8; 3])));
        assert_eq!(near_duplicates(&[sky(90), sky(100), sky(90)]), [], "a bare gradient says nothing");
    }

    #[test]
    fn buckets_miss_nothing_that_comparing_all_with_all_finds() {
        let mut prints = Vec::new();
        for seed in 0..40 {
            let image = picture(seed);
            prints.push(print(&image));
            if seed % 3 == 0 {
                prints.push(print(&imageops::resize(&image, 100, 100, FilterType::Triangle)));
            }
            if seed % 5 == 0 {
                prints.push(print(&imageops::flip_horizontal(&image)));
            }
        }
        let mut all = Vec::new();
        for b in 0..prints.len() {
            for a in 0..b {
                all.extend(prints[a].likeness(&prints[b]).map(|likeness| (a, b, likeness)));
            }
        }
        all.sort_unstable_by_key(|&(a, b, _)| (a, b));
        assert!(all.len() >= 14 + 8, "{}", all.len());
        assert_eq!(near_duplicates(&prints), all);
    }
}
