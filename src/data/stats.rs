//! A dataset in numbers: sizes, colours, and how far the photo itself is from its illustration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::RgbImage;
use rayon::prelude::*;
use serde::Serialize;

use super::image_file;
use super::pairs::{Dataset, Pair};
use super::split::split;

/// A dataset in numbers.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// The dataset.
    pub root: PathBuf,
    /// Complete pairs.
    pub pairs: usize,
    /// Distinct sources.
    pub sources: usize,
    /// Pairs that a program made.
    pub synthetic: usize,
    /// Their share.
    pub synthetic_share: f64,
    /// Bytes of all images.
    pub bytes: u64,
    /// Pairs of each size, the most frequent first.
    pub sizes: Vec<Size>,
    /// Colours of the photos.
    pub photo: Colours,
    /// Colours of the illustrations.
    pub illustration: Colours,
    /// Pearson's correlation of all RGB values of a pair, averaged over the pairs.
    pub correlation: Option<f64>,
    /// The pair that correlates least, and how much.
    pub least_correlated: Option<(String, f64)>,
    /// Share held out by the split of the baselines below.
    pub validation_fraction: f64,
    /// Seed of that split.
    pub seed: u64,
    /// The photo taken as the prediction: what a model must beat.
    pub baseline: Baselines,
    /// Pairs that could not be measured, with the reason.
    pub unreadable: Vec<Unreadable>,
}

/// How many pairs have a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// How many.
    pub pairs: usize,
}

/// Mean and standard deviation of red, green and blue over all pixels, in [0, 1].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Colours {
    /// Means.
    pub mean: [f64; 3],
    /// Standard deviations.
    pub std: [f64; 3],
}

/// The identity baseline of all pairs and of each side.
#[derive(Debug, Clone, Serialize)]
pub struct Baselines {
    /// All pairs.
    pub all: Option<Baseline>,
    /// Pairs trained on.
    pub train: Option<Baseline>,
    /// Pairs held out.
    pub validation: Option<Baseline>,
}

/// Distance of photo and illustration, averaged over pairs; images in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baseline {
    /// How many pairs.
    pub pairs: usize,
    /// Mean absolute difference.
    pub l1: f64,
    /// Mean squared difference.
    pub mse: f64,
    /// Peak signal-to-noise ratio in dB; infinite (JSON: null) when a pair is identical.
    pub psnr: f64,
}

/// A pair that could not be measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The pair.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// Measure a dataset. `progress` gets pairs done and their total.
pub fn stats(
    dataset: &Dataset,
    validation_fraction: f64,
    seed: u64,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Stats {
    let done = AtomicUsize::new(0);
    let measured: Vec<Result<Measured, String>> = dataset
        .pairs
        .par_iter()
        .map(|pair| {
            let measured = measure(pair);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, dataset.pairs.len());
            measured
        })
        .collect();
    let good: Vec<&Measured> = measured.iter().filter_map(|m| m.as_ref().ok()).collect();
    let mut sizes: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for m in &good {
        *sizes.entry(m.size).or_insert(0) += 1;
    }
    let mut sizes: Vec<Size> =
        sizes.into_iter().map(|((width, height), pairs)| Size { width, height, pairs }).collect();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.pairs));
    let of = |indices: &[usize]| baseline(indices.iter().filter_map(|&i| measured[i].as_ref().ok()));
    let sides = split(dataset, validation_fraction, seed);
    let correlated =
        || dataset.pairs.iter().zip(&measured).filter_map(|(p, m)| Some((p, m.as_ref().ok()?.correlation?)));
    let least = correlated().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(pair, value)| (pair.id.clone(), value));
    let correlations: Vec<f64> = correlated().map(|(_, value)| value).collect();
    let synthetic = dataset.pairs.iter().filter(|pair| pair.synthetic).count();
    let size_of = |path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    Stats {
        root: dataset.root.clone(),
        pairs: dataset.pairs.len(),
        sources: dataset.sources().len(),
        synthetic,
        synthetic_share: synthetic as f64 / dataset.pairs.len().max(1) as f64,
        bytes: dataset.pairs.iter().map(|pair| size_of(&pair.photo) + size_of(&pair.illustration)).sum(),
        sizes,
        photo: colours(good.iter().map(|m| (m.photo, m.pixels()))),
        illustration: colours(good.iter().map(|m| (m.illustration, m.pixels()))),
        correlation: mean(&correlations),
        least_correlated: least,
        validation_fraction,
        seed,
        baseline: Baselines {
            all: baseline(good.iter().copied()),
            train: of(&sides.train),
            validation: of(&sides.validation),
        },
        unreadable: dataset
            .pairs
            .iter()
            .zip(&measured)
            .filter_map(|(pair, m)| {
                m.as_ref().err().map(|reason| Unreadable { id: pair.id.clone(), reason: reason.clone() })
            })
            .collect(),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// What one pair gives.
struct Measured {
    size: (u32, u32),
    photo: Sums,
    illustration: Sums,
    l1: f64,
    mse: f64,
    correlation: Option<f64>,
}

impl Measured {
    fn pixels(&self) -> u64 {
        u64::from(self.size.0) * u64::from(self.size.1)
    }
}

/// Sums over pixels of each channel's values and squares, exact.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    values: [u64; 3],
    squares: [u64; 3],
}

impl Sums {
    fn of(image: &RgbImage) -> Self {
        let mut sums = Self::default();
        for pixel in image.pixels() {
            for (c, &value) in pixel.0.iter().enumerate() {
                sums.values[c] += u64::from(value);
                sums.squares[c] += u64::from(value) * u64::from(value);
            }
        }
        sums
    }

    fn totals(&self) -> (f64, f64) {
        (self.values.iter().sum::<u64>() as f64, self.squares.iter().sum::<u64>() as f64)
    }
}

fn measure(pair: &Pair) -> Result<Measured, String> {
    let open = |path, what: &str| image_file::open(path).map_err(|fault| format!("the {what} {fault}"));
    let photo = open(&pair.photo, "photo")?.image;
    let illustration = open(&pair.illustration, "illustration")?.image;
    if photo.dimensions() != illustration.dimensions() {
        let ((a, b), (c, d)) = (photo.dimensions(), illustration.dimensions());
        return Err(format!("the photo has {a}x{b} pixels, the illustration {c}x{d}"));
    }
    let (mut absolute, mut squared, mut product) = (0_u64, 0_u64, 0_u64);
    for (&o, &g) in photo.as_raw().iter().zip(illustration.as_raw()) {
        let difference = u64::from(o.abs_diff(g));
        absolute += difference;
        squared += difference * difference;
        product += u64::from(o) * u64::from(g);
    }
    let n = photo.as_raw().len() as f64;
    let (sums_o, sums_g) = (Sums::of(&photo), Sums::of(&illustration));
    let ((sum_o, squares_o), (sum_g, squares_g)) = (sums_o.totals(), sums_g.totals());
    let scale = ((squares_o - sum_o * sum_o / n) * (squares_g - sum_g * sum_g / n)).max(0.0).sqrt();
    Ok(Measured {
        size: photo.dimensions(),
        photo: sums_o,
        illustration: sums_g,
        l1: absolute as f64 / n / 255.0,
        mse: squared as f64 / n / (255.0 * 255.0),
        correlation: (scale > 0.0).then(|| (product as f64 - sum_o * sum_g / n) / scale),
    })
}

fn colours(images: impl Iterator<Item = (Sums, u64)>) -> Colours {
    let (mut total, mut pixels) = (Sums::default(), 0);
    for (sums, n) in images {
        pixels += n;
        for c in 0..3 {
            total.values[c] += sums.values[c];
            total.squares[c] += sums.squares[c];
        }
    }
    if pixels == 0 {
        return Colours::default();
    }
    let n = pixels as f64;
    let mean = total.values.map(|sum| sum as f64 / n);
    let std = std::array::from_fn(|c| (total.squares[c] as f64 / n - mean[c] * mean[c]).max(0.0).sqrt() / 255.0);
    Colours { mean: mean.map(|value| value / 255.0), std }
}

fn baseline<'a>(measured: impl Iterator<Item = &'a Measured>) -> Option<Baseline> {
    let all: Vec<&Measured> = measured.collect();
    let average = |value: &dyn Fn(&Measured) -> f64| mean(&all.iter().map(|m| value(m)).collect::<Vec<_>>());
    Some(Baseline {
        pairs: all.len(),
        l1: average(&|m| m.l1)?,
        mse: average(&|m| m.mse)?,
        psnr: average(&|m| -10.0 * m.mse.log10())?,
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn dataset(pairs: &[(RgbImage, RgbImage)]) -> (tempfile::TempDir, Dataset) {
        let dir = tempfile::tempdir().unwrap();
        for (index, (photo, illustration)) in pairs.iter().enumerate() {
            let folder = dir.path().join(format!("{:04}", index + 1));
            std::fs::create_dir(&folder).unwrap();
            photo.save(folder.join("o.png")).unwrap();
            illustration.save(folder.join("g.png")).unwrap();
        }
        let dataset = Dataset::open(dir.path()).unwrap();
        (dir, dataset)
    }

    #[test]
    fn numbers_are_those_of_a_pair_worked_out_by_hand() {
        let photo = RgbImage::from_fn(2, 1, |x, _| Rgb([(x * 255) as u8, 51, 0]));
        let illustration = RgbImage::from_fn(2, 1, |x, _| Rgb([(x * 255) as u8, 51, 102]));
        let (_dir, dataset) = dataset(&[(photo, illustration)]);
        let stats = stats(&dataset, 0.0, 0, &|_, _| {});
        assert_eq!(stats.sizes, [Size { width: 2, height: 1, pairs: 1 }]);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        near(stats.photo.mean[0], 0.5);
        near(stats.photo.std[0], 0.5);
        near(stats.photo.mean[1], 0.2);
        near(stats.photo.std[1], 0.0);
        near(stats.illustration.mean[2], 0.4);
        let all = stats.baseline.all.unwrap();
        near(all.l1, 0.4 / 3.0);
        near(all.mse, 0.16 / 3.0);
        near(all.psnr, -10.0 * (0.16_f64 / 3.0).log10());
        // numpy.corrcoef([0, 51, 0, 255, 51, 0], [0, 51, 102, 255, 51, 102])
        near(stats.correlation.unwrap(), 0.847_587_807_239_701_7);
        assert!(stats.baseline.validation.is_none());
    }

    #[test]
    fn a_pair_that_cannot_be_read_is_named_and_the_rest_measured() {
        let grey = |value| RgbImage::from_pixel(4, 4, Rgb([value; 3]));
        let (dir, dataset) = dataset(&[(grey(1), grey(2)), (grey(1), grey(2)), (grey(9), RgbImage::new(3, 4))]);
        std::fs::write(dir.path().join("0002/g.png"), "").unwrap();
        let stats = stats(&dataset, 0.0, 0, &|_, _| {});
        let named: Vec<&str> = stats.unreadable.iter().map(|u| u.id.as_str()).collect();
        assert_eq!(named, ["0002", "0003"]);
        assert_eq!(stats.baseline.all.unwrap().pairs, 1);
        assert_eq!(stats.correlation, None, "one colour correlates with nothing");
    }
}
