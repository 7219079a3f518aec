//! Limits that the system sets a process.

use rustix::process::{Resource, getrlimit};

use super::{Check, bytes};

pub(super) fn checks() -> Vec<Check> {
    let shared = rustix::fs::statvfs("/dev/shm").ok().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    vec![open_files(getrlimit(Resource::Nofile).current), shared_memory(shared)]
}

/// `limit` is none where there is no limit.
fn open_files(limit: Option<u64>) -> Check {
    match limit {
        Some(limit) if limit < 1024 => {
            Check::warning("open files", format!("at most {limit}"), "ulimit -n 4096, before training")
        }
        Some(limit) => Check::ok("open files", format!("at most {limit}")),
        None => Check::ok("open files", "no limit"),
    }
}

/// `size` is none where /dev/shm is missing. Only training on several GPUs needs it (NCCL exchanges through it).
fn shared_memory(size: Option<u64>) -> Check {
    let remedy = "for several GPUs: docker run --shm-size=1g, or mount a larger tmpfs on /dev/shm";
    match size {
        None => Check::warning("shared memory", "no /dev/shm", remedy),
        Some(size) if size < 256 << 20 => {
            Check::warning("shared memory", format!("{} in /dev/shm", bytes(size)), remedy)
        }
        Some(size) => Check::ok("shared memory", format!("{} in /dev/shm", bytes(size))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn small_limits_are_warned_of() {
        let statuses = [open_files(Some(256)), open_files(Some(1024)), open_files(None)].map(|check| check.status);
        assert_eq!(statuses, [Status::Warning, Status::Ok, Status::Ok]);
        let statuses = [shared_memory(None), shared_memory(Some(64 << 20)), shared_memory(Some(1 << 30))];
        assert_eq!(statuses.map(|check| check.status), [Status::Warning, Status::Warning, Status::Ok]);
    }
}
