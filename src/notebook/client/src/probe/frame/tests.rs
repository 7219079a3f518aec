use super::*;
use crate::probe::testing::{Dice, message};

/// A frame as the hub sends it: names, types and bytes.
fn frame(rows: usize, columns: &[(&str, &str, usize, Vec<u8>)]) -> Frame {
    let head = |(name, kind, nulls, bytes): &(&str, &str, usize, Vec<u8>)| {
        format!("{{\"name\":\"{name}\",\"type\":\"{kind}\",\"nulls\":{nulls},\"bytes\":{}}}", bytes.len())
    };
    let heads: Vec<String> = columns.iter().map(head).collect();
    let line = format!("{{\"rows\":{rows},\"columns\":[{}]}}", heads.join(","));
    let bytes: Vec<u8> = columns.iter().flat_map(|column| column.3.clone()).collect();
    Frame::read(&Json::parse(line.as_bytes()).unwrap(), &bytes).unwrap()
}

fn whole(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn texts(values: &[&str]) -> Vec<u8> {
    values.iter().flat_map(|value| [&(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat()).collect()
}

fn long() -> Frame {
    frame(
        6,
        &[
            ("step", "i64", 0, whole(&[1, 2, 2, 3, 1, 2])),
            ("generation", "i64", 0, whole(&[0, 0, 1, 1, 0, 0])),
            ("series", "str", 0, texts(&["g", "g", "g", "g", "d", "d"])),
            ("value", "f64", 0, numbers(&[4.0, 9.0, 2.0, f64::NAN, 1.0, 3.0])),
        ],
    )
}

#[test]
fn columns_are_what_they_were_sent_as() {
    let nulls = [vec![0, 1, 0], numbers(&[1.5, 0.0, f64::INFINITY])].concat();
    let frame = frame(
        3,
        &[
            ("x", "f64", 1, nulls),
            ("b", "bool", 0, vec![1, 0, 1]),
            ("at", "time", 0, whole(&[0, 1_000_000_000, -1])),
            ("s", "str", 0, texts(&["é", "", "a\nb"])),
        ],
    );
    let x = frame.f64("x");
    assert!(x[0] == 1.5 && x[1].is_nan() && x[2] == f64::INFINITY);
    assert_eq!((frame.bool("b"), frame.i64("at")), (vec![true, false, true], vec![0, 1_000_000_000, -1]));
    assert_eq!(frame.str("s"), ["é", "", "a\nb"]);
    assert_eq!(frame.str("at")[1], "1970-01-01 00:00:01.000");
    assert_eq!(frame.rows()[1][..2], [Value::Null, Value::Bool(false)]);
    assert_eq!((frame.value(2, "x"), frame.columns().len()), (Value::F64(f64::INFINITY), 4));
    let shown = frame.to_string();
    assert!(shown.contains('–') && shown.contains("a b"), "{shown}");
}

#[test]
fn a_wrong_column_or_type_says_what_to_take() {
    let frame =
        frame(2, &[("x", "f64", 0, numbers(&[1.0, 2.0])), ("n", "i64", 1, [vec![1, 0], whole(&[0, 5])].concat())]);
    assert!(message(|| drop(frame.f64("y"))).contains("there are x, n"));
    assert!(message(|| drop(frame.i64("x"))).contains(".f64(\"x\")"));
    assert!(message(|| drop(frame.i64("n"))).contains("1 empty values"));
    assert!(message(|| drop(frame.value(2, "x"))).contains("2 rows"));
}

#[test]
fn rows_are_chosen() {
    let frame = long();
    assert_eq!((frame.head(2).i64("step"), frame.last(1).str("series")), (vec![1, 2], vec!["d".to_owned()]));
    assert_eq!(frame.filter_series("d").f64("value"), [1.0, 3.0]);
    assert_eq!((frame.head(0).len(), frame.last(100).len()), (0, 6));
    assert!(frame.head(0).to_string().contains("no rows"));
}

#[test]
fn long_rows_become_curves_in_which_the_later_generation_counts() {
    let curves = long().curves().unwrap();
    assert_eq!(curves.iter().map(Series::name).collect::<Vec<_>>(), ["d", "g"]);
    assert_eq!((curves[1].x(), &curves[1].y()[..2]), (&[1.0, 2.0, 3.0][..], &[4.0, 2.0][..]));
    assert!(curves[1].y()[2].is_nan());
    let one = long().filter_series("d").curves().unwrap();
    assert_eq!((one[0].name(), one[0].len()), ("d", 2));
    // Each series is smoothed by itself: that of d does not begin with the last of g.
    assert_eq!(long().ema(0.5).filter_series("d").f64("value"), [1.0, (0.5 + 3.0) / 1.5]);
}

#[test]
fn wide_rows_become_a_curve_a_column() {
    let steps = [10, 20];
    let frame =
        Frame::wide(&steps, vec![("a".to_owned(), vec![Some(1.0), None]), ("b".to_owned(), vec![None, Some(2.0)])]);
    let curves = frame.curves().unwrap();
    assert_eq!(curves.iter().map(|curve| (curve.name(), curve.x()[0])).collect::<Vec<_>>(), [("a", 10.0), ("b", 20.0)]);
    assert_eq!(frame.series("step", "b").y()[1], 2.0);
    let texts = self::frame(1, &[("s", "str", 0, texts(&["x"]))]);
    assert!(message(|| drop(texts.plot())).contains("nothing to plot"));
    assert!(message(|| drop(Frame::empty().plot())).contains("nothing to plot"));
}

#[test]
fn lengths_that_lie_are_refused() {
    let told =
        |line: &str, bytes: &[u8]| Frame::read(&Json::parse(line.as_bytes()).unwrap(), bytes).unwrap_err().to_string();
    let head = |rows: usize, kind: &str, nulls: usize, bytes: usize| {
        format!(
            "{{\"rows\":{rows},\"columns\":[{{\"name\":\"x\",\"type\":\"{kind}\",\"nulls\":{nulls},\"bytes\":{bytes}}}]}}"
        )
    };
    assert!(told(&head(1, "f64", 0, 8), &[0; 7]).contains("longer than the table"));
    assert!(told(&head(1, "f64", 0, 8), &[0; 9]).contains("follows its last column"));
    assert!(told(&head(2, "f64", 0, 8), &[0; 8]).contains("2 rows"));
    assert!(told(&head(2, "str", 0, 4), &[0; 4]).contains("2 rows"));
    assert!(told(&head(1, "str", 0, 8), &[255; 8]).contains("1 rows"));
    assert!(told(&head(3, "f64", 1, 2), &[0; 2]).contains("3 rows"));
    assert!(told(&head(usize::MAX >> 1, "str", 0, 4), &[0; 4]).contains("rows"));
    assert!(told(&head(1, "colour", 0, 8), &[0; 8]).contains("unknown type"));
    assert!(told("{\"columns\":[]}", &[]).contains("no number of rows"));
    let mut dice = Dice(3);
    let line = head(2, "str", 1, 12);
    for _ in 0..20_000 {
        let mutated = dice.mutate(line.as_bytes());
        let bytes: Vec<u8> = (0..12).map(|_| dice.below(6) as u8).collect();
        if let Ok(line) = Json::parse(&mutated) {
            Frame::read(&line, &bytes).map(|frame| (frame.to_string(), frame.rows())).ok();
        }
    }
}
