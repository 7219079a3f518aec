//! An evaluation as a person reads it.

use unicode_width::UnicodeWidthStr as _;

use super::report::{Estimate, Line, Report};
use crate::cli::sessions::{Tone, brief, number, paint};
use crate::config::Metric;

/// Names of images without a partner, before the rest is counted.
const NAMED: usize = 8;

/// The whole page.
pub(super) fn render(report: &Report, extremes: usize, colours: bool) -> String {
    let mut text = format!("{}\n\n", paint(&report.title, Tone::Strong, colours));
    text.push_str(&metrics(&report.metrics, colours));
    let notes = report.metrics.iter().filter_map(|line| Some((line.metric.name(), line.note.as_deref()?)));
    section(
        &mut text,
        "",
        &notes.map(|(name, note)| format!("{name}: {note}")).collect::<Vec<_>>(),
        Tone::Dim,
        colours,
    );
    if report.images.len() == 1 {
        section(
            &mut text,
            "",
            &["one image: no interval says how another one would fare".to_owned()],
            Tone::Dim,
            colours,
        );
    }
    if let Some(metric) = leading(&report.metrics).filter(|_| report.images.len() > 1 && extremes > 0) {
        let ranked = report.ranked(metric);
        // Of few images none is both.
        let (best, worst) = (extremes.min(ranked.len().div_ceil(2)), extremes.min(ranked.len() / 2));
        let row = |(name, value): &(&str, f64)| format!("{:>10}  {}", number(*value), brief(name, 200));
        let title = |what: &str| format!("{what} by {}", metric.name());
        section(&mut text, &title("best"), &ranked[..best].iter().map(row).collect::<Vec<_>>(), Tone::Plain, colours);
        let last: Vec<String> = ranked.iter().rev().take(worst).map(row).collect();
        section(&mut text, &title("worst"), &last, Tone::Plain, colours);
    }
    let said = |list: &[super::report::Sample]| -> Vec<String> {
        list.iter().map(|one| brief(&format!("{}: {}", one.name, one.why), 400)).collect()
    };
    section(&mut text, "not measured", &said(&report.unavailable), Tone::Caution, colours);
    section(&mut text, "images that could not be measured", &said(&report.failed), Tone::Bad, colours);
    let mut lone: Vec<String> = report.unmatched.iter().take(NAMED).map(|one| brief(one, 300)).collect();
    if report.unmatched.len() > NAMED {
        lone.push(format!("… and {} more (--json names all)", report.unmatched.len() - NAMED));
    }
    section(&mut text, "without a partner", &lone, Tone::Caution, colours);
    text
}

/// The metric that best and worst are told by: what comes nearest to people's judgement.
fn leading(lines: &[Line]) -> Option<Metric> {
    let order = [Metric::LpipsAlex, Metric::LpipsVgg, Metric::LpipsSqueeze, Metric::MsSsim, Metric::Ssim];
    let measured = |metric: &Metric| lines.iter().any(|line| line.metric == *metric);
    let any = || lines.iter().map(|line| line.metric).find(|metric| !metric.is_of_sets());
    order.into_iter().find(measured).or_else(any)
}

fn metrics(lines: &[Line], colours: bool) -> String {
    let has_baseline = lines.iter().any(|line| line.identity.is_some());
    let mut rows: Vec<Vec<(String, Tone)>> = Vec::new();
    let mut head = vec![("metric", Tone::Dim), ("", Tone::Dim), ("prediction", Tone::Dim), ("95 %", Tone::Dim)];
    if has_baseline {
        head.extend([("input as it is", Tone::Dim), ("difference", Tone::Dim), ("95 %", Tone::Dim), ("", Tone::Dim)]);
    }
    rows.push(head.into_iter().map(|(word, tone)| (word.to_owned(), tone)).collect());
    for line in lines {
        let arrow = if line.metric.higher_is_better() { "↑" } else { "↓" };
        let mut row = vec![(line.metric.name().to_owned(), Tone::Plain), (arrow.to_owned(), Tone::Dim)];
        row.push((number(line.prediction.value), Tone::Strong));
        row.push((bounds(&line.prediction), Tone::Dim));
        if let (Some(identity), Some(difference)) = (&line.identity, &line.difference) {
            let signed = number(difference.value);
            let signed = if difference.value > 0.0 { format!("+{signed}") } else { signed };
            row.push((number(identity.value), Tone::Plain));
            row.push((signed, Tone::Plain));
            row.push((bounds(difference), Tone::Dim));
            row.push(verdict(line.metric, difference));
        }
        rows.push(row);
    }
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().filter_map(|row| Some(row.get(column)?.0.width())).max().unwrap_or(0))
        .collect();
    // Names and verdicts begin together, numbers end together.
    let left = |column: usize| matches!(column, 0 | 1 | 3 | 6 | 7);
    let mut text = String::new();
    for row in &rows {
        let mut end = String::new();
        for (column, (word, tone)) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(word.width()));
            let word = paint(word, *tone, colours);
            end.push_str(&if left(column) { format!("{word}{pad}  ") } else { format!("{pad}{word}  ") });
        }
        text.push_str(end.trim_end());
        text.push('\n');
    }
    text
}

/// `[23.91, 24.80]`; nothing where there is no interval.
fn bounds(estimate: &Estimate) -> String {
    estimate.interval.map(|one| format!("[{}, {}]", number(one.low), number(one.high))).unwrap_or_default()
}

/// Whether the difference helps, where its interval leaves no doubt.
fn verdict(metric: Metric, difference: &Estimate) -> (String, Tone) {
    let Some(interval) = difference.interval else { return (String::new(), Tone::Dim) };
    let (up, down) = (interval.low > 0.0, interval.high < 0.0);
    match (up, down, metric.higher_is_better()) {
        (true, _, true) | (_, true, false) => ("better".to_owned(), Tone::Good),
        (true, _, false) | (_, true, true) => ("worse".to_owned(), Tone::Bad),
        _ => ("no clear difference".to_owned(), Tone::Caution),
    }
}

fn section(text: &mut String, title: &str, lines: &[String], tone: Tone, colours: bool) {
    if lines.is_empty() {
        return;
    }
    text.push('\n');
    if !title.is_empty() {
        text.push_str(&paint(title, Tone::Dim, colours));
        text.push('\n');
    }
    for line in lines {
        text.push_str(&format!("  {}\n", paint(line, tone, colours)));
    }
}
