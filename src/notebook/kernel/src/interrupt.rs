//! Stops what is under way: a running cell by ending its process, a compile by ending cargo and what it has started.

use crate::output::Output;
use rustix::process::{Pid, Signal};
use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is tried again: a compile starts more than one process.
const AGAIN: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct State {
    /// The request that is being done.
    busy: Option<u64>,
    /// Whether it is to stop.
    stop: bool,
    /// How many requests have come in.
    received: u64,
    /// So many of them, the first, are to be stopped: those that came before the last interrupt.
    stopped: u64,
}

/// Shared by the worker and the reader of requests.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<(Mutex<State>, Condvar)>);

impl Interrupt {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has come in: its number, from 1.
    pub fn received(&self) -> u64 {
        let mut state = self.lock();
        state.received += 1;
        state.received
    }

    /// A request is being done from here on, unless it was interrupted while it waited.
    pub fn busy(&self, id: u64, number: u64) -> bool {
        let mut state = self.lock();
        if number <= state.stopped {
            return false;
        }
        (state.busy, state.stop) = (Some(id), false);
        true
    }

    /// It is done.
    pub fn idle(&self) {
        let mut state = self.lock();
        (state.busy, state.stop) = (None, false);
        self.0.1.notify_all();
    }

    /// Whether what is being done is to stop.
    pub fn wanted(&self) -> bool {
        self.lock().stop
    }

    /// Asks for all that has come in to stop. Returns what is being done.
    pub fn ask(&self) -> Option<u64> {
        let mut state = self.lock();
        state.stop = state.busy.is_some();
        state.stopped = state.received;
        state.busy
    }

    /// Stops that, and returns when it has stopped.
    pub fn enforce(&self, id: u64, output: &Output) {
        let mut state = self.lock();
        while state.busy == Some(id) {
            drop(state);
            if !output.kill_running() {
                kill_compilers();
            }
            state = self.0.1.wait_timeout(self.lock(), AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Ends cargo, rustc and linkers below this process.
pub fn kill_compilers() {
    let mut children: HashMap<i32, Vec<(i32, String)>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // `pid (name) state parent …`, where the name may hold anything.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let parent = stat[close + 1..].split_whitespace().nth(1).and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent {
            children.entry(parent).or_default().push((pid, stat[open + 1..close].to_owned()));
        }
    }
    let mut found = Vec::new();
    let mut below = vec![std::process::id() as i32];
    while let Some(parent) = below.pop() {
        for (pid, name) in children.remove(&parent).unwrap_or_default() {
            // The cells' own processes are no compilers, and hold the variables. The wrapper before rustc has their
            // name too, for the millisecond before it becomes rustc; its parent is cargo.
            if name.starts_with("atelier-cell") && parent == std::process::id() as i32 {
                continue;
            }
            found.push(pid);
            below.push(pid);
        }
    }
    for pid in found {
        if let Some(pid) = Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}
