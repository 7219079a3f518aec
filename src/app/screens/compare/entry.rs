//! What is compared: single sessions, or the seeds of one recipe as one.

use crate::app::data::{CurvesAnswer, Plot};
use crate::app::shared::Shared;
use crate::app::text;
use crate::report::quantity::Better;

/// Characters of a name in the legend and above a column.
const NAME: usize = 24;
/// A common beginning of names that is worth being a group's name.
const STEM: usize = 3;

/// One line of every chart, one column of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The sessions, by id: one, or the members of a group.
    pub ids: Vec<String>,
    /// What it is called.
    pub label: String,
    /// Place of its colour.
    pub colour: usize,
}

impl Entry {
    /// Whether several sessions stand behind it.
    pub fn is_group(&self) -> bool {
        self.ids.len() > 1
    }
}

/// What is compared, in the order of the sessions; `groups` are places in `ids`.
pub fn entries(ids: &[String], groups: &[Vec<usize>], shared: &Shared) -> Vec<Entry> {
    let mut placed = vec![false; ids.len()];
    let mut found = Vec::new();
    for place in 0..ids.len() {
        if placed[place] {
            continue;
        }
        let alone = vec![place];
        let members = groups.iter().find(|group| group.contains(&place)).unwrap_or(&alone);
        for &member in members {
            placed[member] = true;
        }
        let ids: Vec<String> = members.iter().map(|&member| ids[member].clone()).collect();
        found.push(Entry { label: label(&ids, shared), colour: shared.colour(&ids[0]), ids });
    }
    // Two of one name are told apart by what no other has.
    let twice: Vec<bool> =
        found.iter().map(|one| found.iter().filter(|it| it.label == one.label).count() > 1).collect();
    for (entry, _) in found.iter_mut().zip(twice).filter(|(_, twice)| *twice) {
        entry.label = text::fit(&entry.ids[0], NAME, shared.glyphs.ellipsis);
    }
    found
}

fn label(ids: &[String], shared: &Shared) -> String {
    let name = |id: &String| shared.listing(id).map_or_else(|| id.clone(), |listing| listing.name.clone());
    let first = ids.first().map(name).unwrap_or_default();
    if ids.len() < 2 {
        return text::fit(&first, NAME, shared.glyphs.ellipsis);
    }
    let mut stem = first.as_str();
    for other in ids.iter().skip(1).map(name) {
        let same = stem.chars().zip(other.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        stem = &stem[..same];
    }
    let stem = stem.trim_end_matches("seed").trim_end_matches(['-', '_', ' ', '.']);
    let stem = if stem.chars().count() < STEM { first.as_str() } else { stem };
    let tail = format!(" n={}", ids.len());
    text::fit(stem, NAME - tail.len(), shared.glyphs.ellipsis) + &tail
}

/// Which value of a series the table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The newest.
    #[default]
    Final,
    /// The best so far; of a series without a better and a worse the newest.
    Best,
    /// What stands at the crosshair.
    Here,
}

impl Which {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Final => Self::Best,
            Self::Best => Self::Here,
            Self::Here => Self::Final,
        }
    }

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Best => "best",
            Self::Here => "at the crosshair",
        }
    }
}

/// A value of an entry in a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// The value: smoothed where the chart is, the mean of a group.
    pub value: f64,
    /// Of which step.
    pub step: i64,
}

/// What the table says of an entry in a series; none where it has no such series, or nothing there.
pub fn reading(plot: &Plot, answer: &CurvesAnswer, entry: &Entry, which: Which) -> Option<Reading> {
    let better = Better::of(&plot.series);
    if entry.is_group()
        && let Some(line) = plot.groups.iter().find(|line| is_group(answer, line.group, entry))
    {
        let spot = |spot: Option<crate::app::data::Spot>| spot.map(|it| Reading { value: it.mean, step: it.step });
        return match which {
            Which::Here => spot(line.at),
            Which::Best => best(better, line.ends).or_else(|| spot(line.last)),
            Which::Final => spot(line.last),
        };
    }
    let id = |session: usize| answer.sessions.get(session).map(|facts| &facts.id);
    let line = plot.lines.iter().find(|line| id(line.session).is_some_and(|id| entry.ids.contains(id)))?;
    let newest = || {
        let last = line.last?;
        Some(Reading { value: line.last_smoothed.unwrap_or(last.value), step: last.step })
    };
    match which {
        Which::Here => line.at.map(|at| Reading { value: at.smoothed.unwrap_or(at.value), step: at.step }),
        Which::Best => best(better, line.ends).or_else(newest),
        Which::Final => newest(),
    }
}

/// Whether group number `group` of an answer is this entry.
pub fn is_group(answer: &CurvesAnswer, group: usize, entry: &Entry) -> bool {
    let Some(members) = answer.groups.get(group) else { return false };
    let ids = members.iter().filter_map(|&place| answer.sessions.get(place)).map(|facts| &facts.id);
    ids.eq(entry.ids.iter())
}

fn best(better: Better, ends: Option<(crate::record::Mark, crate::record::Mark)>) -> Option<Reading> {
    let (low, high) = ends?;
    let mark = match better {
        Better::Higher => high,
        Better::Lower => low,
        Better::Neither => return None,
    };
    Some(Reading { value: mark.y, step: mark.x as i64 })
}
