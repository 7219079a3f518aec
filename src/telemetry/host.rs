//! The machine as a whole: processors, memory, disks, network.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sysinfo::{Networks, System};

use super::rate::Rate;

/// Samples of the host.
pub(super) struct Host {
    system: Option<System>,
    networks: Option<Networks>,
    folder: PathBuf,
    /// The processors' use is a difference, too.
    seen: bool,
    disk_read: Rate,
    disk_written: Rate,
    received: Rate,
    sent: Rate,
}

impl Host {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            system: System::new().ok(),
            networks: Networks::new().ok(),
            folder: folder.to_owned(),
            seen: false,
            disk_read: Rate::default(),
            disk_written: Rate::default(),
            received: Rate::default(),
            sent: Rate::default(),
        }
    }

    pub(super) fn sample(&mut self, now: Instant, values: &mut Vec<(String, f64)>) {
        let mut push = |name: &str, value: f64| values.push((format!("host/{name}"), value));
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            if self.seen {
                push("cpu_percent", f64::from(system.global_cpu_usage()));
            }
            self.seen = true;
            push("memory_used_bytes", system.used_memory() as f64);
            push("memory_total_bytes", system.total_memory() as f64);
            push("swap_used_bytes", system.used_swap() as f64);
            // In a container it is this limit that kills, not the machine's memory.
            if let Some(limits) = system.cgroup_limits().filter(|limits| limits.total_memory < system.total_memory()) {
                push("memory_limit_bytes", limits.total_memory as f64);
                push("memory_limit_free_bytes", limits.free_memory as f64);
            }
        }
        if let Ok(load) = System::load_average() {
            push("load_1m", load.one);
        }
        if let Ok(space) = rustix::fs::statvfs(&self.folder) {
            push("disk_free_bytes", space.f_bavail as f64 * space.f_frsize as f64);
        }
        if let Some((read, written)) = disk_bytes() {
            if let Some(rate) = self.disk_read.per_second(now, read) {
                push("disk_read_bytes_per_sec", rate);
            }
            if let Some(rate) = self.disk_written.per_second(now, written) {
                push("disk_write_bytes_per_sec", rate);
            }
        }
        if let Some(networks) = &mut self.networks {
            networks.refresh(true);
            let totals = networks.iter().map(|(name, data)| {
                (name.to_string_lossy().into_owned(), (data.total_received(), data.total_transmitted()))
            });
            let (received, sent) =
                outside(&totals.collect(), |name| Path::new("/sys/class/net").join(name).join("device").exists());
            if let Some(rate) = self.received.per_second(now, received) {
                push("net_rx_bytes_per_sec", rate);
            }
            if let Some(rate) = self.sent.per_second(now, sent) {
                push("net_tx_bytes_per_sec", rate);
            }
        }
    }
}

/// Bytes (received, sent) over the interfaces that lead outside: the physical ones, or where none is seen (in a
/// container) all but the loopback. Bridges and their members would otherwise count one packet several times.
fn outside(totals: &HashMap<String, (u64, u64)>, physical: impl Fn(&str) -> bool) -> (u64, u64) {
    let sum = |counts: &dyn Fn(&str) -> bool| {
        let chosen = totals.iter().filter(|(name, _)| counts(name));
        chosen.fold((0, 0), |sum: (u64, u64), (_, bytes)| (sum.0 + bytes.0, sum.1 + bytes.1))
    };
    if totals.keys().any(|name| physical(name)) { sum(&physical) } else { sum(&|name| name != "lo") }
}

/// Bytes (read, written) by all physical disks since the machine started, where the kernel shows them.
fn disk_bytes() -> Option<(u64, u64)> {
    let table = fs::read_to_string("/proc/diskstats").ok()?;
    disk_table(&table, |name| {
        // Whole devices only, and none that passes its work on to another.
        let made_of_others = ["loop", "ram", "zram", "dm-", "md"].iter().any(|prefix| name.starts_with(prefix));
        !made_of_others && Path::new("/sys/block").join(name).exists()
    })
}

/// Sum the kernel's table (Documentation/admin-guide/iostats.rst: sectors of 512 bytes in the sixth and tenth column).
fn disk_table(table: &str, counts: impl Fn(&str) -> bool) -> Option<(u64, u64)> {
    let mut sum = None;
    for line in table.lines() {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [_, _, name, _, _, read, _, _, _, written, ..] = columns.as_slice() else {
            continue;
        };
        if let (true, Ok(read), Ok(written)) = (counts(name), read.parse::<u64>(), written.parse::<u64>()) {
            let (before_read, before_written) = sum.unwrap_or((0, 0));
            sum = Some((before_read + 512 * read, before_written + 512 * written));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_summed_without_partitions() {
        let table = "   8 0 sda 100 0 2000 50 10 0 400 20 0 60 70\n   8 1 sda1 100 0 2000 50 10 0 400 20 0 60 70\n\
                      259 0 nvme0n1 1 0 8 0 2 0 16 0 0 0 0\nbroken line\n";
        assert_eq!(disk_table(table, |name| name != "sda1"), Some((512 * 2008, 512 * 416)));
        assert_eq!(disk_table(table, |_| false), None);
    }

    #[test]
    fn physical_interfaces_come_before_virtual_ones() {
        let totals: HashMap<String, (u64, u64)> =
            [("lo", (1, 1)), ("eth0", (10, 20)), ("docker0", (100, 200))].map(|(name, n)| (name.to_owned(), n)).into();
        assert_eq!(outside(&totals, |name| name == "eth0"), (10, 20));
        assert_eq!(outside(&totals, |_| false), (110, 220));
    }

    #[test]
    fn this_machine_has_memory_and_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut host = Host::new(folder.path());
        let mut values = Vec::new();
        host.sample(Instant::now(), &mut values);
        let first: HashMap<String, f64> = values.drain(..).collect();
        assert!(!first.keys().any(|name| name.ends_with("per_sec") || name == "host/cpu_percent"), "{first:?}");
        host.sample(Instant::now(), &mut values);
        let second: HashMap<String, f64> = values.into_iter().collect();
        assert!(second["host/memory_total_bytes"] > second["host/memory_used_bytes"]);
        assert!(second["host/memory_used_bytes"] > 1e6);
        assert!(second["host/disk_free_bytes"] > 0.0);
        assert!((0.0..=100.0).contains(&second["host/cpu_percent"]));
        assert!(second["host/net_rx_bytes_per_sec"] >= 0.0);
    }
}
