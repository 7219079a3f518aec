//! The samples screen, from the keyboard and the mouse.

use std::path::Path;

use crossterm::event::{Event as Input, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use image::{Rgb, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::style::Color;

use super::fixture::Fixture;
use super::{Driver, Event, text_of};
use crate::app::{Options, ScreenKind, ThemeName};
use crate::session::control::Request;
use crate::session::{Folder, Lock, State, list};

/// The grey of a prediction at a step; the target is [`TARGET`].
fn grey(step: i64) -> u8 {
    (step / 4) as u8
}

const INPUT: [u8; 3] = [10, 120, 200];
const TARGET: [u8; 3] = [200; 3];

/// Samples as training leaves them: an input, a target, and a prediction that gets lighter with every step. The second
/// sample's prediction is red.
fn write(folder: &Folder, step: i64) {
    let path = folder.samples_at(step);
    std::fs::create_dir_all(&path).unwrap();
    for sample in 0..2_u8 {
        let level = grey(step);
        let prediction = if sample == 0 { [level; 3] } else { [level, 0, 0] };
        let parts = [INPUT, TARGET, prediction];
        let picture = RgbImage::from_fn(96, 32, |x, _| Rgb(parts[(x / 32) as usize]));
        picture.save(path.join(format!("{sample:02}.png"))).unwrap();
    }
}

/// A session with samples at these steps.
fn session(root: &Path, fixture: &Fixture<'_>, steps: &[i64]) -> Folder {
    let folder = fixture.make(root);
    for step in steps {
        write(&folder, *step);
    }
    folder
}

const STEPS: [i64; 8] = [50, 100, 150, 200, 250, 300, 350, 400];

fn open(width: u16, height: u16) -> (tempfile::TempDir, Driver) {
    let root = tempfile::tempdir().unwrap();
    session(root.path(), &Fixture::default(), &STEPS);
    let driver = driver(root.path(), width, height);
    (root, driver)
}

fn driver(root: &Path, width: u16, height: u16) -> Driver {
    let open = Some(Fixture::default().id.to_owned());
    // Colours are looked at, so their number must not depend on who runs the tests.
    let mut driver = Driver::with(&Options { open, theme: Some(ThemeName::Dark), ..Options::new(root) }, width, height);
    driver.app.shared.depth = crate::app::theme::Depth::True;
    driver.key("4");
    assert_eq!(driver.app.screen(), ScreenKind::Samples);
    driver
}

/// Where a text begins on the screen.
fn find(buffer: &Buffer, text: &str) -> (u16, u16) {
    let all = text_of(buffer);
    let (row, line) = all.lines().enumerate().find(|(_, line)| line.contains(text)).expect(text);
    (line[..line.find(text).unwrap()].chars().count() as u16, row as u16)
}

/// The colour of a picture `right` and `down` of the title that stands over it.
fn colour(driver: &mut Driver, title: &str, right: u16, down: u16) -> [u8; 3] {
    let buffer = driver.picture();
    let (x, y) = find(&buffer, title);
    match buffer[(x + right, y + 1 + down)].fg {
        Color::Rgb(r, g, b) => [r, g, b],
        other => panic!("no picture there: {other:?}\n{}", text_of(&buffer)),
    }
}

#[test]
fn the_newest_samples_are_shown_first_with_what_was_measured_then() {
    let (_root, mut driver) = open(140, 40);
    let text = driver.text();
    assert!(text.contains("step 400") && text.contains("8 of 8"), "{text}");
    assert!(!text.contains("following"), "nothing comes any more: {text}");
    assert!(text.contains("val/l1") && text.contains("epoch 8.0"), "{text}");
    assert_eq!(colour(&mut driver, "input", 3, 3), INPUT);
    assert_eq!(colour(&mut driver, "target", 3, 3), TARGET);
    assert_eq!(colour(&mut driver, "prediction", 3, 3), [grey(400); 3]);
}

#[test]
fn steps_and_samples_are_scrubbed_and_the_end_is_followed_again() {
    let (_root, mut driver) = open(140, 40);
    driver.key("left");
    assert!(driver.shows("step 350") && driver.shows("7 of 8"), "{}", driver.text());
    assert_eq!(colour(&mut driver, "prediction", 3, 3), [grey(350); 3]);
    driver.key("home");
    assert!(driver.shows("step 50 · 1 of 8"));
    driver.keys(&["right", "down"]);
    assert!(driver.shows("step 100") && driver.shows("sample 2 of 2"), "{}", driver.text());
    assert_eq!(colour(&mut driver, "prediction", 3, 3), [grey(100), 0, 0]);
    driver.keys(&["down", "up", "up", "pagedown"]);
    assert!(driver.shows("step 400") && driver.shows("sample 1 of 2"));
}

#[test]
fn the_newest_samples_of_a_run_are_followed_until_another_step_is_looked_at() {
    let root = tempfile::tempdir().unwrap();
    let folder = session(root.path(), &Fixture { state: State::Running, ..Fixture::default() }, &STEPS);
    let _lock = Lock::acquire(&folder).unwrap();
    let mut driver = driver(root.path(), 140, 40);
    assert!(driver.shows("following"), "{}", driver.text());
    driver.key("left");
    assert!(!driver.shows("following"), "{}", driver.text());
    driver.key("right");
    assert!(driver.shows("following"), "{}", driver.text());
}

#[test]
fn the_best_step_is_marked_and_one_key_away() {
    let (_root, mut driver) = open(140, 40);
    driver.key("home");
    let line = driver.text().lines().find(|line| line.starts_with(" ┃")).map(str::to_owned);
    assert!(line.is_some_and(|line| line.trim_end().ends_with('*')), "{}", driver.text());
    driver.key("b");
    let text = driver.text();
    assert!(text.contains("the best val/l1, ") && text.contains("was measured at step 400"), "{text}");
    assert!(text.contains("step 400 · 8 of 8"), "{text}");
}

#[test]
fn a_key_brings_the_view_in_which_it_shows() {
    let (_root, mut driver) = open(140, 40);
    driver.key("o");
    assert!(driver.shows("wipe"), "{}", driver.text());
    driver.key("+");
    assert!(driver.shows("difference"), "{}", driver.text());
    driver.key("<");
    assert!(driver.shows("wipe"), "{}", driver.text());
}

#[test]
fn a_click_on_the_line_of_steps_goes_to_the_nearest() {
    let (_root, mut driver) = open(140, 40);
    let row = find(&driver.picture(), "val/l1").1 - 1;
    driver.click(1, row);
    assert!(driver.shows("step 50 · 1 of 8"), "{}", driver.text());
    driver.click(70, row);
    assert!(driver.shows("step 200") || driver.shows("step 250"), "{}", driver.text());
}

#[test]
fn new_samples_appear_while_they_are_followed_and_only_then() {
    let (root, mut driver) = open(140, 40);
    let folder = Folder::new(root.path().join(Fixture::default().id));
    write(&folder, 450);
    driver.event(Event::Listings(list(root.path()).unwrap()));
    assert!(driver.shows("step 450") && driver.shows("9 of 9"), "{}", driver.text());
    driver.key("left");
    write(&folder, 500);
    driver.event(Event::Listings(list(root.path()).unwrap()));
    assert!(driver.shows("step 400") && driver.shows("8 of 10"), "{}", driver.text());
    driver.key("f");
    assert!(driver.shows("step 500"));
}

#[test]
fn a_sample_written_anew_at_the_same_step_is_shown_anew() {
    let (root, mut driver) = open(140, 40);
    let folder = Folder::new(root.path().join(Fixture::default().id));
    std::fs::remove_dir_all(folder.samples_at(400)).unwrap();
    write(&folder, 1000);
    std::fs::rename(folder.samples_at(1000), folder.samples_at(400)).unwrap();
    driver.event(Event::Listings(list(root.path()).unwrap()));
    assert_eq!(colour(&mut driver, "prediction", 3, 3), [grey(1000); 3]);
}

fn mouse(driver: &mut Driver, kind: MouseEventKind, column: u16, row: u16) {
    driver.picture();
    driver.event(Event::Input(Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })));
}

#[test]
fn a_wipe_shows_the_marked_step_left_of_the_seam_and_this_one_right_of_it() {
    let (_root, mut driver) = open(140, 40);
    driver.keys(&["home", "right", "a", "end", "v"]);
    let text = driver.text();
    assert!(text.contains("A, step 100") && text.contains("wipe"), "{text}");
    let left = |driver: &mut Driver| colour(driver, "A, step 100", 2, 3);
    let right = |driver: &mut Driver| {
        let buffer = driver.picture();
        let (x, y) = find(&buffer, "prediction");
        buffer[(x + 8, y + 4)].fg
    };
    assert_eq!(left(&mut driver), [grey(100); 3]);
    assert_eq!(right(&mut driver), Color::Rgb(100, 100, 100));
    // The seam is dragged to the left edge: everything is the prediction of this step.
    let (x, y) = find(&driver.picture(), "A, step 100");
    mouse(&mut driver, MouseEventKind::Drag(MouseButton::Left), x, y + 4);
    assert_eq!(left(&mut driver), [grey(400); 3]);
    for _ in 0..40 {
        driver.key(">");
    }
    assert_eq!(right(&mut driver), Color::Rgb(25, 25, 25), "the seam is at the right edge");
    driver.key("o");
    assert!(driver.shows("target"), "{}", driver.text());
    assert_eq!(colour(&mut driver, "target", 2, 3), TARGET);
}

#[test]
fn a_difference_says_its_mean_and_its_scale() {
    let (_root, mut driver) = open(140, 40);
    driver.keys(&["v", "v"]);
    // 100 against 200 of 255, everywhere.
    let text = driver.text();
    assert!(text.contains("mean 0.3922") && text.contains("most 0.39") && text.contains("from target"), "{text}");
    assert!(text.contains("0.25"), "the scale");
    let theme = ThemeName::Dark;
    assert_eq!(colour(&mut driver, "difference ", 3, 3), crate::app::theme::heat(theme, 1.0), "{text}");
    driver.keys(&["-", "-"]);
    assert_eq!(colour(&mut driver, "difference ", 3, 3), crate::app::theme::heat(theme, 100.0 / 255.0));
    driver.keys(&["left", "a", "right"]);
    // 100 against 87.
    assert!(driver.shows("mean 0.0510") && driver.shows("from A, step 350"), "{}", driver.text());
}

#[test]
fn another_marked_session_is_compared_at_the_step_before() {
    let root = tempfile::tempdir().unwrap();
    session(root.path(), &Fixture::default(), &STEPS);
    let other = Fixture { id: "260304-110000-other", ..Fixture::default() };
    session(root.path(), &other, &[90, 190]);
    let mut driver = driver(root.path(), 140, 40);
    driver.app.shared.marked = vec![Fixture::default().id.to_owned(), other.id.to_owned()];
    driver.event(Event::Listings(list(root.path()).unwrap()));
    driver.keys(&["o", "o"]);
    assert!(driver.shows("other, step 190"), "{}", driver.text());
    assert_eq!(colour(&mut driver, "other, step 190", 2, 3), [grey(190); 3]);
    driver.keys(&["home", "right"]);
    assert_eq!(colour(&mut driver, "other, step 90", 2, 3), [grey(90); 3]);
    // It goes while it is compared with.
    std::fs::remove_dir_all(root.path().join(other.id)).unwrap();
    driver.event(Event::Listings(list(root.path()).unwrap()));
    assert!(driver.shows("has no such sample"), "{}", driver.text());
}

#[test]
fn a_damaged_sample_says_which_file_and_why_and_the_rest_works() {
    let (root, mut driver) = open(140, 40);
    let folder = Folder::new(root.path().join(Fixture::default().id));
    let file = folder.samples_at(350).join("00.png");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    std::fs::remove_file(folder.samples_at(300).join("00.png")).unwrap();
    driver.key("left");
    let text = driver.text();
    assert!(text.contains("step-00000350/00.png") && text.contains("truncated"), "{text}");
    driver.key("left");
    assert!(driver.shows("cannot be read"), "it was there when the folder was listed:\n{}", driver.text());
    driver.key("left");
    assert_eq!(colour(&mut driver, "prediction", 3, 3), [grey(250); 3]);
}

#[test]
fn without_samples_it_says_when_they_come_and_asks_for_some() {
    let root = tempfile::tempdir().unwrap();
    let config = format!("{}[samples]\nevery_epochs = 5\n", Fixture::default().config);
    let fixture = Fixture { state: State::Running, steps: 120, config: &config, ..Fixture::default() };
    let folder = fixture.make(root.path());
    let lock = Lock::acquire(&folder).unwrap();
    let mut driver = driver(root.path(), 80, 24);
    let text = driver.text();
    assert!(text.contains("no samples yet") && text.contains("after epoch 5 (samples.every_epochs = 5)"), "{text}");
    driver.key("i");
    assert_eq!(driver.commands, [(fixture.id.to_owned(), Request::Sample)]);
    // They come: a second passes, and they are seen.
    write(&folder, 120);
    driver.event(Event::Tick);
    assert!(driver.shows("step 120"), "{}", driver.text());
    drop(lock);
}

#[test]
fn a_session_that_is_over_is_not_asked_for_samples() {
    let root = tempfile::tempdir().unwrap();
    Fixture::default().make(root.path());
    let mut driver = driver(root.path(), 80, 24);
    assert!(driver.shows("the session is finished and left none"), "{}", driver.text());
    driver.key("i");
    assert!(driver.commands.is_empty() && driver.shows("nothing to ask"), "{}", driver.text());
}

#[test]
fn a_zoom_shows_a_part_that_is_moved_and_left_step_by_step() {
    let (root, mut driver) = open(140, 40);
    // Left half black, right half white.
    let folder = Folder::new(root.path().join(Fixture::default().id));
    let halves = RgbImage::from_fn(96, 32, |x, _| Rgb([if x % 32 < 16 { 0 } else { 255 }; 3]));
    halves.save(folder.samples_at(350).join("00.png")).unwrap();
    driver.keys(&["left", "z"]);
    assert!(driver.shows("2x"), "{}", driver.text());
    assert_eq!(colour(&mut driver, "input", 2, 3), [0; 3]);
    driver.keys(&["L", "L"]);
    assert_eq!(colour(&mut driver, "input", 2, 3), [255; 3], "panned to the right half");
    driver.key("z");
    assert!(driver.shows("4x"));
    driver.key("esc");
    assert!(!driver.shows("4x") && driver.app.screen() == ScreenKind::Samples, "{}", driver.text());
    assert_eq!(colour(&mut driver, "input", 2, 3), [0; 3]);
}

#[test]
fn every_size_draws_something_and_nothing_breaks() {
    let (_root, mut driver) = open(80, 24);
    for (width, height) in [(1, 1), (20, 5), (21, 6), (40, 12), (80, 24), (140, 40), (40, 100), (300, 100)] {
        driver.resize(width, height);
        for key in ["v", "a", "left", "z", "o", "L", "v", "K", "v", "esc", "esc", "4", "end"] {
            driver.key(key);
            driver.picture();
        }
        if width >= 40 {
            assert!(driver.shows("step 400"), "{width}x{height}\n{}", driver.text());
        }
    }
}

#[test]
fn samples_look_like_this() {
    let (root, _) = open(80, 24);
    for (width, height, ascii) in [(80, 24, true), (140, 40, false)] {
        let open = Some(Fixture::default().id.to_owned());
        let options = Options { open, ascii, theme: Some(ThemeName::Dark), ..Options::new(root.path()) };
        let mut driver = Driver::with(&options, width, height);
        driver.keys(&["4", "left", "a", "left", "left"]);
        // The message about the mark is of a moment.
        driver.key("esc");
        insta::assert_snapshot!(format!("samples-triple-{width}x{height}"), driver.text());
        driver.keys(&["v", "v"]);
        insta::assert_snapshot!(format!("samples-difference-{width}x{height}"), driver.text());
    }
}
