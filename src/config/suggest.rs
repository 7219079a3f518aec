//! The nearest valid name to a misspelt one.

use strsim::damerau_levenshtein;

/// At most this many names are suggested when several are equally near.
const MOST: usize = 3;

/// The names nearest to `wrong`, when near enough to be a slip: one edit for short names, a third of the length for
/// longer ones. Case and `-` against `_` do not count. Several when they are equally near; empty when none is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wrong = plain(wrong);
    let reach = (wrong.chars().count() / 3).max(1);
    let mut best: Vec<String> = Vec::new();
    let mut distance = reach;
    for name in names {
        let from = damerau_levenshtein(&wrong, &plain(name));
        if from < distance {
            best.clear();
            distance = from;
        }
        if from == distance {
            best.push(name.to_owned());
        }
    }
    best.truncate(MOST);
    best
}

/// A name without the differences that people make by habit.
fn plain(name: &str) -> String {
    // Longer than any key: distances to it would cost and mean nothing.
    name.chars().take(64).filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["epochs", "batch_size", "keep_last", "keep_best", "lr"];
        assert_eq!(nearest("epocs", names), ["epochs"]);
        assert_eq!(nearest("batchSize", names), ["batch_size"]);
        assert_eq!(nearest("lt", names), ["lr"]);
        assert_eq!(nearest("keep_lest", names), ["keep_last", "keep_best"]);
        assert!(nearest("colour", names).is_empty());
        assert!(nearest("", names).is_empty());
    }
}
