//! The comparison, from the keyboard.

use std::path::Path;

use super::fixture::Fixture;
use super::{Driver, Event};
use crate::app::ScreenKind;
use crate::session;

const HAYAO: &str = "260304-120000-hayao";
const SEED_2: &str = "260304-120100-hayao-seed2";
const SEED_3: &str = "260304-120200-hayao-seed3";
const OTHER: &str = "260304-120300-other";

const LR: &str = "track = \"pix2pixhd\"\ndevice = \"cpu\"\n[data]\nroot = \"data/pairs\"\n[train]\nepochs = 8\nbatch_size = 8\n\
                  [optimizer]\nlr = 0.0001\n";

fn make(root: &Path) {
    Fixture::default().make(root);
    Fixture { id: SEED_2, seed: 2, ..Fixture::default() }.make(root);
    Fixture { id: SEED_3, seed: 3, steps: 300, ..Fixture::default() }.make(root);
    Fixture { id: OTHER, seed: 4, config: LR, ..Fixture::default() }.make(root);
}

fn compared(width: u16, height: u16, marked: &[&str]) -> (tempfile::TempDir, Driver) {
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    let mut driver = Driver::new(root.path(), width, height);
    driver.app.shared.marked = marked.iter().map(|id| (*id).to_owned()).collect();
    driver.key("3");
    assert_eq!(driver.app.screen(), ScreenKind::Compare);
    (root, driver)
}

/// The row of the table that a series has.
fn row(driver: &mut Driver, series: &str) -> String {
    let text = driver.text();
    let below = text.lines().skip_while(|line| !line.contains(" difference to the baseline"));
    below.into_iter().find(|line| line.contains(series)).unwrap_or_else(|| panic!("no {series} in\n{text}")).to_owned()
}

#[test]
fn two_sessions_at_80x24() {
    let (_root, mut driver) = compared(80, 24, &[HAYAO, OTHER]);
    insta::assert_snapshot!(driver.text());
}

#[test]
fn four_sessions_with_their_configs_at_140x40() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2, SEED_3, OTHER]);
    driver.key("d");
    insta::assert_snapshot!(driver.text());
}

#[test]
fn without_marks_the_newest_session_is_shown_and_how_to_mark() {
    let (_root, mut driver) = compared(140, 40, &[]);
    let text = driver.text();
    assert!(text.contains("1 session") && text.contains("with space to compare them"), "{text}");
    assert!(text.contains("other") && text.contains("loss/g"), "{text}");
}

#[test]
fn values_stand_beside_their_difference_to_the_baseline() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2]);
    // val/l1 is 0.001 higher for each seed.
    let line = row(&mut driver, "val/l1");
    assert!(line.contains("+0.00100") || line.contains("+1.0e-3"), "{line}");
    driver.keys(&[">", "B"]);
    let line = row(&mut driver, "val/l1");
    assert!(line.contains("-0.00100") || line.contains("-1.0e-3"), "{line}");
    assert!(driver.shows("against hayao-seed2"), "{}", driver.text());
}

#[test]
fn the_table_shows_final_best_and_what_stands_at_the_crosshair() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2]);
    driver.key("M");
    driver.key("M");
    let last = row(&mut driver, "loss/g");
    driver.key("v");
    assert!(driver.shows(" best "));
    let best = row(&mut driver, "loss/g");
    assert_ne!(last, best);
    driver.key("v");
    assert!(driver.shows("which left and right set"), "{}", driver.text());
    driver.keys(&["[", "[", "["]);
    let text = driver.text();
    assert!(text.contains("at the crosshair") && text.contains("crosshair at step"), "{text}");
    let here = row(&mut driver, "loss/g");
    assert!(here != last && here != best, "{here}");
    // Messages that are up go first.
    for _ in 0..3 {
        if driver.shows("crosshair at step") {
            driver.key("esc");
        }
    }
    assert!(!driver.shows("crosshair at step"));
    assert_eq!(driver.app.screen(), ScreenKind::Compare);
}

#[test]
fn a_click_puts_the_crosshair_into_every_chart() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2]);
    driver.click(30, 8);
    assert!(driver.shows("crosshair at step"), "{}", driver.text());
    let text = driver.text();
    let line = text.lines().nth(7).unwrap();
    assert!(line.matches('┊').count() >= 2, "{text}");
}

#[test]
fn seeds_of_one_recipe_become_a_mean_with_its_spread() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2, SEED_3, OTHER]);
    driver.keys(&["M", "M", "s"]);
    let text = driver.text();
    assert!(text.contains("hayao n=3") && text.contains("band min to max"), "{text}");
    assert!(text.contains("1 recipe of several seeds"), "{text}");
    // At the last validation that all three did, step 300: val/l1 has the seeds' 0.001, 0.002 and 0.003.
    let expected = 0.06 + 0.1 * (-300.0_f64 / 120.0).exp() + 0.002;
    let line = row(&mut driver, "val/l1");
    assert!(line.contains(&crate::report::number::value(expected)), "{expected} in {line}");
    assert!(driver.shows("dim: of another step"), "step 300 of the group against 400: {text}");
    driver.key("S");
    assert!(driver.shows("band 1 sd"), "{}", driver.text());
    // Clock times have no mean.
    driver.keys(&["x", "x"]);
    assert!(driver.shows("seeds apart"), "{}", driver.text());
    assert!(!driver.shows("hayao n=3"));
}

#[test]
fn only_what_differs_in_the_configs_is_listed() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, OTHER]);
    driver.key("d");
    let text = driver.text();
    for key in ["optimizer.lr", "train.batch_size", "seed"] {
        assert!(text.contains(key), "{key} in\n{text}");
    }
    assert!(!text.contains("train.epochs"), "{text}");
    assert!(text.contains("3 differ"), "{text}");
}

#[test]
fn configs_of_sessions_with_one_name_stand_under_their_ids() {
    let root = tempfile::tempdir().unwrap();
    let twins = ["260304-120000-twin", "260304-130000-twin"];
    for (seed, id) in (1..).zip(twins) {
        Fixture {
            id,
            seed,
            config: "track = \"pix2pixhd\"\nseed = 1\n".replace('1', &seed.to_string()).as_str(),
            ..Fixture::default()
        }
        .make(root.path());
    }
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.app.shared.marked = twins.map(str::to_owned).to_vec();
    driver.keys(&["3", "d"]);
    let text = driver.text();
    let heads = text.lines().skip_while(|line| !line.contains("differ")).nth(1).unwrap_or_default();
    assert!(twins.iter().all(|id| heads.contains(id)), "{text}");
}

#[test]
fn series_that_only_some_have_come_last_and_say_so() {
    let root = tempfile::tempdir().unwrap();
    make(root.path());
    // As long as no validation was due, there is none.
    let short = "260304-120400-short";
    Fixture { id: short, steps: 40, ..Fixture::default() }.make(root.path());
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.app.shared.marked = vec![HAYAO.to_owned(), short.to_owned()];
    driver.keys(&["3", "g"]);
    let place = |driver: &mut Driver, series: &str| driver.app.screens.compare.place_in_order(series).unwrap();
    assert!(place(&mut driver, "val/l1") > place(&mut driver, "time/step_seconds"), "common ones first");
    driver.key("/");
    driver.typed("^val/ssim");
    driver.key("enter");
    let text = driver.text();
    assert!(text.contains("in 1 of 2"), "{text}");
    let line = row(&mut driver, "val/ssim");
    assert!(line.contains('–'), "no value is said as such: {line}");
}

#[test]
fn a_session_deleted_while_it_is_compared_leaves_the_others() {
    let (root, mut driver) = compared(140, 40, &[HAYAO, SEED_2, OTHER]);
    driver.keys(&[">", "B"]);
    assert!(driver.shows("against hayao-seed2"));
    std::fs::remove_dir_all(root.path().join(SEED_2)).unwrap();
    driver.event(Event::Listings(session::list(root.path()).unwrap()));
    let text = driver.text();
    assert!(text.contains("2 sessions") && text.contains("against hayao") && !text.contains("hayao-seed2"), "{text}");
    for id in [HAYAO, OTHER] {
        std::fs::remove_dir_all(root.path().join(id)).unwrap();
    }
    driver.event(Event::Listings(session::list(root.path()).unwrap()));
    assert!(driver.shows("1 session"), "the one that is left: {}", driver.text());
    driver.event(Event::Listings(Vec::new()));
    assert!(driver.shows("no session yet"), "{}", driver.text());
}

#[test]
fn a_folder_that_vanishes_without_a_word_is_survived() {
    let (root, mut driver) = compared(140, 40, &[HAYAO, SEED_2]);
    std::fs::remove_dir_all(root.path().join(SEED_2)).unwrap();
    driver.keys(&["m", "x", "s", "d", "left"]);
    assert!(driver.shows("hayao"), "{}", driver.text());
}

#[test]
fn the_chosen_session_can_be_left_out_and_opened() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2, OTHER]);
    driver.keys(&[">", "u"]);
    assert!(driver.shows("2 sessions") && driver.app.shared.marked.len() == 2, "{}", driver.text());
    driver.keys(&[">", "enter"]);
    assert_eq!(driver.app.screen(), ScreenKind::Run);
    assert_eq!(driver.app.shared.open.as_deref(), Some(OTHER));
    // And back: the curves are asked for again.
    driver.key("3");
    assert!(driver.shows("loss/g"), "{}", driver.text());
}

#[test]
fn tab_goes_through_the_parts_then_to_the_next_screen() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, OTHER]);
    driver.keys(&["d", "esc", "tab", "tab"]);
    assert_eq!(driver.app.screen(), ScreenKind::Compare);
    driver.key("tab");
    assert_eq!(driver.app.screen(), ScreenKind::Samples);
}

#[test]
fn every_size_draws_something_and_nothing_breaks() {
    let (_root, mut driver) = compared(80, 24, &[HAYAO, SEED_2, SEED_3, OTHER]);
    for (width, height) in [(1, 1), (19, 4), (20, 5), (40, 12), (61, 15), (80, 24), (140, 40), (220, 60), (300, 100)] {
        driver.resize(width, height);
        for key in ["g", "t", "d", "v", "s", "+", "right", "down", "pagedown", "x", "y", "o", "tab", "shift-tab", "3"] {
            driver.key(key);
            driver.picture();
        }
    }
}

#[test]
fn a_sessions_telemetry_is_shown_over_its_history() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO]);
    driver.app.shared.open = Some(HAYAO.to_owned());
    driver.keys(&["5", "h"]);
    let text = driver.text();
    assert!(text.contains("telemetry of the session") && text.contains("gpu load"), "{text}");
    assert!(text.contains("host cpu") && text.contains("100 pts"), "{text}");
    driver.keys(&["[", "[", "left"]);
    let text = driver.text();
    assert!(text.contains("at 12:0"), "{text}");
    driver.keys(&["esc", "esc"]);
    assert!(!driver.shows("telemetry of the session"));
}

#[test]
fn a_narrow_table_shows_values_before_differences() {
    let (_root, mut driver) = compared(40, 14, &[HAYAO, OTHER]);
    driver.keys(&["tab"]);
    let text = driver.text();
    let line = text.lines().find(|line| line.contains("loss/d")).unwrap_or_else(|| panic!("{text}"));
    assert_eq!(line.split_whitespace().count(), 3, "a name and two values: {text}");
}

#[test]
fn a_mark_that_goes_takes_no_other_sessions_colour_along() {
    let (_root, mut driver) = compared(140, 40, &[HAYAO, SEED_2, OTHER]);
    let colours = |driver: &Driver| [SEED_2, OTHER].map(|id| driver.app.shared.colour(id));
    let before = colours(&driver);
    driver.key("u");
    assert_eq!(driver.app.shared.marked, [SEED_2, OTHER]);
    assert_eq!(colours(&driver), before);
    driver.app.shared.marked.push(SEED_3.to_owned());
    driver.key("1");
    let newest = driver.app.shared.colour(SEED_3);
    assert!(colours(&driver) == before && !before.contains(&newest), "{before:?} {newest}");
}
