//! The dataset screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::app::action::{self, Move};

use crate::app::hits::Hits;
use crate::app::keymap::Binding;
use crate::app::memory::Memory;
use crate::app::screens::Screen;
use crate::app::shared::{Cx, Shared};

/// What can be done here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {}

/// What this screen asks in prompts.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {}

/// What comes of its slow work.
#[derive(Debug)]
pub enum Reply {}

/// The keys.
pub const BINDINGS: &[Binding] = &[];

/// The state.
pub struct Dataset {}

impl Dataset {
    /// As it was left.
    pub fn new(memory: &Memory) -> Self {
        let _ = memory;
        Self {}
    }

    /// Slow work is done.
    pub fn reply(&mut self, reply: Reply, cx: &mut Cx<'_>) {
        let _ = (reply, cx);
    }
}

impl Screen for Dataset {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn title(&self, shared: &Shared) -> Line<'static> {
        let _ = shared;
        Line::raw("dataset")
    }

    fn draw(&self, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
        let _ = (shared, area, buffer, hits);
    }

    fn act(&mut self, verb: action::Verb, cx: &mut Cx<'_>) {
        let _ = (verb, cx);
    }

    fn go(&mut self, step: Move, cx: &mut Cx<'_>) {
        let _ = (step, cx);
    }

    fn entered(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }

    fn news(&mut self, cx: &mut Cx<'_>) {
        let _ = cx;
    }
}
