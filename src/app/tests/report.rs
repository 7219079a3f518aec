//! A report by a key.

use super::Driver;
use super::fixture::Fixture;
use crate::app::Options;

#[test]
fn a_key_writes_a_report_of_what_is_looked_at_and_says_where() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("sessions");
    let fixture = Fixture::default();
    fixture.make(&root);
    let mut driver = Driver::with(&Options::new(&root), 140, 40);
    driver.key("e");
    let page = place.path().join("reports").join(format!("{}.html", fixture.id));
    assert!(page.is_file(), "{}", driver.text());
    assert!(driver.shows("report: "), "{}", driver.text());
}

#[test]
fn without_a_session_there_is_nothing_to_report() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("sessions");
    std::fs::create_dir(&root).unwrap();
    let mut driver = Driver::with(&Options::new(&root), 140, 40);
    driver.key("e");
    assert!(driver.shows("no session to report"), "{}", driver.text());
    assert!(!place.path().join("reports").exists());
}
