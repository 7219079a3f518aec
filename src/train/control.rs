//! The control server: commands and probes arrive on the session's socket and wait in a mailbox for the next step
//! boundary. What needs no step, such as a note, is answered at once.
//!
//! Each client has a thread of its own, which reads, waits and writes: one that is slow, or gone, holds up itself alone.

use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use rustix::io::Errno;
use rustix::net::SendFlags;
use tch::TchError;

use crate::session::control::wire::{Garbage, Message, answer_line, read_message};
use crate::session::control::{Probe, Request, Response, Stamp, is_same_user};
use crate::train::learner::Sight;
use crate::train::probe::{Answer, Desk, Digest, Finished};

/// Clients at a time: each may hold an answer of some hundred megabytes.
const MOST_CLIENTS: usize = 32;
/// How long a client may take none of its answer before it is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a client that waits is looked at: whether it is still there.
const LOOK: Duration = Duration::from_millis(250);

/// A command, and where its answer goes.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub request: Request,
    /// The picture that a probe is about.
    pub sight: Option<Sight>,
    /// Where the answer goes. Nobody may be waiting any more.
    pub reply: Sender<Answer>,
    /// Why, where it was no person who asked.
    pub reason: Option<String>,
}

impl Order {
    /// An order that nobody waits for the answer of.
    pub fn because(request: Request, reason: String) -> Self {
        let (reply, _) = bounded(1);
        Self { request, sight: None, reply, reason: Some(reason) }
    }
}

/// Answers what needs no step boundary; none for what does.
pub type Aside = Arc<dyn Fn(&Request) -> Option<Response> + Send + Sync>;

/// Commands that wait for the run.
#[derive(Debug, Clone)]
pub struct Mailbox(Receiver<Order>);

impl Mailbox {
    /// A mailbox and what fills it.
    pub fn new() -> (Sender<Order>, Self) {
        // Unbounded is bounded here: every connection waits for its answer before it asks again.
        let (sender, receiver) = unbounded();
        (sender, Self(receiver))
    }

    /// The next order, if one waits.
    pub fn take(&self) -> Option<Order> {
        self.0.try_recv().ok()
    }

    /// The next order, waiting at most `timeout`.
    pub fn wait(&self, timeout: Duration) -> Option<Order> {
        match self.0.recv_timeout(timeout) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // No server: a paused run without one still waits for signals, and must not spin.
                thread::sleep(timeout);
                None
            }
        }
    }
}

/// What all clients' threads share.
struct Server {
    orders: Sender<Order>,
    aside: Aside,
    desk: Desk,
    clients: AtomicUsize,
}

/// Serve a listening socket until the process ends; one thread a connection, which ends with it. `aside` is asked before
/// a request goes into the mailbox. Gives the mailbox, and what fills it from within the process.
pub fn serve(listener: UnixListener, aside: Aside, desk: Desk) -> io::Result<(Sender<Order>, Mailbox)> {
    let (orders, mailbox) = Mailbox::new();
    let server = Arc::new(Server { orders: orders.clone(), aside, desk, clients: AtomicUsize::new(0) });
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            let server = Arc::clone(&server);
            // A connection that cannot get a thread is closed, which its client reports.
            thread::Builder::new().name("control-client".to_owned()).spawn(move || server.welcome(&stream)).ok();
        }
    })?;
    Ok((orders, mailbox))
}

/// Counts a client for as long as it is there.
struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    fn welcome(&self, stream: &UnixStream) {
        let taken = self.clients.fetch_add(1, Ordering::Relaxed);
        let _seat = Seat(&self.clients);
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).ok();
        let mut writer = BufWriter::new(stream);
        let refusal = match is_same_user(stream) {
            Ok(true) if taken < MOST_CLIENTS => None,
            Ok(true) => Some(format!("{MOST_CLIENTS} clients are connected already: close one of them")),
            Ok(false) => Some("the session belongs to another user".to_owned()),
            Err(error) => Some(format!("whose process this is cannot be told: {error}")),
        };
        match refusal {
            Some(problem) => self.say(&mut writer, &Response::error(problem)),
            None => self.converse(stream, &mut writer),
        }
        .ok();
    }

    /// Answer one client's messages until it hangs up.
    fn converse(&self, stream: &UnixStream, writer: &mut BufWriter<&UnixStream>) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            match read_message(&mut reader)? {
                None => return Ok(()),
                Some(Err(Garbage { problem, lost })) => {
                    self.say(writer, &Response::error(problem))?;
                    if lost {
                        return Ok(());
                    }
                }
                Some(Ok(message)) => {
                    let is_there = || is_connected(stream);
                    if !self.answer(message, &is_there, writer)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Answer one message; false where no answer will come.
    fn answer(
        &self,
        message: Message,
        is_there: &dyn Fn() -> bool,
        writer: &mut BufWriter<&UnixStream>,
    ) -> io::Result<bool> {
        let Message { request, payload } = message;
        if let Some(response) = (self.aside)(&request) {
            self.say(writer, &response)?;
            return Ok(true);
        }
        let (sight, digest) = match &request {
            Request::Probe(probe) => match self.sight(probe, &payload) {
                Ok(sight) => (sight, Some(Digest::of(probe))),
                Err(problem) => {
                    self.say(writer, &Response::error(problem))?;
                    return Ok(true);
                }
            },
            _ => (None, None),
        };
        drop(payload);
        // Unbounded is bounded here too: the training thread gives no more pieces while many are unread.
        let (reply, answers) = unbounded();
        if self.orders.send(Order { request, sight, reply, reason: None }).is_err() {
            return Ok(false);
        }
        let Some(outcome) = gather(&answers, digest, is_there) else { return Ok(false) };
        match outcome {
            Ok(Outcome::Said(response)) => self.say(writer, &response)?,
            Ok(Outcome::Finished(finished)) => self.send(writer, &finished)?,
            Err(error) => self.say(writer, &Response::error(format!("libtorch: {error}")))?,
        }
        Ok(true)
    }

    fn sight(&self, probe: &Probe, payload: &[u8]) -> Result<Option<Sight>, String> {
        match probe {
            Probe::Forward { input, .. } => self.desk.sight(*input, payload).map(Some),
            _ => Ok(None),
        }
    }

    fn stamp(&self, response: &Response) -> Stamp {
        let time = match response {
            Response::Ok { time, .. } => *time,
            Response::Error { .. } => jiff::Timestamp::now(),
        };
        Stamp::of(&self.desk.session, self.desk.source, time)
    }

    fn say(&self, writer: &mut BufWriter<&UnixStream>, response: &Response) -> io::Result<()> {
        let (line, _) = answer_line(response, &self.stamp(response), None, 0);
        writer.write_all(line.as_bytes())?;
        writer.flush()
    }

    fn send(&self, writer: &mut BufWriter<&UnixStream>, finished: &Finished) -> io::Result<()> {
        let stamp = self.stamp(&finished.response);
        let (line, whole) = answer_line(&finished.response, &stamp, Some(&finished.result), finished.bytes());
        writer.write_all(line.as_bytes())?;
        if whole {
            finished.write(writer)?;
        }
        writer.flush()
    }
}

/// The whole of an answer.
enum Outcome {
    Said(Response),
    Finished(Box<Finished>),
}

/// Take an answer's pieces until it is whole; none where the run ends before, or the client has hung up.
fn gather(
    answers: &Receiver<Answer>,
    mut digest: Option<Digest>,
    is_there: &dyn Fn() -> bool,
) -> Option<Result<Outcome, TchError>> {
    loop {
        match answers.recv_timeout(LOOK) {
            Ok(Answer::Said(response)) => return Some(Ok(Outcome::Said(response))),
            Ok(Answer::Piece(piece)) => {
                if let Some(Err(error)) = digest.as_mut().map(|digest| digest.take(&piece)) {
                    return Some(Err(error));
                }
            }
            Ok(Answer::Found(found)) => {
                let finished = digest?.finish(*found);
                return Some(finished.map(|finished| Outcome::Finished(Box::new(finished))));
            }
            // Its own end of the socket closed: nobody waits, and what is under way for it may stop.
            Err(RecvTimeoutError::Timeout) if is_there() => {}
            Err(_) => return None,
        }
    }
}

/// Whether the client still takes answers. Sending nothing asks for just that: a socket that is closed at the other end
/// refuses even that, one that is only done with asking does not.
fn is_connected(stream: &UnixStream) -> bool {
    rustix::net::send(stream, &[], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) != Err(Errno::PIPE)
}
