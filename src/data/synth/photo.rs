//! The scene as a camera would have it: noise textures, direct and sky light, haze, a lens, film grain.

use crate::data::synth::canvas::{Canvas, Material, Sample};
use crate::data::synth::colour::{Rgb, byte, hex, luma, mix, plus, scale, times, to_display, to_linear};
use crate::data::synth::noise::{bell, fbm, grain, lerp, step, value};
use crate::data::synth::scene::Scene;

/// Two ends of a material's colour, and how deep its relief shades.
struct Stuff {
    dark: Rgb,
    light: Rgb,
    /// Octaves of texture noise.
    octaves: u32,
    /// Share of light that the texture's hollows lose.
    relief: f32,
}

const fn stuff(dark: u32, light: u32, octaves: u32, relief: f32) -> Stuff {
    Stuff { dark: hex(dark), light: hex(light), octaves, relief }
}

fn matter(sample: &Sample) -> Stuff {
    match sample.material {
        Material::Sky | Material::Cloud | Material::Water => stuff(0, 0, 0, 0.0),
        Material::Rock => stuff(0x0053_5048, 0x008d_8577, 4, 0.5),
        Material::Snow => stuff(0x00b9_c0c8, 0x00e6_e8ea, 3, 0.15),
        Material::Wood => stuff(0x0024_3319, 0x0055_6430, 3, 0.75),
        Material::Grass => stuff(0x0050_662c, 0x0083_8444, 4, 0.4),
        Material::Meadow => stuff(0x0046_5c24, 0x0086_8a42, 4, 0.55),
        Material::Path => stuff(0x0077_6850, 0x00a7_977a, 4, 0.35),
        Material::Leaf => stuff(0x002c_3f1a, 0x0062_7030, 3, 0.85),
        Material::Needle => stuff(0x001b_2c1e, 0x003e_5232, 3, 0.8),
        Material::Trunk => stuff(0x003c_2f25, 0x006e_5a46, 3, 0.5),
        Material::Wall => stuff(0x009c_907c, 0x00c2_b7a2, 4, 0.12),
        Material::Roof if sample.vary < 0.7 => stuff(0x0062_382c, 0x0090_5a46, 3, 0.35),
        Material::Roof => stuff(0x003e_4850, 0x0064_6e74, 3, 0.35),
        Material::Window => stuff(0x0024_2c34, 0x0046_525c, 2, 0.1),
        Material::Door => stuff(0x0040_3024, 0x0062_4a36, 3, 0.3),
        Material::Flower => match (sample.vary * 4.0) as u32 {
            0 => stuff(0x00b0_aca4, 0x00d8_d4cc, 1, 0.1),
            1 => stuff(0x00b0_8c2c, 0x00d0_b040, 1, 0.1),
            2 => stuff(0x00a0_6478, 0x00c0_8498, 1, 0.1),
            _ => stuff(0x0090_342c, 0x00b0_483a, 1, 0.1),
        },
    }
}

/// Light that a sub-pixel sends to the camera, linear.
fn shade(scene: &Scene, sample: &Sample, y: f32) -> Rgb {
    let [u, v] = sample.uv;
    if matches!(sample.material, Material::Sky | Material::Cloud) {
        return air(scene, sample, y);
    }
    let stuff = matter(sample);
    let fine = fbm(u, v, scene.noise ^ 0x3d, stuff.octaves);
    let coarse = value(u * 0.11, v * 0.11, scene.noise ^ 0x3e);
    // Noise sums crowd around their middle: spread them.
    let grit = ((fine - 0.5) * 2.0 + 0.5).clamp(0.0, 1.0);
    let mut albedo = to_linear(mix(stuff.dark, stuff.light, 0.55 * grit + 0.25 * coarse + 0.2 * sample.vary));
    let mut hollow = 1.0 - stuff.relief * (1.0 - grit);
    match sample.material {
        Material::Roof => {
            // Courses of tiles.
            let course = (v * 0.55).fract();
            hollow *= 0.72 + 0.28 * step(0.0, 0.25, course) * step(1.0, 0.8, course);
        }
        Material::Meadow => {
            // Blades stand upright: streaks that are finer across than along.
            let blades = fbm(u * 2.6, v * 0.7, scene.noise ^ 0x3f, 2);
            hollow *= 0.55 + 0.9 * blades;
        }
        Material::Trunk => hollow *= 0.6 + 0.8 * value(u * 1.5, v * 0.5, scene.noise ^ 0x40),
        Material::Rock => {
            // Scrub on the lower slopes.
            let scrub = step(0.35, 0.7, fbm(u * 0.2, v * 0.3, scene.noise ^ 0x41, 3));
            albedo = mix(albedo, to_linear(hex(0x0046_5234)), 0.55 * scrub);
        }
        _ => {}
    }
    let direct = scale(scene.hour.sun, 2.1 * sample.tone * (0.35 + 0.65 * sample.tone));
    let sky = scale(scene.hour.ambient, 0.45 + 0.55 * sample.tone);
    let lit = scale(times(albedo, plus(direct, sky)), hollow);
    haze(scene, lit, sample.depth)
}

fn haze(scene: &Scene, lit: Rgb, depth: f32) -> Rgb {
    let veil = to_linear(mix(scene.hour.sky[0], scene.hour.sky[1], 0.72));
    mix(lit, veil, 0.62 * depth * (0.75 + 0.25 * depth))
}

fn air(scene: &Scene, sample: &Sample, y: f32) -> Rgb {
    let [x, _] = sample.uv;
    let down = (y / scene.horizon).clamp(0.0, 1.0);
    let clear = to_linear(mix(scene.hour.sky[0], scene.hour.sky[1], down * (0.4 + 0.6 * down)));
    let (dx, dy) = (x - scene.sun[0], y - scene.sun[1]);
    let far = dx * dx + dy * dy;
    let glow = 1.2 * bell(far * 900.0) + 0.30 * bell(far * 26.0);
    let lit = plus(clear, scale(scene.hour.sun, glow * 0.8));
    if sample.cover <= 0.0 {
        return lit;
    }
    let bright = plus(
        scale(scene.hour.sun, 0.85 * sample.tone * sample.tone),
        scale(scene.hour.ambient, 0.75 + 0.35 * sample.tone),
    );
    let near_horizon = mix(bright, to_linear(scene.hour.sky[1]), 0.45 * down * down);
    mix(lit, near_horizon, 0.94 * sample.cover)
}

/// The photo: RGB bytes, rows from the top, `canvas.side / subpixels` on a side.
pub fn develop(scene: &Scene, canvas: &Canvas, subpixels: usize) -> Vec<u8> {
    let size = canvas.side / subpixels;
    let mut light = vec![[0.0_f32; 3]; size * size];
    let share = 1.0 / (subpixels * subpixels) as f32;
    for row in 0..size {
        for column in 0..size {
            let mut sum = [0.0; 3];
            for sub in 0..subpixels * subpixels {
                let (sx, sy) = (column * subpixels + sub % subpixels, row * subpixels + sub / subpixels);
                let sample = &canvas.samples[sy * canvas.side + sx];
                let y = (sy as f32 + 0.5) / canvas.side as f32;
                let seen = if sample.material == Material::Water {
                    let x = (sx as f32 + 0.5) / canvas.side as f32;
                    reflect(scene, sample, x, y, &light, size, row)
                } else {
                    shade(scene, sample, y)
                };
                sum = plus(sum, seen);
            }
            light[row * size + column] = scale(sum, share);
        }
    }
    let blurred = soften(&light, size);
    let mut bytes = Vec::with_capacity(3 * size * size);
    for (n, &pixel) in blurred.iter().enumerate() {
        let (row, column) = (n / size, n % size);
        let (dx, dy) = ((column as f32 + 0.5) / size as f32 - 0.5, (row as f32 + 0.5) / size as f32 - 0.5);
        let vignette = 1.0 - 0.42 * (dx * dx + dy * dy);
        let shown = to_display(scale(pixel, 1.12 * vignette));
        // Sum of four uniforms: nearly normal. Grain is strongest in the middle tones, as on film.
        let noise = |k: u32| grain(column, row, scene.noise ^ k);
        let speck = noise(0x47) + noise(0x48) + noise(0x49) + noise(0x4a) - 2.0;
        let strength = 0.014 * (0.4 + 2.4 * luma(shown) * (1.0 - luma(shown)));
        for (channel, &v) in shown.iter().enumerate() {
            let tint = 0.25 * (grain(column, row, scene.noise ^ (0x51 + channel as u32)) - 0.5);
            bytes.push(byte(v + strength * (speck + tint)));
        }
    }
    bytes
}

/// Water mirrors what was already developed above it, shaken by ripples.
fn reflect(scene: &Scene, sample: &Sample, x: f32, y: f32, light: &[Rgb], size: usize, row: usize) -> Rgb {
    let [u, v] = sample.uv;
    let ripple = fbm(u, v, scene.noise ^ 0x43, 3) - 0.5;
    let shore = sample.vary;
    let mirrored = 2.0 * shore - y + ripple * 0.10 * (0.15 + sample.tone);
    let above = ((mirrored.clamp(0.0, shore) * size as f32) as usize).min(row.saturating_sub(1));
    let across = (((x + 0.02 * ripple * sample.tone).clamp(0.0, 1.0) * size as f32) as usize).min(size - 1);
    let mirror = if row == 0 { to_linear(scene.hour.sky[1]) } else { light[above * size + across] };
    let deep = times(to_linear(hex(0x0030_4850)), plus(scene.hour.ambient, scale(scene.hour.sun, 0.4)));
    let glint = scale(scene.hour.sun, 0.35 * step(0.16, 0.34, ripple));
    plus(mix(mirror, deep, lerp(0.28, 0.55, sample.tone)), glint)
}

/// The lens: a small blur, separable 1-4-1.
fn soften(light: &[Rgb], size: usize) -> Vec<Rgb> {
    let tap = |a: Rgb, b: Rgb, c: Rgb| scale(plus(plus(a, c), scale(b, 4.0)), 1.0 / 6.0);
    let mut across = Vec::with_capacity(light.len());
    for line in light.chunks_exact(size) {
        for (n, &centre) in line.iter().enumerate() {
            across.push(tap(line[n.saturating_sub(1)], centre, line[(n + 1).min(size - 1)]));
        }
    }
    let mut both = Vec::with_capacity(light.len());
    for (n, &centre) in across.iter().enumerate() {
        let above = if n >= size { across[n - size] } else { centre };
        let below = across.get(n + size).copied().unwrap_or(centre);
        both.push(tap(above, centre, below));
    }
    both
}
