//! sRGB bytes to Oklab and back (Ottosson 2020, "A perceptual color space for image processing").

use image::RgbImage;

use super::plane::{Lab, Plane};

fn to_linear(v: f32) -> f32 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn to_display(v: f32) -> f32 {
    let v = v.clamp(0.0, 1.0);
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

fn lab([r, g, b]: [f32; 3]) -> [f32; 3] {
    let l = (0.412_221_47 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

fn linear([light, a, b]: [f32; 3]) -> [f32; 3] {
    let cube = |v: f32| v * v * v;
    let l = cube(light + 0.396_337_78 * a + 0.215_803_76 * b);
    let m = cube(light - 0.105_561_346 * a - 0.063_854_17 * b);
    let s = cube(light - 0.089_484_18 * a - 1.291_485_5 * b);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086_3 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

/// A picture as three planes.
pub fn from_rgb(image: &RgbImage) -> Lab {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let table: Vec<f32> = (0..=255_u8).map(|v| to_linear(f32::from(v) / 255.0)).collect();
    let (mut light, mut a, mut b) = (Plane::new(width, height), Plane::new(width, height), Plane::new(width, height));
    for (n, pixel) in image.as_raw().chunks_exact(3).enumerate() {
        let [l, x, y] = lab([table[usize::from(pixel[0])], table[usize::from(pixel[1])], table[usize::from(pixel[2])]]);
        (light.data[n], a.data[n], b.data[n]) = (l, x, y);
    }
    Lab { light, a, b }
}

/// Three planes as a picture; what sRGB cannot show is clipped.
pub fn to_rgb(image: &Lab) -> RgbImage {
    let mut bytes = Vec::with_capacity(3 * image.light.data.len());
    for ((&light, &a), &b) in image.light.data.iter().zip(&image.a.data).zip(&image.b.data) {
        bytes.extend(linear([light, a, b]).map(|v| (to_display(v) * 255.0 + 0.5) as u8));
    }
    let (width, height) = (image.light.width as u32, image.light.height as u32);
    RgbImage::from_raw(width, height, bytes).unwrap_or_else(|| RgbImage::new(width, height))
}

/// `#rrggbb` in Oklab.
pub fn of_hex(text: &str) -> Option<[f32; 3]> {
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let code = u32::from_str_radix(digits, 16).ok()?;
    Some(lab([16, 8, 0].map(|shift| to_linear(((code >> shift) & 255) as f32 / 255.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        let image = RgbImage::from_fn(64, 64, |x, y| image::Rgb([(x * 4) as u8, (y * 4) as u8, (x * y % 256) as u8]));
        assert_eq!(to_rgb(&from_rgb(&image)), image);
    }

    #[test]
    fn known_colours_have_ottossons_values() {
        let [light, a, b] = of_hex("#ffffff").unwrap();
        assert!((light - 1.0).abs() < 1e-4 && a.abs() < 1e-4 && b.abs() < 1e-4);
        let [light, a, b] = of_hex("#ff0000").unwrap();
        assert!((light - 0.628).abs() < 1e-3 && (a - 0.225).abs() < 1e-3 && (b - 0.126).abs() < 1e-3);
        assert!(of_hex("red").is_none() && of_hex("#12345").is_none() && of_hex("#12345g").is_none());
    }
}
