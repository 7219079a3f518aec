//! What a plain `atelier train` shows: one live line on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::alerts;
use crate::config::Notify;
use crate::record::{At, Event, Recorder};

/// Between plain lines, where the output is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// Weight of the newest step in the shown speed.
const SPEED_WEIGHT: f64 = 0.1;

/// A [`Recorder`] that shows instead of keeping.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    epochs: i64,
    steps: i64,
    state: Mutex<Shown>,
}

#[derive(Debug)]
struct Shown {
    images_per_sec: f64,
    step_seconds: f64,
    last_plain: Option<Instant>,
}

impl Progress {
    /// Progress over `steps` steps that make `epochs` epochs.
    pub fn new(steps: i64, epochs: i64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(
            Some(steps as u64),
            if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() },
        );
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}") {
            bar.set_style(style.progress_chars("━╸─"));
        }
        let state = Mutex::new(Shown { images_per_sec: 0.0, step_seconds: 0.0, last_plain: None });
        Self { bar, terminal, epochs, steps, state }
    }

    /// Print a line above the live one.
    pub fn line(&self, text: &str) {
        if self.terminal {
            self.bar.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }

    /// Ring and notify through the terminal, if there is one.
    pub fn notify(&self, notify: &[Notify], message: &str) {
        if self.terminal {
            let sequence = alerts::terminal_sequence(notify, message, std::env::var_os("TMUX").is_some());
            self.bar.suspend(|| eprint!("{sequence}"));
        }
    }

    /// Leave the terminal as it was found.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn step(&self, at: At, values: &[(&str, f64)]) {
        let find = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
        let (Some(speed), Some(seconds)) = (find("speed/images_per_sec"), find("time/step_seconds")) else { return };
        let Ok(mut shown) = self.state.lock() else { return };
        let blend = |old: f64, new: f64| if old == 0.0 { new } else { old + SPEED_WEIGHT * (new - old) };
        shown.images_per_sec = blend(shown.images_per_sec, speed);
        shown.step_seconds = blend(shown.step_seconds, seconds);
        let eta = Duration::from_secs_f64((shown.step_seconds * (self.steps - at.step).max(0) as f64).clamp(0.0, 1e9));
        let losses: Vec<String> = [("G", "loss/g"), ("D", "loss/d"), ("loss", "loss/total")]
            .iter()
            .filter_map(|(label, series)| Some(format!("{label} {:.3}", find(series)?)))
            .collect();
        let message = format!(
            "epoch {:.1}/{}  {}  {:.1} img/s  eta {}",
            at.epoch,
            self.epochs,
            losses.join("  "),
            shown.images_per_sec,
            short(eta)
        );
        self.bar.set_position(at.step as u64);
        if self.terminal {
            self.bar.set_message(message);
        } else if at.step == self.steps || shown.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) {
            shown.last_plain = Some(Instant::now());
            eprintln!("step {}/{}  {message}", at.step, self.steps);
        }
    }

    fn validation(&self, at: At, values: &[(&str, f64)]) {
        let pairs: Vec<String> = values
            .iter()
            .filter_map(|(name, value)| {
                let metric = name.strip_prefix("val/")?;
                (!metric.starts_with("identity_")).then(|| {
                    let baseline = values.iter().find(|(key, _)| *key == format!("val/identity_{metric}"));
                    match baseline {
                        Some((_, identity)) => format!("{metric} {value:.4} (input as it is: {identity:.4})"),
                        None => format!("{metric} {value:.4}"),
                    }
                })
            })
            .collect();
        if !pairs.is_empty() {
            self.line(&format!("epoch {:.0}  held out: {}", at.epoch, pairs.join("  ")));
        }
    }
}

impl Recorder for Progress {
    fn values(&self, at: At, values: &[(&str, f64)]) {
        self.step(at, values);
        self.validation(at, values);
    }

    fn event(&self, at: At, event: Event) {
        // The rest is in the session; here only what a person at the terminal should not miss.
        let shown = ["resumed", "remark", "step-skipped", "command", "error", "warning", alerts::EVENT];
        let failed = event.kind.ends_with("-failed") || event.kind.ends_with("-damaged");
        if failed || shown.contains(&event.kind.as_str()) {
            self.line(&format!("step {}: {}: {}", at.step, event.kind, event.message));
        }
    }
}

/// `1 h 05 m`, `3 m 20 s`, `12 s`.
fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} m {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let text = |seconds| short(Duration::from_secs(seconds));
        assert_eq!([text(12), text(200), text(3900)], ["12 s", "3 m 20 s", "1 h 05 m"]);
    }
}
