//! Drawing the form.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Kind, Launch, Mode, fields};
use crate::app::hits::{Hits, Target};
use crate::app::layers::panel;
use crate::app::shared::Shared;
use crate::app::text;
use crate::config::{self, Key};
use crate::report::number;

/// Cells of the column of keys, at most.
const KEYS: u16 = 34;
/// Cells of the column of values, at most.
const VALUES: u16 = 26;
/// Cells of what a key can be, at least.
const HINT: usize = 24;

impl Launch {
    /// Draw in the middle.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let title = match &self.sources.kind {
            Kind::New => "start a session".to_owned(),
            Kind::Branch(id) => format!("branch from {id}"),
        };
        let told = self.told(shared);
        let width = area.width.min(124);
        let wrapped: Vec<(String, Style)> = told
            .into_iter()
            .flat_map(|(line, style)| {
                pieces(&line, usize::from(width.saturating_sub(6))).into_iter().map(move |it| (it, style))
            })
            .collect();
        // What is wrong may take half of the form; an explanation two or three lines.
        let most = usize::from(area.height / 2).saturating_sub(2).max(1);
        let beneath = wrapped.len().min(most).max(3) as u16;
        let wanted = self.rows.len() as u16 + 6 + beneath;
        let inside = panel(shared, area, width, wanted.min(area.height.saturating_sub(2)), &title, buffer);
        let line = |y: u16| Rect { y, height: 1, ..inside };
        self.source(shared, line(inside.y), buffer, hits);
        if let Mode::Search(input) = &self.mode {
            input.draw(shared, line(inside.y + 1), buffer);
        } else if !self.search.is_empty() {
            let words = format!("/ {}   {} of {} keys", self.search, self.rows.len(), config::leaves().len());
            text::put(buffer, inside.x, inside.y + 1, inside.right(), &words, theme.dim.patch(theme.layer));
        }
        let top = inside.y + 2;
        let bottom = inside.bottom().saturating_sub(beneath + 1).max(top);
        self.keys(shared, Rect { y: top, height: bottom - top, ..inside }, buffer, hits);
        for (row, (part, style)) in wrapped.iter().take(usize::from(beneath)).enumerate() {
            let y = bottom + 1 + row as u16;
            if y < inside.bottom() {
                text::put(buffer, inside.x, y, inside.right(), part, style.patch(theme.layer));
            }
        }
    }

    /// The first row: what to start from.
    fn source(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let focused = self.at == 0 && matches!(self.mode, Mode::Choose);
        let ground = if focused { theme.selected } else { theme.layer };
        buffer.set_style(area, ground);
        hits.push(area, Target::Row(0));
        let (label, words, count) = match &self.sources.kind {
            Kind::New => {
                let path = self.sources.configs.get(self.config).map(|source| source.path.display().to_string());
                ("config", path, (self.config, self.sources.configs.len()))
            }
            Kind::Branch(_) => {
                let checkpoint = self.sources.checkpoints.get(self.checkpoint).map(|checkpoint| {
                    let mut words = format!("step {}", number::count(checkpoint.step.unsigned_abs()));
                    words.push_str(&format!("{}epoch {:.1}", shared.glyphs.dot, checkpoint.epoch));
                    for (name, value) in checkpoint.metrics.iter().filter(|(name, _)| !name.contains("identity")) {
                        let name = name.trim_start_matches("val/");
                        words.push_str(&format!("{}{name} {}", shared.glyphs.dot, number::value(*value)));
                    }
                    words
                });
                ("begin at", checkpoint, (self.checkpoint, self.sources.checkpoints.len()))
            }
        };
        let x = text::put(buffer, area.x, area.y, area.right(), &format!("{label:<9} "), theme.dim.patch(ground));
        let (at, all) = count;
        let place = if all > 1 { format!("{} of {all}", at + 1) } else { String::new() };
        let right = text::put_right(buffer, x, area.y, area.right(), &place, theme.dim.patch(ground));
        let none = || {
            let words = match (&self.sources.kind, self.read) {
                (_, false) => "reading",
                (Kind::New, true) => "none here: *.toml in configs/ and in this directory",
                (Kind::Branch(_), true) => "no checkpoint yet: c writes one while it runs",
            };
            words.to_owned()
        };
        let style = if words.is_some() { theme.title } else { theme.warn };
        let words = words.unwrap_or_else(none);
        let room = usize::from(right.saturating_sub(x + 5));
        let words = text::fit(&words, room, shared.glyphs.ellipsis);
        if all > 1 {
            let x = text::put(buffer, x, area.y, right, "< ", theme.key.patch(ground));
            let x = text::put(buffer, x, area.y, right, &words, style.patch(ground));
            text::put(buffer, x, area.y, right, " >", theme.key.patch(ground));
        } else {
            text::put(buffer, x, area.y, right, &words, style.patch(ground));
        }
    }

    fn keys(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let page = usize::from(area.height).max(1);
        let focus = self.at.saturating_sub(1);
        let first = (focus + 1).saturating_sub(page);
        for (row, key) in self.rows.iter().enumerate().skip(first).take(usize::from(area.height)) {
            let place = Rect { y: area.y + (row - first) as u16, height: 1, ..area };
            hits.push(place, Target::Row(row + 1));
            self.field(shared, key, self.at == row + 1, place, buffer);
        }
        if self.rows.is_empty() {
            text::put(buffer, area.x, area.y, area.right(), "no key is called that", theme.dim.patch(theme.layer));
        }
        let below = self.rows.len().saturating_sub(first + usize::from(area.height));
        if below > 0 {
            let more = format!("{below} more below");
            text::put_right(buffer, area.x, area.bottom(), area.right(), &more, theme.dim.patch(theme.layer));
        }
    }

    fn field(&self, shared: &Shared, key: &Key, focused: bool, area: Rect, buffer: &mut Buffer) {
        let theme = &shared.theme;
        let ground = if focused { theme.selected } else { theme.layer };
        buffer.set_style(area, ground);
        let changed = self.overrides.iter().any(|(path, _)| *path == key.path);
        let keys = (area.width * 2 / 5).min(KEYS);
        let mark = if changed { shared.glyphs.mark } else { " " };
        let x = text::put(buffer, area.x, area.y, area.right(), mark, theme.accent.patch(ground));
        let label = text::fit(&key.path, usize::from(keys.saturating_sub(2)), shared.glyphs.ellipsis);
        text::put(buffer, x + 1, area.y, area.right(), &label, theme.text.patch(ground));
        let left = area.x + keys + 1;
        if let (true, Mode::Edit(input)) = (focused, &self.mode) {
            return input.draw(shared, Rect { x: left, width: area.right().saturating_sub(left), ..area }, buffer);
        }
        let value = self.value(&key.path);
        let (words, style) = match value {
            "" => (shared.glyphs.none, theme.dim),
            value => (value, if changed { theme.accent } else { theme.text }),
        };
        let room = usize::from(VALUES.min(area.right().saturating_sub(left)));
        let shown = text::fit(words, room, shared.glyphs.ellipsis);
        let x = text::put(buffer, left, area.y, area.right(), &shown, style.patch(ground));
        let hint = (left + VALUES + 2).max(x + 2);
        // A few letters of it say nothing; the one in focus is explained beneath.
        let room = usize::from(area.right().saturating_sub(hint));
        if room >= HINT {
            let words = fields::expectation(key, shared.glyphs.dot);
            let words = words.strip_prefix("a ").unwrap_or(&words);
            let words = text::fit(words, room, shared.glyphs.ellipsis);
            text::put(buffer, hint, area.y, area.right(), &words, theme.dim.patch(ground));
        }
    }

    /// What stands beneath the keys: what is wrong, else what the key in focus means.
    fn told(&self, shared: &Shared) -> Vec<(String, Style)> {
        let theme = &shared.theme;
        let explained = |key: &Key| {
            vec![(key.doc.replace('`', ""), theme.text), (fields::expectation(key, shared.glyphs.dot), theme.dim)]
        };
        if self.waiting {
            let words = "starting: the process reads its data and builds its networks; esc leaves it to itself";
            return vec![(words.to_owned(), theme.accent)];
        }
        if let (Mode::Edit(_), Some(key)) = (&self.mode, self.key_in_focus()) {
            let mut lines = explained(key);
            if let Some(problem) = &self.problem {
                lines.insert(0, (problem.clone(), theme.bad));
            }
            return lines;
        }
        if let Some(problem) = &self.sources.problem {
            return vec![(problem.clone(), theme.bad)];
        }
        let source = self.sources.configs.get(self.config);
        if let Some(Err(problem)) = source.map(|source| &source.text) {
            return vec![(problem.clone(), theme.bad)];
        }
        match self.checked.as_ref().map(|checked| &checked.outcome) {
            Some(Err(errors)) => errors.to_string().lines().map(|line| (line.to_owned(), theme.bad)).collect(),
            Some(Ok(_)) if self.nothing_left().is_some() => {
                self.nothing_left().map(|words| (words, theme.warn)).into_iter().collect()
            }
            Some(Ok(loaded)) => match self.key_in_focus() {
                Some(key) => explained(key),
                None if loaded.remarks.is_empty() => {
                    vec![(
                        "s starts it in the background; it goes on when this terminal is closed".to_owned(),
                        theme.dim,
                    )]
                }
                None => loaded.remarks.iter().map(|remark| (remark.clone(), theme.warn)).collect(),
            },
            None => Vec::new(),
        }
    }
}

/// A line broken to the width; one that fits stays as it is, with the spaces by which carets point.
fn pieces(line: &str, cells: usize) -> Vec<String> {
    if text::width(line) <= cells { vec![line.to_owned()] } else { text::wrap(line, cells) }
}
