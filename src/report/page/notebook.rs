//! A session's notebook in its page: what was asked, and what came of it.

use super::html::Html;
use super::{data_uri, figure};
use crate::report::cells;
use crate::report::figure::Figure;
use crate::report::number;
use crate::session::notebook::{Cell, Image, KeptCell, Output, Stream, Table};

/// Columns of a plot's curves.
const COLUMNS: usize = 544;
/// Bytes of a text in the page.
const TEXT: usize = 6 << 10;
/// Rows of a table in the page.
const ROWS: usize = 50;
/// Bytes of all pictures in the page.
const PICTURES: usize = 2 << 20;

/// The cells with what they last gave.
pub fn notebook(html: &mut Html, cells: &[(Cell, Option<KeptCell>)]) {
    let mut room = PICTURES;
    for (index, (cell, kept)) in cells.iter().enumerate() {
        html.raw("<div class=\"cell\">");
        if cell.is_text() {
            for line in cell.words().lines().filter(|line| !line.trim().is_empty()) {
                let bare = line.trim_start_matches('#');
                if bare.len() < line.len() {
                    html.element("h4", &[], bare.trim());
                } else {
                    html.element("p", &[], line);
                }
            }
            html.raw("</div>\n");
            continue;
        }
        if !cell.title().is_empty() {
            html.element("h4", &[], cell.title());
        }
        html.raw("<pre class=\"src\">").text(cell.source()).raw("</pre>");
        match kept {
            Some(kept) => {
                for (at, output) in kept.outputs.iter().enumerate() {
                    shown(html, output, &format!("cell-{}-{}", index + 1, at + 1), &mut room);
                }
            }
            None => {
                html.raw("<p class=\"mut\">Not run.</p>");
            }
        }
        html.raw("</div>\n");
    }
}

fn shown(html: &mut Html, output: &Output, name: &str, room: &mut usize) {
    match output {
        Output::Text { stream, text } => {
            let class = if *stream == Stream::Stderr { "out warn" } else { "out" };
            html.element("pre", &[("class", class)], &text.shortened(TEXT).text());
        }
        Output::Value { text } => {
            html.element("pre", &[("class", "out")], &text.shortened(TEXT).text());
        }
        Output::Problem(problem) => {
            html.element("pre", &[("class", "out bad")], &problem.text());
        }
        Output::Table(answer) => table(html, answer),
        Output::Image(picture) => image(html, picture, room),
        Output::Plot(plot) => {
            html.raw("<div class=\"figures\">");
            figure(html, &Figure::new(name, cells::chart(plot, COLUMNS, 0)));
            html.raw("</div>");
        }
    }
}

fn table(html: &mut Html, table: &Table) {
    let head: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let right: Vec<bool> = table.columns.iter().map(|column| column.right).collect();
    let rows: Vec<Vec<String>> = table.rows.iter().take(ROWS).cloned().collect();
    html.table(&head, &right, &rows);
    let left = table.total.saturating_sub(rows.len() as u64);
    if left > 0 {
        html.element("p", &[("class", "mut")], &format!("{} more rows", number::count(left)));
    }
}

fn image(html: &mut Html, image: &Image, room: &mut usize) {
    let label = if image.label.is_empty() { "picture" } else { &image.label };
    let size = format!("{}x{} pixels", image.width, image.height);
    let Some(left) = room.checked_sub(image.png.len()) else {
        html.element("p", &[("class", "mut")], &format!("{label}: {size}, too large for this page"));
        return;
    };
    *room = left;
    let alt = format!("{label}, {size}");
    html.open("img", &[("class", "given"), ("alt", &alt), ("src", &data_uri("image/png", &image.png))]);
}
