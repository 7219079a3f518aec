//! The kernel's process: found, started, told, listened to, ended. Whatever it does (nothing, garbage, death), this end
//! stays whole and says so.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::hub::Show;
use super::kernel_client::{Happening, Missing, News};
use super::protocol::{Event, Request, What};

/// The kernel's program.
const PROGRAM: &str = "atelier-kernel";
/// Names the kernel's program to use instead.
pub const PROGRAM_ENV: &str = "ATELIER_KERNEL";
/// The socket by which cells reach what is recorded.
pub const HUB_ENV: &str = "ATELIER_HUB";
/// The longest line that is read; one event is far shorter.
const LONGEST_LINE: u64 = 8 << 20;
/// How long it may take to end in order.
const GRACE: Duration = Duration::from_millis(250);
/// Bytes that are kept of what it complains of.
const COMPLAINTS: usize = 4 << 10;

/// How the kernel is started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The program; looked for when absent.
    pub program: Option<PathBuf>,
    /// The hub's socket.
    pub hub: Option<PathBuf>,
    /// What cells show.
    pub shows: Option<Receiver<Show>>,
}

/// A kernel that runs. It ends with this handle.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Gone when it is to end.
    requests: Option<Sender<Request>>,
}

/// Find the kernel's program: named by the environment, beside this program, where a build leaves it, on the path.
///
/// # Errors
/// There is none, with what to do about it.
pub fn find() -> Result<PathBuf, Missing> {
    let named = std::env::var_os(PROGRAM_ENV).map(PathBuf::from);
    if let Some(named) = named {
        return if is_program(&named) {
            Ok(named)
        } else {
            Err(Missing {
                what: format!("{PROGRAM_ENV} names {}, which is no program", named.display()),
                help: format!("correct or unset {PROGRAM_ENV}"),
            })
        };
    }
    let own = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    candidates(&own, std::env::split_paths(&path)).find(|path| is_program(path)).ok_or_else(|| Missing {
        what: format!("{PROGRAM}, which runs cells, is not installed"),
        help: format!("build it with `just kernel`, or put {PROGRAM} beside atelier or on the PATH"),
    })
}

/// Where it may be, best first.
fn candidates(own: &Path, path: impl Iterator<Item = PathBuf>) -> impl Iterator<Item = PathBuf> {
    let beside = own.parent().map(|folder| folder.join(PROGRAM));
    // Built unoptimised it takes most of a minute to start: the optimised one is taken even beside a debug build.
    let built =
        own.ancestors().nth(2).filter(|folder| folder.ends_with("target")).map(|it| it.join("release").join(PROGRAM));
    let deps =
        own.ancestors().nth(3).filter(|folder| folder.ends_with("target")).map(|it| it.join("release").join(PROGRAM));
    built.into_iter().chain(deps).chain(beside).chain(path.map(|folder| folder.join(PROGRAM)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

impl Process {
    /// Start it; what it says goes to `tell`, from a thread of its own.
    ///
    /// # Errors
    /// It cannot be started, with what to do about it.
    pub fn start(
        setup: &Setup,
        generation: u64,
        tell: impl Fn(News) -> bool + Send + 'static,
    ) -> Result<Self, Missing> {
        let program = match &setup.program {
            Some(program) => program.clone(),
            None => find()?,
        };
        let mut command = Command::new(&program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(hub) = &setup.hub {
            command.env(HUB_ENV, hub);
        }
        // Ctrl-C in the terminal is for the dashboard, which says what becomes of the kernel.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let failed = |error: io::Error| Missing {
            what: format!("{} cannot be started: {error}", program.display()),
            help: "build it anew with `just kernel`".to_owned(),
        };
        let mut child = command.spawn().map_err(failed)?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let complaints = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&complaints);
        let (silent, silence) = bounded::<()>(1);
        let (requests, asked) = unbounded::<Request>();
        let threads = || -> io::Result<()> {
            let name = |what: &str| std::thread::Builder::new().name(format!("kernel {what}"));
            name("stderr").spawn(move || {
                listen_to_complaints(stderr, &heard);
                silent.send(()).ok();
            })?;
            name("stdin").spawn(move || write_requests(stdin, &asked))?;
            let shows = setup.shows.clone();
            name("stdout").spawn(move || {
                read_events(stdout, generation, shows.as_ref(), &tell);
                // Its last words may still be on their way; what it left behind may hold its standard error for ever.
                silence.recv_timeout(GRACE).ok();
                let said = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                let said = String::from_utf8_lossy(&said).trim().to_owned();
                tell(News { generation, what: Happening::Ended(said) });
            })?;
            Ok(())
        };
        if let Err(error) = threads() {
            child.kill().ok();
            child.wait().ok();
            return Err(failed(error));
        }
        Ok(Self { child, requests: Some(requests) })
    }

    /// Tell it something. A kernel that is gone says so by itself.
    pub fn send(&self, request: &Request) {
        self.requests.iter().for_each(|requests| drop(requests.send(request.clone())));
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        Some(match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with code {code}"),
            (None, Some(signal)) => format!("signal {signal} ended it"),
            (None, None) => "it ended".to_owned(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A kernel that nobody asks any more ends its cells' process and then itself; one that does not is ended.
        self.requests = None;
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(GRACE / 50);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn write_requests(mut stdin: impl io::Write, asked: &Receiver<Request>) {
    for request in asked {
        let Ok(mut line) = serde_json::to_vec(&request) else { continue };
        line.push(b'\n');
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn listen_to_complaints(mut stderr: impl Read, heard: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    loop {
        match stderr.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend_from_slice(&piece[..count]);
                let surplus = heard.len().saturating_sub(COMPLAINTS);
                heard.drain(..surplus);
            }
        }
    }
}

/// Tell every line as what it is, until there are no more. What cells show comes another way, and before the end of the
/// cell that shows it.
fn read_events(stdout: impl Read, generation: u64, shows: Option<&Receiver<Show>>, tell: &impl Fn(News) -> bool) {
    let mut lines = BufReader::with_capacity(1 << 16, stdout);
    let mut line = Vec::new();
    let shown = || {
        for show in shows.into_iter().flat_map(Receiver::try_iter) {
            tell(News { generation, what: Happening::Shown(Box::new(show.output())) });
        }
    };
    loop {
        line.clear();
        match (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE && skip_line(&mut lines).is_err() {
            break;
        }
        shown();
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let what = if let Ok(event) = serde_json::from_slice::<Event>(text) {
            Happening::Said(event)
        } else {
            let begin = String::from_utf8_lossy(&text[..text.len().min(200)]);
            Happening::Garbled(crate::session::notebook::plain::plain(&begin))
        };
        if !tell(News { generation, what }) {
            return;
        }
    }
    shown();
}

fn skip_line(lines: &mut impl BufRead) -> io::Result<()> {
    loop {
        let piece = lines.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(piece.len(), |at| at + 1);
        lines.consume(count);
        if end.is_some() {
            return Ok(());
        }
    }
}

/// Whether an event is the last of its request.
pub fn is_last(event: &Event) -> bool {
    matches!(event.what, What::Done { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notebook::protocol::{Op, Status};
    use std::os::unix::fs::PermissionsExt as _;

    /// A program that stands for the kernel.
    fn kernel(folder: &Path, script: &str) -> Setup {
        let program = folder.join(PROGRAM);
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        Setup { program: Some(program), ..Setup::default() }
    }

    fn start(setup: &Setup) -> (Process, Receiver<News>) {
        let (sender, news) = unbounded();
        let tell = move |it| sender.send(it).is_ok();
        // Another test may hold the script open for writing in a child between fork and exec.
        let process = loop {
            match Process::start(setup, 7, tell.clone()) {
                Err(missing) if missing.what.contains("busy") => std::thread::yield_now(),
                started => break started.unwrap(),
            }
        };
        (process, news)
    }

    fn next(news: &Receiver<News>) -> Happening {
        let it = news.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(it.generation, 7);
        it.what
    }

    #[test]
    fn what_is_asked_arrives_and_what_is_said_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo '{\"id\":0,\"event\":\"status\",\"status\":\"ready\",\"ms\":5}'\nread line\n\
                      case \"$line\" in *'\"op\":\"exec\"'*) echo '{\"id\":1,\"event\":\"value\",\"text\":\"3\"}';; esac\n\
                      echo \"hub $ATELIER_HUB\"";
        let (process, news) = start(&Setup { hub: Some("/run/hub".into()), ..kernel(folder.path(), script) });
        let Happening::Said(Event { what: What::Status { status: Status::Ready, ms: Some(5), .. }, .. }) = next(&news)
        else {
            panic!()
        };
        process.send(&Request { id: 1, op: Op::Exec { code: "1 + 2".to_owned() } });
        assert_eq!(next(&news), Happening::Said(Event { id: 1, what: What::Value { text: "3".to_owned() } }));
        assert_eq!(next(&news), Happening::Garbled("hub /run/hub".to_owned()));
        assert_eq!(next(&news), Happening::Ended(String::new()));
    }

    #[test]
    fn garbage_and_death_are_told_with_the_last_complaint() {
        let folder = tempfile::tempdir().unwrap();
        let script = "printf 'no\\033[2Jjson\\n\\n{\"id\":1}\\n\\377\\n'\nhead -c 9000000 /dev/zero | tr '\\0' x\necho\n\
                      echo '{\"id\":0,\"event\":\"stdout\",\"text\":\"after\"}'\necho 'thread panicked' >&2\nexit 3";
        let (mut process, news) = start(&kernel(folder.path(), script));
        assert_eq!(next(&news), Happening::Garbled("nojson".to_owned()));
        assert_eq!(next(&news), Happening::Garbled("{\"id\":1}".to_owned()));
        assert_eq!(next(&news), Happening::Garbled("\u{fffd}".to_owned()));
        assert_eq!(next(&news), Happening::Garbled("x".repeat(200)), "9 MB in one line");
        assert!(matches!(next(&news), Happening::Said(Event { what: What::Stdout { .. }, .. })), "and it goes on");
        assert_eq!(next(&news), Happening::Ended("thread panicked".to_owned()));
        process.child.wait().unwrap();
        assert_eq!(process.ended().as_deref(), Some("it ended with code 3"));
    }

    #[test]
    fn a_kernel_that_is_let_go_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (process, news) = start(&kernel(folder.path(), "echo $$\nexec sleep 1000"));
        let Happening::Garbled(id) = next(&news) else { panic!() };
        drop(process);
        assert_eq!(next(&news), Happening::Ended(String::new()));
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    #[test]
    fn what_a_cell_shows_comes_before_the_cell_is_done() {
        let (sender, shows) = unbounded();
        let show = Show { mime: "text/plain".to_owned(), label: String::new(), bytes: b"hi".to_vec() };
        sender.send(show).unwrap();
        let (told, news) = unbounded();
        let done = "{\"id\":1,\"event\":\"done\",\"ok\":true,\"ms\":1}\n";
        read_events(done.as_bytes(), 7, Some(&shows), &move |it| told.send(it).is_ok());
        assert!(matches!(next(&news), Happening::Shown(_)));
        assert!(matches!(next(&news), Happening::Said(event) if is_last(&event)));
    }

    #[test]
    fn it_is_looked_for_where_it_is_built_beside_and_on_the_path() {
        let all = |own: &str| -> Vec<String> {
            let path = ["/usr/bin".into()].into_iter();
            candidates(Path::new(own), path).map(|it| it.display().to_string()).collect()
        };
        assert_eq!(all("/opt/atelier"), ["/opt/atelier-kernel", "/usr/bin/atelier-kernel"]);
        assert_eq!(
            all("/x/target/debug/atelier"),
            ["/x/target/release/atelier-kernel", "/x/target/debug/atelier-kernel", "/usr/bin/atelier-kernel"]
        );
        let missing =
            Process::start(&Setup { program: Some("/nowhere/kernel".into()), ..Setup::default() }, 1, |_| true);
        let missing = missing.unwrap_err();
        assert!(missing.what.contains("/nowhere/kernel cannot be started"), "{missing:?}");
        assert!(missing.help.contains("just kernel"), "{missing:?}");
    }
}
