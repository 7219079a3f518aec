//! The scene as a background painter would have it: three flat tones a material, painted sky and clouds, ink outlines.

use crate::data::synth::canvas::{Canvas, Material, Sample};
use crate::data::synth::colour::{Rgb, byte, hex, mix, plus, saturate, scale, times};
use crate::data::synth::noise::{fbm, step, value};
use crate::data::synth::scene::Scene;

/// A material's three flat tones, shadow to light, and where light ends.
struct Paint {
    tones: [Rgb; 3],
    /// Tones below the first are shadow, above the second light.
    limits: [f32; 2],
    /// How ragged the brush leaves the borders between tones.
    brush: f32,
}

const fn paint(shadow: u32, base: u32, light: u32, limits: [f32; 2], brush: f32) -> Paint {
    Paint { tones: [hex(shadow), hex(base), hex(light)], limits, brush }
}

fn palette(scene: &Scene, sample: &Sample) -> Paint {
    match sample.material {
        Material::Sky | Material::Cloud => Paint { tones: scene.hour.painted_cloud, limits: [0.46, 0.72], brush: 0.10 },
        Material::Rock => paint(0x006f_86a4, 0x0092_a8b4, 0x00bc_c8bc, [0.42, 0.64], 0.10),
        Material::Snow => paint(0x00a9_c3e2, 0x00dc_eaf6, 0x00ff_ffff, [0.36, 0.55], 0.10),
        Material::Wood => paint(0x0023_6a48, 0x0043_9150, 0x0084_c25c, [0.45, 0.78], 0.16),
        Material::Grass => paint(0x006b_b048, 0x0098_cf56, 0x00c6_e572, [0.44, 0.74], 0.12),
        Material::Meadow => paint(0x0052_a044, 0x0082_c64a, 0x00b8_e268, [0.42, 0.72], 0.16),
        Material::Water => paint(0x0032_8fc2, 0x0056_b6dc, 0x00e4_f8fc, [0.30, 0.70], 0.0),
        Material::Path => paint(0x00d4_b078, 0x00ec_d6a0, 0x00f8_eac4, [0.55, 0.80], 0.12),
        Material::Leaf => paint(0x0022_7040, 0x0048_a048, 0x009c_d458, [0.45, 0.74], 0.18),
        Material::Needle => paint(0x001c_5a4c, 0x0034_8058, 0x006c_ae68, [0.42, 0.72], 0.16),
        Material::Trunk => paint(0x0062_4230, 0x008c_6444, 0x00b8_8c5c, [0.40, 0.66], 0.10),
        Material::Wall => paint(0x00d2_bfa8, 0x00f4_e6c8, 0x00ff_f8e6, [0.42, 0.72], 0.0),
        Material::Roof if sample.vary < 0.7 => paint(0x00ac_4038, 0x00d4_5c44, 0x00f0_8458, [0.40, 0.74], 0.0),
        Material::Roof => paint(0x0040_6c94, 0x005c_8cb0, 0x0084_b0c8, [0.40, 0.74], 0.0),
        Material::Window => paint(0x0042_668a, 0x005c_88a8, 0x0094_c4d8, [0.35, 0.65], 0.0),
        Material::Door => paint(0x0078_482c, 0x009c_6438, 0x00c0_8448, [0.35, 0.70], 0.0),
        Material::Flower => match (sample.vary * 4.0) as u32 {
            0 => paint(0x00e0_e4ec, 0x00ff_ffff, 0x00ff_ffff, [0.3, 0.9], 0.0),
            1 => paint(0x00e8_b820, 0x00ff_dc40, 0x00ff_ec80, [0.3, 0.9], 0.0),
            2 => paint(0x00e8_80a8, 0x00ff_a8c8, 0x00ff_c8dc, [0.3, 0.9], 0.0),
            _ => paint(0x00d0_3c34, 0x00f0_5c48, 0x00ff_8064, [0.3, 0.9], 0.0),
        },
    }
}

/// The flat colour of a sub-pixel, before ink.
fn flat(scene: &Scene, sample: &Sample, x: f32, y: f32) -> Rgb {
    if sample.material == Material::Sky {
        return sky(scene, x, y);
    }
    let paint = palette(scene, sample);
    let stroke = paint.brush * 2.0 * (fbm(x * 34.0, y * 34.0, scene.noise ^ 0x5b, 2) - 0.5);
    let tone = sample.tone + stroke;
    // A narrow ramp, not a jump: gouache, not vector art.
    let soft = 0.025;
    let shadow = step(paint.limits[0] + soft, paint.limits[0] - soft, tone);
    let light = step(paint.limits[1] - soft, paint.limits[1] + soft, tone);
    let colour = mix(mix(paint.tones[1], paint.tones[2], light), paint.tones[0], shadow);
    if sample.material == Material::Cloud {
        let down = (y / scene.horizon).clamp(0.0, 1.0);
        return mix(colour, scene.hour.painted_sky[1], 0.35 * down * down);
    }
    let washed = times(colour, scene.hour.wash);
    let veil = mix(scene.hour.painted_sky[0], scene.hour.painted_sky[1], 0.55);
    mix(washed, veil, 0.62 * sample.depth)
}

fn sky(scene: &Scene, x: f32, y: f32) -> Rgb {
    let down = (y / scene.horizon).clamp(0.0, 1.0);
    let brush = 0.05 * (fbm(x * 4.0, y * 14.0, scene.noise ^ 0x5c, 3) - 0.5);
    let t = (down * (0.35 + 0.65 * down) + brush).clamp(0.0, 1.0);
    let clear = mix(scene.hour.painted_sky[0], scene.hour.painted_sky[1], t);
    let (dx, dy) = (x - scene.sun[0], y - scene.sun[1]);
    let far = (dx * dx + dy * dy).sqrt();
    let halo = 0.35 * step(0.20, 0.05, far) + 0.65 * step(0.036, 0.032, far);
    mix(clear, scene.hour.painted_cloud[2], halo)
}

/// How strongly ink marks the rim of a material; air and clouds have none.
fn ink(sample: &Sample) -> f32 {
    let strength = match sample.material {
        Material::Sky | Material::Cloud | Material::Water => 0.0,
        Material::Flower | Material::Path | Material::Grass | Material::Meadow => 0.55,
        _ => 0.9,
    };
    strength * (1.0 - 0.75 * sample.depth)
}

/// The illustration: RGB bytes, rows from the top, `canvas.side / subpixels` on a side.
pub fn illustrate(scene: &Scene, canvas: &Canvas, subpixels: usize) -> Vec<u8> {
    let (side, size) = (canvas.side, canvas.side / subpixels);
    // A line is as wide as the picture wants, but never under half a pixel.
    let reach = ((side as f32) * 0.0016).max(0.5 * subpixels as f32);
    let mut bytes = Vec::with_capacity(3 * size * size);
    let mut display = vec![[0.0_f32; 3]; size * size];
    let share = 1.0 / (subpixels * subpixels) as f32;
    for row in 0..size {
        for column in 0..size {
            let mut sum = [0.0; 3];
            for sub in 0..subpixels * subpixels {
                let (sx, sy) = (column * subpixels + sub % subpixels, row * subpixels + sub / subpixels);
                let sample = &canvas.samples[sy * side + sx];
                let (x, y) = ((sx as f32 + 0.5) / side as f32, (sy as f32 + 0.5) / side as f32);
                let mut colour = flat(scene, sample, x, y);
                if sample.material == Material::Water {
                    colour = water(scene, sample, colour, x, y, &display, size, row);
                } else {
                    let strength = ink(sample);
                    if strength > 0.0 && on_rim(canvas, sx, sy, sample.object, reach * (1.0 - 0.5 * sample.depth)) {
                        let line = times(mix(hex(0x002c_2430), scale(colour, 0.35), 0.55), scene.hour.wash);
                        // The pen lifts now and then.
                        let press = 0.7 + 0.3 * value(x * 30.0, y * 30.0, scene.noise ^ 0x5d);
                        colour = mix(colour, line, strength * press);
                    }
                }
                sum = plus(sum, colour);
            }
            display[row * size + column] = scale(sum, share);
        }
    }
    for &pixel in &display {
        bytes.extend(saturate(pixel, 1.04).map(byte));
    }
    bytes
}

/// Whether something farther away begins within `reach` sub-pixels.
fn on_rim(canvas: &Canvas, x: usize, y: usize, object: u16, reach: f32) -> bool {
    let straight = (reach + 0.5) as isize;
    let diagonal = (reach * std::f32::consts::FRAC_1_SQRT_2 + 0.5) as isize;
    let around = [
        (straight, 0),
        (-straight, 0),
        (0, straight),
        (0, -straight),
        (diagonal, diagonal),
        (-diagonal, diagonal),
        (diagonal, -diagonal),
        (-diagonal, -diagonal),
    ];
    around.iter().any(|&(dx, dy)| {
        let (Some(nx), Some(ny)) = (x.checked_add_signed(dx), y.checked_add_signed(dy)) else { return false };
        nx < canvas.side && ny < canvas.side && canvas.samples[ny * canvas.side + nx].object < object
    })
}

/// Water is a flat blue over a pale mirror of the shore, with a few straight highlights.
#[expect(clippy::too_many_arguments, reason = "one pixel's whole surroundings")]
fn water(scene: &Scene, sample: &Sample, deep: Rgb, x: f32, y: f32, above: &[Rgb], size: usize, row: usize) -> Rgb {
    let shore = sample.vary;
    let mirrored = (2.0 * shore - y).clamp(0.0, shore);
    let line = ((mirrored * size as f32) as usize).min(row.saturating_sub(1));
    let across = ((x * size as f32) as usize).min(size - 1);
    let mirror = if row == 0 { scene.hour.painted_sky[1] } else { above[line * size + across] };
    let [u, v] = sample.uv;
    let ripple = fbm(u, v, scene.noise ^ 0x43, 3) - 0.5;
    let streak = step(0.17, 0.20, ripple);
    let body = mix(mix(mirror, deep, 0.5), deep, 0.5 * sample.tone);
    mix(body, times(hex(0x00f0_fcff), scene.hour.wash), 0.75 * streak)
}
