//! `query`, as the real program.

use super::*;

fn rows(output: &Output) -> Vec<serde_json::Value> {
    assert!(output.status.success(), "{}", err(output));
    serde_json::from_str::<serde_json::Value>(&out(output)).unwrap().as_array().unwrap().clone()
}

#[test]
fn every_table_answers_over_all_sessions_and_those_that_run() {
    let root = tempfile::tempdir().unwrap();
    let first = recorded(root.path(), "first", 4);
    first.recorder().values(at(5), &[("loss/g", f64::NAN)]);
    first.finish(State::Finished, None).unwrap();
    let second = recorded(root.path(), "second", 2);
    let ask = |sql: &str| rows(&atelier(root.path(), &["query", sql, "--json"]));

    let counted =
        ask("select session, count(*) as n, min(value) as least from metrics where series = 'loss/g' and step < 5 \
         group by session order by session");
    assert_eq!(counted.len(), 2);
    assert_eq!((&counted[0]["n"], &counted[0]["least"]), (&4.into(), &0.25.into()));
    assert_eq!(counted[1], serde_json::json!({ "session": second.id(), "n": 2, "least": 0.5 }));
    // What JSON has no number for is a text, as in `ls --json`; a time reads as one.
    let newest = ask("SELECT value, time FROM metrics WHERE series = 'loss/g' AND step = 5");
    assert_eq!(newest[0]["value"], "NaN");
    assert!(newest[0]["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{newest:?}");

    let states = ask("select name, state, metric, best from sessions order by name");
    assert_eq!(
        states[0],
        serde_json::json!({ "name": "first", "state": "finished", "metric": "val/ssim", "best": 0.5 })
    );
    assert_eq!(states[1]["state"], "running");
    let started = ask("select s.name, e.message from events e join sessions s on e.session = s.session \
         where e.kind = 'started' order by s.name");
    assert_eq!(started[1], serde_json::json!({ "name": "second", "message": "40 steps to go" }));
    assert_eq!(ask("select count(*) as n from telemetry")[0]["n"], 0);

    let output = atelier(root.path(), &["query", "select session from sessions", "--session", "first", "--csv"]);
    assert_eq!(out(&output), format!("session\n{}\n", first.id()));
}

#[test]
fn a_query_that_cannot_be_answered_says_what_there_is() {
    let root = tempfile::tempdir().unwrap();
    let _session = recorded(root.path(), "tiny", 1);
    for (sql, told) in [
        ("select 1", "there are sessions, metrics, telemetry, events"),
        ("select colour from metrics", "metrics has session, step, epoch, time, generation, series, value"),
        ("selct step from metrics", "metrics has session"),
        ("select * from runs join metrics on 1 = 1", "metrics has session"),
    ] {
        let output = atelier(root.path(), &["query", sql]);
        assert_eq!(output.status.code(), Some(2), "{sql}: {}", out(&output));
        assert!(err(&output).contains(told) && !err(&output).contains("panicked"), "{sql}: {}", err(&output));
    }
}

#[test]
fn sessions_that_cannot_be_read_are_told_and_the_others_answer() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "torn", 3);
    let torn = fs::read_dir(session.folder().metrics()).unwrap().next().unwrap().unwrap().path();
    drop(session);
    let mut bytes = fs::read(&torn).unwrap();
    bytes.extend([7; 100]);
    fs::write(&torn, bytes).unwrap();
    let output = atelier(root.path(), &["query", "select count(*) as n from metrics", "--csv"]);
    assert_eq!(out(&output), "n\n9\n");
    assert!(err(&output).contains("warning: ") && err(&output).contains("torn"), "{}", err(&output));
}

#[test]
fn a_table_is_cut_where_it_would_be_too_long_and_names_steer_no_terminal() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "long", 50);
    session.recorder().event(at(50), Event::new("note", "a\u{1b}[2Jb"));
    session.recorder().flush().unwrap();
    let text = out(&atelier(
        root.path(),
        &["query", "select step, value from metrics where series = 'loss/g'", "--rows", "3"],
    ));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0].split_whitespace().collect::<Vec<_>>(), ["step", "value"]);
    assert_eq!((lines.len(), lines[4]), (5, "47 more rows: --rows 0 prints all"), "{text}");
    let text = out(&atelier(root.path(), &["query", "select message from events"]));
    assert!(!text.contains('\u{1b}') && text.contains("a [2Jb"), "{text}");
}

#[test]
fn hundreds_of_sealed_sessions_are_read_at_once() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..400 {
        recorded(root.path(), &format!("run-{number}"), 2).finish(State::Finished, None).unwrap();
    }
    let sql = "select count(*) as rows, min(value) as least from metrics where series = 'loss/g'";
    assert_eq!(out(&atelier(root.path(), &["query", sql, "--csv"])), "rows,least\n800,0.5\n");
    // Lists read the series themselves where the summaries are gone.
    for session in fs::read_dir(root.path()).unwrap().flatten() {
        fs::remove_file(session.path().join("summary.json")).unwrap();
    }
    assert_eq!(out(&atelier(root.path(), &["ls", "loss=0.5"])).lines().count(), 401);
}

#[test]
fn a_statement_that_is_no_question_is_refused_in_a_line() {
    let root = tempfile::tempdir().unwrap();
    recorded(root.path(), "run", 2).finish(State::Finished, None).unwrap();
    let output = atelier(root.path(), &["query", "describe metrics"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("statement type is not supported"), "{said}");
    assert!(said.contains("metrics has ") && !said.contains("ExplainTable"), "{said}");
}

#[test]
fn an_answer_is_drawn_in_the_terminal_or_into_a_file() {
    let root = tempfile::tempdir().unwrap();
    let session = recorded(root.path(), "tiny", 8);
    session.finish(State::Finished, None).unwrap();
    let sql = "select step, value from metrics where series = 'loss/g' | plot x=step y=value";
    let output = atelier(root.path(), &["query", sql]);
    assert!(output.status.success(), "{}", err(&output));
    let drawn = out(&output);
    assert!(drawn.lines().next().unwrap().contains("value") && drawn.contains("8 pts"), "{drawn}");
    assert!(drawn.chars().any(|letter| ('\u{2801}'..='\u{28ff}').contains(&letter)), "no curve:\n{drawn}");

    let picture = root.path().join("g.png");
    let output = atelier(root.path(), &["query", sql, "-o", picture.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(&std::fs::read(&picture).unwrap()[1..4], b"PNG");

    for (sql, file, told) in [
        ("select step, value from metrics | plot x=colour", "", "it has step, value"),
        ("select step, value from metrics | draw", "", "`draw`"),
        ("select step, value from metrics", "g.png", "`| plot`"),
        (sql, "g.gif", ".png or .svg"),
    ] {
        let mut words = vec!["query", sql];
        if !file.is_empty() {
            words.extend(["-o", file]);
        }
        let output = atelier(root.path(), &words);
        assert_eq!(output.status.code(), Some(2), "{sql}: {}", out(&output));
        assert!(err(&output).contains(told) && !err(&output).contains("panicked"), "{sql}: {}", err(&output));
    }
}
