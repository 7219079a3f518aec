//! `atelier doctor` as a process.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn doctor(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_atelier")).arg("doctor").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn every_check_has_a_finding_and_every_complaint_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(&["--json"], folder.path());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = answer["checks"].as_array().unwrap();
    for check in checks {
        assert!(!check["finding"].as_str().unwrap().is_empty(), "{check}");
        let fine = check["status"] == "ok";
        assert!(fine || check["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{check}");
    }
    let names: Vec<&str> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    for name in ["machine", "rust", "c++", "python", "libtorch", "gpu", "terminal", "sessions", "cache", "watching"] {
        assert!(names.contains(&name) || name == "gpu", "{name} is not among {names:?}");
    }
    let errors = checks.iter().any(|check| check["status"] == "error");
    assert_eq!(answer["ok"], !errors);
    assert_eq!(output.status.code(), Some(i32::from(errors)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing behind");
}

/// The file that was really loaded, so that this fails when the binary finds no libtorch or another one.
#[cfg(feature = "train")]
#[test]
fn the_binary_finds_its_libtorch_without_environment() {
    let folder = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_atelier");
    let output =
        Command::new(binary).args(["doctor", "--json"]).env_clear().current_dir(folder.path()).output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let libtorch = answer["checks"].as_array().unwrap().iter().find(|check| check["check"] == "libtorch").unwrap();
    assert_eq!(libtorch["status"], "ok", "{libtorch}");
    assert!(libtorch["finding"].as_str().unwrap().starts_with("2.11.0 from /"), "{libtorch}");
}

#[test]
fn a_place_that_cannot_be_written_to_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let output = doctor(&["--root", "/proc/sessions"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ERROR") && text.contains("cannot be written to"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: "));
}
