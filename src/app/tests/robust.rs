//! Odd sizes, many sessions, many series, clocks that are wrong, folders that are broken.

use std::fs;
use std::path::Path;

use super::fixture::Fixture;
use super::glass::Glass;
use super::{Driver, Event};
use crate::app::{Options, ScreenKind};
use crate::record::{At, Clock, Store};
use crate::session::State;

/// From the smallest that is promised to the largest.
const SIZES: [(u16, u16); 9] =
    [(40, 12), (80, 24), (41, 13), (300, 100), (57, 31), (140, 40), (99, 17), (220, 60), (40, 100)];

const WIDE: &str = "260304-115000-写真からイラスト";

fn wide(root: &Path) {
    Fixture::default().make(root);
    Fixture {
        id: WIDE, tags: &["試作", "e\u{301}té", "😀"], state: State::Crashed, steps: 120, ..Fixture::default()
    }
    .make(root);
}

fn opened(root: &Path, id: &str, size: (u16, u16)) -> Driver {
    Driver::with(&Options { open: Some(id.to_owned()), ..Options::new(root) }, size.0, size.1)
}

#[test]
fn every_screen_and_layer_is_whole_at_every_size() {
    let root = tempfile::tempdir().unwrap();
    wide(root.path());
    let mut driver = opened(root.path(), WIDE, SIZES[0]);
    driver.inert = true;
    let mut glass = Glass::new();
    driver.keys(&["1", "space", "down", "space"]);
    for screen in ["1", "2", "3", "4", "5", "6", "7"] {
        for layer in ["", "?", ":", "/"] {
            driver.key(screen);
            if !layer.is_empty() {
                driver.key(layer);
            }
            for (width, height) in SIZES {
                driver.resize(width, height);
                glass.show(&mut driver);
            }
            // The same size again, from one that differs in everything.
            driver.resize(80, 24);
            glass.show(&mut driver);
            driver.key("esc");
            glass.show(&mut driver);
        }
    }
}

#[test]
fn a_picture_that_stays_the_same_costs_nothing_however_often_it_is_drawn() {
    let root = tempfile::tempdir().unwrap();
    wide(root.path());
    let mut driver = opened(root.path(), WIDE, (140, 40));
    driver.inert = true;
    for screen in ["1", "2", "3", "4", "6", "7"] {
        let mut glass = Glass::new();
        driver.key(screen);
        assert!(!glass.show(&mut driver).is_empty());
        driver.event(Event::Tick);
        driver.event(Event::Tick);
        assert_eq!(glass.show(&mut driver), b"", "screen {screen} changes by itself");
    }
}

#[test]
fn five_hundred_sessions_are_listed_sorted_and_found() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..500 {
        let id = format!("260304-{:02}{:02}00-run-{n:03}", n / 60, n % 60);
        Fixture { id: &id, steps: 2, seed: n, ..Fixture::default() }.make(root.path());
    }
    let mut driver = Driver::new(root.path(), 120, 30);
    assert!(driver.shows("sessions 500"), "{}", driver.text());
    assert!(driver.shows("run-499"), "the newest first:\n{}", driver.text());
    driver.key("end");
    assert!(driver.shows("run-000"), "{}", driver.text());
    driver.key("/");
    driver.typed("name:run-25");
    driver.key("enter");
    assert!(driver.shows("10 of 500") && driver.shows("run-251"), "{}", driver.text());
    driver.key("enter");
    assert_eq!(driver.app.screen(), ScreenKind::Run);
}

#[test]
fn five_hundred_series_are_paged_and_found() {
    let root = tempfile::tempdir().unwrap();
    let folder = Fixture { steps: 2, ..Fixture::default() }.make(root.path());
    let store = Store::open(&folder.metrics(), 1, Clock::with(1_772_625_700_000_000_000, || 0)).unwrap();
    let names: Vec<String> = (0..500).map(|n| format!("layer/block{n:03}_norm")).collect();
    for step in 3..20 {
        let values: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), step as f64)).collect();
        store.append_waiting(At { step, epoch: 0.1 }, &values).unwrap();
    }
    drop(store);
    let mut driver = opened(root.path(), "260304-120000-hayao", (140, 40));
    assert!(driver.shows("of 505"), "{}", driver.text());
    let mut pages = 0;
    while !driver.shows("layer/block499 norm") && pages < 500 {
        driver.key("pagedown");
        pages += 1;
    }
    assert!(pages > 10 && pages < 100, "{pages} pages");
    driver.key("/");
    driver.typed("block25[0-3]");
    driver.key("enter");
    assert!(driver.shows("charts 1-4 of 4") && driver.shows("layer/block252 norm"), "{}", driver.text());
}

#[test]
fn a_clock_that_is_ahead_or_was_set_back_gives_no_nonsense() {
    let root = tempfile::tempdir().unwrap();
    // An hour ahead of the reader's clock: it ends in the future, too.
    Fixture { began: "2026-03-04T14:00:00Z", ..Fixture::default() }.make(root.path());
    // Resumed after the clock had been set back by two hours.
    let back = Fixture { id: "260304-110000-back", state: State::Running, ..Fixture::default() };
    let folder = back.make(root.path());
    let began = "2026-03-04T10:00:00Z".parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64;
    let store = Store::open(&folder.metrics(), 1, Clock::with(began, || 0)).unwrap();
    for step in 380..420 {
        store.append_waiting(At { step, epoch: step as f64 / 50.0 }, &[("loss/g", 2.0)]).unwrap();
    }
    drop(store);
    let mut driver = Driver::new(root.path(), 140, 40);
    let mut glass = Glass::new();
    glass.show(&mut driver);
    let text = driver.text();
    assert!(text.contains("<1 m") && !text.contains("-1 ") && !text.contains("-36"), "{text}");
    for id in ["260304-120000-hayao", "260304-110000-back"] {
        let mut driver = opened(root.path(), id, (140, 40));
        for _axis in 0..4 {
            driver.keys(&["home", "right", "]", "+", "end", "esc", "esc", "x"]);
            glass.show(&mut driver);
            assert!(driver.shows("loss/g") && driver.shows(" pts"), "{}", driver.text());
        }
    }
}

#[test]
fn what_of_a_folder_is_broken_is_said_and_the_rest_is_shown() {
    let root = tempfile::tempdir().unwrap();
    let folder = Fixture::default().make(root.path());
    // Half a line of events, half a batch of telemetry, a segment of metrics that is none.
    let events = fs::read(folder.events()).unwrap();
    fs::write(folder.events(), [&events[..], b"{\"time\":\"2026", b"\nno json\n"].concat()).unwrap();
    let telemetry = fs::read_dir(folder.telemetry()).unwrap().flatten().next().unwrap().path();
    let bytes = fs::read(&telemetry).unwrap();
    fs::write(&telemetry, &bytes[..bytes.len() - 100]).unwrap();
    fs::write(folder.metrics().join("0077-0000.parquet"), b"PAR1 and then nothing").unwrap();
    let mut driver = opened(root.path(), "260304-120000-hayao", (140, 40));
    let text = driver.text();
    assert!(text.contains("loss/g") && text.contains("400 pts"), "{text}");
    assert!(text.contains("unreadable"), "{text}");
}

#[test]
fn folders_without_anything_readable_are_listed_with_what_is_wrong() {
    let root = tempfile::tempdir().unwrap();
    Fixture::default().make(root.path());
    let broken = |name: &str| {
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    fs::write(broken("260304-100000-torn").join("session.toml"), "name = \"torn\"\nstate = \"run").unwrap();
    fs::create_dir(broken("260304-100100-folder").join("session.toml")).unwrap();
    fs::write(broken("260304-100200-binary").join("session.toml"), [0xff, 0xfe, 0, 1]).unwrap();
    broken("260304-100300-empty");
    // A manifest that one may not look at, told to root as well: it leads to itself.
    std::os::unix::fs::symlink("session.toml", broken("260304-100350-shut").join("session.toml")).unwrap();
    fs::write(root.path().join("a-file"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", root.path().join("260304-100400-dangling")).unwrap();
    let mut driver = Driver::new(root.path(), 140, 40);
    let mut glass = Glass::new();
    glass.show(&mut driver);
    driver.key("home");
    let mut seen = String::new();
    for _row in 0..7 {
        seen.push_str(&driver.text());
        driver.keys(&["enter", "3", "4", "5", "6"]);
        glass.show(&mut driver);
        driver.keys(&["1", "down"]);
        glass.show(&mut driver);
    }
    for name in ["100000-torn", "100100-folder", "100200-binary", "100300-empty", "100350-shut", "120000-hayao"] {
        assert!(seen.contains(&format!("── 260304-{name} ")), "{name} is missing:\n{seen}");
    }
    for words in ["torn/session.toml", "folder/session.toml", "binary/session.toml", "shut/session.toml", "no manifest"]
    {
        assert!(seen.contains(words), "{words} is not said:\n{seen}");
    }
}

#[test]
fn a_session_that_is_deleted_and_brought_back_is_read_anew() {
    let root = tempfile::tempdir().unwrap();
    let folder = Fixture::default().make(root.path());
    let mut driver = opened(root.path(), "260304-120000-hayao", (140, 40));
    assert!(driver.shows("400 pts"));
    fs::remove_dir_all(folder.path()).unwrap();
    driver.key("right");
    assert!(driver.shows("400 pts"), "what was read stays to be seen:\n{}", driver.text());
    Fixture { steps: 90, ..Fixture::default() }.make(root.path());
    driver.key("home");
    assert!(driver.shows("90 pts") && !driver.shows("400 pts"), "{}", driver.text());
}
