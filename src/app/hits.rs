//! What lies where on the screen: written while drawing, read when the mouse comes and when pictures are laid over
//! their cells.

use std::sync::Arc;

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::app::action::Verb;
use crate::app::widgets::picture::{self, Picture};

/// What a place on the screen means.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A click does this.
    Verb(Verb),
    /// A click is this key.
    Key(KeyCode),
    /// Row `index` of the list in front.
    Row(usize),
    /// Column `index` of the table in front, by its title.
    Column(usize),
    /// Part `index` of the screen (a chart, a pane): what a wheel and a drag are for.
    Pane(usize),
}

/// A picture whose cells are drawn, to be laid over them in the terminal's pixels.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Its cells, all of them.
    pub area: Rect,
    /// The picture.
    pub picture: Arc<Picture>,
    /// What its cells looked like when they were drawn.
    print: u64,
}

/// Places, later ones on top of earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    targets: Vec<(Rect, Target)>,
    pictures: Vec<Placed>,
}

impl Hits {
    /// `area` means `target` from now on.
    pub fn push(&mut self, area: Rect, target: Target) {
        if !area.is_empty() {
            self.targets.push((area, target));
        }
    }

    /// Nothing that was drawn so far can be clicked any more: a layer lies over it.
    pub fn cover(&mut self) {
        self.targets.clear();
    }

    /// A picture has just been drawn in `area`.
    pub fn picture(&mut self, area: Rect, picture: &Arc<Picture>, buffer: &Buffer) {
        let size = picture.size();
        // One that was cut stays as it is: its pixels are of the whole.
        if picture.sharp().is_some() && (size.width, size.height) == (area.width, area.height) {
            let print = picture::print(buffer, area);
            self.pictures.push(Placed { area, picture: Arc::clone(picture), print });
        }
    }

    /// Everything is drawn: pictures that something was drawn over stay as they are in the cells.
    pub fn settle(&mut self, buffer: &Buffer) {
        self.pictures.retain(|placed| picture::print(buffer, placed.area) == placed.print);
    }

    /// The pictures that nothing lies on.
    pub fn pictures(&self) -> &[Placed] {
        &self.pictures
    }

    /// What lies at a cell, with its whole area.
    pub fn at(&self, column: u16, row: u16) -> Option<&(Rect, Target)> {
        self.targets.iter().rev().find(|(area, _)| area.contains(Position::new(column, row)))
    }
}
