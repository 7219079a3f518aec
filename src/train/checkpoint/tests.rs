use super::*;
use crate::config;

fn snapshot(step: i64, l1: f64) -> Snapshot {
    let mut state = State::new(step, step as f64 / 10.0, 7, 1e-3);
    state.metrics.insert("val/l1".to_owned(), l1);
    Snapshot {
        state,
        model: vec![("generator.weight".to_owned(), Tensor::from_slice(&[step as f32, 2.0, f32::NAN]))],
        optimizer: vec![("generator.weight.step".to_owned(), Tensor::from_slice(&[step as f32]))],
    }
}

fn steps(dir: &Path) -> Vec<i64> {
    list(dir).unwrap().into_iter().map(|entry| entry.step).collect()
}

#[test]
fn what_is_read_is_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let written = write(dir.path(), snapshot(12, 0.5)).unwrap();
    let read = load(&written.path).unwrap();
    assert_eq!(read.state.step, 12);
    assert_eq!(read.model[0].0, "generator.weight");
    let values = Vec::<f32>::try_from(&read.model[0].1).unwrap();
    assert!(values[0] == 12.0 && values[2].is_nan());
    assert_eq!(steps(dir.path()), [12]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing half-written stays");
}

#[test]
fn a_flipped_bit_anywhere_is_damage_and_falls_back() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), snapshot(10, 0.5)).unwrap();
    let newest_path = write(dir.path(), snapshot(20, 0.4)).unwrap().path;
    for name in [MODEL, OPTIMIZER] {
        let file = newest_path.join(name);
        let whole = fs::read(&file).unwrap();
        for offset in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[offset] ^= 1;
            fs::write(&file, bytes).unwrap();
            let found = newest(dir.path(), load).unwrap().unwrap();
            assert_eq!(found.content.state.step, 10);
            assert_eq!(found.damaged.len(), 1);
        }
        fs::write(&file, &whole).unwrap();
    }
    assert_eq!(newest(dir.path(), load).unwrap().unwrap().content.state.step, 20);
}

#[test]
fn truncated_missing_and_garbage_files_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), snapshot(10, 0.5)).unwrap();
    for spoil in [
        |path: &Path| fs::write(path.join(MODEL), b"").unwrap(),
        |path: &Path| fs::remove_file(path.join(OPTIMIZER)).unwrap(),
        |path: &Path| fs::write(path.join(STATE), b"{\"format\": 1").unwrap(),
        |path: &Path| fs::remove_file(path.join(STATE)).unwrap(),
    ] {
        let path = write(dir.path(), snapshot(20, 0.4)).unwrap().path;
        spoil(&path);
        assert_eq!(newest(dir.path(), load).unwrap().unwrap().content.state.step, 10);
    }
}

#[test]
fn only_damaged_ones_are_an_error_not_a_fresh_start() {
    let dir = tempfile::tempdir().unwrap();
    assert!(newest(dir.path(), load).unwrap().is_none());
    let path = write(dir.path(), snapshot(10, 0.5)).unwrap().path;
    fs::write(path.join(MODEL), b"x").unwrap();
    let error = newest(dir.path(), load).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("start over"), "{error}");
}

#[test]
fn the_newest_and_the_best_stay() {
    let dir = tempfile::tempdir().unwrap();
    for (step, l1) in [(10, 0.3), (20, 0.1), (30, 0.2), (40, f64::NAN), (50, 0.4)] {
        write(dir.path(), snapshot(step, l1)).unwrap();
    }
    let settings = config::Checkpoint { keep_last: 2, keep_best: 1, ..config::Checkpoint::default() };
    let removed = prune(dir.path(), &settings).unwrap();
    assert_eq!(removed.len(), 2);
    assert_eq!(steps(dir.path()), [20, 40, 50]);
}

#[test]
fn partial_folders_are_not_checkpoints_and_are_cleared() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("step-00000030.partial")).unwrap();
    write(dir.path(), snapshot(10, 0.5)).unwrap();
    assert_eq!(steps(dir.path()), [10]);
    remove_partial(dir.path()).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_failed_write_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), snapshot(10, 0.5)).unwrap().path;
    // A file where the partial folder's parent should be a folder: the write must fail without touching the old one.
    fs::write(dir.path().join("step-00000010.partial"), b"in the way").unwrap();
    assert!(write(dir.path(), snapshot(10, 0.1)).is_err());
    assert_eq!(load(&path).unwrap().state.metrics["val/l1"], 0.5);
}
