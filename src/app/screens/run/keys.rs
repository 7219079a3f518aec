//! The verbs of a run and their keys.

use crate::app::action;
use crate::app::data::Window;
use crate::app::keymap::Binding;
use crate::app::layers::{self, Confirm, Layer};
use crate::app::screens::ScreenKind;
use crate::app::screens::run::{HALF_LIVES, Pane, Purpose, Run, Settings, ask_filter, grid, view};
use crate::app::screens::sessions::steer;
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::session::State;
use crate::session::control::Request;

/// What can be done with a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
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
    /// Keep the newest end in view.
    Follow,
    /// More smoothing.
    Smoother,
    /// Less.
    Rougher,
    /// The next x axis.
    Axis,
    /// Equal ratios on the x axis.
    LogX,
    /// Equal ratios on the y axis of the chart in focus.
    LogY,
    /// Let single far values go off the edge.
    Outliers,
    /// The next grid.
    Grid,
    /// The chart in focus alone.
    Alone,
    /// Which charts.
    Filter,
    /// Keep the chart in focus in front.
    Pin,
    /// The chart in focus one place earlier.
    Earlier,
    /// One place later.
    Later,
    /// What lies beneath the charts: the next part.
    Pane,
    /// This part of it.
    Show(Pane),
    /// It has all the room.
    Tall,
    /// It, a row up.
    PaneUp,
    /// A row down.
    PaneDown,
    /// The crosshair at the next alert, error or restart.
    NextEvent,
    /// At the one before.
    PreviousEvent,
    /// Pause, or go on.
    Pause,
    /// Finish the step, checkpoint, end.
    Stop,
    /// A checkpoint now.
    Checkpoint,
    /// Samples now.
    Sample,
    /// Another learning rate.
    LearningRate,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Run(verb), hint, help)
}

/// The keys.
pub const BINDINGS: &[Binding] = &[
    Binding::new(&["left", "h"], action::Verb::Move(action::Move::Left), "crosshair", "The crosshair to the left"),
    Binding::new(&["right", "l"], action::Verb::Move(action::Move::Right), "", "The crosshair to the right"),
    Binding::new(&["up", "k"], action::Verb::Move(action::Move::Up), "", "The chart before takes the focus"),
    Binding::new(&["down", "j"], action::Verb::Move(action::Move::Down), "", "The next chart takes the focus"),
    key(&["+", "="], Verb::ZoomIn, "zoom", "Zoom in around the crosshair, or at the newest end"),
    key(&["-"], Verb::ZoomOut, "", "Zoom out"),
    key(&["0"], Verb::ZoomAll, "", "The whole run"),
    key(&["f"], Verb::Follow, "follow", "Keep the newest end in view, at this width"),
    key(&["m"], Verb::Smoother, "smooth", "Smooth more: half-life in steps"),
    key(&["M"], Verb::Rougher, "", "Smooth less"),
    key(&["x"], Verb::Axis, "axis", "Next x axis: step, epoch, clock, time"),
    key(&["y"], Verb::LogY, "log y", "Logarithmic y axis of the chart in focus"),
    key(&["X"], Verb::LogX, "", "Logarithmic x axis"),
    key(&["o"], Verb::Outliers, "", "Cut single far values off the y axis, marked at the edge"),
    key(&["g", "v"], Verb::Grid, "grid", "Next grid: by size, 1x1, 2x1, 2x2, 3x2, 3x3, 4x3, 4x4"),
    key(&["enter"], Verb::Alone, "one", "The chart in focus alone, or all again"),
    key(&["/"], Verb::Filter, "filter", "Which charts: a part of the name or a regular expression"),
    key(&["w"], Verb::Pane, "below", "What lies beneath the charts: events, log, samples, config, nothing"),
    key(&["W"], Verb::Tall, "", "Give it all the room, or the charts theirs again"),
    key(&["K", "shift-up"], Verb::PaneUp, "", "Scroll what lies beneath the charts up"),
    key(&["J", "shift-down"], Verb::PaneDown, "", "Scroll it down"),
    key(&["n"], Verb::NextEvent, "next alert", "The crosshair at the next alert, error or restart"),
    key(&["N"], Verb::PreviousEvent, "", "The crosshair at the one before"),
    key(&["P"], Verb::Pin, "", "Pin the chart in focus in front, or let it go"),
    key(&["<"], Verb::Earlier, "", "Move the chart in focus one place earlier"),
    key(&[">"], Verb::Later, "", "Move it one place later"),
    key(&[","], Verb::PanLeft, "", "Move the window to the left"),
    key(&["."], Verb::PanRight, "", "Move the window to the right"),
    key(&["shift-left", "["], Verb::FarLeft, "", "The crosshair ten cells to the left"),
    key(&["shift-right", "]"], Verb::FarRight, "", "The crosshair ten cells to the right"),
    Binding::new(
        &["B"],
        action::Verb::App(action::AppVerb::Go(ScreenKind::Notebook)),
        "notebook",
        "Open the session's notebook: questions and cells",
    ),
    key(&["p"], Verb::Pause, "pause", "Pause the session at its next step, or let it go on"),
    key(&["s"], Verb::Stop, "", "Stop: let the session finish its step, write a checkpoint and end"),
    key(&["c"], Verb::Checkpoint, "", "Write a checkpoint now"),
    key(&["i"], Verb::Sample, "", "Write sample pictures now"),
    key(&["L"], Verb::LearningRate, "", "Set the learning rate"),
];

/// Grids in turn: columns and rows, 0 for what looks well.
const GRIDS: [(usize, usize); 8] = [(0, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (4, 3), (grid::MOST, grid::MOST)];

/// Do what a verb says.
pub fn act(run: &mut Run, verb: Verb, cx: &mut Cx<'_>) {
    let (span, extent) = (run.span(), run.extent());
    match verb {
        Verb::ZoomIn => run.lens.zoom(0.5, None, span, extent),
        Verb::ZoomOut => run.lens.zoom(2.0, None, span, extent),
        Verb::ZoomAll => run.lens.window = Window::All,
        Verb::PanLeft => run.lens.pan(-0.25, span, extent),
        Verb::PanRight => run.lens.pan(0.25, span, extent),
        Verb::FarLeft => run.walk(-10.0),
        Verb::FarRight => run.walk(10.0),
        Verb::Follow => follow(run, cx),
        Verb::Smoother => smooth(run, run.settings.smoothing + 1, cx),
        Verb::Rougher => smooth(run, run.settings.smoothing.saturating_sub(1), cx),
        Verb::Axis => {
            run.settings.axis = run.settings.axis.next();
            // A place on one axis is none on another.
            run.lens.reset();
            run.pane.settle();
        }
        Verb::LogX => {
            run.lens.log = !run.lens.log;
            run.lens.window = Window::All;
        }
        Verb::LogY => toggle(&mut run.settings.log_y, run.series.get(run.focus)),
        Verb::Outliers => run.settings.cut_outliers = !run.settings.cut_outliers,
        Verb::Grid => {
            let now = GRIDS.iter().position(|it| *it == (run.settings.columns, run.settings.rows));
            (run.settings.columns, run.settings.rows) = GRIDS[now.map_or(0, |at| (at + 1) % GRIDS.len())];
        }
        Verb::Alone => run.alone = !run.alone,
        Verb::Filter => ask_filter(run, cx),
        Verb::Pane => show(run, run.settings.pane.next(), cx),
        Verb::Show(pane) => show(run, pane, cx),
        Verb::Tall => {
            run.tall = !run.tall;
            if run.settings.pane == Pane::Nothing {
                show(run, Pane::Events, cx);
            }
        }
        Verb::PaneUp => run.scroll_pane(-1, view::pane_area(run, cx.shared.body())),
        Verb::PaneDown => run.scroll_pane(1, view::pane_area(run, cx.shared.body())),
        Verb::NextEvent => run.go_to_next_event(true, cx),
        Verb::PreviousEvent => run.go_to_next_event(false, cx),
        Verb::Pin => {
            toggle(&mut run.settings.pinned, run.series.get(run.focus));
            run.arrange();
        }
        Verb::Earlier => shift(run, -1),
        Verb::Later => shift(run, 1),
        Verb::Pause => {
            let paused = cx.shared.opened().and_then(|it| it.state) == Some(State::Paused);
            run.request(if paused { Request::Resume } else { Request::Pause }, cx);
        }
        Verb::Stop => ask_stop(run, cx),
        Verb::Checkpoint => run.request(Request::Checkpoint, cx),
        Verb::Sample => run.request(Request::Sample, cx),
        Verb::LearningRate => {
            if let Some(listing) = cx.shared.opened().cloned() {
                steer::ask_lr(&listing, cx);
            }
        }
    }
    run.reveal();
    run.ask(cx);
    run.ask_pictures(cx);
}

/// Turn to a part of what lies beneath the charts.
fn show(run: &mut Run, pane: Pane, cx: &mut Cx<'_>) {
    run.settings.pane = pane;
    run.tall &= pane != Pane::Nothing;
    run.pane.settle();
    run.look_for_pictures(cx);
}

/// A run that ends by a slip of the finger costs hours: asked first.
fn ask_stop(run: &mut Run, cx: &mut Cx<'_>) {
    match cx.shared.opened() {
        Some(listing) if listing.state.is_some_and(State::is_active) => {
            let purpose = layers::Purpose::Run(Purpose::Stop(listing.id.clone()));
            let confirm = Confirm::stop(listing, purpose);
            cx.open(Layer::Confirm(confirm));
        }
        _ => run.request(Request::Stop, cx),
    }
}

fn follow(run: &mut Run, cx: &mut Cx<'_>) {
    let (from, to) = run.span();
    run.lens.window = match run.lens.window {
        Window::Last(_) => Window::Fixed(from, to),
        Window::All => Window::All,
        Window::Fixed(..) => Window::Last(to - from),
    };
    run.lens.crosshair = None;
    run.pane.settle();
    let words = match run.lens.window {
        Window::All => "the whole run is in view, and grows",
        Window::Last(_) => "following the newest end",
        Window::Fixed(..) => "standing still",
    };
    cx.say(words, Tone::Plain);
}

fn smooth(run: &mut Run, level: usize, cx: &mut Cx<'_>) {
    run.settings.smoothing = level.min(HALF_LIVES.len() - 1);
    let half_life = run.half_life();
    let words =
        if half_life > 0.0 { format!("smoothing: half-life {half_life} steps") } else { "smoothing: none".to_owned() };
    cx.say(words, Tone::Plain);
}

fn toggle(list: &mut Vec<String>, name: Option<&String>) {
    let Some(name) = name else { return };
    match list.iter().position(|it| it == name) {
        Some(at) => drop(list.remove(at)),
        None => list.push(name.clone()),
    }
}

/// Move the chart in focus among its like: pinned charts among the pinned, others by writing down the order that is
/// then on the screen.
fn shift(run: &mut Run, by: isize) {
    let Some(to) = run.focus.checked_add_signed(by).filter(|to| *to < run.series.len()) else { return };
    let settings = &mut run.settings;
    let pinned = |settings: &Settings, name: &String| settings.pinned.iter().position(|it| it == name);
    let (moved, other) = (run.series[run.focus].clone(), run.series[to].clone());
    match (pinned(settings, &moved), pinned(settings, &other)) {
        (Some(a), Some(b)) => settings.pinned.swap(a, b),
        (None, None) => {
            run.series.swap(run.focus, to);
            let upto = to.max(run.focus) + 1;
            let mut order: Vec<String> = run.series[..upto].to_vec();
            order.retain(|name| pinned(settings, name).is_none());
            // What was moved before keeps its place behind.
            let rest = settings.order.iter().filter(|name| !order.contains(name)).cloned().collect::<Vec<_>>();
            order.extend(rest);
            settings.order = order;
        }
        // Out of the pinned ones, or into them, leads the pin alone.
        _ => return,
    }
    run.focus = to;
    run.arrange();
}
