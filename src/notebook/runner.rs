//! What runs next, and what becomes of what the kernel says. One runner serves every notebook of a program: there is
//! one kernel, and at a time it holds the variables of one notebook.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::asked;
use super::document::{CellId, Document, Entry, Finished, Kind, Phase};
use super::kernel_client::{Client, Happening, News, Standing, Wish};
use super::protocol::{self, Completion, Event, Failure, FailureKind, Op, Variable, What};
use crate::session::notebook::{Captured, Lost, Output, Place, Problem, Stream};

/// The kind of a problem that ended the kernel or the process of the cells.
const CRASH: &str = "crash";

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Do {
    /// Something with the kernel's process.
    Kernel(Wish),
    /// Answer a question, and say so by [`Runner::answered`].
    Ask {
        /// Of this cell.
        cell: CellId,
        /// As its run of this number.
        run: u64,
        /// The question.
        source: String,
    },
    /// A cell of this notebook has run: it is to be written.
    Save(PathBuf),
    /// Tell the user.
    Say(String, Tone),
    /// What may stand at the place that was asked about.
    Completions {
        /// By this request.
        id: u64,
        /// Best first.
        items: Vec<Completion>,
        /// What one replaces, in bytes.
        range: (usize, usize),
    },
    /// What stands there.
    Hover {
        /// By this request.
        id: u64,
        /// Markdown.
        text: String,
    },
    /// The variables there are.
    Variables(Vec<Variable>),
}

/// How something is meant that a user is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// For information.
    Plain,
    /// Look at this.
    Warn,
}

/// A cell that the kernel runs.
#[derive(Debug, Clone)]
struct Executing {
    cell: CellId,
    source: String,
    ok: bool,
    begun: Timestamp,
    lost: Lost,
    /// It is only compiled.
    check: bool,
}

/// The runner.
#[derive(Debug, Default)]
pub struct Runner {
    /// How the kernel stands.
    pub client: Client,
    documents: BTreeMap<PathBuf, Document>,
    queue: VecDeque<CellId>,
    executing: Option<Executing>,
    /// The last cell that ran: what is shown late is shown there.
    last: Option<CellId>,
    /// The notebook whose variables the kernel holds.
    holder: Option<PathBuf>,
    /// Counts what this kernel ran.
    order: u64,
    /// Counts questions, and which run of which cell waits for an answer.
    runs: u64,
    asked: BTreeMap<CellId, (u64, String, Timestamp)>,
    /// What the kernel was asked to forget, by which request.
    restarting: Option<u64>,
}

impl Runner {
    /// Take a notebook in.
    pub fn add(&mut self, document: Document) {
        self.documents.insert(document.path().to_owned(), document);
    }

    /// A number from which on no cell has a name.
    pub fn next_name(&self) -> u64 {
        self.documents.values().map(Document::next_name).max().unwrap_or(0) + 1_000_000
    }

    /// A notebook by its file.
    pub fn document(&self, path: &Path) -> Option<&Document> {
        self.documents.get(path)
    }

    /// The same, to change it.
    pub fn document_mut(&mut self, path: &Path) -> Option<&mut Document> {
        self.documents.get_mut(path)
    }

    /// Whether a cell waits, runs, or is asked.
    pub fn is_busy(&self) -> bool {
        self.executing.is_some() || !self.queue.is_empty() || !self.asked.is_empty()
    }

    /// Whether the kernel runs a cell.
    pub fn is_executing(&self) -> bool {
        self.executing.is_some()
    }

    /// The cell that the kernel runs.
    pub fn running(&self) -> Option<CellId> {
        self.executing.as_ref().map(|it| it.cell)
    }

    fn owner(&mut self, id: CellId) -> Option<&mut Document> {
        self.documents.values_mut().find(|document| document.position(id).is_some())
    }

    fn entry(&mut self, id: CellId) -> Option<&mut Entry> {
        self.documents.values_mut().find_map(|document| document.get_mut(id))
    }

    /// Start the kernel if it is not there, for this notebook.
    pub fn wake(&mut self, notebook: &Path, now: Timestamp) -> Vec<Do> {
        if self.client.standing != Standing::Absent {
            return Vec::new();
        }
        self.holder = Some(notebook.to_owned());
        vec![self.start(now)]
    }

    fn start(&mut self, now: Timestamp) -> Do {
        Do::Kernel(self.client.start(self.holder.as_deref(), now))
    }

    /// Run cells, in this order, after those that wait already.
    pub fn run(&mut self, cells: &[CellId], now: Timestamp) -> Vec<Do> {
        let mut todo = Vec::new();
        for &id in cells {
            let Some(entry) = self.entry(id) else { continue };
            if entry.is_busy() || entry.cell.source().trim().is_empty() {
                continue;
            }
            match entry.kind() {
                Kind::Text => {}
                Kind::Question => {
                    let source = entry.cell.source().to_owned();
                    self.runs += 1;
                    let run = self.runs;
                    self.asked.insert(id, (run, source.clone(), now));
                    if let Some(document) = self.owner(id) {
                        document.begin(id, Phase::Running(now));
                    }
                    todo.push(Do::Ask { cell: id, run, source });
                }
                Kind::Rust => {
                    if let Some(document) = self.owner(id) {
                        document.begin(id, Phase::Queued);
                    }
                    self.queue.push_back(id);
                }
            }
        }
        if !self.queue.is_empty() && !self.client.is_alive() {
            // A kernel that died is started again by whoever wants something of it.
            self.forget(Lost::Everything);
            let first = self.queue.front().copied();
            self.holder = first.and_then(|id| self.owner(id)).map(|document| document.path().to_owned());
            todo.push(self.start(now));
        }
        todo.extend(self.pump(now));
        todo
    }

    /// Give the kernel the next cell, if it waits for one.
    fn pump(&mut self, now: Timestamp) -> Vec<Do> {
        let mut todo = Vec::new();
        while self.client.is_free() && self.executing.is_none() && self.restarting.is_none() {
            let Some(id) = self.queue.pop_front() else { break };
            let Some(document) = self.owner(id) else { continue };
            let path = document.path().to_owned();
            if self.holder.as_ref().is_some_and(|holder| *holder != path) {
                // Names of two notebooks would mix, and cells ask the hub which session they are of.
                self.forget(Lost::Everything);
                self.holder = Some(path);
                self.queue.push_front(id);
                todo.push(self.start(now));
                todo.push(Do::Say(
                    "the kernel holds this notebook's variables from here on, the other's are gone".to_owned(),
                    Tone::Plain,
                ));
                break;
            }
            self.holder = Some(path);
            let Some(document) = self.owner(id) else { continue };
            document.begin(id, Phase::Compiling(now));
            let Some(source) = document.get_mut(id).map(|entry| entry.cell.source().to_owned()) else { continue };
            self.executing = Some(Executing {
                cell: id,
                source: source.clone(),
                ok: true,
                begun: now,
                lost: Lost::Nothing,
                check: false,
            });
            let request = self.client.ask(Op::Exec { code: source });
            todo.push(Do::Kernel(Wish::Send(request)));
        }
        todo
    }

    /// Compile a cell without running it; nothing when the kernel has no time.
    pub fn check(&mut self, id: CellId, now: Timestamp) -> Vec<Do> {
        let free = self.client.is_free() && self.executing.is_none();
        let Some(entry) = self.entry(id).filter(|entry| free && entry.kind() == Kind::Rust && !entry.is_busy()) else {
            return Vec::new();
        };
        let source = entry.cell.source().to_owned();
        entry.phase = Phase::Compiling(now);
        entry.outputs.retain(|output| !matches!(output, Output::Problem(_)));
        self.executing = Some(Executing {
            cell: id,
            source: source.clone(),
            ok: true,
            begun: now,
            lost: Lost::Nothing,
            check: true,
        });
        vec![Do::Kernel(Wish::Send(self.client.ask(Op::Check { code: source })))]
    }

    /// End the running cell by ending the process that it runs in.
    pub fn interrupt(&mut self, now: Timestamp) -> Vec<Do> {
        let mut todo = self.clear_queue();
        if self.executing.is_some() && self.client.interrupting.is_none() {
            self.client.interrupting = Some(now);
            todo.push(Do::Kernel(Wish::Send(self.client.ask(Op::Interrupt))));
        }
        todo
    }

    /// Cells that wait do not run after all.
    fn clear_queue(&mut self) -> Vec<Do> {
        let waiting: Vec<CellId> = self.queue.drain(..).collect();
        for id in &waiting {
            if let Some(document) = self.owner(*id) {
                document.withdraw(*id);
            }
        }
        match waiting.len() {
            0 => Vec::new(),
            1 => vec![Do::Say("the cell behind it was not run".to_owned(), Tone::Plain)],
            count => vec![Do::Say(format!("{count} cells behind it were not run"), Tone::Plain)],
        }
    }

    /// Forget all that cells made. A kernel that is busy, dead or slow to start is ended and started anew.
    pub fn restart(&mut self, now: Timestamp) -> Vec<Do> {
        let mut todo = self.clear_queue();
        let holder = self.holder.clone();
        self.forget(Lost::Everything);
        self.holder = holder;
        if self.client.is_free() {
            let request = self.client.ask(Op::Restart);
            self.restarting = Some(request.id);
            todo.push(Do::Kernel(Wish::Send(request)));
        } else {
            self.failed(FailureKind::Interrupted, "the kernel was restarted", Lost::Everything, now, &mut todo);
            self.restarting = None;
            todo.push(self.start(now));
        }
        todo
    }

    fn forget(&mut self, lost: Lost) {
        if let Some(document) = self.holder.as_ref().and_then(|holder| self.documents.get_mut(holder)) {
            document.lose(lost);
        }
        if lost == Lost::Everything {
            self.order = 0;
            self.holder = None;
        }
    }

    /// Ask the kernel about a text; nothing when it has no time.
    pub fn inquire(&mut self, op: Op) -> Option<(u64, Do)> {
        if !self.client.is_free() {
            return None;
        }
        let request = self.client.ask(op);
        Some((request.id, Do::Kernel(Wish::Send(request))))
    }

    /// A question is answered.
    pub fn answered(&mut self, id: CellId, run: u64, answer: Result<Vec<Output>, Problem>, now: Timestamp) -> Vec<Do> {
        let Some((_, source, begun)) = self.asked.get(&id).filter(|(asked, ..)| *asked == run).cloned() else {
            return Vec::new();
        };
        self.asked.remove(&id);
        let ok = answer.is_ok();
        let outputs = answer.unwrap_or_else(|problem| vec![Output::Problem(problem)]);
        let ms = millis(begun, now);
        let Some(document) = self.owner(id) else { return Vec::new() };
        if let Some(entry) = document.get_mut(id) {
            entry.outputs = outputs;
        }
        document.end(id, Finished { source, ok, ms, at: now, order: 0 });
        vec![Do::Save(document.path().to_owned())]
    }

    /// Something happened to the kernel.
    pub fn take(&mut self, news: News, now: Timestamp) -> Vec<Do> {
        if !self.client.is_current(&news) {
            return Vec::new();
        }
        match news.what {
            Happening::Said(event) => self.said(event, now),
            Happening::Shown(output) => {
                let cell = self.executing.as_ref().map(|it| it.cell).or(self.last);
                if let Some(entry) = cell.and_then(|id| self.entry(id)) {
                    entry.gave(*output);
                }
                Vec::new()
            }
            Happening::Garbled(line) => {
                if self.client.garbled() {
                    let why = format!("it speaks another language than this program: `{line}`");
                    let mut todo = vec![Do::Kernel(Wish::End)];
                    todo.extend(self.died(CRASH, why, "install atelier and atelier-kernel of one version", now));
                    return todo;
                }
                Vec::new()
            }
            Happening::Missing(missing) => {
                let todo = self.died("no kernel", missing.what.clone(), &missing.help, now);
                self.client.died(missing.to_string());
                todo
            }
            Happening::Ended(complaint) => {
                // What it said of itself before it ended says more than that it ended.
                let why = match &self.client.standing {
                    Standing::Dead(why) => why.clone(),
                    _ if complaint.is_empty() => "the kernel's process ended".to_owned(),
                    _ => format!("the kernel's process ended: {}", last_lines(&complaint)),
                };
                self.died(CRASH, why, "0 0 starts it again", now)
            }
        }
    }

    fn died(&mut self, kind: &str, why: String, help: &str, now: Timestamp) -> Vec<Do> {
        let mut todo = Vec::new();
        let waiting: Vec<CellId> = self.queue.drain(..).collect();
        self.failed(FailureKind::Crash, &why, Lost::Everything, now, &mut todo);
        for id in waiting {
            let Some(document) = self.owner(id) else { continue };
            let Some(entry) = document.get_mut(id) else { continue };
            let source = entry.cell.source().to_owned();
            let problem =
                Problem { kind: kind.to_owned(), message: why.clone(), help: help.to_owned(), ..Problem::default() };
            entry.outputs = vec![Output::Problem(problem)];
            document.end(id, Finished { source, ok: false, ms: 0, at: now, order: 0 });
        }
        self.forget(Lost::Everything);
        self.restarting = None;
        self.client.died(why);
        todo
    }

    /// The cell that runs has failed by what happened to the kernel.
    fn failed(&mut self, kind: FailureKind, message: &str, lost: Lost, now: Timestamp, todo: &mut Vec<Do>) {
        let Some(executing) = self.executing.take() else { return };
        let problem = Problem { kind: word(kind).to_owned(), message: message.to_owned(), lost, ..Problem::default() };
        if let Some(entry) = self.entry(executing.cell) {
            entry.gave(Output::Problem(problem));
        }
        self.finish(Executing { ok: false, ..executing }, None, now, todo);
    }

    fn said(&mut self, event: Event, now: Timestamp) -> Vec<Do> {
        let mut todo = Vec::new();
        let id = event.id;
        let done = self.client.said(&event, now);
        match event.what {
            What::Status { .. } => {
                self.show_phase(now);
                if let Standing::Dead(why) = &self.client.standing {
                    let why = why.clone();
                    todo.extend(self.died(CRASH, why, "questions in SQL still work", now));
                }
            }
            What::Stdout { text } => self.wrote(Stream::Stdout, &text),
            What::Stderr { text } => self.wrote(Stream::Stderr, &text),
            What::Value { text } => self.gave(Output::Value { text: Captured::new(&text) }),
            What::Error(failure) => {
                let problem = problem(failure);
                let lost = problem.lost;
                if let Some(executing) = &mut self.executing {
                    executing.ok = false;
                    executing.lost = lost;
                }
                self.gave(Output::Problem(problem));
            }
            What::Completions { items, start, end } => todo.push(Do::Completions { id, items, range: (start, end) }),
            What::Hover { text } => todo.push(Do::Hover { id, text }),
            What::Variables { rows } => todo.push(Do::Variables(rows)),
            What::Done { ok, ms, .. } => {
                if done && let Some(executing) = self.executing.take() {
                    let lost = executing.lost;
                    let ok = ok && executing.ok;
                    self.finish(Executing { ok, ..executing }, Some(ms), now, &mut todo);
                    self.forget_some(lost);
                    if !ok {
                        todo.extend(self.clear_queue());
                    }
                }
                if self.restarting == Some(id) {
                    self.restarting = None;
                }
            }
        }
        todo.extend(self.pump(now));
        todo
    }

    fn forget_some(&mut self, lost: Lost) {
        if lost != Lost::Nothing {
            let holder = self.holder.clone();
            self.forget(lost);
            self.holder = holder;
        }
    }

    fn show_phase(&mut self, now: Timestamp) {
        let phase = match self.client.standing {
            Standing::Compiling(_) => Phase::Compiling(now),
            Standing::Running(_) => Phase::Running(now),
            _ => return,
        };
        if let Some(id) = self.executing.as_ref().map(|it| it.cell)
            && let Some(entry) = self.entry(id)
        {
            entry.phase = phase;
        }
    }

    fn wrote(&mut self, stream: Stream, text: &str) {
        if let Some(entry) = self.executing.as_ref().map(|it| it.cell).and_then(|id| self.entry(id)) {
            entry.wrote(stream, text);
        }
    }

    fn gave(&mut self, output: Output) {
        if let Some(entry) = self.executing.as_ref().map(|it| it.cell).and_then(|id| self.entry(id)) {
            entry.gave(output);
        }
    }

    fn finish(&mut self, executing: Executing, ms: Option<u64>, now: Timestamp, todo: &mut Vec<Do>) {
        if executing.check {
            if let Some(document) = self.owner(executing.cell) {
                document.withdraw(executing.cell);
            }
            if executing.ok {
                todo.push(Do::Say("it compiles".to_owned(), Tone::Plain));
            }
            return;
        }
        self.order += 1;
        let order = self.order;
        self.last = Some(executing.cell);
        let Executing { cell, source, ok, begun, .. } = executing;
        let ms = ms.unwrap_or_else(|| millis(begun, now));
        if let Some(document) = self.owner(cell) {
            document.end(cell, Finished { source, ok, ms, at: now, order });
            todo.push(Do::Save(document.path().to_owned()));
        }
    }
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}

/// The last lines of a complaint, where the reason stands.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

fn word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Compile => "compile",
        FailureKind::Panic => "panic",
        FailureKind::Crash => CRASH,
        FailureKind::Interrupted => "interrupted",
        FailureKind::Refused => "refused",
        FailureKind::Internal => "internal",
    }
}

/// A failure as it is kept.
fn problem(failure: Failure) -> Problem {
    let clean = |text: &str| crate::session::notebook::plain::plain(text);
    Problem {
        kind: word(failure.kind).to_owned(),
        message: clean(&failure.message),
        help: failure.help.as_deref().map(clean).unwrap_or_default(),
        places: failure
            .spans
            .into_iter()
            .map(|span| Place {
                line: span.line,
                column: span.column,
                end_line: span.end_line,
                end_column: span.end_column,
                label: clean(&span.label),
                primary: span.primary,
            })
            .collect(),
        lost: match failure.lost {
            protocol::Lost::Nothing => Lost::Nothing,
            protocol::Lost::Variables => Lost::Variables,
            protocol::Lost::Everything => Lost::Everything,
        },
    }
}

/// Whether a cell needs the kernel.
pub fn needs_kernel(source: &str) -> bool {
    !asked::is_question(source)
}

#[cfg(test)]
mod tests;
