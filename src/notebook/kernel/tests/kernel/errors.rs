//! What a user reads when a cell fails, where it points, and what is lost.

use crate::harness::shared;
use crate::protocol::{FailureKind, Lost, Op};

#[test]
fn a_compile_error_points_into_the_cell() {
    let mut kernel = shared();
    let answer = kernel.exec("let a = vec![1];\nlet é = 1; let b: u8 = \"text\";");
    let failure = answer.failure();
    assert_eq!((failure.kind, failure.lost), (FailureKind::Compile, Lost::Nothing));
    assert!(failure.message.contains("mismatched types [E0308]"), "{failure:?}");
    let span = failure.spans.iter().find(|span| span.primary).unwrap();
    assert_eq!((span.line, span.column, span.end_line, span.end_column), (2, 24, 2, 30), "{failure:?}");
    assert!(span.label.contains("expected `u8`"), "{span:?}");
}

#[test]
fn an_error_behind_types_that_the_kernel_wrote_in_is_where_the_user_sees_it() {
    let mut kernel = shared();
    // The types of a, b and c are written in before evcxr compiles it; the error is found only then.
    let answer = kernel.exec("let a = vec![1]; let (b, c) = (String::new(), 2); let d = a + b;");
    let span = answer.failure().spans.iter().find(|span| span.primary).unwrap();
    assert_eq!((span.line, span.column), (1, 61), "{answer:?}");
    let answer = kernel.exec("struct NoDebug;\nlet e = vec![1];\nNoDebug");
    assert!(answer.failure().message.contains("Debug"), "{answer:?}");
    assert_eq!(answer.failure().spans[0].line, 3, "{answer:?}");
}

#[test]
fn a_panic_keeps_variables_and_says_where() {
    let mut kernel = shared();
    kernel.exec("let kept = vec![1, 2, 3];").fine();
    let answer = kernel.exec("let made = 1;\nprint!(\"before\");\nkept[made + 4]");
    let failure = answer.failure();
    assert_eq!((failure.kind, failure.lost), (FailureKind::Panic, Lost::Nothing));
    assert!(failure.message.contains("index out of bounds: the len is 3 but the index is 5"), "{failure:?}");
    assert_eq!((failure.spans[0].line, failure.spans[0].column), (3, 5), "{failure:?}");
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("before", ""));
    assert_eq!(kernel.value("kept.len()"), "3");
    assert!(!kernel.exec("made").ok);
    // A panic that the cell catches is no failure.
    let answer = kernel.exec("std::panic::catch_unwind(|| panic!(\"inner\")).is_err()").fine();
    assert_eq!(answer.value.as_deref(), Some("true"));
    assert!(answer.stderr.contains("inner"));
}

#[test]
fn a_question_mark_that_meets_an_error_is_told() {
    let mut kernel = shared();
    kernel.exec("let kept = 1;").fine();
    let answer = kernel.exec("let n: i32 = \"x\".parse::<i32>()?;");
    assert!(answer.failure().message.contains('?'), "{answer:?}");
    assert!(answer.stderr.contains("invalid digit"), "{answer:?}");
    assert_eq!(kernel.value("let n = \"4\".parse::<i32>()?;\nn + kept"), "5");
}

#[test]
fn a_crash_keeps_definitions_and_says_so() {
    let mut kernel = shared();
    kernel.exec("fn kept() -> i32 { 7 }\nlet lost = 1;").fine();
    for (code, words) in [
        ("std::process::exit(3)", "exit code 3"),
        ("std::process::abort()", "SIGABRT"),
        ("unsafe { *(8 as *mut u8) = 1 }", "SIGSEGV"),
        (
            "fn deep(n: u64) -> u64 { let a = [n; 512]; if n == u64::MAX { 0 } else { deep(n + 1) + a[5] } }\ndeep(0)",
            "overflowed its stack",
        ),
    ] {
        let answer = kernel.exec(code);
        let failure = answer.failure();
        assert_eq!((failure.kind, failure.lost), (FailureKind::Crash, Lost::Variables), "{code}: {answer:?}");
        assert!(failure.message.contains(words), "{code}: {failure:?}");
        assert!(failure.help.as_ref().unwrap().contains("functions, types and imports are kept"));
        assert_eq!(kernel.value("kept()"), "7", "after {code}");
    }
    assert!(!kernel.exec("lost").ok);
}

#[test]
fn a_redefined_type_loses_its_variables_and_nothing_else() {
    let mut kernel = shared();
    kernel.exec("#[derive(Debug)] struct S(u8);\nlet s = S(1); let other = 2;").fine();
    let answer = kernel.exec("#[derive(Debug)] struct S { a: String }\nother");
    assert_eq!(answer.value.as_deref(), Some("2"), "{answer:?}");
    assert!(answer.stderr.contains("redefined"), "{answer:?}");
    assert_eq!(kernel.value("other"), "2");
}

#[test]
fn check_compiles_and_does_not_run() {
    let mut kernel = shared();
    let answer = kernel.ask(Op::Check { code: "println!(\"ran\");".to_owned() }).fine();
    assert_eq!(answer.stdout, "");
    let answer = kernel.ask(Op::Check { code: "let x: u8 =\n  \"a\";".to_owned() });
    assert_eq!(answer.failure().spans[0].line, 2, "{answer:?}");
}

#[test]
fn what_is_no_rust_is_a_compile_error() {
    let mut kernel = shared();
    for code in [
        "let",
        "fn {",
        "\u{0}",
        "let x = ;",
        "}}}",
        "\"open",
        "a b c",
        "let v = 1 +",
        "/*",
        "🦀",
        "'",
        "r#\"",
        "// only a comment",
        "",
        "\n\n",
    ] {
        let answer = kernel.exec(code);
        assert!(answer.failures.iter().all(|failure| failure.kind != FailureKind::Crash), "{code:?}: {answer:?}");
        assert_eq!(answer.ok, answer.failures.is_empty(), "{code:?}");
    }
    assert_eq!(kernel.value("1"), "1");
}

#[test]
fn what_follows_a_cell_is_not_named() {
    let mut kernel = shared();
    let answer = kernel.exec("let x = 1");
    let failure = answer.failure();
    assert!(failure.message.starts_with("expected `;`, found the end of the cell"), "{failure:?}");
    assert!(!format!("{failure:?}").contains("evcxr"), "{failure:?}");
}
