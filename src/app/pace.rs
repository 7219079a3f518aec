//! When the next picture is drawn: what a key does at once, what merely streams in at a steady pace, and in no second
//! more pictures than were promised.

use std::time::{Duration, Instant};

/// How long what comes in is taken for the answer to the last key: curves at the new zoom, a command's answer.
const ANSWER: Duration = Duration::from_millis(250);

/// A bucket of pictures that fills up with time. Each picture takes one out of it, so that in any second there are at
/// most as many as it holds and gains in that second.
#[derive(Debug)]
pub struct Pace {
    /// Time between two pictures that nobody waits for.
    steady: Duration,
    /// Time in which the bucket gains a picture.
    gain: Duration,
    /// Pictures that it holds.
    most: u32,
    /// When the bucket was, or will be, empty.
    empty: Instant,
    drawn: Option<Instant>,
    key: Option<Instant>,
}

impl Pace {
    /// At most 30 pictures in any second; over a slow link 10, and 2 of those that nobody waits for.
    pub fn new(low_bandwidth: bool, now: Instant) -> Self {
        let (steady, gain, most) = if low_bandwidth { (500, 125, 2) } else { (33, 39, 4) };
        let gain = Duration::from_millis(gain);
        let empty = now.checked_sub(gain * most).unwrap_or(now);
        Self { steady: Duration::from_millis(steady), gain, most, empty, drawn: None, key: None }
    }

    /// A key came: a person waits for what it does.
    pub fn key(&mut self, now: Instant) {
        self.key = Some(now);
    }

    /// When a picture may be drawn that is wanted now.
    pub fn due(&self, now: Instant) -> Instant {
        let allowed = self.empty + self.gain;
        let answers = self.key.is_some_and(|key| now < key + ANSWER);
        match self.drawn {
            Some(drawn) if !answers => allowed.max(drawn + self.steady),
            _ => allowed,
        }
    }

    /// How often what counts tenths of seconds is drawn anew.
    pub fn counting(&self) -> Duration {
        self.steady * 3
    }

    /// One was drawn.
    pub fn drawn(&mut self, now: Instant) {
        self.drawn = Some(now);
        // A full bucket gains nothing more.
        let full = now.checked_sub(self.gain * self.most).unwrap_or(self.empty);
        self.empty = self.empty.max(full) + self.gain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When pictures are drawn if something changes every millisecond for ten seconds, with a key each time if `keys`.
    fn drawn(low_bandwidth: bool, keys: bool) -> Vec<Duration> {
        let begin = Instant::now() + Duration::from_mins(1);
        let mut pace = Pace::new(low_bandwidth, begin);
        let mut times = Vec::new();
        for milli in 0..10_000 {
            let now = begin + Duration::from_millis(milli);
            if keys {
                pace.key(now);
            }
            if now >= pace.due(now) {
                pace.drawn(now);
                times.push(now - begin);
            }
        }
        times
    }

    fn most_in_a_second(times: &[Duration]) -> usize {
        let within = |from: Duration| times.iter().filter(|&&at| at >= from && at < from + SECOND).count();
        times.iter().map(|&from| within(from)).max().unwrap()
    }

    #[test]
    fn no_second_has_more_pictures_than_were_promised() {
        for keys in [false, true] {
            let most = most_in_a_second(&drawn(false, keys));
            assert!((25..=30).contains(&most), "{most} with keys {keys}");
        }
        assert_eq!(most_in_a_second(&drawn(true, false)), 2);
        assert!((8..=10).contains(&most_in_a_second(&drawn(true, true))));
    }

    #[test]
    fn a_key_and_the_data_it_asked_for_are_shown_at_once_right_after_another_picture() {
        for low_bandwidth in [false, true] {
            let begin = Instant::now() + Duration::from_mins(1);
            let mut pace = Pace::new(low_bandwidth, begin);
            assert!(pace.due(begin) <= begin, "the first picture waits for nothing");
            pace.drawn(begin);
            let later = begin + Duration::from_secs(2);
            pace.drawn(later);
            assert!(pace.due(later) > later, "what streams in waits");
            pace.key(later);
            assert!(pace.due(later) <= later, "a key does not");
        }
        let begin = Instant::now() + Duration::from_mins(1);
        let mut pace = Pace::new(false, begin);
        pace.drawn(begin);
        pace.key(begin);
        pace.drawn(begin);
        let answered = begin + Duration::from_millis(3);
        assert!(pace.due(answered) <= answered, "nor does what comes of it");
    }
}
