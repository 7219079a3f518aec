//! Which figures a session's report has.

mod comparison;

pub use comparison::{Compared, compared};

use super::axis::Fit;
use super::figure::Figure;
use super::lines::{self, Look, XAxis};
use super::quantity::{self, heading, title, unit, with_unit};
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
        // A first step finds its kernels and memory: it takes a hundred times as long as any other.
        let plain = recorded.name.starts_with("time/");
        let chart = self.chart(&[(recorded, Look { colour, plain, ..Look::default() })], &recorded.name, log);
        Figure::new(slug(&recorded.name), chart)
    }

    /// Series over the session's x axis; title and unit are those of `named`.
    fn chart(&self, drawn: &[(&Recorded, Look)], named: &str, log: bool) -> Chart {
        let mut chart = Chart::new(heading(named), self.x, Axis::default());
        let (name, scale) = unit(named);
        chart.unit = name.trim().to_owned();
        for (recorded, look) in drawn {
            let level = look.dim.then(|| lines::level(&recorded.curve, self.x, scale, look)).flatten();
            match level {
                Some(line) => chart.lines.push(line),
                None => chart.lines.extend(lines::of(&recorded.curve, self.grid(), scale, look)),
            }
        }
        if let Some((recorded, _)) = drawn.last() {
            // Where training began again: what the machine measured may begin earlier, while the checkpoint is read.
            let trained = self.source.key_loss().and_then(|name| self.source.series(name)).unwrap_or(recorded);
            chart.marks = lines::restarts(&trained.curve, self.axis);
            chart.marks.extend(self.alerts(drawn, scale));
            let curve = &recorded.curve;
            let newest = curve.len().checked_sub(1).and_then(|last| curve.sampled(last));
            if drawn.iter().filter(|(_, look)| !look.dim).count() == 1 {
                let smoothed = |it: &curve::Sampled| it.smoothed.filter(|_| drawn.iter().all(|(_, look)| !look.plain));
                chart.value = newest.map(|it| with_unit(smoothed(&it).unwrap_or(it.value), scale, name));
            }
        }
        chart.points = Some(drawn.iter().map(|(recorded, _)| recorded.curve.len() as u64).sum());
        let smoothed = drawn.iter().filter(|(_, look)| !look.plain);
        chart.note = smoothing(smoothed.map(|(recorded, _)| &recorded.curve));
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
pub(super) fn bounds<'a>(source: &'a Source, name: &str) -> Option<(&'a Recorded, &'a Recorded)> {
    Some((source.series(&format!("{name}_low"))?, source.series(&format!("{name}_high"))?))
}

/// Whether a series is one end of another's interval.
pub(super) fn is_bound(source: &Source, name: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_figures_are_safe_as_file_names() {
        assert_eq!(slug("loss/g"), "loss-g");
        assert_eq!(slug("../../etc/passwd"), "etc-passwd");
        assert_eq!(slug("<script>"), "script");
        assert_eq!(slug("///"), "series");
        assert_eq!(slug("gpu0/memory_used_bytes"), "gpu0-memory-used-bytes");
    }
}
