//! What the newest evaluations found (`atelier eval`), out of the series that they left: `eval/ssim`, its interval
//! `eval/ssim_low` and `eval/ssim_high`, and likewise of `eval/identity_ssim` and `eval/difference_ssim`.

use std::collections::HashMap;

use unicode_width::UnicodeWidthStr as _;

use super::Newest;
use crate::cli::sessions::{number, whole};
use crate::config::Metric;

/// Whether a series is an evaluation's.
pub(super) fn is_part(series: &str) -> bool {
    series.starts_with("eval/")
}

/// A line a metric.
pub(super) fn lines(series: &[Newest]) -> Vec<String> {
    let values: HashMap<&str, &Newest> = series.iter().map(|one| (one.series.as_str(), one)).collect();
    let rows: Vec<[String; 5]> = Metric::ALL.iter().filter_map(|metric| row(*metric, &values)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    rows.iter()
        .map(|row| {
            let padded =
                row.iter().zip(&widths).map(|(word, width)| format!("{word}{}", " ".repeat(width - word.width())));
            padded.collect::<Vec<String>>().join("  ")
        })
        .collect()
}

fn row(metric: Metric, values: &HashMap<&str, &Newest>) -> Option<[String; 5]> {
    let name = metric.name();
    let newest = values.get(format!("eval/{name}").as_str())?;
    let step = newest.latest.step;
    // What an evaluation of another step left is not of this one.
    let of = |series: String| {
        let one = values.get(series.as_str()).filter(|one| one.latest.step == step)?;
        Some(one.latest.value)
    };
    let estimate = |series: String, sign: bool| {
        let value = of(series.clone())?;
        let plus = if sign && value > 0.0 { "+" } else { "" };
        let interval = of(format!("{series}_low")).zip(of(format!("{series}_high")));
        let interval = interval.map(|(low, high)| format!(" [{}, {}]", number(low), number(high)));
        Some(format!("{plus}{}{}", number(value), interval.unwrap_or_default()))
    };
    let baseline = of(format!("eval/identity_{name}")).map(|value| format!("input as it is {}", number(value)));
    let difference = estimate(format!("eval/difference_{name}"), true).map(|text| format!("difference {text}"));
    let images =
        of("eval/images".to_owned()).map(|count| format!(" · N = {}", whole(count as i64))).unwrap_or_default();
    Some([
        name.to_owned(),
        estimate(format!("eval/{name}"), false)?,
        baseline.unwrap_or_default(),
        difference.unwrap_or_default(),
        format!("step {}{images}", whole(step)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Latest;

    #[test]
    fn a_metric_is_a_line_with_its_intervals_and_nothing_of_another_step() {
        let newest = |series: &str, step: i64, value: f64| Newest {
            series: series.to_owned(),
            latest: Latest { step, value },
            time: None,
        };
        let lines = lines(&[
            newest("eval/images", 20, 12.0),
            newest("eval/psnr", 20, 24.5),
            newest("eval/psnr_low", 20, 23.0),
            newest("eval/psnr_high", 20, 26.0),
            newest("eval/identity_psnr", 20, 20.0),
            newest("eval/difference_psnr", 20, 4.5),
            newest("eval/ssim", 10, 0.5),
            newest("eval/ssim_low", 20, 0.4),
            newest("eval/ssim_high", 20, 0.6),
        ]);
        assert_eq!(lines.len(), 2);
        for part in ["psnr", "24.50 [23.00, 26.00]", "input as it is 20.00", "difference +4.500", "step 20 · N = 12"] {
            assert!(lines[0].contains(part), "{part} in {}", lines[0]);
        }
        assert!(
            lines[1].contains("0.5000  ") && lines[1].contains("step 10") && !lines[1].contains('['),
            "{}",
            lines[1]
        );
    }
}
