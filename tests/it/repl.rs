//! `atelier repl --run`: notebooks without a screen, with a kernel that is a script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use atelier::session::{self, New, State};
use serde_json::Value;

/// A script that stands for the kernel: each cell gives its number, one that says `fail` panics, one that says `die` ends
/// the process.
const KERNEL: &str = r#"#!/bin/sh
echo '{"id":0,"event":"status","status":"ready"}'
n=0
while read -r line; do
    n=$((n + 1))
    id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
    case "$line" in
    *die*) echo 'out of luck' >&2; exit 7 ;;
    *fail*)
        echo "{\"id\":$id,\"event\":\"error\",\"kind\":\"panic\",\"message\":\"it failed\"}"
        echo "{\"id\":$id,\"event\":\"done\",\"ok\":false,\"ms\":1}" ;;
    *)
        printf '{"id":%s,"event":"stdout","text":"cell \\u001b[31m%s\\n"}\n' "$id" "$n"
        printf '{"id":%s,"event":"value","text":"value %s"}\n' "$id" "$n"
        printf '{"id":%s,"event":"done","ok":true,"ms":5}\n' "$id" ;;
    esac
done
"#;

fn run(folder: &Path, notebook: &str, arguments: &[&str]) -> Output {
    let kernel = folder.join("kernel");
    fs::write(&kernel, KERNEL).unwrap();
    fs::set_permissions(&kernel, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(folder.join("n.rs"), notebook).unwrap();
    let root = folder.join("sessions");
    let session = session::create(&root, &New { name: "one", config: "", ..New::default() }).unwrap();
    session.finish(State::Finished, None).unwrap();
    Command::new(env!("CARGO_BIN_EXE_atelier"))
        .args(["repl", "--run", "n.rs", "--root", "sessions"])
        .args(arguments)
        .env("ATELIER_KERNEL", &kernel)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_notebook_runs_from_its_first_cell_to_its_last() {
    let folder = tempfile::tempdir().unwrap();
    let notebook =
        "// %% [markdown]\n// words\n// %%\nlet x = 1;\n// %%\n?select name, state from sessions\n// %%\nx\n";
    let output = run(folder.path(), notebook, &["--export", "n.ipynb"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let lines: Vec<&str> = printed.lines().map(str::trim_end).collect();
    assert_eq!(lines, ["cell 1", "value 1", "name  state", "one   finished", "cell 2", "value 2"]);
    let exported: Value = serde_json::from_slice(&fs::read(folder.path().join("n.ipynb")).unwrap()).unwrap();
    assert_eq!(exported["cells"][3]["outputs"][1]["data"]["text/plain"][0], "value 2");
    assert_eq!(fs::read_to_string(folder.path().join("n.rs")).unwrap(), notebook, "it is not touched");
}

#[test]
fn the_first_cell_that_fails_ends_it_with_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "// %%\n1\n// %%\nfail()\n// %%\n3\n", &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cell 2 of n.rs failed: it failed"), "{}", text(&output.stderr));
    let cells: Value = serde_json::from_slice(&output.stdout).unwrap();
    let states: Vec<&str> = cells.as_array().unwrap().iter().map(|cell| cell["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ok", "failed", "not run"]);
    assert_eq!(cells[0]["outputs"][0]["text"], "cell 1\n");
}

#[test]
fn a_question_that_is_wrong_and_a_kernel_that_dies_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "?select nothing from sessions", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("nothing"), "{}", text(&output.stderr));
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "die()", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("the kernel's process ended: out of luck"), "{}", text(&output.stderr));
}

#[test]
fn what_is_no_notebook_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "a\0b", &[]);
    assert!(text(&output.stderr).contains("n.rs is no text"), "{}", text(&output.stderr));
    let output = Command::new(env!("CARGO_BIN_EXE_atelier"))
        .args(["repl", "--run", "nowhere.rs"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no notebook nowhere.rs"));
}
