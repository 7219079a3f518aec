//! What series measure, by their names: titles, units, and which way is better.

use regex::Regex;

use super::number;
use crate::config::Metric;

/// Ends of names that are units: what is shown, and what values are multiplied by to be in it.
const SUFFIXES: [(&str, (&str, f64)); 10] = [
    ("images_per_sec", (" img/s", 1.0)),
    ("_bytes_per_sec", (" MiB/s", 1.0 / (1 << 20) as f64)),
    ("_bytes", (" GiB", 1.0 / (1_u64 << 30) as f64)),
    ("_percent", (" %", 1.0)),
    ("_watts", (" W", 1.0)),
    ("_celsius", (" °C", 1.0)),
    ("_mhz", (" MHz", 1.0)),
    ("_joules", (" J", 1.0)),
    ("_seconds", (" s", 1.0)),
    ("_per_sec", ("/s", 1.0)),
];

/// A series of more points than these is smoothed.
const DENSE: usize = 64;

/// The unit of a series and what its values are multiplied by to be in it.
pub fn unit(series: &str) -> (&'static str, f64) {
    SUFFIXES.iter().find(|(suffix, _)| series.ends_with(suffix)).map_or(("", 1.0), |(_, unit)| *unit)
}

/// A series' name as a title: `loss/g` stays, units move to the value.
pub fn title(series: &str) -> String {
    // An ending is a unit only after the words that say what it is of.
    let mut units = SUFFIXES.iter().filter(|(suffix, _)| suffix.starts_with('_'));
    let stem = units.find_map(|(suffix, _)| series.strip_suffix(suffix)).unwrap_or(series);
    stem.replace('_', " ")
}

/// Whether a series is smoothed where it is drawn. Few points, as validation has, are not: each is a mean of many images
/// already. Nor is a learning rate: it was set, and smoothed it would be what was not.
pub fn is_noisy(series: &str, points: usize) -> bool {
    points > DENSE && series.split('/').next() != Some("lr")
}

/// Whether a series is called so, by its name or by its title.
pub fn is_called(series: &str, pattern: &Regex) -> bool {
    pattern.is_match(series) || pattern.is_match(&title(series))
}

/// A value with its unit.
pub fn with_unit(value: f64, scale: f64, unit: &str) -> String {
    format!("{}{unit}", number::value(value * scale))
}

/// A series' name as a heading for who does not know the names: `G loss`, `Held-out SSIM`.
pub fn heading(series: &str) -> String {
    let known = match series {
        "loss/g" => "G loss",
        "loss/d" => "D loss",
        "loss/total" | "loss" => "Training loss",
        "loss/g_gan" => "G: adversarial term",
        "loss/g_feat" => "G: feature matching term",
        "loss/g_l1" => "G: L1 term",
        "loss/g_vgg" => "G: perceptual term",
        "loss/d_real" => "D: on targets",
        "loss/d_fake" => "D: on predictions",
        "loss/mse" => "Training loss (MSE)",
        "speed/images_per_sec" => "Throughput",
        "time/step_seconds" => "Time of a step",
        "host/cpu_percent" => "Processors of the host",
        "process/cpu_percent" => "Processors used by this process",
        "process/memory_rss_bytes" => "Memory of this process",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    match series.split_once('/') {
        Some(("val" | "eval", name)) => format!("Held-out {}", metric(name)),
        Some(("loss", name)) => capital(&format!("{} loss", title(name))),
        Some(("grad_norm", name)) => format!("Gradient norm, {}", title(name)),
        Some(("lr", name)) => format!("Learning rate, {}", title(name)),
        Some((group, name)) if let Some(number) = gpu_number(group) => format!("GPU {number}, {}", title(name)),
        _ => title(series),
    }
}

/// Which GPU a group of series is of: `gpu0`.
fn gpu_number(group: &str) -> Option<u32> {
    group.strip_prefix("gpu")?.parse().ok()
}

/// Text that begins a line.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(char::to_uppercase).into_iter().flatten().collect();
    first + letters.as_str()
}

/// A metric's name as papers write it.
pub fn metric(name: &str) -> String {
    let name = name.replace('-', "_");
    match name.as_str() {
        "l1" | "l2" | "mse" | "psnr" | "ssim" | "lpips" | "fid" | "kid" => name.to_uppercase(),
        "ms_ssim" => "MS-SSIM".to_owned(),
        _ => match name.split_once('_') {
            Some((first @ ("lpips" | "fid" | "kid"), rest)) => format!("{} ({})", first.to_uppercase(), title(rest)),
            _ => title(&name),
        },
    }
}

/// Which way a series gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// It is a setting, or a fact: neither.
    Neither,
}

impl Better {
    /// Of a series, by its name: less is better, but for quality measures, speed, and what is set rather than reached.
    pub fn of(series: &str) -> Self {
        let (group, name) = series.split_once('/').unwrap_or(("", series));
        // The ends of a metric's interval go the way that it goes.
        let whole = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high")).unwrap_or(name);
        let quality = Metric::of_name(whole).is_some_and(Metric::higher_is_better);
        match group {
            "lr" | "grad_norm" | "memory" | "train" | "record" | "host" | "process" => Self::Neither,
            // How busy a machine was is a fact about it, not an aim.
            gpu if gpu_number(gpu).is_some() => Self::Neither,
            "speed" => Self::Higher,
            // What copying the photograph scores is the same for all.
            "val" | "eval" if name.starts_with("identity_") || name.starts_with("difference_") => Self::Neither,
            "eval" if name == "images" => Self::Neither,
            _ if series == "lr" => Self::Neither,
            _ if quality => Self::Higher,
            _ => Self::Lower,
        }
    }

    /// Whether `a` is better than `b`.
    pub fn prefers(self, a: f64, b: f64) -> bool {
        match self {
            Self::Higher => a > b,
            Self::Lower => a < b,
            Self::Neither => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_leave_the_title_and_come_to_the_value() {
        assert_eq!(title("gpu0/memory_used_bytes"), "gpu0/memory used");
        let (name, scale) = unit("gpu0/memory_used_bytes");
        assert_eq!(with_unit(44_238_372_864.0, scale, name), format!("{} GiB", number::value(41.2)));
        assert_eq!(title("loss/g"), "loss/g");
        assert_eq!(unit("net_rx_bytes_per_sec").0, " MiB/s", "the longest ending decides");
    }

    #[test]
    fn headings_are_for_who_does_not_know_the_names() {
        let headings =
            ["loss/g", "val/ssim", "val/lpips-alex", "loss/feature_matching", "lr/generator", "gpu0/power_watts"];
        let read: Vec<String> = headings.into_iter().map(heading).collect();
        let meant = [
            "G loss",
            "Held-out SSIM",
            "Held-out LPIPS (alex)",
            "Feature matching loss",
            "Learning rate, generator",
            "GPU 0, power",
        ];
        assert_eq!(read, meant);
    }

    #[test]
    fn each_series_knows_which_way_is_better() {
        for (series, better) in [
            ("val/ssim", Better::Higher),
            ("val/psnr", Better::Higher),
            ("val/ms-ssim", Better::Higher),
            ("eval/ssim_low", Better::Higher),
            ("eval/lpips-alex_high", Better::Lower),
            ("eval/identity_l1", Better::Neither),
            ("eval/difference_ssim", Better::Neither),
            ("eval/images", Better::Neither),
            ("val/l1", Better::Lower),
            ("val/lpips", Better::Lower),
            ("val/identity_ssim", Better::Neither),
            ("loss/g", Better::Lower),
            ("lr/generator", Better::Neither),
            ("lr", Better::Neither),
            ("speed/images_per_sec", Better::Higher),
            ("time/step_seconds", Better::Lower),
            ("grad_norm/generator", Better::Neither),
            ("gpu0/utilization", Better::Neither),
            ("host/cpu_percent", Better::Neither),
        ] {
            assert_eq!(Better::of(series), better, "{series}");
        }
        assert!(!Better::Lower.prefers(f64::NAN, 1.0) && !Better::Higher.prefers(f64::NAN, 1.0));
    }
}
