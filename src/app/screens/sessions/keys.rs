//! The verbs of the list of sessions and their keys.

use crate::app::action;
use crate::app::keymap::Binding;
use crate::session::State;

/// What can be done with the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Its charts.
    Open,
    /// Start a session.
    New,
    /// Mark it for comparison, or no longer.
    Mark,
    /// To the comparison of those that are marked.
    Compare,
    /// Which sessions.
    Filter,
    /// Pause, or go on.
    Pause,
    /// Finish the step, checkpoint, end.
    Stop,
    /// A checkpoint now.
    Checkpoint,
    /// Samples now.
    Sample,
    /// Another learning rate.
    LearningRate,
    /// Go on with one that ended early.
    Resume,
    /// A child that begins at one of its checkpoints.
    Branch,
    /// Other tags.
    Tags,
    /// Other notes.
    Notes,
    /// Another name.
    Rename,
    /// Put away, or take out again.
    Archive,
    /// Delete.
    Delete,
    /// Sort by a column.
    Sort,
    /// The other way round.
    Reverse,
    /// Its notebook.
    Notebook,
}

/// What the selected session is good for: which hints the last line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hints {
    /// Nothing is selected.
    #[default]
    None,
    /// It runs.
    Active,
    /// It waits to be let go on.
    Paused,
    /// It can go on.
    Resumable,
    /// It is done.
    Ended,
}

impl Hints {
    /// Those for a session in this state.
    pub fn of(state: Option<State>) -> Self {
        match state {
            Some(State::Starting | State::Running) => Self::Active,
            Some(State::Paused) => Self::Paused,
            Some(State::Stopped | State::Failed | State::Crashed) => Self::Resumable,
            Some(State::Finished) | None => Self::Ended,
        }
    }

    /// The table with these hints. All of them have all keys: one that makes no sense says why.
    pub fn bindings(self) -> &'static [Binding] {
        const NONE: &[Binding] = &table(Hints::None);
        const ACTIVE: &[Binding] = &table(Hints::Active);
        const PAUSED: &[Binding] = &table(Hints::Paused);
        const RESUMABLE: &[Binding] = &table(Hints::Resumable);
        const ENDED: &[Binding] = &table(Hints::Ended);
        match self {
            Self::None => NONE,
            Self::Active => ACTIVE,
            Self::Paused => PAUSED,
            Self::Resumable => RESUMABLE,
            Self::Ended => ENDED,
        }
    }
}

/// The keys.
pub const BINDINGS: &[Binding] = &table(Hints::Active);

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Sessions(verb), hint, help)
}

const fn when(shown: bool, word: &'static str) -> &'static str {
    if shown { word } else { "" }
}

const fn table(hints: Hints) -> [Binding; 20] {
    let some = !matches!(hints, Hints::None);
    let active = matches!(hints, Hints::Active | Hints::Paused);
    let pause = if matches!(hints, Hints::Paused) { "go on" } else { "pause" };
    let resumable = matches!(hints, Hints::Resumable);
    let ended = matches!(hints, Hints::Resumable | Hints::Ended);
    [
        key(&["enter"], Verb::Open, when(some, "open"), "Open the session: its charts, samples, log"),
        key(&["B"], Verb::Notebook, when(some, "notebook"), "Open the session's notebook: questions and cells"),
        key(&["n"], Verb::New, "new", "Start a session: choose a config, override keys, start it in the background"),
        key(
            &["r"],
            Verb::Resume,
            when(resumable, "resume"),
            "Go on with a session that was stopped, failed or crashed",
        ),
        key(&["p"], Verb::Pause, when(active, pause), "Pause the session at its next step, or let it go on"),
        key(
            &["s", "x"],
            Verb::Stop,
            when(active, "stop"),
            "Stop: let the session finish its step, write a checkpoint and end",
        ),
        key(&["c"], Verb::Checkpoint, when(active, "checkpoint"), "Write a checkpoint now"),
        key(&["i"], Verb::Sample, when(active, "sample"), "Write sample pictures now"),
        key(&["L", "l"], Verb::LearningRate, when(active, "lr"), "Set the learning rate"),
        key(&["b"], Verb::Branch, when(ended, "branch"), "Begin a new session from one of its checkpoints"),
        key(&["space"], Verb::Mark, when(some, "mark"), "Mark the session for comparison, or no longer"),
        key(&["m"], Verb::Compare, when(some, "compare"), "Compare the marked sessions"),
        key(
            &["/"],
            Verb::Filter,
            when(some, "filter"),
            "Which sessions: state:running track:pix loss<0.1 tag:paper -name:old",
        ),
        key(&["o"], Verb::Sort, when(some, "sort"), "Sort by a column; by the same one again, the other way round"),
        key(&["O"], Verb::Reverse, "", "Sort the other way round"),
        key(&["t"], Verb::Tags, when(ended, "tags"), "Change the tags"),
        key(&["N"], Verb::Notes, "", "Change the notes"),
        key(&["R"], Verb::Rename, "", "Give the session another name"),
        key(
            &["a"],
            Verb::Archive,
            when(ended, "archive"),
            "Put the session away, or take it out again (archived:yes shows them)",
        ),
        key(&["d", "delete"], Verb::Delete, when(ended, "delete"), "Delete the session and everything in it"),
    ]
}
