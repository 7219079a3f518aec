//! The thread that holds curves and answers what of them the screen shows.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::app::data::watch::{Ears, POLL};
use crate::app::event::Event;
use crate::app::screens::ScreenKind;
use crate::record::curve::{Axis, Curve, Grid, Sampled, Values};
use crate::record::{Column, Mark, Point};
use crate::report::quantity;
use crate::session::events::EventLine;

mod group;
mod opened;
#[cfg(test)]
mod tests;

pub use group::{GroupLine, Groups, Spot, Spread};

use group::{Joined, Member};
use opened::Opened;

/// Time between two answers at the least while data streams in.
const PACE: Duration = Duration::from_secs(1);
/// Points held of series that are not on the screen, before the longest unused ones are let go.
const KEPT_POINTS: usize = 4_000_000;

/// What stands on the x axis of every chart of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XAxis {
    /// Optimizer steps.
    #[default]
    Step,
    /// Epochs.
    Epoch,
    /// The time of day.
    Wall,
    /// Time since each session began.
    Relative,
}

impl XAxis {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Step => Self::Epoch,
            Self::Epoch => Self::Wall,
            Self::Wall => Self::Relative,
            Self::Relative => Self::Step,
        }
    }

    /// The noun.
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Wall => "clock",
            Self::Relative => "time",
        }
    }
}

/// Which stretch of the x axis.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Window {
    /// All there is, growing as it grows.
    #[default]
    All,
    /// The newest so much of it, moving along.
    Last(f64),
    /// From here to there.
    Fixed(f64, f64),
}

/// One chart wanted: a series, of every session asked for that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The series' name, of the metrics or of the telemetry.
    pub series: String,
    /// Only what stands at the crosshair is wanted: it has no say in what the axis spans.
    pub aside: bool,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct CurvesRequest {
    /// For which screen.
    pub screen: ScreenKind,
    /// Counted by the screen, to know an old answer.
    pub serial: u64,
    /// Sessions, by id and folder, in the order in which they are drawn.
    pub sessions: Vec<(String, PathBuf)>,
    /// Charts.
    pub want: Vec<Want>,
    /// What x is.
    pub axis: XAxis,
    /// Equal ratios on the x axis.
    pub log_x: bool,
    /// Which stretch.
    pub window: Window,
    /// Columns of each chart: two a cell.
    pub columns: usize,
    /// Half-life of the smoothing, in steps; zero for none.
    pub half_life: f64,
    /// Where the crosshair is.
    pub crosshair: Option<f64>,
    /// Sessions drawn as one.
    pub groups: Groups,
}

/// One part of a line: of one generation.
#[derive(Debug, Clone, PartialEq)]
pub struct PartColumns {
    /// Restarts before it.
    pub generation: u32,
    /// Overtaken by a newer generation.
    pub superseded: bool,
    /// The values as they were recorded.
    pub raw: Vec<Column>,
    /// The smoothed ones, if anything is smoothed.
    pub smooth: Option<Vec<Column>>,
    /// The first x of the part.
    pub begins: f64,
    /// Where the shown line comes from and leads to beyond the columns.
    pub beyond: (Option<Mark>, Option<Mark>),
}

/// One session's line in a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotLine {
    /// The session's place in the request.
    pub session: usize,
    /// Its parts, oldest first.
    pub parts: Vec<PartColumns>,
    /// Points behind the line, wherever they lie.
    pub points: usize,
    /// How many of them are NaN.
    pub nan: usize,
    /// The newest point.
    pub last: Option<Point>,
    /// What stands at the crosshair.
    pub at: Option<Sampled>,
    /// What is smoothed at the newest point.
    pub last_smoothed: Option<f64>,
    /// Lowest and highest finite raw value in the window.
    pub range: Option<(f64, f64)>,
    /// The same of the smoothed values.
    pub smooth_range: Option<(f64, f64)>,
    /// Where relative time begins, in nanoseconds since the Unix epoch; none on another axis.
    pub start_ns: Option<i64>,
    /// Lowest and highest finite value of what still counts, of the smoothed ones if anything is smoothed; x is the step.
    pub ends: Option<(Mark, Mark)>,
}

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Plot {
    /// The series' name.
    pub series: String,
    /// A line a session.
    pub lines: Vec<PlotLine>,
    /// A line a group of which at least two have the series.
    pub groups: Vec<GroupLine>,
}

/// What is known of a session beside its curves.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its id.
    pub id: String,
    /// Names of its metrics, sorted.
    pub metrics: Arc<Vec<String>>,
    /// Names of its telemetry, sorted.
    pub telemetry: Arc<Vec<String>>,
    /// What happened, oldest first.
    pub events: Arc<Vec<EventLine>>,
    /// The alerts among it: they are marked on charts, and looked for with every picture.
    pub alerts: Arc<Vec<EventLine>>,
    /// The end of what it printed.
    pub log: Arc<Vec<String>>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// What was asked for.
#[derive(Debug, Clone)]
pub struct CurvesAnswer {
    /// For which screen.
    pub screen: ScreenKind,
    /// Of which request.
    pub serial: u64,
    /// What x is.
    pub axis: XAxis,
    /// Equal ratios on the x axis.
    pub log_x: bool,
    /// The stretch that is shown.
    pub window: (f64, f64),
    /// All there is.
    pub extent: (f64, f64),
    /// The sessions, in the request's order.
    pub sessions: Vec<Facts>,
    /// The charts, in the request's order.
    pub plots: Vec<Plot>,
    /// Places in `sessions` of those that are drawn as one.
    pub groups: Vec<Vec<usize>>,
}

impl CurvesAnswer {
    /// Whether any curve of it is smoothed.
    pub fn is_smoothed(&self) -> bool {
        self.plots.iter().flat_map(|plot| &plot.lines).any(|line| line.smooth_range.is_some())
    }
}

/// The thread; it ends with this handle.
pub struct CurvesThread {
    requests: Sender<CurvesRequest>,
}

impl CurvesThread {
    /// A thread that looks whenever `wake` tells and answers to `events`.
    pub fn spawn(wake: Receiver<()>, events: Sender<Event>) -> Self {
        let (requests, asked) = unbounded();
        let run = move || Holder::default().serve(&asked, &wake, &events);
        std::thread::Builder::new().name("curves".to_owned()).spawn(run).ok();
        Self { requests }
    }

    /// Ask. An older request that still waits is not answered.
    pub fn ask(&self, request: CurvesRequest) {
        self.requests.send(request).ok();
    }
}

/// The sessions held, and what was asked last.
#[derive(Default)]
pub struct Holder {
    opened: Vec<Opened>,
    request: Option<CurvesRequest>,
    /// Lines of groups, by series and members.
    joined: HashMap<(String, Vec<String>), Joined>,
}

impl Holder {
    fn serve(&mut self, asked: &Receiver<CurvesRequest>, wake: &Receiver<()>, events: &Sender<Event>) {
        let nothing = crossbeam_channel::never();
        let mut wake = wake;
        let mut answered = Instant::now();
        let mut ears = Ears::default();
        loop {
            let (mut fresh, mut told) = (false, false);
            crossbeam_channel::select! {
                recv(asked) -> request => match request {
                    Ok(request) => {
                        self.request = Some(asked.try_iter().last().unwrap_or(request));
                        fresh = true;
                    }
                    Err(_) => return,
                },
                recv(wake) -> woken => {
                    told = woken.is_ok();
                    if !told {
                        wake = &nothing;
                    }
                }
                default(POLL) => {}
            }
            if !fresh {
                // Data that streams in is shown at a pace; a request is answered at once.
                match asked.recv_timeout(PACE.saturating_sub(answered.elapsed())) {
                    Ok(request) => {
                        self.request = Some(asked.try_iter().last().unwrap_or(request));
                        fresh = true;
                    }
                    Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
                    Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return,
                }
            }
            let Some(request) = self.request.clone() else { continue };
            let news = self.take_in(&request);
            let watching = if news && !fresh { ears.found(told) } else { None };
            if watching.is_some_and(|watching| events.send(Event::Watching(watching)).is_err()) {
                return;
            }
            if (fresh || news) && events.send(Event::Curves(Box::new(self.answer(&request)))).is_err() {
                return;
            }
            answered = Instant::now();
        }
    }

    /// Open what is asked for, close what is not, and read what is new; whether anything is.
    pub fn take_in(&mut self, request: &CurvesRequest) -> bool {
        let mut before = std::mem::take(&mut self.opened);
        for (id, folder) in &request.sessions {
            let kept = before.iter().position(|opened| opened.id() == id);
            let opened = kept.map_or_else(|| Opened::new(id, folder), |index| before.swap_remove(index));
            self.opened.push(opened);
        }
        let mut news = false;
        for opened in &mut self.opened {
            news |= opened.poll();
            let wanted: Vec<&str> = request.want.iter().map(|want| want.series.as_str()).collect();
            news |= opened.load(&wanted);
            opened.let_go(KEPT_POINTS / request.sessions.len(), &wanted);
        }
        news
    }

    /// What the request shows of what is held.
    pub fn answer(&mut self, request: &CurvesRequest) -> CurvesAnswer {
        let axes: Vec<Axis> = self.opened.iter().map(|opened| opened.axis(request.axis)).collect();
        let extent = self.extent(request, &axes).unwrap_or((0.0, 1.0));
        let (from, to) = window(request, extent, self.opened.iter().any(Opened::is_alive));
        let mut plots = Vec::with_capacity(request.want.len());
        let mut before = std::mem::take(&mut self.joined);
        for want in &request.want {
            let mut lines = Vec::new();
            for (session, (opened, &axis)) in self.opened.iter_mut().zip(&axes).enumerate() {
                let Some(curve) = opened.curve_mut(&want.series) else { continue };
                curve.set_half_life(if quantity::is_noisy(&want.series, curve.len()) {
                    request.half_life
                } else {
                    0.0
                });
                let grid = Grid::new(axis, from, to, request.columns).log(request.log_x);
                lines.push(line(curve, session, grid, request.crosshair));
            }
            let grid = Grid::new(Axis::Step, from, to, request.columns).log(request.log_x);
            let groups = self.join(request, &want.series, grid, &mut before);
            plots.push(Plot { series: want.series.clone(), lines, groups });
        }
        CurvesAnswer {
            screen: request.screen,
            serial: request.serial,
            axis: request.axis,
            log_x: request.log_x,
            window: (from, to),
            extent,
            sessions: self.opened.iter().map(Opened::facts).collect(),
            plots,
            groups: request.groups.members.clone(),
        }
    }

    /// The lines of the groups in one chart; what is joined already is found in `before`.
    fn join(
        &mut self,
        request: &CurvesRequest,
        series: &str,
        grid: Grid,
        before: &mut HashMap<(String, Vec<String>), Joined>,
    ) -> Vec<GroupLine> {
        let mut lines = Vec::new();
        for (group, places) in request.groups.members.iter().enumerate() {
            let opened = places.iter().filter_map(|&place| self.opened.get(place));
            let having: Vec<(&Opened, &Curve)> =
                opened.filter_map(|opened| Some((opened, opened.curve(series)?))).collect();
            let (Some((first, _)), true) = (having.first(), having.len() > 1 && request.axis != XAxis::Wall) else {
                continue;
            };
            let grid = Grid { axis: first.axis(request.axis), ..grid };
            let start = |opened: &Opened| match opened.axis(XAxis::Relative) {
                Axis::Relative { start_ns } => start_ns,
                _ => 0,
            };
            let members: Vec<Member<'_>> = having.iter().map(|(opened, curve)| (*curve, start(opened))).collect();
            let key = (series.to_owned(), having.iter().map(|(opened, _)| opened.id().to_owned()).collect());
            let mut joined = before.remove(&key).unwrap_or_default();
            joined.take_in(&members, request.groups.spread);
            lines.push(joined.line(group, request.axis, grid, request.crosshair));
            self.joined.insert(key, joined);
        }
        lines
    }

    fn extent(&self, request: &CurvesRequest, axes: &[Axis]) -> Option<(f64, f64)> {
        let curves = self.opened.iter().zip(axes).flat_map(|(opened, &axis)| {
            request.want.iter().filter(|want| !want.aside).filter_map(move |want| {
                let curve = opened.curve(&want.series)?;
                if request.log_x { curve.positive_extent(axis) } else { curve.extent(axis) }
            })
        });
        curves.filter(|(from, to)| from.is_finite() && to.is_finite()).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Where a point stands on an axis.
fn x_of(axis: Axis, point: &Point) -> f64 {
    match axis {
        Axis::Step => point.step as f64,
        Axis::Epoch => point.epoch,
        Axis::Wall => point.time_ns as f64 / 1e9,
        Axis::Relative { start_ns } => (point.time_ns - start_ns) as f64 / 1e9,
    }
}

/// The stretch that is shown. While there will be more, its end lies ahead of the newest point and moves in strides: a
/// new point then changes a column, not the place of every other one, which is what a slow link has to carry.
fn window(request: &CurvesRequest, extent: (f64, f64), growing: bool) -> (f64, f64) {
    let ahead = |from: f64, width: f64| {
        let stride = (width.log2().floor() - 3.0).exp2(); // an eighth of the width, or less
        let end = from + ((extent.1 - from) / stride).ceil() * stride;
        if growing && end.is_finite() { end.max(extent.1) } else { extent.1 }
    };
    let (from, to) = match request.window {
        Window::All => (extent.0, ahead(extent.0, extent.1 - extent.0)),
        Window::Last(width) => {
            let end = ahead(0.0, width);
            ((end - width).max(extent.0), end)
        }
        Window::Fixed(from, to) => (from, to),
    };
    if to > from { (from, to) } else { (from, from + 1.0) }
}

fn line(curve: &Curve, session: usize, grid: Grid, crosshair: Option<f64>) -> PlotLine {
    let smoothed = curve.half_life().is_some();
    let parts = curve.parts().into_iter().map(|part| PartColumns {
        generation: part.generation,
        superseded: part.superseded,
        raw: curve.columns(&part, Values::Raw, grid),
        smooth: smoothed.then(|| curve.columns(&part, Values::Smoothed, grid)),
        beyond: curve.beyond(&part, if smoothed { Values::Smoothed } else { Values::Raw }, grid),
        begins: curve.point(part.points.start).map_or(f64::NAN, |point| x_of(grid.axis, &point)),
    });
    let parts = parts.collect();
    let range = |values| curve.range(values, grid.axis, grid.from, grid.to);
    PlotLine {
        session,
        parts,
        points: curve.len(),
        nan: curve.nan_count(),
        last: curve.last(),
        at: crosshair.and_then(|x| curve.at(grid.axis, x)),
        last_smoothed: curve.len().checked_sub(1).and_then(|last| curve.sampled(last)).and_then(|it| it.smoothed),
        range: range(Values::Raw),
        smooth_range: if smoothed { range(Values::Smoothed) } else { None },
        start_ns: if let Axis::Relative { start_ns } = grid.axis { Some(start_ns) } else { None },
        ends: group::ends(curve, if smoothed { Values::Smoothed } else { Values::Raw }),
    }
}
