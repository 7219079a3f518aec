//! `atelier eval`, the real binary on real sessions and folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use atelier::models::init;
use atelier::models::perceptual::backbone::Architecture;
use atelier::models::weights::save_safetensors;
use atelier::record::Frames;
use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::trainer::{Bench, stderr};

struct Folders {
    dir: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A picture of `size` pixels a side whose every level is moved by `shift`.
    fn picture(&self, name: &str, size: u32, shift: u8) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel =
            |x: u32, y: u32| Rgb([(3 * x % 200) as u8, (5 * y % 200) as u8, (x * y % 200) as u8].map(|v| v + shift));
        RgbImage::from_fn(size, size, pixel).save(path).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
        command.arg("eval").args(args).args(["--device", "cpu"]).current_dir(self.dir.path());
        command.env("XDG_CACHE_HOME", self.path("cache")).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn metric<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["metrics"].as_array().unwrap();
    all.iter().find(|one| one["metric"] == name).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn folders_are_compared_image_by_image_with_intervals_and_the_baseline() {
    let folders = Folders::new();
    for (at, name) in ["a", "b", "deep/c"].into_iter().enumerate() {
        folders.picture(&format!("to/{name}.png"), 32, 0);
        folders.picture(&format!("out/{name}.png"), 32, 2 + at as u8);
        folders.picture(&format!("in/{name}.webp"), 32, 40);
    }
    folders.picture("out/lone.png", 32, 0);
    let call = ["out", "--against", "to", "--input", "in", "--metrics", "l1,psnr,ssim,ms-ssim,lpips-alex"];
    let report = folders.json(&call);
    let l1 = metric(&report, "l1");
    let close =
        |value: &Value, want: f64| assert!((value.as_f64().unwrap() - want).abs() < 1e-6, "{value} is not {want}");
    close(&l1["prediction"]["value"], 3.0 / 255.0);
    close(&l1["identity"]["value"], 40.0 / 255.0);
    close(&l1["difference"]["value"], -37.0 / 255.0);
    let interval = &l1["difference"]["interval"];
    assert!(
        interval["low"].as_f64().unwrap() < interval["high"].as_f64().unwrap() && interval["high"].as_f64() < Some(0.0)
    );
    assert_eq!(report["images"].as_array().unwrap().len(), 3);
    assert_eq!(report["images"][2]["name"], "deep/c");
    close(&report["images"][2]["values"][0]["prediction"], 4.0 / 255.0);
    assert_eq!(report["unmatched"].as_array().unwrap().len(), 1);
    // What cannot be measured says why, and how it could be.
    let refused = report["unavailable"].to_string();
    assert!(refused.contains("161 pixels") && refused.contains("atelier metrics pull alexnet"), "{refused}");
    let without_time = |mut report: Value| {
        report.as_object_mut().unwrap().remove("seconds");
        report
    };
    assert_eq!(without_time(folders.json(&call)), without_time(report), "the same call gives the same numbers");

    let text = stdout(&folders.run(&call));
    for part in ["3 images", "best by ssim", "worst by ssim", "better", "lone.png: no target", "not measured"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn what_cannot_be_read_or_has_another_size_is_named_and_the_rest_goes_on() {
    let folders = Folders::new();
    for name in ["a", "b", "c", "d"] {
        folders.picture(&format!("to/{name}.png"), 32, 0);
        folders.picture(&format!("out/{name}.png"), if name == "b" { 48 } else { 32 }, 1);
    }
    fs::write(folders.path("out/c.png"), b"no picture").unwrap();
    let output = folders.run(&["out", "--against", "to", "--metrics", "psnr"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(text.contains("b.png is 48x48 pixels, its target 32x32") && text.contains("c.png is no PNG"), "{text}");
    assert!(stderr(&output).contains("2 of 4 could not be measured"), "{}", stderr(&output));
}

#[test]
fn one_image_has_values_without_intervals_and_equal_ones_are_infinitely_near() {
    let folders = Folders::new();
    folders.picture("to/a.png", 32, 0);
    folders.picture("out/a.png", 32, 0);
    let report = folders.json(&["out", "--against", "to", "--metrics", "psnr,ssim"]);
    assert_eq!(metric(&report, "psnr")["prediction"]["value"], "inf");
    assert_eq!(metric(&report, "ssim")["prediction"]["value"], 1.0);
    assert!(metric(&report, "ssim")["prediction"]["interval"].is_null());
    let text = stdout(&folders.run(&["out", "--against", "to", "--metrics", "psnr,ssim"]));
    assert!(text.contains("one image"), "{text}");
}

#[test]
fn wrong_calls_say_what_to_do() {
    let folders = Folders::new();
    folders.picture("to/a.png", 32, 0);
    folders.picture("other/b.png", 32, 0);
    fs::create_dir(folders.path("empty")).unwrap();
    fs::write(folders.path("not.safetensors"), b"x").unwrap();
    for (args, code, part) in [
        (vec!["empty", "--against", "to"], 1, "no .png, .jpg or .webp files"),
        (vec!["gone", "--against", "to"], 2, "gone does not exist"),
        (vec!["other", "--against", "to"], 1, "b.png: no target"),
        (vec!["./to"], 2, "--against DIR"),
        (vec!["nosession"], 2, "no session `nosession`"),
        (vec!["to", "--against", "to", "--metrics", "ssmi"], 2, "there are l1, mse"),
        (vec!["to", "--against", "to", "--weights", "not.safetensors"], 2, "not.safetensors"),
    ] {
        let output = folders.run(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(part), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn weights_named_on_the_command_line_are_looked_through() {
    let folders = Folders::new();
    let tensors: Vec<_> = Architecture::Squeeze
        .layout()
        .into_iter()
        .map(|(name, shape)| {
            let tensor = init::normal(1, &name, &shape, 0.1).unwrap();
            (name, tensor)
        })
        .collect();
    save_safetensors(&folders.path("squeeze.safetensors"), &tensors, &[]).unwrap();
    for (name, shift) in [("a", 0), ("b", 9)] {
        folders.picture(&format!("to/{name}.png"), 40, 0);
        folders.picture(&format!("out/{name}.png"), 40, shift);
    }
    let report =
        folders.json(&["out", "--against", "to", "--metrics", "lpips-squeeze", "--weights", "squeeze.safetensors"]);
    let values: Vec<f64> = (0..2).map(|at| report["images"][at]["values"][0]["prediction"].as_f64().unwrap()).collect();
    assert!(values[0] == 0.0 && values[1] > 0.0, "{values:?}");
}

/// The one number of a series at its newest row.
fn newest(session: &Path, series: &str) -> (i64, f64) {
    let points = Frames::open(&session.join("metrics")).unwrap().series(series).unwrap();
    (*points.step.last().unwrap(), *points.value.last().unwrap())
}

#[test]
fn a_session_is_evaluated_as_validation_does_and_keeps_the_results() {
    let bench = Bench::new();
    let output = bench.run(&[
        "train",
        "tiny.toml",
        "--set",
        "train.epochs=2",
        "--set",
        "validation.every_epochs=1",
        "--set",
        "validation.metrics=[\"l1\",\"psnr\",\"ssim\",\"lpips-alex\"]",
    ]);
    assert!(output.status.success(), "{}", stderr(&output));
    let session = bench.session();
    let remarks = fs::read_to_string(session.join("session.toml")).unwrap();
    assert_eq!(remarks.matches("val/lpips-alex is not measured").count(), 1, "{remarks}");

    let dry = bench.run(&["eval", "last", "--metrics", "ssim", "--dry"]);
    assert!(dry.status.success(), "{}", stderr(&dry));
    assert_eq!(bench.recorded("eval/ssim"), 0);

    let output = bench.run(&["eval", "last", "--metrics", "l1,psnr,ssim,kid"]);
    assert!(output.status.success(), "{}", stderr(&output));
    for name in ["l1", "psnr", "ssim", "identity_l1"] {
        let ((step, validated), (at, evaluated)) =
            (newest(&session, &format!("val/{name}")), newest(&session, &format!("eval/{name}")));
        assert_eq!(at, step);
        assert!((validated - evaluated).abs() < 1e-5, "{name}: {validated} in training, {evaluated} now");
    }
    let (_, difference) = newest(&session, "eval/difference_l1");
    assert!((difference - (newest(&session, "eval/l1").1 - newest(&session, "eval/identity_l1").1)).abs() < 1e-12);
    let (step, images) = newest(&session, "eval/images");
    let file = fs::read(session.join(format!("evaluations/step-{step:08}.json"))).unwrap();
    let report: Value = serde_json::from_slice(&file).unwrap();
    assert_eq!(report["images"].as_array().unwrap().len(), images as usize);
    let shown = bench.run(&["show", "last"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("evaluation") && shown.contains(&format!("N = {images}")) && !shown.contains("eval/"),
        "{shown}"
    );
    assert_eq!(bench.events("evaluated").len(), 1);
}

#[test]
fn a_session_that_runs_writes_its_evaluation_itself() {
    let bench = Bench::new();
    let mut child = bench.spawn(&["train", "tiny.toml", "--set", "train.epochs=100000"]);
    bench.wait_for_steps(&mut child, 4);
    let output = bench.run(&["eval", "last", "--metrics", "l1"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let stopped = bench.run(&["stop", "last"]);
    assert!(stopped.status.success(), "{}", stderr(&stopped));
    assert!(child.wait().unwrap().success());
    let (step, value) = newest(&bench.session(), "eval/l1");
    assert!(step >= 3 && value > 0.0);
    assert_eq!(bench.recorded("eval/l1"), 1);
}
