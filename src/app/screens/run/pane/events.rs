//! What happened, newest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Place;
use crate::app::data::Facts;
use crate::app::shared::Shared;
use crate::app::text;
use crate::session::events::EventLine;

/// Whether a person would want to look at the instant of an event: something went wrong, or began anew.
pub fn is_of_note(event: &EventLine) -> bool {
    let kind = event.kind.as_str();
    let words = ["alert", "error", "warning", "crashed", "resumed", "step-skipped", "checkpoint-damaged"];
    words.contains(&kind) || kind.ends_with("-failed")
}

/// The row of the last event that is not after the instant, the newest event being row 0. What happened because of a
/// value is written down after it, at the same step.
pub fn row(events: &[EventLine], place: Place) -> Option<usize> {
    let before = events.partition_point(|event| event.time.as_nanosecond() <= i128::from(place.time_ns));
    let until = before + events[before..].iter().take_while(|event| event.step == place.step).count();
    (until > 0).then(|| events.len() - until)
}

/// Draw the rows from `top` on; `at` is marked.
pub fn draw(facts: &Facts, top: usize, at: Option<usize>, shared: &Shared, body: Rect, buffer: &mut Buffer) {
    let (theme, events) = (&shared.theme, &facts.events);
    let shown = events.iter().rev().enumerate().skip(top).take(usize::from(body.height));
    for (y, (row, event)) in (body.y..).zip(shown) {
        let style = match event.kind.as_str() {
            "error" | "crashed" => theme.bad,
            kind if kind.ends_with("-failed") => theme.bad,
            "alert" | "warning" | "step-skipped" | "checkpoint-damaged" => theme.warn,
            _ => theme.text,
        };
        let time = event.time.to_zoned_datetime(shared.zone.clone()).strftime("%H:%M:%S").to_string();
        let mark = if at == Some(row) { shared.glyphs.cursor } else { " " };
        let x = text::put(buffer, body.x, y, body.right(), mark, theme.crosshair);
        let x = text::put(buffer, x, y, body.right(), &time, theme.dim);
        let x = text::put(buffer, x + 1, y, body.right(), &format!("{:>9}", event.step), theme.dim);
        let x = text::put(buffer, x + 2, y, body.right(), &format!("{:<12} ", event.kind), style);
        let room = usize::from(body.right().saturating_sub(x));
        let message = text::within(&event.message, &facts.id);
        text::put(buffer, x, y, body.right(), &text::fit(&message, room, shared.glyphs.ellipsis), theme.dim);
    }
    if events.is_empty() {
        let (words, style) = match &shared.trouble {
            Some(trouble) => (trouble.as_str(), theme.bad),
            None => ("nothing has happened yet", theme.dim),
        };
        text::put(buffer, body.x, body.y, body.right(), words, style);
    }
}
