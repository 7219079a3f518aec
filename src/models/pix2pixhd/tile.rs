//! Large images by overlapping tiles, blended where they meet.

use std::ops::Range;

use tch::{Device, Kind, TchError, Tensor};

/// Stylise `[1, C, H, W]` tile by tile: squares of `tile` pixels that overlap by at least `overlap`, blended linearly
/// across the overlap. `stylise` keeps size; `progress` hears (tiles done, tiles in all). The result is on the CPU.
///
/// Instance norms then see a tile's statistics and not the image's: colours may drift from tile to tile, and the result
/// differs from the whole image's.
pub fn stylise(
    x: &Tensor,
    tile: i64,
    overlap: i64,
    mut stylise: impl FnMut(&Tensor) -> Result<Tensor, TchError>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Tensor, TchError> {
    let (_, channels, height, width) = x.size4()?;
    let (rows, columns) = (spans(height, tile, overlap), spans(width, tile, overlap));
    let mut sum = Tensor::f_zeros([1, channels, height, width], (Kind::Float, Device::Cpu))?;
    let total = Tensor::f_zeros([1, 1, height, width], (Kind::Float, Device::Cpu))?;
    let mut done = 0;
    for row in &rows {
        for column in &columns {
            let cut = |t: &Tensor| -> Result<Tensor, TchError> {
                t.f_narrow(2, row.start, row.end - row.start)?.f_narrow(3, column.start, column.end - column.start)
            };
            let y = stylise(&cut(x)?)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?; // [1, C, h, w]
            let weight = ramp(row, height, overlap)?.f_outer(&ramp(column, width, overlap)?)?; // [h, w]
            let _ = cut(&sum)?.f_add_(&y.f_mul(&weight)?)?;
            let _ = cut(&total)?.f_add_(&weight)?;
            done += 1;
            progress(done, rows.len() * columns.len());
        }
    }
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
        let y = stylise(&x, 32, 8, Tensor::f_tanh, |_, all| calls = all).unwrap();
        assert_eq!(calls, 3 * 6);
        assert!(f64::try_from((y - x.tanh()).abs().max()).unwrap() < 1e-6);
    }

    #[test]
    fn a_seam_is_blended_not_cut() {
        // Tiles of different brightness: across the overlap the result must pass through every value between.
        let x = Tensor::zeros([1, 1, 16, 48], (Kind::Float, Device::Cpu));
        let mut tile = 0.0;
        let y = stylise(
            &x,
            32,
            16,
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
