//! The known hazards of embedding evcxr, by their numbers, as far as they are not in the other files: H5, H6 and H10
//! are in output.rs, H7 and H2 below, H8 and H1 in life.rs.

use crate::harness::{cache, shared};
use crate::protocol::FailureKind;
use std::fs;

#[test]
fn h2_commands_that_end_or_change_the_kernel_are_refused() {
    let mut kernel = shared();
    kernel.exec("let kept = 1;").fine();
    for code in
        [":quit", ":opt 2", ":env PATH=/", ":sccache 1", ":clear", ":load_config", "mod file;", "!true", ":nonsense"]
    {
        let answer = kernel.exec(code);
        assert_eq!(answer.kind(), FailureKind::Refused, "{code}: {answer:?}");
        assert!(answer.failure().help.is_some(), "{code} has no way out");
    }
    assert_eq!(kernel.value("kept"), "1");
}

#[test]
fn h3_the_kernel_and_its_cells_stay_small() {
    let mut kernel = shared();
    kernel.exec("let v = vec![1];").fine();
    let megabytes = crate::life::resident(kernel.child.id());
    assert!(megabytes < 700, "{megabytes} MB");
}

#[test]
fn h4_cells_link_neither_the_kernel_nor_libtorch() {
    let mut kernel = shared();
    let maps = kernel.value("std::fs::read_to_string(\"/proc/self/maps\").unwrap().lines().filter(|line| line.contains(\"torch\") || line.contains(\"polars\")).count()");
    assert_eq!(maps, "0");
    let name = kernel.value("std::env::current_exe().unwrap().file_name().unwrap().to_owned()");
    assert_eq!(name, "\"atelier-cell\"");
}

#[test]
fn h7_the_build_is_set_once_and_cells_stay_unoptimised() {
    let mut kernel = shared();
    assert_eq!(kernel.value("cfg!(debug_assertions)"), "true");
    let manifest = fs::read_to_string(newest("build/Cargo.toml")).unwrap();
    assert!(manifest.contains("opt-level = 0"), "{manifest}");
    kernel.exec(":opt 3");
    kernel.exec("1").fine();
    assert_eq!(fs::read_to_string(newest("build/Cargo.toml")).unwrap(), manifest);
    let workspace = fs::read_to_string(newest("Cargo.toml")).unwrap();
    assert!(workspace.contains("[profile.dev.package.atelier-probe]\nopt-level = 3"), "{workspace}");
}

/// A file of the kernel that the tests share.
fn newest(path: &str) -> std::path::PathBuf {
    cache().join("kernel-1").join(path)
}

#[test]
fn h9_statics_belong_to_their_cell() {
    // A crate that is linked into each cell has its statics once a cell; state belongs into variables.
    let mut kernel = shared();
    kernel.exec("static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);").fine();
    let add = "COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1";
    assert_eq!([kernel.value(add), kernel.value(add)], ["1", "1"]);
    kernel.exec("let count = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));").fine();
    let add = "count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1";
    assert_eq!([kernel.value(add), kernel.value(add)], ["1", "2"]);
}

#[test]
fn h11_a_dependency_by_path_works_offline_and_what_is_not_there_is_explained() {
    let mut kernel = shared();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(
        folder.path().join("Cargo.toml"),
        "[package]\nname = \"near\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("src/lib.rs"),
        "#[derive(Debug, Clone)] pub struct Near(pub u8);\npub fn near() -> Vec<Near> { vec![Near(3)] }\n",
    )
    .unwrap();
    let path = folder.path().display();
    let answer = kernel.exec(&format!(":dep near = {{ path = \"{path}\" }}\n\nlet n = near::near();\nn")).fine();
    assert_eq!(answer.value.as_deref(), Some("[Near(3)]"));
    assert_eq!(kernel.value("let m = n.clone(); m.len()"), "1");
    // Under another name than its own, its types can be named too.
    kernel.exec(&format!(":dep far = {{ package = \"near\", path = \"{path}\" }}\nlet f = far::near();")).fine();
    assert_eq!(kernel.value("f.len()"), "1");
    let answer = kernel.exec(":dep a-crate-that-nobody-has = \"1\"");
    assert!(answer.failure().help.as_ref().unwrap().contains("offline"), "{answer:?}");
    assert_eq!(kernel.value("n.len()"), "1");
}

#[test]
fn h12_what_is_missing_is_a_note_and_not_an_error() {
    let kernel = shared();
    // With the sources there is no note; without them, it says what is worse and what to do.
    for note in &kernel.notes {
        assert!(note.contains("rustup component add rust-src"), "{note}");
    }
}
