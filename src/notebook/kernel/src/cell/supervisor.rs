//! Stands between evcxr and the process that runs cells. evcxr reads lines and waits for one of them for ever; here
//! all that a cell writes goes to the kernel as it comes, and evcxr gets its lines and nothing else.

use crate::frame::{self, Frame, PAYLOAD};
use crate::loader::{ROLE, say};
use crate::markers::{Markers, Part};
use crate::{EVCXR_RUNTIME, EVENTS, FOLDER};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

/// What a run may write; more is counted and dropped.
const OUTPUT: u64 = 16 << 20;

struct Supervisor {
    events: File,
    loader: UnixStream,
    said: Vec<u8>,
    out: ChildStdout,
    err: ChildStderr,
    /// Whether nobody can write into them any more.
    closed: [bool; 2],
    /// The run that is on.
    run: Option<Run>,
    /// Whether the run before told of redefined types.
    changed: bool,
    /// Bytes since the run began, and how many of them were over the limit.
    written: u64,
    dropped: u64,
}

struct Run {
    markers: Markers,
    panicked: bool,
    /// Its library could not be loaded.
    unloaded: bool,
}

/// Speaks evcxr's protocol on standard input and output until either end is gone.
pub fn run() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A process group of its own, which the kernel can end with all that a cell has started.
    rustix::process::setpgid(None, None)?;
    let events = std::env::var_os(EVENTS).ok_or_else(|| io::Error::other(format!("{EVENTS} is not set")))?;
    let events = OpenOptions::new().write(true).open(events)?;
    let (mut child, loader) = start_loader()?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("the loader has no pipes"));
    };
    for pipe in [
        rustix::fs::fcntl_setfl(&out, rustix::fs::OFlags::NONBLOCK),
        rustix::fs::fcntl_setfl(&err, rustix::fs::OFlags::NONBLOCK),
    ] {
        pipe?;
    }
    loader.set_nonblocking(true)?;
    let ended = watch(child)?;
    let (changed, written, dropped) = (false, 0, 0);
    let mut supervisor = Supervisor {
        events,
        loader,
        said: Vec::new(),
        out,
        err,
        closed: [false; 2],
        run: None,
        changed,
        written,
        dropped,
    };
    supervisor.send(&Frame::Hello { pid: std::process::id() })?;
    supervisor.serve(ended)
}

fn start_loader() -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let folder = std::env::var_os(FOLDER).filter(|folder| Path::new(folder).is_dir());
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ROLE).env_remove(EVCXR_RUNTIME).env_remove(EVENTS).env_remove(FOLDER);
    for name in ["ATELIER_KERNEL_RUSTC", "ATELIER_KERNEL_SOURCES", "RUST_SRC_PATH"] {
        command.env_remove(name);
    }
    // evcxr turns backtraces on; of a cell they show only generated code.
    command.env_remove("RUST_BACKTRACE");
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let stdin = Stdio::from(OwnedFd::from(theirs));
    Ok((command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?, ours))
}

/// A stream on which the exit status arrives: what is waited for is the process itself, since its pipes may live on in
/// processes that it has started.
fn watch(mut child: Child) -> io::Result<UnixStream> {
    let (read, mut write) = UnixStream::pair()?;
    std::thread::spawn(move || {
        let status = child.wait().map_or(-1, ExitStatus::into_raw);
        let _ = write.write_all(&status.to_le_bytes());
        let _ = write.shutdown(Shutdown::Write);
    });
    Ok(read)
}

impl Supervisor {
    fn serve(&mut self, mut ended: UnixStream) -> io::Result<()> {
        let stdin = rustix::stdio::stdin();
        let mut lines = Vec::new();
        let pause = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };
        loop {
            let (commands, words, out, err, end);
            {
                // A closed pipe is always ready: the watch is asked in its place.
                let mut polled = [
                    PollFd::new(&stdin, PollFlags::IN),
                    PollFd::new(&self.loader, PollFlags::IN),
                    if self.closed[0] {
                        PollFd::new(&ended, PollFlags::IN)
                    } else {
                        PollFd::new(&self.out, PollFlags::IN)
                    },
                    if self.closed[1] {
                        PollFd::new(&ended, PollFlags::IN)
                    } else {
                        PollFd::new(&self.err, PollFlags::IN)
                    },
                    PollFd::new(&ended, PollFlags::IN),
                ];
                let holds = self.run.as_ref().is_some_and(|run| run.markers.holds());
                let timeout = holds.then_some(&pause);
                match poll(&mut polled, timeout) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::INTR) => continue,
                    Err(error) => return Err(error.into()),
                }
                [commands, words, out, err, end] = polled.map(|entry| !entry.revents().is_empty());
            }
            if out {
                self.read_out(1 << 16)?;
            }
            if err {
                self.read_err(1 << 16)?;
            }
            if !(out || err || words)
                && let Some(run) = &mut self.run
            {
                let parts = run.markers.relax();
                self.pass(parts)?;
            }
            if words {
                self.listen()?;
            }
            if end {
                let mut status = [0; 4];
                ended.read_exact(&mut status)?;
                return self.bury(ExitStatus::from_raw(i32::from_le_bytes(status)));
            }
            if commands && !self.command(&mut lines)? {
                // The kernel is gone, or wants this process to go.
                end_group();
            }
        }
    }

    /// evcxr's side. False at its end.
    fn command(&mut self, lines: &mut Vec<u8>) -> io::Result<bool> {
        let mut piece = [0; 4096];
        let count = rustix::io::read(rustix::stdio::stdin(), &mut piece)?;
        lines.extend(&piece[..count]);
        while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = lines.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let mut words = line.trim_end().splitn(2, ' ');
            if words.next() != Some("LOAD_AND_RUN") {
                return Err(io::Error::other(format!("evcxr says what evcxr 0.22.0 does not: {line}")));
            }
            // The path may hold spaces, the name of the function does not.
            let Some((library, function)) = words.next().and_then(|rest| rest.rsplit_once(' ')) else { continue };
            (self.written, self.dropped) = (0, 0);
            self.run = Some(Run { markers: Markers::new(!self.changed), panicked: false, unloaded: false });
            self.send(&Frame::Begin)?;
            self.loader.set_nonblocking(false)?;
            self.loader.write_all(format!("{library}\t{function}\n").as_bytes())?;
            self.loader.set_nonblocking(true)?;
        }
        Ok(count > 0)
    }

    /// The loader's side.
    fn listen(&mut self) -> io::Result<()> {
        let mut piece = [0; 1 << 14];
        loop {
            match self.loader.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => self.said.extend(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The loader is gone; the watch says how.
                Err(_) => break,
            }
        }
        while self.said.len() >= 5 {
            let length = u32::from_le_bytes([self.said[1], self.said[2], self.said[3], self.said[4]]) as usize;
            if self.said.len() < 5 + length {
                break;
            }
            let message: Vec<u8> = self.said.drain(..5 + length).collect();
            self.heard(message[0], &message[5..])?;
        }
        Ok(())
    }

    fn heard(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        match kind {
            say::VALUE => self.pieces(bytes, Frame::Value),
            say::PANIC => {
                if let Some(run) = &mut self.run {
                    run.panicked = true;
                }
                frame::read_panic(bytes).map_or(Ok(()), |panic| self.send(&panic))
            }
            say::FAILED => {
                if let Some(run) = &mut self.run {
                    run.unloaded = true;
                }
                let message = String::from_utf8_lossy(bytes).into_owned();
                self.send(&Frame::Panic { line: 0, column: 0, file: frame::UNLOADED.to_owned(), message })
            }
            say::END => self.over(),
            _ => Ok(()),
        }
    }

    /// The cell's function has returned: everything that it wrote is in the pipes by now.
    fn over(&mut self) -> io::Result<()> {
        self.drain()?;
        let Some(mut run) = self.run.take() else { return Ok(()) };
        let (parts, panicked) = run.markers.finish(run.panicked);
        // What has not run must not pass for done.
        let panicked = panicked || run.unloaded;
        self.pass(parts)?;
        let returned = run.markers.returned;
        self.send(&Frame::End { panicked, returned, dropped: self.dropped })?;
        let mut lines = String::new();
        for name in &run.markers.changed {
            lines += &format!("EVCXR_VARIABLE_CHANGED_TYPE:{name}\n");
        }
        if returned {
            lines += "EVCXR_ERROR_OCCURRED\n";
        }
        if panicked {
            lines += "EVCXR_PANIC_NOTIFICATION\n";
        }
        lines += "EVCXR_EXECUTION_COMPLETE\n";
        self.changed = !run.markers.changed.is_empty();
        (self.written, self.dropped) = (0, 0);
        io::stdout().write_all(lines.as_bytes())?;
        io::stdout().flush()
    }

    /// The loader is gone, and so is this process, with all that the cell has started.
    fn bury(&mut self, status: ExitStatus) -> io::Result<()> {
        self.listen()?;
        self.drain()?;
        if let Some(mut run) = self.run.take() {
            let (parts, _) = run.markers.finish(false);
            self.pass(parts)?;
        }
        self.send(&Frame::Died { code: status.code(), signal: status.signal() })?;
        end_group();
        Ok(())
    }

    /// What is in the pipes now; others may keep writing into them.
    fn drain(&mut self) -> io::Result<()> {
        let waiting = rustix::io::ioctl_fionread(&self.out).unwrap_or(0);
        if waiting > 0 {
            self.read_out(waiting)?;
        }
        let waiting = rustix::io::ioctl_fionread(&self.err).unwrap_or(0);
        if waiting > 0 {
            self.read_err(waiting)?;
        }
        Ok(())
    }

    fn read_out(&mut self, most: u64) -> io::Result<()> {
        let (bytes, closed) = read_some(&mut self.out, most);
        self.closed[0] |= closed;
        let parts = match &mut self.run {
            Some(run) => run.markers.push(&bytes),
            None => vec![Part::Text(bytes)],
        };
        self.pass(parts)
    }

    fn read_err(&mut self, most: u64) -> io::Result<()> {
        let (bytes, closed) = read_some(&mut self.err, most);
        self.closed[1] |= closed;
        self.output(&bytes, Frame::Stderr)
    }

    fn pass(&mut self, parts: Vec<Part>) -> io::Result<()> {
        for part in parts {
            match part {
                Part::Text(bytes) => self.output(&bytes, Frame::Stdout)?,
                Part::Value(bytes) => self.pieces(&bytes, Frame::Value)?,
            }
        }
        Ok(())
    }

    fn output(&mut self, bytes: &[u8], kind: fn(Vec<u8>) -> Frame) -> io::Result<()> {
        let room = OUTPUT.saturating_sub(self.written).min(bytes.len() as u64);
        self.written += room;
        self.dropped += bytes.len() as u64 - room;
        self.pieces(&bytes[..room as usize], kind)
    }

    fn pieces(&mut self, bytes: &[u8], kind: fn(Vec<u8>) -> Frame) -> io::Result<()> {
        bytes.chunks(PAYLOAD).try_for_each(|piece| self.send(&kind(piece.to_vec())))
    }

    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.events.write_all(&frame.encode())
    }
}

/// Up to so many bytes of what is there, and whether there will be no more.
fn read_some(from: &mut impl Read, most: u64) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let read = from.take(most).read_to_end(&mut bytes);
    // An error is that of an empty pipe.
    let closed = read.is_ok_and(|count| (count as u64) < most);
    (bytes, closed)
}

/// Ends this process and everything in its group.
fn end_group() {
    if let Some(pid) = Pid::from_raw(std::process::id() as i32) {
        let _ = rustix::process::kill_process_group(pid, Signal::KILL);
    }
}
