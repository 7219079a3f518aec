//! The dashboard in a real pseudo-terminal: how soon the first complete screen is there, how much memory it takes, how
//! soon a key is answered, and what goes over the wire. A report rather than a statistic: each line is one measurement
//! with its spread.
//!
//! `just bench dashboard` measures 10^4 to 10^6 points; `just bench dashboard all` up to 10^7 as well;
//! `just bench dashboard 100000` measures that many and nothing else, beside a training, say;
//! `just bench dashboard write DIR POINTS` only writes the session that is measured, for a comparison with others.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a benchmark reports and may fail loudly")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use atelier::record::{At, Store};
use atelier::session::{self, New, Session, State};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const SERIES: usize = 20;
/// The terminal of the figures.
const SIZE: (u16, u16) = (160, 45);
/// What comes within this time of a key is what the key did: nothing else happens in a session that has ended.
const QUIET: Duration = Duration::from_millis(100);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["write", dir, points] = arguments[..] {
        write(Path::new(dir), points.parse().unwrap(), SERIES);
        return;
    }
    let asked: Vec<usize> = arguments.iter().filter_map(|word| word.parse().ok()).collect();
    let sizes: &[usize] = match asked.as_slice() {
        [] if arguments == ["all"] => &[10_000, 100_000, 1_000_000, 10_000_000],
        [] => &[10_000, 100_000, 1_000_000],
        sizes => sizes,
    };
    println!("{}x{}; first screen: the best of 5; keys: p50 / p99 of 200", SIZE.0, SIZE.1);
    heading();
    for &points in sizes {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), points, SERIES);
        measure(&format!("{points} points"), dir.path(), &["--open", "last"], is_run, ZOOM);
    }
    if !asked.is_empty() {
        return;
    }
    unsealed();
    many_series();
    many_sessions();
    live();
}

fn heading() {
    println!(
        "{:>20} {:>13} {:>9} {:>19} {:>19} {:>19} {:>9}",
        "", "first screen", "resident", "key to frame", "key, all of it", "zoom or move", "idle 10 s"
    );
}

/// The run screen with its charts.
fn is_run(text: &str) -> bool {
    text.contains("charts 1-") && text.contains(" pts")
}

/// Zoom in and out: other columns of every chart each time.
const ZOOM: [&str; 4] = ["+", "+", "-", "-"];

/// One line of the table.
fn measure(what: &str, root: &Path, args: &[&str], complete: fn(&str) -> bool, keys: [&str; 4]) {
    // Once before: what is measured is the program, not the first reading of a cold disk.
    drop(Screen::open(root, args, SIZE, complete));
    let opened: Vec<Duration> = (0..5).map(|_| Screen::open(root, args, SIZE, complete).opened).collect();
    let mut screen = Screen::open(root, args, SIZE, complete);
    let resident = screen.resident_mib();
    let walks: Vec<_> = (0..200).map(|n| screen.key(if n % 2 == 0 { "\x1b[H" } else { "\x1b[F" })).collect();
    let zooms: Vec<_> = (0..200).map(|n| screen.key(keys[n % 4])).collect();
    let idle = screen.bytes_in(Duration::from_secs(10));
    println!(
        "{what:>20} {:>10.0} ms {resident:>5.0} MiB {} {} {} {idle:>7} B",
        millis(opened.iter().min().copied().unwrap()),
        spread(walks.iter().map(|it| it.0)),
        spread(walks.iter().map(|it| it.1)),
        spread(zooms.iter().map(|it| it.1)),
    );
}

/// The middle and the 99th of a hundred.
fn spread(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    format!("{:>7.1} / {:>5.1} ms", millis(times[times.len() / 2]), millis(times[times.len() * 99 / 100]))
}

/// As many points as a run has before the first segment is sealed: the longest stream that is ever read.
fn unsealed() {
    let dir = tempfile::tempdir().unwrap();
    let session = record(dir.path(), 990_000, SERIES);
    session.set_state(State::Running, None).unwrap();
    measure("990000 of a live run", dir.path(), &["--open", "last"], is_run, ZOOM);
}

/// A session with 500 series of 2000 points.
fn many_series() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), 1_000_000, 500);
    measure("500 series", dir.path(), &["--open", "last"], is_run, ZOOM);
}

/// 500 sessions with 2000 points each, in the list.
fn many_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let one = tempfile::tempdir().unwrap();
    write(one.path(), 2000, SERIES);
    let made = std::fs::read_dir(one.path()).unwrap().next().unwrap().unwrap().path();
    for n in 0..500 {
        let status =
            Command::new("cp").arg("-a").arg(&made).arg(dir.path().join(format!("260101-{n:06}-bench"))).status();
        assert!(status.unwrap().success());
    }
    let complete = |text: &str| text.contains("sessions 500") && text.contains("seed");
    measure("500 sessions", dir.path(), &[], complete, ["\x1b[B", "\x1b[B", "\x1b[A", "\x1b[A"]);
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const CONFIG: &str = "track = \"pix2pixhd\"\n[data]\nroot = \".\"\n[train]\nepochs = 1\n";

/// A finished session of so many points under `root`.
fn write(root: &Path, points: usize, series: usize) {
    record(root, points, series).finish(State::Finished, None).unwrap();
}

/// The same as it is on the disk before it ends: in a stream, not sealed.
fn record(root: &Path, points: usize, series: usize) -> Session {
    let session = session::create(root, &new(CONFIG)).unwrap();
    let steps = points / series;
    session.set_totals(steps as i64, 100.0).unwrap();
    let recorder = session.recorder();
    let names = names(series);
    for step in 1..=steps {
        append(recorder.metrics(), &names, step, steps);
    }
    recorder.metrics().flush().unwrap();
    session
}

fn new(config: &str) -> New<'_> {
    New {
        name: "bench",
        tags: &[],
        notes: "",
        config,
        command: Vec::new(),
        seed: Some(1),
        parent: None,
        parent_step: None,
        inventory: serde_json::Value::Null,
        versions: std::collections::BTreeMap::new(),
    }
}

fn names(series: usize) -> Vec<String> {
    (0..series).map(|series| format!("loss/part{series:02}")).collect()
}

fn append(store: &Store, names: &[String], step: usize, steps: usize) {
    let x = step as f64;
    let values: Vec<(&str, f64)> = names
        .iter()
        .enumerate()
        .map(|(series, name)| (name.as_str(), (-3.0 * x / steps as f64).exp() + 0.1 * (x * (series + 1) as f64).sin()))
        .collect();
    store.append_waiting(At { step: step as i64, epoch: x / steps as f64 }, &values).unwrap();
}

/// What goes over the wire while one session trains at 20 steps a second.
fn live() {
    let dir = tempfile::tempdir().unwrap();
    let session = session::create(dir.path(), &new(CONFIG)).unwrap();
    session.set_totals(100_000, 100.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    let recorder = session.recorder();
    let names = names(SERIES);
    for step in 1..5000 {
        append(recorder.metrics(), &names, step, 100_000);
    }
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let training = std::thread::spawn(move || {
        let mut step = 5000;
        while !until.load(Ordering::Relaxed) {
            append(recorder.metrics(), &names, step, 100_000);
            step += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    for low in [&["--open", "last"][..], &["--open", "last", "--low-bandwidth"]] {
        let mut screen = Screen::open(dir.path(), low, (140, 40), is_run);
        let bytes = screen.bytes_in(Duration::from_secs(20));
        println!("140x40, one session at 20 steps/s, atelier {}: {} B/s", low.join(" "), bytes / 20);
    }
    over.store(true, Ordering::Relaxed);
    training.join().unwrap();
}

/// The program, opened on the newest session.
struct Screen {
    child: Child,
    keyboard: File,
    output: Receiver<(Instant, Vec<u8>)>,
    emulator: vt100::Parser,
    opened: Duration,
}

impl Screen {
    fn open(root: &Path, args: &[&str], (columns, rows): (u16, u16), complete: fn(&str) -> bool) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let terminal: OwnedFd = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        tcsetwinsize(&terminal, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let begin = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_atelier"))
            .args(args)
            .arg("--root")
            .arg(root)
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env("XDG_STATE_HOME", root)
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap())
            .spawn()
            .unwrap();
        drop(terminal);
        let keyboard = File::from(keyboard);
        let mut reading = keyboard.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(count) = reading.read(&mut bytes) {
                if count == 0 || sender.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                    break;
                }
            }
        });
        let emulator = vt100::Parser::new(rows, columns, 0);
        let mut screen = Self { child, keyboard, output, emulator, opened: Duration::ZERO };
        loop {
            let (at, bytes) = screen.output.recv_timeout(Duration::from_mins(1)).unwrap();
            screen.emulator.process(&bytes);
            if complete(&screen.emulator.screen().contents()) {
                screen.opened = at - begin;
                return screen;
            }
        }
    }

    fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Time from a key to the first and to the last of what it changes on the screen.
    fn key(&mut self, key: &str) -> (Duration, Duration) {
        // What the key before brought along has come.
        while self.output.recv_timeout(QUIET).is_ok() {}
        let begin = Instant::now();
        self.keyboard.write_all(key.as_bytes()).unwrap();
        let (first, _) = self.output.recv_timeout(Duration::from_secs(5)).unwrap();
        let mut last = first;
        while let Ok((at, _)) = self.output.recv_timeout(QUIET) {
            last = at;
        }
        (first - begin, last - begin)
    }

    fn bytes_in(&mut self, time: Duration) -> usize {
        std::thread::sleep(Duration::from_millis(500));
        while self.output.try_recv().is_ok() {}
        let begin = Instant::now();
        let mut count = 0;
        while let Some(left) = time.checked_sub(begin.elapsed()) {
            if let Ok((_, bytes)) = self.output.recv_timeout(left) {
                count += bytes.len();
            }
        }
        count
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
