//! All sessions: how each stands, live; started, steered, resumed, branched, sorted and put away from here.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use jiff::{SignedDuration, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use serde::{Deserialize, Serialize};

use crate::app::action::{self, Move};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::layers::{self, Choose, Layer, Report, Sources};
use crate::app::memory::Memory;
use crate::app::screens::{Screen, ScreenKind};
use crate::app::shared::{Cx, Shared};
use crate::app::toast::Tone;
use crate::session::control::Request;
use crate::session::filter::Filter;
use crate::session::{Listing, State};

mod columns;
mod details;
mod edits;
mod keys;
pub mod start;
pub mod steer;
mod table;

pub use keys::{BINDINGS, Verb};

use columns::Column;
use details::Details;
use keys::Hints;
use table::Regions;

/// What this screen asks in prompts. Those about a session name it: another may be selected by the time of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Which sessions.
    Filter,
    /// A learning rate.
    LearningRate(String),
    /// Tags.
    Tags(String),
    /// Notes.
    Notes(String),
    /// A name.
    Rename(String),
    /// Whether to delete it.
    Delete(String),
    /// Whether to stop it.
    Stop(String),
    /// By which column to sort: its place in [`Column::ALL`] counted from 1, 0 for none.
    Sort,
}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// What is read of the selected session.
    Details(Box<Details>),
    /// A process trains, or prepares to.
    Started {
        /// Its session.
        id: String,
        /// What to say.
        words: String,
    },
    /// A process did not get as far.
    NotStarted {
        /// What failed.
        title: String,
        /// Its own words.
        text: String,
    },
    /// What can be started, for the form.
    Sources(Box<Sources>),
}

/// What is remembered from one time to the next.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    /// By which column; running ones first and then the newest when by none.
    sort: Option<Column>,
    reversed: bool,
}

/// The order without a column to sort by.
const NATURAL: &str = "running first, then newest";

/// How old what is read of a session that runs may become.
const FRESH: SignedDuration = SignedDuration::from_secs(10);

/// What details were asked for: the session, how it stood, and when.
type Asked = (String, Option<State>, u32, Timestamp);

/// The state.
#[derive(Default)]
pub struct Sessions {
    settings: Settings,
    /// The sessions that are listed, in order, by their place in the shared list.
    rows: Vec<usize>,
    /// The selected one, by id: places change under it.
    chosen: Option<String>,
    /// Its row.
    at: usize,
    /// The first row in view.
    first: usize,
    filter: Filter,
    filter_text: String,
    details: Option<Details>,
    asked: Option<Asked>,
    /// One that was just started: selected as soon as it is listed.
    awaited: Option<String>,
    /// Those that are being resumed.
    resuming: Vec<String>,
    hints: Hints,
}

impl Sessions {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        Self { settings: memory.of("sessions"), ..Self::default() }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Details(details) => self.details = Some(*details),
            Reply::Started { id, words } => {
                cx.say(words, Tone::Good);
                self.resuming.retain(|it| *it != id);
                self.awaited = Some(id);
                cx.layers.retain(|layer| !matches!(layer, Layer::Launch(form) if form.is_waiting()));
                cx.effects.push(crate::app::effect::Effect::List);
            }
            Reply::NotStarted { title, text } => {
                self.resuming.clear();
                for layer in cx.layers.iter_mut() {
                    if let Layer::Launch(form) = layer {
                        form.stop_waiting();
                    }
                }
                cx.open(Layer::Report(Report::new(title, text)));
                cx.effects.push(crate::app::effect::Effect::List);
            }
            Reply::Sources(sources) => {
                for layer in cx.layers.iter_mut() {
                    if let Layer::Launch(form) = layer {
                        form.take(&sources);
                    }
                }
            }
        }
    }

    /// The selected session.
    fn selected<'a>(&self, shared: &'a Shared) -> Option<&'a Listing> {
        let listing = self.rows.get(self.at).and_then(|&row| shared.listings.get(row));
        listing.filter(|listing| self.chosen.as_ref() == Some(&listing.id))
    }

    fn regions(&self, shared: &Shared, area: Rect) -> Regions {
        let stale = shared.trouble.is_some() && !shared.listings.is_empty();
        Regions::of(area, stale || !self.filter_text.is_empty())
    }

    fn page(&self, shared: &Shared) -> usize {
        usize::from(self.regions(shared, shared.body()).rows.height).max(1)
    }

    /// Which sessions are listed, and in which order.
    fn arrange(&mut self, shared: &Shared) {
        let listings = &shared.listings;
        let mut rows: Vec<usize> =
            (0..listings.len()).filter(|&row| self.filter.fits(&listings[row], shared.now)).collect();
        let active = |row: usize| listings[row].state.is_some_and(State::is_active);
        // The list comes oldest first.
        let newest_first = |a: usize, b: usize| b.cmp(&a);
        match self.settings.sort {
            None => {
                rows.sort_by(|&a, &b| active(b).cmp(&active(a)).then_with(|| newest_first(a, b)));
                if self.settings.reversed {
                    rows.reverse();
                }
            }
            Some(column) => rows.sort_by(|&a, &b| {
                let (left, right) = (&listings[a], &listings[b]);
                let order = columns::order(column, self.settings.reversed, left, right, shared);
                order.then_with(|| newest_first(a, b))
            }),
        }
        self.rows = rows;
        if let Some(id) = self.awaited.take_if(|id| listings.iter().any(|listing| listing.id == *id)) {
            self.chosen = Some(id);
        }
        let place = |id: &String| self.rows.iter().position(|&row| listings[row].id == *id);
        let found = self.chosen.as_ref().and_then(place);
        self.choose(found.unwrap_or(self.at), shared);
    }

    /// Select a row.
    fn choose(&mut self, at: usize, shared: &Shared) {
        self.at = at.min(self.rows.len().saturating_sub(1));
        if let Some(listing) = self.rows.get(self.at).and_then(|&row| shared.listings.get(row)) {
            self.chosen = Some(listing.id.clone());
        }
        self.hints = self.selected(shared).map_or(Hints::None, |listing| Hints::of(listing.state));
        let page = self.page(shared);
        let last = self.rows.len().saturating_sub(page);
        self.first = self.first.clamp((self.at + 1).saturating_sub(page), self.at).min(last);
    }

    /// Have the selected session's folder read, unless that was done for how it stands now.
    fn look_closer(&mut self, cx: &mut Cx<'_>) {
        let Some(listing) = self.selected(cx.shared) else { return };
        let (id, state, generation) = (listing.id.clone(), listing.state, listing.generation);
        let now = cx.shared.now;
        let known = self.asked.as_ref().is_some_and(|(of, stood, restarts, when)| {
            let fresh = !state.is_some_and(State::is_active) || now.duration_since(*when) < FRESH;
            *of == id && *stood == state && *restarts == generation && fresh
        });
        if !known {
            details::ask(&id, cx);
            self.asked = Some((id, state, generation, now));
        }
    }

    /// The process of a session has answered: what it did, a checkpoint say, stands in its folder.
    pub fn answered(&mut self, id: &str, cx: &mut Cx<'_>) {
        self.asked.take_if(|(of, ..)| of == id);
        self.look_closer(cx);
    }

    /// Everything anew that follows from the list.
    fn refresh(&mut self, cx: &mut Cx<'_>) {
        self.arrange(cx.shared);
        self.look_closer(cx);
        refresh_form(cx);
    }

    fn sort_by(&mut self, sort: Option<Column>, cx: &mut Cx<'_>) {
        self.settings.sort = sort;
        self.settings.reversed = false;
        self.say_order(cx);
    }

    fn say_order(&mut self, cx: &mut Cx<'_>) {
        self.arrange(cx.shared);
        let words = self.settings.sort.map_or(NATURAL, Column::title);
        let way = if self.settings.reversed { ", the other way round" } else { "" };
        cx.say(format!("sorted by {words}{way}"), Tone::Plain);
    }

    /// Ask by which column to sort, those without room on the screen too.
    fn ask_sort(&self, cx: &mut Cx<'_>) {
        let remark = |column: Option<Column>| match (column == self.settings.sort, self.settings.reversed) {
            (false, _) => String::new(),
            (true, false) => "now; again turns it round".to_owned(),
            (true, true) => "now, the other way round".to_owned(),
        };
        let mut rows = vec![(NATURAL.to_owned(), remark(None))];
        rows.extend(Column::ALL.iter().map(|column| (column.title().to_owned(), remark(Some(*column)))));
        let at = self.settings.sort.and_then(|sort| Column::ALL.iter().position(|it| *it == sort));
        let purpose = layers::Purpose::Sessions(Purpose::Sort);
        cx.open(Layer::Choose(Choose::new("sort by", rows, at.map_or(0, |at| at + 1), purpose)));
    }

    /// Sort as was chosen: by the same column again, the other way round.
    fn sorted_by(&mut self, place: &str, cx: &mut Cx<'_>) {
        let Ok(place) = place.parse::<usize>() else { return };
        let sort = place.checked_sub(1).and_then(|place| Column::ALL.get(place).copied());
        if sort == self.settings.sort {
            self.settings.reversed = !self.settings.reversed;
            self.say_order(cx);
        } else {
            self.sort_by(sort, cx);
        }
    }

    fn set_filter(&mut self, text: &str, cx: &mut Cx<'_>) {
        // What is half typed leaves the list as it is.
        let Ok(filter) = Filter::parse(text) else { return };
        self.filter = filter;
        text.trim().clone_into(&mut self.filter_text);
        self.arrange(cx.shared);
        self.look_closer(cx);
    }

    fn mark(&mut self, cx: &mut Cx<'_>) {
        let Some(id) = self.selected(cx.shared).map(|listing| listing.id.clone()) else { return };
        match cx.shared.marked.iter().position(|it| *it == id) {
            Some(at) => drop(cx.shared.marked.remove(at)),
            None => cx.shared.marked.push(id),
        }
    }

    fn open(&self, cx: &mut Cx<'_>, screen: ScreenKind) {
        let Some(listing) = self.selected(cx.shared) else { return };
        cx.shared.open = Some(listing.id.clone());
        cx.then.push(action::Verb::App(action::AppVerb::Go(screen)));
    }
}

/// A form that is open reads its configs again: not everywhere is one told that they changed.
fn refresh_form(cx: &mut Cx<'_>) {
    let form = cx.layers.iter().find_map(|layer| match layer {
        Layer::Launch(form) => Some(form.kind().clone()),
        _ => None,
    });
    if let Some(kind) = form {
        layers::read_sources(kind, cx);
    }
}

impl Screen for Sessions {
    fn bindings(&self) -> &'static [Binding] {
        self.hints.bindings()
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        let theme = &shared.theme;
        let count = |wanted: &[State]| {
            shared.listings.iter().filter(|it| it.state.is_some_and(|state| wanted.contains(&state))).count()
        };
        let mut spans = vec![Span::styled(format!("sessions {}", shared.listings.len()), theme.title)];
        let mut add = |count: usize, word: &str, style| {
            if count > 0 {
                spans.push(Span::styled(shared.glyphs.dot, theme.dim));
                spans.push(Span::styled(format!("{count} {word}"), style));
            }
        };
        add(count(&[State::Running, State::Starting]), "running", theme.good);
        add(count(&[State::Paused]), "paused", theme.warn);
        add(count(&[State::Crashed]), "crashed", theme.bad);
        add(shared.marked.len(), "marked", theme.accent);
        Line::from(spans)
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        table::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        let action::Verb::Sessions(verb) = verb else { return };
        match verb {
            Verb::Open => self.open(cx, ScreenKind::Run),
            Verb::Notebook => self.open(cx, ScreenKind::Notebook),
            Verb::New => layers::open_launch(layers::Kind::New, cx),
            Verb::Mark => self.mark(cx),
            Verb::Compare if cx.shared.marked.is_empty() => {
                cx.say("space marks the sessions to compare; none is marked yet", Tone::Warn);
            }
            Verb::Compare => cx.then.push(action::Verb::App(action::AppVerb::Go(ScreenKind::Compare))),
            Verb::Filter => edits::ask_filter(&self.filter_text, cx),
            Verb::Sort => self.ask_sort(cx),
            Verb::Reverse => {
                self.settings.reversed = !self.settings.reversed;
                self.say_order(cx);
            }
            _ => {
                let Some(listing) = self.selected(cx.shared).cloned() else {
                    cx.say("no session is selected", Tone::Warn);
                    return;
                };
                match verb {
                    Verb::Resume => self.resume(&listing, cx),
                    Verb::Tags | Verb::Notes | Verb::Rename | Verb::Archive | Verb::Delete => {
                        edits::act(verb, &listing, cx);
                    }
                    _ => steer::act(verb, &listing, cx),
                }
            }
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        if matches!(step, Move::Left | Move::Right) {
            return;
        }
        let to = step.apply(self.at, self.rows.len(), self.page(cx.shared));
        self.choose(to, cx.shared);
        self.look_closer(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        // The one that was open may have been chosen on another screen.
        if let Some(id) = cx.shared.open.clone().filter(|id| cx.shared.listing(id).is_some()) {
            self.chosen = Some(id);
        }
        self.refresh(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        self.refresh(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.look_closer(cx);
        refresh_form(cx);
    }

    fn typed(&mut self, purpose: &layers::Purpose, text: &str, cx: &mut Cx<'_>) {
        let layers::Purpose::Sessions(purpose) = purpose else { return };
        match purpose {
            Purpose::Filter => self.set_filter(text, cx),
            Purpose::LearningRate(id) => steer::set_lr(id, text, cx),
            Purpose::Stop(id) => cx.command(id, Request::Stop),
            Purpose::Sort => self.sorted_by(text, cx),
            other => edits::typed(other, text, cx),
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        match (mouse.kind, target) {
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) => {
                if *row == self.at && self.selected(cx.shared).is_some() {
                    self.open(cx, ScreenKind::Run);
                } else {
                    self.choose(*row, cx.shared);
                    self.look_closer(cx);
                }
                true
            }
            (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Column(index)))) => {
                let column = Column::ALL.get(*index).copied();
                if column == self.settings.sort {
                    self.settings.reversed = !self.settings.reversed;
                    self.say_order(cx);
                } else {
                    self.sort_by(column, cx);
                }
                true
            }
            _ => false,
        }
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let filtered = !self.filter_text.is_empty();
        if filtered {
            self.set_filter("", cx);
        }
        filtered
    }

    fn subjects(&self, shared: &Shared) -> Vec<String> {
        self.selected(shared).map(|listing| listing.id.clone()).into_iter().collect()
    }

    fn remember(&self, memory: &mut Memory) {
        memory.keep("sessions", &self.settings);
    }
}
