//! The language in which lists of sessions are asked: `state:running track:pix loss<0.1 -tag:old hayao`.
//!
//! Words that must all fit. `-` or `!` in front turns one round; double quotes hold spaces together. Archived sessions
//! fit nothing that does not say `archived:yes` (only those) or `archived:all`.

use std::fmt;

use jiff::Timestamp;

use super::{Listing, State};
use crate::config;

/// A whole filter. The empty one fits every session that is not archived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    terms: Vec<Term>,
    archived: Archived,
}

/// What a filter says about archived sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Archived {
    #[default]
    No,
    Yes,
    All,
}

/// One word.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Part of the id, the name, the notes or a tag.
    Part(String),
    /// `state:run`: the beginning of a state's word.
    State(String),
    /// `tag:paper`: a whole tag.
    Tag(String),
    /// `track:sd`: the beginning of a text.
    Begins(Field, String),
    /// `name:hayao`: a part of a text.
    Holds(Field, String),
    /// `val/l1<0.1`: a number against a limit.
    Value { what: String, compare: Compare, limit: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Track,
    Name,
    Id,
    Notes,
    Host,
    Device,
    Parent,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Different,
}

/// What can stand before a `:`.
const KEYS: [&str; 10] = ["state", "track", "tag", "name", "id", "notes", "host", "device", "parent", "archived"];
/// Other words for states, as the dashboard shows them.
const SHORT: [(&str, State); 4] =
    [("done", State::Finished), ("died", State::Crashed), ("waits", State::Paused), ("prepares", State::Starting)];
const STATES: [State; 7] =
    [State::Starting, State::Running, State::Paused, State::Finished, State::Stopped, State::Failed, State::Crashed];

/// A line that says what can be asked.
pub const HELP: &str = "words that must all fit: state:running track:pix tag:paper name:hayao loss<0.1 val/l1<=0.08 best/ssim>0.7 epoch>=10 \
     age<2h archived:yes, any part of id, name, tags or notes; - in front turns one round";

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    /// The word.
    pub word: String,
    /// Its place in the text, in characters from 1; absent where it was a word by itself.
    pub column: Option<usize>,
    /// What is wrong, and what can be written instead.
    pub problem: String,
}

impl std::error::Error for FilterError {}

impl fmt::Display for FilterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(column) = self.column {
            write!(out, "column {column}, ")?;
        }
        write!(out, "`{}`: {}", self.word.escape_debug(), self.problem)
    }
}

impl Filter {
    /// Understand a line.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for (column, word) in words(text)? {
            filter.add(&word).map_err(|problem| FilterError { word, column: Some(column), problem })?;
        }
        Ok(filter)
    }

    /// Understand words that were taken apart already, as a shell does.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, FilterError> {
        let mut filter = Self::default();
        for word in words.into_iter().filter(|word| !word.trim().is_empty()) {
            filter.add(word).map_err(|problem| FilterError { word: word.to_owned(), column: None, problem })?;
        }
        Ok(filter)
    }

    /// Whether it leaves everything that is not archived.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a session fits, at a time that ages are counted to.
    pub fn fits(&self, listing: &Listing, now: Timestamp) -> bool {
        let shown = match self.archived {
            Archived::No => !listing.archived,
            Archived::Yes => listing.archived,
            Archived::All => true,
        };
        shown && self.terms.iter().all(|term| term.test.fits(listing, now) != term.negated)
    }

    fn add(&mut self, word: &str) -> Result<(), String> {
        let (negated, rest) = match word.strip_prefix(['-', '!']) {
            Some("") => return Err("a word to turn round must follow".to_owned()),
            Some(rest) => (true, rest),
            None => (false, word),
        };
        if let Some((key, value)) = rest.split_once([':', '='])
            && key.eq_ignore_ascii_case("archived")
        {
            self.archived = match (value.to_lowercase().as_str(), negated) {
                ("yes" | "only", false) | ("no", true) => Archived::Yes,
                ("no", false) | ("yes" | "only", true) => Archived::No,
                ("all" | "any", false) => Archived::All,
                _ => return Err("archived is yes (only those), no or all".to_owned()),
            };
            return Ok(());
        }
        self.terms.push(Term { negated, test: test(rest)? });
        Ok(())
    }
}

/// The words of a line with their places.
fn words(text: &str) -> Result<Vec<(usize, String)>, FilterError> {
    let mut words: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut quote: Option<usize> = None;
    for (index, c) in text.chars().enumerate() {
        if c == '"' {
            quote = if quote.is_some() { None } else { Some(index + 1) };
            open.get_or_insert((index + 1, String::new()));
        } else if c.is_whitespace() && quote.is_none() {
            words.extend(open.take());
        } else {
            open.get_or_insert((index + 1, String::new())).1.push(c);
        }
    }
    words.extend(open);
    match quote {
        None => Ok(words.into_iter().filter(|(_, word)| !word.is_empty()).collect()),
        Some(column) => Err(FilterError {
            word: text.chars().skip(column - 1).collect(),
            column: Some(column),
            problem: "the quote is not closed".to_owned(),
        }),
    }
}

fn test(word: &str) -> Result<Test, String> {
    const WAYS: [(&str, Compare); 7] = [
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("!=", Compare::Different),
        ("==", Compare::Equal),
        ("<", Compare::Less),
        (">", Compare::Greater),
        ("=", Compare::Equal),
    ];
    let Some(at) = word.find([':', '<', '>', '=', '!']) else { return Ok(Test::Part(word.to_lowercase())) };
    let (key, rest) = word.split_at(at);
    let lower = key.to_lowercase();
    // Of a text there is nothing but to be equal: `tag=paper` can only mean one thing.
    let equal = rest.starts_with('=') && KEYS.contains(&lower.as_str());
    if rest.starts_with(':') || equal {
        return field(&lower, rest.trim_start_matches("==").trim_start_matches([':', '=']));
    }
    let way = WAYS.iter().find_map(|(sign, compare)| Some((*compare, rest.strip_prefix(sign)?)));
    let Some((compare, limit)) = way else { return Ok(Test::Part(word.to_lowercase())) };
    if key.trim().is_empty() {
        return Err("a series must stand before the comparison, such as loss<0.1".to_owned());
    }
    let limit = number(&lower, limit.trim())?;
    Ok(Test::Value { what: key.trim().to_owned(), compare, limit })
}

fn field(key: &str, value: &str) -> Result<Test, String> {
    if !KEYS.contains(&key) {
        let near = config::nearest(key, KEYS);
        let near = near.first().map(|near| format!("did you mean {near}:? ")).unwrap_or_default();
        return Err(format!(
            "there is no {key}: {near}({}, or series<number)",
            KEYS.map(|key| format!("{key}:")).join(" ")
        ));
    }
    let value = value.to_lowercase();
    if value.is_empty() {
        return Err(format!("something must follow {key}:"));
    }
    Ok(match key {
        "state" => {
            if !states().any(|(word, _)| word.starts_with(&value)) {
                let all: Vec<&str> = STATES.iter().map(|state| state.word()).collect();
                return Err(format!("no state begins with `{}`: {}, unknown", value.escape_debug(), all.join(", ")));
            }
            Test::State(value)
        }
        "tag" => Test::Tag(value),
        "track" => Test::Begins(Field::Track, value),
        "device" => Test::Begins(Field::Device, value),
        "name" => Test::Holds(Field::Name, value),
        "id" => Test::Holds(Field::Id, value),
        "notes" => Test::Holds(Field::Notes, value),
        "host" => Test::Holds(Field::Host, value),
        _ => Test::Holds(Field::Parent, value),
    })
}

/// The words for states; none for what cannot be read.
fn states() -> impl Iterator<Item = (&'static str, Option<State>)> {
    let own = STATES.into_iter().map(|state| (state.word(), Some(state)));
    own.chain(SHORT.into_iter().map(|(word, state)| (word, Some(state)))).chain([("unknown", None)])
}

/// A limit: a number, of an age with its unit, of progress with a percent sign.
fn number(key: &str, text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];
    if text.is_empty() {
        return Err("a number must follow".to_owned());
    }
    let wrong = || format!("`{}` is no number; a comparison is written like val/l1<0.1", text.escape_debug());
    if key == "age" {
        let unit = UNITS.iter().find_map(|(unit, secs)| Some((text.strip_suffix(unit)?, *secs)));
        let (digits, secs) = unit.ok_or_else(|| "an age has a unit: age<90s, age<2h, age>3d".to_owned())?;
        return digits.trim().parse::<f64>().map(|count| count * secs).map_err(|_no_number| wrong());
    }
    let digits = if key == "progress" { text.trim_end_matches('%') } else { text };
    digits.parse().map_err(|_no_number: std::num::ParseFloatError| wrong())
}

impl Test {
    fn fits(&self, listing: &Listing, now: Timestamp) -> bool {
        let tagged = |test: &dyn Fn(&str) -> bool| listing.tags.iter().any(|tag| test(&tag.to_lowercase()));
        match self {
            Self::Part(part) => {
                [&listing.id, &listing.name, &listing.notes].iter().any(|text| text.to_lowercase().contains(part))
                    || tagged(&|tag| tag.contains(part))
            }
            Self::State(begin) => states().any(|(word, state)| word.starts_with(begin) && state == listing.state),
            Self::Tag(wanted) => tagged(&|tag| tag == wanted),
            Self::Begins(field, begin) => field.of(listing).is_some_and(|text| text.to_lowercase().starts_with(begin)),
            Self::Holds(field, part) => field.of(listing).is_some_and(|text| text.to_lowercase().contains(part)),
            Self::Value { what, compare, limit } => {
                value(listing, what, now).is_some_and(|value| compare.holds(value, *limit))
            }
        }
    }
}

impl Field {
    fn of(self, listing: &Listing) -> Option<&str> {
        match self {
            Self::Track => listing.track.as_deref(),
            Self::Name => Some(&listing.name),
            Self::Id => Some(&listing.id),
            Self::Notes => Some(&listing.notes),
            Self::Host => listing.host.as_deref(),
            Self::Device => listing.device.as_deref(),
            Self::Parent => listing.parent.as_deref(),
        }
    }
}

impl Compare {
    fn holds(self, value: f64, limit: f64) -> bool {
        // NaN is equal to NaN here: `loss=nan` is how one finds such sessions.
        let equal = value == limit || (value.is_nan() && limit.is_nan());
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::Greater => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => equal,
            Self::Different => !equal,
        }
    }
}

/// What a comparison is with: `step`, `epoch`, `progress` (percent), `age` (seconds), `speed`, `loss` (the one that stands
/// for it), `best/<metric>`, a series by its name, or validation before others by the last part of its name.
fn value(listing: &Listing, what: &str, now: Timestamp) -> Option<f64> {
    match what {
        "step" => return listing.step.map(|step| step as f64),
        "epoch" => return listing.epoch,
        "age" => return listing.age_secs(now),
        "speed" => return listing.images_per_sec,
        "generation" => return Some(f64::from(listing.generation)),
        "progress" => return listing.progress().map(|share| share * 100.0),
        "loss" => return listing.loss().map(|(_, latest)| latest.value),
        _ => {}
    }
    if let Some(metric) = what.strip_prefix("best/") {
        let best = listing.best.get(metric).or_else(|| listing.best.get(&format!("val/{metric}")));
        return best.map(|best| best.value);
    }
    let exact = listing.latest.get(what);
    let last_part = || {
        let mut ending = listing.latest.iter().filter(|(name, _)| name.rsplit('/').next() == Some(what));
        let first = ending.clone().next();
        ending.find(|(name, _)| name.starts_with("val/")).or(first).map(|(_, latest)| latest)
    };
    exact.or_else(last_part).map(|latest| latest.value)
}

#[cfg(test)]
mod tests;
