//! The thread that lists sessions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::alerts;
use crate::app::data::watch::POLL;
use crate::app::event::Event;
use crate::record::threads;
use crate::session::events::Follow;
use crate::session::{self, Folder, Listing, State};

/// Changes within this time are one look.
const QUIET: Duration = Duration::from_millis(80);

/// The thread; it ends with this handle.
pub struct ListingsThread {
    now: Sender<()>,
}

impl ListingsThread {
    /// A thread that lists the sessions under `root` whenever `wake` tells and sends what is new to `events`.
    pub fn spawn(root: &Path, wake: Receiver<()>, events: Sender<Event>) -> Self {
        let (now, asked) = bounded(1);
        let mut lister = Lister::new(root);
        let run = move || {
            loop {
                for event in lister.look() {
                    if events.send(event).is_err() {
                        return;
                    }
                }
                crossbeam_channel::select! {
                    recv(asked) -> asked => if asked.is_err() { return },
                    recv(wake) -> woken => match woken {
                        // The rest of the burst comes while we wait.
                        Ok(()) => std::thread::sleep(QUIET),
                        Err(_) => match asked.recv_timeout(POLL) {
                            Err(RecvTimeoutError::Disconnected) => return,
                            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                        },
                    },
                    // That a process died changes no file.
                    default(POLL) => {}
                }
            }
        };
        std::thread::Builder::new().name("listings".to_owned()).spawn(run).ok();
        Self { now }
    }

    /// Look now.
    pub fn wake(&self) {
        self.now.try_send(()).ok();
    }
}

/// What a session's listing is read from, and when it changed.
type Stamp = [Option<(SystemTime, u64)>; 3];

struct Lister {
    root: PathBuf,
    /// The root was there once. Before, it waits for its first session; after, it has gone.
    found: bool,
    known: HashMap<String, (Stamp, Listing)>,
    sent: Option<Vec<Listing>>,
    /// Where the events of the sessions that are alive have been read to.
    followed: HashMap<String, Follow>,
}

impl Lister {
    fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), found: false, known: HashMap::new(), sent: None, followed: HashMap::new() }
    }

    /// The events to send, if anything is new.
    fn look(&mut self) -> Vec<Event> {
        match self.list() {
            Ok(listings) => {
                let mut news = self.alerts(&listings);
                if self.sent.as_ref() != Some(&listings) {
                    self.sent = Some(listings.clone());
                    news.push(Event::Listings(listings));
                }
                news
            }
            Err(problem) => {
                self.sent = None;
                vec![Event::Unlisted(problem)]
            }
        }
    }

    /// Alerts raised since the last look. What was raised before the first one is history: it is on the charts.
    fn alerts(&mut self, listings: &[Listing]) -> Vec<Event> {
        let alive: Vec<&Listing> = listings.iter().filter(|it| it.state.is_some_and(State::is_active)).collect();
        self.followed.retain(|id, _| alive.iter().any(|listing| listing.id == *id));
        let mut news = Vec::new();
        for listing in alive {
            let path = Folder::new(&listing.path).events();
            let is_new = !self.followed.contains_key(&listing.id);
            let found = self.followed.entry(listing.id.clone()).or_default().poll(&path);
            // What cannot be read is said where the session is shown.
            let lines = found.map(|events| events.lines).unwrap_or_default();
            let alerts = lines.into_iter().filter(|line| !is_new && line.kind == alerts::EVENT);
            news.extend(alerts.map(|line| Event::Alert { id: listing.id.clone(), line: Box::new(line) }));
        }
        news
    }

    /// Like [`session::list`], but reading only what has changed.
    fn list(&mut self) -> Result<Vec<Listing>, String> {
        let ids = session::ids(&self.root).map_err(|error| error.to_string())?;
        // To list a folder that is not there is no error: its first session makes it.
        let missing = ids.is_empty() && matches!(self.root.try_exists(), Ok(false));
        if missing && self.found {
            return Err(format!("{} is gone: moved, deleted, or no longer mounted", self.root.display()));
        }
        self.found |= !missing;
        let look = |id: &String| {
            let folder = Folder::new(self.root.join(id));
            let stamp = stamp(&folder);
            let kept = self.known.get(id).filter(|(old, listing)| *old == stamp && !may_change_by_itself(listing));
            (stamp, kept.map_or_else(|| session::read_listing(&folder), |(_, listing)| listing.clone()))
        };
        let looked: Vec<(Stamp, Listing)> = threads::each(&ids, look);
        let listings = looked.iter().map(|(_, listing)| listing.clone()).collect();
        self.known = ids.into_iter().zip(looked).collect();
        Ok(listings)
    }
}

/// Whether it may come to stand differently with no file changing: a process that dies writes nothing.
fn may_change_by_itself(listing: &Listing) -> bool {
    listing.state.is_none_or(State::is_active)
}

fn stamp(folder: &Folder) -> Stamp {
    [folder.manifest(), folder.summary(), folder.metrics()].map(|path| {
        let data = std::fs::metadata(path).ok()?;
        Some((data.modified().ok()?, data.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lister: &mut Lister) -> Option<String> {
        let mut news = lister.look().into_iter();
        news.find_map(|event| if let Event::Unlisted(problem) = event { Some(problem) } else { None })
    }

    #[test]
    fn a_root_that_goes_is_told_from_one_that_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("sessions");
        let mut lister = Lister::new(&root);
        assert_eq!(told(&mut lister), None, "its first session makes it");
        std::fs::create_dir(&root).unwrap();
        assert_eq!(told(&mut lister), None);
        std::fs::remove_dir(&root).unwrap();
        assert!(told(&mut lister).is_some_and(|problem| problem.contains("is gone")));
        assert!(told(&mut lister).is_some(), "and stays so");
        std::fs::create_dir(&root).unwrap();
        assert!(matches!(lister.look().as_slice(), [Event::Listings(_)]), "until it is back");
    }
}
