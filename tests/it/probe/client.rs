//! A client in a few lines: JSON out, JSON and values back.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

pub struct Probing {
    reader: BufReader<UnixStream>,
}

impl Probing {
    /// Connect, as soon as someone listens there.
    pub fn connect(socket: &Path) -> Self {
        let mut stream = None;
        crate::trainer::wait_until(|| {
            stream = UnixStream::connect(socket).ok();
            stream.is_some()
        });
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(crate::common::PATIENCE)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    /// The answer's line and the values after it.
    pub fn send(&mut self, mut request: Value, payload: &[f32]) -> (Value, Vec<f32>) {
        request["version"] = json!(1);
        if !payload.is_empty() {
            request["bytes"] = json!(4 * payload.len());
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(b'\n');
        bytes.extend(payload.iter().flat_map(|value| value.to_le_bytes()));
        self.reader.get_mut().write_all(&bytes).unwrap();
        self.receive()
    }

    pub fn receive(&mut self) -> (Value, Vec<f32>) {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let mut bytes = vec![0; answer["bytes"].as_u64().unwrap_or_default() as usize];
        self.reader.read_exact(&mut bytes).unwrap();
        (answer, bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// An answer that must be a good one.
    pub fn ask(&mut self, request: Value) -> (Value, Vec<f32>) {
        let text = request.to_string();
        let (answer, values) = self.send(request, &[]);
        assert_eq!(answer["outcome"], "ok", "{text}: {answer}");
        for key in ["step", "time", "source", "age_ms", "session", "message"] {
            assert!(!answer[key].is_null(), "{key} is missing of {text}: {answer}");
        }
        (answer, values)
    }

    /// What an answer that must be a refusal says.
    pub fn refused(&mut self, request: Value) -> String {
        let (answer, _) = self.send(request, &[]);
        assert_eq!(answer["outcome"], "error", "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    }

    /// A probe's result and values.
    pub fn probe(&mut self, mut question: Value) -> (Value, Vec<f32>) {
        question["command"] = json!("probe");
        let (mut answer, values) = self.ask(question);
        (answer["result"].take(), values)
    }
}

/// A part of what a forward pass shows.
pub fn part<'a>(result: &Value, values: &'a [f32], name: &str) -> &'a [f32] {
    let parts = result["parts"].as_array().unwrap();
    let part = parts.iter().find(|part| part["name"] == name).unwrap_or_else(|| panic!("no {name} in {parts:?}"));
    let count: u64 = part["shape"].as_array().unwrap().iter().map(|side| side.as_u64().unwrap()).product();
    let begin = part["offset"].as_u64().unwrap() as usize / 4;
    &values[begin..begin + count as usize]
}
