//! The extremes of any stretch of a column in a handful of steps, kept while the column grows.

use std::ops::Range;

/// Values in a block of the lowest level.
const LEAF: usize = 64;
/// Blocks of one level in a block of the next.
const FAN: usize = 8;
const NONE: u32 = u32::MAX;

/// What a run of values comes to. Places are indices of the column; of equal values the first counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extremes {
    /// Of the finite values; above `high` if there is none.
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) lowest: u32,
    pub(super) highest: u32,
    /// The first and the last finite value.
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) nan: u32,
    /// Infinities.
    pub(super) up: u32,
    pub(super) down: u32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            lowest: NONE,
            highest: NONE,
            first: NONE,
            last: NONE,
            nan: 0,
            up: 0,
            down: 0,
        }
    }
}

impl Extremes {
    /// Whether there is a finite value.
    pub(super) fn any(&self) -> bool {
        self.first != NONE
    }

    /// Take the value at `index`, which comes after all taken before.
    fn add(&mut self, index: u32, value: f64) {
        if !value.is_finite() {
            if value.is_nan() {
                self.nan += 1;
            } else if value > 0.0 {
                self.up += 1;
            } else {
                self.down += 1;
            }
            return;
        }
        if self.first == NONE {
            self.first = index;
        }
        self.last = index;
        if value < self.low {
            (self.low, self.lowest) = (value, index);
        }
        if value > self.high {
            (self.high, self.highest) = (value, index);
        }
    }

    /// Take a run of values which comes after all taken before.
    pub(super) fn append(&mut self, next: &Self) {
        self.nan += next.nan;
        self.up += next.up;
        self.down += next.down;
        if !next.any() {
            return;
        }
        if self.first == NONE {
            self.first = next.first;
        }
        self.last = next.last;
        if next.low < self.low {
            (self.low, self.lowest) = (next.low, next.lowest);
        }
        if next.high > self.high {
            (self.high, self.highest) = (next.high, next.highest);
        }
    }
}

/// The extremes of blocks of 64, 512, 4096, ... values of one column. Only whole blocks are held.
#[derive(Debug, Clone, Default)]
pub(super) struct Pyramid {
    levels: Vec<Vec<Extremes>>,
}

impl Pyramid {
    /// Take what the column has grown by since the last call.
    pub(super) fn grow(&mut self, values: &[f64]) {
        loop {
            let start = self.levels.first().map_or(0, Vec::len) * LEAF;
            if start + LEAF > values.len() {
                return;
            }
            let mut block = Extremes::default();
            scan(&mut block, values, start..start + LEAF);
            self.add(block);
        }
    }

    fn add(&mut self, mut block: Extremes) {
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let blocks = &mut self.levels[level];
            blocks.push(block);
            if !blocks.len().is_multiple_of(FAN) {
                return;
            }
            block = Extremes::default();
            for part in &blocks[blocks.len() - FAN..] {
                block.append(part);
            }
        }
    }

    /// The extremes of `range` of the column that this pyramid was grown by.
    pub(super) fn of(&self, values: &[f64], range: Range<usize>) -> Extremes {
        let mut all = Extremes::default();
        let mut at = range.start;
        while at < range.end {
            if !at.is_multiple_of(LEAF) || at + LEAF > range.end {
                let end = range.end.min((at / LEAF + 1) * LEAF);
                scan(&mut all, values, at..end);
                at = end;
                continue;
            }
            // The largest block that begins here and ends inside.
            let (mut level, mut size) = (0, LEAF);
            while at.is_multiple_of(size * FAN) && at + size * FAN <= range.end {
                (level, size) = (level + 1, size * FAN);
            }
            all.append(&self.levels[level][at / size]);
            at += size;
        }
        all
    }

    /// Bytes held on the heap.
    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(|blocks| blocks.capacity() * size_of::<Extremes>()).sum()
    }
}

fn scan(into: &mut Extremes, values: &[f64], range: Range<usize>) {
    let start = range.start;
    for (offset, &value) in values[range].iter().enumerate() {
        into.add((start + offset) as u32, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_equals_a_plain_scan_at_every_length() {
        // Long enough for three levels, with ties, NaN and infinities at odd places.
        let values: Vec<f64> = (0..5000_u32)
            .map(|i| match i % 97 {
                13 => f64::NAN,
                51 => f64::INFINITY,
                77 if i % 2 == 0 => f64::NEG_INFINITY,
                _ => f64::from(i.wrapping_mul(2_654_435_761) >> 24),
            })
            .collect();
        let mut pyramid = Pyramid::default();
        for length in (0..=values.len()).step_by(61).chain([4096, 5000]) {
            let mut pyramid_now = pyramid.clone();
            pyramid_now.grow(&values[..length]);
            if length % 122 == 0 {
                pyramid = pyramid_now.clone(); // grown in several steps as well as at once
            }
            for start in (0..length).step_by(37) {
                for end in [start, start + 1, (start + 64).min(length), (start + 1500).min(length), length] {
                    let mut expected = Extremes::default();
                    scan(&mut expected, &values[..length], start..end);
                    assert_eq!(pyramid_now.of(&values[..length], start..end), expected, "{start}..{end} of {length}");
                }
            }
        }
    }
}
