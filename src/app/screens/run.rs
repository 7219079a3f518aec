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
use crate::app::memory::Memory;
use crate::app::screens::{Screen, ScreenKind};
use crate::app::shared::{Cx, Shared};
use crate::app::toast::Tone;
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

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Which charts.
    Filter,
    /// A learning rate.
    LearningRate,
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
}

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
    window: Window,
    log_x: bool,
    crosshair: Option<f64>,
    serial: u64,
    answer: Option<CurvesAnswer>,
    pane: pane::PaneState,
    /// Where a drag began: column, and the window then.
    drag: Option<(u16, (f64, f64))>,
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
            window: Window::All,
            log_x: false,
            crosshair: None,
            serial: 0,
            answer: None,
            pane: pane::PaneState::default(),
            drag: None,
            asked: None,
            grid: Grid::default(),
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        let _ = cx;
        match reply {
            Reply::Config { id, lines } if self.id.as_ref() == Some(&id) => self.pane.config = lines,
            Reply::Config { .. } => {}
        }
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
        self.ask(cx);
    }

    /// The session that is shown is another one.
    fn turn_to(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.id = Some(id.to_owned());
        self.answer = None;
        self.asked = None;
        self.series.clear();
        self.focus = 0;
        self.first = 0;
        self.window = Window::All;
        self.crosshair = None;
        self.pane = pane::PaneState::default();
        let folder = cx.shared.folder(id);
        cx.effects.push(Effect::Follow(vec![folder.path().to_owned()]));
        pane::read_config(cx, folder);
    }

    /// Which charts there are and in which order, by what the session has.
    fn arrange(&mut self) {
        let Some(facts) = self.answer.as_ref().and_then(|answer| answer.sessions.first()) else { return };
        let focused = self.series.get(self.focus).cloned();
        let names = facts.metrics.iter().chain(facts.telemetry.iter());
        let fits = |name: &&String| self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(name));
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
            want: self.shown().iter().map(|series| Want { series: series.clone() }).collect(),
            axis: self.settings.axis,
            log_x: self.log_x,
            window: self.window,
            columns: self.columns(),
            half_life: self.half_life(),
            crosshair: self.crosshair,
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

    /// Where the newest point in view is: the window of a run that grows goes on behind it.
    fn newest(&self) -> f64 {
        self.answer.as_ref().map_or(1.0, |answer| answer.window.1.min(answer.extent.1))
    }

    /// Make the window `factor` as wide around `centre`, inside what there is.
    fn zoom(&mut self, factor: f64, centre: Option<f64>) {
        let Some(answer) = &self.answer else { return };
        let ((from, to), (begin, end)) = (answer.window, answer.extent);
        let centre = centre.or(self.crosshair).filter(|x| (from..=to).contains(x));
        // Without a place to look at, the newest end stays where it is: that is what one watches.
        let centre = centre.unwrap_or(if to >= end { end } else { f64::midpoint(from, to) });
        let (from, to) = (centre - (centre - from) * factor, centre + (to - centre) * factor);
        self.window = if from <= begin && to >= end {
            Window::All
        } else if to >= end && centre >= end {
            Window::Last((to - from).max(f64::MIN_POSITIVE))
        } else {
            Window::Fixed(from.max(begin), to.min(end))
        };
    }

    /// Move the window by a share of its width.
    fn pan(&mut self, share: f64) {
        let Some(answer) = &self.answer else { return };
        let ((from, to), (begin, end)) = (answer.window, answer.extent);
        let width = to - from;
        let from = (from + width * share).clamp(begin, (end - width).max(begin));
        self.window = Window::Fixed(from, from + width);
    }

    /// Put the crosshair `cells` further; it begins at the newest end.
    fn move_crosshair(&mut self, cells: f64) {
        let (from, to) = self.span();
        let cell = (to - from) * 2.0 / self.columns() as f64;
        let at = self.crosshair.unwrap_or(if cells < 0.0 { self.newest() } else { from - cell });
        self.crosshair = Some((at + cells * cell).clamp(from, to));
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
            Move::Left => self.move_crosshair(-1.0),
            Move::Right => self.move_crosshair(1.0),
            Move::Home => self.crosshair = Some(self.span().0),
            Move::End => self.crosshair = Some(self.newest()),
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
        self.news(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        if let Some(id) = cx.shared.open.clone().filter(|id| self.id.as_ref() != Some(id)) {
            self.turn_to(&id, cx);
        }
        self.ask(cx);
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
            layers::Purpose::Run(Purpose::LearningRate) => {
                self.request(Request::Set { key: "lr".to_owned(), value: text.trim().to_owned() }, cx);
            }
            _ => {}
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let Some((area, Target::Pane(index))) = target else {
            self.drag = None;
            return false;
        };
        let (from, to) = self.span();
        let plot = view::plot_area(*area);
        let share = f64::from(mouse.column.saturating_sub(plot.x)) / f64::from(plot.width.max(1));
        let here = from + (to - from) * share.clamp(0.0, 1.0);
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                self.focus = (self.first + index).min(self.series.len().saturating_sub(1));
                self.crosshair = Some(here);
                self.drag = Some((mouse.column, (from, to)));
            }
            MouseEventKind::Drag(MouseButton::Left) => self.crosshair = Some(here),
            MouseEventKind::Drag(MouseButton::Right | MouseButton::Middle) => {
                let (begin, (from, to)) = *self.drag.get_or_insert((mouse.column, (from, to)));
                let moved = (f64::from(begin) - f64::from(mouse.column)) / f64::from(plot.width.max(1));
                let by = (to - from) * moved;
                self.window = Window::Fixed(from + by, to + by);
            }
            MouseEventKind::Up(_) => self.drag = None,
            MouseEventKind::ScrollUp => self.zoom(0.8, Some(here)),
            MouseEventKind::ScrollDown => self.zoom(1.25, Some(here)),
            _ => return false,
        }
        self.ask(cx);
        true
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let taken = if self.crosshair.take().is_some() {
            true
        } else if self.alone {
            self.alone = false;
            true
        } else if self.window != Window::All {
            self.window = Window::All;
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
