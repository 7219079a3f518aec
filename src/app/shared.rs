//! What every screen looks at, and the hand it is given to ask for things.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;

use crate::app::Options;
use crate::app::action::Verb;
use crate::app::data::{Studio, Watching};
use crate::app::effect::{Effect, Lane, Reply};
use crate::app::glyphs::{ASCII, Glyphs, UNICODE};
use crate::app::graphics::{Graphics, Protocol};
use crate::app::layers::{Layer, Purpose};
use crate::app::memory::Memory;
use crate::app::screens::ScreenKind;
use crate::app::theme::{Depth, Theme, ThemeName};
use crate::app::toast::{Toasts, Tone};
use crate::app::widgets::picture::Look;
use crate::session::control::Request;
use crate::session::{Folder, Listing};

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
    /// Sessions marked for comparison, by id, in the order of marking.
    pub marked: Vec<String>,
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
            listed: false,
            trouble: None,
            watching: Watching::Starting,
            screen: ScreenKind::Sessions,
            open: options.open.clone(),
            marked: Vec::new(),
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

    /// The place of a session's colour: its place among the marked ones, else one that its id gives it for good.
    pub fn colour(&self, id: &str) -> usize {
        let hash = || {
            id.bytes()
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        self.marked.iter().position(|it| it == id).unwrap_or_else(|| hash() as usize) % self.theme.series.len()
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
        self.say(format!("{request}: asked {id}, which answers at its next step"), Tone::Plain);
        self.effects.push(Effect::Command { folder, request });
    }

    /// Put a layer over the screen.
    pub fn open(&mut self, layer: Layer) {
        self.layers.push(layer);
    }
}
