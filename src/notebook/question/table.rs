//! An answer as rows of text.

use polars::prelude::*;
use serde_json::Value;

use crate::report::number;

/// Longer texts end in `…`: a message must not push every other column off the screen.
const WIDEST: usize = 120;

/// The first rows of an answer, as text that cannot steer a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub names: Vec<String>,
    /// Whether a column is of numbers, which stand to the right.
    pub right: Vec<bool>,
    /// The rows that are shown.
    pub rows: Vec<Vec<String>>,
    /// How many there are.
    pub total: usize,
}

impl Table {
    /// At most `most` rows.
    pub fn of(frame: &DataFrame, most: usize) -> Self {
        let columns = frame.columns();
        let row = |row: usize| columns.iter().map(|column| text(column, row)).collect();
        Self {
            names: frame.get_column_names().into_iter().map(|name| plain(name)).collect(),
            right: columns.iter().map(|column| column.dtype().is_primitive_numeric()).collect(),
            rows: (0..frame.height().min(most)).map(row).collect(),
            total: frame.height(),
        }
    }
}

/// One cell of an answer for JSON. Numbers stay numbers; what JSON has no number for, and times, are texts.
pub fn json_value(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(truth) => Value::from(*truth),
        AnyValue::String(text) => Value::from(*text),
        AnyValue::StringOwned(text) => Value::from(text.as_str()),
        AnyValue::Datetime(nanoseconds, TimeUnit::Nanoseconds, _)
        | AnyValue::DatetimeOwned(nanoseconds, TimeUnit::Nanoseconds, _) => time(*nanoseconds),
        AnyValue::Float32(number) => float(f64::from(*number)),
        AnyValue::Float64(number) => float(*number),
        other => match other.try_extract::<i64>() {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(other.to_string()),
        },
    }
}

fn float(number: f64) -> Value {
    match number {
        _ if number.is_nan() => Value::from("NaN"),
        f64::INFINITY => Value::from("inf"),
        f64::NEG_INFINITY => Value::from("-inf"),
        number => Value::from(number),
    }
}

fn time(nanoseconds: i64) -> Value {
    let time = jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or_default();
    Value::from(format!("{time:.9}"))
}

fn text(column: &Column, row: usize) -> String {
    match column.get(row).map_or(Value::Null, |value| json_value(&value)) {
        Value::Null => "–".to_owned(),
        Value::String(text) => plain(&text),
        Value::Number(whole) if whole.is_i64() || whole.is_u64() => whole.to_string(),
        Value::Number(measured) => measured.as_f64().map(number::value).unwrap_or_default(),
        other => other.to_string(),
    }
}

/// The first line of a text, without anything that steers a terminal.
fn plain(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    match line.char_indices().nth(WIDEST) {
        None => line,
        Some(_) => line.chars().take(WIDEST - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_as_what_they_are_and_steer_nothing() {
        let long = "x".repeat(500);
        let frame = df!(
            "n\u{1b}" => [Some(54_400_i64), None],
            "v" => [0.012_345_678, f64::NAN],
            "t" => ["\u{1b}[2Jgone\nsecond line", long.as_str()],
        )
        .unwrap();
        let table = Table::of(&frame, 10);
        assert_eq!(table.names, ["n ", "v", "t"]);
        assert_eq!(table.right, [true, true, false]);
        assert_eq!(table.rows[0], ["54400", "0.0123", " [2Jgone"]);
        assert_eq!(table.rows[1][..2], ["–", "NaN"]);
        assert_eq!((table.rows[1][2].chars().count(), table.total), (120, 2));
        assert_eq!(Table::of(&frame, 1).rows.len(), 1);
    }
}
