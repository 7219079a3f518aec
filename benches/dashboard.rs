//! The dashboard in a real pseudo-terminal: how soon the first complete screen is there, how much memory it takes, how
//! soon a key is answered, and what goes over the wire. A report rather than a statistic: each line is one measurement
//! with its spread.
//!
//! `just bench dashboard` measures 10^4 to 10^6 points; `just bench dashboard all` up to 10^7 as well.
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
use atelier::session::{self, New, State};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const SERIES: usize = 20;

fn main() {
    let all = std::env::args().any(|argument| argument == "all");
    println!("160x45, {SERIES} series, figures of one run each");
    println!(
        "{:>12} {:>14} {:>12} {:>22} {:>12}",
        "points", "first screen", "resident", "key to frame p50/p99", "idle"
    );
    let sizes: &[usize] = if all { &[10_000, 100_000, 1_000_000, 10_000_000] } else { &[10_000, 100_000, 1_000_000] };
    for &points in sizes {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), points);
        // Once before: what is measured is the program, not the first reading of a cold disk.
        drop(Screen::open(dir.path(), (160, 45)));
        let opened: Vec<Duration> = (0..5).map(|_| Screen::open(dir.path(), (160, 45)).opened).collect();
        let mut screen = Screen::open(dir.path(), (160, 45));
        let resident = screen.resident_mib();
        let mut keys: Vec<Duration> =
            (0..200).map(|n| screen.key(if n % 2 == 0 { "\x1b[H" } else { "\x1b[F" })).collect();
        keys.sort();
        let idle = screen.bytes_in(Duration::from_secs(3));
        println!(
            "{points:>12} {:>11.0} ms {resident:>8.0} MiB {:>10.1} / {:>5.1} ms {:>8} B/s",
            millis(opened.iter().min().copied().unwrap()),
            millis(keys[keys.len() / 2]),
            millis(keys[keys.len() * 99 / 100]),
            idle / 3
        );
    }
    live();
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A finished session of so many points under `root`.
fn write(root: &Path, points: usize) {
    let config = "track = \"pix2pixhd\"\n[data]\nroot = \".\"\n[train]\nepochs = 1\n";
    let session = session::create(root, &new(config)).unwrap();
    let steps = points / SERIES;
    session.set_totals(steps as i64, 100.0).unwrap();
    let recorder = session.recorder();
    for step in 1..=steps {
        append(recorder.metrics(), step, steps);
    }
    session.finish(State::Finished, None).unwrap();
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

fn append(store: &Store, step: usize, steps: usize) {
    let x = step as f64;
    let names: Vec<String> = (0..SERIES).map(|series| format!("loss/part{series:02}")).collect();
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
    let config = "track = \"pix2pixhd\"\n[data]\nroot = \".\"\n[train]\nepochs = 1\n";
    let session = session::create(dir.path(), &new(config)).unwrap();
    session.set_totals(100_000, 100.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    let recorder = session.recorder();
    for step in 1..5000 {
        append(recorder.metrics(), step, 100_000);
    }
    let over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&over);
    let training = std::thread::spawn(move || {
        let mut step = 5000;
        while !until.load(Ordering::Relaxed) {
            append(recorder.metrics(), step, 100_000);
            step += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let mut screen = Screen::open(dir.path(), (140, 40));
    let bytes = screen.bytes_in(Duration::from_secs(10));
    let mut keys: Vec<Duration> = (0..100).map(|n| screen.key(if n % 2 == 0 { "\x1b[H" } else { "\x1b[F" })).collect();
    keys.sort();
    println!("140x40, one session at 20 steps/s: {} B/s, key to frame p99 {:.1} ms", bytes / 10, millis(keys[98]));
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
    fn open(root: &Path, (columns, rows): (u16, u16)) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let terminal: OwnedFd = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        tcsetwinsize(&terminal, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let begin = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_atelier"))
            .args(["--open", "last", "--root"])
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
            let text = screen.emulator.screen().contents();
            if text.contains("charts 1-") && text.contains(" pts") {
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

    /// Time from a key to the end of what it changes on the screen.
    fn key(&mut self, key: &str) -> Duration {
        // What the key before brought along has come.
        while self.output.recv_timeout(Duration::from_millis(30)).is_ok() {}
        let begin = Instant::now();
        self.keyboard.write_all(key.as_bytes()).unwrap();
        let (at, bytes) = self.output.recv_timeout(Duration::from_secs(5)).unwrap();
        self.emulator.process(&bytes);
        at - begin
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
