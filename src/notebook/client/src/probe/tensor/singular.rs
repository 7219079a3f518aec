//! Singular values: a QR decomposition where the matrix is tall, Golub and Kahan's bidiagonalisation, and bisection on
//! the symmetric tridiagonal matrix whose eigenvalues are plus and minus the singular values. Nothing is squared on the
//! way, so that the small ones are as exact as the matrix.

use crate::probe::problem::Problem;

/// Most multiplications: minutes on one core, where a convolution of 1024 by 1024 channels takes some seconds.
const WORK: f64 = 2e11;

/// The singular values of a matrix, row-major, greatest first.
pub(super) fn values(data: &[f32], rows: usize, columns: usize) -> Result<Vec<f64>, Problem> {
    if data.is_empty() {
        return Err(Problem::new("it has no values"));
    }
    if data.iter().any(|value| !value.is_finite()) {
        return Err(Problem::new("NaN or infinite values: they have no singular values"));
    }
    let (long, short) = (rows.max(columns), rows.min(columns));
    if 2.0 * long as f64 * short as f64 * short as f64 > WORK {
        return Err(Problem::new(format!("{rows} x {columns} is too large: take a part of it, such as .at(0)")));
    }
    // The short side's vectors, each contiguous: the matrix or its transpose has the same singular values.
    let vector = |at: usize| -> Vec<f64> {
        let value = |other: usize| {
            let index = if rows <= columns { at * columns + other } else { other * columns + at };
            f64::from(data[index])
        };
        (0..long).map(value).collect()
    };
    let mut matrix: Vec<Vec<f64>> = (0..short).map(vector).collect();
    // Scaled, so that no square overflows or vanishes.
    let most = matrix.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
    if most == 0.0 {
        return Ok(vec![0.0; short]);
    }
    matrix.iter_mut().flatten().for_each(|value| *value /= most);
    if long > short + short / 2 {
        triangular(&mut matrix);
    }
    let (diagonal, above) = bidiagonal(&mut matrix);
    Ok(bisect(&diagonal, &above).into_iter().map(|value| value * most).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (chunks_a, rest_a) = a.as_chunks::<LANES>();
    let (chunks_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in chunks_a.iter().zip(chunks_b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

fn add(to: &mut [f64], factor: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += factor * what);
}

/// Householder's reflection of `vector` onto its first axis: the direction `v` (in place of `vector`), the factor of
/// `I - factor v v'`, and what becomes of the first component.
fn reflection(vector: &mut [f64]) -> (f64, f64) {
    let norm = dot(vector, vector).sqrt();
    if norm == 0.0 {
        return (0.0, 0.0);
    }
    let target = if vector[0] > 0.0 { -norm } else { norm };
    vector[0] -= target;
    let square = dot(vector, vector);
    (if square > 0.0 { 2.0 / square } else { 0.0 }, target)
}

/// Columns of a tall matrix become those of its square triangular factor. Reflections are gathered, so that a column is
/// brought into the processor's cache once for many of them.
fn triangular(columns: &mut [Vec<f64>]) {
    const GATHERED: usize = 16;
    let size = columns.len();
    for first in (0..size).step_by(GATHERED) {
        let after = (first + GATHERED).min(size);
        let (done, rest) = columns.split_at_mut(after);
        let mut found = Vec::with_capacity(GATHERED);
        for step in first..after {
            let (axes, own) = done.split_at_mut(step);
            for (axis, (at, factor, _)) in axes[first..].iter().zip(&found) {
                reflect(&mut own[0], axis, *at, *factor);
            }
            let (factor, target) = reflection(&mut own[0][step..]);
            found.push((step, factor, target));
        }
        for column in rest {
            for (axis, (at, factor, _)) in done[first..].iter().zip(&found) {
                reflect(column, axis, *at, *factor);
            }
        }
        for (axis, (at, _, target)) in done[first..].iter_mut().zip(found) {
            axis[at..].fill(0.0);
            axis[at] = target;
        }
    }
    columns.iter_mut().for_each(|column| column.truncate(size));
}

/// Reflect `column`, from the component `at` on, by the direction `axis`.
fn reflect(column: &mut [f64], axis: &[f64], at: usize, factor: f64) {
    let along = dot(&axis[at..], &column[at..]);
    add(&mut column[at..], -factor * along, &axis[at..]);
}

/// The diagonal and what stands above it, of a bidiagonal matrix with the same singular values as these columns.
fn bidiagonal(columns: &mut [Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let (size, height) = (columns.len(), columns[0].len());
    let (mut diagonal, mut above) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for step in 0..size {
        let (done, rest) = columns.split_at_mut(step + 1);
        let axis = &mut done[step];
        let (factor, target) = reflection(&mut axis[step..]);
        diagonal.push(target);
        rest.iter_mut().for_each(|column| reflect(column, axis, step, factor));
        if rest.is_empty() {
            break;
        }
        // The same from the right, on the row: its parts lie in different columns, and what it does to the rows below
        // is a sum of columns.
        let mut row: Vec<f64> = rest.iter().map(|column| column[step]).collect();
        let (factor, target) = reflection(&mut row);
        above.push(target);
        let mut along = vec![0.0; height - step - 1];
        for (column, part) in rest.iter().zip(&row) {
            add(&mut along, *part, &column[step + 1..]);
        }
        for (column, part) in rest.iter_mut().zip(&row) {
            add(&mut column[step + 1..], -factor * part, &along);
        }
    }
    (diagonal, above)
}

/// The singular values of a bidiagonal matrix, greatest first.
fn bisect(diagonal: &[f64], above: &[f64]) -> Vec<f64> {
    // The symmetric matrix with zeros on its diagonal and these beside it has the eigenvalues +s and -s.
    let mut beside = Vec::with_capacity(2 * diagonal.len());
    for (at, value) in diagonal.iter().enumerate() {
        beside.push(*value);
        beside.extend(above.get(at));
    }
    // No eigenvalue is further out than the greatest sum of a row.
    let bound = beside.windows(2).map(|pair| pair[0].abs() + pair[1].abs()).fold(beside[0].abs(), f64::max);
    let tiny = f64::MIN_POSITIVE.sqrt();
    // How many eigenvalues are less than x: the signs of the pivots of the matrix minus x (Sturm).
    let less = |x: f64| {
        let mut pivot = -x;
        let mut found = usize::from(pivot < 0.0);
        for value in &beside {
            let safe = if pivot.abs() < tiny { tiny.copysign(pivot) } else { pivot };
            pivot = -x - value * value / safe;
            found += usize::from(pivot < 0.0);
        }
        found
    };
    let size = diagonal.len();
    let find = |rank: usize| {
        let (mut low, mut high) = (0.0, bound * (1.0 + 1e-12));
        // Each step halves what is between; 60 leave less than the last digit.
        for _ in 0..60 {
            let middle = low + (high - low) / 2.0;
            if less(middle) > 2 * size - 1 - rank {
                high = middle;
            } else {
                low = middle;
            }
        }
        low + (high - low) / 2.0
    };
    (0..size).map(find).collect()
}
