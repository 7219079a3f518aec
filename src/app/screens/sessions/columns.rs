//! The columns of the table: what each shows, how wide it is, which goes when there is no room, how it sorts.

use std::cmp::Ordering;

use ratatui::style::Style;
use serde::{Deserialize, Serialize};

use crate::app::eta;
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::meter;
use crate::config::Metric;
use crate::report::number;
use crate::session::{Latest, Listing, State};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    State,
    Name,
    Track,
    Epoch,
    Progress,
    Steps,
    Eta,
    Loss,
    Trend,
    Metric,
    Best,
    Speed,
    Device,
    Age,
    Tags,
}

/// Spaces between two columns.
pub const GAP: u16 = 2;
/// Cells left of the first column: the cursor, the mark and a space.
pub const MARGIN: u16 = 3;
/// What the row of a session that can go on offers, as there is room.
const OFFERS: [&str; 2] = ["r resumes", "resume"];

/// A piece of a cell.
pub type Piece = (String, Style);

impl Column {
    /// From left to right.
    pub const ALL: [Self; 15] = [
        Self::State,
        Self::Name,
        Self::Track,
        Self::Epoch,
        Self::Progress,
        Self::Steps,
        Self::Eta,
        Self::Loss,
        Self::Trend,
        Self::Metric,
        Self::Best,
        Self::Speed,
        Self::Device,
        Self::Age,
        Self::Tags,
    ];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Name => "name",
            Self::Track => "track",
            Self::Epoch => "epoch",
            Self::Progress => "progress",
            Self::Steps => "step",
            Self::Eta => "eta",
            Self::Loss => "loss",
            Self::Trend => "trend",
            Self::Metric => "val",
            Self::Best => "best",
            Self::Speed => "img/s",
            Self::Device => "device",
            Self::Age => "age",
            Self::Tags => "tags",
        }
    }

    /// Whether what it shows stands at its right edge.
    pub fn is_right(self) -> bool {
        matches!(
            self,
            Self::Epoch | Self::Steps | Self::Eta | Self::Loss | Self::Metric | Self::Best | Self::Speed | Self::Age
        )
    }

    /// Cells that it has at the least and at the most, by what it may hold; never by what it holds now, so that nothing
    /// moves while values change.
    fn widths(self, longest_name: u16, longest_tags: u16) -> (u16, u16) {
        match self {
            Self::State | Self::Speed => (7, 7),
            Self::Name => (longest_name.clamp(8, 16), longest_name.clamp(8, 40)),
            Self::Track => (9, 9),
            Self::Eta => (7, 9),
            Self::Progress => (8, 14),
            Self::Steps => (15, 15),
            Self::Epoch | Self::Loss | Self::Trend | Self::Best => (8, 8),
            Self::Metric => (12, 12),
            Self::Device => (6, 6),
            Self::Age => (5, 5),
            Self::Tags => (longest_tags.clamp(4, 12), longest_tags.clamp(4, 40)),
        }
    }

    /// How soon it goes when there is no room: the highest first, 0 never.
    fn leaves(self) -> u8 {
        match self {
            Self::Steps => 13,
            Self::Device => 12,
            Self::Tags => 11,
            Self::Track => 10,
            Self::Metric => 9,
            Self::Trend => 8,
            Self::Speed => 7,
            Self::Best => 6,
            Self::Age => 5,
            Self::Epoch => 4,
            Self::Eta => 3,
            Self::Loss => 2,
            Self::Progress => 1,
            Self::State | Self::Name => 0,
        }
    }

    /// Whether there is anything to show in it for this session. Columns that are empty for all are left out.
    fn is_filled(self, listing: &Listing) -> bool {
        match self {
            Self::Tags => !listing.tags.is_empty(),
            Self::Metric | Self::Best => listing.metric().is_some(),
            Self::Speed => listing.images_per_sec.is_some(),
            Self::Device => listing.device.is_some(),
            Self::Track => listing.track.is_some(),
            Self::Trend => !listing.trend.series.is_empty(),
            _ => true,
        }
    }
}

/// The columns that fit into `width` cells, with theirs. Of names and tags the longest of all counts, so that a filter
/// moves no column.
pub fn fitting(listings: &[Listing], width: u16) -> Vec<(Column, u16)> {
    // The last column does not touch the edge where there is room.
    let width = width - u16::from(width >= 60);
    let longest = |of: fn(&Listing) -> usize| listings.iter().map(of).max().unwrap_or(0).min(200) as u16;
    let name = longest(|listing| text::width(&listing.name));
    let tags = longest(|listing| text::width(&listing.tags.join(" ")));
    let mut shown: Vec<Column> =
        Column::ALL.into_iter().filter(|column| listings.iter().any(|listing| column.is_filled(listing))).collect();
    let needed = |shown: &[Column], name: u16| -> u16 {
        let cells: u16 = shown.iter().map(|column| column.widths(name, tags).0).sum();
        MARGIN + cells + GAP * (shown.len().saturating_sub(1)) as u16
    };
    // Names are cut before what stays goes.
    let kept: Vec<Column> = shown.iter().copied().filter(|it| it.leaves() <= Column::Loss.leaves()).collect();
    let longest_name = name;
    let name = if needed(&kept, name) > width { 0 } else { name };
    let least = |shown: &[Column]| needed(shown, name);
    while least(&shown) > width {
        let Some(goes) = shown.iter().copied().filter(|it| it.leaves() > 0).max_by_key(|it| it.leaves()) else { break };
        shown.retain(|column| *column != goes);
    }
    let mut spare = width.saturating_sub(least(&shown));
    let mut sized: Vec<(Column, u16)> = shown.into_iter().map(|column| (column, column.widths(name, tags).0)).collect();
    // Names first, as far as most need it; then the bar, the rest of the names, the tags.
    for (column, most) in
        [(Column::Name, 24), (Column::Eta, 9), (Column::Progress, 12), (Column::Name, 40), (Column::Tags, 40)]
    {
        let Some((_, cells)) = sized.iter_mut().find(|(it, _)| *it == column) else { continue };
        let grown = most.min(column.widths(longest_name, tags).1).max(*cells).min(*cells + spare);
        spare -= grown - *cells;
        *cells = grown;
    }
    sized
}

/// What a cell shows, piece by piece. `has_eta` says whether there is a column for the offer to resume.
pub fn cell(column: Column, cells: u16, has_eta: bool, listing: &Listing, shared: &Shared) -> Vec<Piece> {
    let (theme, glyphs) = (&shared.theme, &shared.glyphs);
    let one = |text: String, style: Style| vec![(text, style)];
    let offer = || OFFERS.into_iter().find(|words| words.len() <= usize::from(cells)).unwrap_or_default().to_owned();
    let crashed = matches!(listing.state, Some(State::Crashed | State::Failed));
    match column {
        Column::State => {
            let (sign, word) = glyphs.state(listing.state);
            one(format!("{sign} {word}"), theme.state(listing.state))
        }
        Column::Name => {
            let style = if listing.archived { theme.dim } else { theme.text };
            one(text::fit(&listing.name, usize::from(cells), glyphs.ellipsis), style)
        }
        Column::Track => one(listing.track.clone().unwrap_or_default(), theme.dim),
        Column::Epoch => one(of(listing.epoch.map(epochs), listing.total_epochs.map(epochs), glyphs.none), theme.text),
        Column::Progress if crashed && !has_eta => one(offer(), theme.warn),
        // A whole bar says no more than the state does.
        Column::Progress if listing.state == Some(State::Finished) => Vec::new(),
        Column::Progress => match listing.progress() {
            Some(share) => {
                let style = if listing.state.is_some_and(State::is_active) { theme.accent } else { theme.dim };
                let [full, rest] = meter::bar(share, usize::from(cells), glyphs);
                vec![(full, style), (rest, theme.rule)]
            }
            None => one(glyphs.none.to_owned(), theme.dim),
        },
        Column::Steps => {
            let count = |step: i64| number::count(step.unsigned_abs());
            one(of(listing.step.map(count), listing.total_steps.map(count), glyphs.none), theme.dim)
        }
        Column::Eta if crashed => one(offer(), theme.warn),
        Column::Eta => one(shared.paces.left(listing).map(eta::left).unwrap_or_default(), theme.text),
        Column::Loss => listing.loss().map(|(_, loss)| measured(loss, shared)).unwrap_or_default(),
        Column::Trend => {
            let values = shrunk(&listing.trend.values(), usize::from(cells));
            let style = if listing.state.is_some_and(State::is_active) { theme.accent } else { theme.dim };
            one(meter::spark(&values, glyphs), style)
        }
        Column::Metric => match newest_metric(listing) {
            Some((name, latest)) => {
                let value = number::value(latest.value);
                let room = usize::from(cells).saturating_sub(value.len());
                let label = text::fit(name.trim_start_matches("val/"), room.saturating_sub(1), "");
                vec![(format!("{label:<room$}"), theme.dim), (value, theme.text)]
            }
            None => Vec::new(),
        },
        Column::Best => listing.best_value().map(|(_, best)| measured(best, shared)).unwrap_or_default(),
        Column::Speed => one(listing.images_per_sec.map(number::value).unwrap_or_default(), theme.text),
        Column::Device => one(listing.device.clone().unwrap_or_default(), theme.dim),
        Column::Age => one(listing.age_secs(shared.now).map(eta::ago).unwrap_or_default(), theme.dim),
        Column::Tags => one(listing.tags.join(" "), theme.dim),
    }
}

/// `12/40`; a dash for what has not begun.
fn of(done: Option<String>, all: Option<String>, none: &str) -> String {
    match (done, all) {
        (None, None) => String::new(),
        (Some(done), None) => done,
        (done, Some(all)) => format!("{}/{all}", done.unwrap_or_else(|| none.to_owned())),
    }
}

/// `3.5`, and `3` where nothing would follow the point.
fn epochs(value: f64) -> String {
    if (value - value.round()).abs() < 0.05 || value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn measured(latest: Latest, shared: &Shared) -> Vec<Piece> {
    let style = if latest.value.is_finite() { shared.theme.text } else { shared.theme.bad };
    vec![(number::value(latest.value), style)]
}

/// Means of neighbours, so many that they fit.
fn shrunk(values: &[f64], cells: usize) -> Vec<f64> {
    if values.len() <= cells || cells == 0 {
        return values.to_vec();
    }
    let bound = |cell: usize| cell * values.len() / cells;
    let mean = |cell: usize| {
        let finite: Vec<f64> =
            values[bound(cell)..bound(cell + 1)].iter().copied().filter(|value| value.is_finite()).collect();
        if finite.is_empty() { f64::NAN } else { finite.iter().sum::<f64>() / finite.len() as f64 }
    };
    (0..cells).map(mean).collect()
}

/// The newest value of the metric that stands for quality.
pub fn newest_metric(listing: &Listing) -> Option<(&str, Latest)> {
    let name = listing.metric()?;
    listing.latest.get(name).map(|latest| (name, *latest))
}

/// Which of two sessions comes first by a column: what one looks for stands above (low losses, good metrics, fast and
/// young sessions). Sessions without a value come last, whichever way round.
pub fn order(column: Column, reversed: bool, a: &Listing, b: &Listing, shared: &Shared) -> Ordering {
    let turn = |order: Ordering| if reversed { order.reverse() } else { order };
    let texts = |a: &str, b: &str| match (a.is_empty(), b.is_empty()) {
        (false, false) => turn(a.to_lowercase().cmp(&b.to_lowercase())),
        (one, other) => one.cmp(&other),
    };
    let numbers = |of: &dyn Fn(&Listing) -> Option<f64>| match (of(a), of(b)) {
        (Some(x), Some(y)) if x.is_nan() || y.is_nan() => x.is_nan().cmp(&y.is_nan()),
        (Some(x), Some(y)) => turn(x.total_cmp(&y)),
        (x, y) => x.is_none().cmp(&y.is_none()),
    };
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    match column {
        Column::State => turn(rank(a.state).cmp(&rank(b.state))),
        Column::Name => texts(&a.name, &b.name),
        Column::Track => texts(&optional(&a.track), &optional(&b.track)),
        Column::Device => texts(&optional(&a.device), &optional(&b.device)),
        Column::Tags => texts(&a.tags.join(" "), &b.tags.join(" ")),
        Column::Epoch => numbers(&|it| it.epoch.map(|epoch| -epoch)),
        Column::Progress => numbers(&|it| it.progress().map(|share| -share)),
        Column::Steps => numbers(&|it| it.step.map(|step| -(step as f64))),
        Column::Eta => numbers(&|it| shared.paces.left(it)),
        Column::Loss | Column::Trend => numbers(&|it| it.loss().map(|(_, loss)| loss.value)),
        Column::Metric => metric_order(a, b, newest_metric, &numbers),
        Column::Best => metric_order(a, b, Listing::best_value, &numbers),
        Column::Speed => numbers(&|it| it.images_per_sec.map(|speed| -speed)),
        Column::Age => numbers(&|it| it.age_secs(shared.now)),
    }
}

/// Orders two sessions by a number that each may have.
type Numbers<'a> = &'a dyn Fn(&dyn Fn(&Listing) -> Option<f64>) -> Ordering;

/// By metric first: values of different ones say nothing about each other.
fn metric_order(
    a: &Listing,
    b: &Listing,
    of: fn(&Listing) -> Option<(&str, Latest)>,
    numbers: Numbers<'_>,
) -> Ordering {
    let by_name = match (of(a), of(b)) {
        (Some((x, _)), Some((y, _))) => x.cmp(y),
        _ => Ordering::Equal,
    };
    let score = |listing: &Listing| {
        let (name, latest) = of(listing)?;
        let higher = Metric::of_series(name).is_some_and(Metric::higher_is_better);
        Some(if higher { -latest.value } else { latest.value })
    };
    by_name.then_with(|| numbers(&score))
}

/// What runs first, then what wants to be looked at, then the rest.
fn rank(state: Option<State>) -> u8 {
    match state {
        Some(State::Running) => 0,
        Some(State::Paused) => 1,
        Some(State::Starting) => 2,
        Some(State::Crashed) => 3,
        Some(State::Failed) => 4,
        Some(State::Stopped) => 5,
        Some(State::Finished) => 6,
        None => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Folder, read_listing};

    fn listing(name: &str) -> Listing {
        let mut listing = read_listing(&Folder::new(format!("/nowhere/260101-100000-{name}")));
        name.clone_into(&mut listing.name);
        listing
    }

    fn full() -> Listing {
        let mut one = listing("hayao-512-l1");
        one.track = Some("pix2pixhd".to_owned());
        one.tags = vec!["paper".to_owned()];
        one.device = Some("cuda:0".to_owned());
        one.images_per_sec = Some(68.4);
        one.trend.push(&[("loss/g", 1.0)]);
        one.latest.insert("val/l1".to_owned(), Latest { step: 1, value: 0.1 });
        one
    }

    fn total(shown: &[(Column, u16)]) -> u16 {
        MARGIN + shown.iter().map(|(_, cells)| cells).sum::<u16>() + GAP * (shown.len() as u16 - 1)
    }

    #[test]
    fn state_name_progress_and_loss_stay_longest_and_nothing_is_wider_than_the_screen() {
        for width in 40..300 {
            let shown = fitting(&[full()], width);
            assert!(total(&shown) <= width, "{width}: {shown:?}");
            for column in [Column::State, Column::Name, Column::Progress, Column::Loss] {
                assert!(shown.iter().any(|(it, _)| *it == column), "{width}: {shown:?}");
            }
        }
        assert_eq!(fitting(&[full()], 40).len(), 4);
        assert_eq!(fitting(&[full()], 300).len(), Column::ALL.len());
    }

    #[test]
    fn columns_that_nobody_fills_are_left_out() {
        let shown = fitting(&[listing("a")], 300);
        assert!(!shown.iter().any(|(column, _)| matches!(column, Column::Tags | Column::Device | Column::Best)));
    }

    #[test]
    fn many_values_are_drawn_as_means_of_neighbours() {
        assert_eq!(shrunk(&[1.0, 3.0, f64::NAN, 5.0, f64::NAN, f64::NAN], 3)[..2], [2.0, 5.0]);
        assert!(shrunk(&[1.0, 3.0, f64::NAN, 5.0, f64::NAN, f64::NAN], 3)[2].is_nan());
        assert_eq!(shrunk(&[1.0, 2.0], 8), [1.0, 2.0]);
    }

    #[test]
    fn epochs_are_short() {
        assert_eq!([0.0, 3.5, 34.0, 99.98, 1234.5].map(epochs), ["0", "3.5", "34", "100", "1234"]);
    }
}
