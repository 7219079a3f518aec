//! Edge-preserving smoothing in two steps, both of constant work a pixel whatever the radius.
//!
//! The guided filter (He, Sun and Tang 2013) removes grain: within a window the output is a line in the guide, so an
//! edge of the guide stays one. The Kuwahara filter in Papari's soft form (2007) then lays down brush strokes: of eight
//! windows around a pixel, those with the least variance decide, so strokes end at edges.

use super::plane::{Lab, Plane};
use super::recipe::Smooth;

/// Both steps; lengths are for the reference side and grow by `scale`.
pub fn smooth(image: &Lab, recipe: &Smooth, scale: f32) -> Lab {
    let mut smoothed = image.clone();
    for _ in 0..recipe.passes {
        smoothed = guided(&smoothed, recipe.radius * scale, recipe.epsilon);
    }
    if recipe.brush > 0.0 { brush(&smoothed, recipe.brush * scale, recipe.sharpness) } else { smoothed }
}

/// The guided filter, guided by the picture's own lightness.
pub fn guided(image: &Lab, radius: f32, epsilon: f32) -> Lab {
    let radius = radius.round() as usize;
    if radius == 0 {
        return image.clone();
    }
    let guide = &image.light;
    let mean = guide.mean(radius);
    let variance = guide.zip(guide, |a, b| a * b).mean(radius).zip(&mean, |square, m| (square - m * m).max(0.0));
    let filter = |plane: &Plane| {
        let plane_mean = plane.mean(radius);
        let product = guide.zip(plane, |a, b| a * b).mean(radius);
        let mut slope = Plane::new(plane.width, plane.height);
        for (n, slope) in slope.data.iter_mut().enumerate() {
            *slope = (product.data[n] - mean.data[n] * plane_mean.data[n]) / (variance.data[n] + epsilon);
        }
        let offset = plane_mean.zip(&slope.zip(&mean, |s, m| s * m), |p, sm| p - sm);
        let (slope, offset) = (slope.mean(radius), offset.mean(radius));
        slope.zip(guide, |s, g| s * g).zip(&offset, |line, o| line + o)
    };
    // Colour follows light loosely: it is smoothed on its own more strongly, which is how paint behaves.
    Lab { light: filter(&image.light), a: filter(&image.a), b: filter(&image.b) }
}

const DIAGONAL: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// Unit vectors of eight directions.
const DIRECTIONS: [[f32; 2]; 8] = [
    [1.0, 0.0],
    [DIAGONAL, DIAGONAL],
    [0.0, 1.0],
    [-DIAGONAL, DIAGONAL],
    [-1.0, 0.0],
    [-DIAGONAL, -DIAGONAL],
    [0.0, -1.0],
    [DIAGONAL, -DIAGONAL],
];

fn brush(image: &Lab, radius: f32, sharpness: f32) -> Lab {
    // Two box means of a third of the radius make a soft round window.
    let window = ((radius / 3.0).round() as usize).max(1);
    let soft = |plane: &Plane| plane.mean(window).mean(window);
    let square = |plane: &Plane| soft(&plane.zip(plane, |a, b| a * b));
    let planes = [&image.light, &image.a, &image.b];
    let means = planes.map(soft);
    let squares = planes.map(square);
    let variance = |n: usize| -> f32 {
        means.iter().zip(&squares).map(|(mean, square)| (square.data[n] - mean.data[n] * mean.data[n]).max(0.0)).sum()
    };
    let (width, height) = (image.light.width, image.light.height);
    let weights: Vec<f32> = (0..width * height)
        .map(|n| {
            // 0.02 in Oklab is about where a difference becomes visible.
            let deviation = variance(n).sqrt() / 0.02;
            1.0 / (1.0 + deviation.powf(sharpness))
        })
        .collect();
    let reach = 0.6 * radius;
    let offsets = DIRECTIONS.map(|[x, y]| [(x * reach).round() as isize, (y * reach).round() as isize]);
    let mut out = Lab { light: Plane::new(width, height), a: Plane::new(width, height), b: Plane::new(width, height) };
    for y in 0..height {
        for x in 0..width {
            let (mut total, mut sums) = (0.0_f32, [0.0_f32; 3]);
            for [dx, dy] in offsets {
                let nx = (x as isize + dx).clamp(0, width as isize - 1) as usize;
                let ny = (y as isize + dy).clamp(0, height as isize - 1) as usize;
                let from = ny * width + nx;
                let weight = weights[from] + 1e-8;
                total += weight;
                for (sum, mean) in sums.iter_mut().zip(&means) {
                    *sum += weight * mean.data[from];
                }
            }
            let n = y * width + x;
            [out.light.data[n], out.a.data[n], out.b.data[n]] = sums.map(|sum| sum / total);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(noise: f32) -> Lab {
        let data = (0..64 * 64)
            .map(|n| if n % 64 < 32 { 0.2 } else { 0.8 } + noise * (((n * 7919) % 17) as f32 / 16.0 - 0.5))
            .collect();
        let light = Plane { width: 64, height: 64, data };
        Lab { a: Plane::new(64, 64), b: Plane::new(64, 64), light }
    }

    #[test]
    fn noise_is_removed_and_an_edge_kept() {
        let smoothed = smooth(&edge(0.1), &Smooth::default(), 1.0).light;
        for (x, expected) in [(10, 0.2), (27, 0.2), (36, 0.8), (54, 0.8)] {
            let value = smoothed.at(x, 32);
            assert!((value - expected).abs() < 0.03, "{value} at {x}");
        }
        assert!(smoothed.at(35, 32) - smoothed.at(28, 32) > 0.5);
    }

    #[test]
    fn a_flat_picture_stays_flat() {
        let flat = Lab {
            light: Plane { width: 9, height: 5, data: vec![0.4; 45] },
            a: Plane { width: 9, height: 5, data: vec![-0.1; 45] },
            b: Plane { width: 9, height: 5, data: vec![0.07; 45] },
        };
        let smoothed = smooth(&flat, &Smooth::default(), 1.0);
        assert!(smoothed.light.data.iter().all(|v| (v - 0.4).abs() < 1e-4));
        assert!(smoothed.b.data.iter().all(|v| (v - 0.07).abs() < 1e-4));
    }
}
