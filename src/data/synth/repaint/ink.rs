//! Ink lines: the flow-based difference of Gaussians (Kang, Lee and Chui 2007) with the soft threshold of the extended
//! one (Winnemöller, Kyprianidis and Olsen 2012).
//!
//! Across an edge, two Gaussians are subtracted: what is darker than its surroundings is a line. Along the edge, the
//! result is averaged, so that lines run on and specks vanish. The direction comes from the smoothed structure tensor.

use super::plane::Plane;
use super::recipe::Ink;

/// How strongly ink covers each pixel, 0 to 1.
pub fn lines(light: &Plane, recipe: &Ink, scale: f32) -> Plane {
    let tangents = tangents(light, (2.0 * scale).round().max(1.0) as usize);
    let sigma = (recipe.width * scale).max(0.5);
    let across = across(light, &tangents, sigma);
    let along = along(&across, &tangents, recipe.flow * scale);
    let mut ink = along;
    for v in &mut ink.data {
        *v = (recipe.sharpness * (-*v - recipe.threshold).max(0.0)).tanh();
    }
    ink
}

/// The direction along the edge at each pixel, of length 1.
fn tangents(light: &Plane, radius: usize) -> [Plane; 2] {
    let (width, height) = (light.width, light.height);
    let [mut xx, mut xy, mut yy] = [(); 3].map(|()| Plane::new(width, height));
    for y in 0..height {
        for x in 0..width {
            let at = |dx: isize, dy: isize| light.at(x as isize + dx, y as isize + dy);
            let gx = at(1, -1) + 2.0 * at(1, 0) + at(1, 1) - at(-1, -1) - 2.0 * at(-1, 0) - at(-1, 1);
            let gy = at(-1, 1) + 2.0 * at(0, 1) + at(1, 1) - at(-1, -1) - 2.0 * at(0, -1) - at(1, -1);
            let n = y * width + x;
            (xx.data[n], xy.data[n], yy.data[n]) = (gx * gx, gx * gy, gy * gy);
        }
    }
    let soft = |plane: &Plane| plane.mean(radius).mean(radius);
    let (xx, xy, yy) = (soft(&xx), soft(&xy), soft(&yy));
    let (mut tx, mut ty) = (Plane::new(width, height), Plane::new(width, height));
    for n in 0..width * height {
        let angle = 0.5 * (2.0 * xy.data[n]).atan2(xx.data[n] - yy.data[n]);
        (tx.data[n], ty.data[n]) = (-angle.sin(), angle.cos());
    }
    [tx, ty]
}

fn gaussian(sigma: f32, reach: usize) -> Vec<f32> {
    let weights: Vec<f32> = (0..=reach).map(|n| (-((n * n) as f32) / (2.0 * sigma * sigma)).exp()).collect();
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f32>();
    weights.into_iter().map(|w| w / total).collect()
}

/// Narrow minus wide Gaussian, across the edge: negative on dark lines.
fn across(light: &Plane, [tx, ty]: &[Plane; 2], sigma: f32) -> Plane {
    let reach = (3.2 * sigma).ceil() as usize;
    // 1.6 makes the difference nearly a Laplacian (Marr and Hildreth 1980).
    let (narrow, wide) = (gaussian(sigma, reach), gaussian(1.6 * sigma, reach));
    let mut out = Plane::new(light.width, light.height);
    for y in 0..light.height {
        for x in 0..light.width {
            let n = y * light.width + x;
            let (nx, ny) = (ty.data[n], -tx.data[n]);
            let centre = light.data[n];
            let mut sum = (narrow[0] - wide[0]) * centre;
            for step in 1..=reach {
                let (dx, dy) = (step as f32 * nx, step as f32 * ny);
                let both = light.between(x as f32 + dx, y as f32 + dy) + light.between(x as f32 - dx, y as f32 - dy);
                sum += (narrow[step] - wide[step]) * both;
            }
            out.data[n] = sum;
        }
    }
    out
}

/// Gaussian mean along the flow, followed step by step both ways.
fn along(plane: &Plane, [tx, ty]: &[Plane; 2], sigma: f32) -> Plane {
    if sigma < 0.3 {
        return plane.clone();
    }
    let reach = (2.0 * sigma).ceil() as usize;
    let weights = gaussian(sigma, reach);
    let mut out = Plane::new(plane.width, plane.height);
    for y in 0..plane.height {
        for x in 0..plane.width {
            let n = y * plane.width + x;
            let mut sum = weights[0] * plane.data[n];
            for sign in [1.0, -1.0] {
                let (mut px, mut py) = (x as f32, y as f32);
                let (mut dx, mut dy) = (sign * tx.data[n], sign * ty.data[n]);
                for &weight in &weights[1..] {
                    (px, py) = (px + dx, py + dy);
                    sum += weight * plane.between(px, py);
                    let (ix, iy) = (px.round() as isize, py.round() as isize);
                    let (vx, vy) = (tx.at(ix, iy), ty.at(ix, iy));
                    // A tangent has no sense of its own: go on, not back.
                    let onward = if vx * dx + vy * dy < 0.0 { -1.0 } else { 1.0 };
                    (dx, dy) = (onward * vx, onward * vy);
                }
            }
            out.data[n] = sum;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(f: impl Fn(usize, usize) -> f32) -> Plane {
        Plane { width: 40, height: 40, data: (0..1600).map(|n| f(n % 40, n / 40)).collect() }
    }

    #[test]
    fn dark_lines_and_edges_are_inked_and_flat_ground_is_not() {
        let recipe = Ink::default();
        let line = lines(&plane(|x, _| if x == 20 { 0.3 } else { 0.7 }), &recipe, 1.0);
        assert!(line.at(20, 20) > 0.8 && line.at(8, 20) < 1e-3 && line.at(32, 20) < 1e-3);
        let edge = lines(&plane(|x, y| if x + y < 40 { 0.3 } else { 0.7 }), &recipe, 1.0);
        let strongest = (10..30).map(|x| edge.at(x, 20)).fold(0.0, f32::max);
        assert!(strongest > 0.5, "{strongest}");
        assert!(lines(&plane(|_, _| 0.5), &recipe, 1.0).data.iter().all(|v| *v == 0.0));
    }

    #[test]
    fn a_speck_is_fainter_than_a_line() {
        let recipe = Ink::default();
        let line = lines(&plane(|x, _| if x == 20 { 0.55 } else { 0.7 }), &recipe, 1.0);
        let speck = lines(&plane(|x, y| if x == 20 && y == 20 { 0.55 } else { 0.7 }), &recipe, 1.0);
        assert!(speck.at(20, 20) < 0.5 * line.at(20, 20));
    }
}
