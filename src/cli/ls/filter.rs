//! The words of a filter.

use crate::cli::Usage;
use crate::session::Listing;

/// One word of a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// Part of the id or of a tag.
    Part(String),
    /// `state:running`: the beginning of the state's word.
    State(String),
    /// `track:sd`: the beginning of the track's name.
    Track(String),
    /// `tag:paper`: a whole tag.
    Tag(String),
    /// `name:hayao`: part of the name.
    Name(String),
    /// `val/l1<0.1`: against the newest value of a series.
    Value { series: String, compare: Compare, limit: f64 },
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Filter {
    /// Understand a word.
    pub fn parse(word: &str) -> Result<Self, Usage> {
        const WAYS: [(&str, Compare); 4] =
            [("<=", Compare::AtMost), (">=", Compare::AtLeast), ("<", Compare::Less), (">", Compare::Greater)];
        for (sign, compare) in WAYS {
            if let Some((series, limit)) = word.split_once(sign) {
                let limit = limit.trim().parse().map_err(|_no_number: std::num::ParseFloatError| {
                    Usage(format!("`{word}`: `{limit}` is no number; a comparison is written like val/l1<0.1"))
                })?;
                return Ok(Self::Value { series: series.trim().to_owned(), compare, limit });
            }
        }
        let lower = word.to_lowercase();
        match lower.split_once(':') {
            None => Ok(Self::Part(lower)),
            Some(("state", state)) => Ok(Self::State(state.to_owned())),
            Some(("track", track)) => Ok(Self::Track(track.to_owned())),
            Some(("tag", tag)) => Ok(Self::Tag(tag.to_owned())),
            Some(("name", name)) => Ok(Self::Name(name.to_owned())),
            Some((key, _)) => {
                Err(Usage(format!("`{key}:` is no filter; there are state:, track:, tag:, name: and series<number")))
            }
        }
    }

    /// Whether a session fits.
    pub fn fits(&self, listing: &Listing) -> bool {
        let tagged = |test: &dyn Fn(&str) -> bool| listing.tags.iter().any(|tag| test(&tag.to_lowercase()));
        match self {
            Self::Part(part) => listing.id.to_lowercase().contains(part) || tagged(&|tag| tag.contains(part)),
            Self::State(state) => {
                listing.state.map_or("unknown", crate::session::State::word).starts_with(state.as_str())
            }
            Self::Track(track) => listing.track.as_ref().is_some_and(|name| name.starts_with(track)),
            Self::Tag(wanted) => tagged(&|tag| tag == wanted),
            Self::Name(part) => listing.name.to_lowercase().contains(part),
            Self::Value { series, compare, limit } => value(listing, series).is_some_and(|value| match compare {
                Compare::Less => value < *limit,
                Compare::AtMost => value <= *limit,
                Compare::Greater => value > *limit,
                Compare::AtLeast => value >= *limit,
            }),
        }
    }
}

/// `step`, `epoch`, a series by its name, or validation before others by the last part of its name.
fn value(listing: &Listing, series: &str) -> Option<f64> {
    match series {
        "step" => return listing.step.map(|step| step as f64),
        "epoch" => return listing.epoch,
        _ => {}
    }
    let exact = listing.latest.get(series);
    let last_part = || {
        let mut ending = listing.latest.iter().filter(|(name, _)| name.rsplit('/').next() == Some(series));
        let first = ending.clone().next();
        ending.find(|(name, _)| name.starts_with("val/")).or(first).map(|(_, latest)| latest)
    };
    exact.or_else(last_part).map(|latest| latest.value)
}
