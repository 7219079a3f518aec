//! What the verbs of the notebook do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::app::effect::{self, Lane};
use crate::app::layers::{self, Confirm, Layer, Prompt, Report};
use crate::app::screens::notebook::keys::{INTERRUPT, Verb};
use crate::app::screens::notebook::{Editing, Notebook, Purpose};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::app::widgets::editor::Editor;
use crate::notebook::document::{CellId, Entry, Kind, Standing};
use crate::notebook::ipynb;
use crate::notebook::kernel_client;
use crate::notebook::protocol::Op;
use crate::session::notebook::{Kept, Output};

/// Do what a verb says.
pub fn act(notebook: &mut Notebook, verb: Verb, cx: &mut Cx<'_>) {
    let again = notebook.pressed.take() == Some(verb);
    if notebook.document().is_none() {
        return;
    }
    match verb {
        Verb::Edit => edit(notebook, cx),
        Verb::Leave => notebook.leave(cx),
        Verb::Run => run_selected(notebook, cx),
        Verb::RunNext => {
            run_selected(notebook, cx);
            let last = notebook.document().is_none_or(|document| notebook.at() + 1 >= document.len());
            if last {
                insert(notebook, true, "", cx);
            } else {
                notebook.select(notebook.at() + 1, cx);
            }
        }
        Verb::RunAll => run_where(notebook, |_| true, cx),
        Verb::RunStale => {
            let stale = |entry: &Entry| matches!(entry.standing(), Standing::Stale(_));
            if notebook.document().is_some_and(|document| document.entries().iter().any(stale)) {
                run_where(notebook, stale, cx);
            } else {
                cx.say("no cell is stale", Tone::Plain);
            }
        }
        Verb::Check => check(notebook, cx),
        Verb::Above => insert(notebook, false, "", cx),
        Verb::Below => insert(notebook, true, "", cx),
        Verb::Remove => remove(notebook, cx),
        Verb::Undo => undo(notebook, cx),
        Verb::MoveUp | Verb::MoveDown => shift(notebook, verb == Verb::MoveUp, cx),
        Verb::Interrupt => interrupt(notebook, again, cx),
        Verb::Restart => restart(notebook, again, cx),
        Verb::Replay => {
            let detail = "Everything that cells made is forgotten; then every cell runs, from the first to the last.";
            let purpose = layers::Purpose::Notebook(Purpose::Replay);
            cx.open(Layer::Confirm(Confirm::new("restart the kernel and run every cell?", detail, purpose)));
        }
        Verb::Open => open(notebook, cx),
        Verb::Search => {
            let purpose = layers::Purpose::Notebook(Purpose::Search);
            let prompt = Prompt::new("look for", &notebook.search, purpose)
                .help("in cells and in what they gave; n and N go on")
                .live();
            cx.open(Layer::Prompt(prompt));
        }
        Verb::NextMatch => find(notebook, 1, cx),
        Verb::PreviousMatch => find(notebook, -1, cx),
        Verb::Variables => match notebook.runner.inquire(Op::Vars) {
            Some((_, todo)) => notebook.carry_out(vec![todo], cx),
            None => cx.say(busy(notebook), Tone::Plain),
        },
        Verb::History => notebook.finder = Some(super::Finder::new(&notebook.history)),
        Verb::Complete => {
            if !notebook.inquire(false, true, cx) {
                cx.say(busy(notebook), Tone::Plain);
            }
        }
        Verb::Hover => {
            if !notebook.inquire(true, true, cx) {
                cx.say(busy(notebook), Tone::Plain);
            }
        }
        Verb::Export => export(notebook, cx),
    }
    notebook.settle(cx);
}

/// Why the kernel cannot be asked.
fn busy(notebook: &Notebook) -> String {
    match &notebook.runner.client.standing {
        kernel_client::Standing::Absent | kernel_client::Standing::Dead(_) => "there is no kernel to ask".to_owned(),
        kernel_client::Standing::Starting(_) => "the kernel is still starting".to_owned(),
        kernel_client::Standing::Ready => "a question in SQL needs no kernel, which completes Rust alone".to_owned(),
        _ => "the kernel is busy with a cell".to_owned(),
    }
}

fn edit(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    if notebook.editing.is_some() {
        return;
    }
    match notebook.selected() {
        Some(entry) => {
            notebook.editing = Some(Editing { cell: entry.id, editor: Editor::new(entry.cell.source()) });
            notebook.reveal(cx);
        }
        None => insert(notebook, true, "", cx),
    }
}

/// A new cell beside the selected one, to type in it.
pub fn insert(notebook: &mut Notebook, below: bool, source: &str, cx: &mut Cx<'_>) {
    notebook.leave(cx);
    let Some(path) = notebook.path.clone() else { return };
    let at = notebook.at();
    let Some(document) = notebook.runner.document_mut(&path) else { return };
    let at = if below && !document.is_empty() { at + 1 } else { at };
    let id = document.insert(at, "");
    // Pasted text with marks in it is several cells.
    document.set_source(at, source);
    let source = document.entries()[at].cell.source().to_owned();
    notebook.editing = Some(Editing { cell: id, editor: Editor::new(&source) });
    notebook.select(at, cx);
    notebook.save(&path, cx);
}

fn run_selected(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    notebook.leave(cx);
    let Some(entry) = notebook.selected() else { return };
    let (id, busy, empty) = (entry.id, entry.is_busy(), entry.cell.source().trim().is_empty());
    if busy {
        cx.say(format!("it runs or waits already; i i interrupts: {INTERRUPT}"), Tone::Plain);
    } else if !empty {
        run(notebook, &[id], cx);
    }
}

fn run_where(notebook: &mut Notebook, wanted: impl Fn(&Entry) -> bool, cx: &mut Cx<'_>) {
    notebook.leave(cx);
    let Some(document) = notebook.document() else { return };
    let cells: Vec<CellId> = document.entries().iter().filter(|entry| wanted(entry)).map(|entry| entry.id).collect();
    run(notebook, &cells, cx);
}

fn run(notebook: &mut Notebook, cells: &[CellId], cx: &mut Cx<'_>) {
    notebook.remember_run(cells);
    let todo = notebook.runner.run(cells, cx.shared.now);
    notebook.carry_out(todo, cx);
    if let Some(path) = notebook.path.clone() {
        notebook.save(&path, cx);
    }
    notebook.reveal(cx);
}

fn check(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    let Some(entry) = notebook.selected() else { return };
    if entry.kind() != Kind::Rust {
        cx.say("only a cell of Rust is compiled", Tone::Plain);
        return;
    }
    let id = entry.id;
    let todo = notebook.runner.check(id, cx.shared.now);
    if todo.is_empty() {
        cx.say(busy(notebook), Tone::Plain);
    }
    notebook.carry_out(todo, cx);
}

fn remove(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    let Some(entry) = notebook.selected() else { return };
    if entry.is_busy() {
        cx.say(format!("it runs or waits; i i interrupts: {INTERRUPT}"), Tone::Warn);
        return;
    }
    let at = notebook.at();
    let Some(path) = notebook.path.clone() else { return };
    if let Some(document) = notebook.runner.document_mut(&path) {
        document.remove(at);
    }
    cx.say("taken out; u puts it back", Tone::Plain);
    notebook.save(&path, cx);
    notebook.select(at, cx);
}

fn undo(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    if let Some(editing) = &mut notebook.editing {
        editing.editor.key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL));
        notebook.reveal(cx);
        return;
    }
    let Some(path) = notebook.path.clone() else { return };
    match notebook.runner.document_mut(&path).and_then(crate::notebook::document::Document::undo) {
        Some(at) => {
            notebook.save(&path, cx);
            notebook.select(at, cx);
        }
        None => cx.say("nothing was taken out or moved", Tone::Plain),
    }
}

fn shift(notebook: &mut Notebook, up: bool, cx: &mut Cx<'_>) {
    let at = notebook.at();
    let to = if up { at.checked_sub(1) } else { Some(at + 1) };
    let Some(path) = notebook.path.clone() else { return };
    let Some(document) = notebook.runner.document_mut(&path) else { return };
    if let Some(to) = to.filter(|to| *to < document.len()) {
        document.shift(at, to);
        notebook.save(&path, cx);
        notebook.select(to, cx);
    }
}

/// Said at the first press.
const RESTART_AGAIN: &str = "0 again restarts the kernel: all that cells made is forgotten";

fn interrupt_again() -> String {
    format!("i again interrupts: {INTERRUPT}")
}

fn interrupt(notebook: &mut Notebook, again: bool, cx: &mut Cx<'_>) {
    if !notebook.runner.is_executing() {
        cx.say("no cell runs", Tone::Plain);
    } else if again {
        cx.toasts.retract(&interrupt_again());
        let todo = notebook.runner.interrupt(cx.shared.now);
        notebook.carry_out(todo, cx);
    } else {
        notebook.pressed = Some(Verb::Interrupt);
        cx.say(interrupt_again(), Tone::Warn);
    }
}

fn restart(notebook: &mut Notebook, again: bool, cx: &mut Cx<'_>) {
    if again {
        cx.toasts.retract(RESTART_AGAIN);
        let todo = notebook.runner.restart(cx.shared.now);
        notebook.carry_out(todo, cx);
    } else {
        notebook.pressed = Some(Verb::Restart);
        cx.say(RESTART_AGAIN, Tone::Warn);
    }
}

/// Restart, and run every cell.
pub fn replay(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    let todo = notebook.runner.restart(cx.shared.now);
    notebook.carry_out(todo, cx);
    run_where(notebook, |_| true, cx);
}

fn open(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    let Some(entry) = notebook.selected() else { return };
    if entry.outputs.is_empty() {
        cx.say("the cell gave nothing yet", Tone::Plain);
        return;
    }
    let text = entry.outputs.iter().map(Output::text).collect::<Vec<_>>().join("\n");
    let title = format!("cell {}", notebook.at() + 1);
    cx.open(Layer::Report(Report::new(title, text)));
}

/// Go to a cell that has what is looked for: from the selected one on, or strictly after or before it.
pub fn find(notebook: &mut Notebook, way: isize, cx: &mut Cx<'_>) {
    let wanted = notebook.search.to_lowercase();
    let Some(document) = notebook.document().filter(|_| !wanted.is_empty()) else { return };
    let count = document.len();
    let has = |at: &usize| {
        let entry = &document.entries()[*at];
        entry.cell.source().to_lowercase().contains(&wanted)
            || entry.outputs.iter().any(|output| output.text().to_lowercase().contains(&wanted))
    };
    let at = notebook.at();
    let found = match way {
        0 => (0..count).map(|further| (at + further) % count).find(has),
        1 => (1..=count).map(|further| (at + further) % count).find(has),
        _ => (1..=count).map(|further| (at + count - further) % count).find(has),
    };
    match found {
        Some(found) => notebook.select(found, cx),
        None => cx.say(format!("`{}` is nowhere", notebook.search), Tone::Plain),
    }
}

/// Write the notebook for Jupyter, beside itself.
fn export(notebook: &mut Notebook, cx: &mut Cx<'_>) {
    let Some(document) = notebook.document() else { return };
    let path = document.path().with_extension("ipynb");
    let (text, cells) = (document.notebook(), document.kept());
    cx.work(Lane::Each, move || {
        let file = ipynb::export(&text, Kept { version: 1, cells });
        match std::fs::write(&path, file) {
            Ok(()) => effect::Reply::Done(format!("for Jupyter: {}", path.display())),
            Err(error) => effect::Reply::Failed(format!("cannot write {}: {error}", path.display())),
        }
    });
}
