//! Colours gathered: k-means in Oklab, centres pulled towards a painter's swatches, pixels pulled towards centres.

use super::oklab;
use super::plane::Lab;
use super::recipe::Palette;
use crate::data::random::Draw;

/// Pixels that k-means looks at.
const SAMPLED: usize = 12_000;
const ROUNDS: usize = 12;
/// Colour counts more than lightness: shades of one thing should share a centre.
const LIGHTNESS_WEIGHT: f32 = 0.7;

type Colour = [f32; 3];

fn distance(a: Colour, b: Colour) -> f32 {
    let (l, x, y) = (LIGHTNESS_WEIGHT * (a[0] - b[0]), 1.6 * (a[1] - b[1]), 1.6 * (a[2] - b[2]));
    l * l + x * x + y * y
}

/// The picture in few colours.
pub fn flatten(image: &Lab, recipe: &Palette) -> Lab {
    let pixel = |n: usize| [image.light.data[n], image.a.data[n], image.b.data[n]];
    let count = image.light.data.len();
    let every = (count / SAMPLED).max(1);
    let sample: Vec<Colour> = (0..count).step_by(every).map(pixel).collect();
    let centres = centres(&sample, recipe.colours);
    let swatches: Vec<Colour> = recipe.swatches.iter().filter_map(|code| oklab::of_hex(code)).collect();
    let painted: Vec<Colour> = centres.iter().map(|&centre| pull(centre, &swatches, recipe.pull)).collect();
    let mut out = image.clone();
    for n in 0..count {
        let colour = pixel(n);
        let (mut first, mut second) = ((f32::MAX, 0), (f32::MAX, 0));
        for (index, &centre) in centres.iter().enumerate() {
            let d = distance(colour, centre);
            if d < first.0 {
                (first, second) = ((d, index), first);
            } else if d < second.0 {
                second = (d, index);
            }
        }
        // Half and half on the border between two centres, one alone away from it: no jagged edges.
        let (near, far) = (first.0.sqrt(), second.0.sqrt());
        let share = if second.0 < f32::MAX && near + far > 0.0 { near / (near + far) } else { 0.0 };
        let share = ((share - 0.5) / 0.36 + 0.5).clamp(0.0, 0.5);
        let (p, q) = (painted[first.1], painted[second.1]);
        let (c, d) = (centres[first.1], centres[second.1]);
        let mut target = [0.0; 3];
        for (k, target) in target.iter_mut().enumerate() {
            let flat = p[k] + (q[k] - p[k]) * share;
            let centre = c[k] + (d[k] - c[k]) * share;
            // What flattening leaves of the pixel's own difference from its centre.
            *target = flat + (1.0 - recipe.flatness) * (colour[k] - centre);
        }
        [out.light.data[n], out.a.data[n], out.b.data[n]] = target;
    }
    out
}

/// k-means with k-means++ starts, drawn from a fixed stream: the same picture has the same palette.
fn centres(sample: &[Colour], count: usize) -> Vec<Colour> {
    let Some(&first) = sample.get(sample.len() / 2) else { return vec![[0.5, 0.0, 0.0]] };
    let mut draw = Draw::new(&[0x70_616c]);
    let mut centres = vec![first];
    let mut nearest: Vec<f32> = sample.iter().map(|&c| distance(c, first)).collect();
    while centres.len() < count {
        let total: f64 = nearest.iter().map(|&d| f64::from(d)).sum();
        if total < 1e-9 {
            break;
        }
        let mut left = draw.unit() * total;
        let chosen = nearest.iter().position(|&d| {
            left -= f64::from(d);
            left <= 0.0
        });
        let centre = sample[chosen.unwrap_or(0)];
        centres.push(centre);
        nearest.iter_mut().zip(sample).for_each(|(d, &c)| *d = d.min(distance(c, centre)));
    }
    for _ in 0..ROUNDS {
        let mut sums = vec![([0.0_f64; 3], 0_u32); centres.len()];
        for &colour in sample {
            let best = (0..centres.len())
                .min_by(|&a, &b| distance(colour, centres[a]).total_cmp(&distance(colour, centres[b])))
                .unwrap_or(0);
            for (sum, &v) in sums[best].0.iter_mut().zip(&colour) {
                *sum += f64::from(v);
            }
            sums[best].1 += 1;
        }
        for (centre, (sum, n)) in centres.iter_mut().zip(sums).filter(|(_, (_, n))| *n > 0) {
            *centre = sum.map(|s| (s / f64::from(n)) as f32);
        }
    }
    centres
}

/// Towards the swatches that resemble the colour, the more the more they do; lightness moves half as far.
fn pull(colour: Colour, swatches: &[Colour], strength: f32) -> Colour {
    let (mut total, mut sum) = (0.0_f32, [0.0_f32; 3]);
    for &swatch in swatches {
        let weight = (-distance(colour, swatch) / (2.0 * 0.07 * 0.07)).exp();
        total += weight;
        for (sum, v) in sum.iter_mut().zip(swatch) {
            *sum += weight * v;
        }
    }
    if total < 1e-6 {
        return colour;
    }
    // Where nothing resembles it, it stays.
    let strength = strength * (total / (total + 0.3));
    let towards = |k: usize, share: f32| colour[k] + (sum[k] / total - colour[k]) * strength * share;
    [towards(0, 0.5), towards(1, 1.0), towards(2, 1.0)]
}

#[cfg(test)]
mod tests {
    use super::super::plane::Plane;
    use super::*;

    fn image(colours: &[Colour]) -> Lab {
        let plane = |k: usize| Plane { width: colours.len(), height: 1, data: colours.iter().map(|c| c[k]).collect() };
        Lab { light: plane(0), a: plane(1), b: plane(2) }
    }

    #[test]
    fn clusters_become_their_centres() {
        let clusters = [[0.3, -0.1, 0.1], [0.7, 0.0, -0.1], [0.9, 0.05, 0.05]];
        let colours: Vec<Colour> = (0..300)
            .map(|n| {
                let shake = ((n * 31) % 13) as f32 / 13.0 - 0.5;
                clusters[n % 3].map(|v| v + 0.02 * shake)
            })
            .collect();
        let recipe = Palette { colours: 3, flatness: 1.0, pull: 0.0, ..Palette::default() };
        let flat = flatten(&image(&colours), &recipe);
        for n in 0..300 {
            for (value, expected) in
                [flat.light.data[n], flat.a.data[n], flat.b.data[n]].into_iter().zip(clusters[n % 3])
            {
                assert!((value - expected).abs() < 0.01, "{value} is not {expected}");
            }
        }
    }

    #[test]
    fn no_flatness_and_no_pull_change_nothing() {
        let colours: Vec<Colour> = (0..50).map(|n| [n as f32 / 50.0, 0.1 - n as f32 / 300.0, 0.02]).collect();
        let recipe = Palette { flatness: 0.0, pull: 0.0, ..Palette::default() };
        let same = flatten(&image(&colours), &recipe);
        for (n, colour) in colours.iter().enumerate() {
            assert!((same.light.data[n] - colour[0]).abs() < 1e-5);
        }
    }

    #[test]
    fn one_colour_alone_is_no_trouble() {
        let flat = flatten(&image(&[[0.5, 0.0, 0.0]; 9]), &Palette { pull: 0.0, ..Palette::default() });
        assert!(flat.light.data.iter().all(|v| (v - 0.5).abs() < 1e-5));
    }

    #[test]
    fn swatches_attract_what_resembles_them() {
        let swatch = [0.7, -0.12, 0.10];
        let near = pull([0.68, -0.09, 0.08], &[swatch], 1.0);
        assert!(distance(near, swatch) < distance([0.68, -0.09, 0.08], swatch));
        assert_eq!(pull([0.1, 0.2, -0.2], &[swatch], 1.0), [0.1, 0.2, -0.2]);
    }
}
