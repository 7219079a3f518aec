//! Starting, stopping, interrupting, and what is left behind.

use crate::harness::{Kernel, cache, command, shared};
use crate::protocol::{FailureKind, Lost, Op, Status, What};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Megabytes of a process and all below it.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    own.unwrap_or(0) / 1024 + children(pid).into_iter().map(resident).sum::<u64>()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

#[test]
fn a_running_cell_is_interrupted_and_definitions_are_kept() {
    let mut kernel = shared();
    kernel.exec("fn kept() -> i32 { 7 }\nlet lost = 1;").fine();
    for code in [
        "println!(\"go\"); loop {}",
        "println!(\"go\"); std::thread::sleep(std::time::Duration::from_secs(100_000));",
        "println!(\"go\"); std::process::Command::new(\"sleep\").arg(\"100000\").status().unwrap();",
    ] {
        let id = kernel.run_until(code, "go");
        let interrupt = kernel.send(Op::Interrupt);
        let answer = kernel.answer(id);
        assert_eq!((answer.kind(), answer.lost()), (FailureKind::Interrupted, Lost::Variables), "{answer:?}");
        assert!(answer.failure().message.contains("functions, types and imports are kept"));
        assert!(kernel.answer(interrupt).ok);
        assert_eq!(kernel.value("kept()"), "7");
    }
    assert!(!kernel.exec("lost").ok);
}

#[test]
fn a_client_that_no_longer_links_is_built_again() {
    let root = tempfile::tempdir().unwrap();
    let code = "run(\"nobody\").metrics().last(1)";
    let mut kernel = Kernel::start(root.path());
    assert_eq!(kernel.exec(code).kind(), FailureKind::Panic, "it links, and there is no such session");
    drop(kernel);
    // Without its objects, and cargo takes it for whole.
    let without = |library: &Path, objects: &[&str]| {
        assert!(Command::new("ar").arg("d").arg(library).args(objects).status().unwrap().success());
    };
    spoil(root.path(), without);
    let mut kernel = Kernel::start(root.path());
    let answer = kernel.exec(code);
    assert_eq!(answer.kind(), FailureKind::Compile, "{answer:?}");
    let failure = answer.failure();
    let (_, symbol) = failure.message.split_once("the cell could not be loaded: undefined symbol: ").unwrap();
    assert!(failure.help.as_deref().unwrap().ends_with("run this one again."), "{failure:?}");
    let answer = kernel.exec(code);
    assert_eq!(answer.kind(), FailureKind::Panic, "{answer:?}");
    drop(kernel);
    // With one that needs what no other has, as objects of two builds may.
    spoil(root.path(), |library, objects| {
        without(library, objects);
        let folder = tempfile::tempdir().unwrap();
        let source = format!(
            "extern __attribute__((visibility(\"hidden\"))) void gone(void);\nvoid {symbol}(void) {{ gone(); }}\n"
        );
        fs::write(folder.path().join("half.c"), source).unwrap();
        let object = folder.path().join("half.o");
        assert!(Command::new("cc").args(["-c", "-fPIC", "half.c"]).current_dir(&folder).status().unwrap().success());
        assert!(Command::new("ar").arg("r").arg(library).arg(object).status().unwrap().success());
    });
    let mut kernel = Kernel::start(root.path());
    let answer = kernel.exec(code);
    assert_eq!(answer.kind(), FailureKind::Panic, "built again at once: {answer:?}");
}

#[test]
fn a_cell_that_cannot_be_loaded_has_failed() {
    let mut kernel = shared();
    let answer = kernel.exec("unsafe extern \"C\" { fn atelier_nowhere(); }\nunsafe { atelier_nowhere() }");
    assert_eq!(answer.kind(), FailureKind::Compile, "{answer:?}");
    assert_eq!(answer.failure().message, "the cell could not be loaded: undefined symbol: atelier_nowhere");
    assert_eq!(kernel.value("1 + 1"), "2");
}

/// Change the client's libraries of a kernel that has ended.
fn spoil(cache: &Path, change: impl Fn(&Path, &[&str])) {
    let mut count = 0;
    for library in walk(&cache.join("kernel-1/build/target")) {
        let name = library.file_name().unwrap().to_string_lossy();
        if name.starts_with("libatelier-") && library.extension().is_some_and(|end| end == "rlib") {
            let members = Command::new("ar").arg("t").arg(&library).output().unwrap();
            let members = String::from_utf8(members.stdout).unwrap();
            let objects: Vec<&str> = members.lines().filter(|member| member.ends_with("rcgu.o")).collect();
            change(&library, &objects);
            count += 1;
        }
    }
    assert!(count > 0);
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_compile_is_interrupted_and_nothing_is_lost() {
    let mut kernel = shared();
    kernel.exec("let kept = 5;").fine();
    // A constant that takes the compiler for ever.
    let code =
        "#![allow(long_running_const_eval)]\nconst N: u64 = { let mut n = 0u64; while n < u64::MAX { n += 1; } n };\nN";
    let id = kernel.send(Op::Exec { code: code.to_owned() });
    kernel.answer_until(id, |_, what| matches!(what, What::Status { status: Status::Compiling, .. }));
    let interrupt = kernel.send(Op::Interrupt);
    let answer = kernel.answer(id);
    assert_eq!((answer.kind(), answer.lost()), (FailureKind::Interrupted, Lost::Nothing), "{answer:?}");
    kernel.answer(interrupt);
    assert_eq!(kernel.value("kept"), "5");
}

#[test]
fn a_restart_ends_what_runs_and_forgets_all_but_the_prelude() {
    let mut kernel = shared();
    kernel.exec("fn gone() {}\nlet lost = 1;").fine();
    let running = kernel.run_until("println!(\"go\"); loop {}", "go");
    let waiting = kernel.send(Op::Exec { code: "lost".to_owned() });
    let restart = kernel.send(Op::Restart);
    assert_eq!(kernel.answer(running).kind(), FailureKind::Interrupted);
    assert_eq!(kernel.answer(waiting).kind(), FailureKind::Interrupted);
    kernel.answer(restart).fine();
    assert!(!kernel.exec("gone()").ok);
    assert!(kernel.ask(Op::Vars).variables.is_empty());
    let answer = kernel.exec("1 + 1").fine();
    assert_eq!(answer.value.as_deref(), Some("2"));
    assert!(answer.phases.iter().all(|phase| phase != "Fallback"), "the prelude is there: {:?}", answer.phases);
}

#[test]
fn a_process_that_ends_between_cells_is_replaced_and_told() {
    let mut kernel = shared();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("go");
    kernel.exec(&format!("std::thread::spawn(|| {{ while !std::path::Path::new({path:?}).exists() {{ std::thread::yield_now(); }} std::process::exit(4) }});")).fine();
    fs::write(&path, "").unwrap();
    let failure = loop {
        let event = kernel.any();
        if let (0, What::Error(failure)) = (event.id, event.what) {
            break failure;
        }
    };
    assert_eq!((failure.kind, failure.lost), (FailureKind::Crash, Lost::Variables));
    assert!(failure.message.contains("exit code 4"), "{failure:?}");
    assert_eq!(kernel.value("2"), "2");
}

#[test]
fn cells_run_in_the_folder_that_the_kernel_was_started_in_with_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(cache());
    command.current_dir(folder.path()).env("ATELIER_HUB", "/a/socket");
    let mut kernel = Kernel::spawn(&mut command);
    let value = kernel.value("(std::env::current_dir().unwrap(), std::env::var(\"ATELIER_HUB\").unwrap(), std::env::var_os(\"EVCXR_IS_RUNTIME\"))");
    assert_eq!(value, format!("({:?}, \"/a/socket\", None)", folder.path().canonicalize().unwrap()));
}

#[test]
fn h1_h8_two_kernels_at_once_stay_apart_and_leave_nothing_behind() {
    let mut first = shared();
    let mut command = command(cache());
    command.stderr(Stdio::piped());
    let mut second = Kernel::spawn(&mut command);
    let mut stderr = second.child.stderr.take().unwrap();
    let drained = std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
    first.exec("let x = 1;").fine();
    second.exec("let x = 2;").fine();
    assert_eq!((first.value("x"), second.value("x")), ("1".to_owned(), "2".to_owned()));
    let pid = second.child.id();
    let cell: u32 = second.value("std::process::id()").parse().unwrap();
    let below = children(pid);
    assert!(lives(cell) && !below.is_empty());
    // Its standard input ends in the middle of a cell that never does.
    second.run_until("println!(\"go\"); loop {}", "go");
    assert!(second.close().success());
    for pid in below.into_iter().chain([cell]) {
        while lives(pid) {
            std::thread::yield_now();
        }
    }
    drained.join().unwrap().unwrap();
    assert_eq!(first.value("x"), "1");
}

#[test]
fn a_killed_kernel_takes_its_cells_with_it() {
    let mut kernel = Kernel::start(cache());
    let cell: u32 = kernel.value("std::process::id()").parse().unwrap();
    kernel.run_until("println!(\"go\"); loop {}", "go");
    kernel.child.kill().unwrap();
    kernel.child.wait().unwrap();
    while lives(cell) {
        std::thread::yield_now();
    }
    // And its folder is free again.
    let mut next = Kernel::start(cache());
    assert_eq!(next.value("1"), "1");
}

#[test]
fn without_rust_the_kernel_says_so_and_ends_well() {
    let home = tempfile::tempdir().unwrap();
    let mut command = command(&home.path().join("cache"));
    command.env("PATH", home.path()).env("HOME", home.path()).env_remove("CARGO_HOME");
    let mut kernel = Kernel::spawn(&mut command);
    let message = loop {
        if let What::Status { status: Status::Dead, message, .. } = kernel.event().what {
            break message.unwrap();
        }
    };
    assert!(message.contains("rustc") && message.contains("PATH") && message.contains("SQL"), "{message}");
    assert!(kernel.child.wait().unwrap().success());
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let mut kernel = Kernel::spawn(&mut command(&file));
    let message = loop {
        if let What::Status { status: Status::Dead, message, .. } = kernel.event().what {
            break message.unwrap();
        }
    };
    assert!(message.contains("cache"), "{message}");
    assert!(kernel.child.wait().unwrap().success());
}
