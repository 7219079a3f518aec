//! The verbs of pairs and their keys.

use crate::app::action;
use crate::app::keymap::Binding;
use crate::app::layers::{self, Layer, Prompt};
use crate::app::screens::dataset::checks::Running;
use crate::app::screens::dataset::{Dataset, Purpose};
use crate::app::shared::Cx;
use crate::app::toast::Tone;

/// What can be done with pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Which pairs.
    Filter,
    /// Look for what is wrong.
    Check,
    /// Only those with problems, or all again.
    Problems,
    /// Read everything anew.
    Reload,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Dataset(verb), hint, help)
}

/// The keys.
pub const BINDINGS: &[Binding] = &[
    key(&["/"], Verb::Filter, "filter", "Which pairs: words of id, source, side, problems"),
    key(&["c"], Verb::Check, "check", "Look for damaged, shifted, doubled and leaking pairs"),
    key(&["p"], Verb::Problems, "problems", "Only pairs with problems, or all again"),
    key(&["R"], Verb::Reload, "", "Read the dataset anew"),
];

/// Do what a verb says.
pub fn act(dataset: &mut Dataset, verb: Verb, cx: &mut Cx<'_>) {
    match verb {
        Verb::Filter => {
            let prompt = Prompt::new("pairs", &dataset.filter, layers::Purpose::Dataset(Purpose::Filter))
                .help("words that a pair has: 0012, landscape, held, synthetic, leak")
                .live();
            cx.open(Layer::Prompt(prompt));
        }
        Verb::Check => check(dataset, cx),
        Verb::Problems => {
            dataset.only_problems = !dataset.only_problems;
            if dataset.only_problems && dataset.findings.is_none() {
                cx.say("only what is no pair is known so far; c looks for more", Tone::Plain);
            }
            dataset.arrange();
        }
        Verb::Reload => dataset.read(cx),
    }
    dataset.ask(cx);
}

fn check(dataset: &mut Dataset, cx: &mut Cx<'_>) {
    if dataset.running.is_some() {
        cx.say("the checks are running", Tone::Plain);
        return;
    }
    if let Some(Ok(pairs)) = &dataset.pairs {
        dataset.running = Some(Running::begin(pairs, cx));
    }
}
