//! `atelier query`: SQL over all sessions.

mod chart;

use std::path::{Path, PathBuf};

use polars::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::Usage;
use super::sessions::{self, Root, Tone, paint};
use crate::notebook::question::{Plot, Question, QuestionError, Table, json_value};
use crate::report::output::{self, Shape};
use crate::report::{Figure, draw};
use crate::session::tables::{QueryError, Tables};
use crate::session::{self, Folder};

/// Answer an SQL query over all sessions: what was recorded, what happened, how they stand.
///
/// `| plot` behind the query draws its answer: `x=`, `y=` and `by=` name columns, `log=y` makes an axis logarithmic.
///
/// Tables: `metrics` and `telemetry` (session, step, epoch, time, generation, series, value), `events` (session, step,
/// epoch, time, generation, kind, message), `sessions` (session, name, state, track, tags, step, loss, best, ...). The
/// dialect is polars'.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atelier query \"select session, min(value) from metrics where series = 'val/l1' group by session\"
  atelier query \"select step, value from metrics where series = 'loss/g' order by step\" --session last --csv
  atelier query \"select step, value, session from metrics where series = 'loss/g' | plot by=session\" -o g.png
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
    /// Draw the answer into this file, .png or .svg, instead of into the terminal.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["json", "csv"])]
    output: Option<PathBuf>,
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
    let question = Question::parse(&args.sql).map_err(usage)?;
    if args.output.is_some() && question.plot.is_none() {
        return Err(Usage("nothing is drawn: end the query with `| plot`".to_owned()).into());
    }
    let answer = question.ask(&mut Tables::default(), &folders).map_err(usage)?;
    for warning in &answer.warnings {
        eprintln!("warning: {warning}");
    }
    let text = match (&answer.plot, &args.output) {
        _ if args.json => json(&answer.frame)?,
        _ if args.csv => csv(&answer.frame),
        (Some(plot), Some(path)) => save(plot, path)?,
        (Some(plot), None) => chart::draw(plot, sessions::columns(), sessions::colours()),
        (None, _) => table(&answer.frame, args.rows, sessions::colours()),
    };
    Ok(super::print(&text)?)
}

/// What a person who typed the question can mend is wrong usage.
fn usage(error: QuestionError) -> anyhow::Error {
    match error {
        QuestionError::Query(error @ (QueryError::Record(_) | QueryError::Session(_))) => error.into(),
        other => Usage(other.to_string()).into(),
    }
}

/// The chart as a file; gives its name.
fn save(plot: &Plot, path: &Path) -> anyhow::Result<String> {
    let shape = Shape::BESIDE;
    let figure = Figure::new(plot.y_name.clone(), plot.chart(draw::columns(shape.css().0)));
    let bytes = match path.extension().and_then(|end| end.to_str()) {
        Some("svg") => output::svg(&figure, shape).into_bytes(),
        Some("png") => output::png(&figure, shape)?,
        _ => return Err(Usage(format!("{}: a chart is .png or .svg", path.display())).into()),
    };
    output::replace(path, &bytes)?;
    Ok(format!("{}\n", path.display()))
}

/// Row by row.
fn rows(frame: &DataFrame) -> impl Iterator<Item = Vec<Value>> + '_ {
    let columns = frame.columns();
    (0..frame.height()).map(move |row| {
        columns.iter().map(|column| column.get(row).map_or(Value::Null, |value| json_value(&value))).collect()
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
    let Table { names, right, rows, total } = Table::of(frame, if most == 0 { usize::MAX } else { most });
    let widths: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(index, name)| rows.iter().map(|row| row[index].width()).fold(name.width(), usize::max))
        .collect();
    let line = |row: &[String]| -> String {
        let padded = row.iter().zip(&widths).zip(&right).map(|((cell, width), right)| {
            let pad = " ".repeat(width - cell.width());
            if *right { pad + cell } else { cell.clone() + &pad }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut out = paint(line(&names).trim_end(), Tone::Dim, colours) + "\n";
    out.extend(rows.iter().map(|row| line(row)));
    let left = total - rows.len();
    if left > 0 {
        let note = format!("{} more rows: --rows 0 prints all", sessions::whole(left as i64));
        out.push_str(&(paint(&note, Tone::Dim, colours) + "\n"));
    }
    if total == 0 {
        out.push_str(&(paint("no rows", Tone::Dim, colours) + "\n"));
    }
    out
}
