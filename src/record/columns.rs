//! Rows as columns, and the few shapes in which they are handed out.

use std::{collections::HashMap, sync::Arc};

use polars::prelude::*;
use serde::Serialize;

use super::{RecordError, names::Names};

/// One value of one series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Optimizer steps finished.
    pub step: i64,
    /// Epochs finished, as a fraction.
    pub epoch: f64,
    /// Nanoseconds since the Unix epoch, UTC.
    pub time_ns: i64,
    /// Restarts before it was recorded.
    pub generation: u32,
    /// The value; NaN and infinities are values.
    pub value: f64,
}

/// One row of the store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The series' name, shared by all rows of the series.
    pub series: Arc<str>,
    /// Where, when and what.
    #[serde(flatten)]
    pub point: Point,
}

/// One whole series, oldest generation first, within a generation in the order of recording. All columns are equally
/// long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series1 {
    /// Optimizer steps finished.
    pub step: Vec<i64>,
    /// Epochs finished, as a fraction.
    pub epoch: Vec<f64>,
    /// Nanoseconds since the Unix epoch, UTC.
    pub time_ns: Vec<i64>,
    /// Restarts before the value was recorded.
    pub generation: Vec<u32>,
    /// The values; NaN and infinities are values.
    pub value: Vec<f64>,
}

impl Series1 {
    /// The number of points.
    pub fn len(&self) -> usize {
        self.step.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.step.is_empty()
    }

    /// Point `index`, if there are so many.
    pub fn get(&self, index: usize) -> Option<Point> {
        Some(Point {
            step: *self.step.get(index)?,
            epoch: *self.epoch.get(index)?,
            time_ns: *self.time_ns.get(index)?,
            generation: *self.generation.get(index)?,
            value: *self.value.get(index)?,
        })
    }

    /// All points in order.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(crate) fn reserve(&mut self, rows: usize) {
        self.step.reserve(rows);
        self.epoch.reserve(rows);
        self.time_ns.reserve(rows);
        self.generation.reserve(rows);
        self.value.reserve(rows);
    }

    /// Append one point.
    pub fn push(&mut self, point: Point) {
        self.step.push(point.step);
        self.epoch.push(point.epoch);
        self.time_ns.push(point.time_ns);
        self.generation.push(point.generation);
        self.value.push(point.value);
    }

    /// For each step only the points of its newest generation, ordered by step (points of one step keep their order).
    /// A resumed run repeats the steps between its checkpoint and the crash; this is the run as it counts now.
    #[must_use]
    pub fn newest(&self) -> Self {
        if self.generation.windows(2).all(|pair| pair[0] == pair[1]) && self.step.is_sorted() {
            return self.clone();
        }
        let mut newest: HashMap<i64, u32> = HashMap::new();
        for (&step, &generation) in self.step.iter().zip(&self.generation) {
            let kept = newest.entry(step).or_insert(generation);
            *kept = generation.max(*kept);
        }
        let mut order: Vec<usize> =
            (0..self.len()).filter(|&index| newest.get(&self.step[index]) == Some(&self.generation[index])).collect();
        order.sort_by_key(|&index| self.step[index]); // stable
        let mut kept = Self::default();
        for point in order.into_iter().filter_map(|index| self.get(index)) {
            kept.push(point);
        }
        kept
    }
}

/// Many rows of many series; `series` holds numbers of a [`Names`] kept beside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    pub(crate) step: Vec<i64>,
    pub(crate) epoch: Vec<f64>,
    pub(crate) time: Vec<i64>,
    pub(crate) generation: Vec<u32>,
    pub(crate) series: Vec<u32>,
    pub(crate) value: Vec<f64>,
}

impl Columns {
    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            step: Vec::with_capacity(rows),
            epoch: Vec::with_capacity(rows),
            time: Vec::with_capacity(rows),
            generation: Vec::with_capacity(rows),
            series: Vec::with_capacity(rows),
            value: Vec::with_capacity(rows),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.step.len()
    }

    pub(crate) fn push(&mut self, series: u32, point: Point) {
        self.step.push(point.step);
        self.epoch.push(point.epoch);
        self.time.push(point.time_ns);
        self.generation.push(point.generation);
        self.series.push(series);
        self.value.push(point.value);
    }

    pub(crate) fn point(&self, row: usize) -> Point {
        Point {
            step: self.step[row],
            epoch: self.epoch[row],
            time_ns: self.time[row],
            generation: self.generation[row],
            value: self.value[row],
        }
    }

    /// The same rows in another order: row `order[i]` becomes row `i`.
    pub(crate) fn permuted(&self, order: &[u32]) -> Self {
        fn pick<T: Copy>(values: &[T], order: &[u32]) -> Vec<T> {
            order.iter().map(|&row| values[row as usize]).collect()
        }
        Self {
            step: pick(&self.step, order),
            epoch: pick(&self.epoch, order),
            time: pick(&self.time, order),
            generation: pick(&self.generation, order),
            series: pick(&self.series, order),
            value: pick(&self.value, order),
        }
    }

    /// As a polars frame with the store's schema.
    pub(crate) fn into_frame(self, names: &Names) -> Result<DataFrame, RecordError> {
        let all = names.all();
        let series = StringChunked::from_iter_values(
            "series".into(),
            self.series.iter().map(|&number| all.get(number as usize).map_or("", AsRef::as_ref)),
        );
        let time =
            Int64Chunked::from_vec("time".into(), self.time).into_datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC));
        DataFrame::new_infer_height(vec![
            Int64Chunked::from_vec("step".into(), self.step).into_column(),
            Float64Chunked::from_vec("epoch".into(), self.epoch).into_column(),
            time.into_column(),
            UInt32Chunked::from_vec("generation".into(), self.generation).into_column(),
            series.into_column(),
            Float64Chunked::from_vec("value".into(), self.value).into_column(),
        ])
        .map_err(RecordError::frame("cannot make a frame of the series"))
    }

    /// The rows back from a frame with the store's schema, whatever the order of its columns.
    pub(crate) fn from_frame(frame: &DataFrame, names: &mut Names) -> PolarsResult<Self> {
        let time = frame.column("time")?.datetime()?.physical().clone();
        let text = frame.column("series")?.str()?.clone();
        let mut series = Vec::with_capacity(frame.height());
        let mut last: (String, u32) = (String::new(), u32::MAX);
        for name in text.iter() {
            let name = name.unwrap_or("");
            // Sealed segments hold each series in one piece: the name before is nearly always this one.
            if last.1 == u32::MAX || last.0 != name {
                last = (name.to_owned(), names.intern(name));
            }
            series.push(last.1);
        }
        Ok(Self {
            step: values(frame.column("step")?.i64()?),
            epoch: values(frame.column("epoch")?.f64()?),
            time: values(&time),
            generation: values(frame.column("generation")?.u32()?),
            series,
            value: values(frame.column("value")?.f64()?),
        })
    }
}

/// The values of a column in one piece; a null (we never write one) reads as the type's default.
pub(crate) fn values<T: PolarsNumericType>(column: &ChunkedArray<T>) -> Vec<T::Native> {
    if column.null_count() > 0 {
        return column.iter().map(Option::unwrap_or_default).collect();
    }
    let mut out = Vec::with_capacity(column.len());
    for chunk in column.downcast_iter() {
        out.extend_from_slice(chunk.values());
    }
    out
}

/// The schema of every frame of the store.
pub(crate) fn schema() -> Schema {
    Schema::from_iter([
        Field::new("step".into(), DataType::Int64),
        Field::new("epoch".into(), DataType::Float64),
        Field::new("time".into(), DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC))),
        Field::new("generation".into(), DataType::UInt32),
        Field::new("series".into(), DataType::String),
        Field::new("value".into(), DataType::Float64),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: i64, generation: u32, value: f64) -> Point {
        Point { step, epoch: 0.0, time_ns: 0, generation, value }
    }

    #[test]
    fn newest_keeps_the_newest_generation_of_each_step() {
        let mut series = Series1::default();
        // Generation 0 ran to step 4; generation 1 restarted from the checkpoint at 2 and wrote step 3 twice.
        for p in [point(1, 0, 1.0), point(2, 0, 2.0), point(3, 0, 3.0), point(4, 0, 4.0)] {
            series.push(p);
        }
        for p in [point(3, 1, 30.0), point(3, 1, 31.0)] {
            series.push(p);
        }
        let newest = series.newest();
        assert_eq!(newest.step, [1, 2, 3, 3, 4]);
        assert_eq!(newest.value, [1.0, 2.0, 30.0, 31.0, 4.0]);
        assert_eq!(series.len(), 6, "nothing is dropped from the series itself");
    }

    #[test]
    fn a_frame_gives_its_rows_back() {
        let mut names = Names::default();
        let mut columns = Columns::default();
        for (name, value) in [("", f64::NAN), ("Verlust/größe 🎨", f64::NEG_INFINITY), ("", 0.5)] {
            let number = names.intern(name);
            columns.push(number, Point { step: -1, epoch: 0.25, time_ns: 7, generation: 3, value });
        }
        let frame = columns.clone().into_frame(&names).unwrap();
        assert_eq!(**frame.schema(), schema());
        let mut again = Names::default();
        let back = Columns::from_frame(&frame, &mut again).unwrap();
        assert_eq!(back.series, columns.series);
        assert_eq!(again.all(), names.all());
        assert!(back.value[0].is_nan());
        assert_eq!(back.value[1..], columns.value[1..]);
        assert_eq!((back.step, back.time), (columns.step, columns.time));
    }
}
