//! The training thread's side: what waits, and what is done of it at a boundary.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use jiff::Timestamp;

use super::job::{Job, Next};
use super::tally::Tally;
use super::{Answer, BOUNDARY, HELD_LIMIT};
use crate::record::{At, Event};
use crate::session::control::{Probe, Response};
use crate::train::learner::{Learner, Sight};

/// Where a run is as probes are served.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Steps and epochs finished.
    pub at: At,
    /// Since when the model is as it is, where that is not now.
    pub since: Option<Timestamp>,
    /// Whether a training waits for this to end.
    pub is_pressed: bool,
    /// Whether steps will come without another command.
    pub steps_come: bool,
    /// Seconds that a pair takes on its way forward in training, where that is known.
    pub pair_seconds: Option<f64>,
    /// Pixels of a picture in training.
    pub pair_pixels: u64,
    /// Pairs of a batch.
    pub pairs: u64,
}

/// What is known of costs. Measured, so that an estimate is as good as the last answer.
#[derive(Debug)]
pub(super) struct Costs {
    /// Bytes a second that are copied on the CPU.
    pub copying: f64,
    /// Of predictions.
    pub looking: Pace,
    /// Of predictions with a saliency.
    pub salient: Pace,
}

/// Seconds that a pixel costs, as measured.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    times: u32,
    seconds: f64,
}

impl Pace {
    /// What a pixel will cost; 0 where nothing is known. The first time may have had to look for fast kernels, so that
    /// once does not count against a better guess.
    pub fn expected(self, guess: Option<f64>) -> f64 {
        match (self.times, guess) {
            (0, guess) => guess.unwrap_or_default(),
            (1, Some(guess)) => guess.min(self.seconds),
            (1, None) => 0.0,
            _ => self.seconds,
        }
    }

    /// One more was measured.
    pub fn learn(&mut self, seconds: f64) {
        let slower = self.times > 0 && seconds > self.seconds;
        self.seconds = if slower { 0.5 * (self.seconds + seconds) } else { seconds };
        self.times += 1;
    }
}

/// What a job may use.
pub(super) struct Bench<'a> {
    pub learner: &'a Learner,
    pub moment: Moment,
    pub budget: Duration,
    pub costs: &'a mut Costs,
    pub ledger: &'a Arc<AtomicU64>,
    pub begin: Instant,
    /// Whether something was done at this boundary: one thing always may be, so that everything gets its turn.
    pub has_worked: &'a mut bool,
}

impl Bench<'_> {
    /// Whether something of this cost must wait for the next boundary, this one's time being used already.
    pub fn is_short_for(&self, cost: Duration) -> bool {
        self.moment.is_pressed && *self.has_worked && self.begin.elapsed() + cost > self.budget
    }

    /// Whether clients' threads have enough to read.
    pub fn is_full(&self) -> bool {
        self.ledger.load(Ordering::Relaxed) >= HELD_LIMIT
    }
}

/// Probes that wait, and the time that they may take.
#[derive(Debug)]
pub struct Probes {
    jobs: VecDeque<Job>,
    budget: Duration,
    costs: Costs,
    ledger: Arc<AtomicU64>,
    tally: Tally,
}

impl Default for Probes {
    fn default() -> Self {
        Self::new(BOUNDARY)
    }
}

impl Probes {
    /// None yet, for `budget` between two steps.
    pub fn new(budget: Duration) -> Self {
        // A gigabyte a second is slow; what is measured takes its place.
        let costs = Costs { copying: 1e9, looking: Pace::default(), salient: Pace::default() };
        Self { jobs: VecDeque::new(), budget, costs, ledger: Arc::default(), tally: Tally::default() }
    }

    /// Queue a question. `sight` is its picture, where it is about one.
    pub fn push(&mut self, probe: Probe, sight: Option<Sight>, reply: Sender<Answer>) {
        self.jobs.push_back(Job::new(probe, sight, reply));
    }

    /// Whether nothing waits.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Do what can be done at this boundary. Gives an event to record, now and then.
    pub fn serve(&mut self, learner: &Learner, moment: Moment) -> Option<Event> {
        let begin = Instant::now();
        let mut later = VecDeque::new();
        let mut worked = false;
        while let Some(mut job) = self.jobs.pop_front() {
            let before = Instant::now();
            let (budget, ledger) = (self.budget, &self.ledger);
            let (costs, has_worked) = (&mut self.costs, &mut worked);
            let mut bench = Bench { learner, moment, budget, costs, ledger, begin, has_worked };
            let next = job.go_on(&mut bench);
            job.spent += before.elapsed();
            match next {
                Next::Later => later.push_back(job),
                Next::Done => self.tally.add(&job.to_string(), job.spent),
                Next::Gone => {}
            }
            if moment.is_pressed && begin.elapsed() >= self.budget {
                break;
            }
        }
        // What was not looked at comes first at the next boundary.
        self.jobs.append(&mut later);
        self.tally.due()
    }

    /// The run ends: answer what waits with `why`, and give the last event.
    pub fn dismiss(&mut self, why: &str) -> Option<Event> {
        for job in self.jobs.drain(..) {
            job.say(Response::error(why));
        }
        self.tally.rest()
    }
}
