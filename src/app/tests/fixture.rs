//! Sessions as a run leaves them, the same each time.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

use crate::record::{At, Clock, Store};
use crate::session::{Folder, Manifest, Progress, State};

/// A session to be made.
pub struct Fixture<'a> {
    pub id: &'a str,
    pub state: State,
    pub steps: i64,
    pub total: i64,
    pub began: &'a str,
    pub tags: &'a [&'a str],
    pub config: &'a str,
    pub seed: u64,
}

impl Default for Fixture<'_> {
    fn default() -> Self {
        Self {
            id: "260304-120000-hayao",
            state: State::Finished,
            steps: 400,
            total: 400,
            began: "2026-03-04T12:00:00Z",
            tags: &[],
            config: "track = \"pix2pixhd\"\ndevice = \"cpu\"\n[data]\nroot = \"data/pairs\"\n[train]\nepochs = 8\n\
                     batch_size = 4\n[optimizer]\nlr = 0.0002\n",
            seed: 1,
        }
    }
}

/// Steps of an epoch.
const EPOCH: i64 = 50;
/// Time of a step.
const STEP: SignedDuration = SignedDuration::from_millis(500);

impl Fixture<'_> {
    /// Make it under `root`.
    pub fn make(&self, root: &Path) -> Folder {
        let folder = Folder::new(root.join(self.id));
        std::fs::create_dir_all(folder.path()).unwrap();
        let began: Timestamp = self.began.parse().unwrap();
        let name = self.id.splitn(3, '-').last().unwrap();
        let mut manifest = Manifest::new(name, self.config).unwrap();
        manifest.state = self.state;
        manifest.tags = self.tags.iter().map(|tag| (*tag).to_owned()).collect();
        manifest.created = Some(began);
        manifest.started = Some(began);
        manifest.ended = (!self.state.is_active()).then(|| began + STEP * self.steps as i32);
        manifest.seed = Some(self.seed);
        manifest.progress =
            Progress { total_steps: Some(self.total), total_epochs: Some(self.total as f64 / EPOCH as f64) };
        manifest.save(&folder).unwrap();
        self.record(&folder, began);
        self.events(&folder, began);
        folder
    }

    fn record(&self, folder: &Folder, began: Timestamp) {
        let losses = ["loss/g", "loss/d", "lr/generator", "speed/images_per_sec", "time/step_seconds"];
        let machine = ["gpu0/utilization_percent", "gpu0/memory_used_bytes", "host/cpu_percent"];
        self.write(&folder.metrics(), began, &[(1, &losses), (EPOCH, &["val/l1", "val/ssim"])]);
        self.write(&folder.telemetry(), began, &[(4, &machine)]);
    }

    /// Rows at times of our own: each group of series once in so many steps.
    fn write(&self, dir: &Path, began: Timestamp, groups: &[(i64, &[&str])]) {
        let elapsed = Arc::new(AtomicI64::new(0));
        let read = Arc::clone(&elapsed);
        let clock = Clock::with(began.as_nanosecond() as i64, move || read.load(Ordering::Relaxed));
        let store = Store::open(dir, 0, clock).unwrap();
        for step in 1..=self.steps {
            elapsed.store((STEP * step as i32).as_nanos() as i64, Ordering::Relaxed);
            let due = groups.iter().filter(|(every, _)| step % every == 0).flat_map(|(_, names)| names.iter());
            let values: Vec<(&str, f64)> = due.map(|name| (*name, value(name, step, self.seed))).collect();
            if !values.is_empty() {
                let at = At { step, epoch: step as f64 / EPOCH as f64 };
                store.append_waiting(at, &values).unwrap();
            }
        }
    }

    fn events(&self, folder: &Folder, began: Timestamp) {
        let mut text = String::new();
        let mut line = |step: i64, kind: &str, message: &str| {
            let time = began + STEP * step as i32;
            let epoch = step as f64 / EPOCH as f64;
            writeln!(
                text,
                "{{\"time\":\"{time}\",\"step\":{step},\"epoch\":{epoch},\"generation\":0,\"kind\":\"{kind}\",\
                 \"message\":\"{message}\"}}"
            )
            .unwrap();
        };
        line(0, "started", "step 0 of 400");
        for step in (100..=self.steps).step_by(100) {
            line(step, "checkpoint", &format!("checkpoints/step-{step:08} (1.46 MiB, 0.09 s)"));
        }
        std::fs::write(folder.events(), text).unwrap();
        std::fs::write(folder.log(), "epoch 1  held out: l1 0.0913\nepoch 2  held out: l1 0.0805\n").unwrap();
    }
}

/// A value that looks like the real thing: falling losses with noise and one spike, steady telemetry.
fn value(series: &str, step: i64, seed: u64) -> f64 {
    let x = step as f64;
    let noise = ((x * 12.9898 + seed as f64 * 78.233).sin() * 43_758.547).fract();
    let spike = if step == 222 { 3.0 } else { 0.0 };
    match series {
        "loss/g" => 2.0 + 6.0 * (-x / 90.0).exp() + 0.3 * noise + spike,
        "loss/d" => 0.4 + 0.6 * (-x / 60.0).exp() + 0.05 * noise,
        "lr/generator" => 2e-4,
        "speed/images_per_sec" => 68.0 + noise,
        "time/step_seconds" => 0.5,
        "val/l1" => 0.06 + 0.1 * (-x / 120.0).exp() + 0.001 * seed as f64,
        "val/ssim" => 0.7 - 0.3 * (-x / 120.0).exp(),
        "gpu0/utilization_percent" => 96.0 + 2.0 * noise,
        "gpu0/memory_used_bytes" => 41.2 * f64::from(1 << 30),
        _ => 35.0 + 5.0 * noise,
    }
}
