//! What a query gave: named columns of one type each.

use std::collections::BTreeMap;

use super::json::Json;
use super::plot::Plot;
use super::problem::{Problem, answer};
use super::series::Series;
use super::show::{Content, Table, shown};

mod column;

pub use column::Value;
use column::{Column, Values};

/// Columns that count or date rows and are no curves themselves.
const AXES: [&str; 4] = ["step", "epoch", "time", "generation"];

/// A table with typed columns.
#[derive(Clone, PartialEq)]
pub struct Frame {
    columns: Vec<Column>,
    rows: usize,
    notes: Vec<String>,
}
shown!(Frame);

impl Frame {
    pub(crate) fn empty() -> Self {
        Self { columns: Vec::new(), rows: 0, notes: Vec::new() }
    }

    /// A column of steps and one for each series.
    pub(crate) fn wide(steps: &[i64], series: Vec<(String, Vec<Option<f64>>)>) -> Self {
        let mut columns = vec![Column::new("step", Values::I64(steps.to_vec()), None)];
        columns.extend(series.into_iter().map(|(name, values)| {
            let nulls = values.iter().map(Option::is_none).collect();
            Column::new(&name, Values::F64(values.into_iter().map(Option::unwrap_or_default).collect()), Some(nulls))
        }));
        Self { columns, rows: steps.len(), notes: Vec::new() }
    }

    /// As the hub sends it: every length is checked before it is believed.
    pub(crate) fn read(line: &Json, mut bytes: &[u8]) -> Result<Self, Problem> {
        let wrong = |what: &str| Problem::new(format!("the hub sent a table that makes no sense: {what}"));
        let rows = line.get("rows").as_u64().and_then(|rows| usize::try_from(rows).ok());
        let rows = rows.ok_or_else(|| wrong("no number of rows"))?;
        let mut columns = Vec::new();
        for column in line.get("columns").list() {
            let length = column.get("bytes").as_u64().and_then(|length| usize::try_from(length).ok());
            let part = length.and_then(|length| bytes.split_at_checked(length));
            let (part, rest) = part.ok_or_else(|| wrong("a column is longer than the table"))?;
            bytes = rest;
            columns.push(Column::read(column, part, rows).map_err(|what| wrong(&what))?);
        }
        if !bytes.is_empty() {
            return Err(wrong("something follows its last column"));
        }
        let warnings = line.get("warnings").list().iter().filter_map(Json::as_str).map(str::to_owned);
        Ok(Self { columns, rows, notes: warnings.collect() })
    }

    pub(crate) fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The names of its columns.
    pub fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name().to_owned()).collect()
    }

    fn column(&self, name: &str) -> Result<&Column, Problem> {
        self.columns.iter().find(|column| column.name() == name).ok_or_else(|| {
            let names: Vec<&str> = self.columns.iter().map(Column::name).collect();
            Problem::new(format!("there is no column {name}: there are {}", names.join(", ")))
        })
    }

    /// The numbers of a column; NaN where it has none. Whole numbers, truths and times (nanoseconds) become numbers.
    pub fn f64(&self, column: &str) -> Vec<f64> {
        answer(self.try_f64(column))
    }

    pub(crate) fn try_f64(&self, column: &str) -> Result<Vec<f64>, Problem> {
        self.column(column)?.f64()
    }

    /// The whole numbers of a column, or its times in nanoseconds since 1970.
    pub fn i64(&self, column: &str) -> Vec<i64> {
        answer(self.try_i64(column))
    }

    pub(crate) fn try_i64(&self, column: &str) -> Result<Vec<i64>, Problem> {
        self.column(column)?.i64()
    }

    /// The texts of a column, and of any other column what would be shown; empty where it has none.
    pub fn str(&self, column: &str) -> Vec<String> {
        answer(self.try_str(column))
    }

    pub(crate) fn try_str(&self, column: &str) -> Result<Vec<String>, Problem> {
        self.column(column).map(Column::texts)
    }

    /// The truths of a column.
    pub fn bool(&self, column: &str) -> Vec<bool> {
        answer(self.column(column).and_then(Column::bool))
    }

    /// All rows, value by value.
    pub fn rows(&self) -> Vec<Vec<Value>> {
        (0..self.rows).map(|row| self.columns.iter().map(|column| column.value(row)).collect()).collect()
    }

    /// One value.
    pub fn value(&self, row: usize, column: &str) -> Value {
        let found = self.column(column).and_then(|column| {
            let missing = || Problem::new(format!("there are {} rows: none has index {row}", self.rows));
            (row < self.rows).then(|| column.value(row)).ok_or_else(missing)
        });
        answer(found)
    }

    fn pick(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| column.pick(rows)).collect();
        Self { columns, rows: rows.len(), notes: self.notes.clone() }
    }

    /// The first rows.
    #[must_use]
    pub fn head(&self, count: usize) -> Self {
        self.pick(&(0..self.rows.min(count)).collect::<Vec<_>>())
    }

    /// The last rows.
    #[must_use]
    pub fn last(&self, count: usize) -> Self {
        self.pick(&(self.rows.saturating_sub(count)..self.rows).collect::<Vec<_>>())
    }

    /// The rows of one series.
    #[must_use]
    pub fn filter_series(&self, name: &str) -> Self {
        self.filter("series", name)
    }

    /// The rows in which a column reads so.
    #[must_use]
    pub fn filter(&self, column: &str, text: &str) -> Self {
        let texts = self.str(column);
        self.pick(&(0..self.rows).filter(|row| texts[*row] == text).collect::<Vec<_>>())
    }

    /// One column over another as a curve: `.series("step", "value")`.
    pub fn series(&self, x: &str, y: &str) -> Series {
        Series::new(y, self.f64(x), self.f64(y))
    }

    /// Its curves smoothed as by [`Series::ema`], each by itself: `value` by `series` (and `session`), or every column of
    /// numbers over the first.
    #[must_use]
    pub fn ema(&self, weight: f64) -> Self {
        let mut frame = self.clone();
        let groups = answer(self.groups());
        let names: Vec<String> = answer(self.curve_columns()).into_iter().map(str::to_owned).collect();
        for name in names {
            let mut values = self.f64(&name);
            for rows in groups.values() {
                let y: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
                let smooth = Series::new("", vec![0.0; y.len()], y).ema(weight);
                rows.iter().zip(smooth.y()).for_each(|(row, value)| values[*row] = *value);
            }
            for column in frame.columns.iter_mut().filter(|column| column.name() == name) {
                column.replace(values.clone());
            }
        }
        frame
    }

    /// Its curves in one plot: `value` over `step` by `series` (and `session`), or every column of numbers over `step`
    /// or, without one, the first.
    pub fn plot(&self) -> Plot {
        answer(self.curves().map(Plot::new)).labels(answer(self.x_column()), "")
    }

    fn is_long(&self) -> bool {
        ["step", "value"].iter().all(|name| self.columns.iter().any(|column| column.name() == *name))
    }

    fn x_column(&self) -> Result<&str, Problem> {
        let first = || self.columns.iter().find(|column| column.is_number());
        let x = self.columns.iter().find(|column| column.name() == "step").or_else(first);
        x.map(Column::name).ok_or_else(|| Problem::new("nothing to plot: no column is of numbers"))
    }

    fn curve_columns(&self) -> Result<Vec<&str>, Problem> {
        if self.is_long() {
            return Ok(vec!["value"]);
        }
        let x = self.x_column()?;
        let numbers = self.columns.iter().filter(|column| column.is_number()).map(Column::name);
        let curves: Vec<&str> = numbers.filter(|name| *name != x && !AXES.contains(name)).collect();
        if curves.is_empty() {
            return Err(Problem::new(format!("nothing to plot: no column of numbers beside {x}")));
        }
        Ok(curves)
    }

    /// The rows of each curve, by its name.
    fn groups(&self) -> Result<BTreeMap<String, Vec<usize>>, Problem> {
        let labels: Vec<Vec<String>> = ["session", "series"]
            .into_iter()
            .filter(|name| self.columns.iter().any(|column| column.name() == *name))
            .map(|name| self.try_str(name))
            .filter(|texts| texts.as_ref().map_or(true, |texts| texts.windows(2).any(|pair| pair[0] != pair[1])))
            .collect::<Result<_, _>>()?;
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for row in 0..self.rows {
            let label = labels.iter().map(|texts| texts[row].as_str()).collect::<Vec<_>>().join(" · ");
            groups.entry(label).or_default().push(row);
        }
        Ok(groups)
    }

    /// Its curves. Of steps that were repeated after a restart the highest generation counts.
    pub(crate) fn curves(&self) -> Result<Vec<Series>, Problem> {
        let x = self.try_f64(self.x_column()?)?;
        let generation = self.try_f64("generation").unwrap_or_else(|_| vec![0.0; self.rows]);
        let mut curves = Vec::new();
        for column in self.curve_columns()? {
            let y = self.column(column)?.f64()?;
            for (label, mut rows) in self.groups()? {
                rows.retain(|row| !self.column(column).is_ok_and(|column| column.is_null(*row)));
                rows.sort_by(|a, b| x[*a].total_cmp(&x[*b]).then(generation[*b].total_cmp(&generation[*a])));
                if self.is_long() && generation.iter().any(|one| *one > 0.0) {
                    rows.dedup_by(|later, first| x[*later] == x[*first]);
                }
                let name = match (self.is_long(), label.is_empty()) {
                    (true, true) => self.try_str("series").ok().and_then(|names| names.first().cloned()),
                    (true, false) => Some(label),
                    (false, true) => None,
                    (false, false) => Some(format!("{label} · {column}")),
                };
                let pick = |from: &[f64]| rows.iter().map(|row| from[*row]).collect();
                curves.push(Series::new(&name.unwrap_or_else(|| column.to_owned()), pick(&x), pick(&y)));
            }
        }
        if curves.is_empty() {
            return Err(Problem::new("nothing to plot: the table has no rows"));
        }
        Ok(curves)
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let mut table = Table {
            columns: self.columns.iter().map(|column| (column.name().to_owned(), column.is_number())).collect(),
            ..Table::default()
        };
        let row = |row: usize| self.columns.iter().map(|column| column.shown(row)).collect();
        table = table.filled((0..self.rows).map(row));
        vec![Content::Table(self.notes.iter().fold(table, Table::note))]
    }
}

#[cfg(test)]
mod tests;
