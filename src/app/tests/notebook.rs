//! The notebook, from the keyboard and the mouse, with a kernel that is played.

use std::path::Path;
use std::sync::Arc;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use image::{ImageFormat, Rgb, RgbImage};
use ratatui::style::Modifier;

use super::fixture::Fixture;
use super::fuzz::Random;
use super::glass::Glass;
use super::{Driver, Event};
use crate::app::{Options, ScreenKind, ThemeName};
use crate::notebook::kernel_client::{Happening, Missing, News, Wish};
use crate::notebook::protocol::{self, Completion, Failure, FailureKind, Op, Request, Span, Status, What};
use crate::session::notebook::{Image, Output, Plot, PlotKind, PlotSeries};

const ID: &str = "260304-120000-hayao";

/// A dashboard with the notebook of a session in front, and a kernel that does what the test says.
struct Stage {
    root: tempfile::TempDir,
    driver: Driver,
    generation: u64,
    seen: usize,
}

impl Stage {
    fn new(text: &str, size: (u16, u16)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = Fixture::default().make(root.path());
        if !text.is_empty() {
            std::fs::write(folder.notebook(), text).unwrap();
        }
        let driver = open(root.path(), size);
        let mut stage = Self { root, driver, generation: 0, seen: 0 };
        stage.look();
        stage
    }

    /// With a kernel that waits for a cell.
    fn ready(text: &str, size: (u16, u16)) -> Self {
        let mut stage = Self::new(text, size);
        stage.status(Status::Ready);
        stage
    }

    /// What was asked of the kernel since the last look.
    fn look(&mut self) -> Vec<Request> {
        let mut sent = Vec::new();
        for wish in &self.driver.kernel[self.seen..] {
            match wish {
                Wish::Start { generation, .. } => self.generation = *generation,
                Wish::Send(request) => sent.push(request.clone()),
                Wish::End => {}
            }
        }
        self.seen = self.driver.kernel.len();
        sent
    }

    fn happens(&mut self, what: Happening) {
        self.driver.event(Event::Kernel(News { generation: self.generation, what }));
    }

    fn says(&mut self, id: u64, what: What) {
        self.happens(Happening::Said(protocol::Event { id, what }));
    }

    fn status(&mut self, status: Status) {
        self.says(0, What::Status { status, ms: Some(3700), message: None, notes: Vec::new() });
    }

    /// The one request since the last look.
    fn asked(&mut self) -> Request {
        let mut sent = self.look();
        assert_eq!(sent.len(), 1, "{sent:?}");
        sent.remove(0)
    }

    fn done(&mut self, id: u64) {
        self.says(id, What::Done { ok: true, ms: 241, phases: Vec::new() });
    }

    /// The cell that was just run gives this value.
    fn gives(&mut self, value: &str) {
        let request = self.asked();
        self.says(request.id, What::Value { text: value.to_owned() });
        self.done(request.id);
    }

    fn fails(&mut self, failure: Failure) {
        let request = self.asked();
        self.says(request.id, What::Error(failure));
        self.says(request.id, What::Done { ok: false, ms: 130, phases: Vec::new() });
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.root.path().join(ID).join("notebook.rs")).unwrap()
    }
}

fn open(root: &Path, (width, height): (u16, u16)) -> Driver {
    let options =
        Options { open: Some(ID.to_owned()), notebook: true, theme: Some(ThemeName::Dark), ..Options::new(root) };
    let driver = Driver::with(&options, width, height);
    assert_eq!(driver.app.screen(), ScreenKind::Notebook);
    driver
}

fn failure(message: &str, spans: Vec<Span>) -> Failure {
    Failure {
        kind: FailureKind::Compile,
        message: message.to_owned(),
        spans,
        help: None,
        lost: protocol::Lost::Nothing,
    }
}

const CELLS: &str =
    "// %%\nlet r = run(\"latest\");\n\n// %%\nr.metrics().last(5)\n\n// %% weights\nlet w = r.weights();\nw.hist()\n";

#[test]
fn a_cell_is_typed_run_and_written() {
    let mut stage = Stage::ready("", (100, 30));
    assert!(stage.driver.shows("no cells yet") && stage.driver.shows("kernel ready"), "{}", stage.driver.text());
    stage.driver.key("enter");
    stage.driver.typed("let x = 1;");
    stage.driver.key("enter");
    stage.driver.typed("x + 1");
    assert!(stage.driver.shows("typing"), "{}", stage.driver.text());
    stage.driver.key("ctrl-e");
    let request = stage.asked();
    assert_eq!(request.op, Op::Exec { code: "let x = 1;\nx + 1".to_owned() });
    stage.status(Status::Running);
    assert!(stage.driver.shows("running 0.0 s") && stage.driver.shows("[1] ▸ 0.0 s"), "{}", stage.driver.text());
    stage.says(request.id, What::Stdout { text: "hello\n".to_owned() });
    stage.says(request.id, What::Value { text: "2".to_owned() });
    stage.done(request.id);
    let text = stage.driver.text();
    assert!(
        text.contains("[1] ✓ 241 ms  │ let x = 1;") && text.contains("│   hello") && text.contains("│   2"),
        "{text}"
    );
    assert_eq!(stage.file(), "// %%\nlet x = 1;\nx + 1\n");
    // Opening it again shows what it gave, and says that it is not of this kernel.
    let mut again = open(stage.root.path(), (100, 30));
    let text = again.text();
    assert!(text.contains("◌ earlier │ let x = 1;") && text.contains("│   hello"), "{text}");
}

#[test]
fn a_question_is_answered_without_any_kernel() {
    let mut stage = Stage::new("", (100, 30));
    stage.happens(Happening::Missing(Missing { what: "Rust is missing".to_owned(), help: String::new() }));
    stage.driver.key("b");
    stage.driver.typed("?select session, max(step) as last from metrics group by session");
    stage.driver.key("ctrl-e");
    let text = stage.driver.text();
    assert!(text.contains("no kernel: Rust is missing. Questions in SQL still work"), "{text}");
    assert!(text.contains("session") && text.contains("400") && text.contains("✓"), "{text}");
    stage.driver.key("b");
    stage.driver.typed("select nonsense from metrics");
    stage.driver.key("alt-enter");
    assert!(stage.driver.shows("error: ") && stage.driver.shows("metrics has session"), "{}", stage.driver.text());
}

#[test]
fn the_kernel_starts_with_the_pane_and_survives_other_screens() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.keys(&["r", "1", "2"]);
    let request = stage.asked();
    assert!(matches!(request.op, Op::Exec { .. }));
    stage.says(request.id, What::Value { text: "while away".to_owned() });
    stage.done(request.id);
    stage.driver.key("B");
    assert!(stage.driver.shows("while away"), "{}", stage.driver.text());
    assert_eq!(stage.driver.kernel.iter().filter(|it| matches!(it, Wish::Start { .. })).count(), 1);
}

#[test]
fn stale_cells_are_marked_and_never_run_by_themselves() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    for _ in 0..3 {
        stage.driver.key("r");
        stage.gives("v");
        stage.driver.key("down");
    }
    assert!(!stage.driver.shows("stale"), "{}", stage.driver.text());
    stage.driver.keys(&["home", "r"]);
    stage.gives("v");
    let text = stage.driver.text();
    assert!(text.contains("2 stale") && text.contains("(r changed)"), "{text}");
    assert!(stage.look().is_empty());
    stage.driver.key("s");
    let Op::Exec { code } = stage.asked().op else { panic!() };
    assert_eq!(code, "r.metrics().last(5)");
}

#[test]
fn compile_errors_stand_under_the_text_that_is_wrong() {
    let mut stage = Stage::ready("// %%\nlet a = 写(1);\nlet b: f64 = \"x\";\n", (90, 24));
    stage.driver.key("r");
    let span =
        Span { line: 2, column: 14, end_line: 2, end_column: 17, label: "expected `f64`".to_owned(), primary: true };
    stage.fails(failure("mismatched types", vec![span]));
    let text = stage.driver.text();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("let b: f64")).unwrap();
    let column = lines[at].chars().position(|c| c == '"').unwrap();
    let mark = lines[at + 1].chars().position(|c| c == '^').unwrap();
    assert_eq!(mark, column, "{text}");
    assert!(lines[at + 1].ends_with("^^^ expected `f64`"), "{text}");
    assert!(text.contains("error: mismatched types") && text.contains("✗ 130 ms"), "{text}");
    // Once the text is another one, its marks mean nothing.
    stage.driver.keys(&["enter", "enter"]);
    assert!(!stage.driver.shows("^^^ expected"), "{}", stage.driver.text());
}

/// What is asked is answered below the cell: there it is looked at, though the cell stood at the bottom of the screen.
#[test]
fn what_the_last_cell_gives_comes_into_sight() {
    let text = (0..20).map(|n| format!("// %%\nlet x{n} = {n};\n")).collect::<Vec<_>>().concat();
    let mut stage = Stage::ready(&text, (80, 24));
    stage.driver.key("end");
    stage.driver.key("ctrl-e");
    stage.gives("the answer, in its first line\nand in its second");
    assert!(stage.driver.shows("and in its second"), "{}", stage.driver.text());
    // Who looks at something else is left there.
    stage.driver.key("ctrl-e");
    stage.driver.key("home");
    stage.gives("another answer\nof two lines");
    assert!(stage.driver.shows("let x0 = 0;") && !stage.driver.shows("of two lines"), "{}", stage.driver.text());
}

#[test]
fn an_interrupt_is_pressed_twice_and_says_what_it_costs() {
    let mut stage = Stage::ready("// %%\nloop {}\n", (100, 24));
    stage.driver.key("r");
    let request = stage.asked();
    stage.driver.key("i");
    assert!(stage.driver.shows("kills cell process; variables lost, definitions kept"), "{}", stage.driver.text());
    assert!(stage.look().is_empty());
    stage.driver.keys(&["j", "i"]);
    assert!(stage.look().is_empty(), "another key in between");
    stage.driver.key("i");
    assert_eq!(stage.asked().op, Op::Interrupt);
    assert!(stage.driver.shows("interrupting"), "{}", stage.driver.text());
    let lost = Failure {
        kind: FailureKind::Interrupted,
        lost: protocol::Lost::Variables,
        ..failure("interrupted", Vec::new())
    };
    stage.says(request.id, What::Error(lost));
    stage.says(request.id, What::Done { ok: false, ms: 1500, phases: Vec::new() });
    let text = stage.driver.text();
    assert!(text.contains("variables lost, definitions kept") && text.contains("kernel ready"), "{text}");
    stage.driver.keys(&["0", "0"]);
    assert_eq!(stage.asked().op, Op::Restart);
}

#[test]
fn a_replay_asks_first_and_runs_everything() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.key("R");
    assert!(stage.look().is_empty());
    stage.driver.key("y");
    let restart = stage.asked();
    assert_eq!(restart.op, Op::Restart);
    stage.done(restart.id);
    for _ in 0..3 {
        stage.gives("v");
    }
    assert_eq!(stage.driver.text().matches("✓ 241 ms").count(), 3, "{}", stage.driver.text());
}

#[test]
fn cells_are_added_moved_removed_and_brought_back() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.key("a");
    stage.driver.typed("first");
    stage.driver.key("esc");
    stage.driver.keys(&["J", "end", "x", "home", "x"]);
    assert_eq!(stage.file(), "// %%\nfirst\n\n// %%\nr.metrics().last(5)\n\n");
    stage.driver.keys(&["u", "u", "u"]);
    let file = stage.file();
    let order: Vec<usize> =
        ["first", "let r", "r.metrics", "// %% weights"].iter().map(|it| file.find(it).unwrap()).collect();
    assert!(order.is_sorted(), "{file}");
    assert!(stage.driver.shows("weights"), "its title is kept:\n{}", stage.driver.text());
}

#[test]
fn pasted_cells_become_cells() {
    let mut stage = Stage::ready("", (100, 30));
    stage.driver.event(Event::Input(Input::Paste("// %% one\r\nlet x = 1;\r\n// %%\r\nx\u{1b}[2J\r\n".to_owned())));
    stage.driver.key("esc");
    assert_eq!(stage.file(), "// %% one\nlet x = 1;\n\n// %%\nx\n");
    assert!(stage.driver.shows("cell 1 of 2"), "{}", stage.driver.text());
}

#[test]
fn long_output_is_folded_and_opened() {
    let mut stage = Stage::ready("// %%\nnoise()\n", (100, 30));
    stage.driver.key("r");
    let request = stage.asked();
    let lines = (0..1612).map(|n| format!("line {n}\n")).collect::<Vec<_>>().concat();
    stage.says(request.id, What::Stdout { text: lines });
    stage.done(request.id);
    for _ in 0..20 {
        stage.driver.key("down");
    }
    assert!(
        stage.driver.shows("… 1 412 more, o to open") && !stage.driver.shows("line 200"),
        "{}",
        stage.driver.text()
    );
    stage.driver.key("o");
    stage.driver.key("end");
    assert!(stage.driver.shows("line 1611"), "{}", stage.driver.text());
}

#[test]
fn completions_come_behind_a_point_and_are_narrowed_and_taken() {
    let mut stage = Stage::ready("// %%\nr\n", (100, 24));
    stage.driver.key("enter");
    stage.driver.typed(".");
    let request = stage.asked();
    assert_eq!(request.op, Op::Complete { code: "r.".to_owned(), offset: 2 });
    stage.driver.typed("m");
    let item =
        |name: &str| Completion { insert: name.to_owned(), label: format!("{name}(…)"), kind: "method".to_owned() };
    let items = vec![item("ema"), item("metrics"), item("min"), item("mean")];
    stage.says(request.id, What::Completions { items, start: 2, end: 2 });
    let text = stage.driver.text();
    assert!(text.contains("metrics(…)") && text.contains("mean(…)") && !text.contains("ema("), "{text}");
    stage.driver.typed("e");
    assert!(!stage.driver.shows("min(…)"));
    stage.driver.keys(&["down", "enter", "esc"]);
    assert_eq!(stage.file(), "// %%\nr.mean\n");
    stage.driver.keys(&["enter", "alt-h"]);
    let request = stage.asked();
    assert!(matches!(request.op, Op::Hover { offset: 6, .. }), "{request:?}");
    stage.says(request.id, What::Hover { text: "```rust\nfn mean(&self) -> f64\n```\n---\nThe **mean**.".to_owned() });
    assert!(stage.driver.shows("fn mean(&self) -> f64") && stage.driver.shows("The mean."), "{}", stage.driver.text());
    stage.driver.key("esc");
    assert!(!stage.driver.shows("The mean.") && stage.driver.shows("typing"));
}

#[test]
fn what_was_run_is_found_again() {
    let mut stage = Stage::ready("", (100, 30));
    for source in ["let alpha = 1;", "let beta = 2;"] {
        stage.driver.key("b");
        stage.driver.typed(source);
        stage.driver.key("ctrl-e");
        stage.gives("v");
    }
    stage.driver.keys(&["b", "ctrl-r"]);
    assert!(stage.driver.shows("run before"), "{}", stage.driver.text());
    stage.driver.typed("alp");
    stage.driver.keys(&["enter", "esc"]);
    assert_eq!(stage.file().matches("let alpha = 1;").count(), 2, "{}", stage.file());
}

#[test]
fn a_text_is_looked_for_in_cells_and_outputs() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.keys(&["down", "r"]);
    stage.gives("a needle here");
    stage.driver.key("home");
    stage.driver.key("/");
    stage.driver.typed("NEEDLE");
    stage.driver.key("enter");
    assert!(stage.driver.shows("cell 2 of 3"), "{}", stage.driver.text());
    let picture = stage.driver.picture();
    let marked: String = picture
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(Modifier::REVERSED))
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    assert_eq!(marked, "needle");
    stage.driver.key("esc");
    assert!(!stage.driver.shows("/NEEDLE"));
}

#[test]
fn pictures_plots_and_tables_are_drawn_whole_or_cut() {
    let mut stage = Stage::ready("// %%\nshow()\n", (100, 40));
    stage.driver.app.shared.depth = crate::app::theme::Depth::True;
    stage.driver.key("r");
    let request = stage.asked();
    let mut png = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(40, 40, Rgb([200, 10, 10])).write_to(&mut png, ImageFormat::Png).unwrap();
    let png: Arc<[u8]> = png.into_inner().into();
    let series =
        |name: &str, y: Vec<f64>| PlotSeries { name: name.to_owned(), x: (0..y.len()).map(|x| x as f64).collect(), y };
    for output in [
        Output::Image(Image { label: "sample".to_owned(), width: 40, height: 40, png }),
        Output::Plot(Plot {
            title: "loss".to_owned(),
            x_label: "step".to_owned(),
            series: vec![series("raw", (0..50).map(f64::from).collect()), series("ema", vec![1.0, f64::NAN, 3.0])],
            ..Plot::default()
        }),
        Output::Plot(Plot {
            title: "weights".to_owned(),
            kind: PlotKind::Bars,
            series: vec![series("", vec![1.0, 5.0, 2.0])],
            ..Plot::default()
        }),
    ] {
        stage.happens(Happening::Shown(Box::new(output)));
    }
    stage.done(request.id);
    let text = stage.driver.text();
    assert!(text.contains("sample  40x40") && text.contains("▀▀▀▀"), "{text}");
    for _ in 0..30 {
        stage.driver.event(wheel(MouseEventKind::ScrollDown));
        stage.driver.picture();
    }
    let text = stage.driver.text();
    assert!(
        text.contains("loss") && text.contains("raw") && text.contains("53 pts") && text.contains("weights"),
        "{text}"
    );
    for _ in 0..40 {
        stage.driver.event(wheel(MouseEventKind::ScrollUp));
        stage.driver.picture();
    }
    assert!(stage.driver.shows("show()"));
}

fn wheel(kind: MouseEventKind) -> Event {
    Event::Input(Input::Mouse(MouseEvent { kind, column: 40, row: 10, modifiers: KeyModifiers::NONE }))
}

#[test]
fn a_click_selects_and_another_one_edits() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    let row =
        |driver: &mut Driver, text: &str| driver.text().lines().position(|line| line.contains(text)).unwrap() as u16;
    let at = row(&mut stage.driver, "w.hist()");
    stage.driver.click(40, at);
    assert!(stage.driver.shows("cell 3 of 3") && !stage.driver.shows("typing"));
    stage.driver.click(40, at);
    assert!(stage.driver.shows("typing"), "{}", stage.driver.text());
    let first = row(&mut stage.driver, "let r");
    stage.driver.click(40, first);
    assert!(stage.driver.shows("cell 1 of 3") && !stage.driver.shows("typing"));
}

#[test]
fn what_is_typed_is_written_every_second_and_another_programs_text_is_kept() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.key("enter");
    stage.driver.typed(" // note");
    stage.driver.event(Event::Tick);
    assert!(stage.file().contains("// note"), "{}", stage.file());
    std::fs::write(stage.root.path().join(ID).join("notebook.rs"), "// %%\ntheirs\n").unwrap();
    stage.driver.key("esc");
    stage.driver.key("b");
    stage.driver.typed("ours");
    stage.driver.key("esc");
    assert!(stage.file().contains("ours"));
    let names: Vec<String> = std::fs::read_dir(stage.root.path().join(ID))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let aside = names.iter().find(|name| name.starts_with("notebook.theirs-")).unwrap_or_else(|| panic!("{names:?}"));
    let kept = std::fs::read_to_string(stage.root.path().join(ID).join(aside)).unwrap();
    assert_eq!(kept, "// %%\ntheirs\n");
    // Where nothing is changed here, what another program wrote is shown.
    std::fs::write(stage.root.path().join(ID).join("notebook.rs"), "// %%\nbrand_new()\n").unwrap();
    stage.driver.keys(&["1", "7"]);
    assert!(stage.driver.shows("brand_new()"), "{}", stage.driver.text());
}

#[test]
fn a_file_that_is_no_notebook_is_left_alone_and_named() {
    let root = tempfile::tempdir().unwrap();
    let folder = Fixture::default().make(root.path());
    std::fs::write(folder.notebook(), [0xff, 0, 1]).unwrap();
    let mut driver = open(root.path(), (90, 24));
    assert!(driver.shows("is no text") && driver.shows("move"), "{}", driver.text());
    driver.keys(&["enter", "a", "r", "x", "E", "ctrl-e"]);
    assert_eq!(std::fs::read(folder.notebook()).unwrap(), [0xff, 0, 1]);
    std::fs::write(folder.notebook(), "// %%\nfine()\n").unwrap();
    driver.keys(&["1", "7"]);
    assert!(driver.shows("fine()"), "{}", driver.text());
}

#[test]
fn each_session_has_its_notebook_and_the_folder_has_one_too() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    let other = Fixture { id: "260304-110000-other", ..Fixture::default() }.make(stage.root.path());
    std::fs::write(other.notebook(), "// %%\nother_cell()\n").unwrap();
    stage.driver.key("1");
    stage.driver.event(Event::Listings(crate::session::list(stage.root.path()).unwrap()));
    stage.driver.keys(&["end", "B"]);
    assert!(stage.driver.shows("other_cell()"), "{}", stage.driver.text());
    let options = Options { notebook: true, ..Options::new(stage.root.path()) };
    let mut driver = Driver::with(&options, 100, 30);
    assert!(driver.shows("notebook of all sessions") && driver.shows("no cells yet"), "{}", driver.text());
    driver.key("b");
    driver.typed("here");
    driver.key("esc");
    assert!(stage.root.path().join("notebook.rs").exists());
    assert_eq!(crate::session::ids(stage.root.path()).unwrap().len(), 2, "it is no session");
}

#[test]
fn it_is_exported_for_jupyter() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.key("r");
    stage.gives("3");
    stage.driver.key("E");
    let text = std::fs::read_to_string(stage.root.path().join(ID).join("notebook.ipynb")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["cells"][0]["outputs"][0]["data"]["text/plain"][0], "3");
}

#[test]
fn five_hundred_cells_are_drawn_and_scrolled() {
    let text = (0..500).map(|n| format!("// %%\nlet x{n} = {n};\nx{n} + 1\n")).collect::<Vec<_>>().concat();
    let mut stage = Stage::ready(&text, (140, 40));
    stage.driver.keys(&["A"]);
    for _ in 0..500 {
        let request = stage.asked();
        stage.says(request.id, What::Stdout { text: "line\n".repeat(50) });
        stage.done(request.id);
    }
    // How long a picture takes is no matter of tests; that few cells are laid out for one is `scroll::tests`'.
    for _ in 0..200 {
        stage.driver.event(wheel(MouseEventKind::ScrollUp));
        stage.driver.picture();
    }
    assert!(!stage.driver.shows("[500] "), "{}", stage.driver.text());
    stage.driver.key("home");
    assert!(stage.driver.shows("[1] ") || stage.driver.shows("[  1]"), "{}", stage.driver.text());
}

/// Something that the kernel may say, to anything.
fn kernel_says(random: &mut Random, id: u64) -> What {
    match random.next(11) {
        0 => What::Stdout { text: "写真 out\n\u{1b}[2J".repeat(1 + random.next(40) as usize) },
        1 => What::Stderr { text: "warn\r".to_owned() },
        2 => What::Value { text: "😀 e\u{301}\n".repeat(random.next(4) as usize) },
        3 => What::Error(failure(
            "no",
            vec![Span {
                line: random.next(4) as usize,
                column: random.next(9) as usize,
                end_line: random.next(4) as usize,
                end_column: random.next(9) as usize,
                label: "here".to_owned(),
                primary: random.next(2) == 0,
            }],
        )),
        4 => What::Completions {
            items: vec![Completion { insert: "写真".to_owned(), label: String::new(), kind: "fn".to_owned() }],
            start: random.next(20) as usize,
            end: random.next(20) as usize,
        },
        5 => What::Hover { text: "`x`\n\n```\ny\n```".to_owned() },
        6 => What::Variables { rows: Vec::new() },
        7 => What::Status {
            status: [Status::Ready, Status::Compiling, Status::Running, Status::Dead][random.next(4) as usize],
            ms: None,
            message: None,
            notes: Vec::new(),
        },
        _ => What::Done { ok: id.is_multiple_of(2), ms: random.next(100_000), phases: Vec::new() },
    }
}

#[test]
fn twenty_thousand_keys_and_a_kernel_that_says_anything_break_nothing() {
    let mut stage = Stage::ready(CELLS, (100, 30));
    stage.driver.app.shared.remembers = false;
    let mut random = Random(0xfeed);
    let mut glass = Glass::new();
    let mut last = 1;
    for step in 0..20_000 {
        for request in stage.look() {
            last = request.id;
        }
        let event = match random.next(16) {
            0 => Event::Input(Input::Paste("let 写 = 1;\n// %%\n?select 1\n".repeat(1 + random.next(3) as usize))),
            1 => Event::Tick,
            2..5 => {
                let id = if random.next(4) == 0 { random.next(50) } else { last };
                let what = kernel_says(&mut random, id);
                Event::Kernel(News {
                    generation: stage.generation,
                    what: Happening::Said(protocol::Event { id, what }),
                })
            }
            5 => {
                let kind = [
                    MouseEventKind::ScrollUp,
                    MouseEventKind::ScrollDown,
                    MouseEventKind::Down(crossterm::event::MouseButton::Left),
                ][random.next(3) as usize];
                Event::Input(Input::Mouse(MouseEvent {
                    kind,
                    column: random.next(100) as u16,
                    row: random.next(30) as u16,
                    modifiers: KeyModifiers::NONE,
                }))
            }
            _ => {
                let code = match random.next(20) {
                    0 | 1 => KeyCode::Enter,
                    2 => KeyCode::Esc,
                    3 => KeyCode::Tab,
                    4 => KeyCode::Up,
                    5 => KeyCode::Down,
                    6 => KeyCode::Backspace,
                    7 => KeyCode::PageDown,
                    8 => KeyCode::PageUp,
                    9 => KeyCode::Char('写'),
                    10 => KeyCode::Left,
                    _ => KeyCode::Char((b' ' + random.next(95) as u8) as char),
                };
                let modifiers = [
                    KeyModifiers::NONE,
                    KeyModifiers::NONE,
                    KeyModifiers::NONE,
                    KeyModifiers::CONTROL,
                    KeyModifiers::ALT,
                ][random.next(5) as usize];
                Event::Input(Input::Key(KeyEvent::new(code, modifiers)))
            }
        };
        // Pasting for ever makes a notebook that is no test of keys.
        if step % 500 == 0 {
            for _ in 0..40 {
                stage.driver.keys(&["esc", "esc", "esc", "x"]);
            }
        }
        stage.driver.event(event);
        if step % 16 == 0 {
            glass.show(&mut stage.driver);
        }
        stage.driver.app.quitting = false;
        if stage.driver.app.screen() != ScreenKind::Notebook {
            stage.driver.app.layers.clear();
            stage.driver.key("7");
        }
    }
    let text = stage.file();
    assert_eq!(crate::session::notebook::Notebook::parse(&text).text(), text);
}

#[test]
fn the_notebook_looks_like_this() {
    for (width, height) in [(80, 24), (140, 40)] {
        let mut stage = Stage::ready(
            "// %% [markdown]\n// # Is the discriminator winning?\n// Losses, and the weights behind them.\n\n// %%\nlet r = run(\"latest\");\n\n\
             // %%\n?select step, value from metrics where series = 'loss/g' order by step desc limit 4\n\n\
             // %% weights\nlet w: f64 = r.live().weights(\"generator/*\");\n\n// %%\nr.hist(w)\n",
            (width, height),
        );
        stage.driver.keys(&["down", "r"]);
        stage.gives("Run 260304-120000-hayao, step 400");
        stage.driver.keys(&["down", "r", "down", "r"]);
        let span = Span {
            line: 1,
            column: 14,
            end_line: 1,
            end_column: 45,
            label: "expected `f64`, found `Tensor`".to_owned(),
            primary: true,
        };
        let help = Some("write `let w = …`".to_owned());
        stage.fails(Failure { help, ..failure("mismatched types", vec![span]) });
        stage.driver.keys(&["home", "down", "r"]);
        stage.gives("Run 260304-120000-hayao, step 400");
        stage.driver.keys(&["end", "r"]);
        stage.status(Status::Compiling);
        // Messages are of a moment.
        stage.driver.app.toasts.dismiss();
        insta::assert_snapshot!(format!("notebook-{width}x{height}"), stage.driver.text());
    }
}
