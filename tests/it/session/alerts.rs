//! Alert rules over sessions: live, replayed, seen from a list, and from the command line.

use std::sync::{Arc, Mutex};

use atelier::alerts::{Alert, Monitor};
use atelier::config::{AlertRule, parse_alert_rules};
use jiff::{SignedDuration, Timestamp};

use super::*;

/// Rules that find much in little.
const NERVOUS: &str = "alert_defaults = false
[[alerts]]
kind = 'not-finite'
series = '*'
cooldown_seconds = 0
[[alerts]]
kind = 'spike'
series = '{loss,host}/*'
sigma = 2
half_life_steps = 50
warmup_steps = 10
cooldown_seconds = 0
[[alerts]]
kind = 'plateau'
series = 'loss/*'
window_steps = 15
cooldown_seconds = 0
";

fn rules() -> Vec<AlertRule> {
    parse_alert_rules(NERVOUS, "nervous").unwrap()
}

/// Watch a session; gives what will be told, with what can be compared of it (NaN equals nothing).
fn watched(session: &Session) -> Arc<Mutex<Vec<Alert>>> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    session.recorder().watch(&rules(), Box::new(move |alert| tell.lock().unwrap().push(alert.clone())));
    told
}

fn texts(alerts: &[Alert]) -> Vec<String> {
    let mut sorted: Vec<&Alert> = alerts.iter().collect();
    sorted.sort_by_key(|alert| (alert.moment.generation, alert.moment.time_ns, alert.rule));
    sorted.iter().map(|alert| format!("{alert:?}")).collect()
}

/// Record metrics and telemetry from two threads at once, with a pause in between.
fn busy(session: &Session, from: i64, to: i64) {
    let recorder = session.recorder();
    let wave = |step: i64, speed: i64| ((step * speed) % 31) as f64 / 31.0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in from..to {
                let load = 50.0 + wave(step, 13) + if step % 83 == 0 { 400.0 } else { 0.0 };
                session.sample(at(step), &[("host/cpu_percent", load), ("host/load_1m", 1.0)]);
            }
        });
        for step in from..to {
            let loss =
                if step % 97 == 0 { f64::NAN } else { 2.0 + wave(step, 7) + if step % 41 == 0 { 9.0 } else { 0.0 } };
            recorder.values(at(step), &[("loss/g", loss), ("loss/d", 1.0 / loss), ("lr/g", 2e-4)]);
            if step % 50 == 0 {
                let command =
                    |word: &str| Event::new("command", word).with("command", serde_json::json!({ "command": word }));
                recorder.event(at(step), command("pause"));
                recorder.event(at(step), command("resume"));
            }
        }
    });
}

#[test]
fn a_replay_finds_what_was_found_live() {
    let root = tempfile::tempdir().unwrap();
    let session = session::create(root.path(), &new("tiny")).unwrap();
    let folder = session.folder().clone();
    let first = watched(&session);
    busy(&session, 1, 500);
    session.recorder().flush().unwrap();
    session.telemetry_store().flush().unwrap();
    let live = texts(&first.lock().unwrap());
    assert!(live.len() > 10, "{live:?}");
    for kind in ["NotFinite", "Spike", "Plateau"] {
        assert!(live.iter().any(|text| text.contains(&format!("kind: {kind}"))), "{kind} in {live:?}");
    }
    assert!(live.iter().any(|text| text.contains("also: [\"loss/g\"]")), "{live:?}");
    assert!(live.iter().any(|text| text.contains("series: \"host/cpu_percent\"")), "{live:?}");
    assert_eq!(texts(&session::replay(&folder, &rules()).unwrap().alerts), live, "while it is written");
    // Killed, then taken up again from an earlier step.
    drop(session);
    let session = session::reopen(root.path(), "last", &new("ignored")).unwrap();
    let second = watched(&session);
    busy(&session, 300, 700);
    session.finish(State::Finished, None).unwrap();
    let both: Vec<Alert> = [first, second].iter().flat_map(|told| told.lock().unwrap().clone()).collect();
    let replayed = session::replay(&folder, &rules()).unwrap();
    assert_eq!(texts(&replayed.alerts), texts(&both), "sealed, over two generations");
    assert_eq!(replayed.warnings, Vec::<String>::new());
}

#[test]
fn a_viewer_sees_a_hanging_process_in_its_list() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let mut listing = session::read_listing(session.folder());
    let mut monitor = Monitor::new(&parse_alert_rules("", "built in").unwrap());
    let begin = Timestamp::UNIX_EPOCH;
    let after = |seconds: i64| begin + SignedDuration::from_secs(seconds);
    // Looked at every two seconds, in which it takes eight steps.
    for look in 1..=20 {
        listing.step = Some(8 * look);
        listing.last_recorded = Some(after(2 * look));
        listing.latest.insert("loss/g".to_owned(), session::Latest { step: 8 * look, value: 1.0 });
        assert_eq!(listing.watch(&mut monitor, after(2 * look)), []);
    }
    assert_eq!(listing.watch(&mut monitor, after(100)), []);
    let alerts = listing.watch(&mut monitor, after(161));
    assert_eq!(alerts[0].message, "no step for 120 s after step 160, where a step usually takes 0.25 s");
    assert_eq!(listing.watch(&mut monitor, after(500)), [], "said once");

    let mut paused = listing.clone();
    paused.state = Some(State::Paused);
    let mut monitor = Monitor::new(&parse_alert_rules("", "built in").unwrap());
    assert_eq!(paused.watch(&mut monitor, after(900)), []);
}

#[test]
fn rules_are_tried_on_an_old_session_without_touching_it() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 20);
    session.recorder().values(at(21), &[("loss/g", f64::NAN), ("loss/d", 1.0), ("val/ssim", 0.5)]);
    session.finish(State::Finished, None).unwrap();
    let before = fs::read(session.folder().events()).unwrap();

    let output = atelier(root.path(), &["alerts", "try", "last"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("when ") && lines.len() == 3, "{text}");
    assert!(lines[1].contains("  21  not-finite  loss/g is NaN"), "{text}");
    assert!(lines[2].starts_with("1 alert in ") && lines[2].contains("stalled, memory-growth"), "{text}");

    let file = root.path().join("mine.toml");
    fs::write(&file, "[[alerts]]\nkind = \"plateau\"\nseries = \"val/ssim\"\nwindow_steps = 10\n").unwrap();
    let file = file.to_str().unwrap();
    let output = atelier(root.path(), &["alerts", "try", "tiny", "--rules", file, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    let alerts = json["alerts"].as_array().unwrap();
    assert_eq!(alerts.len(), 2, "{json:#}");
    assert_eq!((&alerts[0]["rule"], &alerts[0]["step"]), (&"plateau".into(), &11.into()));
    assert_eq!((&alerts[1]["rule"], &alerts[1]["value"]), (&"not-finite".into(), &"NaN".into()));
    assert_eq!(alerts[1]["generation"], 0);
    assert!(alerts[1]["time"].as_str().unwrap().parse::<Timestamp>().is_ok());
    assert_eq!(json["rules"].as_array().unwrap().len(), 5);
    assert_eq!(fs::read(session.folder().events()).unwrap(), before);

    fs::write(file, "alert_defaults = false\n").unwrap();
    let nothing = out(&atelier(root.path(), &["alerts", "try", "tiny", "--rules", file]));
    assert!(nothing.contains("nothing to raise  (no rules are in force)"), "{nothing}");
}

#[test]
fn mistakes_about_rules_are_wrong_usage_with_their_place() {
    let root = tempfile::tempdir().unwrap();
    recorded(root.path(), "tiny", 1).finish(State::Finished, None).unwrap();
    let file = root.path().join("mine.toml");
    fs::write(&file, "[[alert]]\nkind = \"spike\"\n\n[[alerts]]\nkind = \"spike\"\nsigma = 0\n").unwrap();
    let output = atelier(root.path(), &["alerts", "try", "tiny", "--rules", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let told = err(&output);
    assert!(told.contains("mine.toml:1:3: unknown key `alert`") && told.contains("did you mean `alerts`?"), "{told}");
    assert!(told.contains("mine.toml:6:9: `alerts[0].sigma` = 0 is out of range"), "{told}");
    assert_eq!(atelier(root.path(), &["alerts", "try", "nobody"]).status.code(), Some(2));
    let none = root.path().join("none.toml");
    let output = atelier(root.path(), &["alerts", "try", "tiny", "--rules", none.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("no such file"), "{}", err(&output));
}

#[test]
fn the_rules_in_force_are_printed_as_a_file_that_can_be_edited() {
    let list = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
        command.args(["alerts", "rules"]).args(args).output().unwrap()
    };
    let built_in = out(&list(&[]));
    assert_eq!(parse_alert_rules(&built_in, "printed").unwrap(), AlertRule::built_in());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "name = 'x'\ntrack = 'pix2pixhd'\n[data]\nroot = '.'\n[[alerts]]\nkind = 'spike'\nsigma = 9\n")
        .unwrap();
    let printed = out(&list(&[file.to_str().unwrap()]));
    assert!(printed.contains("sigma = 9.0\n") && printed.contains("kind = \"stalled\"\n"), "{printed}");
    let json: serde_json::Value = serde_json::from_str(&out(&list(&[file.to_str().unwrap(), "--json"]))).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[3]["half_life_steps"]), (4, &200.into()));
}
