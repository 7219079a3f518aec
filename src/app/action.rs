//! Every intent, by verb. A verb is what a key, a click, the palette and a test mean alike.

use crate::app::screens::{ScreenKind, compare, dataset, notebook, run, samples, sessions, system};

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Something that every screen has.
    App(AppVerb),
    /// To go somewhere in what has the focus.
    Move(Move),
    /// To do something with the list of sessions.
    Sessions(sessions::Verb),
    /// To do something with one run.
    Run(run::Verb),
    /// To do something with sessions side by side.
    Compare(compare::Verb),
    /// To do something with pictures.
    Samples(samples::Verb),
    /// To do something with the machine's screen.
    System(system::Verb),
    /// To do something with pairs.
    Dataset(dataset::Verb),
    /// To do something with cells.
    Notebook(notebook::Verb),
}

impl Verb {
    /// The screen whose own it is.
    pub fn screen(self) -> Option<ScreenKind> {
        Some(match self {
            Self::App(_) | Self::Move(_) => return None,
            Self::Sessions(_) => ScreenKind::Sessions,
            Self::Run(_) => ScreenKind::Run,
            Self::Compare(_) => ScreenKind::Compare,
            Self::Samples(_) => ScreenKind::Samples,
            Self::System(_) => ScreenKind::System,
            Self::Dataset(_) => ScreenKind::Dataset,
            Self::Notebook(_) => ScreenKind::Notebook,
        })
    }
}

/// What every screen has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AppVerb {
    /// Leave the dashboard; sessions go on.
    Quit,
    /// One layer or screen back.
    Back,
    /// To another screen.
    Go(ScreenKind),
    /// To the next screen of the row.
    NextScreen,
    /// To the one before.
    PreviousScreen,
    /// What the keys do.
    Help,
    /// Every verb by name.
    Palette,
    /// The next set of colours.
    NextTheme,
    /// Take what the prompt, form or question holds.
    Accept,
    /// Write a report of the session that is looked at, or of those that are compared.
    Report,
    /// Draw everything anew.
    Redraw,
    /// To the background of the shell.
    Suspend,
}

/// Where to go in a list or a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// One up.
    Up,
    /// One down.
    Down,
    /// One to the left.
    Left,
    /// One to the right.
    Right,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
}

impl Move {
    /// The index that a list of `len` shows next, from `at`, with `page` rows in view.
    pub fn apply(self, at: usize, len: usize, page: usize) -> usize {
        let last = len.saturating_sub(1);
        match self {
            Self::Up | Self::Left => at.saturating_sub(1),
            Self::Down | Self::Right => (at + 1).min(last),
            Self::PageUp => at.saturating_sub(page.max(1)),
            Self::PageDown => (at + page.max(1)).min(last),
            Self::Home => 0,
            Self::End => last,
        }
    }
}
