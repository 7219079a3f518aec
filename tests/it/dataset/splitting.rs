//! `dataset split`.

use std::collections::HashSet;
use std::fs;

use tempfile::tempdir;

use super::{arg, composite, dataset, drawing, photo};

fn held_out(json: &serde_json::Value) -> HashSet<String> {
    json["validation"].as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_written_down_is_what_is_computed_and_added_files_move_nothing() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let add = |seeds: std::ops::Range<u32>| {
        for seed in seeds {
            let whole = photo(seed, 64, 32);
            composite(&whole, &drawing(&whole), 0).save(src.join(format!("{seed}.png"))).unwrap();
        }
    };
    add(0..15);
    let import = ["import", arg(&src), "-o", arg(&out), "--gap", "0", "--tile", "32", "--append"];
    dataset(import).expect(0);
    let shown = dataset(["split", arg(&out), "--dry-run", "--json"]).expect(0).json();
    assert!(!out.join("split.json").exists());
    let first = dataset(["split", arg(&out), "--json"]).expect(0).json();
    assert_eq!(shown["validation"], first["validation"]);
    let recorded: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(out.join("split.json")).unwrap()).unwrap();
    assert_eq!(recorded["validation"], first["validation"]);
    assert_eq!(dataset(["split", arg(&out), "--json"]).expect(0).json()["validation"], first["validation"]);
    assert_eq!(first["train_ids"].as_array().unwrap().len() + first["validation_ids"].as_array().unwrap().len(), 30);

    add(15..60);
    dataset(import).expect(0);
    let grown = dataset(["split", arg(&out), "--json"]).expect(0).json();
    fs::remove_file(out.join("split.json")).unwrap();
    let anew = dataset(["split", arg(&out), "--json"]).expect(0).json();
    assert_eq!(grown["validation"], anew["validation"], "with and without the record");
    let old: HashSet<String> = (0..15).map(|seed| format!("{seed}.png")).collect();
    let still: HashSet<String> = held_out(&grown).intersection(&old).cloned().collect();
    assert_eq!(still, held_out(&first));
    assert!(held_out(&grown).len() > still.len(), "new sources are held out too");

    let other = dataset(["split", arg(&out), "--seed", "5", "--json"]).expect(0).json();
    assert_ne!(held_out(&other), held_out(&grown));
    assert!(other["remarks"].to_string().contains("replaces the split"));
}

#[test]
fn shares_out_of_range_and_missing_datasets_are_told_apart() {
    let dir = tempdir().unwrap();
    dataset(["split", arg(dir.path()), "--validation", "1.0"]).expect(2);
    dataset(["split", arg(dir.path()), "--validation", "nan"]).expect(2);
    let run = dataset(["split", arg(dir.path())]).expect(1);
    assert!(run.err.contains("holds no pair"), "{}", run.err);
}
