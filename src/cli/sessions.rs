//! What the commands about sessions share: where they look, how they name, how they write numbers and times.

use std::io::IsTerminal;
use std::path::PathBuf;

use jiff::Timestamp;

use super::Usage;
use crate::session::{self, Folder, SessionError, State};

/// Where sessions live.
#[derive(Debug, clap::Args)]
pub struct Root {
    /// Where sessions live.
    #[arg(long = "root", value_name = "DIR", default_value = session::DEFAULT_ROOT)]
    pub dir: PathBuf,
}

impl Root {
    /// The session that `query` means; a name that fits none or several is wrong usage.
    pub fn find(&self, query: &str) -> anyhow::Result<Folder> {
        session::find(&self.dir, query).map_err(usage)
    }
}

/// An error about what the person asked for becomes exit code 2.
fn usage(error: SessionError) -> anyhow::Error {
    if error.is_usage() { Usage(error.to_string()).into() } else { error.into() }
}

/// Whether to write colours: to a terminal, unless `NO_COLOR` is set or the terminal is dumb.
pub fn colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns of the terminal; none when the output goes elsewhere and nothing should be left out.
pub fn columns() -> Option<usize> {
    let out = std::io::stdout();
    let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok())??;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// How much a piece of text should stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Dim,
    Strong,
    Good,
    Caution,
    Bad,
}

/// `text` in a tone, when colours are wanted.
pub fn paint(text: &str, tone: Tone, colours: bool) -> String {
    let code = match tone {
        Tone::Plain => return text.to_owned(),
        _ if !colours || text.is_empty() => return text.to_owned(),
        Tone::Dim => "2",
        Tone::Strong => "1",
        Tone::Good => "32",
        Tone::Caution => "33",
        Tone::Bad => "31",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// A state as a sign, a word and a tone.
pub fn sign(state: Option<State>) -> (&'static str, &'static str, Tone) {
    match state {
        None => ("?", "unknown", Tone::Caution),
        Some(State::Starting) => ("◌", "starting", Tone::Dim),
        Some(State::Running) => ("●", "running", Tone::Good),
        Some(State::Paused) => ("◐", "paused", Tone::Caution),
        Some(State::Finished) => ("✓", "finished", Tone::Plain),
        Some(State::Stopped) => ("■", "stopped", Tone::Plain),
        Some(State::Failed) => ("✗", "failed", Tone::Bad),
        Some(State::Crashed) => ("✗", "crashed", Tone::Bad),
    }
}

/// `13 600`: thousands apart.
pub fn whole(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// Four significant digits; very large and very small numbers in powers of ten.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "nan".to_owned() } else { format!("{value}") };
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let before_point = size.log10().floor() as i32 + 1;
    let decimals = (4 - before_point).clamp(0, 7) as usize;
    if decimals == 0 && size >= 10_000.0 { whole(value.round() as i64) } else { format!("{value:.decimals$}") }
}

/// [`number`], but whole numbers as what they count: `14`, not `14.00`.
pub fn count_or_number(value: f64) -> String {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let counts = value.fract() == 0.0 && value.abs() < EXACT;
    if counts { whole(value as i64) } else { number(value) }
}

/// `3.5`, and `3` where nothing would follow the point.
pub fn epochs(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.1}") }
}

/// `38 m`: the largest unit that fits.
pub fn age(secs: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(60.0, "s"), (60.0, "m"), (24.0, "h"), (f64::INFINITY, "d")];
    let mut left = secs.max(0.0);
    for (size, unit) in UNITS {
        if left < size {
            return format!("{} {unit}", left.floor());
        }
        left /= size;
    }
    String::new()
}

/// Bytes in the largest binary unit that fits.
pub fn bytes(count: u64) -> String {
    let mut size = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{size:.2} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.2} TiB")
}

/// A time as the person's clock shows it.
pub fn local(time: Timestamp) -> String {
    time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The time of day as the person's clock shows it.
pub fn clock(time: Timestamp) -> String {
    time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}

/// The first line of `text`, cut to `width` characters.
pub fn brief(text: &str, width: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    // Whatever a log or a name carries, it must not steer the terminal.
    let line: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    if line.chars().count() <= width {
        return line;
    }
    let mut cut: String = line.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_digits() {
        let shown: Vec<String> =
            [2.013_4, 0.081_234, 68.41, 1_234.5, 54_400.0, 2e-4, 3.2e-7, 0.0, -0.5, f64::NAN, f64::NEG_INFINITY, 150e9]
                .map(number)
                .to_vec();
        let meant = [
            "2.013",
            "0.08123",
            "68.41",
            "1234",
            "54 400",
            "0.0002000",
            "3.200e-7",
            "0",
            "-0.5000",
            "nan",
            "-inf",
            "1.500e11",
        ];
        assert_eq!(shown, meant);
        assert_eq!([14.0, 2.528e10, 0.5, f64::NAN].map(count_or_number), ["14", "25 280 000 000", "0.5000", "nan"]);
    }

    #[test]
    fn counts_ages_and_sizes_read_easily() {
        assert_eq!([0, 999, 13_600, -1_234_567].map(whole), ["0", "999", "13 600", "-1 234 567"]);
        assert_eq!([3.0, 59.9, 60.0, 7_199.0, 90_000.0, 1e8].map(age), ["3 s", "59 s", "1 m", "1 h", "1 d", "1157 d"]);
        assert_eq!([0, 1_023, 1_024, 1 << 31].map(bytes), ["0 B", "1023 B", "1.00 KiB", "2.00 GiB"]);
    }

    #[test]
    fn nothing_a_session_says_steers_the_terminal() {
        assert_eq!(brief("a\u{1b}[2Jb\nsecond", 10), "a [2Jb");
        assert_eq!(brief("abcdef", 4), "abc…");
    }

    #[test]
    fn tones_are_silent_without_colours() {
        assert_eq!(paint("x", Tone::Bad, false), "x");
        assert_eq!(paint("x", Tone::Bad, true), "\x1b[31mx\x1b[0m");
    }
}
