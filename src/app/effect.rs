//! What the state wants from outside, and the hands that do it.

use std::collections::HashMap;
use std::path::PathBuf;

use crossbeam_channel::Sender;

use crate::app::Options;
use crate::app::data::{CurvesRequest, CurvesThread, ListingsThread, Watch};
use crate::app::event::Event;
use crate::app::screens::{compare, dataset, notebook, run, samples, sessions, system};
use crate::notebook::desk::Desk;
use crate::notebook::kernel_client::Wish;
use crate::session::Folder;
use crate::session::control::{Client, Request, Response};

mod lane;

use lane::LaneThread;

/// Something wanted from outside.
pub enum Effect {
    /// List the sessions now, not when the next change is noticed.
    List,
    /// Watch these sessions' folders closely: the open one, the compared ones.
    Follow(Vec<PathBuf>),
    /// Curves; the newest request replaces one still waiting.
    Curves(CurvesRequest),
    /// Ask a session's process for something.
    Command {
        /// The session.
        folder: Folder,
        /// What.
        request: Request,
    },
    /// Something slow, off the drawing thread.
    Work(Lane, Box<dyn FnOnce() -> Reply + Send>),
    /// Something with the notebook's kernel.
    Kernel(Wish),
    /// Make the terminal heard.
    Ring(Bell),
    /// Draw everything anew.
    Redraw,
    /// To the background of the shell.
    Suspend,
}

impl std::fmt::Debug for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::List => f.write_str("List"),
            Self::Follow(paths) => f.debug_tuple("Follow").field(paths).finish(),
            Self::Curves(request) => f.debug_tuple("Curves").field(request).finish(),
            Self::Command { folder, request } => {
                f.debug_struct("Command").field("folder", folder).field("request", request).finish()
            }
            Self::Work(lane, _) => f.debug_tuple("Work").field(lane).finish(),
            Self::Kernel(wish) => f.debug_tuple("Kernel").field(wish).finish(),
            Self::Ring(bell) => f.debug_tuple("Ring").field(bell).finish(),
            Self::Redraw => f.write_str("Redraw"),
            Self::Suspend => f.write_str("Suspend"),
        }
    }
}

/// How the terminal makes itself heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bell {
    /// The bell.
    Bell,
    /// A notice of the desktop's, where the terminal passes it on (OSC 9).
    Notice(String),
}

/// Who does a piece of slow work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A thread of its own: everything that must be done.
    Each,
    /// Pictures for the screen: only the newest matters.
    Pictures,
    /// Smaller pictures beside those: they come when they come.
    Film,
    /// What the open session's folder says: events, log, manifest.
    Folder,
    /// What the folder of the session that is selected in the list says.
    Session,
    /// Which sample pictures there are.
    Samples,
    /// The machine.
    System,
    /// Pairs and their checks.
    Pairs,
    /// Comparisons.
    Compare,
    /// Notebooks that are read.
    Notebook,
    /// Configs.
    Configs,
}

/// What came of slow work.
#[derive(Debug)]
pub enum Reply {
    /// A session's process answered, or could not be asked.
    Commanded {
        /// The session.
        id: String,
        /// What it was asked.
        request: Request,
        /// What it answered.
        answer: Result<String, String>,
    },
    /// Something that went wrong, in words for a person.
    Failed(String),
    /// Something that went well, in words for a person.
    Done(String),
    /// For the list of sessions.
    Sessions(sessions::Reply),
    /// For the run.
    Run(run::Reply),
    /// For the comparison.
    Compare(compare::Reply),
    /// For the samples.
    Samples(samples::Reply),
    /// For the machine's screen.
    System(system::Reply),
    /// For the pairs.
    Dataset(dataset::Reply),
    /// For the notebook.
    Notebook(notebook::Reply),
}

/// The threads that do what is wanted.
pub struct Outside {
    events: Sender<Event>,
    listings: ListingsThread,
    curves: CurvesThread,
    watch: Watch,
    lanes: HashMap<Lane, LaneThread>,
    desk: Desk,
    bells: Vec<Bell>,
}

impl Outside {
    /// Threads that answer to `events`.
    pub fn new(options: &Options, events: Sender<Event>) -> Self {
        let watch = Watch::new(options, &events);
        let listings = ListingsThread::spawn(&options.root, watch.wake_listings(), events.clone());
        let curves = CurvesThread::spawn(watch.wake_curves(), events.clone());
        Self {
            events,
            listings,
            curves,
            watch,
            lanes: HashMap::new(),
            desk: Desk::new(&options.root),
            bells: Vec::new(),
        }
    }

    /// Do what is wanted.
    pub fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::List => self.listings.wake(),
                Effect::Follow(folders) => self.watch.follow(&folders),
                Effect::Curves(request) => self.curves.ask(request),
                Effect::Command { folder, request } => self.command(folder, request),
                Effect::Work(Lane::Each, work) => self.each(work),
                Effect::Work(lane, work) => {
                    let events = &self.events;
                    self.lanes.entry(lane).or_insert_with(|| LaneThread::spawn(lane, events.clone())).ask(work);
                }
                Effect::Kernel(wish) => {
                    let events = self.events.clone();
                    self.desk.carry_out(wish, move |news| events.send(Event::Kernel(news)).is_ok());
                }
                Effect::Ring(bell) => self.bells.push(bell),
                Effect::Redraw => drop(self.events.try_send(Event::Redraw)),
                Effect::Suspend => drop(self.events.try_send(Event::Suspend)),
            }
        }
    }

    /// What is to be heard since the last time.
    pub fn take_bells(&mut self) -> Vec<Bell> {
        std::mem::take(&mut self.bells)
    }

    fn each(&self, work: Box<dyn FnOnce() -> Reply + Send>) {
        let events = self.events.clone();
        let told = self.events.clone();
        let spawned = std::thread::Builder::new().name("work".to_owned()).spawn(move || {
            events.send(Event::Reply(work())).ok();
        });
        if let Err(error) = spawned {
            drop(told.try_send(Event::Reply(Reply::Failed(format!("no thread for it: {error}")))));
        }
    }

    fn command(&self, folder: Folder, request: Request) {
        self.each(Box::new(move || {
            let id = folder.id();
            let answer = Client::connect(&folder).and_then(|mut client| client.request(&request));
            let answer = match answer {
                Ok(Response::Ok { message, .. }) => Ok(message),
                Ok(Response::Error { message }) => Err(message),
                Err(error) => Err(error.to_string()),
            };
            Reply::Commanded { id, request, answer }
        }));
    }
}
