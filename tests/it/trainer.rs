//! The real binary, training something tiny: what the tests of whole runs share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use atelier::record::Frames;

pub use crate::common::PATIENCE;

const CONFIG: &str = r#"
name = "tiny"
track = "pix2pixhd"
device = "cpu"
[data]
root = "DATA"
size = 32
jitter = { brightness = 0.2, contrast = 0.2, saturation = 0.2, hue = 0.05 }
[data.procedural]
count = 8
size = 32
[pix2pixhd.generator]
ngf = 4
n_downsample_global = 1
n_blocks_global = 1
[pix2pixhd.discriminator]
ndf = 4
n_layers = 2
num_d = 1
[pix2pixhd.loss]
vgg = 0.0
pool_size = 2
[train]
epochs = 40
batch_size = 2
ema_decay = 0.9
threads = 1
[checkpoint]
every_epochs = 0
every_steps = 3
keep_last = 2
[validation]
every_epochs = 10
[samples]
every_epochs = 0
"#;

/// A folder with a tiny config, its data, its caches and its sessions.
pub struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(CONFIG)
    }

    /// A bench for another config, in which `DATA` stands for the folder of pairs.
    pub fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = config.replace("DATA", dir.path().join("data").to_str().unwrap());
        std::fs::write(dir.path().join("tiny.toml"), config).unwrap();
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// `atelier` with `args` and this bench's sessions, or those under another root.
    pub fn command_in(&self, root: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
        command
            .args(args)
            .arg("--root")
            .arg(self.path().join(root))
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .current_dir(self.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command_in("sessions", args).output().unwrap()
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command_in("sessions", args).spawn().unwrap()
    }

    /// The one session under `root`, once its manifest is there.
    pub fn session_in(&self, root: &str) -> Option<PathBuf> {
        let entries = std::fs::read_dir(self.path().join(root)).ok()?;
        entries.flatten().map(|entry| entry.path()).find(|path| path.join("session.toml").exists())
    }

    pub fn session(&self) -> PathBuf {
        self.session_in("sessions").unwrap()
    }

    /// The session whose id ends in `-name`.
    pub fn session_named(&self, name: &str) -> PathBuf {
        let entries = std::fs::read_dir(self.path().join("sessions")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.to_str().unwrap().ends_with(&format!("-{name}"))).unwrap()
    }

    /// Rows of a series so far, every generation's.
    pub fn recorded(&self, series: &str) -> usize {
        self.recorded_in("sessions", series)
    }

    /// The same of the session under another root.
    pub fn recorded_in(&self, root: &str, series: &str) -> usize {
        let Some(session) = self.session_in(root) else { return 0 };
        let frames = Frames::open(&session.join("metrics"));
        frames.ok().and_then(|frames| frames.series(series).ok()).map_or(0, |points| points.step.len())
    }

    /// Wait until the run under way has recorded `count` steps in all.
    pub fn wait_for_steps(&self, child: &mut Child, count: usize) {
        wait_until(|| self.recorded("loss/g") >= count || child.try_wait().unwrap().is_some());
        assert!(child.try_wait().unwrap().is_none(), "the run ended before step {count}");
    }

    /// The events of this session of a kind, as JSON.
    pub fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.session().join("events.jsonl")).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|event| event["kind"] == kind)
            .collect()
    }

    /// A key of `session.toml`, as text.
    pub fn manifest(&self, key: &str) -> String {
        let text = std::fs::read_to_string(self.session().join("session.toml")).unwrap();
        let document: toml_edit::DocumentMut = text.parse().unwrap();
        document.get(key).and_then(toml_edit::Item::as_str).unwrap_or_default().to_owned()
    }
}

/// Wait for a condition; one that never comes is a failure, not a hang.
pub fn wait_until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "nothing happened in {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// What a process printed on standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Bits of a series at each step, the newest generation's where a resume repeated steps.
pub fn newest(session: &Path, series: &str) -> BTreeMap<i64, u64> {
    let frames = Frames::open(&session.join("metrics")).unwrap();
    let points = frames.series(series).unwrap();
    let mut newest = BTreeMap::new();
    for index in 0..points.step.len() {
        let entry = newest.entry(points.step[index]).or_insert((0, 0));
        if points.generation[index] >= entry.0 {
            *entry = (points.generation[index], points.value[index].to_bits());
        }
    }
    newest.into_iter().map(|(step, (_, bits))| (step, bits)).collect()
}
