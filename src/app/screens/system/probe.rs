//! Looking at this machine: what the telemetry sampler reads, and who the processes on the GPUs are.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::session;
use crate::telemetry::{Inventory, Sampler, inventory};

/// Everything read at one moment.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// When.
    pub time: Timestamp,
    /// Series as telemetry names them; what the machine does not tell is absent.
    pub values: BTreeMap<String, f64>,
    /// Processes on GPUs, and those that hold a session.
    pub processes: Vec<Process>,
    /// What machine it is; only with the first sample.
    pub machine: Option<Box<Inventory>>,
    /// What went wrong and was not said before.
    pub remarks: Vec<String>,
    /// The machine's name, as sessions write it.
    pub host: String,
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// On which GPU; none for one that only holds a session.
    pub gpu: Option<usize>,
    /// Whose it is; none if it cannot be seen from here, as in a container.
    pub user: Option<String>,
    /// What it was started as.
    pub command: Option<String>,
    /// Memory of the GPU, bytes.
    pub gpu_bytes: Option<f64>,
    /// Resident memory, bytes.
    pub rss_bytes: Option<f64>,
}

/// What reads the machine; held between samples because rates are differences.
pub struct Probe {
    sampler: Sampler,
    machine: Option<Box<Inventory>>,
    users: HashMap<u32, String>,
    proc: PathBuf,
}

impl Probe {
    /// Of this machine; `folder` says whose disk's free space is read.
    pub fn new(folder: &Path) -> Self {
        Self::with(Sampler::new(folder), inventory(), Path::new("/proc"))
    }

    /// With these parts.
    pub fn with(sampler: Sampler, machine: Inventory, proc: &Path) -> Self {
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self { sampler, machine: Some(Box::new(machine)), users: users(&passwd), proc: proc.to_owned() }
    }

    /// Read everything. `holders` are processes of this host that hold a session.
    pub fn sample(&mut self, holders: &[u32]) -> Sample {
        let mut values: BTreeMap<String, f64> = self.sampler.sample().into_iter().collect();
        // Of the dashboard itself, and nobody's question.
        values.retain(|name, _| !name.starts_with("process/"));
        let mut processes = on_gpus(&values);
        let alone: Vec<u32> =
            holders.iter().copied().filter(|pid| processes.iter().all(|process| process.pid != *pid)).collect();
        processes.extend(alone.into_iter().map(|pid| Process { pid, ..Process::default() }));
        for process in &mut processes {
            self.fill(process);
        }
        Sample {
            time: Timestamp::now(),
            values,
            processes,
            machine: self.machine.take(),
            remarks: self.sampler.remarks(),
            host: session::host_name(),
        }
    }

    /// What the kernel tells of a process; nothing of one that has ended or lives outside of this container.
    fn fill(&self, process: &mut Process) {
        let folder = self.proc.join(process.pid.to_string());
        let Ok(owner) = fs::metadata(&folder).map(|data| data.uid()) else { return };
        process.user = Some(self.users.get(&owner).cloned().unwrap_or_else(|| owner.to_string()));
        let line = fs::read(folder.join("cmdline")).unwrap_or_default();
        process.command = command(&line).or_else(|| {
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            Some(name.trim().to_owned())
        });
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        process.rss_bytes = resident(&status);
    }
}

/// The processes that `gpuN/process_PID_memory_bytes` names: by GPU, the largest first.
fn on_gpus(values: &BTreeMap<String, f64>) -> Vec<Process> {
    let mut found: Vec<Process> = values
        .iter()
        .filter_map(|(name, &bytes)| {
            let (gpu, rest) = name.strip_prefix("gpu")?.split_once('/')?;
            let pid = rest.strip_prefix("process_")?.strip_suffix("_memory_bytes")?;
            Some(Process {
                gpu: Some(gpu.parse().ok()?),
                pid: pid.parse().ok()?,
                gpu_bytes: Some(bytes),
                ..Process::default()
            })
        })
        .collect();
    found.sort_by(|a, b| {
        let bytes = |process: &Process| process.gpu_bytes.unwrap_or_default();
        a.gpu.cmp(&b.gpu).then(bytes(b).total_cmp(&bytes(a))).then(a.pid.cmp(&b.pid))
    });
    found
}

/// Names by number, of the text of `/etc/passwd`.
fn users(passwd: &str) -> HashMap<u32, String> {
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
    };
    passwd.lines().filter_map(entry).collect()
}

/// A command line as a person writes it: words ended by zeros, the program without its folder.
fn command(line: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split('\0').filter(|word| !word.is_empty());
    let program = words.next()?;
    let program = program.rsplit('/').next().unwrap_or(program);
    Some(std::iter::once(program).chain(words).collect::<Vec<_>>().join(" "))
}

/// Bytes of resident memory in the text of `/proc/PID/status`.
fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Gpu, GpuError, Quantity};

    /// A GPU with two processes that tells nothing but its temperature.
    struct Fake;

    impl Gpu for Fake {
        fn name(&self) -> String {
            "Fake".to_owned()
        }

        fn quantity(&mut self, quantity: Quantity) -> Result<f64, GpuError> {
            if quantity == Quantity::Temperature { Ok(64.0) } else { Err(GpuError::Unsupported) }
        }

        fn activity(&mut self) -> Result<Vec<(&'static str, f64)>, GpuError> {
            Err(GpuError::Unsupported)
        }

        fn processes(&mut self) -> Result<Vec<(u32, Option<u64>)>, GpuError> {
            Ok(vec![(77, Some(1 << 30)), (88, Some(2 << 30)), (99, None)])
        }
    }

    #[test]
    fn processes_are_named_as_far_as_the_kernel_tells() {
        let proc = tempfile::tempdir().unwrap();
        let known = proc.path().join("88");
        fs::create_dir(&known).unwrap();
        fs::write(known.join("cmdline"), b"/usr/bin/python3\0train.py\0--lr\x001e-4\0").unwrap();
        fs::write(known.join("status"), "Name:\tpython3\nVmRSS:\t    2048 kB\n").unwrap();
        let sampler = Sampler::with_gpus(vec![Box::new(Fake)], proc.path());
        let mut probe = Probe::with(sampler, Inventory::default(), proc.path());
        let sample = probe.sample(&[5, 88]);
        let [large, small, holder] = sample.processes.as_slice() else { panic!("{:?}", sample.processes) };
        assert_eq!((large.pid, large.gpu, large.gpu_bytes), (88, Some(0), Some(f64::from(2_u32 << 30))));
        assert_eq!(large.command.as_deref(), Some("python3 train.py --lr 1e-4"));
        assert_eq!(large.rss_bytes, Some(2_097_152.0));
        assert!(large.user.is_some());
        assert_eq!((small.pid, small.user.clone(), small.command.clone()), (77, None, None), "outside of what is seen");
        assert_eq!((holder.pid, holder.gpu), (5, None), "a session's process is listed without a GPU, and only once");
        assert_eq!(sample.values["gpu0/temperature_celsius"], 64.0);
        assert!(!sample.values.keys().any(|name| name.starts_with("process/") || name.contains("utilization")));
        assert!(sample.machine.is_some() && probe.sample(&[]).machine.is_none(), "said once");
    }

    #[test]
    fn users_are_found_by_number() {
        let users = users("root:x:0:0:root:/root:/bin/bash\nbroken\nana:x:1000:1000::/home/ana:/bin/sh\n");
        assert_eq!((users.len(), users[&0].as_str(), users[&1000].as_str()), (2, "root", "ana"));
    }

    #[test]
    fn command_lines_survive_what_is_in_them() {
        assert_eq!(command(b"/a/b\0c d\0").as_deref(), Some("b c d"));
        assert_eq!(command(b""), None, "a kernel thread has none");
        assert!(command(b"\xff\xfe\0x").is_some());
    }
}
