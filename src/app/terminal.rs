//! The terminal: taken, drawn on, and given back as it was, whatever happens.

use std::backtrace::Backtrace;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Stdout, Write as _};
use std::panic::PanicHookInfo;
use std::path::PathBuf;

use anyhow::Context as _;
use crossbeam_channel::Sender;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event as Input,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::effect::Bell;
use crate::app::event::Event;
use crate::app::graphics;
use crate::app::hits::Placed;

mod overlay;

use overlay::Overlay;

/// A terminal in our hands.
pub struct Terminal {
    backend: CrosstermBackend<BufWriter<Stdout>>,
    shown: Buffer,
    next: Buffer,
    overlay: Overlay,
}

/// What a terminal that does not know its own size is taken for.
const UNKNOWN_SIZE: (u16, u16) = (80, 24);

/// Set to `panic`: fail at the first key, to see that a fault leaves the terminal in order.
const DRILL: &str = "ATELIER_DRILL";

impl Terminal {
    /// Take the terminal, and send what is typed and clicked to `events`.
    pub fn enter(events: Sender<Event>) -> anyhow::Result<Self> {
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
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        let nothing = Buffer::empty(Rect::ZERO);
        Ok(Self { backend, shown: nothing.clone(), next: nothing, overlay: Overlay::default() })
    }

    /// Give it back.
    pub fn leave(&mut self) -> anyhow::Result<()> {
        let goodbye = self.overlay.forget();
        self.backend.write_all(goodbye.as_bytes()).ok();
        io::Write::flush(&mut self.backend).ok();
        let given = give_back().context("give the terminal back");
        drop(std::panic::take_hook());
        given
    }

    /// Draw a picture: what differs from the one before is written, in one synchronised update; nothing is if nothing
    /// does. `render` draws the cells and gives the pictures that are laid over them.
    pub fn draw(&mut self, render: impl FnOnce(&mut Buffer) -> Vec<Placed>) -> io::Result<()> {
        let size = self.backend.size()?;
        let (width, height) =
            if size.width == 0 || size.height == 0 { UNKNOWN_SIZE } else { (size.width, size.height) };
        let area = Rect::new(0, 0, width, height);
        let resized = self.shown.area != area;
        if resized {
            self.shown = Buffer::empty(area);
            self.next = Buffer::empty(area);
        }
        self.next.reset();
        let placed = render(&mut self.next);
        let mut before = if resized { self.overlay.forget() } else { String::new() };
        let after = self.overlay.lay(&placed, &mut self.next, &mut before);
        let changed = self.shown.diff(&self.next);
        if changed.is_empty() && before.is_empty() && after.is_empty() && !resized {
            return Ok(());
        }
        queue!(self.backend, BeginSynchronizedUpdate)?;
        if resized {
            queue!(self.backend, crossterm::terminal::Clear(crossterm::terminal::ClearType::All))?;
        }
        self.backend.write_all(before.as_bytes())?;
        self.backend.draw(changed.into_iter())?;
        self.backend.write_all(after.as_bytes())?;
        queue!(self.backend, EndSynchronizedUpdate)?;
        io::Write::flush(&mut self.backend)?;
        std::mem::swap(&mut self.shown, &mut self.next);
        Ok(())
    }

    /// Forget what is shown, so that the next picture is drawn whole.
    pub fn clear(&mut self) -> io::Result<()> {
        self.shown = Buffer::empty(Rect::ZERO);
        Ok(())
    }

    /// To the background of the shell, and back.
    pub fn suspend(&mut self) -> io::Result<()> {
        let goodbye = self.overlay.forget();
        self.backend.write_all(goodbye.as_bytes())?;
        io::Write::flush(&mut self.backend)?;
        give_back()?;
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        take()?;
        self.clear()
    }

    /// Make itself heard: a bell, or a notice of the desktop's.
    pub fn ring(&mut self, bell: &Bell) -> io::Result<()> {
        match bell {
            Bell::Bell => self.backend.write_all(b"\x07")?,
            Bell::Notice(text) => {
                let text: String = text.chars().filter(|c| !c.is_control()).collect();
                write!(self.backend, "\x1b]9;{text}\x1b\\")?;
            }
        }
        io::Write::flush(&mut self.backend)
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

/// A lost link or a polite kill ends the dashboard as `q` does. Sessions have processes of their own and go on.
fn end_on_signals(events: Sender<Event>) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM]).context("install signal handlers")?;
    let wait = move || {
        if let Some(signal) = signals.forever().next() {
            let word = if signal == SIGHUP { "the terminal hung up" } else { "asked to end by a signal" };
            events.send(Event::Gone(io::Error::other(word))).ok();
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(wait).context("start the thread for signals")?;
    Ok(())
}

/// A fault of ours, in whichever thread: the terminal first, then a few words, and the rest into a file.
fn on_panic(info: &PanicHookInfo<'_>) {
    give_back().ok();
    let thread = std::thread::current();
    let mut report = String::new();
    let version = env!("CARGO_PKG_VERSION");
    writeln!(report, "atelier {version}, thread {}", thread.name().unwrap_or("unnamed")).ok();
    writeln!(report, "{info}\n\n{}", Backtrace::force_capture()).ok();
    let path: PathBuf = std::env::temp_dir().join(format!("atelier-fault-{}.txt", std::process::id()));
    let kept = std::fs::write(&path, report).is_ok();
    let place = if kept { format!("the report is in {}", path.display()) } else { info.to_string() };
    let mut error = io::stderr();
    writeln!(error, "error: the dashboard met a fault of its own and ended; {place}").ok();
    writeln!(error, "Sessions that train go on: open the dashboard again, or see `atelier ls`.").ok();
    std::process::exit(1);
}
