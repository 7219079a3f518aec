//! Garbage on the socket, clients that are slow, and clients that vanish.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atelier::record::At;
use atelier::session::control::{Request, Response, Source, bind_at};
use atelier::train::control::{Order, serve};
use atelier::train::learner::Learner;
use atelier::train::probe::{Desk, Moment, Probes};
use atelier::train::schedule::Extent;
use serde_json::{Value, json};

use super::client::Probing;
use super::look;

/// A model that answers on a socket, at step 7, as a paused run does.
pub struct Answering {
    pub socket: PathBuf,
    end: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

pub fn answering() -> Answering {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let desk = Desk { session: "tried".to_owned(), source: Source::Live, train: None, held_out: None };
    let (_, mailbox) = serve(bind_at(&socket).unwrap(), Arc::new(|_: &Request| None), desk).unwrap();
    let end = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&end);
    let thread = std::thread::spawn(move || {
        let (experiment, track) = look::generator();
        let extent = Extent::new(4, 1, 1);
        let learner = Learner::new(Box::new(track), &experiment, extent, tch::Device::Cpu).unwrap();
        let mut probes = Probes::default();
        let at = At { step: 7, epoch: 1.75 };
        let moment = Moment {
            at,
            since: None,
            is_pressed: false,
            steps_come: false,
            pair_seconds: None,
            pair_pixels: 32 * 32,
            pairs: 2,
        };
        while !ended.load(Ordering::Relaxed) {
            match mailbox.wait(std::time::Duration::from_millis(2)) {
                Some(Order { request: Request::Probe(probe), sight, reply, .. }) => probes.push(probe, sight, reply),
                Some(Order { request, reply, .. }) => {
                    reply.send(Response::ok(request.to_string(), at).into()).ok();
                }
                None => {}
            }
            probes.serve(&learner, moment);
        }
    });
    Answering { socket, end, thread: Some(thread), _dir: dir }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the thread that answers has panicked");
    }
}

/// `SplitMix64`: the same garbage every time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const LINES: [&str; 12] = [
    r#"{"version":1,"command":"status"}"#,
    r#"{"version":1,"command":"probe","what":"list","of":"weight","glob":"*"}"#,
    r#"{"version":1,"command":"probe","what":"stats","of":"optimizer","glob":"generator/*"}"#,
    r#"{"version":1,"command":"probe","what":"tensor","of":"weight","name":"generator/model.1.weight"}"#,
    r#"{"version":1,"command":"probe","what":"stats","of":"gradient","glob":"*"}"#,
    r#"{"version":1,"command":"probe","what":"taps"}"#,
    r#"{"version":1,"command":"probe","what":"forward","input":{"pair":3,"part":"train"},"taps":["*"],"saliency":true}"#,
    r#"{"version":1,"command":"probe","what":"forward","input":{"image":[3,2,2]},"taps":[],"saliency":false,"bytes":48}"#,
    r#"{"version":1,"command":"probe","what":"gradient-norms","steps":3,"glob":"*"}"#,
    r#"{"version":1,"command":"step","n":3}"#,
    r#"{"version":1,"command":"set","key":"lr","value":"1e-4"}"#,
    r#"{"version":1,"command":"annotate","name":"x"}"#,
];

/// Pieces that make a line of another kind, or none.
const PIECES: [&str; 16] = [
    "\"bytes\":18446744073709551615,",
    "\"bytes\":-1,",
    "\"bytes\":7,",
    "\"bytes\":1e99,",
    "\"version\":2,",
    "[[[[[[[[",
    "{\"a\":",
    "null",
    "\u{0}",
    "\n",
    "{a,b}*?",
    "4294967295",
    "-9223372036854775808",
    "\"image\":[3,4294967295,4294967295],",
    "\"",
    "\u{1b}[2J",
];

/// Send `bytes`, say that no more will come, and read all that comes back.
fn throw(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
    // It may hang up before it has taken all.
    stream.write_all(bytes).ok();
    stream.shutdown(Shutdown::Write).ok();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).ok();
    String::from_utf8_lossy(&back).into_owned()
}

#[test]
fn garbage_is_answered_with_errors_and_the_server_goes_on() {
    let server = answering();
    let mut draw = Draw(6);
    let (mut answered, mut refused) = (0, 0);
    for round in 0..3000 {
        let mut bytes = Vec::new();
        if round % 3 == 0 {
            let length = draw.below(300);
            bytes.extend((0..length).map(|_| draw.next() as u8));
        } else {
            bytes.extend(LINES[draw.below(LINES.len())].bytes());
            for _ in 0..=draw.below(3) {
                let at = draw.below(bytes.len().max(1));
                match draw.below(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.extend(vec![b' '; at]),
                    2 => {
                        let piece = PIECES[draw.below(PIECES.len())].bytes();
                        bytes.splice(at..at, piece);
                    }
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte = draw.next() as u8;
                        }
                    }
                }
            }
        }
        bytes.push(b'\n');
        let back = throw(&server.socket, &bytes);
        // Values may follow a line: the first is looked at.
        if let Some(line) = back.lines().next() {
            let answer: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            match answer["outcome"].as_str() {
                Some("ok") => answered += 1,
                Some("error") => {
                    refused += 1;
                    assert!(answer["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
                }
                _ => panic!("{line}"),
            }
        }
    }
    assert!(answered > 20 && refused > 1000, "{answered} answered, {refused} refused");
    let mut client = Probing::connect(&server.socket);
    client.ask(json!({ "command": "status" }));
    client.probe(json!({ "what": "stats", "of": "weight" }));
}

#[test]
fn every_length_has_its_limit() {
    let server = answering();
    let endless = throw(&server.socket, &vec![b'x'; 3 << 20]);
    assert!(endless.contains("more than 65536 bytes"), "{endless}");
    let mut client = Probing::connect(&server.socket);
    let nested = "[".repeat(30_000);
    let (answer, _) = client.send(json!({ "command": "probe", "what": nested }), &[]);
    assert_eq!(answer["outcome"], "error");
    for (request, why) in [
        (json!({ "command": "probe", "what": "forward", "input": { "image": [3, 60_000, 60_000] } }), "are the most"),
        (json!({ "command": "probe", "what": "forward", "input": { "image": [4, 8, 8] } }), "[3, H, W]"),
        (json!({ "command": "probe", "what": "forward", "input": { "image": [3, 8, 8] } }), "768 bytes"),
        (json!({ "command": "probe", "what": "forward", "input": { "pair": 0, "image": [3, 8, 8] } }), "`input` is"),
        (json!({ "command": "probe", "what": "forward", "input": { "pair": 0 } }), "nothing is held out"),
        (json!({ "command": "probe", "what": "list", "of": "weight", "glob": "x".repeat(600) }), "are the most"),
        (json!({ "command": "probe", "what": "stats", "of": "weight", "glob": "nothing*" }), "`list` names all"),
        (json!({ "command": "probe", "what": "gradient-norms", "steps": 0 }), "from 1 to"),
        (json!({ "command": "step", "n": 0 }), "from 1 to"),
        (
            json!({ "command": "probe", "what": "tensor", "of": "weight", "name": "generator/model.1.weigth" }),
            "did you mean `generator/model.1.weight`?",
        ),
        (json!({ "command": "probe", "what": "forward", "input": { "pair": 0 }, "taps": vec!["*"; 65] }), "64"),
    ] {
        let said = client.refused(request);
        assert!(said.contains(why), "{said}");
    }
    let (answer, _) = client.send(json!({ "command": "status", "bytes": 8 }), &[1.0, 2.0]);
    assert!(answer["message"].as_str().unwrap().contains("takes 0 bytes"), "{answer}");
    let huge = json!({ "command": "probe", "what": "forward", "input": { "image": [3, 2000, 1000] } });
    let (answer, _) = client.send(huge, &vec![0.0; 6_000_000]);
    assert!(answer["message"].as_str().unwrap().contains("more memory"), "{answer}");
    client.ask(json!({ "command": "status" }));
}

#[test]
fn slow_and_vanished_clients_hold_nobody_up() {
    let server = answering();
    let forward = json!({
        "version": 1, "command": "probe", "what": "forward", "input": { "image": [3, 256, 256] }, "taps": ["*"],
        "bytes": 4 * 3 * 256 * 256,
    });
    let mut message = format!("{forward}\n").into_bytes();
    message.extend(vec![0; 4 * 3 * 256 * 256]);
    // Megabytes for each of them, which none reads; and half of a question, whose rest never comes.
    let mut held = Vec::new();
    for round in 0..20 {
        let mut stream = UnixStream::connect(&server.socket).unwrap();
        let end = if round % 2 == 0 { message.len() } else { message.len() / 2 };
        stream.write_all(&message[..end]).unwrap();
        if round < 10 {
            held.push(stream);
        }
    }
    let mut client = Probing::connect(&server.socket);
    for _ in 0..20 {
        client.ask(json!({ "command": "status" }));
        client.probe(json!({ "what": "stats", "of": "weight" }));
    }
    // More clients than there are seats: the last is told, and the seats are free again when they go.
    held.extend((0..40).map(|_| UnixStream::connect(&server.socket).unwrap()));
    crate::trainer::wait_until(|| {
        let back = throw(&server.socket, b"{\"command\":\"status\"}\n");
        back.contains("close one of them")
    });
    drop(held);
    crate::trainer::wait_until(|| throw(&server.socket, b"{\"command\":\"status\"}\n").contains("\"ok\""));
}
