//! How this terminal can be shown pictures, judged by what it says of itself and by the kernel.
//!
//! Nothing is asked of the terminal over its own line: an answer that comes late, over a slow link, would be taken for
//! keys, and a terminal that never answers would hold up the first screen.

use std::process::{Command, Stdio};

/// A way of showing pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// Two coloured pixels a character: works everywhere.
    #[default]
    HalfBlocks,
    /// Kitty's graphics, placed by characters that stand for parts of the picture.
    Kitty,
    /// DEC's sixels.
    Sixel,
    /// iTerm2's inline files.
    Iterm2,
}

impl Protocol {
    /// What it is called; the value of [`OVERRIDE`] that asks for it is the same in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::HalfBlocks => "half blocks",
            Self::Kitty => "kitty graphics",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iTerm2 images",
        }
    }
}

/// The environment variable that says what the terminal can do where it does not say so itself: `kitty`, `sixel`,
/// `iterm2` or `half-blocks`.
pub const OVERRIDE: &str = "ATELIER_PICTURES";

/// Everything that decides how a picture is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Graphics {
    /// The way.
    pub protocol: Protocol,
    /// Width and height of a character in pixels, where the kernel knows them.
    pub cell: Option<(u16, u16)>,
    /// Sent through tmux, which passes on only what is wrapped for it.
    pub tmux: bool,
}

impl Graphics {
    /// What the terminal of this process can do. Takes the time of one `tmux` call inside tmux, none elsewhere.
    pub fn of_terminal() -> Self {
        let environment = |name: &str| std::env::var(name).ok();
        let tmux = environment("TMUX").is_some();
        let outer = if tmux { Outer::ask() } else { None };
        Self { protocol: decide(&environment, outer.as_ref()), cell: cell(), tmux }
    }

    /// The protocol that sends pixels, if one can be used: without the size of a character in pixels a picture would
    /// cover other cells than were kept free for it.
    pub fn sharp(&self) -> Option<(Protocol, (u16, u16))> {
        match self.protocol {
            Protocol::HalfBlocks => None,
            protocol => Some((protocol, self.cell?)),
        }
    }

    /// Height of a character in its widths.
    pub fn ratio(&self) -> f64 {
        self.cell.map_or(2.0, |(width, height)| f64::from(height) / f64::from(width))
    }
}

/// Width and height of a character in pixels, as the kernel has it from the terminal.
pub fn cell() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok()?;
    let width = size.width.checked_div(size.columns)?;
    let height = size.height.checked_div(size.rows)?;
    (width > 0 && height > 0).then_some((width, height))
}

/// What the environment announces, multiplexers aside.
pub fn announced(environment: &dyn Fn(&str) -> Option<String>) -> Protocol {
    let asked = environment(OVERRIDE).and_then(|word| match word.to_ascii_lowercase().as_str() {
        "kitty" => Some(Protocol::Kitty),
        "sixel" => Some(Protocol::Sixel),
        "iterm2" => Some(Protocol::Iterm2),
        "half-blocks" => Some(Protocol::HalfBlocks),
        _ => None,
    });
    if let Some(protocol) = asked {
        return protocol;
    }
    let of_name = of_name(&environment("TERM").unwrap_or_default());
    if of_name != Protocol::HalfBlocks {
        return of_name;
    }
    let program = environment("TERM_PROGRAM").unwrap_or_default();
    // SSH passes variables that begin with LC_ on where it is set up as most systems ship it.
    let iterm = program == "iTerm.app" || environment("LC_TERMINAL").is_some_and(|it| it == "iTerm2");
    if iterm || program == "WezTerm" {
        Protocol::Iterm2
    } else if program == "ghostty" || environment("KITTY_WINDOW_ID").is_some() {
        Protocol::Kitty
    } else {
        Protocol::HalfBlocks
    }
}

/// What a terminal of this name (`TERM`) is known to do.
fn of_name(name: &str) -> Protocol {
    let among = |names: &[&str]| names.iter().any(|it| name.contains(it));
    if among(&["kitty", "ghostty"]) {
        Protocol::Kitty
    } else if among(&["wezterm"]) {
        // It speaks kitty's graphics too, but not the characters that place them.
        Protocol::Iterm2
    } else if among(&["sixel", "foot", "mlterm", "yaft", "contour"]) {
        Protocol::Sixel
    } else {
        Protocol::HalfBlocks
    }
}

/// The terminal around tmux.
struct Outer {
    /// Its `TERM`.
    name: String,
    /// Whether tmux passes on what is wrapped for it (`allow-passthrough`).
    passes: bool,
}

impl Outer {
    /// Variables like `KITTY_WINDOW_ID` are of the terminal in which the tmux server was started, not of the one that
    /// is attached now. tmux knows that one.
    fn ask() -> Option<Self> {
        let asked = Command::new("tmux")
            .args(["display-message", "-p", "#{client_termname} #{allow-passthrough}"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        Self::parse(&String::from_utf8_lossy(&asked.stdout))
    }

    fn parse(answer: &str) -> Option<Self> {
        let (name, passes) = answer.trim().rsplit_once(' ')?;
        // tmux before 3.3 has no such option and passes everything; it then expands to nothing.
        Some(Self { name: name.to_owned(), passes: passes != "0" && passes != "off" })
    }
}

fn decide(environment: &dyn Fn(&str) -> Option<String>, outer: Option<&Outer>) -> Protocol {
    if environment("TMUX").is_none() {
        // GNU screen passes no pictures on.
        return if environment("STY").is_some() { Protocol::HalfBlocks } else { announced(environment) };
    }
    let announced = match outer {
        _ if environment(OVERRIDE).is_some() => announced(environment),
        Some(outer) if outer.passes => of_name(&outer.name),
        _ => Protocol::HalfBlocks,
    };
    // Only kitty's placeholders are text to tmux, which moves and clips them with the rest. Sixels and iTerm2's files
    // land where the outer cursor happens to be, and stay when the pane is left.
    if announced == Protocol::Kitty { Protocol::Kitty } else { Protocol::HalfBlocks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn terminals_are_known_by_what_ssh_passes_on() {
        for (variables, protocol) in [
            (&[("TERM", "xterm-kitty")][..], Protocol::Kitty),
            (&[("TERM", "xterm-ghostty")], Protocol::Kitty),
            (&[("TERM", "foot")], Protocol::Sixel),
            (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Protocol::Iterm2),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "WezTerm")], Protocol::Iterm2),
            (&[("TERM", "xterm-256color")], Protocol::HalfBlocks),
            (&[("TERM", "xterm-256color"), ("ATELIER_PICTURES", "Sixel")], Protocol::Sixel),
            (&[("TERM", "xterm-kitty"), ("ATELIER_PICTURES", "half-blocks")], Protocol::HalfBlocks),
            (&[("TERM", "xterm-kitty"), ("STY", "1.pts")], Protocol::HalfBlocks),
        ] {
            assert_eq!(decide(&with(variables), None), protocol, "{variables:?}");
        }
    }

    #[test]
    fn in_tmux_the_attached_terminal_decides_and_only_if_tmux_passes_pictures_on() {
        let stale = with(&[("TMUX", "x"), ("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]);
        let decided = |answer: &str| decide(&stale, Outer::parse(answer).as_ref());
        assert_eq!(decided("xterm-256color 1\n"), Protocol::HalfBlocks);
        assert_eq!(decided("xterm-kitty 1\n"), Protocol::Kitty);
        assert_eq!(decided("xterm-kitty 0\n"), Protocol::HalfBlocks);
        assert_eq!(decided("foot 1\n"), Protocol::HalfBlocks, "a sixel has no place of its own in tmux");
        assert_eq!(decided(""), Protocol::HalfBlocks);
    }

    #[test]
    fn without_the_size_of_a_character_nothing_sharp_is_sent() {
        let unknown = Graphics { protocol: Protocol::Kitty, ..Graphics::default() };
        assert_eq!((unknown.sharp(), unknown.ratio()), (None, 2.0));
        let known = Graphics { cell: Some((8, 18)), ..unknown };
        assert_eq!((known.sharp(), known.ratio()), (Some((Protocol::Kitty, (8, 18))), 2.25));
    }
}
