//! The verbs of samples and their keys.

use crate::app::action;
use crate::app::keymap::Binding;
use crate::app::screens::samples::{Against, Samples, View};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::report::number;
use crate::session::State;
use crate::session::control::Request;

/// What can be done with samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The next way of looking.
    View,
    /// Mark this step, to compare others with it.
    Mark,
    /// Compare with something else.
    Against,
    /// The seam to the left.
    SeamLeft,
    /// The seam to the right.
    SeamRight,
    /// Larger: twice, four times, whole again.
    Zoom,
    /// What is seen, a part to the left.
    PanLeft,
    /// To the right.
    PanRight,
    /// Upwards.
    PanUp,
    /// Downwards.
    PanDown,
    /// To the step that was measured best.
    Best,
    /// Show the newest as it comes.
    Follow,
    /// Samples now.
    Sample,
    /// Smaller differences in full colour.
    Finer,
    /// Only larger ones.
    Coarser,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Samples(verb), hint, help)
}

/// The keys.
pub const BINDINGS: &[Binding] = &[
    Binding::new(&["left", "h"], action::Verb::Move(action::Move::Left), "step", "The step before; right for the next"),
    Binding::new(&["up", "k"], action::Verb::Move(action::Move::Up), "sample", "The sample before; down for the next"),
    key(&["v"], Verb::View, "view", "Next view: three pictures, wipe, difference"),
    key(&["a"], Verb::Mark, "mark A", "Mark this step as A and compare others with it"),
    key(&["o"], Verb::Against, "against", "Compare with: the target, A, each session marked for comparison"),
    key(&["<", ","], Verb::SeamLeft, "", "Move the seam of the wipe to the left"),
    key(&[">", "."], Verb::SeamRight, "", "Move the seam of the wipe to the right"),
    key(&["z"], Verb::Zoom, "zoom", "Twice as large, four times, all of it again"),
    key(&["H", "shift-left"], Verb::PanLeft, "", "Zoomed: to the left"),
    key(&["L", "shift-right"], Verb::PanRight, "", "Zoomed: to the right"),
    key(&["K", "shift-up"], Verb::PanUp, "", "Zoomed: upwards"),
    key(&["J", "shift-down"], Verb::PanDown, "", "Zoomed: downwards"),
    key(&["+", "="], Verb::Finer, "", "Difference: a smaller scale, for smaller differences"),
    key(&["-"], Verb::Coarser, "", "Difference: a larger scale"),
    key(
        &["b"],
        Verb::Best,
        "best",
        "Go to the step that was measured best on held-out pairs, or the nearest with samples",
    ),
    key(&["f"], Verb::Follow, "follow", "Show the newest samples as they come"),
    key(&["i"], Verb::Sample, "sample now", "Let the session write samples now"),
];

/// How far a key moves the seam, in thousandths of the picture.
const SEAM: i32 = 25;
/// How far a key pans, in thousandths of the picture at a zoom of 1.
const PAN: i32 = 250;

/// Do what a verb says.
pub fn act(samples: &mut Samples, verb: Verb, cx: &mut Cx<'_>) {
    match verb {
        Verb::View => samples.settings.view = samples.settings.view.next(),
        Verb::Mark => mark(samples, cx),
        // What a key does must show: it brings the view that it belongs to.
        Verb::Against if samples.settings.view == View::Triple => samples.settings.view = View::Wipe,
        Verb::Against => samples.against = samples.next_against(cx.shared),
        Verb::SeamLeft | Verb::SeamRight if samples.settings.view != View::Wipe => samples.settings.view = View::Wipe,
        Verb::SeamLeft => seam(samples, -SEAM),
        Verb::SeamRight => seam(samples, SEAM),
        Verb::Finer | Verb::Coarser if samples.settings.view != View::Difference => {
            samples.settings.view = View::Difference;
        }
        Verb::Zoom => samples.zoom_to(if samples.seen.zoom >= 4 { 1 } else { samples.seen.zoom * 2 }),
        Verb::PanLeft => samples.pan(-PAN, 0),
        Verb::PanRight => samples.pan(PAN, 0),
        Verb::PanUp => samples.pan(0, -PAN),
        Verb::PanDown => samples.pan(0, PAN),
        Verb::Follow => {
            samples.follow = !samples.follow;
            if samples.follow {
                samples.newest();
            }
        }
        Verb::Best => best(samples, cx),
        Verb::Sample => sample(cx),
        Verb::Finer => samples.settings.scale = (samples.settings.scale + 1).min(super::SCALES.len() - 1),
        Verb::Coarser => samples.settings.scale = samples.settings.scale.saturating_sub(1),
    }
    samples.ask(cx);
}

fn mark(samples: &mut Samples, cx: &mut Cx<'_>) {
    let Some(step) = samples.step() else { return };
    if samples.mark == Some(step) {
        samples.mark = None;
        samples.against = Against::Target;
        cx.say("A is not marked any more", Tone::Plain);
    } else {
        samples.mark = Some(step);
        samples.against = Against::Mark;
        let next = if samples.settings.view == View::Triple { "; v shows others beside it" } else { "" };
        cx.say(format!("A is step {step}{next}"), Tone::Plain);
    }
}

fn best(samples: &mut Samples, cx: &mut Cx<'_>) {
    let found = cx.shared.opened().and_then(|listing| {
        let (name, best) = listing.best_value()?;
        Some((best.step, format!("the best {name}, {}, was measured at step {}", number::value(best.value), best.step)))
    });
    let Some((step, words)) = found else {
        cx.say("nothing was measured on held-out pairs", Tone::Warn);
        return;
    };
    let Some(own) = samples.own() else { return };
    let Some(at) = own.nearest(step) else { return };
    let shown = own.steps[at].step;
    let nearest = if shown == step { String::new() } else { format!("; step {shown} is the nearest with samples") };
    samples.go_to(at);
    cx.say(words + &nearest, Tone::Plain);
}

fn seam(samples: &mut Samples, by: i32) {
    samples.seam = (i32::from(samples.seam) + by).clamp(0, 1000) as u16;
}

fn sample(cx: &mut Cx<'_>) {
    let Some(id) = cx.shared.open.clone() else { return };
    match cx.shared.opened().and_then(|it| it.state) {
        Some(state) if state.is_active() => cx.command(&id, Request::Sample),
        state => {
            let word = state.map_or("unreadable", State::word);
            cx.say(format!("sample: nothing to ask, the session is {word}"), Tone::Warn);
        }
    }
}
