//! `dataset import`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use image::{DynamicImage, ImageFormat, RgbImage, imageops};
use tempfile::tempdir;

use super::{arg, composite, dataset, drawing, open, photo};

fn manifest(root: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(root.join("manifest.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn composites_become_aligned_tiles_in_order() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let whole = photo(1, 150, 130);
    let drawn = drawing(&whole);
    composite(&whole, &drawn, 7).save(src.join("10.png")).unwrap();
    composite(&photo(2, 150, 70), &drawing(&photo(2, 150, 70)), 7).save(src.join("9.png")).unwrap();
    let run = dataset(["import", arg(&src), "-o", arg(&out), "--tile", "64", "--json"]).expect(0).json();
    assert_eq!(run["layout"], "composite");
    assert_eq!(run["pairs"], 6);
    assert_eq!(run["sources"][0]["gap"], 7);
    let entries = manifest(&out);
    let boxes: Vec<(&str, u64, u64)> = entries
        .iter()
        .map(|e| (e["source"].as_str().unwrap(), e["tile"]["x"].as_u64().unwrap(), e["tile"]["y"].as_u64().unwrap()))
        .collect();
    let of_ten = [("10.png", 0, 0), ("10.png", 64, 0), ("10.png", 0, 64), ("10.png", 64, 64)];
    assert_eq!(boxes[..2], [("9.png", 0, 0), ("9.png", 64, 0)]);
    assert_eq!(boxes[2..], of_ten);
    for (entry, (_, x, y)) in entries[2..].iter().zip(of_ten) {
        let folder = out.join(entry["id"].as_str().unwrap());
        let part = |image: &RgbImage| imageops::crop_imm(image, x as u32, y as u32, 64, 64).to_image();
        assert_eq!(open(&folder.join("o.png")), part(&whole));
        assert_eq!(open(&folder.join("g.png")), part(&drawn));
    }
    assert_eq!(names(dir.path()), ["out", "src"], "nothing temporary is left");
}

#[test]
fn jpeg_composites_lose_the_ringing_beside_the_gap_on_both_sides() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let whole = photo(3, 203, 90);
    for name in ["a", "b", "c"] {
        let image: DynamicImage = composite(&whole, &drawing(&whole), 7).into();
        image.save_with_format(src.join(format!("{name}.jpg")), ImageFormat::Jpeg).unwrap();
    }
    let run = dataset(["import", arg(&src), "-o", arg(&out), "--json"]).expect(0).json();
    assert_eq!((&run["sources"][0]["gap"], &run["sources"][0]["trim"]), (&7.into(), &4.into()));
    let tile = &manifest(&out)[0]["tile"];
    assert_eq!((tile["x"].as_u64(), tile["width"].as_u64()), (Some(4), Some(195)));
    let report = dataset(["check", arg(&out), "--json"]).expect(1).json();
    for problem in report["problems"].as_array().unwrap() {
        let kind = problem["kind"].as_str().unwrap();
        assert!(["duplicate", "leak"].contains(&kind), "three copies, and nothing else wrong: {problem}");
    }
}

#[test]
fn halves_that_touch_have_no_gap_and_odd_widths_are_refused() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let whole = photo(4, 80, 60);
    composite(&whole, &drawing(&whole), 0).save(src.join("good.png")).unwrap();
    photo(5, 161, 60).save(src.join("odd.png")).unwrap();
    let run = dataset(["import", arg(&src), "-o", arg(&out), "--json"]).expect(1);
    let json = run.json();
    assert_eq!(json["sources"][0]["gap"], 0);
    assert_eq!(json["sources"][1]["outcome"], "bad");
    assert!(json["sources"][1]["reason"].as_str().unwrap().contains("161"), "{json}");
    assert_eq!(open(&out.join("0001/o.png")), whole);

    let swapped = dir.path().join("swapped");
    dataset(["import", arg(&src), "-o", arg(&swapped), "--swap", "--gap", "0"]).expect(1);
    assert_eq!(open(&swapped.join("0001/g.png")), whole);
}

#[test]
fn folders_are_matched_by_stem_and_never_by_order() {
    let dir = tempdir().unwrap();
    let (photos, drawings, out) = (dir.path().join("photos"), dir.path().join("illustrations"), dir.path().join("out"));
    fs::create_dir(&photos).unwrap();
    fs::create_dir(&drawings).unwrap();
    for (seed, name) in [(1, "a"), (2, "b"), (3, "d")] {
        photo(seed, 40, 40).save(photos.join(format!("{name}.png"))).unwrap();
    }
    for (seed, name) in [(2, "b"), (9, "c"), (3, "d")] {
        drawing(&photo(seed, 40, 40)).save(drawings.join(format!("{name}.png"))).unwrap();
    }
    fs::write(photos.join("notes.txt"), "no image").unwrap();
    let json = dataset(["import", arg(dir.path()), "-o", arg(&out), "--json"]).expect(1).json();
    assert_eq!(json["unmatched_photos"], serde_json::json!(["a.png"]));
    assert_eq!(json["unmatched_illustrations"], serde_json::json!(["c.png"]));
    assert_eq!(json["ignored"], serde_json::json!(["notes.txt"]));
    let sources: Vec<_> = manifest(&out).iter().map(|e| e["source"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sources, ["b", "d"]);
    assert_eq!(open(&out.join("0002/g.png")), drawing(&photo(3, 40, 40)));

    // The same by name, on the command line.
    let named = dir.path().join("named");
    let flags = ["import", "--photos", arg(&photos), "--illustrations", arg(&drawings), "-o", arg(&named)];
    let text = dataset(flags).expect(1).text();
    assert!(text.contains("a.png") && text.contains("c.png"), "{text}");

    photo(1, 40, 40).save(photos.join("b.jpg")).unwrap();
    let none = dir.path().join("none");
    let run = dataset(["import", arg(dir.path()), "-o", arg(&none)]).expect(1);
    assert!(run.err.contains("b.jpg and b.png"), "{}", run.err);
    assert!(!none.exists());
}

#[test]
fn images_of_unlike_size_are_no_pair() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("src/1");
    fs::create_dir_all(&folder).unwrap();
    photo(1, 40, 40).save(folder.join("o.png")).unwrap();
    photo(1, 40, 41).save(folder.join("g.png")).unwrap();
    let run = dataset(["import", arg(&dir.path().join("src")), "-o", arg(&dir.path().join("out"))]).expect(1);
    assert!(run.text().contains("40x41"), "{}", run.text());
    assert!(!dir.path().join("out").exists());
}

#[test]
fn whole_pairs_keep_their_bytes_and_tiles_of_a_dataset_keep_its_sources() {
    let dir = tempdir().unwrap();
    let (src, whole, tiles) = (dir.path().join("src"), dir.path().join("whole"), dir.path().join("tiles"));
    fs::create_dir_all(src.join("1000")).unwrap();
    let image: DynamicImage = photo(6, 90, 64).into();
    image.save_with_format(src.join("1000/o.jpg"), ImageFormat::Jpeg).unwrap();
    drawing(&photo(6, 90, 64)).save(src.join("1000/g.png")).unwrap();
    dataset(["import", arg(&src), "-o", arg(&whole), "--synthetic"]).expect(0);
    assert_eq!(fs::read(whole.join("0001/o.jpg")).unwrap(), fs::read(src.join("1000/o.jpg")).unwrap());
    assert_eq!(manifest(&whole)[0]["source"], "1000");
    dataset(["import", arg(&whole), "-o", arg(&tiles), "--tile", "32", "--stride", "26"]).expect(0);
    let entries = manifest(&tiles);
    assert_eq!(entries.len(), 6);
    assert!(entries.iter().all(|e| e["source"] == "1000" && e["synthetic"] == true));
    let again = dir.path().join("again");
    dataset(["import", arg(&tiles), "-o", arg(&again), "--tile", "16"]).expect(0);
    let last = &manifest(&again)[23]["tile"];
    assert_eq!((last["x"].as_u64(), last["y"].as_u64()), (Some(52 + 16), Some(26 + 16)), "boxes add up");
}

#[test]
fn the_orientation_that_a_camera_noted_is_applied() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("src/1");
    fs::create_dir_all(&folder).unwrap();
    let upright = photo(7, 48, 64);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    DynamicImage::from(imageops::rotate270(&upright)).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xE1];
    bytes.extend((exif.len() as u16 + 2).to_be_bytes());
    bytes.append(&mut exif);
    bytes.extend(&jpeg[2..]);
    fs::write(folder.join("o.jpg"), bytes).unwrap();
    drawing(&upright).save(folder.join("g.png")).unwrap();
    let out = dir.path().join("out");
    dataset(["import", arg(&dir.path().join("src")), "-o", arg(&out)]).expect(0);
    let written = open(&out.join("0001/o.png"));
    assert_eq!(written.dimensions(), (48, 64));
    let worst = written.as_raw().iter().zip(upright.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst < 60, "upright, up to compression: {worst}");
    dataset(["check", arg(&out)]).expect(0);
}

#[test]
fn a_limit_takes_from_every_source() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    for seed in 1..=3 {
        let whole = photo(seed, 64 * seed, 64);
        composite(&whole, &drawing(&whole), 0).save(src.join(format!("{seed}.png"))).unwrap();
    }
    let flags = ["import", arg(&src), "-o", arg(&out), "--gap", "0", "--tile", "32", "--limit", "7"];
    dataset(flags).expect(0);
    let sources: Vec<_> = manifest(&out).iter().map(|e| e["source"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sources, ["1.png", "1.png", "1.png", "2.png", "2.png", "3.png", "3.png"]);
}

#[test]
fn what_cannot_be_read_is_listed_and_the_rest_imported() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir_all(src.join("folder")).unwrap();
    let whole = photo(1, 64, 64);
    let good = composite(&whole, &drawing(&whole), 3);
    good.save(src.join("good.png")).unwrap();
    fs::copy(src.join("good.png"), src.join(OsStr::from_bytes(b"caf\xe9.png"))).unwrap();
    fs::write(src.join("empty.png"), "").unwrap();
    fs::write(src.join("text.jpg"), "this is no image").unwrap();
    let bytes = fs::read(src.join("good.png")).unwrap();
    fs::write(src.join("cut.png"), &bytes[..bytes.len() / 2]).unwrap();
    fs::write(src.join("old.gif"), b"GIF89a").unwrap();
    fs::write(src.join(".hidden.png"), "").unwrap();
    symlink("loop.png", src.join("loop.png")).unwrap();
    symlink("nowhere.png", src.join("dangling.png")).unwrap();
    let json = dataset(["import", arg(&src), "-o", arg(&out), "--json"]).expect(1).json();
    let outcome = |name: &str| {
        let source = json["sources"].as_array().unwrap().iter().find(|s| s["name"] == name);
        let source = source.unwrap_or_else(|| panic!("{name} is not listed in {json}"));
        (source["outcome"].as_str().unwrap().to_owned(), source["reason"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(outcome("good.png").0, "imported");
    assert_eq!(outcome("caf\\xe9.png").0, "imported", "any name will do");
    for (name, word) in [
        ("empty.png", "empty"),
        ("text.jpg", "no PNG"),
        ("cut.png", "truncated"),
        ("old.gif", "no PNG"),
        ("loop.png", "symbolic links"),
        ("dangling.png", "No such file"),
    ] {
        let (outcome, reason) = outcome(name);
        assert!(outcome == "bad" && reason.contains(word), "{name}: {outcome}, {reason}");
    }
    assert_eq!(json["ignored"], serde_json::json!(["folder/"]));
    assert_eq!(names(&out), ["0001", "0002", "manifest.jsonl"]);
}

#[test]
fn nothing_is_overwritten_and_appending_takes_only_what_is_new() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let save = |seed: u32, name: &str| {
        let whole = photo(seed, 64, 64);
        composite(&whole, &drawing(&whole), 0).save(src.join(name)).unwrap();
    };
    save(1, "a.png");
    let import = |more: &[&str]| dataset([&["import", arg(&src), "-o", arg(&out), "--gap", "0"], more].concat());
    import(&[]).expect(0);
    let before = fs::read(out.join("manifest.jsonl")).unwrap();
    let run = import(&[]).expect(1);
    assert!(run.err.contains("--append"), "{}", run.err);
    assert_eq!(fs::read(out.join("manifest.jsonl")).unwrap(), before);

    import(&["--append"]).expect(0);
    assert_eq!(fs::read(out.join("manifest.jsonl")).unwrap(), before, "nothing new");
    save(2, "b.png");
    import(&["--append"]).expect(0);
    assert_eq!(names(&out), ["0001", "0002", "manifest.jsonl"]);
    // A file of a known name with another picture in it would share the first one's source.
    save(3, "a.png");
    let run = import(&["--append"]).expect(1);
    assert!(run.text().contains("another picture of this name"), "{}", run.text());
    assert_eq!(names(&out), ["0001", "0002", "manifest.jsonl"]);
}

#[test]
fn wrong_usage_exits_with_2_and_empty_or_unwritable_folders_with_1() {
    let dir = tempdir().unwrap();
    let (src, out) = (dir.path().join("src"), dir.path().join("out"));
    fs::create_dir(&src).unwrap();
    let both = ["import", arg(&src), "--photos", arg(&src), "--illustrations", arg(&src), "-o", arg(&out)];
    dataset(both).expect(2);
    dataset(["import", arg(&src), "-o", arg(&out), "--stride", "64"]).expect(2);
    dataset(["import", arg(&src), "-o", arg(&out), "--tile", "0"]).expect(2);
    dataset(["import", arg(&src), "-o", arg(&out), "--gap", "wide"]).expect(2);
    dataset(["import", arg(&src)]).expect(2);
    let run = dataset(["import", arg(&src), "-o", arg(&src.join("../src")), "--append"]).expect(1);
    assert!(run.err.contains("into itself"), "{}", run.err);
    let run = dataset(["import", arg(&src), "-o", arg(&out)]).expect(1);
    assert!(run.err.contains("nothing to import"), "{}", run.err);
    let run = dataset(["import", arg(&dir.path().join("no")), "-o", arg(&out)]).expect(1);
    assert!(run.err.contains("cannot list"), "{}", run.err);
    fs::write(dir.path().join("file"), "").unwrap();
    let run = dataset(["import", arg(&src), "-o", arg(&dir.path().join("file/out"))]).expect(1);
    assert!(run.err.contains("cannot write"), "{}", run.err);
    assert_eq!(names(dir.path()), ["file", "src"]);
}
