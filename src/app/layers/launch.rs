//! The form that starts a session: a config, or a checkpoint to branch from; the keys to override; where to train.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Rect;

use crate::app::action::Move;
use crate::app::effect::Lane;
use crate::app::hits::Target;
use crate::app::layers::{Layer, Outcome};
use crate::app::screens::sessions::start::{Start, start};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::app::widgets::input::Input;
use crate::config::Key;

mod fields;
mod sources;
mod view;

pub use sources::{Kind, Sources};

use fields::Checked;

/// Rows that a page key moves by.
const PAGE: usize = 10;
/// The learning rate: a branch goes on with its checkpoint's, unless it is told otherwise.
const RATE: &str = "optimizer.lr";
/// The preset that a first start begins with.
const FIRST: &str = "quickstart.toml";

/// The form.
pub struct Launch {
    sources: Sources,
    /// Whether the sources were read once: before, an empty list says nothing.
    read: bool,
    /// The config, by its place.
    config: usize,
    /// The checkpoint, by its place.
    checkpoint: usize,
    devices: Vec<String>,
    /// What was changed: key and value, in the order of changing.
    overrides: Vec<(String, String)>,
    checked: Option<Checked>,
    rows: Vec<&'static Key>,
    /// The row in focus: 0 is what to start from, then the keys.
    at: usize,
    search: String,
    mode: Mode,
    /// What is wrong with what is typed.
    problem: Option<String>,
    /// A process was started and has not answered yet.
    waiting: bool,
}

/// What the keys go to.
enum Mode {
    /// Rows.
    Choose,
    /// The value of the row in focus.
    Edit(Input),
    /// The search.
    Search(Input),
}

/// Put a form in front.
pub fn open_launch(kind: Kind, cx: &mut Cx<'_>) {
    sources::read_sources(kind.clone(), true, cx);
    cx.open(Layer::Launch(Box::new(Launch::new(kind))));
}

/// Have what a form offers read again.
pub fn read_sources(kind: Kind, cx: &mut Cx<'_>) {
    sources::read_sources(kind, false, cx);
}

impl Launch {
    fn new(kind: Kind) -> Self {
        let sources = Sources { kind, configs: Vec::new(), checkpoints: Vec::new(), devices: None, problem: None };
        Self {
            sources,
            read: false,
            config: 0,
            checkpoint: 0,
            devices: vec!["auto".to_owned(), "cpu".to_owned()],
            overrides: Vec::new(),
            checked: None,
            rows: fields::shown("", &[]),
            at: 0,
            search: String::new(),
            mode: Mode::Choose,
            problem: None,
            waiting: false,
        }
    }

    /// What it starts.
    pub fn kind(&self) -> &Kind {
        &self.sources.kind
    }

    /// Whether a process was started and has not answered.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The process has answered.
    pub fn stop_waiting(&mut self) {
        self.waiting = false;
    }

    /// What there is to choose from was read, or has changed on the disk.
    pub fn take(&mut self, sources: &Sources) {
        if sources.kind != self.sources.kind {
            return;
        }
        if let Some(devices) = &sources.devices {
            self.devices.clone_from(devices);
        }
        let same = self.sources.configs == sources.configs && self.sources.checkpoints == sources.checkpoints;
        if self.read && same && self.sources.problem == sources.problem {
            return;
        }
        // What was chosen stays chosen, wherever it is in the list now.
        let path = self.sources.configs.get(self.config).map(|source| source.path.clone());
        let step = self.sources.checkpoints.get(self.checkpoint).map(|checkpoint| checkpoint.step);
        self.sources = sources.clone();
        let configs = &self.sources.configs;
        let chosen = path.and_then(|path| configs.iter().position(|source| source.path == path));
        let first = || configs.iter().position(|source| source.path.ends_with(FIRST));
        self.config = chosen.or_else(first).unwrap_or(0);
        let checkpoints = &self.sources.checkpoints;
        let again = step.and_then(|step| checkpoints.iter().position(|checkpoint| checkpoint.step == step));
        self.checkpoint = again.unwrap_or(checkpoints.len().saturating_sub(1));
        self.read = true;
        self.check();
    }

    /// Check the config with what was changed.
    fn check(&mut self) {
        self.checked = self.checked_with(&self.overrides);
    }

    /// The config with `overrides`, and with what a branch takes from its checkpoint.
    fn checked_with(&self, overrides: &[(String, String)]) -> Option<Checked> {
        let source = self.sources.configs.get(self.config)?;
        let mut checked = fields::check(source.text.as_deref().ok()?, &source.path.display().to_string(), overrides);
        let changed = overrides.iter().any(|(path, _)| path == RATE);
        let rate = self.sources.checkpoints.get(self.checkpoint).and_then(|checkpoint| checkpoint.lr);
        if let Some(rate) = rate.filter(|_| !changed) {
            let value = checked.values.entry(RATE.to_owned()).or_default();
            if value.parse() != Ok(rate) {
                *value = format!("{rate:?}");
            }
        }
        Some(checked)
    }

    fn arrange(&mut self) {
        self.rows = fields::shown(&self.search, &self.overrides);
        self.at = self.at.min(self.rows.len());
    }

    /// The key in focus.
    fn key_in_focus(&self) -> Option<&'static Key> {
        self.rows.get(self.at.checked_sub(1)?).copied()
    }

    fn value(&self, path: &str) -> &str {
        let values = self.checked.as_ref().map(|checked| &checked.values);
        values.and_then(|values| values.get(path)).map_or("", String::as_str)
    }

    /// The key.
    pub fn key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> Outcome {
        match &mut self.mode {
            Mode::Choose => self.choosing(key, cx),
            Mode::Edit(input) => {
                match key.code {
                    KeyCode::Esc => self.leave_edit(),
                    KeyCode::Enter | KeyCode::Tab => self.accept(),
                    _ => {
                        if input.key(key) {
                            self.problem = self.try_value().err();
                        }
                    }
                }
                Outcome::Stay
            }
            Mode::Search(input) => {
                match key.code {
                    KeyCode::Esc => {
                        self.search.clear();
                        self.mode = Mode::Choose;
                        self.arrange();
                    }
                    KeyCode::Enter | KeyCode::Down | KeyCode::Tab => {
                        self.mode = Mode::Choose;
                        self.at = usize::from(!self.rows.is_empty());
                    }
                    _ => {
                        if input.key(key) {
                            self.search = input.text().to_owned();
                            self.arrange();
                        }
                    }
                }
                Outcome::Stay
            }
        }
    }

    fn choosing(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> Outcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let step = match key.code {
            KeyCode::Esc if !self.search.is_empty() => {
                let found = self.key_in_focus();
                self.search.clear();
                self.arrange();
                // What was found stays in focus where it is in the short list too.
                if let Some(key) = found {
                    self.keep_in_focus(key);
                }
                return Outcome::Stay;
            }
            KeyCode::Esc | KeyCode::Char('q') => return Outcome::Close,
            KeyCode::Char('s') => {
                self.start(cx);
                return Outcome::Stay;
            }
            KeyCode::Char('/') => {
                // Another search, not more of the last one.
                self.search.clear();
                self.arrange();
                self.mode = Mode::Search(Input::new(""));
                return Outcome::Stay;
            }
            KeyCode::Enter => {
                self.begin_edit();
                return Outcome::Stay;
            }
            KeyCode::Left | KeyCode::Char('h') => {
                self.turn(-1);
                return Outcome::Stay;
            }
            KeyCode::Right | KeyCode::Char('l' | ' ') => {
                self.turn(1);
                return Outcome::Stay;
            }
            KeyCode::Backspace | KeyCode::Delete | KeyCode::Char('u') => {
                self.forget();
                return Outcome::Stay;
            }
            KeyCode::Up | KeyCode::Char('k') | KeyCode::BackTab => Move::Up,
            KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab => Move::Down,
            KeyCode::Char('p') if control => Move::Up,
            KeyCode::Char('n') if control => Move::Down,
            KeyCode::PageUp => Move::PageUp,
            KeyCode::PageDown => Move::PageDown,
            KeyCode::Home | KeyCode::Char('g') => Move::Home,
            KeyCode::End | KeyCode::Char('G') => Move::End,
            _ => return Outcome::Stay,
        };
        self.at = step.apply(self.at, self.rows.len() + 1, PAGE);
        Outcome::Stay
    }

    /// The next or the former of what the row in focus can be.
    fn turn(&mut self, by: isize) {
        let round = |at: usize, len: usize| (at + len).saturating_add_signed(by) % len.max(1);
        let Some(key) = self.key_in_focus() else {
            match self.sources.kind {
                Kind::New => self.config = round(self.config, self.sources.configs.len()),
                Kind::Branch(_) => self.checkpoint = round(self.checkpoint, self.sources.checkpoints.len()),
            }
            self.check();
            return;
        };
        let choices = fields::choices(key, &self.devices);
        if choices.is_empty() {
            return;
        }
        let now = choices.iter().position(|choice| choice == self.value(&key.path));
        let next = now.map_or(0, |at| round(at, choices.len()));
        self.set(key, &choices[next]);
    }

    fn begin_edit(&mut self) {
        match self.key_in_focus() {
            Some(key) if fields::choices(key, &self.devices).is_empty() || key.path == "device" => {
                self.mode = Mode::Edit(Input::new(self.value(&key.path)));
                self.problem = None;
            }
            _ => self.turn(1),
        }
    }

    fn leave_edit(&mut self) {
        self.mode = Mode::Choose;
        self.problem = None;
    }

    /// The overrides with `value` for `path`.
    fn with(&self, path: &str, value: &str) -> Vec<(String, String)> {
        let mut overrides = self.overrides.clone();
        match overrides.iter_mut().find(|(own, _)| own == path) {
            Some((_, old)) => value.clone_into(old),
            None => overrides.push((path.to_owned(), value.to_owned())),
        }
        overrides
    }

    /// What is wrong with the value that is typed.
    fn try_value(&self) -> Result<(), String> {
        let (Mode::Edit(input), Some(key)) = (&self.mode, self.key_in_focus()) else { return Ok(()) };
        let Some(source) = self.sources.configs.get(self.config) else { return Ok(()) };
        let text = source.text.as_deref().unwrap_or_default();
        let checked = fields::check(text, &source.path.display().to_string(), &self.with(&key.path, input.text()));
        let mistake = checked.outcome.err().and_then(|errors| fields::mistake(&errors, &key.path));
        mistake.map_or(Ok(()), Err)
    }

    /// Take the value that is typed, if nothing is wrong with it.
    fn accept(&mut self) {
        self.problem = self.try_value().err();
        if self.problem.is_some() {
            return;
        }
        if let (Mode::Edit(input), Some(key)) = (&self.mode, self.key_in_focus()) {
            let value = input.text().trim().to_owned();
            self.leave_edit();
            self.set(key, &value);
        }
    }

    /// Override a key; with the value that it has anyway, no longer.
    fn set(&mut self, key: &'static Key, value: &str) {
        let without: Vec<(String, String)> =
            self.overrides.iter().filter(|(path, _)| *path != key.path).cloned().collect();
        let own = self.checked_with(&without).and_then(|checked| checked.values.get(&key.path).cloned());
        self.overrides = if own.as_deref() == Some(value) { without } else { self.with(&key.path, value) };
        self.check();
        self.keep_in_focus(key);
    }

    /// Leave the key in focus as the config has it.
    fn forget(&mut self) {
        let Some(key) = self.key_in_focus() else { return };
        self.overrides.retain(|(path, _)| *path != key.path);
        self.check();
        self.keep_in_focus(key);
    }

    fn keep_in_focus(&mut self, key: &'static Key) {
        self.arrange();
        if let Some(row) = self.rows.iter().position(|row| row.path == key.path) {
            self.at = row + 1;
        }
    }

    /// What to do where a branch would begin at its end.
    fn nothing_left(&self) -> Option<String> {
        let checkpoint = self.sources.checkpoints.get(self.checkpoint)?;
        let epochs = self.checked.as_ref()?.outcome.as_ref().ok()?.experiment.train.epochs;
        let done = checkpoint.epoch >= epochs as f64;
        done.then(|| {
            format!("all {epochs} epochs are done there: raise train.epochs, or begin at an earlier checkpoint")
        })
    }

    /// Start, if everything is in order.
    fn start(&mut self, cx: &mut Cx<'_>) {
        let Some(source) = self.sources.configs.get(self.config) else {
            cx.say("there is no config to start from", Tone::Warn);
            return;
        };
        match &self.checked {
            _ if self.waiting => {
                cx.say("it is being started", Tone::Warn);
                return;
            }
            Some(Checked { outcome: Ok(_), .. }) => {}
            Some(Checked { outcome: Err(errors), .. }) => {
                let count = errors.errors.len();
                let words = if count == 1 { "a mistake".to_owned() } else { format!("{count} mistakes") };
                cx.say(format!("not started: the config has {words}"), Tone::Bad);
                return;
            }
            None => {
                cx.say(format!("not started: {} cannot be read", source.path.display()), Tone::Bad);
                return;
            }
        }
        let set = self.overrides.iter().map(|(path, value)| format!("{path}={value}")).collect();
        let what = match &self.sources.kind {
            Kind::New => Start::New { config: source.path.clone(), set },
            Kind::Branch(id) => {
                let Some(checkpoint) = self.sources.checkpoints.get(self.checkpoint) else {
                    cx.say(format!("{id} has no checkpoint to branch from"), Tone::Warn);
                    return;
                };
                if let Some(words) = self.nothing_left() {
                    cx.say(format!("not started: {words}"), Tone::Warn);
                    return;
                }
                Start::Branch { id: id.clone(), step: checkpoint.step, set }
            }
        };
        self.waiting = true;
        let root = cx.shared.root.clone();
        cx.work(Lane::Each, move || start(&root, &what));
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str) {
        match &mut self.mode {
            Mode::Choose => {}
            Mode::Edit(input) => {
                input.insert(text);
                self.problem = self.try_value().err();
            }
            Mode::Search(input) => {
                input.insert(text);
                self.search = input.text().to_owned();
                self.arrange();
            }
        }
    }

    /// The mouse: a click chooses a row, another one changes it.
    pub fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>) -> Outcome {
        match (mouse.kind, target) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) => {
                if !matches!(self.mode, Mode::Choose) {
                    self.leave_edit();
                }
                if *row == self.at {
                    self.begin_edit();
                } else {
                    self.at = (*row).min(self.rows.len());
                }
            }
            (MouseEventKind::ScrollUp, _) if matches!(self.mode, Mode::Choose) => self.at = self.at.saturating_sub(1),
            (MouseEventKind::ScrollDown, _) if matches!(self.mode, Mode::Choose) => {
                self.at = (self.at + 1).min(self.rows.len());
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// The hints of the bottom line.
    pub fn hints(&self) -> &'static [(&'static str, &'static str)] {
        match self.mode {
            _ if self.waiting => &[("esc", "leave it to itself")],
            Mode::Choose => &[
                ("s", "start"),
                ("⏎", "edit"),
                ("←→", "choose"),
                ("/", "any key"),
                ("u", "as it was"),
                ("esc", "close"),
            ],
            Mode::Edit(_) => &[("⏎", "take"), ("esc", "leave as it was")],
            Mode::Search(_) => &[("⏎", "to the keys"), ("esc", "end the search")],
        }
    }
}

#[cfg(test)]
mod tests;
