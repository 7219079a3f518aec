//! The disks that sessions and caches are written to, and whether the kernel tells of changes there.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use notify::{RecursiveMode, Watcher as _};

use super::{Check, bytes};

/// One checkpoint of the paper's Pix2PixHD with its optimizer takes 2.3 GB, and the default keeps several.
const COMFORTABLE: u64 = 20 << 30;
const LEAST: u64 = 1 << 30;

/// How long the kernel may take to tell of a change.
const PATIENCE: Duration = Duration::from_secs(2);

/// File systems by their magic number (linux/magic.h, statfs(2)).
const FILE_SYSTEMS: [(i64, &str, Kind); 18] = [
    (0xEF53, "ext4", Kind::Local),
    (0x5846_5342, "xfs", Kind::Local),
    (0x9123_683E, "btrfs", Kind::Local),
    (0x2FC1_2FC1, "zfs", Kind::Local),
    (0xF2F5_2010, "f2fs", Kind::Local),
    (0xCA45_1A4E, "bcachefs", Kind::Local),
    (0x794C_7630, "overlay", Kind::Local),
    (0x0102_1994, "tmpfs", Kind::Memory),
    (0x8584_58F6, "ramfs", Kind::Memory),
    (0x6969, "NFS", Kind::Network),
    (0x517B, "SMB", Kind::Network),
    (0xFF53_4D42, "CIFS", Kind::Network),
    (0xFE53_4D42, "SMB2", Kind::Network),
    (0x0102_1997, "9p", Kind::Network),
    (0x6573_5546, "FUSE", Kind::Network),
    (0x0BD0_0BD0, "Lustre", Kind::Network),
    (0x00C3_6400, "Ceph", Kind::Network),
    (0x4750_4653, "GPFS", Kind::Network),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local,
    /// Gone after a restart.
    Memory,
    /// Changes made by other machines are not told.
    Network,
}

pub(super) fn checks(sessions: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Vec<Check> {
    let sessions = existing(sessions);
    let mut checks = vec![space("sessions", &sessions, LEAST)];
    let cache = environment("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(environment("HOME")?).join(".cache")));
    checks.push(match cache {
        // Without a cache training goes on, only slower to start.
        Some(cache) => space("cache", &existing(&cache.join("atelier")), 0),
        None => Check::warning("cache", "neither XDG_CACHE_HOME nor HOME is set", "set one of them"),
    });
    checks.push(watching(&sessions));
    checks
}

/// The folder itself, or the nearest above it that exists.
fn existing(folder: &Path) -> PathBuf {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.ancestors().find(|it| it.is_dir()).map_or_else(env::temp_dir, Path::to_owned)
}

/// Free space and the right to write; less than `least` bytes is an error.
fn space(check: &'static str, folder: &Path, least: u64) -> Check {
    let place = folder.display();
    if let Err(error) = tempfile::Builder::new().prefix(".atelier-doctor-").tempfile_in(folder) {
        let finding = format!("{place} cannot be written to: {error}");
        return Check::error(check, finding, "make it writable, or choose another folder");
    }
    let free = match rustix::fs::statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Check::warning(check, format!("{place}: {error}"), "see what is mounted there"),
    };
    let kind = file_system(folder);
    let finding = format!("{} free at {place} ({})", bytes(free), kind.map_or("unknown file system", |(name, _)| name));
    let remedy = "delete old sessions or caches, or choose another disk";
    match kind {
        _ if free < least => Check::error(check, finding, remedy),
        _ if free < COMFORTABLE => Check::warning(check, finding, remedy),
        Some((_, Kind::Memory)) => Check::warning(check, finding, "what is written there is gone after a restart"),
        _ => Check::ok(check, finding),
    }
}

fn file_system(folder: &Path) -> Option<(&'static str, Kind)> {
    let magic = rustix::fs::statfs(folder).ok()?.f_type;
    FILE_SYSTEMS
        .iter()
        .find(|(known, _, _)| i128::from(*known) == i128::from(magic))
        .map(|&(_, name, kind)| (name, kind))
}

/// Whether inotify tells of a change in `folder`: tried, because containers and network disks differ.
fn watching(folder: &Path) -> Check {
    let read = |name: &str| -> Option<u64> {
        fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok()?.trim().parse().ok()
    };
    let limits = (read("max_user_watches"), read("max_user_instances"));
    let network = file_system(folder).filter(|(_, kind)| *kind == Kind::Network).map(|(name, _)| name);
    judge(try_watching(folder), network, limits)
}

/// Watch a folder of our own in `folder`, change something, wait for the word.
fn try_watching(folder: &Path) -> Result<(), String> {
    let own = tempfile::Builder::new().prefix(".atelier-doctor-").tempdir_in(folder).map_err(|it| it.to_string())?;
    let (sender, receiver) = crossbeam_channel::unbounded();
    let mut watcher = notify::recommended_watcher(move |event| {
        // The receiver may have stopped listening.
        sender.send(event).ok();
    })
    .map_err(|error| error.to_string())?;
    watcher.watch(own.path(), RecursiveMode::NonRecursive).map_err(|error| error.to_string())?;
    fs::write(own.path().join("change"), "x").map_err(|error| error.to_string())?;
    match receiver.recv_timeout(PATIENCE) {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("a change was not told".to_owned()),
    }
}

fn judge(tried: Result<(), String>, network: Option<&str>, limits: (Option<u64>, Option<u64>)) -> Check {
    let (watches, instances) = limits;
    let number = |limit: Option<u64>| limit.map_or_else(|| "?".to_owned(), |it| it.to_string());
    let finding = format!("inotify, {} watches, {} instances", number(watches), number(instances));
    if let Err(reason) = tried {
        let remedy = "nothing: readers poll instead; if a limit was reached, raise fs.inotify.max_user_instances";
        return Check::warning("watching", format!("polling ({reason})"), remedy);
    }
    if let Some(name) = network {
        let finding = format!("{finding}; but on {name} only this machine's own changes are told");
        return Check::warning("watching", finding, "nothing: readers on another machine poll");
    }
    if watches.is_some_and(|it| it < 8192) || instances.is_some_and(|it| it < 64) {
        let remedy = "sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=512";
        return Check::warning("watching", finding, remedy);
    }
    Check::ok("watching", finding)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn the_nearest_existing_folder_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b/c")), folder.path());
    }

    #[test]
    fn too_little_space_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let check = space("sessions", folder.path(), u64::MAX);
        assert_eq!(check.status, Status::Error, "{check:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn a_folder_that_refuses_is_an_error() {
        let check = space("sessions", Path::new("/proc/self"), 0);
        assert_eq!(check.status, Status::Error, "{check:?}");
    }

    #[test]
    fn watching_is_judged_by_what_happened() {
        let plenty = (Some(65536), Some(512));
        assert_eq!(judge(Ok(()), None, plenty).status, Status::Ok);
        assert_eq!(judge(Ok(()), None, (Some(100), Some(512))).status, Status::Warning);
        assert!(judge(Ok(()), Some("NFS"), plenty).finding.contains("NFS"));
        assert!(judge(Err("too many".to_owned()), None, plenty).finding.starts_with("polling (too many)"));
    }
}
