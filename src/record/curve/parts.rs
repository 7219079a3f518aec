//! Generations: what of a curve still counts, and what a restart has overtaken.

use std::{cmp::Reverse, ops::Range};

use super::Curve;

/// Points in a row of one generation in which step, epoch and time never fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) generation: u32,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Stretch {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// A run of points to be drawn in one style: of one generation, and sorted along every axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Restarts before these points were recorded.
    pub generation: u32,
    /// Whether a newer generation has gone over these steps again (a resumed run repeats what lies between its
    /// checkpoint and the crash): they were measured, but of what came after nothing rests on them. Draw them dimmed.
    pub superseded: bool,
    /// Which points, in the order of recording.
    pub points: Range<usize>,
    /// Where the line they are on begins: an overtaken end is joined to what still counts.
    pub(super) line: usize,
}

impl Curve {
    /// The parts in the order of recording, so that drawing them in turn puts the newest on top. A new one begins with
    /// each restart, where a newer generation takes over, and where step, epoch or time fall (a clock set back).
    pub fn parts(&self) -> Vec<Part> {
        let taken_over = self.taken_over();
        let mut parts = Vec::with_capacity(self.stretches.len());
        for stretch in &self.stretches {
            let newer = taken_over.partition_point(|(generation, _)| *generation > stretch.generation);
            let from = newer.checked_sub(1).map(|last| taken_over[last].1);
            let counts = |index: usize| from.is_none_or(|from| self.step[index] < from);
            let cut = super::seek(stretch.range(), stretch.end - 1, counts);
            for (points, superseded) in [(stretch.start..cut, false), (cut..stretch.end, true)] {
                if !points.is_empty() {
                    parts.push(Part { generation: stretch.generation, superseded, points, line: stretch.start });
                }
            }
        }
        parts
    }

    /// For each generation, newest first, the lowest step that it or a newer one has recorded.
    fn taken_over(&self) -> Vec<(u32, i64)> {
        let mut firsts: Vec<(u32, i64)> =
            self.stretches.iter().map(|stretch| (stretch.generation, self.step[stretch.start])).collect();
        firsts.sort_by_key(|&(generation, step)| (Reverse(generation), step));
        firsts.dedup_by_key(|&mut (generation, _)| generation);
        let mut lowest = i64::MAX;
        for (_, step) in &mut firsts {
            lowest = lowest.min(*step);
            *step = lowest;
        }
        firsts
    }
}
