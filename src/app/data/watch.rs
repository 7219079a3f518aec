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

/// Time between looks where nobody tells.
pub const POLL: Duration = Duration::from_secs(1);

/// The watcher, and what is watched.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeSet<PathBuf>,
    listings: Receiver<()>,
    curves: Receiver<()>,
    wake: [Sender<()>; 2],
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
            watcher(&options.root, wake.clone(), events.clone())
        };
        let watching = if watcher.is_some() { Watching::Told } else { Watching::Polling };
        events.try_send(Event::Watching(watching)).ok();
        let mut watch = Self { watcher, followed: BTreeSet::new(), listings, curves, wake };
        if watch.watcher.is_none() {
            watch.poll();
        }
        watch
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

    /// Wake both threads once a second, for as long as they are there.
    fn poll(&mut self) {
        let wake = self.wake.clone();
        let look = move || {
            loop {
                std::thread::sleep(POLL);
                for sender in &wake {
                    if matches!(sender.try_send(()), Err(crossbeam_channel::TrySendError::Disconnected(()))) {
                        return;
                    }
                }
            }
        };
        std::thread::Builder::new().name("polling".to_owned()).spawn(look).ok();
    }
}

/// None where the kernel cannot tell of changes in `root`.
fn watcher(root: &Path, wake: [Sender<()>; 2], events: Sender<Event>) -> Option<RecommendedWatcher> {
    let configs = PathBuf::from("configs");
    let handler = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
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
