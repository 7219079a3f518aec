//! The pictures of a screen: which it wants, and what was finished of them last.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::app::data::Studio;
use crate::app::data::pictures::{Made, Want};
use crate::app::effect::{Lane, Reply};
use crate::app::graphics::Graphics;
use crate::app::hits::Hits;
use crate::app::shared::{Cx, Shared};
use crate::app::text;

/// A picture, or why it cannot be shown.
pub type Finished = Result<Arc<Made>, String>;

/// What came of a request.
#[derive(Debug)]
pub struct Answer {
    serial: u64,
    finished: Vec<Finished>,
}

/// Make pictures beside each other. Not by the pool that checks of a dataset keep busy for minutes.
fn make_all(studio: &Studio, wants: &[Want], graphics: Graphics) -> Vec<Finished> {
    std::thread::scope(|scope| {
        let spawn = |want| scope.spawn(move || studio.make(want, graphics));
        let threads: Vec<_> = wants.iter().map(spawn).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Finished>| {
            thread.join().unwrap_or_else(|_| Err("a fault while it was decoded".to_owned()))
        };
        threads.into_iter().map(join).collect()
    })
}

/// The pictures.
#[derive(Debug)]
pub struct Gallery {
    /// Who makes them.
    lane: Lane,
    /// In the order in which they are wanted; what is shown there until something newer is finished.
    shown: Vec<Option<Finished>>,
    asked: Option<(Vec<Want>, Graphics)>,
    serial: u64,
    /// Answers up to here are of something else.
    void: u64,
}

impl Default for Gallery {
    fn default() -> Self {
        Self::on(Lane::Pictures)
    }
}

impl Gallery {
    /// Pictures that are made in a lane of their own.
    pub fn on(lane: Lane) -> Self {
        Self { lane, shown: Vec::new(), asked: None, serial: 0, void: 0 }
    }

    /// Want these pictures and no others. What was asked for last is not asked for again.
    pub fn want(&mut self, wants: Vec<Want>, cx: &mut Cx<'_>, wrap: fn(Answer) -> Reply) {
        let graphics = cx.shared.graphics;
        let asked = Some((wants, graphics));
        if asked == self.asked {
            return;
        }
        self.asked = asked;
        let Some((wants, graphics)) = self.asked.clone() else { return };
        self.shown.resize(wants.len(), None);
        if wants.is_empty() {
            return;
        }
        self.serial += 1;
        let serial = self.serial;
        let studio = Arc::clone(&cx.shared.studio);
        cx.work(self.lane, move || wrap(Answer { serial, finished: make_all(&studio, &wants, graphics) }));
    }

    /// A request is answered. An answer to an older one is taken too: it is newer than what is shown.
    pub fn take(&mut self, answer: Answer) {
        if answer.serial <= self.void {
            return;
        }
        for (slot, finished) in self.shown.iter_mut().zip(answer.finished) {
            *slot = Some(finished);
        }
    }

    /// Files may have changed: ask again even for the same.
    pub fn doubt(&mut self) {
        self.asked = None;
    }

    /// Something else is to be shown: not what was finished before, nor what is still on its way.
    pub fn clear(&mut self) {
        self.shown.clear();
        self.asked = None;
        self.void = self.serial;
    }

    /// A finished picture.
    pub fn made(&self, index: usize) -> Option<&Made> {
        self.shown.get(index)?.as_ref()?.as_ref().ok().map(Arc::as_ref)
    }

    /// Draw a picture into the upper left of `area`, or say what there is instead; gives the cells of the picture.
    pub fn draw(&self, index: usize, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) -> Rect {
        let theme = &shared.theme;
        match self.shown.get(index).and_then(Option::as_ref) {
            Some(Ok(made)) => {
                let drawn = made.picture.draw(area, shared.look(), buffer);
                hits.picture(drawn, &made.picture, buffer);
                return drawn;
            }
            Some(Err(problem)) => {
                let lines = text::wrap(problem, usize::from(area.width));
                for (y, line) in (area.top()..area.bottom()).zip(lines) {
                    text::put(buffer, area.x, y, area.right(), &line, theme.bad);
                }
            }
            None => {
                text::put(buffer, area.x, area.y, area.right(), "decoding", theme.dim);
            }
        }
        Rect { width: 0, height: 0, ..area }
    }
}
