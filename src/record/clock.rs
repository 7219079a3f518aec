//! One time line for everything a process records.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Nanoseconds since the Unix epoch, read once from the wall clock and counted on by a clock that only goes forward
/// (and goes on while the machine is suspended). Clones share one time line: no reading is earlier than one before it,
/// in any thread, whatever happens to the wall clock.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    wall_at_start: i64,
    elapsed_at_start: i64,
    elapsed: Box<dyn Fn() -> i64 + Send + Sync>,
    /// The latest reading handed out, or a floor set from outside.
    floor: AtomicI64,
}

impl Clock {
    /// A clock that starts at the present wall time.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |past| past.as_nanos() as i64);
        Self::with(wall, boot_time)
    }

    /// A clock that reads `wall` (nanoseconds since the Unix epoch) now and advances as `elapsed` (nanoseconds since
    /// any fixed moment) does.
    pub fn with(wall: i64, elapsed: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        let elapsed_at_start = elapsed();
        let elapsed = Box::new(elapsed);
        Self(Arc::new(Inner { wall_at_start: wall, elapsed_at_start, elapsed, floor: AtomicI64::new(i64::MIN) }))
    }

    /// Nanoseconds since the Unix epoch, UTC.
    pub fn now_ns(&self) -> i64 {
        let inner = &*self.0;
        let elapsed = (inner.elapsed)().saturating_sub(inner.elapsed_at_start);
        let now = inner.wall_at_start.saturating_add(elapsed);
        inner.floor.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Never read earlier than `ns`: a resumed run whose wall clock was set back meanwhile goes on after its past.
    pub fn not_before(&self, ns: i64) {
        self.0.floor.fetch_max(ns, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("wall_at_start", &self.0.wall_at_start).finish_non_exhaustive()
    }
}

fn boot_time() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steered() -> (Clock, Arc<AtomicI64>) {
        let hand = Arc::new(AtomicI64::new(500));
        let read = Arc::clone(&hand);
        (Clock::with(1_000, move || read.load(Ordering::SeqCst)), hand)
    }

    #[test]
    fn advances_from_the_wall_time_at_start() {
        let (clock, hand) = steered();
        assert_eq!(clock.now_ns(), 1_000);
        hand.store(700, Ordering::SeqCst);
        assert_eq!(clock.now_ns(), 1_200);
    }

    #[test]
    fn never_goes_back_even_when_its_source_does() {
        let (clock, hand) = steered();
        hand.store(900, Ordering::SeqCst);
        assert_eq!(clock.clone().now_ns(), 1_400);
        hand.store(100, Ordering::SeqCst);
        assert_eq!(clock.now_ns(), 1_400);
        hand.store(901, Ordering::SeqCst);
        assert_eq!(clock.now_ns(), 1_401);
    }

    #[test]
    fn stays_after_a_past_with_a_later_wall_clock() {
        let (clock, hand) = steered();
        clock.not_before(5_000);
        assert_eq!(clock.now_ns(), 5_000);
        hand.store(500 + 4_001, Ordering::SeqCst);
        assert_eq!(clock.now_ns(), 5_001);
    }

    #[test]
    fn the_real_clock_is_near_the_wall_clock() {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        let read = Clock::start().now_ns();
        assert!((read - wall).abs() < 10_000_000_000, "{read} is far from {wall}");
    }
}
