//! The last ten minutes of this machine, sample by sample.

use std::collections::{BTreeMap, VecDeque};

use crate::record::{Column, decimate};

/// Samples that are kept: ten minutes at one a second.
pub const KEPT: usize = 600;
/// Seconds of them.
const SPAN: f64 = 600.0;
/// Seconds that are shown, in turn, while the history grows.
const SPANS: [f64; 4] = [60.0, 120.0, 300.0, SPAN];
/// Seconds without a sample after which a line is broken: nobody looked, or the machine slept.
const GAP: f64 = 3.5;

/// The samples, oldest first, at times that rise.
#[derive(Debug, Clone, Default)]
pub struct History {
    samples: VecDeque<(f64, BTreeMap<String, f64>)>,
}

impl History {
    /// Keep a sample, taken at `time` in seconds since the Unix epoch. When the clock was set back, what came before is
    /// forgotten: it would lie in the future.
    pub fn push(&mut self, time: f64, values: BTreeMap<String, f64>) {
        if self.newest().is_some_and(|newest| newest >= time) {
            self.samples.clear();
        }
        self.samples.push_back((time, values));
        while self.samples.len() > KEPT || self.samples.front().is_some_and(|(first, _)| time - first > SPAN) {
            self.samples.pop_front();
        }
    }

    /// When the newest sample was taken.
    pub fn newest(&self) -> Option<f64> {
        self.samples.back().map(|(time, _)| *time)
    }

    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// The stretch that is shown when no other is asked for.
    pub fn extent(&self) -> (f64, f64) {
        let to = self.newest().unwrap_or(SPAN);
        let age = self.samples.front().map_or(0.0, |(first, _)| to - first);
        (to - SPANS.into_iter().find(|span| *span >= age).unwrap_or(SPAN), to)
    }

    /// The names of the newest sample's series.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.samples.back().into_iter().flat_map(|(_, values)| values.keys()).map(String::as_str)
    }

    /// What a series was at `time`, or is now; none where the sample before is too old to say.
    pub fn value(&self, series: &str, time: Option<f64>) -> Option<f64> {
        let sample = match time {
            None => self.samples.back()?,
            Some(time) => {
                let after = self.samples.partition_point(|(at, _)| *at <= time);
                let sample = self.samples.get(after.checked_sub(1)?)?;
                if time - sample.0 > GAP {
                    return None;
                }
                sample
            }
        };
        sample.1.get(series).copied()
    }

    /// Means of these series over each of the newest `count` samples that has one, the newest last.
    pub fn newest_means(&self, series: &[String], count: usize) -> Vec<f64> {
        let first = self.samples.len().saturating_sub(count);
        let mean = |values: &BTreeMap<String, f64>| {
            let known: Vec<f64> = series.iter().filter_map(|name| values.get(name)).copied().collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        self.samples.range(first..).filter_map(|(_, values)| mean(values)).collect()
    }

    /// A series in columns over a stretch of time, times `scale`: one list for each part without a gap, in which the
    /// series is told.
    pub fn columns(&self, series: &str, scale: f64, stretch: (f64, f64), columns: usize) -> Vec<Vec<Column>> {
        let mut parts = Vec::new();
        let (mut x, mut y): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        let mut finish = |x: &mut Vec<f64>, y: &mut Vec<f64>| {
            if !x.is_empty() {
                parts.push(decimate(x, y, stretch.0, stretch.1, columns));
            }
            x.clear();
            y.clear();
        };
        for (time, values) in &self.samples {
            let Some(value) = values.get(series) else {
                finish(&mut x, &mut y);
                continue;
            };
            if x.last().is_some_and(|last| time - last > GAP) {
                finish(&mut x, &mut y);
            }
            x.push(*time);
            y.push(value * scale);
        }
        finish(&mut x, &mut y);
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(value: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([("host/cpu_percent".to_owned(), value)])
    }

    #[test]
    fn ten_minutes_are_kept_and_no_more() {
        let mut history = History::default();
        for second in 0..2000 {
            history.push(f64::from(second), values(f64::from(second)));
        }
        assert_eq!(history.len(), KEPT);
        let mut young = History::default();
        (0..100).for_each(|second| young.push(f64::from(second), values(0.0)));
        assert_eq!(young.extent(), (-21.0, 99.0), "two minutes hold what there is");
        assert_eq!(history.extent(), (1399.0, 1999.0));
        assert_eq!(history.value("host/cpu_percent", None), Some(1999.0));
        assert_eq!(history.value("host/cpu_percent", Some(1500.4)), Some(1500.0));
        assert_eq!(history.value("host/cpu_percent", Some(3.0)), None, "forgotten");
        assert_eq!(history.value("gpu0/power_watts", None), None, "absent is absent");
    }

    #[test]
    fn nothing_is_drawn_across_a_time_without_samples() {
        let mut history = History::default();
        for second in [0.0, 1.0, 2.0, 60.0, 61.0] {
            history.push(second, values(second));
        }
        history.push(62.0, BTreeMap::new());
        history.push(63.0, values(63.0));
        let parts = history.columns("host/cpu_percent", 2.0, (0.0, 100.0), 100);
        let counts: Vec<usize> = parts.iter().map(|part| part.iter().map(|column| column.count).sum()).collect();
        assert_eq!(counts, [3, 2, 1], "a gap, then a sample that does not tell");
        assert_eq!(parts[0][2].last().map(|mark| mark.y), Some(4.0));
        assert_eq!(history.value("host/cpu_percent", Some(30.0)), None);
    }

    #[test]
    fn a_clock_set_back_starts_anew() {
        let mut history = History::default();
        history.push(100.0, values(1.0));
        history.push(50.0, values(2.0));
        assert_eq!((history.len(), history.newest()), (1, Some(50.0)));
    }
}
