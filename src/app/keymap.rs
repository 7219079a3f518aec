//! Which key means which verb. One table a part of the screen: it finds the verb, shows the hints of the bottom line,
//! fills the help and the palette, and cannot disagree with itself.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::action::{AppVerb, Move, Verb};
use crate::app::screens::ScreenKind;

/// One verb and the keys that mean it.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// Keys as [`name`] writes them; the first is the one that is shown.
    pub keys: &'static [&'static str],
    /// The verb.
    pub verb: Verb,
    /// Two or three words for the bottom line; empty where it stays out of it.
    pub hint: &'static str,
    /// A line for the help and the palette.
    pub help: &'static str,
}

impl Binding {
    /// A row of a table.
    pub const fn new(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Self {
        Self { keys, verb, hint, help }
    }
}

/// Keys that work on every screen.
pub const GLOBAL: &[Binding] = &[
    Binding::new(&["?", "f1"], Verb::App(AppVerb::Help), "help", "What the keys do here"),
    Binding::new(&[":", "ctrl-p"], Verb::App(AppVerb::Palette), "commands", "Find a command by its name"),
    Binding::new(&["1"], Verb::App(AppVerb::Go(ScreenKind::Sessions)), "", "Go to the sessions"),
    Binding::new(&["2"], Verb::App(AppVerb::Go(ScreenKind::Run)), "", "Go to the charts of the run"),
    Binding::new(&["3"], Verb::App(AppVerb::Go(ScreenKind::Compare)), "", "Go to the comparison"),
    Binding::new(&["4"], Verb::App(AppVerb::Go(ScreenKind::Samples)), "", "Go to the samples"),
    Binding::new(&["5"], Verb::App(AppVerb::Go(ScreenKind::System)), "", "Go to the machine"),
    Binding::new(&["6"], Verb::App(AppVerb::Go(ScreenKind::Dataset)), "", "Go to the pairs"),
    Binding::new(&["7"], Verb::App(AppVerb::Go(ScreenKind::Notebook)), "", "Go to the notebook"),
    Binding::new(&["tab"], Verb::App(AppVerb::NextScreen), "", "Next screen"),
    Binding::new(&["shift-tab"], Verb::App(AppVerb::PreviousScreen), "", "Screen before"),
    Binding::new(&["esc"], Verb::App(AppVerb::Back), "", "One step back"),
    Binding::new(&["e"], Verb::App(AppVerb::Report), "", "Write a report of what is looked at: HTML, PNG, SVG"),
    Binding::new(&["ctrl-t"], Verb::App(AppVerb::NextTheme), "", "Next colours: dark, light, colour-blind, none"),
    Binding::new(&["ctrl-l"], Verb::App(AppVerb::Redraw), "", "Draw everything anew"),
    Binding::new(&["ctrl-z"], Verb::App(AppVerb::Suspend), "", "To the background of the shell"),
    Binding::new(&["q", "ctrl-c"], Verb::App(AppVerb::Quit), "", "Leave the dashboard; sessions go on"),
];

/// Keys that move in any list.
pub const MOVES: &[Binding] = &[
    Binding::new(&["up", "k"], Verb::Move(Move::Up), "", "Up"),
    Binding::new(&["down", "j"], Verb::Move(Move::Down), "", "Down"),
    Binding::new(&["left", "h"], Verb::Move(Move::Left), "", "Left"),
    Binding::new(&["right", "l"], Verb::Move(Move::Right), "", "Right"),
    Binding::new(&["pageup", "ctrl-b"], Verb::Move(Move::PageUp), "", "A page up"),
    Binding::new(&["pagedown", "ctrl-f"], Verb::Move(Move::PageDown), "", "A page down"),
    Binding::new(&["home", "g"], Verb::Move(Move::Home), "", "To the first"),
    Binding::new(&["end", "G"], Verb::Move(Move::End), "", "To the last"),
];

/// The verb of a key, by the first table that has it.
pub fn find(tables: &[&'static [Binding]], key: KeyEvent) -> Option<Verb> {
    let name = name(key)?;
    tables.iter().flat_map(|table| table.iter()).find(|binding| binding.keys.contains(&name.as_str())).map(|it| it.verb)
}

/// A key as tables write it: `j`, `G`, `ctrl-p`, `shift-tab`, `space`; none for keys that no table can mean.
pub fn name(key: KeyEvent) -> Option<String> {
    let base = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => c.to_lowercase().to_string(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::F(n) => format!("f{n}"),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        // Some terminals say it this way, others as tab with shift.
        KeyCode::BackTab => return Some("shift-tab".to_owned()),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        KeyCode::Insert => "insert".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        _ => return None,
    };
    let mut name = String::new();
    for (modifier, word) in [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-")] {
        if key.modifiers.contains(modifier) {
            name.push_str(word);
        }
    }
    // A character with shift is another character already.
    if key.modifiers.contains(KeyModifiers::SHIFT) && !matches!(key.code, KeyCode::Char(_)) {
        name.push_str("shift-");
    }
    name.push_str(&base);
    Some(name)
}

/// A key as the screen shows it.
pub fn shown(name: &str, ascii: bool) -> String {
    let sign = match name {
        _ if ascii => name,
        "enter" => "⏎",
        "up" => "↑",
        "down" => "↓",
        "left" => "←",
        "right" => "→",
        other => other,
    };
    sign.replace("ctrl-", "^")
}

/// The key of a hint: of two that belong together both.
pub fn hinted(binding: &Binding, ascii: bool) -> String {
    match (binding.verb, ascii) {
        (Verb::Move(Move::Left), false) => "←→".to_owned(),
        (Verb::Move(Move::Up), false) => "↑↓".to_owned(),
        (Verb::Move(Move::Left), true) => "left/right".to_owned(),
        (Verb::Move(Move::Up), true) => "up/down".to_owned(),
        _ => binding.keys.first().map(|key| shown(key, ascii)).unwrap_or_default(),
    }
}

/// The key that a layer's hint shows; none for more than one.
pub fn code(shown: &str) -> Option<KeyCode> {
    let mut characters = shown.chars();
    match (shown, characters.next(), characters.next()) {
        ("⏎", ..) => Some(KeyCode::Enter),
        ("esc", ..) => Some(KeyCode::Esc),
        (_, Some(c), None) => Some(KeyCode::Char(c)),
        _ => None,
    }
}

/// The same for the keys of a layer, which are written as they are shown.
pub fn plain(keys: &str, ascii: bool) -> String {
    if !ascii {
        return keys.to_owned();
    }
    match keys {
        "⏎" => "enter",
        "↑↓" => "up/down",
        "←→" => "left/right",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn keys_have_one_name_whatever_the_terminal_calls_them() {
        assert_eq!(name(key(KeyCode::BackTab, KeyModifiers::SHIFT)), name(key(KeyCode::Tab, KeyModifiers::SHIFT)));
        assert_eq!(name(key(KeyCode::Char('P'), KeyModifiers::CONTROL)).as_deref(), Some("ctrl-p"));
        assert_eq!(name(key(KeyCode::Char('G'), KeyModifiers::SHIFT)).as_deref(), Some("G"));
        assert_eq!(name(key(KeyCode::Char(' '), KeyModifiers::NONE)).as_deref(), Some("space"));
        assert_eq!(name(key(KeyCode::CapsLock, KeyModifiers::NONE)), None);
    }

    #[test]
    fn the_first_table_that_has_a_key_decides() {
        const OWN: &[Binding] = &[Binding::new(&["?"], Verb::Move(Move::Up), "", "")];
        let question = key(KeyCode::Char('?'), KeyModifiers::NONE);
        assert_eq!(find(&[OWN, GLOBAL], question), Some(Verb::Move(Move::Up)));
        assert_eq!(find(&[GLOBAL], question), Some(Verb::App(AppVerb::Help)));
        assert_eq!(find(&[OWN], key(KeyCode::Char('x'), KeyModifiers::NONE)), None);
    }

    #[test]
    fn no_table_means_two_things_by_one_key() {
        for table in crate::app::screens::tables().into_iter().chain([GLOBAL, MOVES]) {
            let mut seen = std::collections::HashMap::new();
            for binding in table {
                for key in binding.keys {
                    let before = seen.insert(key, binding.verb);
                    assert!(before.is_none(), "{key} is {before:?} and {:?}", binding.verb);
                }
            }
        }
    }
}
