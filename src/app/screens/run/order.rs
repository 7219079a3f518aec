//! The order of the charts: what one looks at first, first.

/// Names, and beginnings of names that end in a slash, in the order in which their charts come: what tells at a glance
/// whether a run is well, then the parts of it. What is in neither list comes between the two.
const FIRST: [&str; 18] = [
    "loss/g",
    "loss/d",
    "loss/total",
    "loss",
    "val/",
    "speed/images_per_sec",
    "gpu0/utilization_percent",
    "gpu0/memory_used_bytes",
    "gpu0/power_watts",
    "process/cpu_percent",
    "loss/",
    "lr",
    "lr/",
    "grad_norm/",
    "speed/",
    "time/step_seconds",
    "time/",
    "memory/",
];
/// The same for what comes last; the GPUs' names differ by their number.
const LAST: [&str; 4] = ["gpu", "process/memory_rss_bytes", "host/cpu_percent", "host/"];
/// Series that nobody needs to see until they ask.
const HIDDEN: [&str; 4] = ["train/skipped", "record/", "val/identity_", "_total_bytes"];

fn rank(name: &str) -> usize {
    let is_of = |group: &str| name == group || group.ends_with('/') && name.starts_with(group);
    let first = FIRST.iter().position(|group| is_of(group));
    let last = || LAST.iter().position(|group| name.starts_with(group)).map(|at| FIRST.len() + 1 + at);
    first.or_else(last).unwrap_or(FIRST.len())
}

/// Put names into the order of their charts: pinned ones, those moved by hand, then by what they are. Unless a filter
/// asks for them, series that say nothing by themselves are left out.
pub fn sort(names: &mut Vec<String>, pinned: &[String], moved: &[String], filtered: bool) {
    if !filtered {
        names.retain(|name| {
            pinned.contains(name) || !HIDDEN.iter().any(|it| name.starts_with(it) || name.ends_with(it))
        });
    }
    let place = |list: &[String], name: &String| list.iter().position(|it| it == name).unwrap_or(list.len());
    names.sort_by_cached_key(|name| (place(pinned, name), place(moved, name), rank(name), name.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str], pinned: &[&str], moved: &[&str]) -> Vec<String> {
        let own = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut names = own(names);
        sort(&mut names, &own(pinned), &own(moved), false);
        names
    }

    #[test]
    fn losses_come_before_validation_before_speed_before_the_host() {
        let names =
            ["host/cpu_percent", "speed/images_per_sec", "val/l1", "loss/l1", "loss/g", "gpu0/power_watts", "custom"];
        let order =
            ["loss/g", "val/l1", "speed/images_per_sec", "gpu0/power_watts", "loss/l1", "custom", "host/cpu_percent"];
        assert_eq!(sorted(&names, &[], &[]), order);
    }

    #[test]
    fn pinned_then_moved_charts_come_first() {
        assert_eq!(sorted(&["loss/g", "val/l1", "lr"], &["lr"], &["val/l1"]), ["lr", "val/l1", "loss/g"]);
    }

    #[test]
    fn what_says_nothing_is_shown_only_when_asked_for() {
        let mut names = vec!["train/skipped".to_owned(), "host/memory_total_bytes".to_owned()];
        assert!(sorted(&["train/skipped", "host/memory_total_bytes"], &[], &[]).is_empty());
        sort(&mut names, &[], &[], true);
        assert_eq!(names.len(), 2);
    }
}
