//! `ls`, `show` and the commands, as the real program.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixListener;

use atelier::session::control::{Request, Response};

use super::*;

/// Answers every connection until dropped, as a run would between its steps; gives what it was asked.
fn obey(listener: UnixListener) -> std::sync::mpsc::Receiver<Request> {
    let (sender, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut writer = stream.try_clone().unwrap();
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                let request = Request::parse(&line).unwrap();
                let response = match &request {
                    Request::Set { key, .. } if key != "lr" => Response::error(format!("`{key}` cannot be changed")),
                    other => Response::ok(format!("did {other}"), at(1234)),
                };
                sender.send(request).unwrap();
                writer.write_all(response.to_line().as_bytes()).unwrap();
            }
        }
    });
    asked
}

#[test]
fn commands_reach_a_running_session_and_tell_when_they_took_effect() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let asked = obey(session.control_listener().unwrap());
    let commands = [
        ("pause", Request::Pause),
        ("resume", Request::Resume),
        ("stop", Request::Stop),
        ("checkpoint", Request::Checkpoint),
        ("sample", Request::Sample),
    ];
    for (command, request) in commands {
        let output = atelier(root.path(), &[command, "tiny"]);
        assert_eq!(asked.try_recv().unwrap(), request);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", err(&output));
        assert!(out(&output).contains(&format!("did {command}  (step 1 234 · epoch 123.4")), "{}", out(&output));
    }
    let output = atelier(root.path(), &["set", "last", "lr", "1e-4", "--json"]);
    assert_eq!(asked.try_recv().unwrap(), Request::Set { key: "lr".to_owned(), value: "1e-4".to_owned() });
    let answer: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&answer["outcome"], &answer["step"]), (&"ok".into(), &1234.into()));

    let output = atelier(root.path(), &["set", "last", "colour", "red"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("`colour` cannot be changed"), "{}", err(&output));
}

#[test]
fn commands_to_what_does_not_run_say_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let output = atelier(root.path(), &["pause", "tiny"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("takes no commands"), "{}", err(&output));
    let id = session.id();
    drop(session);
    let output = atelier(root.path(), &["pause", "tiny"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains(&format!("atelier train --resume {id}")), "{}", err(&output));
}

#[test]
fn names_that_fit_none_or_several_are_wrong_usage() {
    let root = tempfile::tempdir().unwrap();
    for id in ["260101-100000-hayao-a", "260102-100000-hayao-b"] {
        let folder = Folder::new(root.path().join(id));
        folder.make(folder.path()).unwrap();
        Manifest::new(id, CONFIG).unwrap().save(&folder).unwrap();
    }
    let output = atelier(root.path(), &["show", "hayao"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("260101-100000-hayao-a") && err(&output).contains("260102-100000-hayao-b"));
    let output = atelier(root.path(), &["stop", "hayoa-a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("260101-100000-hayao-a"), "{}", err(&output));
    assert_eq!(atelier(root.path(), &["show", "260101"]).status.code(), Some(0));
    assert_eq!(atelier(&root.path().join("none"), &["show", "last"]).status.code(), Some(2));
    assert_eq!(atelier(root.path(), &["ls", "shape:round"]).status.code(), Some(2));
}

#[test]
fn ls_shows_every_session_damaged_ones_too() {
    let root = tempfile::tempdir().unwrap();
    let bad = damage(root.path());
    let output = atelier(root.path(), &["ls"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(!text.contains('\u{1b}'), "no colours into a pipe");
    assert!(text.lines().next().unwrap().starts_with("  state"), "{text}");
    for id in &bad {
        assert!(text.contains(id), "{id} is missing:\n{text}");
    }
    assert!(text.contains("✓ finished") && text.contains("ssim 0.5000"), "{text}");
    let one = atelier(root.path(), &["ls", "state:finished", "ssim>=0.5"]);
    assert_eq!(out(&one).lines().count(), 2, "{}", out(&one));
    let json: serde_json::Value = serde_json::from_str(&out(&atelier(root.path(), &["ls", "--json"]))).unwrap();
    assert_eq!(json.as_array().unwrap().len(), bad.len() + 2);
    assert!(out(&atelier(&root.path().join("none"), &["ls"])).contains("atelier train CONFIG"));
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let root = tempfile::tempdir().unwrap();
    many(root.path(), 1500);
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
    command.args(["ls", "--json", "--root"]).arg(root.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    // More is to come than a pipe holds.
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(err(&output), "");
}

#[test]
fn show_tells_everything_about_one_session() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 20);
    let checkpoint = session.folder().checkpoint_at(20);
    session.folder().make(&checkpoint).unwrap();
    fs::write(checkpoint.join("state.json"), "{}").unwrap();
    session.recorder().values(at(21), &[("loss/g", f64::NAN)]);
    session.recorder().flush().unwrap();
    let folder = session.folder().clone();
    drop(session);
    // A batch torn in its middle: the rows before it are served, and the tear is told.
    let open = fs::read_dir(folder.metrics()).unwrap().map(|entry| entry.unwrap().path());
    let stream = open.into_iter().find(|path| path.extension().is_some_and(|end| end == "arrows")).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&stream).unwrap();
    file.set_len(file.metadata().unwrap().len() - 9).unwrap();

    let output = atelier(root.path(), &["show", "last"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    for part in ["✗ crashed", "goes on from step-00000020", "loss/g", "seed", "started", "40 steps to go", "warnings"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&out(&atelier(root.path(), &["show", "last", "--json"]))).unwrap();
    assert_eq!(json["manifest"]["seed"], 3);
    assert_eq!(json["checkpoints"][0]["name"], "step-00000020");
    assert_eq!(json["latest"]["loss/g"]["value"], "NaN", "a value, not a null");
    assert!(!json["warnings"].as_array().unwrap().is_empty());

    let config = out(&atelier(root.path(), &["show", "last", "--config"]));
    assert_eq!(config, CONFIG);
}

#[test]
fn sessions_are_tagged_annotated_renamed_and_put_away() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    session.finish(State::Finished, None).unwrap();
    let folder = session.folder().clone();
    drop(session);
    let done = |arguments: &[&str]| {
        let output = atelier(root.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", err(&output));
        out(&output)
    };
    assert!(done(&["tag", "last", "paper", "draft"]).contains("+paper, +draft"));
    done(&["tag", "tiny", "--remove", "draft", "seed-3"]);
    done(&["note", "tiny", "flat", "colours"]);
    done(&["note", "tiny", "--append", "banding"]);
    done(&["rename", "tiny", "L1 only"]);
    let manifest = Manifest::load(&folder).unwrap();
    assert_eq!(
        (manifest.tags.join(" "), manifest.notes),
        ("paper seed-3".to_owned(), "flat colours\nbanding".to_owned())
    );
    assert_eq!(manifest.name, "L1 only");
    done(&["archive", "tiny"]);
    assert!(done(&["ls"]).contains("archived:yes"), "told where they are");
    assert!(done(&["ls", "archived:yes"]).contains(&folder.id()));
    done(&["archive", "--undo", "tiny"]);
    assert!(done(&["ls", "tag:paper", "!state:running"]).contains(&folder.id()));
    let refused = atelier(root.path(), &["tag", "tiny", "two words"]);
    assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
    assert_eq!(atelier(root.path(), &["tag", "tiny"]).status.code(), Some(2), "no tag at all");
}

#[test]
fn only_what_does_not_run_is_deleted_and_never_without_a_yes() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 1);
    let folder = session.folder().clone();
    let unasked = atelier(root.path(), &["delete", "tiny"]);
    assert_eq!(unasked.status.code(), Some(2));
    assert!(err(&unasked).contains("--yes"), "{}", err(&unasked));
    let running = atelier(root.path(), &["delete", "--yes", "tiny"]);
    assert_eq!(running.status.code(), Some(1));
    assert!(err(&running).contains("in use by process"), "{}", err(&running));
    assert!(folder.manifest().exists());
    drop(session);
    assert!(atelier(root.path(), &["delete", "--yes", "tiny"]).status.success());
    assert!(!folder.path().exists());
}
