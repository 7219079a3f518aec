//! The dashboard as a person has it: in a terminal, by keys, through hang-ups and faults.

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
