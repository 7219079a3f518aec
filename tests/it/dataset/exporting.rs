//! `dataset stats`, `card` and `export`.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use polars::prelude::{ParquetReader, SerReader};
use tempfile::tempdir;

use super::{arg, dataset, open, small_dataset};

#[test]
fn stats_measure_what_the_files_hold() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("pairs");
    small_dataset(&root, 5);
    let json = dataset(["stats", arg(&root), "--json"]).expect(0).json();
    assert_eq!((json["pairs"].as_u64(), json["sources"].as_u64()), (Some(5), Some(5)));
    assert_eq!(json["sizes"], serde_json::json!([{"width": 96, "height": 96, "pairs": 5}]));
    let mut expected = 0.0;
    for id in 1..=5 {
        let folder = root.join(format!("{id:04}"));
        let (o, g) = (open(&folder.join("o.png")), open(&folder.join("g.png")));
        let sum: f64 = o.as_raw().iter().zip(g.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
        expected += sum / o.as_raw().len() as f64 / 255.0 / 5.0;
    }
    let all = &json["baseline"]["all"];
    assert!((all["l1"].as_f64().unwrap() - expected).abs() < 1e-12, "{all} {expected}");
    let (train, validation) = (&json["baseline"]["train"], &json["baseline"]["validation"]);
    let pairs = |side: &serde_json::Value| side["pairs"].as_u64().unwrap();
    assert_eq!(pairs(train) + pairs(validation), 5);
    assert!(dataset(["stats", arg(&root)]).expect(0).out.contains("identity"));

    fs::write(root.join("0002/o.png"), "").unwrap();
    let run = dataset(["stats", arg(&root)]).expect(1);
    assert!(run.err.contains("0002") && run.err.contains("empty"), "{}", run.err);
}

#[test]
fn a_card_replaces_a_card_and_nothing_else() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("pairs");
    small_dataset(&root, 3);
    let write = |more: &[&str]| dataset([&["card", arg(&root)], more].concat());
    write(&["--title", "Hills & sea: \"one\"", "--author", "A. Person", "--year", "2025"]).expect(0);
    let card = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(card.starts_with("---\nlicense: \"cc-by-4.0\"\n"), "{card}");
    assert!(card.contains("pretty_name: \"Hills & sea: \\\"one\\\"\""), "{card}");
    assert!(card.contains("title  = {Hills \\& sea: \"one\"}"), "{card}");
    assert!(card.contains("![Photo") && card.contains("| pairs | 3 |"), "{card}");
    // Two pairs to a row: 4 cells of 256, two inner gaps of 4, one outer of 16.
    assert_eq!(open(&root.join("samples.png")).dimensions(), (4 * 256 + 2 * 4 + 16, 2 * 256 + 16));
    write(&["--license", "mit", "--samples", "0"]).expect(0);
    fs::write(root.join("README.md"), "my own words").unwrap();
    let run = write(&[]).expect(1);
    assert!(run.err.contains("--force"), "{}", run.err);
    assert_eq!(fs::read_to_string(root.join("README.md")).unwrap(), "my own words");
    write(&["--force"]).expect(0);
    write(&["--license", "CC BY: 4"]).expect(2);
    dataset(["check", arg(&root)]).expect(0);
}

fn export(root: &Path, format: &str, out: &Path, more: &[&str]) -> super::Run {
    dataset([&["export", arg(root), "--format", format, "-o", arg(out)], more].concat())
}

#[test]
fn exports_hold_every_pair_once_with_its_bytes() {
    let dir = tempdir().unwrap();
    let root = dir.path().join("pairs");
    small_dataset(&root, 9);
    let o1 = fs::read(root.join("0001/o.png")).unwrap();

    let folder = dir.path().join("imagefolder");
    let json = export(&root, "imagefolder", &folder, &["--json"]).expect(0).json();
    let (train, validation) = (json["train"].as_u64().unwrap(), json["validation"].as_u64().unwrap());
    assert_eq!(train + validation, 9);
    let lines = |split: &str| fs::read_to_string(folder.join(split).join("metadata.jsonl")).unwrap().lines().count();
    assert_eq!((lines("train") as u64, lines("validation") as u64), (train, validation));

    let tars = dir.path().join("webdataset");
    export(&root, "webdataset", &tars, &["--validation", "0", "--shard", "1"]).expect(0);
    let mut archive = tar::Archive::new(File::open(tars.join("train-000000.tar")).unwrap());
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        if name == "0001.o.png" {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            assert_eq!(bytes, o1);
        }
        names.push(name);
    }
    assert_eq!(names.len(), 27);
    assert_eq!(names[..3], ["0001.o.png", "0001.g.png", "0001.json"]);

    let parquet = dir.path().join("parquet");
    export(&root, "parquet", &parquet, &["--validation", "0"]).expect(0);
    let file = parquet.join("data/train-00000-of-00001.parquet");
    let frame = ParquetReader::new(File::open(&file).unwrap()).finish().unwrap();
    assert_eq!(frame.height(), 9);
    let bytes = frame.column("original").unwrap().struct_().unwrap().field_by_name("bytes").unwrap();
    assert_eq!(bytes.binary().unwrap().get(0).unwrap(), o1);

    let again = dir.path().join("again");
    export(&root, "parquet", &again, &["--validation", "0"]).expect(0);
    let same = fs::read(again.join("data/train-00000-of-00001.parquet")).unwrap() == fs::read(&file).unwrap();
    assert!(same, "the same dataset gives the same bytes");

    let run = export(&root, "parquet", &parquet, &[]).expect(1);
    assert!(run.err.contains("not empty"), "{}", run.err);
    fs::write(root.join("0004/g.png"), "").unwrap();
    let run = export(&root, "webdataset", &dir.path().join("none"), &[]).expect(1);
    assert!(run.err.contains("0004"), "{}", run.err);
    assert!(!dir.path().join("none").exists());
}

/// Shards begin anew when the limit is reached, and no pair is lost between them.
#[test]
fn shards_are_cut_by_size() {
    let dir = tempdir().unwrap();
    let bare = dir.path().join("bare");
    // Noise does not compress: 400x400 RGB is about half a megabyte.
    for id in 1..=4_u32 {
        let folder = bare.join(id.to_string());
        fs::create_dir_all(&folder).unwrap();
        let noise = image::RgbImage::from_fn(400, 400, |x, y| {
            let mut h = (x ^ (y << 12) ^ (id << 24)).wrapping_mul(0x9E37_79B1);
            h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
            h ^= h >> 13;
            image::Rgb([h as u8, (h >> 8) as u8, (h >> 16) as u8])
        });
        noise.save(folder.join("o.png")).unwrap();
        noise.save(folder.join("g.png")).unwrap();
    }
    let tars = dir.path().join("tars");
    let json = export(&bare, "webdataset", &tars, &["--validation", "0", "--shard", "2", "--json"]).expect(0).json();
    assert_eq!(json["files"], 2, "two pairs of about a megabyte to a shard of two: {json}");
}

/// The Python libraries that the exports are for load them: `tests/python/load_exports.py` says what is checked.
#[test]
fn hugging_face_datasets_and_webdataset_load_the_exports() {
    let python = std::env::var("ATELIER_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let dir = tempdir().unwrap();
    let root = dir.path().join("pairs");
    small_dataset(&root, 10);
    dataset(["card", arg(&root), "--title", "A: \"title\" # with signs", "--author", "A. Person"]).expect(0);
    for format in ["imagefolder", "webdataset", "parquet"] {
        export(&root, format, &dir.path().join(format), &[]).expect(0);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/load_exports.py");
    let run = match Command::new(&python).arg(script).arg(&root).arg(dir.path()).output() {
        Ok(run) => run,
        Err(error) => return eprintln!("skipped: {python} cannot be run: {error}"),
    };
    let text = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    match run.status.code() {
        Some(77) => eprintln!("skipped: {text}"),
        Some(0) => assert!(text.contains("all exports load"), "{text}"),
        _ => panic!("{text}"),
    }
}
