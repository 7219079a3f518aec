//! A report as Markdown, with its figures as files beside it.

use std::fmt::Write as _;

use super::quantity::{heading, unit, with_unit};
use super::verdict::Score;
use super::{Part, Report, number, words};
use crate::session::{Manifest, diff};

/// The text; `file` gives the address of a figure or of the samples by its name.
pub fn markdown(report: &Report, file: impl Fn(&str) -> String) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    if report.parts.len() > 1 {
        compared(&mut text, report, &file)?;
    }
    for (number, part) in report.parts.iter().enumerate() {
        session(&mut text, part, if report.parts.len() > 1 { "##" } else { "#" }, |name| {
            file(&report.file_name(number, name))
        })?;
    }
    Ok(text)
}

fn compared(text: &mut String, report: &Report, file: impl Fn(&str) -> String) -> std::fmt::Result {
    writeln!(text, "# {}\n", escaped(&words::versus(&report.labels)))?;
    let mut head = vec!["last value".to_owned()];
    head.extend(report.labels.iter().cloned());
    let rows = report.compared.rows.iter().map(|row| {
        let (unit, scale) = unit(&row.series);
        let winner = row.winner();
        let cells = row.cells.iter().enumerate().map(|(place, cell)| match cell {
            Some(cell) if winner == Some(place) => format!("**{}**", with_unit(cell.last, scale, unit)),
            Some(cell) => with_unit(cell.last, scale, unit),
            None => String::new(),
        });
        std::iter::once(heading(&row.series)).chain(cells).collect()
    });
    table(text, &head, rows)?;
    for figure in &report.compared.figures {
        picture(text, &figure.alt(), &figure.title, &file(&figure.name))?;
    }
    let manifests: Vec<Option<&Manifest>> = report.parts.iter().map(|part| part.source.manifest.as_ref()).collect();
    let found = diff::diff(&manifests);
    writeln!(text, "What differs ({} keys are the same):\n", found.equal)?;
    head[0] = "key".to_owned();
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "–".to_owned());
    table(
        text,
        &head,
        found.rows.iter().map(|row| std::iter::once(row.key.clone()).chain(row.values.iter().map(value)).collect()),
    )
}

fn session(text: &mut String, part: &Part, level: &str, file: impl Fn(&str) -> String) -> std::fmt::Result {
    let source = &part.source;
    let listing = &source.listing;
    let name = if listing.name.is_empty() { &source.id } else { &listing.name };
    writeln!(text, "{level} {}\n", escaped(name))?;
    writeln!(text, "**{}**\n", escaped(&part.verdict.sentence))?;
    let state = listing.state.map_or("unknown", crate::session::State::word);
    let mut facts = vec![format!("session {}", source.id), state.to_owned()];
    facts.extend(listing.step.map(|step| format!("{} steps", number::count_of(step))));
    facts.extend(listing.device.clone());
    facts.push(format!("{} values recorded", number::count(source.points())));
    writeln!(text, "{}\n", escaped(&facts.join(" · ")))?;
    for warning in &source.warnings {
        writeln!(text, "> {}\n", escaped(warning))?;
    }
    scores(text, &part.scores)?;
    if part.sheet.is_some() {
        picture(text, "Original, target and predictions of held-out pairs", "Samples", &file("samples"))?;
    }
    for figure in part.figures.all() {
        picture(text, &figure.alt(), &figure.title, &file(&figure.name))?;
    }
    let Some(manifest) = &source.manifest else { return Ok(()) };
    writeln!(text, "{level}# How to reproduce\n")?;
    let mut lines: Vec<String> = Vec::new();
    lines.extend(manifest.directory.as_ref().map(|directory| format!("cd {}", words::quoted(directory))));
    lines.extend(manifest.git.as_ref().map(|git| format!("git checkout {}", words::quoted(&git.commit))));
    if !manifest.command.is_empty() {
        lines.push(words::command(&manifest.command));
    }
    block(text, "sh", &lines.join("\n"))?;
    block(text, "toml", &manifest.config())
}

fn scores(text: &mut String, scores: &[Score]) -> std::fmt::Result {
    if scores.is_empty() {
        return Ok(());
    }
    let head = ["metric", "photo as it is", "newest", "change", "best"].map(str::to_owned);
    let rows = scores.iter().map(|score| {
        vec![
            score.metric.clone(),
            score.identity.map(number::value).unwrap_or_default(),
            format!("{} at step {}", number::value(score.newest.0), number::count_of(score.newest.1)),
            score.change().unwrap_or_default(),
            format!("{} at step {}", number::value(score.best.0), number::count_of(score.best.1)),
        ]
    });
    table(text, &head, rows)
}

fn table(text: &mut String, head: &[String], rows: impl Iterator<Item = Vec<String>>) -> std::fmt::Result {
    let line = |cells: &[String]| {
        // Bold is ours; what is inside of a cell is text.
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| match cell.strip_prefix("**").and_then(|cell| cell.strip_suffix("**")) {
                Some(inner) => format!("**{}**", escaped(inner)),
                None => escaped(cell),
            })
            .collect();
        format!("| {} |", cells.join(" | "))
    };
    writeln!(text, "{}\n|{}", line(head), "---|".repeat(head.len()))?;
    for row in rows {
        writeln!(text, "{}", line(&row))?;
    }
    writeln!(text)
}

fn picture(text: &mut String, alt: &str, title: &str, address: &str) -> std::fmt::Result {
    writeln!(text, "![{}]({address})\n*{}*\n", escaped(alt), escaped(title))
}

/// A block of code that its contents cannot end.
fn block(text: &mut String, language: &str, code: &str) -> std::fmt::Result {
    if code.trim().is_empty() {
        return Ok(());
    }
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    writeln!(text, "{fence}{language}\n{}\n{fence}\n", code.trim_end())
}

/// Text on one line in which nothing is markup, of Markdown or of HTML.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in super::ink::clean(text).chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '#' | '!' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_markup() {
        assert_eq!(escaped("<b>[x](javascript:1) a|b `c`\n# d"), "&lt;b&gt;\\[x\\](javascript:1) a\\|b \\`c\\` \\# d");
        let mut text = String::new();
        block(&mut text, "toml", "a = '```'").unwrap();
        assert!(text.starts_with("````toml\n") && text.ends_with("\n````\n\n"), "{text}");
    }
}
