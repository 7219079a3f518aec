use std::collections::BTreeMap;

use super::fields::mistake;
use super::sources::Source;
use super::*;
use crate::session::checkpoints::Checkpoint;

const GOOD: &str = "name = \"a\"\ntrack = \"pix2pixhd\"\n[data]\nroot = \"data\"\n[train]\nepochs = 8\n";

fn sources(files: &[(&str, &str)]) -> Sources {
    let source = |(path, text): &(&str, &str)| Source { path: path.into(), text: Ok((*text).to_owned()) };
    Sources {
        kind: Kind::New,
        configs: files.iter().map(source).collect(),
        checkpoints: Vec::new(),
        devices: Some(["auto", "cpu", "cuda:0"].map(str::to_owned).to_vec()),
        problem: None,
    }
}

fn form(files: &[(&str, &str)]) -> Launch {
    let mut form = Launch::new(Kind::New);
    form.take(&sources(files));
    form
}

fn focus(form: &mut Launch, path: &str) {
    form.search.clear();
    form.arrange();
    form.at = form.rows.iter().position(|key| key.path == path).unwrap() + 1;
}

fn is_good(form: &Launch) -> bool {
    form.checked.as_ref().is_some_and(|checked| checked.outcome.is_ok())
}

#[test]
fn a_config_edited_on_the_disk_is_checked_again_under_the_same_overrides() {
    let mut form = form(&[("configs/a.toml", GOOD), ("configs/b.toml", GOOD)]);
    form.config = 1;
    focus(&mut form, "train.batch_size");
    form.set(form.key_in_focus().unwrap(), "2");
    let broken = GOOD.replace("epochs", "epocs");
    form.take(&sources(&[("configs/0.toml", GOOD), ("configs/a.toml", GOOD), ("configs/b.toml", &broken)]));
    assert_eq!(form.config, 2, "the same file stays chosen");
    let errors = form.checked.as_ref().unwrap().outcome.as_ref().unwrap_err();
    assert!(errors.to_string().contains("configs/b.toml:6:1: unknown key `train.epocs`"), "{errors}");
    assert_eq!(mistake(errors, "train.batch_size"), None);
    form.take(&sources(&[("configs/b.toml", GOOD)]));
    assert!(is_good(&form));
    assert_eq!((form.value("train.batch_size"), form.overrides.len()), ("2", 1));
}

#[test]
fn a_value_that_the_config_has_anyway_is_no_override() {
    let mut form = form(&[("a.toml", GOOD)]);
    focus(&mut form, "train.epochs");
    let key = form.key_in_focus().unwrap();
    form.set(key, "20");
    assert_eq!(form.overrides, [("train.epochs".to_owned(), "20".to_owned())]);
    form.set(key, "8");
    assert!(form.overrides.is_empty());
    form.set(key, "20");
    form.forget();
    assert!(form.overrides.is_empty() && form.value("train.epochs") == "8");
}

#[test]
fn words_are_turned_through_and_every_one_is_good() {
    let mut form = form(&[("a.toml", GOOD)]);
    focus(&mut form, "device");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(form.value("device").to_owned());
        form.turn(1);
        assert!(is_good(&form));
    }
    assert_eq!(seen, ["auto", "cpu", "cuda:0"]);
    assert!(form.overrides.is_empty(), "round to where it began");
    form.turn(-1);
    assert_eq!(form.value("device"), "cuda:0");
}

#[test]
fn the_quickstart_is_what_a_first_start_begins_with() {
    let form = form(&[("configs/a.toml", GOOD), ("configs/quickstart.toml", GOOD)]);
    assert_eq!(form.config, 1);
    assert!(!form.is_waiting());
}

#[test]
fn a_branch_shows_the_rate_that_it_would_go_on_with() {
    let kind = Kind::Branch("run".to_owned());
    let checkpoint =
        |step, lr| Checkpoint { step, epoch: 1.0, lr: Some(lr), metrics: BTreeMap::new(), path: "step".into() };
    let text = format!("{GOOD}[optimizer]\nlr = 2e-4\n");
    let checkpoints = vec![checkpoint(10, 2e-4), checkpoint(20, 5e-5)];
    let mut form = Launch::new(kind.clone());
    form.take(&Sources { kind, checkpoints, ..sources(&[("run", &text)]) });
    assert_eq!(form.value(RATE), "5e-5", "changed while it ran");
    form.turn(-1);
    assert_eq!(form.value(RATE), "2e-4");
    form.turn(1);
    focus(&mut form, RATE);
    let key = form.key_in_focus().unwrap();
    // What the config says is no longer what it would have anyway.
    form.set(key, "2e-4");
    assert_eq!(form.overrides, [(RATE.to_owned(), "2e-4".to_owned())]);
    form.set(key, "5e-5");
    assert!(form.overrides.is_empty());
}
