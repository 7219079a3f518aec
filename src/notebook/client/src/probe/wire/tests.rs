use super::*;
use crate::probe::hub::Hub;
use crate::probe::testing::{Dice, Folder, message, serve, serve_raw, yes};

const PATIENCE: Duration = Duration::from_mins(1);

fn hello() -> Json {
    Json::object([("ask", Json::text("hello"))])
}

/// What the client makes of these bytes as an answer.
fn made_of(bytes: &[u8]) -> Result<Answer, Problem> {
    receive(&mut &*bytes)
}

#[test]
fn a_message_travels_both_ways_with_its_bytes() {
    let folder = Folder::new();
    let path = folder.join("s");
    serve(&path, |request, bytes| {
        assert_eq!(request.get("ask").as_str(), Some("hello"));
        yes("\"n\":3", &bytes.iter().rev().copied().collect::<Vec<u8>>())
    });
    let answer = ask(&path, hello(), b"abc", PATIENCE).unwrap();
    assert_eq!((answer.line.get("n").as_i64(), answer.bytes), (Some(3), b"cba".to_vec()));
    assert_eq!(floats(&float_bytes(&[1.5, f32::MIN, -0.0])), [1.5, f32::MIN, -0.0]);
}

#[test]
fn a_socket_with_too_long_a_path_is_reached_through_its_folder() {
    let folder = Folder::new();
    let deep = folder.join(&"d".repeat(120));
    fs::create_dir(&deep).unwrap();
    let listener_path = folder.join("short");
    std::os::unix::fs::symlink(&deep, &listener_path).unwrap();
    serve(&listener_path.join("control.sock"), |_, _| yes("", &[]));
    assert!(ask(&deep.join("control.sock"), hello(), &[], PATIENCE).is_ok());
}

#[test]
fn what_is_no_socket_or_has_no_listener_is_told_apart() {
    let folder = Folder::new();
    let path = folder.join("s");
    assert!(matches!(ask(&path, hello(), &[], PATIENCE), Err(Failure::Absent(_))));
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(ask(&path, hello(), &[], PATIENCE), Err(Failure::Absent(_))));
    fs::write(folder.join("file"), "").unwrap();
    assert!(matches!(ask(&folder.join("file"), hello(), &[], PATIENCE), Err(Failure::Refused(_))));
    assert!(message(|| drop(Hub::at(path).sessions())).contains("the notebook's pane is gone"));
}

#[test]
fn answers_that_break_the_protocol_are_errors_that_say_how() {
    let told = |bytes: &[u8]| made_of(bytes).unwrap_err().to_string();
    assert!(told(b"").contains("ended before it answered"));
    assert!(told(b"{\"outcome\":\"ok\"").contains("ended before it answered"));
    assert!(told(b"hello\n").contains("makes no sense"));
    assert!(told(b"{\"bytes\":4}\nabc").contains("3 of 4 bytes"));
    assert!(told(b"{\"bytes\":-1}\n").contains("too many bytes"));
    assert!(told(b"{\"bytes\":1e12}\n").contains("too many bytes"));
    assert!(told(&vec![b' '; ANSWER_LIMIT + 2]).contains("too long"));
    let folder = Folder::new();
    let path = folder.join("s");
    serve(&path, |_, _| b"{\"version\":1}\n".to_vec());
    assert!(ask(&path, hello(), &[], PATIENCE).unwrap_err().problem().to_string().contains("no outcome"));
}

#[test]
fn a_refusal_is_read_even_when_it_comes_before_all_was_sent() {
    let folder = Folder::new();
    let path = folder.join("s");
    serve_raw(&path, |mut stream| {
        stream.write_all(b"{\"version\":1,\"outcome\":\"error\",\"message\":\"busy\"}\n").unwrap();
    });
    let told = ask(&path, hello(), &vec![0; 8 << 20], PATIENCE).unwrap_err().problem().to_string();
    // The system may lose what was sent to one that still sends; then the connection is told as broken.
    assert!(told == "busy" || told.contains("broke"), "{told}");
    let long = Json::object([("query", Json::text("x".repeat(REQUEST_LIMIT)))]);
    assert!(ask(&path, long, &[], PATIENCE).unwrap_err().problem().to_string().contains("longer than 64 KiB"));
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_without_end() {
    let folder = Folder::new();
    let path = folder.join("s");
    let held = std::sync::Mutex::new(Vec::new());
    serve_raw(&path, move |stream| held.lock().unwrap().push(stream));
    let told = ask(&path, hello(), &[], Duration::from_millis(1)).unwrap_err().problem().to_string();
    assert!(told.contains("no answer in time"), "{told}");
}

#[test]
fn random_and_mutated_answers_are_errors_and_never_a_panic() {
    let mut dice = Dice(7);
    let good = yes(
        "\"rows\":2,\"columns\":[{\"name\":\"a\",\"type\":\"str\",\"bytes\":12,\"nulls\":1}],\"row\":{\"id\":\"x\"}",
        b"\0\x01\x01\0\0\0x\0\0\0\0\0",
    );
    for round in 0..20_000 {
        let bytes =
            if round % 2 == 0 { dice.mutate(&good) } else { (0..dice.below(200)).map(|_| dice.next() as u8).collect() };
        if let Ok(answer) = made_of(&bytes) {
            crate::probe::frame::Frame::read(&answer.line, &answer.bytes).map(|frame| frame.to_string()).ok();
            crate::probe::run::Run::of(answer.line.get("row"), &Hub::at("x")).map(|run| run.to_string()).ok();
        }
    }
}
