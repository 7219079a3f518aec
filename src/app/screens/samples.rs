//! A session's sample pictures, scrubbed along its training: input, target and prediction side by side, two of them
//! wiped over each other, or how far they are apart.

use std::path::Path;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use serde::{Deserialize, Serialize};

use crate::app::action::{self, Move};
use crate::app::data::pictures::{Part, Recipe, View as Seen, Want};
use crate::app::effect::{self, Effect, Lane};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::memory::Memory;
use crate::app::pictures::{Answer, Gallery};
use crate::app::screens::Screen;
use crate::app::shared::{Cx, Shared};
use crate::app::theme;

pub mod found;
mod keys;
mod layout;
mod ticks;
mod view;

pub use keys::{BINDINGS, Verb};

use found::Found;

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// Which samples there are: of the open session first, then of the marked ones.
    Found(Vec<Found>),
    /// Pictures.
    Pictures(Answer),
    /// Pictures of the strip along the training.
    Film(Answer),
}

/// A way of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// Input, target and prediction side by side.
    #[default]
    Triple,
    /// What is compared with left of a seam, the prediction right of it.
    Wipe,
    /// The prediction, and how far it is from what it is compared with.
    Difference,
}

impl View {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Triple => Self::Wipe,
            Self::Wipe => Self::Difference,
            Self::Difference => Self::Triple,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Triple => "three pictures",
            Self::Wipe => "wipe",
            Self::Difference => "difference",
        }
    }
}

/// What a prediction is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Against {
    /// What it should have been.
    #[default]
    Target,
    /// The prediction of the same sample at the marked step.
    Mark,
    /// The prediction of the same sample of another session, at this step or next before it.
    Session(String),
}

/// What a composite holds, from left to right.
const PARTS: u32 = 3;
const INPUT: u32 = 0;
const TARGET: u32 = 1;
const PREDICTION: u32 = 2;

/// Differences that get the last colour, in thousandths of the whole scale.
const SCALES: [u16; 6] = [1000, 500, 250, 100, 50, 20];

/// What is remembered from one time to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    view: View,
    scale: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { view: View::Triple, scale: 2 }
    }
}

/// The state.
pub struct Samples {
    settings: Settings,
    id: Option<String>,
    /// Of the open session first; empty until the first look.
    found: Vec<Found>,
    /// The step that is shown, by its place.
    at: usize,
    sample: usize,
    follow: bool,
    /// The step that is A.
    mark: Option<i64>,
    against: Against,
    /// Where the seam of the wipe is, in thousandths of the picture.
    seam: u16,
    seen: Seen,
    gallery: Gallery,
    /// The same sample along the training.
    film: Gallery,
    /// The instant of the run's crosshair that is shown here already.
    linked: Option<i64>,
    /// Where a drag was last.
    drag: Option<(u16, u16)>,
}

impl Samples {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        Self {
            settings: memory.of("samples"),
            id: None,
            found: Vec::new(),
            at: 0,
            sample: 0,
            follow: true,
            mark: None,
            against: Against::Target,
            seam: 500,
            seen: Seen::default(),
            gallery: Gallery::default(),
            film: Gallery::on(Lane::Film),
            linked: None,
            drag: None,
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Pictures(answer) => self.gallery.take(answer),
            Reply::Film(answer) => self.film.take(answer),
            Reply::Found(found) if found.first().map(|it| &it.id) == self.id.as_ref() => {
                let shown = self.step();
                let before = self.changed();
                self.found = found;
                self.settle(shown);
                self.link(cx.shared);
                if before != self.changed() {
                    self.gallery.doubt();
                    self.film.doubt();
                }
            }
            Reply::Found(_) => return,
        }
        // The shape of a picture, once it is known, decides where they all lie.
        self.ask(cx);
    }

    /// The open session's samples.
    fn own(&self) -> Option<&Found> {
        self.found.first()
    }

    fn count(&self) -> usize {
        self.own().map_or(0, |found| found.steps.len())
    }

    /// The step that is shown.
    fn step(&self) -> Option<i64> {
        Some(self.own()?.steps.get(self.at)?.step)
    }

    fn changed(&self) -> Option<std::time::SystemTime> {
        self.own()?.steps.get(self.at)?.changed
    }

    /// How many samples the step has.
    fn samples(&self) -> usize {
        self.own().and_then(|found| found.steps.get(self.at)).map_or(0, |step| step.files.len())
    }

    /// Show what was shown before, after another look: the newest if it is followed.
    fn settle(&mut self, shown: Option<i64>) {
        let kept = shown.filter(|_| !self.follow).and_then(|step| self.own()?.at(step));
        self.at = kept.unwrap_or(self.count().saturating_sub(1));
        self.sample = self.sample.min(self.samples().saturating_sub(1));
    }

    /// Show the step at the run's crosshair, or next before it; once for each place of the crosshair, so that what is
    /// chosen here afterwards stays.
    fn link(&mut self, shared: &Shared) {
        let instant = shared.instant.as_ref().filter(|instant| Some(&instant.id) == self.id.as_ref());
        let step = instant.map(|instant| instant.step);
        if step == self.linked {
            return;
        }
        let Some(step) = step else {
            self.linked = None;
            return;
        };
        if let Some(at) = self.own().and_then(|found| found.at(step)) {
            self.go_to(at);
            self.linked = Some(step);
        }
    }

    /// Show the newest.
    fn newest(&mut self) {
        self.go_to(self.count().saturating_sub(1));
    }

    /// Show the step at a place; the newest one is followed from there on, any other is kept.
    fn go_to(&mut self, at: usize) {
        let last = self.count().saturating_sub(1);
        self.at = at.min(last);
        self.follow = self.at == last;
        self.sample = self.sample.min(self.samples().saturating_sub(1));
    }

    fn zoom_to(&mut self, zoom: u16) {
        self.seen.zoom = zoom.clamp(1, 4);
        self.seen = self.seen.inside();
    }

    /// Move what is seen by thousandths of itself.
    fn pan(&mut self, across: i32, down: i32) {
        let zoom = i32::from(self.seen.zoom.max(1));
        let moved = |middle: u16, by: i32| (i32::from(middle) + by / zoom).clamp(0, 1000) as u16;
        self.seen.centre = (moved(self.seen.centre.0, across), moved(self.seen.centre.1, down));
        self.seen = self.seen.inside();
    }

    /// What comes after the present thing to compare with: the target, A, each marked session.
    fn next_against(&self, shared: &Shared) -> Against {
        let mut all = vec![Against::Target];
        all.extend(self.mark.map(|_| Against::Mark));
        let others = shared.marked.iter().filter(|id| Some(*id) != self.id.as_ref());
        all.extend(others.map(|id| Against::Session(id.clone())));
        let now = all.iter().position(|it| *it == self.against);
        all.swap_remove(now.map_or(0, |now| (now + 1) % all.len()))
    }

    /// The picture that a prediction is compared with, and the step that it is of; none where there is none.
    fn other(&self) -> Option<(Part, Option<i64>)> {
        let part = |path, index| Part { path, of: Some((index, PARTS)) };
        let own = self.own()?;
        let found = match &self.against {
            Against::Target => return Some((part(own.file(self.at, self.sample)?, TARGET), None)),
            Against::Mark => own,
            Against::Session(id) => self.found.iter().find(|found| found.id == *id)?,
        };
        let step = if self.against == Against::Mark { self.mark? } else { self.step()? };
        let at = found.at(step)?;
        Some((part(found.file(at, self.sample)?, PREDICTION), Some(found.steps[at].step)))
    }

    /// What the pictures show, in their order on the screen.
    fn recipes(&self, shared: &Shared) -> Vec<Recipe> {
        let Some(path) = self.own().and_then(|found| found.file(self.at, self.sample)) else { return Vec::new() };
        let part = |index| Part { path: path.clone(), of: Some((index, PARTS)) };
        let plain = |index| Recipe::Plain(part(index));
        match (self.settings.view, self.other()) {
            (View::Triple, _) => [INPUT, TARGET, PREDICTION].map(plain).into(),
            (View::Wipe, Some((other, _))) => {
                let seam = theme::seam(shared.theme.name);
                vec![Recipe::Wipe { left: other, right: part(PREDICTION), at: self.seam, seam }]
            }
            (View::Difference, Some((against, _))) => vec![
                plain(PREDICTION),
                Recipe::Difference { of: part(PREDICTION), against, top: self.scale(), ramp: shared.theme.name },
            ],
            (View::Wipe | View::Difference, None) => vec![plain(PREDICTION)],
        }
    }

    fn scale(&self) -> u16 {
        SCALES[self.settings.scale.min(SCALES.len() - 1)]
    }

    /// Ask for the pictures that are to be seen, as large as there is room.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let recipes = self.recipes(cx.shared);
        let layout = layout::Layout::of(cx.shared.body(), recipes.len(), self.shape(), cx.shared.graphics.ratio());
        let view = self.seen;
        let wants = recipes.into_iter().zip(&layout.pictures);
        let wants = wants.map(|(recipe, place)| Want { recipe, view, room: place.as_size() }).collect();
        self.gallery.want(wants, cx, |answer| effect::Reply::Samples(Reply::Pictures(answer)));
        let film = self.film_places(&layout, cx.shared);
        let wants = film.into_iter().filter_map(|(at, place)| {
            let path = self.own()?.file(at, self.sample)?;
            let recipe = Recipe::Plain(Part { path, of: Some((PREDICTION, PARTS)) });
            Some(Want { recipe, view: Seen::default(), room: place.as_size() })
        });
        let wants = wants.collect();
        self.film.want(wants, cx, |answer| effect::Reply::Samples(Reply::Film(answer)));
    }

    /// Which steps the strip along the training shows, and where.
    fn film_places(&self, layout: &layout::Layout, shared: &Shared) -> Vec<(usize, Rect)> {
        let Some(own) = self.own() else { return Vec::new() };
        // Steps that lack this sample have no place in it.
        let steps: Vec<usize> = (0..own.steps.len()).filter(|&at| own.file(at, self.sample).is_some()).collect();
        let at = steps.partition_point(|&step| step < self.at).min(steps.len().saturating_sub(1));
        let film = layout.film(steps.len(), at, self.shape(), shared.graphics.ratio());
        film.into_iter().map(|(place, area)| (steps[place], area)).collect()
    }

    /// Width and height of a picture, as far as is known.
    fn shape(&self) -> (u32, u32) {
        (0..PARTS as usize).find_map(|index| self.gallery.made(index)).map_or((1, 1), |made| made.source)
    }

    /// The session that is shown is another one.
    fn turn_to(&mut self, id: &str) {
        *self = Self {
            settings: self.settings.clone(),
            id: Some(id.to_owned()),
            gallery: std::mem::take(&mut self.gallery),
            film: std::mem::replace(&mut self.film, Gallery::on(Lane::Film)),
            ..Self::new(&Memory::default())
        };
        self.gallery.clear();
        self.film.clear();
    }

    /// Look which samples there are.
    fn look(&mut self, cx: &mut Cx<'_>) {
        let Some(id) = cx.shared.open.clone() else { return };
        if self.id.as_ref() != Some(&id) {
            self.turn_to(&id);
        }
        let others = cx.shared.marked.iter().filter(|other| **other != id).cloned();
        let ids: Vec<String> = std::iter::once(id.clone()).chain(others).collect();
        cx.effects.push(Effect::Follow(ids.iter().map(|id| cx.shared.folder(id).path().to_owned()).collect()));
        let asked: Vec<_> = ids
            .iter()
            .map(|id| {
                let before = self.found.iter().find(|found| found.id == *id).cloned();
                let latest = cx.shared.listing(id).map(|listing| &listing.latest);
                let validated = latest.into_iter().flatten().filter(|(name, _)| name.starts_with("val/"));
                (cx.shared.folder(id), before, validated.map(|(_, latest)| latest.step).max())
            })
            .collect();
        cx.work(Lane::Samples, move || {
            let looked = asked.iter().map(|(folder, before, measured)| found::find(folder, before.as_ref(), *measured));
            effect::Reply::Samples(Reply::Found(looked.collect()))
        });
    }
}

impl Screen for Samples {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        view::title(shared)
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::Samples(verb) = verb {
            keys::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        match step {
            Move::Up => self.sample = self.sample.saturating_sub(1),
            Move::Down => self.sample = (self.sample + 1).min(self.samples().saturating_sub(1)),
            _ => self.go_to(step.apply(self.at, self.count(), 10)),
        }
        self.ask(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        // Another screen may have had its pictures made instead of ours.
        self.gallery.doubt();
        self.film.doubt();
        self.link(cx.shared);
        self.news(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        self.look(cx);
        self.ask(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        // Pictures that come alone do not change the list of sessions.
        if cx.shared.opened().is_some_and(|it| it.state.is_some_and(crate::session::State::is_active)) {
            self.look(cx);
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        let taken = self.point(mouse, target);
        if taken {
            self.ask(cx);
        }
        taken
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let taken = if self.seen.zoom > 1 {
            self.zoom_to(1);
            true
        } else if self.settings.view != View::Triple {
            self.settings.view = View::Triple;
            true
        } else {
            false
        };
        self.ask(cx);
        taken
    }

    fn remember(&self, memory: &mut Memory) {
        memory.keep("samples", &self.settings);
    }
}

impl Samples {
    /// The mouse: the line of steps scrubs, a picture is wiped, moved and zoomed.
    fn point(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>) -> bool {
        let before = self.drag.replace((mouse.column, mouse.row));
        let Some((area, Target::Pane(pane))) = target else { return false };
        let share = |at: u16, begin: u16, length: u16| {
            (i32::from(at) - i32::from(begin)) * 1000 / i32::from(length.saturating_sub(1).max(1))
        };
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) if *pane >= layout::FILM => self.go_to(*pane - layout::FILM),
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left)
                if *pane == layout::TICKS =>
            {
                let steps: Vec<i64> =
                    self.own().map(|it| it.steps.iter().map(|it| it.step).collect()).unwrap_or_default();
                let nearest = ticks::nearest(&steps, mouse.column.saturating_sub(area.x), area.width);
                self.go_to(nearest.unwrap_or(self.at));
            }
            MouseEventKind::Down(MouseButton::Left) | MouseEventKind::Drag(MouseButton::Left)
                if self.settings.view == View::Wipe =>
            {
                self.seam = share(mouse.column, area.x, area.width).clamp(0, 1000) as u16;
            }
            MouseEventKind::Drag(_) => {
                let (x, y) = before.unwrap_or((mouse.column, mouse.row));
                self.pan(share(x, mouse.column, area.width), share(y, mouse.row, area.height));
            }
            MouseEventKind::ScrollUp if *pane != layout::TICKS => self.zoom_to(self.seen.zoom * 2),
            MouseEventKind::ScrollDown if *pane != layout::TICKS => self.zoom_to(self.seen.zoom / 2),
            _ => return false,
        }
        true
    }
}

/// A session's name for a title: what comes after the date and time of its id.
fn name_of(id: &str) -> &str {
    Path::new(id).file_name().and_then(|name| name.to_str()).and_then(|id| id.splitn(3, '-').nth(2)).unwrap_or(id)
}
