//! The runner against a kernel that is played.

use super::*;
use crate::notebook::document::Standing as Cell;
use crate::notebook::kernel_client::Missing;
use crate::notebook::protocol::Status;
use crate::session::notebook::{Kept, Notebook};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

struct Stage {
    runner: Runner,
    generation: u64,
    sent: Vec<protocol::Request>,
    starts: u32,
    said: Vec<String>,
    saved: usize,
    asked: Vec<(CellId, u64)>,
}

impl Stage {
    fn new(sources: &[&str]) -> Self {
        let mut stage = Self {
            runner: Runner::default(),
            generation: 0,
            sent: Vec::new(),
            starts: 0,
            said: Vec::new(),
            saved: 0,
            asked: Vec::new(),
        };
        stage.open("a.rs", sources);
        stage
    }

    fn open(&mut self, path: &str, sources: &[&str]) {
        let text = sources.iter().map(|source| format!("// %%\n{source}\n")).collect::<Vec<_>>().concat();
        let first = self.runner.next_name();
        let document =
            Document::new(Path::new(path), Path::new("a.json"), Notebook::parse(&text), Kept::default(), first);
        self.runner.add(document);
    }

    fn doing(&mut self, todo: Vec<Do>) {
        for it in todo {
            match it {
                Do::Kernel(Wish::Start { generation, .. }) => {
                    self.generation = generation;
                    self.starts += 1;
                }
                Do::Kernel(Wish::Send(request)) => self.sent.push(request),
                Do::Say(text, _) => self.said.push(text),
                Do::Save(_) => self.saved += 1,
                Do::Ask { cell, run, .. } => self.asked.push((cell, run)),
                Do::Kernel(Wish::End) | Do::Completions { .. } | Do::Hover { .. } | Do::Variables(_) => {}
            }
        }
    }

    fn id(&self, path: &str, at: usize) -> CellId {
        self.runner.document(Path::new(path)).unwrap().entries()[at].id
    }

    fn run(&mut self, path: &str, cells: &[usize]) {
        let ids: Vec<CellId> = cells.iter().map(|at| self.id(path, *at)).collect();
        let todo = self.runner.run(&ids, NOW);
        self.doing(todo);
    }

    fn happens(&mut self, what: Happening) {
        let todo = self.runner.take(News { generation: self.generation, what }, NOW);
        self.doing(todo);
    }

    fn says(&mut self, id: u64, what: What) {
        self.happens(Happening::Said(Event { id, what }));
    }

    fn status(&mut self, status: Status) {
        self.says(0, What::Status { status, ms: None, message: Some("because".to_owned()), notes: Vec::new() });
    }

    fn done(&mut self, ok: bool) {
        let id = self.sent.last().unwrap().id;
        self.says(id, What::Done { ok, ms: 240, phases: Vec::new() });
    }

    fn fails(&mut self, kind: FailureKind, lost: protocol::Lost) {
        let id = self.sent.iter().rev().find(|it| matches!(it.op, Op::Exec { .. })).unwrap().id;
        let failure = Failure { kind, message: "no".to_owned(), spans: Vec::new(), help: None, lost };
        self.says(id, What::Error(failure));
        self.says(id, What::Done { ok: false, ms: 3, phases: Vec::new() });
    }

    fn code(&self) -> &str {
        match &self.sent.last().unwrap().op {
            Op::Exec { code } => code,
            other => panic!("{other:?}"),
        }
    }

    fn cells(&self, path: &str) -> Vec<Cell> {
        self.runner.document(Path::new(path)).unwrap().entries().iter().map(Entry::standing).collect()
    }

    fn output(&self, path: &str, at: usize) -> String {
        let outputs = &self.runner.document(Path::new(path)).unwrap().entries()[at].outputs;
        outputs.iter().map(Output::text).collect::<Vec<_>>().join("|")
    }
}

#[test]
fn cells_wait_for_the_kernel_and_run_one_after_another() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.run("a.rs", &[0, 1]);
    assert_eq!((stage.starts, stage.sent.len()), (1, 0), "it starts, and they wait");
    assert_eq!(stage.cells("a.rs"), [Cell::Queued, Cell::Queued]);
    stage.status(Status::Ready);
    assert_eq!(stage.code(), "a");
    assert_eq!(stage.cells("a.rs"), [Cell::Compiling(NOW), Cell::Queued]);
    stage.status(Status::Running);
    stage.says(1, What::Stdout { text: "x".to_owned() });
    stage.says(1, What::Stdout { text: "y\n".to_owned() });
    stage.says(1, What::Value { text: "3".to_owned() });
    assert_eq!(stage.cells("a.rs")[0], Cell::Running(NOW));
    stage.done(true);
    assert_eq!(stage.output("a.rs", 0), "xy\n|3");
    assert_eq!(stage.code(), "b");
    stage.done(true);
    assert_eq!(stage.cells("a.rs"), [Cell::Done(240), Cell::Done(240)]);
    assert_eq!(stage.saved, 2, "written on every run");
}

#[test]
fn a_failure_keeps_those_behind_it_from_running() {
    let mut stage = Stage::new(&["a", "b", "c"]);
    stage.run("a.rs", &[0, 1, 2]);
    stage.status(Status::Ready);
    stage.fails(FailureKind::Panic, protocol::Lost::Nothing);
    assert_eq!(stage.cells("a.rs"), [Cell::Failed(3), Cell::New, Cell::New]);
    assert_eq!(stage.said, ["2 cells behind it were not run"]);
}

#[test]
fn an_interrupt_is_asked_once_and_what_is_lost_is_marked() {
    let mut stage = Stage::new(&["let x = 1;", "loop {}"]);
    stage.run("a.rs", &[0]);
    stage.status(Status::Ready);
    stage.done(true);
    stage.run("a.rs", &[1]);
    let todo = stage.runner.interrupt(NOW);
    stage.doing(todo);
    let todo = stage.runner.interrupt(NOW);
    stage.doing(todo);
    assert_eq!(stage.sent.iter().filter(|it| it.op == Op::Interrupt).count(), 1);
    stage.fails(FailureKind::Interrupted, protocol::Lost::Variables);
    assert_eq!(stage.cells("a.rs"), [Cell::Stale("variables lost".to_owned()), Cell::Failed(3)]);
    assert!(stage.output("a.rs", 1).contains("variables lost, definitions kept"));
    assert!(stage.runner.client.interrupting.is_none());
}

#[test]
fn questions_are_answered_while_the_kernel_is_busy_or_dead() {
    let mut stage = Stage::new(&["?select 1", "loop {}"]);
    stage.run("a.rs", &[1]);
    stage.happens(Happening::Missing(Missing { what: "not installed".to_owned(), help: "build it".to_owned() }));
    assert!(stage.output("a.rs", 1).contains("not installed\nhelp: build it"), "{}", stage.output("a.rs", 1));
    stage.run("a.rs", &[0]);
    let (cell, run) = stage.asked[0];
    let answer = Output::Value { text: Captured::new("42") };
    let todo = stage.runner.answered(cell, run + 1, Ok(vec![answer.clone()]), NOW);
    assert!(todo.is_empty(), "of another run");
    let todo = stage.runner.answered(cell, run, Ok(vec![answer]), NOW);
    stage.doing(todo);
    assert_eq!((stage.cells("a.rs")[0].clone(), stage.output("a.rs", 0)), (Cell::Done(0), "42".to_owned()));
}

#[test]
fn a_kernel_that_dies_fails_its_cell_and_is_started_again_by_the_next_run() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.run("a.rs", &[0]);
    stage.status(Status::Ready);
    let old = stage.generation;
    stage.happens(Happening::Ended("thread main panicked\nnote".to_owned()));
    assert!(stage.output("a.rs", 0).contains("thread main panicked / note"), "{}", stage.output("a.rs", 0));
    assert!(matches!(stage.cells("a.rs")[0], Cell::Failed(_)));
    assert!(matches!(stage.runner.client.standing, Standing::Dead(_)));
    stage.run("a.rs", &[1]);
    assert_eq!(stage.starts, 2);
    let late = News { generation: old, what: Happening::Ended(String::new()) };
    assert!(stage.runner.take(late, NOW).is_empty());
    assert!(stage.runner.client.is_alive(), "news of the old one mean nothing");
    stage.status(Status::Ready);
    assert_eq!(stage.code(), "b");
}

#[test]
fn a_kernel_that_says_it_is_dead_keeps_its_reason_when_its_process_ends() {
    let mut stage = Stage::new(&["a"]);
    stage.run("a.rs", &[0]);
    stage.status(Status::Dead);
    stage.happens(Happening::Ended(String::new()));
    assert_eq!(stage.runner.client.standing, Standing::Dead("because".to_owned()));
    assert!(stage.output("a.rs", 0).contains("because"));
}

#[test]
fn a_restart_asks_a_free_kernel_and_replaces_a_busy_one() {
    let mut stage = Stage::new(&["let x = 1;", "x"]);
    stage.run("a.rs", &[0]);
    stage.status(Status::Ready);
    stage.done(true);
    let todo = stage.runner.restart(NOW);
    stage.doing(todo);
    assert_eq!(stage.sent.last().unwrap().op, Op::Restart);
    assert_eq!(stage.cells("a.rs")[0], Cell::Earlier);
    stage.run("a.rs", &[1]);
    assert_eq!(stage.sent.last().unwrap().op, Op::Restart, "it waits for the restart");
    stage.done(true);
    assert_eq!(stage.code(), "x");
    let todo = stage.runner.restart(NOW);
    stage.doing(todo);
    assert_eq!(stage.starts, 2);
    assert!(stage.output("a.rs", 1).contains("restarted"));
}

#[test]
fn another_notebook_gets_a_kernel_that_knows_nothing_of_the_first() {
    let mut stage = Stage::new(&["let x = 1;"]);
    stage.open("b.rs", &["x"]);
    stage.run("a.rs", &[0]);
    stage.status(Status::Ready);
    stage.done(true);
    stage.run("b.rs", &[0]);
    assert_eq!((stage.starts, stage.sent.len()), (2, 1));
    assert_eq!(stage.cells("a.rs"), [Cell::Earlier]);
    stage.status(Status::Ready);
    assert_eq!(stage.code(), "x");
}

#[test]
fn a_program_that_is_no_kernel_is_given_up() {
    let mut stage = Stage::new(&["a"]);
    stage.run("a.rs", &[0]);
    for _ in 0..500 {
        stage.happens(Happening::Garbled("hello".to_owned()));
    }
    assert!(stage.output("a.rs", 0).contains("another language"), "{}", stage.output("a.rs", 0));
}

#[test]
fn a_cell_that_is_removed_while_it_runs_takes_nothing_along() {
    let mut stage = Stage::new(&["a", "b"]);
    stage.run("a.rs", &[0, 1]);
    stage.status(Status::Ready);
    stage.runner.document_mut(Path::new("a.rs")).unwrap().remove(0);
    stage.says(1, What::Stdout { text: "x".to_owned() });
    stage.done(true);
    assert_eq!(stage.code(), "b");
}
