//! Which figures a session's report has.

mod comparison;

pub use comparison::{Compared, compared};

use super::axis::Fit;
use super::figure::Figure;
use super::lines::{self, Look, XAxis};
use super::quantity::{self, heading, metric, title, unit, with_unit};
use super::source::{Recorded, Source};
use super::{Axis, Chart, Mark, MarkKind, number};
use crate::record::curve::{self, Curve, Grid, Values};

/// Terms of a loss that get a figure of their own; the rest is in the table of series.
const TERMS: usize = 9;
/// Metrics that get a figure.
const METRICS: usize = 12;

/// How figures are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What x is.
    pub axis: XAxis,
    /// Half-life of the smoothing in steps, for the notes: the curves are smoothed when they are read.
    pub half_life: f64,
    /// Equal ratios on the y axis of losses.
    pub log_y: bool,
    /// Columns that a plot is cut into.
    pub columns: usize,
}

impl Default for Settings {
    /// As the dashboard begins: over steps, smoothed by a half-life of 20 of them.
    fn default() -> Self {
        Self { axis: XAxis::Step, half_life: 20.0, log_y: false, columns: 600 }
    }
}

/// The figures of one session, by part of the report.
#[derive(Debug, Default)]
pub struct Figures {
    /// The paper's: each loss smoothed and per epoch, then the terms.
    pub losses: Vec<Figure>,
    /// What is measured on held-out pairs.
    pub validation: Vec<Figure>,
    /// Learning rate, gradients, speed.
    pub optimisation: Vec<Figure>,
    /// The machine, on the losses' axis.
    pub machine: Vec<Figure>,
}

impl Figures {
    /// All of them, in the order of the report.
    pub fn all(&self) -> impl Iterator<Item = &Figure> {
        [&self.losses, &self.validation, &self.optimisation, &self.machine].into_iter().flatten()
    }
}

/// The figures of a session.
pub fn of(source: &Source, settings: Settings) -> Figures {
    let maker = Maker::new(source, settings);
    Figures {
        losses: maker.losses(),
        validation: maker.validation(),
        optimisation: maker.optimisation(),
        machine: maker.machine().into_iter().collect(),
    }
}

/// One series of a session as a figure, whether a report shows it or not.
pub fn of_series(source: &Source, series: &str, settings: Settings) -> Option<Figure> {
    let recorded = source.series(series)?;
    Some(Maker::new(source, settings).single(recorded))
}

/// What all figures of a session have in common.
struct Maker<'a> {
    source: &'a Source,
    settings: Settings,
    axis: curve::Axis,
    x: Axis,
}

impl<'a> Maker<'a> {
    fn new(source: &'a Source, settings: Settings) -> Self {
        let axis = settings.axis.of(source.start_ns());
        let x = lines::stretch(settings.axis.kind(), source.extent(axis));
        Self { source, settings, axis, x }
    }

    fn grid(&self) -> Grid {
        Grid::new(self.axis, self.x.from, self.x.to, self.settings.columns)
    }

    fn losses(&self) -> Vec<Figure> {
        let main: Vec<&str> =
            ["loss/g", "loss/d"].into_iter().filter(|name| self.source.series(name).is_some()).collect();
        let main = if main.is_empty() { self.source.key_loss().into_iter().collect() } else { main };
        let mut figures = Vec::new();
        for (colour, name) in main.iter().copied().enumerate() {
            let Some(recorded) = self.source.series(name) else { continue };
            let chart = self.chart(&[(recorded, Look { colour, ..Look::default() })], name, self.settings.log_y);
            figures.push(Figure { title: heading(name), ..Figure::new(slug(name), chart) });
            let epochs = lines::epochs(&recorded.curve);
            figures.extend(lines::epoch_chart(name, &epochs, colour, self.settings.columns).map(|mut chart| {
                chart = chart.fitted(self.settings.log_y, Fit::Full);
                Figure::new(slug(name) + "-epochs", chart)
                    .caption("Mean of each epoch; the band holds the middle 80 % of its values.")
            }));
        }
        let terms = self.source.names(|name| name.starts_with("loss/") && !main.contains(&name));
        figures.extend(
            terms.into_iter().take(TERMS).filter_map(|name| self.source.series(name)).map(|it| self.single(it)),
        );
        figures
    }

    fn validation(&self) -> Vec<Figure> {
        let own =
            |name: &str| name.starts_with("val/") && !name.starts_with("val/identity_") && !is_bound(self.source, name);
        let names = self.source.names(own);
        names
            .into_iter()
            .take(METRICS)
            .filter_map(|name| self.source.series(name))
            .map(|it| self.held_out(it))
            .collect()
    }

    /// A metric on held-out pairs, with its interval if it has one, beside what the untouched photo scores.
    fn held_out(&self, recorded: &Recorded) -> Figure {
        let name = recorded.name.as_str();
        let baseline = self.source.series(&name.replacen("val/", "val/identity_", 1));
        let mut drawn = Vec::new();
        if let Some(baseline) = baseline {
            drawn
                .push((baseline, Look { label: "photo as it is".to_owned(), colour: 7, dim: true, ..Look::default() }));
        }
        drawn.push((recorded, Look { label: "prediction".to_owned(), colour: 2, ..Look::default() }));
        let mut chart = self.chart(&drawn, name, false);
        let better = match quantity::Better::of(name) {
            quantity::Better::Higher => "Higher is better.",
            quantity::Better::Lower => "Lower is better.",
            quantity::Better::Neither => "",
        };
        let mut caption = better.to_owned();
        if let Some((low, high)) = bounds(self.source, name)
            && let Some(line) = chart.lines.last_mut()
        {
            let columns = |curve: &Curve| {
                let part = curve.parts().into_iter().next();
                part.map_or_else(Vec::new, |part| curve.columns(&part, Values::Raw, self.grid()))
            };
            line.band = Some(lines::band(&columns(&low.curve), &columns(&high.curve)));
            chart = chart.fitted(false, Fit::Full);
            caption += " The band is the interval of the mean.";
        }
        Figure { title: heading(name), ..Figure::new(slug(name), chart) }.caption(caption.trim_start())
    }

    fn optimisation(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let groups = [("lr", "Learning rate", false), ("grad_norm", "Gradient norm", true)];
        for (group, title, robust) in groups {
            let names = self
                .source
                .names(|name| name == group || name.strip_prefix(group).is_some_and(|rest| rest.starts_with('/')));
            if let Some(figure) = self.together(group, title, &names, robust) {
                figures.push(figure);
            }
        }
        for name in ["speed/images_per_sec", "time/step_seconds"] {
            figures.extend(self.source.series(name).map(|recorded| self.single(recorded)));
        }
        figures
    }

    /// Several series of one kind in one chart.
    fn together(&self, group: &str, title: &str, names: &[&str], robust: bool) -> Option<Figure> {
        let first = names.first()?;
        let mut drawn: Vec<(&Recorded, Look)> = Vec::new();
        for recorded in names.iter().take(8).filter_map(|name| self.source.series(name)) {
            let label = recorded.name.split_once('/').map_or(recorded.name.as_str(), |(_, rest)| rest);
            let label = if names.len() > 1 { quantity::title(label) } else { String::new() };
            // Of lines that lie on each other only one would be seen.
            if let Some((_, look)) = drawn.iter_mut().find(|(known, _)| is_same(&known.curve, &recorded.curve)) {
                look.label += &format!(", {label}");
                continue;
            }
            let colour = drawn.len();
            drawn.push((recorded, Look { label, colour, bare: names.len() > 1, ..Look::default() }));
        }
        let mut chart = self.chart(&drawn, first, false);
        title.clone_into(&mut chart.title);
        if !robust {
            chart = chart.fitted(false, Fit::Full);
        }
        Some(Figure::new(slug(group), chart))
    }

    /// The machine under the loss, over one axis: GPUs if there are any, else the host and the process.
    fn machine(&self) -> Option<Figure> {
        let names: Vec<&str> = self.source.telemetry.iter().map(|recorded| recorded.name.as_str()).collect();
        let gpus: Vec<&str> =
            names.iter().filter_map(|name| name.split_once('/')).map(|(gpu, _)| gpu).filter(|it| is_gpu(it)).collect();
        let mut gpus: Vec<&str> = gpus;
        gpus.dedup();
        gpus.sort_by_key(|gpu| (gpu.len(), (*gpu).to_owned()));
        let mut panels: Vec<Chart> = Vec::new();
        if let Some(loss) = self.source.key_loss().and_then(|name| self.source.series(name)) {
            let mut chart =
                self.chart(&[(loss, Look { colour: 7, ..Look::default() })], &loss.name, self.settings.log_y);
            chart.title = heading(&loss.name);
            panels.push(chart);
        }
        let before = panels.len();
        for part in ["utilization_percent", "memory_used_bytes", "power_watts", "temperature_celsius", "sm_clock_mhz"] {
            let drawn: Vec<(&Recorded, Look)> = gpus
                .iter()
                .enumerate()
                .filter_map(|(number, gpu)| {
                    let label = if gpus.len() > 1 { (*gpu).to_owned() } else { String::new() };
                    let look = Look { label, colour: number, bare: gpus.len() > 1, ..Look::default() };
                    Some((self.source.series(&format!("{gpu}/{part}"))?, look))
                })
                .collect();
            let Some((first, _)) = drawn.first() else { continue };
            let mut chart = self.chart(&drawn, &first.name, false);
            let gpu = if gpus.len() == 1 { "GPU " } else { "GPUs " };
            chart.title = gpu.to_owned() + title(part).as_str();
            panels.push(chart);
        }
        let of_host = ["process/cpu_percent", "process/memory_rss_bytes", "host/cpu_percent", "host/memory_used_bytes"];
        let wanted = if panels.len() > before { &of_host[2..3] } else { &of_host[..] };
        for recorded in wanted.iter().filter_map(|name| self.source.series(name)) {
            panels.push(self.chart(&[(recorded, Look { colour: 1, ..Look::default() })], &recorded.name, false));
        }
        if panels.len() == before {
            return None;
        }
        for chart in &mut panels {
            if !chart.unit.is_empty() {
                chart.title = format!("{}, {}", chart.title, chart.unit);
            }
        }
        let title = if gpus.is_empty() { "The machine beside the loss" } else { "GPU telemetry beside the loss" };
        let caption = "Everything over one axis: what the machine did at the moment of each step.";
        Some(Figure { name: "machine".to_owned(), title: title.to_owned(), caption: caption.to_owned(), panels })
    }

    /// One series alone.
    fn single(&self, recorded: &Recorded) -> Figure {
        let colour = match recorded.name.split('/').next().unwrap_or_default() {
            "loss" if recorded.name.starts_with("loss/d_") => 1,
            "loss" | "lr" => 0,
            "val" => 2,
            "grad_norm" => 3,
            "speed" | "time" => 5,
            _ => 1,
        };
        let log = self.settings.log_y && recorded.name.starts_with("loss");
        let chart = self.chart(&[(recorded, Look { colour, ..Look::default() })], &recorded.name, log);
        Figure::new(slug(&recorded.name), chart)
    }

    /// Series over the session's x axis; title and unit are those of `named`.
    fn chart(&self, drawn: &[(&Recorded, Look)], named: &str, log: bool) -> Chart {
        let mut chart = Chart::new(heading(named), self.x, Axis::default());
        let (name, scale) = unit(named);
        chart.unit = name.trim().to_owned();
        for (recorded, look) in drawn {
            chart.lines.extend(lines::of(&recorded.curve, self.grid(), scale, look));
        }
        if let Some((recorded, _)) = drawn.last() {
            // Where training began again: what the machine measured may begin earlier, while the checkpoint is read.
            let trained = self.source.key_loss().and_then(|name| self.source.series(name)).unwrap_or(recorded);
            chart.marks = lines::restarts(&trained.curve, self.axis);
            chart.marks.extend(self.alerts(drawn, scale));
            let curve = &recorded.curve;
            let newest = curve.len().checked_sub(1).and_then(|last| curve.sampled(last));
            if drawn.iter().filter(|(_, look)| !look.dim).count() == 1 {
                chart.value = newest.map(|it| with_unit(it.smoothed.unwrap_or(it.value), scale, name));
            }
        }
        chart.points = Some(drawn.iter().map(|(recorded, _)| recorded.curve.len() as u64).sum());
        chart.note = smoothing(drawn.iter().map(|(recorded, _)| &recorded.curve));
        chart.fitted(log, Fit::WithoutOutliers)
    }

    /// The alerts on these series, where they were raised.
    fn alerts(&self, drawn: &[(&Recorded, Look)], scale: f64) -> Vec<Mark> {
        let about = |series: Option<&str>| series.is_some_and(|series| drawn.iter().any(|(it, _)| it.name == series));
        let events = self.source.events.iter().filter(|event| event.kind == crate::alerts::EVENT);
        events
            .filter(|event| about(event.fields.get("series").and_then(serde_json::Value::as_str)))
            .filter_map(|event| {
                let point = crate::record::Point {
                    step: event.step,
                    epoch: event.epoch?,
                    time_ns: event.time.as_nanosecond() as i64,
                    generation: event.generation,
                    value: f64::NAN,
                };
                let y = event.fields.get("value").and_then(serde_json::Value::as_f64).map(|value| value * scale);
                Some(Mark {
                    x: lines::place(self.axis, &point),
                    y,
                    kind: MarkKind::Alert,
                    label: event.message.clone(),
                })
            })
            .collect()
    }
}

/// Whether two curves have the same values at the same steps.
fn is_same(one: &Curve, other: &Curve) -> bool {
    let equal = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits();
    one.steps() == other.steps() && one.values().iter().zip(other.values()).all(equal)
}

/// How curves are smoothed, in words; none where none is.
fn smoothing<'a>(curves: impl IntoIterator<Item = &'a Curve>) -> Option<String> {
    let half_life = curves.into_iter().find_map(Curve::half_life)?;
    Some(format!("smoothed, half-life {} steps", number::value(half_life)))
}

/// The interval of a metric: series named as the metric and `_low`, `_high`.
fn bounds<'a>(source: &'a Source, name: &str) -> Option<(&'a Recorded, &'a Recorded)> {
    Some((source.series(&format!("{name}_low"))?, source.series(&format!("{name}_high"))?))
}

/// Whether a series is one end of another's interval.
fn is_bound(source: &Source, name: &str) -> bool {
    let of = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high"));
    of.is_some_and(|of| bounds(source, of).is_some())
}

fn is_gpu(name: &str) -> bool {
    name.strip_prefix("gpu")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A name for files and the command line: `loss/g` is `loss-g`.
pub fn slug(series: &str) -> String {
    let mut slug = String::new();
    for c in series.chars() {
        let kept = if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        if kept != '-' || !(slug.is_empty() || slug.ends_with('-')) {
            slug.push(kept);
        }
        if slug.len() > 80 {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "series".to_owned() } else { slug.to_owned() }
}

/// What a session's prediction scores against the photo as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The metric as papers write it.
    pub metric: String,
    /// Which way is better.
    pub better: quantity::Better,
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
            quantity::Better::Higher => (low, high),
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
            quantity::Better::Lower if identity > 0.0 => {
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
    let better = quantity::Better::of(&series);
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
            (None, quantity::capital(&parts.join(", ")) + ".")
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
    use quantity::Better;

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

    #[test]
    fn names_of_figures_are_safe_as_file_names() {
        assert_eq!(slug("loss/g"), "loss-g");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("<script>"), "script");
        assert_eq!(slug("///"), "series");
        assert_eq!(slug("gpu0/memory_used_bytes"), "gpu0-memory-used-bytes");
    }
}
