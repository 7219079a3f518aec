//! Runs in trouble: a full disk, a read-only folder, pictures that go bad, weights that are gone. Each goes on or ends with
//! what to do, and nothing that was recorded is lost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Child;

use atelier::record::Frames;
use atelier::session::Folder;
use atelier::session::control::{Client, Request, Response};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::trainer::{Bench, stderr, wait_until};

/// The step that the run under way stands at, by its own word.
fn step(bench: &Bench) -> i64 {
    let mut client = Client::connect(&Folder::new(bench.session())).unwrap();
    match client.request(&Request::Status).unwrap() {
        Response::Ok { step, .. } => step,
        Response::Error { message } => panic!("{message}"),
    }
}

/// Let no file of a process grow beyond `bytes`: every write then fails as on a full disk. `None` frees the space again.
fn limit_files(child: &Child, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: getrlimit(Resource::Fsize).maximum };
    prlimit(Some(Pid::from_child(child)), Resource::Fsize, limit).unwrap();
}

/// Names in a folder, sorted; none where there is no folder.
fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Checkpoint and sample are refused with `why`, training goes on, and what was there stays; after `mend` all is well.
fn goes_on_through(bench: &Bench, mut child: Child, why: &str, mend: impl FnOnce(&Child)) {
    let session = bench.session();
    let before = (names(&session.join("checkpoints")), names(&session.join("samples")));
    for command in ["checkpoint", "sample"] {
        let refused = bench.run(&[command, "last"]);
        let told = stderr(&refused);
        assert!(!refused.status.success() && told.contains(why), "{command}: {told}");
    }
    let begin = step(bench);
    wait_until(|| step(bench) > begin + 10);
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!((names(&session.join("checkpoints")), names(&session.join("samples"))), before, "nothing half-written");

    mend(&child);
    for command in ["checkpoint", "sample"] {
        let done = bench.run(&[command, "last"]);
        assert!(done.status.success(), "{command}: {}", stderr(&done));
    }
    let samples = names(&session.join("samples"));
    assert!(!samples.is_empty() && samples.iter().all(|name| !name.contains("partial")), "{samples:?}");
    assert!(bench.run(&["stop", "last"]).status.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "stopped");
    let points = Frames::open(&session.join("metrics")).unwrap().series("loss/g").unwrap();
    assert!(points.step.iter().copied().eq(1..=points.step.len() as i64), "a step is missing or twice");
    assert!(!bench.events("checkpoint-failed").is_empty() && !bench.events("sample-failed").is_empty());
    let newest = names(&session.join("checkpoints")).pop().unwrap();
    assert_eq!(newest, format!("step-{:08}", points.step.len()), "the last step is in a checkpoint");
}

#[test]
fn a_disk_full_in_the_middle_of_a_run_is_lived_through() {
    let bench = Bench::new();
    let mut child =
        bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000", "--set", "checkpoint.every_steps=0"]);
    bench.wait_for_steps(&mut child, 3);
    assert!(bench.run(&["checkpoint", "last"]).status.success());
    limit_files(&child, Some(0));
    goes_on_through(&bench, child, "File too large", |child| limit_files(child, None));
    let failing = bench.events("recording-failing");
    assert!(failing.iter().any(|event| event["message"].as_str().unwrap().contains("metrics wait in memory")));
    let recovered = bench.events("recording-recovered");
    assert!(!recovered.is_empty() && recovered.iter().all(|event| event["dropped"] == 0), "{recovered:?}");
}

#[test]
fn a_run_that_ends_on_a_full_disk_says_so_keeps_its_last_checkpoint_and_can_be_resumed() {
    let bench = Bench::new();
    let mut child =
        bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000", "--set", "checkpoint.every_steps=0"]);
    bench.wait_for_steps(&mut child, 3);
    assert!(bench.run(&["checkpoint", "last"]).status.success());
    let kept = names(&bench.session().join("checkpoints"));
    limit_files(&child, Some(0));
    let begin = step(&bench);
    wait_until(|| step(&bench) > begin + 3);
    assert!(bench.run(&["stop", "last"]).status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("File too large"), "{}", stderr(&output));
    assert_eq!(names(&bench.session().join("checkpoints")), kept);
    let resumed = bench.run(&["train", "--resume", "last", "--set", "train.epochs=200"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(bench.manifest("state"), "finished");
    assert_eq!(format!("step-{:08}", bench.events("resumed").last().unwrap()["step"].as_i64().unwrap()), kept[0]);
}

#[test]
fn a_session_folder_made_read_only_in_the_middle_of_a_run_is_lived_through() {
    if rustix::process::geteuid().is_root() {
        println!("skipped: nothing is read-only to root");
        return;
    }
    let bench = Bench::new();
    let mut child =
        bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000", "--set", "checkpoint.every_steps=0"]);
    bench.wait_for_steps(&mut child, 3);
    assert!(bench.run(&["checkpoint", "last"]).status.success());
    let session = bench.session();
    let mode = |mode| {
        for path in [session.clone(), session.join("checkpoints"), session.join("samples")] {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o500);
    goes_on_through(&bench, child, "Permission denied", |_| mode(0o700));
}

#[test]
fn pictures_that_go_bad_in_the_middle_of_a_run_are_skipped_and_named_and_mending_them_mends_the_run() {
    let bench = Bench::new();
    let settings = ["data.procedural.count=400", "data.workers=1", "train.epochs=1", "train.max_skipped_steps=5"];
    let mut child = bench.spawn(&[&["train", "tiny.toml"][..], &settings.map(|set| ["--set", set]).concat()].concat());
    bench.wait_for_steps(&mut child, 1);
    assert!(bench.run(&["pause", "last"]).status.success());
    let paused = step(&bench);
    assert!(paused < 150, "too fast: {paused} of 160 steps were done before the pause");
    let data = bench.path().join("data");
    let pairs = fs::read_dir(&data).unwrap().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
    let pictures: Vec<_> = pairs.map(|pair| (pair.join("o.png"), pair.join("g.png"))).collect();
    let whole: Vec<_> = pictures.iter().map(|(photo, _)| fs::read(photo).unwrap()).collect();
    for (index, (photo, illustration)) in pictures.iter().enumerate() {
        match index % 2 {
            0 => fs::write(photo, b"no picture any more").unwrap(),
            _ => fs::rename(illustration, illustration.with_extension("away")).unwrap(),
        }
    }
    assert!(bench.run(&["resume", "last"]).status.success());
    let output = child.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("5 steps in a row") && told.contains("atelier dataset check"), "{told}");
    let skipped = bench.events("step-skipped");
    assert_eq!(skipped.len(), 5, "{skipped:?}");
    assert!(
        skipped.iter().all(|event| event["cause"] == "data" && event["message"].as_str().unwrap().contains(".png"))
    );
    assert_eq!(bench.manifest("state"), "failed");

    for ((photo, illustration), bytes) in pictures.iter().zip(&whole) {
        fs::write(photo, bytes).unwrap();
        let away = illustration.with_extension("away");
        if away.exists() {
            fs::rename(away, illustration).unwrap();
        }
    }
    let resumed = bench.run(&["train", "--resume", "last"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    assert_eq!(bench.manifest("state"), "finished");
    assert_eq!(bench.events("step-skipped").len(), 5);
}

#[test]
fn held_out_pictures_that_go_bad_cost_their_validation_and_not_the_run() {
    let bench = Bench::new();
    let settings = ["train.epochs=4000", "validation.every_epochs=100"];
    let mut child = bench.spawn(&[&["train", "tiny.toml"][..], &settings.map(|set| ["--set", set]).concat()].concat());
    // By then every picture that is trained on has been read, and no other.
    bench.wait_for_steps(&mut child, 10);
    assert!(bench.run(&["pause", "last"]).status.success());
    for pair in fs::read_dir(bench.path().join("data")).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        fs::write(pair.path().join("o.png"), b"no picture any more").unwrap();
    }
    assert!(bench.run(&["resume", "last"]).status.success());
    wait_until(|| !bench.events("validation-failed").is_empty() || child.try_wait().unwrap().is_some());
    let failed = bench.events("validation-failed");
    assert!(failed[0]["message"].as_str().unwrap().contains("o.png"), "{failed:?}");
    assert!(bench.run(&["stop", "last"]).status.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(bench.events("step-skipped").is_empty());
    assert_eq!(bench.manifest("state"), "stopped");
}

#[test]
fn a_resume_does_without_the_weights_that_the_run_once_started_from() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    let first = bench.session();
    let model = fs::read_dir(first.join("checkpoints")).unwrap().flatten().next().unwrap().path();
    let weights = bench.path().join("start.safetensors");
    fs::copy(model.join("model.safetensors"), &weights).unwrap();
    fs::remove_dir_all(&first).unwrap();

    let pretrained = "pix2pixhd.generator.pretrained=start.safetensors";
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=2", "--set", pretrained]);
    assert!(output.status.success(), "{}", stderr(&output));
    fs::remove_file(&weights).unwrap();
    let output = bench.run(&["train", "--resume", "last", "--set", "train.epochs=3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    // Where there is no checkpoint to take their place, they are needed, and asked for by name.
    fs::remove_dir_all(bench.session().join("checkpoints")).unwrap();
    let output = bench.run(&["train", "--resume", "last", "--set", "train.epochs=3"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("start.safetensors"), "{}", stderr(&output));
}

#[test]
fn a_clock_set_back_between_two_starts_moves_no_time_back() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    // What a run recorded whose clock was ten years ahead.
    let ahead = jiff::Timestamp::now().as_nanosecond() as i64 + 10 * 365 * 86_400 * 1_000_000_000;
    let metrics = bench.session().join("metrics");
    for entry in fs::read_dir(&metrics).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    let store = atelier::record::Store::open(&metrics, 0, atelier::record::Clock::with(ahead, || 0)).unwrap();
    store.append(atelier::record::At { step: 1, epoch: 0.1 }, &[("loss/g", 1.0)]);
    store.seal().unwrap();
    drop(store);
    let output = bench.run(&["train", "--resume", "last", "--set", "train.epochs=2"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let points = Frames::open(&metrics).unwrap().series("loss/g").unwrap();
    assert!(points.len() > 2 && points.time_ns.is_sorted() && points.time_ns[0] == ahead, "{:?}", points.time_ns);
}

#[test]
fn a_path_too_long_for_a_socket_is_no_hindrance_to_a_run() {
    let bench = Bench::new();
    let root = format!("{}/{}", "d".repeat(120), "e".repeat(120));
    let mut child = bench.command_in(&root, &["train", "tiny.toml", "--set", "train.epochs=4000"]).spawn().unwrap();
    wait_until(|| {
        let listening = bench.session_in(&root).is_some_and(|session| session.join("control.sock").exists());
        listening || child.try_wait().unwrap().is_some()
    });
    let stopped = bench.command_in(&root, &["stop", "last"]).output().unwrap();
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(child.wait().unwrap().success());
}
