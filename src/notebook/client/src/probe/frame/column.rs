//! One column: a name, values of one type, and where there are none.

use crate::probe::json::Json;
use crate::probe::problem::Problem;
use crate::probe::show::{brief, number};

/// Longest text of a cell that is shown.
const WIDEST: usize = 80;

/// A value of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// A whole number.
    I64(i64),
    /// A number; NaN and infinities are numbers here.
    F64(f64),
    /// A text.
    Str(String),
    /// Yes or no.
    Bool(bool),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    I64(Vec<i64>),
    F64(Vec<f64>),
    Str(Vec<String>),
    Bool(Vec<bool>),
    Time(Vec<i64>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    name: String,
    values: Values,
    nulls: Option<Vec<bool>>,
}

impl Column {
    pub fn new(name: &str, values: Values, nulls: Option<Vec<bool>>) -> Self {
        Self { name: name.to_owned(), values, nulls }
    }

    /// A column of `rows` rows as the hub sends it.
    pub fn read(head: &Json, bytes: &[u8], rows: usize) -> Result<Self, String> {
        let name = head.get("name").as_str().ok_or("a column without a name")?;
        let wrong = || format!("column {name} does not have the bytes of {rows} rows");
        let (nulls, bytes) = match head.get("nulls").as_u64() {
            None | Some(0) => (None, bytes),
            Some(_) => {
                let (flags, rest) = bytes.split_at_checked(rows).ok_or_else(wrong)?;
                (Some(flags.iter().map(|flag| *flag != 0).collect()), rest)
            }
        };
        let eights = || -> Result<&[[u8; 8]], String> {
            let (chunks, rest) = bytes.as_chunks::<8>();
            if chunks.len() == rows && rest.is_empty() { Ok(chunks) } else { Err(wrong()) }
        };
        let whole = || eights().map(|chunks| chunks.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect());
        let values = match head.get("type").as_str().unwrap_or_default() {
            "i64" => Values::I64(whole()?),
            "time" => Values::Time(whole()?),
            "f64" => Values::F64(eights()?.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect()),
            "bool" if bytes.len() == rows => Values::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
            "bool" => return Err(wrong()),
            "str" => Values::Str(texts(bytes, rows).ok_or_else(wrong)?),
            other => return Err(format!("column {name} has the unknown type {other:?}")),
        };
        Ok(Self { name: name.to_owned(), values, nulls })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn is_number(&self) -> bool {
        matches!(self.values, Values::I64(_) | Values::F64(_))
    }

    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls[row])
    }

    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match &self.values {
            Values::I64(values) => Value::I64(values[row]),
            Values::F64(values) => Value::F64(values[row]),
            Values::Str(values) => Value::Str(values[row].clone()),
            Values::Bool(values) => Value::Bool(values[row]),
            Values::Time(values) => Value::Time(values[row]),
        }
    }

    pub fn f64(&self) -> Result<Vec<f64>, Problem> {
        let mut values: Vec<f64> = match &self.values {
            Values::I64(values) | Values::Time(values) => values.iter().map(|value| *value as f64).collect(),
            Values::F64(values) => values.clone(),
            Values::Bool(values) => values.iter().map(|value| f64::from(u8::from(*value))).collect(),
            Values::Str(_) => return Err(self.other("numbers", "str")),
        };
        for (row, value) in values.iter_mut().enumerate() {
            if self.is_null(row) {
                *value = f64::NAN;
            }
        }
        Ok(values)
    }

    pub fn i64(&self) -> Result<Vec<i64>, Problem> {
        self.whole()?;
        match &self.values {
            Values::I64(values) | Values::Time(values) => Ok(values.clone()),
            Values::F64(_) => Err(self.other("whole numbers", "f64")),
            Values::Str(_) => Err(self.other("whole numbers", "str")),
            Values::Bool(_) => Err(self.other("whole numbers", "bool")),
        }
    }

    pub fn bool(&self) -> Result<Vec<bool>, Problem> {
        self.whole()?;
        match &self.values {
            Values::Bool(values) => Ok(values.clone()),
            _ => Err(self.other("truths", "str")),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        (0..self.len()).map(|row| self.text(row)).collect()
    }

    fn len(&self) -> usize {
        match &self.values {
            Values::I64(values) | Values::Time(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::Str(values) => values.len(),
            Values::Bool(values) => values.len(),
        }
    }

    fn other(&self, wanted: &str, way: &str) -> Problem {
        Problem::new(format!("column {} is not of {wanted}: take it by .{way}(\"{}\")", self.name, self.name))
    }

    /// Nothing missing, where a value has no way to say that it is.
    fn whole(&self) -> Result<(), Problem> {
        let missing = self.nulls.iter().flatten().filter(|null| **null).count();
        if missing == 0 {
            return Ok(());
        }
        let name = &self.name;
        Err(Problem::new(format!("column {name} has {missing} empty values: take it by .f64(\"{name}\") or .rows()")))
    }

    fn text(&self, row: usize) -> String {
        match self.value(row) {
            Value::Null => String::new(),
            Value::I64(value) => value.to_string(),
            Value::F64(value) => value.to_string(),
            Value::Str(value) => value,
            Value::Bool(value) => value.to_string(),
            Value::Time(value) => time(value),
        }
    }

    /// As a table shows it.
    pub fn shown(&self, row: usize) -> String {
        match self.value(row) {
            Value::Null => "–".to_owned(),
            Value::F64(value) => number(value),
            _ => brief(&self.text(row), WIDEST),
        }
    }

    pub fn pick(&self, rows: &[usize]) -> Self {
        fn some<T: Clone>(from: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|row| from[*row].clone()).collect()
        }
        let values = match &self.values {
            Values::I64(values) => Values::I64(some(values, rows)),
            Values::F64(values) => Values::F64(some(values, rows)),
            Values::Str(values) => Values::Str(some(values, rows)),
            Values::Bool(values) => Values::Bool(some(values, rows)),
            Values::Time(values) => Values::Time(some(values, rows)),
        };
        Self { name: self.name.clone(), values, nulls: self.nulls.as_ref().map(|nulls| some(nulls, rows)) }
    }

    /// With these numbers in place of its values; what is missing stays missing.
    pub fn replace(&mut self, values: Vec<f64>) {
        self.values = Values::F64(values);
    }
}

/// `rows` texts, each after its length.
fn texts(mut bytes: &[u8], rows: usize) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for _ in 0..rows {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        bytes = rest;
    }
    bytes.is_empty().then_some(texts)
}

/// `2026-02-03 10:11:12.500`, UTC, from nanoseconds since 1970.
fn time(nanoseconds: i64) -> String {
    const DAY: i64 = 86_400;
    let (seconds, rest) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    // Years that begin in March: a leap day is the last of its year (Hinnant's algorithm).
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let year = year + era * 400 + later;
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", rest / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00.000");
        assert_eq!(time(-1), "1969-12-31 23:59:59.999");
        assert_eq!(time(951_782_399_999_000_000), "2000-02-28 23:59:59.999");
        assert_eq!(time(951_868_799_000_000_000), "2000-02-29 23:59:59.000");
        assert_eq!(time(1_798_761_600_500_000_000), "2027-01-01 00:00:00.500");
    }
}
