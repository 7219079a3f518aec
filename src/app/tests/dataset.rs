//! The dataset screen, from the keyboard and the mouse.

use std::path::Path;

use super::fixture::Fixture;
use super::{Driver, Event};
use crate::app::{Options, ScreenKind, ThemeName};
use crate::data::synth;

/// A session over the dataset at `pairs`, with more lines for the config's `[data]`.
fn open(root: &Path, pairs: &Path, more: &str, width: u16, height: u16) -> Driver {
    let config = format!("track = \"pix2pixhd\"\ndevice = \"cpu\"\n[data]\nroot = \"{}\"\n{more}", pairs.display());
    Fixture { config: &config, ..Fixture::default() }.make(root);
    let open = Some(Fixture::default().id.to_owned());
    let options = Options { open, theme: Some(ThemeName::Dark), ..Options::new(root) };
    let mut driver = Driver::with(&options, width, height);
    driver.key("6");
    assert_eq!(driver.app.screen(), ScreenKind::Dataset);
    driver
}

/// Twelve procedural pairs and a session over them.
fn landscapes(width: u16, height: u16) -> (tempfile::TempDir, Driver) {
    let root = tempfile::tempdir().unwrap();
    let pairs = root.path().join("pairs");
    synth::procedural(&pairs, 12, 1, 32).unwrap();
    let driver = open(&root.path().join("sessions"), &pairs, "validation_fraction = 0.25\n", width, height);
    (root, driver)
}

#[test]
fn pairs_are_listed_with_both_pictures_of_the_selected_one() {
    let (_root, mut driver) = landscapes(140, 40);
    let text = driver.text();
    assert!(text.contains("12 pairs") && text.contains("12 synthetic") && text.contains("12 sources"), "{text}");
    assert!(text.contains("0001") && text.contains("0012") && text.contains("32x32"), "{text}");
    assert!(text.contains("photo") && text.contains("illustration") && text.contains("▀▀▀▀▀▀▀▀"), "{text}");
    assert!(text.contains("from procedural-1-0001, synthetic"), "{text}");
    let held_out = text.matches("held out").count() - 1;
    assert!(text.contains(&format!("{held_out} held out (0.25 of the sources")), "{text}");
    assert!(text.contains(&format!("{} train", 12 - held_out)), "{text}");
    driver.keys(&["end", "up"]);
    assert!(driver.shows("from procedural-1-0011"), "{}", driver.text());
}

#[test]
fn a_filter_leaves_what_has_all_its_words() {
    let (_root, mut driver) = landscapes(140, 40);
    driver.key("/");
    driver.typed("held PROCEDURAL");
    driver.key("enter");
    let text = driver.text();
    assert!(text.contains("filter held PROCEDURAL") && text.contains("shown"), "{text}");
    let shown = text.lines().filter(|line| line.contains("32x32 ")).collect::<Vec<_>>();
    assert!(!shown.is_empty() && shown.iter().all(|line| !line.contains(" train ")), "{text}");
    driver.key("/");
    driver.typed("zzz");
    driver.key("enter");
    assert!(driver.shows("no pair fits"));
    driver.key("esc");
    assert!(driver.shows("0001") && !driver.shows("filter zzz"), "{}", driver.text());
}

#[test]
fn checks_find_what_is_wrong_and_it_is_shown_at_the_pair() {
    let (root, mut driver) = landscapes(140, 40);
    let pairs = root.path().join("pairs");
    std::fs::write(pairs.join("0003/g.png"), "no picture").unwrap();
    std::fs::copy(pairs.join("0005/o.png"), pairs.join("0009/o.png")).unwrap();
    assert!(driver.shows("not checked"));
    driver.key("p");
    assert!(driver.shows("no problem is known"), "{}", driver.text());
    driver.key("c");
    let text = driver.text();
    assert!(text.contains("problems in 12 pairs") && text.contains("1 undecodable"), "{text}");
    assert!(text.contains("0003") && text.contains("0009") && !text.contains("0001 "), "only those:\n{text}");
    driver.keys(&["home", "esc", "esc"]);
    driver.key("/");
    driver.typed("undecodable");
    driver.key("enter");
    let text = driver.text();
    assert!(text.contains("0003") && text.contains("is no PNG, JPEG or WebP image"), "{text}");
    assert!(!text.contains("0009"), "{text}");
}

#[test]
fn a_pair_that_cannot_be_shown_says_why_and_the_other_picture_is_shown() {
    let (root, mut driver) = landscapes(140, 40);
    std::fs::write(root.path().join("pairs/0002/o.png"), "").unwrap();
    driver.key("down");
    let text = driver.text();
    assert!(text.contains("0002/o.png is empty") && text.contains("▀▀▀▀"), "{text}");
}

#[test]
fn a_missing_dataset_says_which_command_makes_it() {
    let root = tempfile::tempdir().unwrap();
    let mut driver = open(root.path(), &root.path().join("nowhere"), "", 140, 24);
    assert!(driver.shows("no dataset at") && driver.shows("atelier dataset import"), "{}", driver.text());
    let procedural = "[data.procedural]\ncount = 64\nseed = 7\nsize = 128\n";
    let mut driver = open(root.path(), &root.path().join("nowhere"), procedural, 140, 24);
    assert!(driver.shows("atelier dataset synth --procedural 64 --seed 7 --size 128 -o"), "{}", driver.text());
    driver.keys(&["c", "p", "down", "/"]);
    driver.picture();
}

#[test]
fn a_root_is_meant_from_the_directory_that_training_was_started_in() {
    let root = tempfile::tempdir().unwrap();
    synth::procedural(&root.path().join("work/data"), 2, 1, 32).unwrap();
    let sessions = root.path().join("sessions");
    let fixture = Fixture { config: "track = \"pix2pixhd\"\n[data]\nroot = \"data\"\n", ..Fixture::default() };
    let folder = fixture.make(&sessions);
    let mut manifest = crate::session::Manifest::load(&folder).unwrap();
    manifest.directory = Some(root.path().join("work").display().to_string());
    manifest.save(&folder).unwrap();
    let mut driver = Driver::with(&Options { open: Some(folder.id()), ..Options::new(&sessions) }, 100, 30);
    driver.key("6");
    assert!(driver.shows("2 pairs"), "{}", driver.text());
}

#[test]
fn what_is_no_pair_stands_in_the_list_with_its_reason() {
    let (root, mut driver) = landscapes(140, 40);
    std::fs::remove_file(root.path().join("pairs/0004/g.png")).unwrap();
    driver.key("R");
    assert!(driver.shows("1 folder left out") && driver.shows("11 pairs"), "{}", driver.text());
    driver.keys(&["p"]);
    let text = driver.text();
    assert!(text.contains("0004") && text.contains("no illustration"), "{text}");
}

/// Five thousand pairs, every one the same two files.
fn many(pairs: &Path) {
    let one = pairs.join("p0000");
    std::fs::create_dir_all(&one).unwrap();
    image::RgbImage::from_pixel(16, 16, image::Rgb([9, 99, 199])).save(one.join("o.png")).unwrap();
    std::fs::copy(one.join("o.png"), one.join("g.png")).unwrap();
    for number in 1..5000 {
        let folder = pairs.join(format!("p{number:04}"));
        std::fs::create_dir(&folder).unwrap();
        for name in ["o.png", "g.png"] {
            std::fs::hard_link(one.join(name), folder.join(name)).unwrap();
        }
    }
}

#[test]
fn five_thousand_pairs_are_scrolled_and_only_what_is_seen_is_read() {
    let root = tempfile::tempdir().unwrap();
    let pairs = root.path().join("pairs");
    many(&pairs);
    let mut driver = open(&root.path().join("sessions"), &pairs, "", 120, 40);
    assert!(driver.shows("5 000 pairs") && driver.shows("p0000"), "{}", driver.text());
    driver.key("end");
    assert!(driver.shows("p4999") && !driver.shows("p0000"), "{}", driver.text());
    // Pictures of pairs that are not looked at may be anything.
    for number in 1..4000 {
        std::fs::remove_dir_all(pairs.join(format!("p{number:04}"))).unwrap();
    }
    driver.key("home");
    assert!(driver.shows("▀▀▀▀"), "{}", driver.text());
    for _ in 0..30 {
        driver.key("pagedown");
    }
    let text = driver.text();
    assert!(text.contains("pairs/p1") && text.contains("cannot be"), "this one is gone, and says so only now:\n{text}");
    driver.key("/");
    driver.typed("p499");
    driver.key("enter");
    assert!(driver.shows("10 shown"), "{}", driver.text());
}

#[test]
fn a_click_selects_a_pair() {
    let (_root, mut driver) = landscapes(140, 40);
    let row = driver.text().lines().position(|line| line.contains("0007 ")).unwrap();
    driver.click(4, row as u16);
    assert!(driver.shows("from procedural-1-0007"), "{}", driver.text());
}

#[test]
fn every_size_draws_something_and_nothing_breaks() {
    let (_root, mut driver) = landscapes(80, 24);
    for (width, height) in [(1, 1), (20, 5), (21, 6), (40, 12), (80, 24), (140, 40), (40, 100), (300, 100)] {
        driver.resize(width, height);
        for key in ["down", "end", "p", "p", "home", "pagedown", "R"] {
            driver.key(key);
            driver.picture();
        }
        driver.event(Event::Tick);
    }
}

#[test]
fn pairs_look_like_this() {
    let (root, _) = landscapes(80, 24);
    std::fs::remove_file(root.path().join("pairs/0004/g.png")).unwrap();
    let sessions = root.path().join("sessions");
    for (width, height, ascii) in [(80, 24, true), (140, 40, false)] {
        let open = Some(Fixture::default().id.to_owned());
        let options = Options { open, ascii, theme: Some(ThemeName::Dark), ..Options::new(&sessions) };
        let mut driver = Driver::with(&options, width, height);
        driver.keys(&["6", "down", "down"]);
        // The first line has the path of the dataset, which is another one each time.
        let text: Vec<String> = driver.text().lines().skip(1).map(str::to_owned).collect();
        insta::assert_snapshot!(format!("dataset-{width}x{height}"), text.join("\n"));
    }
}
