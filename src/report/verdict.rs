//! What a session's prediction is worth: its held-out metrics against the photo as it is.

use super::figures::{bounds, is_bound};
use super::number;
use super::quantity::{Better, capital, metric};
use super::source::{Recorded, Source};

/// What a session's prediction scores against the photo as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The metric as papers write it.
    pub metric: String,
    /// Which way is better.
    pub better: Better,
    /// The newest value and its step.
    pub newest: (f64, i64),
    /// The interval of the newest value, if it was measured.
    pub interval: Option<(f64, f64)>,
    /// The best value and its step.
    pub best: (f64, i64),
    /// What the untouched photo scores on the same pairs.
    pub identity: Option<f64>,
    /// The interval of the difference between the two, pair by pair, if it was measured.
    pub difference: Option<(f64, f64)>,
    /// How many pairs it was measured on, if that was recorded.
    pub pairs: Option<u64>,
}

impl Score {
    /// Whether the newest value is better than the photo as it is; none where that is not known, or where the interval
    /// leaves it open.
    pub fn beats(&self) -> Option<bool> {
        let identity = self.identity?;
        // Pair by pair says more than two means with an interval each.
        let (low, high, baseline) = match (self.difference, self.interval) {
            (Some((low, high)), _) => (low, high, 0.0),
            (None, Some((low, high))) => (low, high, identity),
            (None, None) => (self.newest.0, self.newest.0, identity),
        };
        let (at_worst, at_best) = match self.better {
            Better::Higher => (low, high),
            _ => (high, low),
        };
        if self.better.prefers(at_worst, baseline) {
            Some(true)
        } else if self.better.prefers(baseline, at_best) || at_best == baseline {
            Some(false)
        } else {
            None
        }
    }

    /// How far the newest value is from the photo's, in words: `74 % lower`, `+0.034`.
    pub fn change(&self) -> Option<String> {
        let identity = self.identity?;
        let difference = self.newest.0 - identity;
        Some(match self.better {
            Better::Lower if identity > 0.0 => {
                let share = 100.0 * difference.abs() / identity;
                let digits = usize::from(share < 10.0);
                format!("{share:.digits$} % {}", if difference < 0.0 { "lower" } else { "higher" })
            }
            _ => format!("{}{}", if difference < 0.0 { "-" } else { "+" }, number::value(difference.abs())),
        })
    }
}

/// Every metric that was measured on held-out pairs: while it trained (`val/`), or later by `atelier eval` (`eval/`), which
/// has intervals and counts where it is about the same step or a newer one.
pub fn scores(source: &Source) -> Vec<Score> {
    let name_of = |series: &'_ str| {
        let name = series.strip_prefix("val/").or_else(|| series.strip_prefix("eval/"))?;
        let stray = name.starts_with("identity_") || name.starts_with("difference_") || name == "images";
        (!stray && !is_bound(source, series)).then(|| name.to_owned())
    };
    let mut names: Vec<String> = source.metrics.iter().filter_map(|recorded| name_of(&recorded.name)).collect();
    names.sort();
    names.dedup();
    names.iter().filter_map(|name| score(source, name)).collect()
}

fn score(source: &Source, name: &str) -> Option<Score> {
    let newest = |group: &str| source.newest(&format!("{group}/{name}"));
    let evaluated = newest("eval").filter(|at| newest("val").is_none_or(|val| at.step >= val.step));
    let (group, newest) = match evaluated {
        Some(point) => ("eval", point),
        None => ("val", newest("val")?),
    };
    let series = format!("{group}/{name}");
    let better = Better::of(&series);
    let curves = ["val", "eval"].into_iter().filter_map(|group| source.series(&format!("{group}/{name}")));
    let values =
        curves.flat_map(|it| it.curve.values().iter().zip(it.curve.steps())).filter(|(value, _)| value.is_finite());
    let best = values.reduce(|a, b| if better.prefers(*b.0, *a.0) { b } else { a })?;
    let at_newest = |recorded: &Recorded| recorded.curve.last().filter(|it| it.step == newest.step).map(|it| it.value);
    let interval =
        |series: &str| bounds(source, series).and_then(|(low, high)| Some((at_newest(low)?, at_newest(high)?)));
    Some(Score {
        metric: metric(name),
        better,
        newest: (newest.value, newest.step),
        interval: interval(&series),
        best: (*best.0, *best.1),
        identity: source.newest(&format!("{group}/identity_{name}")).map(|point| point.value),
        difference: interval(&format!("{group}/difference_{name}")),
        pairs: source.series(&format!("{group}/images")).and_then(at_newest).map(|count| count as u64),
    })
}

/// What the scores come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Better than the photo as it is on all metrics, on none, or neither is clear.
    pub better: Option<bool>,
    /// In a sentence.
    pub sentence: String,
}

/// The verdict on a session.
pub fn verdict(scores: &[Score]) -> Verdict {
    let named = |wanted: Option<bool>| -> Vec<&str> {
        let known = scores.iter().filter(|score| score.identity.is_some());
        known.filter(|score| score.beats() == wanted).map(|score| score.metric.as_str()).collect()
    };
    let (wins, losses, open) = (named(Some(true)), named(Some(false)), named(None));
    let count = wins.len() + losses.len() + open.len();
    let (better, sentence) = match (wins.len(), losses.len()) {
        _ if scores.is_empty() => (None, "Nothing was measured on held-out pairs.".to_owned()),
        _ if count == 0 => (None, "No baseline was measured on the held-out pairs.".to_owned()),
        (won, _) if won == count => {
            let on = if count == 1 { wins[0].to_owned() } else { format!("all {count} metrics ({})", and(&wins)) };
            (Some(true), format!("Better than leaving the photo as it is, on {on}."))
        }
        (_, lost) if lost == count => {
            let on =
                if count == 1 { losses[0].to_owned() } else { format!("any of {count} metrics ({})", and(&losses)) };
            (Some(false), format!("Not better than leaving the photo as it is, on {on}."))
        }
        _ => {
            let mut parts = Vec::new();
            if !wins.is_empty() {
                parts.push(format!("better than leaving the photo as it is on {}", and(&wins)));
            }
            if !losses.is_empty() {
                parts.push(format!("not better on {}", and(&losses)));
            }
            if !open.is_empty() {
                parts.push(format!("within the interval on {}", and(&open)));
            }
            (None, capital(&parts.join(", ")) + ".")
        }
    };
    Verdict { better, sentence }
}

/// `a`, `a and b`, `a, b and c`.
pub fn and(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(metric: &str, better: Better, newest: f64, identity: Option<f64>, interval: Option<(f64, f64)>) -> Score {
        Score {
            metric: metric.to_owned(),
            better,
            newest: (newest, 9),
            interval,
            best: (newest, 9),
            identity,
            difference: None,
            pairs: None,
        }
    }

    #[test]
    fn the_verdict_follows_each_metrics_direction_and_interval() {
        let lower = score("L1", Better::Lower, 0.04, Some(0.15), None);
        let higher = score("SSIM", Better::Higher, 0.6, Some(0.7), None);
        let open = score("LPIPS", Better::Lower, 0.2, Some(0.21), Some((0.18, 0.22)));
        assert_eq!((lower.beats(), higher.beats(), open.beats()), (Some(true), Some(false), None));
        assert_eq!(lower.change().as_deref(), Some("73 % lower"));
        assert_eq!(higher.change().as_deref(), Some("-0.100"));
        let apart = Score { difference: Some((-0.02, -0.001)), ..open.clone() };
        assert_eq!(apart.beats(), Some(true), "what each pair gains counts, not how much pairs differ");
        let says = |scores: &[Score]| verdict(scores).sentence;
        assert_eq!(says(std::slice::from_ref(&lower)), "Better than leaving the photo as it is, on L1.");
        assert_eq!(says(std::slice::from_ref(&higher)), "Not better than leaving the photo as it is, on SSIM.");
        assert_eq!(
            says(&[lower.clone(), higher, open]),
            "Better than leaving the photo as it is on L1, not better on SSIM, within the interval on LPIPS."
        );
        assert_eq!(says(&[Score { identity: None, ..lower }]), "No baseline was measured on the held-out pairs.");
        assert_eq!(says(&[]), "Nothing was measured on held-out pairs.");
    }
}
