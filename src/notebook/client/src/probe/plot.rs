//! Curves and bars, drawn by the notebook's pane.

use super::json::Json;
use super::problem::{Problem, give_up};
use super::series::Series;
use super::show::{Content, brief, count, number, shown};

/// Points of a curve that are sent: more than any screen has columns, and every extreme is among them.
const POINTS: usize = 4000;

/// A picture of curves or bars. Show it by leaving it at the end of a cell.
#[derive(Clone)]
pub struct Plot {
    title: String,
    x_label: String,
    y_label: String,
    log_x: bool,
    log_y: bool,
    bars: bool,
    series: Vec<Series>,
}
shown!(Plot);

/// Several series in one plot: `plot(&[&a, &b])`.
pub fn plot(series: &[&Series]) -> Plot {
    Plot::new(series.iter().map(|series| (*series).clone()).collect())
}

impl Plot {
    pub(crate) fn new(series: Vec<Series>) -> Self {
        if series.is_empty() {
            give_up(&Problem::new("nothing to plot: give at least one series"));
        }
        let title = if series.len() == 1 { series[0].name().to_owned() } else { String::new() };
        Self {
            title,
            x_label: "step".to_owned(),
            y_label: String::new(),
            log_x: false,
            log_y: false,
            bars: false,
            series,
        }
    }

    /// Bars: what lies in each bin.
    pub(crate) fn bars(series: Series, x_label: &str, y_label: &str) -> Self {
        Self { bars: true, ..Self::new(vec![series]).labels(x_label, y_label) }
    }

    /// With this title.
    #[must_use]
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.title);
        self
    }

    /// With these words at the axes.
    #[must_use]
    pub fn labels(mut self, x: &str, y: &str) -> Self {
        x.clone_into(&mut self.x_label);
        y.clone_into(&mut self.y_label);
        self
    }

    /// With a logarithmic Y axis.
    #[must_use]
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// With a logarithmic X axis.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.title
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Plot(self.clone())]
    }

    pub(crate) fn json(&self) -> Json {
        let series = self.series.iter().map(|series| {
            let few = if self.bars { series.clone() } else { thinned(series) };
            let name = if few.len() < series.len() {
                format!("{} ({} points)", series.name(), count(series.len() as i64))
            } else {
                series.name().to_owned()
            };
            Json::object([("name", Json::text(name)), ("x", Json::numbers(few.x())), ("y", Json::numbers(few.y()))])
        });
        Json::object([
            ("title", Json::text(&self.title)),
            ("x_label", Json::text(&self.x_label)),
            ("y_label", Json::text(&self.y_label)),
            ("log_x", Json::Bool(self.log_x)),
            ("log_y", Json::Bool(self.log_y)),
            ("kind", Json::text(if self.bars { "bars" } else { "line" })),
            ("series", Json::List(series.collect())),
        ])
    }

    /// A line for every series, for where nothing can be drawn.
    pub(crate) fn summary(&self) -> String {
        let line = |series: &Series| {
            let ends = match (series.y().first(), series.y().last()) {
                (Some(first), Some(last)) if !self.bars => format!(" {} → {}", number(*first), number(*last)),
                _ => String::new(),
            };
            let points = count(series.len() as i64);
            format!("{}  {}{ends} ({points} points)\n", brief(series.name(), 60), blocks(series.y()))
        };
        let title =
            if self.series.len() > 1 && !self.title.is_empty() { self.title.clone() + "\n" } else { String::new() };
        title + &self.series.iter().map(line).collect::<String>()
    }
}

/// The first, the last, the least and the greatest value of every column, in their order, and what is no number there.
fn thinned(series: &Series) -> Series {
    let (x, y) = (series.x(), series.y());
    if y.len() <= POINTS {
        return series.clone();
    }
    let columns = POINTS / 4;
    let mut kept = Vec::with_capacity(POINTS);
    for column in 0..columns {
        let range = column * y.len() / columns..(column + 1) * y.len() / columns;
        let by = |a: &usize, b: &usize| y[*a].total_cmp(&y[*b]);
        let numbers = || range.clone().filter(|at| !y[*at].is_nan());
        let mut chosen = vec![range.start, range.end - 1];
        chosen.extend(numbers().min_by(by));
        chosen.extend(numbers().max_by(by));
        chosen.sort_unstable();
        chosen.dedup();
        kept.extend(chosen);
    }
    let pick = |from: &[f64]| kept.iter().map(|at| from[*at]).collect();
    Series::new(series.name(), pick(x), pick(y))
}

/// The course in 24 blocks.
fn blocks(values: &[f64]) -> String {
    const WIDTH: usize = 24;
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let columns = WIDTH.min(values.len());
    (0..columns)
        .map(|column| {
            let part = &values[column * values.len() / columns..(column + 1) * values.len() / columns];
            let last = part.iter().rev().find(|value| value.is_finite());
            last.map_or(' ', |value| {
                let share = if most > least { (value - least) / (most - least) } else { 0.0 };
                LEVELS[((share * 7.0).round() as usize).min(7)]
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_extremes_and_says_how_long_it_is() {
        let mut y: Vec<f64> = (0..1_000_000).map(|i| f64::from(i % 1000)).collect();
        y[777_777] = -5.0;
        y[3] = 1e9;
        let x = (0..1_000_000).map(f64::from).collect();
        let json = plot(&[&Series::new("loss", x, y)]).log_y().json();
        let sent = json.get("series").list()[0].get("y").list();
        assert!(sent.len() <= POINTS, "{}", sent.len());
        let values: Vec<f64> = sent.iter().filter_map(Json::as_f64).collect();
        assert!(values.contains(&-5.0) && values.contains(&1e9));
        assert_eq!((values[0], values[values.len() - 1]), (0.0, 999.0));
        assert!(json.get("series").list()[0].get("name").as_str().unwrap().contains("1\u{202f}000\u{202f}000 points"));
        assert_eq!((json.get("kind").as_str(), json.get("log_y").to_string()), (Some("line"), "true".to_owned()));
    }

    #[test]
    fn without_a_pane_a_curve_is_a_line_of_text() {
        let series = Series::new("loss", vec![1.0, 2.0, 3.0], vec![4.0, f64::NAN, 1.0]);
        assert_eq!(series.plot().to_string(), "loss  █ ▁ 4 → 1 (3 points)");
        assert!(std::panic::catch_unwind(|| plot(&[])).is_err());
    }
}
