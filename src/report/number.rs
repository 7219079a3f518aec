//! Numbers as text: short, and as wide for one value as for the next of its size.

/// A measured value in about four digits: `2.013`, `0.0796`, `612.4`, `54 400`, `1.3e-5`, `4.20M`, `nan`. Whole numbers
/// below a million stay whole (`97`).
pub fn value(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf".to_owned() } else { "-inf".to_owned() }
    } else if size == 0.0 {
        "0".to_owned()
    } else if size >= 999_999.5 {
        scaled(value)
    } else if size >= 999.95 || size.fract() == 0.0 {
        grouped(value, 0)
    } else if size < 0.000_999_5 {
        format!("{value:.1e}")
    } else {
        // Steps where rounding would add a digit, so that 9.9999 is written as 10.00.
        let decimals = match size {
            99.995.. => 1,
            9.9995.. => 2,
            0.099_95.. => 3,
            0.009_995.. => 4,
            _ => 5,
        };
        format!("{value:.decimals$}")
    }
}

/// [`value`] aligned right in `width` characters; longer ones stay whole.
pub fn padded(number: f64, width: usize) -> String {
    format!("{:>width$}", value(number))
}

/// A count in groups of three digits: `54 400`.
pub fn count(count: u64) -> String {
    group(&count.to_string())
}

/// A step, in groups of three digits: `54 400`.
pub fn count_of(step: i64) -> String {
    group(&step.to_string())
}

/// With so many decimals, in groups of three digits before the point.
pub(super) fn grouped(value: f64, decimals: usize) -> String {
    group(&format!("{value:.decimals$}"))
}

/// At least a (nearly) million, with an SI suffix.
fn scaled(value: f64) -> String {
    match scale(value.abs().max(1e6)) {
        (scale, Some(suffix)) => format!("{:.2}{suffix}", value / scale),
        _ => format!("{value:.2e}"),
    }
}

/// The power of ten that an SI suffix stands for, and the suffix; none beyond what people read at a glance.
pub(super) fn scale(value: f64) -> (f64, Option<&'static str>) {
    match value.abs() {
        1e15.. => (1.0, None),
        1e12.. => (1e12, Some("T")),
        1e9.. => (1e9, Some("G")),
        1e6.. => (1e6, Some("M")),
        1e3.. => (1e3, Some("k")),
        _ => (1.0, None),
    }
}

/// Without zeros at the end of a fraction.
pub(super) fn short(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn group(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut text = String::with_capacity(digits.len() + whole.len() / 3 + 1);
    text.push_str(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        let written = [
            (2.013_4, "2.013"),
            (-2.013_4, "-2.013"),
            (0.382, "0.382"),
            (0.079_6, "0.0796"),
            (0.001_5, "0.00150"),
            (1.3e-5, "1.3e-5"),
            (2e-4, "2.0e-4"),
            (68.4, "68.40"),
            (612.44, "612.4"),
            (97.0, "97"),
            (0.0, "0"),
            (-0.0, "0"),
            (4_812.0, "4 812"),
            (54_400.4, "54 400"),
            (-54_400.0, "-54 400"),
            (1_500_000.0, "1.50M"),
            (2.5e16, "2.50e16"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ];
        for (number, text) in written {
            assert_eq!(value(number), text, "{number:e}");
        }
        assert_eq!(count(54_400), "54 400");
        assert_eq!(count(999), "999");
        assert_eq!(count(12_345_678), "12 345 678");
    }

    #[test]
    fn the_width_holds_within_a_decade() {
        for decade in -4..3 {
            let low = 10_f64.powi(decade);
            let widths: Vec<usize> = (1..400).map(|i| value(low * (1.0 + f64::from(i) * 0.022_471_3)).len()).collect();
            assert!(widths.iter().all(|&width| width == widths[0]), "decade {decade}: {widths:?}");
        }
        let nearly = [(9.999_96, "10.00"), (99.999_6, "100.0"), (999.96, "1 000"), (0.999_96, "1.000")];
        for (number, text) in nearly.into_iter().chain([(0.099_996, "0.100"), (999_999.7, "1.00M")]) {
            assert_eq!(value(number), text);
        }
        assert_eq!(padded(2.0134, 8), "   2.013");
        assert_eq!(padded(f64::NAN, 2), "nan");
    }
}
