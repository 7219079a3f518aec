//! The course of one series in a handful of numbers, however long the run: what a list shows beside a session.

use serde::{Deserialize, Serialize};

/// Most values kept. Even, so that they can be joined in pairs.
const MOST: usize = 32;

/// The series that stands for a session's loss: the first of these that it has.
pub const KEY_LOSSES: [&str; 4] = ["loss/g", "loss/total", "loss/l1", "loss"];

/// Means of equally many steps each, in the order of recording. When there are too many, each two become one and from
/// then on stand for twice as many steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trend {
    /// Of which series; empty before the first value.
    pub series: String,
    /// Values that each mean is of.
    pub stride: u64,
    /// The means; none where no value was finite.
    pub means: Vec<Option<f32>>,
    /// The sum of the finite values of the mean still being made.
    sum: f64,
    /// How many finite ones those are.
    finite: u64,
    /// How many values of any kind.
    count: u64,
}

impl Trend {
    /// Take the next step's values in, if the series is among them. The first values decide which series it is.
    pub fn push(&mut self, values: &[(&str, f64)]) {
        if self.series.is_empty() {
            let key = KEY_LOSSES.into_iter().find(|key| values.iter().any(|(name, _)| name == key));
            let Some(key) = key else { return };
            key.clone_into(&mut self.series);
            self.stride = 1;
        }
        let Some((_, value)) = values.iter().find(|(name, _)| *name == self.series) else { return };
        self.count += 1;
        if value.is_finite() {
            self.sum += value;
            self.finite += 1;
        }
        if self.count < self.stride.max(1) {
            return;
        }
        self.means.push(self.open());
        (self.sum, self.finite, self.count) = (0.0, 0, 0);
        if self.means.len() >= MOST {
            self.means = self.means.chunks(2).map(joined).collect();
            self.stride = self.stride.max(1) * 2;
        }
    }

    /// The means, the unfinished one included, for drawing; NaN where nothing was finite.
    pub fn values(&self) -> Vec<f64> {
        let open = (self.count > 0).then(|| self.open());
        self.means.iter().copied().chain(open).map(|mean| mean.map_or(f64::NAN, f64::from)).collect()
    }

    fn open(&self) -> Option<f32> {
        (self.finite > 0).then(|| (self.sum / self.finite as f64) as f32)
    }
}

fn joined(pair: &[Option<f32>]) -> Option<f32> {
    let finite: Vec<f32> = pair.iter().copied().flatten().collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f32>() / finite.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Trend {
        let mut trend = Trend::default();
        values.into_iter().for_each(|value| trend.push(&[("lr", 1.0), ("loss/g", value)]));
        trend
    }

    #[test]
    fn a_long_run_takes_no_more_room_than_a_short_one_and_keeps_its_course() {
        let trend = of((0..100_000).map(|step| f64::from(100_000 - step)));
        assert!(trend.means.len() < MOST && trend.values().len() <= MOST);
        let values = trend.values();
        assert!(values.windows(2).all(|pair| pair[0] > pair[1]), "{values:?}");
        let first = trend.stride as f64;
        assert!((values[0] - (100_000.0 - (first - 1.0) / 2.0)).abs() < 1.0, "{} of {first}", values[0]);
    }

    #[test]
    fn what_is_not_finite_is_left_out_and_a_stretch_of_it_is_a_gap() {
        assert_eq!(of([1.0, f64::NAN, 3.0]).means, [Some(1.0), None, Some(3.0)]);
        let gap = of((0..64).map(|step| if step < 32 { f64::NAN } else { 2.0 }));
        assert!(gap.values()[0].is_nan() && gap.values().last() == Some(&2.0), "{gap:?}");
    }

    #[test]
    fn the_first_loss_decides_which_series_it_is() {
        let mut trend = Trend::default();
        trend.push(&[("speed", 1.0)]);
        assert_eq!(trend, Trend::default());
        trend.push(&[("loss/l1", 1.0), ("loss/g", 5.0)]);
        trend.push(&[("loss/l1", 2.0)]);
        assert_eq!((trend.series.as_str(), trend.values()), ("loss/g", vec![5.0]));
    }

    #[test]
    fn it_comes_back_from_json_as_it_was() {
        let trend = of([1.5, f64::NAN, 2.5]);
        let text = serde_json::to_string(&trend).unwrap();
        assert_eq!(serde_json::from_str::<Trend>(&text).unwrap(), trend);
        assert_eq!(serde_json::from_str::<Trend>("{}").unwrap(), Trend::default());
    }
}
