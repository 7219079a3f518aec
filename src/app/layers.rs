//! What lies over a screen and takes the keys first.

use std::path::PathBuf;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget as _};

use crate::app::action::Verb;
use crate::app::hits::{Hits, Target};
use crate::app::screens::{ScreenKind, compare, dataset, notebook, run, sessions};
use crate::app::shared::{Cx, Shared};
use crate::app::text;

mod choose;
mod confirm;
mod help;
mod launch;
mod palette;
mod prompt;
mod report;

pub use choose::Choose;
pub use confirm::Confirm;
pub use help::Help;
pub use launch::{Kind, Launch, Sources, open_launch, read_sources};
pub use palette::Palette;
pub use prompt::Prompt;
pub use report::Report;

/// A layer.
pub enum Layer {
    /// A line to type.
    Prompt(Prompt),
    /// A question to answer by yes.
    Confirm(Confirm),
    /// One of a few things to choose.
    Choose(Choose),
    /// Every verb by name.
    Palette(Palette),
    /// What the keys do.
    Help(Help),
    /// A session to start.
    Launch(Box<Launch>),
    /// A text to read.
    Report(Report),
}

/// What comes of a key in a layer.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The layer stays, beneath any that it opened.
    Stay,
    /// The layer goes.
    Close,
    /// The layer goes, and this is done.
    Do(Verb),
    /// The layer goes, and this was typed in it or agreed to.
    Typed(Purpose, String),
}

/// What a prompt or a question is for: whose it is, and about what.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// The list of sessions asked.
    Sessions(sessions::Purpose),
    /// The run asked.
    Run(run::Purpose),
    /// The comparison asked.
    Compare(compare::Purpose),
    /// The pairs asked.
    Dataset(dataset::Purpose),
    /// The notebook asked.
    Notebook(notebook::Purpose),
}

impl Purpose {
    /// Who asked.
    pub fn screen(&self) -> ScreenKind {
        match self {
            Self::Sessions(_) => ScreenKind::Sessions,
            Self::Run(_) => ScreenKind::Run,
            Self::Compare(_) => ScreenKind::Compare,
            Self::Dataset(_) => ScreenKind::Dataset,
            Self::Notebook(_) => ScreenKind::Notebook,
        }
    }
}

impl Layer {
    /// A key.
    pub fn key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> Outcome {
        match self {
            Self::Prompt(prompt) => prompt.key(key, cx),
            Self::Confirm(confirm) => confirm.key(key),
            Self::Choose(choose) => choose.key(key),
            Self::Palette(palette) => palette.key(key),
            Self::Help(help) => help.key(key),
            Self::Launch(launch) => launch.key(key, cx),
            Self::Report(report) => report.key(key),
        }
    }

    /// Pasted text.
    pub fn paste(&mut self, text: &str, cx: &mut Cx<'_>) {
        match self {
            Self::Prompt(prompt) => prompt.paste(text, cx),
            Self::Palette(palette) => palette.paste(text),
            Self::Launch(launch) => launch.paste(text),
            Self::Confirm(_) | Self::Choose(_) | Self::Help(_) | Self::Report(_) => {}
        }
    }

    /// The mouse.
    pub fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> Outcome {
        let _ = cx;
        match self {
            Self::Choose(choose) => choose.mouse(mouse, target),
            Self::Palette(palette) => palette.mouse(mouse, target),
            Self::Help(help) => help.mouse(mouse),
            Self::Launch(launch) => launch.mouse(mouse, target),
            Self::Report(report) => report.mouse(mouse),
            Self::Prompt(_) | Self::Confirm(_) => Outcome::Stay,
        }
    }

    /// Config files have changed on the disk.
    pub fn configs_changed(&mut self, paths: &[PathBuf], cx: &mut Cx<'_>) {
        if let (Self::Launch(launch), false) = (self, paths.is_empty()) {
            read_sources(launch.kind().clone(), cx);
        }
    }

    /// Draw over the screen in `area`.
    pub fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        match self {
            Self::Prompt(prompt) => prompt.draw(shared, area, buffer),
            Self::Confirm(confirm) => confirm.draw(shared, area, buffer, hits),
            Self::Choose(choose) => choose.draw(shared, area, buffer, hits),
            Self::Palette(palette) => palette.draw(shared, area, buffer, hits),
            Self::Help(help) => help.draw(shared, area, buffer),
            Self::Launch(launch) => launch.draw(shared, area, buffer, hits),
            Self::Report(report) => report.draw(shared, area, buffer),
        }
    }

    /// The hints of the bottom line while it is in front: key and word.
    pub fn hints(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Prompt(_) => &[("⏎", "take"), ("esc", "leave as it was")],
            Self::Confirm(_) => &[("y", "yes"), ("esc", "no")],
            Self::Choose(_) => &[("⏎", "take"), ("↑↓", "choose"), ("esc", "close")],
            Self::Palette(_) => &[("⏎", "do it"), ("↑↓", "choose"), ("esc", "close")],
            Self::Help(_) | Self::Report(_) => &[("↑↓", "scroll"), ("esc", "close")],
            Self::Launch(launch) => launch.hints(),
        }
    }
}

/// Columns of the screen beside a panel that are worth showing.
const STRIP: u16 = 12;

/// A panel in the middle of `area`, cleared, with a title in its first rule; gives what is inside.
pub fn panel(shared: &Shared, area: Rect, width: u16, height: u16, title: &str, buffer: &mut Buffer) -> Rect {
    let height = height.min(area.height);
    panel_at(shared, area, width, area.y + (area.height - height) / 3, height, title, buffer)
}

/// The same above the last line: what changes while one types stays in sight.
pub fn panel_below(shared: &Shared, area: Rect, width: u16, height: u16, title: &str, buffer: &mut Buffer) -> Rect {
    let height = height.min(area.height.saturating_sub(1));
    let bottom = area.bottom().saturating_sub(1);
    panel_at(shared, area, width, bottom.saturating_sub(height), height, title, buffer)
}

fn panel_at(shared: &Shared, area: Rect, width: u16, y: u16, height: u16, title: &str, buffer: &mut Buffer) -> Rect {
    // A strip of the screen too narrow to be read would only disturb.
    let width = if width + STRIP >= area.width { area.width } else { width };
    let place = Rect { x: area.x + (area.width - width) / 2, y, width, height };
    Clear.render(place, buffer);
    buffer.set_style(place, shared.theme.layer);
    for y in [place.top(), place.bottom().saturating_sub(1)] {
        text::rule(buffer, Rect { y, height: 1, ..place }, shared.glyphs.rule, shared.theme.rule.patch(layer(shared)));
    }
    let title = format!(" {} ", text::fit(title, usize::from(width.saturating_sub(6)), shared.glyphs.ellipsis));
    text::put(buffer, place.x + 2, place.y, place.right(), &title, shared.theme.title.patch(layer(shared)));
    Rect {
        x: place.x + 2,
        y: place.y + 1,
        width: place.width.saturating_sub(4),
        height: place.height.saturating_sub(2),
    }
}

/// The ground of layers, to lay under any style.
fn layer(shared: &Shared) -> ratatui::style::Style {
    shared.theme.layer
}
