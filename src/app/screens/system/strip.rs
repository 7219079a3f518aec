//! The machine in a line, for the list of sessions: its GPU, several of them together, or the processor where there is
//! none.

use crate::app::screens::system::history::History;
use crate::app::screens::system::panel;

/// Levels of load that are kept to be drawn.
const LEVELS: usize = 8;
const GIB: f64 = 1.0 / (1_u64 << 30) as f64;

/// The machine in a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Strip {
    /// What is shown: `gpu0`, `8 gpus`, `cpu`.
    pub head: String,
    /// Its load in percent, the newest last.
    pub levels: Vec<f64>,
    /// Load, memory, power, heat.
    pub facts: Vec<String>,
}

/// The line; none before the first sample.
pub fn strip(history: &History) -> Option<Strip> {
    history.newest()?;
    let names = history.names().collect();
    let gpus = panel::gpus(&names);
    if gpus.is_empty() { processor(history) } else { Some(graphics(history, &gpus)) }
}

fn graphics(history: &History, gpus: &[usize]) -> Strip {
    let all = |name: &str| -> Vec<f64> {
        gpus.iter().filter_map(|gpu| history.value(&format!("gpu{gpu}/{name}"), None)).collect()
    };
    let sum = |name: &str| Some(all(name)).filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>());
    let most = |name: &str| all(name).into_iter().reduce(f64::max);
    let series: Vec<String> = gpus.iter().map(|gpu| format!("gpu{gpu}/utilization_percent")).collect();
    let levels = history.newest_means(&series, LEVELS);
    let mut facts = Vec::new();
    facts.extend(levels.last().map(|load| format!("{load:>3.0} %")));
    if let (Some(used), Some(total)) = (sum("memory_used_bytes"), sum("memory_total_bytes")) {
        facts.push(format!("{:.1}/{:.0} GiB", used * GIB, total * GIB));
    }
    facts.extend(sum("power_watts").map(|watts| format!("{watts:.0} W")));
    facts.extend(most("temperature_celsius").map(|heat| format!("{heat:.0} C")));
    let head = match gpus {
        [gpu] => format!("gpu{gpu}"),
        many => format!("{} gpus", many.len()),
    };
    Strip { head, levels, facts }
}

fn processor(history: &History) -> Option<Strip> {
    let value = |name: &str| history.value(name, None);
    let levels = history.newest_means(&["host/cpu_percent".to_owned()], LEVELS);
    let mut facts = vec![format!("{:>3.0} %", levels.last()?)];
    if let (Some(used), Some(total)) = (value("host/memory_used_bytes"), value("host/memory_total_bytes")) {
        facts.push(format!("{:.1}/{:.0} GiB", used * GIB, total * GIB));
    }
    Some(Strip { head: "cpu".to_owned(), levels, facts })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(samples: &[&[(&str, f64)]]) -> History {
        let mut history = History::default();
        for (at, sample) in samples.iter().enumerate() {
            history.push(at as f64, sample.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect());
        }
        history
    }

    #[test]
    fn several_gpus_are_one_line_and_without_any_it_is_the_processor() {
        let gib = f64::from(1 << 30);
        let sample = [
            ("gpu0/utilization_percent", 90.0),
            ("gpu1/utilization_percent", 100.0),
            ("gpu0/memory_used_bytes", 10.0 * gib),
            ("gpu1/memory_used_bytes", 20.5 * gib),
            ("gpu0/memory_total_bytes", 80.0 * gib),
            ("gpu1/memory_total_bytes", 80.0 * gib),
            ("gpu1/power_watts", 612.0),
            ("gpu0/temperature_celsius", 50.0),
            ("gpu1/temperature_celsius", 64.0),
        ];
        let line = strip(&history(&[&sample, &sample])).unwrap();
        assert_eq!((line.head.as_str(), line.levels.as_slice()), ("2 gpus", [95.0, 95.0].as_slice()));
        assert_eq!(line.facts, [" 95 %", "30.5/160 GiB", "612 W", "64 C"]);
        let line = strip(&history(&[&[("host/cpu_percent", 7.0)]])).unwrap();
        assert_eq!((line.head.as_str(), line.facts.as_slice()), ("cpu", ["  7 %".to_owned()].as_slice()));
        assert_eq!(strip(&History::default()), None);
        assert_eq!(strip(&history(&[&[("host/load_1m", 7.0)]])), None, "nothing to say");
    }
}
