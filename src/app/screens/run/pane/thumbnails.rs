//! Sample pictures beneath the charts, of the step that the crosshair stands at.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};

use super::Place;
use crate::app::action::{AppVerb, Verb};
use crate::app::data::pictures::{Part, Recipe, View, Want};
use crate::app::effect::{Lane, Reply};
use crate::app::hits::{Hits, Target};
use crate::app::pictures::{Answer, Gallery};
use crate::app::screens::samples::found::{self, Found, StepSamples};
use crate::app::screens::{ScreenKind, run};
use crate::app::shared::{Cx, Shared};
use crate::app::text;
use crate::app::widgets::picture::fit;
use crate::report::number;

/// What a composite holds, from left to right.
const PARTS: [&str; 3] = ["input", "target", "prediction"];
/// Columns between two parts, and between two samples.
const GAPS: (u16, u16) = (1, 3);

/// The pictures.
#[derive(Debug, Default)]
pub struct Thumbnails {
    found: Option<Found>,
    gallery: Gallery,
    /// The step in view, by its place.
    at: Option<usize>,
}

/// Look off the drawing thread which pictures a session has.
pub fn look(thumbnails: &Thumbnails, id: &str, cx: &mut Cx<'_>) {
    let (folder, before) = (cx.shared.folder(id), thumbnails.found.clone());
    // What was measured stands in the charts: it is not read for the pictures.
    cx.work(Lane::Samples, move || {
        Reply::Run(run::Reply::Samples(Box::new(found::find_pictures(&folder, before.as_ref()))))
    });
}

impl Thumbnails {
    /// Which pictures there are.
    pub fn take(&mut self, found: Found) {
        if self.found.as_ref() != Some(&found) {
            self.gallery.doubt();
        }
        self.found = Some(found);
    }

    /// Pictures are finished.
    pub fn take_pictures(&mut self, answer: Answer) {
        self.gallery.take(answer);
    }

    /// The step in view.
    fn step(&self) -> Option<&StepSamples> {
        self.found.as_ref()?.steps.get(self.at?)
    }

    /// Another screen may have had its pictures made instead of these.
    pub fn doubt(&mut self) {
        self.gallery.doubt();
    }

    /// Ask for the pictures of the instant, as large as there is room in a pane of this size.
    pub fn ask(&mut self, place: Option<Place>, size: Size, cx: &mut Cx<'_>) {
        let Some(found) = &self.found else { return };
        self.at = match place {
            Some(place) => found.at(place.step),
            None => found.steps.len().checked_sub(1),
        };
        let body = Rect::new(0, 0, size.width.saturating_sub(2), size.height.saturating_sub(1));
        let files = self.step().map_or(0, |step| step.files.len());
        let mut wants = Vec::new();
        for (sample, places) in self.places(cx.shared, body, files).into_iter().enumerate() {
            let Some(path) = self.at.and_then(|at| found.file(at, sample)) else { continue };
            wants.extend((0..).zip(places).map(|(part, place)| Want {
                recipe: Recipe::Plain(Part { path: path.clone(), of: Some((part, PARTS.len() as u32)) }),
                view: View::default(),
                room: place.as_size(),
            }));
        }
        self.gallery.want(wants, cx, |answer| Reply::Run(run::Reply::Pictures(answer)));
    }

    /// Where the parts of as many samples lie as fit beside each other beneath a line of names.
    fn places(&self, shared: &Shared, body: Rect, samples: usize) -> Vec<[Rect; 3]> {
        let source = self.gallery.made(0).map_or((1, 1), |made| made.source);
        let room = Size::new((body.width.saturating_sub(2 * GAPS.0)) / 3, body.height.saturating_sub(1));
        if room.width == 0 || room.height == 0 {
            return Vec::new();
        }
        let size = fit(source, room, shared.graphics.ratio());
        let whole = 3 * size.width + 2 * GAPS.0;
        let count = ((body.width + GAPS.1) / (whole + GAPS.1)).max(1);
        (0..count.min(samples as u16))
            .map(|sample| {
                let left = body.x + sample * (whole + GAPS.1);
                [0, 1, 2].map(|part| {
                    let x = left + part * (size.width + GAPS.0);
                    Rect { x, y: body.y + 1, width: size.width, height: size.height }.intersection(body)
                })
            })
            .collect()
    }

    /// For the rule above them: of which step they are.
    pub fn note(&self, place: Option<Place>, shared: &Shared) -> String {
        let count = |step: i64| number::count(step.unsigned_abs());
        let all = self.found.as_ref().map_or(0, |found| found.steps.len());
        match (self.step().map(|step| step.step), place) {
            (None, _) => "none".to_owned(),
            (Some(step), Some(place)) if step > place.step => {
                format!("step {}{}the first there are", count(step), shared.glyphs.dot)
            }
            (Some(step), Some(place)) if step < place.step => {
                format!("step {}{}next before the crosshair", count(step), shared.glyphs.dot)
            }
            (Some(step), None) => format!("step {}{}newest of {all}", count(step), shared.glyphs.dot),
            (Some(step), Some(_)) => format!("step {}", count(step)),
        }
    }

    /// Draw them; a click leads to the samples' own screen.
    pub fn draw(&self, shared: &Shared, body: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let theme = &shared.theme;
        let files = self.step().map_or(0, |step| step.files.len());
        if files == 0 {
            let words = match &self.found {
                None => "looking for samples".to_owned(),
                Some(Found { problem: Some(problem), .. }) => problem.clone(),
                Some(_) => "no samples yet: i asks the session for some".to_owned(),
            };
            text::put(buffer, body.x, body.y, body.right(), &words, theme.dim);
            return;
        }
        for (sample, places) in self.places(shared, body, files).into_iter().enumerate() {
            for (part, place) in places.into_iter().enumerate() {
                // Names say what is what once; the others follow the first.
                let name = text::fit(PARTS[part], usize::from(place.width), shared.glyphs.ellipsis);
                let style = if sample == 0 { theme.text } else { theme.dim };
                text::put(buffer, place.x, body.y, place.right(), &name, style);
                let drawn = self.gallery.draw(sample * PARTS.len() + part, shared, place, buffer, hits);
                hits.push(drawn, Target::Verb(Verb::App(AppVerb::Go(ScreenKind::Samples))));
            }
        }
    }
}
