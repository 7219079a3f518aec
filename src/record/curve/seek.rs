//! Bisection that starts where the answer probably is.

use std::ops::Range;

/// The first index of `range` for which `before` does not hold, or its end. `before` holds for a prefix of the range.
///
/// Searched in growing strides from `guess`, then by bisection: a guess that is k away costs O(log k) instead of
/// O(log n), and recorded x are so even that the guesses are good.
pub(super) fn seek(range: Range<usize>, guess: usize, before: impl Fn(usize) -> bool) -> usize {
    if range.is_empty() {
        return range.start;
    }
    let guess = guess.clamp(range.start, range.end - 1);
    // All indices left of `low` are before; `high` is not, or is the end.
    let (mut low, mut high, mut stride) = (range.start, range.end, 1);
    if before(guess) {
        low = guess + 1;
        while low + stride < range.end {
            let probe = low + stride;
            if !before(probe) {
                high = probe;
                break;
            }
            low = probe + 1;
            stride *= 2;
        }
    } else {
        high = guess;
        while high >= range.start + stride {
            let probe = high - stride;
            if before(probe) {
                low = probe + 1;
                break;
            }
            high = probe;
            stride *= 2;
        }
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guess_finds_the_same_boundary() {
        for (start, end) in [(0, 0), (5, 5), (0, 1), (3, 40)] {
            for boundary in start..=end {
                for guess in 0..50 {
                    assert_eq!(seek(start..end, guess, |index| index < boundary), boundary, "{start}..{end} {guess}");
                }
            }
        }
    }

    #[test]
    fn a_good_guess_asks_little() {
        let asked = std::cell::Cell::new(0);
        let found = seek(0..10_000_000, 5_000_003, |index| {
            asked.set(asked.get() + 1);
            index < 5_000_000
        });
        assert_eq!(found, 5_000_000);
        assert!(asked.get() <= 6, "asked {} times", asked.get());
    }
}
