//! What the terminal can show.

use std::io::{self, IsTerminal as _};

use super::Check;
use crate::app::graphics::{self, Protocol};

/// The size of the terminal as (columns, rows); none when standard output is no terminal.
pub(super) fn size() -> Option<(u16, u16)> {
    let output = io::stdout();
    let size = output.is_terminal().then(|| rustix::termios::tcgetwinsize(&output).ok()).flatten()?;
    // A serial line or a bare pseudo-terminal has no size; 80x24 is then assumed everywhere.
    Some(if size.ws_col == 0 || size.ws_row == 0 { (80, 24) } else { (size.ws_col, size.ws_row) })
}

pub(super) fn checks(environment: &dyn Fn(&str) -> Option<String>, size: Option<(u16, u16)>) -> Vec<Check> {
    vec![terminal(environment, size), colours(environment), encoding(environment), images(environment)]
}

fn terminal(environment: &dyn Fn(&str) -> Option<String>, size: Option<(u16, u16)>) -> Check {
    let name = environment("TERM").unwrap_or_else(|| "unset".to_owned());
    let multiplexer = if environment("TMUX").is_some() {
        " in tmux"
    } else if environment("STY").is_some() {
        " in screen"
    } else {
        ""
    };
    let link = if environment("SSH_CONNECTION").is_some() { " over SSH" } else { "" };
    match size {
        None => Check::ok("terminal", "standard output is no terminal: progress comes as plain lines"),
        Some(_) if name == "dumb" || name == "unset" => {
            let finding = format!("TERM is {name}: no cursor movement, no colours");
            Check::warning("terminal", finding, "export TERM=xterm-256color, or what your terminal is called")
        }
        Some((columns, rows)) if columns < 80 || rows < 24 => {
            let finding = format!("{name}{multiplexer}{link}, {columns}x{rows}");
            Check::warning("terminal", finding, "80x24 or more shows tables whole")
        }
        Some((columns, rows)) => Check::ok("terminal", format!("{name}{multiplexer}{link}, {columns}x{rows}")),
    }
}

fn colours(environment: &dyn Fn(&str) -> Option<String>) -> Check {
    let name = environment("TERM").unwrap_or_default();
    if environment("NO_COLOR").is_some() {
        Check::ok("colours", "none, as NO_COLOR asks")
    } else if environment("COLORTERM").is_some_and(|it| it == "truecolor" || it == "24bit") || name.ends_with("direct")
    {
        Check::ok("colours", "24 bit")
    } else if name.contains("256color") {
        let remedy = "export COLORTERM=truecolor where the terminal has it; SSH does not pass it on by itself";
        Check::warning("colours", "256, as far as TERM tells", remedy)
    } else {
        Check::warning("colours", "few, as far as TERM tells", "export TERM=xterm-256color COLORTERM=truecolor")
    }
}

fn encoding(environment: &dyn Fn(&str) -> Option<String>) -> Check {
    // POSIX: the first that is set decides.
    let (name, locale) = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| Some((name, environment(name)?)))
        .unwrap_or(("LANG", "unset".to_owned()));
    let folded = locale.to_lowercase().replace('-', "");
    if folded.contains("utf8") {
        Check::ok("encoding", format!("{name}={locale}"))
    } else {
        let finding = format!("{name} is {locale}: lines and blocks may show as question marks");
        Check::warning("encoding", finding, "export LANG=C.UTF-8")
    }
}

/// How pictures can be shown, judged by what terminals say of themselves; nothing is asked of the terminal.
fn images(environment: &dyn Fn(&str) -> Option<String>) -> Check {
    let protocol = graphics::announced(environment);
    if protocol == Protocol::HalfBlocks {
        return Check::ok("images", "half blocks (no graphics protocol is announced)");
    }
    let word = protocol.word();
    if environment("TMUX").is_some() {
        let remedy =
            "tmux passes kitty graphics on after `set -g allow-passthrough on`; otherwise half blocks are used";
        return Check::warning("images", format!("{word}, behind tmux"), remedy);
    }
    Check::ok("images", word)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn run(variables: &[(&str, &str)], size: Option<(u16, u16)>) -> Vec<Check> {
        let environment =
            |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        checks(&environment, size)
    }

    #[test]
    fn a_good_terminal_has_nothing_to_mend() {
        let variables =
            [("TERM", "xterm-kitty"), ("COLORTERM", "truecolor"), ("LANG", "en_GB.UTF-8"), ("KITTY_WINDOW_ID", "1")];
        let checks = run(&variables, Some((120, 40)));
        assert!(checks.iter().all(|check| check.status == Status::Ok), "{checks:?}");
        assert_eq!(checks[3].finding, "kitty graphics");
    }

    #[test]
    fn a_poor_terminal_is_told_what_to_set() {
        let checks = run(&[("TERM", "dumb"), ("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], Some((80, 24)));
        let poor = checks.iter().filter(|check| check.status == Status::Warning).count();
        assert_eq!(poor, 3, "terminal, colours and encoding: {checks:?}");
        assert!(checks[2].finding.contains("LC_ALL"), "the first that is set decides: {checks:?}");
    }

    #[test]
    fn tmux_is_between_a_picture_and_its_terminal() {
        let checks = run(&[("TERM", "tmux-256color"), ("TMUX", "x"), ("TERM_PROGRAM", "iTerm.app")], Some((80, 23)));
        assert!(checks[0].finding.contains("in tmux, 80x23"));
        assert_eq!((checks[0].status, checks[3].status), (Status::Warning, Status::Warning));
    }
}
