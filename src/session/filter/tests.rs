use super::*;
use crate::session::{Folder, Latest, read_listing};

fn listing(id: &str, state: State) -> Listing {
    let mut listing = read_listing(&Folder::new(format!("/nowhere/{id}")));
    listing.problem = None;
    listing.state = Some(state);
    listing
}

fn running() -> Listing {
    let mut one = listing("260101-100000-hayao-512-l1", State::Running);
    one.track = Some("pix2pixhd".to_owned());
    one.tags = vec!["paper".to_owned(), "宮崎".to_owned()];
    one.notes = "warm colours kept".to_owned();
    (one.step, one.total_steps, one.epoch) = (Some(13_600), Some(40_000), Some(34.0));
    one.started = Some(Timestamp::UNIX_EPOCH);
    for (name, value) in [("loss/g", 2.013_1), ("loss/l1", 0.4), ("val/l1", 0.081_2)] {
        one.latest.insert(name.to_owned(), Latest { step: 13_600, value });
    }
    one.best.insert("val/l1".to_owned(), Latest { step: 12_000, value: 0.075 });
    one
}

fn failed() -> Listing {
    let mut one = listing("260102-100000-gan-only", State::Failed);
    one.latest.insert("loss/g".to_owned(), Latest { step: 4_812, value: f64::NAN });
    one
}

/// Whether the filter fits the running one and the failed one, 38 minutes after the first began.
fn fits(text: &str) -> (bool, bool) {
    let now = Timestamp::from_second(38 * 60).unwrap();
    let filter = Filter::parse(text).unwrap();
    (filter.fits(&running(), now), filter.fits(&failed(), now))
}

#[test]
fn words_find_what_they_name() {
    assert_eq!(fits("hayao"), (true, false));
    assert_eq!(fits("PAPER"), (true, false));
    assert_eq!(fits("colours"), (true, false), "notes are searched too");
    assert_eq!(fits("state:fail"), (false, true));
    assert_eq!(fits("state:run"), (true, false));
    assert_eq!(fits("state:died"), (false, false));
    assert_eq!(fits("track:pix"), (true, false));
    assert_eq!(fits("tag:paper"), (true, false));
    assert_eq!(fits("tag=宮崎"), (true, false));
    assert_eq!(fits("tag:pap"), (false, false));
    assert_eq!(fits("name:gan id:260102"), (false, true));
    assert_eq!(fits(""), (true, true));
    assert_eq!(fits("hayao gan"), (false, false), "all words must fit");
}

#[test]
fn comparisons_find_numbers_and_nan() {
    assert_eq!(fits("val/l1<0.1"), (true, false));
    assert_eq!(fits("l1<=0.0812"), (true, false), "validation before a loss of the same name");
    assert_eq!(fits("best/l1<0.08"), (true, false));
    assert_eq!(fits("best/val/l1<0.07"), (false, false));
    assert_eq!(fits("loss>2"), (true, false));
    assert_eq!(fits("loss=nan"), (false, true));
    assert_eq!(fits("g>=3"), (false, false));
    assert_eq!(fits("step>13599"), (true, false));
    assert_eq!(fits("progress>30%"), (true, false));
    assert_eq!(fits("age<1h"), (true, false));
    assert_eq!(fits("age>40m"), (false, false));
}

#[test]
fn a_sign_in_front_turns_a_word_round() {
    assert_eq!(fits("-tag:paper"), (false, true));
    assert_eq!(fits("!state:failed"), (true, false));
    assert_eq!(fits("-loss<3"), (false, true), "what has no such value does not fit, so it fits the contrary");
    assert_eq!(fits("notes:\"warm colours\""), (true, false));
    assert_eq!(fits("-\"warm colours\""), (false, true));
}

#[test]
fn archived_sessions_are_out_of_sight_until_asked_for() {
    let now = Timestamp::UNIX_EPOCH;
    let mut away = failed();
    away.archived = true;
    let shown = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        (filter.fits(&failed(), now), filter.fits(&away, now))
    };
    assert_eq!(shown("state:failed"), (true, false));
    assert_eq!(shown("archived:yes"), (false, true));
    assert_eq!(shown("archived:all gan"), (true, true));
    assert_eq!(shown("archived:no"), (true, false));
    assert!(Filter::parse("archived:no").unwrap().is_empty());
}

#[test]
fn mistakes_say_what_is_wrong_and_where() {
    for (text, column, told) in [
        ("tag:x l1<small", 7, "`small` is no number"),
        ("宮崎 colour:red", 4, "no colour:"),
        ("stat:running", 1, "did you mean state:?"),
        ("state:flying", 1, "no state begins with `flying`: starting, running"),
        ("state:", 1, "something must follow"),
        ("loss<", 1, "a number must follow"),
        ("<0.1", 1, "must stand before"),
        ("a - b", 3, "turn round"),
        ("age<2", 1, "has a unit"),
        ("archived:maybe", 1, "yes (only those), no or all"),
        ("x notes:\"open", 9, "quote is not closed"),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert_eq!(error.column, Some(column), "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    let error = Filter::of_words(["tag:two words", "l1<small"]).unwrap_err();
    assert_eq!(error.column, None);
    assert!(error.to_string().starts_with("`l1<small`"), "{error}");
}
