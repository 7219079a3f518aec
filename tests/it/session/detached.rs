//! Detached starts. This test program plays both sides: it starts itself again to run one of the two ignored functions.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;

use atelier::session::detach::{self, Launched};
use rustix::process::{Pid, Signal};

use super::*;
use crate::common::process_session;

const WHERE: &str = "ATELIER_TEST_FOLDER";
const PATIENCE: Duration = Duration::from_mins(1);

fn only(function: &str) -> Vec<OsString> {
    [&format!("session::detached::{function}"), "--exact", "--ignored", "--nocapture"].map(OsString::from).to_vec()
}

#[test]
#[ignore = "the detached side of the tests below"]
fn trains() {
    detach::leave_terminal().unwrap();
    let folder = detach::child().expect("started by the tests below");
    let session = session::create_in(folder, &new("detached")).unwrap();
    assert!(session.prints_to_log());
    session.set_state(State::Running, None).unwrap();
    until("the sign to end", || session.folder().path().join("end").exists());
    session.finish(State::Finished, None).unwrap();
}

#[test]
#[ignore = "the starting side of the tests below"]
fn starts_and_dies_with_its_terminal() {
    let folder = Folder::new(std::env::var_os(WHERE).expect("started by the tests below"));
    assert!(matches!(detach::launch(&folder, &only("trains"), PATIENCE).unwrap(), Launched::Started { .. }));
    // What a closed terminal and a merciless administrator do to everything in its process group.
    rustix::process::kill_current_process_group(Signal::HUP).unwrap();
    rustix::process::kill_current_process_group(Signal::KILL).unwrap();
}

#[test]
fn a_detached_run_outlives_its_terminal_and_its_parent() {
    let root = tempfile::tempdir().unwrap();
    let folder = session::reserve(root.path(), "detached").unwrap();
    let mut parent = Command::new("/proc/self/exe");
    parent.args(only("starts_and_dies_with_its_terminal")).env(WHERE, folder.path()).process_group(0);
    let status = parent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(!status.success(), "the starting side was killed");

    let pid = Manifest::load(&folder).unwrap().pid.unwrap();
    assert_eq!(process_session(pid), pid, "in a process session of its own");
    // A hang-up meant for it alone.
    rustix::process::kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::HUP).unwrap();
    assert_eq!(session::observe(&folder).unwrap().state, State::Running);
    fs::write(folder.path().join("end"), "").unwrap();
    until("the run to end", || session::observe(&folder).unwrap().state != State::Running);
    assert_eq!(session::observe(&folder).unwrap().state, State::Finished);
    assert!(fs::read_to_string(folder.log()).unwrap().contains("running 1 test"), "what it printed is in its log");
}

#[test]
fn a_detached_start_that_fails_tells_why_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let folder = session::reserve(root.path(), "detached").unwrap();
    match detach::launch(&folder, &["--no-such-option".into()], PATIENCE).unwrap() {
        Launched::Failed { status, output } => {
            assert!(!status.success());
            assert!(output.contains("no-such-option"), "{output}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!folder.path().exists());
}
