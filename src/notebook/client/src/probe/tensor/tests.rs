use super::*;

/// Numbers that look random and are the same every time.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

fn panics(what: impl FnOnce() + std::panic::UnwindSafe) -> String {
    std::panic::catch_unwind(what).unwrap_err().downcast_ref::<String>().unwrap().clone()
}

/// Hadamard's matrix divided by its norm: orthogonal, every entry in use.
fn orthogonal(size: usize) -> Vec<Vec<f64>> {
    let entry = |row: usize, column: usize| if (row & column).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    let scale = 1.0 / (size as f64).sqrt();
    (0..size).map(|row| (0..size).map(|column| entry(row, column) * scale).collect()).collect()
}

#[test]
fn the_spectrum_of_a_matrix_made_of_a_known_one_comes_back() {
    for (rows, columns) in [(16, 16), (16, 64), (64, 16), (16, 32), (32, 16), (1, 8), (8, 1)] {
        let (left, right) = (orthogonal(rows), orthogonal(columns));
        let known: Vec<f64> = (0..rows.min(columns)).map(|at| 10.0 * 0.5_f64.powi(at as i32)).collect();
        let entry = |row: usize, column: usize| -> f64 {
            known.iter().enumerate().map(|(at, value)| left[row][at] * value * right[column][at]).sum()
        };
        let data = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let data = data.map(|(row, column)| entry(row, column) as f32).collect();
        let tensor = Tensor::new("w", vec![rows, columns], data);
        let found = tensor.singular_values();
        assert_eq!(found.len(), known.len());
        for (found, known) in found.y().iter().zip(&known) {
            // As exact as values rounded to f32 can be.
            assert!((found - known).abs() < 2e-6, "{rows} x {columns}: {found} is not {known}");
        }
    }
}

#[test]
fn small_singular_values_of_exact_matrices_are_exact() {
    let diagonal = [3.0, 1e-12, 4.0e6, 0.0, 7.0];
    let mut data = vec![0.0; 25];
    diagonal.iter().enumerate().for_each(|(at, value)| data[at * 6] = *value);
    let found = Tensor::new("d", vec![5, 5], data).singular_values();
    for (found, known) in found.y().iter().zip([4.0e6, 7.0, 3.0, 1e-12, 0.0]) {
        assert!((found - known).abs() < 1e-9, "{found} is not {known}");
    }
    // Ones: a single value, the square root of how many there are.
    let ones = Tensor::new("ones", vec![6, 5, 3, 3], vec![1.0; 270]).singular_values();
    assert!((ones.y()[0] - 270.0_f64.sqrt()).abs() < 1e-9 && ones.y()[1..].iter().all(|value| *value < 1e-9));
    assert_eq!(Tensor::new("zero", vec![2, 3], vec![0.0; 6]).singular_values().y(), [0.0, 0.0]);
}

#[test]
fn singular_values_of_noise_keep_the_norm_and_the_determinant() {
    let tensor = Tensor::new("w", vec![40, 9, 5, 5], noise(40 * 225));
    let squares: f64 = tensor.singular_values().y().iter().map(|value| value * value).sum();
    assert!((squares.sqrt() / tensor.norm() - 1.0).abs() < 1e-12);
    let three = Tensor::new("m", vec![3, 3], vec![2.0, 1.0, 0.5, -1.0, 3.0, 0.25, 0.5, 0.5, 1.0]);
    let m = three.data().iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let determinant =
        m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
    let product: f64 = three.singular_values().y().iter().product();
    assert!((product - determinant).abs() < 1e-12, "{product} {determinant}");
}

#[test]
fn what_has_no_singular_values_says_so() {
    assert!(panics(|| drop(Tensor::new("w", vec![2], vec![1.0, f32::NAN]).singular_values())).contains("NaN"));
    assert!(panics(|| drop(Tensor::new("w", vec![0, 2], Vec::new()).singular_values())).contains("no values"));
    assert!(singular::values(&[1.0; 4], 100_000, 100_000).is_err());
    assert_eq!(Tensor::new("s", Vec::new(), vec![-2.0]).singular_values().y(), [2.0]);
}

#[test]
fn statistics_are_those_of_the_definition_whatever_the_pieces() {
    let mut data = noise(10_000).into_iter().map(|value| value + 1000.0).collect::<Vec<_>>();
    data[17] = f32::NAN;
    data[18] = 0.0;
    let numbers: Vec<f64> = data.iter().filter(|value| !value.is_nan()).map(|value| f64::from(*value)).collect();
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let std = (numbers.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / numbers.len() as f64).sqrt();
    let whole = Tensor::new("w", vec![100, 100], data.clone()).stats();
    let mut pieces = Running::default();
    data.chunks(77).for_each(|piece| pieces.push(piece));
    for stats in [whole, pieces.stats()] {
        assert!((stats.mean - mean).abs() < 1e-9 && (stats.std - std).abs() < 1e-9, "{stats:?}");
        assert_eq!((stats.count, stats.nans, stats.zeros, stats.min), (10_000, 1, 1, 0.0));
    }
    assert!(Tensor::new("w", vec![2], vec![1.0, f32::NAN]).norm().is_nan(), "a NaN is not hidden");
    assert!(Tensor::new("empty", vec![0], Vec::new()).to_string().contains("NaN"));
}

#[test]
fn indices_are_checked_and_parts_keep_their_name() {
    let tensor = Tensor::new("w", vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!((tensor[[1, 2]], tensor.at(1)[[0]], tensor.at(1).name()), (5.0, 3.0, "w[1]"));
    assert_eq!(tensor.reshape(&[3, 2])[[2, 0]], 4.0);
    let tensor = std::sync::Arc::new(tensor);
    let clone = tensor.clone();
    assert!(panics(move || assert!(clone[[0, 3]] > 0.0)).contains("shape 2 x 3"));
    let clone = tensor.clone();
    assert!(panics(move || drop(clone.at(2))).contains("no index 2"));
    assert!(panics(|| drop(Tensor::new("w", vec![usize::MAX, 2], Vec::new()))).contains("do not fill"));
}

#[test]
fn a_histogram_counts_every_finite_value_once() {
    let mut data = noise(5000);
    data.extend([f32::NAN, f32::INFINITY]);
    let plot = Tensor::new("w", vec![5002], data).hist_bins(10).json();
    let counts = plot.get("series").list()[0].get("y").list().to_vec();
    assert_eq!(counts.len(), 10);
    assert_eq!(counts.iter().filter_map(crate::probe::json::Json::as_f64).sum::<f64>(), 5000.0);
    assert!(plot.get("title").as_str().unwrap().contains("2 not finite"), "{plot}");
    assert!(panics(|| drop(Tensor::new("w", vec![1], vec![f32::NAN]).hist())).contains("no finite value"));
}

#[test]
fn tensors_become_pictures() {
    let colour = Tensor::new("x", vec![1, 3, 1, 2], vec![-1.0, 1.0, 0.0, 0.0, f32::NAN, 9.0]).picture();
    assert_eq!((colour.pixel(0, 0), colour.pixel(1, 0)), ([0, 128, 0], [255, 128, 255]));
    let tiles = Tensor::new("act", vec![5, 2, 2], (0..20).map(|v| v as f32).collect()).image();
    assert_eq!((tiles.width(), tiles.height()), (3 * 3 - 1, 2 * 3 - 1));
    assert_eq!((tiles.pixel(0, 0), tiles.pixel(1, 1)), ([0; 3], [255; 3]), "each tile has its own range");
    let filters = Tensor::new("conv", vec![4, 2, 3, 3], noise(72)).image();
    assert_eq!((filters.width(), filters.height()), (7, 7));
    assert!(panics(|| drop(Tensor::new("b", vec![4], noise(4)).image())).contains("is no picture"));
}
