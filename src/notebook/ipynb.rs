//! A notebook as Jupyter reads it (nbformat 4.5), with its outputs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::asked::is_question;
use crate::session::notebook::{Cell, Kept, KeptCell, Notebook, Output, Problem, Stream, Table};

/// The file's text.
pub fn export(notebook: &Notebook, kept: Kept) -> String {
    let outputs = kept.matched(notebook.cells.iter().map(Cell::source).collect::<Vec<_>>().into_iter());
    let mut count = 0;
    let mut cells = Vec::new();
    if !notebook.before.trim().is_empty() {
        cells.push(markdown(0, &format!("```rust\n{}\n```", notebook.before.trim())));
    }
    for (index, (cell, kept)) in notebook.cells.iter().zip(outputs).enumerate() {
        cells.push(if cell.is_text() {
            markdown(index + 1, &cell.words())
        } else {
            let number = kept.as_ref().map(|_| {
                count += 1;
                count
            });
            code(index + 1, cell, kept.as_ref(), number)
        });
    }
    let file = json!({
        "cells": cells,
        "metadata": {
            // Jupyter's Rust kernel: what needs no live session runs there too.
            "kernelspec": { "display_name": "Rust", "language": "rust", "name": "rust" },
            "language_info": { "file_extension": ".rs", "mimetype": "text/rust", "name": "Rust", "pygment_lexer": "rust" },
            "atelier": { "version": env!("CARGO_PKG_VERSION") },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    });
    // One space, as Jupyter itself writes it: a file that both write then differs where they do.
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    if serde::Serialize::serialize(&file, &mut serializer).is_err() {
        return String::new();
    }
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

/// A cell's name in the file: the same for the same text at the same place, so that exports can be compared.
fn name(index: usize, source: &str) -> String {
    let hash = Sha256::digest(format!("{index}\n{source}").as_bytes());
    hash.iter().take(6).fold(String::new(), |name, byte| name + &format!("{byte:02x}"))
}

/// Lines as the format has them: each with its end, but for the last one.
fn lines(text: &str) -> Value {
    Value::from(text.split_inclusive('\n').collect::<Vec<_>>())
}

fn markdown(index: usize, words: &str) -> Value {
    json!({ "cell_type": "markdown", "id": name(index, words), "metadata": {}, "source": lines(words) })
}

fn code(index: usize, cell: &Cell, kept: Option<&KeptCell>, number: Option<u32>) -> Value {
    let mut metadata = serde_json::Map::new();
    if !cell.title().is_empty() {
        metadata.insert("title".to_owned(), Value::from(cell.title()));
    }
    if is_question(cell.source()) {
        metadata.insert("vscode".to_owned(), json!({ "languageId": "sql" }));
    }
    let outputs: Vec<Value> =
        kept.into_iter().flat_map(|kept| &kept.outputs).map(|output| self::output(output, number)).collect();
    json!({
        "cell_type": "code",
        "execution_count": number,
        "id": name(index, cell.source()),
        "metadata": metadata,
        "outputs": outputs,
        "source": lines(cell.source()),
    })
}

fn output(output: &Output, number: Option<u32>) -> Value {
    let display = |data: Value| json!({ "output_type": "display_data", "data": data, "metadata": {} });
    match output {
        Output::Text { stream, text } => {
            let name = if *stream == Stream::Stderr { "stderr" } else { "stdout" };
            json!({ "output_type": "stream", "name": name, "text": lines(&text.text()) })
        }
        Output::Value { text } => json!({
            "output_type": "execute_result",
            "execution_count": number,
            "data": { "text/plain": lines(&text.text()) },
            "metadata": {},
        }),
        Output::Table(table) => {
            display(json!({ "text/plain": lines(&output.text()), "text/html": lines(&html(table)) }))
        }
        Output::Image(image) => {
            display(json!({ "image/png": BASE64.encode(&image.png), "text/plain": lines(&output.text()) }))
        }
        Output::Plot(plot) => {
            // The numbers themselves, so that whoever opens it can draw them as they like.
            let data = serde_json::to_value(plot).unwrap_or_default();
            display(json!({ "application/x-atelier-plot+json": data, "text/plain": lines(&output.text()) }))
        }
        Output::Problem(problem) => error(problem),
    }
}

fn error(problem: &Problem) -> Value {
    let text = problem.text();
    json!({
        "output_type": "error",
        "ename": problem.kind,
        "evalue": problem.message.lines().next().unwrap_or_default(),
        "traceback": text.lines().collect::<Vec<_>>(),
    })
}

fn html(table: &Table) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let align = |index: usize| if table.columns.get(index).is_some_and(|it| it.right) { "right" } else { "left" };
    let row = |tag: &str, cells: Vec<&str>| {
        let cells = cells.iter().enumerate();
        let cells =
            cells.map(|(at, cell)| format!("<{tag} style=\"text-align:{}\">{}</{tag}>", align(at), escaped(cell)));
        format!("<tr>{}</tr>\n", cells.collect::<Vec<_>>().concat())
    };
    let head = row("th", table.columns.iter().map(|column| column.name.as_str()).collect());
    let body: String = table.rows.iter().map(|cells| row("td", cells.iter().map(String::as_str).collect())).collect();
    format!("<table>\n<thead>{head}</thead>\n<tbody>{body}</tbody>\n</table>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::notebook::{Captured, Column, Image, Plot, PlotSeries};

    fn everything() -> (Notebook, Kept) {
        let text = "//! licence\n// %% [markdown]\n// # Why\n// %% load\nlet r = run(\"latest\");\nr.loss()\n// %%\n?select 1\n\
                    // %%\nnever_run()\n";
        let outputs = vec![
            Output::Text { stream: Stream::Stdout, text: Captured::new("a\nb") },
            Output::Value { text: Captured::new("0.5") },
            Output::Image(Image { label: "x".to_owned(), width: 1, height: 1, png: vec![1, 2].into() }),
            Output::Plot(Plot {
                series: vec![PlotSeries { name: "s".to_owned(), x: vec![1.0], y: vec![f64::NAN] }],
                ..Plot::default()
            }),
            Output::Problem(Problem { kind: "panic".to_owned(), message: "no\nmore".to_owned(), ..Problem::default() }),
        ];
        let table = Output::Table(Table {
            columns: vec![Column { name: "a<b".to_owned(), right: true }],
            rows: vec![vec!["<script>".to_owned()]],
            total: 1,
            ..Table::default()
        });
        let cell =
            |source: &str, outputs| KeptCell { source: source.to_owned(), ok: true, outputs, ..KeptCell::default() };
        let cells = vec![cell("let r = run(\"latest\");\nr.loss()", outputs), cell("?select 1", vec![table])];
        (Notebook::parse(text), Kept { version: 1, cells })
    }

    /// What nbformat's schema of 4.5 asks of a file, as far as this one goes.
    #[test]
    fn the_file_has_the_structure_that_jupyter_asks_for() {
        let (notebook, kept) = everything();
        let file: Value = serde_json::from_str(&export(&notebook, kept)).unwrap();
        assert_eq!((file["nbformat"].as_u64(), file["nbformat_minor"].as_u64()), (Some(4), Some(5)));
        assert!(
            file["metadata"]["kernelspec"]["name"].is_string() && file["metadata"]["language_info"]["name"].is_string()
        );
        let cells = file["cells"].as_array().unwrap();
        let kinds: Vec<&str> = cells.iter().map(|cell| cell["cell_type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["markdown", "markdown", "code", "code", "code"]);
        let mut ids = std::collections::HashSet::new();
        let text = |value: &Value| value.as_array().unwrap().iter().all(Value::is_string);
        for cell in cells {
            let id = cell["id"].as_str().unwrap();
            let fine = id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            assert!(fine && !id.is_empty() && ids.insert(id.to_owned()), "{id}");
            assert!(cell["metadata"].is_object() && text(&cell["source"]));
            if cell["cell_type"] == "markdown" {
                assert!(cell.get("outputs").is_none() && cell.get("execution_count").is_none());
                continue;
            }
            assert!(cell["execution_count"].is_null() || cell["execution_count"].is_u64());
            for output in cell["outputs"].as_array().unwrap() {
                match output["output_type"].as_str().unwrap() {
                    "stream" => assert!(text(&output["text"]) && output["name"].is_string()),
                    "error" => {
                        assert!(text(&output["traceback"]) && output["ename"] == "panic" && output["evalue"] == "no");
                    }
                    "display_data" => {
                        assert!(output["data"].is_object() && output["metadata"].is_object());
                        assert!(output.get("execution_count").is_none());
                    }
                    "execute_result" => assert!(output["execution_count"] == cell["execution_count"]),
                    other => panic!("{other}"),
                }
            }
        }
        assert_eq!(cells[1]["source"][0], "# Why");
        assert_eq!(cells[2]["source"], json!(["let r = run(\"latest\");\n", "r.loss()"]));
        assert_eq!(cells[2]["metadata"]["title"], "load");
        assert_eq!(cells[2]["outputs"][2]["data"]["image/png"], "AQI=");
        assert_eq!(cells[3]["outputs"][0]["data"]["text/html"].to_string().matches("<script>").count(), 0);
        assert!(cells[4]["execution_count"].is_null());
    }

    #[test]
    fn the_same_notebook_gives_the_same_file() {
        let (notebook, kept) = everything();
        assert_eq!(export(&notebook, kept.clone()), export(&notebook, kept));
    }
}
