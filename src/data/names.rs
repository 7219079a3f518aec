//! Names of files and folders: natural order, and a printable form of any name.

use std::cmp::Ordering;
use std::ffi::OsStr;

/// Compare as a person sorts: runs of digits by value, everything else by character, so `2` comes before `10`.
/// A total order: names that differ only in leading zeros are told apart by their text.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some(l), Some(r)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
        };
        if l.is_ascii_digit() && r.is_ascii_digit() {
            let (number_l, rest_l) = leading_digits(left);
            let (number_r, rest_r) = leading_digits(right);
            // Without leading zeros, the longer run is the larger number; no run is too long to compare.
            let order = number_l.len().cmp(&number_r.len()).then_with(|| number_l.cmp(number_r));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest_l, rest_r);
        } else {
            if l != r {
                return l.cmp(&r);
            }
            (left, right) = (&left[l.len_utf8()..], &right[r.len_utf8()..]);
        }
    }
}

/// The leading run of digits without its leading zeros, and what follows the run.
fn leading_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

/// A name as text: bytes that are no UTF-8 appear as `\xNN`, so that different names stay different.
pub fn printable(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for &byte in chunk.invalid() {
            text.extend(['\\', 'x']);
            text.push_str(&super::manifest::hex(&[byte]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(mut names: Vec<&str>) -> Vec<&str> {
        names.sort_by(|a, b| natural_order(a, b));
        names
    }

    #[test]
    fn numbers_sort_by_value() {
        assert_eq!(sorted(vec!["10", "9", "a10b2", "a9", "a10b10", "1"]), ["1", "9", "10", "a9", "a10b2", "a10b10"]);
    }

    #[test]
    fn numbers_longer_than_any_integer_still_compare() {
        let big = "9".repeat(60);
        let bigger = format!("1{}", "0".repeat(60));
        assert_eq!(natural_order(&big, &bigger), Ordering::Less);
    }

    #[test]
    fn leading_zeros_do_not_make_two_names_equal() {
        assert_ne!(natural_order("01", "1"), Ordering::Equal);
        assert_eq!(sorted(vec!["2", "01", "1", "002"]), ["01", "1", "002", "2"]);
    }

    #[test]
    fn a_name_that_is_no_utf8_keeps_its_bytes_visible() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(printable(OsStr::from_bytes(b"caf\xe9.jpg")), "caf\\xe9.jpg");
        assert_eq!(printable(OsStr::new("宮崎.png")), "宮崎.png");
    }
}
