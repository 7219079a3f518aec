use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use super::*;
use crate::session::{Folder, Lock, Manifest, State};

fn folder_in(root: &std::path::Path, name: &str, state: State) -> Folder {
    let folder = Folder::new(root.join(name));
    folder.make(folder.path()).unwrap();
    let mut manifest = Manifest::new(name, "").unwrap();
    manifest.state = state;
    manifest.save(&folder).unwrap();
    folder
}

/// Answers every request of one connection with `answer`.
fn serve(
    listener: UnixListener,
    answer: impl Fn(Request) -> Option<String> + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        for line in BufReader::new(stream).lines() {
            // A client that hangs up on something unread resets the connection.
            let Ok(line) = line else { return };
            match answer(Request::parse(&line).unwrap()) {
                Some(text) => writer.write_all(text.as_bytes()).unwrap(),
                None => return,
            }
        }
    })
}

fn at(step: i64) -> At {
    At { step, epoch: 1.5 }
}

#[test]
fn requests_and_responses_keep_their_form_on_the_wire() {
    let set = Request::Set { key: "lr".to_owned(), value: "1e-4".to_owned() };
    assert_eq!(set.to_line(), "{\"version\":1,\"command\":\"set\",\"key\":\"lr\",\"value\":\"1e-4\"}\n");
    assert_eq!(Request::parse(&set.to_line()).unwrap(), set);
    assert_eq!(Request::parse("{\"command\":\"pause\"}").unwrap(), Request::Pause);
    let response = Response::ok("done", at(7));
    assert_eq!(serde_json::from_str::<Response>(&response.to_line()).unwrap(), response);
    assert!(Request::parse("{\"version\":2,\"command\":\"pause\"}").unwrap_err().contains("version 2"));
    assert!(Request::parse("{\"command\":\"dance\"}").unwrap_err().contains("dance"));
    assert!(Request::parse("pause").is_err());
}

#[test]
fn probes_keep_their_form_on_the_wire_and_say_what_is_wrong_with_them() {
    let lines = [
        r#"{"version":1,"command":"step","n":3}"#,
        r#"{"version":1,"command":"probe","what":"list","of":"optimizer","glob":"*"}"#,
        r#"{"version":1,"command":"probe","what":"tensor","of":"weight","name":"generator/model.1.weight"}"#,
        r#"{"version":1,"command":"probe","what":"stats","of":"gradient","glob":"*.bias"}"#,
        r#"{"version":1,"command":"probe","what":"taps"}"#,
        r#"{"version":1,"command":"probe","what":"forward","input":{"pair":3,"part":"train"},"taps":["*"],"saliency":true}"#,
        r#"{"version":1,"command":"probe","what":"forward","input":{"image":[3,4,5]},"taps":[],"saliency":false}"#,
        r#"{"version":1,"command":"probe","what":"gradient-norms","steps":2,"glob":"*"}"#,
    ];
    for line in lines {
        let request = Request::parse(line).unwrap();
        assert_eq!(request.to_line().trim_end(), line);
        assert_eq!(request.payload(), if line.contains("image") { 240 } else { 0 });
    }
    for (line, why) in [
        (r#"{"command":"probe","what":"dance"}"#, "dance"),
        (r#"{"command":"probe"}"#, "what"),
        (r#"{"command":"probe","what":"list","of":"soul"}"#, "soul"),
        (r#"{"command":"probe","what":"forward","input":{}}"#, "`input` is"),
        (r#"{"command":"probe","what":"forward","input":{"image":[3,0,8]}}"#, "[3, H, W]"),
        (r#"{"command":"probe","what":"gradient-norms","steps":4000000}"#, "from 1 to"),
        (r#"{"command":"step","n":-1}"#, "-1"),
        (r#"{"version":7,"command":"probe","what":"taps"}"#, "version 7"),
    ] {
        let problem = Request::parse(line).unwrap_err();
        assert!(problem.contains(why), "{line}: {problem}");
    }
}

#[test]
fn what_follows_a_line_is_told_from_the_next_one() {
    let image = r#"{"command":"probe","what":"forward","input":{"image":[3,1,1]},"bytes":12}"#;
    let mut bytes = format!("{image}\n").into_bytes();
    bytes.extend([7; 12]);
    bytes.extend(b"{\"command\":\"pause\",\"bytes\":3}\n\n{}{\"command\":\"status\"}\n\xff\n{\"bytes\":300000000}\n");
    let mut reader = bytes.as_slice();
    let mut next = || wire::read_message(&mut reader).unwrap().unwrap();
    assert_eq!(next().unwrap().payload, [7; 12]);
    let unwanted = next().unwrap_err();
    assert!(!unwanted.lost && unwanted.problem.contains("takes 0 bytes"), "{unwanted:?}");
    assert_eq!(next().unwrap().request, Request::Status);
    assert!(!next().unwrap_err().lost, "no UTF-8");
    let endless = next().unwrap_err();
    assert!(endless.lost && endless.problem.contains("are the most"), "{endless:?}");
    let mut cut = &b"{\"command\":\"probe\",\"what\":\"forward\",\"input\":{\"image\":[3,1,1]},\"bytes\":12}\n1234"[..];
    assert!(wire::read_message(&mut cut).unwrap().is_none());
}

#[test]
fn an_answer_that_is_too_long_becomes_one_that_says_so() {
    let stamp = Stamp { session: "s".to_owned(), source: Source::Live, age_ms: 3 };
    let done = Response::ok("done", at(7));
    let (line, whole) = wire::answer_line(&done, &stamp, Some(&serde_json::json!({ "rows": [] })), 8);
    let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(whole && answer["bytes"] == 8 && answer["source"] == "live" && answer["age_ms"] == 3, "{answer}");
    assert_eq!(serde_json::from_str::<Response>(&line).unwrap(), done, "for clients that ask commands alone");
    let long = serde_json::json!("x".repeat(wire::ANSWER_LIMIT));
    for (result, bytes, why) in [(&long, 0, "narrower glob"), (&serde_json::Value::Null, 1 << 40, "ask for less")] {
        let (line, whole) = wire::answer_line(&done, &stamp, Some(result), bytes);
        assert!(!whole && line.len() < 400 && line.contains("error") && line.contains(why), "{line}");
    }
}

#[test]
fn a_session_answers_several_requests_on_one_connection() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder_in(root.path(), "live", State::Running);
    let _lock = Lock::acquire(&folder).unwrap();
    let listener = bind(&folder).unwrap();
    assert_eq!(fs::metadata(folder.control_socket()).unwrap().permissions().mode() & 0o777, 0o600);
    let server = serve(listener, |request| Some(Response::ok(request.to_string(), at(3)).to_line()));
    let mut client = Client::connect(&folder).unwrap();
    for request in [Request::Pause, Request::Status] {
        match client.request(&request).unwrap() {
            Response::Ok { message, step, .. } => assert_eq!((message, step), (request.to_string(), 3)),
            Response::Error { message } => panic!("{message}"),
        }
    }
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_path_too_long_for_a_socket_works_on_both_sides() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).unwrap();
    let folder = folder_in(&deep, "live", State::Running);
    let _lock = Lock::acquire(&folder).unwrap();
    let listener = bind(&folder).unwrap();
    assert_eq!(fs::metadata(folder.control_socket()).unwrap().permissions().mode() & 0o777, 0o600);
    let server = serve(listener, |_| Some(Response::error("no").to_line()));
    let answer = Client::connect(&folder).unwrap().request(&Request::Status).unwrap();
    assert_eq!(answer, Response::error("no"));
    server.join().unwrap();
}

#[test]
fn a_dead_process_s_socket_is_told_and_replaced() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder_in(root.path(), "dead", State::Running);
    let lock = Lock::acquire(&folder).unwrap();
    drop(bind(&folder).unwrap());
    drop(lock);
    assert!(folder.control_socket().exists(), "closing a socket leaves its file");
    let error = Client::connect(&folder).unwrap_err();
    assert!(matches!(error, ControlError::NotRunning { state: State::Crashed, .. }), "{error}");
    assert!(error.to_string().contains("atelier train --resume dead"), "{error}");

    let _lock = Lock::acquire(&folder).unwrap();
    let error = Client::connect(&folder).unwrap_err();
    assert!(matches!(error, ControlError::NotListening { pid: Some(_), .. }), "{error}");
    let server = serve(bind(&folder).unwrap(), |_| Some(Response::error("alive").to_line()));
    assert_eq!(Client::connect(&folder).unwrap().request(&Request::Stop).unwrap(), Response::error("alive"));
    server.join().unwrap();
}

#[test]
fn sessions_that_ended_say_how() {
    let root = tempfile::tempdir().unwrap();
    for state in [State::Finished, State::Stopped, State::Failed] {
        let folder = folder_in(root.path(), state.word(), state);
        let error = Client::connect(&folder).unwrap_err().to_string();
        assert!(error.contains(state.word()), "{error}");
        assert_eq!(error.contains("--resume"), state != State::Finished, "{error}");
    }
}

#[test]
fn a_busy_process_is_waited_for_and_then_left_with_the_request() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder_in(root.path(), "slow", State::Running);
    let _lock = Lock::acquire(&folder).unwrap();
    // It listens and never accepts, as a process in a long step whose server thread is stuck would.
    let _listener = bind(&folder).unwrap();
    let mut client = Client::connect(&folder).unwrap().with_timeout(Duration::from_millis(50));
    let error = client.request(&Request::Checkpoint).unwrap_err();
    assert!(matches!(error, ControlError::NoAnswer { .. }), "{error}");
    assert!(error.to_string().contains("queued"), "{error}");
}

#[test]
fn a_process_that_dies_or_babbles_is_told_apart() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder_in(root.path(), "odd", State::Running);
    let _lock = Lock::acquire(&folder).unwrap();
    let ask = |answer: fn() -> Option<String>| {
        let server = serve(bind(&folder).unwrap(), move |_| answer());
        let answer = Client::connect(&folder).unwrap().request(&Request::Stop);
        server.join().unwrap();
        answer.unwrap_err()
    };
    assert!(matches!(ask(|| None), ControlError::HungUp { .. }));
    assert!(matches!(ask(|| Some("hello\n".to_owned())), ControlError::Garbled { .. }));
    assert!(matches!(ask(|| Some("x".repeat(LINE_LIMIT + 2))), ControlError::Garbled { .. }));
}

#[test]
fn something_else_in_the_socket_s_place_is_not_removed() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder_in(root.path(), "odd", State::Running);
    fs::write(folder.control_socket(), "mine").unwrap();
    let error = bind(&folder).unwrap_err().to_string();
    assert!(error.contains("control.sock"), "{error}");
    assert_eq!(fs::read_to_string(folder.control_socket()).unwrap(), "mine");
}
