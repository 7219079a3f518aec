//! The thread that writes `events.jsonl` and, about once a second, `summary.json`.
//!
//! An event costs the training thread one send into a bounded channel. While the disk refuses, lines wait here and are
//! tried again, oldest first; those that no longer fit are counted, and the count is an event once writing works again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::{EventLine, mend};
use crate::record::{At, Event};
use crate::session::summary::Board;
use crate::session::{Folder, SessionError};

/// Lines that may wait for the thread, and as many again for the disk.
const WAITING: usize = 4096;
/// Time between summaries.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(1);
/// Kinds that happen often and whose loss in a power failure costs nothing; every other kind is fsynced.
const ROUTINE: [&str; 6] = ["step-skipped", "epoch", "validating", "validation", "sample", "progress"];

enum Message {
    Line(Box<EventLine>),
    Flush(Sender<io::Result<()>>),
}

/// Writes events in the background; dropping it writes the rest and waits.
#[derive(Debug)]
pub struct Journal {
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
    mended: u64,
    path: PathBuf,
}

impl Journal {
    /// Start writing into `folder`, after cutting off a line that a crash tore.
    pub fn open(folder: &Folder, board: Arc<Board>) -> Result<Self, SessionError> {
        let path = folder.events();
        let file = Folder::append(&path).map_err(SessionError::io("open", &path))?;
        let mended = mend(&file).map_err(SessionError::io("mend", &path))?;
        let (sender, receiver) = bounded(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            file,
            folder: folder.clone(),
            board,
            waiting: VecDeque::new(),
            dropped: Arc::clone(&dropped),
            failing: None,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&receiver))
            .map_err(SessionError::io("start the thread that writes", &path))?;
        Ok(Self { sender: Some(sender), thread: Some(thread), dropped, mended, path })
    }

    /// Bytes of a torn line that were cut off at the start.
    pub fn mended(&self) -> u64 {
        self.mended
    }

    /// Write `line`. Never blocks; a line that nobody has room for is counted.
    pub fn append(&self, line: EventLine) {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.try_send(Message::Line(Box::new(line))).is_ok());
        if !sent {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wait until everything appended so far, and the summary, are on the disk.
    pub fn flush(&self) -> Result<(), SessionError> {
        self.wait().map_err(SessionError::io("write", &self.path))
    }

    fn wait(&self) -> io::Result<()> {
        let gone = || io::Error::other("the thread that writes events is gone");
        let (reply, answer) = bounded(1);
        self.sender.as_ref().ok_or_else(gone)?.send(Message::Flush(reply)).map_err(|_closed| gone())?;
        answer.recv().map_err(|_closed| gone())?
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has nothing to add to the events it failed to write.
            thread.join().ok();
        }
    }
}

struct Writer {
    file: File,
    folder: Folder,
    board: Arc<Board>,
    waiting: VecDeque<EventLine>,
    dropped: Arc<AtomicU64>,
    failing: Option<io::Error>,
}

impl Writer {
    fn run(mut self, receiver: &Receiver<Message>) {
        let mut summary_due = Instant::now() + SUMMARY_INTERVAL;
        loop {
            let message = receiver.recv_deadline(summary_due);
            match message {
                Ok(Message::Line(line)) => {
                    if self.waiting.len() >= WAITING {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                    } else {
                        self.waiting.push_back(*line);
                    }
                    self.write_waiting();
                }
                Ok(Message::Flush(reply)) => {
                    self.write_waiting();
                    self.board.save(&self.folder);
                    let flushed = match self.failing.take() {
                        Some(error) => Err(error),
                        None => self.file.sync_data(),
                    };
                    reply.send(flushed).ok();
                }
                Err(RecvTimeoutError::Timeout) => self.write_waiting(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.write_waiting();
                    self.board.save(&self.folder);
                    return;
                }
            }
            // Also when events come without a pause.
            if Instant::now() >= summary_due {
                self.board.save(&self.folder);
                summary_due = Instant::now() + SUMMARY_INTERVAL;
            }
        }
    }

    fn write_waiting(&mut self) {
        while let Some(line) = self.waiting.front() {
            if let Err(error) = write_line(&self.file, line) {
                self.failing = Some(error);
                return;
            }
            self.failing = None;
            self.waiting.pop_front();
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let (at, generation) = self.board.position();
            let event = Event::new("events-dropped", format!("{dropped} events could not be written and are lost"))
                .with("count", dropped);
            let at = at.unwrap_or(At { step: 0, epoch: 0.0 });
            if write_line(&self.file, &EventLine::new(self.board.now(), at, generation, event)).is_err() {
                self.dropped.fetch_add(dropped, Ordering::Relaxed);
            }
        }
    }
}

/// One line, one write. When the disk takes only a part of it, that part is taken back, so that no line is torn in the
/// middle of the file.
fn write_line(mut file: &File, line: &EventLine) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    let before = file.metadata()?.len();
    let written = loop {
        match file.write(&text) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    if written < text.len() {
        file.set_len(before)?;
        return Err(io::Error::new(io::ErrorKind::StorageFull, "the disk took only a part of an event"));
    }
    if ROUTINE.contains(&line.kind.as_str()) {
        return Ok(());
    }
    // Taken back too when it does not reach the disk: it will be written again, and must not be there twice.
    file.sync_data().inspect_err(|_error| {
        file.set_len(before).ok();
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Clock;
    use crate::session::events::read;

    fn line(step: i64) -> EventLine {
        EventLine::new(jiff::Timestamp::now(), At { step, epoch: 0.0 }, 0, Event::new("checkpoint", "saved"))
    }

    fn writer(folder: &Folder, file: File) -> Writer {
        Writer {
            file,
            folder: folder.clone(),
            board: Arc::new(Board::new(Clock::start(), 0, None)),
            waiting: VecDeque::new(),
            dropped: Arc::new(AtomicU64::new(0)),
            failing: None,
        }
    }

    #[test]
    fn what_a_full_disk_refuses_waits_and_is_written_in_order_when_there_is_room() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let mut writer = writer(&folder, File::options().append(true).open("/dev/full").unwrap());
        writer.waiting.extend([line(1), line(2)]);
        writer.dropped.store(7, Ordering::Relaxed);
        writer.write_waiting();
        assert_eq!(writer.failing.as_ref().unwrap().kind(), io::ErrorKind::StorageFull);
        assert_eq!(writer.waiting.len(), 2);

        writer.file = Folder::append(&folder.events()).unwrap();
        writer.waiting.push_back(line(3));
        writer.write_waiting();
        assert!(writer.failing.is_none());
        let events = read(&folder.events()).unwrap();
        assert_eq!(events.lines.iter().map(|line| line.step).take(3).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!((events.lines[3].kind.as_str(), &events.lines[3].fields["count"]), ("events-dropped", &7.into()));
    }

    #[test]
    fn flushing_to_a_full_disk_is_an_error_that_names_the_file_and_appending_is_not() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        std::os::unix::fs::symlink("/dev/full", folder.events()).unwrap();
        let journal = Journal::open(&folder, Arc::new(Board::new(Clock::start(), 0, None))).unwrap();
        for step in 0..10_000 {
            journal.append(line(step));
        }
        let error = journal.flush().unwrap_err().to_string();
        assert!(error.contains("events.jsonl") && error.contains("free some space"), "{error}");
    }
}
