//! What lies over a cell while one types: completions, what something is, what was run before.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::editor::Editor;
use crate::app::widgets::input::Input;
use crate::notebook::history::History;
use crate::notebook::protocol::Completion;
use crate::session::notebook::plain::plain;

/// Rows of completions in view at most.
const ROWS: usize = 9;
/// Columns of it at most.
const WIDE: usize = 64;

/// Completions at the cursor.
#[derive(Debug, Clone)]
pub struct Completions {
    items: Vec<Completion>,
    /// Those that fit what stands there by now.
    shown: Vec<usize>,
    at: usize,
    /// Where the text begins that one replaces, in bytes.
    start: usize,
}

impl Completions {
    /// Those that fit; none if there are none.
    pub fn new(items: Vec<Completion>, start: usize, editor: &Editor) -> Option<Self> {
        let mut completions = Self { items, shown: Vec::new(), at: 0, start };
        completions.narrow(editor).then_some(completions)
    }

    /// The only one there is.
    pub fn only(&self) -> bool {
        self.shown.len() == 1
    }

    /// Keep those that fit what stands at the cursor; whether any do.
    pub fn narrow(&mut self, editor: &Editor) -> bool {
        let typed = editor.text().get(self.start..editor.at()).unwrap_or("\n").to_lowercase();
        let fits = |item: &Completion| item.insert.to_lowercase().starts_with(&typed);
        self.shown = (0..self.items.len()).filter(|index| fits(&self.items[*index])).collect();
        self.at = self.at.min(self.shown.len().saturating_sub(1));
        !self.shown.is_empty() && !typed.contains(|c: char| c.is_whitespace())
    }

    /// To the next one, or the one before; round at the ends.
    pub fn step(&mut self, down: bool) {
        let count = self.shown.len().max(1);
        self.at = (self.at + if down { 1 } else { count - 1 }) % count;
    }

    /// Put the chosen one in.
    pub fn take(&self, editor: &mut Editor) {
        if let Some(index) = self.shown.get(self.at) {
            let insert = plain(&self.items[*index].insert);
            editor.replace(self.start..editor.at(), &insert);
        }
    }

    /// Draw below the cursor, or above it where there is more room; inside `area`.
    pub fn draw(&self, shared: &Shared, (x, y): (u16, u16), area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let rows = self.shown.len().min(ROWS);
        let first = (self.at + 1).saturating_sub(rows);
        let view: Vec<(usize, &Completion)> =
            self.shown.iter().enumerate().skip(first).take(rows).map(|(at, index)| (at, &self.items[*index])).collect();
        let label = |item: &Completion| plain(if item.label.is_empty() { &item.insert } else { &item.label });
        let labels = view.iter().map(|(_, item)| text::width(&label(item))).max().unwrap_or(0);
        let kinds = view.iter().map(|(_, item)| text::width(&item.kind)).max().unwrap_or(0);
        let width = (labels + kinds + 4).min(WIDE).min(usize::from(area.width)) as u16;
        let Some(place) = beside((x, y), (width, rows as u16), area) else { return };
        ground(shared, place, buffer);
        for (row, (at, item)) in (place.y..place.bottom()).zip(&view) {
            let line = Rect { y: row, height: 1, ..place };
            let style = if *at == self.at { theme.selected } else { theme.layer };
            buffer.set_style(line, style);
            let right = text::put_right(buffer, place.x, row, place.right() - 1, &item.kind, theme.dim.patch(style));
            text::put(buffer, place.x + 1, row, right.saturating_sub(1), &label(item), theme.text.patch(style));
        }
    }
}

/// What something is.
#[derive(Debug, Clone)]
pub struct Hover(Vec<(String, bool)>);

impl Hover {
    /// From markdown: fences and signs go, code is told from words.
    pub fn new(markdown: &str) -> Option<Self> {
        let mut code = false;
        let mut lines: Vec<(String, bool)> = Vec::new();
        for line in plain(markdown).lines() {
            if line.trim_start().starts_with("```") {
                code = !code;
            } else if line.trim() == "---"
                || line.trim().is_empty() && lines.last().is_none_or(|(last, _)| last.is_empty())
            {
            } else {
                let bare = if code {
                    line.to_owned()
                } else {
                    line.trim_start_matches('#').replace(['`', '*'], "").trim().to_owned()
                };
                lines.push((bare, code));
            }
        }
        while lines.last().is_some_and(|(line, _)| line.is_empty()) {
            lines.pop();
        }
        (!lines.is_empty()).then_some(Self(lines))
    }

    /// Draw beside the cursor.
    pub fn draw(&self, shared: &Shared, at: (u16, u16), area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let most = WIDE.min(usize::from(area.width.saturating_sub(2)));
        let lines: Vec<(String, bool)> = self
            .0
            .iter()
            .flat_map(|(line, code)| {
                let parts = if line.is_empty() { vec![String::new()] } else { text::wrap(line, most) };
                parts.into_iter().map(|part| (part, *code))
            })
            .take(12)
            .collect();
        let width = lines.iter().map(|(line, _)| text::width(line)).max().unwrap_or(0) as u16 + 2;
        let Some(place) = beside(at, (width, lines.len() as u16), area) else { return };
        ground(shared, place, buffer);
        for (row, (line, code)) in (place.y..place.bottom()).zip(&lines) {
            let style = if *code { theme.key } else { theme.text };
            text::put(buffer, place.x + 1, row, place.right(), line, style.patch(theme.layer));
        }
    }
}

/// A box of a size below the cursor, or above it where it does not fit below.
fn beside((x, y): (u16, u16), (width, height): (u16, u16), area: Rect) -> Option<Rect> {
    let below = area.bottom().saturating_sub(y + 1);
    let above = y.saturating_sub(area.y);
    let (y, height) = if below >= height || below >= above {
        (y + 1, height.min(below))
    } else {
        let height = height.min(above);
        (y - height, height)
    };
    let width = width.min(area.width);
    let x = x.min(area.right().saturating_sub(width)).max(area.x);
    (width > 2 && height > 0).then_some(Rect { x, y, width, height })
}

fn ground(shared: &Shared, place: Rect, buffer: &mut Buffer) {
    Clear.render(place, buffer);
    buffer.set_style(place, shared.theme.layer);
}

/// What was run before, found by typing a part of it.
#[derive(Debug, Clone)]
pub struct Finder {
    input: Input,
    found: Vec<String>,
    at: usize,
}

/// What comes of a key in the finder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It stays.
    Nothing,
    /// It goes.
    Closed,
    /// It goes, and this was chosen.
    Chosen(String),
}

impl Finder {
    /// Everything, newest first.
    pub fn new(history: &History) -> Self {
        let mut finder = Self { input: Input::new(""), found: Vec::new(), at: 0 };
        finder.search(history);
        finder
    }

    fn search(&mut self, history: &History) {
        self.found = history.search(self.input.text()).into_iter().take(500).map(str::to_owned).collect();
        self.at = 0;
    }

    /// A key.
    pub fn key(&mut self, key: KeyEvent, history: &History) -> Found {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => return Found::Closed,
            KeyCode::Char('c' | 'g') if control => return Found::Closed,
            KeyCode::Enter | KeyCode::Tab => {
                return self.found.get(self.at).map_or(Found::Closed, |found| Found::Chosen(found.clone()));
            }
            KeyCode::Char('r' | 'p') if control => self.at = (self.at + 1).min(self.found.len().saturating_sub(1)),
            KeyCode::Char('s' | 'n') if control => self.at = self.at.saturating_sub(1),
            // The newest stands at the bottom, beside what is typed.
            KeyCode::Up => self.at = (self.at + 1).min(self.found.len().saturating_sub(1)),
            KeyCode::Down => self.at = self.at.saturating_sub(1),
            _ => {
                if self.input.key(key) {
                    self.search(history);
                }
            }
        }
        Found::Nothing
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str, history: &History) {
        self.input.insert(text);
        self.search(history);
    }

    /// Draw over the lower part of `area`.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let rows = (area.height / 2).clamp(3, 14).min(area.height);
        let place = Rect { y: area.bottom() - rows, height: rows, ..area };
        ground(shared, place, buffer);
        let style = theme.rule.patch(theme.layer);
        text::rule(buffer, Rect { height: 1, ..place }, shared.glyphs.rule, style);
        let count = crate::report::number::count(self.found.len() as u64);
        let title = format!(" run before · {count} ").replace(" · ", shared.glyphs.dot);
        text::put(buffer, place.x + 2, place.y, place.right(), &title, theme.title.patch(theme.layer));
        let last = place.bottom() - 1;
        self.input.draw(
            shared,
            Rect { x: place.x + 1, y: last, height: 1, width: place.width.saturating_sub(2) },
            buffer,
        );
        let page = usize::from(rows.saturating_sub(2)).max(1);
        let first = (self.at + 1).saturating_sub(page);
        for (y, (index, entry)) in (place.y + 1..last).rev().zip(self.found.iter().enumerate().skip(first)) {
            let ground = if index == self.at { theme.selected } else { theme.layer };
            buffer.set_style(Rect { y, height: 1, ..place }, ground);
            let mut lines = entry.lines().map(str::trim).filter(|line| !line.is_empty());
            let mut line = lines.next().unwrap_or_default().to_owned();
            for more in lines {
                line.push_str(if shared.glyphs.ascii { " / " } else { " ⏎ " });
                line.push_str(more);
            }
            let line = text::fit(&line, usize::from(place.width.saturating_sub(3)), shared.glyphs.ellipsis);
            text::put(buffer, place.x + 2, y, place.right(), &line, theme.text.patch(ground));
        }
        if self.found.is_empty() && last > place.y + 1 {
            text::put(
                buffer,
                place.x + 2,
                last - 1,
                place.right(),
                "nothing like it was run",
                theme.dim.patch(theme.layer),
            );
        }
    }
}
