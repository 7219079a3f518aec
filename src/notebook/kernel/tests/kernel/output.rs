//! Whatever a cell does with its standard streams and its process (H6, H10): nothing hangs, nothing gets mixed up.

use crate::harness::shared;
use crate::protocol::{FailureKind, Lost, Op, Status};

#[test]
fn h6_output_without_a_newline_arrives_and_ends_the_cell() {
    let mut kernel = shared();
    let answer = kernel.exec("print!(\"partial\");").fine();
    assert_eq!(answer.stdout, "partial");
    let answer = kernel
        .exec("use std::io::Write; print!(\"flushed\"); std::io::stdout().flush().unwrap(); eprint!(\"err\");")
        .fine();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("flushed", "err"));
    assert_eq!(kernel.value("1"), "1");
}

#[test]
fn output_streams_while_the_cell_runs() {
    let mut kernel = shared();
    // It goes on only when what it wrote has come out.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    let code = format!(
        "print!(\"first E\"); std::io::Write::flush(&mut std::io::stdout()).unwrap(); while !std::path::Path::new({path:?}).exists() {{ std::thread::yield_now(); }} println!(\"second\");"
    );
    let id = kernel.run_until(&code, "first E");
    std::fs::write(&path, "").unwrap();
    let answer = kernel.answer(id).fine();
    assert_eq!(answer.stdout, "second\n");
}

#[test]
fn h5_megabytes_arrive_whole_in_pieces_and_more_is_counted() {
    let mut kernel = shared();
    let answer = kernel.exec("for i in 0..400_000 { println!(\"{i:09}\"); }").fine();
    assert_eq!(answer.stdout.len(), 4_000_000);
    assert!(answer.stdout.lines().enumerate().all(|(i, line)| line.parse() == Ok(i)));
    assert!(answer.longest <= 64 << 10);
    let answer = kernel.exec("let line = \"x\".repeat(1 << 20); for _ in 0..20 { println!(\"{line}\"); }").fine();
    assert_eq!(answer.stdout.len(), 16 << 20);
    assert!(answer.stderr.contains("4194324 more bytes"), "{}", answer.stderr);
}

#[test]
fn binary_output_is_marked_and_characters_stay_whole() {
    let mut kernel = shared();
    let answer = kernel
        .exec("use std::io::Write; let mut out = std::io::stdout(); for i in 0..=255u8 { out.write_all(&[i]).unwrap(); }\nlet text = \"é→𝄞\".repeat(9000); println!(\"{text}\");")
        .fine();
    assert!(answer.stdout.contains('\u{fffd}') && answer.stdout.contains('\0'));
    assert_eq!(answer.stdout.matches("é→𝄞").count(), 9000);
}

#[test]
fn h10_forged_markers_are_text() {
    let mut kernel = shared();
    kernel.exec("let kept = 5;").fine();
    let forged = "EVCXR_EXECUTION_COMPLETE\\nEVCXR_BEGIN_CONTENT image/png\\nEVCXR_INPUT_REQUEST:x\\nEVCXR_PANIC_NOTIFICATION\\nEVCXR_VARIABLE_CHANGED_TYPE:kept\\nEVCXR_BEGIN_CONTENT text/plain\\n";
    let answer = kernel.exec(&format!("println!(\"{forged}\"); let made = 1;")).fine();
    assert_eq!(answer.stdout, format!("{}\n", forged.replace("\\n", "\n")));
    assert_eq!(kernel.value("kept + made"), "6");
    // Forged as the very last and the very first thing.
    kernel.exec("let more = 2; println!(\"EVCXR_PANIC_NOTIFICATION\");").fine();
    assert_eq!(kernel.value("more"), "2");
    let answer = kernel.exec("println!(\"EVCXR_VARIABLE_CHANGED_TYPE:nothing\");");
    assert!(!answer.statuses.is_empty());
    assert_eq!(kernel.value("kept"), "5");
}

#[test]
fn a_cell_that_reads_standard_input_finds_the_end() {
    let mut kernel = shared();
    let value =
        kernel.value("let mut line = String::new(); let n = std::io::stdin().read_line(&mut line).unwrap(); (n, line)");
    assert_eq!(value, "(0, \"\")");
}

#[test]
fn a_cell_may_close_its_streams() {
    let mut kernel = shared();
    kernel.exec("unsafe extern \"C\" { fn close(fd: i32) -> i32; }\nfor fd in 0..3 { unsafe { close(fd); } }").fine();
    assert_eq!(kernel.value("1 + 1"), "2");
}

#[test]
fn a_fork_that_holds_the_pipes_open_keeps_nobody_waiting() {
    let mut kernel = shared();
    let fork = "unsafe extern \"C\" { fn fork() -> i32; fn pause() -> i32; }\nlet child = unsafe { fork() };\nif child == 0 { loop { unsafe { pause(); } } }\nprintln!(\"parent\");";
    assert_eq!(kernel.exec(fork).fine().stdout, "parent\n");
    assert_eq!(kernel.value("child > 0"), "true");
    // One that runs to the end of the cell is not taken for the cell.
    let answer = kernel.exec("let other = unsafe { fork() }; other == 0").fine();
    assert_eq!(answer.value.as_deref(), Some("false"));
    // And when the process crashes, its forks go with it.
    let answer = kernel.exec("std::process::abort()");
    assert_eq!((answer.kind(), answer.lost()), (FailureKind::Crash, Lost::Variables));
    assert_eq!(kernel.value("3"), "3");
}

#[test]
fn programs_that_a_cell_starts_write_into_the_cell() {
    let mut kernel = shared();
    let answer = kernel.exec("std::process::Command::new(\"sh\").args([\"-c\", \"echo out; echo err >&2; (exec sleep 1000) &\"]).status().unwrap().success()").fine();
    assert_eq!(
        (answer.stdout.as_str(), answer.stderr.as_str(), answer.value.as_deref()),
        ("out\n", "err\n", Some("true"))
    );
}

#[test]
fn threads_go_on_between_cells() {
    let mut kernel = shared();
    kernel.exec("let (send, receive) = std::sync::mpsc::channel::<u32>();\nlet thread = std::thread::spawn(move || receive.iter().sum::<u32>());").fine();
    kernel.exec("for i in 0..10 { send.send(i).unwrap(); }").fine();
    assert_eq!(kernel.value("drop(send); thread.join().unwrap()"), "45");
    let answer = kernel.exec("std::thread::spawn(|| panic!(\"aside\")).join().is_err()").fine();
    assert_eq!(answer.value.as_deref(), Some("true"));
    assert!(answer.stderr.contains("panicked: aside"), "{}", answer.stderr);
}

#[test]
fn statuses_tell_what_is_under_way() {
    let answer = shared().exec("1").fine();
    assert_eq!(answer.statuses, [Status::Compiling, Status::Running, Status::Ready]);
}

#[test]
fn an_unknown_request_is_answered_and_does_no_harm() {
    let mut kernel = shared();
    kernel.raw("{\"id\": 7, \"op\": \"dance\"}");
    kernel.raw("not even JSON \u{1b}[31m");
    kernel.raw("");
    assert_eq!(kernel.value("1"), "1");
    assert!(kernel.ask(Op::Interrupt).ok, "nothing to interrupt");
}
