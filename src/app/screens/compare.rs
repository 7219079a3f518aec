//! Sessions side by side: their curves in the same charts, their values against a baseline, their configs' differences.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::app::action::{self, Move};
use crate::app::data::{CurvesAnswer, CurvesRequest, Groups, Spread, Want, XAxis};
use crate::app::effect::{Effect, Lane};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::layers;
use crate::app::lens::Lens;
use crate::app::memory::Memory;
use crate::app::screens::run::{order, pattern};
use crate::app::screens::{Screen, ScreenKind};
use crate::app::shared::{Cx, Shared};
use crate::app::{effect, text};
use crate::report::quantity;
use crate::session::diff::{self, Diff};
use crate::session::{Folder, Manifest};

mod config;
mod entry;
mod keys;
mod legend;
mod table;
mod view;

pub use keys::{BINDINGS, Verb};

use entry::{Entry, Which};
use view::Layout;

/// Sessions compared at once, at most: more lines than that cannot be told apart.
const MOST: usize = 24;

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Which series.
    Filter,
}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// What the sessions differ in.
    Configs(Configs),
}

/// What the sessions differ in.
#[derive(Debug, Clone, Default)]
pub struct Configs {
    /// Of which sessions and generations.
    of: Stamp,
    /// The keys.
    diff: Diff,
    /// Sessions that differ in nothing but their seed, as places in `of`.
    groups: Vec<Vec<usize>>,
    /// What could not be read.
    problems: Vec<String>,
}

/// Sessions and their generations: a restart may bring another config.
type Stamp = Vec<(String, u32)>;

/// Half-lives of the smoothing, in steps; none first.
const HALF_LIVES: [f64; 6] = [0.0, 5.0, 20.0, 100.0, 500.0, 2500.0];
/// Grids in turn: columns and rows, 0 for what looks well.
const GRIDS: [(usize, usize); 6] = [(0, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)];

/// What is remembered from one time to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the screen")]
struct Settings {
    axis: XAxis,
    smoothing: usize,
    grid: usize,
    log_y: Vec<String>,
    cut_outliers: bool,
    /// Behind smoothed lines the values as they were recorded.
    raw: bool,
    table: bool,
    config: bool,
    which: Which,
    /// Seeds of one recipe are one line.
    seeds: bool,
    spread: Spread,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            axis: XAxis::Step,
            smoothing: 2,
            grid: 0,
            log_y: Vec::new(),
            cut_outliers: false,
            raw: false,
            table: true,
            config: false,
            which: Which::Final,
            seeds: false,
            spread: Spread::Range,
        }
    }
}

/// Which part of the screen has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// The charts: left and right move the crosshair.
    #[default]
    Charts,
    /// The table: left and right choose a session.
    Table,
    /// The config's differences.
    Config,
}

/// The state.
pub struct Compare {
    settings: Settings,
    /// What is compared, by id.
    sessions: Vec<String>,
    entries: Vec<Entry>,
    configs: Configs,
    /// Of which sessions the configs were asked for.
    configs_asked: Stamp,
    /// The session that the others are measured against; the first one if none was chosen.
    baseline: Option<String>,
    /// The entry that was chosen last, by its first session.
    chosen: Option<String>,
    part: Part,
    /// Series that fit the filter, those that most sessions have first.
    series: Vec<Series>,
    filter: String,
    pattern: Option<Regex>,
    /// The series that has the focus, by its place.
    focus: usize,
    /// The first chart shown.
    first: usize,
    /// The first row of the table.
    first_row: usize,
    /// The first row of the config's differences.
    first_key: usize,
    lens: Lens,
    serial: u64,
    answer: Option<CurvesAnswer>,
    /// What was asked last, to ask nothing twice.
    asked: Option<CurvesRequest>,
    layout: Layout,
}

/// A series, and how many of the sessions have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Series {
    name: String,
    sessions: usize,
}

impl Compare {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        Self {
            settings: memory.of("compare"),
            sessions: Vec::new(),
            entries: Vec::new(),
            configs: Configs::default(),
            configs_asked: Stamp::new(),
            baseline: None,
            chosen: None,
            part: Part::Charts,
            series: Vec::new(),
            filter: String::new(),
            pattern: None,
            focus: 0,
            first: 0,
            first_row: 0,
            first_key: 0,
            lens: Lens::default(),
            serial: 0,
            answer: None,
            asked: None,
            layout: Layout::default(),
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        let Reply::Configs(configs) = reply;
        if configs.of == self.configs_asked {
            self.configs = configs;
            if cx.shared.screen == ScreenKind::Compare {
                self.ask(cx);
            }
        }
    }

    /// Curves have come.
    pub fn curves(&mut self, answer: CurvesAnswer, cx: &mut Cx<'_>) {
        // An old answer is better than none while the newer one is on its way, but never replaces it.
        if self.answer.as_ref().is_some_and(|held| held.serial > answer.serial) {
            return;
        }
        self.answer = Some(answer);
        self.arrange();
        // Names that came with it may be of charts that are to be shown.
        if cx.shared.screen == ScreenKind::Compare {
            self.ask(cx);
        }
    }

    /// Which sessions: the marked ones, else the open one, else the newest.
    fn choose_sessions(&mut self, cx: &mut Cx<'_>) {
        let shared = &cx.shared;
        let mut sessions: Vec<String> = shared.marked.iter().take(MOST).cloned().collect();
        if sessions.is_empty() {
            let open = shared.opened().or(shared.listings.last());
            sessions.extend(open.map(|listing| listing.id.clone()));
        }
        if sessions != self.sessions {
            self.sessions = sessions;
            let known = |id: &String| self.sessions.contains(id);
            self.baseline = self.baseline.take().filter(known);
            self.chosen = self.chosen.take().filter(known);
            let folders = self.sessions.iter().map(|id| cx.shared.folder(id).path().to_owned()).collect();
            cx.effects.push(Effect::Follow(folders));
        }
        self.read_configs(cx);
    }

    /// Read the configs off the drawing thread, unless they are read.
    fn read_configs(&mut self, cx: &mut Cx<'_>) {
        let generation = |id: &String| cx.shared.listing(id).map_or(0, |listing| listing.generation);
        let stamp: Stamp = self.sessions.iter().map(|id| (id.clone(), generation(id))).collect();
        if stamp == self.configs_asked {
            return;
        }
        self.configs_asked.clone_from(&stamp);
        let folders: Vec<Folder> = self.sessions.iter().map(|id| cx.shared.folder(id)).collect();
        cx.work(Lane::Compare, move || effect::Reply::Compare(Reply::Configs(read(stamp, &folders))));
    }

    /// Which series there are and in which order, by what the sessions have.
    fn arrange(&mut self) {
        let Some(answer) = &self.answer else { return };
        let focused = self.series.get(self.focus).map(|series| series.name.clone());
        let mut names: Vec<String> = answer.sessions.iter().flat_map(|facts| facts.metrics.iter().cloned()).collect();
        let all = answer.sessions.iter().flat_map(|facts| facts.telemetry.iter().cloned());
        // Telemetry is for who asks: machines are compared on purpose only.
        names.extend(all.filter(|_| self.pattern.is_some()));
        names.sort_unstable();
        names.dedup();
        names.retain(|name| self.pattern.as_ref().is_none_or(|pattern| quantity::is_called(name, pattern)));
        order::sort(&mut names, &[], &[], self.pattern.is_some());
        let having = |name: &String| {
            let has = |list: &[String]| list.binary_search(name).is_ok();
            answer.sessions.iter().filter(|facts| has(&facts.metrics) || has(&facts.telemetry)).count()
        };
        self.series = names.into_iter().map(|name| Series { sessions: having(&name), name }).collect();
        // Stable: within what equally many have, the usual order.
        self.series.sort_by_key(|series| std::cmp::Reverse(series.sessions));
        let again = focused.and_then(|name| self.series.iter().position(|series| series.name == name));
        self.focus = again.unwrap_or(self.focus).min(self.series.len().saturating_sub(1));
    }

    /// Where what lies on a screen of this size, scrolled so that the series in focus is in view.
    fn lay_out(&mut self, shared: &Shared) {
        let groups: &[Vec<usize>] = if self.groups_are_shown() { &self.configs.groups } else { &[] };
        self.entries = entry::entries(&self.sessions, groups, shared);
        self.layout = view::layout(self, shared, shared.body());
        if !self.layout.shows(self.part) {
            self.part = Part::Charts;
        }
        let last = self.series.len().saturating_sub(1);
        self.focus = self.focus.min(last);
        let (across, page) = (self.layout.grid.columns.max(1), self.layout.grid.page().max(1));
        let fullest = last / across * across;
        self.first = self.first.min(fullest) / across * across;
        if self.focus < self.first {
            self.first = self.focus / across * across;
        }
        while self.focus >= self.first + page {
            self.first += across;
        }
        let rows = table::rows_in(self.layout.table);
        self.first_row = scrolled(self.first_row, self.focus, rows, self.series.len());
        let keys = config::rows_in(self.layout.config);
        self.first_key = self.first_key.min(self.configs.diff.rows.len().saturating_sub(keys));
    }

    fn groups_are_shown(&self) -> bool {
        // Clock times of different runs have no mean.
        self.settings.seeds && self.settings.axis != XAxis::Wall && self.configs.of.len() == self.sessions.len()
    }

    /// Series whose charts are in view.
    fn charted(&self) -> &[Series] {
        let first = self.first.min(self.series.len());
        &self.series[first..self.series.len().min(first + self.layout.grid.page())]
    }

    /// Series whose rows are in view.
    fn listed(&self) -> &[Series] {
        let first = self.first_row.min(self.series.len());
        &self.series[first..self.series.len().min(first + table::rows_in(self.layout.table))]
    }

    /// Ask for what is on the screen, if it is not what was asked last.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        self.lay_out(cx.shared);
        if self.sessions.is_empty() {
            return;
        }
        let mut want: Vec<Want> = Vec::new();
        for series in self.charted().iter().chain(self.listed()) {
            if want.iter().all(|it| it.series != series.name) {
                want.push(Want { series: series.name.clone(), aside: false });
            }
        }
        let place = |id: &String| self.sessions.iter().position(|it| it == id);
        let groups = self.entries.iter().filter(|entry| entry.is_group());
        let mut request = CurvesRequest {
            screen: ScreenKind::Compare,
            serial: self.serial,
            sessions: self.sessions.iter().map(|id| (id.clone(), cx.shared.folder(id).path().to_owned())).collect(),
            want,
            axis: self.settings.axis,
            log_x: false,
            window: self.lens.window,
            columns: self.columns(),
            half_life: self.half_life(),
            crosshair: self.lens.crosshair,
            groups: Groups {
                members: groups.map(|entry| entry.ids.iter().filter_map(place).collect()).collect(),
                spread: self.settings.spread,
            },
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
        let (width, height) = self.layout.grid.cell;
        usize::from(view::plot_area(Rect::new(0, 0, width, height)).width).max(1) * 2
    }

    fn half_life(&self) -> f64 {
        HALF_LIVES[self.settings.smoothing.min(HALF_LIVES.len() - 1)]
    }

    /// The place of the entry that others are measured against.
    fn base(&self) -> usize {
        self.place_of(self.baseline.as_ref())
    }

    /// The place of the entry that was chosen last.
    fn chosen(&self) -> usize {
        self.place_of(self.chosen.as_ref())
    }

    fn place_of(&self, id: Option<&String>) -> usize {
        let holds = |id: &String| self.entries.iter().position(|entry| entry.ids.contains(id));
        id.and_then(holds).unwrap_or(0)
    }

    /// Choose the entry so many places further.
    fn choose(&mut self, by: isize) {
        let last = self.entries.len().saturating_sub(1);
        let place = self.chosen().saturating_add_signed(by).min(last);
        self.chosen = self.entries.get(place).map(|entry| entry.ids[0].clone());
    }

    fn span(&self) -> (f64, f64) {
        self.answer.as_ref().map_or((0.0, 1.0), |answer| answer.window)
    }

    fn extent(&self) -> (f64, f64) {
        self.answer.as_ref().map_or((0.0, 1.0), |answer| answer.extent)
    }
}

/// What the sessions' configs differ in. What cannot be read is said, and left out.
fn read(of: Stamp, folders: &[Folder]) -> Configs {
    let read: Vec<Result<Manifest, String>> =
        folders.iter().map(|folder| Manifest::load(folder).map_err(|error| error.to_string())).collect();
    let manifests: Vec<Option<&Manifest>> = read.iter().map(|it| it.as_ref().ok()).collect();
    Configs {
        of,
        diff: diff::diff(&manifests),
        groups: diff::seed_groups(&manifests),
        problems: read.iter().filter_map(|it| it.as_ref().err().cloned()).collect(),
    }
}

/// The first row shown of a list of `len`, so that row `at` is among the `rows` in view and none stays empty for nothing.
fn scrolled(first: usize, at: usize, rows: usize, len: usize) -> usize {
    let rows = rows.max(1);
    first.clamp((at + 1).saturating_sub(rows), at).min(len.saturating_sub(rows))
}

impl Screen for Compare {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        let theme = &shared.theme;
        let count = self.sessions.len();
        let mut spans = vec![Span::styled(
            match count {
                0 => "nothing to compare".to_owned(),
                1 => "1 session".to_owned(),
                _ => format!("{count} sessions"),
            },
            theme.title,
        )];
        if self.groups_are_shown() {
            let groups = self.entries.iter().filter(|entry| entry.is_group()).count();
            let words = match groups {
                0 => "no two of one recipe".to_owned(),
                1 => "1 recipe of several seeds".to_owned(),
                _ => format!("{groups} recipes of several seeds"),
            };
            spans.push(Span::styled(shared.glyphs.dot, theme.dim));
            spans.push(Span::styled(words, theme.text));
        }
        if let Some(base) = self.entries.get(self.base()).filter(|_| count > 1) {
            spans.push(Span::styled(shared.glyphs.dot, theme.dim));
            spans.push(Span::styled(format!("against {}", base.label), theme.text));
        }
        Line::from(spans)
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::Compare(verb) = verb {
            keys::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let last = self.series.len().saturating_sub(1);
        let page = match self.part {
            Part::Charts => self.layout.grid.page(),
            Part::Table => table::rows_in(self.layout.table),
            Part::Config => config::rows_in(self.layout.config),
        }
        .max(1);
        match (self.part, step) {
            (Part::Charts, Move::Left) => self.lens.walk(-1.0, self.columns() / 2, self.span()),
            (Part::Charts, Move::Right) => self.lens.walk(1.0, self.columns() / 2, self.span()),
            (Part::Charts, Move::Home) => self.lens.crosshair = Some(self.span().0),
            (Part::Charts, Move::End) => self.lens.crosshair = Some(self.span().1),
            (_, Move::Left) => self.choose(-1),
            (_, Move::Right) => self.choose(1),
            (Part::Config, step) => {
                let rows = self.configs.diff.rows.len();
                self.first_key = step.apply(self.first_key, rows, page);
            }
            (_, step) => self.focus = step.apply(self.focus, last + 1, page),
        }
        self.ask(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        // The holder of curves has let go of what another screen did not want.
        self.asked = None;
        let folders = self.sessions.iter().map(|id| cx.shared.folder(id).path().to_owned()).collect();
        cx.effects.push(Effect::Follow(folders));
        self.news(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        self.choose_sessions(cx);
        self.ask(cx);
    }

    fn typed(&mut self, purpose: &layers::Purpose, text: &str, cx: &mut Cx<'_>) {
        if let layers::Purpose::Compare(Purpose::Filter) = purpose {
            self.set_filter(text);
            self.ask(cx);
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let pressed = mouse.kind == MouseEventKind::Down(MouseButton::Left);
        match target {
            Some((area, Target::Pane(index))) => {
                if !self.chart_mouse(mouse, *area, *index) {
                    return false;
                }
            }
            Some((_, Target::Row(row))) if pressed => {
                self.part = Part::Table;
                self.focus = *row;
            }
            Some((_, Target::Column(place))) if pressed => {
                self.chosen = self.entries.get(*place).map(|entry| entry.ids[0].clone());
            }
            _ => return false,
        }
        self.ask(cx);
        true
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let taken = if self.part != Part::Charts {
            self.part = Part::Charts;
            true
        } else if self.lens.is_moved() {
            // First the crosshair, then the zoom.
            if self.lens.crosshair.take().is_none() {
                self.lens.reset();
            }
            true
        } else if !self.filter.is_empty() {
            self.set_filter("");
            true
        } else {
            false
        };
        self.ask(cx);
        taken
    }

    fn subjects(&self, shared: &Shared) -> Vec<String> {
        shared.marked.clone()
    }

    fn remember(&self, memory: &mut Memory) {
        memory.keep("compare", &self.settings);
    }
}

impl Compare {
    fn set_filter(&mut self, filter: &str) {
        filter.clone_into(&mut self.filter);
        self.pattern = (!filter.is_empty()).then(|| pattern(filter)).and_then(Result::ok);
        self.first = 0;
        self.focus = 0;
        self.arrange();
    }

    /// The place of a series in the order of the charts.
    #[cfg(test)]
    pub fn place_in_order(&self, series: &str) -> Option<usize> {
        self.series.iter().position(|it| it.name == series)
    }

    fn chart_mouse(&mut self, mouse: MouseEvent, area: Rect, index: usize) -> bool {
        if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
            self.part = Part::Charts;
            self.focus = (self.first + index).min(self.series.len().saturating_sub(1));
        }
        self.lens.mouse(mouse, view::plot_area(area), self.span(), self.extent())
    }
}

/// A name from a file, cut to so many cells and padded to them.
fn padded(name: &str, cells: usize, shared: &Shared) -> String {
    let name = text::fit(name, cells, shared.glyphs.ellipsis);
    let missing = cells.saturating_sub(text::width(&name));
    name + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_scrolls_no_further_than_it_must() {
        assert_eq!(scrolled(0, 3, 5, 20), 0);
        assert_eq!(scrolled(0, 7, 5, 20), 3);
        assert_eq!(scrolled(10, 7, 5, 20), 7);
        assert_eq!(scrolled(18, 19, 5, 20), 15, "no empty rows below the last");
        assert_eq!(scrolled(3, 0, 5, 0), 0);
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_said_and_left_out() {
        let root = tempfile::tempdir().unwrap();
        let make = |id: &str, config: &str| {
            let folder = Folder::new(root.path().join(id));
            std::fs::create_dir_all(folder.path()).unwrap();
            Manifest::new(id, config).unwrap().save(&folder).unwrap();
            folder
        };
        let folders =
            [make("a", "seed = 1\nx = 1"), Folder::new(root.path().join("gone")), make("b", "seed = 2\nx = 1")];
        let configs = read(Vec::new(), &folders);
        assert_eq!(configs.diff.rows.len(), 1);
        assert_eq!(configs.diff.rows[0].values, [Some("1".to_owned()), None, Some("2".to_owned())]);
        assert_eq!(configs.groups, [vec![0, 2], vec![1]]);
        assert!(configs.problems.len() == 1 && configs.problems[0].contains("gone"), "{:?}", configs.problems);
    }
}
