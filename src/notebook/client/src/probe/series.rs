//! One curve: a value for every x.

use super::plot::Plot;
use super::problem::{Problem, answer};
use super::show::{Content, Table, count, number, shown};

/// Values that a display shows.
const SHOWN: usize = 10;

/// A named curve. NaN are values: they are kept, counted, and left out of statistics.
#[derive(Clone, PartialEq)]
pub struct Series {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
}
shown!(Series);

impl Series {
    /// A series of your own; of unequal lengths the shorter counts.
    pub fn new(name: &str, mut x: Vec<f64>, mut y: Vec<f64>) -> Self {
        let length = x.len().min(y.len());
        x.truncate(length);
        y.truncate(length);
        Self { name: name.to_owned(), x, y }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Under another name, for a plot's legend.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Where its values are: steps, unless it was made otherwise.
    pub fn x(&self) -> &[f64] {
        &self.x
    }

    /// Its values.
    pub fn y(&self) -> &[f64] {
        &self.y
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Smoothed: every value back counts `weight` times the next one (0 smooths nothing, 0.99 much), without a bias
    /// towards the beginning. What is no finite number stays as it is.
    #[must_use]
    pub fn ema(&self, weight: f64) -> Self {
        if !(0.0..1.0).contains(&weight) {
            let what = format!("ema({weight}): the weight of the past is at least 0 and less than 1, such as ema(0.9)");
            answer::<()>(Err(Problem::new(what)));
        }
        let (mut sum, mut total) = (0.0, 0.0);
        let smooth = |value: &f64| {
            if !value.is_finite() {
                return *value;
            }
            sum = sum * weight + value;
            total = total * weight + 1.0;
            sum / total
        };
        let y = self.y.iter().map(smooth).collect();
        Self { name: format!("{} (ema {weight})", self.name), x: self.x.clone(), y }
    }

    /// Its part from x to x, both included: `.between(1000.0, 2000.0)`.
    #[must_use]
    pub fn between(&self, from: f64, to: f64) -> Self {
        let inside = self.x.iter().zip(&self.y).filter(|(x, _)| (from..=to).contains(*x));
        let (x, y) = inside.map(|(x, y)| (*x, *y)).unzip();
        Self { name: self.name.clone(), x, y }
    }

    fn extreme(&self, way: fn(f64, f64) -> f64) -> f64 {
        answer(self.numbers().reduce(way).ok_or_else(|| Problem::new(format!("{} has no values", self.name))))
    }

    fn numbers(&self) -> impl Iterator<Item = f64> + '_ {
        self.y.iter().copied().filter(|value| !value.is_nan())
    }

    /// The least value.
    pub fn min(&self) -> f64 {
        self.extreme(f64::min)
    }

    /// The greatest value.
    pub fn max(&self) -> f64 {
        self.extreme(f64::max)
    }

    /// Where the least value was first reached.
    pub fn at_min(&self) -> f64 {
        self.place(self.min())
    }

    /// Where the greatest value was first reached.
    pub fn at_max(&self) -> f64 {
        self.place(self.max())
    }

    fn place(&self, value: f64) -> f64 {
        self.y.iter().position(|y| *y == value).map_or(f64::NAN, |at| self.x[at])
    }

    /// The mean of the values that are numbers.
    pub fn mean(&self) -> f64 {
        self.numbers().sum::<f64>() / self.numbers().count() as f64
    }

    /// The newest value.
    pub fn last(&self) -> f64 {
        answer(self.y.last().copied().ok_or_else(|| Problem::new(format!("{} has no values", self.name))))
    }

    /// How many values are NaN.
    pub fn nans(&self) -> usize {
        self.y.iter().filter(|value| value.is_nan()).count()
    }

    /// As a plot.
    pub fn plot(&self) -> Plot {
        Plot::new(vec![self.clone()])
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let row = |at: usize| vec![number(self.x[at]), number(self.y[at])];
        let mut table = Table::new(&["#x", "#value"]);
        table.columns[1].0.clone_from(&self.name);
        table.rows = (0..self.len()).skip(self.len().saturating_sub(SHOWN)).map(row).collect();
        let note = match self.numbers().count() {
            0 => format!("{} values", self.len()),
            _ => format!(
                "{} values, the newest {} of them shown: least {} at {}, greatest {} at {}, mean {}",
                count(self.len() as i64),
                table.rows.len(),
                number(self.min()),
                number(self.at_min()),
                number(self.max()),
                number(self.at_max()),
                number(self.mean())
            ),
        };
        let nans = if self.nans() > 0 { format!("{} of them NaN", self.nans()) } else { String::new() };
        vec![Content::Table(table.note(note).note(nans))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(y: &[f64]) -> Series {
        Series::new("loss/g", (0..y.len()).map(|x| x as f64 * 10.0).collect(), y.to_vec())
    }

    #[test]
    fn smoothing_has_no_bias_and_leaves_nan_alone() {
        let smooth = series(&[4.0, f64::NAN, 2.0]).ema(0.5);
        assert_eq!(smooth.y()[0], 4.0);
        assert!(smooth.y()[1].is_nan());
        // By the definition: (4 * 0.5 + 2) / (0.5 + 1).
        assert!((smooth.y()[2] - 4.0 / 1.5).abs() < 1e-12);
        assert_eq!(series(&[3.0, 1.0]).ema(0.0).y(), [3.0, 1.0]);
        assert!(series(&[7.5; 100]).ema(0.99).y().iter().all(|y| (y - 7.5).abs() < 1e-9));
        assert!(std::panic::catch_unwind(|| series(&[1.0]).ema(1.0)).is_err());
    }

    #[test]
    fn statistics_leave_nan_out_and_say_where() {
        let series = series(&[3.0, f64::NAN, 1.0, 1.0, 2.0]);
        assert_eq!((series.min(), series.at_min(), series.max(), series.at_max()), (1.0, 20.0, 3.0, 0.0));
        assert_eq!((series.mean(), series.last(), series.nans(), series.len()), (1.75, 2.0, 1, 5));
        assert_eq!(series.between(20.0, 30.0).y(), [1.0, 1.0]);
        assert!(series.to_string().contains("1 of them NaN"), "{series}");
    }

    #[test]
    fn an_empty_series_shows_itself_and_has_no_extremes() {
        assert!(series(&[]).to_string().contains("no rows"));
        let told = std::panic::catch_unwind(|| series(&[]).max()).unwrap_err();
        assert_eq!(told.downcast_ref::<String>().unwrap(), "loss/g has no values");
    }
}
