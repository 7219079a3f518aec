//! What stands left of a cell: its number, how it stands, how long it took.

use jiff::Timestamp;
use ratatui::style::Style;

use crate::app::shared::Shared;
use crate::notebook::document::{Entry, Kind, Standing};

/// Columns left of the text on a screen so wide, for so many cells.
pub fn width(screen: u16, cells: usize) -> u16 {
    let digits = cells.max(1).to_string().len() as u16;
    // The bar, the number in brackets, a sign, a word, a rule.
    if is_wide(screen) { 1 + digits + 2 + 1 + 1 + 1 + WORD + 1 + 2 } else { 1 + digits + 1 + 1 + 1 + 2 }
}

/// Columns of a standing in words.
pub const WORD: u16 = 7;

/// Whether there is room for words.
pub fn is_wide(screen: u16) -> bool {
    screen >= 64
}

/// A cell's sign, its word, and how they look.
pub fn sign(entry: &Entry, shared: &Shared) -> (&'static str, String, Style) {
    let theme = &shared.theme;
    let ascii = shared.glyphs.ascii;
    let pick = |unicode: &'static str, plain: &'static str| if ascii { plain } else { unicode };
    if entry.kind() == Kind::Text {
        return (" ", String::new(), theme.dim);
    }
    match entry.standing() {
        Standing::New => (pick("·", "."), String::new(), theme.dim),
        Standing::Queued => (pick("▹", ")"), "waits".to_owned(), theme.dim),
        Standing::Compiling(since) => (pick("▹", ")"), elapsed(since, shared.now), theme.accent),
        Standing::Running(since) => (pick("▸", ">"), elapsed(since, shared.now), theme.accent),
        Standing::Done(ms) => (pick("✓", "+"), took(ms), theme.good),
        Standing::Failed(ms) => (pick("✗", "x"), took(ms), theme.bad),
        Standing::Earlier => (pick("◌", "o"), "earlier".to_owned(), theme.dim),
        Standing::Stale(_) => (pick("◌", "o"), "stale".to_owned(), theme.warn),
    }
}

/// `284 ms`, `2.41 s`, `3m05s`, `2h14m`.
pub fn took(ms: u64) -> String {
    let seconds = ms as f64 / 1000.0;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..9995 => format!("{seconds:.2} s"),
        9995..99_950 => format!("{seconds:.1} s"),
        99_950..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms / 1000 % 60),
        _ => format!("{}h{:02}m", (ms / 3_600_000).min(999), ms / 60_000 % 60),
    }
}

/// How long something goes on, in tenths of seconds at first.
pub fn elapsed(since: Timestamp, now: Timestamp) -> String {
    let ms = u64::try_from(now.duration_since(since).as_millis()).unwrap_or(0);
    if ms < 99_950 { format!("{:.1} s", ms as f64 / 1000.0) } else { took(ms) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_into_their_column() {
        for (ms, words) in [
            (0, "0 ms"),
            (284, "284 ms"),
            (999, "999 ms"),
            (2410, "2.41 s"),
            (9994, "9.99 s"),
            (9996, "10.0 s"),
            (185_000, "3m05s"),
            (8_040_000, "2h14m"),
            (u64::MAX, "999h15m"),
        ] {
            let found = took(ms);
            assert!(found.len() <= usize::from(WORD), "{found}");
            if ms < u64::MAX {
                assert_eq!(found, words);
            }
        }
        let now = Timestamp::from_second(100).unwrap();
        assert_eq!(elapsed(Timestamp::from_second(97).unwrap(), now), "3.0 s");
        assert_eq!(elapsed(now, Timestamp::from_second(3).unwrap()), "0.0 s", "a clock that was set back");
    }
}
