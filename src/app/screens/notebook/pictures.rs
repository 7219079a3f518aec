//! The pictures that cells gave, made for the size that they are seen at: those on the screen, and those that were.

use std::collections::HashMap;
use std::sync::Arc;

use ratatui::layout::Size;

use crate::app::data::pictures::{Held, Recipe, View as Seen, Want};
use crate::app::effect::{Lane, Reply};
use crate::app::graphics::Graphics;
use crate::app::pictures::Finished;
use crate::app::screens::notebook::layout::{Room, Row};
use crate::app::screens::notebook::scroll::View;
use crate::app::shared::Cx;
use crate::notebook::document::Document;
use crate::session::notebook::Output;

/// Pictures that are kept.
const MOST: usize = 48;

/// Which picture, at which size.
type Key = (u64, Size);

/// Pictures that are finished.
#[derive(Debug)]
pub struct Answer {
    graphics: Graphics,
    finished: Vec<(Key, Finished)>,
}

/// The pictures.
#[derive(Debug, Default)]
pub struct Pictures {
    made: HashMap<Key, Finished>,
    asked: Vec<Key>,
    graphics: Option<Graphics>,
}

/// The pictures on the screen.
pub fn wanted(document: &Document, view: &View, room: Room) -> Vec<(Held, Size)> {
    let mut wanted = Vec::new();
    for (cell, first, y, rows) in view.visible(document, room) {
        let seen = rows.iter().skip(first).take(usize::from(room.height).saturating_sub(y));
        for row in seen {
            if let Row::Part { output, size, .. } = row
                && let Some(Output::Image(image)) = document.entries()[cell].outputs.get(*output)
                && wanted.last().is_none_or(|(held, _): &(Held, Size)| !held.is(&image.png))
            {
                wanted.push((Held::new(&image.png), *size));
            }
        }
    }
    wanted
}

impl Pictures {
    /// Have these made, if they are not.
    pub fn want(&mut self, wanted: Vec<(Held, Size)>, cx: &mut Cx<'_>, wrap: fn(Answer) -> Reply) {
        let graphics = cx.shared.graphics;
        if self.graphics != Some(graphics) {
            *self = Self { graphics: Some(graphics), ..Self::default() };
        }
        let missing: Vec<(Held, Size)> =
            wanted.into_iter().filter(|(held, size)| !self.made.contains_key(&(held.key(), *size))).collect();
        let keys: Vec<Key> = missing.iter().map(|(held, size)| (held.key(), *size)).collect();
        if keys.is_empty() || keys == self.asked {
            return;
        }
        self.asked = keys;
        let studio = Arc::clone(&cx.shared.studio);
        cx.work(Lane::Pictures, move || {
            let make = |(held, room): (Held, Size)| {
                let key = (held.key(), room);
                let want = Want { recipe: Recipe::Held(held), view: Seen::default(), room };
                (key, studio.make(&want, graphics))
            };
            wrap(Answer { graphics, finished: missing.into_iter().map(make).collect() })
        });
    }

    /// Some are finished.
    pub fn take(&mut self, answer: Answer) {
        if self.graphics != Some(answer.graphics) {
            return;
        }
        self.asked.clear();
        if self.made.len() + answer.finished.len() > MOST {
            self.made.clear();
        }
        self.made.extend(answer.finished);
    }

    /// A picture at a size, once it is finished.
    pub fn get(&self, png: &Arc<[u8]>, size: Size) -> Option<&Finished> {
        self.made.get(&(Held::new(png).key(), size))
    }
}
