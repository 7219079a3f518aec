//! The first line: which session, how it stands, how far, how fast.

use ratatui::text::{Line, Span};

use crate::app::data::CurvesAnswer;
use crate::app::eta;
use crate::app::shared::Shared;
use crate::app::text;
use crate::report::number;
use crate::session::{Listing, State};

/// Characters of a name in the first line.
const NAME: usize = 32;

/// The line.
pub fn line(shared: &Shared, answer: Option<&CurvesAnswer>) -> Line<'static> {
    let theme = &shared.theme;
    let Some(listing) = shared.opened() else {
        let words = match &shared.open {
            Some(id) => format!("{id}: not there any more"),
            None => "no session".to_owned(),
        };
        return Line::from(Span::styled(words, theme.dim));
    };
    let (sign, word) = shared.glyphs.state(listing.state);
    let mut spans = vec![
        Span::styled(text::fit(&listing.name, NAME, shared.glyphs.ellipsis), theme.title),
        Span::raw("  "),
        Span::styled(format!("{sign} {word}"), theme.state(listing.state)),
    ];
    let mut facts = progress(listing, shared);
    if let Some(problems) = answer.and_then(|it| it.sessions.first()).map(|it| it.problems.len()).filter(|it| *it > 0) {
        facts.push(format!("{problems} unreadable"));
    }
    for fact in facts {
        spans.push(Span::styled(shared.glyphs.dot, theme.dim));
        spans.push(Span::styled(fact, theme.text));
    }
    Line::from(spans)
}

fn progress(listing: &Listing, shared: &Shared) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(step) = listing.step {
        let all = listing.total_steps.map(|all| format!("/{}", number::count(all.unsigned_abs())));
        facts.push(format!("step {}{}", number::count(step.unsigned_abs()), all.unwrap_or_default()));
    }
    if let Some(epoch) = listing.epoch {
        facts.push(format!("epoch {epoch:.1}"));
    }
    if listing.state == Some(State::Running) {
        facts.extend(shared.paces.left(listing).map(|left| format!("eta {}", eta::left(left))));
    }
    facts.extend(listing.images_per_sec.map(|speed| format!("{} img/s", number::value(speed))));
    facts
}

/// A stretch of time in its two largest units: `1 h 12 m`, `4 m 10 s`, `3 d 2 h`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else if hours > 0 {
        format!("{hours} h {minutes} m")
    } else if minutes > 0 {
        format!("{minutes} m {seconds} s")
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_say_two_units() {
        let cases = [(0.2, "0 s"), (59.6, "1 m 0 s"), (4320.0, "1 h 12 m"), (266_400.0, "3 d 2 h"), (-5.0, "0 s")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
