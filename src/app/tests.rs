//! The dashboard driven without a terminal: events in, pictures out.

use std::path::Path;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::data::Holder;
use super::effect::{Bell, Lane};
use super::event::Event;
use super::*;
use crate::notebook::kernel_client::Wish;
use crate::session;
use crate::session::control::Request;

mod compare;
mod dataset;
pub mod fixture;
mod fuzz;
mod glass;
mod notebook;
mod report;
mod robust;
mod run;
mod samples;
mod sessions;

/// What the fixtures' sessions are looked at from: an hour after the newest began.
pub const NOW: &str = "2026-03-04T13:00:00Z";

/// The program with hands that do everything at once and in order.
pub struct Driver {
    pub app: App,
    pub commands: Vec<(String, Request)>,
    pub bells: Vec<Bell>,
    /// What was wanted of the kernel.
    pub kernel: Vec<Wish>,
    /// Nothing that changes the world is done: no file is edited, no process is started.
    pub inert: bool,
    holder: Holder,
    root: std::path::PathBuf,
    size: (u16, u16),
}

impl Driver {
    /// The dashboard over `root` in a terminal of this size, everything read.
    pub fn new(root: &Path, width: u16, height: u16) -> Self {
        Self::with(&Options::new(root), width, height)
    }

    /// The same with other options.
    pub fn with(options: &Options, width: u16, height: u16) -> Self {
        let (mut app, effects) = App::new(options, Clock::fixed(NOW.parse().unwrap()));
        app.shared.zone = jiff::tz::TimeZone::UTC;
        let root = options.root.clone();
        let mut driver = Self {
            app,
            commands: Vec::new(),
            bells: Vec::new(),
            kernel: Vec::new(),
            inert: false,
            holder: Holder::default(),
            root,
            size: (width, height),
        };
        driver.carry_out(effects);
        driver.resize(width, height);
        driver
    }

    /// An event, and all that comes of it.
    pub fn event(&mut self, event: Event) {
        let effects = self.app.handle(event);
        self.carry_out(effects);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::List => {
                    let event = match session::list(&self.root) {
                        Ok(listings) => Event::Listings(listings),
                        Err(error) => Event::Unlisted(error.to_string()),
                    };
                    self.event(event);
                }
                Effect::Curves(request) => {
                    self.holder.take_in(&request);
                    let answer = self.holder.answer(&request);
                    self.event(Event::Curves(Box::new(answer)));
                }
                Effect::Work(Lane::Each, _) if self.inert => {}
                Effect::Work(_, work) => {
                    let reply = work();
                    self.event(Event::Reply(reply));
                }
                Effect::Command { folder, request } => self.commands.push((folder.id(), request)),
                Effect::Kernel(wish) => self.kernel.push(wish),
                Effect::Ring(bell) => self.bells.push(bell),
                Effect::Follow(_) | Effect::Redraw | Effect::Suspend => {}
            }
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.size = (width, height);
        self.event(Event::Input(Input::Resize(width, height)));
    }

    /// A key, as the tables write it.
    pub fn key(&mut self, name: &str) {
        let (mut modifiers, mut rest) = (KeyModifiers::NONE, name);
        for (word, modifier) in
            [("ctrl-", KeyModifiers::CONTROL), ("alt-", KeyModifiers::ALT), ("shift-", KeyModifiers::SHIFT)]
        {
            if let Some(tail) = rest.strip_prefix(word).filter(|tail| !tail.is_empty()) {
                modifiers |= modifier;
                rest = tail;
            }
        }
        let mut characters = rest.chars();
        let code = match (rest, characters.next(), characters.next()) {
            (_, Some(c), None) => KeyCode::Char(c),
            ("space", ..) => KeyCode::Char(' '),
            ("enter", ..) => KeyCode::Enter,
            ("esc", ..) => KeyCode::Esc,
            ("tab", ..) => KeyCode::Tab,
            ("up", ..) => KeyCode::Up,
            ("down", ..) => KeyCode::Down,
            ("left", ..) => KeyCode::Left,
            ("right", ..) => KeyCode::Right,
            ("home", ..) => KeyCode::Home,
            ("end", ..) => KeyCode::End,
            ("pageup", ..) => KeyCode::PageUp,
            ("pagedown", ..) => KeyCode::PageDown,
            ("backspace", ..) => KeyCode::Backspace,
            ("delete", ..) => KeyCode::Delete,
            _ => panic!("no key is called {name}"),
        };
        self.event(Event::Input(Input::Key(KeyEvent::new(code, modifiers))));
    }

    /// Keys one after another.
    pub fn keys(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.key(name));
    }

    /// Characters one after another.
    pub fn typed(&mut self, text: &str) {
        for c in text.chars() {
            self.event(Event::Input(Input::Key(KeyEvent::from(KeyCode::Char(c)))));
        }
    }

    /// A click.
    pub fn click(&mut self, column: u16, row: u16) {
        // Where things lie is known from the last picture.
        self.picture();
        for kind in [MouseEventKind::Down(MouseButton::Left), MouseEventKind::Up(MouseButton::Left)] {
            self.event(Event::Input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })));
        }
    }

    /// The screen.
    pub fn picture(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.app.draw(&mut buffer);
        buffer
    }

    /// The screen's characters, line by line.
    pub fn text(&mut self) -> String {
        text_of(&self.picture())
    }

    /// Whether a text is on the screen.
    pub fn shows(&mut self, text: &str) -> bool {
        self.text().contains(text)
    }
}

/// A buffer's characters, line by line, without trailing spaces.
pub fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += (super::text::width(symbol) as u16).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// [`NOW`] as a time.
pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}
