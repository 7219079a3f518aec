//! Luminance planes and their reductions, for comparing images.

use image::RgbImage;

/// Rows of luminance in [0, 255] (ITU-R BT.601 weights).
#[derive(Debug, Clone, PartialEq)]
pub struct Luminance {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height` values by rows.
    pub values: Vec<f32>,
}

impl Luminance {
    /// The luminance of an RGB image.
    pub fn of(image: &RgbImage) -> Self {
        let value = |[r, g, b]: [u8; 3]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
        Self {
            width: image.width() as usize,
            height: image.height() as usize,
            values: image.pixels().map(|pixel| value(pixel.0)).collect(),
        }
    }

    /// Averages over a grid of `width` by `height` cells, which share border pixels by their area.
    #[must_use]
    pub fn shrunk(&self, width: usize, height: usize) -> Self {
        let across = shares(self.width, width);
        let down = shares(self.height, height);
        let mut values = Vec::with_capacity(width * height);
        for rows in &down {
            for columns in &across {
                let (mut sum, mut area) = (0.0_f64, 0.0_f64);
                for &(y, share_y) in rows {
                    for &(x, share_x) in columns {
                        sum += f64::from(self.values[y * self.width + x]) * share_x * share_y;
                        area += share_x * share_y;
                    }
                }
                values.push((sum / area) as f32);
            }
        }
        Self { width, height, values }
    }

    /// The same, left and right exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Self {
        let values = self.values.chunks_exact(self.width).flat_map(|row| row.iter().rev().copied()).collect();
        Self { width: self.width, height: self.height, values }
    }

    /// What is left when the mean over a square of `2 radius + 1` is taken away: the detail.
    #[must_use]
    pub fn detail(&self, radius: usize) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.height {
            for x in 0..self.width {
                let (mut sum, mut count) = (0.0, 0.0);
                for v in y.saturating_sub(radius)..=(y + radius).min(self.height - 1) {
                    for u in x.saturating_sub(radius)..=(x + radius).min(self.width - 1) {
                        sum += self.values[v * self.width + u];
                        count += 1.0;
                    }
                }
                values.push(self.values[y * self.width + x] - sum / count);
            }
        }
        Self { width: self.width, height: self.height, values }
    }
}

/// For each of `cells` cells, the pixels it covers and how much of each.
fn shares(length: usize, cells: usize) -> Vec<Vec<(usize, f64)>> {
    let scale = length as f64 / cells as f64;
    (0..cells)
        .map(|cell| {
            let (start, end) = (cell as f64 * scale, (cell + 1) as f64 * scale);
            (start as usize..length.min(end.ceil() as usize))
                .map(|i| (i, (end.min((i + 1) as f64) - start.max(i as f64)).max(0.0)))
                .filter(|(_, share)| *share > 0.0)
                .collect()
        })
        .collect()
}

/// Pearson's correlation; 0 where one side does not vary.
pub fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut var_a, mut var_b) = (0.0, 0.0, 0.0);
    for (&a, &b) in a.iter().zip(b) {
        let (a, b) = (f64::from(a) - mean_a, f64::from(b) - mean_b);
        both += a * b;
        var_a += a * a;
        var_b += b * b;
    }
    let scale = (var_a * var_b).sqrt();
    if scale > 0.0 { both / scale } else { 0.0 }
}

/// Standard deviation.
pub fn deviation(values: &[f32]) -> f64 {
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_averages_also_where_cells_cut_pixels() {
        let image = Luminance { width: 3, height: 1, values: vec![0.0, 30.0, 90.0] };
        // Cells of one and a half pixels: (0 + 30 / 2) / 1.5 and (30 / 2 + 90) / 1.5.
        assert_eq!(image.shrunk(2, 1).values, [10.0, 70.0]);
        assert_eq!(image.shrunk(1, 1).values, [40.0]);
        assert_eq!(image.shrunk(6, 1).values, [0.0, 0.0, 30.0, 30.0, 90.0, 90.0], "cells may be smaller than pixels");
        assert_eq!(image.mirrored().values, [90.0, 30.0, 0.0]);
    }

    #[test]
    fn correlation_is_pearsons() {
        assert!((correlation(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn detail_of_a_plane_is_nothing_inside() {
        let plane = Luminance { width: 9, height: 9, values: (0..81).map(|i| (i % 9 + i / 9) as f32).collect() };
        assert!(plane.detail(1).values[4 * 9 + 4].abs() < 1e-6);
    }
}
