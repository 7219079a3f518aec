//! Statistics of values that come in pieces.

use crate::probe::show::{count, number, shape};

/// What the values of a tensor are like. Mean, deviation, extremes and norm are of the values that are numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stats {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (of all of them, not an estimate from a sample).
    pub std: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The Euclidean norm.
    pub norm: f64,
    /// How many are NaN.
    pub nans: usize,
    /// How many are exactly zero.
    pub zeros: usize,
}

impl Stats {
    /// A row of a table: name, shape, mean, std, min, max, norm, NaN, zeros.
    pub(crate) fn row(&self, name: &str, of: &[usize]) -> Vec<String> {
        let numbers = [self.mean, self.std, self.min, self.max, self.norm].map(number);
        let counts = [self.nans, self.zeros].map(|value| count(value as i64));
        [name.to_owned(), shape(of)].into_iter().chain(numbers).chain(counts).collect()
    }
}

/// Statistics so far, by Welford's recurrence between pieces so that a large mean costs no digits of the deviation.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    numbers: f64,
    mean: f64,
    squares: f64,
    sum_of_squares: f64,
    min: f64,
    max: f64,
    count: usize,
    nans: usize,
    zeros: usize,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            numbers: 0.0,
            mean: 0.0,
            squares: 0.0,
            sum_of_squares: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            count: 0,
            nans: 0,
            zeros: 0,
        }
    }
}

impl Running {
    pub fn push(&mut self, values: &[f32]) {
        const PIECE: usize = 4096;
        values.chunks(PIECE).for_each(|piece| self.piece(piece));
    }

    fn piece(&mut self, values: &[f32]) {
        let (mut sum, mut numbers) = (0.0, 0.0);
        for &value in values {
            if value.is_nan() {
                self.nans += 1;
                continue;
            }
            let value = f64::from(value);
            self.zeros += usize::from(value == 0.0);
            self.min = self.min.min(value);
            self.max = self.max.max(value);
            self.sum_of_squares += value * value;
            sum += value;
            numbers += 1.0;
        }
        self.count += values.len();
        if numbers == 0.0 {
            return;
        }
        let mean = sum / numbers;
        let numbers_of = values.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value) - mean);
        let squares: f64 = numbers_of.map(|distance| distance * distance).sum();
        let (apart, total) = (mean - self.mean, self.numbers + numbers);
        self.squares += squares + apart * apart * self.numbers * numbers / total;
        self.mean += apart * numbers / total;
        self.numbers = total;
    }

    pub fn stats(&self) -> Stats {
        let none = self.numbers == 0.0;
        let or_nan = |value: f64| if none { f64::NAN } else { value };
        Stats {
            count: self.count,
            mean: or_nan(self.mean),
            std: or_nan((self.squares / self.numbers).sqrt()),
            min: or_nan(self.min),
            max: or_nan(self.max),
            norm: self.sum_of_squares.sqrt(),
            nans: self.nans,
            zeros: self.zeros,
        }
    }
}
