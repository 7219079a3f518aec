//! A line to type.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::layers::{Outcome, Purpose, panel, panel_below};
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::app::widgets::input::Input;

/// What is wrong with a text, in words, if something is.
pub type Check = fn(&str) -> Result<(), String>;

/// A line to type, with what it is for and what is wrong with it so far.
pub struct Prompt {
    title: String,
    help: String,
    input: Input,
    purpose: Purpose,
    check: Check,
    /// Told of every change, so that a filter shows at once what it leaves.
    live: bool,
    problem: Option<String>,
    before: String,
}

impl Prompt {
    /// A prompt that starts with `text`.
    pub fn new(title: impl Into<String>, text: &str, purpose: Purpose) -> Self {
        Self {
            title: title.into(),
            help: String::new(),
            input: Input::new(text),
            purpose,
            check: |_| Ok(()),
            live: false,
            problem: None,
            before: text.to_owned(),
        }
    }

    /// The same with a line that says what may be typed.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// The same, taking only what `check` finds well.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.check = check;
        self
    }

    /// The same, told of every change.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> Outcome {
        match key.code {
            KeyCode::Esc => {
                if self.live {
                    self.input = Input::new(&self.before.clone());
                    self.tell(cx);
                }
                Outcome::Close
            }
            KeyCode::Enter => match (self.check)(self.input.text()) {
                Ok(()) => Outcome::Typed(self.purpose.clone(), self.input.text().to_owned()),
                Err(problem) => {
                    self.problem = Some(problem);
                    Outcome::Stay
                }
            },
            _ => {
                if self.input.key(key) {
                    self.changed(cx);
                }
                Outcome::Stay
            }
        }
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str, cx: &mut Cx<'_>) {
        self.input.insert(text);
        self.changed(cx);
    }

    fn changed(&mut self, cx: &mut Cx<'_>) {
        self.problem = (self.check)(self.input.text()).err();
        if self.problem.is_none() {
            self.tell(cx);
        }
    }

    fn tell(&self, cx: &mut Cx<'_>) {
        if self.live {
            cx.typing.push((self.purpose.clone(), self.input.text().to_owned()));
        }
    }

    /// Draw in the middle; at the bottom if what it changes is seen while one types.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let note = self.problem.as_deref().unwrap_or(&self.help);
        let width = if self.live { area.width } else { area.width.min(72) };
        let lines = text::wrap(note, usize::from(width.saturating_sub(6)));
        let height = 5 + lines.len() as u16;
        let inside = if self.live {
            panel_below(shared, area, area.width, height, &self.title, buffer)
        } else {
            panel(shared, area, width, height, &self.title, buffer)
        };
        let row = Rect { y: inside.y + 1, height: 1, ..inside };
        self.input.draw(shared, row, buffer);
        let style = if self.problem.is_some() { theme.bad } else { theme.dim };
        for (index, line) in lines.iter().enumerate() {
            let y = inside.y + 2 + index as u16;
            if y < inside.bottom() {
                text::put(buffer, inside.x, y, inside.right(), line, style.patch(theme.layer));
            }
        }
    }
}
