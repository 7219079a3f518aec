//! What a question of the notebook costs over a million rows: `just bench question`.
//!
//! One session of twenty series and 50,000 steps, sealed. "at once" is a notebook that has asked before; "the first" has
//! everything to read, as `atelier query` does each time.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark may fail loudly")]

use std::hint::black_box;
use std::path::Path;

use atelier::notebook::question::Question;
use atelier::record::At;
use atelier::session::tables::Tables;
use atelier::session::{self, Folder, New, State};
use criterion::{Criterion, criterion_group, criterion_main};

const SERIES: usize = 20;
const STEPS: i64 = 50_000;
const QUESTIONS: [(&str, &str); 5] = [
    ("count", "select count(*) as n from metrics"),
    ("least of each series", "? select series, min(value) as least, avg(value) as mean from metrics group by series"),
    ("one series", "select step, value from metrics where series = 'loss/3' order by step"),
    ("a plot of one series", "select step, value from metrics where series = 'loss/3' | plot x=step y=value"),
    ("a plot of all", "select step, series, value from metrics | plot x=step y=value by=series"),
];

fn write(root: &Path) -> Folder {
    let config = "track = \"pix2pixhd\"\n[data]\nroot = \".\"\n[train]\nepochs = 1\n";
    let new = New { name: "bench", config, seed: Some(1), ..New::default() };
    let session = session::create(root, &new).unwrap();
    let names: Vec<String> = (0..SERIES).map(|number| format!("loss/{number}")).collect();
    let recorder = session.recorder();
    for step in 1..=STEPS {
        let at = At { step, epoch: step as f64 / 1000.0 };
        let noise = |salt: usize| (step as u64 ^ (salt as u64) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let values: Vec<(&str, f64)> =
            names.iter().enumerate().map(|(salt, name)| (name.as_str(), noise(salt) as f64)).collect();
        recorder.metrics().append_waiting(at, &values).unwrap();
    }
    let folder = session.folder().clone();
    session.finish(State::Finished, None).unwrap();
    folder
}

fn questions(criterion: &mut Criterion) {
    let root = tempfile::tempdir().unwrap();
    let folders = [write(root.path())];
    let mut group = criterion.benchmark_group("a question over a million rows");
    group.sample_size(20);
    for (name, text) in QUESTIONS {
        let question = Question::parse(text).unwrap();
        let ask = |tables: &mut Tables| {
            let reply = question.ask(tables, &folders).unwrap();
            black_box(reply.plot.as_ref().map(|plot| plot.chart(400)));
            reply
        };
        let mut tables = Tables::default();
        group.bench_function(format!("{name}, at once"), |bencher| bencher.iter(|| ask(&mut tables)));
        group.bench_function(format!("{name}, the first"), |bencher| bencher.iter(|| ask(&mut Tables::default())));
    }
    group.finish();
}

criterion_group!(benches, questions);
criterion_main!(benches);
