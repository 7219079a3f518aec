//! The series store as a whole: written, torn, tailed, sealed, killed, exported, read from Python.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use atelier::record::{At, Clock, Frames, Options, Row, Store, Tail, export};
use polars::prelude::*;

fn at(step: i64) -> At {
    At { step, epoch: step as f64 / 100.0 }
}

fn open(dir: &Path, generation: u32) -> Store {
    Store::open(dir, generation, Clock::start()).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn loss_steps(dir: &Path) -> Vec<i64> {
    Frames::open(dir).unwrap().series("loss").unwrap().step
}

/// Same bits, so that NaN equals NaN and -0 does not equal 0.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

const ODD_VALUES: [f64; 9] =
    [0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0, f64::MAX, -1.0 / 3.0, 1e-300];

#[test]
fn every_value_and_every_name_comes_back_open_and_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let long = "x".repeat(10_000);
    let names = ["", " ", "loss/g", "Größe/损失/🎨", "a,b\"c\nd", "é", long.as_str()];
    let store = open(dir.path(), 0);
    for (step, &value) in ODD_VALUES.iter().enumerate() {
        let values: Vec<(&str, f64)> = names.iter().map(|&name| (name, value)).collect();
        assert!(store.append(at(i64::MIN / 2 + step as i64), &values));
    }
    assert!(store.append(at(1), &[]), "no values are no rows");
    store.flush().unwrap();
    let check = |what: &str| {
        let frames = Frames::open(dir.path()).unwrap();
        assert!(frames.warnings().is_empty(), "{what}: {:?}", frames.warnings());
        let mut expected: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        expected.sort();
        assert_eq!(frames.series_names().unwrap(), expected, "{what}");
        for name in names {
            let series = frames.series(name).unwrap();
            assert_eq!(bits(&series.value), bits(&ODD_VALUES), "{what}: {name:?}");
            assert_eq!(series.step, (0..9).map(|step| i64::MIN / 2 + step).collect::<Vec<_>>());
            assert!(series.time_ns.is_sorted() && series.time_ns[0] > 1_700_000_000_000_000_000);
            assert_eq!(frames.latest(name).unwrap().value.to_bits(), 1e-300_f64.to_bits());
        }
        assert_eq!(frames.rows(), 63);
        assert_eq!(frames.data_frame().unwrap().height(), 63);
    };
    check("open");
    store.seal().unwrap();
    assert_eq!(files(dir.path()), ["0000-0000.parquet"]);
    check("sealed");
}

#[test]
fn thousands_of_series_keep_apart() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..5_000).map(|number| format!("layer.{number}/grad_norm")).collect();
    let store = open(dir.path(), 0);
    for step in 1..=3 {
        let values: Vec<(&str, f64)> =
            names.iter().enumerate().map(|(i, name)| (name.as_str(), i as f64 * step as f64)).collect();
        assert!(store.append(at(step), &values));
    }
    store.seal().unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    assert_eq!(frames.series_names().unwrap().len(), 5_000);
    for number in [0, 1, 2_500, 4_999] {
        let series = frames.series(&names[number]).unwrap();
        assert_eq!(series.value, [1.0, 2.0, 3.0].map(|step| step * number as f64));
    }
}

#[test]
fn the_frame_has_the_documented_schema_and_answers_sql() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 2);
    for step in 1..=100 {
        store.append(at(step), &[("loss", 1.0 / step as f64), ("lr", 0.5)]);
        if step == 50 {
            store.seal().unwrap(); // half sealed, half open: a query sees one table
        }
    }
    store.flush().unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    let frame = frames.data_frame().unwrap();
    let schema: Vec<String> = frame.schema().iter().map(|(name, dtype)| format!("{name}: {dtype:?}")).collect();
    let time = "time: Datetime(ns, UTC)".to_owned();
    assert_eq!(
        schema.iter().map(|text| if text.starts_with("time") { &time } else { text }).collect::<Vec<_>>(),
        ["step: Int64", "epoch: Float64", &time, "generation: UInt32", "series: String", "value: Float64"]
    );
    assert_eq!(frame.column("time").unwrap().dtype(), &DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC)));
    let answer = frames
        .sql("select series, count(*) as n, min(value) as low from metrics where step > 10 group by series order by series")
        .unwrap();
    assert_eq!(
        answer.column("n").unwrap().cast(&DataType::Int64).unwrap().i64().unwrap().to_vec(),
        [Some(90), Some(90)]
    );
    assert_eq!(answer.column("low").unwrap().f64().unwrap().to_vec(), [Some(0.01), Some(0.5)]);
    let error = frames.sql("select nonsense from metrics").unwrap_err().to_string();
    assert!(error.contains("nonsense"), "{error}");
    let error = frames.series("losss").unwrap_err().to_string();
    assert!(error.contains("did you mean `loss`?"), "{error}");
}

#[test]
fn a_stream_torn_at_any_byte_of_its_last_batch_serves_every_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = dir.path().join("whole");
    let store = open(&metrics, 0);
    let mut ends = Vec::new();
    let segment = metrics.join("0000-0000.arrows");
    for batch in 0..3 {
        for step in 1..=5 {
            store.append(at(batch * 5 + step), &[("loss", 0.5), ("größe", f64::NAN)]);
        }
        store.flush().unwrap();
        ends.push(fs::metadata(&segment).unwrap().len() as usize);
    }
    drop(store);
    let whole = fs::read(&segment).unwrap();
    assert_eq!(whole.len(), ends[2]);
    for cut in ends[1]..=ends[2] {
        let torn = dir.path().join("torn");
        fs::create_dir(&torn).unwrap();
        let path = torn.join("0000-0000.arrows");
        fs::write(&path, &whole[..cut]).unwrap();
        let rows = if cut == ends[2] { 15 } else { 10 };
        let clean = cut == ends[1] || cut == ends[2];

        let frames = Frames::open(&torn).unwrap();
        assert_eq!(frames.series("loss").unwrap().step, (1..=rows).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(frames.warnings().is_empty(), clean, "cut at {cut}: {:?}", frames.warnings());
        assert_eq!(Tail::open(&torn).poll().unwrap().len() as i64, 2 * rows);

        // A new writer cuts the torn batch off, says so, and goes on after it.
        let store = open(&torn, 1);
        assert_eq!(store.warnings().is_empty(), clean, "cut at {cut}: {:?}", store.warnings());
        if !clean {
            let expected = format!("{} bytes", cut - ends[1]);
            assert!(store.warnings()[0].contains(&expected), "{:?}", store.warnings());
        }
        if cut % 16 == 0 || clean {
            store.append(at(99), &[("loss", 1.0)]);
            store.seal().unwrap();
            let frames = Frames::open(&torn).unwrap();
            assert!(frames.warnings().is_empty());
            assert_eq!(frames.series("loss").unwrap().step, (1..=rows).chain([99]).collect::<Vec<_>>());
            assert_eq!(files(&torn), ["0000-0000.parquet", "0001-0000.parquet"]);
        }
        drop(store);
        fs::remove_dir_all(&torn).unwrap();
    }
}

#[test]
fn no_damage_to_a_stream_is_a_panic_or_a_row_out_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = dir.path().join("m");
    let store = open(&metrics, 0);
    for step in 1..=4 {
        store.append(at(step), &[("loss", 0.5)]);
        store.flush().unwrap();
    }
    drop(store);
    let path = metrics.join("0000-0000.arrows");
    let whole = fs::read(&path).unwrap();
    let mut served = 0;
    for byte in 0..whole.len() {
        for value in [0x00, 0xff, whole[byte] ^ 0x80] {
            if value == whole[byte] {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[byte] = value;
            fs::write(&path, &damaged).unwrap();
            let frames = Frames::open(&metrics).unwrap();
            assert!(frames.rows() <= 4);
            served += frames.rows();
            Tail::open(&metrics).poll().unwrap();
        }
    }
    assert!(served > 0);
    // What a power loss leaves on some file systems: the length is there, the bytes are not.
    let mut zeroed = whole.clone();
    zeroed.resize(whole.len() + 4096, 0);
    fs::write(&path, &zeroed).unwrap();
    let frames = Frames::open(&metrics).unwrap();
    assert_eq!((frames.rows(), frames.warnings().len()), (4, 1));
    fs::write(&path, b"something else entirely, and long enough to be read").unwrap();
    let frames = Frames::open(&metrics).unwrap();
    assert_eq!(frames.rows(), 0);
}

#[test]
fn a_sealed_segment_that_was_cut_short_is_an_error_wherever_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = dir.path().join("m");
    let store = open(&metrics, 0);
    for step in 1..=300 {
        store.append_waiting(at(step), &[("loss", 0.5), ("lr", 1e-4)]).unwrap();
    }
    store.seal().unwrap();
    drop(store);
    let path = metrics.join("0000-0000.parquet");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(101) {
        fs::write(&path, &whole[..length]).unwrap();
        let frames = Frames::open(&metrics).unwrap();
        assert_eq!((frames.rows(), frames.damage().len()), (0, 1), "{length} bytes of {}", whole.len());
        assert!(frames.damage()[0].contains("0000-0000.parquet"), "{:?}", frames.damage());
        let mut tail = Tail::open(&metrics);
        assert!(tail.poll().unwrap().is_empty());
        assert_eq!(tail.take_warnings().len(), 1);
    }
}

#[test]
fn foreign_files_are_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = df!("step" => [1_i64], "loss" => [0.5]).unwrap();
    let file = fs::File::create(dir.path().join("0000-0000.parquet")).unwrap();
    ParquetWriter::new(file).finish(&mut other).unwrap();
    fs::write(dir.path().join("0000-0001.parquet"), b"no parquet").unwrap();
    fs::write(dir.path().join("0000-0002.parquet"), b"").unwrap();
    fs::create_dir(dir.path().join("0000-0003.arrows")).unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    assert_eq!(frames.rows(), 0);
    assert_eq!(frames.warnings().len(), 4, "{:?}", frames.warnings());
    assert!(frames.warnings()[0].contains("its columns are step: i64, loss: f64"), "{:?}", frames.warnings());
    let mut tail = Tail::open(dir.path());
    assert!(tail.poll().unwrap().is_empty());
    assert_eq!(tail.take_warnings().len(), 4);
    // A writer still starts beside them.
    let store = open(dir.path(), 0);
    store.append(at(1), &[("loss", 1.0)]);
    store.flush().unwrap();
    assert_eq!(loss_steps(dir.path()), [1]);
}

#[test]
fn a_sealed_file_of_another_program_is_read_without_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    for step in 1..=10 {
        store.append(at(step), &[("loss", step as f64), ("lr", 0.1)]);
    }
    store.seal().unwrap();
    drop(store);
    let path = dir.path().join("0000-0000.parquet");
    let mut frame = Frames::open(dir.path()).unwrap().data_frame().unwrap();
    ParquetWriter::new(fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    assert_eq!(frames.series("loss").unwrap().step, (1..=10).collect::<Vec<_>>());
    assert_eq!(frames.series_names().unwrap(), ["loss", "lr"]);
    assert_eq!(frames.latest("loss").unwrap().value, 10.0);
}

#[test]
fn a_second_writer_of_the_same_folder_leaves_the_first_ones_segment_alone() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 0);
    first.append(at(1), &[("loss", 1.0)]);
    first.flush().unwrap();
    let second = open(dir.path(), 1);
    assert!(second.warnings()[0].contains("is being written by another process"), "{:?}", second.warnings());
    second.append(at(2), &[("loss", 2.0)]);
    second.seal().unwrap();
    first.append(at(3), &[("loss", 3.0)]);
    first.seal().unwrap();
    let mut steps = loss_steps(dir.path());
    steps.sort_unstable();
    assert_eq!(steps, [1, 2, 3]);
}

#[test]
fn overlapping_generations_are_both_shown() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path(), 0);
    (1..=10).for_each(|step| assert!(first.append(at(step), &[("loss", 1.0)])));
    drop(first); // no seal: as after a crash
    let second = open(dir.path(), 1);
    (6..=15).for_each(|step| assert!(second.append(at(step), &[("loss", 2.0)])));
    second.seal().unwrap();
    let frames = Frames::open(dir.path()).unwrap();
    let series = frames.series("loss").unwrap();
    assert_eq!(series.len(), 20);
    assert_eq!(series.generation.iter().filter(|&&generation| generation == 0).count(), 10);
    let newest = series.newest();
    assert_eq!(newest.step, (1..=15).collect::<Vec<_>>());
    assert_eq!(newest.value.iter().filter(|&&value| value == 2.0).count(), 10);
    assert_eq!(frames.latest("loss").unwrap().step, 15);
    assert_eq!(files(dir.path()), ["0000-0000.parquet", "0001-0000.parquet"]);
}

#[test]
fn half_sealed_segments_of_a_crash_are_put_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    (1..=10).for_each(|step| assert!(store.append(at(step), &[("loss", 1.0)])));
    store.flush().unwrap();
    let stream = dir.path().join("0000-0000.arrows");
    let copy = fs::read(&stream).unwrap();
    store.seal().unwrap();
    drop(store);
    // Killed between the rename and the removal, and another time in the middle of writing.
    fs::write(&stream, &copy).unwrap();
    fs::write(dir.path().join("0000-0001.arrows"), &copy).unwrap();
    fs::write(dir.path().join("0000-0001.parquet.part"), b"half").unwrap();
    assert_eq!(Frames::open(dir.path()).unwrap().rows(), 20, "what is sealed counts once");
    assert_eq!(Tail::open(dir.path()).poll().unwrap().len(), 20);
    open(dir.path(), 1).seal().unwrap();
    assert_eq!(files(dir.path()), ["0000-0000.parquet", "0000-0001.parquet"]);
    assert_eq!(Frames::open(dir.path()).unwrap().rows(), 20);
}

/// Steps of `loss` by the order in which a tail gave them.
fn tailed(rows: &[Row]) -> Vec<i64> {
    rows.iter().filter(|row| &*row.series == "loss").map(|row| row.point.step).collect()
}

#[test]
fn a_tail_gives_each_row_once_across_rotation_and_sealing() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = dir.path().join("not").join("yet");
    let mut tail = Tail::open(&metrics);
    assert!(tail.poll().unwrap().is_empty(), "no folder yet is no error");
    let options = Options { segment_rows: 50, ..Options::default() };
    let store = Store::open_with(&metrics, 0, Clock::start(), options).unwrap();
    let mut got = Vec::new();
    for step in 1..=200 {
        store.append(at(step), &[("loss", step as f64), ("lr", 0.1)]);
        if step % 7 == 0 {
            store.flush().unwrap();
        }
        if step % 30 == 0 {
            store.seal().unwrap(); // some segments begin and end between two looks, some are sealed under the tail
        }
        if step % 13 == 0 {
            got.extend(tail.poll().unwrap());
        }
    }
    store.flush().unwrap();
    got.extend(tail.poll().unwrap());
    assert_eq!(tailed(&got), (1..=200).collect::<Vec<_>>());
    assert_eq!(got.len(), 400);
    assert!(got.iter().all(|row| &*row.series != "loss" || row.point.value == row.point.step as f64));
    assert!(tail.poll().unwrap().is_empty());
    assert!(tail.take_warnings().is_empty());
    // A tail that begins where frames end.
    let mut late = Frames::open(&metrics).unwrap().tail().unwrap();
    assert!(late.poll().unwrap().is_empty());
    store.append(at(201), &[("loss", 201.0)]);
    store.seal().unwrap();
    store.append(at(202), &[("loss", 202.0)]);
    store.flush().unwrap();
    assert_eq!(tailed(&late.poll().unwrap()), [201, 202]);
}

#[test]
fn readers_beside_a_fast_writer_see_a_growing_prefix_and_miss_nothing() {
    const STEPS: i64 = 60_000;
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_rows: 20_000, ..Options::default() };
    let store = Store::open_with(dir.path(), 0, Clock::start(), options).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in 1..=STEPS {
                store.append_waiting(at(step), &[("loss", step as f64), ("lr", 0.1)]).unwrap();
            }
            store.seal().unwrap();
            done.store(true, Ordering::SeqCst);
        });
        let follower = scope.spawn(|| {
            let mut tail = Tail::open(dir.path());
            let mut got = Vec::new();
            while !done.load(Ordering::SeqCst) {
                got.extend(tail.poll().unwrap());
            }
            got.extend(tail.poll().unwrap());
            got
        });
        let mut refreshed = Frames::open(dir.path()).unwrap();
        let mut before = 0;
        while !done.load(Ordering::SeqCst) {
            refreshed.refresh().unwrap();
            for frames in [&refreshed, &Frames::open(dir.path()).unwrap()] {
                if frames.rows() == 0 {
                    continue;
                }
                let steps = frames.series("loss").unwrap().step;
                assert!(steps.iter().copied().eq(1..=steps.len() as i64));
                assert!(steps.len() >= before);
                before = steps.len();
            }
        }
        let got = follower.join().unwrap();
        let steps = tailed(&got);
        assert!(steps.iter().copied().eq(1..=STEPS), "{} of {STEPS} rows", steps.len());
    });
    assert!(files(dir.path()).iter().all(|name| name.ends_with(".parquet")));
    assert!(loss_steps(dir.path()).into_iter().eq(1..=STEPS));
}

#[test]
fn large_segments_are_sealed_while_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_rows: 10_000, ..Options::default() };
    let store = Store::open_with(dir.path(), 0, Clock::start(), options).unwrap();
    for step in 1..=25_000 {
        store.append_waiting(at(step), &[("loss", 0.0)]).unwrap();
    }
    store.flush().unwrap();
    wait_until("two segments are sealed", || {
        files(dir.path()).iter().filter(|name| name.ends_with(".parquet")).count() >= 2
    });
    assert!(loss_steps(dir.path()).into_iter().eq(1..=25_000));
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited a minute until {what}");
        std::thread::yield_now();
    }
}

/// Not a test by itself: the process that `kill_9_loses_nothing_that_was_a_batch_old` kills.
#[test]
#[ignore = "runs as the child of another test"]
fn child_that_records() {
    let Some(dir) = std::env::var_os("ATELIER_TEST_RECORD_INTO") else { return };
    let store = open(Path::new(&dir), 0);
    println!("ready");
    for step in 1.. {
        store.append_waiting(at(step), &[("loss", step as f64)]).unwrap();
        if step % 1_000 == 0 {
            println!("appended {step}");
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn kill_9_loses_nothing_that_was_a_batch_old() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let metrics = dir.path().join(round.to_string());
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["record::child_that_records", "--exact", "--ignored", "--nocapture"])
            .env("ATELIER_TEST_RECORD_INTO", &metrics)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut child = Killed(child);
        let mut appended = move || lines.find_map(|line| line.strip_prefix("appended ")?.parse::<i64>().ok());
        let early = appended().unwrap();
        // Without any flush, rows reach the disk by age alone.
        let seen = |step: i64| {
            let frames = Frames::open(&metrics).unwrap();
            frames.latest("loss").is_some_and(|point| point.step >= step)
        };
        wait_until("the first rows are on disk", || seen(early));
        for _more in 0..round {
            appended().unwrap();
        }
        child.0.kill().unwrap();
        child.0.wait().unwrap();
        let before = loss_steps(&metrics);
        assert!(before.len() as i64 >= early && before.iter().copied().eq(1..=before.len() as i64));
        let store = open(&metrics, 1);
        store.append(at(-1), &[("loss", 0.0)]);
        store.seal().unwrap();
        let after = loss_steps(&metrics);
        assert_eq!(after.len(), before.len() + 1);
    }
}

#[test]
fn a_single_row_reaches_the_disk_by_age_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    store.append(at(7), &[("loss", 0.5)]);
    wait_until("the row is on disk", || Frames::open(dir.path()).unwrap().rows() == 1);
    assert_eq!(loss_steps(dir.path()), [7]);
}

/// A sessions folder with one session of two generations.
fn session() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let metrics = root.path().join("261123-120000-first").join("metrics");
    for (generation, steps) in [(0, 1..=10), (1, 6..=15)] {
        let store = open(&metrics, generation);
        for step in steps {
            store.append(at(step), &[("loss/g", 1.0 / step as f64), ("odd \"name\", größe", f64::NAN)]);
        }
        if generation == 0 {
            store.seal().unwrap();
        }
    }
    (root, metrics)
}

fn atelier(args: &[&str], root: &Path) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_atelier")).args(args).arg("--root").arg(root).output().unwrap()
}

#[test]
fn export_writes_csv_that_reads_back_exactly() {
    let (root, metrics) = session();
    let out = root.path().join("out.csv");
    let run = atelier(&["export", "first", "--format", "csv", "-o", out.to_str().unwrap()], root.path());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let frame = CsvReadOptions::default().try_into_reader_with_file_path(Some(out.clone())).unwrap().finish().unwrap();
    assert_eq!(frame.height(), 40);
    let ours: Vec<f64> = (1..=10).chain(6..=15).map(|step| 1.0 / f64::from(step)).collect();
    let loss = frame.clone().lazy().filter(col("series").eq(lit("loss/g"))).collect().unwrap();
    assert_eq!(loss.column("value").unwrap().f64().unwrap().to_vec_null_aware().left().unwrap(), ours);
    assert!(frame.column("series").unwrap().str().unwrap().iter().any(|name| name == Some("odd \"name\", größe")));
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text.lines().next(), Some("step,epoch,time,generation,series,value"));
    assert!(text.lines().nth(1).unwrap().contains("Z,0,"), "{text}");
    let mut direct = Vec::new();
    export::csv_to(&Frames::open(&metrics).unwrap(), &mut direct).unwrap();
    assert_eq!(direct, text.as_bytes());
    // Neither overwritten nor guessed.
    let again = atelier(&["export", "first", "--format", "csv", "-o", out.to_str().unwrap()], root.path());
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists"));
    let unknown = atelier(&["export", "nowhere", "--format", "csv", "-o", "-"], root.path());
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nowhere"));
    let empty = root.path().join("261123-130000-empty");
    fs::create_dir(&empty).unwrap();
    let nothing = atelier(&["export", "empty", "--format", "csv", "-o", "-"], root.path());
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing is recorded"));
}

#[test]
fn export_writes_one_parquet_in_the_order_of_recording() {
    let (root, _metrics) = session();
    let out = root.path().join("out.parquet");
    let run = atelier(&["export", "261123", "--format", "parquet", "--json", "-o", out.to_str().unwrap()], root.path());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let said: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!((said["rows"].as_i64(), said["session"].as_str()), (Some(40), Some("261123-120000-first")));
    let frame = ParquetReader::new(fs::File::open(&out).unwrap()).finish().unwrap();
    let steps: Vec<i64> = frame.column("step").unwrap().i64().unwrap().into_no_null_iter().collect();
    assert_eq!(steps, (1..=10).chain(6..=15).flat_map(|step| [step, step]).collect::<Vec<_>>());
}

/// The answer of `tests/python/read_session.py`, or none with a message when Python lacks what it needs.
#[expect(clippy::print_stdout, reason = "a skipped test says why")]
fn python(what: &str, dir: &Path) -> Option<serde_json::Value> {
    let python = std::env::var("ATELIER_TEST_PYTHON").unwrap_or_else(|_unset| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_session.py");
    let output = match Command::new(&python).arg(script).arg(what).arg(dir).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {python} does not start: {error}");
            return None;
        }
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("skipped: {python}: {errors}; ATELIER_TEST_PYTHON names another interpreter");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_documented_python_is_the_python_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = fs::read_to_string(root.join("tests/python/read_session.py")).unwrap();
    let docs = fs::read_to_string(root.join("docs/data-format.md")).unwrap();
    for part in ["# --- growing", "# --- sealed"] {
        let code = script.split(part).nth(1).unwrap().split_once('\n').unwrap().1;
        let code = code.split("# --- end ---").next().unwrap().trim();
        assert!(code.starts_with("def ") && docs.contains(code), "docs/data-format.md lacks this code:\n{code}");
    }
}

fn of_series<'a>(answer: &'a serde_json::Value, name: &str) -> Vec<&'a serde_json::Value> {
    answer["rows"].as_array().unwrap().iter().filter(|row| row["series"] == name).collect()
}

#[test]
fn python_reads_a_growing_stream_with_pyarrow() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 3);
    for step in 1..=10 {
        store.append(at(step), &[("loss/g", 1.0 / step as f64), ("größe", 2.0)]);
        store.flush().unwrap();
    }
    let Some(answer) = python("growing", dir.path()) else { return };
    let schema: BTreeMap<String, String> = serde_json::from_value(answer["schema"].clone()).unwrap();
    let expected = [
        ("step", "int64"),
        ("epoch", "double"),
        ("time", "timestamp[ns, tz=UTC]"),
        ("generation", "uint32"),
        ("series", "string"),
        ("value", "double"),
    ];
    assert_eq!(schema, expected.map(|(name, dtype)| (name.to_owned(), dtype.to_owned())).into_iter().collect());
    let loss = of_series(&answer, "loss/g");
    assert_eq!(loss.len(), 10);
    assert_eq!((loss[2]["step"].as_i64(), loss[2]["value"].as_f64()), (Some(3), Some(1.0 / 3.0)));
    assert_eq!(loss[2]["generation"].as_i64(), Some(3));
    // Torn: pyarrow serves the whole batches before it.
    let path = dir.path().join("0003-0000.arrows");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let answer = python("growing", dir.path()).unwrap();
    assert_eq!(of_series(&answer, "größe").len(), 9);
}

#[test]
fn python_reads_sealed_segments_with_polars() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), 0);
    for step in 1..=10 {
        store.append(at(step), &[("loss/g", 1.0 / step as f64), ("größe", 2.0)]);
        if step == 4 {
            store.seal().unwrap();
        }
    }
    store.seal().unwrap();
    let Some(answer) = python("sealed", dir.path()) else { return };
    assert_eq!(answer["schema"]["time"], "Datetime(time_unit='ns', time_zone='UTC')");
    assert_eq!(answer["schema"]["series"], "String");
    let loss = of_series(&answer, "loss/g");
    assert_eq!(loss.iter().map(|row| row["step"].as_i64().unwrap()).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(loss[2]["value"].as_f64(), Some(1.0 / 3.0));
}

#[test]
fn tensorboard_loads_the_event_files() {
    let (root, _metrics) = session();
    let out = root.path().join("tb");
    let run = atelier(&["export", "first", "--format", "tensorboard", "-o", out.to_str().unwrap()], root.path());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(files(&out), ["generation-0000", "generation-0001"]);
    for (run, steps) in [("generation-0000", 1..=10), ("generation-0001", 6..=15)] {
        let Some(answer) = python("tensorboard", &out.join(run)) else { return };
        let steps: Vec<i64> = steps.collect();
        let loss = answer["loss/g"].as_array().unwrap();
        assert_eq!(loss.iter().map(|event| event[0].as_i64().unwrap()).collect::<Vec<_>>(), steps);
        for (event, &step) in loss.iter().zip(&steps) {
            assert_eq!(event[2].as_str().unwrap().parse::<f64>().unwrap() as f32, (1.0 / step as f64) as f32);
            assert!(event[1].as_f64().unwrap() > 1.7e9);
        }
        let odd = answer["odd \"name\", größe"].as_array().unwrap();
        assert!(odd.len() == steps.len() && odd.iter().all(|event| event[2] == "nan"), "{odd:?}");
    }
}
