//! The list of sessions, from the keyboard.

use std::path::Path;

use super::fixture::Fixture;
use super::{Driver, Event};
use crate::app::{Options, ScreenKind};
use crate::session::control::Request;
use crate::session::{Folder, Lock, Manifest, State};

/// A session whose process is there: the lock is held for as long as this lives.
fn running(root: &Path, id: &str, state: State) -> Lock {
    let folder = Fixture { id, state, steps: 120, tags: &["paper"], ..Fixture::default() }.make(root);
    Lock::acquire(&folder).unwrap()
}

/// One that runs, one that died, two that are done, made in this order.
fn four() -> (tempfile::TempDir, Lock) {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    let lock = running(at, "260304-090000-runs", State::Running);
    Fixture { id: "260304-100000-first", seed: 3, ..Fixture::default() }.make(at);
    Fixture { id: "260304-110000-second", seed: 2, tags: &["写真"], ..Fixture::default() }.make(at);
    Fixture { id: "260304-120000-died", state: State::Running, steps: 200, ..Fixture::default() }.make(at);
    (root, lock)
}

fn names(driver: &mut Driver) -> Vec<String> {
    let known = ["runs", "first", "second", "died"];
    let text = driver.text();
    // Below the rule and above the part about the selected one, whose title is an id.
    let rows = text.lines().skip(3).take_while(|line| !line.contains("2603"));
    let rows = rows.filter(|line| !line.starts_with(" /"));
    rows.filter_map(|line| line.split_whitespace().find(|word| known.contains(word)).map(str::to_owned)).collect()
}

/// The name on the row with the cursor.
fn selected(driver: &mut Driver) -> String {
    let text = driver.text();
    let line =
        text.lines().find(|line| line.starts_with('▌')).unwrap_or_else(|| panic!("nothing is selected:\n{text}"));
    let known = ["runs", "first", "second", "died"];
    line.split_whitespace().find(|word| known.contains(word)).unwrap().to_owned()
}

fn select(driver: &mut Driver, name: &str) {
    driver.key("home");
    for _ in 0..8 {
        if selected(driver) == name {
            return;
        }
        driver.key("down");
    }
    panic!("{name} is not listed:\n{}", driver.text());
}

#[test]
fn what_runs_stands_first_then_the_newest() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    assert_eq!(names(&mut driver), ["runs", "died", "second", "first"]);
    assert!(driver.shows("sessions 4 · 1 running · 1 crashed"), "{}", driver.text());
}

#[test]
fn the_whole_screen_at_two_sizes() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    insta::assert_snapshot!("sessions-140x40", driver.text());
    driver.resize(80, 24);
    driver.keys(&["down", "space"]);
    insta::assert_snapshot!("sessions-80x24", driver.text());
    driver.resize(40, 12);
    insta::assert_snapshot!("sessions-40x12", driver.text());
}

#[test]
fn without_unicode_nothing_but_ascii_is_drawn_in_the_table() {
    let (root, _lock) = four();
    let options = Options { ascii: true, ..Options::new(root.path()) };
    let mut driver = Driver::with(&options, 140, 40);
    let text = driver.text();
    let body: Vec<&str> = text.lines().skip(1).take(37).filter(|line| !line.contains("写真")).collect();
    assert!(body.join("").is_ascii(), "{text}");
}

#[test]
fn every_column_sorts_by_keys_and_by_its_title() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 160, 40);
    driver.keys(&["o", "n", "enter"]);
    assert_eq!(names(&mut driver), ["died", "first", "runs", "second"], "by name");
    driver.key("O");
    assert_eq!(names(&mut driver), ["second", "runs", "first", "died"]);
    let text = driver.text();
    let titles = text.lines().nth(2).unwrap();
    let at = titles.chars().take_while(|c| *c != 'b').count();
    assert!(titles.contains("best"), "{titles}");
    let at = titles.find("best").map_or(at, |byte| titles[..byte].chars().count());
    driver.click(at as u16 + 1, 2);
    assert_eq!(names(&mut driver), ["second", "first", "died", "runs"], "by the best held-out l1:\n{}", driver.text());
    driver.click(at as u16 + 1, 2);
    assert_eq!(names(&mut driver), ["runs", "died", "first", "second"]);
    // Every column there is, whether it has room or not, then the beginning.
    driver.resize(60, 24);
    for place in (0..=15).rev() {
        driver.keys(&["o", "home"]);
        (0..place).for_each(|_| driver.key("down"));
        driver.key("enter");
        assert_eq!(names(&mut driver).len(), 4);
    }
    assert_eq!(names(&mut driver), ["runs", "died", "second", "first"]);
}

#[test]
fn the_same_column_again_turns_the_order_round() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.keys(&["o", "n", "enter", "o"]);
    assert!(driver.shows("now; again turns it round"), "{}", driver.text());
    driver.key("enter");
    assert_eq!(names(&mut driver), ["second", "runs", "first", "died"]);
}

#[test]
fn the_selection_stays_with_its_session_whatever_happens_around_it() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "second");
    driver.keys(&["o", "n", "enter"]);
    assert_eq!(selected(&mut driver), "second");
    Fixture { id: "260304-123000-newest", ..Fixture::default() }.make(root.path());
    driver.event(Event::Listings(crate::session::list(root.path()).unwrap()));
    assert_eq!(selected(&mut driver), "second");
    std::fs::remove_dir_all(root.path().join("260304-100000-first")).unwrap();
    driver.event(Event::Listings(crate::session::list(root.path()).unwrap()));
    assert_eq!(selected(&mut driver), "second");
    // A moment in which nothing can be listed changes nothing either.
    driver.event(Event::Unlisted("the disk is away".to_owned()));
    assert!(driver.shows("as they were last seen: the disk is away"));
    driver.event(Event::Listings(Vec::new()));
    driver.event(Event::Listings(crate::session::list(root.path()).unwrap()));
    assert_eq!(selected(&mut driver), "second");
}

#[test]
fn a_filter_is_seen_at_once_says_where_it_is_wrong_and_goes_by_esc() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.key("/");
    driver.typed("state:fin");
    assert_eq!(names(&mut driver), ["second", "first"], "before enter");
    driver.typed(" l1<sm");
    assert!(driver.shows("column 11, `l1<sm`: `sm` is no number"), "{}", driver.text());
    driver.key("enter");
    assert!(driver.shows("is no number"), "not taken");
    driver.keys(&["ctrl-w", "enter"]);
    assert_eq!(names(&mut driver), ["second", "first"]);
    assert!(driver.shows("/ state:fin") && driver.shows("2 of 4"), "{}", driver.text());
    driver.key("esc");
    assert_eq!(names(&mut driver).len(), 4);
    driver.key("/");
    driver.typed("loss<0");
    driver.key("enter");
    assert!(driver.shows("none of 4 sessions fits"));
    driver.keys(&["esc", "/"]);
    driver.typed("-tag:写真 state:f");
    driver.key("enter");
    assert_eq!(names(&mut driver), ["first"]);
}

#[test]
fn leaving_the_prompt_leaves_the_filter_as_it_was() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.key("/");
    driver.typed("first");
    driver.key("enter");
    driver.key("/");
    driver.typed("x");
    driver.key("esc");
    assert_eq!(names(&mut driver), ["first"]);
}

#[test]
fn a_session_that_runs_is_asked_by_its_keys() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "runs");
    driver.keys(&["p", "s"]);
    assert!(driver.shows("stop runs?") && driver.commands.len() == 1, "{}", driver.text());
    driver.keys(&["esc", "s", "y", "c", "i"]);
    let asked: Vec<&Request> = driver.commands.iter().map(|(_, request)| request).collect();
    assert_eq!(asked, [&Request::Pause, &Request::Stop, &Request::Checkpoint, &Request::Sample]);
    assert!(driver.commands.iter().all(|(id, _)| id == "260304-090000-runs"));
    assert!(driver.shows("asked runs, which answers"), "asked, not done: {}", driver.text());
}

#[test]
fn a_paused_session_goes_on_by_the_same_key() {
    let root = tempfile::tempdir().unwrap();
    let _lock = running(root.path(), "260304-090000-runs", State::Paused);
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.key("p");
    assert_eq!(driver.commands[0].1, Request::Resume);
    driver.key("r");
    assert!(driver.shows("p lets it go on"), "{}", driver.text());
}

#[test]
fn a_learning_rate_is_checked_before_it_is_sent() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "runs");
    driver.keys(&["L", "ctrl-u"]);
    driver.typed("fast");
    driver.key("enter");
    assert!(driver.shows("`fast` is no number") && driver.commands.is_empty());
    driver.key("ctrl-u");
    driver.typed("7");
    driver.key("enter");
    assert!(driver.shows("a number from 0 to 1") && driver.commands.is_empty());
    driver.key("ctrl-u");
    driver.typed("1e-4");
    driver.key("enter");
    assert_eq!(driver.commands[0].1, Request::Set { key: "lr".to_owned(), value: "1e-4".to_owned() });
}

#[test]
fn keys_that_make_no_sense_say_why() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "first");
    for key in ["p", "s", "c", "i", "L"] {
        driver.key(key);
        assert!(driver.shows("first has finished: there is no process to ask"), "{key}: {}", driver.text());
        driver.key("esc");
    }
    driver.key("r");
    assert!(driver.shows("b begins a branch"), "{}", driver.text());
    driver.key("esc");
    select(&mut driver, "died");
    driver.key("p");
    assert!(driver.shows("died has crashed: r goes on with it"), "{}", driver.text());
    driver.key("esc");
    select(&mut driver, "runs");
    driver.key("r");
    assert!(driver.shows("runs already"));
    driver.key("esc");
    driver.key("a");
    assert!(driver.shows("is under way"), "{}", driver.text());
    driver.key("esc");
    driver.key("d");
    assert!(driver.shows("s stops it"), "{}", driver.text());
    driver.keys(&["esc", "m"]);
    assert!(driver.shows("none is marked yet"));
    assert!(driver.commands.is_empty());
}

#[test]
fn crashed_sessions_offer_in_their_row_to_go_on() {
    let (root, _lock) = four();
    for (width, height) in [(140, 40), (80, 24), (40, 12)] {
        let mut driver = Driver::new(root.path(), width, height);
        let text = driver.text();
        let row = text.lines().find(|line| line.contains("✗ died")).unwrap();
        assert!(row.contains("resume"), "{text}");
    }
}

#[test]
fn a_resume_that_fails_shows_what_the_process_said() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "died");
    // The process that is started is this test program, which knows no such arguments.
    driver.key("r");
    let text = driver.text();
    assert!(text.contains("260304-120000-died does not go on") && text.contains("resume"), "{text}");
    driver.key("esc");
    assert!(!driver.shows("does not go on"));
    assert_eq!(selected(&mut driver), "died");
}

#[test]
fn marks_lead_to_the_comparison_and_enter_to_the_run() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.keys(&["space", "down", "space", "down", "space", "space"]);
    assert_eq!(driver.app.shared.marked, ["260304-090000-runs", "260304-120000-died"]);
    assert!(driver.shows("2 marked") && driver.text().matches('◆').count() == 2, "{}", driver.text());
    driver.key("m");
    assert_eq!(driver.app.screen(), ScreenKind::Compare);
    driver.keys(&["1", "enter"]);
    assert_eq!(driver.app.screen(), ScreenKind::Run);
    assert_eq!(driver.app.shared.open.as_deref(), Some("260304-110000-second"));
}

#[test]
fn tags_notes_and_names_are_written_into_the_session() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "first");
    driver.key("t");
    driver.typed("paper  seed-3");
    driver.key("enter");
    driver.key("N");
    driver.typed("flat colours\\nlooks right");
    driver.key("enter");
    driver.keys(&["R", "ctrl-u", "enter"]);
    assert!(driver.shows("at least one character"));
    driver.typed("L1 写真");
    driver.key("enter");
    let manifest = Manifest::load(&Folder::new(root.path().join("260304-100000-first"))).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.notes.as_str()), ("L1 写真", "flat colours\nlooks right"));
    assert_eq!(manifest.tags, ["paper", "seed-3"]);
    let text = driver.text();
    assert!(
        text.contains("L1 写真") && text.contains("paper seed-3") && text.contains("flat colours · looks right"),
        "{text}"
    );
}

#[test]
fn an_archived_session_is_out_of_sight_and_comes_back() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "second");
    driver.key("a");
    assert_eq!(names(&mut driver), ["runs", "died", "first"]);
    assert_eq!(selected(&mut driver), "first", "the next one is selected");
    driver.key("/");
    driver.typed("archived:yes");
    driver.keys(&["enter", "a"]);
    driver.keys(&["esc", "esc"]);
    assert_eq!(names(&mut driver), ["runs", "died", "second", "first"]);
}

#[test]
fn deleting_asks_first_and_only_a_yes_deletes() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "first");
    for answer in ["enter", "n", "esc"] {
        driver.key("d");
        assert!(driver.shows("delete first?"), "{}", driver.text());
        driver.keys(&[answer, "esc"]);
        assert!(root.path().join("260304-100000-first/session.toml").exists(), "{answer}");
    }
    driver.keys(&["d", "y"]);
    assert!(!root.path().join("260304-100000-first").exists());
    assert!(driver.shows("260304-100000-first is deleted"));
    assert_eq!(names(&mut driver), ["runs", "died", "second"]);
    let left = std::fs::read_dir(root.path()).unwrap().count();
    assert_eq!(left, 3, "nothing hidden stays");
}

#[test]
fn a_session_that_starts_between_the_question_and_the_answer_is_kept() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    select(&mut driver, "first");
    driver.key("d");
    let folder = Folder::new(root.path().join("260304-100000-first"));
    let _taken = Lock::acquire(&folder).unwrap();
    driver.key("y");
    assert!(driver.shows("is in use by process"), "{}", driver.text());
    assert!(folder.manifest().exists());
}

#[test]
fn a_start_is_refused_until_the_values_are_right_and_keeps_them_when_it_fails() {
    let root = tempfile::tempdir().unwrap();
    let mut driver = Driver::new(&root.path().join("sessions"), 140, 40);
    driver.key("n");
    let text = driver.text();
    assert!(text.contains("start a session") && text.contains("configs/quickstart.toml"), "{text}");
    assert!(text.contains("whole number from 1 to 1000000 · default 100"), "{text}");
    // To train.epochs, from where the form is: what to start from is the first row.
    driver.key("/");
    driver.typed("train.epochs");
    driver.keys(&["enter", "enter", "ctrl-u"]);
    driver.typed("0");
    driver.key("enter");
    assert!(driver.shows("out of range; expected a whole number from 1 to 1000000"), "{}", driver.text());
    driver.keys(&["ctrl-u"]);
    driver.typed("48");
    driver.keys(&["enter", "esc", "s"]);
    // This test program is no trainer: it says so, and the form is still there.
    let text = driver.text();
    assert!(text.contains("configs/quickstart.toml did not start") && text.contains("exit status"), "{text}");
    driver.key("esc");
    let text = driver.text();
    assert!(text.lines().any(|line| line.contains("◆ train.epochs") && line.contains(" 48 ")), "{text}");
    let left = std::fs::read_dir(root.path().join("sessions")).unwrap().count();
    assert_eq!(left, 0, "nothing stays of a start that failed");
}

#[test]
fn a_broken_rule_between_two_keys_keeps_the_start_back() {
    let root = tempfile::tempdir().unwrap();
    let mut driver = Driver::new(root.path(), 140, 40);
    driver.keys(&["n", "/"]);
    driver.typed("train.epochs");
    driver.keys(&["enter", "enter", "ctrl-u"]);
    // The preset's last four epochs are its decay.
    driver.typed("2");
    driver.key("enter");
    assert!(driver.shows("the run has only 2 epochs"), "{}", driver.text());
}

#[test]
fn a_branch_lets_one_choose_the_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let config = format!("name = \"hayao\"\n{}", Fixture::default().config);
    let folder = Fixture { config: &config, ..Fixture::default() }.make(root.path());
    for step in [100, 200] {
        std::fs::create_dir_all(folder.checkpoint_at(step)).unwrap();
        let state = format!(r#"{{"format":1,"step":{step},"epoch":{},"metrics":{{"val/l1":0.08}}}}"#, step / 50);
        std::fs::write(folder.checkpoint_at(step).join("state.json"), state).unwrap();
    }
    let mut driver = Driver::new(root.path(), 140, 40);
    assert!(driver.shows("2 checkpoints, newest step 200"), "{}", driver.text());
    driver.key("b");
    let text = driver.text();
    assert!(
        text.contains("branch from 260304-120000-hayao") && text.contains("step 200 · epoch 4.0 · l1 0.0800"),
        "{text}"
    );
    driver.key("left");
    assert!(driver.shows("< step 100") && driver.shows("1 of 2"), "{}", driver.text());
    // With as many epochs as that checkpoint has behind it there is nothing to train.
    driver.keys(&["/"]);
    driver.typed("train.epochs");
    driver.keys(&["enter", "enter", "ctrl-u"]);
    driver.typed("2");
    driver.keys(&["enter", "s"]);
    assert!(driver.shows("not started: all 2 epochs are done there"), "{}", driver.text());
}

#[test]
fn an_empty_list_says_what_to_do_and_an_unreadable_one_why() {
    let root = tempfile::tempdir().unwrap();
    let mut driver = Driver::new(&root.path().join("none"), 80, 24);
    assert!(driver.shows("no sessions yet") && driver.shows("n starts one"), "{}", driver.text());
    for key in ["enter", "p", "d", "t", "r", "space", "b", "s", "o", "O"] {
        driver.key(key);
        driver.picture();
    }
    let file = root.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut driver = Driver::new(&file, 80, 24);
    assert!(
        driver.shows("the sessions cannot be read") && driver.shows("part of this path is a file"),
        "{}",
        driver.text()
    );
}

#[test]
fn five_hundred_sessions_are_scrolled_through() {
    let root = tempfile::tempdir().unwrap();
    for n in 0..500 {
        let id = format!("260304-{n:06}-run{n:03}");
        let folder = Folder::new(root.path().join(&id));
        std::fs::create_dir(folder.path()).unwrap();
        let mut manifest = Manifest::new(&format!("run{n:03}"), "track = \"pix2pixhd\"\n").unwrap();
        manifest.state = State::Finished;
        manifest.save(&folder).unwrap();
    }
    let mut driver = Driver::new(root.path(), 140, 40);
    assert!(driver.shows("sessions 500") && driver.shows("run499") && !driver.shows("run100"));
    driver.keys(&["pagedown", "pagedown"]);
    assert!(!driver.shows("run499"));
    driver.key("end");
    assert!(driver.shows("run000"), "{}", driver.text());
    driver.keys(&["up", "up"]);
    let text = driver.text();
    assert!(text.lines().any(|line| line.starts_with('▌') && line.contains("run002")), "{text}");
    driver.key("/");
    driver.typed("name:run12");
    driver.key("enter");
    assert!(driver.shows("10 of 500"));
}

#[test]
fn every_size_is_drawn_whole_with_names_of_any_width() {
    let (root, _lock) = four();
    let wide = "写真からイラストへの変換実験その一";
    Fixture { id: &format!("260304-130000-{wide}"), ..Fixture::default() }.make(root.path());
    let mut driver = Driver::new(root.path(), 80, 24);
    for width in (1..=300).step_by(7) {
        for height in [1, 3, 5, 8, 12, 24, 60, 100] {
            driver.resize(width, height);
            let buffer = driver.picture();
            assert_eq!((buffer.area.width, buffer.area.height), (width, height));
        }
    }
    driver.resize(220, 60);
    assert!(driver.shows(wide), "{}", driver.text());
    for key in ["n", "esc", "d", "esc", "R", "esc", "b", "esc"] {
        driver.key(key);
        for (width, height) in [(20, 5), (40, 12), (80, 24), (300, 100)] {
            driver.resize(width, height);
            driver.picture();
        }
    }
}

#[test]
fn the_machine_stands_in_the_rule_while_something_trains_on_it() {
    let (root, _lock) = four();
    let mut driver = Driver::new(root.path(), 140, 40);
    assert!(!driver.shows("GiB"));
    driver.app.shared.machine = Some(crate::app::screens::system::Strip {
        head: "gpu0".to_owned(),
        levels: vec![0.0, 50.0, 100.0],
        facts: vec![" 97 %".to_owned(), "41.2/80 GiB".to_owned()],
    });
    let text = driver.text();
    let rule = text.lines().nth(1).unwrap();
    assert!(rule.contains("gpu0 ▁▅█  97 % · 41.2/80 GiB"), "{rule}");
    driver.click(rule.chars().take_while(|c| *c != 'g').count() as u16, 1);
    assert_eq!(driver.app.screen(), ScreenKind::System);
}

#[test]
fn what_a_paused_session_waits_for_is_in_the_key_line() {
    let root = tempfile::tempdir().unwrap();
    let _lock = running(root.path(), "260304-090000-waits", State::Paused);
    let mut driver = Driver::new(root.path(), 140, 24);
    assert!(driver.shows("p go on") && !driver.shows("p pause"), "{}", driver.text());
}

#[test]
fn a_session_that_prepares_is_not_taken_for_a_broken_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = Folder::new(root.path().join("260304-090000-begins"));
    std::fs::create_dir(folder.path()).unwrap();
    let lock = Lock::acquire(&folder).unwrap();
    let mut driver = Driver::new(root.path(), 140, 24);
    assert!(driver.shows("start") && !driver.shows("no manifest"), "{}", driver.text());
    drop(lock);
    let mut driver = Driver::new(root.path(), 140, 24);
    assert!(driver.shows("no manifest"), "{}", driver.text());
}

#[test]
fn sessions_that_can_no_longer_be_read_are_not_said_to_have_recorded_nothing() {
    let root = tempfile::tempdir().unwrap();
    let sessions = root.path().join("sessions");
    Fixture { id: "260304-100000-first", ..Fixture::default() }.make(&sessions);
    let mut driver = Driver::new(&sessions, 100, 30);
    std::fs::remove_dir_all(&sessions).unwrap();
    driver.event(Event::Unlisted("sessions is gone".to_owned()));
    assert!(driver.shows("as they were last seen: sessions is gone") && driver.shows("first"), "{}", driver.text());
    for screen in ["2", "4"] {
        driver.key(screen);
        assert!(driver.shows("sessions is gone") && !driver.shows("nothing has happened"), "{}", driver.text());
    }
}
