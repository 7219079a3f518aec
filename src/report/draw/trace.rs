//! The line through columns.

use crate::record::{Column, Mark};
use crate::report::ink::Place;

/// The line through columns, in parts where something that is no number lies between: through the first, lowest,
/// highest and last point of each, where they were measured.
pub fn runs(
    columns: &[Column],
    (before, after): (Option<Mark>, Option<Mark>),
    place: impl Fn(Mark) -> Place,
) -> Vec<Vec<Place>> {
    let mut runs: Vec<Vec<Place>> = Vec::new();
    if let Some(mark) = before {
        runs.push(vec![place(mark)]);
    }
    // Whether the last point may be led on.
    let mut open = before.is_some();
    for column in columns {
        let Some(mut marks) = column.marks else {
            open &= column.count == 0;
            continue;
        };
        // In the order of x: the lowest may lie on either side of the highest. Stable, for points of one x.
        marks.sort_by(|a, b| a.x.total_cmp(&b.x));
        let places = marks.into_iter().enumerate().filter(|(at, mark)| *at == 0 || marks[at - 1] != *mark);
        let places = places.map(|(_, mark)| place(mark));
        match runs.last_mut().filter(|_| open && column.joined) {
            Some(run) => run.extend(places),
            None => runs.push(places.collect()),
        }
        open = true;
    }
    if let (Some(mark), Some(run)) = (after, runs.last_mut().filter(|_| open)) {
        run.push(place(mark));
    }
    // A point before the edge that nothing came after.
    runs.retain(|run| run.len() > 1 || before.is_none_or(|mark| run[0] != place(mark)));
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::decimate;

    fn of(y: &[f64], columns: usize) -> Vec<Vec<Place>> {
        let x: Vec<f64> = (0..y.len()).map(|x| x as f64).collect();
        runs(&decimate(&x, y, 0.0, y.len() as f64 - 1.0, columns), (None, None), |mark| (mark.x, mark.y))
    }

    #[test]
    fn points_come_in_the_order_of_x_once_each() {
        assert_eq!(of(&[3.0, 9.0, 1.0, 5.0], 1), [[(0.0, 3.0), (1.0, 9.0), (2.0, 1.0), (3.0, 5.0)]]);
        assert_eq!(of(&[3.0, 3.0], 2), [[(0.0, 3.0), (1.0, 3.0)]]);
    }

    #[test]
    fn no_line_leads_across_what_is_no_number() {
        let parts = of(&[1.0, 2.0, f64::NAN, 4.0, 5.0], 5);
        assert_eq!(parts, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(3.0, 4.0), (4.0, 5.0)]]);
        assert!(of(&[f64::NAN; 4], 2).is_empty());
    }

    #[test]
    fn a_line_leads_to_what_lies_beyond_the_columns() {
        let at = |x: f64| Some(Mark { x, y: 7.0 });
        let empty = vec![Column::default(); 3];
        assert_eq!(runs(&empty, (at(-1.0), at(9.0)), |mark| (mark.x, mark.y)), [[(-1.0, 7.0), (9.0, 7.0)]]);
        assert!(runs(&empty, (at(-1.0), None), |mark| (mark.x, mark.y)).is_empty());
    }
}
