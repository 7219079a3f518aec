//! What happened: what a reader must know first, then everything.

use super::html::Html;
use super::lasted;
use crate::report::number;
use crate::report::source::Source;
use crate::session::events::EventLine;

/// Kinds that come with every epoch and say nothing by themselves.
const FREQUENT: [&str; 6] = ["epoch", "validating", "validation", "sample", "progress", "checkpoint"];
/// Kinds that are trouble.
const TROUBLE: [&str; 4] = ["alert", "crashed", "error", "step-skipped"];
/// Rows of the short list, and of the long one.
const SHOWN: (usize, usize) = (40, 500);

/// The events of a session.
pub fn events(html: &mut Html, source: &Source) {
    if source.events.is_empty() {
        html.raw("<p class=\"mut\">Nothing is recorded.</p>");
        return;
    }
    let count = |kind: &str| source.events.iter().filter(|event| event.kind == kind).count();
    let restarts = source.events.iter().map(|event| event.generation).max().unwrap_or(0) as usize;
    let facts = [
        ("alert", count("alert")),
        ("restart", restarts),
        ("skipped step", count("step-skipped")),
        ("error", count("error")),
    ];
    let words: Vec<String> = facts
        .iter()
        .map(|(noun, count)| match count {
            0 => format!("no {noun}s"),
            count => super::counted(*count, noun),
        })
        .collect();
    let mut sentence = words.join(", ") + ".";
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    html.element("p", &[], &sentence);
    let rare: Vec<&EventLine> = source.events.iter().filter(|event| !FREQUENT.contains(&event.kind.as_str())).collect();
    table(html, source, &rare, SHOWN.0);
    if rare.len() < source.events.len() {
        let all: Vec<&EventLine> = source.events.iter().collect();
        html.raw("<details><summary>All ").text(&number::count(all.len() as u64));
        html.raw(" events, with checkpoints, validations and samples</summary>");
        table(html, source, &all, SHOWN.1);
        html.raw("</details>\n");
    }
}

fn table(html: &mut Html, source: &Source, events: &[&EventLine], most: usize) {
    html.raw(
        "<div class=\"scroll\"><table><thead><tr><th class=\"n\" scope=\"col\">Time<th class=\"n\" scope=\"col\">Step\
              <th scope=\"col\">Kind<th class=\"what\" scope=\"col\">What</tr></thead><tbody>",
    );
    let start = source.start_ns();
    let row = |html: &mut Html, event: &EventLine| {
        let bad = TROUBLE.contains(&event.kind.as_str())
            || event.kind.ends_with("-failed")
            || event.kind.ends_with("-failing");
        let since = (event.time.as_nanosecond() as i64).saturating_sub(start) as f64 / 1e9;
        html.open("tr", &[("class", if bad { "al" } else { "" })]);
        html.element("td", &[("class", "n"), ("title", &super::utc(event.time))], &lasted(since));
        html.element("td", &[("class", "n")], &number::count_of(event.step));
        html.element("td", &[("class", "nw")], &event.kind).element("td", &[], &brief(&event.message)).raw("</tr>");
    };
    if events.len() <= most {
        events.iter().for_each(|event| row(html, event));
    } else {
        // How it began, and how it ended.
        let (first, last) = (most / 2, events.len() - most / 2);
        events[..first].iter().for_each(|event| row(html, event));
        html.raw("<tr><td></td><td></td><td></td><td class=\"mut\">");
        html.text(&format!("{} more are in events.jsonl", number::count((last - first) as u64))).raw("</td></tr>");
        events[last..].iter().for_each(|event| row(html, event));
    }
    html.raw("</tbody></table></div>\n");
}

/// A message is one line; a longer one is cut.
fn brief(message: &str) -> String {
    const MOST: usize = 600;
    if message.chars().count() <= MOST {
        return message.to_owned();
    }
    message.chars().take(MOST).collect::<String>() + "…"
}
