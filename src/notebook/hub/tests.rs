//! The hub and the client crate together, over real session folders.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use atelier_probe::probe;
use crossbeam_channel::{Receiver, bounded};
use polars::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::record::{At, Event, Recorder};
use crate::session::{self, Folder, New, Session, State, tables};

mod breakage;
mod models;
mod tensors;

const CONFIG: &str = "name = \"tiny\"\ntrack = \"pix2pixhd\"\nseed = 3\n\n[train]\nepochs = 4\n";

fn at(step: i64) -> At {
    At { step, epoch: step as f64 / 10.0 }
}

/// A session that recorded `steps` steps and is still held.
fn recorded(root: &Path, name: &str, steps: i64) -> Session {
    let new = New { name, config: CONFIG, ..New::default() };
    let session = session::create(root, &new).unwrap();
    session.set_totals(40, 4.0).unwrap();
    session.set_state(State::Running, None).unwrap();
    let recorder = session.recorder();
    recorder.event(at(0), Event::new("started", "40 steps to go"));
    for step in 1..=steps {
        recorder.values(at(step), &[("loss/g", 1.0 / step as f64), ("loss/d", -(step as f64))]);
    }
    recorder.flush().unwrap();
    session
}

/// A hub over a folder of sessions of its own, with the client that asks it and what cells show.
struct Notebook {
    root: TempDir,
    hub: Hub,
    client: probe::Hub,
    shows: Receiver<Show>,
}

impl Notebook {
    fn over(root: TempDir, session: Option<&str>, trainer: &Path) -> Self {
        let (sender, shows) = bounded(16);
        let options =
            Options { root: root.path().to_owned(), session: session.map(str::to_owned), trainer: trainer.to_owned() };
        let hub = Hub::start(options, sender).unwrap();
        let client = probe::Hub::at(hub.socket());
        Self { root, hub, client, shows }
    }

    fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap(), None, Path::new("/nowhere/atelier-train"))
    }

    fn folders(&self) -> Vec<Folder> {
        let ids = session::ids(self.root.path()).unwrap();
        ids.iter().map(|id| Folder::new(self.root.path().join(id))).collect()
    }
}

/// The message of the panic that `what` ends with.
fn message<T>(what: impl FnOnce() -> T) -> String {
    let told = catch_unwind(AssertUnwindSafe(what)).map(drop).unwrap_err();
    told.downcast_ref::<String>().unwrap().clone()
}

/// Questions in odd SQL: whatever polars makes of them, the next one is answered.
#[test]
fn odd_sql_is_an_error_of_its_own() {
    let notebook = Notebook::new();
    recorded(notebook.root.path(), "run", 3);
    for sql in [
        "select 1/0 as x, step % 0 as y from metrics",
        "select step as step, step from metrics",
        "select * from metrics join metrics on step = step",
        "select sum(series) from metrics",
        "select (select max(step) from metrics) as m from metrics",
        "select * from metrics limit -1",
        "select substr(series, 99999999999, -5) from metrics",
        "drop table metrics",
        "select * from metrics; select * from events",
        "explain select * from metrics",
        "select cast(series as int) from metrics",
        "select date_part('century', time) from metrics",
        "with x as (select * from x) select * from x, metrics",
    ] {
        catch_unwind(AssertUnwindSafe(|| notebook.client.sql(sql).to_string())).ok();
    }
    assert_eq!(notebook.client.sql("select count(*) as n from metrics").i64("n"), [6]);
}

/// Wait for `condition`, at most a minute.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_query_gives_a_cell_exactly_the_values_that_polars_has() {
    let notebook = Notebook::new();
    let session = recorded(notebook.root.path(), "first", 4);
    session.recorder().values(at(5), &[("loss/g", f64::NAN), ("naïve 宮崎", f64::NEG_INFINITY)]);
    session.recorder().event(at(5), Event::new("note", "quotes ' and \u{1b}[2J"));
    session.recorder().flush().unwrap();
    let _second = recorded(notebook.root.path(), "second", 0);
    for sql in [
        "select * from metrics order by session, step, series",
        "select * from events order by time",
        "select * from sessions",
        "select step, step > 2 as late, null as nothing, cast(step as float) / 0.0 as far from metrics",
        "select count(*) as n, avg(value) as mean from metrics where series = 'none'",
        "select * from telemetry",
    ] {
        let frame = notebook.client.sql(sql);
        let own = tables::query(&notebook.folders(), sql).unwrap().frame;
        assert_eq!(
            frame.columns(),
            own.get_column_names().into_iter().map(ToString::to_string).collect::<Vec<_>>(),
            "{sql}"
        );
        assert_eq!(frame.len(), own.height(), "{sql}");
        let rows = frame.rows();
        for (at, column) in own.columns().iter().enumerate() {
            for (row, values) in rows.iter().enumerate() {
                let same = match (column.get(row).unwrap(), &values[at]) {
                    (AnyValue::Null, probe::Value::Null) => true,
                    (AnyValue::Float64(a), probe::Value::F64(b)) => a.to_bits() == b.to_bits(),
                    (AnyValue::Int64(a), probe::Value::I64(b))
                    | (AnyValue::Datetime(a, TimeUnit::Nanoseconds, _), probe::Value::Time(b)) => a == *b,
                    (AnyValue::Int32(a), probe::Value::I64(b)) => i64::from(a) == *b,
                    (AnyValue::UInt32(a), probe::Value::I64(b)) => i64::from(a) == *b,
                    (AnyValue::Boolean(a), probe::Value::Bool(b)) => a == *b,
                    (AnyValue::String(a), probe::Value::Str(b)) => a == b,
                    _ => false,
                };
                assert!(same, "{sql}: row {row} of {}: {:?} is not {:?}", column.name(), column.get(row), values[at]);
            }
        }
    }
    let told = message(|| notebook.client.sql("select colour from metrics"));
    assert!(told.contains("metrics has session, step"), "{told}");
}

#[test]
fn sessions_are_found_as_a_person_names_them() {
    let notebook = Notebook::new();
    assert!(message(|| notebook.client.run("latest")).contains("there is none in"));
    let first = recorded(notebook.root.path(), "hayao", 3);
    let second = recorded(notebook.root.path(), "paprika", 2);
    let ask = |name: &str| notebook.client.run(name);
    assert_eq!(ask(&first.id()).id(), first.id());
    assert_eq!((ask("paprika").id(), ask("hay").id()), (second.id().as_str(), first.id().as_str()));
    let newest = session::ids(notebook.root.path()).unwrap().pop().unwrap();
    assert_eq!(ask("latest").id(), newest);
    let run = ask("hayao");
    assert_eq!((run.name(), run.state(), run.track(), run.step()), ("hayao", "running", "pix2pixhd", 3));
    assert_eq!(run.folder(), first.folder().path().canonicalize().unwrap());
    let told = message(|| ask("totoro"));
    assert!(told.contains("totoro") && told.contains(&first.id()) && told.contains(&second.id()), "{told}");
    assert_eq!(notebook.client.sessions().ids(), session::ids(notebook.root.path()).unwrap());
    assert_eq!(notebook.client.this().id(), newest);

    // A name that was given later is found too.
    first.update(|manifest| manifest.name = "moving castle".to_owned()).unwrap();
    assert_eq!(ask("castle").id(), first.id());
    first.finish(State::Finished, None).unwrap();
    assert_eq!((run.refresh().state(), notebook.client.sessions().running().len()), ("finished", 1));
    let shown = notebook.client.sessions().to_string();
    assert!(shown.contains("moving castle") && shown.contains("3 / 40"), "{shown}");
}

#[test]
fn the_session_that_the_notebook_was_opened_for_is_this() {
    let root = tempfile::tempdir().unwrap();
    let id = recorded(root.path(), "first", 1).id();
    recorded(root.path(), "second", 1);
    let notebook = Notebook::over(root, Some(&id), Path::new("x"));
    assert_eq!(notebook.client.this().id(), id);
}

#[test]
fn a_session_answers_for_itself_alone() {
    let notebook = Notebook::new();
    let first = recorded(notebook.root.path(), "first", 12);
    recorded(notebook.root.path(), "second", 30);
    let run = notebook.client.run("first");
    assert_eq!(run.sql("select count(*) as n from metrics").i64("n"), [24]);
    assert_eq!(run.events().str("kind"), ["started"]);

    let metrics = run.metrics();
    assert_eq!(metrics.names(), ["loss/d", "loss/g"]);
    let last = metrics.last(3);
    assert_eq!(
        (last.columns(), last.i64("step")),
        (["step", "loss/d", "loss/g"].map(str::to_owned).to_vec(), vec![10, 11, 12])
    );
    assert_eq!(last.f64("loss/g"), [1.0 / 10.0, 1.0 / 11.0, 1.0 / 12.0]);
    assert!(last.to_string().ends_with(&format!("{} · store", first.id())), "{last}");

    let series = metrics.series("loss/g");
    assert_eq!((series.len(), series.max(), series.at_min(), series.name()), (12, 1.0, 12.0, "loss/g"));
    let told = message(|| metrics.series("loss/x"));
    assert!(told.contains("loss/d, loss/g"), "{told}");
    assert!(message(|| metrics.plot("val/*")).contains("loss/d"));
    assert_eq!(metrics.plot("loss/*").to_string().lines().count(), 3);
    assert_eq!(metrics.all().filter_series("loss/d").last(1).f64("value"), [-12.0]);
    assert!(run.telemetry().last(5).is_empty());
}

#[test]
fn what_a_run_repeated_after_a_restart_counts_once() {
    let notebook = Notebook::new();
    let session = recorded(notebook.root.path(), "again", 6);
    let folder = session.folder().clone();
    drop(session);
    let session =
        session::reopen(notebook.root.path(), &folder.id(), &New { name: "again", config: CONFIG, ..New::default() })
            .unwrap();
    for step in 4..=8 {
        session.recorder().values(at(step), &[("loss/g", 100.0 + step as f64)]);
    }
    session.recorder().flush().unwrap();
    let metrics = notebook.client.run("again").metrics();
    assert_eq!(metrics.series("loss/g").y()[2..], [1.0 / 3.0, 104.0, 105.0, 106.0, 107.0, 108.0]);
    assert_eq!(metrics.last(4).f64("loss/g"), [105.0, 106.0, 107.0, 108.0]);
}

#[test]
fn what_a_cell_shows_arrives_as_it_is() {
    let notebook = Notebook::new();
    notebook.client.show("image/png", "step 3", &[0, 255, b'\n', 7]);
    let show = notebook.shows.recv().unwrap();
    assert_eq!((show.mime.as_str(), show.label.as_str(), show.bytes), ("image/png", "step 3", vec![0, 255, b'\n', 7]));
    notebook.client.show("text/plain", "", b"");
    assert!(notebook.shows.recv().unwrap().bytes.is_empty());
    let told = message(|| notebook.client.show("text/html", "", b"<script>"));
    assert!(told.contains("text/html") && told.contains("text/plain"), "{told}");
    drop(notebook.shows);
    assert!(message(|| notebook.client.show("text/plain", "", b"x")).contains("pane is closed"));
}

#[test]
fn the_socket_is_its_owner_s_alone_and_goes_with_the_hub() {
    let notebook = Notebook::new();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&notebook.hub.socket()), mode(notebook.hub.folder())), (0o600, 0o700));
    assert!(notebook.hub.socket().as_os_str().len() < 108);
    let folder = notebook.hub.folder().to_owned();
    // A client that holds its connection does not hold the hub.
    let mut idle = UnixStream::connect(notebook.hub.socket()).unwrap();
    drop(notebook.hub);
    assert!(!folder.exists());
    assert_eq!(idle.read(&mut [0; 8]).unwrap_or(0), 0);
    assert!(message(|| notebook.client.sessions()).contains("the notebook's pane is gone"));
}
