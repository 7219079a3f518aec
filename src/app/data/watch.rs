//! Being told when files change, or looking for oneself where nobody tells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::app::Options;
use crate::app::event::Event;
use crate::session;

/// How changes of files are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// Not known yet.
    Starting,
    /// The kernel tells.
    Told,
    /// Nobody tells on this disk: looked at once a second.
    Polling,
}

impl Watching {
    /// For the last line.
    pub fn words(self) -> &'static str {
        match self {
            Self::Starting => "",
            Self::Told => "watching: inotify",
            Self::Polling => "watching: polling 1 s",
        }
    }
}

/// Time between looks where nobody tells; also where somebody should, for what never changes a file or is missed.
pub const POLL: Duration = Duration::from_secs(1);

/// Looks in a row that found something nobody had told of, before nobody is believed to.
const MISSED: u32 = 2;

/// Judges by what is found whether changes are told of: the kernel watches some disks and stays silent (a container's
/// view of its host, a network disk under another name, too few watches left).
#[derive(Debug, Default)]
pub struct Ears {
    missed: u32,
    deaf: bool,
}

impl Ears {
    /// A look found something new, after being told to look or not. Gives how changes are noticed where that is news.
    pub fn found(&mut self, told: bool) -> Option<Watching> {
        self.missed = if told { 0 } else { self.missed.saturating_add(1) };
        let deaf = self.missed >= MISSED || self.deaf && !told;
        let changed = deaf != self.deaf;
        self.deaf = deaf;
        changed.then_some(if deaf { Watching::Polling } else { Watching::Told })
    }
}

/// The watcher, and what is watched.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    listings: Receiver<()>,
    curves: Receiver<()>,
}

impl Watch {
    /// Watch the folder of sessions.
    pub fn new(options: &Options, events: &Sender<Event>) -> Self {
        // One waiting wake is as good as a thousand: a burst of changes is one look.
        let (wake_listings, listings) = bounded(1);
        let (wake_curves, curves) = bounded(1);
        let wake = [wake_listings, wake_curves];
        let watcher = if options.polling || session::is_shared(&options.root) {
            None
        } else {
            watcher(&options.root, wake, events.clone())
        };
        let watching = if watcher.is_some() { Watching::Told } else { Watching::Polling };
        events.try_send(Event::Watching(watching)).ok();
        // Without a watcher nobody wakes them: both threads look once in so long by themselves.
        Self { watcher, followed: BTreeSet::new(), listings, curves }
    }

    /// Wakes the thread that lists sessions.
    pub fn wake_listings(&self) -> Receiver<()> {
        self.listings.clone()
    }

    /// Wakes the thread that reads curves.
    pub fn wake_curves(&self) -> Receiver<()> {
        self.curves.clone()
    }

    /// Watch closely what is in these folders, and no longer what was before.
    pub fn follow(&mut self, folders: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: BTreeSet<PathBuf> = folders
            .iter()
            .flat_map(|folder| {
                [folder.clone(), folder.join("metrics"), folder.join("telemetry"), folder.join("samples")]
            })
            .collect();
        for gone in self.followed.difference(&wanted) {
            // It may be deleted by now.
            watcher.unwatch(gone).ok();
        }
        // A folder that is not there yet is asked for again with the next listing.
        let kept = wanted
            .into_iter()
            .filter(|path| self.followed.contains(path) || watcher.watch(path, RecursiveMode::NonRecursive).is_ok());
        self.followed = kept.collect();
    }
}

/// None where the kernel cannot tell of changes in `root`.
fn watcher(root: &Path, wake: [Sender<()>; 2], events: Sender<Event>) -> Option<RecommendedWatcher> {
    let configs = PathBuf::from("configs");
    let handler = move |event: notify::Result<notify::Event>| {
        // What went wrong with watching may have hidden a change.
        let event = event.unwrap_or_default();
        if event.kind.is_access() {
            return;
        }
        let changed: Vec<PathBuf> =
            event.paths.iter().filter(|path| path.extension().is_some_and(|it| it == "toml")).cloned().collect();
        let of_configs = |path: &PathBuf| path.parent().is_some_and(|folder| folder.ends_with("configs"));
        if changed.iter().any(of_configs) {
            events.try_send(Event::Configs(changed)).ok();
            return;
        }
        for sender in &wake {
            sender.try_send(()).ok();
        }
    };
    let mut watcher = notify::recommended_watcher(handler).ok()?;
    // The root may not be there before the first session is.
    let nearest = root.ancestors().find(|path| path.is_dir() || path.as_os_str().is_empty())?;
    let nearest = if nearest.as_os_str().is_empty() { Path::new(".") } else { nearest };
    watcher.watch(nearest, RecursiveMode::NonRecursive).ok()?;
    if configs.is_dir() {
        watcher.watch(&configs, RecursiveMode::NonRecursive).ok();
    }
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_noticed_by_what_is_found_in_spite_of_it_and_ends_with_the_first_word() {
        let mut ears = Ears::default();
        assert_eq!(ears.found(true), None);
        assert_eq!(ears.found(false), None, "once may be a race");
        assert_eq!(ears.found(true), None);
        assert_eq!((ears.found(false), ears.found(false)), (None, Some(Watching::Polling)));
        assert_eq!(ears.found(false), None, "said already");
        assert_eq!(ears.found(true), Some(Watching::Told));
    }

    #[test]
    fn a_change_in_a_followed_folder_wakes_both_threads() {
        let root = tempfile::tempdir().unwrap();
        let session = root.path().join("260304-120000-x");
        std::fs::create_dir_all(session.join("metrics")).unwrap();
        let (events, told) = crossbeam_channel::unbounded();
        let mut watch = Watch::new(&Options::new(root.path()), &events);
        let Ok(Event::Watching(watching)) = told.recv() else { panic!("how changes are noticed is said first") };
        // Where the tests run nothing may be watched; then that is what must be said.
        assert_eq!(watch.watcher.is_some(), watching == Watching::Told);
        if watching == Watching::Polling {
            return;
        }
        watch.follow(&[session.clone(), root.path().join("not-there")]);
        std::fs::write(session.join("metrics/0.arrows"), "x").unwrap();
        let patience = Duration::from_secs(20);
        watch.wake_listings().recv_timeout(patience).unwrap();
        watch.wake_curves().recv_timeout(patience).unwrap();
    }
}
