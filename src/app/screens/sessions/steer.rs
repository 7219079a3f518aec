//! Commands to the process of a session, and processes for sessions that have none.

use crate::app::effect::Lane;
use crate::app::layers::{self, Confirm, Kind, Layer, Prompt};
use crate::app::screens::sessions::start::{Start, start};
use crate::app::screens::sessions::{Purpose, Sessions, Verb};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::session::control::Request;
use crate::session::{Listing, State};

/// The largest learning rate that a process takes.
const LARGEST_LR: f64 = 1.0;
/// Series with the learning rate as it is now.
const RATES: [&str; 3] = ["lr/generator", "lr/adapter", "lr"];

/// Do what a verb says to the session.
pub fn act(verb: Verb, listing: &Listing, cx: &mut Cx<'_>) {
    let request = match verb {
        Verb::Pause if listing.state == Some(State::Paused) => Request::Resume,
        Verb::Pause => Request::Pause,
        Verb::Stop => return ask_stop(listing, cx),
        Verb::Checkpoint => Request::Checkpoint,
        Verb::Sample => Request::Sample,
        Verb::LearningRate => return ask_lr(listing, cx),
        Verb::Branch => return layers::open_launch(Kind::Branch(listing.id.clone()), cx),
        _ => return,
    };
    if takes_commands(&request.to_string(), listing, cx) {
        cx.command(&listing.id, request);
    }
}

/// Whether the session's process can be asked for `what`; if not, why is said.
fn takes_commands(what: &str, listing: &Listing, cx: &mut Cx<'_>) -> bool {
    let name = &listing.name;
    let why = match listing.state {
        Some(State::Running | State::Paused) => return true,
        Some(State::Starting) => "still prepares: ask again when it runs",
        Some(State::Stopped) => "was stopped: r goes on with it",
        Some(State::Failed) => "has failed: r goes on with it",
        Some(State::Crashed) => "has crashed: r goes on with it",
        Some(State::Finished) => "has finished: there is no process to ask",
        None => "cannot be read: whether it runs is not known",
    };
    cx.say(format!("{what}: {name} {why}"), Tone::Warn);
    false
}

/// A run that ends by a slip of the finger costs hours: asked first.
fn ask_stop(listing: &Listing, cx: &mut Cx<'_>) {
    if takes_commands(&Request::Stop.to_string(), listing, cx) {
        let purpose = layers::Purpose::Sessions(Purpose::Stop(listing.id.clone()));
        cx.open(Layer::Confirm(Confirm::stop(listing, purpose)));
    }
}

/// Ask for a learning rate, of a session that can take one.
pub fn ask_lr(listing: &Listing, cx: &mut Cx<'_>) {
    if !takes_commands("set lr", listing, cx) {
        return;
    }
    let now = listing.first_of(&RATES).map(|(_, latest)| format!("{:e}", latest.value)).unwrap_or_default();
    let purpose = layers::Purpose::Sessions(Purpose::LearningRate(listing.id.clone()));
    let prompt = Prompt::new(format!("learning rate of {}", listing.name), &now, purpose)
        .help("the base rate, before schedule and per-network factors; takes effect at the next step")
        .check(rate);
    cx.open(Layer::Prompt(prompt));
}

fn rate(text: &str) -> Result<(), String> {
    match text.trim().parse::<f64>() {
        Ok(rate) if (0.0..=LARGEST_LR).contains(&rate) => Ok(()),
        Ok(_) => Err(format!("a learning rate is a number from 0 to {LARGEST_LR}")),
        Err(_) => Err(format!("`{}` is no number; write it like 1e-4", text.trim())),
    }
}

/// Send the rate that was typed.
pub fn set_lr(id: &str, text: &str, cx: &mut Cx<'_>) {
    cx.command(id, Request::Set { key: "lr".to_owned(), value: text.trim().to_owned() });
}

impl Sessions {
    /// Go on with a session that ended early.
    pub(super) fn resume(&mut self, listing: &Listing, cx: &mut Cx<'_>) {
        let name = &listing.name;
        let why = match listing.state {
            Some(State::Stopped | State::Failed | State::Crashed) if self.resuming.contains(&listing.id) => {
                "is being taken up already"
            }
            Some(State::Stopped | State::Failed | State::Crashed) => {
                self.resuming.push(listing.id.clone());
                cx.say(format!("resume: {name} is taken up again; it prepares first"), Tone::Plain);
                let (root, what) = (cx.shared.root.clone(), Start::Resume { id: listing.id.clone() });
                return cx.work(Lane::Each, move || start(&root, &what));
            }
            Some(State::Running | State::Starting) => "runs already",
            Some(State::Paused) => "is paused: p lets it go on",
            Some(State::Finished) => "has done all its epochs: b begins a branch with more of them",
            None => "cannot be read: there is nothing to go on with",
        };
        cx.say(format!("resume: {name} {why}"), Tone::Warn);
    }
}
