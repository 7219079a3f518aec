//! One float per pixel, and the sliding mean that everything O(1) is made of.

/// A float per pixel, rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub data: Vec<f32>,
}

/// A picture in Oklab.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Lightness, 0 to 1.
    pub light: Plane,
    /// Green to red.
    pub a: Plane,
    /// Blue to yellow.
    pub b: Plane,
}

impl Plane {
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, data: vec![0.0; width * height] }
    }

    /// Element by element of two planes.
    pub fn zip(&self, other: &Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let data = self.data.iter().zip(&other.data).map(|(&a, &b)| f(a, b)).collect();
        Self { width: self.width, height: self.height, data }
    }

    /// The nearest element to a place that may lie outside.
    pub fn at(&self, x: isize, y: isize) -> f32 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.data[y * self.width + x]
    }

    /// Between the four nearest elements.
    pub fn between(&self, x: f32, y: f32) -> f32 {
        let (fx, fy) = (x.floor(), y.floor());
        let (ix, iy, tx, ty) = (fx as isize, fy as isize, x - fx, y - fy);
        let top = self.at(ix, iy) * (1.0 - tx) + self.at(ix + 1, iy) * tx;
        let bottom = self.at(ix, iy + 1) * (1.0 - tx) + self.at(ix + 1, iy + 1) * tx;
        top * (1.0 - ty) + bottom * ty
    }

    /// Mean over a square window of `2 radius + 1`, cut at the borders: running sums, the same work at any radius.
    pub fn mean(&self, radius: usize) -> Self {
        if radius == 0 || self.data.is_empty() {
            return self.clone();
        }
        let (width, height) = (self.width, self.height);
        let mut across = Self::new(width, height);
        for (from, to) in self.data.chunks_exact(width).zip(across.data.chunks_exact_mut(width)) {
            let mut sum: f64 = from.iter().take(radius).map(|&v| f64::from(v)).sum();
            for (x, to) in to.iter_mut().enumerate() {
                if let Some(&entering) = from.get(x + radius) {
                    sum += f64::from(entering);
                }
                if x > radius {
                    sum -= f64::from(from[x - radius - 1]);
                }
                let count = (x + radius).min(width - 1) - x.saturating_sub(radius) + 1;
                *to = (sum / count as f64) as f32;
            }
        }
        let mut both = Self::new(width, height);
        let row = |y: usize| &across.data[y * width..(y + 1) * width];
        let mut sums = vec![0.0_f64; width];
        for y in 0..radius.min(height) {
            sums.iter_mut().zip(row(y)).for_each(|(sum, &v)| *sum += f64::from(v));
        }
        for (y, to) in both.data.chunks_exact_mut(width).enumerate() {
            if y + radius < height {
                sums.iter_mut().zip(row(y + radius)).for_each(|(sum, &v)| *sum += f64::from(v));
            }
            if y > radius {
                sums.iter_mut().zip(row(y - radius - 1)).for_each(|(sum, &v)| *sum -= f64::from(v));
            }
            let count = ((y + radius).min(height - 1) - y.saturating_sub(radius) + 1) as f64;
            to.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = (sum / count) as f32);
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sliding_mean_is_the_mean() {
        for (width, height) in [(7, 5), (1, 9), (9, 1), (2, 2)] {
            let data = (0..width * height).map(|n| ((n * 37) % 11) as f32).collect();
            let plane = Plane { width, height, data };
            for radius in 0..6 {
                let fast = plane.mean(radius);
                for y in 0..height {
                    for x in 0..width {
                        let (x0, x1) = (x.saturating_sub(radius), (x + radius).min(width - 1));
                        let (y0, y1) = (y.saturating_sub(radius), (y + radius).min(height - 1));
                        let mut sum = 0.0;
                        for yy in y0..=y1 {
                            sum += (x0..=x1).map(|xx| plane.data[yy * width + xx]).sum::<f32>();
                        }
                        let mean = sum / ((x1 - x0 + 1) * (y1 - y0 + 1)) as f32;
                        assert!((fast.data[y * width + x] - mean).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn places_between_are_mixed_and_places_outside_are_the_border() {
        let plane = Plane { width: 2, height: 2, data: vec![0.0, 1.0, 2.0, 3.0] };
        assert!((plane.between(0.5, 0.5) - 1.5).abs() < 1e-6);
        assert!((plane.between(-9.0, 9.0) - 2.0).abs() < 1e-6);
    }
}
