//! Machines of all kinds on screens of all sizes.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::*;
use crate::app::Options;
use crate::app::tests::{now, text_of};

const GIB: f64 = (1_u64 << 30) as f64;

fn shared(width: u16, height: u16) -> Shared {
    let mut shared = Shared::new(&Options::new("nowhere"), &Memory::default(), now());
    shared.zone = TimeZone::UTC;
    shared.size = (width, height);
    shared
}

/// Two minutes of a machine with so many GPUs.
fn machine(gpus: usize) -> System {
    let mut system = System::new(&Memory::default());
    for second in 0..120 {
        let mut values = host(f64::from(second));
        for gpu in 0..gpus {
            values.extend(gpu_values(gpu, f64::from(second)));
        }
        let time = now() - SignedDuration::from_secs(120 - i64::from(second));
        let processes = (0..gpus)
            .map(|gpu| Process {
                pid: 4000 + gpu as u32,
                gpu: Some(gpu),
                user: Some("ana".to_owned()),
                command: Some("atelier train configs/hayao.toml".to_owned()),
                gpu_bytes: Some(40.0 * GIB),
                rss_bytes: Some(3.0 * GIB),
            })
            .collect();
        let inventory = Inventory {
            host: "forge".to_owned(),
            os: "Debian 12".to_owned(),
            cpu: "EPYC 9654".to_owned(),
            cpus: 96,
            driver: (gpus > 0).then(|| "570.124".to_owned()),
            cuda: (gpus > 0).then(|| "12.8".to_owned()),
            no_gpus: (gpus == 0).then(|| "libnvidia-ml.so.1 is not installed".to_owned()),
            gpus: (0..gpus)
                .map(|index| crate::telemetry::GpuInfo {
                    index,
                    name: "NVIDIA H100 80GB HBM3".to_owned(),
                    memory_bytes: 80 << 30,
                    power_limit_watts: Some(700.0),
                    ..Default::default()
                })
                .collect(),
            ..Inventory::default()
        };
        let machine = (second == 0).then(|| Box::new(inventory));
        system.take(Sample { time, values, processes, machine, remarks: Vec::new(), host: "forge".to_owned() });
    }
    system
}

fn gpu_values(gpu: usize, second: f64) -> Vec<(String, f64)> {
    let values = [
        ("utilization_percent", 90.0 + (second / 7.0 + gpu as f64).sin() * 8.0),
        ("memory_used_bytes", (41.2 + gpu as f64) * GIB),
        ("memory_total_bytes", 80.0 * GIB),
        ("power_watts", 612.0),
        ("power_limit_watts", 700.0),
        ("temperature_celsius", 64.0),
        ("sm_clock_mhz", 1980.0),
        ("processes", 1.0),
        ("throttle_software_power_cap", if gpu == 1 { 1.0 } else { 0.0 }),
    ];
    values.into_iter().map(|(name, value)| (format!("gpu{gpu}/{name}"), value)).collect()
}

fn host(second: f64) -> BTreeMap<String, f64> {
    let values = [
        ("host/cpu_percent", 35.0 + (second / 11.0).sin() * 20.0),
        ("host/load_1m", 12.5),
        ("host/memory_used_bytes", 201.0 * GIB),
        ("host/memory_total_bytes", 755.0 * GIB),
        ("host/swap_used_bytes", 0.0),
        ("host/disk_free_bytes", 812.4 * GIB),
        ("host/net_rx_bytes_per_sec", 1.5e6),
        ("host/net_tx_bytes_per_sec", 2.5e5),
    ];
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What is on the screen's part of a terminal of this size.
fn drawn(system: &mut System, shared: &Shared) -> String {
    system.lay_out(shared);
    let area = shared.body();
    let mut buffer = Buffer::empty(area);
    system.draw(shared, area, &mut buffer, &mut Hits::default());
    text_of(&buffer)
}

#[test]
fn one_gpu_at_80x24() {
    insta::assert_snapshot!(drawn(&mut machine(1), &shared(80, 24)));
}

#[test]
fn two_gpus_at_140x40() {
    insta::assert_snapshot!(drawn(&mut machine(2), &shared(140, 40)));
}

#[test]
fn eight_gpus_fit_a_small_terminal_and_a_large_one() {
    let text = drawn(&mut machine(8), &shared(140, 40));
    for gpu in 0..8 {
        assert!(text.contains(&format!("gpu{gpu}   NVIDIA H100")), "{text}");
    }
    assert!(text.contains("held by power cap"), "{text}");
    assert!(text.contains("gpu load") && text.contains("processes"), "{text}");
    insta::assert_snapshot!(drawn(&mut machine(8), &shared(80, 24)));
}

#[test]
fn a_machine_without_gpus_says_so_once_and_shows_its_host() {
    let text = drawn(&mut machine(0), &shared(100, 30));
    assert_eq!(text.matches("no NVIDIA GPU here").count(), 1, "{text}");
    assert!(text.contains("libnvidia-ml.so.1 is not installed"), "{text}");
    assert!(text.contains("host cpu") && !text.contains("gpu load") && !text.contains("processes"), "{text}");
}

#[test]
fn what_is_not_told_is_not_there() {
    let mut system = System::new(&Memory::default());
    let values = BTreeMap::from([("gpu0/temperature_celsius".to_owned(), 50.0)]);
    system.take(Sample { time: now(), values, ..Sample::default() });
    let text = drawn(&mut system, &shared(140, 40));
    assert!(text.contains("50 °C"), "{text}");
    for absent in ["gpu load", "gpu power", " W", "MHz", "host cpu", "swap", "held by", "processes", "NaN", "nan"] {
        assert!(!text.contains(absent), "{absent} in\n{text}");
    }
}

#[test]
fn a_process_that_holds_a_session_is_named_by_it() {
    let mut shared = shared(140, 40);
    let root = tempfile::tempdir().unwrap();
    let folder = crate::app::tests::fixture::Fixture::default().make(root.path());
    let mut listing = session::read_listing(&folder);
    listing.state = Some(State::Running);
    listing.host = Some("forge".to_owned());
    listing.pid = Some(4000);
    shared.listings = vec![listing.clone()];
    let row = |text: &str| text.lines().find(|line| line.contains("4000")).unwrap().to_owned();
    let text = drawn(&mut machine(1), &shared);
    assert!(row(&text).contains("hayao  atelier train"), "{text}");
    // The same number on another machine is another process.
    shared.listings = vec![Listing { host: Some("anvil".to_owned()), ..listing }];
    let text = drawn(&mut machine(1), &shared);
    assert!(!row(&text).contains("hayao  atelier"), "{text}");
}

#[test]
fn processes_that_the_driver_only_counts_are_counted() {
    let mut system = machine(1);
    let mut values = host(0.0);
    values.extend(gpu_values(0, 0.0));
    values.insert("gpu0/processes".to_owned(), 3.0);
    let processes = system.processes.clone();
    system.take(Sample { time: now(), values, processes, ..Sample::default() });
    let text = drawn(&mut system, &shared(140, 40));
    assert!(text.contains("1, and 2 that the driver only counts"), "{text}");
}

#[test]
fn the_crosshair_reads_the_machine_as_it_was() {
    let mut system = machine(1);
    let shared = shared(140, 40);
    assert!(drawn(&mut system, &shared).contains("read each second"));
    let at = now().as_nanosecond() as f64 / 1e9 - 110.0;
    system.lens.crosshair = Some(at);
    let text = drawn(&mut system, &shared);
    assert!(text.contains("at 12:58:10"), "{text}");
    let cpu = 35.0 + (10.0_f64 / 11.0).sin() * 20.0;
    assert!(text.contains(&format!("cpu  {cpu:.0} %")), "{text}");
}

#[test]
fn ascii_means_ascii() {
    let mut shared = shared(140, 40);
    shared.glyphs = crate::app::glyphs::ASCII;
    let mut system = machine(2);
    system.lens.crosshair = Some(now().as_nanosecond() as f64 / 1e9 - 30.0);
    let text = drawn(&mut system, &shared);
    assert!(text.is_ascii(), "{text}");
}

#[test]
fn every_size_is_drawn() {
    for gpus in [0, 1, 8] {
        let mut system = machine(gpus);
        for (width, height) in [(1, 1), (20, 5), (40, 12), (61, 17), (80, 24), (220, 60), (300, 100)] {
            for first in [0, 99] {
                system.first = first;
                drawn(&mut system, &shared(width, height));
            }
        }
    }
}
