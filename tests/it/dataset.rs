//! `atelier dataset`, run as a person runs it, on small pictures drawn here.

mod checking;
mod exporting;
mod importing;
mod real;
mod splitting;

use std::path::Path;
use std::process::{Command, Output};

use image::{Rgb, RgbImage};

/// What a run of the program gave.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// Standard output as JSON.
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in: {}\n{}", self.out, self.err))
    }

    /// Everything that was printed; for looking for words in it.
    fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.text());
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// Run `atelier dataset ...`.
fn dataset<I, S>(args: I) -> Run
where
    I: IntoIterator<Item = S>,
    S: AsRef<std::ffi::OsStr>,
{
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_atelier")).arg("dataset").args(args).output().unwrap();
    Run {
        code: status.code().unwrap_or(-1),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// A path as an argument.
fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A photo: smooth noise at three scales, different for each seed.
fn photo(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let value = |channel: u32| {
            let at = |cell: u32, weight: f32| weight * smooth_noise(seed * 3 + channel, x, y, cell);
            (at(37, 0.5) + at(11, 0.3) + at(3, 0.2)) * 255.0
        };
        // Grey for the most part, as the world is; a little colour.
        let grey = value(0);
        Rgb([grey, 0.8 * grey + 0.2 * value(1), 0.7 * grey + 0.3 * value(2)].map(|v| v as u8))
    })
}

/// Its illustration: few levels, warmer.
fn drawing(photo: &RgbImage) -> RgbImage {
    RgbImage::from_fn(photo.width(), photo.height(), |x, y| {
        let [r, g, b] = photo.get_pixel(x, y).0.map(|v| v / 36 * 36);
        Rgb([r.saturating_add(24), g.saturating_add(12), b])
    })
}

/// Bilinear interpolation of hashed lattice points, in [0, 1].
fn smooth_noise(seed: u32, x: u32, y: u32, cell: u32) -> f32 {
    let point = |i: u32, j: u32| {
        let mut h = seed.wrapping_mul(0x9E37_79B1) ^ i.wrapping_mul(0x85EB_CA77) ^ j.wrapping_mul(0xC2B2_AE3D) ^ cell;
        h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
        h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
        ((h ^ (h >> 15)) & 0xFFFF) as f32 / 65535.0
    };
    let (i, j) = (x / cell, y / cell);
    let (u, v) = ((x % cell) as f32 / cell as f32, (y % cell) as f32 / cell as f32);
    let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
    mix(mix(point(i, j), point(i + 1, j), u), mix(point(i, j + 1), point(i + 1, j + 1), u), v)
}

/// Photo and drawing side by side, `gap` white columns between them.
fn composite(photo: &RgbImage, drawing: &RgbImage, gap: u32) -> RgbImage {
    let (width, height) = photo.dimensions();
    let mut image = RgbImage::from_pixel(2 * width + gap, height, Rgb([255; 3]));
    image::imageops::replace(&mut image, photo, 0, 0);
    image::imageops::replace(&mut image, drawing, i64::from(width + gap), 0);
    image
}

/// A dataset of whole pairs of 96x96 in the paper's layout, made by `dataset import`, so that it has a manifest.
fn small_dataset(root: &Path, pairs: u32) {
    let bare = tempfile::tempdir().unwrap();
    for seed in 1..=pairs {
        let folder = bare.path().join(seed.to_string());
        std::fs::create_dir(&folder).unwrap();
        let photo = photo(seed, 96, 96);
        drawing(&photo).save(folder.join("g.png")).unwrap();
        photo.save(folder.join("o.png")).unwrap();
    }
    dataset(["import", arg(bare.path()), "-o", arg(root)]).expect(0);
}

fn open(path: &Path) -> RgbImage {
    image::open(path).unwrap().into_rgb8()
}
