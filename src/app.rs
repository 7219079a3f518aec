//! The dashboard: run, watch and steer every experiment from one terminal.
//!
//! | module | what |
//! |---|---|
//! | `event` | everything that happens, from outside: keys, files, answers |
//! | `action` | every intent, by verb; `keymap` says which key means which |
//! | `update` | the one place that changes state: event or action in, effects out |
//! | `effect` | what `update` wants done outside: ask for data, command a session, start one |
//! | `screens` | a noun each: sessions, run, compare, samples, system, dataset; state, verbs and drawing together |
//! | `layers` | what lies over a screen: prompt, form, confirmation, palette, help |
//! | `data` | the threads that read: listings, curves, pictures; the newest request wins |
//! | `pictures` | what pictures a screen wants, and those that are finished |
//! | `pace` | when the next picture is drawn |
//! | `graphics` | how this terminal can be shown pictures |
//! | `terminal` | raw mode, synchronised output, what is restored when the program ends or panics |
//!
//! Drawing is a pure function of the state into a buffer: [`App::draw`]. The program can so be driven without a
//! terminal, by [`App::handle`], which is how it is tested.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

mod action;
mod chrome;
mod clock;
mod data;
mod effect;
mod eta;
mod event;
mod glyphs;
pub mod graphics;
mod hits;
mod keymap;
mod layers;
mod lens;
mod memory;
mod pace;
mod pictures;
mod plots;
mod report;
mod screens;
mod shared;
mod terminal;
mod text;
mod theme;
mod toast;
mod update;
pub mod widgets;

pub use action::{AppVerb, Move, Verb};
pub use clock::Clock;
pub use effect::Effect;
pub use event::Event;
pub use screens::ScreenKind;
pub use theme::{Depth, Theme, ThemeName};

use effect::Outside;
use graphics::Graphics;
use hits::{Hits, Placed};
use layers::Layer;
use pace::Pace;
use screens::Screens;
use shared::Shared;
use terminal::Terminal;
use toast::Toasts;

/// How often what depends on the time of day is drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// Events taken together before a picture is drawn.
const BURST: usize = 1024;

/// How the dashboard is started.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Options {
    /// Where sessions live.
    pub root: PathBuf,
    /// A session to open at once, by id.
    pub open: Option<String>,
    /// Begin with the notebook: of the session that is opened, else of the sessions' folder.
    pub notebook: bool,
    /// Colours; what the user chose last when not given.
    pub theme: Option<ThemeName>,
    /// Draw with ASCII characters only.
    pub ascii: bool,
    /// Fewer frames a second, samples as half blocks whatever the terminal can do.
    pub low_bandwidth: bool,
    /// Look at files once a second instead of being told of changes.
    pub polling: bool,
    /// Where the layout is remembered; not at all when absent.
    pub memory: Option<PathBuf>,
    /// How the terminal can be shown pictures.
    pub graphics: Graphics,
}

impl Options {
    /// The defaults for the sessions under `root`, remembering nothing.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            open: None,
            notebook: false,
            theme: None,
            ascii: false,
            low_bandwidth: false,
            polling: false,
            memory: None,
            graphics: Graphics::default(),
        }
    }

    /// The same with the layout kept where the system keeps such things.
    #[must_use]
    pub fn remembering(mut self) -> Self {
        self.memory = memory::path();
        self
    }
}

/// The whole state.
pub struct App {
    shared: Shared,
    screens: Screens,
    layers: Vec<Layer>,
    toasts: Toasts,
    hits: Hits,
    clock: Clock,
    quitting: bool,
}

impl App {
    /// The state before anything has happened, and what is wanted from outside at once.
    pub fn new(options: &Options, clock: Clock) -> (Self, Vec<Effect>) {
        let memory = memory::load(options.memory.as_deref());
        let shared = Shared::new(options, &memory, clock.now());
        let mut app = Self {
            shared,
            screens: Screens::new(&memory),
            layers: Vec::new(),
            toasts: Toasts::default(),
            hits: Hits::default(),
            clock,
            quitting: false,
        };
        let effects = app.begin(options);
        (app, effects)
    }

    /// Take in what happened, and give what is wanted from outside.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        self.shared.now = self.clock.now();
        self.take(event)
    }

    /// Draw everything into `buffer`, and remember what lies where for the mouse.
    pub fn draw(&mut self, buffer: &mut Buffer) {
        self.shared.now = self.clock.now();
        let mut hits = Hits::default();
        chrome::draw(self, buffer, &mut hits);
        text::mend(buffer);
        self.hits = hits;
    }

    /// The pictures of the last drawing that nothing lies on, to be laid over their cells in the terminal's pixels.
    pub(crate) fn placed(&self) -> &[Placed] {
        self.hits.pictures()
    }

    /// Whether the user wants to leave.
    pub fn is_quitting(&self) -> bool {
        self.quitting
    }

    /// The screen in front.
    pub fn screen(&self) -> ScreenKind {
        self.shared.screen
    }

    /// When the picture changes next with nothing happening: a clock, a toast that goes.
    fn next_change(&self) -> Option<Timestamp> {
        self.toasts.next_end()
    }

    /// Whether something on the screen counts tenths of seconds.
    fn is_counting(&self) -> bool {
        self.shared.screen == ScreenKind::Notebook && self.screens.notebook.is_counting()
    }
}

/// Run the dashboard in this terminal until the user leaves it.
///
/// # Errors
/// The terminal cannot be used, or is gone.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let clock = Clock::system();
    let options = &Options { graphics: Graphics::of_terminal(), ..options.clone() };
    let (sender, events) = event::channel();
    let mut terminal = Terminal::enter(&sender)?;
    let mut outside = Outside::new(options, sender);
    let (mut app, effects) = App::new(options, clock);
    outside.carry_out(effects);
    let pace = Pace::new(options.low_bandwidth, Instant::now());
    let result = drive(&mut app, &mut terminal, &mut outside, &events, pace);
    app.screens.notebook.flush();
    memory::save(options.memory.as_deref(), &app.remembered());
    // Why it ended says more than that a terminal which is gone cannot be given back.
    let left = terminal.leave();
    result.and(left)
}

fn drive(
    app: &mut App,
    terminal: &mut Terminal,
    outside: &mut Outside,
    events: &Receiver<Event>,
    mut pace: Pace,
) -> anyhow::Result<()> {
    let mut dirty = true;
    let mut ticked = Instant::now();
    let mut counted = Instant::now();
    while !app.is_quitting() {
        let now = Instant::now();
        let due = pace.due(now);
        if dirty && now >= due {
            terminal.draw(|buffer| {
                app.draw(buffer);
                app.placed().to_vec()
            })?;
            pace.drawn(now);
            dirty = false;
            continue;
        }
        let counting = app.is_counting().then(|| pace.counting().saturating_sub(counted.elapsed()));
        let quiet = counting.map_or_else(|| patience(app, ticked), |left| left.min(patience(app, ticked)));
        let first = match events.recv_timeout(if dirty { due - now } else { quiet }) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the terminal is gone"),
        };
        for event in first.into_iter().chain(events.try_iter().take(BURST)) {
            match event {
                Event::Gone(error) => return Err(error.into()),
                Event::Redraw => terminal.clear(),
                Event::Suspend => terminal.suspend()?,
                event => {
                    if event.is_awaited() {
                        pace.key(Instant::now());
                    }
                    outside.carry_out(app.handle(event));
                }
            }
            dirty = true;
        }
        if counting.is_some() && counted.elapsed() >= pace.counting() {
            counted = Instant::now();
            dirty = true;
        }
        // Time passes under a stream of events, too.
        if patience(app, ticked).is_zero() {
            ticked = Instant::now();
            outside.carry_out(app.handle(Event::Tick));
            dirty = true;
        }
        for told in outside.take_bells() {
            terminal.ring(&told)?;
        }
    }
    Ok(())
}

/// How long nothing happens by itself: until the next tick, or a message that goes before it.
fn patience(app: &App, ticked: Instant) -> Duration {
    let tick = TICK.saturating_sub(ticked.elapsed());
    let message =
        app.next_change().map(|at| Duration::try_from(at.duration_since(app.clock.now())).unwrap_or_default());
    message.map_or(tick, |message| message.min(tick))
}

/// The size that fits any terminal: what [`App::draw`] is given in tests.
pub fn buffer(width: u16, height: u16) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

#[cfg(test)]
pub(crate) mod tests;
