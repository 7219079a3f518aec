//! Everything that happens, from outside.

use std::io;
use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender, bounded};
use crossterm::event::{Event as Input, KeyEventKind, MouseEventKind};

use crate::app::data::{CurvesAnswer, Watching};
use crate::app::effect::Reply;
use crate::notebook::kernel_client::News;
use crate::session::Listing;
use crate::session::events::EventLine;

/// Events that wait at most; a reader that is slower holds the senders up, which is what they should be.
const CAPACITY: usize = 4096;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Keys, mouse, paste, a new size.
    Input(Input),
    /// Width and height of a character in pixels, where they are known.
    Cell(Option<(u16, u16)>),
    /// Time has passed.
    Tick,
    /// The sessions as they stand now.
    Listings(Vec<Listing>),
    /// The sessions cannot be listed.
    Unlisted(String),
    /// A rule was broken in a session that runs.
    Alert {
        /// The session.
        id: String,
        /// What its events say.
        line: Box<EventLine>,
    },
    /// How changes of files are noticed.
    Watching(Watching),
    /// Curves that were asked for.
    Curves(Box<CurvesAnswer>),
    /// A config file changed on the disk.
    Configs(Vec<PathBuf>),
    /// What came of something that was wanted.
    Reply(Reply),
    /// Something happened to the notebook's kernel.
    Kernel(News),
    /// The terminal cannot be read any more.
    Gone(io::Error),
    /// Draw everything anew: something else wrote to the terminal.
    Redraw,
    /// Go to the background of the shell.
    Suspend,
}

impl Event {
    /// Whether a person did something and waits for what comes of it.
    pub fn is_awaited(&self) -> bool {
        match self {
            Self::Input(Input::Key(key)) => key.kind != KeyEventKind::Release,
            Self::Input(Input::Mouse(mouse)) => mouse.kind != MouseEventKind::Moved,
            Self::Input(Input::Paste(_)) => true,
            _ => false,
        }
    }
}

/// The queue of events.
pub fn channel() -> (Sender<Event>, Receiver<Event>) {
    bounded(CAPACITY)
}
