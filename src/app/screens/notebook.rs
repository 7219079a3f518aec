//! A session's notebook: cells in a column, what each gave beneath it, and the kernel that runs them.
//!
//! What runs is decided by [`Runner`], which knows no screen. Here are the selection, the scroll and the typing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::action::{self, Move};
use crate::app::effect::{self, Effect, Lane};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::{self, Binding};
use crate::app::layers::{self, Layer, Report};
use crate::app::memory::{self, Memory};
use crate::app::screens::Screen;
use crate::app::shared::{Cx, Shared};
use crate::app::toast::Tone;
use crate::app::widgets::editor::{Editor, is_word};
use crate::notebook::asked::{self, Asker};
use crate::notebook::document::{CellId, Document, Entry, Kind};
use crate::notebook::history::History;
use crate::notebook::kernel_client::{News, Standing};
use crate::notebook::protocol::{Completion, Op};
use crate::notebook::runner::{self, Do, Runner};
use crate::session::notebook::{Kept, Notebook as Text, Output, Problem};
use crate::session::{self, Folder};

mod acts;
mod files;
mod gutter;
mod keys;
mod layout;
mod pictures;
mod plots;
mod popup;
mod scroll;
mod view;

pub use keys::{BINDINGS, Verb};

use files::{Files, Job, Saved};
use layout::Room;
use pictures::Pictures;
use popup::{Completions, Finder, Found, Hover};
use scroll::View;

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// A text to look for.
    Search,
    /// Whether all is forgotten and run again.
    Replay,
}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// A notebook was read.
    Opened {
        /// Its file.
        path: PathBuf,
        /// The file beside it.
        outputs: PathBuf,
        /// It, or why not; nothing where what is held here is what the file says.
        read: Option<Result<(Text, Kept), String>>,
    },
    /// A notebook was written.
    Saved(Saved),
    /// A question was answered.
    Answered {
        /// Of this cell.
        cell: CellId,
        /// As its run of this number.
        run: u64,
        /// What it gave.
        answer: Result<Vec<Output>, Problem>,
    },
    /// Pictures are finished.
    Pictures(pictures::Answer),
}

/// A cell that is typed in.
#[derive(Debug)]
struct Editing {
    cell: CellId,
    editor: Editor,
}

/// What lies over the cell.
#[derive(Debug)]
enum Popup {
    Completions(Completions),
    Hover(Hover),
}

/// What the kernel was asked about the text that is typed.
#[derive(Debug)]
struct Inquiry {
    id: u64,
    cell: CellId,
    revision: u64,
    /// A single completion is put in at once.
    wanted: bool,
}

/// The state.
pub struct Notebook {
    runner: Runner,
    /// The notebook in front.
    path: Option<PathBuf>,
    views: HashMap<PathBuf, View>,
    /// Notebooks that cannot be read, and why.
    problems: HashMap<PathBuf, String>,
    editing: Option<Editing>,
    popup: Option<Popup>,
    finder: Option<Finder>,
    inquiry: Option<Inquiry>,
    asker: Asker,
    history: History,
    files: Files,
    serial: u64,
    /// Texts and outputs that are written already, by their revisions.
    written: HashMap<PathBuf, (u64, u64, String)>,
    /// A key that does something when it is pressed again.
    pressed: Option<Verb>,
    search: String,
    pictures: Pictures,
    /// Notes of the kernel that were said.
    noted: usize,
    /// The terminal's size when the selected cell was last brought into sight.
    size: (u16, u16),
}

impl Notebook {
    /// As it was left.
    pub fn new(_memory: &Memory) -> Self {
        Self {
            runner: Runner::default(),
            path: None,
            views: HashMap::new(),
            problems: HashMap::new(),
            editing: None,
            popup: None,
            finder: None,
            inquiry: None,
            asker: Asker::default(),
            history: History::default(),
            files: Files::default(),
            serial: 0,
            written: HashMap::new(),
            pressed: None,
            search: String::new(),
            pictures: Pictures::default(),
            noted: 0,
            size: (0, 0),
        }
    }

    /// Whether something counts tenths of seconds.
    pub fn is_counting(&self) -> bool {
        self.runner.is_busy() || matches!(self.runner.client.standing, Standing::Starting(_))
    }

    fn document(&self) -> Option<&Document> {
        self.runner.document(self.path.as_deref()?)
    }

    fn view(&self) -> Option<&View> {
        self.views.get(self.path.as_deref()?)
    }

    /// Change the view of the notebook in front, with what it looks at.
    fn with_view(&mut self, act: impl FnOnce(&mut View, &Document)) {
        let Some(path) = self.path.as_deref() else { return };
        if let (Some(view), Some(document)) = (self.views.get_mut(path), self.runner.document(path)) {
            act(view, document);
        }
    }

    /// The selected cell.
    fn selected(&self) -> Option<&Entry> {
        self.document()?.entries().get(self.view()?.at)
    }

    fn at(&self) -> usize {
        self.view().map_or(0, |view| view.at)
    }

    /// The files of the notebook that belongs to what is open: of a session, else of the sessions' folder.
    fn files_of(shared: &Shared) -> (PathBuf, PathBuf) {
        match &shared.open {
            Some(id) => {
                let folder = shared.folder(id);
                (folder.notebook(), folder.notebook_outputs())
            }
            None => (shared.root.join("notebook.rs"), shared.root.join("notebook.json")),
        }
    }

    /// Turn to the notebook of what is open, and read it if that was not done.
    fn turn(&mut self, cx: &mut Cx<'_>) {
        let (path, outputs) = Self::files_of(cx.shared);
        if self.path.as_ref() != Some(&path) {
            self.leave(cx);
            self.path = Some(path.clone());
        }
        self.views.entry(path.clone()).or_default();
        let held = self.runner.document(&path).is_some() && !self.problems.contains_key(&path);
        let files = self.files.clone();
        cx.work(Lane::Notebook, move || {
            let changed = !held || files.is_foreign(&path);
            let read = changed.then(|| files.read(&path, &outputs));
            effect::Reply::Notebook(Reply::Opened { path, outputs, read })
        });
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Opened { path, outputs, read: Some(read) } => self.opened(&path, &outputs, read, cx),
            Reply::Opened { .. } => {}
            Reply::Saved(saved) => match saved.result {
                Ok(None) => {}
                Ok(Some(aside)) => {
                    let name = aside.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
                    cx.say(format!("another program had changed the notebook: its text is kept as {name}"), Tone::Warn);
                }
                Err(problem) => {
                    self.written.remove(&saved.path);
                    cx.say(problem, Tone::Bad);
                }
            },
            Reply::Answered { cell, run, answer } => {
                let follows = self.is_in_sight(cx.shared);
                let todo = self.runner.answered(cell, run, answer, cx.shared.now);
                self.carry_out(todo, cx);
                self.follow(follows, cx);
                return;
            }
            Reply::Pictures(answer) => self.pictures.take(answer),
        }
        self.settle(cx);
    }

    fn opened(&mut self, path: &Path, outputs: &Path, read: Result<(Text, Kept), String>, cx: &mut Cx<'_>) {
        match read {
            Ok((text, kept)) => {
                self.problems.remove(path);
                let unsaved = self.runner.document(path).is_some_and(|document| self.is_unsaved(document));
                let typing = self.editing.is_some() && self.path.as_deref() == Some(path);
                if self.runner.document(path).is_some() {
                    // What is being changed here is not thrown away: writing it keeps the other's text beside.
                    if unsaved || typing || self.runner.is_busy() {
                        return;
                    }
                    cx.say("the notebook was changed by another program and is read anew", Tone::Plain);
                }
                let document = Document::new(path, outputs, text, kept, self.runner.next_name());
                self.written.insert(path.to_owned(), (document.revision, document.output_revision, String::new()));
                self.runner.add(document);
            }
            Err(problem) => {
                self.problems.insert(path.to_owned(), problem);
            }
        }
    }

    /// Something happened to the kernel.
    pub fn news_of_kernel(&mut self, news: News, cx: &mut Cx<'_>) {
        let follows = self.is_in_sight(cx.shared);
        let todo = self.runner.take(news, cx.shared.now);
        self.carry_out(todo, cx);
        let notes: Vec<String> = self.runner.client.notes.iter().skip(self.noted).cloned().collect();
        self.noted = self.runner.client.notes.len();
        for note in notes {
            cx.say(note, Tone::Warn);
        }
        self.follow(follows, cx);
    }

    /// Whether all of the selected cell is to be seen.
    fn is_in_sight(&self, shared: &Shared) -> bool {
        let room = self.room(shared);
        self.editing.is_none()
            && self.document().zip(self.view()).is_some_and(|(document, view)| view.beyond(document, room) == (0, 0))
    }

    /// What the selected cell gives comes into sight where all of it was before; who has scrolled away stays there.
    fn follow(&mut self, follows: bool, cx: &mut Cx<'_>) {
        if follows {
            self.reveal(cx);
        } else {
            self.settle(cx);
        }
    }

    /// Do what the runner wants done.
    fn carry_out(&mut self, todo: Vec<Do>, cx: &mut Cx<'_>) {
        for it in todo {
            match it {
                Do::Kernel(wish) => cx.effects.push(Effect::Kernel(wish)),
                Do::Ask { cell, run, source } => {
                    let root = cx.shared.root.clone();
                    let asker = self.asker.clone();
                    cx.work(Lane::Each, move || {
                        let answer = folders(&root).and_then(|folders| asker.ask(&source, &folders));
                        effect::Reply::Notebook(Reply::Answered { cell, run, answer })
                    });
                }
                Do::Save(path) => self.save(&path, cx),
                Do::Say(text, tone) => cx.say(text, if tone == runner::Tone::Warn { Tone::Warn } else { Tone::Plain }),
                Do::Completions { id, items, range } => self.complete(id, items, range.0),
                Do::Hover { id, text } => self.hover(id, &text, cx),
                Do::Variables(rows) => {
                    let wide = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
                    let lines: Vec<String> =
                        rows.iter().map(|row| format!("{:<wide$}  {}", row.name, row.kind)).collect();
                    let text = if lines.is_empty() {
                        "none yet: a `let` in a cell makes one".to_owned()
                    } else {
                        lines.join("\n")
                    };
                    cx.open(Layer::Report(Report::new("variables", text)));
                }
            }
        }
    }

    fn complete(&mut self, id: u64, items: Vec<Completion>, start: usize) {
        let Some(inquiry) = self.inquiry.take_if(|inquiry| inquiry.id == id) else { return };
        let Some(editing) = self.editing.as_mut().filter(|it| it.cell == inquiry.cell) else { return };
        // What was typed since may go on with what was asked about, and narrows the answer.
        if editing.editor.at() < start {
            return;
        }
        let Some(completions) = Completions::new(items, start, &editing.editor) else { return };
        if inquiry.wanted && completions.only() && editing.editor.revision == inquiry.revision {
            completions.take(&mut editing.editor);
        } else {
            self.popup = Some(Popup::Completions(completions));
        }
    }

    fn hover(&mut self, id: u64, text: &str, cx: &mut Cx<'_>) {
        let Some(inquiry) = self.inquiry.take_if(|inquiry| inquiry.id == id) else { return };
        if self.editing.as_ref().is_some_and(|it| it.cell == inquiry.cell) {
            match Hover::new(text) {
                Some(hover) => self.popup = Some(Popup::Hover(hover)),
                None => cx.say("nothing is known of what stands there", Tone::Plain),
            }
        }
    }

    /// Write a notebook if there is something new to write.
    fn save(&mut self, path: &Path, cx: &mut Cx<'_>) {
        let Some(job) = self.job(path) else { return };
        let files = self.files.clone();
        cx.work(Lane::Each, move || effect::Reply::Notebook(Reply::Saved(files.write(job))));
    }

    /// What is to be written of a notebook, if there is something new.
    fn job(&mut self, path: &Path) -> Option<Job> {
        let document = self.runner.document(path)?;
        let draft = self.draft_of(document);
        let now = (document.revision, document.output_revision, draft.map(str::to_owned).unwrap_or_default());
        let before = self.written.get(path);
        if before == Some(&now) {
            return None;
        }
        let mut notebook = document.notebook();
        if let (Some(draft), Some(editing)) = (draft, &self.editing)
            && let Some(at) = document.position(editing.cell)
        {
            notebook.cells[at].set_source(draft.to_owned());
        }
        let changed = before.is_none_or(|before| before.1 != now.1);
        let outputs = changed.then(|| (document.outputs_path().to_owned(), document.kept()));
        self.written.insert(path.to_owned(), now);
        self.serial += 1;
        Some(Job { serial: self.serial, path: path.to_owned(), notebook, outputs })
    }

    /// What is typed in one of a notebook's cells, where it is not what the cell holds.
    fn draft_of(&self, document: &Document) -> Option<&str> {
        let editing = self.editing.as_ref()?;
        let entry = document.entries().get(document.position(editing.cell)?)?;
        (entry.cell.source() != editing.editor.text()).then(|| editing.editor.text())
    }

    fn is_unsaved(&self, document: &Document) -> bool {
        let written = self.written.get(document.path());
        written.is_none_or(|it| it.0 != document.revision) || self.draft_of(document).is_some()
    }

    /// Write everything that is not written, now: the program ends.
    pub fn flush(&mut self) {
        let paths: Vec<PathBuf> = self.views.keys().cloned().collect();
        for path in paths {
            if let Some(job) = self.job(&path) {
                self.files.write(job);
            }
        }
    }

    /// No longer type: what was typed is the cell's.
    fn leave(&mut self, cx: &mut Cx<'_>) {
        self.popup = None;
        self.inquiry = None;
        let Some(editing) = self.editing.take() else { return };
        let Some(path) = self.path.clone() else { return };
        let Some(document) = self.runner.document_mut(&path) else { return };
        if let Some(at) = document.position(editing.cell) {
            document.set_source(at, editing.editor.text());
        }
        self.save(&path, cx);
    }

    /// What lies where of the text, on this screen.
    fn room(&self, shared: &Shared) -> Room {
        view::room(self, shared)
    }

    /// Everything is where something is, and what is to be seen is asked for.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let room = self.room(cx.shared);
        let draft = self.editing.as_ref().map(|editing| (editing.cell, editing.editor.text().to_owned()));
        self.with_view(|view, document| {
            view.draft = draft;
            view.settle(document, room);
        });
        if let (Some(document), Some(view)) = (self.document(), self.view()) {
            let wants = pictures::wanted(document, view, room);
            self.pictures.want(wants, cx, |answer| effect::Reply::Notebook(Reply::Pictures(answer)));
        }
    }

    /// Bring the selected cell, or the line that is typed in, into sight.
    fn reveal(&mut self, cx: &mut Cx<'_>) {
        let room = self.room(cx.shared);
        let draft = self.editing.as_ref().map(|editing| (editing.cell, editing.editor.text().to_owned()));
        let at = self.editing.as_ref().map(|editing| editing.editor.at());
        self.with_view(|view, document| {
            view.draft = draft;
            let rows = view.rows(document, view.at, room);
            let range = match at {
                Some(at) => {
                    let row = view::cursor_row(&rows, view.draft.as_ref().map_or("", |(_, text)| text), at, room).0;
                    row..row + 1
                }
                None => 0..rows.len().saturating_sub(1).max(1),
            };
            view.reveal(range, document, room);
        });
        self.settle(cx);
    }

    fn select(&mut self, at: usize, cx: &mut Cx<'_>) {
        self.with_view(|view, document| view.at = at.min(document.len().saturating_sub(1)));
        self.reveal(cx);
    }

    /// A key while text is typed.
    fn type_key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> bool {
        let name = keymap::name(key).unwrap_or_default();
        if self.popup_key(&name) == Some(true) {
            self.reveal(cx);
            return true;
        }
        if ["f1", "ctrl-t", "ctrl-l", "ctrl-p"].contains(&name.as_str()) {
            return false;
        }
        if let Some(action::Verb::Notebook(verb)) = keymap::find(&[keys::EDITING], key) {
            self.act(action::Verb::Notebook(verb), cx);
            return true;
        }
        let Some(editing) = &mut self.editing else { return false };
        let before = editing.editor.before();
        let behind = before.ends_with(|c: char| is_word(c) || c == '.' || c == ':') && !before.ends_with(": ");
        if key.code == KeyCode::Tab && behind && self.inquire(false, true, cx) {
            return true;
        }
        let Some(editing) = &mut self.editing else { return false };
        editing.editor.key(key);
        if let Some(Popup::Completions(completions)) = &mut self.popup
            && !completions.narrow(&editing.editor)
        {
            self.popup = None;
        } else if let Some(Popup::Hover(_)) = &self.popup {
            self.popup = None;
        }
        let opens = match key.code {
            KeyCode::Char('.') => {
                editing.editor.before().trim_end_matches('.').ends_with(|c: char| is_word(c) || c == ')')
            }
            KeyCode::Char(':') => editing.editor.before().ends_with("::"),
            _ => false,
        };
        if opens && self.popup.is_none() {
            self.inquire(false, false, cx);
        }
        self.reveal(cx);
        true
    }

    /// A key for what lies over the cell: whether it was taken, if there is anything.
    fn popup_key(&mut self, name: &str) -> Option<bool> {
        let popup = self.popup.as_mut()?;
        let editing = self.editing.as_mut()?;
        match (popup, name) {
            (_, "esc" | "ctrl-c") => self.popup = None,
            (Popup::Completions(completions), "down" | "ctrl-n") => completions.step(true),
            (Popup::Completions(completions), "up" | "ctrl-p") => completions.step(false),
            (Popup::Completions(completions), "tab" | "enter") => {
                completions.take(&mut editing.editor);
                self.popup = None;
            }
            _ => return Some(false),
        }
        Some(true)
    }

    /// Ask the kernel what may stand at the cursor, or what stands there; whether it was asked.
    fn inquire(&mut self, hover: bool, wanted: bool, cx: &mut Cx<'_>) -> bool {
        let Some(editing) = &self.editing else { return false };
        let (code, offset) = (editing.editor.text().to_owned(), editing.editor.at());
        if asked::is_question(&code) {
            return false;
        }
        let (cell, revision) = (editing.cell, editing.editor.revision);
        let op = if hover { Op::Hover { code, offset } } else { Op::Complete { code, offset } };
        let Some((id, todo)) = self.runner.inquire(op) else { return false };
        self.inquiry = Some(Inquiry { id, cell, revision, wanted });
        self.carry_out(vec![todo], cx);
        true
    }

    fn finder_key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> bool {
        let Some(finder) = &mut self.finder else { return false };
        match finder.key(key, &self.history) {
            Found::Nothing => {}
            Found::Closed => self.finder = None,
            Found::Chosen(source) => {
                self.finder = None;
                self.bring(&source, cx);
            }
        }
        true
    }

    /// Something that was run before: into the cell that is typed in, else into a new one.
    fn bring(&mut self, source: &str, cx: &mut Cx<'_>) {
        if let Some(editing) = &mut self.editing {
            let all = editing.editor.text().trim().is_empty();
            let range = if all { 0..editing.editor.text().len() } else { editing.editor.at()..editing.editor.at() };
            editing.editor.replace(range, source);
        } else {
            acts::insert(self, true, source, cx);
        }
        self.reveal(cx);
    }

    fn remember_run(&mut self, cells: &[CellId]) {
        let Some(document) = self.document() else { return };
        let sources: Vec<String> = document
            .entries()
            .iter()
            .filter(|entry| cells.contains(&entry.id) && entry.kind() != Kind::Text)
            .map(|entry| entry.cell.source().to_owned())
            .collect();
        sources.iter().for_each(|source| self.history.add(source));
    }
}

/// The sessions that a question is over: all of them. Each table has a column `session`, so nothing is lost by that.
fn folders(root: &Path) -> Result<Vec<Folder>, Problem> {
    let ids = session::ids(root).map_err(|error| Problem {
        kind: "question".to_owned(),
        message: error.to_string(),
        ..Problem::default()
    })?;
    Ok(ids.iter().map(|id| Folder::new(root.join(id))).collect())
}

impl Screen for Notebook {
    fn bindings(&self) -> &'static [Binding] {
        if self.editing.is_some() { keys::TYPING } else { BINDINGS }
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        view::title(shared)
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::Notebook(verb) = verb {
            acts::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let room = self.room(cx.shared);
        let half = isize::try_from(usize::from(room.height / 2).max(1)).unwrap_or(1);
        let (Some(document), Some(view)) = (self.document(), self.view()) else { return };
        let (below, above) = view.beyond(document, room);
        let at = view.at;
        match step {
            // A cell higher than the screen is read to its end first.
            Move::Down if below > 0 && view.top.0 <= at => {
                self.with_view(|view, document| view.scroll(half.min(below as isize), document, room));
                self.settle(cx);
            }
            Move::Up if above > 0 => {
                self.with_view(|view, document| view.scroll(-half.min(above as isize), document, room));
                self.settle(cx);
            }
            Move::Up => self.select(at.saturating_sub(1), cx),
            // There is no cell below the last one, and no reason to go back to its beginning.
            Move::Down if at + 1 >= document.len() => {}
            Move::Down => self.select(at + 1, cx),
            Move::Home => self.select(0, cx),
            Move::End => self.select(usize::MAX, cx),
            Move::PageUp | Move::PageDown => {
                let page = isize::try_from(usize::from(room.height).saturating_sub(2).max(1)).unwrap_or(1);
                let by = if step == Move::PageUp { -page } else { page };
                self.with_view(|view, document| {
                    let before = view.top;
                    view.scroll(by, document, room);
                    let end = step == Move::PageDown && view.top == before;
                    view.at = if end { document.len().saturating_sub(1) } else { view.top.0 };
                });
                self.settle(cx);
            }
            Move::Left | Move::Right => {}
        }
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        if self.views.is_empty() {
            let path = memory::path()
                .filter(|_| cx.shared.remembers)
                .map(|path| path.with_file_name("notebook-history.jsonl"));
            self.history = History::load(path);
        }
        self.turn(cx);
        let todo = self.runner.wake(&Self::files_of(cx.shared).0, cx.shared.now);
        self.carry_out(todo, cx);
        self.settle(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        let (path, _) = Self::files_of(cx.shared);
        if self.path.as_ref() != Some(&path) {
            self.turn(cx);
        }
        // At another size other rows are on the screen: the cell that is worked on stays there.
        if self.size == cx.shared.size {
            self.settle(cx);
        } else {
            self.size = cx.shared.size;
            self.reveal(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        // What is typed is not lost with the link.
        if let Some(path) = self.path.clone() {
            self.save(&path, cx);
        }
    }

    fn key(&mut self, key: KeyEvent, cx: &mut Cx<'_>) -> bool {
        if self.finder.is_some() {
            return self.finder_key(key, cx);
        }
        if self.editing.is_some() {
            return self.type_key(key, cx);
        }
        let verb = keymap::find(&[BINDINGS], key);
        if self.pressed.is_some_and(|pressed| verb != Some(action::Verb::Notebook(pressed))) {
            self.pressed = None;
        }
        false
    }

    fn paste(&mut self, text: &str, cx: &mut Cx<'_>) {
        if let Some(finder) = &mut self.finder {
            finder.paste(text, &self.history);
            return;
        }
        if let Some(editing) = &mut self.editing {
            editing.editor.paste(text);
            self.popup = None;
        } else if self.document().is_some() {
            let clean = crate::session::notebook::plain::plain(&text.replace("\r\n", "\n").replace('\r', "\n"));
            acts::insert(self, true, clean.trim_end(), cx);
        }
        self.reveal(cx);
    }

    fn typed(&mut self, purpose: &layers::Purpose, text: &str, cx: &mut Cx<'_>) {
        match purpose {
            layers::Purpose::Notebook(Purpose::Search) => {
                text.clone_into(&mut self.search);
                acts::find(self, 0, cx);
            }
            layers::Purpose::Notebook(Purpose::Replay) => acts::replay(self, cx),
            _ => {}
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let room = self.room(cx.shared);
        match (mouse.kind, target) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) => {
                let same = self.at() == *row;
                if same && self.editing.is_none() {
                    self.act(action::Verb::Notebook(Verb::Edit), cx);
                } else if !same {
                    self.leave(cx);
                    self.finder = None;
                    self.select(*row, cx);
                }
                true
            }
            (MouseEventKind::ScrollUp | MouseEventKind::ScrollDown, _) => {
                let by = if mouse.kind == MouseEventKind::ScrollUp { -3 } else { 3 };
                self.with_view(|view, document| view.scroll(by, document, room));
                self.settle(cx);
                true
            }
            _ => false,
        }
    }

    /// Esc, which ends typing, is often pressed once more than needed: the notebook stays in front then.
    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        self.pressed = None;
        self.search.clear();
        self.finder = None;
        self.settle(cx);
        true
    }
}
