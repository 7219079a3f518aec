//! A tensor that came from a checkpoint or from a running training: its values as `f32`, and questions about them.

use std::ops::Index;

use super::image::Image;
use super::plot::Plot;
use super::problem::{Problem, answer};
use super::series::Series;
use super::show::{Content, Table, count, number, shape, shown};
use super::source::Source;

mod singular;
mod stats;

pub(crate) use stats::Running;
pub use stats::Stats;

/// Bins of a histogram unless told otherwise.
const BINS: usize = 40;
/// Channels that a picture of an activation shows.
const CHANNELS: usize = 64;

/// Numbers in a shape, in row-major order.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<f32>,
    source: Option<Source>,
}
shown!(Tensor);

impl Tensor {
    /// A tensor of your own.
    pub fn new(name: &str, shape: Vec<usize>, data: Vec<f32>) -> Self {
        answer(Self::checked(name, shape, data))
    }

    pub(crate) fn checked(name: &str, shape: Vec<usize>, data: Vec<f32>) -> Result<Self, Problem> {
        let elements = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if elements != Some(data.len()) {
            let (given, shape) = (data.len(), self::shape(&shape));
            return Err(Problem::new(format!("{name}: {given} values do not fill the shape {shape}")));
        }
        Ok(Self { name: name.to_owned(), shape, data, source: None })
    }

    pub(crate) fn of(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its size along each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its values, the last dimension fastest.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Where it comes from: which session, which step, live or checkpoint.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// Mean, deviation, extremes, norm, NaN and zeros.
    pub fn stats(&self) -> Stats {
        let mut running = Running::default();
        running.push(&self.data);
        running.stats()
    }

    /// The mean; NaN if a value is.
    pub fn mean(&self) -> f64 {
        let stats = self.stats();
        if stats.nans > 0 { f64::NAN } else { stats.mean }
    }

    /// The standard deviation; NaN if a value is.
    pub fn std(&self) -> f64 {
        let stats = self.stats();
        if stats.nans > 0 { f64::NAN } else { stats.std }
    }

    /// The least value that is a number.
    pub fn min(&self) -> f64 {
        self.stats().min
    }

    /// The greatest value that is a number.
    pub fn max(&self) -> f64 {
        self.stats().max
    }

    /// The Euclidean norm of all values; NaN if a value is.
    pub fn norm(&self) -> f64 {
        let stats = self.stats();
        if stats.nans > 0 { f64::NAN } else { stats.norm }
    }

    /// How many values are NaN.
    pub fn nans(&self) -> usize {
        self.data.iter().filter(|value| value.is_nan()).count()
    }

    /// How the values are distributed, in 40 bins.
    pub fn hist(&self) -> Plot {
        self.hist_bins(BINS)
    }

    /// How the values are distributed, in so many bins from the least to the greatest finite value.
    pub fn hist_bins(&self, bins: usize) -> Plot {
        let finite = || self.data.iter().copied().filter(|value| value.is_finite()).map(f64::from);
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high || !(1..=100_000).contains(&bins) {
            let what = format!("{}: no finite value to count, or {bins} is no number of bins", self.name);
            answer::<()>(Err(Problem::new(what)));
        }
        let width = if high > low { (high - low) / bins as f64 } else { 1.0 };
        let mut counts = vec![0.0; bins];
        finite().for_each(|value| counts[(((value - low) / width) as usize).min(bins - 1)] += 1.0);
        let middles = (0..bins).map(|bin| low + (bin as f64 + 0.5) * width).collect();
        let infinite = self.data.len() - finite().count();
        let left_out = if infinite > 0 { format!(", {infinite} not finite left out") } else { String::new() };
        let title = format!("{} ({}{left_out})", self.name, count(self.data.len() as i64));
        Plot::bars(Series::new(&self.name, middles, counts), "value", "count").title(&title)
    }

    /// Its singular values, greatest first, by Golub and Kahan's bidiagonalisation in double precision. A tensor of more
    /// than two dimensions is taken as a matrix of its first by all others, as a convolution multiplies.
    pub fn singular_values(&self) -> Series {
        let rows = self.shape.first().copied().unwrap_or(1);
        let columns = self.data.len() / rows.max(1);
        let values = answer(singular::values(&self.data, rows, columns).map_err(|problem| problem.about(&self.name)));
        let index = (1..=values.len()).map(|index| index as f64).collect();
        Series::new(&format!("singular values of {}", self.name), index, values)
    }

    /// The part at `index` of the first dimension: a channel, a filter, a row.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        let Some(&first) = self.shape.first().filter(|first| index < **first) else {
            let what = format!("{} has the shape {}: there is no index {index}", self.name, shape(&self.shape));
            return answer(Err(Problem::new(what)));
        };
        let size = self.data.len() / first;
        Self {
            name: format!("{}[{index}]", self.name),
            shape: self.shape[1..].to_vec(),
            data: self.data[index * size..(index + 1) * size].to_vec(),
            source: self.source.clone(),
        }
    }

    /// The same values in another shape.
    #[must_use]
    pub fn reshape(&self, shape: &[usize]) -> Self {
        Self { source: self.source.clone(), ..Self::new(&self.name, shape.to_vec(), self.data.clone()) }
    }

    /// As a picture, from its least to its greatest value: `[3, h, w]` in colour, `[h, w]` and `[1, h, w]` in grey, more
    /// channels (an activation, the filters of a convolution) as tiles, each with a range of its own.
    pub fn image(&self) -> Image {
        answer(self.try_image(None))
    }

    /// As a picture of values from -1 to 1, as networks give and take them.
    pub fn picture(&self) -> Image {
        answer(self.try_image(Some((-1.0, 1.0))))
    }

    pub(crate) fn try_image(&self, range: Option<(f32, f32)>) -> Result<Image, Problem> {
        let mut shape = self.shape.as_slice();
        while shape.len() > 2 && shape[0] == 1 {
            shape = &shape[1..];
        }
        let refuse = || {
            let shape = self::shape(&self.shape);
            Problem::new(format!("{}: the shape {shape} is no picture: it takes [h, w] or [channels, h, w]", self.name))
        };
        if self.data.is_empty() {
            return Err(refuse());
        }
        match *shape {
            [height, width] => grey(&[bytes(&self.data, range)], height, width),
            [3, height, width] => {
                let planes = bytes(&self.data, range);
                let size = height * width;
                let pixel = |at: usize| [planes[at], planes[size + at], planes[2 * size + at]];
                Image::checked(width, height, (0..size).flat_map(pixel).collect())
            }
            [channels, height, width] => {
                let tiles = self.data.chunks_exact(height * width).take(channels.min(CHANNELS));
                grey(&tiles.map(|tile| bytes(tile, range)).collect::<Vec<_>>(), height, width)
            }
            // The filters of a convolution: each out of the mean over what it sees.
            [filters, inner, height, width] if inner > 0 => {
                let size = height * width;
                let mean = |filter: &[f32]| -> Vec<f32> {
                    let at = |at: usize| filter.iter().skip(at).step_by(size).sum::<f32>() / inner as f32;
                    (0..size).map(at).collect()
                };
                let filters = self.data.chunks_exact(inner * size).take(filters.min(CHANNELS));
                grey(&filters.map(|filter| bytes(&mean(filter), range)).collect::<Vec<_>>(), height, width)
            }
            _ => Err(refuse()),
        }
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        const SHOWN: usize = 8;
        let stats = self.stats();
        let values: Vec<String> = self.data.iter().take(SHOWN).map(|value| number(f64::from(*value))).collect();
        let more = if self.data.len() > SHOWN { ", …" } else { "" };
        let table = Table::new(&["tensor", "shape", "#mean", "#std", "#min", "#max", "#norm", "#NaN", "#zeros"])
            .filled([stats.row(&self.name, &self.shape)].into_iter())
            .note(format!("[{}{more}]", values.join(", ")))
            .note(self.source.as_ref().map(Source::to_string).unwrap_or_default());
        vec![Content::Table(table)]
    }
}

/// The value at a place: `t[[0, 3, 1, 1]]`.
impl<const N: usize> Index<[usize; N]> for Tensor {
    type Output = f32;

    fn index(&self, index: [usize; N]) -> &f32 {
        let inside = N == self.shape.len() && index.iter().zip(&self.shape).all(|(at, size)| at < size);
        if !inside {
            let what = format!("{} has the shape {}: there is nothing at {index:?}", self.name, shape(&self.shape));
            answer::<()>(Err(Problem::new(what)));
        }
        &self.data[index.iter().zip(&self.shape).fold(0, |offset, (at, size)| offset * size + at)]
    }
}

/// Values as bytes, from `range` or from their own.
fn bytes(values: &[f32], range: Option<(f32, f32)>) -> Vec<u8> {
    let own = || {
        let finite = values.iter().copied().filter(|value| value.is_finite());
        finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (low, high) = range.unwrap_or_else(own);
    // In double precision, in which the greatest minus the least float is a number.
    let (low, width) = (f64::from(low), f64::from(high) - f64::from(low));
    let byte = |value: &f32| {
        let share = if width > 0.0 { (f64::from(*value) - low) / width } else { 0.5 };
        // A NaN is black: `as` makes it 0.
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    };
    values.iter().map(byte).collect()
}

/// Grey pictures of one size as tiles, about as many side by side as one below the other.
fn grey(tiles: &[Vec<u8>], height: usize, width: usize) -> Result<Image, Problem> {
    let across = ((tiles.len() as f64).sqrt().ceil() as usize).max(1);
    let gap = usize::from(tiles.len() > 1);
    let down = tiles.len().div_ceil(across);
    let (full_width, full_height) = (across * (width + gap) - gap, down * (height + gap) - gap);
    let mut rgb = vec![0; full_width * full_height * 3];
    for (index, tile) in tiles.iter().enumerate() {
        let (left, top) = (index % across * (width + gap), index / across * (height + gap));
        for (at, value) in tile.iter().enumerate() {
            let pixel = ((top + at / width) * full_width + left + at % width) * 3;
            rgb[pixel..pixel + 3].fill(*value);
        }
    }
    Image::checked(full_width, full_height, rgb)
}

#[cfg(test)]
mod tests;
