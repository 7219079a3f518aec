//! All rules over all series.

use std::collections::HashMap;
use std::sync::Arc;

use super::detector::{Detector, Seen, Verdict, nanos};
use super::glob::Glob;
use super::stall::Stall;
use super::{Activity, Alert, Moment, memory};
use crate::config::{AlertRule, Watch};
use crate::record::DROPPED_ROWS;

/// Series named in a message besides the first.
const NAMED: usize = 3;

/// Rules and what they have learned so far. Deterministic; a value costs a hash lookup and, where a rule looks at its
/// series, a handful of operations.
#[derive(Debug)]
pub struct Monitor {
    rules: Vec<Rule>,
    index: HashMap<Box<str>, usize>,
    series: Vec<Series>,
    stalls: Vec<Stalling>,
    /// Newest values of series that hold a limit.
    capacities: Vec<(String, f64)>,
    activity: Activity,
    generation: Option<u32>,
}

#[derive(Debug)]
struct Rule {
    rule: AlertRule,
    glob: Glob,
}

/// A series as the rules see it.
#[derive(Debug)]
struct Series {
    name: Arc<str>,
    slots: Vec<Slot>,
    /// Rules for stalled runs that take it for progress.
    stalls: Vec<usize>,
    /// Whether it holds a limit.
    capacity: bool,
}

/// A rule over a series.
#[derive(Debug)]
struct Slot {
    rule: usize,
    detector: Detector,
    gate: Gate,
}

#[derive(Debug)]
struct Stalling {
    rule: usize,
    stall: Stall,
    gate: Gate,
}

/// Lets through one alert for as long as what is wrong lasts, and none before the last one's cooldown is over.
#[derive(Debug, Default)]
struct Gate {
    cooldown_ns: i64,
    raised: bool,
    last_ns: Option<i64>,
}

impl Gate {
    fn new(rule: &AlertRule) -> Self {
        Self { cooldown_ns: nanos(rule.cooldown_seconds), ..Self::default() }
    }

    fn raise(&mut self, time_ns: i64) -> bool {
        let cool = self.last_ns.is_none_or(|last| time_ns.saturating_sub(last) >= self.cooldown_ns);
        let through = cool && !self.raised;
        if through {
            self.raised = true;
            self.last_ns = Some(time_ns);
        }
        through
    }

    fn clear(&mut self) {
        self.raised = false;
    }
}

/// What a rule found in one series, before it becomes an alert.
struct Found {
    rule: usize,
    series: Arc<str>,
    value: f64,
    why: String,
}

impl Monitor {
    /// A monitor that has seen nothing.
    pub fn new(rules: &[AlertRule]) -> Self {
        let rules = rules.iter().map(|rule| Rule { glob: Glob::new(&rule.series), rule: rule.clone() }).collect();
        let mut monitor = Self {
            rules,
            index: HashMap::new(),
            series: Vec::new(),
            stalls: Vec::new(),
            capacities: Vec::new(),
            activity: Activity::Training,
            generation: None,
        };
        monitor.forget();
        monitor
    }

    /// Whether values of this series can make a difference: all others need not be shown to [`Monitor::observe`].
    pub fn watches(&self, name: &str) -> bool {
        name != DROPPED_ROWS && (self.rules.iter().any(|rule| rule.glob.matches(name)) || self.holds_a_limit(name))
    }

    /// Values recorded together, in the order of time; values of an earlier generation than the newest are passed over.
    /// Of several series in which one rule finds something at this moment one alert is made.
    pub fn observe(&mut self, moment: Moment, values: &[(&str, f64)]) -> Vec<Alert> {
        if !self.enter(moment.generation) {
            return Vec::new();
        }
        let mut alerts = self.tick(moment.time_ns);
        let (mut found, mut limits) = (Vec::new(), Vec::new());
        for &(name, value) in values {
            let place = match self.index.get(name) {
                Some(&place) => place,
                None => self.meet(name),
            };
            let series = &mut self.series[place];
            for slot in &mut series.slots {
                let seen = Seen { moment, value, activity: self.activity, capacities: &self.capacities };
                match slot.detector.push(&seen) {
                    Verdict::Clear => slot.gate.clear(),
                    Verdict::Unsure => {}
                    Verdict::Holds => {
                        if slot.gate.raise(moment.time_ns) {
                            let why = slot.detector.why(name, value);
                            found.push(Found { rule: slot.rule, series: Arc::clone(&series.name), value, why });
                        }
                    }
                }
            }
            for &stall in &series.stalls {
                if self.stalls[stall].stall.progress(moment) {
                    self.stalls[stall].gate.clear();
                    self.activity = Activity::Training;
                }
            }
            if series.capacity && value.is_finite() {
                limits.push((place, value));
            }
        }
        // Behind everything else, so that the order of the values within a batch does not matter.
        for (place, value) in limits {
            let name = &*self.series[place].name;
            match self.capacities.iter_mut().find(|(known, _)| known == name) {
                Some(known) => known.1 = value,
                None => self.capacities.push((name.to_owned(), value)),
            }
        }
        alerts.extend(self.merge(moment, found));
        alerts
    }

    /// From now on the run of this generation does something else.
    pub fn turn_to(&mut self, activity: Activity, generation: u32, time_ns: i64) -> Vec<Alert> {
        if !self.enter(generation) {
            return Vec::new();
        }
        let alerts = self.tick(time_ns);
        self.activity = activity;
        for stalling in &mut self.stalls {
            stalling.stall.turn_to(activity, time_ns);
            stalling.gate.clear();
        }
        alerts
    }

    /// It is `now_ns` (nanoseconds since the Unix epoch): what is wrong only because nothing came.
    pub fn tick(&mut self, now_ns: i64) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for stalling in &mut self.stalls {
            let Some(found) = stalling.stall.check(now_ns) else { continue };
            if stalling.gate.raise(found.moment.time_ns) {
                let rule = &self.rules[stalling.rule].rule;
                alerts.push(Alert {
                    kind: rule.kind(),
                    rule: stalling.rule,
                    series: rule.series.as_str().into(),
                    also: Vec::new(),
                    moment: found.moment,
                    value: found.secs,
                    message: found.why,
                    action: rule.action,
                    notify: rule.notify.clone(),
                });
            }
        }
        alerts
    }

    /// [`Monitor::tick`] at a moment of this generation.
    pub(super) fn tick_in(&mut self, generation: u32, now_ns: i64) -> Vec<Alert> {
        if self.enter(generation) { self.tick(now_ns) } else { Vec::new() }
    }

    /// Whether this generation is the newest; a newer one begins anew.
    fn enter(&mut self, generation: u32) -> bool {
        if self.generation.is_some_and(|newest| generation > newest) {
            self.forget();
        }
        let newest = *self.generation.get_or_insert(generation);
        self.generation = Some(newest.max(generation));
        generation >= newest
    }

    fn forget(&mut self) {
        self.index.clear();
        self.series.clear();
        self.capacities.clear();
        self.activity = Activity::Training;
        self.stalls.clear();
        for (index, Rule { rule, .. }) in self.rules.iter().enumerate() {
            if let Watch::Stalled { step_times, min_seconds } = rule.watch {
                let stall = Stall::new(step_times, min_seconds);
                self.stalls.push(Stalling { rule: index, stall, gate: Gate::new(rule) });
            }
        }
    }

    /// A series that was not there before.
    fn meet(&mut self, name: &str) -> usize {
        // The store writes this one by itself, past whoever watches.
        let watched = name != DROPPED_ROWS;
        let fits = |rule: usize| watched && self.rules[rule].glob.matches(name);
        let slots = (0..self.rules.len()).filter(|&rule| fits(rule)).filter_map(|index| {
            let rule = &self.rules[index].rule;
            Some(Slot { rule: index, detector: Detector::new(rule, name)?, gate: Gate::new(rule) })
        });
        let slots = slots.collect();
        let stalls = (0..self.stalls.len()).filter(|&stall| fits(self.stalls[stall].rule)).collect();
        let capacity = self.holds_a_limit(name);
        self.series.push(Series { name: name.into(), slots, stalls, capacity });
        self.index.insert(name.into(), self.series.len() - 1);
        self.series.len() - 1
    }

    /// Whether a rule on memory may ask for this series.
    fn holds_a_limit(&self, name: &str) -> bool {
        self.rules.iter().any(|Rule { rule, .. }| match &rule.watch {
            Watch::MemoryGrowth { capacity_series: Some(series), .. } => series == name,
            Watch::MemoryGrowth { .. } => memory::may_be_a_limit(name),
            _ => false,
        })
    }

    /// One alert for each rule that found something.
    fn merge(&self, moment: Moment, mut found: Vec<Found>) -> Vec<Alert> {
        found.sort_by(|a, b| (a.rule, &a.series).cmp(&(b.rule, &b.series)));
        let groups = found.chunk_by(|a, b| a.rule == b.rule);
        let alerts = groups.filter_map(|group| {
            let (first, others) = group.split_first()?;
            let rule = &self.rules[first.rule].rule;
            let also: Vec<Arc<str>> = others.iter().map(|found| Arc::clone(&found.series)).collect();
            let message = match also.as_slice() {
                [] => first.why.clone(),
                few if few.len() <= NAMED => format!("{}; so with {}", first.why, few.join(", ")),
                many => format!("{}; so with {} and {} more", first.why, many[..NAMED].join(", "), many.len() - NAMED),
            };
            Some(Alert {
                kind: rule.kind(),
                rule: first.rule,
                series: Arc::clone(&first.series),
                also,
                moment,
                value: first.value,
                message,
                action: rule.action,
                notify: rule.notify.clone(),
            })
        });
        alerts.collect()
    }
}
