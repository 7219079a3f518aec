//! The pieces of an answer of the training process, checked before they are believed.

use crate::probe::json::Json;
use crate::probe::problem::Problem;
use crate::probe::source::Source;
use crate::probe::tables::{StatsRow, TensorRow};
use crate::probe::tensor::{Stats, Tensor};
use crate::probe::wire::floats;

pub(super) fn garbled(what: &str) -> Problem {
    Problem::new(format!("the answer makes no sense ({what}): the training may run another version of Atelier"))
}

/// Rows of `list`.
pub(super) fn list(rows: &Json) -> Result<Vec<TensorRow>, Problem> {
    let row = |row: &Json| {
        let (name, shape) = (row.get("name").as_str()?, row.get("shape").sizes()?);
        Some(TensorRow { name: name.to_owned(), shape, kind: row.get("kind").as_str().unwrap_or("f32").to_owned() })
    };
    let Json::List(rows) = rows else { return Err(garbled("no list of tensors")) };
    rows.iter().map(row).collect::<Option<_>>().ok_or_else(|| garbled("a tensor without name or shape"))
}

/// Rows of statistics; none where there is no list.
pub(super) fn rows(rows: &Json) -> Result<Vec<StatsRow>, Problem> {
    let row = |row: &Json| {
        let number = |name: &str| row.get(name).as_f64().unwrap_or(f64::NAN);
        let count = |name: &str| row.get(name).as_u64().unwrap_or(0) as usize;
        let stats = Stats {
            count: count("count"),
            mean: number("mean"),
            std: number("std"),
            min: number("min"),
            max: number("max"),
            norm: number("norm"),
            nans: count("nans"),
            zeros: count("zeros"),
        };
        Some(StatsRow { name: row.get("name").as_str()?.to_owned(), shape: row.get("shape").sizes()?, stats })
    };
    rows.list().iter().map(row).collect::<Option<_>>().ok_or_else(|| garbled("statistics without name or shape"))
}

/// The answer to `tensor`: all bytes are its values.
pub(super) fn tensor(result: &Json, name: &str, bytes: &[u8]) -> Result<Tensor, Problem> {
    let shape = result.get("shape").sizes().ok_or_else(|| garbled("a tensor without a shape"))?;
    if result.get("kind").as_str().is_some_and(|kind| kind != "f32") || !bytes.len().is_multiple_of(4) {
        return Err(garbled("values that are no floats"));
    }
    Tensor::checked(result.get("name").as_str().unwrap_or(name), shape, floats(bytes))
        .map_err(|problem| garbled(&problem.to_string()))
}

/// The tensors of `forward`: each begins at its offset in the bytes.
pub(super) fn tensors(result: &Json, bytes: &[u8], source: &Source) -> Result<Vec<Tensor>, Problem> {
    let one = |part: &Json| {
        let name = part.get("name").as_str().ok_or_else(|| garbled("a part without a name"))?;
        let shape = part.get("shape").sizes().ok_or_else(|| garbled("a part without a shape"))?;
        let begin = part.get("offset").as_u64().and_then(|offset| usize::try_from(offset).ok());
        let size = shape.iter().try_fold(4_usize, |product, size| product.checked_mul(*size));
        let inside = begin.zip(size).and_then(|(begin, size)| bytes.get(begin..begin.checked_add(size)?));
        let inside = inside.ok_or_else(|| garbled("a part that lies outside of the bytes"))?;
        Tensor::checked(name, shape, floats(inside)).map(|tensor| tensor.of(source.clone()))
    };
    result.get("parts").list().iter().map(one).collect()
}
