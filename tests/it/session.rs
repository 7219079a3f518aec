//! Sessions as processes see them: made, crashed, reopened, listed, steered, detached.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use atelier::record::{At, Event, Frames, Recorder};
use atelier::session::{self, Folder, Manifest, New, Session, State, events};

mod alerts;
mod command_line;
mod detached;
mod query;

const CONFIG: &str =
    "name = \"tiny\"\ntrack = \"pix2pixhd\"\nseed = 3\n\n[train]\nepochs = 4\n\n[checkpoint]\nbest_metric = \"ssim\"\n";

fn new(name: &str) -> New<'_> {
    New {
        name,
        config: CONFIG,
        seed: Some(3),
        command: vec!["atelier".to_owned(), "train".to_owned()],
        ..New::default()
    }
}

fn at(step: i64) -> At {
    At { step, epoch: step as f64 / 10.0 }
}

/// A session that recorded `steps` steps and is still held.
fn recorded(root: &Path, name: &str, steps: i64) -> Session {
    let session = session::create(root, &new(name)).unwrap();
    session.set_totals(40, 4.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    let recorder = session.recorder();
    recorder.event(at(0), Event::new("started", "40 steps to go"));
    for step in 1..=steps {
        let values = [("loss/g", 1.0 / step as f64), ("val/ssim", 0.5), ("speed/images_per_sec", 12.5)];
        recorder.values(at(step), &values);
    }
    recorder.flush().unwrap();
    session
}

/// Wait for `condition`, at most a minute.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn atelier(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
    command.args(arguments).arg("--root").arg(root).stdin(Stdio::null());
    command.output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_run_from_start_to_end_leaves_everything_to_read() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 20);
    let listed = session::list(root.path()).unwrap().remove(0);
    assert_eq!((listed.state, listed.step, listed.total_steps), (Some(State::Running), Some(20), Some(40)));
    assert_eq!((listed.epoch, listed.total_epochs, listed.images_per_sec), (Some(2.0), Some(4.0), Some(12.5)));
    assert_eq!(listed.best_metric.as_deref(), Some("val/ssim"));
    assert_eq!(listed.problem, None);

    session.remark("VGG term left out: no weights").unwrap();
    session.remark("VGG term left out: no weights").unwrap();
    session.log("two\nlines");
    session.telemetry_store().append(at(20), &[("host/cpu_percent", 50.0)]);
    session.finish(State::Finished, None).unwrap();
    let folder = session.folder().clone();
    drop(session);

    let manifest = Manifest::load(&folder).unwrap();
    assert_eq!((manifest.state, manifest.generation, manifest.seed), (State::Finished, 0, Some(3)));
    assert_eq!(manifest.remarks, ["VGG term left out: no weights"]);
    assert_eq!(manifest.pid, Some(std::process::id()));
    assert!(manifest.ended >= manifest.started && manifest.ended.is_some());
    assert!(manifest.versions.contains_key("atelier"));
    let metrics = Frames::open(&folder.metrics()).unwrap();
    assert_eq!(metrics.latest("loss/g").unwrap().value, 0.05);
    assert_eq!(Frames::open(&folder.telemetry()).unwrap().rows(), 1);
    let log = fs::read_to_string(folder.log()).unwrap();
    assert_eq!(log.lines().map(|line| line.rsplit(' ').next().unwrap()).collect::<Vec<_>>(), ["two", "lines"]);
    let events = events::read(&folder.events()).unwrap();
    assert_eq!((events.lines[0].kind.as_str(), events.lines[0].generation), ("started", 0));
    assert_eq!(session::list(root.path()).unwrap()[0].images_per_sec, None, "speed is of what runs");
    assert!(!session::Lock::is_held(&folder).unwrap());
}

#[test]
fn a_crash_is_seen_by_all_and_written_down_by_the_next_generation() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 5);
    let folder = session.folder().clone();
    let socket = session.control_listener().unwrap();
    // Dropped without `finish`: what the kernel does for a killed process.
    drop(session);
    drop(socket);
    fs::OpenOptions::new()
        .append(true)
        .open(folder.events())
        .map(|mut file| {
            std::io::Write::write_all(&mut file, b"{\"time\":\"2026-01-01T00:00:0").unwrap();
        })
        .unwrap();
    let listed = session::list(root.path()).unwrap().remove(0);
    assert_eq!((listed.state, listed.step), (Some(State::Crashed), Some(5)));

    let session = session::reopen(root.path(), "last", &new("ignored")).unwrap();
    assert_eq!(session.generation(), 1);
    assert!(!folder.control_socket().exists(), "the dead process's socket is gone");
    session.set_state(State::Running, None).unwrap();
    assert_eq!(session::list(root.path()).unwrap()[0].images_per_sec, None, "the speed was the last generation's");
    session.recorder().values(at(4), &[("loss/g", 9.0)]);
    session.finish(State::Stopped, Some("stopped by command")).unwrap();
    drop(session);

    let manifest = Manifest::load(&folder).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.state), ("tiny", State::Stopped));
    assert_eq!(manifest.reason.as_deref(), Some("stopped by command"));
    let events = events::read(&folder.events()).unwrap();
    assert_eq!(events.warnings, Vec::<String>::new(), "the torn line was cut off");
    let kinds: Vec<(&str, u32)> = events.lines.iter().map(|line| (line.kind.as_str(), line.generation)).collect();
    assert!(kinds.contains(&("recovered", 1)) && kinds.contains(&("crashed", 1)), "{kinds:?}");
    let loss = Frames::open(&folder.metrics()).unwrap().series("loss/g").unwrap();
    assert_eq!(loss.len(), 6, "the overlapping step is kept beside the old one");
    assert!(loss.generation.contains(&1));
}

#[test]
fn one_session_has_one_writer() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let error = session::reopen(root.path(), "tiny", &new("tiny")).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.contains("atelier stop"), "{error}");
    assert_eq!(Manifest::load(session.folder()).unwrap().generation, 0, "the refused one changed nothing");
    session.recorder().values(at(2), &[("loss/g", 0.5)]);
    session.finish(State::Finished, None).unwrap();
}

#[test]
fn a_name_used_many_times_at_once_gives_as_many_sessions() {
    let root = tempfile::tempdir().unwrap();
    let sessions: Vec<Session> = std::thread::scope(|scope| {
        let make = |_| scope.spawn(|| session::create(root.path(), &new("same")).unwrap());
        let threads: Vec<_> = (0..8).map(make).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let listed = session::list(root.path()).unwrap();
    assert_eq!(listed.len(), sessions.len());
    assert!(listed.iter().all(|one| one.state == Some(State::Starting)));
}

#[test]
fn what_a_person_edits_while_it_runs_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let mut edited = Manifest::load(session.folder()).unwrap();
    edited.tags.push("keep".to_owned());
    edited.save(session.folder()).unwrap();
    session.finish(State::Finished, None).unwrap();
    assert_eq!(Manifest::load(session.folder()).unwrap().tags, ["keep"]);
}

#[test]
fn a_manifest_that_cannot_be_written_or_read_costs_no_recording() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let path = session.folder().manifest();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = session.set_state(State::Paused, None).unwrap_err().to_string();
    assert!(error.contains("session.toml"), "{error}");
    session.recorder().values(at(2), &[("loss/g", 0.25)]);
    session.recorder().event(at(2), Event::new("checkpoint", "step-00000002"));
    assert!(session.finish(State::Finished, None).is_err());
    assert_eq!(Frames::open(&session.folder().metrics()).unwrap().latest("loss/g").unwrap().value, 0.25);
    assert_eq!(events::read(&session.folder().events()).unwrap().lines.last().unwrap().kind, "checkpoint");

    fs::remove_dir(&path).unwrap();
    session.finish(State::Finished, None).unwrap();
    assert_eq!(Manifest::load(session.folder()).unwrap().state, State::Finished, "the next save brings it all along");
}

#[test]
fn a_root_that_cannot_be_made_is_named() {
    // Nobody, root included, makes folders there.
    let error = session::create(Path::new("/proc/atelier-sessions"), &new("tiny")).unwrap_err().to_string();
    assert!(error.contains("/proc/atelier-sessions"), "{error}");
    assert_eq!(session::list(Path::new("/nowhere/sessions")).unwrap().len(), 0);
    assert!(session::list(Path::new("/proc/self/status")).is_err());
}

#[test]
fn a_config_that_is_no_toml_makes_no_session() {
    let root = tempfile::tempdir().unwrap();
    let error = session::create(root.path(), &New { config: "a = = 1", ..new("tiny") }).unwrap_err();
    assert!(error.to_string().contains("config"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "no empty folder stays behind");
}

/// Folders damaged in every way a list may meet, among good ones.
fn damage(root: &Path) -> Vec<&'static str> {
    let good = recorded(root, "good", 3);
    let text = fs::read_to_string(good.folder().manifest()).unwrap();
    good.finish(State::Finished, None).unwrap();
    let make = |id: &str, manifest: Option<&[u8]>| {
        let folder = Folder::new(root.join(id));
        folder.make(&folder.metrics()).unwrap();
        if let Some(manifest) = manifest {
            fs::write(folder.manifest(), manifest).unwrap();
        }
    };
    make("bad-1-absent", None);
    make("bad-2-empty", Some(b""));
    make("bad-3-binary", Some(&[0, 159, 146, 150]));
    make("bad-4-half", Some(&text.as_bytes()[..60]));
    make("bad-5-types", Some(b"name = []\nstate = 7\n"));
    make("bad-6-folder", None);
    fs::create_dir(root.join("bad-6-folder/session.toml")).unwrap();
    std::os::unix::fs::symlink("bad-7-loop", root.join("bad-7-loop")).unwrap();
    make("odd-series", Some(text.as_bytes()));
    fs::write(root.join("odd-series/metrics/00000-00000.arrows"), b"not arrow at all").unwrap();
    fs::write(root.join("odd-series/summary.json"), b"{\"step\":").unwrap();
    fs::write(root.join("README.md"), "not a session").unwrap();
    vec!["bad-1-absent", "bad-2-empty", "bad-3-binary", "bad-4-half", "bad-5-types", "bad-6-folder", "bad-7-loop"]
}

#[test]
fn damaged_folders_are_listed_with_their_problem() {
    let root = tempfile::tempdir().unwrap();
    let bad = damage(root.path());
    let listed = session::list(root.path()).unwrap();
    assert_eq!(listed.len(), bad.len() + 2);
    for id in bad {
        let one = listed.iter().find(|one| one.id == id).unwrap();
        assert!(one.state.is_none() && one.problem.is_some(), "{id}: {one:?}");
    }
    assert!(listed.iter().any(|one| one.name == "good" && one.state == Some(State::Finished)));
    let odd = listed.iter().find(|one| one.id == "odd-series").unwrap();
    assert_eq!(odd.state, Some(State::Crashed));
}

/// `count` sessions that differ in their ids alone.
fn many(root: &Path, count: usize) {
    let session = recorded(root, "first", 50);
    session.finish(State::Finished, None).unwrap();
    let files = ["session.toml", "summary.json", "events.jsonl", "lock"];
    for index in 1..count {
        let path = root.join(format!("200101-{index:06}-copy"));
        fs::create_dir(&path).unwrap();
        for file in files {
            fs::copy(session.folder().path().join(file), path.join(file)).unwrap();
        }
    }
}

#[test]
fn five_hundred_sessions_are_listed_at_once() {
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 500);
    let begin = Instant::now();
    let listed = session::list(root.path()).unwrap();
    let took = begin.elapsed();
    assert_eq!(listed.len(), 500);
    assert!(listed.iter().all(|one| one.step == Some(50) && one.problem.is_none()));
    eprintln!("500 sessions listed in {took:?}");
    // Far above what it takes (tens of milliseconds), far below what reading every series would.
    assert!(took < Duration::from_secs(3), "{took:?}");
}
