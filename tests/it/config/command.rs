//! `atelier config` as a process: what is printed where, and the exit code.

use std::process::{Command, Output};

use super::{configs, repository};

fn atelier(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_atelier")).args(arguments).current_dir(repository()).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_mistake_exits_with_2_and_names_its_place() {
    let output = atelier(&["config", "check", "tests/configs/invalid/unknown-key.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("tests/configs/invalid/unknown-key.toml:8:1: unknown key `train.epocs`"), "{message}");
    assert!(message.contains("did you mean `epochs`?"), "{message}");
}

#[test]
fn the_mistake_in_an_override_names_the_override() {
    let output = atelier(&["config", "show", "configs/quickstart.toml", "--set", "train.epocs=3"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("--set train.epocs=3: unknown key `train.epocs`"), "{message}");
    assert!(printed(&output).is_empty());
}

#[test]
fn check_reports_all_files_as_json() {
    let files = configs("tests/configs/invalid");
    let mut arguments = vec!["config", "check", "--json", "--no-paths", "configs/quickstart.toml"];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    let output = atelier(&arguments);
    assert_eq!(output.status.code(), Some(2));
    let all: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all.len(), files.len() + 1);
    assert_eq!(all[0]["ok"], true);
    let unknown = all.iter().find(|one| one["file"].as_str().unwrap().ends_with("/unknown-key.toml")).unwrap();
    let error = &unknown["errors"][0];
    assert_eq!((&error["line"], &error["column"]), (&8.into(), &1.into()));
    assert_eq!(error["key"], "train.epocs");
    assert_eq!(error["suggestions"][0], "epochs");
}

#[test]
fn valid_configs_pass_and_remarks_are_shown() {
    let output = atelier(&["config", "check", "--no-paths", "configs/pix2pixhd.toml"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(printed(&output), "configs/pix2pixhd.toml: ok\n");
    let hinge = ["config", "check", "configs/quickstart.toml", "--set", "pix2pixhd.loss.gan=hinge"];
    let output = atelier(&hinge);
    assert_eq!(output.status.code(), Some(0));
    assert!(printed(&output).contains("note: pix2pixhd.loss.gan = \"hinge\" without"), "{}", printed(&output));
}

#[test]
fn the_effective_config_shows_overrides_and_loads_back() {
    let folder = tempfile::tempdir().unwrap();
    let shown =
        atelier(&["config", "show", "configs/quickstart.toml", "--set", "train.epochs=70", "--set", "name=seven"]);
    assert_eq!(shown.status.code(), Some(0));
    assert!(printed(&shown).contains("epochs = 70\n") && printed(&shown).contains("name = \"seven\"\n"));
    let path = folder.path().join("effective.toml");
    std::fs::write(&path, &shown.stdout).unwrap();
    let again = atelier(&["config", "show", path.to_str().unwrap()]);
    assert_eq!(printed(&again), printed(&shown));
    let json = atelier(&["config", "show", path.to_str().unwrap(), "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(value["train"]["epochs"], 70);
}

#[test]
fn schema_and_keys_are_printed() {
    let schema = printed(&atelier(&["config", "schema"]));
    assert_eq!(schema, std::fs::read_to_string(repository().join("configs/schema.json")).unwrap());
    let keys: Vec<serde_json::Value> = serde_json::from_slice(&atelier(&["config", "keys", "--json"]).stdout).unwrap();
    assert!(keys.iter().any(|key| key["key"] == "optimizer.lr" && key["default"] == 2e-4));
}

#[test]
fn a_missing_file_exits_with_2() {
    let output = atelier(&["config", "check", "configs/no-such.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("configs/no-such.toml: no such file") && message.contains("presets"), "{message}");
}
