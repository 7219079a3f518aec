//! The seam of a side-by-side composite: how many columns of plain colour stand between the halves.
//!
//! The halves are equally wide, so the gap is centred. A column belongs to it when nearly all its pixels are near the
//! colour of the middle one. The thresholds come from JPEG composites with a white gap: ringing moves the outermost gap
//! columns by up to 28 levels in the median and 37 in the 90th percentile, picture columns start at 40 and 61.

use image::RgbImage;

/// Columns of the middle must be this even (90th percentile of the distance to their median colour).
const EVEN: u8 = 24;
/// Median distance to the gap's colour, up to which a column belongs to the gap.
const MEDIAN: u8 = 32;
/// The same of the 90th percentile.
const MOST: u8 = 48;
/// Levels by which the median distance rises within three columns at the gap's edge: a sky fades, a gap ends.
const EDGE: u8 = 16;
/// Rows that are looked at, at most; evenly spaced.
const ROWS: u32 = 512;

/// The gap's width in columns, of the parity of the image's width; 0 when the halves touch.
pub(super) fn gap(image: &RgbImage) -> u32 {
    let (width, _) = image.dimensions();
    if width < 16 {
        return 0;
    }
    // An even width has two middle columns, an odd one has one.
    let right = width / 2;
    let left = (width - 1) / 2;
    let colour = median_colour(image, left);
    let percentiles = |x| distances(image, x, colour);
    if [left, right].iter().any(|&x| percentiles(x).1 > EVEN) {
        return 0;
    }
    let belongs = |x: u32| {
        let (median, most) = percentiles(x);
        median <= MEDIAN && most <= MOST
    };
    let most = width / 8;
    let mut steps = 0;
    while steps < most && belongs(left - steps) && belongs(right + steps) {
        steps += 1;
    }
    if steps == 0 || steps == most {
        return 0;
    }
    // The first columns outside, and those two columns inside, where JPEG's ringing is over.
    let inside = steps.saturating_sub(2);
    let rises = |outside: u32, inside: u32| percentiles(outside).0 >= percentiles(inside).0.saturating_add(EDGE);
    let ends = rises(left - steps, left - inside) || rises(right + steps, right + inside);
    // `steps` columns on either side, the single middle one of an odd width counted once.
    if ends { 2 * steps - width % 2 } else { 0 }
}

/// Settle the gaps of images that were most likely made by one program: where more than half agree, an image whose own
/// picture goes on plainly beside the gap (a white sky) takes their width.
pub(super) fn agree(gaps: &mut [u32]) {
    let mut sorted: Vec<u32> = gaps.to_vec();
    sorted.sort_unstable();
    // A majority, if there is one, stands in the middle.
    let Some(&middle) = sorted.get(sorted.len() / 2) else { return };
    let votes = sorted.iter().filter(|&&gap| gap == middle).count();
    if gaps.len() < 3 || 2 * votes <= gaps.len() {
        return;
    }
    for gap in gaps.iter_mut() {
        if *gap > middle && (*gap - middle) % 2 == 0 {
            *gap = middle;
        }
    }
}

fn rows(image: &RgbImage) -> impl Iterator<Item = u32> + use<> {
    let height = image.height();
    let count = height.min(ROWS);
    (0..count).map(move |i| (u64::from(i) * u64::from(height) / u64::from(count)) as u32)
}

fn median_colour(image: &RgbImage, x: u32) -> [u8; 3] {
    std::array::from_fn(|channel| {
        let mut values: Vec<u8> = rows(image).map(|y| image.get_pixel(x, y).0[channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    })
}

/// Median and 90th percentile of a column's distance to a colour (the largest of the channels').
fn distances(image: &RgbImage, x: u32, colour: [u8; 3]) -> (u8, u8) {
    let far = |pixel: [u8; 3]| (0..3).map(|c| pixel[c].abs_diff(colour[c])).max().unwrap_or(0);
    let mut values: Vec<u8> = rows(image).map(|y| far(image.get_pixel(x, y).0)).collect();
    values.sort_unstable();
    (values[values.len() / 2], values[values.len() * 9 / 10])
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, Rgb};

    use super::*;

    /// Two textured halves with a gap of a colour between.
    fn composite(half: u32, gap: u32, colour: u8) -> RgbImage {
        RgbImage::from_fn(2 * half + gap, 64, |x, y| {
            if (half..half + gap).contains(&x) {
                return Rgb([colour; 3]);
            }
            let x = if x < half { x } else { x - half - gap };
            Rgb([(x * 5 + y * 3) as u8, (x * y) as u8, (y * 7) as u8])
        })
    }

    #[test]
    fn gaps_of_any_width_and_colour_are_found() {
        for width in [0, 1, 2, 7, 10, 32] {
            for colour in [255, 0, 128] {
                assert_eq!(gap(&composite(100, width, colour)), width, "{width} columns of {colour}");
            }
        }
    }

    #[test]
    fn jpeg_ringing_does_not_hide_the_edge_columns() {
        for half in [256, 259, 263, 270] {
            let mut bytes = Cursor::new(Vec::new());
            DynamicImage::from(composite(half, 7, 255)).write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
            let decoded = image::load_from_memory(bytes.get_ref()).unwrap().into_rgb8();
            assert_eq!(gap(&decoded), 7, "half of {half}");
        }
    }

    #[test]
    fn an_odd_width_without_a_gap_has_none() {
        assert_eq!(gap(&RgbImage::from_fn(201, 64, |x, y| Rgb([(x * 5) as u8, (y * 9) as u8, (x * y) as u8]))), 0);
    }

    #[test]
    fn a_sky_that_fades_away_from_the_middle_is_no_gap() {
        let sky = RgbImage::from_fn(800, 64, |x, _| Rgb([255 - (x.abs_diff(400) / 3) as u8; 3]));
        assert_eq!(gap(&sky), 0);
        assert_eq!(gap(&RgbImage::from_pixel(800, 64, Rgb([255; 3]))), 0, "nor is a blank sheet");
    }

    #[test]
    fn a_blank_picture_takes_the_gap_of_the_others() {
        let mut gaps = [7, 7, 51, 7];
        agree(&mut gaps);
        assert_eq!(gaps, [7; 4]);
        let mut parity = [7, 7, 50, 0];
        agree(&mut parity);
        assert_eq!(parity, [7, 7, 50, 0], "no majority, and an even width cannot hold an odd gap");
        let mut few = [7, 51];
        agree(&mut few);
        assert_eq!(few, [7, 51]);
    }

    #[test]
    fn the_smallest_images_are_no_trouble() {
        for width in 1..6 {
            let _ = gap(&RgbImage::from_pixel(width, 1, Rgb([255; 3])));
        }
    }
}
