//! A figure: one chart, or several over one x axis, and what is said of it in words.

use super::{Chart, Line, number};
use crate::record::{Column, Mark};

/// One figure of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name in file names and on the command line: `loss-g`.
    pub name: String,
    /// What is shown.
    pub title: String,
    /// How to read it, in a sentence; may be empty.
    pub caption: String,
    /// The charts, from top to bottom; all have the same x axis.
    pub panels: Vec<Chart>,
}

/// A row of a legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What the line is.
    pub label: String,
    /// Which of the palette's series colours.
    pub colour: usize,
    /// Drawn in dashes.
    pub dim: bool,
}

impl Figure {
    /// A figure of one chart, with the chart's title.
    pub fn new(name: impl Into<String>, chart: Chart) -> Self {
        Self { name: name.into(), title: chart.title.clone(), caption: String::new(), panels: vec![chart] }
    }

    /// The same figure with a sentence on how to read it.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }

    /// The latest value, where there is one line.
    pub fn value(&self) -> Option<String> {
        match self.panels.as_slice() {
            [chart] => chart.value.clone(),
            _ => None,
        }
    }

    /// Points behind the picture.
    pub fn points(&self) -> u64 {
        self.panels.iter().filter_map(|chart| chart.points).sum()
    }

    /// Unit, smoothing and number of points: what a picture must say of itself.
    pub fn note(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if let [chart] = self.panels.as_slice()
            && !chart.unit.is_empty()
        {
            parts.push(format!("in {}", chart.unit.trim()));
        }
        if self.panels.iter().any(|chart| chart.y.log) {
            parts.push("logarithmic".to_owned());
        }
        let mut notes: Vec<&str> = self.panels.iter().filter_map(|chart| chart.note.as_deref()).collect();
        notes.dedup();
        parts.extend(notes.first().map(|note| (*note).to_owned()));
        if self.panels.iter().any(|chart| chart.points.is_some()) {
            let points = self.points();
            parts.push(format!("{} {}", number::count(points), if points == 1 { "point" } else { "points" }));
        }
        parts.join(" · ")
    }

    /// What each line is, if that has to be told: each label once, in the order of drawing.
    pub fn legend(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for line in self.panels.iter().flat_map(|chart| &chart.lines).filter(|line| !line.label.is_empty()) {
            match keys.iter_mut().find(|key| key.label == line.label) {
                // Overtaken parts are dim; the line as a whole is so only if all of it is.
                Some(key) => key.dim &= line.dim,
                None => keys.push(Key { label: line.label.clone(), colour: line.colour, dim: line.dim }),
            }
        }
        if keys.len() > 1 { keys } else { Vec::new() }
    }

    /// The picture in words, for who does not see it.
    pub fn alt(&self) -> String {
        let mut text = format!("{}: ", self.title);
        let Some(first) = self.panels.first() else { return text + "nothing to show." };
        // Whole steps and epochs, though the axis may have half a one to spare at its ends.
        let whole = first.x.kind == super::Kind::Step;
        let (from, to) = if whole { (first.x.from.ceil(), first.x.to.floor()) } else { (first.x.from, first.x.to) };
        let (from, to) = (first.x.reading(from), first.x.reading(to));
        text += &match self.panels.len() {
            1 => format!("line chart over {} {from} to {to}.", first.x_name),
            count => format!("{count} line charts over {} {from} to {to}.", first.x_name),
        };
        let several = self.panels.len() > 1;
        let mut told = 0;
        for chart in &self.panels {
            let mut any = false;
            for line in chart.lines.iter().filter(|line| !(line.dim && chart.lines.iter().any(|it| !it.dim))) {
                let Some(course) = Course::of(line) else { continue };
                any = true;
                told += 1;
                if told > 8 {
                    continue; // nobody listens to a ninth
                }
                let panel = if several { format!("{} ", chart.title) } else { String::new() };
                let name = format!("{panel}{}", line.label);
                let name = if name.is_empty() { "It" } else { name.trim_end() };
                let Course { first, last, low, high } = course;
                let at =
                    |mark: Mark| format!("{} at {} {}", number::value(mark.y), chart.x_name, chart.x.reading(mark.x));
                text += &format!(
                    " {name} goes from {} to {}; lowest {}, highest {}.",
                    at(first),
                    number::value(last.y),
                    at(low),
                    at(high)
                );
            }
            if !any {
                let name = if several { chart.title.as_str() } else { "It" };
                text += &format!(" {name} has no values.");
            }
        }
        text
    }
}

/// Where a line begins and ends, and its extremes.
struct Course {
    first: Mark,
    last: Mark,
    low: Mark,
    high: Mark,
}

impl Course {
    fn of(line: &Line) -> Option<Self> {
        let columns = line.smooth.as_deref().unwrap_or(&line.raw);
        let mut with = columns.iter().filter(|column| column.marks.is_some());
        let (first, last) = (with.next()?, columns.iter().rev().find(|column| column.marks.is_some())?);
        let extreme = |of: fn(&Column) -> Option<Mark>, better: fn(f64, f64) -> bool| {
            columns.iter().filter_map(of).reduce(|a, b| if better(b.y, a.y) { b } else { a })
        };
        Some(Self {
            first: first.first()?,
            last: last.last()?,
            low: extreme(Column::min, |a, b| a < b)?,
            high: extreme(Column::max, |a, b| a > b)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decimate;
    use crate::report::{Axis, Kind};

    fn chart(values: &[f64]) -> Chart {
        let x: Vec<f64> = (0..values.len()).map(|x| x as f64).collect();
        let raw = decimate(&x, values, 0.0, 9.0, 10);
        let axis = Axis::new(Kind::Step, 0.0, 9.0);
        Chart {
            lines: vec![Line { raw, ..Line::default() }],
            points: Some(values.len() as u64),
            ..Chart::new("Loss", axis, Axis::default())
        }
    }

    #[test]
    fn the_picture_in_words_has_ends_and_extremes() {
        let figure = Figure::new("loss", chart(&[4.0, 2.0, 9.0, 3.0]));
        assert_eq!(
            figure.alt(),
            "Loss: line chart over step 0 to 9. It goes from 4 at step 0 to 3; lowest 2 at step 1, highest 9 at step 2."
        );
        assert_eq!(
            Figure::new("loss", chart(&[f64::NAN])).alt(),
            "Loss: line chart over step 0 to 9. It has no values."
        );
    }

    #[test]
    fn a_legend_is_there_only_where_lines_must_be_told_apart() {
        let mut chart = chart(&[1.0]);
        chart.lines[0].label = "a".to_owned();
        chart.lines.push(Line { label: "a".to_owned(), dim: true, ..Line::default() });
        assert!(Figure::new("x", chart.clone()).legend().is_empty());
        chart.lines.push(Line { label: "b".to_owned(), colour: 3, ..Line::default() });
        let keys = Figure::new("x", chart).legend();
        assert_eq!(
            keys.iter().map(|key| (key.label.as_str(), key.dim)).collect::<Vec<_>>(),
            [("a", false), ("b", false)]
        );
    }

    #[test]
    fn the_note_counts_points() {
        assert_eq!(Figure::new("x", chart(&[1.0])).note(), "1 point");
        assert_eq!(Figure::new("x", chart(&[1.0, 2.0])).note(), "2 points");
    }
}
