//! How fast the kernel answers: `cargo bench -p atelier-kernel --bench latency [-- --beside]`. With `--beside`, two
//! threads keep two cores busy meanwhile, as a training does.

#[path = "../../protocol.rs"]
mod protocol;

use protocol::{Event, Op, Request, Status, What};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Cells of each kind.
const CELLS: usize = 30;

struct Kernel {
    child: Child,
    stdin: ChildStdin,
    events: Lines<BufReader<ChildStdout>>,
    next: u64,
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let beside = arguments.iter().any(|argument| argument == "--beside");
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("latency");
    let mut out = io::stdout();
    writeln!(out, "load average before: {}", fs::read_to_string("/proc/loadavg")?.trim())?;

    let (kernel, cold) = Kernel::start(&cache)?;
    drop(kernel);
    let stop = Arc::new(AtomicBool::new(false));
    if beside {
        for _ in 0..2 {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut value = 1.0_f64;
                while !stop.load(Ordering::Relaxed) {
                    value = std::hint::black_box(value * 1.000_000_1);
                }
            });
        }
        writeln!(out, "beside two busy threads")?;
    }
    let (mut kernel, warm) = Kernel::start(&cache)?;
    writeln!(out, "ready: first {} ms, warm {} ms", cold.as_millis(), warm.as_millis())?;

    kernel.exec("let data: Vec<f64> = (0..1000).map(f64::from).collect();\nfn mean(v: &[f64]) -> f64 { v.iter().sum::<f64>() / v.len() as f64 }")?;
    let report = |out: &mut io::Stdout, name: &str, mut times: Vec<Duration>| {
        times.sort();
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize].as_millis();
        writeln!(out, "{name}: p50 {} ms, p95 {} ms, most {} ms", at(0.5), at(0.95), at(1.0))
    };
    let times = (0..CELLS).map(|i| kernel.exec(&format!("mean(&data) + {i}.0"))).collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "expression cells", times)?;
    let times = (0..CELLS).map(|i| kernel.exec(&format!("println!(\"{i}\");"))).collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "println cells", times)?;
    let times = (0..CELLS)
        .map(|i| kernel.exec(&format!("let part = data.iter().skip({i}).cloned().collect::<Vec<_>>(); part.len()")))
        .collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "let cells, type inferred", times)?;
    let times = (0..CELLS)
        .map(|i| kernel.exec(&format!("let count: usize = data.len() + {i};")))
        .collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "let cells, type written", times)?;
    let times = (0..5).map(|_| kernel.exec("mean(data)")).collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "cells with a compile error", times)?;

    let running = resident(kernel.child.id());
    writeln!(out, "resident: kernel {} MB, cells {} MB", running.0, running.1)?;
    let times = (0..5).map(|_| kernel.interrupt()).collect::<io::Result<Vec<_>>>()?;
    report(&mut out, "interrupt of a running cell", times)?;
    let id = kernel.send(Op::Restart)?;
    let since = Instant::now();
    kernel.until(|event| event.id == id && matches!(event.what, What::Done { .. }))?;
    writeln!(out, "restart: {} ms", since.elapsed().as_millis())?;
    stop.store(true, Ordering::Relaxed);
    writeln!(out, "load average after: {}", fs::read_to_string("/proc/loadavg")?.trim())
}

impl Kernel {
    fn start(cache: &Path) -> io::Result<(Self, Duration)> {
        let since = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier-kernel"));
        command.env("ATELIER_CACHE", cache).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        let mut kernel = Self { child, stdin, events: BufReader::new(stdout).lines(), next: 0 };
        kernel.until(|event| matches!(event.what, What::Status { status: Status::Ready, .. }))?;
        Ok((kernel, since.elapsed()))
    }

    fn send(&mut self, op: Op) -> io::Result<u64> {
        self.next += 1;
        let line = serde_json::to_string(&Request { id: self.next, op })?;
        writeln!(self.stdin, "{line}")?;
        Ok(self.next)
    }

    fn until(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> io::Result<Event> {
        loop {
            let line = self.events.next().ok_or_else(|| io::Error::other("the kernel has ended"))??;
            let event: Event = serde_json::from_str(&line)?;
            if let What::Status { status: Status::Dead, message, .. } = &event.what {
                return Err(io::Error::other(message.clone().unwrap_or_default()));
            }
            if wanted(&event) {
                return Ok(event);
            }
        }
    }

    fn exec(&mut self, code: &str) -> io::Result<Duration> {
        let since = Instant::now();
        let id = self.send(Op::Exec { code: code.to_owned() })?;
        self.until(|event| event.id == id && matches!(event.what, What::Done { .. }))?;
        Ok(since.elapsed())
    }

    /// From asking to the end of the cell.
    fn interrupt(&mut self) -> io::Result<Duration> {
        let id = self.send(Op::Exec { code: "println!(\"go\"); loop {}".to_owned() })?;
        self.until(|event| matches!(event.what, What::Stdout { .. }))?;
        let since = Instant::now();
        self.send(Op::Interrupt)?;
        self.until(|event| event.id == id && matches!(event.what, What::Done { .. }))?;
        Ok(since.elapsed())
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Megabytes of a process, and of all below it.
fn resident(pid: u32) -> (u64, u64) {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children: Vec<u32> = tasks
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let below = children.into_iter().map(resident).map(|(own, below)| own + below).sum();
    (own.unwrap_or(0) / 1024, below)
}
