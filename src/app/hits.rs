//! What lies where on the screen: written while drawing, read when the mouse comes.

use ratatui::layout::{Position, Rect};

use crate::app::action::Verb;

/// What a place on the screen means.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// A click does this.
    Verb(Verb),
    /// Row `index` of the list in front.
    Row(usize),
    /// Column `index` of the table in front, by its title.
    Column(usize),
    /// Part `index` of the screen (a chart, a pane): what a wheel and a drag are for.
    Pane(usize),
}

/// Places, later ones on top of earlier ones.
#[derive(Debug, Clone, Default)]
pub struct Hits(Vec<(Rect, Target)>);

impl Hits {
    /// `area` means `target` from now on.
    pub fn push(&mut self, area: Rect, target: Target) {
        if !area.is_empty() {
            self.0.push((area, target));
        }
    }

    /// What lies at a cell, with its whole area.
    pub fn at(&self, column: u16, row: u16) -> Option<&(Rect, Target)> {
        self.0.iter().rev().find(|(area, _)| area.contains(Position::new(column, row)))
    }
}
