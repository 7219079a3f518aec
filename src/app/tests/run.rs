//! The run screen, from the keyboard.

use super::fixture::Fixture;
use super::{Driver, Event};
use crate::app::{Options, ScreenKind};
use crate::session::State;
use crate::session::control::Request;

fn open(width: u16, height: u16, fixture: &Fixture<'_>) -> (tempfile::TempDir, Driver) {
    let root = tempfile::tempdir().unwrap();
    fixture.make(root.path());
    let options = Options { open: Some(fixture.id.to_owned()), ..Options::new(root.path()) };
    let driver = Driver::with(&options, width, height);
    (root, driver)
}

#[test]
fn a_session_opens_on_its_losses_with_its_points_counted() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    assert_eq!(driver.app.screen(), ScreenKind::Run);
    let text = driver.text();
    assert!(text.contains("loss/g") && text.contains("400 pts"), "{text}");
    assert!(text.contains("gpu0/utilization"), "telemetry is on the same screen:\n{text}");
    assert!(text.contains("checkpoints/step-00000400"), "{text}");
}

#[test]
fn the_crosshair_reads_every_series_at_one_instant() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    assert!(!driver.shows("at step"));
    driver.keys(&["right", "]", "]"]);
    let text = driver.text();
    assert!(text.contains("at step") && text.contains("12:00:"), "{text}");
    let line = text.lines().find(|line| line.contains("speed/images_per_sec")).unwrap();
    assert!(line.contains("/s"), "{line}");
    driver.key("esc");
    assert!(!driver.shows("at step"));
}

#[test]
fn a_zoom_keeps_the_newest_end_and_says_what_is_in_view() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    assert!(driver.shows("whole run"));
    driver.keys(&["+", "+"]);
    let text = driver.text();
    assert!(!text.contains("whole run") && text.contains("to 400"), "{text}");
    driver.key("0");
    assert!(driver.shows("whole run"));
}

#[test]
fn a_filter_leaves_the_charts_that_fit_and_says_when_none_does() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("/");
    driver.typed("^val/");
    driver.key("enter");
    let text = driver.text();
    assert!(text.contains("val/l1") && !text.contains("loss/g "), "{text}");
    driver.key("/");
    driver.typed("nothing");
    driver.key("enter");
    assert!(driver.shows("no series is called that"));
    driver.key("esc");
    assert!(driver.shows("loss/g"));
}

#[test]
fn a_pattern_that_is_none_is_refused_in_the_prompt() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("/");
    driver.typed("loss(");
    driver.key("enter");
    assert!(driver.shows("not a regular expression"));
    driver.key("esc");
    assert!(driver.shows("loss/g"), "leaving the prompt leaves the charts as they were");
}

#[test]
fn commands_go_to_the_process_of_a_session_that_has_one() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("p");
    assert!(driver.commands.is_empty());
    assert!(driver.shows("nothing to ask, the session is finished"), "{}", driver.text());
}

#[test]
fn a_session_that_died_is_not_asked_anything() {
    // Running by its manifest, with nobody holding its lock.
    let fixture = Fixture { state: State::Running, steps: 120, ..Fixture::default() };
    let (_root, mut driver) = open(140, 40, &fixture);
    assert!(driver.shows("died"));
    driver.key("c");
    assert!(!driver.commands.iter().any(|(_, request)| *request == Request::Checkpoint));
}

#[test]
fn charts_are_pinned_moved_and_shown_alone() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.keys(&["down", "down", "P"]);
    let first = |driver: &mut Driver| driver.text().lines().nth(1).unwrap().to_owned();
    assert!(first(&mut driver).contains("val/l1"), "{}", driver.text());
    driver.key("enter");
    assert!(driver.shows("charts 1-1 of"), "{}", driver.text());
    driver.key("esc");
    assert!(!driver.shows("charts 1-1 of"));
}

#[test]
fn every_size_draws_something_and_nothing_breaks() {
    let (_root, mut driver) = open(80, 24, &Fixture::default());
    driver.key("right");
    for (width, height) in [(1, 1), (19, 4), (20, 5), (40, 12), (80, 24), (140, 40), (220, 60), (300, 100)] {
        driver.resize(width, height);
        for key in ["w", "v", "enter", "+", "x", "y"] {
            driver.key(key);
            driver.picture();
        }
    }
}

#[test]
fn a_session_deleted_under_its_charts_says_so() {
    let (root, mut driver) = open(140, 40, &Fixture::default());
    std::fs::remove_dir_all(root.path().join("260304-120000-hayao")).unwrap();
    driver.event(Event::Listings(Vec::new()));
    assert!(driver.shows("not there any more"), "{}", driver.text());
}
