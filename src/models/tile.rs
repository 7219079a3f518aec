//! Large images by overlapping tiles, blended where they meet.

use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

/// How an image is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// Side of a tile, in pixels of the input.
    pub tile: i64,
    /// The least overlap of neighbours, across which they are blended linearly.
    pub overlap: i64,
    /// How much larger the output is than the input, along a side.
    pub scale: i64,
}

/// `[B, C, H, W]` → `[B, D, scale H, scale W]` tile by tile, where `map` does the same to a tile. `progress` hears (tiles
/// done, tiles in all). The result is float32, on the CPU.
///
/// What `map` computes over a whole image, such as a norm's statistics, it then computes over a tile: colours may drift
/// from tile to tile, and the result differs from the whole image's.
pub fn map(
    x: &Tensor,
    Tiles { tile, overlap, scale }: Tiles,
    mut map: impl FnMut(&Tensor) -> Result<Tensor, TchError>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Tensor, TchError> {
    let (_, _, height, width) = x.size4()?;
    let (rows, columns) = (spans(height, tile, overlap), spans(width, tile, overlap));
    let cut = |t: &Tensor, row: &Range<i64>, column: &Range<i64>, scale: i64| -> Result<Tensor, TchError> {
        let t = t.f_narrow(-2, scale * row.start, scale * (row.end - row.start))?;
        t.f_narrow(-1, scale * column.start, scale * (column.end - column.start))
    };
    let larger = |span: &Range<i64>| scale * span.start..scale * span.end;
    let mut sum: Option<Tensor> = None;
    let total = Tensor::f_zeros([scale * height, scale * width], (Kind::Float, Device::Cpu))?;
    let mut done = 0;
    for row in &rows {
        for column in &columns {
            let y = map(&cut(x, row, column, 1)?)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?; // [B, D, h, w]
            let weight = ramp(&larger(row), scale * height, scale * overlap)?.f_outer(&ramp(
                &larger(column),
                scale * width,
                scale * overlap,
            )?)?; // [h, w]
            let sum = if let Some(sum) = &sum {
                sum
            } else {
                let (batch, channels, _, _) = y.size4()?;
                let size = [batch, channels, scale * height, scale * width];
                sum.insert(Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?)
            };
            let _ = cut(sum, row, column, scale)?.f_add_(&y.f_mul(&weight)?)?;
            let _ = cut(&total, row, column, scale)?.f_add_(&weight)?;
            done += 1;
            progress(done, rows.len() * columns.len());
        }
    }
    let mut sum = sum.ok_or_else(|| TchError::Shape(format!("an image without pixels: {:?}", x.size())))?;
    sum.f_div_(&total)
}

/// Spans of `tile` that cover `0..length` and overlap by at least `overlap`; the last one ends at the end.
fn spans(length: i64, tile: i64, overlap: i64) -> Vec<Range<i64>> {
    if length <= tile {
        return std::iter::once(0..length).collect();
    }
    let step = (tile - overlap).max(1);
    let count = (length - overlap + step - 1) / step;
    (0..count).map(|i| (i * step).min(length - tile)).map(|start| start..start + tile).collect()
}

/// Weights of a span: rising over `overlap` pixels from each end that is not the image's border, never 0.
fn ramp(span: &Range<i64>, length: i64, overlap: i64) -> Result<Tensor, TchError> {
    let weights: Vec<f32> = (span.start..span.end)
        .map(|at| {
            let from_start = if span.start == 0 { overlap } else { at - span.start };
            let from_end = if span.end == length { overlap } else { span.end - 1 - at };
            (from_start.min(from_end).min(overlap) + 1) as f32 / (overlap + 1) as f32
        })
        .collect();
    Tensor::f_from_slice(&weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_everything_and_overlap() {
        for length in [1, 63, 64, 65, 100, 200, 257] {
            for overlap in [0, 8, 31] {
                let spans = spans(length, 64, overlap);
                assert_eq!((spans[0].start, spans[spans.len() - 1].end), (0, length));
                for pair in spans.windows(2) {
                    assert!(
                        pair[0].end - pair[1].start >= overlap && pair[1].start > pair[0].start,
                        "{length}: {spans:?}"
                    );
                    assert_eq!(pair[1].end - pair[1].start, 64);
                }
            }
        }
    }

    #[test]
    fn a_pointwise_map_gives_the_whole_images_result() {
        let x = Tensor::arange(3 * 75 * 130, (Kind::Float, Device::Cpu)).sin().reshape([1, 3, 75, 130]);
        let mut calls = 0;
        let tiles = Tiles { tile: 32, overlap: 8, scale: 1 };
        let y = map(&x, tiles, Tensor::f_tanh, |_, all| calls = all).unwrap();
        assert_eq!(calls, 3 * 6);
        assert!(f64::try_from((y - x.tanh()).abs().max()).unwrap() < 1e-6);
        let twice = |t: &Tensor| {
            let (_, _, h, w) = t.size4()?;
            t.f_upsample_nearest2d([2 * h, 2 * w], None, None)
        };
        let y = map(&x, Tiles { scale: 2, ..tiles }, twice, |_, _| ()).unwrap();
        assert!(f64::try_from((y - twice(&x).unwrap()).abs().max()).unwrap() < 1e-6);
    }

    #[test]
    fn a_seam_is_blended_not_cut() {
        // Tiles of different brightness: across the overlap the result must pass through every value between.
        let x = Tensor::zeros([1, 1, 16, 48], (Kind::Float, Device::Cpu));
        let mut tile = 0.0;
        let y = map(
            &x,
            Tiles { tile: 32, overlap: 16, scale: 1 },
            |t| {
                tile += 1.0;
                t.f_add_scalar(tile)
            },
            |_, _| {},
        )
        .unwrap();
        let row: Vec<f32> = Vec::try_from(y.get(0).get(0).get(0)).unwrap();
        assert!((row[0] - 1.0).abs() < 1e-6 && (row[47] - 2.0).abs() < 1e-6);
        assert!(row.windows(2).all(|pair| (0.0..0.08).contains(&(pair[1] - pair[0]))), "{row:?}");
    }
}
