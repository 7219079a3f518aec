//! The statistics of an evaluation.

use serde::{Serialize, Serializer};

use super::Measured;
use crate::config::Metric;
use crate::metrics::bootstrap::{self, Interval};
use crate::models::perceptual::judge::{Judge, Outcome, Score};

/// An evaluation, as `--json` prints it. Numbers that JSON has none for are texts: `inf`, `NaN`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// One line on what was evaluated.
    pub title: String,
    /// The checkpoint's step, of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<i64>,
    /// Seed of the intervals.
    pub seed: u64,
    /// From asking for the first image to having the last value.
    pub seconds: f64,
    /// In the order asked for.
    pub metrics: Vec<Line>,
    /// The images that were measured, with their values.
    pub images: Vec<Image>,
    /// Metrics that were asked for and are not here.
    pub unavailable: Vec<Sample>,
    /// Images that could not be measured.
    pub failed: Vec<Sample>,
    /// Images without a partner.
    pub unmatched: Vec<String>,
}

/// A name and what is to say of it.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    pub name: String,
    pub why: String,
}

/// One metric.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    #[serde(serialize_with = "name")]
    pub metric: Metric,
    /// `higher` or `lower`.
    pub better: &'static str,
    /// Of predictions against targets.
    pub prediction: Estimate,
    /// Of untouched inputs against targets.
    pub identity: Option<Estimate>,
    /// Prediction minus identity, image by image; of distances of sets one minus the other.
    pub difference: Option<Estimate>,
    /// What a reader of the number must know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A value with its 95 % interval, where one can be had.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Estimate {
    #[serde(serialize_with = "number")]
    pub value: f64,
    pub interval: Option<Bounds>,
}

/// A 95 % interval.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Bounds {
    #[serde(serialize_with = "number")]
    pub low: f64,
    #[serde(serialize_with = "number")]
    pub high: f64,
}

impl From<Interval> for Bounds {
    fn from(Interval { low, high }: Interval) -> Self {
        Self { low, high }
    }
}

/// One image.
#[derive(Debug, Serialize)]
pub(super) struct Image {
    pub name: String,
    pub values: Vec<Value>,
}

/// One metric of one image.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    #[serde(serialize_with = "name")]
    pub metric: Metric,
    #[serde(serialize_with = "number")]
    pub prediction: f64,
    pub identity: Option<Number>,
}

fn name<S: Serializer>(metric: &Metric, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(metric.name())
}

fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_str(&value.to_string()) }
}

/// A number, as [`number`] writes it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Number(#[serde(serialize_with = "number")] pub f64);

impl Report {
    /// The statistics of what was measured.
    pub fn new(judge: &Judge, measured: Measured, seed: u64) -> anyhow::Result<Self> {
        let scores = judge.scores(&measured.tally, seed)?;
        let count = measured.names.len();
        let mut unavailable: Vec<Sample> = judge
            .unavailable()
            .iter()
            .map(|one| Sample { name: one.metric.name().to_owned(), why: one.why.clone() })
            .collect();
        let missing = judge.metrics().iter().filter(|metric| !scores.iter().any(|score| score.metric == **metric));
        unavailable.extend(missing.map(|metric| Sample {
            name: metric.name().to_owned(),
            why: "it compares sets: at least 2 images".to_owned(),
        }));
        let images = measured.names.into_iter().enumerate().map(|(at, name)| image(name, at, &scores)).collect();
        let metrics = scores.iter().map(|score| line(score, count, seed)).collect();
        Ok(Self {
            title: measured.title,
            step: None,
            seed,
            seconds: measured.begin.elapsed().as_secs_f64(),
            metrics,
            images,
            unavailable,
            failed: measured.failed,
            unmatched: measured.unmatched,
        })
    }

    /// The whole as JSON, with a line's end.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Images by their value of a metric, best first.
    pub fn ranked(&self, metric: Metric) -> Vec<(&str, f64)> {
        let value = |image: &Image| image.values.iter().find(|value| value.metric == metric).map(|one| one.prediction);
        let mut all: Vec<(&str, f64)> =
            self.images.iter().filter_map(|image| Some((image.name.as_str(), value(image)?))).collect();
        // NaN last, whichever way is better.
        let badness = |value: f64| match (value.is_nan(), metric.higher_is_better()) {
            (true, _) => f64::INFINITY,
            (false, true) => -value,
            (false, false) => value,
        };
        all.sort_by(|(_, a), (_, b)| badness(*a).total_cmp(&badness(*b)));
        all
    }
}

fn image(name: String, at: usize, scores: &[Score]) -> Image {
    let of = |outcome: &Outcome| match outcome {
        Outcome::Each(values) => values.get(at).copied(),
        Outcome::Set(_) | Outcome::Kernel(_) => None,
    };
    let value = |score: &Score| {
        let prediction = of(&score.prediction)?;
        Some(Value { metric: score.metric, prediction, identity: score.identity.as_ref().and_then(of).map(Number) })
    };
    Image { name, values: scores.iter().filter_map(value).collect() }
}

fn line(score: &Score, count: usize, seed: u64) -> Line {
    let Score { metric, prediction, identity } = score;
    let difference = identity.as_ref().map(|identity| match (prediction, identity) {
        (Outcome::Each(prediction), Outcome::Each(identity)) => {
            let apart: Vec<f64> = prediction.iter().zip(identity).map(|(a, b)| a - b).collect();
            mean(&apart, seed)
        }
        (prediction, identity) => Estimate { value: prediction.value() - identity.value(), interval: None },
    });
    Line {
        metric: *metric,
        better: if metric.higher_is_better() { "higher" } else { "lower" },
        prediction: estimate(prediction, seed),
        identity: identity.as_ref().map(|identity| estimate(identity, seed)),
        difference,
        note: note(*metric, prediction, count),
    }
}

fn estimate(outcome: &Outcome, seed: u64) -> Estimate {
    match outcome {
        Outcome::Each(values) => mean(values, seed),
        Outcome::Set(value) => Estimate { value: *value, interval: None },
        Outcome::Kernel(kid) => Estimate { value: kid.value, interval: Some(kid.interval.into()) },
    }
}

fn mean(values: &[f64], seed: u64) -> Estimate {
    Estimate { value: bootstrap::mean(values), interval: bootstrap::interval(values, seed).map(Bounds::from) }
}

fn note(metric: Metric, outcome: &Outcome, count: usize) -> Option<String> {
    match (metric, outcome) {
        (Metric::Fid | Metric::FidClean, _) => {
            // Heusel et al. ask for 10,000 at least, and 50,000 is the custom.
            let how = if count < 2048 { "mostly bias at this N" } else { "biased upwards at any N" };
            Some(format!("N = {count}: {how}; compare only at equal N, against the same targets"))
        }
        (_, Outcome::Kernel(kid)) => Some(match kid.subset {
            None => format!("N = {count}: unbiased, over all images; the interval is a bootstrap's"),
            Some(subset) => {
                format!("N = {count}: unbiased, the mean over 100 subsets of {subset}; the interval is theirs")
            }
        }),
        _ => None,
    }
}
