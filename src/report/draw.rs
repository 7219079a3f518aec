//! Where the parts of a figure go. The same for every [`Ink`], so that a page, an SVG file and a PNG show one picture.

mod clip;
mod trace;

use super::figure::{Figure, Key};
use super::ink::{Anchor, Face, Hover, Ink, Paint, Pen, Place, Shape};
use super::{Chart, Line, MarkKind, number};
use crate::record::Column;

use clip::Frame;

/// Above the panels: baseline of the title, of the note, and where the plot may begin.
const HEAD: (f64, f64, f64) = (25.0, 44.0, 54.0);
/// Height of a row of the legend.
const LEGEND: f64 = 18.0;
/// Above a panel of several, for its title.
const PANEL: f64 = 22.0;
/// Beneath the last panel, for the ticks of x.
const FOOT: f64 = 24.0;
/// Left and right of a standing picture.
const SIDE: f64 = 14.0;
/// At the right of a plot, so that the middle of the last tick's label has room.
const RIGHT: f64 = 10.0;
/// Least distance between two marks of one kind.
const APART: f64 = 7.0;
/// How much larger than here a page may write words where it is narrow (`page/style.css`): they must still not touch.
const GROWS: f64 = 1.4;
/// Series of so few points show each as a dot.
const DOTS: usize = 48;

/// What is drawn beside the plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Title, value, note and legend above: for a picture that stands alone. A page has them as its own text.
    pub heading: bool,
    /// What stands where, for readers that can ask the picture.
    pub hover: bool,
}

impl Look {
    /// For a picture that stands alone.
    pub const ALONE: Self = Self { heading: true, hover: false };
    /// For a page with text of its own.
    pub const IN_PAGE: Self = Self { heading: false, hover: true };
}

/// Columns that a plot in a picture of this width should be cut into: one a CSS pixel, whatever the labels take.
pub fn columns(width: f64) -> usize {
    (width.round() as usize).clamp(32, 4096)
}

/// Draw a figure into so many CSS pixels.
pub fn figure(figure: &Figure, (width, height): (f64, f64), look: Look, ink: &mut impl Ink) {
    let side = if look.heading { SIDE } else { 0.0 };
    let mut top = if look.heading { heading(figure, width, ink) } else { 6.0 };
    let room = (width - 2.0 * side).max(40.0);
    if look.heading {
        top = legend(&figure.legend(), (side, top), room, ink);
    }
    let panels = figure.panels.len().max(1) as f64;
    let several = figure.panels.len() > 1;
    let titles = if several { PANEL } else { 0.0 };
    let bottom = height - FOOT - side / 2.0;
    let each = ((bottom - top) / panels).max(titles + 12.0);
    let plot_height = each - titles;
    let gutter = figure.panels.iter().map(|chart| gutter(chart, plot_height)).fold(34.0, f64::max);
    for (number, chart) in figure.panels.iter().enumerate() {
        let above = top + each * number as f64;
        let left = side + gutter;
        let frame = Frame {
            left,
            right: (width - side - RIGHT).max(left + 10.0),
            top: above + titles,
            bottom: above + each - if number + 1 < figure.panels.len() { 4.0 } else { 0.0 },
        };
        if several {
            panel_title(chart, side, &frame, ink);
        }
        let last = number + 1 == figure.panels.len();
        Plot { chart, frame, ink: &mut *ink }.draw(last, look.hover);
    }
}

/// Title, value, note; gives where the rest may begin.
fn heading(figure: &Figure, width: f64, ink: &mut impl Ink) -> f64 {
    let (title_at, note_at, end) = HEAD;
    let room = width - 2.0 * SIDE;
    let value = figure.value().unwrap_or_default();
    let value_width = if value.is_empty() { 0.0 } else { Face::Title.width(&value) + 16.0 };
    let title = Face::Title.fitted(&figure.title, room - value_width);
    ink.text((SIDE, title_at), &title, Face::Title, Anchor::Start, Paint::Text);
    if !value.is_empty() && value_width < room {
        ink.text((width - SIDE, title_at), &value, Face::Title, Anchor::End, Paint::Text);
    }
    let note = Face::Small.fitted(&figure.note(), room);
    ink.text((SIDE, note_at), &note, Face::Small, Anchor::Start, Paint::Muted);
    end
}

/// What each line is, if there are several; gives where the rest may begin.
fn legend(keys: &[Key], (left, top): Place, room: f64, ink: &mut impl Ink) -> f64 {
    const SWATCH: f64 = 16.0;
    const GAP: f64 = 18.0;
    if keys.is_empty() {
        return top;
    }
    let (mut x, mut row) = (left, 0.0);
    for key in keys {
        let text = Face::Small.fitted(&key.label, (room - SWATCH - 6.0).max(10.0));
        let wide = SWATCH + 6.0 + Face::Small.width(&text) + GAP;
        if x > left && x + wide - GAP > left + room {
            (x, row) = (left, row + 1.0);
        }
        let middle = top + row * LEGEND + LEGEND / 2.0;
        let pen = Pen { dashed: key.dim, ..Pen::new(Paint::Series(key.colour), 2.2) };
        ink.line(&[(x, middle), (x + SWATCH, middle)], pen);
        ink.text((x + SWATCH + 6.0, middle + 4.0), &text, Face::Small, Anchor::Start, Paint::Text);
        x += wide;
    }
    top + (row + 1.0) * LEGEND + 4.0
}

fn panel_title(chart: &Chart, side: f64, frame: &Frame, ink: &mut impl Ink) {
    let baseline = frame.top - 7.0;
    let value = chart.value.clone().unwrap_or_default();
    let room = frame.right - side - Face::Small.width(&value) * GROWS - 12.0;
    ink.text(
        (side, baseline),
        &Face::Panel.fitted(&chart.title, room / GROWS),
        Face::Panel,
        Anchor::Start,
        Paint::Text,
    );
    if !value.is_empty() {
        ink.text((frame.right, baseline), &value, Face::Small, Anchor::End, Paint::Muted);
    }
}

/// Ticks beside the plot: as many as leave a line free between two.
fn y_ticks(chart: &Chart, height: f64) -> Vec<super::axis::Tick> {
    chart.y.ticks(((height / 34.0) as usize).clamp(2, 8))
}

/// What the labels beside the plot take.
fn gutter(chart: &Chart, height: f64) -> f64 {
    let widest = y_ticks(chart, height).iter().map(|tick| Face::Small.width(&tick.label)).fold(0.0, f64::max);
    widest + 10.0
}

/// One chart in its frame.
struct Plot<'a, I> {
    chart: &'a Chart,
    frame: Frame,
    ink: &'a mut I,
}

impl<I: Ink> Plot<'_, I> {
    fn draw(mut self, with_x: bool, hover: bool) {
        self.y_axis();
        self.x_axis(with_x);
        for line in &self.chart.lines {
            self.behind(line);
        }
        self.restarts();
        for line in &self.chart.lines {
            self.front(line);
        }
        self.beyond_edges();
        self.marks();
        if !self.chart.lines.iter().any(has_numbers) {
            self.nothing();
        }
        if hover {
            self.hover();
        }
    }

    fn x(&self, x: f64) -> f64 {
        let position = self.chart.x.position(x).clamp(-1e4, 1e4);
        self.frame.left + position * (self.frame.right - self.frame.left)
    }

    fn y(&self, y: f64) -> f64 {
        let position = self.chart.y.position(y).clamp(-1e4, 1e4);
        self.frame.bottom - position * (self.frame.bottom - self.frame.top)
    }

    fn y_axis(&mut self) {
        let Frame { left, right, .. } = self.frame;
        for tick in y_ticks(self.chart, self.frame.bottom - self.frame.top) {
            let y = self.y(tick.at);
            // Between values of both signs zero is what the eye looks for.
            let zero = tick.at == 0.0 && self.chart.y.from < 0.0 && self.chart.y.to > 0.0;
            let pen = Pen { opacity: 0.6, ..Pen::new(Paint::Muted, 1.0) };
            self.ink.line(&[(left, y), (right, y)], if zero { pen } else { Pen::new(Paint::Grid, 1.0) });
            self.ink.text((left - 7.0, y + 4.0), &tick.label, Face::Small, Anchor::End, Paint::Muted);
        }
        if !self.chart.unit.is_empty() && self.chart.title.is_empty() {
            self.ink.text((left, self.frame.top - 4.0), &self.chart.unit, Face::Small, Anchor::Start, Paint::Muted);
        }
    }

    /// The baseline, ticks on it, and at the right end what x is.
    fn x_axis(&mut self, labelled: bool) {
        let Frame { left, right, bottom, .. } = self.frame;
        self.ink.line(&[(left, bottom), (right, bottom)], Pen { opacity: 0.6, ..Pen::new(Paint::Muted, 1.0) });
        let name = self.chart.x_name.as_ref();
        let reserved = if labelled { Face::Small.width(name) * GROWS + 10.0 } else { 0.0 };
        let wide = right - left;
        let ticks =
            (2..=((wide / 80.0) as usize).clamp(2, 12)).rev().map(|most| self.chart.x.ticks(most)).find(|ticks| {
                let edges = ticks.iter().map(|tick| {
                    let half = Face::Small.width(&tick.label) * GROWS / 2.0;
                    (self.x(tick.at) - half, self.x(tick.at) + half)
                });
                let edges: Vec<(f64, f64)> = edges.collect();
                edges.windows(2).all(|pair| pair[0].1 + 8.0 <= pair[1].0)
            });
        for tick in ticks.unwrap_or_default() {
            let x = self.x(tick.at);
            self.ink.line(&[(x, bottom), (x, bottom + 4.0)], Pen { opacity: 0.6, ..Pen::new(Paint::Muted, 1.0) });
            let half = Face::Small.width(&tick.label) * GROWS / 2.0;
            if labelled && x + half <= right + RIGHT - reserved {
                self.ink.text((x, bottom + 17.0), &tick.label, Face::Small, Anchor::Middle, Paint::Muted);
            }
        }
        if labelled {
            self.ink.text((right, bottom + 17.0), name, Face::Small, Anchor::End, Paint::Muted);
        }
    }

    /// What lies behind a line: its band, and the recorded values where a smoothed line runs through them.
    fn behind(&mut self, line: &Line) {
        let paint = Paint::Series(line.colour);
        if let Some(band) = &line.band {
            let frame = self.frame;
            let wide = (frame.right - frame.left) / band.len() as f64;
            let inside = |y: f64| self.y(y).clamp(frame.top, frame.bottom);
            let mut runs: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new()];
            for (column, &(low, high)) in band.iter().enumerate() {
                if !(low.is_finite() && high.is_finite()) {
                    runs.push(Vec::new());
                } else if let Some(run) = runs.last_mut() {
                    run.push((frame.left + wide * (column as f64 + 0.5), inside(high), inside(low)));
                }
            }
            for run in runs {
                match run.as_slice() {
                    [] => {}
                    // A single one has no surface: a bar from end to end.
                    [(x, upper, lower)] => {
                        let pen = Pen { opacity: 0.35, ..Pen::new(paint, 5.0) };
                        self.ink.line(&[(*x, *upper), (*x, *lower)], pen);
                    }
                    run => self.ink.band(run, paint, 0.18),
                }
            }
        }
        if line.filled {
            let base = self.y(0.0).clamp(self.frame.top, self.frame.bottom);
            for run in trace::runs(&line.raw, line.beyond, |mark| (self.x(mark.x), self.y(mark.y))) {
                for piece in self.frame.cut(&run) {
                    let spans: Vec<_> = piece.into_iter().map(|(x, y)| (x, y.min(base), y.max(base))).collect();
                    self.ink.band(&spans, paint, 0.3);
                }
            }
        }
        if line.smooth.is_some() {
            let pen = Pen { opacity: if line.dim { 0.18 } else { 0.32 }, ..Pen::new(paint, 0.8) };
            self.trace(&line.raw, (None, None), pen);
        }
    }

    /// The line itself.
    fn front(&mut self, line: &Line) {
        let columns = line.smooth.as_deref().unwrap_or(&line.raw);
        let paint = Paint::Series(line.colour);
        // Of the whole line: a part after a restart may be short.
        let parts = self.chart.lines.iter().filter(|part| part.label == line.label && part.colour == line.colour);
        let shown = parts.flat_map(|part| part.smooth.as_deref().unwrap_or(&part.raw));
        let few = shown.map(|column| column.count).sum::<usize>() <= DOTS;
        let width = if line.dim { 1.3 } else { 1.7 };
        let pen = Pen { opacity: if line.dim { 0.65 } else { 1.0 }, dashed: line.dim, ..Pen::new(paint, width) };
        self.trace(columns, line.beyond, pen);
        if few && !line.dim && !line.filled {
            for mark in columns.iter().flat_map(|column| column.marks.into_iter().flatten()) {
                let at = (self.x(mark.x), self.y(mark.y));
                if self.frame.holds(at) {
                    self.ink.mark(Shape::Disc, at, 2.6, paint);
                }
            }
        }
    }

    fn trace(
        &mut self,
        columns: &[Column],
        beyond: (Option<crate::record::Mark>, Option<crate::record::Mark>),
        pen: Pen,
    ) {
        for run in trace::runs(columns, beyond, |mark| (self.x(mark.x), self.y(mark.y))) {
            for piece in self.frame.cut(&run) {
                self.ink.line(&piece, pen);
            }
        }
    }

    /// Where generations begin.
    fn restarts(&mut self) {
        let Frame { top, bottom, .. } = self.frame;
        let mut labelled = f64::NEG_INFINITY;
        for mark in self.chart.marks.iter().filter(|mark| mark.kind == MarkKind::Restart) {
            let x = self.x(mark.x);
            if !self.frame.holds((x, top)) {
                continue;
            }
            let pen = Pen { dashed: true, opacity: 0.8, ..Pen::new(Paint::Muted, 1.0) };
            self.ink.line(&[(x, top), (x, bottom)], pen);
            let wide = Face::Small.width(&mark.label);
            if x - labelled > wide + 12.0 && x + 4.0 + wide < self.frame.right {
                self.ink.text((x + 4.0, top + 19.0), &mark.label, Face::Small, Anchor::Start, Paint::Muted);
                labelled = x;
            }
        }
    }

    /// NaN at the bottom, infinities and what a cut axis leaves out at the edges.
    fn beyond_edges(&mut self) {
        let Frame { top, bottom, .. } = self.frame;
        let chart = self.chart;
        for line in &chart.lines {
            let columns = if line.raw.is_empty() { line.smooth.as_deref().unwrap_or_default() } else { &line.raw };
            let mut last = [f64::NEG_INFINITY; 3];
            for (index, column) in columns.iter().enumerate() {
                let wide = (self.frame.right - self.frame.left) / columns.len() as f64;
                let x = self.frame.left + wide * (index as f64 + 0.5);
                let above = column.infinite.0 > 0 || column.max().is_some_and(|mark| mark.y > chart.y.to);
                let below = column.infinite.1 > 0 || column.min().is_some_and(|mark| mark.y < chart.y.from);
                let paint = |infinite: usize| if infinite > 0 { Paint::Alert } else { Paint::Series(line.colour) };
                let wanted = [
                    (above, Shape::Up, (x, top + 4.0), paint(column.infinite.0)),
                    (below, Shape::Down, (x, bottom - 4.0), paint(column.infinite.1)),
                    (column.nan > 0, Shape::Cross, (x, bottom - 5.0), Paint::Alert),
                ];
                for (kind, (is, shape, at, paint)) in wanted.into_iter().enumerate() {
                    if is && x - last[kind] >= APART {
                        self.ink.mark(shape, at, 3.2, paint);
                        last[kind] = x;
                    }
                }
            }
        }
    }

    /// Alerts and the like: at their value, else at the bottom.
    fn marks(&mut self) {
        let mut last = f64::NEG_INFINITY;
        for mark in &self.chart.marks {
            let (shape, paint) = match mark.kind {
                MarkKind::Restart => continue,
                MarkKind::Alert => (Shape::Up, Paint::Alert),
                MarkKind::Nan => (Shape::Cross, Paint::Alert),
                MarkKind::Info => (Shape::Diamond, Paint::Info),
            };
            let x = self.x(mark.x);
            let y = mark.y.filter(|y| y.is_finite()).map_or(self.frame.bottom - 5.0, |y| self.y(y));
            let y = y.clamp(self.frame.top + 5.0, self.frame.bottom - 5.0);
            if self.frame.holds((x, y)) && (x - last).abs() >= 3.0 {
                self.ink.mark(shape, (x, y), 4.2, paint);
                last = x;
            }
        }
    }

    fn nothing(&mut self) {
        let nan = self.chart.lines.iter().flat_map(|line| &line.raw).any(|column| column.count > 0);
        let words = if nan { "only values that are no numbers" } else { "no points here" };
        let middle =
            (f64::midpoint(self.frame.left, self.frame.right), f64::midpoint(self.frame.top, self.frame.bottom));
        self.ink.text(middle, words, Face::Small, Anchor::Middle, Paint::Muted);
    }

    fn hover(&mut self) {
        let Frame { left, right, top, bottom } = self.frame;
        let places = (((right - left) / 2.0) as usize).max(1);
        let at = |place: usize| self.chart.x.at((place as f64 + 0.5) / places as f64);
        let mut lines: Vec<(String, usize, Vec<String>)> = Vec::new();
        for line in self.chart.lines.iter().filter(|line| has_numbers(line)) {
            let values = asked(line.smooth.as_deref().unwrap_or(&line.raw), places);
            match lines.iter_mut().find(|(label, colour, _)| *label == line.label && *colour == line.colour) {
                // Later parts of one line lie over earlier ones.
                Some((_, _, known)) => {
                    for (known, value) in known.iter_mut().zip(values).filter(|(_, value)| !value.is_empty()) {
                        *known = value;
                    }
                }
                None => lines.push((line.label.clone(), line.colour, values)),
            }
        }
        if !lines.is_empty() {
            let x = (0..places).map(|place| self.chart.x.reading(at(place))).collect();
            let plot = (left, top, right - left, bottom - top);
            self.ink.hover(&Hover { plot, x_name: self.chart.x_name.clone().into_owned(), x, lines });
        }
    }
}

/// What a line is at evenly many places: the last value at or before each, from its first point to its last.
fn asked(columns: &[Column], places: usize) -> Vec<String> {
    let last = columns.iter().rposition(|column| column.marks.is_some()).unwrap_or(0);
    let mut held: Option<String> = None;
    let mut done = 0;
    let mut values = Vec::with_capacity(places);
    for place in 0..places {
        let to = ((place + 1) * columns.len() / places).max(done);
        let newest = columns[done..to].iter().rev().find(|column| column.count > 0);
        if let Some(column) = newest {
            held = Some(column.last().map_or_else(|| "nan".to_owned(), |mark| number::value(mark.y)));
        }
        let over = done > last;
        done = to;
        values.push(if over { String::new() } else { held.clone().unwrap_or_default() });
    }
    values
}

fn has_numbers(line: &Line) -> bool {
    let any = |columns: &[Column]| columns.iter().any(|column| column.marks.is_some());
    any(&line.raw) || line.smooth.as_deref().is_some_and(any) || matches!(line.beyond, (Some(_), Some(_)))
}
