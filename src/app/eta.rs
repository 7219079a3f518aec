//! How long: what is left of a run by its recent pace, and how long ago something was.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::session::{Listing, State};

/// Over how long a pace is taken: long enough to hold validations and checkpoints, short enough to notice a change.
const WINDOW: SignedDuration = SignedDuration::from_secs(180);
/// Before a run was watched for so long, its own step time is the better guess.
const LEAST_SECS: f64 = 8.0;
/// Steps before a run's own step time says anything.
const WARM: i64 = 10;
/// The series with the time of a step.
const STEP_SECONDS: &str = "time/step_seconds";

/// The paces of the sessions that run.
#[derive(Debug, Default)]
pub struct Paces(HashMap<String, Pace>);

/// Where a run was when, by what it recorded: no clock of ours is in it.
#[derive(Debug, Default)]
struct Pace {
    generation: u32,
    seen: VecDeque<(Timestamp, i64)>,
    /// What was recorded last before a pause: the time since then is not the run's.
    paused_at: Option<Timestamp>,
}

impl Paces {
    /// Take the newest positions in.
    pub fn look(&mut self, listings: &[Listing]) {
        let alive = |listing: &&Listing| matches!(listing.state, Some(State::Running | State::Paused));
        self.0.retain(|id, _| listings.iter().filter(alive).any(|listing| listing.id == *id));
        for listing in listings.iter().filter(alive) {
            let (Some(time), Some(step)) = (listing.last_recorded, listing.step) else { continue };
            let pace = self.0.entry(listing.id.clone()).or_default();
            if listing.state == Some(State::Paused) {
                *pace = Pace { generation: listing.generation, seen: VecDeque::new(), paused_at: Some(time) };
            } else {
                pace.take(listing.generation, time, step);
            }
        }
    }

    /// Seconds until a session that runs has done all its steps: one answer, wherever it is asked.
    pub fn left(&self, listing: &Listing) -> Option<f64> {
        if listing.state != Some(State::Running) {
            return None;
        }
        let steps = (listing.total_steps? - listing.step?).max(0) as f64;
        let watched = self.0.get(&listing.id).and_then(Pace::step_secs);
        // The first steps are slower than any other.
        let own = || listing.latest.get(STEP_SECONDS).filter(|latest| latest.step >= WARM).map(|latest| latest.value);
        let secs = steps * watched.or_else(own)?;
        secs.is_finite().then_some(secs)
    }
}

impl Pace {
    fn take(&mut self, generation: u32, time: Timestamp, step: i64) {
        let back = self.seen.back().is_some_and(|(at, before)| step < *before || time < *at);
        if generation != self.generation || back {
            *self = Self { generation, ..Self::default() };
        }
        if self.paused_at == Some(time) {
            return;
        }
        if self.seen.back().is_some_and(|(at, _)| *at == time) {
            return;
        }
        self.seen.push_back((time, step));
        // The newest of those beyond the window stays: from it on the window is whole.
        while self.seen.get(1).is_some_and(|(at, _)| time.duration_since(*at) >= WINDOW) {
            self.seen.pop_front();
        }
    }

    fn step_secs(&self) -> Option<f64> {
        let ((begin, first), (end, last)) = (self.seen.front()?, self.seen.back()?);
        let secs = end.duration_since(*begin).as_secs_f64();
        (secs >= LEAST_SECS && last > first).then(|| secs / (last - first) as f64)
    }
}

/// Time that is left, in at most two units: `45 s`, `21 m`, `1h 12m`, `3d 4h`. Coarse enough to stand still.
pub fn left(secs: f64) -> String {
    let whole = secs.clamp(0.0, 1e9).ceil() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0 | 1) => format!("{whole} s"),
        (0, 0, minutes) => format!("{minutes} m"),
        (0, hours, minutes) => format!("{hours}h {minutes:02}m"),
        (days @ 0..1000, hours, _) => format!("{days}d {hours}h"),
        (days, ..) => format!("{days}d"),
    }
}

/// How long ago, in the largest unit that fits: `38 m`.
pub fn ago(secs: f64) -> String {
    let whole = secs.max(0.0) as u64;
    match whole {
        // Seconds would tick where nothing else changes.
        0..60 => "<1 m".to_owned(),
        60..3600 => format!("{} m", whole / 60),
        3600..86_400 => format!("{} h", whole / 3600),
        _ => format!("{} d", whole / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Folder, Latest, read_listing};

    fn at(second: i64, step: i64) -> Listing {
        let mut listing = read_listing(&Folder::new("/nowhere/260101-100000-x"));
        listing.state = Some(State::Running);
        listing.last_recorded = Timestamp::from_second(second).ok();
        (listing.step, listing.total_steps) = (Some(step), Some(10_000));
        listing.latest.insert(STEP_SECONDS.to_owned(), Latest { step, value: 7.0 });
        listing
    }

    #[test]
    fn the_first_guess_is_the_step_time_then_the_pace_that_was_seen() {
        let mut paces = Paces::default();
        paces.look(&[at(0, 2)]);
        assert_eq!(paces.left(&at(0, 2)), None, "the first steps are slow");
        paces.look(&[at(4, 10)]);
        assert_eq!(paces.left(&at(4, 10)), Some(9_990.0 * 7.0));
        paces.look(&[at(10, 22)]);
        assert_eq!(paces.left(&at(10, 22)), Some(9_978.0 * 0.5));
    }

    #[test]
    fn a_validation_in_between_moves_it_little_and_an_old_pace_is_forgotten() {
        let mut paces = Paces::default();
        for second in 0..600 {
            let step = if second < 300 { second } else { 300 + (second - 300) * 4 };
            paces.look(&[at(second, step)]);
        }
        let secs_a_step = paces.left(&at(599, 9_000)).unwrap() / 1000.0;
        assert!((secs_a_step - 0.25).abs() < 0.01, "{secs_a_step}");
        // Twenty seconds of nothing are an eighth of the window.
        paces.look(&[at(619, 300 + 299 * 4)]);
        let secs_a_step = paces.left(&at(619, 9_000)).unwrap() / 1000.0;
        assert!((0.25..0.30).contains(&secs_a_step), "{secs_a_step}");
    }

    #[test]
    fn a_restart_from_an_older_step_begins_anew_and_what_does_not_run_has_nothing_left() {
        let mut paces = Paces::default();
        paces.look(&[at(0, 0)]);
        paces.look(&[at(100, 1000)]);
        let mut again = at(160, 500);
        again.generation = 1;
        paces.look(&[again.clone()]);
        assert_eq!(paces.left(&again), Some(9_500.0 * 7.0), "its own step time again");
        again.state = Some(State::Paused);
        assert_eq!(paces.left(&again), None);
    }

    #[test]
    fn a_pause_is_no_part_of_the_pace() {
        let mut paces = Paces::default();
        for second in 0..20 {
            paces.look(&[at(second, second * 2)]);
        }
        let paused = Listing { state: Some(State::Paused), ..at(20, 40) };
        paces.look(&[paused]);
        // It goes on ten minutes later; what is listed first is still what was recorded before.
        paces.look(&[at(20, 40)]);
        for second in 0..20 {
            paces.look(&[at(620 + second, 41 + second * 2)]);
        }
        let secs_a_step = paces.left(&at(639, 9_000)).unwrap() / 1000.0;
        assert!((secs_a_step - 0.5).abs() < 0.01, "{secs_a_step}");
    }

    #[test]
    fn times_are_short_and_of_one_kind() {
        let shown = [0.0, 44.2, 119.0, 1260.0, 4320.0, 266_400.0, f64::MAX].map(left);
        assert_eq!(shown, ["0 s", "45 s", "119 s", "21 m", "1h 12m", "3d 2h", "11574d"]);
        assert!(shown.iter().all(|text| text.len() <= 7));
        assert_eq!([0.4, 59.9, 60.0, 7_199.0, 90_000.0].map(ago), ["<1 m", "<1 m", "1 m", "1 h", "1 d"]);
    }
}
