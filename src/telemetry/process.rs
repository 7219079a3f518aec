//! This process: what training itself takes of the machine.

use std::fs;
use std::time::Instant;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::rate::Rate;

/// Samples of this process.
pub(super) struct Process {
    system: Option<System>,
    pid: Pid,
    cpu_millis: Rate,
    read: Rate,
    written: Rate,
}

impl Process {
    pub(super) fn new() -> Self {
        Self {
            system: System::new().ok(),
            pid: Pid::from_u32(std::process::id()),
            cpu_millis: Rate::default(),
            read: Rate::default(),
            written: Rate::default(),
        }
    }

    pub(super) fn sample(&mut self, now: Instant, values: &mut Vec<(String, f64)>) {
        let mut push = |name: &str, value: f64| values.push((format!("process/{name}"), value));
        if let Some(system) = &mut self.system {
            let kind = ProcessRefreshKind::nothing().without_tasks().with_cpu().with_memory().with_disk_usage();
            system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, kind);
            if let Some(process) = system.process(self.pid) {
                // Milliseconds of one processor; a second of two full ones is 200 percent.
                if let Some(rate) = self.cpu_millis.per_second(now, process.accumulated_cpu_time()) {
                    push("cpu_percent", rate / 10.0);
                }
                push("memory_rss_bytes", process.memory() as f64);
                let disk = process.disk_usage();
                if let Some(rate) = self.read.per_second(now, disk.total_read_bytes) {
                    push("read_bytes_per_sec", rate);
                }
                if let Some(rate) = self.written.per_second(now, disk.total_written_bytes) {
                    push("write_bytes_per_sec", rate);
                }
            }
        }
        if let Some(threads) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(threads) {
            push("threads", threads);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // One of them is this listing's own.
            push("open_files", (files.count() as f64 - 1.0).max(0.0));
        }
    }
}

/// The number of threads in the text of `/proc/self/status`.
fn threads(status: &str) -> Option<f64> {
    status.lines().find_map(|line| line.strip_prefix("Threads:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;

    #[test]
    fn threads_are_read_from_the_status() {
        assert_eq!(threads("Name:\tx\nThreads:\t12\nSigQ:\t0/1\n"), Some(12.0));
        assert_eq!(threads("Name:\tx\n"), None);
    }

    #[test]
    fn work_shows_in_the_next_sample() {
        let mut process = Process::new();
        let mut values = Vec::new();
        let start = Instant::now();
        process.sample(start, &mut values);
        let files_before = values.iter().find(|(name, _)| name == "process/open_files").unwrap().1;
        let kept: Vec<fs::File> = (0..5).map(|_| fs::File::open("/proc/self/status").unwrap()).collect();
        // Busy for much longer than the kernel's tick of 10 ms.
        let mut spin = 0_u64;
        while start.elapsed() < Duration::from_millis(300) {
            spin = std::hint::black_box(spin + 1);
        }
        values.clear();
        process.sample(Instant::now(), &mut values);
        let values: HashMap<String, f64> = values.into_iter().collect();
        assert!(values["process/cpu_percent"] > 5.0, "{values:?}");
        assert!(values["process/memory_rss_bytes"] > 1e6);
        assert!(values["process/threads"] >= 1.0);
        // Other tests of this process open and close files meanwhile, so only roughly.
        assert!(values["process/open_files"] >= kept.len() as f64, "{files_before} before, {values:?}");
    }
}
