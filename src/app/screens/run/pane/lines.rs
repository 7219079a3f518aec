//! Lines of text: what the process printed, and the config.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::app::shared::Shared;
use crate::app::text;

/// The step that a line of the log is about, if it says so: `step 1200/40000  epoch …`, `… step 1200: checkpoint: …`.
fn step(line: &str) -> Option<i64> {
    // A time may stand before it.
    let rest = line.get(STAMP.len()..).filter(|_| is_stamped(line)).unwrap_or(line).trim_start();
    let digits = rest.strip_prefix("step ")?;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// What a time at the beginning of a line looks like.
const STAMP: &str = "2026-03-04 12:00:00";

fn is_stamped(line: &str) -> bool {
    let alike = |(a, b): (u8, u8)| a == b || a.is_ascii_digit() && b.is_ascii_digit();
    line.len() > STAMP.len() && line.bytes().zip(STAMP.bytes()).all(alike)
}

/// The line of a step: the last one that is about this step or an earlier one.
pub fn row(log: &[String], at: i64) -> Option<usize> {
    log.iter().rposition(|line| step(line).is_some_and(|step| step <= at))
}

/// Draw lines of the log from `top` on; `at` is marked.
pub fn draw_log(log: &[String], top: usize, at: Option<usize>, shared: &Shared, body: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    for (y, (row, line)) in (body.y..).zip(log.iter().enumerate().skip(top).take(usize::from(body.height))) {
        let mark = if at == Some(row) { shared.glyphs.cursor } else { " " };
        let x = text::put(buffer, body.x, y, body.right(), mark, theme.crosshair);
        let (stamp, rest) = if is_stamped(line) { line.split_at(STAMP.len()) } else { ("", line.as_str()) };
        let x = text::put(buffer, x, y, body.right(), stamp, theme.dim);
        let style = if is_trouble(rest) { theme.warn } else { theme.text };
        put(rest, style, shared, Rect { x, width: body.right().saturating_sub(x), ..body }, y, buffer);
    }
    if log.is_empty() {
        text::put(buffer, body.x, body.y, body.right(), "the process has printed nothing", theme.dim);
    }
}

/// Whether a line tells of something that a person should look at.
fn is_trouble(line: &str) -> bool {
    ["error", "warning", "alert:", "failed", "damaged", "skipped", "panicked"].iter().any(|word| line.contains(word))
}

/// Draw lines of the config from `top` on: keys and their values, headings and remarks told apart.
pub fn draw_config(config: &[String], top: usize, shared: &Shared, body: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    for (y, line) in (body.y..).zip(config.iter().skip(top).take(usize::from(body.height))) {
        let area = Rect { x: body.x + 1, width: body.width.saturating_sub(1), ..body };
        match line.split_once(" = ") {
            _ if line.starts_with('[') => put(line, theme.title, shared, area, y, buffer),
            _ if line.starts_with('#') => put(line, theme.dim, shared, area, y, buffer),
            Some((key, value)) => {
                let x = text::put(buffer, area.x, y, area.right(), &format!("{key} = "), theme.dim);
                let rest = Rect { x, width: area.right().saturating_sub(x), ..area };
                put(value, theme.text, shared, rest, y, buffer);
            }
            None => put(line, theme.text, shared, area, y, buffer),
        }
    }
}

fn put(line: &str, style: Style, shared: &Shared, area: Rect, y: u16, buffer: &mut Buffer) {
    let line = text::fit(line, usize::from(area.width), shared.glyphs.ellipsis);
    text::put(buffer, area.x, y, area.right(), &line, style);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_its_step_with_or_without_a_time() {
        assert_eq!(step("step 46/552  epoch 2.0/24  G 3.1"), Some(46));
        assert_eq!(step("2026-03-04 12:00:07 step 300: checkpoint: step-00000300"), Some(300));
        assert_eq!(step("epoch 2  held out: l1 0.08"), None);
        assert_eq!(step("step by step"), None);
        assert_eq!(step("2026-03-04 12:00:0é step 3"), None, "cut between characters");
    }

    #[test]
    fn the_line_of_a_step_is_the_last_one_up_to_it() {
        let log: Vec<String> = ["begins", "step 10/90", "epoch 1  held out", "step 20/90", "step 15/90", "step 30/90"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(row(&log, 9), None);
        assert_eq!(row(&log, 12), Some(1));
        assert_eq!(row(&log, 22), Some(4), "what a restart went over again counts");
        assert_eq!(row(&log, 99), Some(5));
    }
}
