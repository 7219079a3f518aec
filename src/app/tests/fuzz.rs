//! Whatever is pressed, clicked or pasted, the dashboard goes on, and every picture is whole on a terminal's screen.

use std::collections::BTreeSet;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::fixture::Fixture;
use super::glass::Glass;
use super::{Driver, Event};

/// A small generator: the same stream for the same seed.
pub(super) struct Random(pub u64);

impl Random {
    pub fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn key(random: &mut Random) -> Input {
    let code = match random.next(24) {
        0 => KeyCode::Enter,
        1 | 2 => KeyCode::Esc,
        3 => KeyCode::Tab,
        4 => KeyCode::Up,
        5 => KeyCode::Down,
        6 => KeyCode::Left,
        7 => KeyCode::Right,
        8 => KeyCode::PageDown,
        9 => KeyCode::PageUp,
        10 => KeyCode::Home,
        11 => KeyCode::End,
        12 => KeyCode::Backspace,
        13 => KeyCode::F(random.next(13) as u8),
        14 => KeyCode::Char(['写', 'é', '\u{301}', '\u{200b}', '😀'][random.next(5) as usize]),
        _ => KeyCode::Char((b' ' + random.next(95) as u8) as char),
    };
    let modifiers = match random.next(12) {
        0 => KeyModifiers::CONTROL,
        1 => KeyModifiers::ALT,
        2 => KeyModifiers::SHIFT,
        _ => KeyModifiers::NONE,
    };
    // Leaving is the one thing that must not happen here.
    let leaves = matches!(code, KeyCode::Char('q')) || code == KeyCode::Char('c') && modifiers == KeyModifiers::CONTROL;
    Input::Key(KeyEvent::new(if leaves { KeyCode::Char('?') } else { code }, modifiers))
}

fn mouse(random: &mut Random) -> Input {
    let kind = match random.next(8) {
        0 => MouseEventKind::Down(MouseButton::Left),
        1 => MouseEventKind::Up(MouseButton::Left),
        2 => MouseEventKind::Drag(MouseButton::Left),
        3 => MouseEventKind::Drag(MouseButton::Right),
        4 => MouseEventKind::ScrollUp,
        5 => MouseEventKind::ScrollDown,
        6 => MouseEventKind::Down(MouseButton::Right),
        _ => MouseEventKind::Moved,
    };
    let (column, row) = (random.next(320) as u16, random.next(110) as u16);
    Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
}

fn any(random: &mut Random) -> Event {
    match random.next(40) {
        0 => Event::Input(Input::Paste("loss<0.1 写真 \x1b[2J\n".repeat(1 + random.next(20) as usize))),
        1 => Event::Input(Input::Resize(random.next(200) as u16, random.next(70) as u16)),
        2 => Event::Tick,
        3..12 => Event::Input(mouse(random)),
        _ => Event::Input(key(random)),
    }
}

#[test]
fn a_hundred_thousand_keys_and_clicks_break_nothing() {
    let root = tempfile::tempdir().unwrap();
    Fixture::default().make(root.path());
    Fixture { id: "260304-110000-写真からイラスト", steps: 60, ..Fixture::default() }.make(root.path());
    let mut driver = Driver::new(root.path(), 120, 36);
    driver.inert = true;
    let mut random = Random(0x5eed);
    let mut glass = Glass::new();
    let mut seen = BTreeSet::new();
    for step in 0..100_000 {
        let event = any(&mut random);
        let resized = match event {
            Event::Input(Input::Resize(width, height)) => Some((width, height)),
            _ => None,
        };
        driver.event(event);
        if let Some((width, height)) = resized {
            driver.size = (width, height);
        }
        seen.insert((driver.app.screen() as usize, driver.app.layers.len().min(1)));
        // Pictures are what the mouse is judged by; one in so many is as good as all.
        if step % 16 == 0 || resized.is_some() {
            glass.show(&mut driver);
        }
        // Leaving by the palette or a key is what was asked for; the stream goes on as if it had been refused.
        driver.app.quitting = false;
    }
    assert_eq!(seen.len(), 14, "every screen was there, with a layer and without: {seen:?}");
    driver.resize(120, 36);
    driver.keys(&["esc"; 12]);
    driver.key("1");
    assert!(driver.shows("hayao"), "{}", driver.text());
}
