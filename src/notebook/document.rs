//! A notebook that is worked on: cells, how each stands, what each gave, and which are stale.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::asked;
use super::names::Names;
use crate::session::notebook::{
    self, Captured, Cell, Kept, KeptCell, Lost, Notebook, Output, Problem, Stream, is_mark,
};

/// A cell's name while the program runs; no two cells of any notebook share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CellId(pub u64);

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rust, for the kernel.
    Rust,
    /// A question in SQL.
    Question,
    /// Words.
    Text,
}

/// What is being done with a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing.
    Idle,
    /// It waits for its turn.
    Queued,
    /// It is being compiled.
    Compiling(Timestamp),
    /// It runs.
    Running(Timestamp),
}

/// How a cell last ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    /// What was run.
    pub source: String,
    /// Whether it did what it says.
    pub ok: bool,
    /// Milliseconds.
    pub ms: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Its place among everything that this kernel ran, from 1; 0 for an earlier kernel.
    pub order: u64,
    /// Why what it made is no longer there, if it is not.
    lost: Option<&'static str>,
    names: Names,
}

/// How a cell stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has not run.
    New,
    /// It waits for its turn.
    Queued,
    /// It is being compiled, since then.
    Compiling(Timestamp),
    /// It runs, since then.
    Running(Timestamp),
    /// It did what it says, in so many milliseconds.
    Done(u64),
    /// It failed, after so many milliseconds.
    Failed(u64),
    /// What it shows is of a kernel that is no more.
    Earlier,
    /// What it shows is not what it would give now, and why.
    Stale(String),
}

/// A cell.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub id: CellId,
    /// Its text.
    pub cell: Cell,
    /// What is being done with it.
    pub phase: Phase,
    /// How it last ran.
    pub ran: Option<Ran>,
    /// What it gave.
    pub outputs: Vec<Output>,
    /// Why it is stale, if it is.
    stale: Option<String>,
}

impl Entry {
    fn new(cell: Cell, id: CellId) -> Self {
        Self { id, cell, phase: Phase::Idle, ran: None, outputs: Vec::new(), stale: None }
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        if self.cell.is_text() {
            Kind::Text
        } else if asked::is_question(self.cell.source()) {
            Kind::Question
        } else {
            Kind::Rust
        }
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        match (&self.phase, &self.ran) {
            (Phase::Queued, _) => Standing::Queued,
            (Phase::Compiling(since), _) => Standing::Compiling(*since),
            (Phase::Running(since), _) => Standing::Running(*since),
            (Phase::Idle, None) => Standing::New,
            (Phase::Idle, Some(ran)) => match &self.stale {
                Some(why) => Standing::Stale(why.clone()),
                None if !ran.ok => Standing::Failed(ran.ms),
                None if ran.order == 0 && self.kind() == Kind::Rust => Standing::Earlier,
                None => Standing::Done(ran.ms),
            },
        }
    }

    /// Whether something is being done with it.
    pub fn is_busy(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// The failure that its text still shows the place of.
    pub fn problem(&self) -> Option<&Problem> {
        let same = self.ran.as_ref().is_none_or(|ran| ran.source == self.cell.source());
        self.outputs.iter().find_map(|output| match output {
            Output::Problem(problem) if same => Some(problem),
            _ => None,
        })
    }

    /// More of what it wrote.
    pub fn wrote(&mut self, stream: Stream, piece: &str) {
        if let Some(Output::Text { stream: last, text }) = self.outputs.last_mut()
            && *last == stream
        {
            text.push(piece);
            return;
        }
        if self.outputs.len() < MOST_OUTPUTS {
            self.outputs.push(Output::Text { stream, text: Captured::new(piece) });
            return;
        }
        // A cell that goes back and forth between its streams for ever goes on in the last one of each.
        let same = self.outputs.iter_mut().rev().find_map(|output| match output {
            Output::Text { stream: of, text } if *of == stream => Some(text),
            _ => None,
        });
        if let Some(text) = same {
            text.push(piece);
        }
    }

    /// Something else that it gave.
    pub fn gave(&mut self, output: Output) {
        // A value and a failure come once and always have room.
        let once = matches!(output, Output::Value { .. } | Output::Problem(_));
        let bytes: usize = self.outputs.iter().map(Output::bytes).sum();
        if once || self.outputs.len() < MOST_OUTPUTS && bytes + output.bytes() <= MOST_BYTES {
            self.outputs.push(output);
        } else {
            self.wrote(Stream::Stderr, &format!("[left out: {}]\n", output.text().lines().next().unwrap_or_default()));
        }
    }
}

/// Outputs of a cell, at most.
const MOST_OUTPUTS: usize = 200;
/// Bytes of a cell's outputs, at most.
const MOST_BYTES: usize = 256 << 20;
/// Things that can be undone.
const MOST_UNDO: usize = 100;

#[derive(Debug, Clone)]
enum Undo {
    Removed(usize, Box<Entry>),
    Moved { from: usize, to: usize },
}

/// A notebook.
#[derive(Debug, Clone)]
pub struct Document {
    path: PathBuf,
    outputs: PathBuf,
    before: String,
    crlf: bool,
    entries: Vec<Entry>,
    undo: Vec<Undo>,
    /// Counts changes of the text.
    pub revision: u64,
    /// Counts changes of what the cells gave.
    pub output_revision: u64,
    next: u64,
}

impl Document {
    /// A notebook as it was read; `first` is a number from which on no cell has a name yet.
    pub fn new(path: &Path, outputs: &Path, notebook: Notebook, kept: Kept, first: u64) -> Self {
        let kept = kept.matched(notebook.cells.iter().map(Cell::source).collect::<Vec<_>>().into_iter());
        let mut document = Self {
            path: path.to_owned(),
            outputs: outputs.to_owned(),
            before: notebook.before,
            crlf: notebook.crlf,
            entries: Vec::new(),
            undo: Vec::new(),
            revision: 0,
            output_revision: 0,
            next: first,
        };
        for (cell, kept) in notebook.cells.into_iter().zip(kept) {
            let mut entry = Entry::new(cell, document.name());
            if let Some(kept) = kept {
                entry.ran = Some(Ran {
                    source: kept.source,
                    ok: kept.ok,
                    ms: kept.ms,
                    at: kept.at.unwrap_or_default(),
                    order: 0,
                    lost: None,
                    names: Names::default(),
                });
                entry.outputs = kept.outputs;
            }
            document.entries.push(entry);
        }
        document
    }

    fn name(&mut self) -> CellId {
        self.next += 1;
        CellId(self.next)
    }

    /// A number from which on no cell of it has a name.
    pub fn next_name(&self) -> u64 {
        self.next
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with what its cells gave.
    pub fn outputs_path(&self) -> &Path {
        &self.outputs
    }

    /// Its text, to be written.
    pub fn notebook(&self) -> Notebook {
        Notebook {
            before: self.before.clone(),
            cells: self.entries.iter().map(|entry| entry.cell.clone()).collect(),
            crlf: self.crlf,
        }
    }

    /// What its cells gave, to be written.
    pub fn kept(&self) -> Vec<KeptCell> {
        let kept = |entry: &Entry| {
            let ran = entry.ran.as_ref().filter(|_| !entry.is_busy())?;
            Some(KeptCell {
                source: ran.source.clone(),
                ok: ran.ok,
                ms: ran.ms,
                at: Some(ran.at),
                outputs: entry.outputs.clone(),
            })
        };
        self.entries.iter().filter_map(kept).collect()
    }

    /// The cells.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Where a cell stands.
    pub fn position(&self, id: CellId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }

    /// A cell, to change it.
    pub fn get_mut(&mut self, id: CellId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.id == id)
    }

    /// Put a new cell at a place; gives its name.
    pub fn insert(&mut self, at: usize, source: &str) -> CellId {
        let id = self.name();
        let at = at.min(self.entries.len());
        self.entries.insert(at, Entry::new(Cell::new(source), id));
        self.revision += 1;
        id
    }

    /// Change what a cell holds. A mark in it begins a further cell, as it would in the file; gives how many it became.
    pub fn set_source(&mut self, at: usize, source: &str) -> usize {
        let Some(entry) = self.entries.get_mut(at) else { return 0 };
        if entry.cell.source() == source {
            return 1;
        }
        self.revision += 1;
        if !source.lines().any(is_mark) {
            entry.cell.set_source(source.to_owned());
            self.refresh();
            return 1;
        }
        let parts = Notebook::parse(&format!("{}\n{source}", notebook::MARK));
        let mut cells = parts.cells.into_iter().map(Cell::anew);
        let first = cells.next().map(|cell| cell.source().to_owned()).unwrap_or_default();
        // What stands before a mark at the very beginning is no cell of its own.
        let mut rest: Vec<Cell> = cells.collect();
        let first = if first.is_empty() && !rest.is_empty() {
            let taken = rest.remove(0);
            entry.cell = taken;
            None
        } else {
            Some(first)
        };
        if let Some(first) = first {
            entry.cell.set_source(first);
        }
        let count = rest.len();
        for (further, cell) in rest.into_iter().enumerate() {
            let id = self.name();
            self.entries.insert(at + 1 + further, Entry::new(cell, id));
        }
        self.refresh();
        count + 1
    }

    /// Take a cell out; it can be put back.
    pub fn remove(&mut self, at: usize) {
        if at >= self.entries.len() {
            return;
        }
        let mut entry = self.entries.remove(at);
        entry.phase = Phase::Idle;
        self.undone(Undo::Removed(at, Box::new(entry)));
        self.revision += 1;
        self.refresh();
    }

    /// Move a cell to another place.
    pub fn shift(&mut self, from: usize, to: usize) {
        if from < self.entries.len() && to < self.entries.len() && from != to {
            let entry = self.entries.remove(from);
            self.entries.insert(to, entry);
            self.undone(Undo::Moved { from, to });
            self.revision += 1;
        }
    }

    fn undone(&mut self, undo: Undo) {
        self.undo.push(undo);
        let surplus = self.undo.len().saturating_sub(MOST_UNDO);
        self.undo.drain(..surplus);
    }

    /// Take back the last removal or move; gives where the cell is now.
    pub fn undo(&mut self) -> Option<usize> {
        let at = match self.undo.pop()? {
            Undo::Removed(at, entry) => {
                let at = at.min(self.entries.len());
                self.entries.insert(at, *entry);
                at
            }
            Undo::Moved { from, to } => {
                let (from, to) = (from.min(self.entries.len() - 1), to.min(self.entries.len() - 1));
                let entry = self.entries.remove(to);
                self.entries.insert(from, entry);
                from
            }
        };
        self.revision += 1;
        self.refresh();
        Some(at)
    }

    /// A cell is about to run: what it gave before is gone.
    pub fn begin(&mut self, id: CellId, phase: Phase) {
        if let Some(entry) = self.get_mut(id) {
            entry.phase = phase;
            entry.outputs.clear();
        }
    }

    /// A cell has run.
    pub fn end(&mut self, id: CellId, ran: Finished) {
        self.output_revision += 1;
        if let Some(entry) = self.get_mut(id) {
            entry.phase = Phase::Idle;
            let kind = if asked::is_question(&ran.source) { Names::default() } else { Names::of(&ran.source) };
            entry.ran = Some(Ran {
                source: ran.source,
                ok: ran.ok,
                ms: ran.ms,
                at: ran.at,
                order: ran.order,
                lost: None,
                names: kind,
            });
        }
        self.refresh();
    }

    /// A cell does not run after all.
    pub fn withdraw(&mut self, id: CellId) {
        if let Some(entry) = self.get_mut(id) {
            entry.phase = Phase::Idle;
        }
    }

    /// What cells have made in the kernel is gone.
    pub fn lose(&mut self, lost: Lost) {
        for ran in self.entries.iter_mut().filter_map(|entry| entry.ran.as_mut()) {
            match lost {
                Lost::Variables if ran.order > 0 && !ran.names.variables.is_empty() => {
                    ran.lost = Some("variables lost");
                }
                Lost::Nothing | Lost::Variables => {}
                Lost::Everything => ran.order = 0,
            }
        }
        self.refresh();
    }

    /// See which cells are stale: edited since they ran, or made of what has changed since.
    pub fn refresh(&mut self) {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|at| self.entries[*at].ran.as_ref().map_or(0, |ran| ran.order));
        // Who makes a name, in the order in which they ran.
        let mut makers: HashMap<String, Vec<(u64, usize)>> = HashMap::new();
        for &at in &order {
            if let Some(ran) = self.entries[at].ran.as_ref().filter(|ran| ran.order > 0 && ran.ok) {
                for name in ran.names.defined() {
                    makers.entry(name.clone()).or_default().push((ran.order, at));
                }
            }
        }
        for at in order {
            let why = self.why_stale(at, &makers);
            self.entries[at].stale = why;
        }
    }

    fn why_stale(&self, at: usize, makers: &HashMap<String, Vec<(u64, usize)>>) -> Option<String> {
        let entry = &self.entries[at];
        let ran = entry.ran.as_ref()?;
        if ran.source != entry.cell.source() {
            return Some("edited".to_owned());
        }
        if ran.order == 0 || !ran.ok {
            return None;
        }
        if let Some(lost) = ran.lost {
            return Some(lost.to_owned());
        }
        ran.names.uses.iter().find_map(|name| {
            let makers = makers.get(name)?;
            let before = makers.partition_point(|(order, _)| *order < ran.order);
            let later = makers[before..].iter().any(|(order, maker)| *order > ran.order && *maker != at);
            if later {
                return Some(format!("{name} changed"));
            }
            let (_, maker) = makers[..before].last()?;
            let stale = self.entries[*maker].stale.as_deref()?;
            Some(if stale == "variables lost" { format!("{name} lost") } else { format!("{name} is stale") })
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What was run.
    pub source: String,
    /// Whether it did what it says.
    pub ok: bool,
    /// Milliseconds.
    pub ms: u64,
    /// When it was done.
    pub at: Timestamp,
    /// Its place among everything that this kernel ran, from 1; 0 for what ran elsewhere.
    pub order: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(sources: &[&str]) -> Document {
        let notebook =
            Notebook { cells: sources.iter().map(|source| Cell::new(*source)).collect(), ..Notebook::default() };
        Document::new(Path::new("notebook.rs"), Path::new("notebook.json"), notebook, Kept::default(), 0)
    }

    struct Kernel(u64);

    impl Kernel {
        fn run(&mut self, document: &mut Document, at: usize) {
            self.0 += 1;
            let entry = &document.entries()[at];
            let (id, source) = (entry.id, entry.cell.source().to_owned());
            document.end(id, Finished { source, ok: true, ms: 1, at: Timestamp::UNIX_EPOCH, order: self.0 });
        }
    }

    fn stale(document: &Document) -> Vec<String> {
        let word = |entry: &Entry| match entry.standing() {
            Standing::Stale(why) => why,
            Standing::Done(_) => String::new(),
            other => format!("{other:?}"),
        };
        document.entries().iter().map(word).collect()
    }

    #[test]
    fn a_cell_is_stale_when_what_it_uses_is_run_again_or_edited() {
        let mut document = document(&["let r = run(1);", "let w = r.weights();", "w.hist()", "let other = 2;"]);
        let mut kernel = Kernel(0);
        for at in 0..4 {
            kernel.run(&mut document, at);
        }
        assert_eq!(stale(&document), ["", "", "", ""]);
        kernel.run(&mut document, 0);
        assert_eq!(stale(&document), ["", "r changed", "w is stale", ""], "through what it is made of");
        kernel.run(&mut document, 1);
        assert_eq!(stale(&document), ["", "", "w changed", ""]);
        kernel.run(&mut document, 2);
        document.set_source(0, "let r = run(2);");
        assert_eq!(stale(&document), ["edited", "r is stale", "w is stale", ""]);
        document.set_source(0, "let r = run(1);");
        assert_eq!(stale(&document), ["", "", "", ""], "as it was again");
    }

    #[test]
    fn a_name_that_a_later_cell_takes_over_makes_its_users_stale() {
        let mut document = document(&["let x = 1;", "x + 1", "let x = 5;"]);
        let mut kernel = Kernel(0);
        (0..3).for_each(|at| kernel.run(&mut document, at));
        assert_eq!(stale(&document), ["", "x changed", ""]);
        kernel.run(&mut document, 1);
        assert_eq!(stale(&document), ["", "", ""]);
    }

    #[test]
    fn what_is_lost_makes_stale_and_a_new_kernel_makes_earlier() {
        let mut document = document(&["fn f() {}", "let x = f();", "x", "?select 1"]);
        let mut kernel = Kernel(0);
        (0..4).for_each(|at| kernel.run(&mut document, at));
        document.lose(Lost::Variables);
        assert_eq!(stale(&document), ["", "variables lost", "x lost", ""]);
        kernel.run(&mut document, 1);
        kernel.run(&mut document, 2);
        document.lose(Lost::Everything);
        assert_eq!(stale(&document), ["Earlier", "Earlier", "Earlier", ""], "an answer needs no kernel");
    }

    #[test]
    fn removals_and_moves_are_taken_back_in_order() {
        let mut document = document(&["a", "b", "c"]);
        let sources =
            |document: &Document| document.entries().iter().map(|it| it.cell.source().to_owned()).collect::<Vec<_>>();
        document.remove(1);
        document.shift(0, 1);
        document.remove(0);
        document.remove(0);
        assert!(document.is_empty());
        while document.undo().is_some() {}
        assert_eq!(sources(&document), ["a", "b", "c"]);
        assert_eq!(document.insert(99, "d"), document.entries()[3].id);
    }

    #[test]
    fn a_mark_that_is_typed_or_pasted_begins_a_cell() {
        let mut document = document(&["a", "z"]);
        let sources =
            |document: &Document| document.entries().iter().map(|it| it.cell.source().to_owned()).collect::<Vec<_>>();
        assert_eq!(document.set_source(0, "a\n// %% two\nb\n// %%\nc"), 3);
        assert_eq!(sources(&document), ["a", "b", "c", "z"]);
        assert_eq!(document.entries()[1].cell.title(), "two");
        assert_eq!(document.set_source(3, "// %% last\ny"), 1);
        assert_eq!(sources(&document)[3], "y");
        let again = Notebook::parse(&document.notebook().text());
        assert_eq!(again.cells.iter().map(Cell::source).collect::<Vec<_>>(), sources(&document));
    }

    #[test]
    fn outputs_are_bounded_in_number() {
        let mut document = document(&["a"]);
        let id = document.entries()[0].id;
        let entry = document.get_mut(id).unwrap();
        for round in 0..1000 {
            entry.wrote(if round % 2 == 0 { Stream::Stdout } else { Stream::Stderr }, "x\n");
        }
        assert_eq!(entry.outputs.len(), MOST_OUTPUTS);
        let lines: usize = entry.outputs.iter().map(|output| output.text().lines().count()).sum();
        assert_eq!(lines, 1000, "nothing is lost");
    }
}
