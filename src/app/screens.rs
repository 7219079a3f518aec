//! The screens: a noun each, with its state, its verbs and its drawing.

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::action::{Move, Verb};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::layers::Purpose;
use crate::app::memory::Memory;
use crate::app::shared::{Cx, Shared};

pub mod compare;
pub mod dataset;
pub mod notebook;
pub mod run;
pub mod samples;
pub mod sessions;
pub mod system;

/// Which screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScreenKind {
    /// All sessions.
    Sessions,
    /// One session's curves, events and log.
    Run,
    /// Marked sessions side by side.
    Compare,
    /// A session's pictures.
    Samples,
    /// The machine, and a session's record of it.
    System,
    /// A session's pairs.
    Dataset,
    /// Questions and cells.
    Notebook,
}

impl ScreenKind {
    /// In the order of the keys 1 to 7.
    pub const ALL: [Self; 7] =
        [Self::Sessions, Self::Run, Self::Compare, Self::Samples, Self::System, Self::Dataset, Self::Notebook];

    /// The noun.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Run => "run",
            Self::Compare => "compare",
            Self::Samples => "samples",
            Self::System => "system",
            Self::Dataset => "dataset",
            Self::Notebook => "notebook",
        }
    }

    /// Whether it shows the session that is open.
    pub fn needs_session(self) -> bool {
        matches!(self, Self::Run | Self::Samples | Self::Dataset)
    }

    /// The one to the right.
    #[must_use]
    pub fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    /// The one to the left.
    #[must_use]
    pub fn previous(self) -> Self {
        Self::ALL[(self as usize + Self::ALL.len() - 1) % Self::ALL.len()]
    }
}

/// What all screens can do.
pub trait Screen {
    /// The keys of the part that has the focus, beside those that work everywhere.
    fn bindings(&self) -> &'static [Binding];

    /// What stands in the first line, right of the program's name.
    fn title(&self, shared: &Shared) -> Line<'static>;

    /// Draw into `area`, and say what lies where.
    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits);

    /// Do one of the screen's own verbs.
    fn act(&mut self, verb: Verb, cx: &mut Cx<'_>);

    /// Move in what has the focus.
    fn go(&mut self, step: Move, cx: &mut Cx<'_>);

    /// The screen comes to the front.
    fn entered(&mut self, cx: &mut Cx<'_>);

    /// The list of sessions, or the size of the terminal, has changed while this screen is in front.
    fn news(&mut self, cx: &mut Cx<'_>);

    /// A second has passed while this screen is in front.
    fn tick(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    /// A key before any table is asked what it means; whether it meant something here: text being typed takes all.
    fn key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> bool {
        let _ = (key, cx);
        false
    }

    /// Pasted text.
    fn paste(&mut self, text: &str, cx: &mut Cx<'_>) {
        let _ = (text, cx);
    }

    /// What was typed into a prompt of this screen's.
    fn typed(&mut self, purpose: &Purpose, text: &str, cx: &mut Cx<'_>) {
        let _ = (purpose, text, cx);
    }

    /// The mouse; whether it meant something here.
    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let _ = (mouse, target, cx);
        false
    }

    /// One step back inside the screen; whether there was one to go.
    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let _ = cx;
        false
    }

    /// The sessions that it shows, by id: what a report written here is of.
    fn subjects(&self, shared: &Shared) -> Vec<String> {
        shared.open.iter().cloned().collect()
    }

    /// Keep what is worth remembering.
    fn remember(&self, memory: &mut Memory) {
        let _ = memory;
    }
}

/// All of them.
pub struct Screens {
    pub sessions: sessions::Sessions,
    pub run: run::Run,
    pub compare: compare::Compare,
    pub samples: samples::Samples,
    pub system: system::System,
    pub dataset: dataset::Dataset,
    pub notebook: notebook::Notebook,
}

impl Screens {
    /// As they were left.
    pub fn new(memory: &Memory) -> Self {
        Self {
            sessions: sessions::Sessions::new(memory),
            run: run::Run::new(memory),
            compare: compare::Compare::new(memory),
            samples: samples::Samples::new(memory),
            system: system::System::new(memory),
            dataset: dataset::Dataset::new(memory),
            notebook: notebook::Notebook::new(memory),
        }
    }

    /// One of them.
    pub fn get(&self, kind: ScreenKind) -> &dyn Screen {
        match kind {
            ScreenKind::Sessions => &self.sessions,
            ScreenKind::Run => &self.run,
            ScreenKind::Compare => &self.compare,
            ScreenKind::Samples => &self.samples,
            ScreenKind::System => &self.system,
            ScreenKind::Dataset => &self.dataset,
            ScreenKind::Notebook => &self.notebook,
        }
    }

    /// One of them, to change it.
    pub fn get_mut(&mut self, kind: ScreenKind) -> &mut dyn Screen {
        match kind {
            ScreenKind::Sessions => &mut self.sessions,
            ScreenKind::Run => &mut self.run,
            ScreenKind::Compare => &mut self.compare,
            ScreenKind::Samples => &mut self.samples,
            ScreenKind::System => &mut self.system,
            ScreenKind::Dataset => &mut self.dataset,
            ScreenKind::Notebook => &mut self.notebook,
        }
    }

    /// Keep what is worth remembering of each.
    pub fn remember(&self, memory: &mut Memory) {
        for kind in ScreenKind::ALL {
            self.get(kind).remember(memory);
        }
    }
}

/// Every screen's table of keys, for the palette and for the test that none contradicts itself.
pub fn tables() -> [&'static [Binding]; 7] {
    [
        sessions::BINDINGS,
        run::BINDINGS,
        compare::BINDINGS,
        samples::BINDINGS,
        system::BINDINGS,
        dataset::BINDINGS,
        notebook::BINDINGS,
    ]
}
