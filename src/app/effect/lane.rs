//! A thread for one kind of slow work, where only the newest request matters.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crossbeam_channel::Sender;

use crate::app::effect::{Lane, Reply};
use crate::app::event::Event;

type Work = Box<dyn FnOnce() -> Reply + Send>;

#[derive(Default)]
struct Slot {
    work: Option<Work>,
    over: bool,
}

/// The thread; it ends with this handle.
pub struct LaneThread {
    slot: Arc<(Mutex<Slot>, Condvar)>,
}

impl LaneThread {
    /// A thread that answers to `events`.
    pub fn spawn(lane: Lane, events: Sender<Event>) -> Self {
        let slot = Arc::new((Mutex::new(Slot::default()), Condvar::new()));
        let ours = Arc::clone(&slot);
        let run = move || {
            loop {
                let work = {
                    let mut slot = ours.0.lock().unwrap_or_else(PoisonError::into_inner);
                    loop {
                        if slot.over {
                            return;
                        }
                        match slot.work.take() {
                            Some(work) => break work,
                            None => slot = ours.1.wait(slot).unwrap_or_else(PoisonError::into_inner),
                        }
                    }
                };
                if events.send(Event::Reply(work())).is_err() {
                    return;
                }
            }
        };
        // Without a thread nothing of this lane comes: the part of the screen says that it still waits.
        std::thread::Builder::new().name(format!("{lane:?}").to_lowercase()).spawn(run).ok();
        Self { slot }
    }

    /// Do this next, instead of what still waits.
    pub fn ask(&self, work: Work) {
        self.slot.0.lock().unwrap_or_else(PoisonError::into_inner).work = Some(work);
        self.slot.1.notify_one();
    }
}

impl Drop for LaneThread {
    fn drop(&mut self) {
        self.slot.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.slot.1.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{bounded, unbounded};

    #[test]
    fn the_newest_waiting_work_replaces_the_older() {
        let (events, answers) = unbounded();
        let lane = LaneThread::spawn(Lane::Pictures, events);
        let (begun, has_begun) = bounded(0);
        let (gate, go) = bounded::<()>(0);
        lane.ask(Box::new(move || {
            begun.send(()).unwrap();
            go.recv().unwrap();
            Reply::Done("first".to_owned())
        }));
        has_begun.recv().unwrap();
        lane.ask(Box::new(|| Reply::Done("second".to_owned())));
        lane.ask(Box::new(|| Reply::Done("third".to_owned())));
        gate.send(()).unwrap();
        let texts: Vec<String> = (0..2)
            .map(|_| match answers.recv().unwrap() {
                Event::Reply(Reply::Done(text)) => text,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(texts, ["first", "third"]);
    }
}
