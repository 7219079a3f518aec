//! What a report costs: `just bench report`.
//!
//! Two sessions of a million values each, ten series of a hundred thousand steps with telemetry and samples, are read
//! and written as HTML, PNG and SVG, the whole way from the folders to the files. With `ATELIER_REPORT_INTO=DIR` in the
//! environment it only makes the sessions there, for the comparison with matplotlib (`benches/compare_report.py`).
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop at once")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use atelier::record::{At, Event, Recorder as _};
use atelier::report::figures::Settings;
use atelier::report::lines::XAxis;
use atelier::report::{Format, Report, Shape, output};
use atelier::session::{self, Folder, New, State};
use image::{Rgb, RgbImage};

const STEPS: i64 = 100_000;
const PER_EPOCH: i64 = 2_000;
const ROUNDS: usize = 7;

const NAMES: [&str; 10] = [
    "loss/g",
    "loss/d",
    "loss/feature_matching",
    "loss/l1",
    "loss/g_gan",
    "lr/generator",
    "grad_norm/generator",
    "grad_norm/discriminator",
    "time/step_seconds",
    "speed/images_per_sec",
];

/// Even in [0, 1), from a step and a number.
fn noise(step: i64, salt: u64) -> f64 {
    let bits = (step as u64 ^ (salt << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11) as f64 / (1_u64 << 53) as f64
}

/// A session of a million values.
fn make(root: &Path, name: &str, salt: u64) -> Folder {
    let config = format!(
        "name = \"{name}\"\ntrack = \"pix2pixhd\"\nseed = {salt}\n[optimizer]\nlr = {}\n[checkpoint]\nbest_metric = \"l1\"\n",
        2e-4 / salt as f64
    );
    let new = New {
        name,
        config: &config,
        seed: Some(salt),
        command: vec!["atelier".into(), "train".into()],
        ..New::default()
    };
    let session = session::create(root, &new).unwrap();
    session.set_totals(STEPS, (STEPS / PER_EPOCH) as f64).unwrap();
    let recorder = session.recorder();
    recorder.event(At { step: 0, epoch: 0.0 }, Event::new("started", "step 0"));
    for step in 1..=STEPS {
        let at = At { step, epoch: step as f64 / PER_EPOCH as f64 };
        let fall = (-(step as f64) / 20_000.0).exp() + 0.1 * salt as f64;
        let values: Vec<(&str, f64)> = NAMES
            .iter()
            .enumerate()
            .map(|(number, name)| (*name, fall + 0.6 * noise(step, salt * 100 + number as u64)))
            .collect();
        recorder.values(at, &values);
        if step % PER_EPOCH == 0 {
            let held = fall / 4.0;
            recorder.values(
                at,
                &[("val/l1", held), ("val/identity_l1", 0.15), ("val/ssim", 1.0 - held), ("val/identity_ssim", 0.7)],
            );
        }
        if step % 100 == 0 {
            let load = 60.0 + 35.0 * noise(step, salt);
            let memory = 3e10 + 1e9 * noise(step, 7);
            session.sample(
                at,
                &[
                    ("gpu0/utilization_percent", load),
                    ("gpu0/memory_used_bytes", memory),
                    ("gpu0/power_watts", 4.0 * load),
                ],
            );
        }
        if step % 1_000 == 0 {
            recorder.flush().unwrap();
        }
    }
    for step in [PER_EPOCH, STEPS / 2, STEPS] {
        let dir = session.folder().samples_at(step);
        std::fs::create_dir_all(&dir).unwrap();
        for sample in 0..4_u32 {
            let pixel = |x: u32, y: u32| Rgb([(x % 256) as u8, (y + 40 * sample) as u8, ((x / 256) * 90) as u8]);
            RgbImage::from_fn(768, 256, pixel).save(dir.join(format!("{sample:02}.png"))).unwrap();
        }
    }
    session.finish(State::Finished, None).unwrap();
    session.folder().clone()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn main() {
    if let Some(root) = std::env::var_os("ATELIER_REPORT_INTO") {
        for (name, salt) in [("first", 1), ("second", 2)] {
            println!("{}", make(Path::new(&root), name, salt).path().display());
        }
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let folders = [make(root.path(), "first", 1), make(root.path(), "second", 2)];
    let settings = Settings { axis: XAxis::Step, half_life: 20.0, log_y: false, columns: 600 };
    let out = root.path().join("reports");
    let all: BTreeSet<Format> = [Format::Html, Format::Png, Format::Svg].into();

    let (mut read, mut page, mut written) = (Vec::new(), Vec::new(), Vec::new());
    let mut files = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let report = Report::read(&folders, settings);
        read.push(start.elapsed());
        output::write(&report, &out, &[Format::Html].into(), None).unwrap();
        page.push(start.elapsed());
        let start = Instant::now();
        files = output::write(&Report::read(&folders, settings), &out, &all, None).unwrap();
        written.push(start.elapsed());
    }
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
    let html = files.iter().find(|path| path.extension().is_some_and(|ending| ending == "html")).unwrap();
    let pictures: u64 = files.iter().filter(|path| *path != html).map(|path| size(path)).sum();
    println!("2 sessions of a million values, median of {ROUNDS}:");
    println!("  read and prepared           {:?}", median(read));
    println!("  to one HTML file            {:?}  ({:.2} MB)", median(page), size(html) as f64 / 1e6);
    println!(
        "  to HTML, {} PNG and SVG    {:?}  ({:.2} MB beside it)",
        files.len() - 1,
        median(written),
        pictures as f64 / 1e6
    );

    let report = Report::read(&folders[..1], settings);
    let figure = report.figure("loss").unwrap();
    let shape = Shape { size: (1600, 900), dpi: 200.0, ..Shape::BESIDE };
    let timed = |draw: &dyn Fn()| {
        let times = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            draw();
            start.elapsed()
        });
        median(times.collect())
    };
    println!("  one figure of 1600x900, PNG {:?}", timed(&|| drop(output::png(&figure, shape).unwrap())));
    println!("  the same as SVG             {:?}", timed(&|| drop(output::svg(&figure, shape))));
}
