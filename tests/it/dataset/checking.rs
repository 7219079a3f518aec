//! `dataset check`: every fault is put into a clean dataset, and must be found, named, and nothing else with it.

use std::fs;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage, imageops};
use tempfile::{TempDir, tempdir};

use super::{arg, dataset, drawing, open, photo, small_dataset};

fn clean(pairs: u32) -> (TempDir, std::path::PathBuf) {
    let dir = tempdir().unwrap();
    let root = dir.path().join("pairs");
    small_dataset(&root, pairs);
    (dir, root)
}

/// Kind, pair and message of every problem.
fn problems(root: &Path, code: i32) -> Vec<(String, String, String)> {
    let json = dataset(["check", arg(root), "--json"]).expect(code).json();
    let text = |problem: &serde_json::Value, key: &str| problem[key].as_str().unwrap().to_owned();
    let problems = json["problems"].as_array().unwrap();
    problems.iter().map(|p| (text(p, "kind"), text(p, "id"), text(p, "message"))).collect()
}

/// Problems of other kinds than those that follow from a changed file.
fn beside_hashes(root: &Path) -> Vec<(String, String, String)> {
    problems(root, 1).into_iter().filter(|(kind, ..)| kind != "hash-mismatch").collect()
}

#[test]
fn a_clean_dataset_has_no_problems() {
    let (_dir, root) = clean(6);
    assert_eq!(problems(&root, 0), []);
    let run = dataset(["check", arg(&root)]).expect(0);
    assert!(run.out.contains("nothing wrong"), "{}", run.out);
    let json = dataset(["check", arg(&root), "--json"]).expect(0).json();
    for measured in json["measured"].as_array().unwrap() {
        let shift = &measured["shift"];
        assert!(shift["confidence"].as_f64().unwrap() > 20.0, "{measured}");
        assert!(shift["dx"].as_f64().unwrap().hypot(shift["dy"].as_f64().unwrap()) < 0.3, "{measured}");
    }
}

#[test]
fn a_shift_is_found_with_its_size() {
    let (_dir, root) = clean(4);
    let large = photo(2, 110, 110);
    let moved = drawing(&imageops::crop_imm(&large, 7, 12, 96, 96).to_image());
    imageops::crop_imm(&large, 10, 10, 96, 96).to_image().save(root.join("0002/o.png")).unwrap();
    moved.save(root.join("0002/g.png")).unwrap();
    let found = beside_hashes(&root);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("misaligned", "0002"));
    let json = dataset(["check", arg(&root), "--json"]).expect(1).json();
    let shift = &json["measured"][1]["shift"];
    let near = |key: &str, wanted: f64| (shift[key].as_f64().unwrap() - wanted).abs() < 0.5;
    assert!(near("dx", 3.0) && near("dy", -2.0), "{shift}");
}

#[test]
fn files_that_do_not_make_a_pair_are_each_named() {
    let (_dir, root) = clean(7);
    let bytes = fs::read(root.join("0001/o.png")).unwrap();
    fs::write(root.join("0001/o.png"), &bytes[..bytes.len() * 2 / 3]).unwrap();
    fs::write(root.join("0002/g.png"), "").unwrap();
    photo(3, 95, 96).save(root.join("0003/g.png")).unwrap();
    let grey: DynamicImage = open(&root.join("0004/g.png")).into();
    DynamicImage::from(grey.to_luma8()).save(root.join("0004/g.png")).unwrap();
    fs::remove_file(root.join("0005/g.png")).unwrap();
    fs::remove_dir_all(root.join("0006")).unwrap();
    let found = beside_hashes(&root);
    let short: Vec<(&str, &str)> = found.iter().map(|(kind, id, _)| (kind.as_str(), id.as_str())).collect();
    assert_eq!(
        short,
        [
            ("undecodable", "0001"),
            ("undecodable", "0002"),
            ("size-mismatch", "0003"),
            ("channel-mismatch", "0004"),
            ("orphan", "0005"),
            ("orphan", "0006"),
        ],
        "{found:?}"
    );
    assert!(found[0].2.contains("0001/o.png is truncated"), "{}", found[0].2);
    assert!(found[1].2.contains("0 bytes"), "{}", found[1].2);
    assert!(found[2].2.contains("95x96"), "{}", found[2].2);
    assert!(found[3].2.contains("grey"), "{}", found[3].2);
}

#[test]
fn a_jpeg_that_ends_early_is_not_taken_for_a_picture() {
    let (_dir, root) = clean(3);
    let image: DynamicImage = open(&root.join("0001/g.png")).into();
    fs::remove_file(root.join("0001/g.png")).unwrap();
    image.save_with_format(root.join("0001/g.jpg"), ImageFormat::Jpeg).unwrap();
    let bytes = fs::read(root.join("0001/g.jpg")).unwrap();
    fs::write(root.join("0001/g.jpg"), &bytes[..bytes.len() - 200]).unwrap();
    let found = problems(&root, 1);
    assert!(found.iter().any(|(kind, id, _)| kind == "undecodable" && id == "0001"), "{found:?}");
    assert!(found.iter().any(|(kind, _, m)| kind == "hash-mismatch" && m.contains("g.jpg stands where")), "{found:?}");
}

#[test]
fn a_changed_file_and_an_unlisted_pair_are_found() {
    let (_dir, root) = clean(3);
    let mut image = open(&root.join("0003/g.png"));
    image.get_pixel_mut(0, 0).0[0] ^= 1;
    image.save(root.join("0003/g.png")).unwrap();
    fs::create_dir(root.join("0009")).unwrap();
    photo(9, 96, 96).save(root.join("0009/o.png")).unwrap();
    drawing(&photo(9, 96, 96)).save(root.join("0009/g.png")).unwrap();
    let found = problems(&root, 1);
    let short: Vec<(&str, &str)> = found.iter().map(|(kind, id, _)| (kind.as_str(), id.as_str())).collect();
    assert_eq!(short, [("hash-mismatch", "0003"), ("orphan", "0009")], "{found:?}");
}

#[test]
fn illustrations_of_something_else_are_found() {
    let (_dir, root) = clean(4);
    let (a, b) = (fs::read(root.join("0001/g.png")).unwrap(), fs::read(root.join("0002/g.png")).unwrap());
    fs::write(root.join("0001/g.png"), b).unwrap();
    fs::write(root.join("0002/g.png"), a).unwrap();
    let found = beside_hashes(&root);
    let short: Vec<(&str, &str)> = found.iter().map(|(kind, id, _)| (kind.as_str(), id.as_str())).collect();
    assert_eq!(short, [("unrelated", "0001"), ("unrelated", "0002")], "{found:?}");
}

/// Put a copy of a pair's photo, changed somehow, into another pair, with its own drawing.
fn copy_changed(root: &Path, from: &str, to: &str, change: impl Fn(&RgbImage) -> RgbImage) {
    let changed = change(&open(&root.join(from).join("o.png")));
    drawing(&changed).save(root.join(to).join("g.png")).unwrap();
    changed.save(root.join(to).join("o.png")).unwrap();
}

#[test]
fn duplicates_are_found_also_mirrored_and_leaks_are_told_apart() {
    let (_dir, root) = clean(12);
    let split = dataset(["split", arg(&root), "--json"]).expect(0).json();
    let ids = |side: &str| -> Vec<String> {
        split[side].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let (train, validation) = (ids("train_ids"), ids("validation_ids"));
    copy_changed(&root, &train[0], &train[1], |image| imageops::brighten(image, 6));
    copy_changed(&root, &train[2], &train[3], imageops::flip_horizontal);
    copy_changed(&root, &train[4], &validation[0], |image| {
        let small = imageops::resize(image, 70, 70, imageops::FilterType::Triangle);
        imageops::resize(&small, 96, 96, imageops::FilterType::Triangle)
    });
    let found = beside_hashes(&root);
    let has = |kind: &str, id: &str, word: &str| {
        found.iter().any(|(k, i, message)| k == kind && i == id && message.contains(word))
    };
    assert!(has("duplicate", &train[1], &format!("looks like {}", train[0])), "{found:?}");
    assert!(has("duplicate", &train[3], "mirror image"), "{found:?}");
    assert!(has("leak", &validation[0], &format!("looks like {}, which is trained on", train[4])), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn a_source_on_both_sides_of_a_written_split_is_a_leak() {
    let (_dir, root) = clean(6);
    dataset(["split", arg(&root)]).expect(0);
    let path = root.join("split.json");
    let mut record: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let source = record["validation"][0].clone();
    record["train"].as_array_mut().unwrap().push(source.clone());
    fs::write(&path, record.to_string()).unwrap();
    let found = problems(&root, 1);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("leak", source.as_str().unwrap()));
}

#[test]
fn bare_pairs_can_be_checked_and_a_broken_manifest_is_an_error() {
    let (_dir, root) = clean(3);
    fs::remove_file(root.join("manifest.jsonl")).unwrap();
    let run = dataset(["check", arg(&root)]).expect(0);
    assert!(run.out.contains("no manifest.jsonl"), "{}", run.out);
    fs::write(root.join("manifest.jsonl"), "{\"id\": 7}\n").unwrap();
    let run = dataset(["check", arg(&root)]).expect(1);
    assert!(run.err.contains("line 1"), "{}", run.err);
    let run = dataset(["check", arg(&root.join("no"))]).expect(1);
    assert!(run.err.contains("no dataset at"), "{}", run.err);
}
