use std::path::Path;

use crossbeam_channel::{bounded, unbounded};

use super::*;
use crate::record::{At, Clock, Store};

fn request(session: &Path, serial: u64) -> CurvesRequest {
    CurvesRequest {
        screen: ScreenKind::Run,
        serial,
        sessions: vec![("a".to_owned(), session.to_owned())],
        want: vec![Want { series: "loss/g".to_owned(), aside: false }],
        axis: XAxis::Step,
        log_x: false,
        window: Window::All,
        columns: 80,
        half_life: 0.0,
        crosshair: None,
        groups: Groups::default(),
    }
}

fn serial_of(events: &Receiver<Event>) -> u64 {
    match events.recv().unwrap() {
        Event::Curves(answer) => answer.serial,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_answered_at_once_even_while_data_is_held_to_its_pace() {
    let session = tempfile::tempdir().unwrap();
    let (wake, woken) = bounded(0);
    let (events, answers) = unbounded();
    let thread = CurvesThread::spawn(woken, events);
    thread.ask(request(session.path(), 1));
    assert_eq!(serial_of(&answers), 1);
    // Taken by the thread as soon as it is sent: nothing is new, and it waits for its next turn.
    wake.send(()).unwrap();
    thread.ask(request(session.path(), 2));
    assert_eq!(serial_of(&answers), 2);
}

#[test]
fn data_that_nobody_told_of_is_found_all_the_same() {
    let session = tempfile::tempdir().unwrap();
    let (_wake, woken) = bounded(0);
    let (events, answers) = unbounded();
    let thread = CurvesThread::spawn(woken, events);
    thread.ask(request(session.path(), 1));
    assert_eq!(serial_of(&answers), 1);
    let store = Store::open(&session.path().join("metrics"), 0, Clock::with(0, || 0)).unwrap();
    store.append_waiting(At { step: 1, epoch: 0.0 }, &[("loss/g", 1.0)]).unwrap();
    store.flush().unwrap();
    let Event::Curves(answer) = answers.recv().unwrap() else { panic!("no curves") };
    assert_eq!(answer.plots[0].lines[0].points, 1);
}

#[test]
fn while_there_will_be_more_the_window_ends_ahead_and_moves_in_strides() {
    let mut request = request(Path::new("/nowhere"), 1);
    let shown = |request: &CurvesRequest, end: f64, growing| window(request, (1.0, end), growing);
    assert_eq!(shown(&request, 1000.0, false), (1.0, 1000.0), "of what has ended no more than there is");
    let mut ends: Vec<f64> = (1000..2000).map(|end| shown(&request, f64::from(end), true).1).collect();
    for (end, to) in (1000..2000).zip(&ends) {
        assert!((f64::from(end)..=1.126 * f64::from(end)).contains(to), "{end} is shown up to {to}");
    }
    ends.dedup();
    assert!(ends.len() <= 16, "{ends:?}");
    request.window = Window::Last(100.0);
    let mut windows: Vec<_> = (1000..1200).map(|end| shown(&request, f64::from(end), true)).collect();
    assert!(windows.iter().all(|(from, to)| to - from == 100.0));
    windows.dedup();
    assert!(windows.len() <= 26, "{windows:?}");
    request.window = Window::Fixed(5.0, 7.0);
    assert_eq!(shown(&request, 1000.0, true), (5.0, 7.0));
    request.window = Window::All;
    assert_eq!(shown(&request, 1.0, true), (1.0, 2.0), "one point has no width");
}
