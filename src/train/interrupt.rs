//! Signals: the first asks the run to stop well, the second ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

/// Exit status of a process that a second signal ended, as a shell reports SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Whether someone asked the process to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// One that no signal reaches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Take SIGINT and SIGTERM, and SIGHUP unless `detached` (a detached run has no terminal to lose). A second SIGINT or
    /// SIGTERM ends the process at once. SIGXFSZ is taken too and does nothing: a file that reaches a limit (`ulimit -f`)
    /// is then an error of the write, as a full disk is, and not the end of the run.
    pub fn from_signals(detached: bool) -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the shutdown looks at the flag before the line below it sets it.
            flag::register_conditional_shutdown(signal, EXIT_INTERRUPTED, Arc::clone(&interrupt.asked))?;
            interrupt.register(signal)?;
        }
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        if detached {
            // A handler that does nothing, instead of the default that kills.
            flag::register(SIGHUP, Arc::new(AtomicBool::new(false)))?;
        } else {
            interrupt.register(SIGHUP)?;
        }
        Ok(interrupt)
    }

    fn register(&self, signal: i32) -> io::Result<()> {
        flag::register_usize(signal, Arc::clone(&self.signal), signal as usize)?;
        flag::register(signal, Arc::clone(&self.asked))?;
        Ok(())
    }

    /// Ask as a signal would.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    /// Why the run should stop now, if it should.
    pub fn reason(&self) -> Option<&'static str> {
        if !self.asked.load(Ordering::SeqCst) {
            return None;
        }
        Some(match self.signal.load(Ordering::SeqCst) as i32 {
            SIGINT => "interrupted (Ctrl-C)",
            SIGTERM => "terminated (SIGTERM)",
            SIGHUP => "the terminal went away (SIGHUP)",
            _ => "asked to stop",
        })
    }
}
