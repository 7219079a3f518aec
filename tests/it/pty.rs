//! The real binary in a real pseudo-terminal, with a terminal emulator that tells what a person would see.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::common::PATIENCE;

/// A program in a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    emulator: vt100::Parser,
    /// Every byte that came, for what the emulator does not keep.
    pub bytes: Vec<u8>,
}

impl Terminal {
    /// Start `atelier` with `args` in `directory`, in a terminal of so many columns and rows.
    pub fn start(directory: &Path, args: &[&str], columns: u16, rows: u16) -> Self {
        Self::start_with(directory, args, columns, rows, &[])
    }

    /// The same with more environment variables.
    pub fn start_with(directory: &Path, args: &[&str], columns: u16, rows: u16, more: &[(&str, &str)]) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let screen: OwnedFd = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap().into();
        // Characters of 8 by 16 pixels, as a terminal says that can show pictures.
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 8 * columns, ws_ypixel: 16 * rows };
        tcsetwinsize(&screen, size).unwrap();
        let end = || screen.try_clone().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_atelier"))
            .args(args)
            .current_dir(directory)
            .env("TERM", "xterm-256color")
            .env("XDG_STATE_HOME", directory.join("state"))
            .env_remove("NO_COLOR")
            .env_remove("COLORTERM")
            // What the terminal of whoever runs the tests says of itself.
            .env_remove("TMUX")
            .env_remove("STY")
            .env_remove("TERM_PROGRAM")
            .env_remove("LC_TERMINAL")
            .env_remove("KITTY_WINDOW_ID")
            .env_remove("ATELIER_PICTURES")
            .envs(more.iter().copied())
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        drop(screen);
        let mut keyboard = File::from(keyboard);
        let mut reading = keyboard.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            // An error is the end: the program has closed its side.
            while let Ok(count) = reading.read(&mut bytes) {
                if count == 0 || sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        keyboard.flush().unwrap();
        Self { child, keyboard, output, emulator: vt100::Parser::new(rows, columns, 0), bytes: Vec::new() }
    }

    /// Type.
    pub fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Send what may be no text.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.keyboard.write_all(bytes).unwrap();
    }

    /// Give the terminal another size, as a window that is dragged does.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 8 * columns, ws_ypixel: 16 * rows };
        tcsetwinsize(&self.keyboard, size).unwrap();
        self.emulator.screen_mut().set_size(rows, columns);
        // It is not the program's controlling terminal: the kernel tells nobody.
        self.signal(Signal::WINCH);
    }

    /// What is on the screen now.
    pub fn screen(&self) -> String {
        self.emulator.screen().contents()
    }

    /// Wait until the screen is as wanted.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) {
        let begin = Instant::now();
        while !wanted(&self.screen()) {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("{what} never came; the screen is\n{}", self.screen()),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended before {what}:\n{}", self.screen()),
            }
        }
    }

    /// Wait until a text is on the screen.
    pub fn wait_for_text(&mut self, text: &str) {
        self.wait_for(text, |screen| screen.contains(text));
    }

    fn take(&mut self, bytes: &[u8]) {
        self.emulator.process(bytes);
        self.bytes.extend_from_slice(bytes);
    }

    /// Send a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Wait for its end, taking in all it still says.
    pub fn end(&mut self) -> ExitStatus {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.take(&bytes);
        }
        self.child.wait().unwrap()
    }

    /// Whether the terminal is back as it was: its own screen, the cursor shown, no mouse reports.
    pub fn is_given_back(&self) -> bool {
        let screen = self.emulator.screen();
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
