//! The same work on many things, on plain threads.
//!
//! Not rayon's: reading series waits for polars' own pool, and a rayon worker that waits takes up further work on top of
//! what it has on its stack, three hundred series deep.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What `work` makes of each item, in their order.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    let run = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { return };
            let made = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((place, made));
        }
    };
    let others = thread::available_parallelism().map_or(1, usize::from).min(items.len()).saturating_sub(1);
    thread::scope(|scope| {
        for _ in 0..others {
            // Where no thread can be had, those that run and this one do it all.
            thread::Builder::new().spawn_scoped(scope, run).ok();
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(each(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(each(&[] as &[u8], |item| *item).is_empty());
    }
}
