//! The metrics that a config or a command asks for, ready to measure: the one way that validation, `atelier eval` and
//! the benchmark all take.

use std::fmt;
use std::path::PathBuf;

use tch::{Device, Kind, TchError, Tensor};

use super::inception::{Inception, Resize};
use super::library::{Library, LibraryError, Network};
use super::lpips::Lpips;
use crate::config::Metric;
use crate::metrics::{self, Kid, bootstrap};

/// Pixels that a network looks at in one go: on a CPU what its caches like, on a GPU what keeps it busy and fits.
const PIXELS_AT_ONCE: [i64; 2] = [1 << 18, 1 << 22];

/// Metrics with the networks that they look through.
#[derive(Debug)]
pub struct Judge {
    metrics: Vec<Metric>,
    lpips: Vec<(Metric, Lpips)>,
    inception: Option<Inception>,
    unavailable: Vec<Unavailable>,
}

/// A metric that was asked for and cannot be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Which.
    pub metric: Metric,
    /// Why, and what to do.
    pub why: String,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} is not measured: {}", self.metric.name(), self.why)
    }
}

/// What was measured so far, still on the device; made by [`Judge::measure`].
#[derive(Debug, Default)]
pub struct Tally {
    /// Of each metric, values of predictions and of inputs, `[B]` a batch.
    values: Vec<(Metric, [Vec<Tensor>; 2])>,
    /// Of each way to resize, features of predictions, inputs and targets, `[B, 2048]` a batch.
    features: Vec<(Resize, [Vec<Tensor>; 3])>,
}

/// One metric's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Which.
    pub metric: Metric,
    /// Of predictions against targets.
    pub prediction: Outcome,
    /// Of untouched inputs against targets, where there were inputs: what a prediction must beat.
    pub identity: Option<Outcome>,
}

/// Values of images, or one value of all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// One value an image, in order.
    Each(Vec<f64>),
    /// A Fréchet distance. NaN where a feature is not finite.
    Set(f64),
    /// A kernel distance. NaN where a feature is not finite.
    Kernel(Kid),
}

impl Outcome {
    /// The mean, or the one value.
    pub fn value(&self) -> f64 {
        match self {
            Self::Each(values) => bootstrap::mean(values),
            Self::Set(value) => *value,
            Self::Kernel(kid) => kid.value,
        }
    }
}

/// The network that a metric looks through.
pub fn network_of(metric: Metric) -> Option<Network> {
    match metric {
        Metric::L1 | Metric::Mse | Metric::Psnr | Metric::Ssim | Metric::MsSsim => None,
        Metric::LpipsAlex => Some(Network::AlexNet),
        Metric::LpipsVgg => Some(Network::Vgg16),
        Metric::LpipsSqueeze => Some(Network::SqueezeNet),
        Metric::Fid | Metric::FidClean | Metric::Kid => Some(Network::Inception),
    }
}

fn resize_of(metric: Metric) -> Resize {
    if metric == Metric::FidClean { Resize::Clean } else { Resize::Bilinear }
}

impl Judge {
    /// Of `metrics`, those whose networks can be had, on `device`; the others are unavailable. `files` are searched
    /// before the cache.
    ///
    /// # Errors
    /// One of `files` holds no network that is known.
    pub fn new(metrics: &[Metric], files: &[PathBuf], device: Device) -> Result<Self, LibraryError> {
        if files.is_empty() && metrics.iter().all(|metric| network_of(*metric).is_none()) {
            return Ok(Self::of(metrics)); // a machine without a home folder measures these too
        }
        Ok(Self::with_library(metrics, &Library::open(files)?, device))
    }

    /// With networks out of `library`.
    pub fn with_library(metrics: &[Metric], library: &Library, device: Device) -> Self {
        let mut judge = Self::of(metrics);
        let mut refused: Vec<Unavailable> = Vec::new();
        for &metric in metrics {
            let found = match network_of(metric) {
                Some(Network::Inception) if judge.inception.is_none() => {
                    library.inception(device).map(|network| judge.inception = Some(network))
                }
                Some(Network::Inception) | None => Ok(()),
                Some(network) => library.lpips(network, device).map(|lpips| {
                    judge.lpips.extend(lpips.map(|lpips| (metric, lpips)));
                }),
            };
            if let Err(error) = found {
                refused.push(Unavailable { metric, why: error.to_string() });
            }
        }
        judge.metrics.retain(|metric| !refused.iter().any(|one| one.metric == *metric));
        judge.unavailable = refused;
        judge
    }

    /// Metrics, each once, and no networks yet.
    fn of(metrics: &[Metric]) -> Self {
        let mut once: Vec<Metric> = Vec::new();
        for &metric in metrics {
            if !once.contains(&metric) {
                once.push(metric);
            }
        }
        Self { metrics: once, lpips: Vec::new(), inception: None, unavailable: Vec::new() }
    }

    /// The same networks once more, not copied: for another thread.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            metrics: self.metrics.clone(),
            lpips: self.lpips.iter().map(|(metric, lpips)| (*metric, lpips.shallow_clone())).collect(),
            inception: self.inception.as_ref().map(Inception::shallow_clone),
            unavailable: self.unavailable.clone(),
        }
    }

    /// What will be measured.
    pub fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// What was asked for and will not be.
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Give up the metrics that images of this size are too small for.
    pub fn fit(&mut self, height: usize, width: usize) {
        let side = height.min(width) as i64;
        let least = |metric: Metric| match metric {
            Metric::Ssim => metrics::SSIM_SMALLEST,
            Metric::MsSsim => metrics::MS_SSIM_SMALLEST,
            _ => self.lpips.iter().find(|(one, _)| *one == metric).map_or(1, |(_, l)| l.architecture().smallest()),
        };
        let small: Vec<Unavailable> = self
            .metrics
            .iter()
            .map(|&metric| (metric, least(metric)))
            .filter(|(_, least)| side < *least)
            .map(|(metric, least)| {
                let why =
                    format!("it takes images of at least {least} pixels a side, the smallest has {width}x{height}");
                Unavailable { metric, why }
            })
            .collect();
        self.metrics.retain(|metric| !small.iter().any(|one| one.metric == *metric));
        self.unavailable.extend(small);
    }

    /// Look once at an empty image of so many pixels (width and height) on a GPU, which finds its kernels at the first
    /// sight of each shape. A CPU has nothing to warm up.
    pub fn warm_up(&self, device: Device, size: Option<(u32, u32)>) -> Result<(), TchError> {
        let Some((width, height)) = size.filter(|_| device != Device::Cpu) else { return Ok(()) };
        let mut judge = self.shallow_clone();
        judge.fit(height as usize, width as usize);
        let image = Tensor::f_zeros([1, 3, i64::from(height), i64::from(width)], (Kind::Float, device))?;
        judge.measure(&image, &image, None).map(drop)
    }

    /// Measure a batch: predictions, targets, and the inputs where there are such, `[B, 3, H, W]` each, in [0, 1]. The
    /// device is not waited for. No gradient.
    pub fn measure(&self, prediction: &Tensor, target: &Tensor, input: Option<&Tensor>) -> Result<Tally, TchError> {
        let _guard = tch::no_grad_guard();
        let mut tally = Tally::default();
        for &metric in self.metrics.iter().filter(|metric| !metric.is_of_sets()) {
            let lpips = self.lpips.iter().find(|(one, _)| *one == metric);
            let [prediction, input] = if let Some((_, lpips)) = lpips {
                compare_in_parts(lpips, prediction, target, input)?
            } else {
                let of = |image: &Tensor| plain(metric, image, target);
                [Some(of(prediction)?), input.map(of).transpose()?]
            };
            tally.values.push((metric, [prediction, input].map(|values| values.into_iter().collect())));
        }
        if let Some(inception) = &self.inception {
            for &metric in self.metrics.iter().filter(|metric| metric.is_of_sets()) {
                let resize = resize_of(metric);
                if tally.features.iter().any(|(known, _)| *known == resize) {
                    continue;
                }
                let look = |images: Option<&Tensor>| -> Result<Vec<Tensor>, TchError> {
                    let Some(images) = images else { return Ok(Vec::new()) };
                    // The network sees 299 pixels a side, whatever comes in.
                    let parts = parts(images, 299 * 299)?;
                    parts.iter().map(|part| inception.features(part, resize)).collect()
                };
                tally.features.push((resize, [look(Some(prediction))?, look(input)?, look(Some(target))?]));
            }
        }
        Ok(tally)
    }

    /// What the tally comes to, metric by metric in the order asked for: waits for the device. `seed` decides what is
    /// drawn for KID's interval.
    ///
    /// # Errors
    /// libtorch refused. A distance of sets needs two images: with one it is left out.
    pub fn scores(&self, tally: &Tally, seed: u64) -> Result<Vec<Score>, TchError> {
        let mut scores = Vec::new();
        for &metric in &self.metrics {
            let score = if metric.is_of_sets() {
                distance(metric, tally, seed)?
            } else {
                let values = tally.values.iter().find(|(one, _)| *one == metric).map(|(_, values)| values);
                values.map(|[prediction, input]| each(metric, prediction, input)).transpose()?
            };
            scores.extend(score);
        }
        Ok(scores)
    }
}

impl Tally {
    /// Add what was measured after this.
    pub fn extend(&mut self, later: Self) {
        for (metric, values) in later.values {
            match self.values.iter_mut().find(|(known, _)| *known == metric) {
                Some((_, held)) => held.iter_mut().zip(values).for_each(|(held, more)| held.extend(more)),
                None => self.values.push((metric, values)),
            }
        }
        for (resize, features) in later.features {
            match self.features.iter_mut().find(|(known, _)| *known == resize) {
                Some((_, held)) => held.iter_mut().zip(features).for_each(|(held, more)| held.extend(more)),
                None => self.features.push((resize, features)),
            }
        }
    }
}

fn plain(metric: Metric, image: &Tensor, target: &Tensor) -> Result<Tensor, TchError> {
    match metric {
        Metric::L1 => metrics::l1(image, target),
        Metric::Mse => metrics::mse(image, target),
        Metric::Psnr => metrics::psnr(image, target),
        Metric::Ssim => metrics::ssim(image, target),
        Metric::MsSsim => metrics::ms_ssim(image, target),
        other => Err(TchError::Kind(format!("{} needs a network that is not there", other.name()))),
    }
}

/// LPIPS of predictions and inputs; the targets are looked at once for both.
fn compare_in_parts(
    lpips: &Lpips,
    prediction: &Tensor,
    target: &Tensor,
    input: Option<&Tensor>,
) -> Result<[Option<Tensor>; 2], TchError> {
    let (_, _, height, width) = target.size4()?;
    let kinds = 2 + i64::from(input.is_some());
    let split = |images: &Tensor| parts(images, kinds * height * width);
    let (predictions, targets) = (split(prediction)?, split(target)?);
    let inputs = input.map(split).transpose()?;
    let mut values = [Vec::new(), Vec::new()];
    for (at, (prediction, target)) in predictions.iter().zip(&targets).enumerate() {
        let count = target.size()[0];
        let mut batch = vec![target, prediction];
        batch.extend(inputs.as_ref().and_then(|inputs| inputs.get(at)));
        let seen = lpips.look(&Tensor::f_cat(&batch, 0)?)?;
        let reference = seen.part(0, count)?;
        for (kind, values) in (1..batch.len() as i64).zip(&mut values) {
            values.push(lpips.distance(&seen.part(kind * count, count)?, &reference)?);
        }
    }
    let joined = |values: Vec<Tensor>| if values.is_empty() { Ok(None) } else { Tensor::f_cat(&values, 0).map(Some) };
    let [prediction, input] = values;
    Ok([joined(prediction)?, joined(input)?])
}

/// A batch in parts that a network looks at in one go, each image of which costs `pixels`.
fn parts(images: &Tensor, pixels: i64) -> Result<Vec<Tensor>, TchError> {
    let most = PIXELS_AT_ONCE[usize::from(images.device() != Device::Cpu)];
    images.f_split((most / pixels.max(1)).max(1), 0)
}

fn each(metric: Metric, prediction: &[Tensor], input: &[Tensor]) -> Result<Score, TchError> {
    let host = |values: &[Tensor]| -> Result<Outcome, TchError> {
        Ok(Outcome::Each(Vec::try_from(Tensor::f_cat(values, 0)?.f_to_device(Device::Cpu)?)?))
    };
    let identity = if input.is_empty() { None } else { Some(host(input)?) };
    Ok(Score { metric, prediction: host(prediction)?, identity })
}

fn distance(metric: Metric, tally: &Tally, seed: u64) -> Result<Option<Score>, TchError> {
    let resize = resize_of(metric);
    let Some((_, features)) = tally.features.iter().find(|(known, _)| *known == resize) else { return Ok(None) };
    let [prediction, input, target] = features;
    let target = Tensor::f_cat(target, 0)?;
    if target.size()[0] < 2 {
        return Ok(None);
    }
    let of = |batches: &[Tensor]| -> Result<Outcome, TchError> {
        let features = Tensor::f_cat(batches, 0)?;
        let finite = |x: &Tensor| bool::try_from(x.f_isfinite()?.f_all()?);
        let is_whole = finite(&features)? && finite(&target)?;
        let nowhere = bootstrap::Interval { low: f64::NAN, high: f64::NAN };
        Ok(match (metric, is_whole) {
            (Metric::Kid, true) => Outcome::Kernel(metrics::kid(&features, &target, seed)?),
            (Metric::Kid, false) => Outcome::Kernel(Kid { value: f64::NAN, interval: nowhere, subset: None }),
            (_, true) => Outcome::Set(metrics::frechet_distance(&features, &target)?.try_into()?),
            (_, false) => Outcome::Set(f64::NAN),
        })
    };
    let identity = if input.is_empty() { None } else { Some(of(input)?) };
    Ok(Some(Score { metric, prediction: of(prediction)?, identity }))
}
