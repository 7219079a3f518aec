//! Every verb by name: type a part of what you want.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::action::{Move, Verb};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::{self, Binding, GLOBAL};
use crate::app::layers::{Outcome, panel};
use crate::app::screens::{self, ScreenKind};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::input::Input;

/// The verbs that fit what was typed, best first.
pub struct Palette {
    input: Input,
    all: Vec<(ScreenKind, &'static Binding)>,
    found: Vec<usize>,
    at: usize,
}

/// What it costs that a word stands inside of another.
const INSIDE: usize = 200;
/// What it costs that it is another word for what is meant.
const OTHER: usize = 400;
/// What it costs that it is made of initials.
const INITIALS: usize = 1000;
/// What people type, and what it is called here.
const OTHER_WORDS: [(&str, &str); 17] = [
    ("lr", "learning rate"),
    ("export", "report"),
    ("html", "report"),
    ("quit", "leave"),
    ("exit", "leave"),
    ("close", "leave"),
    ("theme", "colours"),
    ("dark", "colours"),
    ("light", "colours"),
    ("color", "colours"),
    ("filter", "which"),
    ("search", "which"),
    ("find", "which"),
    ("remove", "delete"),
    ("new", "start"),
    ("kill", "stop"),
    ("help", "keys"),
];
/// Cells it takes, at most.
const WIDEST: u16 = 100;
/// Rows in view at most.
const ROWS: u16 = 14;

impl Palette {
    /// Every verb there is, those of the screen in front first.
    pub fn new(front: ScreenKind) -> Self {
        let mut all: Vec<_> = ScreenKind::ALL
            .into_iter()
            .zip(screens::tables())
            .flat_map(|(kind, table)| table.iter().map(move |binding| (kind, binding)))
            .filter(|(_, binding)| !matches!(binding.verb, Verb::Move(_)))
            .collect();
        all.sort_by_key(|(kind, _)| *kind != front);
        let own = all.iter().filter(|(kind, _)| *kind == front).count();
        let global = GLOBAL.iter().map(|binding| (front, binding));
        all.splice(own..own, global);
        let found = (0..all.len()).collect();
        Self { input: Input::new(""), all, found, at: 0 }
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let step = match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.chosen(self.at),
            KeyCode::Up => Move::Up,
            KeyCode::Down => Move::Down,
            KeyCode::Char('p') if control => Move::Up,
            KeyCode::Char('n') if control => Move::Down,
            KeyCode::PageUp => Move::PageUp,
            KeyCode::PageDown => Move::PageDown,
            _ => {
                if self.input.key(key) {
                    self.search();
                }
                return Outcome::Stay;
            }
        };
        self.at = step.apply(self.at, self.found.len(), usize::from(ROWS));
        Outcome::Stay
    }

    fn chosen(&self, at: usize) -> Outcome {
        self.found.get(at).map_or(Outcome::Stay, |&index| Outcome::Do(self.all[index].1.verb))
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str) {
        self.input.insert(text);
        self.search();
    }

    /// The mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>) -> Outcome {
        match (mouse.kind, target) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) => self.chosen(*row),
            (MouseEventKind::Down(_), _) => Outcome::Close,
            (MouseEventKind::ScrollUp, _) => {
                self.at = self.at.saturating_sub(1);
                Outcome::Stay
            }
            (MouseEventKind::ScrollDown, _) => {
                self.at = (self.at + 1).min(self.found.len().saturating_sub(1));
                Outcome::Stay
            }
            _ => Outcome::Stay,
        }
    }

    fn search(&mut self) {
        let wanted = self.input.text().to_lowercase();
        let mut scored: Vec<(usize, usize)> = (0..self.all.len())
            .filter_map(|index| {
                let (kind, binding) = self.all[index];
                let text = format!("{} {}", binding.help, kind.word()).to_lowercase();
                Some((score(&text, &wanted)?, index))
            })
            .collect();
        scored.sort_unstable();
        // Initials help where nothing else is found.
        if scored.first().is_some_and(|(best, _)| *best < INITIALS) {
            scored.retain(|(score, _)| *score < INITIALS);
        }
        self.found = scored.into_iter().map(|(_, index)| index).collect();
        self.at = 0;
    }

    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let inside = panel(shared, area, area.width.min(WIDEST), ROWS + 5, "commands", buffer);
        self.input.draw(shared, Rect { height: 1, ..inside }, buffer);
        let list = Rect { y: inside.y + 2, height: inside.height.saturating_sub(2), ..inside };
        let page = usize::from(list.height).max(1);
        let first = (self.at + 1).saturating_sub(page);
        for (row, &index) in self.found.iter().skip(first).take(page).enumerate() {
            let (kind, binding) = self.all[index];
            let y = list.y + row as u16;
            let line = Rect { y, height: 1, ..list };
            let chosen = first + row == self.at;
            let ground = if chosen { theme.selected } else { theme.layer };
            buffer.set_style(line, ground);
            hits.push(line, Target::Row(first + row));
            let keys = binding.keys.first().map(|key| keymap::shown(key, shared.glyphs.ascii)).unwrap_or_default();
            let right = text::put_right(buffer, list.x, y, list.right(), &keys, theme.key.patch(ground));
            let own = !GLOBAL.iter().any(|it| it.verb == binding.verb);
            let noun = if own { kind.word() } else { "" };
            let x = text::put(buffer, list.x, y, right, &format!("{noun:<9}"), theme.dim.patch(ground));
            let room = usize::from(right.saturating_sub(x + 1));
            let words = text::fit(binding.help, room, shared.glyphs.ellipsis);
            text::put(buffer, x, y, right, &words, theme.text.patch(ground));
        }
        if self.found.is_empty() {
            text::put(buffer, list.x, list.y, list.right(), "nothing is called that", theme.dim.patch(theme.layer));
        }
    }
}

/// How well a text fits: smaller is better; none if a word of `wanted` is not in it, nor what else it is called.
fn score(text: &str, wanted: &str) -> Option<usize> {
    let place = |word: &str| {
        let at = text.find(word)?;
        let begins = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
        Some(if begins { at } else { INSIDE + at })
    };
    wanted.split_whitespace().try_fold(0, |sum, word| {
        // The shortest word may stand inside of any other by accident.
        let own = place(word).filter(|cost| word.len() > 2 || *cost < INSIDE);
        let others = OTHER_WORDS.iter().filter(|(other, _)| word.len() > 1 && other.starts_with(word));
        let best = own.into_iter().chain(others.filter_map(|(_, meant)| Some(OTHER + place(meant)?))).min();
        best.or_else(|| begins_words(text, word).then_some(INITIALS)).map(|cost| sum + cost)
    })
}

/// Whether the letters are those that words beside each other begin with: `slr` for "Set the learning rate".
fn begins_words(text: &str, letters: &str) -> bool {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !["", "the", "a", "of"].contains(word));
    let initials: String = words.filter_map(|word| word.chars().next()).collect();
    letters.len() > 1 && initials.contains(letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::action::AppVerb;

    fn typed(text: &str) -> Palette {
        let mut palette = Palette::new(ScreenKind::Sessions);
        palette.paste(text);
        palette
    }

    #[test]
    fn a_part_of_the_name_finds_the_verb() {
        assert_eq!(typed("leave dash").key(KeyEvent::from(KeyCode::Enter)), Outcome::Do(Verb::App(AppVerb::Quit)));
        assert_eq!(typed("go comparison").chosen(0), Outcome::Do(Verb::App(AppVerb::Go(ScreenKind::Compare))));
    }

    fn helps(palette: &Palette) -> Vec<&str> {
        palette.found.iter().map(|&index| palette.all[index].1.help).collect()
    }

    #[test]
    fn initials_count_where_nothing_better_is_found_and_scattered_letters_never() {
        assert!(helps(&typed("learn")).iter().all(|help| help.contains("learning")));
        assert!(helps(&typed("slr")).iter().any(|help| help.contains("learning rate")));
        assert!(helps(&typed("lrngrt")).is_empty());
    }

    #[test]
    fn other_words_find_what_is_meant() {
        for (word, meant) in OTHER_WORDS {
            let palette = typed(word);
            let found = helps(&palette);
            assert!(found.iter().any(|help| help.to_lowercase().contains(meant)), "{word}: {found:?}");
        }
        assert!(helps(&typed("export"))[0].contains("report") && helps(&typed("quit"))[0].contains("Leave"));
    }

    #[test]
    fn nonsense_finds_nothing_and_does_nothing() {
        assert_eq!(typed("zzzzqqq").key(KeyEvent::from(KeyCode::Enter)), Outcome::Stay);
    }
}
