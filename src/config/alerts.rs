//! `[[alerts]]`: rules that watch a run.
//!
//! In a file a rule is one flat table whose keys depend on its `kind`; in the program it is an [`AlertRule`] that holds
//! the parameters of its kind and no others. docs/alerts.md has each kind's formula.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One rule: what to look for in which series, and what to do when it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Written", into = "Written")]
#[schemars(with = "Written")]
pub struct AlertRule {
    /// The series it looks at: a name, or a glob (`*` any text, `?` one character, `{a,b}` either).
    pub series: String,
    /// What it looks for.
    pub watch: Watch,
    /// What the run does.
    pub action: AlertAction,
    /// How a terminal tells a person.
    pub notify: Vec<Notify>,
    /// Shortest time between two alerts of this rule on one series, in seconds.
    pub cooldown_seconds: f64,
}

/// What a rule looks for, with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Watch {
    /// A value that is NaN or infinite.
    NotFinite,
    /// A value far from the mean of those before it.
    Spike {
        /// Standard deviations from the mean.
        sigma: f64,
        /// Values this many steps back count half in mean and deviation.
        half_life_steps: u64,
        /// Steps of a generation that are only learned from.
        warmup_steps: u64,
        /// On which side of the mean.
        side: Side,
    },
    /// No improvement for long.
    Plateau {
        /// How long.
        window: Window,
        /// What counts as an improvement, as a share of the best value so far.
        min_relative_improvement: f64,
        /// Which direction is one.
        better: Better,
    },
    /// A speed that fell below what was usual.
    ThroughputDrop {
        /// By which share of the usual speed.
        drop_fraction: f64,
        /// Over how long a speed is averaged.
        window_seconds: f64,
    },
    /// A device with nothing to do while the run is not paused.
    GpuIdle {
        /// Utilization below which it idles.
        below_percent: f64,
        /// For how long without a break.
        idle_seconds: f64,
    },
    /// No new step for long.
    Stalled {
        /// How many times the usual time of a step.
        step_times: f64,
        /// And at least this long.
        min_seconds: f64,
    },
    /// Memory that grows towards its limit.
    MemoryGrowth {
        /// Raise when the limit would be reached within this time.
        within_minutes: f64,
        /// The stretch of time over which growth is measured.
        window_minutes: f64,
        /// The series that holds the limit; absent: the one that belongs to the series watched.
        capacity_series: Option<String>,
    },
}

/// The kinds of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// A value that is NaN or infinite.
    NotFinite,
    /// A value `sigma` standard deviations from the mean of those before it.
    Spike,
    /// No improvement for long.
    Plateau,
    /// A speed that fell below what was usual.
    ThroughputDrop,
    /// A GPU with nothing to do while the run is not paused.
    GpuIdle,
    /// No new step for many times the usual step time.
    Stalled,
    /// Memory that grows towards its limit.
    MemoryGrowth,
}

/// What the run does when a rule raises an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertAction {
    /// Nothing but the event, which viewers mark on their charts.
    #[default]
    Mark,
    /// Pause at the next step boundary.
    Pause,
    /// Write a checkpoint and end, resumable.
    Stop,
}

/// How a terminal tells a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Notify {
    /// The terminal's bell.
    Bell,
    /// A desktop notification by the terminal (OSC 9).
    Osc9,
}

/// On which side of the mean a spike is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Above, as for a loss.
    #[default]
    Above,
    /// Below.
    Below,
    /// Either.
    Both,
}

/// Which direction is an improvement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Up for series named `psnr`, `ssim` or `ms-ssim`, down for all others.
    #[default]
    Auto,
    /// Down.
    Lower,
    /// Up.
    Higher,
}

/// How long a plateau must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// In epochs.
    Epochs(f64),
    /// In optimizer steps.
    Steps(u64),
}

const SIGMA: f64 = 6.0;
const HALF_LIFE_STEPS: u64 = 200;
const WARMUP_STEPS: u64 = 100;
const WINDOW_EPOCHS: f64 = 10.0;
const MIN_RELATIVE_IMPROVEMENT: f64 = 0.01;
const DROP_FRACTION: f64 = 0.3;
const WINDOW_SECONDS: f64 = 120.0;
const BELOW_PERCENT: f64 = 10.0;
const IDLE_SECONDS: f64 = 300.0;
const STEP_TIMES: f64 = 20.0;
const MIN_SECONDS: f64 = 120.0;
const WITHIN_MINUTES: f64 = 30.0;
const WINDOW_MINUTES: f64 = 10.0;
const COOLDOWN_SECONDS: f64 = 300.0;

/// A rule as a file has it. `x-kinds` says which kinds a key belongs to, `x-default` the value it has there when it is
/// not written, `x-instead-of` the key that it takes the place of.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AlertRule")]
struct Written {
    /// What to look for.
    kind: AlertKind,
    /// Where: a series' name, or a glob (`*` any text, `?` one character, `{a,b}` either). Not set: the kind's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    series: Option<String>,
    /// Standard deviations from the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 1000.0), extend("x-kinds" = ["spike"], "x-default" = SIGMA))]
    sigma: Option<f64>,
    /// Values this many steps back count half in mean and deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000_000), extend("x-kinds" = ["spike"], "x-default" = HALF_LIFE_STEPS))]
    half_life_steps: Option<u64>,
    /// Steps at the start, and after every restart, that are only learned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000_000), extend("x-kinds" = ["spike"], "x-default" = WARMUP_STEPS))]
    warmup_steps: Option<u64>,
    /// On which side of the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kinds" = ["spike"], "x-default" = Side::Above))]
    side: Option<Side>,
    /// Epochs without an improvement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 1_000_000, "x-kinds" = ["plateau"], "x-default" = WINDOW_EPOCHS))]
    window_epochs: Option<f64>,
    /// The same in steps, instead of `window_epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        range(min = 1, max = 1_000_000_000),
        extend("x-kinds" = ["plateau"], "x-instead-of" = "window_epochs")
    )]
    window_steps: Option<u64>,
    /// What counts as an improvement, as a share of the best value so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1, "x-kinds" = ["plateau"], "x-default" = MIN_RELATIVE_IMPROVEMENT))]
    min_relative_improvement: Option<f64>,
    /// Which direction is one; `auto` is up for series named `psnr`, `ssim` or `ms-ssim`, down for all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kinds" = ["plateau"], "x-default" = Better::Auto))]
    better: Option<Better>,
    /// Share of the usual speed that must be lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1, "x-kinds" = ["throughput-drop"], "x-default" = DROP_FRACTION))]
    drop_fraction: Option<f64>,
    /// Stretch of time over which a speed is averaged, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 86_400.0), extend("x-kinds" = ["throughput-drop"], "x-default" = WINDOW_SECONDS))]
    window_seconds: Option<f64>,
    /// Utilization below which a GPU idles.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0, "maximum" = 100, "x-kinds" = ["gpu-idle"], "x-default" = BELOW_PERCENT))]
    below_percent: Option<f64>,
    /// How long it must idle without a break, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 86_400.0), extend("x-kinds" = ["gpu-idle"], "x-default" = IDLE_SECONDS))]
    idle_seconds: Option<f64>,
    /// How many times the usual step time must pass without a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2.0, max = 1e6), extend("x-kinds" = ["stalled"], "x-default" = STEP_TIMES))]
    step_times: Option<f64>,
    /// And at least how long, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 604_800.0), extend("x-kinds" = ["stalled"], "x-default" = MIN_SECONDS))]
    min_seconds: Option<f64>,
    /// Raise when the memory would be full within this time, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 10_080.0), extend("x-kinds" = ["memory-growth"], "x-default" = WITHIN_MINUTES))]
    within_minutes: Option<f64>,
    /// Stretch of time over which growth is measured, in minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1.0, max = 1440.0), extend("x-kinds" = ["memory-growth"], "x-default" = WINDOW_MINUTES))]
    window_minutes: Option<f64>,
    /// The series that holds the limit. Not set: the total that belongs to the series watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200), extend("x-kinds" = ["memory-growth"]))]
    capacity_series: Option<String>,
    /// What the run does: `mark` (nothing), `pause`, or `stop` with a checkpoint.
    #[serde(default)]
    action: AlertAction,
    /// How a terminal tells a person: its `bell`, or a desktop notification by `osc9`.
    #[serde(default = "bell")]
    #[schemars(extend("uniqueItems" = true))]
    notify: Vec<Notify>,
    /// Shortest time between two alerts of the rule on one series, in seconds.
    #[serde(default = "cooldown")]
    #[schemars(range(min = 0.0, max = 604_800.0))]
    cooldown_seconds: f64,
}

fn bell() -> Vec<Notify> {
    vec![Notify::Bell]
}

fn cooldown() -> f64 {
    COOLDOWN_SECONDS
}

impl AlertKind {
    /// The word for it in a config.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFinite => "not-finite",
            Self::Spike => "spike",
            Self::Plateau => "plateau",
            Self::ThroughputDrop => "throughput-drop",
            Self::GpuIdle => "gpu-idle",
            Self::Stalled => "stalled",
            Self::MemoryGrowth => "memory-growth",
        }
    }

    /// Where a rule of this kind looks unless told otherwise.
    pub fn default_series(self) -> &'static str {
        match self {
            Self::NotFinite => "{loss,grad_norm}/*",
            Self::Spike | Self::Stalled => "loss/*",
            Self::Plateau => "val/l1",
            Self::ThroughputDrop => "speed/*",
            Self::GpuIdle => "gpu*/utilization_percent",
            Self::MemoryGrowth => "{gpu*/memory_used_bytes,process/memory_rss_bytes}",
        }
    }
}

impl AlertAction {
    /// The word for it in a config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mark => "mark",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

impl Notify {
    /// The word for it in a config.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bell => "bell",
            Self::Osc9 => "osc9",
        }
    }
}

impl AlertRule {
    /// A rule of this kind with every parameter at its default.
    pub fn new(kind: AlertKind) -> Self {
        Written::new(kind).into()
    }

    /// What kind of rule it is.
    pub fn kind(&self) -> AlertKind {
        match self.watch {
            Watch::NotFinite => AlertKind::NotFinite,
            Watch::Spike { .. } => AlertKind::Spike,
            Watch::Plateau { .. } => AlertKind::Plateau,
            Watch::ThroughputDrop { .. } => AlertKind::ThroughputDrop,
            Watch::GpuIdle { .. } => AlertKind::GpuIdle,
            Watch::Stalled { .. } => AlertKind::Stalled,
            Watch::MemoryGrowth { .. } => AlertKind::MemoryGrowth,
        }
    }

    /// The built-in rules: those that hardly ever cry wolf, whatever is trained. They only mark.
    pub fn built_in() -> Vec<Self> {
        [AlertKind::NotFinite, AlertKind::Spike, AlertKind::Stalled, AlertKind::MemoryGrowth].map(Self::new).to_vec()
    }

    /// The rules in force: `own`, after the built-in ones (if `defaults`) of the kinds that `own` has none of.
    pub fn effective(defaults: bool, own: &[Self]) -> Vec<Self> {
        let replaced = |rule: &Self| own.iter().any(|own| own.kind() == rule.kind());
        let built_in = Self::built_in().into_iter().filter(|rule| defaults && !replaced(rule));
        built_in.chain(own.iter().cloned()).collect()
    }
}

impl Written {
    fn new(kind: AlertKind) -> Self {
        Self {
            kind,
            series: None,
            sigma: None,
            half_life_steps: None,
            warmup_steps: None,
            side: None,
            window_epochs: None,
            window_steps: None,
            min_relative_improvement: None,
            better: None,
            drop_fraction: None,
            window_seconds: None,
            below_percent: None,
            idle_seconds: None,
            step_times: None,
            min_seconds: None,
            within_minutes: None,
            window_minutes: None,
            capacity_series: None,
            action: AlertAction::default(),
            notify: bell(),
            cooldown_seconds: cooldown(),
        }
    }
}

/// Keys of other kinds are passed over here; the check of a config refuses them, with their place.
impl From<Written> for AlertRule {
    fn from(written: Written) -> Self {
        let watch = match written.kind {
            AlertKind::NotFinite => Watch::NotFinite,
            AlertKind::Spike => Watch::Spike {
                sigma: written.sigma.unwrap_or(SIGMA),
                half_life_steps: written.half_life_steps.unwrap_or(HALF_LIFE_STEPS),
                warmup_steps: written.warmup_steps.unwrap_or(WARMUP_STEPS),
                side: written.side.unwrap_or_default(),
            },
            AlertKind::Plateau => Watch::Plateau {
                window: match written.window_steps {
                    Some(steps) => Window::Steps(steps),
                    None => Window::Epochs(written.window_epochs.unwrap_or(WINDOW_EPOCHS)),
                },
                min_relative_improvement: written.min_relative_improvement.unwrap_or(MIN_RELATIVE_IMPROVEMENT),
                better: written.better.unwrap_or_default(),
            },
            AlertKind::ThroughputDrop => Watch::ThroughputDrop {
                drop_fraction: written.drop_fraction.unwrap_or(DROP_FRACTION),
                window_seconds: written.window_seconds.unwrap_or(WINDOW_SECONDS),
            },
            AlertKind::GpuIdle => Watch::GpuIdle {
                below_percent: written.below_percent.unwrap_or(BELOW_PERCENT),
                idle_seconds: written.idle_seconds.unwrap_or(IDLE_SECONDS),
            },
            AlertKind::Stalled => Watch::Stalled {
                step_times: written.step_times.unwrap_or(STEP_TIMES),
                min_seconds: written.min_seconds.unwrap_or(MIN_SECONDS),
            },
            AlertKind::MemoryGrowth => Watch::MemoryGrowth {
                within_minutes: written.within_minutes.unwrap_or(WITHIN_MINUTES),
                window_minutes: written.window_minutes.unwrap_or(WINDOW_MINUTES),
                capacity_series: written.capacity_series,
            },
        };
        Self {
            series: written.series.unwrap_or_else(|| written.kind.default_series().to_owned()),
            watch,
            action: written.action,
            notify: written.notify,
            cooldown_seconds: written.cooldown_seconds,
        }
    }
}

/// With every parameter of the kind spelled out.
impl From<AlertRule> for Written {
    fn from(rule: AlertRule) -> Self {
        let mut written = Self::new(rule.kind());
        match rule.watch {
            Watch::NotFinite => {}
            Watch::Spike { sigma, half_life_steps, warmup_steps, side } => {
                written.sigma = Some(sigma);
                written.half_life_steps = Some(half_life_steps);
                written.warmup_steps = Some(warmup_steps);
                written.side = Some(side);
            }
            Watch::Plateau { window, min_relative_improvement, better } => {
                match window {
                    Window::Epochs(epochs) => written.window_epochs = Some(epochs),
                    Window::Steps(steps) => written.window_steps = Some(steps),
                }
                written.min_relative_improvement = Some(min_relative_improvement);
                written.better = Some(better);
            }
            Watch::ThroughputDrop { drop_fraction, window_seconds } => {
                written.drop_fraction = Some(drop_fraction);
                written.window_seconds = Some(window_seconds);
            }
            Watch::GpuIdle { below_percent, idle_seconds } => {
                written.below_percent = Some(below_percent);
                written.idle_seconds = Some(idle_seconds);
            }
            Watch::Stalled { step_times, min_seconds } => {
                written.step_times = Some(step_times);
                written.min_seconds = Some(min_seconds);
            }
            Watch::MemoryGrowth { within_minutes, window_minutes, capacity_series } => {
                written.within_minutes = Some(within_minutes);
                written.window_minutes = Some(window_minutes);
                written.capacity_series = capacity_series;
            }
        }
        Self {
            series: Some(rule.series),
            action: rule.action,
            notify: rule.notify,
            cooldown_seconds: rule.cooldown_seconds,
            ..written
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_config() {
        for rule in AlertRule::built_in() {
            let text = serde_json::to_value(&rule).unwrap();
            assert_eq!((text["kind"].as_str(), text["action"].as_str()), (Some(rule.kind().word()), Some("mark")));
        }
        for notify in [Notify::Bell, Notify::Osc9] {
            assert_eq!(serde_json::to_value(notify).unwrap(), notify.word());
        }
    }

    #[test]
    fn a_rule_takes_the_place_of_the_built_in_one_of_its_kind_only() {
        let own = [AlertRule { action: AlertAction::Stop, ..AlertRule::new(AlertKind::NotFinite) }];
        let kinds = |rules: Vec<AlertRule>| rules.iter().map(AlertRule::kind).collect::<Vec<_>>();
        let all = AlertRule::effective(true, &own);
        assert_eq!(all.iter().filter(|rule| rule.kind() == AlertKind::NotFinite).count(), 1);
        assert_eq!(all.last(), own.last());
        assert_eq!(kinds(all).len(), AlertRule::built_in().len());
        assert_eq!(kinds(AlertRule::effective(false, &own)), [AlertKind::NotFinite]);
        assert_eq!(AlertRule::effective(false, &[]), []);
    }
}
