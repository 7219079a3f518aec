//! The verbs of the notebook and their keys.

use crate::app::action;
use crate::app::keymap::Binding;

/// What can be done with a notebook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Type in the selected cell.
    Edit,
    /// No longer.
    Leave,
    /// Run the selected cell.
    Run,
    /// Run it and go to the next one.
    RunNext,
    /// Run every cell.
    RunAll,
    /// Run those that are stale.
    RunStale,
    /// Compile it without running it.
    Check,
    /// A new cell above.
    Above,
    /// A new cell below.
    Below,
    /// Take the cell out.
    Remove,
    /// Take the last removal or move back.
    Undo,
    /// Move the cell up.
    MoveUp,
    /// Move it down.
    MoveDown,
    /// End the running cell; pressed twice.
    Interrupt,
    /// Forget all that cells made; pressed twice.
    Restart,
    /// Forget it and run every cell.
    Replay,
    /// Read all of what the cell gave.
    Open,
    /// Look for a text.
    Search,
    /// The next cell that has it.
    NextMatch,
    /// The one before.
    PreviousMatch,
    /// The variables there are.
    Variables,
    /// Something that was run before.
    History,
    /// What may stand at the cursor.
    Complete,
    /// What stands at the cursor.
    Hover,
    /// Write it for Jupyter.
    Export,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Notebook(verb), hint, help)
}

/// What an interrupt costs, wherever it is offered.
pub const INTERRUPT: &str = "kills cell process; variables lost, definitions kept";

/// The keys while no text is typed.
pub const BINDINGS: &[Binding] = &[
    key(&["enter", "e"], Verb::Edit, "edit", "Type in the cell"),
    key(&["ctrl-e", "alt-enter", "r"], Verb::Run, "run", "Run the cell"),
    key(&["a"], Verb::Above, "above", "A new cell above"),
    key(&["b"], Verb::Below, "below", "A new cell below"),
    key(&["x", "delete"], Verb::Remove, "remove", "Take the cell out"),
    key(&["i"], Verb::Interrupt, "i interrupt", "i i: interrupt: kills cell process; variables lost, definitions kept"),
    key(&["0"], Verb::Restart, "0 restart", "0 0: restart the kernel: everything that cells made is forgotten"),
    key(&["R"], Verb::Replay, "replay", "Restart the kernel and run every cell from the first"),
    key(&["o"], Verb::Open, "open", "Read all that the cell gave"),
    key(&["/"], Verb::Search, "search", "Look for a text in cells and in what they gave"),
    key(&["u"], Verb::Undo, "", "Put the cell back that was taken out or moved last"),
    key(&["K", "shift-up"], Verb::MoveUp, "", "Move the cell up"),
    key(&["J", "shift-down"], Verb::MoveDown, "", "Move the cell down"),
    key(
        &["shift-enter"],
        Verb::RunNext,
        "",
        "Run the cell and go to the next one, where the terminal tells shift-enter",
    ),
    key(&["A"], Verb::RunAll, "", "Run every cell"),
    key(&["s"], Verb::RunStale, "", "Run the cells that are stale"),
    key(&["c"], Verb::Check, "", "Compile the cell without running it"),
    key(&["v"], Verb::Variables, "", "The variables that cells have made, with their types"),
    key(&["n"], Verb::NextMatch, "", "The next cell that has what was looked for"),
    key(&["N"], Verb::PreviousMatch, "", "The one before"),
    key(&["ctrl-r"], Verb::History, "", "A cell that was run before, in any session, below this one"),
    key(&["E"], Verb::Export, "", "Write the notebook for Jupyter, with what its cells gave"),
];

/// The keys while text is typed; all others are the text's.
pub const EDITING: &[Binding] = &[
    key(&["esc", "ctrl-c"], Verb::Leave, "done", "No longer type"),
    key(&["ctrl-e", "alt-enter", "ctrl-enter"], Verb::Run, "run", "Run the cell"),
    key(
        &["shift-enter"],
        Verb::RunNext,
        "",
        "Run the cell and go to the next one, where the terminal tells shift-enter",
    ),
    key(&["ctrl-space", "ctrl-n"], Verb::Complete, "", "What may stand at the cursor; tab behind a name or a point"),
    key(&["f2", "alt-h"], Verb::Hover, "what is it", "What stands at the cursor"),
    key(&["ctrl-r"], Verb::History, "history", "Something that was run before, in any session"),
];

/// What the bottom line shows while text is typed, beside the verbs: keys that are the text's own.
pub const TYPING: &[Binding] = &[
    EDITING[0],
    EDITING[1],
    key(&["tab"], Verb::Complete, "complete", "What may stand at the cursor"),
    EDITING[4],
    EDITING[5],
    key(&["ctrl-z"], Verb::Undo, "undo", "Take back the last change of the text; ctrl-y does it again"),
];
