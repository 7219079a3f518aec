//! The control server: commands arrive on the session's socket and wait in a mailbox for the next step boundary. What
//! needs no step, such as a note, is answered at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use crate::session::control::{LINE_LIMIT, Request, Response};

/// A command, and where its answer goes.
#[derive(Debug)]
pub struct Order {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes. Nobody may be waiting any more.
    pub reply: Sender<Response>,
    /// Why, where it was no person who asked.
    pub reason: Option<String>,
}

impl Order {
    /// An order that nobody waits for the answer of.
    pub fn because(request: Request, reason: String) -> Self {
        let (reply, _) = bounded(1);
        Self { request, reply, reason: Some(reason) }
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
    pub fn wait(&self, timeout: std::time::Duration) -> Option<Order> {
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

/// Serve a listening socket until the process ends; one thread a connection, which ends with it. `aside` is asked before
/// a request goes into the mailbox. Gives the mailbox, and what fills it from within the process.
pub fn serve(listener: UnixListener, aside: Aside) -> std::io::Result<(Sender<Order>, Mailbox)> {
    let (orders, mailbox) = Mailbox::new();
    let sender = orders.clone();
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            let (sender, aside) = (sender.clone(), Arc::clone(&aside));
            // A connection that cannot get a thread is closed, which its client reports.
            thread::Builder::new()
                .name("control-client".to_owned())
                .spawn(move || converse(stream, &sender, &aside))
                .ok();
        }
    })?;
    Ok((orders, mailbox))
}

/// Answer one client's lines until it hangs up.
fn converse(stream: UnixStream, sender: &Sender<Order>, aside: &Aside) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        // A line that never ends is no request.
        match reader.by_ref().take(LINE_LIMIT as u64).read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let parsed = Request::parse(&line);
        let response = match parsed.map(|request| (aside(&request), request)) {
            Ok((Some(response), _)) => response,
            Ok((None, request)) => {
                let (reply, answer) = bounded(1);
                if sender.send(Order { request, reply, reason: None }).is_err() {
                    return;
                }
                match answer.recv() {
                    Ok(response) => response,
                    Err(_) => return,
                }
            }
            Err(problem) => Response::error(problem),
        };
        if writer.write_all(response.to_line().as_bytes()).is_err() {
            return;
        }
    }
}
