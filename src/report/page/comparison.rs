//! A page of several sessions: what they came to, over each other, and what differs in how they were made.

use super::html::Html;
use super::{figures, section, session};
use crate::report::quantity::{self, Better, heading};
use crate::report::{Part, Report, number};
use crate::session::{Manifest, diff};

/// The page.
pub fn whole(html: &mut Html, report: &Report, parts: &[Part]) {
    html.raw("<header><h1>").text(&crate::report::words::versus(&report.labels)).raw("</h1>");
    let lead = format!(
        "{} sessions; the others are measured against {}.",
        parts.len(),
        report.labels.first().map_or("", |it| it)
    );
    html.element("p", &[("class", "lead")], &lead).raw("</header>\n");
    html.raw("<nav aria-label=\"Contents\"><div><ul><li><a href=\"#outcome\">Outcome</a></li><li><a href=\"#curves\">Curves</a></li>\
              <li><a href=\"#differences\">What differs</a></li>");
    for (number, label) in report.labels.iter().enumerate() {
        html.raw("<li>").element("a", &[("href", &format!("#session-{number}"))], label).raw("</li>");
    }
    html.raw("</ul></div></nav>\n<main>\n");
    section(html, "outcome", 2, "Outcome", "", |html| outcome(html, report, parts));
    let explained = "Smoothed at full resolution. A difference is taken at each step that both sessions recorded.";
    section(html, "curves", 2, "Over each other", explained, |html| figures(html, &report.compared.figures));
    section(html, "differences", 2, "What differs", "", |html| config(html, report, parts));
    for (number, part) in parts.iter().enumerate() {
        html.open("section", &[("id", &format!("session-{number}"))]);
        session::head(html, part, 2);
        html.raw("</section>\n");
        session::body(html, part, &format!("session-{number}-"), 3);
    }
    html.raw("</main>\n");
}

fn outcome(html: &mut Html, report: &Report, parts: &[Part]) {
    html.raw(
        "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Session<th scope=\"col\">State\
              <th class=\"n\" scope=\"col\">Steps<th scope=\"col\">Against the photo as it is</tr></thead><tbody>",
    );
    for (number, (part, label)) in parts.iter().zip(&report.labels).enumerate() {
        let (word, tone) = session::state(part.source.listing.state);
        html.raw("<tr><td>").element("span", &[("class", &format!("key c{}", number % 8))], "");
        html.element("a", &[("href", &format!("#session-{number}"))], label).raw("</td>");
        html.element("td", &[("class", tone)], word);
        html.element("td", &[("class", "n")], &part.source.listing.step.map(number::count_of).unwrap_or_default());
        html.element("td", &[], &part.verdict.sentence).raw("</tr>");
    }
    html.raw("</tbody></table></div>\n");
    if report.compared.rows.is_empty() {
        html.raw("<p class=\"mut\">No series is in two of them.</p>");
        return;
    }
    html.raw("<div class=\"scroll\"><table class=\"values\"><thead><tr><th scope=\"col\">Last value");
    for label in &report.labels {
        html.element("th", &[("class", "n"), ("scope", "col")], label);
    }
    html.raw("</tr></thead><tbody>");
    for row in &report.compared.rows {
        let (unit, scale) = quantity::unit(&row.series);
        let text = |value: f64| quantity::with_unit(value, scale, unit);
        let base = row.cells.first().copied().flatten();
        html.raw("<tr><td>").text(&heading(&row.series)).raw("</td>");
        let winner = row.winner();
        for (place, cell) in row.cells.iter().enumerate() {
            let class = if winner == Some(place) { "n win" } else { "n" };
            html.open("td", &[("class", class)]);
            if let Some(cell) = cell {
                html.text(&text(cell.last));
                let mut notes: Vec<String> = Vec::new();
                if let Some(base) = base.filter(|_| place > 0) {
                    let difference = cell.last - base.last;
                    let sign = if difference < 0.0 { "-" } else { "+" };
                    notes.push(format!("{sign}{}", text(difference.abs())));
                    notes.extend(cell.ahead_from.map(|step| format!("ahead from step {}", number::count_of(step))));
                }
                if let Some((best, step)) = cell.best.filter(|_| row.better != Better::Neither) {
                    notes.push(format!("best {} at {}", text(best), number::count_of(step)));
                }
                for note in notes {
                    html.raw("<br>").element("span", &[("class", "mut")], &note);
                }
            }
            html.raw("</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>\n");
    html.raw("<p class=\"mut\">Bold: the best of a row. Losses and speed are smoothed as in the curves.</p>");
}

/// Keys of the configs that are not the same, then code and machine.
fn config(html: &mut Html, report: &Report, parts: &[Part]) {
    let manifests: Vec<Option<&Manifest>> = parts.iter().map(|part| part.source.manifest.as_ref()).collect();
    let found = diff::diff(&manifests);
    if found.rows.is_empty() {
        html.raw("<p>Nothing: all ")
            .text(&number::count(found.equal as u64))
            .raw(" keys of config, code and machine are the same.</p>");
        return;
    }
    let mut head = vec!["Key"];
    head.extend(report.labels.iter().map(String::as_str));
    let rows: Vec<Vec<String>> = found
        .rows
        .iter()
        .map(|row| {
            let values = row.values.iter().map(|value| value.clone().unwrap_or_else(|| "–".to_owned()));
            std::iter::once(row.key.clone()).chain(values).collect()
        })
        .collect();
    html.table(&head, &[], &rows);
    html.element(
        "p",
        &[("class", "mut")],
        &format!("{} other keys are the same everywhere.", number::count(found.equal as u64)),
    );
}
