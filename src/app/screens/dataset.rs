//! The pairs that a session trains on: a list with both pictures of the selected one, and what is wrong with them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::action::{self, Move};
use crate::app::data::pictures::{Part, Recipe, View, Want};
use crate::app::effect::{self, Lane};
use crate::app::hits::{Hits, Target};
use crate::app::keymap::Binding;
use crate::app::layers;
use crate::app::memory::Memory;
use crate::app::pictures::{Answer, Gallery};
use crate::app::screens::Screen;
use crate::app::shared::{Cx, Shared};
use crate::app::toast::Tone;
use crate::data::check::{Kind, Report};

mod checks;
mod keys;
mod layout;
mod read;
mod view;

pub use keys::{BINDINGS, Verb};

use checks::{Findings, Running};
use read::{Pairs, Row};

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Which pairs.
    Filter,
}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {
    /// The dataset of a session.
    Read {
        /// The session.
        id: String,
        /// Its pairs, or why there are none.
        pairs: Result<Arc<Pairs>, String>,
    },
    /// The checks are over.
    Checked {
        /// Of which dataset.
        root: PathBuf,
        /// What they found.
        report: Result<Box<Report>, String>,
    },
    /// Pictures.
    Pictures(Answer),
}

/// The state.
pub struct Dataset {
    id: Option<String>,
    pairs: Option<Result<Arc<Pairs>, String>>,
    /// Rows that fit the filter, by their place.
    shown: Vec<usize>,
    /// The selected one, by its place among those shown.
    at: usize,
    /// The first one on the screen.
    first: usize,
    filter: String,
    only_problems: bool,
    running: Option<Running>,
    findings: Option<Findings>,
    gallery: Gallery,
}

impl Dataset {
    /// As it was left.
    pub fn new(_memory: &Memory) -> Self {
        Self {
            id: None,
            pairs: None,
            shown: Vec::new(),
            at: 0,
            first: 0,
            filter: String::new(),
            only_problems: false,
            running: None,
            findings: None,
            gallery: Gallery::default(),
        }
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        match reply {
            Reply::Pictures(answer) => self.gallery.take(answer),
            Reply::Read { id, pairs } if self.id.as_ref() == Some(&id) => {
                let root = pairs.as_ref().ok().map(|pairs| pairs.root.clone());
                self.pairs = Some(pairs);
                self.findings = self.findings.take().filter(|findings| Some(&findings.root) == root.as_ref());
                self.arrange();
            }
            Reply::Read { .. } => return,
            Reply::Checked { root, report } => self.checked(&root, report, cx),
        }
        self.ask(cx);
    }

    fn checked(&mut self, root: &Path, report: Result<Box<Report>, String>, cx: &mut Cx<'_>) {
        if self.running.as_ref().is_some_and(|running| running.root() == root) {
            self.running = None;
        }
        let ours = matches!(&self.pairs, Some(Ok(pairs)) if pairs.root == root);
        match report {
            Ok(report) => {
                let findings = Findings::new(*report);
                let tone = if findings.total() == 0 { Tone::Good } else { Tone::Warn };
                let words = view::verdict(&findings);
                cx.say(format!("{}: {words}", root.display()), tone);
                if ours {
                    self.findings = Some(findings);
                    self.arrange();
                }
            }
            Err(problem) => cx.say(problem, Tone::Bad),
        }
    }

    fn rows(&self) -> &[Row] {
        match &self.pairs {
            Some(Ok(pairs)) => &pairs.rows,
            _ => &[],
        }
    }

    /// The selected row.
    fn selected(&self) -> Option<&Row> {
        self.rows().get(*self.shown.get(self.at)?)
    }

    /// What is wrong with a row.
    fn problems(&self, row: &Row) -> &[(Kind, String)] {
        self.findings.as_ref().and_then(|findings| findings.by_id.get(&row.id)).map_or(&[], Vec::as_slice)
    }

    /// Which rows fit the filter; the selected one stays selected if it does.
    fn arrange(&mut self) {
        let selected = self.shown.get(self.at).copied();
        let filter = self.filter.to_lowercase();
        let words: Vec<&str> = filter.split_whitespace().collect();
        let fits = |row: &Row| {
            let problems = self.problems(row);
            if self.only_problems && problems.is_empty() && row.left_out.is_none() {
                return false;
            }
            let has = |word: &&str| {
                row.words.contains(word)
                    || problems
                        .iter()
                        .any(|(kind, text)| kind.name().contains(word) || text.to_lowercase().contains(word))
            };
            words.iter().all(has)
        };
        self.shown = self.rows().iter().enumerate().filter(|(_, row)| fits(row)).map(|(index, _)| index).collect();
        // Where it is filtered away, the next one that is not.
        let again = selected.map(|row| self.shown.partition_point(|&it| it < row));
        self.at = again.unwrap_or(0).min(self.shown.len().saturating_sub(1));
    }

    /// Scroll so that the selected row is in view.
    fn reveal(&mut self, page: usize) {
        let page = page.max(1);
        let last = self.shown.len().saturating_sub(page);
        self.first = self.first.clamp((self.at + 1).saturating_sub(page), self.at).min(last);
    }

    /// Ask for the pictures of the selected pair.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let layout = layout::Layout::of(cx.shared.body(), self.shape(), cx.shared.graphics.ratio());
        self.reveal(usize::from(layout.rows.height));
        let files = self.selected().and_then(|row| row.files.clone());
        let want = |path, place: Rect| Want {
            recipe: Recipe::Plain(Part { path, of: None }),
            view: View::default(),
            room: place.as_size(),
        };
        let [photo, illustration] = layout.pictures;
        let wants = files.map_or_else(Vec::new, |(o, g)| {
            if photo.is_empty() { Vec::new() } else { vec![want(o, photo), want(g, illustration)] }
        });
        self.gallery.want(wants, cx, |answer| effect::Reply::Dataset(Reply::Pictures(answer)));
    }

    /// Width and height of the pictures, as far as is known.
    fn shape(&self) -> (u32, u32) {
        let made = self.gallery.made(0).or_else(|| self.gallery.made(1)).map(|made| made.source);
        self.selected().and_then(|row| row.size).or(made).unwrap_or((1, 1))
    }

    /// Read the dataset of the open session.
    fn read(&mut self, cx: &mut Cx<'_>) {
        let Some(id) = cx.shared.open.clone() else { return };
        if self.id.as_ref() != Some(&id) {
            let running = self.running.take();
            *self = Self {
                id: Some(id.clone()),
                running,
                gallery: std::mem::take(&mut self.gallery),
                ..Self::new(&Memory::default())
            };
            self.gallery.clear();
        }
        self.gallery.doubt();
        let folder = cx.shared.folder(&id);
        // Not behind checks of another dataset, which may take minutes.
        cx.work(Lane::Each, move || {
            let pairs = read::read(&folder).map(Arc::new);
            effect::Reply::Dataset(Reply::Read { id, pairs })
        });
    }
}

impl Screen for Dataset {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        view::title(self, shared)
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        view::draw(self, shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        if let action::Verb::Dataset(verb) = verb {
            keys::act(self, verb, cx);
        }
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let layout = layout::Layout::of(cx.shared.body(), self.shape(), cx.shared.graphics.ratio());
        self.at = step.apply(self.at, self.shown.len(), usize::from(layout.rows.height));
        self.ask(cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        self.read(cx);
        self.ask(cx);
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        if cx.shared.open.is_some() && self.id != cx.shared.open {
            self.read(cx);
        }
        self.ask(cx);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
        if let Some(running) = &mut self.running {
            running.look();
        }
    }

    fn typed(&mut self, purpose: &layers::Purpose, text: &str, cx: &mut Cx<'_>) {
        if let layers::Purpose::Dataset(Purpose::Filter) = purpose {
            text.clone_into(&mut self.filter);
            self.arrange();
            self.ask(cx);
        }
    }

    fn mouse(&mut self, mouse: MouseEvent, target: Option<&(Rect, Target)>, cx: &mut Cx<'_>) -> bool {
        if let (MouseEventKind::Down(MouseButton::Left), Some((_, Target::Row(row)))) = (mouse.kind, target) {
            self.at = (*row).min(self.shown.len().saturating_sub(1));
            self.ask(cx);
            return true;
        }
        false
    }

    fn back(&mut self, cx: &mut Cx<'_>) -> bool {
        let taken = !self.filter.is_empty() || self.only_problems;
        if taken {
            self.filter.clear();
            self.only_problems = false;
            self.arrange();
            self.ask(cx);
        }
        taken
    }
}
