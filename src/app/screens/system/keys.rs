//! The verbs of the machine's screen and their keys.

use crate::app::action;
use crate::app::data::Window;
use crate::app::keymap::Binding;
use crate::app::screens::system::{Mode, System};
use crate::app::shared::Cx;

/// What can be done with the machine's screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// A session's telemetry instead of this machine now, or the other way round.
    History,
    /// The next x axis of a session's telemetry.
    Axis,
    /// Closer.
    ZoomIn,
    /// Farther.
    ZoomOut,
    /// All there is.
    ZoomAll,
    /// A part to the left.
    PanLeft,
    /// A part to the right.
    PanRight,
    /// Ten cells to the left with the crosshair.
    FarLeft,
    /// Ten to the right.
    FarRight,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::System(verb), hint, help)
}

/// The keys.
pub const BINDINGS: &[Binding] = &[
    Binding::new(&["left"], action::Verb::Move(action::Move::Left), "crosshair", "The crosshair to the left"),
    Binding::new(&["right", "l"], action::Verb::Move(action::Move::Right), "", "The crosshair to the right"),
    key(&["h"], Verb::History, "now/session", "This machine now, or what the open session recorded of its machine"),
    key(&["x"], Verb::Axis, "axis", "Next x axis of a session's telemetry: clock, time, step, epoch"),
    key(&["+", "="], Verb::ZoomIn, "zoom", "Zoom in around the crosshair, or at the newest end"),
    key(&["-"], Verb::ZoomOut, "", "Zoom out"),
    key(&["0"], Verb::ZoomAll, "", "All there is"),
    key(&[","], Verb::PanLeft, "", "Move the window to the left"),
    key(&["."], Verb::PanRight, "", "Move the window to the right"),
    key(&["shift-left", "["], Verb::FarLeft, "", "The crosshair ten cells to the left"),
    key(&["shift-right", "]"], Verb::FarRight, "", "The crosshair ten cells to the right"),
];

/// Do what a verb says.
pub fn act(system: &mut System, verb: Verb, cx: &mut Cx<'_>) {
    let (stretch, extent, cells) = (system.stretch(), system.extent(), system.columns() / 2);
    match verb {
        Verb::History => {
            system.mode = match system.mode {
                Mode::Live => Mode::Session,
                Mode::Session => Mode::Live,
            };
            // A place in one is none in the other.
            system.lens.reset();
            system.first = 0;
            system.asked = None;
            match system.mode {
                Mode::Session => system.turn_to_session(cx),
                Mode::Live => system.sample(cx),
            }
        }
        Verb::Axis if system.mode == Mode::Session => {
            system.settings.axis = system.settings.axis.next();
            system.lens.reset();
        }
        Verb::Axis => {}
        Verb::ZoomIn => system.lens.zoom(0.5, None, stretch, extent),
        Verb::ZoomOut => system.lens.zoom(2.0, None, stretch, extent),
        Verb::ZoomAll => system.lens.window = Window::All,
        Verb::PanLeft => system.lens.pan(-0.25, stretch, extent),
        Verb::PanRight => system.lens.pan(0.25, stretch, extent),
        Verb::FarLeft => system.lens.walk(-10.0, cells, stretch),
        Verb::FarRight => system.lens.walk(10.0, cells, stretch),
    }
    system.ask(cx);
}
