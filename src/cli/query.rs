//! `atelier query`: SQL over all sessions.

use polars::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::Usage;
use super::sessions::{self, Root, Tone, paint};
use crate::session::tables::{self, QueryError};
use crate::session::{self, Folder};

/// Answer an SQL query over all sessions: what was recorded, what happened, how they stand.
///
/// Tables: `metrics` and `telemetry` (session, step, epoch, time, generation, series, value), `events` (session, step,
/// epoch, time, generation, kind, message), `sessions` (session, name, state, track, tags, step, loss, best, ...). The
/// dialect is polars'.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier query \"select session, min(value) from metrics where series = 'val/l1' group by session\"
  atelier query \"select step, value from metrics where series = 'loss/g' order by step\" --session last --csv
  atelier query \"select kind, count(*) as n from events group by kind order by n desc\" --json")]
pub struct Args {
    /// The query.
    sql: String,
    /// Only this session; may be given several times
    #[arg(long = "session", value_name = "ID")]
    sessions: Vec<String>,
    #[command(flatten)]
    root: Root,
    /// Print the rows as a JSON array of objects.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the rows as CSV.
    #[arg(long)]
    csv: bool,
    /// Rows of the table that are printed; 0 prints all
    #[arg(long, value_name = "N", default_value_t = 100, conflicts_with_all = ["json", "csv"])]
    rows: usize,
}

/// Answer.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let root = &args.root;
    let folders = if args.sessions.is_empty() {
        session::ids(&root.dir)?.iter().map(|id| Folder::new(root.dir.join(id))).collect()
    } else {
        args.sessions.iter().map(|id| root.find(id)).collect::<anyhow::Result<Vec<_>>>()?
    };
    let answer = tables::query(&folders, &args.sql).map_err(|error| match error {
        QueryError::NoTable | QueryError::Refused { .. } => Usage(error.to_string()).into(),
        _ => anyhow::Error::from(error),
    })?;
    for warning in &answer.warnings {
        eprintln!("warning: {warning}");
    }
    let text = if args.json {
        json(&answer.frame)?
    } else if args.csv {
        csv(&answer.frame)
    } else {
        table(&answer.frame, args.rows, sessions::colours())
    };
    Ok(super::print(&text)?)
}

/// One cell. Numbers stay numbers; what JSON has no number for, and times, are texts.
fn cell(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(truth) => Value::from(*truth),
        AnyValue::String(text) => Value::from(*text),
        AnyValue::StringOwned(text) => Value::from(text.as_str()),
        AnyValue::Datetime(nanoseconds, TimeUnit::Nanoseconds, _) => time(*nanoseconds),
        AnyValue::DatetimeOwned(nanoseconds, TimeUnit::Nanoseconds, _) => time(*nanoseconds),
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

/// Row by row.
fn rows(frame: &DataFrame) -> impl Iterator<Item = Vec<Value>> + '_ {
    let columns = frame.columns();
    (0..frame.height()).map(move |row| {
        columns.iter().map(|column| column.get(row).map_or(Value::Null, |value| cell(&value))).collect()
    })
}

fn names(frame: &DataFrame) -> Vec<String> {
    frame.get_column_names().into_iter().map(ToString::to_string).collect()
}

fn json(frame: &DataFrame) -> anyhow::Result<String> {
    let names = names(frame);
    let objects = rows(frame).map(|row| names.iter().cloned().zip(row).collect::<serde_json::Map<_, _>>());
    let mut text = serde_json::to_string_pretty(&objects.collect::<Vec<_>>())?;
    text.push('\n');
    Ok(text)
}

fn csv(frame: &DataFrame) -> String {
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let quote = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let plain = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => quote(text),
        other => other.to_string(),
    };
    let head = line(names(frame).iter().map(|name| quote(name)).collect());
    rows(frame).fold(head, |text, row| text + &line(row.iter().map(plain).collect()))
}

/// Columns as wide as what is in them, numbers to the right; at most `most` rows unless that is 0.
fn table(frame: &DataFrame, most: usize, colours: bool) -> String {
    let names = names(frame);
    let shown = if most == 0 { frame.height() } else { most.min(frame.height()) };
    let right: Vec<bool> = frame.columns().iter().map(|column| column.dtype().is_primitive_numeric()).collect();
    let cells: Vec<Vec<String>> = rows(frame).take(shown).map(|row| row.iter().map(text).collect()).collect();
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| cells.iter().map(|row| row[index].width()).fold(name.width(), usize::max))
        .collect();
    let line = |row: &[String]| -> String {
        let padded = row.iter().zip(&widths).zip(&right).map(|((cell, width), right)| {
            let pad = " ".repeat(width - cell.width());
            if *right { pad + cell } else { cell.clone() + &pad }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut out = paint(line(&names).trim_end(), Tone::Dim, colours) + "\n";
    out.extend(cells.iter().map(|row| line(row)));
    let left = frame.height() - shown;
    if left > 0 {
        let note = format!("{} more rows: --rows 0 prints all", sessions::whole(left as i64));
        out.push_str(&(paint(&note, Tone::Dim, colours) + "\n"));
    }
    if frame.height() == 0 {
        out.push_str(&(paint("no rows", Tone::Dim, colours) + "\n"));
    }
    out
}

/// A cell of the table; whatever a name or a message carries, it must not steer the terminal.
fn text(value: &Value) -> String {
    const WIDEST: usize = 120;
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => sessions::brief(text, WIDEST),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => whole.to_string(),
            None => number.as_f64().map(sessions::number).unwrap_or_default(),
        },
        other => other.to_string(),
    }
}
