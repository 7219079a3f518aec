//! Whatever comes to the hub's socket: an error, and the next one is served.

use super::*;

/// Everything that the hub says to these bytes.
fn said(notebook: &Notebook, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(notebook.hub.socket()).unwrap();
    // What refuses may close before all of it is written.
    stream.write_all(bytes).ok();
    stream.shutdown(Shutdown::Write).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A generator that is the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }
}

#[test]
fn requests_that_make_no_sense_are_told_why() {
    let notebook = Notebook::new();
    for (request, told) in [
        ("{\"version\":1}\n", "no text `ask`"),
        ("{\"version\":1,\"ask\":\"dance\"}\n", "unknown question `dance`"),
        ("{\"version\":1,\"ask\":\"run\"}\n", "no text `name`"),
        ("{\"version\":1,\"ask\":\"sql\",\"query\":5}\n", "no text `query`"),
        ("{\"version\":1,\"ask\":\"sql\",\"query\":\"select 1\"}\n", "names no table"),
        ("{\"version\":7,\"ask\":\"hello\"}\n", "version 7"),
        ("{\"version\":1,\"ask\":\"hello\",\"bytes\":1e99}\n", "bytes can follow"),
        ("\n", "not a request"),
        ("hello", "no end"),
    ] {
        let said = said(&notebook, request.as_bytes());
        assert!(said.contains("\"outcome\":\"error\"") && said.contains(told), "{request}: {said}");
    }
    let long = format!("{{\"version\":1,\"ask\":\"{}\"}}\n", "x".repeat(70_000));
    assert!(said(&notebook, long.as_bytes()).contains("longer than"));
    let two = said(&notebook, b"{\"version\":1,\"ask\":\"hello\"}\n{\"version\":1,\"ask\":\"x\"}\n");
    assert!(two.lines().count() == 2 && two.contains("\"session\":null"), "{two}");
}

#[test]
fn random_and_mutated_requests_never_stop_the_hub() {
    let notebook = Notebook::new();
    let session = recorded(notebook.root.path(), "run", 2);
    let good = [
        "{\"version\":1,\"ask\":\"hello\"}\n".to_owned(),
        "{\"version\":1,\"ask\":\"run\",\"name\":\"latest\"}\n".to_owned(),
        format!(
            "{{\"version\":1,\"ask\":\"sql\",\"query\":\"select * from metrics\",\"session\":\"{}\"}}\n",
            session.id()
        ),
        "{\"version\":1,\"ask\":\"show\",\"mime\":\"text/plain\",\"label\":\"x\",\"bytes\":4}\nabcd".to_owned(),
    ];
    let mut dice = Dice(5);
    for round in 0..600 {
        let mut bytes = good[dice.below(good.len())].clone().into_bytes();
        if round % 3 == 0 {
            bytes = (0..dice.below(300)).map(|_| dice.below(256) as u8).collect();
        } else {
            for _ in 0..=dice.below(3) {
                let at = dice.below(bytes.len());
                match dice.below(3) {
                    0 => bytes[at] = dice.below(256) as u8,
                    1 => bytes.insert(at, b"0123456789\"{}[],:-en"[dice.below(20)]),
                    _ => drop(bytes.remove(at)),
                }
            }
        }
        said(&notebook, &bytes);
        notebook.shows.try_iter().for_each(drop);
    }
    assert_eq!(notebook.client.run("latest").id(), session.id());
}

#[test]
fn a_client_too_many_is_refused_and_served_once_another_leaves() {
    let notebook = Notebook::new();
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = UnixStream::connect(notebook.hub.socket()).unwrap();
        stream.write_all(b"{\"version\":1,\"ask\":\"hello\"}\n").unwrap();
        // Its answer says that it is counted.
        assert!(stream.read(&mut [0; 512]).unwrap() > 0);
        open.push(stream);
    }
    let told = message(|| notebook.client.sessions());
    assert!(told.contains("64 connections") || told.contains("broke"), "{told}");
    open.truncate(10);
    until("a place", || catch_unwind(AssertUnwindSafe(|| notebook.client.sessions())).is_ok());
}

#[test]
fn many_cells_are_answered_at_once() {
    let notebook = Notebook::new();
    recorded(notebook.root.path(), "run", 50);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let run = notebook.client.run("run");
                for _ in 0..5 {
                    assert_eq!(run.metrics().series("loss/g").len(), 50);
                }
            });
        }
    });
}
