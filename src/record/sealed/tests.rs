//! Sealed files that are not as they were sealed: every reader says so with the file's name, or is right all the same.

use std::{collections::BTreeMap, fs, os::unix::fs::FileExt};

use super::*;
use crate::record::{
    Frames, Tail,
    seal::{recover, sort_by_series, write_parquet},
    segment::SegmentId,
};

const FILE: &str = "0000-0000.parquet";
/// Series and their rows: three row groups, the last shared by two series.
const SERIES: [(&str, usize); 4] = [("a", 5_000), ("b", 4_500), ("c", 40), ("d", 9)];

/// A small generator of pseudo-random numbers (`SplitMix64`): every run of a test damages the same places.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

fn rows() -> (Columns, Names) {
    let (mut columns, mut names, mut dice) = (Columns::default(), Names::default(), Dice(7));
    for (name, count) in SERIES {
        let series = names.intern(name);
        for step in 0..count as i64 {
            let (epoch, time_ns) = (step as f64 / 7.0, 1_700_000_000_000_000_000 + step * 50_000_123);
            let value = dice.roll(u64::MAX) as f64;
            columns.push(series, Point { step, epoch, time_ns, generation: 0, value });
        }
    }
    (columns, names)
}

fn sealed_in(dir: &Path) -> PathBuf {
    let path = SegmentId { generation: 0, index: 0 }.path(dir, "parquet");
    let (columns, names) = rows();
    let (sorted, index) = sort_by_series(&columns, &names);
    write_parquet(&path, sorted, &names, &index).unwrap();
    path
}

/// What the undamaged file holds.
struct Truth {
    series: BTreeMap<&'static str, Series1>,
    frame: DataFrame,
    tail: Vec<crate::record::Row>,
}

impl Truth {
    fn of(dir: &Path) -> Self {
        let frames = Frames::open(dir).unwrap();
        assert_eq!(frames.warnings(), [""; 0]);
        let series: BTreeMap<_, _> =
            SERIES.iter().map(|&(name, _count)| (name, frames.series(name).unwrap())).collect();
        for (name, count) in SERIES {
            assert_eq!(series[name].len(), count);
        }
        let tail = Tail::open(dir).poll().unwrap();
        Self { series, frame: frames.data_frame().unwrap(), tail }
    }

    /// Read `dir` in every way there is; `what` was done to its file. Gives how many of the reads were refused.
    fn hold(&self, dir: &Path, what: &str) -> usize {
        let mut refused = 0;
        let mut named = |error: &dyn std::fmt::Display| {
            let error = error.to_string();
            assert!(error.contains(FILE), "{what}: {error}");
            refused += 1;
        };
        let frames = Frames::open(dir).unwrap();
        frames.warnings().iter().for_each(|warning| named(warning));
        if frames.warnings().is_empty() {
            assert_eq!(frames.series_names().unwrap(), SERIES.map(|(name, _count)| name), "{what}");
            assert_eq!(frames.rows(), self.frame.height(), "{what}");
            assert_eq!(frames.ends().unwrap()[&0], self.series["a"].time_ns[4_999], "{what}");
            for (name, truth) in &self.series {
                assert_eq!(frames.latest(name), truth.get(truth.len() - 1), "{what}");
                match frames.series(name) {
                    Ok(series) => assert!(series == *truth, "{what}: other values of {name}"),
                    Err(error) => named(&error),
                }
            }
            for frame in [frames.data_frame(), frames.sql("select * from metrics")] {
                match frame {
                    Ok(frame) => assert!(frame.equals(&self.frame), "{what}: another frame"),
                    Err(error) => named(&error),
                }
            }
        } else {
            assert_eq!((frames.rows(), frames.latest("a")), (0, None), "{what}");
        }
        let mut tail = Tail::open(dir);
        let followed = tail.poll().unwrap();
        let warnings = tail.take_warnings();
        warnings.iter().for_each(|warning| named(warning));
        assert!(
            followed == if warnings.is_empty() { self.tail.as_slice() } else { &[] },
            "{what}: other rows followed"
        );
        let recovered = recover(dir).unwrap();
        recovered.warnings.iter().for_each(|warning| named(warning));
        let last = recovered.warnings.is_empty().then(|| self.series["a"].time_ns[4_999]);
        assert_eq!(recovered.last_time_ns, last, "{what}");
        refused
    }
}

/// Put `bytes` at `at` for as long as `dir` is read.
fn with(path: &Path, whole: &[u8], at: usize, bytes: &[u8], read: impl FnOnce()) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
    read();
    file.write_all_at(&whole[at..at + bytes.len()], at as u64).unwrap();
}

#[test]
fn a_damaged_sealed_file_is_refused_by_name_or_read_right() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed_in(dir.path());
    let whole = fs::read(&path).unwrap();
    let truth = Truth::of(dir.path());
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    let footer = whole.len() - 8 - length;
    let (mut dice, mut refused, mut places) = (Dice(1), 0, 0);
    let mut damage = |at: usize, bytes: &[u8]| {
        let what = format!("{bytes:02x?} at {at} of {} (footer at {footer})", whole.len());
        with(&path, &whole, at, bytes, || refused += usize::from(truth.hold(dir.path(), &what) > 0));
        places += 1;
    };
    // Every byte of the footer, and what stands where pages begin: lengths, counts, codecs.
    let starts = Sealed::open(&path).unwrap().page_starts();
    for at in (footer..whole.len()).chain(starts.iter().flat_map(|&start| start..start + 48)) {
        damage(at, &[whole[at] ^ (1 << dice.roll(8))]);
    }
    for _ in 0..300 {
        let at = dice.roll(whole.len() as u64) as usize;
        damage(at, &[whole[at] ^ (1 << dice.roll(8))]);
        damage(at, &[dice.roll(256) as u8]);
    }
    // What disks and file systems do: zeros, ones or anything in place of many bytes at once.
    for size in [16, 512, 4_096] {
        for near in [0, footer.saturating_sub(size), whole.len() - length / 2 - size, whole.len() - size] {
            for _ in 0..8 {
                let at = (near + dice.roll(size as u64) as usize).min(whole.len() - size);
                damage(at, &vec![0; size]);
                damage(at, &vec![0xff; size]);
                damage(at, &(0..size).map(|_byte| dice.roll(256) as u8).collect::<Vec<_>>());
            }
        }
    }
    assert!(refused * 10 > places * 9, "{refused} of {places} were refused");
    assert_eq!(truth.hold(dir.path(), "nothing"), 0);
}

#[test]
fn damage_to_the_rows_of_one_series_leaves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed_in(dir.path());
    let whole = fs::read(&path).unwrap();
    let truth = Truth::of(dir.path());
    with(&path, &whole, 1_000, &[whole[1_000] ^ 1], || {
        let frames = Frames::open(dir.path()).unwrap();
        assert_eq!(frames.warnings(), [""; 0]);
        for name in ["b", "c", "d"] {
            assert!(frames.series(name).unwrap() == truth.series[name]);
        }
        let error = frames.series("a").unwrap_err().to_string();
        let expected =
            [FILE, "damaged after it was sealed", "its bytes 4 to ", "rows 0 to 5000", "restore it", "move it out"];
        expected.iter().for_each(|part| assert!(error.contains(part), "{error}"));
    });
}

/// `frame` as another program would write it, with these entries in its footer.
fn write_elsewhere(path: &Path, frame: &mut DataFrame, entries: Vec<(String, String)>) {
    let entries = Some(KeyValueMetadata::from_static(entries));
    ParquetWriter::new(File::create(path).unwrap()).with_key_value_metadata(entries).finish(frame).unwrap();
}

#[test]
fn a_file_that_was_sealed_without_checksums_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed_in(dir.path());
    let mut truth = Truth::of(dir.path());
    let (columns, names) = rows();
    let index = serde_json::to_string(&sort_by_series(&columns, &names).1).unwrap();
    write_elsewhere(&path, &mut truth.frame, vec![(crate::record::seal::INDEX_KEY.to_owned(), index)]);
    let sealed = Sealed::open(&path).unwrap();
    assert!(sealed.index.is_some() && sealed.sums.is_none());
    assert_eq!(truth.hold(dir.path(), "no checksums"), 0);
}

#[test]
fn a_file_that_another_program_sorted_is_read_though_it_kept_index_and_checksums() {
    let dir = tempfile::tempdir().unwrap();
    let path = sealed_in(dir.path());
    let truth = Truth::of(dir.path());
    let metadata = ParquetReader::new(File::open(&path).unwrap()).get_metadata().unwrap().clone();
    let kept = metadata.key_value_metadata.iter().flatten().map(|pair| (pair.key.clone(), pair.value.clone().unwrap()));
    let entries = kept.chain([("pandas".to_owned(), "x".repeat(1_000))]).collect();
    let mut sorted = truth.frame.sort(["time"], SortMultipleOptions::default()).unwrap();
    write_elsewhere(&path, &mut sorted, entries);
    let frames = Frames::open(dir.path()).unwrap();
    assert_eq!(frames.warnings(), [""; 0]);
    for (name, series) in &truth.series {
        assert!(frames.series(name).unwrap() == *series, "{name}");
    }
}
