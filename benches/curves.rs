//! What drawing curves costs, over runs of every length: `just bench curves`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop at once")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use atelier::{
    app::widgets::chart::{ChartView, Palette, Regions},
    record::{
        Column, Curve, Point, Series1,
        curve::{Axis, Grid, Values},
    },
    report::{self, Chart, Kind, Line, axis::Fit},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ratatui::{buffer::Buffer, layout::Rect, widgets::Widget as _};

const CHARTS: usize = 12;
const HALF_LIFE: f64 = 34.0; // ema 0.98
/// The terminal of the figures in docs: 4 x 3 charts.
const SCREEN: Rect = Rect { x: 0, y: 0, width: 160, height: 45 };

/// A noisy descent with a spike now and then, one point a step, a step each 50 ms.
fn point(step: i64, salt: u64) -> Point {
    let bits = (step as u64 ^ (salt << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let noise = ((bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64;
    let spike = if bits.is_multiple_of(5003) { 3.0 } else { 0.0 };
    Point {
        step,
        epoch: step as f64 / 1000.0,
        time_ns: 1_700_000_000_000_000_000 + step * 50_000_000,
        generation: 0,
        value: 2.0 + 2.0 * (-(step as f64) / 20_000.0).exp() + noise + spike,
    }
}

fn series(points: i64, salt: u64) -> Series1 {
    let mut series = Series1::default();
    (0..points).for_each(|step| series.push(point(step, salt)));
    series
}

fn curve(points: i64, salt: u64) -> Curve {
    let mut curve = Curve::from_series(series(points, salt));
    curve.set_half_life(HALF_LIFE);
    curve
}

/// Everything a chart needs of a curve, raw and smoothed.
fn asked(curve: &Curve, axis: Axis, columns: usize) -> Vec<(Vec<Column>, Vec<Column>)> {
    let (from, to) = curve.extent(axis).unwrap();
    let grid = Grid::new(axis, from, to, columns);
    let parts = curve.parts();
    let both = |part| (curve.columns(part, Values::Raw, grid), curve.columns(part, Values::Smoothed, grid));
    parts.iter().map(both).collect()
}

fn queries(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("12 curves, 200 columns raw and smoothed");
    for points in [10_000, 100_000, 1_000_000, 10_000_000] {
        // Twelve curves of ten million points would be 5 GB: two take turns.
        let held = if points < 10_000_000 { CHARTS } else { 2 };
        let curves: Vec<Curve> = (0..held).map(|salt| curve(points, salt as u64)).collect();
        for (name, axis) in [("step", Axis::Step), ("wall", Axis::Wall)] {
            group.bench_with_input(BenchmarkId::new(name, points), &axis, |bencher, &axis| {
                bencher.iter(|| {
                    for number in 0..CHARTS {
                        black_box(asked(&curves[number % held], axis, 200));
                    }
                });
            });
        }
        let bytes: usize = curves.iter().map(Curve::bytes).sum();
        println!("{points} points: {:.1} bytes a point", bytes as f64 / (points as f64 * held as f64));
    }
    group.finish();
}

fn building(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("build");
    group.sample_size(10);
    let million = series(1_000_000, 1);
    group.throughput(Throughput::Elements(1_000_000));
    group.bench_function("1M points", |bencher| {
        bencher.iter_batched(|| million.clone(), Curve::from_series, criterion::BatchSize::LargeInput);
    });
    let built = Curve::from_series(million);
    group.bench_function("smooth 1M points anew", |bencher| {
        bencher.iter_batched(
            || built.clone(),
            |mut curve| {
                curve.set_half_life(HALF_LIFE);
                curve
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn appending(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append 100 rows to 100,000-point charts");
    // A batch of a run that records twelve series: about eight points each. And the worst case: all to one curve.
    group.bench_function("of 12 curves", |bencher| {
        let mut curves: Vec<Curve> = (0..CHARTS).map(|salt| curve(100_000, salt as u64)).collect();
        let mut step = 100_000;
        bencher.iter(|| {
            for row in 0..100 {
                curves[row % CHARTS].push(point(step + (row / CHARTS) as i64, row as u64));
            }
            step += 9;
            black_box(&curves);
        });
    });
    group.bench_function("of 12 curves, and ask all again", |bencher| {
        let mut curves: Vec<Curve> = (0..CHARTS).map(|salt| curve(100_000, salt as u64)).collect();
        let mut step = 100_000;
        bencher.iter(|| {
            for row in 0..100 {
                curves[row % CHARTS].push(point(step + (row / CHARTS) as i64, row as u64));
            }
            step += 9;
            for curve in &curves {
                black_box(asked(curve, Axis::Step, 200));
            }
        });
    });
    group.bench_function("of one curve, and ask it again", |bencher| {
        let mut curve = curve(100_000, 0);
        let mut step = 100_000;
        bencher.iter(|| {
            (0..100).for_each(|row| curve.push(point(step + row, 0)));
            step += 100;
            black_box(asked(&curve, Axis::Step, 200));
        });
    });
    group.finish();
}

/// A whole frame: columns, range, ticks, cells.
fn frame(curves: &[Curve], palette: &Palette, buffer: &mut Buffer) {
    let (width, height) = (SCREEN.width / 4, SCREEN.height / 3);
    for (number, curve) in curves.iter().enumerate() {
        let area = Rect { x: number as u16 % 4 * width, y: number as u16 / 4 * height, width, height };
        let (from, to) = curve.extent(Axis::Step).unwrap();
        let asked = asked(curve, Axis::Step, Regions::of(area, true).columns());
        let lines = asked.into_iter().map(|(raw, smooth)| Line { raw, smooth: Some(smooth), ..Line::default() });
        let x = report::Axis::new(Kind::Step, from, to);
        let chart = Chart {
            value: curve.last().map(|point| report::number::value(point.value)),
            note: Some("ema .98".to_owned()),
            points: Some(curve.len() as u64),
            lines: lines.collect(),
            ..Chart::new("G loss", x, report::Axis::default())
        };
        ChartView::new(&chart.fitted(false, Fit::Full), palette).render(area, buffer);
    }
}

fn drawing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame of 12 charts at 160x45");
    for points in [10_000, 100_000, 1_000_000] {
        let curves: Vec<Curve> = (0..CHARTS).map(|salt| curve(points, salt as u64)).collect();
        let palette = Palette::default();
        group.bench_function(BenchmarkId::new("points", points), |bencher| {
            bencher.iter(|| {
                let mut buffer = Buffer::empty(SCREEN);
                frame(&curves, &palette, &mut buffer);
                buffer
            });
        });
        let mut times: Vec<Duration> = (0..2000)
            .map(|_| {
                let start = Instant::now();
                let mut buffer = Buffer::empty(SCREEN);
                frame(&curves, &palette, &mut buffer);
                black_box(buffer);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!("{points} points: p50 {:?}, p99 {:?}, longest {:?}", times[1000], times[1979], times[1999]);
    }
    group.finish();
}

criterion_group!(benches, queries, building, appending, drawing);
criterion_main!(benches);
