//! The telemetry thread.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Sampler;
use crate::record::At;

/// How long a stop waits for a sample under way: a driver in trouble may never answer, and training must still end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the telemetry thread hands to its sink.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading<'a> {
    /// One sample: (series name, value), all finite.
    Values(&'a [(&'a str, f64)]),
    /// Something went wrong, said once: worth an event.
    Remark(&'a str),
}

/// The running telemetry thread; dropping it stops and joins it.
#[derive(Debug)]
pub struct Handle {
    stop: Option<Sender<()>>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// Sample every `interval` on a thread of its own, the first time at once.
///
/// `sink` gets each sample with the position in the run that `position` gives at that moment, and remarks as they
/// arise. A sample that takes longer than the interval delays the next one; none are made up for.
///
/// # Errors
/// The thread could not be started.
pub fn spawn(
    interval: Duration,
    sampler: Sampler,
    sink: impl FnMut(At, Reading<'_>) + Send + 'static,
    position: impl Fn() -> At + Send + 'static,
) -> io::Result<Handle> {
    let (stop, stopped) = bounded(0);
    let (ending, ended) = bounded(0);
    let thread = std::thread::Builder::new().name("telemetry".to_owned()).spawn(move || {
        run(interval, sampler, sink, position, &stopped);
        drop(ending);
    })?;
    Ok(Handle { stop: Some(stop), ended, thread: Some(thread) })
}

fn run(
    interval: Duration,
    mut sampler: Sampler,
    mut sink: impl FnMut(At, Reading<'_>),
    position: impl Fn() -> At,
    stopped: &Receiver<()>,
) {
    let mut next = Instant::now();
    loop {
        let values = sampler.sample();
        let at = position();
        let borrowed: Vec<(&str, f64)> = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        sink(at, Reading::Values(&borrowed));
        for remark in sampler.remarks() {
            sink(at, Reading::Remark(&remark));
        }
        next = (next + interval).max(Instant::now());
        // Nothing is ever sent: the handle's end closes the channel.
        if stopped.recv_deadline(next) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Disconnected)
            && let Some(thread) = self.thread.take()
        {
            // A panic in the sink was printed by the panic hook; there is nobody else to tell.
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Gpu, GpuError, Quantity};
    use super::*;

    struct Failing;

    impl Gpu for Failing {
        fn name(&self) -> String {
            "Failing".to_owned()
        }

        fn quantity(&mut self, quantity: Quantity) -> Result<f64, GpuError> {
            match quantity {
                Quantity::Power => Err(GpuError::Failed("no answer".to_owned())),
                Quantity::Temperature => Ok(f64::NAN),
                Quantity::SmClock => Ok(1980.0),
                _ => Err(GpuError::Unsupported),
            }
        }

        fn activity(&mut self) -> Result<Vec<(&'static str, f64)>, GpuError> {
            Err(GpuError::Unsupported)
        }

        fn processes(&mut self) -> Result<Vec<(u32, Option<u64>)>, GpuError> {
            Err(GpuError::Unsupported)
        }
    }

    #[test]
    fn samples_carry_their_position_and_errors_are_said_once() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let sampler = Sampler::with_gpus(vec![Box::new(Failing)], folder.path());
        let sink = move |at: At, reading: Reading<'_>| {
            let text = match reading {
                Reading::Remark(text) => text.to_owned(),
                Reading::Values(values) => {
                    assert!(values.iter().all(|(_, value)| value.is_finite()));
                    assert!(values.contains(&("gpu0/sm_clock_mhz", 1980.0)));
                    "values".to_owned()
                }
            };
            sender.send((at.step, text)).ok();
        };
        let handle = spawn(Duration::from_millis(1), sampler, sink, || At { step: 7, epoch: 0.5 }).unwrap();
        let first: Vec<(i64, String)> = receiver.iter().take(6).collect();
        drop(handle);
        let all: Vec<(i64, String)> = first.into_iter().chain(receiver.iter()).collect();
        assert!(all.iter().all(|&(step, _)| step == 7));
        let remarks: Vec<&str> = all.iter().map(|(_, text)| text.as_str()).filter(|&text| text != "values").collect();
        assert_eq!(remarks, ["gpu0: power_watts could not be read: no answer"]);
    }

    #[test]
    fn a_drop_does_not_wait_for_the_interval() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, receiver) = crossbeam_channel::unbounded();
        let sink = move |_: At, _: Reading<'_>| {
            sender.send(()).ok();
        };
        let sampler = Sampler::with_gpus(Vec::new(), folder.path());
        let handle = spawn(Duration::from_hours(1), sampler, sink, || At { step: 0, epoch: 0.0 }).unwrap();
        receiver.recv().unwrap();
        let start = Instant::now();
        drop(handle);
        assert!(start.elapsed() < PATIENCE);
        assert!(receiver.recv().is_err(), "the thread is gone and with it the sink");
    }
}
