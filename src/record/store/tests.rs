//! The store on disks that fail: full, stuck, deleted. Failures are injected; nothing waits for time to pass.

use std::{
    io,
    path::Path,
    sync::{
        Condvar,
        atomic::{AtomicBool, AtomicI64},
    },
};

use super::*;
use crate::record::{Frames, disk::SegmentFile};

/// A real disk with room for so many more bytes, which can refuse to cut files, and can be stopped altogether.
#[derive(Clone, Default)]
struct FaultyDisk(Arc<Faults>);

struct Faults {
    room: AtomicI64,
    cuts: AtomicBool,
    creates: AtomicBool,
    stopped: Mutex<bool>,
    woken: Condvar,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            room: AtomicI64::new(i64::MAX),
            cuts: AtomicBool::new(true),
            creates: AtomicBool::new(true),
            stopped: Mutex::new(false),
            woken: Condvar::new(),
        }
    }
}

impl FaultyDisk {
    fn set_room(&self, bytes: i64) {
        self.0.room.store(bytes, Ordering::SeqCst);
    }

    fn stop(&self, stopped: bool) {
        *self.0.stopped.lock().unwrap() = stopped;
        self.0.woken.notify_all();
    }
}

struct FaultyFile {
    inner: Box<dyn SegmentFile>,
    faults: Arc<Faults>,
}

impl Disk for FaultyDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        if !self.0.creates.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(Box::new(FaultyFile { inner: RealDisk.create(path)?, faults: Arc::clone(&self.0) }))
    }
}

impl SegmentFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stopped = self.faults.stopped.lock().unwrap();
        while *stopped {
            stopped = self.faults.woken.wait(stopped).unwrap();
        }
        let room = self.faults.room.load(Ordering::SeqCst).max(0);
        let taken = (bytes.len() as i64).min(room);
        self.faults.room.fetch_sub(taken, Ordering::SeqCst);
        self.inner.append(&bytes[..taken as usize])?;
        if taken < bytes.len() as i64 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        if self.faults.cuts.load(Ordering::SeqCst) {
            self.inner.truncate(length)
        } else {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn is_linked(&self) -> io::Result<bool> {
        self.inner.is_linked()
    }
}

type Reports = Arc<Mutex<Vec<Report>>>;

fn open(dir: &Path, disk: &FaultyDisk) -> (Store, Reports) {
    let reports = Reports::default();
    let sink = Arc::clone(&reports);
    let on_report = Box::new(move |report| sink.lock().unwrap().push(report));
    let options = Options { on_report, ..Options::default() };
    (Store::start(dir, 0, Clock::start(), options, disk.clone()).unwrap(), reports)
}

fn append(store: &Store, steps: std::ops::RangeInclusive<i64>) {
    for step in steps {
        assert!(store.append(At { step, epoch: 0.0 }, &[("loss", step as f64)]));
    }
}

fn steps(dir: &Path) -> Vec<i64> {
    let frames = Frames::open(dir).unwrap();
    frames.series("loss").unwrap().step
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (store, reports) = open(dir.path(), &disk);
    append(&store, 1..=100);
    store.flush().unwrap();
    for room in [0, 1, 7, 8, 100, 1_000] {
        disk.set_room(room);
        let before = steps(dir.path()).len() as i64;
        append(&store, before + 1..=before + 100);
        let error = store.flush().unwrap_err().to_string();
        assert!(error.contains("100 rows wait in memory") && error.contains("0 dropped"), "{error}");
        assert!(store.status().failing.is_some());
        let frames = Frames::open(dir.path()).unwrap();
        assert!(frames.warnings().is_empty(), "no half batch is left: {:?}", frames.warnings());
        assert_eq!(frames.rows() as i64, before);
        disk.set_room(i64::MAX);
        store.flush().unwrap();
        assert_eq!(steps(dir.path()), (1..=before + 100).collect::<Vec<_>>());
    }
    assert_eq!(store.status(), Status { written: 700, dropped: 0, failing: None });
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 12, "{reports:?}");
    assert!(matches!(&reports[0], Report::Failing { why } if why.contains("0000-0000.arrows")));
    assert_eq!(reports[1], Report::Recovered { dropped: 0 });
}

#[test]
fn a_file_that_cannot_be_cut_is_left_with_its_whole_batches() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (store, _reports) = open(dir.path(), &disk);
    append(&store, 1..=100);
    store.flush().unwrap();
    disk.0.cuts.store(false, Ordering::SeqCst);
    disk.set_room(333);
    append(&store, 101..=200);
    store.flush().unwrap_err();
    disk.set_room(i64::MAX);
    store.flush().unwrap();
    append(&store, 201..=300);
    store.flush().unwrap();
    assert_eq!(steps(dir.path()), (1..=300).collect::<Vec<_>>());
    let warnings = Frames::open(dir.path()).unwrap().warnings().to_vec();
    assert!(warnings.len() == 1 && warnings[0].contains("333 bytes"), "{warnings:?}");
    store.seal().unwrap();
    assert_eq!(steps(dir.path()), (1..=300).collect::<Vec<_>>());
    assert!(Frames::open(dir.path()).unwrap().warnings().is_empty());
}

#[test]
fn a_disk_full_at_the_very_start_leaves_no_empty_segment() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set_room(10);
    let (store, _reports) = open(dir.path(), &disk);
    append(&store, 1..=5);
    store.flush().unwrap_err();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    disk.set_room(i64::MAX);
    store.flush().unwrap();
    assert_eq!(steps(dir.path()), [1, 2, 3, 4, 5]);
}

#[test]
fn a_read_only_folder_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.0.creates.store(false, Ordering::SeqCst);
    let (store, _reports) = open(dir.path(), &disk);
    append(&store, 1..=5);
    let error = store.flush().unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
    disk.0.creates.store(true, Ordering::SeqCst);
    store.flush().unwrap();
    assert_eq!(steps(dir.path()), [1, 2, 3, 4, 5]);
}

#[test]
fn a_folder_deleted_under_the_writer_is_noticed_and_begun_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("metrics");
    let (store, reports) = open(&dir, &FaultyDisk::default());
    append(&store, 1..=10);
    store.flush().unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    append(&store, 11..=20);
    let error = store.flush().unwrap_err().to_string();
    assert!(error.contains("deleted while being written, with the 10 rows"), "{error}");
    store.flush().unwrap();
    assert_eq!(steps(&dir), (11..=20).collect::<Vec<_>>());
    assert_eq!(reports.lock().unwrap().last(), Some(&Report::Recovered { dropped: 0 }));
}

#[test]
fn a_stalled_disk_drops_rows_and_records_how_many() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let (store, _reports) = open(dir.path(), &disk);
    disk.stop(true);
    let mut step = 0;
    // Ends as soon as a row is refused: the queue is bounded.
    while store.append(At { step, epoch: 0.5 }, &[("loss", 1.0)]) {
        step += 1;
    }
    for more in 1..=99 {
        let at = At { step: step + more, epoch: 0.5 };
        store.append(at, &[("loss", 1.0), ("lr", 1.0)]);
    }
    let dropped = store.status().dropped;
    assert!(dropped >= 1, "{dropped}");
    disk.stop(false);
    store.flush().unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    let kept = frames.series("loss").unwrap().len() + frames.series("lr").map_or(0, |lr| lr.len());
    let dropped = store.status().dropped;
    assert_eq!(kept as u64 + dropped, step as u64 + 1 + 2 * 99);
    assert_eq!(frames.latest(DROPPED_ROWS).map(|point| point.value), Some(dropped as f64));
}

#[test]
fn a_long_failure_fills_the_memory_set_aside_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set_room(0);
    let (store, reports) = open(dir.path(), &disk);
    let values: Vec<(&str, f64)> = vec![("loss", 2.0); 1_000];
    for step in 0..1_000 {
        // Waits for room in the queue, not for the disk: the thread goes on taking rows while writing fails.
        store.append_waiting(At { step, epoch: 0.0 }, &values).unwrap();
    }
    store.flush().unwrap_err();
    let dropped = store.status().dropped;
    assert!(dropped > 500_000, "{dropped}");
    disk.set_room(i64::MAX);
    store.flush().unwrap();
    let status = store.status();
    let frames = Frames::open(dir.path()).unwrap();
    assert_eq!(frames.latest(DROPPED_ROWS).map(|point| point.value), Some(status.dropped as f64));
    assert_eq!(frames.rows() as u64, status.written);
    let kept = frames.series("loss").unwrap();
    assert!(kept.len() > 200_000 && kept.step.is_sorted(), "{}", kept.len());
    assert!(matches!(reports.lock().unwrap().last(), Some(Report::Recovered { dropped }) if *dropped > 500_000));
}

#[test]
fn rows_that_come_a_few_at_a_time_while_writing_fails_share_batches() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set_room(0);
    let (store, _reports) = open(dir.path(), &disk);
    for step in 1..=1_000 {
        append(&store, step..=step);
        store.flush().unwrap_err();
    }
    disk.set_room(i64::MAX);
    store.flush().unwrap();
    assert_eq!(steps(dir.path()), (1..=1_000).collect::<Vec<_>>());
    // A batch has more than 500 bytes of its own: a thousand of them would show.
    let bytes: u64 = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 200_000, "{bytes} bytes for 1000 rows");
}

#[test]
fn closing_while_the_disk_is_full_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set_room(0);
    let (store, reports) = open(dir.path(), &disk);
    append(&store, 1..=42);
    drop(store);
    let reports = reports.lock().unwrap();
    assert!(matches!(reports.last(), Some(Report::Lost { rows: 42, .. })), "{reports:?}");
}

#[test]
fn a_later_generation_is_not_written_before() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), 0, Clock::start()).unwrap());
    let store = Store::open(dir.path(), 3, Clock::start()).unwrap();
    append(&store, 1..=1);
    drop(store);
    let error = Store::open(dir.path(), 2, Clock::start()).unwrap_err().to_string();
    assert!(error.contains("holds generation 3"), "{error}");
}

#[test]
fn the_clock_goes_on_after_the_past_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let far = 4_000_000_000_000_000_000;
    for seal in [false, true] {
        let store = Store::open(dir.path(), 0, Clock::with(far, || 0)).unwrap();
        append(&store, 1..=1);
        if seal {
            store.seal().unwrap();
        }
        drop(store);
        let clock = Clock::with(1_000, || 0);
        drop(Store::open(dir.path(), 0, clock.clone()).unwrap());
        assert_eq!(clock.now_ns(), far);
    }
}
