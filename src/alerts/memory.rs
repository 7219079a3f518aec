//! `memory-growth`: memory that grows towards its limit.
//!
//! The window is cut into [`POINTS`] stretches, each with the mean of its samples. Growth is the median of the slopes
//! between all pairs of them (Theil and Sen): up to 29 % of the window may be anything (the ramp at a start, a sample
//! that is off) and it stays what the rest says. In the newer half memory must still grow at three quarters of that rate
//! from stretch to stretch, so that neither a ramp that has levelled out nor a single step is growth.

use std::collections::VecDeque;

use super::detector::{Seen, Verdict, nanos, secs};
use super::throughput::median;
use super::words;

const POINTS: usize = 20;
/// Growth over the window below this share of the limit is noise.
const NOISE: f64 = 0.005;
/// How much of the whole window's growth the newer half must show.
const STILL: f64 = 0.75;
/// Stretches over which it must. A step shows in one pair more than this, which must be fewer than half of those looked at.
const LAG: usize = 3;

#[derive(Debug)]
pub struct MemoryGrowth {
    within_secs: f64,
    stretch_ns: i64,
    /// Where the limit is, in order of preference.
    capacities: Vec<String>,
    begun_ns: Option<i64>,
    /// Of the stretch under way: samples, sum of their times from its beginning, sum of values.
    sums: (f64, f64, f64),
    /// Seconds and mean values of whole stretches.
    points: VecDeque<(f64, f64)>,
    /// Growth a second, the limit, and the seconds left.
    found: (f64, f64, f64),
}

/// Series that hold the limit of the series `name`, the best first.
pub fn capacities(name: &str) -> Vec<String> {
    let (group, last) = name.split_once('/').unwrap_or((name, ""));
    let names: &[&str] = match (group, last) {
        // In a container the limit kills, not the machine's memory.
        ("process" | "host", _) => &["host/memory_limit_bytes", "host/memory_total_bytes"],
        ("memory", _) => &["gpu0/memory_total_bytes"],
        _ => return vec![format!("{group}/memory_total_bytes")],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Whether [`capacities`] can give this name.
pub fn may_be_a_limit(name: &str) -> bool {
    name == "host/memory_limit_bytes" || name.ends_with("/memory_total_bytes")
}

impl MemoryGrowth {
    pub fn new(within_minutes: f64, window_minutes: f64, capacity: Option<&str>, name: &str) -> Self {
        Self {
            within_secs: 60.0 * within_minutes,
            stretch_ns: nanos(60.0 * window_minutes / POINTS as f64),
            capacities: capacity.map_or_else(|| capacities(name), |one| vec![one.to_owned()]),
            begun_ns: None,
            sums: (0.0, 0.0, 0.0),
            points: VecDeque::new(),
            found: (0.0, 0.0, 0.0),
        }
    }

    pub fn push(&mut self, seen: &Seen<'_>) -> Verdict {
        if !seen.value.is_finite() {
            return Verdict::Unsure;
        }
        let time_ns = seen.moment.time_ns;
        let begun = *self.begun_ns.get_or_insert(time_ns);
        let (mut since, mut verdict) = (secs(time_ns.saturating_sub(begun)), Verdict::Unsure);
        if time_ns.saturating_sub(begun) >= self.stretch_ns {
            let (samples, times, values) = std::mem::take(&mut self.sums);
            if self.points.len() == POINTS {
                self.points.pop_front();
            }
            // Times from a moment near by, so that no digits are lost.
            for point in &mut self.points {
                point.0 -= since;
            }
            self.points.push_back((times / samples - since, values / samples));
            self.begun_ns = Some(time_ns);
            since = 0.0;
            verdict = self.judge(seen);
        }
        self.sums.0 += 1.0;
        self.sums.1 += since;
        self.sums.2 += seen.value;
        verdict
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let known = |name: &String| seen.capacities.iter().find(|(series, _)| series == name).map(|(_, value)| *value);
        let Some(capacity) = self.capacities.iter().find_map(known).filter(|capacity| *capacity > 0.0) else {
            return Verdict::Unsure;
        };
        if self.points.len() < POINTS {
            return Verdict::Unsure;
        }
        let points = self.points.make_contiguous();
        let growth = slope(points);
        let newer = median((POINTS / 2..POINTS).map(|point| between(points[point - LAG], points[point])));
        let window = points[POINTS - 1].0 - points[0].0;
        if growth * window < NOISE * capacity || newer < STILL * growth {
            return Verdict::Clear;
        }
        let left = ((capacity - seen.value) / growth).max(0.0);
        self.found = (growth, capacity, left);
        match left {
            left if left <= self.within_secs => Verdict::Holds,
            left if left <= 2.0 * self.within_secs => Verdict::Unsure,
            _ => Verdict::Clear,
        }
    }

    pub fn why(&self, name: &str) -> String {
        let (growth, capacity, left) = self.found;
        let amount = |value: f64| if name.ends_with("_bytes") { words::bytes(value) } else { words::number(value) };
        format!(
            "{name} grows by {} a minute and reaches its limit of {} in {}",
            amount(60.0 * growth),
            amount(capacity),
            words::seconds(left)
        )
    }
}

/// The median slope between all pairs of points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let pairs = points
        .iter()
        .enumerate()
        .flat_map(|(index, &point)| points[..index].iter().map(move |&before| between(before, point)));
    median(pairs)
}

fn between((before_x, before_y): (f64, f64), (x, y): (f64, f64)) -> f64 {
    // Stretches follow each other in time; should a clock stand still, nothing grows.
    if x > before_x { (y - before_y) / (x - before_x) } else { 0.0 }
}
