//! Questions in SQL: recognised by how they begin, answered without the kernel.

use polars::prelude::*;

use crate::session::notebook::{Captured, Column, Output, Problem, Stream, Table};
use crate::session::{Folder, tables};

/// Words that begin a question. `with` is none of Rust's either.
const WORDS: [&str; 5] = ["select", "with", "explain", "show", "describe"];
/// Rows of an answer that are shown.
const ROWS: usize = 1000;

/// Whether a cell is a question: its first line begins with `?` or with a word of SQL's that begins a query.
pub fn is_question(source: &str) -> bool {
    let mut lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"));
    let Some(first) = lines.next() else { return false };
    if first.starts_with('?') {
        return true;
    }
    let word = first.split_whitespace().next().unwrap_or_default();
    WORDS.iter().any(|it| it.eq_ignore_ascii_case(word))
}

/// What a question gives.
///
/// # Errors
/// It is not understood, with what to do about it.
pub fn ask(source: &str, folders: &[Folder]) -> Result<Vec<Output>, Problem> {
    let sql = source.trim().trim_start_matches('?').trim();
    let answer = tables::query(folders, sql).map_err(|error| Problem {
        kind: "question".to_owned(),
        message: error.to_string(),
        ..Problem::default()
    })?;
    let mut outputs = Vec::new();
    if !answer.warnings.is_empty() {
        let text = Captured::new(&(answer.warnings.join("\n") + "\n"));
        outputs.push(Output::Text { stream: Stream::Stderr, text });
    }
    outputs.push(Output::Table(table(&answer.frame)));
    Ok(outputs)
}

fn table(frame: &DataFrame) -> Table {
    let columns = frame.columns();
    let text = |value: AnyValue<'_>| match value {
        AnyValue::Null => "–".to_owned(),
        AnyValue::String(text) => text.to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Float64(number) => crate::report::number::value(number),
        AnyValue::Float32(number) => crate::report::number::value(f64::from(number)),
        other => other.to_string(),
    };
    let rows = (0..frame.height().min(ROWS))
        .map(|row| columns.iter().map(|column| column.get(row).map_or_else(|_| String::new(), text)).collect());
    Table {
        label: String::new(),
        columns: columns
            .iter()
            .map(|column| Column { name: column.name().to_string(), right: column.dtype().is_primitive_numeric() })
            .collect(),
        rows: rows.collect(),
        total: frame.height() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_rust() {
        for source in
            ["?select 1", "\n  SELECT * from metrics", "with a as (select 1) select * from a", "-- why\n? x", "?"]
        {
            assert!(is_question(source), "{source}");
        }
        for source in ["", "let select = 1;", "selected", "match x {}", "// ?\nx", "f()?"] {
            assert!(!is_question(source), "{source}");
        }
    }
}
