//! Value noise that is the same on every machine: integer hashes, and arithmetic that IEEE 754 rounds exactly
//! (add, multiply, divide, square root, floor). No libm, whose last bits differ between systems.

/// A lattice point's value in [0, 1).
fn lattice(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x8da6_b343) ^ (y as u32).wrapping_mul(0xd816_3841) ^ seed.wrapping_mul(0xcb1a_b31f);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Smooth noise in [0, 1), features of size 1.
pub fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (fade(x - fx), fade(y - fy));
    let top = lerp(lattice(ix, iy, seed), lattice(ix.wrapping_add(1), iy, seed), tx);
    let bottom = lerp(lattice(ix, iy.wrapping_add(1), seed), lattice(ix.wrapping_add(1), iy.wrapping_add(1), seed), tx);
    lerp(top, bottom, ty)
}

/// Fractal sum of `octaves` of [`value`], each twice as fine and half as strong; in [0, 1), mean 1/2.
pub fn fbm(mut x: f32, mut y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        sum += weight * value(x, y, seed.wrapping_add(octave.wrapping_mul(0x9e37)));
        total += weight;
        weight *= 0.5;
        // A turn by the 3-4-5 angle hides the lattice's axes.
        (x, y) = (1.6 * x - 1.2 * y + 3.7, 1.2 * x + 1.6 * y + 1.3);
    }
    if total > 0.0 { sum / total } else { 0.5 }
}

/// Fractal sum with creases where the noise crosses its middle: ridges of mountains. In [0, 1].
pub fn ridged(mut x: f32, mut y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
    for octave in 0..octaves {
        let n = value(x, y, seed.wrapping_add(octave.wrapping_mul(0x85eb)));
        sum += weight * (1.0 - (2.0 * n - 1.0).abs());
        total += weight;
        weight *= 0.5;
        (x, y) = (1.6 * x - 1.2 * y + 5.1, 1.2 * x + 1.6 * y + 2.9);
    }
    if total > 0.0 { sum / total } else { 0.5 }
}

/// A uniform value of a pixel, for grain.
pub fn grain(x: usize, y: usize, seed: u32) -> f32 {
    lattice(x as i32, y as i32, seed)
}

/// 0 below `from`, 1 above `to`, smooth between; falls when `from > to`.
pub fn step(from: f32, to: f32, x: f32) -> f32 {
    fade(((x - from) / (to - from)).clamp(0.0, 1.0))
}

/// Straight mix of two numbers.
pub fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// A bell: 1 at 0, falling as (1 + x²)^-2.
pub fn bell(x: f32) -> f32 {
    let k = 1.0 / (1.0 + x * x);
    k * k
}

fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_stays_in_range_and_varies() {
        let (mut low, mut high) = (1.0_f32, 0.0_f32);
        for i in 0..20_000_u32 {
            let (x, y) = (i as f32 * 0.173 - 900.0, i as f32 * 0.091 - 300.0);
            for n in [value(x, y, 5), fbm(x, y, 5, 4), ridged(x, y, 5, 4)] {
                assert!((0.0..=1.0).contains(&n), "{n}");
                low = low.min(n);
                high = high.max(n);
            }
        }
        assert!(low < 0.05 && high > 0.95);
    }

    #[test]
    fn noise_is_continuous() {
        for i in 0..2_000_u32 {
            let x = i as f32 * 0.037;
            assert!((value(x, 1.5, 9) - value(x + 1e-3, 1.5, 9)).abs() < 5e-3);
        }
    }

    #[test]
    fn a_step_may_fall() {
        assert!((step(1.0, 0.0, 0.25) - step(0.0, 1.0, 0.75)).abs() < 1e-6);
    }
}
