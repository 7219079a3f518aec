//! Times along an axis.

use jiff::{Timestamp, tz::TimeZone};

use super::ticks::decimals;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 60.0 * MINUTE;
pub(super) const DAY: f64 = 24.0 * HOUR;

/// Distances between ticks that people find natural, in seconds, from a second to a month.
pub(super) const STEPS: [f64; 24] = [
    1.0,
    2.0,
    5.0,
    10.0,
    15.0,
    30.0,
    MINUTE,
    2.0 * MINUTE,
    5.0 * MINUTE,
    10.0 * MINUTE,
    15.0 * MINUTE,
    30.0 * MINUTE,
    HOUR,
    2.0 * HOUR,
    3.0 * HOUR,
    6.0 * HOUR,
    12.0 * HOUR,
    DAY,
    2.0 * DAY,
    5.0 * DAY,
    10.0 * DAY,
    15.0 * DAY,
    20.0 * DAY,
    30.0 * DAY,
];

/// Clock time at ticks `step` seconds apart: `18:42`, `18:42:05`, `18:42:05.5`; `10-03` at midnight. None for a time
/// that no calendar has.
pub(super) fn clock(seconds: f64, offset_s: i32, step: f64) -> Option<String> {
    let local = seconds + f64::from(offset_s);
    let decimals = decimals(step).min(6);
    // Whole parts of a second first, so that nothing is rounded up to the 60th.
    let parts = 10_f64.powi(decimals as i32);
    let rounded = (local * parts).round() / parts;
    let whole = rounded.floor();
    let civil = Timestamp::from_second(whole as i64).ok()?.to_zoned_datetime(TimeZone::UTC);
    Some(if step >= DAY || (step >= 1.0 && whole.rem_euclid(DAY) == 0.0) {
        civil.strftime("%m-%d").to_string()
    } else if step >= MINUTE {
        civil.strftime("%H:%M").to_string()
    } else if step >= 1.0 {
        civil.strftime("%H:%M:%S").to_string()
    } else {
        let fraction = format!("{:.decimals$}", rounded - whole);
        format!("{}{}", civil.strftime("%H:%M:%S"), &fraction[1..])
    })
}

/// A length of time at ticks `step` seconds apart, down to the unit that tells them apart: `45s`, `2m30`, `1h30`,
/// `2d6h`, `15h06m42`.
pub(super) fn duration(seconds: f64, step: f64) -> String {
    let size = seconds.abs();
    if size < step * 1e-6 {
        return "0".to_owned();
    }
    let decimals = if step < 1.0 { decimals(step) } else { 0 };
    let parts = 10_f64.powi(decimals as i32);
    let size = (size * parts).round() / parts;
    let finest = [DAY, HOUR, MINUTE].iter().position(|unit| step >= *unit).unwrap_or(3);
    let amounts = [(size / DAY).floor(), (size % DAY / HOUR).floor(), (size % HOUR / MINUTE).floor(), size % MINUTE];
    let first = amounts.iter().position(|amount| *amount > 0.0).unwrap_or(3);
    let last = amounts.iter().rposition(|amount| *amount > 0.0).unwrap_or(3).min(finest).max(first);
    let mut text = if seconds < 0.0 { "-".to_owned() } else { String::new() };
    for place in first..=last {
        let decimals = if place == 3 { decimals } else { 0 };
        // Minutes and seconds after a larger unit have two digits, and at the end no letter.
        let follows = place > first && place > 1;
        let width = if follows { 2 + if decimals > 0 { decimals + 1 } else { 0 } } else { 0 };
        text += &format!("{:0width$.decimals$}", amounts[place]);
        if !(follows && place == last) {
            text.push(['d', 'h', 'm', 's'][place]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_down_to_the_unit_that_tells_them_apart() {
        let read = [
            (0.0, 10.0, "0"),
            (0.5, 0.5, "0.5s"),
            (45.0, 15.0, "45s"),
            (150.0, 30.0, "2m30"),
            (120.0, 30.0, "2m"),
            (5400.0, 1800.0, "1h30"),
            (7200.0, 1800.0, "2h"),
            (3900.0, 300.0, "1h05"),
            (194_400.0, 21_600.0, "2d6h"),
            (86_400.0, 43_200.0, "1d"),
            (-90.0, 30.0, "-1m30"),
            (54_402.0, 2.0, "15h06m42"),
            (194_410.0, 10.0, "2d6h00m10"),
            (150.5, 0.5, "2m30.5"),
            (125.5, 0.5, "2m05.5"),
        ];
        for (seconds, step, text) in read {
            assert_eq!(duration(seconds, step), text, "{seconds}");
        }
    }

    #[test]
    fn clock_time_is_the_readers_and_midnight_is_a_date() {
        let noon = 1_790_000_000.0; // 2026-09-21 14:13:20 UTC
        assert_eq!(clock(noon, 0, 60.0).as_deref(), Some("14:13"));
        assert_eq!(clock(noon, 7200, 60.0).as_deref(), Some("16:13"));
        assert_eq!(clock(noon, -3600, 10.0).as_deref(), Some("13:13:20"));
        assert_eq!(clock(noon + 0.5, 0, 0.5).as_deref(), Some("14:13:20.5"));
        assert_eq!(clock(noon, 0, DAY).as_deref(), Some("09-21"));
        assert_eq!(clock(noon - 51_200.0, 0, 3600.0).as_deref(), Some("09-21"));
        assert_eq!(clock(1e300, 0, 60.0), None);
    }
}
