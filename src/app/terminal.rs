//! The terminal: taken, drawn on, and given back as it was, whatever happens.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::panic::PanicHookInfo;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use crossbeam_channel::Sender;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event as Input, KeyCode,
    KeyEvent, KeyModifiers,
};
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute};
use ratatui::buffer::Buffer;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::effect::Bell;
use crate::app::event::Event;
use crate::app::graphics;
use crate::app::hits::Placed;

mod ink;
mod overlay;
mod painter;

pub(crate) use painter::Painter;
#[cfg(test)]
pub(crate) use painter::Tape;

/// A terminal in our hands.
pub struct Terminal {
    painter: Painter<BufWriter<Stdout>>,
}

/// What a terminal that does not know its own size is taken for.
const UNKNOWN_SIZE: (u16, u16) = (80, 24);

/// Ends a picture that is sent half, where there is one; nothing elsewhere.
const STRING_END: &[u8] = b"\x1b\\";

/// How long ending in order may take when a signal asks for it.
const GRACE: Duration = Duration::from_secs(2);

/// Between two bytes of what a terminal sends by itself there is less time than this, and more between two keys.
const PAUSE: Duration = Duration::from_millis(50);

/// Set to `panic`: fail at the first key, to see that a fault leaves the terminal in order.
const DRILL: &str = "ATELIER_DRILL";

impl Terminal {
    /// Take the terminal, and send what is typed and clicked to `events`.
    pub fn enter(events: &Sender<Event>) -> anyhow::Result<Self> {
        use std::io::IsTerminal as _;
        anyhow::ensure!(
            io::stdout().is_terminal() && io::stdin().is_terminal(),
            "the dashboard needs a terminal for input and output; for pipes and scripts there are `atelier ls --json` \
             and `atelier show ID --json`"
        );
        take().context("take the terminal")?;
        std::panic::set_hook(Box::new(on_panic));
        listen(events.clone())?;
        end_on_signals(events.clone())?;
        let (columns, rows) = crossterm::terminal::size().unwrap_or(UNKNOWN_SIZE);
        events.try_send(Event::Input(Input::Resize(columns, rows))).ok();
        Ok(Self { painter: Painter::new(BufWriter::with_capacity(1 << 16, io::stdout())) })
    }

    /// Give it back.
    pub fn leave(&mut self) -> anyhow::Result<()> {
        self.painter.forget().ok();
        let given = give_back().context("give the terminal back");
        drop(std::panic::take_hook());
        given
    }

    /// Draw a picture: see [`Painter::draw`].
    pub fn draw(&mut self, render: impl FnOnce(&mut Buffer) -> Vec<Placed>) -> io::Result<()> {
        let size = crossterm::terminal::size()?;
        self.painter.draw(if size.0 == 0 || size.1 == 0 { UNKNOWN_SIZE } else { size }, render)
    }

    /// Forget what is shown, so that the next picture is drawn whole.
    pub fn clear(&mut self) {
        self.painter.clear();
    }

    /// To the background of the shell, and back.
    pub fn suspend(&mut self) -> io::Result<()> {
        self.painter.forget()?;
        give_back()?;
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        take()?;
        self.clear();
        Ok(())
    }

    /// Make itself heard: a bell, or a notice of the desktop's.
    pub fn ring(&mut self, bell: &Bell) -> io::Result<()> {
        match bell {
            Bell::Bell => self.painter.tell("\x07"),
            Bell::Notice(text) => {
                let text: String = text.chars().filter(|c| !c.is_control()).collect();
                self.painter.tell(&format!("\x1b]9;{text}\x1b\\"))
            }
        }
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)
}

fn give_back() -> io::Result<()> {
    let left = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        DisableBracketedPaste,
        DisableMouseCapture,
        LeaveAlternateScreen,
        cursor::Show
    );
    disable_raw_mode()?;
    left
}

fn listen(events: Sender<Event>) -> anyhow::Result<()> {
    let read = move || {
        let drill = std::env::var_os(DRILL).is_some_and(|it| it == "panic");
        loop {
            let event = match crossterm::event::read() {
                Ok(Input::Key(key)) if begins_report(&key) => match pass_over_report(&events) {
                    Ok(()) => continue,
                    Err(error) => Event::Gone(error),
                },
                Ok(Input::Key(key)) if drill => panic!("a drill: {DRILL} asked for a fault at the first key, {key:?}"),
                Ok(input @ Input::Resize(..)) => {
                    // Another size may be of other characters: the zoom of the terminal.
                    events.send(Event::Cell(graphics::cell())).ok();
                    Event::Input(input)
                }
                Ok(input) => Event::Input(input),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    events.send(Event::Gone(error)).ok();
                    return;
                }
            };
            if events.send(event).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(read).context("start the thread that reads keys")?;
    Ok(())
}

/// Whether it is no key but the beginning of a string that a terminal sends of itself: its colours, its name, the number
/// of a picture, asked for by a program that has ended meanwhile. Such a string reads like alt and a character, and its
/// letters like keys.
fn begins_report(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::ALT) && matches!(key.code, KeyCode::Char(']' | 'P' | '_' | '^' | 'X'))
}

/// Read to the end of such a string, or to a pause that none of them has: then a person pressed that key.
fn pass_over_report(events: &Sender<Event>) -> io::Result<()> {
    while crossterm::event::poll(PAUSE)? {
        match crossterm::event::read()? {
            Input::Key(KeyEvent { code: KeyCode::Char('\\'), modifiers, .. }) if modifiers == KeyModifiers::ALT => {
                break;
            }
            Input::Key(KeyEvent { code: KeyCode::Char('g'), modifiers, .. }) if modifiers == KeyModifiers::CONTROL => {
                break;
            }
            Input::Key(_) => {}
            other => drop(events.send(Event::Input(other))),
        }
    }
    Ok(())
}

/// A lost link or a polite kill ends the dashboard as `q` does. Sessions have processes of their own and go on.
fn end_on_signals(events: Sender<Event>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("install signal handlers")?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        let word = if signal == SIGHUP { "the terminal hung up" } else { "asked to end by a signal" };
        // Neither waits for room: a terminal that takes nothing any more holds the drawing thread up for good.
        events.try_send(Event::Gone(io::Error::other(word))).ok();
        std::thread::sleep(GRACE);
        signal_hook::low_level::emulate_default_handler(signal).ok();
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("start the thread for signals")?;
    Ok(())
}

/// A fault of ours, in whichever thread: the terminal first, then a few words, and the rest into a file.
fn on_panic(info: &PanicHookInfo<'_>) {
    // Held to the end: a picture that is being written on another thread goes no further.
    let mut screen = io::stdout().lock();
    screen.write_all(STRING_END).ok();
    give_back().ok();
    let thread = std::thread::current();
    let mut report = String::new();
    let version = env!("CARGO_PKG_VERSION");
    writeln!(report, "atelier {version}, thread {}", thread.name().unwrap_or("unnamed")).ok();
    writeln!(report, "{info}\n\n{}", Backtrace::force_capture()).ok();
    let place = match keep(&report) {
        Ok(path) => format!("the report is in {}", path.display()),
        Err(_) => info.to_string(),
    };
    let mut error = io::stderr();
    writeln!(error, "error: the dashboard met a fault of its own and ended; {place}").ok();
    writeln!(error, "Sessions that train go on: open the dashboard again, or see `atelier ls`.").ok();
    std::process::exit(1);
}

/// A report in a file of its own, which nobody else can have put there.
fn keep(report: &str) -> io::Result<PathBuf> {
    let mut file = tempfile::Builder::new().prefix("atelier-fault-").suffix(".txt").tempfile()?;
    file.write_all(report.as_bytes())?;
    Ok(file.keep()?.1)
}
