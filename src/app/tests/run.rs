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
    assert!(driver.shows("chart 1 of"), "{}", driver.text());
    driver.key("esc");
    assert!(!driver.shows("chart 1 of"));
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

/// A finished session with an alert at step 222, lines of its log, and samples at steps 100 and 300.
fn told() -> (tempfile::TempDir, Driver) {
    let fixture = Fixture::default();
    let root = tempfile::tempdir().unwrap();
    let folder = fixture.make(root.path());
    let events = std::fs::read_to_string(folder.events()).unwrap();
    let alert = "{\"time\":\"2026-03-04T12:01:51.2Z\",\"step\":222,\"epoch\":4.44,\"generation\":0,\"kind\":\"alert\",\
                 \"message\":\"loss/g 5.2 is 8 sigma above its mean\",\"series\":\"loss/g\",\"value\":5.2}\n";
    let (before, after) = events.split_at(events.find("{\"time\":\"2026-03-04T12:02:30Z").unwrap());
    std::fs::write(folder.events(), format!("{before}{alert}{after}")).unwrap();
    let log: Vec<String> =
        (0..=400).step_by(10).map(|step| format!("step {step}/400  epoch {}\n", step / 50)).collect();
    std::fs::write(folder.log(), log.concat()).unwrap();
    for step in [100, 300] {
        let path = folder.samples_at(step);
        std::fs::create_dir_all(&path).unwrap();
        image::RgbImage::new(24, 8).save(path.join("00.png")).unwrap();
    }
    let options = Options { open: Some(fixture.id.to_owned()), ..Options::new(root.path()) };
    (root, Driver::with(&options, 140, 40))
}

#[test]
fn the_next_alert_is_a_key_away_and_everything_looks_at_that_instant() {
    let (_root, mut driver) = told();
    driver.key("n");
    let text = driver.text();
    assert!(text.contains("at step 222"), "{text}");
    let marked = |text: &str| text.lines().find(|line| line.trim_start().starts_with('▌')).unwrap_or("").to_owned();
    assert!(marked(&text).contains("8 sigma above"), "{text}");
    driver.key("w");
    let text = driver.text();
    assert!(marked(&text).contains("step 220/400"), "the log:\n{text}");
    driver.key("w");
    let text = driver.text();
    assert!(text.contains("step 100 · next before the crosshair"), "the samples:\n{text}");
    // The samples' own screen looks there too, until something else is chosen on it.
    driver.key("4");
    assert!(driver.shows("step 100 · 1 of 2 steps"), "{}", driver.text());
    driver.keys(&["right", "2", "4"]);
    assert!(driver.shows("step 300 · 2 of 2 steps"), "{}", driver.text());
    driver.keys(&["2", "n"]);
    assert!(driver.shows("nothing of note after this"), "{}", driver.text());
}

#[test]
fn what_lies_beneath_the_charts_is_scrolled_and_has_all_the_room_when_wanted() {
    let (_root, mut driver) = told();
    driver.key("w");
    assert!(driver.shows("step 400/400  ") && !driver.shows("step 250/400  "), "{}", driver.text());
    (0..10).for_each(|_| driver.key("K"));
    assert!(!driver.shows("step 400/400  ") && driver.shows("step 250/400  "), "{}", driver.text());
    (0..50).for_each(|_| driver.key("J"));
    assert!(driver.shows("step 400/400  "), "back at the newest:\n{}", driver.text());
    driver.key("W");
    assert!(driver.shows("step 100/400  ") && !driver.shows("400 pts"), "{}", driver.text());
    driver.key("esc");
    assert!(driver.shows("400 pts") && !driver.shows("step 100/400  "), "{}", driver.text());
    // The config is longer than the pane.
    driver.keys(&["w", "w"]);
    assert!(driver.shows("track = "), "{}", driver.text());
}

#[test]
fn a_click_on_an_event_puts_the_crosshair_at_it() {
    let (_root, mut driver) = told();
    let text = driver.text();
    let row = text.lines().position(|line| line.contains("8 sigma above")).unwrap();
    driver.click(30, row as u16);
    assert!(driver.shows("at step 222"), "{}", driver.text());
}

#[test]
fn what_cannot_be_read_is_said_in_words() {
    let (root, mut driver) = open(140, 40, &Fixture::default());
    let events = root.path().join("260304-120000-hayao/events.jsonl");
    std::fs::remove_file(&events).unwrap();
    std::fs::create_dir(&events).unwrap();
    driver.event(Event::Listings(crate::session::list(root.path()).unwrap()));
    driver.key("+");
    assert!(driver.shows("1 unreadable") && driver.shows("events.jsonl: "), "{}", driver.text());
}

#[test]
fn a_stop_is_asked_first() {
    let root = tempfile::tempdir().unwrap();
    let fixture = Fixture { state: State::Running, steps: 120, ..Fixture::default() };
    let _lock = crate::session::Lock::acquire(&fixture.make(root.path())).unwrap();
    let options = Options { open: Some(fixture.id.to_owned()), ..Options::new(root.path()) };
    let mut driver = Driver::with(&options, 140, 40);
    driver.key("s");
    assert!(driver.shows("stop hayao?") && driver.commands.is_empty(), "{}", driver.text());
    driver.key("enter");
    assert!(driver.commands.is_empty(), "enter is hit too easily");
    driver.key("y");
    assert_eq!(driver.commands, [(fixture.id.to_owned(), Request::Stop)]);
}

/// The titles of the charts, in their order.
fn titles(driver: &mut Driver) -> Vec<String> {
    driver.app.screens.run.titles().to_vec()
}

#[test]
fn moving_a_chart_leaves_the_others_in_their_order_and_pins_where_they_are() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    let all = titles(&mut driver);
    // The fourth to the front, then what is second now one place later: the first stays first.
    driver.keys(&["down", "down", "down", "<", "<", "<"]);
    assert_eq!(titles(&mut driver)[..3], [all[3].clone(), all[0].clone(), all[1].clone()]);
    driver.keys(&["down", ">"]);
    assert_eq!(titles(&mut driver)[..3], [all[3].clone(), all[1].clone(), all[0].clone()]);
    // And back again.
    driver.key("<");
    assert_eq!(titles(&mut driver)[..3], [all[3].clone(), all[0].clone(), all[1].clone()]);
    driver.keys(&["P", "down", "down", "<"]);
    assert_eq!(titles(&mut driver)[0], all[0], "what is pinned is not moved away by moving others");
}

#[test]
fn a_title_without_room_loses_whole_facts() {
    for width in 60..150 {
        let (_root, mut driver) = open(width, 24, &Fixture::default());
        let text = driver.text();
        let head = text.lines().next().unwrap();
        let facts = head.split("2 run").next().unwrap().split(" 1 ").next().unwrap();
        for fact in facts.split(" · ").skip(1).map(str::trim) {
            let whole = fact == "step 400/400" || fact == "epoch 8.0" || fact.ends_with(" img/s");
            assert!(whole, "{fact} in {head}");
        }
    }
}

#[test]
fn without_unicode_no_screen_draws_anything_but_ascii() {
    let (root, _driver) = told();
    let options = Options { ascii: true, ..Options::new(root.path()) };
    let mut driver = Driver::with(&options, 140, 40);
    for key in [
        "1", "space", "2", "left", "w", "w", "w", "3", "d", "4", "5", "6", "?", "esc", ":", "esc", "1", "n", "esc", "o",
    ] {
        driver.key(key);
        let text = driver.text();
        let strange: Vec<char> = text.chars().filter(|c| !c.is_ascii()).collect();
        assert!(strange.is_empty(), "after {key}: {strange:?}\n{text}");
    }
}

#[test]
fn a_command_of_another_screen_is_seen_on_that_screen() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.keys(&["1", ":"]);
    driver.typed("next grid: by size, 1x1, 2x1, 2x2, 3x2, 3x3, 4x3");
    driver.key("enter");
    assert_eq!(driver.app.screen(), ScreenKind::Run);
    assert!(driver.shows("chart 1 of"), "{}", driver.text());
}

#[test]
fn the_help_has_every_key_and_its_whole_text_at_every_size() {
    let (_root, mut driver) = open(80, 24, &Fixture::default());
    for (width, height) in [(80, 24), (140, 40), (220, 60)] {
        driver.resize(width, height);
        driver.keys(&["2", "?"]);
        let mut seen = String::new();
        for _ in 0..12 {
            seen.push_str(&driver.text());
            driver.key("pagedown");
        }
        driver.key("esc");
        let words: String = seen.split_whitespace().collect::<Vec<_>>().join(" ");
        for binding in crate::app::screens::run::BINDINGS {
            let ends = binding.help.split_whitespace().last().unwrap();
            assert!(words.contains(ends), "{width}x{height}: {} is cut", binding.help);
        }
    }
}

#[test]
fn the_hints_of_a_layer_can_be_clicked() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("/");
    driver.typed("^val");
    let text = driver.text();
    let foot = text.lines().last().unwrap();
    let column = foot.chars().take_while(|c| *c != '⏎').count();
    driver.click(column as u16, 39);
    assert!(driver.shows("filter ^val") && !driver.shows("> ^val"), "{}", driver.text());
}

#[test]
fn the_rate_of_a_run_that_has_ended_is_not_asked_for() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("L");
    assert!(driver.shows("set lr: ") && !driver.shows("takes effect at the next step"), "{}", driver.text());
}

#[test]
fn a_chart_is_found_by_what_stands_on_it() {
    let (_root, mut driver) = open(140, 40, &Fixture::default());
    driver.key("/");
    driver.typed("speed/images$");
    driver.key("enter");
    assert!(!driver.shows("no series is called that"), "{}", driver.text());
}
