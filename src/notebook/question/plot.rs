//! An answer as a chart.

use std::collections::HashMap;

use polars::prelude::*;

use super::pipe::{Logarithmic, PlotWish};
use crate::record::decimate;
use crate::report::axis::{Axis, Fit, Kind};
use crate::report::{Chart, Line, lines};

/// More lines than this are a tangle.
const MOST_GROUPS: usize = 24;

/// Lines through the rows of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// The column that runs from left to right.
    pub x_name: String,
    /// The column that runs from bottom to top.
    pub y_name: String,
    /// How the x axis reads.
    pub kind: Kind,
    /// Which axes are logarithmic.
    pub log: Logarithmic,
    /// The lines, in the order in which the answer names them.
    pub groups: Vec<Group>,
    /// Lines that are left out, because there are too many.
    pub left_out: usize,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// What it is of; empty where there is only one.
    pub label: String,
    /// Ascending.
    pub x: Vec<f64>,
    /// NaN where the answer has none.
    pub y: Vec<f64>,
}

impl Plot {
    /// The lines of an answer, or why there are none.
    pub(super) fn of(frame: &DataFrame, wish: &PlotWish) -> Result<Self, String> {
        let x_name = match &wish.x {
            Some(name) => name.clone(),
            None => choose(frame, &["step", "epoch", "time"], None).ok_or("no column of numbers to draw over")?,
        };
        let y_name = match &wish.y {
            Some(name) => name.clone(),
            None => choose(frame, &["value"], Some(&x_name)).ok_or("no column of numbers to draw")?,
        };
        let by = match wish.by.as_slice() {
            [] => ["session", "series"].into_iter().filter(|name| differs(frame, name)).map(str::to_owned).collect(),
            names => names.to_vec(),
        };
        let x_column = column(frame, &x_name)?;
        let (x, y) = (numbers(x_column, &x_name)?, numbers(column(frame, &y_name)?, &y_name)?);
        let (numbers, names) = told_apart(frame, &by)?;
        let mut groups: Vec<Group> = names.into_iter().map(|label| Group { label, ..Group::default() }).collect();
        let group_of = numbers.into_iter().chain(std::iter::repeat(0)).map(|number| number as usize);
        for ((&x, &y), group) in x.iter().zip(&y).zip(group_of) {
            // What has no x stands nowhere.
            if !x.is_nan() {
                groups[group].x.push(x);
                groups[group].y.push(y);
            }
        }
        groups.retain(|group| !group.x.is_empty());
        let left_out = groups.len().saturating_sub(MOST_GROUPS);
        groups.truncate(MOST_GROUPS);
        groups.iter_mut().for_each(Group::sort);
        let kind = match (x_name.as_str(), x_column.dtype()) {
            (_, DataType::Datetime(..)) => Kind::Wall { offset_s: 0 },
            ("step", _) => Kind::Step,
            ("epoch", _) => Kind::Epoch,
            _ => Kind::Value,
        };
        Ok(Self { x_name, y_name, kind, log: wish.log, groups, left_out })
    }

    /// How many points it has.
    pub fn points(&self) -> usize {
        self.groups.iter().map(|group| group.x.len()).sum()
    }

    /// A chart of so many columns: two for each cell of a terminal, or one for each pixel.
    pub fn chart(&self, columns: usize) -> Chart {
        let usable = |x: f64| x.is_finite() && (!self.log.x || x > 0.0);
        let all = || self.groups.iter().flat_map(|group| &group.x).copied().filter(|&x| usable(x));
        let extent = all().fold(None, |extent: Option<(f64, f64)>, x| {
            Some(extent.map_or((x, x), |(low, high)| (low.min(x), high.max(x))))
        });
        let mut x = if self.log.x {
            extent.map_or_else(|| Axis::new(self.kind, 1.0, 10.0), |(low, high)| Axis::new(self.kind, low, high))
        } else {
            lines::stretch(self.kind, extent)
        };
        x = x.log(self.log.x);
        // Columns are equal in width on the screen, so on a logarithmic axis they are cut by logarithms.
        let place = |x: f64| if self.log.x { if x > 0.0 { x.log10() } else { f64::NAN } } else { x };
        let mut chart = Chart::new(self.y_name.clone(), x, Axis::new(Kind::Value, 0.0, 1.0));
        chart.x_name = self.x_name.clone().into();
        chart.points = Some(self.points() as u64);
        if self.left_out > 0 {
            chart.note = Some(format!("{} more lines left out", self.left_out));
        }
        for (colour, group) in self.groups.iter().enumerate() {
            let places: Vec<f64> = group.x.iter().map(|&x| place(x)).collect();
            let mut raw = decimate(&places, &group.y, place(x.from), place(x.to), columns);
            if self.log.x {
                for column in &mut raw {
                    column.marks = column
                        .marks
                        .map(|marks| marks.map(|mark| crate::record::Mark { x: 10_f64.powf(mark.x), ..mark }));
                }
            }
            chart.lines.push(Line { label: group.label.clone(), colour, raw, ..Line::default() });
        }
        chart.fitted(self.log.y, Fit::Full)
    }
}

impl Group {
    fn sort(&mut self) {
        if self.x.is_sorted() {
            return;
        }
        let mut rows: Vec<(f64, f64)> = self.x.iter().copied().zip(self.y.iter().copied()).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        (self.x, self.y) = rows.into_iter().unzip();
    }
}

fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Column, String> {
    frame.column(name).map_err(|_none| {
        let names: Vec<&str> = frame.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
        format!("the answer has no column `{name}`: it has {}", names.join(", "))
    })
}

/// The first of the wanted columns that is there, else the first of numbers that is not `taken`.
fn choose(frame: &DataFrame, wanted: &[&str], taken: Option<&str>) -> Option<String> {
    let fits = |name: &str| taken != Some(name) && frame.column(name).is_ok_and(|column| is_number(column.dtype()));
    let there = frame.get_column_names();
    wanted.iter().copied().chain(there.iter().map(|name| name.as_str())).find(|name| fits(name)).map(str::to_owned)
}

fn is_number(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_bool() || matches!(dtype, DataType::Datetime(..))
}

/// A column as numbers, NaN where there is none; times in seconds since the Unix epoch.
fn numbers(column: &Column, name: &str) -> Result<Vec<f64>, String> {
    if !is_number(column.dtype()) {
        return Err(format!("the column `{name}` holds no numbers but {}", column.dtype()));
    }
    let scale = match column.dtype() {
        DataType::Datetime(TimeUnit::Nanoseconds, _) => 1e-9,
        DataType::Datetime(TimeUnit::Microseconds, _) => 1e-6,
        DataType::Datetime(TimeUnit::Milliseconds, _) => 1e-3,
        _ => 1.0,
    };
    let cast = || -> PolarsResult<Vec<f64>> {
        let physical = column.to_physical_repr().cast(&DataType::Float64)?;
        Ok(physical.f64()?.iter().map(|value| value.map_or(f64::NAN, |value| value * scale)).collect())
    };
    cast().map_err(|error| format!("the column `{name}` cannot be drawn: {error}"))
}

/// Whether a column of the answer tells rows apart.
fn differs(frame: &DataFrame, name: &str) -> bool {
    frame.column(name).is_ok_and(|column| column.n_unique().is_ok_and(|count| count > 1))
}

/// The number of the line that each row belongs to, and the lines' labels by their numbers in the order of their first
/// rows. Without columns to tell them apart there is one line, without a label and without numbers.
fn told_apart(frame: &DataFrame, by: &[String]) -> Result<(Vec<u32>, Vec<String>), String> {
    if by.is_empty() {
        return Ok((Vec::new(), vec![String::new()]));
    }
    let texts = |name: &String| {
        let failed = |error: PolarsError| format!("the column `{name}` cannot tell lines apart: {error}");
        let column = column(frame, name)?.cast(&DataType::String).map_err(failed)?;
        Ok(column.str().map_err(failed)?.clone())
    };
    let columns = by.iter().map(texts).collect::<Result<Vec<StringChunked>, String>>()?;
    let mut rows: Vec<_> = columns.iter().map(ChunkedArray::iter).collect();
    let mut known: HashMap<Vec<&str>, u32> = HashMap::new();
    let mut numbers = Vec::with_capacity(frame.height());
    let (mut last, mut key) = ((Vec::new(), 0), Vec::new());
    for _ in 0..frame.height() {
        key.clear();
        key.extend(rows.iter_mut().map(|column| column.next().flatten().unwrap_or("–")));
        // Rows of one line mostly stand together.
        if key != last.0 {
            let next = known.len() as u32;
            last = (key.clone(), *known.entry(key.clone()).or_insert(next));
        }
        numbers.push(last.1);
    }
    if known.is_empty() {
        return Ok((numbers, vec![String::new()]));
    }
    let mut labels = vec![String::new(); known.len()];
    for (texts, number) in known {
        labels[number as usize] = texts.join(" · ");
    }
    Ok((numbers, labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> DataFrame {
        df!(
            "step" => [2_i64, 1, 2, 1, 3],
            "series" => ["a", "a", "b", "b", "b"],
            "value" => [Some(20.0), Some(10.0), None, Some(1.0), Some(f64::INFINITY)],
        )
        .unwrap()
    }

    #[test]
    fn rows_become_a_line_for_each_series_in_the_order_of_x() {
        let plot = Plot::of(&answer(), &PlotWish::default()).unwrap();
        assert_eq!((plot.x_name.as_str(), plot.y_name.as_str(), plot.kind), ("step", "value", Kind::Step));
        assert_eq!(plot.groups[0], Group { label: "a".into(), x: vec![1.0, 2.0], y: vec![10.0, 20.0] });
        assert_eq!((plot.groups[1].x.as_slice(), plot.groups[1].y[0]), ([1.0, 2.0, 3.0].as_slice(), 1.0));
        assert!(plot.groups[1].y[1].is_nan(), "no value is no zero");
        let chart = plot.chart(6);
        assert_eq!((chart.lines.len(), chart.points, chart.x_name.as_ref()), (2, Some(5), "step"));
        let b = &chart.lines[1].raw;
        assert_eq!(b.iter().map(|column| column.nan + column.infinite.0).sum::<usize>(), 2);
    }

    #[test]
    fn a_logarithmic_x_keeps_what_has_a_place_there() {
        let frame = df!("n" => [0.0, 1.0, 10.0, 1000.0], "ms" => [1.0, 2.0, 3.0, 4.0]).unwrap();
        let wish = PlotWish { log: Logarithmic { x: true, y: true }, ..PlotWish::default() };
        let plot = Plot::of(&frame, &wish).unwrap();
        let chart = plot.chart(4);
        assert_eq!((chart.x.from, chart.x.to), (1.0, 1000.0));
        let xs: Vec<Option<f64>> =
            chart.lines[0].raw.iter().map(|column| column.first().map(|mark| mark.x.round())).collect();
        assert_eq!(xs, [Some(1.0), Some(10.0), None, Some(1000.0)]);
    }

    #[test]
    fn columns_that_are_not_there_or_no_numbers_are_named() {
        let wish = |x: &str, by: &str| PlotWish { x: Some(x.into()), by: vec![by.into()], ..PlotWish::default() };
        let said = |wish: PlotWish| Plot::of(&answer(), &wish).unwrap_err();
        assert!(said(wish("epoch", "series")).contains("it has step, series, value"));
        assert!(said(wish("series", "series")).contains("no numbers"));
        assert!(said(wish("step", "nothing")).contains("`nothing`"));
        let empty = answer().head(Some(0));
        assert_eq!(Plot::of(&empty, &PlotWish::default()).unwrap().points(), 0);
    }

    #[test]
    fn too_many_lines_are_cut_and_counted() {
        let names: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
        let frame = df!("step" => vec![1_i64; 100], "series" => names, "value" => vec![1.0; 100]).unwrap();
        let plot = Plot::of(&frame, &PlotWish::default()).unwrap();
        assert_eq!((plot.groups.len(), plot.left_out), (24, 76));
        assert_eq!(plot.chart(10).note.unwrap(), "76 more lines left out");
    }
}
