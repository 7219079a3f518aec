//! The dashboard as a person has it: in a terminal, by keys, through hang-ups and faults.

use std::path::Path;

use atelier::record::At;
use atelier::session::{self, Manifest, New, Session, State};
use rustix::process::Signal;

use crate::pty::Terminal;

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("sessions")).unwrap();
    dir
}

#[test]
fn it_opens_says_that_there_is_nothing_yet_and_leaves_no_trace() {
    let dir = folder();
    let mut terminal = Terminal::start(dir.path(), &[], 80, 24);
    terminal.wait_for_text("no sessions yet");
    terminal.send("q");
    assert!(terminal.end().success());
    assert!(terminal.is_given_back(), "{}", terminal.screen());
}

#[test]
fn help_and_palette_open_by_their_keys_and_close_again() {
    let dir = folder();
    let mut terminal = Terminal::start(dir.path(), &[], 100, 40);
    terminal.wait_for_text("no sessions yet");
    terminal.send("?");
    terminal.wait_for_text("What the keys do here");
    terminal.send("\x1b");
    terminal.wait_for("the help to close", |screen| !screen.contains("What the keys do here"));
    terminal.send(":");
    terminal.wait_for_text("Start a session");
    terminal.send("leave the dash");
    terminal.wait_for_text("Leave the dashboard");
    terminal.send("\r");
    assert!(terminal.end().success());
    assert!(terminal.is_given_back());
}

#[test]
fn a_hang_up_ends_it_and_gives_the_terminal_back() {
    let dir = folder();
    for signal in [Signal::HUP, Signal::TERM] {
        let mut terminal = Terminal::start(dir.path(), &[], 80, 24);
        terminal.wait_for_text("no sessions yet");
        terminal.signal(signal);
        terminal.end();
        assert!(terminal.is_given_back(), "after {signal:?}:\n{}", terminal.screen());
    }
}

#[test]
fn a_fault_of_its_own_gives_the_terminal_back_and_leaves_a_report() {
    let dir = folder();
    let drill = [("ATELIER_DRILL", "panic"), ("TMPDIR", dir.path().to_str().unwrap())];
    let mut terminal = Terminal::start_with(dir.path(), &[], 100, 24, &drill);
    terminal.wait_for_text("no sessions yet");
    terminal.send("!");
    assert!(!terminal.end().success());
    assert!(terminal.is_given_back());
    let screen = terminal.screen();
    assert!(screen.contains("a fault of its own") && !screen.contains("stack backtrace"), "{screen}");
    let reports = std::fs::read_dir(dir.path()).unwrap().flatten();
    let report = reports.map(|it| it.path()).find(|path| path.to_str().unwrap().contains("atelier-fault")).unwrap();
    assert!(std::fs::read_to_string(report).unwrap().contains("drill"));
}

/// A session of this process's that runs until it is dropped, as far as anyone can see.
fn running(directory: &Path, name: &str) -> Session {
    let new = New {
        name,
        tags: &[],
        notes: "",
        config: "track = \"pix2pixhd\"\n[data]\nroot = \".\"\n[train]\nepochs = 1\n",
        command: Vec::new(),
        seed: Some(1),
        parent: None,
        parent_step: None,
        inventory: serde_json::Value::Null,
        versions: std::collections::BTreeMap::new(),
    };
    let session = session::create(&directory.join("sessions"), &new).unwrap();
    session.set_totals(100, 1.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    session
}

fn record(session: &Session, steps: std::ops::Range<i64>) {
    let recorder = session.recorder();
    for step in steps {
        let at = At { step, epoch: step as f64 / 100.0 };
        recorder.metrics().append_waiting(at, &[("loss/g", 1.0 / step as f64)]).unwrap();
    }
    recorder.metrics().flush().unwrap();
}

#[test]
fn what_is_recorded_comes_by_itself_whether_the_kernel_tells_or_not() {
    for (args, words) in [(&["--open", "live"][..], "watching: "), (&["--open", "live", "--poll"], "polling 1 s")] {
        let dir = folder();
        let session = running(dir.path(), "live");
        record(&session, 1..11);
        let mut terminal = Terminal::start(dir.path(), args, 120, 30);
        terminal.wait_for_text("10 pts");
        terminal.wait_for_text(words);
        record(&session, 11..31);
        terminal.wait_for_text("30 pts");
        terminal.send("q");
        assert!(terminal.end().success());
    }
}

#[test]
fn a_storm_of_sizes_ends_in_the_picture_that_a_quiet_start_gives() {
    let dir = folder();
    let folder = session::Folder::new(dir.path().join("sessions/260304-120000-写真からイラスト"));
    std::fs::create_dir_all(folder.path()).unwrap();
    let mut manifest = Manifest::new("写真からイラスト", "track = \"pix2pixhd\"\n").unwrap();
    manifest.state = State::Finished;
    // Long ago: its age stands still while both are looked at.
    manifest.ended = "2001-02-03T04:05:06Z".parse().ok();
    manifest.save(&folder).unwrap();
    let trimmed = |screen: &str| screen.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let whole = |screen: &str| {
        screen.contains("写真からイラスト") && screen.contains("watching") && screen.contains("checkpoint")
    };
    let mut quiet = Terminal::start(dir.path(), &[], 120, 30);
    quiet.wait_for("the list", whole);
    let wanted = trimmed(&quiet.screen());
    let mut terminal = Terminal::start(dir.path(), &[], 40, 12);
    terminal.wait_for_text("写真");
    for n in 0..300_u16 {
        terminal.resize(40 + n * 7 % 261, 12 + n * 5 % 89);
    }
    terminal.resize(120, 30);
    terminal.wait_for("the same picture", |screen| trimmed(screen) == wanted);
    terminal.send("q");
    assert!(terminal.end().success());
    assert!(terminal.is_given_back());
}

#[test]
fn what_is_pasted_is_text_and_what_is_no_key_is_nothing() {
    let dir = folder();
    let _session = running(dir.path(), "live");
    let mut terminal = Terminal::start(dir.path(), &[], 100, 30);
    terminal.wait_for_text("live");
    // A paste outside of any prompt is no series of keys: this one would leave.
    terminal.send("\x1b[200~qqq\x1b[201~");
    // Keys of other keyboards, a terminal's answers that nobody waits for any more, and bytes that are no text at all.
    for nothing in ["\x1b[99;99z", "\x1b[27;5;300~", "\x1b[?1;2c", "\x1b[57999u", "\x1b_Gi=31;OK\x1b\\"] {
        terminal.send(nothing);
    }
    terminal.send("\x1b]11;rgb:1e1e/1e1e/dddd\x1b\\\x1bP1$r0q\x1b\\\x1b]4;1;rgb:00/qq/00\x07");
    terminal.send_bytes(b"\xff\xfe\x00");
    terminal.send("/");
    terminal.send("\x1b[200~state:running\nname:li\x1b[201~");
    terminal.wait_for_text("state:running name:li");
    terminal.send("\r");
    terminal.wait_for_text("1 of 1");
    terminal.send("q");
    assert!(terminal.end().success());
}

#[test]
fn without_a_terminal_it_says_what_to_use_instead() {
    let dir = folder();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_atelier"))
        .current_dir(dir.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("needs a terminal") && text.contains("atelier ls"), "{text}");
}

#[test]
fn a_session_that_is_not_there_is_a_mistake_of_the_call() {
    let dir = folder();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_atelier"))
        .args(["--open", "nowhere"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[cfg(feature = "train")]
mod steering {
    use super::*;
    use crate::trainer::{Bench, wait_until};

    /// A running session from the keyboard alone: started by the form, paused, annotated, stopped, resumed, deleted.
    #[test]
    fn a_session_is_started_steered_stopped_resumed_and_deleted_from_the_keyboard() {
        let bench = Bench::new();
        let cache = bench.path().join("cache");
        let more = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
        let mut terminal = Terminal::start_with(bench.path(), &[], 120, 36, &more);
        terminal.wait_for_text("no sessions yet");
        terminal.send("n");
        terminal.wait_for_text("tiny.toml");
        terminal.send("/train.epochs\r\r\x15");
        terminal.send("4000\r");
        terminal.wait_for("the value to be taken", |screen| screen.contains("4000") && screen.contains("s start"));
        terminal.send("s");
        terminal.wait_for_text("trains, process");
        terminal.wait_for_text("● run");
        terminal.send("p");
        terminal.wait_for_text("‖ pause");
        terminal.send("tlive\r");
        terminal.wait_for_text("tags live");
        terminal.send("d");
        terminal.wait_for_text("s stops it");
        terminal.send("p");
        terminal.wait_for_text("● run");
        terminal.send("sy");
        terminal.wait_for_text("■ stop");
        terminal.send("r");
        terminal.wait_for_text("● run");
        terminal.send("sy");
        terminal.wait_for_text("■ stop");
        terminal.send("dy");
        wait_until(|| std::fs::read_dir(bench.path().join("sessions")).unwrap().count() == 0);
        terminal.wait_for_text("no sessions yet");
        terminal.send("q");
        assert!(terminal.end().success());
    }

    /// Started over a link that is lost, trained on without it, and all there when the dashboard is opened again.
    #[test]
    fn a_session_outlives_the_link_and_is_whole_when_it_is_looked_at_again() {
        let bench = Bench::new();
        let cache = bench.path().join("cache");
        let more = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
        let mut terminal = Terminal::start_with(bench.path(), &[], 120, 36, &more);
        terminal.wait_for_text("no sessions yet");
        terminal.send("n");
        terminal.wait_for_text("tiny.toml");
        terminal.send("/train.epochs\r\r\x15");
        terminal.send("4000\r");
        terminal.wait_for("the value to be taken", |screen| screen.contains("4000") && screen.contains("s start"));
        terminal.send("s");
        terminal.wait_for_text("● run");
        terminal.signal(Signal::HUP);
        terminal.end();
        assert!(terminal.is_given_back(), "{}", terminal.screen());
        let then = bench.recorded("loss/g");
        wait_until(|| bench.recorded("loss/g") > then + 5);
        let since = bench.recorded("loss/g");
        let mut again = Terminal::start_with(bench.path(), &["--open", "last"], 120, 36, &more);
        again.wait_for("every step so far", |screen| points(screen) >= since);
        assert!(again.screen().contains("run"), "{}", again.screen());
        assert!(bench.run(&["stop", "last"]).status.success());
        again.wait_for_text("stop");
        again.send("q");
        assert!(again.end().success());
        assert_eq!(bench.manifest("state"), "stopped");
    }

    /// The count of points in the first chart's title: `1 234 pts`.
    fn points(screen: &str) -> usize {
        let Some((before, _)) = screen.split_once(" pts") else { return 0 };
        let digits: String =
            before.chars().rev().take_while(|c| c.is_ascii_digit() || *c == ' ').filter(char::is_ascii_digit).collect();
        digits.chars().rev().collect::<String>().parse().unwrap_or(0)
    }

    #[test]
    fn a_start_that_fails_shows_the_process_s_own_words() {
        let bench = Bench::new();
        let text = std::fs::read_to_string(bench.path().join("tiny.toml")).unwrap();
        let broken = text.replace("device = \"cpu\"", "device = \"cuda:77\"");
        std::fs::write(bench.path().join("tiny.toml"), broken).unwrap();
        let mut terminal = Terminal::start(bench.path(), &[], 120, 36);
        terminal.wait_for_text("no sessions yet");
        terminal.send("n");
        terminal.wait_for_text("tiny.toml");
        terminal.send("s");
        terminal.wait_for_text("cuda:77 is not there");
        assert_eq!(std::fs::read_dir(bench.path().join("sessions")).unwrap().count(), 0);
        terminal.send("\r");
        terminal.wait_for("the words to go", |screen| !screen.contains("cuda:77 is not there"));
        assert!(terminal.screen().contains("start a session"), "the form is still there:\n{}", terminal.screen());
    }
}
