//! Train and validation sides, **by source**: tiles of one picture never stand on both.
//!
//! A source's side depends on nothing but its name, the seed and the fraction: it is held out when the first 64 bits
//! of SHA-256(seed, name), read as a number in [0, 1), lie below the fraction. So adding or removing files never moves
//! another source to the other side, on any machine, and two runs that share a seed share a split. The price is that
//! the share held out is only near the fraction (for 100 sources at 0.2: 20 ± 4); `dataset split` prints what came out.
//!
//! Two exceptions. A side that would be empty gets the source nearest to the threshold (a lone source is trained on).
//! And a split that was written down (`split.json`, by `dataset split`) with the same seed and fraction is kept for the
//! sources in it, which makes even the first exception stable, and lets a person choose sources by hand.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::manifest;
use super::pairs::{Dataset, DatasetError};

/// The recorded split's name in a dataset's root.
pub const FILE_NAME: &str = "split.json";

/// Indices into [`Dataset::pairs`], each ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What is trained on.
    pub train: Vec<usize>,
    /// What is held out.
    pub validation: Vec<usize>,
}

/// A side of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Trained on.
    Train,
    /// Held out.
    Validation,
}

/// A split as written down in `split.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Share of the sources asked for.
    pub validation_fraction: f64,
    /// The seed.
    pub seed: u64,
    /// Sources trained on, in natural order.
    pub train: Vec<String>,
    /// Sources held out, in natural order.
    pub validation: Vec<String>,
}

impl Record {
    /// Read the recorded split of the dataset at `root`; `None` when there is none.
    pub fn load(root: &Path) -> Result<Option<Self>, DatasetError> {
        let path = root.join(FILE_NAME);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| DatasetError::Split { path, reason: error.to_string() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DatasetError::Read { path, source }),
        }
    }

    /// Write the split of a dataset down in its root. Atomic.
    pub fn save(&self, root: &Path) -> Result<(), DatasetError> {
        let path = root.join(FILE_NAME);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| DatasetError::Write { path: path.clone(), source: io::Error::other(error) })?;
        text.push('\n');
        manifest::replace(&path, text.as_bytes())
    }

    /// Sources that stand on both sides.
    pub fn conflicts(&self) -> Vec<&str> {
        let train: HashSet<&str> = self.train.iter().map(String::as_str).collect();
        self.validation.iter().map(String::as_str).filter(|source| train.contains(source)).collect()
    }

    /// What `split` computes for a dataset, as a record to save.
    pub fn compute(dataset: &Dataset, validation_fraction: f64, seed: u64) -> Self {
        let sides = sides(dataset, validation_fraction, seed);
        let of = |side| {
            let wanted = |source: &&str| sides.get(source) == Some(&side);
            dataset.sources().into_iter().filter(wanted).map(str::to_owned).collect()
        };
        Self { validation_fraction, seed, train: of(Side::Train), validation: of(Side::Validation) }
    }
}

/// Split a dataset by source; see the [module](self) for how. `validation_fraction` is cut to [0, 1]; at 0 nothing is
/// held out.
pub fn split(dataset: &Dataset, validation_fraction: f64, seed: u64) -> Split {
    let sides = sides(dataset, validation_fraction, seed);
    let held_out = |index: &usize| sides.get(dataset.pairs[*index].source.as_str()) == Some(&Side::Validation);
    let (validation, train) = (0..dataset.pairs.len()).partition(held_out);
    Split { train, validation }
}

/// The side of every source.
fn sides(dataset: &Dataset, validation_fraction: f64, seed: u64) -> HashMap<&str, Side> {
    let record = dataset
        .recorded_split
        .as_ref()
        .filter(|record| record.seed == seed && record.validation_fraction.to_bits() == validation_fraction.to_bits());
    let mut sides: HashMap<&str, Side> =
        dataset.sources().into_iter().map(|source| (source, side(source, validation_fraction, seed))).collect();
    fill_empty_side(&mut sides, validation_fraction, seed);
    if let Some(record) = record {
        // Train is applied last: what was ever trained on must not be measured on.
        let written = record.validation.iter().map(|s| (s, Side::Validation));
        for (source, side) in written.chain(record.train.iter().map(|s| (s, Side::Train))) {
            if let Some(known) = sides.get_mut(source.as_str()) {
                *known = side;
            }
        }
    }
    sides
}

/// The side of one source by itself.
pub fn side(source: &str, validation_fraction: f64, seed: u64) -> Side {
    if position(source, seed) < validation_fraction { Side::Validation } else { Side::Train }
}

/// A source's place in [0, 1): the first 53 of SHA-256's bits, which a double holds exactly.
fn position(source: &str, seed: u64) -> f64 {
    let digest = Sha256::new().chain_update(seed.to_le_bytes()).chain_update(source).finalize();
    let head = digest.iter().take(8).fold(0_u64, |bits, &byte| (bits << 8) | u64::from(byte));
    (head >> 11) as f64 / (1_u64 << 53) as f64
}

/// Where one side came out empty, move the source nearest to the threshold there.
fn fill_empty_side(sides: &mut HashMap<&str, Side>, validation_fraction: f64, seed: u64) {
    if sides.len() == 1 {
        for side in sides.values_mut() {
            *side = Side::Train;
        }
        return;
    }
    let wants_both = validation_fraction > 0.0 && validation_fraction < 1.0;
    let held_out = sides.values().filter(|&&side| side == Side::Validation).count();
    if !wants_both || (held_out > 0 && held_out < sides.len()) {
        return;
    }
    let missing = if held_out == 0 { Side::Validation } else { Side::Train };
    let distance = |source: &str| (position(source, seed) - validation_fraction).abs();
    let nearest = sides.keys().copied().min_by(|a, b| distance(a).total_cmp(&distance(b)).then_with(|| a.cmp(b)));
    if let Some(source) = nearest {
        sides.insert(source, missing);
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data::Pair;

    fn dataset(sources: &[String]) -> Dataset {
        let pairs = sources.iter().enumerate().flat_map(|(index, source)| {
            (0..3).map(move |tile| Pair {
                id: format!("{:04}", index * 3 + tile),
                photo: PathBuf::new(),
                illustration: PathBuf::new(),
                source: source.clone(),
                synthetic: false,
                entry: None,
            })
        });
        Dataset {
            root: PathBuf::new(),
            pairs: pairs.collect(),
            has_manifest: true,
            left_out: vec![],
            recorded_split: None,
        }
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{i}.jpg")).collect()
    }

    fn held_out(dataset: &Dataset, fraction: f64, seed: u64) -> HashSet<String> {
        split(dataset, fraction, seed).validation.iter().map(|&i| dataset.pairs[i].source.clone()).collect()
    }

    #[test]
    fn no_source_stands_on_both_sides_and_nothing_is_lost() {
        let dataset = dataset(&names(50));
        let split = split(&dataset, 0.2, 1);
        let source = |i: &usize| dataset.pairs[*i].source.clone();
        let train: HashSet<String> = split.train.iter().map(source).collect();
        let validation: HashSet<String> = split.validation.iter().map(source).collect();
        assert!(train.is_disjoint(&validation));
        assert_eq!(split.train.len() + split.validation.len(), 150);
    }

    #[test]
    fn adding_and_removing_files_moves_no_other() {
        let before = held_out(&dataset(&names(30)), 0.2, 7);
        let after = held_out(&dataset(&names(300)), 0.2, 7);
        let old = |source: &String| source.trim_end_matches(".jpg").parse::<usize>().unwrap() < 30;
        assert_eq!(before, after.into_iter().filter(old).collect());
    }

    #[test]
    fn the_share_is_near_the_fraction_and_depends_on_the_seed() {
        let dataset = dataset(&names(2000));
        let first = held_out(&dataset, 0.2, 1);
        // Five standard deviations of a binomial of 2000 at 0.2.
        assert!(first.len().abs_diff(400) < 90, "{}", first.len());
        assert_ne!(first, held_out(&dataset, 0.2, 2));
        assert_eq!(first, held_out(&dataset, 0.2, 1));
    }

    #[test]
    fn two_sources_give_two_sides_whatever_the_seed() {
        for seed in 0..200 {
            for fraction in [0.01, 0.2, 0.99] {
                let split = split(&dataset(&names(2)), fraction, seed);
                assert_eq!((split.train.len(), split.validation.len()), (3, 3), "seed {seed}, {fraction}");
            }
        }
        for seed in 0..50 {
            assert!(split(&dataset(&names(1)), 0.2, seed).validation.is_empty());
        }
        assert!(split(&dataset(&names(9)), 0.0, 1).validation.is_empty());
    }

    #[test]
    fn a_larger_fraction_only_adds_to_what_is_held_out() {
        let dataset = dataset(&names(100));
        assert!(held_out(&dataset, 0.1, 3).is_subset(&held_out(&dataset, 0.3, 3)));
    }

    #[test]
    fn the_assignment_is_the_same_on_every_machine() {
        // sha256(le64(0) ++ "1.jpg") and sha256(le64(1) ++ "1.jpg"), computed with Python's hashlib.
        assert!((position("1.jpg", 0) - 0.653_078_034_342_897_4).abs() < 1e-15);
        assert!((position("1.jpg", 1) - 0.941_424_129_100_414_3).abs() < 1e-15);
    }

    #[test]
    fn what_is_recorded_holds_for_its_seed_and_fraction_only() {
        let mut dataset = dataset(&names(20));
        let computed = Record::compute(&dataset, 0.2, 1);
        let mut edited = computed.clone();
        edited.train.append(&mut edited.validation);
        edited.validation = vec!["3.jpg".into()];
        edited.train.retain(|source| source != "3.jpg");
        dataset.recorded_split = Some(edited);
        assert_eq!(held_out(&dataset, 0.2, 1), HashSet::from(["3.jpg".to_owned()]));
        dataset.recorded_split = Some(computed.clone());
        assert_eq!(Record::compute(&dataset, 0.2, 1), computed);
        dataset.recorded_split = None;
        assert_eq!(Record::compute(&dataset, 0.2, 1), computed);
    }

    #[test]
    fn the_record_survives_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), None);
        let record = Record::compute(&dataset(&names(20)), 0.2, 1);
        record.save(dir.path()).unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), Some(record));
        fs::write(dir.path().join(FILE_NAME), "{").unwrap();
        assert!(matches!(Record::load(dir.path()), Err(DatasetError::Split { .. })));
    }
}
