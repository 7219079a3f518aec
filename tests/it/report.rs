//! Reports as their readers get them: from sessions written by the recorder, through the real program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use atelier::record::{At, Event, Recorder as _};
use atelier::report::figures::Settings;
use atelier::report::lines::XAxis;
use atelier::report::{Format, Report, output, page};
use atelier::session::{self, Folder, New, Session, State};
use image::{Rgb, RgbImage};

use crate::common::PATIENCE;

const CONFIG: &str =
    "name = \"tiny\"\ntrack = \"pix2pixhd\"\nseed = 3\n\n[train]\nepochs = 4\n\n[checkpoint]\nbest_metric = \"l1\"\n";
const SETTINGS: Settings = Settings { axis: XAxis::Step, half_life: 20.0, log_y: false, columns: 200 };

fn at(step: i64) -> At {
    At { step, epoch: step as f64 / 100.0 }
}

fn new<'a>(name: &'a str, config: &'a str) -> New<'a> {
    let command = ["/opt/atelier", "train", "configs/tiny.toml"].map(str::to_owned).to_vec();
    New { name, config, seed: Some(3), command, ..New::default() }
}

/// A session with everything that a report shows.
fn recorded(root: &Path, name: &str, config: &str, bias: f64) -> Session {
    let session = session::create(root, &new(name, config)).unwrap();
    session.set_totals(400, 4.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    let recorder = session.recorder();
    recorder.event(at(0), Event::new("started", "400 steps to go"));
    for step in 1..=400 {
        let loss = 2.0 / (1.0 + step as f64 / 50.0) + bias + 0.1 * ((step * 37) % 11) as f64 / 11.0;
        recorder.values(at(step), &[("loss/g", loss), ("loss/d", 0.5), ("lr/generator", 2e-4), ("grad_norm/g", loss)]);
        if step % 100 == 0 {
            let l1 = 0.2 / step as f64 * 100.0;
            let values = [("val/l1", l1), ("val/identity_l1", 0.15), ("val/ssim", 0.8), ("val/identity_ssim", 0.9)];
            recorder.values(at(step), &values);
            session
                .telemetry_store()
                .append(at(step), &[("gpu0/utilization_percent", 90.0), ("gpu0/power_watts", 300.0)]);
        }
    }
    recorder.event(
        at(200),
        Event::new("alert", "loss/g is far above the usual").with("series", "loss/g").with("value", 2.0),
    );
    recorder.flush().unwrap();
    session.telemetry_store().flush().unwrap();
    for step in [100, 200, 400] {
        let dir = session.folder().samples_at(step);
        fs::create_dir_all(&dir).unwrap();
        let picture = RgbImage::from_fn(96, 32, |x, y| Rgb([(x * 2) as u8, (y * 8) as u8, (step % 251) as u8]));
        picture.save(dir.join("00.png")).unwrap();
    }
    session
}

/// The same, ended.
fn finished(root: &Path, name: &str, config: &str, bias: f64) -> Folder {
    let session = recorded(root, name, config, bias);
    session.finish(State::Finished, None).unwrap();
    session.folder().clone()
}

fn html(folders: &[Folder]) -> String {
    page::page(&Report::read(folders, SETTINGS), None)
}

fn written(folders: &[Folder], out: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all: BTreeSet<Format> = [Format::Html, Format::Png, Format::Svg, Format::Md].into();
    let mut files = output::write(&Report::read(folders, SETTINGS), out, &all, None).unwrap();
    files.sort();
    files.into_iter().map(|path| (path.strip_prefix(out).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

fn atelier(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
    command.args(arguments).arg("--root").arg(root).current_dir(root).stdin(Stdio::null());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Names of all tags, and of all attributes, in a page or picture.
fn markup(page: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut tags, mut attributes) = (BTreeSet::new(), BTreeSet::new());
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        let name: String = tag.chars().take_while(char::is_ascii_alphanumeric).collect();
        // Between the quotes of attributes stand no further ones: they are escaped.
        for outside in tag[name.len()..].split('"').step_by(2) {
            attributes.extend(outside.split([' ', '/']).filter_map(|it| it.strip_suffix('=')).map(str::to_owned));
        }
        // Script and style hold no markup of the page's.
        rest = match name.as_str() {
            "script" | "style" => &rest[rest.find(&format!("</{name}>")).unwrap()..],
            _ => &rest[end..],
        };
        tags.insert(name);
    }
    (tags, attributes)
}

const TAGS: &[&str] = &[
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "span",
    "div",
    "nav",
    "ul",
    "li",
    "a",
    "main",
    "section",
    "figure",
    "figcaption",
    "svg",
    "path",
    "text",
    "circle",
    "g",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "dl",
    "dt",
    "dd",
    "details",
    "summary",
    "pre",
    "code",
    "img",
    "b",
    "br",
    "footer",
    "script",
    "rect",
    "kbd",
    "small",
    "strong",
    "em",
    "hr",
    "ol",
    "button",
    "label",
    "abbr",
    "time",
    "sup",
];

#[test]
fn a_report_runs_nothing_that_a_session_says() {
    const BAD: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'`&</pre></style></title><!--";
    let root = tempfile::tempdir().unwrap();
    let config = format!("name = '''{BAD}'''\n[data]\nroot = '''{BAD}'''\n[checkpoint]\nbest_metric = \"l1\"\n");
    let tags = [BAD.to_owned()];
    let made =
        New { tags: &tags, notes: BAD, command: vec!["atelier".to_owned(), BAD.to_owned()], ..new(BAD, &config) };
    let session = session::create(root.path(), &made).unwrap();
    session.remark(BAD).unwrap();
    let recorder = session.recorder();
    for step in 1..=100 {
        let series = [format!("loss/{BAD}"), format!("val/{BAD}"), format!("lr/{BAD}"), format!("grad_norm/{BAD}")];
        let values: Vec<(&str, f64)> = series.iter().map(|name| (name.as_str(), step as f64)).collect();
        recorder.values(at(step), &values);
        session.telemetry_store().append(at(step), &[("gpu0/<svg onload=alert(1)>_watts", 1.0)]);
    }
    recorder.event(at(5), Event::new(BAD, BAD).with("series", format!("loss/{BAD}")).with("value", 5.0));
    recorder.event(at(5), Event::new("alert", BAD).with("series", format!("loss/{BAD}")).with("value", 5.0));
    let dir = session.folder().samples_at(100);
    fs::create_dir_all(&dir).unwrap();
    RgbImage::new(9, 3).save(dir.join("<img src=x onerror=alert(1)>.png")).unwrap();
    fs::write(dir.join("torn <b>.png"), "no picture").unwrap();
    let cells = format!("// %% {BAD}\n{BAD}\n// %% [markdown]\n// # {BAD}\n// %%\nplotted\n");
    fs::write(session.folder().notebook(), cells).unwrap();
    let given = serde_json::json!({"version": 1, "cells": [{"source": BAD, "ok": true, "outputs": [
        {"type": "text", "stream": "stderr", "text": BAD},
        {"type": "value", "text": BAD},
        {"type": "problem", "message": BAD, "help": BAD, "places": [{"line": 1, "label": BAD}]},
        {"type": "table", "label": BAD, "columns": [{"name": BAD}], "rows": [[BAD]], "total": 9},
        {"type": "image", "label": BAD, "width": 1, "height": 1, "png": "AAAA"},
        {"type": "plot", "title": BAD, "x_label": BAD, "series": [{"name": BAD, "x": [1, 2], "y": [1, null]}]},
    ]}]});
    fs::write(session.folder().notebook_outputs(), given.to_string()).unwrap();
    session.finish(State::Failed, Some(BAD)).unwrap();
    let one = session.folder().clone();
    let other = finished(root.path(), BAD, &config, 0.0);

    for folders in [&[one.clone()][..], &[one, other][..]] {
        let page = html(folders);
        assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown, as text");
        let (tags, attributes) = markup(&page);
        let strange: Vec<&String> = tags.iter().filter(|tag| !TAGS.contains(&tag.as_str())).collect();
        assert!(strange.is_empty(), "tags {strange:?}");
        assert!(!attributes.iter().any(|name| name.starts_with("on") || name == "srcdoc"), "{attributes:?}");
        assert_eq!(page.matches("<script").count(), 1, "its own");
        assert_eq!(page.matches("<style").count(), 1);
        assert!(page.contains("default-src &#39;none&#39;") && page.contains("script-src &#39;sha256-"));
        for (path, bytes) in written(folders, &root.path().join("out")) {
            match path.extension().unwrap().to_str().unwrap() {
                "svg" => {
                    let (tags, attributes) = markup(&text(&bytes));
                    assert!(
                        tags.iter().all(|tag| ["svg", "style", "path", "text", "circle", "g"].contains(&tag.as_str())),
                        "{tags:?}"
                    );
                    assert!(!attributes.iter().any(|name| name.starts_with("on")), "{attributes:?}");
                }
                "md" => assert!(!text(&bytes).split("```").step_by(2).any(|text| text.contains("<script")), "{path:?}"),
                _ => {}
            }
        }
    }
}

#[test]
fn one_session_gives_one_report_byte_for_byte() {
    let root = tempfile::tempdir().unwrap();
    let folders = [finished(root.path(), "a", CONFIG, 0.0), finished(root.path(), "b", CONFIG, 0.3)];
    for folders in [&folders[..1], &folders[..]] {
        let (first, second) = (written(folders, &root.path().join("1")), written(folders, &root.path().join("2")));
        assert!(first.len() > 10, "{} files", first.len());
        assert_eq!(
            first.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            second.iter().map(|(path, _)| path).collect::<Vec<_>>()
        );
        for ((path, bytes), (_, again)) in first.iter().zip(&second) {
            assert!(bytes == again, "{} differs", path.display());
        }
    }
}

#[test]
fn a_report_has_every_figure_its_points_and_the_verdict() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "tiny", CONFIG, 0.0);
    let report = Report::read(&[folder], SETTINGS);
    let names: Vec<String> = report.figures().into_iter().map(|(name, _)| name).collect();
    let meant =
        ["loss-g", "loss-g-epochs", "loss-d", "loss-d-epochs", "val-l1", "val-ssim", "lr", "grad-norm", "machine"];
    assert_eq!(names, meant);
    let points: Vec<u64> = report.figures().iter().map(|(_, figure)| figure.points()).collect();
    assert_eq!(points, [400, 400, 400, 400, 8, 8, 400, 400, 408]);
    let page = page::page(&report, None);
    for text in [
        "Better than leaving the photo as it is on L1, not better on SSIM.",
        "smoothed, half-life 20 steps · 400 points",
        "1 alert, no restarts",
        "loss/g is far above the usual",
        "atelier train configs/tiny.toml",
        "Mean of each epoch",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(
        page.matches("<svg ").count(),
        names.len() + report.parts[0].source.metrics.len() + 2,
        "figures and courses"
    );
    assert!(page.matches("aria-label=\"G loss: line chart over step 0 to 400. It goes from ").count() >= 1);
    assert_eq!(page.matches("<img ").count(), 2 + 2, "original, target, and the last two of the three steps' pictures");
}

#[test]
fn the_best_samples_are_those_of_the_best_metric() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", CONFIG, 0.0);
    // Best at 300, between the samples of 200 and 400.
    session.recorder().values(at(301), &[("val/l1", 0.01)]);
    session.recorder().values(at(400), &[("val/l1", 0.5)]);
    session.finish(State::Finished, None).unwrap();
    let report = Report::read(&[session.folder().clone()], SETTINGS);
    let sheet = report.parts[0].sheet.as_ref().unwrap();
    let headings: Vec<(&str, &str)> = sheet.headings.iter().map(|it| (it.title.as_str(), it.note.as_str())).collect();
    assert_eq!(
        headings,
        [
            ("Original", ""),
            ("Target", ""),
            ("First", "step 100"),
            ("Best", "step 200 · L1 0.0100 at step 301"),
            ("Last", "step 400"),
        ]
    );
    let prediction = sheet.rows[0].1[3].as_ref().unwrap();
    assert_eq!((prediction.dimensions(), prediction.get_pixel(0, 0).0), ((32, 32), [128, 0, 200]), "the last third");
}

#[test]
fn several_sessions_are_laid_over_each_other_and_measured_against_the_first() {
    let root = tempfile::tempdir().unwrap();
    let slower = CONFIG.replace("epochs = 4", "epochs = 9");
    let folders = [finished(root.path(), "base", CONFIG, 0.0), finished(root.path(), "slower", &slower, 0.5)];
    let report = Report::read(&folders, SETTINGS);
    let difference = report.figure("difference-loss-g").unwrap();
    let columns =
        difference.panels[0].lines[0].smooth.clone().unwrap_or_else(|| difference.panels[0].lines[0].raw.clone());
    let values: Vec<f64> =
        columns.iter().flat_map(|column| column.marks.into_iter().flatten()).map(|mark| mark.y).collect();
    assert!(values.iter().all(|value| (value - 0.5).abs() < 1e-9), "{values:?}");
    assert_eq!(report.figure("loss").unwrap().name, "compare-loss-g");
    let loss = report.compared.rows.iter().find(|row| row.series == "loss/g").unwrap();
    assert_eq!(loss.winner(), Some(0));
    let page = page::page(&report, None);
    assert!(page.contains("train.epochs") && page.contains("base and slower"));
}

#[test]
fn folders_with_little_in_them_still_give_a_report() {
    let root = tempfile::tempdir().unwrap();
    let empty = Folder::new(root.path().join("260101-000000-empty"));
    fs::create_dir(empty.path()).unwrap();
    let page = html(std::slice::from_ref(&empty));
    assert!(page.contains("260101-000000-empty") && page.contains("session.toml"), "{page}");

    // A session that recorded nothing.
    let session = session::create(root.path(), &new("nothing", CONFIG)).unwrap();
    assert!(html(&[session.folder().clone()]).contains("Nothing was measured on held-out pairs."));

    // One point, one series of NaN, values beyond every axis.
    let recorder = session.recorder();
    recorder.values(at(7), &[("loss/g", 1.5), ("loss/d", f64::NAN), ("loss/x", f64::INFINITY), ("loss/y", 1e300)]);
    session.finish(State::Stopped, None).unwrap();
    let report = Report::read(&[session.folder().clone()], SETTINGS);
    let page = page::page(&report, None);
    assert!(page.contains("1 point<") && page.contains("only values that are no numbers"));
    assert!(page.contains("<circle"), "a point is a dot, not nothing");
    assert!(!page.contains("=\"NaN") && !page.contains("NaNl"), "no place that is no number");
    written(&[session.folder().clone(), empty], &root.path().join("out"));
}

#[test]
fn a_half_written_folder_is_read_as_far_as_it_goes_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "half", CONFIG, 0.0);
    let folder = session.folder().clone();
    let open = fs::read_dir(folder.metrics()).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(&open).unwrap();
    drop(session);
    fs::write(&open, &bytes[..bytes.len() - 40]).unwrap();
    fs::write(folder.events(), "{\"time\":\"2026-01-01T00:00:00Z\",\"step\":1,\"kind\":\"started\",\"mess").unwrap();
    fs::write(folder.samples_at(400).join("00.png"), "no picture").unwrap();
    fs::remove_dir_all(folder.samples_at(200)).unwrap();
    fs::create_dir(folder.samples().join("step-00000500.partial")).unwrap();
    fs::write(folder.manifest(), "state = ").unwrap();
    let page = html(&[folder]);
    for text in ["torn", "00.png", "not there", "session.toml"] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn three_hundred_series_are_a_table_not_three_hundred_figures() {
    let root = tempfile::tempdir().unwrap();
    let session = session::create(root.path(), &new("many", CONFIG)).unwrap();
    let names: Vec<String> = (0..300).map(|number| format!("loss/term_{number:03}")).collect();
    for step in 1..=100 {
        let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), step as f64)).collect();
        session.recorder().values(at(step), &values);
    }
    session.finish(State::Finished, None).unwrap();
    let folders = [session.folder().clone()];
    let report = Report::read(&folders, SETTINGS);
    assert!(report.figures().len() < 20, "{}", report.figures().len());
    let page = page::page(&report, None);
    assert!(names.iter().all(|name| page.contains(&format!("<code>{name}</code>"))));
    assert!(page.len() < 1_000_000, "{}", page.len());
    assert_eq!(report.figure("loss/term_299").unwrap().points(), 100, "any series can be asked for");
}

#[test]
fn a_figure_alone_has_the_size_asked_for() {
    let root = tempfile::tempdir().unwrap();
    finished(root.path(), "tiny", CONFIG, 0.0);
    let done = atelier(
        root.path(),
        &["report", "tiny", "--figure", "loss", "-o", "a/loss.png", "--size", "640x360", "--dpi", "120"],
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(image::image_dimensions(root.path().join("a/loss.png")).unwrap(), (640, 360));
    let done = atelier(
        root.path(),
        &["report", "tiny", "--figure", "gpu0/power_watts", "-o", "power.svg", "--x", "time", "--dark"],
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(fs::read_to_string(root.path().join("power.svg")).unwrap().contains("in W"));
}

#[test]
fn mistakes_are_told_with_what_would_be_right() {
    let root = tempfile::tempdir().unwrap();
    finished(root.path(), "tiny", CONFIG, 0.0);
    fs::write(root.path().join("file"), "").unwrap();
    for (arguments, code, words) in [
        (&["report", "tiny", "--figure", "los-g"][..], 2, "did you mean `loss-g`?"),
        (&["report", "tiny", "--figure", "something-else-entirely"], 2, "`--list` shows all"),
        (&["report", "tiny", "--figure", "loss", "-o", "loss.jpg"], 2, "neither in .png nor in .svg"),
        (&["report", "tiny", "--figure", "loss", "--size", "1600"], 2, "1600x900"),
        (&["report", "tiny", "--figure", "loss", "--format", "html"], 2, "png or svg"),
        (&["report", "nobody"], 2, "nobody"),
        (&["report", "tiny", "-o", "file"], 1, "choose another with -o"),
        (&["report", "tiny", "-o", "file/below"], 1, "choose another with -o"),
    ] {
        let done = atelier(root.path(), arguments);
        let error = text(&done.stderr);
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn watching_writes_again_as_the_session_grows_and_ends_with_it() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "live", CONFIG, 0.0);
    let mut command = Command::new(env!("CARGO_BIN_EXE_atelier"));
    command.args(["report", "live", "--watch", "--format", "html", "-o"]).arg(root.path().join("out"));
    let mut watching =
        command.arg("--root").arg(root.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let page = root.path().join("out").join(format!("{}.html", session.folder().id()));
    let deadline = Instant::now() + PATIENCE;
    let until = |what: &str, words: &str| {
        while !fs::read_to_string(&page).is_ok_and(|page| page.contains(words)) {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            std::thread::yield_now();
        }
    };
    until("the first page", "http-equiv=\"refresh\"");
    session.recorder().values(at(401), &[("loss/late", 1.0)]);
    session.recorder().flush().unwrap();
    until("the new series", "Late loss");
    session.finish(State::Finished, None).unwrap();
    drop(session);
    assert!(watching.wait().unwrap().success());
    let page = fs::read_to_string(&page).unwrap();
    assert!(page.contains(">finished<") && !page.contains("http-equiv=\"refresh\""), "the last page is the final one");
}
