use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

use super::*;
use crate::record::At;
use crate::session::control::bind;
use crate::session::{New, State, create, find, list, reopen};

const CONFIG: &str = "name = \"tiny\"\ntrack = \"pix2pixhd\"\n";

fn finished(root: &Path, name: &str) -> Folder {
    let session = create(root, &New { name, config: CONFIG, ..New::default() }).unwrap();
    session.finish(State::Finished, None).unwrap();
    session.folder().clone()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Answers one client as a run does, by `answer`.
fn serve(listener: UnixListener, answer: impl Fn(Request) -> Response + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        let response = answer(Request::parse(&line).unwrap());
        (&stream).write_all(response.to_line().as_bytes()).unwrap();
    })
}

#[test]
fn tags_are_set_added_and_taken_off_and_nothing_else_changes() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "one");
    let before = Manifest::load(&folder).unwrap();
    edit(&folder, &Edit { tags: Some(words(&["paper", "demo", "paper"])), ..Edit::default() }).unwrap();
    let more = Edit { add_tags: words(&["写真", "demo"]), remove_tags: words(&["paper"]), ..Edit::default() };
    assert_eq!(edit(&folder, &more).unwrap(), "+写真, +demo, -paper");
    let after = Manifest::load(&folder).unwrap();
    assert_eq!(after.tags, ["demo", "写真"]);
    assert_eq!((after.name.clone(), after.config(), after.ended), (before.name.clone(), before.config(), before.ended));
}

#[test]
fn a_session_is_renamed_annotated_and_put_away_and_taken_out_again() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "one");
    let change = Edit {
        name: Some(" L1 only ".into()),
        notes: Some("two\nlines\n".into()),
        archived: Some(true),
        ..Edit::default()
    };
    edit(&folder, &change).unwrap();
    let listed = list(root.path()).unwrap().remove(0);
    assert_eq!((listed.name.as_str(), listed.notes.as_str(), listed.archived), ("L1 only", "two\nlines", true));
    assert_eq!(listed.id, folder.id(), "the id stays");
    edit(&folder, &Edit { archived: Some(false), ..Edit::default() }).unwrap();
    assert!(!list(root.path()).unwrap()[0].archived);
    assert!(!fs::read_to_string(folder.manifest()).unwrap().contains("archived"));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "one");
    let before = fs::read(folder.manifest()).unwrap();
    let long = "x".repeat(NAME_LIMIT + 1);
    for (change, told) in [
        (Edit { name: Some("  ".into()), ..Edit::default() }, "at least one character"),
        (Edit { name: Some(long), ..Edit::default() }, "at most 96"),
        (Edit { name: Some("a\u{1b}[2J".into()), ..Edit::default() }, "control characters"),
        (Edit { tags: Some(words(&["two words"])), ..Edit::default() }, "one word"),
        (Edit { add_tags: words(&[""]), ..Edit::default() }, "one word"),
        (Edit { notes: Some("x".repeat(NOTES_LIMIT + 1)), ..Edit::default() }, "16 KiB"),
    ] {
        let error = edit(&folder, &change).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(fs::read(folder.manifest()).unwrap(), before);
}

#[test]
fn the_process_that_runs_a_session_makes_the_change_itself() {
    let root = tempfile::tempdir().unwrap();
    let session =
        std::sync::Arc::new(create(root.path(), &New { name: "one", config: CONFIG, ..New::default() }).unwrap());
    session.set_state(State::Running, None).unwrap();
    let ours = std::sync::Arc::clone(&session);
    let server = serve(session.control_listener().unwrap(), move |request| {
        let Request::Annotate(change) = request else { panic!("{request}") };
        ours.update(|manifest| change.apply(manifest)).unwrap();
        Response::ok(change.to_string(), At { step: 3, epoch: 0.5 })
    });
    let change = Edit { add_tags: words(&["live"]), ..Edit::default() };
    assert_eq!(edit(session.folder(), &change).unwrap(), "+live");
    server.join().unwrap();
    session.set_state(State::Paused, None).unwrap();
    let manifest = Manifest::load(session.folder()).unwrap();
    assert_eq!((manifest.tags, manifest.state), (words(&["live"]), State::Paused));
}

#[test]
fn a_process_that_holds_a_session_and_does_not_listen_is_not_written_around() {
    let root = tempfile::tempdir().unwrap();
    let session = create(root.path(), &New { name: "one", config: CONFIG, ..New::default() }).unwrap();
    let error = edit(session.folder(), &Edit { add_tags: words(&["x"]), ..Edit::default() }).unwrap_err().to_string();
    assert!(error.contains("takes no commands"), "{error}");
    assert!(Manifest::load(session.folder()).unwrap().tags.is_empty());
}

#[test]
fn a_crashed_session_is_edited_in_its_file_whatever_socket_was_left() {
    let root = tempfile::tempdir().unwrap();
    let session = create(root.path(), &New { name: "one", config: CONFIG, ..New::default() }).unwrap();
    session.set_state(State::Running, None).unwrap();
    let folder = session.folder().clone();
    drop(bind(&folder).unwrap());
    drop(session);
    edit(&folder, &Edit { notes: Some("died at night".into()), ..Edit::default() }).unwrap();
    assert_eq!(Manifest::load(&folder).unwrap().notes, "died at night");
}

#[test]
fn a_deleted_session_leaves_nothing_and_takes_nothing_with_it() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (finished(root.path(), "one"), finished(root.path(), "two"));
    remove(&first).unwrap();
    assert!(matches!(find(root.path(), "one"), Err(SessionError::Unknown { .. })));
    let left: Vec<_> = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [second.path()]);
}

#[test]
fn a_session_in_use_is_never_deleted() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "one");
    // Finished by its manifest until a moment ago; now a process has taken it up again.
    let session = reopen(root.path(), "one", &New { name: "one", config: CONFIG, ..New::default() }).unwrap();
    let error = remove(&folder).unwrap_err().to_string();
    assert!(error.contains("in use by process"), "{error}");
    assert!(session.folder().manifest().exists());
    drop(session);
    remove(&folder).unwrap();
    assert!(!folder.path().exists());
}

#[test]
fn a_damaged_session_can_be_deleted_and_a_foreign_folder_cannot() {
    let root = tempfile::tempdir().unwrap();
    let damaged = finished(root.path(), "one");
    fs::write(damaged.manifest(), "state = ").unwrap();
    remove(&damaged).unwrap();
    let foreign = Folder::new(root.path().join("thesis"));
    fs::create_dir(foreign.path()).unwrap();
    fs::write(foreign.path().join("chapter1.md"), "long work").unwrap();
    let error = remove(&foreign).unwrap_err().to_string();
    assert!(error.contains("is no session"), "{error}");
    assert!(foreign.path().join("chapter1.md").exists());
}

#[test]
fn a_start_under_way_is_not_deleted() {
    let root = tempfile::tempdir().unwrap();
    let folder = crate::session::reserve(root.path(), "starting").unwrap();
    let log = Folder::append(&folder.log()).unwrap();
    let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).stdout(log).spawn().unwrap();
    let error = remove(&folder).unwrap_err().to_string();
    assert!(error.contains(&child.id().to_string()), "{error}");
    drop(child.stdin.take());
    child.wait().unwrap();
    remove(&folder).unwrap();
    assert!(!folder.path().exists());
}

#[test]
fn remains_of_a_deletion_cut_short_are_no_session_and_go_with_the_next() {
    let root = tempfile::tempdir().unwrap();
    let folder = finished(root.path(), "one");
    let half = root.path().join(".deleted-260101-100000-old-1-0");
    fs::create_dir_all(half.join("checkpoints")).unwrap();
    assert_eq!(list(root.path()).unwrap().len(), 1);
    remove(&folder).unwrap();
    assert!(!half.exists());
}
