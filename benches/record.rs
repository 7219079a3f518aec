//! What recording costs and how fast it is read back: `cargo bench --profile dev --bench record`.
//!
//! With `ATELIER_APPEND_STEPS=N` in the environment it measures one run of N steps of ten values instead and prints
//! JSON, for the comparison with Python writers (`benches/compare_record.py`).
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop at once")]

use std::{
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use atelier::{
    alerts::{Moment, Monitor},
    config::{AlertKind, AlertRule},
    record::{At, Clock, Frames, Store, decimate, smooth},
};
use criterion::{Criterion, Throughput, criterion_group};

const NAMES: [&str; 10] = [
    "loss/g",
    "loss/d",
    "loss/feature_matching",
    "loss/perceptual",
    "loss/l1",
    "lr/g",
    "grad_norm/g",
    "grad_norm/d",
    "time/step_s",
    "images_per_s",
];

fn values(step: i64) -> [(&'static str, f64); 10] {
    let mut number = 0.0;
    NAMES.map(|name| {
        number += 1.0;
        (name, ((step as f64) * 0.001 * number).sin() / number)
    })
}

/// Append as fast as the recorder thread takes them: not a row is dropped.
fn append(store: &Store, steps: i64) {
    for step in 1..=steps {
        let at = At { step, epoch: step as f64 / 1000.0 };
        store.append_waiting(at, &values(step)).unwrap();
    }
}

fn written(dir: &Path, steps: i64) -> Duration {
    let store = Store::open(dir, 0, Clock::start()).unwrap();
    let start = Instant::now();
    append(&store, steps);
    while store.status().written < steps as u64 * 10 {
        std::thread::yield_now();
    }
    start.elapsed()
}

fn sealed(steps: i64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0, Clock::start()).unwrap();
    append(&store, steps);
    store.seal().unwrap();
    dir
}

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.sample_size(10);

    group.throughput(Throughput::Elements(2_000_000));
    group.bench_function("append 2M values, until written", |bencher| {
        bencher.iter_custom(|times| {
            (0..times).map(|_| written(tempfile::tempdir().unwrap().path(), 200_000)).sum::<Duration>()
        });
    });

    // A step every 0.2 ms: between two of them the recorder thread goes to sleep and has to be woken again.
    group.throughput(Throughput::Elements(10));
    group.measurement_time(Duration::from_secs(3));
    group.bench_function("caller's cost of a step of 10 values", |bencher| {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0, Clock::start()).unwrap();
        bencher.iter_custom(|times| {
            let mut cost = Duration::ZERO;
            for step in 0..times as i64 {
                let values = values(step);
                let start = Instant::now();
                black_box(store.append(At { step, epoch: 0.0 }, &values));
                cost += start.elapsed();
                while start.elapsed() < Duration::from_micros(200) {
                    std::hint::spin_loop();
                }
            }
            cost
        });
    });
    group.finish();
}

fn loading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10);
    for (name, steps) in [("1M", 100_000), ("10M", 1_000_000)] {
        let dir = sealed(steps);
        group.throughput(Throughput::Elements(steps as u64 * 10));
        group.bench_function(format!("sealed {name} values, all columns"), |bencher| {
            bencher.iter(|| {
                let frame = Frames::open(dir.path()).unwrap().data_frame().unwrap();
                assert_eq!(frame.height() as i64, steps * 10);
                frame
            });
        });
        group.throughput(Throughput::Elements(steps as u64));
        group.bench_function(format!("one series of ten, sealed {name} values"), |bencher| {
            bencher.iter(|| Frames::open(dir.path()).unwrap().series("loss/l1").unwrap());
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 0, Clock::start()).unwrap();
    append(&store, 90_000);
    store.flush().unwrap();
    group.throughput(Throughput::Elements(900_000));
    group.bench_function("open stream of 0.9M values", |bencher| {
        bencher.iter(|| Frames::open(dir.path()).unwrap());
    });
    group.finish();
}

fn curves(criterion: &mut Criterion) {
    let x: Vec<f64> = (0..1_000_000).map(f64::from).collect();
    let y: Vec<f64> = x.iter().map(|x| (x * 0.001).sin()).collect();
    let mut group = criterion.benchmark_group("curves");
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("smooth 1M points", |bencher| bencher.iter(|| smooth(&x, &y, 100.0)));
    group.bench_function("decimate 1M points to 200 columns", |bencher| {
        bencher.iter(|| decimate(&x, &y, 0.0, 999_999.0, 200));
    });
    group.finish();
}

/// The cost of a step of ten values, losses and gradient norms among them, once every series is known.
fn alerts(criterion: &mut Criterion) {
    use AlertKind::{GpuIdle, MemoryGrowth, NotFinite, Plateau, Spike, Stalled, ThroughputDrop};
    let every = [NotFinite, Spike, Plateau, ThroughputDrop, GpuIdle, Stalled, MemoryGrowth].map(AlertRule::new);
    let steps: Vec<_> = (0..1024).map(values).collect();
    let mut group = criterion.benchmark_group("alerts");
    group.throughput(Throughput::Elements(10));
    for (name, rules) in
        [("no rules", vec![]), ("built-in rules", AlertRule::built_in()), ("every kind", every.to_vec())]
    {
        group.bench_function(format!("a step of 10 values, {name}"), |bencher| {
            let mut monitor = Monitor::new(&rules);
            let mut step = 0;
            bencher.iter(|| {
                step += 1;
                let at = At { step, epoch: step as f64 / 1000.0 };
                let moment = Moment { at, time_ns: step * 50_000_000, generation: 0 };
                monitor.observe(moment, &steps[step as usize % steps.len()])
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recording, loading, curves, alerts);

fn main() {
    if let Some(steps) = std::env::var("ATELIER_APPEND_STEPS").ok().and_then(|steps| steps.parse().ok()) {
        once(steps);
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}

/// One run, into the folder `ATELIER_APPEND_INTO`: the caller's time, the time until all is sealed.
fn once(steps: i64) {
    let dir = std::env::var_os("ATELIER_APPEND_INTO").unwrap();
    let store = Store::open(Path::new(&dir), 0, Clock::start()).unwrap();
    let start = Instant::now();
    append(&store, steps);
    let caller = start.elapsed().as_secs_f64();
    store.seal().unwrap();
    let total = start.elapsed().as_secs_f64();
    println!("{{\"caller_s\": {caller}, \"total_s\": {total}}}");
}
