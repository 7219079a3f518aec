//! Which GPUs CUDA shows this process, by the rules of `CUDA_VISIBLE_DEVICES` (CUDA programming guide, environment
//! variables): the list ends at the first entry that names nothing, and an entry named twice hides them all.

/// One GPU of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// The device of this index.
    Index(usize),
    /// The MIG instance of this UUID.
    Mig(String),
}

/// The GPUs that `setting` shows of those with these `uuids`, in CUDA's order.
pub(super) fn choices(setting: Option<&str>, uuids: &[String]) -> Vec<Choice> {
    let Some(setting) = setting else {
        return (0..uuids.len()).map(Choice::Index).collect();
    };
    let mut chosen = Vec::new();
    for entry in setting.split(',') {
        let Some(choice) = choice(entry.trim(), uuids) else {
            break;
        };
        if chosen.contains(&choice) {
            return Vec::new();
        }
        chosen.push(choice);
    }
    chosen
}

fn choice(entry: &str, uuids: &[String]) -> Option<Choice> {
    if entry.starts_with("MIG-") {
        return Some(Choice::Mig(entry.to_owned()));
    }
    if entry.starts_with("GPU-") {
        // A prefix is enough when it fits one device only.
        let mut fitting = uuids.iter().enumerate().filter(|(_, uuid)| uuid.starts_with(entry));
        return match (fitting.next(), fitting.next()) {
            (Some((index, _)), None) => Some(Choice::Index(index)),
            _ => None,
        };
    }
    entry.parse().ok().filter(|&index| index < uuids.len()).map(Choice::Index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(setting: Option<&str>) -> Vec<usize> {
        let uuids = ["GPU-aa11", "GPU-aa22", "GPU-bb33"].map(str::to_owned);
        choices(setting, &uuids)
            .into_iter()
            .map(|choice| match choice {
                Choice::Index(index) => index,
                Choice::Mig(uuid) => panic!("{uuid} is no index"),
            })
            .collect()
    }

    #[test]
    fn unset_shows_all_and_empty_none() {
        assert_eq!(indices(None), [0, 1, 2]);
        assert_eq!(indices(Some("")), [0_usize; 0]);
        assert_eq!(indices(Some("-1")), [0_usize; 0]);
    }

    #[test]
    fn order_is_kept_and_the_list_ends_at_the_first_wrong_entry() {
        assert_eq!(indices(Some("2,0")), [2, 0]);
        assert_eq!(indices(Some(" 1 , 2")), [1, 2]);
        assert_eq!(indices(Some("1,9,2")), [1]);
        assert_eq!(indices(Some("0,-1,1")), [0]);
        assert_eq!(indices(Some("0,0")), [0_usize; 0]);
    }

    #[test]
    fn uuids_may_be_cut_short_but_not_ambiguous() {
        assert_eq!(indices(Some("GPU-bb,GPU-aa2")), [2, 1]);
        assert_eq!(indices(Some("GPU-aa")), [0_usize; 0]);
    }

    #[test]
    fn mig_instances_are_named_by_uuid() {
        assert_eq!(choices(Some("MIG-7"), &[]), [Choice::Mig("MIG-7".to_owned())]);
    }
}
