//! The verbs of a comparison and their keys.

use crate::app::action::{self, AppVerb};
use crate::app::keymap::Binding;
use crate::app::layers::{self, Layer, Prompt};
use crate::app::screens::ScreenKind;
use crate::app::screens::compare::{Compare, GRIDS, HALF_LIVES, Part, Purpose};
use crate::app::screens::run::pattern;
use crate::app::shared::Cx;
use crate::app::toast::Tone;

/// What can be done with sessions side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The next part of the screen.
    NextPart,
    /// The table of values, or none.
    Table,
    /// What the configs differ in, or not.
    Config,
    /// Which value the table shows.
    Which,
    /// Measure against the chosen session.
    Baseline,
    /// The session before.
    ChoosePrevious,
    /// The next session.
    ChooseNext,
    /// Seeds of one recipe as one line, or each by itself.
    Seeds,
    /// What the band of a group is.
    Spread,
    /// The next x axis.
    Axis,
    /// More smoothing.
    Smoother,
    /// Less.
    Rougher,
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
    /// The next grid.
    Grid,
    /// Equal ratios on the y axis of the series in focus.
    LogY,
    /// Let single far values go off the edge.
    Outliers,
    /// Recorded values behind the smoothed lines, or not.
    Raw,
    /// Which series.
    Filter,
    /// Leave the chosen session out.
    Unmark,
    /// Open the chosen session by itself.
    Open,
}

const fn key(keys: &'static [&'static str], verb: Verb, hint: &'static str, help: &'static str) -> Binding {
    Binding::new(keys, action::Verb::Compare(verb), hint, help)
}

/// The keys.
pub const BINDINGS: &[Binding] = &[
    Binding::new(
        &["left", "h"],
        action::Verb::Move(action::Move::Left),
        "crosshair",
        "The crosshair to the left; in the table, the session before",
    ),
    Binding::new(
        &["right", "l"],
        action::Verb::Move(action::Move::Right),
        "",
        "The crosshair to the right; in the table, the next session",
    ),
    key(&["t"], Verb::Table, "table", "Show the table of values, or hide it"),
    key(&["v"], Verb::Which, "value", "Values of the table: final, best, at the crosshair"),
    key(&["d"], Verb::Config, "config", "Show what the configs differ in, or hide it"),
    key(&["s"], Verb::Seeds, "seeds", "Seeds of one recipe as mean and spread, or each by itself"),
    key(&["S"], Verb::Spread, "", "The spread of seeds: lowest to highest, or one standard deviation"),
    key(&["x"], Verb::Axis, "axis", "Next x axis: step, epoch, clock, time since the start"),
    key(&["m"], Verb::Smoother, "smooth", "Smooth more: half-life in steps"),
    key(&["M"], Verb::Rougher, "", "Smooth less"),
    key(&[">"], Verb::ChooseNext, "next", "Choose the next session"),
    key(&["<"], Verb::ChoosePrevious, "", "Choose the session before"),
    key(&["B"], Verb::Baseline, "baseline", "Measure the others against the chosen session"),
    key(&["u"], Verb::Unmark, "", "Leave the chosen session out of the comparison"),
    key(&["enter"], Verb::Open, "", "Open the chosen session by itself"),
    key(&["/"], Verb::Filter, "filter", "Which series: a part of the name or a regular expression"),
    key(&["g"], Verb::Grid, "grid", "Next grid: by size, 1x1, 2x1, 2x2, 3x2, 3x3"),
    key(&["+", "="], Verb::ZoomIn, "", "Zoom in around the crosshair, or at the newest end"),
    key(&["-"], Verb::ZoomOut, "", "Zoom out"),
    key(&["0"], Verb::ZoomAll, "", "The whole runs"),
    key(&[","], Verb::PanLeft, "", "Move the window to the left"),
    key(&["."], Verb::PanRight, "", "Move the window to the right"),
    key(&["shift-left", "["], Verb::FarLeft, "", "The crosshair ten cells to the left"),
    key(&["shift-right", "]"], Verb::FarRight, "", "The crosshair ten cells to the right"),
    key(&["y"], Verb::LogY, "", "Logarithmic y axis of the series in focus"),
    key(&["o"], Verb::Outliers, "", "Cut single far values off the y axis, marked at the edge"),
    key(&["b"], Verb::Raw, "", "Show the recorded values behind the smoothed lines, or hide them"),
    key(&["tab"], Verb::NextPart, "", "Next part of the screen: charts, table, config; then the next screen"),
];

/// Do what a verb says.
pub fn act(compare: &mut Compare, verb: Verb, cx: &mut Cx<'_>) {
    let columns = compare.columns() / 2;
    let (span, extent) = (compare.span(), compare.extent());
    let settings = &mut compare.settings;
    match verb {
        Verb::NextPart => next_part(compare, cx),
        Verb::Table => {
            settings.table = !settings.table;
            compare.part = if settings.table { Part::Table } else { Part::Charts };
        }
        Verb::Config => {
            settings.config = !settings.config;
            compare.part = if settings.config { Part::Config } else { Part::Charts };
        }
        Verb::Which => settings.which = settings.which.next(),
        Verb::Baseline => {
            let chosen = compare.entries.get(compare.chosen());
            compare.baseline = chosen.map(|entry| entry.ids[0].clone());
        }
        Verb::ChoosePrevious => compare.choose(-1),
        Verb::ChooseNext => compare.choose(1),
        Verb::Seeds => {
            settings.seeds = !settings.seeds;
            let alike = compare.configs.groups.iter().any(|group| group.len() > 1);
            if compare.settings.seeds && !alike {
                cx.say("no two of these differ in nothing but their seed", Tone::Plain);
            }
        }
        Verb::Spread => {
            settings.spread = settings.spread.next();
            cx.say(format!("spread of seeds: {}", settings.spread.word()), Tone::Plain);
        }
        Verb::Axis => {
            settings.axis = settings.axis.next();
            // A place on one axis is none on another.
            compare.lens.reset();
        }
        Verb::Smoother => smooth(compare, compare.settings.smoothing + 1, cx),
        Verb::Rougher => smooth(compare, compare.settings.smoothing.saturating_sub(1), cx),
        Verb::ZoomIn => compare.lens.zoom(0.5, None, span, extent),
        Verb::ZoomOut => compare.lens.zoom(2.0, None, span, extent),
        Verb::ZoomAll => compare.lens.window = crate::app::data::Window::All,
        Verb::PanLeft => compare.lens.pan(-0.25, span, extent),
        Verb::PanRight => compare.lens.pan(0.25, span, extent),
        Verb::FarLeft => compare.lens.walk(-10.0, columns, span),
        Verb::FarRight => compare.lens.walk(10.0, columns, span),
        Verb::Grid => settings.grid = (settings.grid + 1) % GRIDS.len(),
        Verb::LogY => {
            if let Some(series) = compare.series.get(compare.focus) {
                match settings.log_y.iter().position(|it| *it == series.name) {
                    Some(at) => drop(settings.log_y.remove(at)),
                    None => settings.log_y.push(series.name.clone()),
                }
            }
        }
        Verb::Raw => settings.raw = !settings.raw,
        Verb::Outliers => settings.cut_outliers = !settings.cut_outliers,
        Verb::Filter => ask_filter(compare, cx),
        Verb::Unmark => unmark(compare, cx),
        Verb::Open => {
            if let Some(entry) = compare.entries.get(compare.chosen()) {
                cx.shared.open = Some(entry.ids[0].clone());
                cx.then.push(action::Verb::App(AppVerb::Go(ScreenKind::Run)));
                return;
            }
        }
    }
    compare.ask(cx);
}

fn smooth(compare: &mut Compare, level: usize, cx: &mut Cx<'_>) {
    compare.settings.smoothing = level.min(HALF_LIVES.len() - 1);
    let half_life = compare.half_life();
    let words =
        if half_life > 0.0 { format!("smoothing: half-life {half_life} steps") } else { "smoothing: none".to_owned() };
    cx.say(words, Tone::Plain);
}

/// Charts, table, config, as far as they are shown; after the last the next screen.
fn next_part(compare: &mut Compare, cx: &mut Cx<'_>) {
    let settings = &compare.settings;
    let shown = [(Part::Charts, true), (Part::Table, settings.table), (Part::Config, settings.config)];
    let mut after = shown.iter().skip_while(|(part, _)| *part != compare.part).skip(1);
    if let Some((part, _)) = after.find(|(_, shown)| *shown) {
        compare.part = *part;
    } else {
        compare.part = Part::Charts;
        cx.then.push(action::Verb::App(AppVerb::NextScreen));
    }
}

fn unmark(compare: &mut Compare, cx: &mut Cx<'_>) {
    let Some(entry) = compare.entries.get(compare.chosen()) else { return };
    let ids = entry.ids.clone();
    if !cx.shared.marked.iter().any(|id| ids.contains(id)) {
        return;
    }
    cx.shared.marked.retain(|id| !ids.contains(id));
    cx.say(format!("{}: not compared any more", entry.label), Tone::Plain);
    compare.choose_sessions(cx);
}

fn ask_filter(compare: &Compare, cx: &mut Cx<'_>) {
    let prompt = Prompt::new("series", &compare.filter, layers::Purpose::Compare(Purpose::Filter))
        .help("a part of the name or a regular expression: loss|val, ^gpu0/.*percent")
        .check(|text| pattern(text).map(|_| ()))
        .live();
    cx.open(Layer::Prompt(prompt));
}
