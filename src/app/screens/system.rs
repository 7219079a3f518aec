//! The machine: GPUs, the processes on them, the host; now, or over a session's time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crossterm::event::MouseEvent;
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use serde::{Deserialize, Serialize};

use crate::app::action::{self, Move};
use crate::app::data::{CurvesAnswer, CurvesRequest, Groups, Want, Window, XAxis};
use crate::app::effect::{self, Effect, Lane};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::lens::Lens;
use crate::app::memory::Memory;
use crate::app::screens::{Screen, ScreenKind};
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::app::toast::Tone;
use crate::session::{self, Folder, Listing, Manifest, State};
use crate::telemetry::Inventory;

mod gpus;
mod history;
mod host;
mod keys;
mod panel;
mod probe;
mod processes;
mod source;
mod strip;
mod view;

pub use keys::{BINDINGS, Verb};
pub use probe::Sample;
pub use strip::Strip;

use history::History;
use panel::{Panel, Top};
use probe::{Probe, Process};
use source::Source;
use view::Layout;

/// Time between samples.
const PERIOD: SignedDuration = SignedDuration::from_millis(950);
/// After so long without an answer another one is asked for: the driver may never have given one.
const PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// GPUs of which a session's table shows every quantity; of more only what the charts show anyway.
const DETAILED: usize = 2;
/// Characters of a session's name in the first line.
const NAME: usize = 28;

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// This machine, now.
    Sample(Box<Sample>),
    /// The machine that a session ran on.
    Machine {
        /// The session.
        id: String,
        /// What its manifest says.
        machine: Box<Inventory>,
    },
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    /// This machine, now.
    #[default]
    Live,
    /// The open session's telemetry.
    Session,
}

/// What is remembered from one time to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// Of a session's telemetry; live it is the clock.
    axis: XAxis,
}

impl Default for Settings {
    fn default() -> Self {
        Self { axis: XAxis::Wall }
    }
}

/// The state.
pub struct System {
    settings: Settings,
    mode: Mode,
    probe: Arc<Mutex<Option<Probe>>>,
    /// When a sample was asked for that has not come yet, or the last one was.
    asked_at: Option<Timestamp>,
    waiting: bool,
    history: History,
    processes: Vec<Process>,
    /// This machine.
    machine: Option<Inventory>,
    host: String,
    remarks: Vec<String>,
    /// The session whose telemetry is shown, and its machine.
    id: Option<String>,
    session_machine: Option<Inventory>,
    answer: Option<CurvesAnswer>,
    asked: Option<CurvesRequest>,
    serial: u64,
    lens: Lens,
    /// The first row of charts in view.
    first: usize,
    layout: Layout,
}

impl System {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        Self {
            settings: memory.of("system"),
            mode: Mode::Live,
            probe: Arc::default(),
            asked_at: None,
            waiting: false,
            history: History::default(),
            processes: Vec::new(),
            machine: None,
            host: String::new(),
            remarks: Vec::new(),
            id: None,
            session_machine: None,
            answer: None,
            asked: None,
            serial: 0,
            lens: Lens::default(),
            first: 0,
            layout: Layout::default(),
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Sample(sample) => {
                self.waiting = false;
                for remark in &sample.remarks {
                    cx.say(remark.clone(), Tone::Warn);
                }
                self.take(*sample);
                cx.shared.machine = strip::strip(&self.history).filter(|_| trains_here(&self.host, cx.shared));
                self.lay_out(cx.shared);
            }
            Reply::Machine { id, machine } => {
                if self.id.as_ref() == Some(&id) {
                    self.session_machine = Some(*machine);
                }
            }
        }
    }

    fn take(&mut self, sample: Sample) {
        self.history.push(sample.time.as_nanosecond() as f64 / 1e9, sample.values);
        self.processes = sample.processes;
        self.host = sample.host;
        if let Some(machine) = sample.machine {
            self.machine = Some(*machine);
        }
        self.remarks.extend(sample.remarks);
    }

    /// A second has passed, whichever screen is in front: while a session trains on this machine the list of sessions
    /// says how it does, and its history is there when one comes to look. A link that is slow or idle stays so.
    pub fn watch(&mut self, cx: &mut Cx<'_>) {
        if self.host.is_empty() {
            self.host = session::host_name();
        }
        if cx.shared.low_bandwidth || !trains_here(&self.host, cx.shared) {
            cx.shared.machine = None;
        } else if cx.shared.screen == ScreenKind::Sessions {
            self.sample(cx);
        }
    }

    /// Curves have come.
    pub fn curves(&mut self, answer: CurvesAnswer, cx: &mut Cx<'_>) {
        let same = answer.sessions.first().map(|facts| &facts.id) == self.id.as_ref();
        if !same || self.answer.as_ref().is_some_and(|held| held.serial > answer.serial) {
            return;
        }
        self.answer = Some(answer);
        // Names that came with it may be of charts that are to be shown.
        if cx.shared.screen == ScreenKind::System {
            self.ask(cx);
        }
    }

    /// Ask for a sample of this machine, unless one was asked for less than a second ago.
    fn sample(&mut self, cx: &mut Cx<'_>) {
        if self.mode != Mode::Live {
            return;
        }
        let now = cx.shared.now;
        let since = self.asked_at.map(|at| now.duration_since(at).abs());
        if since.is_some_and(|since| since < if self.waiting { PATIENCE } else { PERIOD }) {
            return;
        }
        self.asked_at = Some(now);
        self.waiting = true;
        let probe = Arc::clone(&self.probe);
        let folder = cx.shared.root.clone();
        let listings = cx.shared.listings.iter();
        let holders: Vec<(String, u32)> =
            listings.filter(|it| is_alive(it)).filter_map(|it| Some((it.host.clone()?, it.pid?))).collect();
        cx.work(Lane::System, move || {
            // A sampler that panicked is a sampler that is made anew.
            let mut probe = probe.lock().unwrap_or_else(PoisonError::into_inner);
            let probe = probe.get_or_insert_with(|| Probe::new(&folder));
            let here = session::host_name();
            let holders: Vec<u32> = holders.into_iter().filter(|(host, _)| *host == here).map(|(_, pid)| pid).collect();
            effect::Reply::System(Reply::Sample(Box::new(probe.sample(&holders))))
        });
    }

    /// The session that is shown, if another is open.
    fn turn_to_session(&mut self, cx: &mut Cx<'_>) {
        let shared = &cx.shared;
        let open = shared.open.clone().filter(|id| shared.listing(id).is_some());
        let id = open.or_else(|| shared.listings.last().map(|listing| listing.id.clone()));
        if id == self.id {
            return;
        }
        self.id.clone_from(&id);
        self.answer = None;
        self.asked = None;
        self.session_machine = None;
        self.lens.reset();
        let Some(id) = id else { return };
        let folder = cx.shared.folder(&id);
        cx.effects.push(Effect::Follow(vec![folder.path().to_owned()]));
        cx.work(Lane::Folder, move || {
            effect::Reply::System(Reply::Machine { id, machine: Box::new(machine_of(&folder)) })
        });
    }

    /// Ask for what is on the screen of a session's telemetry, if it is not what was asked last.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        self.lay_out(cx.shared);
        if self.mode != Mode::Session {
            return;
        }
        let Some(id) = self.id.clone() else { return };
        let mut request = CurvesRequest {
            screen: ScreenKind::System,
            serial: self.serial,
            sessions: vec![(id.clone(), cx.shared.folder(&id).path().to_owned())],
            want: self.wanted().into_iter().map(|series| Want { series, aside: false }).collect(),
            axis: self.settings.axis,
            log_x: false,
            window: self.lens.window,
            columns: self.columns(),
            half_life: 0.0,
            crosshair: self.lens.crosshair,
            groups: Groups::default(),
        };
        if self.asked.as_ref() == Some(&request) {
            return;
        }
        self.serial += 1;
        request.serial = self.serial;
        cx.effects.push(Effect::Curves(request.clone()));
        self.asked = Some(request);
    }

    /// The series of the charts in view and of the numbers above them.
    fn wanted(&self) -> Vec<String> {
        let Some(source) = self.source() else { return Vec::new() };
        let names = source.names();
        let panels = panel::panels(&names);
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        for panel in self.in_view(&panels) {
            wanted.extend(panel.lines.iter().map(|line| line.series.clone()));
            if let Top::Series(series) = &panel.top {
                wanted.extend(series.iter().cloned());
            }
        }
        let gpus = panel::gpus(&names);
        let quantities = if gpus.len() > DETAILED { &gpus::FEW[..] } else { &gpus::ALL[..] };
        for gpu in gpus {
            wanted.extend(quantities.iter().map(|quantity| format!("gpu{gpu}/{quantity}")));
        }
        wanted.extend(host::SERIES.iter().map(|name| (*name).to_owned()));
        wanted.into_iter().filter(|series| names.contains(series.as_str())).collect()
    }

    /// The panels whose charts are in view.
    fn in_view<'a>(&self, panels: &'a [Panel]) -> &'a [Panel] {
        let from = (self.first * self.layout.grid.columns).min(panels.len());
        &panels[from..panels.len().min(from + self.layout.grid.page())]
    }

    /// Where what lies on a screen of this size.
    fn lay_out(&mut self, shared: &Shared) {
        self.layout = view::layout(self, shared.body());
        let charts = self.source().map_or(0, |source| panel::panels(&source.names()).len());
        let (columns, rows) = (self.layout.grid.columns.max(1), self.layout.grid.rows);
        self.first = self.first.min(charts.div_ceil(columns).saturating_sub(rows));
    }

    /// Where values come from; none while nothing has come yet.
    fn source(&self) -> Option<Source<'_>> {
        match self.mode {
            Mode::Live => {
                self.history.newest()?;
                Some(Source::Live { history: &self.history, stretch: self.stretch() })
            }
            Mode::Session => self.answer.as_ref().map(Source::Session),
        }
    }

    /// The stretch of the x axis in view.
    fn stretch(&self) -> (f64, f64) {
        match (self.mode, &self.answer) {
            (Mode::Session, Some(answer)) => answer.window,
            (Mode::Session, None) => (0.0, 1.0),
            (Mode::Live, _) => {
                let (begin, end) = self.history.extent();
                match self.lens.window {
                    Window::All => (begin, end),
                    Window::Last(width) => (end - width, end),
                    Window::Fixed(from, to) => (from, to),
                }
            }
        }
    }

    fn extent(&self) -> (f64, f64) {
        match (self.mode, &self.answer) {
            (Mode::Session, Some(answer)) => answer.extent,
            (Mode::Session, None) => (0.0, 1.0),
            (Mode::Live, _) => self.history.extent(),
        }
    }

    /// The machine that is shown.
    fn machine(&self) -> Option<&Inventory> {
        match self.mode {
            Mode::Live => self.machine.as_ref(),
            Mode::Session => self.session_machine.as_ref(),
        }
    }

    /// Columns of dots across a chart, two a cell.
    fn columns(&self) -> usize {
        let (width, height) = self.layout.grid.cell;
        usize::from(view::plot_area(Rect::new(0, 0, width, height)).width).max(1) * 2
    }

    /// The session whose process this is.
    fn holder<'a>(&self, pid: u32, shared: &'a Shared) -> Option<&'a Listing> {
        let holds = |it: &&Listing| it.pid == Some(pid) && it.host.as_ref() == Some(&self.host) && is_alive(it);
        shared.listings.iter().find(holds)
    }
}

/// Whether a session trains on the machine of this name.
fn trains_here(host: &str, shared: &Shared) -> bool {
    shared.listings.iter().any(|it| it.host.as_deref() == Some(host) && is_alive(it))
}

fn is_alive(listing: &Listing) -> bool {
    listing.state.is_some_and(State::is_active)
}

/// What a session's manifest says of its machine; nothing where it says nothing.
fn machine_of(folder: &Folder) -> Inventory {
    let inventory = Manifest::load(folder).ok().map(|manifest| manifest.inventory);
    inventory.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

impl Screen for System {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        let theme = &shared.theme;
        let dot = Span::styled(shared.glyphs.dot, theme.dim);
        match self.mode {
            Mode::Live => {
                let mut spans = vec![Span::styled("this machine", theme.title), dot, Span::styled("now", theme.good)];
                if let Some(machine) = self.machine.as_ref().filter(|machine| !machine.host.is_empty()) {
                    spans[0] = Span::styled(text::fit(&machine.host, NAME, shared.glyphs.ellipsis), theme.title);
                }
                Line::from(spans)
            }
            Mode::Session => {
                let listing = self.id.as_deref().and_then(|id| shared.listing(id));
                let name = listing.map_or("no session", |listing| listing.name.as_str());
                let name = text::fit(name, NAME, shared.glyphs.ellipsis);
                let mut spans = vec![Span::styled(name, theme.title)];
                if let Some(listing) = listing {
                    let (sign, word) = shared.glyphs.state(listing.state);
                    spans.push(Span::raw("  "));
                    spans.push(Span::styled(format!("{sign} {word}"), theme.state(listing.state)));
                    if let Some(host) = &listing.host {
                        spans.push(dot);
                        spans.push(Span::styled(format!("on {}", text::fit(host, NAME, "")), theme.text));
                    }
                }
                Line::from(spans)
            }
        }
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::System(verb) = verb {
            keys::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let (stretch, cells) = (self.stretch(), self.columns() / 2);
        let rows = self.layout.grid.rows.max(1);
        match step {
            Move::Left => self.lens.walk(-1.0, cells, stretch),
            Move::Right => self.lens.walk(1.0, cells, stretch),
            Move::Home => self.lens.crosshair = Some(stretch.0),
            Move::End => self.lens.crosshair = Some(stretch.1),
            // The layout knows how many rows there are.
            Move::Up => self.first = self.first.saturating_sub(1),
            Move::Down => self.first += 1,
            Move::PageUp => self.first = self.first.saturating_sub(rows),
            Move::PageDown => self.first += rows,
        }
        self.ask(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        // The holder of curves has let go of what another screen did not want.
        self.asked = None;
        if let Some(id) = self.id.as_ref().filter(|_| self.mode == Mode::Session) {
            cx.effects.push(Effect::Follow(vec![cx.shared.folder(id).path().to_owned()]));
        }
        self.news(cx);
        self.sample(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        if self.mode == Mode::Session {
            self.turn_to_session(cx);
        }
        self.ask(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.sample(cx);
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let Some((area, Target::Pane(_))) = target else { return false };
        if !self.lens.mouse(mouse, view::plot_area(*area), self.stretch(), self.extent()) {
            return false;
        }
        self.ask(cx);
        true
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        if self.lens.crosshair.take().is_none() {
            if self.lens.window != Window::All {
                self.lens.window = Window::All;
            } else if self.mode == Mode::Session {
                keys::act(self, Verb::History, cx);
            } else {
                return false;
            }
        }
        self.ask(cx);
        true
    }

    fn remember(&self, memory: &mut Memory) {
        memory.keep("system", &self.settings);
    }
}

#[cfg(test)]
mod tests;
