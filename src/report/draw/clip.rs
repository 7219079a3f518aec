//! The frame of a plot: lines that leave it are cut where they do.

use crate::report::ink::Place;

/// A plot's edges in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
}

impl Frame {
    /// Whether a place is inside, or beside it by no more than rounding.
    pub fn holds(&self, (x, y): Place) -> bool {
        let hair = 0.5;
        x >= self.left - hair && x <= self.right + hair && y >= self.top - hair && y <= self.bottom + hair
    }

    /// The parts of a line that are inside.
    pub fn cut(&self, places: &[Place]) -> Vec<Vec<Place>> {
        if places.iter().all(|place| self.inside(*place)) {
            return if places.is_empty() { Vec::new() } else { vec![places.to_vec()] };
        }
        let mut parts: Vec<Vec<Place>> = Vec::new();
        let mut goes_on = false;
        for pair in places.windows(2) {
            let Some((enter, leave)) = self.clipped(pair[0], pair[1]) else {
                goes_on = false;
                continue;
            };
            match parts.last_mut().filter(|_| goes_on) {
                Some(part) => part.push(leave),
                None => parts.push(vec![enter, leave]),
            }
            goes_on = leave == pair[1];
        }
        parts
    }

    fn inside(&self, (x, y): Place) -> bool {
        x >= self.left && x <= self.right && y >= self.top && y <= self.bottom
    }

    /// The part of a straight line that is inside (Liang and Barsky 1984), if any.
    fn clipped(&self, from: Place, to: Place) -> Option<(Place, Place)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        let edges = [
            (-dx, from.0 - self.left),
            (dx, self.right - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom - from.1),
        ];
        for (run, room) in edges {
            if run == 0.0 {
                if room < 0.0 {
                    return None;
                }
            } else if run < 0.0 {
                enter = enter.max(room / run);
            } else {
                leave = leave.min(room / run);
            }
        }
        let at = |share: f64| (from.0 + dx * share, from.1 + dy * share);
        let (first, last) = (if enter > 0.0 { at(enter) } else { from }, if leave < 1.0 { at(leave) } else { to });
        (enter <= leave).then_some((first, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { left: 0.0, right: 10.0, top: 0.0, bottom: 10.0 };

    #[test]
    fn lines_are_cut_where_they_leave_and_go_on_where_they_come_back() {
        let line = [(1.0, 5.0), (3.0, -5.0), (5.0, 5.0), (7.0, 5.0), (9.0, 25.0)];
        let parts = FRAME.cut(&line);
        assert_eq!(parts, [vec![(1.0, 5.0), (2.0, 0.0)], vec![(4.0, 0.0), (5.0, 5.0), (7.0, 5.0), (7.5, 10.0)]]);
        assert_eq!(FRAME.cut(&[(1.0, 1.0), (2.0, 2.0)]), [vec![(1.0, 1.0), (2.0, 2.0)]]);
        assert_eq!(FRAME.cut(&[(3.0, 3.0)]), [vec![(3.0, 3.0)]], "a point is a line of one place");
        assert!(FRAME.cut(&[(-3.0, 3.0), (-1.0, 30.0)]).is_empty());
        assert!(FRAME.cut(&[(3.0, -3.0)]).is_empty());
        assert!(FRAME.cut(&[]).is_empty());
    }
}
