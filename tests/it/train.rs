//! Whole runs through the real binary: ends, interruptions, commands, and everything that can go wrong around them.

use std::fs;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::process_session;
use crate::trainer::{Bench, newest, stderr, wait_until};

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_run_ends_with_a_sealed_session_a_checkpoint_and_what_to_do_next() {
    let bench = Bench::new();
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=2", "--set", "samples.every_epochs=1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains("is done") && printed.contains("atelier show"), "{printed}");
    let session = bench.session();
    assert_eq!(bench.manifest("state"), "finished");
    let sealed: Vec<_> = fs::read_dir(session.join("metrics")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(sealed.iter().all(|path| path.extension().is_some_and(|ext| ext == "parquet")), "{sealed:?}");
    assert!(!session.join("control.sock").exists());
    let steps = bench.recorded("loss/g");
    assert!(session.join(format!("checkpoints/step-{steps:08}/state.json")).exists());
    assert!(session.join(format!("samples/step-{steps:08}/00.png")).exists());
    for series in ["loss/g_gan", "loss/g_feat", "loss/g_l1", "loss/d", "lr/generator", "grad_norm/discriminator"] {
        assert_eq!(bench.recorded(series), steps, "{series}");
    }
    for series in ["speed/images_per_sec", "time/data_seconds", "time/forward_seconds", "time/optimizer_seconds"] {
        assert_eq!(bench.recorded(series), steps, "{series}");
    }
}

#[test]
fn ctrl_c_once_checkpoints_and_ends_well_and_a_resume_goes_on() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml", "--set", "checkpoint.every_steps=0"]);
    bench.wait_for_steps(&mut child, 4);
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "stopped");
    let done = bench.recorded("loss/g");
    assert!(bench.session().join(format!("checkpoints/step-{done:08}")).exists());
    let output = bench.run(&["train", "--resume", "last", "--set", "train.epochs=5"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "finished");
    let resumed = bench.events("resumed");
    assert_eq!(resumed.last().unwrap()["step"], done);
    let sampled = atelier::record::Frames::open(&bench.session().join("telemetry")).unwrap();
    let sampled = sampled.series("process/threads").unwrap();
    let mut after = sampled.points().filter(|point| point.generation == 1).peekable();
    assert!(after.peek().is_some() && after.all(|point| point.step >= done as i64), "sampled before it knew its step");
}

#[test]
fn the_end_of_the_terminal_stops_a_plain_run_with_a_checkpoint() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml"]);
    bench.wait_for_steps(&mut child, 2);
    signal(&child, Signal::HUP);
    assert!(child.wait().unwrap().success());
    assert_eq!(bench.manifest("state"), "stopped");
}

#[test]
fn a_killed_run_is_listed_as_crashed_and_offers_resume() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml"]);
    bench.wait_for_steps(&mut child, 5);
    child.kill().unwrap();
    child.wait().unwrap();
    let listed = bench.run(&["ls", "--json"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("\"crashed\""), "{text}");
    assert!(bench.run(&["train", "--resume", "last", "--set", "train.epochs=4"]).status.success());
    assert_eq!(bench.events("crashed").len(), 1);
}

#[test]
fn a_second_process_on_one_session_is_refused() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml"]);
    bench.wait_for_steps(&mut child, 1);
    let second = bench.run(&["train", "--resume", "last"]);
    assert!(!second.status.success());
    assert!(stderr(&second).contains(&child.id().to_string()), "{}", stderr(&second));
    signal(&child, Signal::INT);
    assert!(child.wait().unwrap().success(), "the first went on undisturbed");
}

#[test]
fn commands_are_confirmed_by_the_running_process() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000"]);
    bench.wait_for_steps(&mut child, 1);
    let ask = |args: &[&str]| {
        let output = bench.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ask(&["pause", "last"]);
    let before = bench.recorded("loss/g");
    assert!(ask(&["checkpoint", "last"]).contains("step-"));
    assert!(ask(&["sample", "last"]).contains("step-"));
    ask(&["set", "last", "lr", "1e-5"]);
    // Flushed at most 250 ms after it was appended, so what was read before the pause may still grow; nothing after.
    let settled = bench.recorded("loss/g");
    assert!(settled >= before);
    ask(&["resume", "last"]);
    bench.wait_for_steps(&mut child, settled + 3);
    let refused = bench.run(&["set", "last", "lr", "nan"]);
    assert!(!refused.status.success() && stderr(&refused).contains("nan"), "{}", stderr(&refused));
    ask(&["stop", "last"]);
    assert!(child.wait().unwrap().success());
    let commands: Vec<_> = bench.events("command").iter().map(|event| event["message"].clone()).collect();
    for command in ["pause", "checkpoint", "sample", "set lr 1e-5", "resume", "stop"] {
        assert!(commands.iter().any(|taken| taken == command), "{command} in {commands:?}");
    }
}

#[test]
fn a_detached_run_outlives_its_parent_and_the_terminal() {
    let bench = Bench::new();
    let output = bench.run(&["train", "tiny.toml", "--detach", "--set", "train.epochs=4000"]);
    assert!(output.status.success(), "{}", stderr(&output));
    wait_until(|| bench.recorded("loss/g") >= 2);
    let text = fs::read_to_string(bench.session().join("session.toml")).unwrap();
    let manifest: toml_edit::DocumentMut = text.parse().unwrap();
    let pid = manifest["pid"].as_integer().unwrap() as u32;
    assert_eq!(process_session(pid), pid, "in a process session of its own");
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::HUP).unwrap();
    let before = bench.recorded("loss/g");
    wait_until(|| bench.recorded("loss/g") > before + 2);
    assert!(bench.run(&["stop", "last"]).status.success());
    wait_until(|| bench.manifest("state") == "stopped");
}

#[test]
fn losses_that_are_not_finite_are_skipped_then_end_the_run() {
    let bench = Bench::new();
    // Weights of the right shapes, every one of them NaN.
    let config = atelier::config::parse(&fs::read_to_string(bench.path().join("tiny.toml")).unwrap(), "tiny.toml", &[]);
    let layout = atelier::models::pix2pixhd::generator_layout(&config.unwrap().experiment.pix2pixhd.generator);
    let poisoned: Vec<(String, tch::Tensor)> = layout
        .into_iter()
        .map(|(name, shape)| (name, tch::Tensor::full(shape, f64::NAN, (tch::Kind::Float, tch::Device::Cpu))))
        .collect();
    atelier::models::weights::save_safetensors(&bench.path().join("nan.safetensors"), &poisoned, &[]).unwrap();
    let pretrained = "pix2pixhd.generator.pretrained=nan.safetensors";
    let output = bench.run(&["train", "tiny.toml", "--set", pretrained, "--set", "train.max_skipped_steps=3"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("3 steps in a row"), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "failed");
    assert_eq!(bench.events("step-skipped").len(), 3);
    let alerts = bench.events("alert");
    assert_eq!(alerts.len(), 1, "three bad steps are one thing to tell: {alerts:?}");
    assert_eq!((&alerts[0]["rule"], &alerts[0]["step"]), (&"not-finite".into(), &1.into()));
}

/// A rule that any run breaks soon: one deviation from the mean.
fn jumpy(action: &str) -> String {
    format!(
        "alerts=[{{ kind = \"spike\", series = \"loss/g\", sigma = 1, warmup_steps = 5, side = \"both\", action = \"{action}\" }}]"
    )
}

#[test]
fn alerts_are_events_and_a_replay_finds_the_same() {
    let bench = Bench::new();
    let rules = "alerts=[{ kind = \"spike\", series = \"*\", sigma = 1.5, warmup_steps = 5, cooldown_seconds = 0 }, \
                 { kind = \"plateau\", series = \"loss/*\", window_steps = 3, cooldown_seconds = 0 }]";
    let output = bench.run(&["train", "tiny.toml", "--set", rules, "--set", "telemetry.interval_ms=50"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let tried = bench.run(&["alerts", "try", "last", "--json"]);
    let tried: serde_json::Value = serde_json::from_slice(&tried.stdout).unwrap();
    let key = |alert: &serde_json::Value| {
        ["step", "epoch", "generation", "rule", "series", "also", "value", "message", "action"]
            .map(|field| alert[field].to_string())
    };
    let mut live: Vec<_> = bench.events("alert").iter().map(key).collect();
    let mut replayed: Vec<_> = tried["alerts"].as_array().unwrap().iter().map(key).collect();
    assert!(live.len() > 20, "{}", live.len());
    // Telemetry and training tell of theirs in threads of their own.
    live.sort();
    replayed.sort();
    assert_eq!(live, replayed);
    let shown = format!("step {}: alert: ", bench.events("alert")[0]["step"]);
    assert!(stderr(&output).contains(&shown), "{}", stderr(&output));
}

#[test]
fn an_alert_can_stop_a_run_which_then_says_why_and_goes_on() {
    let bench = Bench::new();
    let output = bench.run(&["train", "tiny.toml", "--set", &jumpy("stop")]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "stopped");
    let alert = &bench.events("alert")[0];
    assert_eq!(bench.manifest("reason"), format!("alert: {}", alert["message"].as_str().unwrap()));
    let stop = &bench.events("command")[0];
    assert_eq!((&stop["message"], &stop["step"]), (&"stop".into(), &alert["step"]));
    assert!(stop["reason"].as_str().unwrap().contains("sigma"), "{stop}");
    let steps = bench.recorded("loss/g");
    assert_eq!(alert["step"], steps, "at the end of the step that raised it");
    let output = bench.run(&["train", "--resume", "last", "--set", "alerts=[]", "--set", "train.epochs=20"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(bench.manifest("state"), "finished");
}

#[test]
fn an_alert_can_pause_a_run_until_a_person_decides() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000", "--set", &jumpy("pause")]);
    wait_until(|| bench.session_in("sessions").is_some() && bench.manifest("state") == "paused");
    assert!(bench.manifest("reason").starts_with("alert: loss/g "), "{}", bench.manifest("reason"));
    assert!(bench.run(&["resume", "last"]).status.success());
    assert_eq!((bench.manifest("state"), bench.manifest("reason")), ("running".to_owned(), String::new()));
    assert!(bench.run(&["stop", "last"]).status.success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_loudly() {
    let bench = Bench::new();
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=3"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let mut checkpoints: Vec<_> =
        fs::read_dir(bench.session().join("checkpoints")).unwrap().flatten().map(|entry| entry.path()).collect();
    checkpoints.sort();
    fs::write(checkpoints.last().unwrap().join("model.safetensors"), b"damaged").unwrap();
    let output = bench.run(&["train", "--resume", "last", "--set", "train.epochs=4"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("falling back"), "{}", stderr(&output));
    assert_eq!(bench.events("checkpoint-damaged").len(), 1);
}

#[test]
fn a_finished_session_says_so_instead_of_ending_silently() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    let output = bench.run(&["train", "--resume", "last"]);
    assert!(stderr(&output).contains("train.epochs"), "{}", stderr(&output));
}

#[test]
fn session_and_socket_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml"]);
    bench.wait_for_steps(&mut child, 1);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.session()), 0o700);
    assert_eq!(mode(&bench.session().join("control.sock")), 0o600);
    signal(&child, Signal::INT);
    child.wait().unwrap();
}

#[test]
fn pairs_that_vanish_before_they_were_read_are_named_and_the_run_goes_on_if_it_can() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    // Another size, so that nothing is cached yet; one picture is no picture any more.
    let victim =
        fs::read_dir(bench.path().join("data")).unwrap().flatten().find(|entry| entry.path().is_dir()).unwrap();
    fs::write(victim.path().join("o.png"), b"no picture").unwrap();
    fs::remove_dir_all(bench.session()).unwrap();
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=2", "--set", "data.size=64"]);
    let told = stderr(&output);
    assert!(told.contains("o.png"), "{told}");
}

#[test]
fn a_branch_goes_on_as_its_parent_did_bit_for_bit() {
    let bench = Bench::new();
    let output = bench.run(&["train", "tiny.toml", "--set", "train.epochs=3", "--set", "name=parent"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let parent = bench.session();
    let output = bench.run(&["train", "--branch", "parent@6", "--set", "name=child"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let child = bench.session_named("child");
    for series in ["loss/g", "loss/d", "grad_norm/generator", "lr/generator"] {
        let (own, whole) = (newest(&child, series), newest(&parent, series));
        assert_eq!(own.keys().copied().collect::<Vec<_>>(), [7, 8, 9], "{series}");
        assert!(own.iter().all(|(step, bits)| whole[step] == *bits), "{series}: {own:?} {whole:?}");
    }
    let text = fs::read_to_string(child.join("session.toml")).unwrap();
    let manifest: toml_edit::DocumentMut = text.parse().unwrap();
    assert_eq!(manifest["parent"].as_str(), parent.file_name().unwrap().to_str());
    assert_eq!((manifest["parent_step"].as_integer(), manifest["state"].as_str()), (Some(6), Some("finished")));
    assert_eq!(manifest["device"].as_str(), Some("cpu"));
    // The child stands on its own.
    fs::remove_dir_all(&parent).unwrap();
    assert!(bench.run(&["train", "--resume", "child", "--set", "train.epochs=4"]).status.success());
}

#[test]
fn a_branch_takes_overrides_the_learning_rate_too() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=2", "--set", "name=parent"]).status.success());
    let set = ["--set", "name=child", "--set", "optimizer.lr=1e-5", "--set", "train.epochs=3"];
    let output = bench.run(&[&["train", "--branch", "parent@3"][..], &set].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let rates = newest(&bench.session_named("child"), "lr/generator");
    assert!(rates.values().all(|bits| (f64::from_bits(*bits) - 1e-5).abs() < 1e-12), "{rates:?}");
}

#[test]
fn a_branch_that_cannot_begin_says_why_and_leaves_nothing() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=2", "--set", "name=parent"]).status.success());
    for (branch, told) in [
        ("parent@5", "no checkpoint of step 5; there are those of steps 3, 6"),
        ("parent@best", "`best` is no step"),
        ("nobody", "no session `nobody`"),
        ("parent", "add --set train.epochs=4"),
    ] {
        let output = bench.run(&["train", "--branch", branch]);
        assert_eq!(output.status.code(), Some(2), "{branch}: {}", stderr(&output));
        assert!(stderr(&output).contains(told), "{branch}: {}", stderr(&output));
    }
    assert_eq!(fs::read_dir(bench.path().join("sessions")).unwrap().count(), 1);
}

#[test]
fn a_resume_at_another_learning_rate_goes_on_at_it() {
    let bench = Bench::new();
    assert!(bench.run(&["train", "tiny.toml", "--set", "train.epochs=1"]).status.success());
    let again = ["train", "--resume", "last", "--set", "train.epochs=2", "--set", "optimizer.lr=3e-5"];
    assert!(bench.run(&again).status.success());
    let rates = newest(&bench.session(), "lr/generator");
    assert_eq!(rates.values().filter(|bits| (f64::from_bits(**bits) - 3e-5).abs() < 1e-12).count(), 3, "{rates:?}");
}

#[test]
fn a_running_session_takes_notes_from_outside_and_loses_neither_them_nor_its_state() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=4000"]);
    bench.wait_for_steps(&mut child, 1);
    let done = |args: &[&str]| {
        let output = bench.run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    };
    for n in 0..5 {
        done(&["tag", "last", &format!("live-{n}")]);
        done(&["pause", "last"]);
        done(&["note", "last", "--append", &format!("look {n}")]);
        assert_eq!(bench.manifest("state"), "paused", "an edit does not undo what the run wrote");
        done(&["resume", "last"]);
    }
    done(&["stop", "last"]);
    assert!(child.wait().unwrap().success());
    assert_eq!((bench.manifest("state").as_str(), bench.manifest("notes").lines().count()), ("stopped", 5));
    let text = fs::read_to_string(bench.session().join("session.toml")).unwrap();
    assert!((0..5).all(|n| text.contains(&format!("live-{n}"))), "{text}");
    assert_eq!(bench.events("annotated").len(), 10);
}
