//! A curve for so many columns, losing no extreme and hiding no hole.

/// A place on a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// The value.
    pub y: f64,
}

/// What one column of the screen stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Column {
    /// Points in it, of any value. None is a gap: draw nothing, or a line across if `joined`.
    pub count: usize,
    /// Points in it that are NaN.
    pub nan: usize,
    /// Points in it that are infinite, up and down.
    pub infinite: (usize, usize),
    /// First, lowest, highest and last of the finite points, in the order of the data; none if there is no finite one.
    pub marks: Option<[Mark; 4]>,
    /// Whether a line may be drawn to `marks` from the last finite point before: there is one, and no NaN or infinity
    /// lies between.
    pub joined: bool,
}

impl Column {
    /// The first finite point.
    pub fn first(&self) -> Option<Mark> {
        self.marks.map(|marks| marks[0])
    }

    /// The lowest finite point.
    pub fn min(&self) -> Option<Mark> {
        self.marks.map(|marks| marks[1])
    }

    /// The highest finite point.
    pub fn max(&self) -> Option<Mark> {
        self.marks.map(|marks| marks[2])
    }

    /// The last finite point.
    pub fn last(&self) -> Option<Mark> {
        self.marks.map(|marks| marks[3])
    }
}

/// Divide `from..=to` into `columns` columns of equal width and put each point of the curve (`x`, `y`; as many as the
/// shorter has, `x` in any order) into its own. Points outside, or with an `x` that is no number, are left out.
///
/// Smooth first, then decimate: the other way round the picture would depend on the width.
pub fn decimate(x: &[f64], y: &[f64], from: f64, to: f64, columns: usize) -> Vec<Column> {
    let mut out = vec![Column::default(); columns];
    if columns == 0 || !(from.is_finite() && to.is_finite() && from <= to) {
        return out;
    }
    let width = (to - from) / columns as f64;
    // Whether the finite point before, in or left of the range, may be joined to the next.
    let mut join = false;
    for (&x, &y) in x.iter().zip(y) {
        if !(x >= from && x <= to) {
            join = x < from && y.is_finite() || join && x > to;
            continue;
        }
        let place = if width > 0.0 { ((x - from) / width) as usize } else { 0 };
        let column = &mut out[place.min(columns - 1)];
        column.count += 1;
        if !y.is_finite() {
            if y.is_nan() {
                column.nan += 1;
            } else if y > 0.0 {
                column.infinite.0 += 1;
            } else {
                column.infinite.1 += 1;
            }
            join = false;
            continue;
        }
        let here = Mark { x, y };
        match &mut column.marks {
            None => {
                column.marks = Some([here; 4]);
                column.joined = join;
            }
            Some([_first, low, high, last]) => {
                if y < low.y {
                    *low = here;
                }
                if y > high.y {
                    *high = here;
                }
                *last = here;
            }
        }
        join = true;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(count: usize) -> Vec<f64> {
        (0..count).map(|step| step as f64).collect()
    }

    #[test]
    fn one_spike_in_a_million_survives() {
        let x = steps(1_000_000);
        let mut y = vec![0.5; x.len()];
        y[777_777] = 9.0;
        y[123_456] = -9.0;
        let columns = decimate(&x, &y, 0.0, 999_999.0, 80);
        assert_eq!(columns.iter().map(|c| c.count).sum::<usize>(), 1_000_000);
        let high = columns.iter().filter_map(Column::max).fold(f64::MIN, |high, mark| high.max(mark.y));
        let low = columns.iter().filter_map(Column::min).find(|mark| mark.y < 0.0);
        assert_eq!(high, 9.0);
        assert_eq!(low, Some(Mark { x: 123_456.0, y: -9.0 }));
    }

    #[test]
    fn each_column_has_first_lowest_highest_last() {
        let y = [3.0, 1.0, 8.0, 2.0, 5.0, 5.0];
        let columns = decimate(&steps(6), &y, 0.0, 5.0, 1);
        let at = |x: f64, y: f64| Mark { x, y };
        assert_eq!(columns[0].marks, Some([at(0.0, 3.0), at(1.0, 1.0), at(2.0, 8.0), at(5.0, 5.0)]));
        assert!(!columns[0].joined, "nothing lies before it");
    }

    #[test]
    fn gaps_and_nan_are_marked_and_only_gaps_are_joined_across() {
        let x = [0.0, 1.0, 8.0, 9.0, 11.0];
        let y = [1.0, 2.0, 3.0, f64::NAN, 4.0];
        let columns = decimate(&x, &y, 0.0, 12.0, 6);
        let counts: Vec<usize> = columns.iter().map(|c| c.count).collect();
        assert_eq!(counts, [2, 0, 0, 0, 2, 1]);
        assert!(columns[4].joined, "an empty stretch may be crossed");
        assert_eq!((columns[4].nan, columns[5].joined), (1, false), "a NaN may not");
    }

    #[test]
    fn infinities_are_counted_by_sign_and_never_become_an_extreme() {
        let y = [1.0, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY];
        let column = decimate(&steps(4), &y, 0.0, 3.0, 1)[0];
        assert_eq!(column.infinite, (2, 1));
        assert_eq!(column.max(), Some(Mark { x: 0.0, y: 1.0 }));
    }

    #[test]
    fn a_cut_range_is_joined_to_what_lies_left_of_it() {
        let columns = decimate(&steps(10), &[1.0; 10], 4.0, 6.0, 2);
        assert_eq!(columns[0].count + columns[1].count, 3);
        assert!(columns[0].joined);
    }

    #[test]
    fn senseless_ranges_give_empty_columns() {
        let (x, y) = (steps(3), [1.0; 3]);
        assert!(decimate(&x, &y, 0.0, 2.0, 0).is_empty());
        for (from, to) in [(2.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
            assert!(decimate(&x, &y, from, to, 4).iter().all(|column| column.count == 0));
        }
        assert_eq!(decimate(&x, &y, 1.0, 1.0, 3)[0].count, 1, "one step wide is one column");
    }
}
