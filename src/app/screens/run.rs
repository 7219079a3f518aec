//! One session: its curves and telemetry on one x axis, one crosshair through all of it, and what it said.

use std::path::PathBuf;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::app::action::{self, Move};
use crate::app::data::{CurvesAnswer, CurvesRequest, Groups, Want, Window, XAxis};
use crate::app::effect::Effect;
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::layers::{self, Layer, Prompt};
use crate::app::lens::Lens;
use crate::app::memory::Memory;
use crate::app::pictures::Answer;
use crate::app::plots;
use crate::app::screens::samples::found::Found;
use crate::app::screens::{Screen, ScreenKind};
use crate::app::shared::{Cx, Instant, Shared};
use crate::app::toast::Tone;
use crate::report::quantity;
use crate::session::State;
use crate::session::control::Request;

pub mod grid;
mod keys;
pub mod order;
mod pane;
pub mod title;
mod view;

pub use keys::{BINDINGS, Verb};
pub use pane::Pane;

use grid::Grid;
use pane::Scene;

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Which charts.
    Filter,
    /// Whether the session is to end.
    Stop(String),
}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// The session's config.
    Config {
        /// The session.
        id: String,
        /// Its effective config, line by line.
        lines: Vec<String>,
    },
    /// Which sample pictures there are.
    Samples(Box<Found>),
    /// Sample pictures.
    Pictures(Answer),
}

/// What the crosshair always reads, whichever charts are in view: how the run stood, and what the machine did.
const VITALS: [&str; 13] = [
    "loss/g",
    "loss/d",
    "loss/total",
    "gpu0/utilization_percent",
    "gpu0/power_watts",
    "gpu0/temperature_celsius",
    "gpu0/memory_used_bytes",
    "process/cpu_percent",
    "speed/images_per_sec",
    "time/data_seconds",
    "time/forward_seconds",
    "time/backward_seconds",
    "time/optimizer_seconds",
];
/// Rows that a notch of the wheel scrolls.
const WHEEL: isize = 3;
/// Half-lives of the smoothing, in steps; none first.
const HALF_LIVES: [f64; 6] = [0.0, 5.0, 20.0, 100.0, 500.0, 2500.0];

/// What is remembered from one time to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    axis: XAxis,
    smoothing: usize,
    columns: usize,
    rows: usize,
    pinned: Vec<String>,
    order: Vec<String>,
    log_y: Vec<String>,
    cut_outliers: bool,
    pane: Pane,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            axis: XAxis::Step,
            smoothing: 2,
            columns: 0,
            rows: 0,
            pinned: Vec::new(),
            order: Vec::new(),
            log_y: Vec::new(),
            cut_outliers: false,
            pane: Pane::Events,
        }
    }
}

/// The state.
pub struct Run {
    settings: Settings,
    id: Option<String>,
    /// All series of the session that fit the filter, in the order of the charts.
    series: Vec<String>,
    filter: String,
    pattern: Option<Regex>,
    /// The chart that has the focus, by its place in `series`.
    focus: usize,
    /// The first chart shown.
    first: usize,
    /// The focused chart alone.
    alone: bool,
    /// What lies beneath the charts has all the room.
    tall: bool,
    lens: Lens,
    serial: u64,
    answer: Option<CurvesAnswer>,
    pane: pane::PaneState,
    /// What was asked last, to ask nothing twice.
    asked: Option<CurvesRequest>,
    /// How the charts lie on a screen of the present size.
    grid: Grid,
}

impl Run {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        Self {
            settings: memory.of("run"),
            id: None,
            series: Vec::new(),
            filter: String::new(),
            pattern: None,
            focus: 0,
            first: 0,
            alone: false,
            tall: false,
            lens: Lens::default(),
            serial: 0,
            answer: None,
            pane: pane::PaneState::default(),
            asked: None,
            grid: Grid::default(),
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Config { id, lines } if self.id.as_ref() == Some(&id) => self.pane.config = lines,
            Reply::Samples(found) if self.id.as_ref() == Some(&found.id) => self.pane.thumbnails.take(*found),
            Reply::Pictures(answer) => self.pane.thumbnails.take_pictures(answer),
            Reply::Config { .. } | Reply::Samples(_) => {}
        }
        self.ask_pictures(cx);
    }

    /// Curves have come.
    pub fn curves(&mut self, answer: CurvesAnswer, cx: &mut Cx<'_>) {
        if answer.sessions.first().map(|facts| &facts.id) != self.id.as_ref() {
            return;
        }
        // An old answer is better than none while the newer one is on its way, but never replaces it.
        if self.answer.as_ref().is_some_and(|held| held.serial > answer.serial) {
            return;
        }
        self.answer = Some(answer);
        self.arrange();
        self.share_instant(cx);
        self.ask(cx);
        self.ask_pictures(cx);
    }

    /// Tell the other screens which instant is looked at.
    fn share_instant(&self, cx: &mut Cx<'_>) {
        let place = self.answer.as_ref().and_then(|answer| view::place(self, answer));
        let instant = self.id.clone().zip(place).map(|(id, place)| Instant { id, step: place.step });
        if cx.shared.instant != instant {
            cx.shared.instant = instant;
        }
    }

    /// Ask for the pictures beneath the charts, where they are shown.
    fn ask_pictures(&mut self, cx: &mut Cx<'_>) {
        if self.settings.pane == Pane::Samples && cx.shared.screen == ScreenKind::Run {
            let place = self.answer.as_ref().and_then(|answer| view::place(self, answer));
            let size = view::pane_area(self, cx.shared.body()).as_size();
            self.pane.thumbnails.ask(place, size, cx);
        }
    }

    /// Look which pictures there are, where they are shown.
    fn look_for_pictures(&self, cx: &mut Cx<'_>) {
        if let (Pane::Samples, Some(id)) = (self.settings.pane, &self.id) {
            pane::look(&self.pane.thumbnails, id, cx);
        }
    }

    /// The session that is shown is another one.
    fn turn_to(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.id = Some(id.to_owned());
        self.answer = None;
        self.asked = None;
        self.series.clear();
        self.focus = 0;
        self.first = 0;
        self.lens.reset();
        self.pane = pane::PaneState::default();
        let folder = cx.shared.folder(id);
        cx.effects.push(Effect::Follow(vec![folder.path().to_owned()]));
        pane::read_config(cx, folder);
        self.look_for_pictures(cx);
    }

    /// Which charts there are and in which order, by what the session has.
    fn arrange(&mut self) {
        let Some(facts) = self.answer.as_ref().and_then(|answer| answer.sessions.first()) else { return };
        let focused = self.series.get(self.focus).cloned();
        let names = facts.metrics.iter().chain(facts.telemetry.iter());
        let fits = |name: &&String| self.pattern.as_ref().is_none_or(|pattern| quantity::is_called(name, pattern));
        let mut series: Vec<String> = names.filter(fits).cloned().collect();
        order::sort(&mut series, &self.settings.pinned, &self.settings.order, self.pattern.is_some());
        self.series = series;
        let again = focused.and_then(|name| self.series.iter().position(|it| *it == name));
        self.focus = again.unwrap_or(self.focus).min(self.series.len().saturating_sub(1));
        self.reveal();
    }

    /// Scroll so that the focused chart is in view.
    fn reveal(&mut self) {
        let grid = self.grid;
        let (across, page) = (grid.columns.max(1), grid.page().max(1));
        if self.alone {
            self.first = self.focus;
            return;
        }
        if self.focus < self.first {
            self.first = self.focus / across * across;
        }
        while self.focus >= self.first + page {
            self.first += across;
        }
    }

    /// The series on the screen.
    fn shown(&self) -> &[String] {
        let page = if self.alone { 1 } else { self.grid.page() };
        let first = self.first.min(self.series.len());
        &self.series[first..self.series.len().min(first + page)]
    }

    /// The series on the screen, and those that the crosshair reads beside them.
    fn wanted(&self) -> Vec<Want> {
        let shown = self.shown();
        let mut want: Vec<Want> = shown.iter().map(|series| Want { series: series.clone(), aside: false }).collect();
        let facts = self.answer.as_ref().and_then(|answer| answer.sessions.first());
        if let (Some(facts), true) = (facts, self.lens.crosshair.is_some()) {
            let known = |name: &&str| {
                let has = |list: &[String]| list.binary_search_by(|it| it.as_str().cmp(name)).is_ok();
                has(&facts.metrics) || has(&facts.telemetry)
            };
            let aside = VITALS.into_iter().filter(known).filter(|name| shown.iter().all(|it| it != name));
            want.extend(aside.map(|name| Want { series: name.to_owned(), aside: true }));
        }
        want
    }

    /// Ask for what is on the screen, if it is not what was asked last.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        self.grid = view::grid(self, cx.shared.body());
        self.reveal();
        let Some(id) = self.id.clone() else { return };
        let folder: PathBuf = cx.shared.folder(&id).path().to_owned();
        let mut request = CurvesRequest {
            screen: ScreenKind::Run,
            serial: self.serial,
            sessions: vec![(id, folder)],
            want: self.wanted(),
            axis: self.settings.axis,
            log_x: self.lens.log,
            window: self.lens.window,
            columns: self.columns(),
            half_life: self.half_life(),
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

    /// Columns of dots across a chart, two a cell.
    fn columns(&self) -> usize {
        let (width, height) = self.grid.cell;
        usize::from(view::plot_area(Rect::new(0, 0, width, height)).width).max(1) * 2
    }

    fn half_life(&self) -> f64 {
        HALF_LIVES[self.settings.smoothing.min(HALF_LIVES.len() - 1)]
    }

    /// The window that is shown.
    fn span(&self) -> (f64, f64) {
        self.answer.as_ref().map_or((0.0, 1.0), |answer| answer.window)
    }

    /// All there is on the axis.
    fn extent(&self) -> (f64, f64) {
        self.answer.as_ref().map_or((0.0, 1.0), |answer| answer.extent)
    }

    /// The newest x in view: the window of a run that grows ends ahead of what there is.
    fn newest(&self) -> f64 {
        self.span().1.min(self.extent().1)
    }

    /// Put the crosshair so many cells further; it begins at the newest end.
    fn walk(&mut self, cells: f64) {
        let begins = self.lens.crosshair.is_none();
        if begins {
            self.lens.crosshair = Some(self.newest());
        }
        if !begins || cells < 0.0 {
            self.lens.walk(cells, self.columns() / 2, self.span());
        }
        self.pane.settle();
    }

    /// Put the crosshair at an x.
    fn look_at(&mut self, x: f64) {
        self.lens.crosshair = Some(x);
        self.pane.settle();
    }

    /// What the pane shows.
    fn scene(&self) -> Option<Scene<'_>> {
        let answer = self.answer.as_ref()?;
        let facts = answer.sessions.first()?;
        Some(Scene { pane: self.settings.pane, facts, place: view::place(self, answer) })
    }

    /// Scroll what lies beneath the charts by so many rows, or by pages of it.
    fn scroll_pane(&mut self, by: isize, area: Rect) {
        let mut state = std::mem::take(&mut self.pane);
        if let Some(scene) = self.scene() {
            state.scroll(by, &scene, area.height);
        }
        self.pane = state;
    }

    /// The mouse beneath the charts: the wheel scrolls, a click on an event puts the crosshair at it.
    fn pane_mouse(&mut self, mouse: MouseEvent, area: Rect, cx: &mut Cx<'_>) -> bool {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll_pane(-WHEEL, area),
            MouseEventKind::ScrollDown => self.scroll_pane(WHEEL, area),
            MouseEventKind::Down(MouseButton::Left) => {
                let scene = self.scene();
                let event = scene.and_then(|scene| pane::event_at(&scene, &self.pane, area, mouse.row));
                if let Some(x) = event.and_then(|index| self.x_of_event(index)) {
                    self.lens.crosshair = Some(x);
                    self.show_crosshair();
                    self.ask(cx);
                }
            }
            _ => return false,
        }
        true
    }

    /// Where an event of the session stands on the axis.
    fn x_of_event(&self, index: usize) -> Option<f64> {
        let answer = self.answer.as_ref()?;
        let line = answer.plots.iter().flat_map(|plot| &plot.lines).next()?;
        plots::x_of_event(answer.sessions.first()?.events.get(index)?, answer.axis, line)
    }

    /// Move the window, no further than it must, so that the crosshair is in it.
    fn show_crosshair(&mut self) {
        let (Some(x), (from, to)) = (self.lens.crosshair, self.span()) else { return };
        if !(from..=to).contains(&x) {
            let width = to - from;
            let (begin, end) = self.extent();
            let from = (x - width / 2.0).clamp(begin, (end - width).max(begin));
            self.lens.window = Window::Fixed(from, from + width);
        }
    }

    /// Put the crosshair at the next thing of note in a direction: an alert, a skipped step, a restart, an error.
    fn go_to_next_event(&mut self, forwards: bool, cx: &mut Cx<'_>) {
        let places: Vec<(f64, String)> = self.scene().map_or_else(Vec::new, |scene| {
            let events = scene.facts.events.iter().enumerate().filter(|(_, event)| pane::is_of_note(event));
            events.filter_map(|(index, event)| Some((self.x_of_event(index)?, event.message.clone()))).collect()
        });
        // Where nothing is looked at yet, from the end that lies behind.
        let here = self.lens.crosshair.unwrap_or(if forwards { f64::NEG_INFINITY } else { f64::INFINITY });
        let close = (self.span().1 - self.span().0) * 1e-9;
        let next = if forwards {
            places.iter().find(|(x, _)| *x > here + close)
        } else {
            places.iter().rev().find(|(x, _)| *x < here - close)
        };
        let Some((x, _)) = next else {
            let words = match (places.is_empty(), forwards) {
                (true, _) => "nothing of note has happened: no alert, error or restart",
                (false, true) => "nothing of note after this",
                (false, false) => "nothing of note before this",
            };
            cx.say(words, Tone::Plain);
            return;
        };
        self.look_at(*x);
        self.show_crosshair();
    }

    /// The series in the order of their charts.
    #[cfg(test)]
    pub fn titles(&self) -> &[String] {
        &self.series
    }

    fn request(&mut self, request: Request, cx: &mut Cx<'_>) {
        match (&self.id, cx.shared.opened().and_then(|it| it.state)) {
            (Some(id), Some(state)) if state.is_active() => {
                let id = id.clone();
                cx.command(&id, request);
            }
            (Some(_), state) => {
                let word = state.map_or("unreadable", State::word);
                cx.say(format!("{request}: nothing to ask, the session is {word}"), Tone::Warn);
            }
            (None, _) => {}
        }
    }
}

impl Screen for Run {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        title::line(shared, self.answer.as_ref())
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::Run(verb) = verb {
            keys::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let grid = self.grid;
        let last = self.series.len().saturating_sub(1);
        match step {
            Move::Left => self.walk(-1.0),
            Move::Right => self.walk(1.0),
            Move::Home => self.look_at(self.span().0),
            Move::End => self.look_at(self.newest()),
            Move::Up => self.focus = self.focus.saturating_sub(1),
            Move::Down => self.focus = (self.focus + 1).min(last),
            Move::PageUp => self.focus = self.focus.saturating_sub(grid.page().max(1)),
            Move::PageDown => self.focus = (self.focus + grid.page().max(1)).min(last),
        }
        self.reveal();
        self.ask(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        // Another screen may have asked for other curves, and followed other folders, meanwhile.
        self.asked = None;
        if let Some(id) = &self.id {
            cx.effects.push(Effect::Follow(vec![cx.shared.folder(id).path().to_owned()]));
        }
        self.pane.thumbnails.doubt();
        self.news(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        if let Some(id) = cx.shared.open.clone().filter(|id| self.id.as_ref() != Some(id)) {
            self.turn_to(&id, cx);
        } else {
            self.look_for_pictures(cx);
        }
        self.ask(cx);
        self.ask_pictures(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        // Pictures that come alone do not change the list of sessions.
        if cx.shared.opened().is_some_and(|it| it.state.is_some_and(State::is_active)) {
            self.look_for_pictures(cx);
        }
    }

    fn typed(&mut self, purpose: &layers::Purpose, text: &str, cx: &mut Cx<'_>) {
        match purpose {
            layers::Purpose::Run(Purpose::Filter) => {
                self.filter = text.to_owned();
                self.pattern = (!text.is_empty()).then(|| pattern(text)).and_then(Result::ok);
                self.first = 0;
                self.arrange();
                self.ask(cx);
            }
            layers::Purpose::Run(Purpose::Stop(id)) => cx.command(id, Request::Stop),
            _ => {}
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let Some((area, Target::Pane(index))) = target else { return false };
        if *index == pane::PANE {
            return self.pane_mouse(mouse, *area, cx);
        }
        if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
            self.focus = (self.first + index).min(self.series.len().saturating_sub(1));
        }
        let taken = self.lens.mouse(mouse, view::plot_area(*area), self.span(), self.extent());
        if taken {
            self.pane.settle();
            self.ask(cx);
        }
        taken
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let taken = if self.lens.crosshair.take().is_some() {
            self.pane.settle();
            true
        } else if self.tall {
            self.tall = false;
            true
        } else if self.alone {
            self.alone = false;
            true
        } else if self.lens.window != Window::All {
            self.lens.window = Window::All;
            true
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.pattern = None;
            self.arrange();
            true
        } else {
            false
        };
        self.reveal();
        self.ask(cx);
        taken
    }

    fn remember(&self, memory: &mut Memory) {
        memory.keep("run", &self.settings);
    }
}

/// What a filter means: a regular expression, anywhere in the name, in either case.
pub fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(&format!("(?i){text}")).map_err(|error| format!("not a regular expression: {error}"))
}

/// Ask which charts are wanted.
fn ask_filter(run: &Run, cx: &mut Cx<'_>) {
    let prompt = Prompt::new("charts", &run.filter, layers::Purpose::Run(Purpose::Filter))
        .help("a part of the name or a regular expression: loss|val, ^gpu0/.*percent")
        .check(|text| pattern(text).map(|_| ()))
        .live();
    cx.open(Layer::Prompt(prompt));
}
