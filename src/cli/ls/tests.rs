use super::*;
use crate::session::Latest;

fn listing(id: &str, state: Option<State>) -> Listing {
    let mut listing = session::read_listing(&session::Folder::new(format!("/nowhere/{id}")));
    listing.problem = None;
    listing.state = state;
    listing
}

fn running() -> Listing {
    let mut one = listing("260101-100000-hayao-512-l1", Some(State::Running));
    one.track = Some("pix2pixhd".to_owned());
    one.tags = vec!["paper".to_owned(), "宮崎".to_owned()];
    (one.step, one.total_steps) = (Some(13_600), Some(40_000));
    (one.epoch, one.total_epochs) = (Some(34.0), Some(100.0));
    one.images_per_sec = Some(68.41);
    one.started = Some(Timestamp::UNIX_EPOCH);
    one.latest.insert("loss/g".to_owned(), Latest { step: 13_600, value: 2.013_1 });
    one.latest.insert("loss/l1".to_owned(), Latest { step: 13_600, value: 0.4 });
    one.latest.insert("val/l1".to_owned(), Latest { step: 13_500, value: 0.081_2 });
    one
}

fn failed() -> Listing {
    let mut one = listing("260102-100000-gan-only", Some(State::Failed));
    one.reason = Some("NaN in D at 4 812".to_owned());
    one.total_epochs = Some(100.0);
    one
}

fn now() -> Timestamp {
    Timestamp::from_second(38 * 60).unwrap()
}

#[test]
fn columns_align_and_numbers_stand_right() {
    let text = table(&[failed(), running()], now(), None, false);
    let meant = "  state    id                          track       epoch           step     loss  validation  img/s   age  tags
✗ failed   260102-100000-gan-only                  –/100
  NaN in D at 4 812
● running  260101-100000-hayao-512-l1  pix2pixhd  34/100  13 600/40 000  g 2.013  l1 0.08120  68.41  38 m  paper 宮崎
";
    assert_eq!(text, meant);
}

#[test]
fn narrow_terminals_lose_columns_and_never_the_id() {
    let text = table(&[running()], now(), Some(80), false);
    let row = text.lines().nth(1).unwrap();
    assert!(row.width() <= 80, "{row}");
    assert!(row.contains("hayao-512-l1") && row.contains("34/100") && !row.contains("paper"), "{row}");
    let tiny = table(&[running()], now(), Some(10), false);
    assert!(tiny.contains("● running  260101-100000-hayao-512-l1\n"), "{tiny}");
}

#[test]
fn colour_is_on_the_state_alone() {
    let text = table(&[failed()], now(), None, true);
    assert!(text.contains("\x1b[31m✗ failed\x1b[0m  260102"), "{text:?}");
}
