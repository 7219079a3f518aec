//! Values and variables: what a cell makes, a later cell has, whatever its type, with and without the standard
//! library's sources.

use crate::harness::shared;
use crate::protocol::{FailureKind, Op};

#[test]
fn the_last_expression_is_the_value_and_needs_one_compile() {
    let mut kernel = shared();
    let answer = kernel.exec("40 + 2").fine();
    assert_eq!(answer.value.as_deref(), Some("42"));
    assert!(answer.phases.iter().all(|phase| phase != "Fallback"), "{:?}", answer.phases);
    assert_eq!(kernel.value("\"text\""), "\"text\"");
    assert_eq!(kernel.value("vec![Some(1.5), None]"), "[Some(1.5), None]");
    assert_eq!(kernel.exec("println!(\"out\")").fine().value, None, "unit is no value");
}

#[test]
fn variables_of_every_kind_need_no_type() {
    let mut kernel = shared();
    kernel
        .exec(
            "use std::collections::HashMap;\nstruct Point { x: i32 }\nfn twice(x: i32) -> i32 { 2 * x }\n\
             let v = vec![1];\nlet mut w = Vec::new();\nw.push(\"a\");\n\
             let m: HashMap<_, _> = [(1u8, String::new())].into_iter().collect();\n\
             let (a, mut b) = (1.5, Point { x: 3 });\nlet Some(c) = Some(\"é\".to_owned()) else { panic!() };\n\
             let d = v.len() * 2;\nlet e = twice;\nlet f; f = [0u8; 3];\nlet Point { x: g } = Point { x: 7 };",
        )
        .fine();
    let answer = kernel.ask(Op::Vars).fine();
    let rows: Vec<_> = answer.variables.iter().map(|row| format!("{}: {}", row.name, row.kind)).collect();
    assert_eq!(
        rows,
        [
            "a: f64",
            "b: Point",
            "c: String",
            "d: usize",
            "e: fn(i32) -> i32",
            "f: [u8; 3]",
            "g: i32",
            "m: HashMap<u8, String>",
            "v: Vec<i32>",
            "w: Vec<&str>",
        ]
    );
    let value = kernel.value("b.x += 1; w.push(\"z\"); (v, w, a, b.x, c, d, e(4), f, g, m.len())");
    assert_eq!(value, "([1], [\"a\", \"z\"], 1.5, 4, \"é\", 2, 8, [0, 0, 0], 7, 1)");
}

#[test]
fn a_moved_variable_is_gone_and_a_shadowed_one_is_the_new_one() {
    let mut kernel = shared();
    kernel.exec("let s = String::from(\"x\"); let t = 1;").fine();
    kernel.exec("let t = \"two\"; drop(s);").fine();
    assert_eq!(kernel.value("t"), "\"two\"");
    assert!(!kernel.exec("s").ok);
}

#[test]
fn a_closure_is_explained() {
    let mut kernel = shared();
    let answer = kernel.exec("let offset = 1;\nlet f = |x: i32| x + offset;");
    assert!(answer.failure().message.contains("closure"), "{answer:?}");
    assert!(answer.failure().help.as_ref().unwrap().contains("Box"), "{answer:?}");
    assert_eq!(answer.failure().spans[0].line, 2);
    let answer = kernel.exec("let it = (0..3).map(|x| x + 1);");
    assert_eq!(answer.kind(), FailureKind::Compile);
    kernel.exec("let f: Box<dyn Fn(i32) -> i32> = Box::new(|x| x + 1);").fine();
    assert_eq!(kernel.value("f(2)"), "3");
}

#[test]
fn items_are_kept_and_can_be_replaced() {
    let mut kernel = shared();
    kernel.exec("fn f() -> i32 { 1 }").fine();
    kernel.exec("fn f() -> &'static str { \"new\" }").fine();
    assert_eq!(kernel.value("f()"), "\"new\"");
    kernel.exec("trait Area { fn area(&self) -> f64; }\n#[derive(Debug, Clone)] struct Square(f64);\nimpl Area for Square { fn area(&self) -> f64 { self.0 * self.0 } }\nlet s = Square(3.0);").fine();
    assert_eq!(kernel.value("let t = s.clone();\n(s.area(), t)"), "(9.0, Square(3.0))");
}

#[test]
fn a_type_of_its_own_display_is_shown_as_it_wishes() {
    let mut kernel = shared();
    kernel
        .exec("struct Own;\nimpl Own { fn evcxr_display(&self) { println!(\"EVCXR_BEGIN_CONTENT text/plain\\nmine\\nEVCXR_END_CONTENT\"); } }")
        .fine();
    let answer = kernel.exec("Own").fine();
    assert_eq!((answer.value.as_deref(), answer.stdout.as_str()), (Some("mine"), ""));
}

#[test]
fn a_huge_value_is_cut() {
    let value = shared().value("vec![7u8; 10_000_000]");
    assert!(value.len() < 64 << 10 && value.starts_with("[7, 7") && value.contains("cut here"), "{}", value.len());
}
