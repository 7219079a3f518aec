//! Threads that prepare what will be asked for next.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::data::cache::DataError;

/// A batch's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Batch within it, from 0.
    pub index: usize,
}

type Make<T> = dyn Fn(Spot, &AtomicBool) -> Result<T, DataError> + Send + Sync;

/// Makes a `T` for each spot, ahead of need.
pub struct Pool<T> {
    shared: Arc<Shared<T>>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared<T> {
    make: Box<Make<T>>,
    stopped: AtomicBool,
    state: Mutex<State<T>>,
    /// There may be work.
    work: Condvar,
    /// There may be a result.
    done: Condvar,
}

struct State<T> {
    /// What may be kept: all else is stale.
    wanted: Vec<Spot>,
    queue: VecDeque<Spot>,
    running: HashSet<Spot>,
    ready: HashMap<Spot, Result<T, DataError>>,
}

impl<T: Send + 'static> Pool<T> {
    /// A pool of `workers` threads; with none, everything is made where it is asked for.
    pub fn new(
        workers: usize,
        make: impl Fn(Spot, &AtomicBool) -> Result<T, DataError> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let state =
            State { wanted: Vec::new(), queue: VecDeque::new(), running: HashSet::new(), ready: HashMap::new() };
        let shared = Arc::new(Shared {
            make: Box::new(make),
            stopped: AtomicBool::new(false),
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
        });
        let mut pool = Self { shared, threads: Vec::new() };
        for n in 0..workers {
            let shared = Arc::clone(&pool.shared);
            let thread =
                thread::Builder::new().name(format!("loader-{n}")).spawn(move || shared.run()).map_err(|error| {
                    DataError::Options(format!("cannot start loader thread {n}: {error}; lower data.workers"))
                })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// How many spots beyond the current one are worth asking for.
    pub fn ahead(&self) -> usize {
        if self.threads.is_empty() { 0 } else { self.threads.len() + 1 }
    }

    /// What was made for `spot`; waits for it. Of what was prepared, only `wanted` is kept, and what is missing of it
    /// is begun, in that order.
    pub fn take(&self, spot: Spot, wanted: &[Spot]) -> Result<T, DataError> {
        if self.threads.is_empty() {
            return self.shared.attempt(spot);
        }
        let mut state = self.shared.lock();
        state.wanted = wanted.to_vec();
        let State { wanted, queue, running, ready } = &mut *state;
        ready.retain(|spot, _| wanted.contains(spot));
        *queue = wanted.iter().filter(|s| !ready.contains_key(s) && !running.contains(s)).copied().collect();
        self.shared.work.notify_all();
        loop {
            if let Some(made) = state.ready.remove(&spot) {
                return made;
            }
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Make one; a panic becomes an error, so that nobody waits for a thread that is gone.
    fn attempt(&self, spot: Spot) -> Result<T, DataError> {
        panic::catch_unwind(AssertUnwindSafe(|| (self.make)(spot, &self.stopped)))
            .unwrap_or_else(|cause| Err(DataError::Thread(text(&*cause))))
    }

    fn run(&self) {
        let mut state = self.lock();
        while !self.stopped.load(Ordering::Relaxed) {
            let Some(spot) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.running.insert(spot);
            drop(state);
            let made = self.attempt(spot);
            state = self.lock();
            state.running.remove(&spot);
            if state.wanted.contains(&spot) {
                state.ready.insert(spot, made);
                self.done.notify_all();
            }
        }
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        {
            // Under the lock: a thread about to wait must not miss it.
            let _state = self.shared.lock();
            self.shared.stopped.store(true, Ordering::Relaxed);
        }
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            // A thread's panic was already made an error.
            thread.join().unwrap_or_default();
        }
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

fn text(cause: &(dyn Any + Send)) -> String {
    let plain = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    plain.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn spot(index: usize) -> Spot {
        Spot { epoch: 0, index }
    }

    #[test]
    fn what_is_asked_for_comes_whatever_was_asked_before() {
        for workers in [0, 1, 3] {
            let pool = Pool::new(workers, |spot, _| Ok(spot.index * 10)).unwrap();
            for index in [0, 1, 2, 7, 3, 3, 0] {
                let wanted: Vec<Spot> = (index..index + 4).map(spot).collect();
                assert_eq!(pool.take(spot(index), &wanted).unwrap(), index * 10);
            }
        }
    }

    #[test]
    fn what_follows_is_made_before_it_is_asked_for() {
        let (made, seen) = mpsc::channel();
        let pool = Pool::new(2, move |spot, _| {
            made.send(spot.index).unwrap();
            Ok(spot.index)
        })
        .unwrap();
        pool.take(spot(0), &[spot(0), spot(1), spot(2)]).unwrap();
        let mut all: Vec<usize> = (0..3).map(|_| seen.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    }

    #[test]
    fn an_error_or_a_panic_reaches_whoever_waits_and_a_retry_tries_again() {
        let tries = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&tries);
        let pool = Pool::new(1, move |spot, _| match spot.index {
            0 if counted.fetch_add(1, Ordering::Relaxed) == 0 => Err(DataError::Options("first".to_owned())),
            1 => panic!("no such {}", "thing"),
            n => Ok(n),
        })
        .unwrap();
        assert!(pool.take(spot(0), &[spot(0)]).is_err());
        assert_eq!(pool.take(spot(0), &[spot(0)]).unwrap(), 0);
        let error = pool.take(spot(1), &[spot(1)]).unwrap_err().to_string();
        assert!(error.contains("no such thing"), "{error}");
        assert_eq!(pool.take(spot(2), &[spot(2)]).unwrap(), 2);
    }

    #[test]
    fn dropping_ends_the_threads_even_in_the_middle() {
        let begun = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&begun);
        let pool = Pool::new(2, move |spot, stopped| {
            if spot.index == 0 {
                return Ok(());
            }
            flag.store(true, Ordering::Relaxed);
            while !stopped.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            Err(DataError::Options("stopped".to_owned()))
        })
        .unwrap();
        pool.take(spot(0), &[spot(0), spot(1)]).unwrap();
        while !begun.load(Ordering::Relaxed) {
            thread::yield_now();
        }
        let shared = Arc::downgrade(&pool.shared);
        drop(pool);
        assert_eq!(shared.strong_count(), 0);
    }
}
