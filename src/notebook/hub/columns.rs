//! A frame as bytes: the columns one after another, each of one of five types. Eight bytes a number or a time, one a
//! truth, a text after its length; where something is missing, a byte a row before them says what.

use polars::prelude::*;
use serde_json::{Value, json};

/// The descriptions of the columns, and their bytes.
pub(super) fn write(frame: &DataFrame) -> Result<(Vec<Value>, Vec<u8>), String> {
    let mut bytes = Vec::new();
    let mut heads = Vec::new();
    for column in frame.columns() {
        let before = bytes.len();
        let failed = |error: PolarsError| format!("column {}: {error}", column.name());
        let nulls = column.null_count();
        if nulls > 0 {
            bytes.extend(column.is_null().iter().map(|null| u8::from(null.unwrap_or(true))));
        }
        let kind = put(column, &mut bytes).map_err(failed)?;
        if bytes.len() as u64 > super::message::BYTES_LIMIT {
            let limit = super::message::BYTES_LIMIT >> 20;
            return Err(format!("the answer has more than {limit} MiB: ask for fewer rows or columns"));
        }
        let length = bytes.len() - before;
        heads.push(json!({ "name": column.name().as_str(), "type": kind, "bytes": length, "nulls": nulls }));
    }
    Ok((heads, bytes))
}

fn put(column: &Column, bytes: &mut Vec<u8>) -> PolarsResult<&'static str> {
    match column.dtype() {
        DataType::Boolean => {
            bytes.extend(column.bool()?.iter().map(|truth| u8::from(truth.unwrap_or_default())));
            Ok("bool")
        }
        // The one whole number that has no place in 64 bits with a sign; its sums are beyond any count of steps.
        DataType::UInt64 if column.u64()?.max().is_some_and(|most| i64::try_from(most).is_err()) => {
            floats(column, bytes)
        }
        dtype if dtype.is_integer() && !matches!(dtype, DataType::Int128 | DataType::UInt128) => {
            whole(&column.strict_cast(&DataType::Int64)?, bytes)?;
            Ok("i64")
        }
        DataType::Float32 | DataType::Float64 => floats(column, bytes),
        DataType::Datetime(_, zone) => {
            let nanoseconds = column.strict_cast(&DataType::Datetime(TimeUnit::Nanoseconds, zone.clone()))?;
            whole(&nanoseconds.strict_cast(&DataType::Int64)?, bytes)?;
            Ok("time")
        }
        DataType::String => {
            column.str()?.iter().for_each(|value| text(value.unwrap_or_default(), bytes));
            Ok("str")
        }
        _ => {
            for row in 0..column.len() {
                match column.get(row)? {
                    AnyValue::Null => text("", bytes),
                    value => text(&value.to_string(), bytes),
                }
            }
            Ok("str")
        }
    }
}

fn floats(column: &Column, bytes: &mut Vec<u8>) -> PolarsResult<&'static str> {
    let column = column.cast(&DataType::Float64)?;
    column.f64()?.iter().for_each(|value| bytes.extend(value.unwrap_or_default().to_le_bytes()));
    Ok("f64")
}

fn whole(column: &Column, bytes: &mut Vec<u8>) -> PolarsResult<()> {
    column.i64()?.iter().for_each(|value| bytes.extend(value.unwrap_or_default().to_le_bytes()));
    Ok(())
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    // A text of 4 GiB is longer than any answer: the limit on bytes refuses it.
    bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_place_and_what_is_missing_its_mark() {
        let frame = df!(
            "n" => [Some(1_i64), None],
            "x" => [f64::NAN, -0.5],
            "t" => ["é", ""],
            "b" => [true, false],
            "u" => [u64::MAX, 1],
        )
        .unwrap();
        let (heads, bytes) = write(&frame).unwrap();
        assert_eq!(heads[0], json!({ "name": "n", "type": "i64", "bytes": 18, "nulls": 1 }));
        let kinds: Vec<&str> = heads.iter().map(|head| head["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["i64", "f64", "str", "bool", "f64"]);
        assert_eq!(bytes[..3], [0, 1, 1]);
        assert_eq!(bytes[18 + 16..18 + 16 + 10], [2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0]);
        assert_eq!(heads.iter().map(|head| head["bytes"].as_u64().unwrap()).sum::<u64>(), bytes.len() as u64);
    }

    #[test]
    fn types_that_cells_do_not_know_become_text() {
        let frame = df!("n" => [1_i64, 2]).unwrap();
        let lists = frame.lazy().select([concat_list([col("n"), col("n")]).unwrap().alias("l"), lit(NULL).alias("z")]);
        let (heads, _) = write(&lists.collect().unwrap()).unwrap();
        assert_eq!((heads[0]["type"].as_str(), heads[1]["type"].as_str()), (Some("str"), Some("str")));
        assert_eq!(heads[1]["nulls"], 2);
    }
}
