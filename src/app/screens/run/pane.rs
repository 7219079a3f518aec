//! What lies beneath the charts: events, log, samples, config; each at the instant of the crosshair, if there is one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use crate::app::data::Facts;
use crate::app::effect::{Lane, Reply};
use crate::app::hits::{Hits, Target};
use crate::app::screens::run;
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::session::{Folder, Manifest};

mod events;
mod lines;
mod thumbnails;

pub use events::is_of_note;
pub use thumbnails::{Thumbnails, look};

/// The pane, for the mouse; charts are counted from 0.
pub const PANE: usize = 1000;

/// What lies there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pane {
    /// What happened.
    #[default]
    Events,
    /// What the process printed.
    Log,
    /// Sample pictures.
    Samples,
    /// The effective config.
    Config,
    /// Nothing: the charts have all the room.
    Nothing,
}

impl Pane {
    /// Those that show something, in the order of the key.
    pub const SHOWN: [Self; 4] = [Self::Events, Self::Log, Self::Samples, Self::Config];

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Events => Self::Log,
            Self::Log => Self::Samples,
            Self::Samples => Self::Config,
            Self::Config => Self::Nothing,
            Self::Nothing => Self::Events,
        }
    }

    /// The noun.
    pub fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Log => "log",
            Self::Samples => "samples",
            Self::Config => "config",
            Self::Nothing => "nothing",
        }
    }

    /// Rows that it gets of a screen of `height` rows.
    pub fn height(self, height: u16) -> u16 {
        match (self, height) {
            (Self::Nothing, _) | (_, 0..16) => 0,
            (Self::Samples, 16..24) => 8,
            (Self::Samples, _) => (height / 3).clamp(8, 20),
            (_, 16..24) => 5,
            (_, 24..36) => 8,
            _ => 11,
        }
    }
}

/// What the pane holds beside what the data thread brings.
#[derive(Debug, Default)]
pub struct PaneState {
    /// Lines of the config.
    pub config: Vec<String>,
    /// The first row in view, counted from the top of all; where the crosshair or the newest is when absent.
    top: Option<usize>,
    /// Sample pictures.
    pub thumbnails: Thumbnails,
}

/// Read the config off the drawing thread.
pub fn read_config(cx: &mut Cx<'_>, folder: Folder) {
    cx.work(Lane::Folder, move || {
        let lines = match Manifest::load(&folder) {
            Ok(manifest) => manifest.config().lines().map(str::to_owned).collect(),
            Err(error) => vec![error.to_string()],
        };
        Reply::Run(run::Reply::Config { id: folder.id(), lines })
    });
}

/// When the crosshair stands somewhere, in nanoseconds since the epoch, and at which step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The step.
    pub step: i64,
    /// The time.
    pub time_ns: i64,
}

/// What the pane looks at: the session's facts and the instant of the crosshair.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Which part.
    pub pane: Pane,
    /// What is known of the session.
    pub facts: &'a Facts,
    /// The instant.
    pub place: Option<Place>,
}

impl Scene<'_> {
    /// How many rows there are in all.
    fn len(&self, state: &PaneState) -> usize {
        match self.pane {
            Pane::Events => self.facts.events.len(),
            Pane::Log => self.facts.log.len(),
            Pane::Config => state.config.len(),
            Pane::Samples | Pane::Nothing => 0,
        }
    }

    /// The row of the instant: the last event, or the last line of the log, that is not after it.
    fn row(&self) -> Option<usize> {
        let place = self.place?;
        match self.pane {
            Pane::Events => events::row(&self.facts.events, place),
            Pane::Log => lines::row(&self.facts.log, place.step),
            _ => None,
        }
    }

    /// The first row in view where nobody scrolled: the instant in the middle, else the newest.
    fn natural(&self, state: &PaneState, rows: usize) -> usize {
        let last = self.len(state).saturating_sub(rows);
        match (self.row(), self.pane) {
            (Some(row), _) => row.saturating_sub(rows / 2).min(last),
            (None, Pane::Log) => last,
            (None, _) => 0,
        }
    }

    fn top(&self, state: &PaneState, rows: usize) -> usize {
        let last = self.len(state).saturating_sub(rows);
        state.top.map_or_else(|| self.natural(state, rows), |top| top.min(last))
    }
}

impl PaneState {
    /// Look so many rows further, up to the ends; back where the newest is, it is followed again.
    pub fn scroll(&mut self, by: isize, scene: &Scene<'_>, height: u16) {
        let rows = usize::from(body(scene.facts, Rect { height, width: 80, ..Rect::ZERO }).height).max(1);
        let last = scene.len(self).saturating_sub(rows);
        let top = scene.top(self, rows).saturating_add_signed(by).min(last);
        self.top = Some(top).filter(|top| *top != scene.natural(self, rows));
    }

    /// Look at the instant of the crosshair, or at the newest.
    pub fn settle(&mut self) {
        self.top = None;
    }
}

/// The part of a pane beneath its title, and beneath what cannot be read.
fn body(facts: &Facts, area: Rect) -> Rect {
    let inside = Rect {
        x: area.x + 1,
        y: area.y + 1,
        width: area.width.saturating_sub(2),
        height: area.height.saturating_sub(1),
    };
    let told = (facts.problems.len() as u16).min(inside.height / 2);
    Rect { y: inside.y + told, height: inside.height - told, ..inside }
}

/// Which event or line lies on a row of the screen, for the mouse.
pub fn event_at(scene: &Scene<'_>, state: &PaneState, area: Rect, y: u16) -> Option<usize> {
    let body = body(scene.facts, area);
    let row = usize::from(y.checked_sub(body.y)?);
    let index = scene.top(state, usize::from(body.height)) + row;
    (scene.pane == Pane::Events).then(|| scene.facts.events.len().checked_sub(index + 1))?
}

/// Draw the pane: its name and those of the others, what cannot be read, and the rows in view.
pub fn draw(scene: &Scene<'_>, state: &PaneState, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    text::rule(buffer, area, shared.glyphs.rule, theme.rule);
    hits.push(area, Target::Pane(PANE));
    let body = body(scene.facts, area);
    let count = scene.len(state);
    let rows = usize::from(body.height);
    let top = scene.top(state, rows);
    let note = match scene.pane {
        Pane::Samples => state.thumbnails.note(scene.place, shared),
        _ if count > rows => format!("{}-{} of {count}", top + 1, (top + rows).min(count)),
        _ => count.to_string(),
    };
    names(scene.pane, &note, shared, area, buffer, hits);
    let inside = area.bottom().saturating_sub(body.height);
    for (y, problem) in (area.y + 1..inside).zip(&scene.facts.problems) {
        let room = usize::from(body.width);
        let problem = text::fit(problem, room, shared.glyphs.ellipsis);
        text::put(buffer, body.x, y, body.right(), &problem, theme.bad);
    }
    match scene.pane {
        Pane::Events => events::draw(scene.facts, top, scene.row(), shared, body, buffer),
        Pane::Log => lines::draw_log(&scene.facts.log, top, scene.row(), shared, body, buffer),
        Pane::Config => lines::draw_config(&state.config, top, shared, body, buffer),
        Pane::Samples => state.thumbnails.draw(shared, body, buffer, hits),
        Pane::Nothing => {}
    }
}

/// The rule with the names of all panes, the one in view in bold: a click changes over.
fn names(pane: Pane, note: &str, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let mut x = area.x + 2;
    for it in Pane::SHOWN {
        let style = if it == pane { theme.title } else { theme.dim };
        let begin = x;
        x = text::put(buffer, x, area.y, area.right(), &format!(" {} ", it.word()), style);
        let verb = crate::app::action::Verb::Run(run::Verb::Show(it));
        hits.push(Rect { x: begin, y: area.y, width: x - begin, height: 1 }, Target::Verb(verb));
        x += 1;
    }
    let note = format!(" {note} ");
    if usize::from(x) + text::width(&note) + 3 < usize::from(area.right()) {
        text::put_right(buffer, x, area.y, area.right().saturating_sub(2), &note, theme.dim);
    }
}
