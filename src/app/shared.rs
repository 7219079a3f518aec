//! What every screen looks at, and the hand it is given to ask for things.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use crate::app::Options;
use crate::app::action::Verb;
use crate::app::data::{Studio, Watching};
use crate::app::effect::{Effect, Lane, Reply};
use crate::app::eta::Paces;
use crate::app::glyphs::{ASCII, Glyphs, UNICODE};
use crate::app::graphics::{Graphics, Protocol};
use crate::app::layers::{Layer, Purpose};
use crate::app::memory::Memory;
use crate::app::screens::ScreenKind;
use crate::app::screens::system::Strip;
use crate::app::theme::{Depth, Theme, ThemeName};
use crate::app::toast::{Toasts, Tone};
use crate::app::widgets::picture::Look;
use crate::session::control::Request;
use crate::session::{Folder, Listing};

/// An instant of a session, at which all screens can look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instant {
    /// The session.
    pub id: String,
    /// The step.
    pub step: i64,
}

/// What every screen looks at.
#[derive(Debug)]
pub struct Shared {
    /// Where sessions live.
    pub root: PathBuf,
    /// Now.
    pub now: Timestamp,
    /// In which zone times are shown.
    pub zone: TimeZone,
    /// Every session, oldest first.
    pub listings: Vec<Listing>,
    /// How fast those that run go.
    pub paces: Paces,
    /// Whether they have been read once: before, an empty list says nothing.
    pub listed: bool,
    /// Why the sessions cannot be read.
    pub trouble: Option<String>,
    /// How changes are noticed.
    pub watching: Watching,
    /// The screen in front.
    pub screen: ScreenKind,
    /// The session that run, samples and dataset show, by id.
    pub open: Option<String>,
    /// How this machine does, while a session trains on it.
    pub machine: Option<Strip>,
    /// The instant that is looked at on the run's charts.
    pub instant: Option<Instant>,
    /// Sessions marked for comparison, by id, in the order of marking.
    pub marked: Vec<String>,
    /// Places of the colours of sessions that were marked, by id: a mark that goes takes no other session's colour along.
    colours: HashMap<String, usize>,
    /// Colours.
    pub theme: Theme,
    /// How many colours there are.
    pub depth: Depth,
    /// Characters.
    pub glyphs: Glyphs,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// The link is slow: draw less.
    pub low_bandwidth: bool,
    /// How the terminal can be shown pictures.
    pub graphics: Graphics,
    /// Whether anything is kept from one time to the next.
    pub remembers: bool,
    /// Where pictures are made.
    pub studio: Arc<Studio>,
}

impl Shared {
    /// What is known before anything was read.
    pub fn new(options: &Options, memory: &Memory, now: Timestamp) -> Self {
        let environment = |name: &str| std::env::var(name).ok();
        let depth = Depth::of_environment(environment);
        let asked = options.theme.or_else(|| environment("NO_COLOR").map(|_| ThemeName::None));
        Self {
            root: options.root.clone(),
            now,
            zone: TimeZone::system(),
            listings: Vec::new(),
            paces: Paces::default(),
            listed: false,
            trouble: None,
            watching: Watching::Starting,
            screen: ScreenKind::Sessions,
            open: options.open.clone(),
            machine: None,
            instant: None,
            marked: Vec::new(),
            colours: HashMap::new(),
            theme: Theme::new(asked.or(memory.theme).unwrap_or_default(), depth),
            depth,
            glyphs: if options.ascii { ASCII } else { UNICODE },
            size: (80, 24),
            low_bandwidth: options.low_bandwidth,
            graphics: if options.low_bandwidth || options.ascii {
                Graphics { protocol: Protocol::HalfBlocks, ..options.graphics }
            } else {
                options.graphics
            },
            remembers: options.memory.is_some(),
            studio: Arc::default(),
        }
    }

    /// A session by its id.
    pub fn listing(&self, id: &str) -> Option<&Listing> {
        self.listings.iter().find(|listing| listing.id == id)
    }

    /// The session that is open.
    pub fn opened(&self) -> Option<&Listing> {
        self.listing(self.open.as_deref()?)
    }

    /// What is said while a session's process has been asked and has not answered.
    pub fn asked(&self, id: &str, request: &Request) -> String {
        format!("{request}: asked {}, which answers at its next step", self.name(id))
    }

    /// What a session is called.
    pub fn name<'a>(&'a self, id: &'a str) -> &'a str {
        self.listing(id).map_or(id, |listing| listing.name.as_str())
    }

    /// Where a screen is drawn: everything but the first line and the last.
    pub fn body(&self) -> Rect {
        Rect::new(0, 1, self.size.0, self.size.1.saturating_sub(2))
    }

    /// A session's folder.
    pub fn folder(&self, id: &str) -> Folder {
        Folder::new(self.root.join(id))
    }

    /// How the cells of a picture are drawn.
    pub fn look(&self) -> Look {
        match (self.theme.name, self.glyphs.ascii || self.theme.name == ThemeName::None) {
            (ThemeName::Light, true) => Look::Dark,
            (_, true) => Look::Bright,
            // A colour of 256 takes half the bytes of one of 16 million.
            (_, false) if self.low_bandwidth => Look::Blocks(Depth::Indexed),
            (_, false) => Look::Blocks(self.depth),
        }
    }

    /// Give every marked session a colour that no other marked one has, as long as there are any: the one that it had
    /// before, else the first that is free.
    pub fn give_colours(&mut self) {
        let mut used = HashSet::new();
        for id in &self.marked {
            let kept = self.colours.get(id).copied().filter(|colour| !used.contains(colour));
            let others: HashSet<usize> =
                self.marked.iter().filter(|it| *it != id).filter_map(|it| self.colours.get(it)).copied().collect();
            // One more than there can be taken is always free.
            let taken = used.len() + others.len();
            let colour =
                kept.unwrap_or_else(|| (0..=taken).find(|it| !used.contains(it) && !others.contains(it)).unwrap_or(0));
            used.insert(colour);
            self.colours.insert(id.clone(), colour);
        }
    }

    /// The place of a session's colour: the one it was given when it was marked, else one that its id gives it for good.
    pub fn colour(&self, id: &str) -> usize {
        let hash = || {
            id.bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        self.colours.get(id).copied().unwrap_or_else(|| hash() as usize) % self.theme.series.len()
    }
}

/// A screen's hand while it acts: the shared state and everything it can ask for.
pub struct Cx<'a> {
    /// What every screen looks at.
    pub shared: &'a mut Shared,
    /// What is wanted from outside, in order.
    pub effects: &'a mut Vec<Effect>,
    /// Layers over the screen.
    pub layers: &'a mut Vec<Layer>,
    /// Messages.
    pub toasts: &'a mut Toasts,
    /// What is to be done next, as if it had been typed.
    pub then: &'a mut Vec<Verb>,
    /// What a prompt holds while it is typed, for those who want to see it at once.
    pub typing: &'a mut Vec<(Purpose, String)>,
}

impl Cx<'_> {
    /// Say something.
    pub fn say(&mut self, text: impl Into<String>, tone: Tone) {
        self.toasts.push(text, tone, self.shared.now);
    }

    /// Have something done off the drawing thread; in a lane the newest waiting work replaces an older one.
    pub fn work(&mut self, lane: Lane, work: impl FnOnce() -> Reply + Send + 'static) {
        self.effects.push(Effect::Work(lane, Box::new(work)));
    }

    /// Send a command to the process of a session; what it answers is shown.
    pub fn command(&mut self, id: &str, request: Request) {
        let folder = self.shared.folder(id);
        self.say(self.shared.asked(id, &request), Tone::Plain);
        self.effects.push(Effect::Command { folder, request });
    }

    /// Put a layer over the screen.
    pub fn open(&mut self, layer: Layer) {
        self.layers.push(layer);
    }
}
