//! Which charts of a machine there are, by what it tells of itself.

use std::collections::BTreeSet;

/// One chart: a quantity of all GPUs, or a few of the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What is shown.
    pub title: String,
    /// The unit behind values.
    pub unit: &'static str,
    /// What values are multiplied by to be in that unit.
    pub scale: f64,
    /// The lines.
    pub lines: Vec<PanelLine>,
    /// What the top of the chart stands for.
    pub top: Top,
}

/// A line of a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct PanelLine {
    /// The series.
    pub series: String,
    /// What it is called beside its value; empty where the title says it.
    pub label: &'static str,
    /// Place of its colour.
    pub colour: usize,
}

/// The top of a chart. The bottom is zero: these are quantities of which there can be none.
#[derive(Debug, Clone, PartialEq)]
pub enum Top {
    /// This value.
    Value(f64),
    /// The highest of these series: what there is in all.
    Series(Vec<String>),
    /// What the lines come to.
    Lines,
}

const GIB: f64 = 1.0 / (1_u64 << 30) as f64;
const MIB: f64 = 1.0 / (1_u64 << 20) as f64;

/// Quantities of a GPU: title, name, unit, scale, and what limits it.
const GPU: [(&str, &str, &str, f64, Limit); 8] = [
    ("gpu load", "utilization_percent", " %", 1.0, Limit::Percent),
    ("gpu memory", "memory_used_bytes", " GiB", GIB, Limit::Series("memory_total_bytes")),
    ("gpu power", "power_watts", " W", 1.0, Limit::Series("power_limit_watts")),
    ("gpu temperature", "temperature_celsius", " C", 1.0, Limit::Value(100.0)),
    ("gpu clock", "sm_clock_mhz", " MHz", 1.0, Limit::None),
    ("tensor cores", "tensor_active_percent", " %", 1.0, Limit::Percent),
    ("gpu memory traffic", "dram_active_percent", " %", 1.0, Limit::Percent),
    ("pcie to the gpu", "pcie_rx_bytes_per_sec", " MiB/s", MIB, Limit::None),
];

/// How high it can get.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Percent,
    Value(f64),
    Series(&'static str),
    None,
}

/// Quantities of host and process: title, (name, label), unit, scale, limit.
type HostPanel = (&'static str, &'static [(&'static str, &'static str)], &'static str, f64, Limit);
const HOST: [HostPanel; 7] = [
    ("host cpu", &[("host/cpu_percent", "")], " %", 1.0, Limit::Percent),
    ("host memory", &[("host/memory_used_bytes", "")], " GiB", GIB, Limit::Series("host/memory_total_bytes")),
    (
        "network",
        &[("host/net_rx_bytes_per_sec", "in"), ("host/net_tx_bytes_per_sec", "out")],
        " MiB/s",
        MIB,
        Limit::None,
    ),
    (
        "disks",
        &[("host/disk_read_bytes_per_sec", "read"), ("host/disk_write_bytes_per_sec", "write")],
        " MiB/s",
        MIB,
        Limit::None,
    ),
    ("load", &[("host/load_1m", "")], "", 1.0, Limit::None),
    ("training cpu", &[("process/cpu_percent", "")], " %", 1.0, Limit::None),
    ("training memory", &[("process/memory_rss_bytes", "")], " GiB", GIB, Limit::None),
];

/// The number of the GPUs that are among these series.
pub fn gpus(names: &BTreeSet<&str>) -> Vec<usize> {
    let number = |name: &&str| name.strip_prefix("gpu")?.split_once('/')?.0.parse().ok();
    let all: BTreeSet<usize> = names.iter().filter_map(number).collect();
    all.into_iter().collect()
}

/// The charts of a machine that tells these series, in the order in which one looks at them: the four of the GPUs that
/// everyone asks for, the host, then the rest. What is not told has no chart.
pub fn panels(names: &BTreeSet<&str>) -> Vec<Panel> {
    let gpus = gpus(names);
    let of_gpus = GPU.iter().filter_map(|&(title, name, unit, scale, limit)| {
        let series = |name: &str| gpus.iter().map(|gpu| format!("gpu{gpu}/{name}")).collect::<Vec<_>>();
        let lines = gpus.iter().zip(series(name)).filter(|(_, series)| names.contains(series.as_str()));
        let lines: Vec<PanelLine> = lines.map(|(&gpu, series)| PanelLine { series, label: "", colour: gpu }).collect();
        let top = top(limit, |name| series(name).into_iter().filter(|it| names.contains(it.as_str())).collect());
        (!lines.is_empty()).then(|| Panel { title: title.to_owned(), unit, scale, lines, top })
    });
    let mut first: Vec<Panel> = of_gpus.collect();
    let mut rest = first.split_off(first.iter().take_while(|panel| panel.title != "gpu clock").count());
    first.extend(HOST.iter().filter_map(|&(title, series, unit, scale, limit)| {
        let lines: Vec<PanelLine> = series
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| names.contains(name))
            .map(|(place, &(name, label))| PanelLine { series: name.to_owned(), label, colour: 5 + place })
            .collect();
        let top = top(limit, |name| names.contains(name).then(|| name.to_owned()).into_iter().collect());
        (!lines.is_empty()).then(|| Panel { title: title.to_owned(), unit, scale, lines, top })
    }));
    first.append(&mut rest);
    first
}

fn top(limit: Limit, find: impl Fn(&str) -> Vec<String>) -> Top {
    match limit {
        Limit::Percent => Top::Value(100.0),
        Limit::Value(value) => Top::Value(value),
        Limit::None => Top::Lines,
        Limit::Series(name) => {
            let found = find(name);
            if found.is_empty() { Top::Lines } else { Top::Series(found) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_does_not_tell_has_no_chart() {
        let names = BTreeSet::from(["host/cpu_percent", "host/memory_used_bytes"]);
        let found = panels(&names);
        let titles: Vec<&str> = found.iter().map(|panel| panel.title.as_str()).collect();
        assert_eq!(titles, ["host cpu", "host memory"]);
        assert_eq!(found[1].top, Top::Lines, "how much memory there is in all is not told either");
        assert!(gpus(&names).is_empty());
    }

    #[test]
    fn all_gpus_share_a_chart_and_one_that_does_not_tell_is_left_out_of_it() {
        let names = BTreeSet::from([
            "gpu0/utilization_percent",
            "gpu1/utilization_percent",
            "gpu10/utilization_percent",
            "gpu1/memory_used_bytes",
            "gpu1/memory_total_bytes",
            "gpu0/sm_clock_mhz",
            "host/cpu_percent",
            "gpux/odd",
        ]);
        assert_eq!(gpus(&names), [0, 1, 10]);
        let found = panels(&names);
        let titles: Vec<&str> = found.iter().map(|panel| panel.title.as_str()).collect();
        assert_eq!(titles, ["gpu load", "gpu memory", "host cpu", "gpu clock"]);
        assert_eq!(found[0].lines.len(), 3);
        assert_eq!(found[1].lines.len(), 1);
        assert_eq!(found[1].top, Top::Series(vec!["gpu1/memory_total_bytes".to_owned()]));
    }
}
