//! Characters with a meaning, in Unicode or in ASCII.

use crate::session::State;

/// The characters that the screens draw with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glyphs {
    /// Only ASCII may be drawn.
    pub ascii: bool,
    /// A horizontal rule.
    pub rule: char,
    /// Between two columns.
    pub bar: char,
    /// At the selected row.
    pub cursor: &'static str,
    /// Between two hints.
    pub dot: &'static str,
    /// A row marked for comparison.
    pub mark: &'static str,
    /// Cut text.
    pub ellipsis: &'static str,
    /// No value.
    pub none: &'static str,
    /// Levels of a sparkline, lowest first.
    pub levels: &'static [char],
    /// Parts of a filled cell of a bar, the last of them whole.
    pub fill: &'static [char],
    /// An empty cell of a bar.
    pub track: char,
    /// Sorted downwards and upwards.
    pub sorted: [&'static str; 2],
}

/// For terminals with Unicode.
pub const UNICODE: Glyphs = Glyphs {
    ascii: false,
    rule: '─',
    bar: '│',
    cursor: "▌",
    dot: " · ",
    mark: "◆",
    ellipsis: "…",
    none: "–",
    levels: &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    fill: &['╸', '━'],
    track: '─',
    sorted: ["↓", "↑"],
};

/// For those without.
pub const ASCII: Glyphs = Glyphs {
    ascii: true,
    rule: '-',
    bar: '|',
    cursor: ">",
    dot: " | ",
    mark: "*",
    ellipsis: "~",
    none: "-",
    levels: &['_', '.', '-', '=', '+', '*', '%', '#'],
    fill: &['#'],
    track: '.',
    sorted: ["v", "^"],
};

impl Glyphs {
    /// A state's sign and its word, both of one width for all states.
    pub fn state(&self, state: Option<State>) -> (&'static str, &'static str) {
        let (unicode, ascii, word) = match state {
            Some(State::Starting) => ("◌", "o", "start"),
            Some(State::Running) => ("●", "@", "run"),
            Some(State::Paused) => ("‖", "=", "pause"),
            Some(State::Finished) => ("✓", "+", "done"),
            Some(State::Stopped) => ("■", "#", "stop"),
            Some(State::Failed) => ("✗", "x", "fail"),
            Some(State::Crashed) => ("✗", "x", "died"),
            None => ("?", "?", "?"),
        };
        (if self.ascii { ascii } else { unicode }, word)
    }
}
