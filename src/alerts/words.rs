//! Numbers as a message has them.

/// At most four significant digits: `3.9`, `0.0812`, `1.25e-7`.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { value.to_string() };
    }
    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if size == 0.0 || (1e-4..1e7).contains(&size) { format!("{rounded}") } else { format!("{rounded:e}") }
}

/// `0.52 s`, `87 s`, `12 min`, `3.4 h`.
pub fn seconds(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{} s", number((v * 100.0).round() / 100.0)),
        v if v < 180.0 => format!("{v:.0} s"),
        v if v < 3.0 * 3600.0 => format!("{:.0} min", v / 60.0),
        v => format!("{:.1} h", v / 3600.0),
    }
}

/// `512 KiB`, `1.2 GiB`.
pub fn bytes(value: f64) -> String {
    let mut size = value;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size.abs() < 1024.0 {
            return if size.abs() < 10.0 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [3.9, 2.0, 0.081_234_5, 1234.56, 1.25e-7, 0.0, 2e9, f64::NAN, f64::NEG_INFINITY].map(number);
        assert_eq!(shown, ["3.9", "2", "0.08123", "1235", "1.25e-7", "0", "2e9", "NaN", "-inf"]);
        assert_eq!([0.518, 87.4, 720.0, 12_240.0].map(seconds), ["0.52 s", "87 s", "12 min", "3.4 h"]);
        assert_eq!([512.0, 524_288.0, 1.25e9, 2.0e12].map(bytes), ["512 B", "512 KiB", "1.2 GiB", "1.8 TiB"]);
    }
}
