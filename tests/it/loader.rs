//! Drawing and loading pairs, across processes.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use atelier::config::Data;
use atelier::data::Dataset;
use atelier::data::cache::Cache;
use atelier::data::loader::{Loader, LoaderOptions};
use tch::{Device, Tensor};

fn atelier(arguments: &[&str], threads: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_atelier")).args(arguments).env("RAYON_NUM_THREADS", threads).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every file below a folder with its content, by relative path.
fn files(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().display().to_string();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn landscapes_are_the_same_from_any_process_and_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let draw = |name: &str, seed: &str, threads: &str| {
        let out = dir.path().join(name);
        let done = atelier(
            &["dataset", "synth", "--procedural", "5", "--seed", seed, "--size", "48", "-o", text(&out)],
            threads,
        );
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        files(&out)
    };
    let first = draw("one", "3", "1");
    assert_eq!(first.len(), 11);
    assert_eq!(first, draw("two", "3", "4"));
    assert_ne!(first, draw("three", "4", "2"));
    let again = atelier(&["dataset", "synth", "--procedural", "1", "-o", text(&dir.path().join("one"))], "1");
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is already there"));
}

#[test]
fn photos_are_repainted_and_what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let photos = dir.path().join("photos");
    fs::create_dir(&photos).unwrap();
    image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([(x * 4) as u8, (y * 5) as u8, 80]))
        .save(photos.join("a.png"))
        .unwrap();
    let recipe = dir.path().join("repaint.toml");
    let run = |out: &str| {
        let out = dir.path().join(out);
        atelier(
            &["dataset", "synth", "--photos", text(&photos), "--config", text(&recipe), "-o", text(&out), "--json"],
            "2",
        )
    };
    fs::write(&recipe, "[ink]\nstrenght = 0.5\n").unwrap();
    let wrong = run("wrong");
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(said.contains("repaint.toml:2:1") && said.contains("did you mean `strength`?"), "{said}");

    let defaults = atelier(&["dataset", "synth", "--print-config"], "1");
    fs::write(&recipe, defaults.stdout).unwrap();
    let good = run("good");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(summary["pairs"], 1);
    let dataset = Dataset::open(&dir.path().join("good")).unwrap();
    assert!(dataset.pairs[0].synthetic && dataset.pairs[0].source == "a.png");

    fs::write(photos.join("b.jpg"), "nothing").unwrap();
    let partly = run("partly");
    assert_eq!(partly.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&partly.stdout).contains("b.jpg"));
    assert_eq!(Dataset::open(&dir.path().join("partly")).unwrap().pairs.len(), 1);
}

/// Set in a process that only prints the sum of its batches.
const PRINT: &str = "ATELIER_TEST_PRINT_BATCHES";

/// A sum over the bits of every batch of two epochs, with as many workers as the variable says.
fn digest(folder: &Path, workers: usize) -> u64 {
    let root = folder.join("pairs");
    let dataset = Dataset::open(&root).unwrap();
    let jitter = "jitter = { brightness = 0.2, contrast = 0.3, saturation = 0.2, hue = 0.1 }";
    let config: Data =
        toml_edit::de::from_str(&format!("root = '{}'\nsize = 32\nworkers = {workers}\n{jitter}", text(&root)))
            .unwrap();
    let cache = Cache::open(&dataset, &config, &folder.join("cache")).unwrap();
    let options = LoaderOptions { config, batch_size: 2, seed: 5, augment: true, shuffle: true, device: Device::Cpu };
    let mut loader = Loader::new(cache, (0..5).collect(), options).unwrap();
    let mut sum = 0_u64;
    for n in 0..6 {
        let batch = loader.batch(n / 3, n % 3).unwrap();
        for tensor in [&batch.input, &batch.target] {
            for value in Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap() {
                sum = sum.wrapping_mul(0x0100_0000_01b3).wrapping_add(u64::from(value.to_bits()));
            }
        }
    }
    sum
}

#[test]
fn batches_are_the_same_bits_in_every_process() {
    if let Ok(request) = env::var(PRINT) {
        let (workers, folder) = request.split_once(' ').unwrap();
        println!("digest {}", digest(Path::new(folder), workers.parse().unwrap()));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    atelier::data::synth::procedural(&dir.path().join("pairs"), 5, 2, 48).unwrap();
    let here = format!("digest {}", digest(dir.path(), 0));
    // The first finds the cache that this process filled, the second fills its own.
    for workers in [3, 1] {
        let output = Command::new(env::current_exe().unwrap())
            .args(["--exact", "loader::batches_are_the_same_bits_in_every_process", "--nocapture"])
            .env(PRINT, format!("{workers} {}", text(dir.path())))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&here), "{said} is not {here}");
        fs::remove_dir_all(dir.path().join("cache")).unwrap();
    }
}

#[test]
fn tensors_and_their_files_agree() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("pairs");
    let dataset = atelier::data::synth::procedural(&root, 2, 9, 40).unwrap();
    let config: Data = toml_edit::de::from_str(&format!("root = '{}'\nsize = 40", text(&root))).unwrap();
    let cache = Cache::open(&dataset, &config, &dir.path().join("cache")).unwrap();
    let options = LoaderOptions { config, batch_size: 2, seed: 5, augment: false, shuffle: false, device: Device::Cpu };
    let batch = Loader::new(cache, vec![0, 1], options).unwrap().batch(0, 0).unwrap();
    assert_eq!(batch.ids, ["0001", "0002"]);
    for (row, pair) in dataset.pairs.iter().enumerate() {
        for (tensor, path) in [(&batch.input, &pair.photo), (&batch.target, &pair.illustration)] {
            let image = image::open(path).unwrap().into_rgb8();
            // [40, 40, 3] bytes -> [3, 40, 40] in [-1, 1]
            let expected = Tensor::from_slice(image.as_raw()).view([40, 40, 3]).permute([2, 0, 1]);
            let expected = expected.to_kind(tch::Kind::Float) / 127.5 - 1.0;
            let worst = (tensor.get(row as i64) - expected).abs().max().double_value(&[]);
            assert!(worst < 1e-6, "{worst}");
        }
    }
}
