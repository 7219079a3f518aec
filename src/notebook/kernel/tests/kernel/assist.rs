//! Completion and hover.

use crate::harness::{Answer, Kernel, shared};
use crate::protocol::Op;

fn complete(kernel: &mut Kernel, marked: &str) -> Answer {
    let offset = marked.find('|').unwrap();
    kernel.ask(Op::Complete { code: marked.replacen('|', "", 1), offset }).fine()
}

fn hover(kernel: &mut Kernel, marked: &str) -> String {
    let offset = marked.find('|').unwrap();
    kernel.ask(Op::Hover { code: marked.replacen('|', "", 1), offset }).fine().hover
}

#[test]
fn what_earlier_cells_made_is_completed() {
    let mut kernel = shared();
    kernel.exec("struct Layer { weight: f32, width: u32 }\nimpl Layer { fn norm(&self) -> f32 { self.weight } }\nlet layer = Layer { weight: 1.0, width: 2 };").fine();
    let answer = complete(&mut kernel, "let é = 1;\nlayer.w|");
    assert!(
        ["weight", "width"].iter().all(|field| answer.completions.iter().any(|item| item == field)),
        "{:?}",
        answer.completions
    );
    assert_eq!(answer.replaced, (18, 19));
    assert!(complete(&mut kernel, "layer.no|").completions.iter().any(|item| item.starts_with("norm")));
    assert!(complete(&mut kernel, "lay|").completions.iter().any(|item| item == "layer"));
    assert!(
        complete(&mut kernel, "|")
            .completions
            .iter()
            .all(|item| !item.contains("evcxr") && !item.contains("atelier_cell"))
    );
}

#[test]
fn commands_are_completed_and_never_run() {
    let mut kernel = shared();
    assert_eq!(complete(&mut kernel, ":de|").completions, [":dep"]);
    assert!(complete(&mut kernel, ":q|").completions.is_empty());
    complete(&mut kernel, ":quit\n:env A=b\nlet a = 1; a|");
    assert_eq!(kernel.value("1"), "1");
}

#[test]
fn hover_knows_items_and_variables() {
    let mut kernel = shared();
    kernel.exec("/// Halves.\nfn half(x: f64) -> f64 { x / 2.0 }\nlet names = vec![String::new()];").fine();
    let text = hover(&mut kernel, "ha|lf(1.0)");
    assert!(text.contains("fn half(x: f64) -> f64"), "{text}");
    let text = hover(&mut kernel, "nam|es.len()");
    assert!(text.contains("Vec<String>"), "{text}");
    assert_eq!(hover(&mut kernel, "1 +| 2"), "");
}

#[test]
fn any_place_in_any_text_is_survived() {
    let mut kernel = shared();
    let code = "let s = \"é𝄞\"; // →\ns.l\n:x";
    for offset in (0..code.len() + 3).step_by(3) {
        kernel.ask(Op::Complete { code: code.to_owned(), offset }).fine();
        kernel.ask(Op::Hover { code: code.to_owned(), offset }).fine();
    }
    assert_eq!(kernel.value("1"), "1");
}
