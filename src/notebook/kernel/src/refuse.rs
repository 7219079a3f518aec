//! What a cell may not ask of evcxr: commands that end the kernel, change how everything is built, or reach around it.

use crate::protocol::{Failure, FailureKind, Lost};
use crate::source::{Cell, Place};

/// Commands that are evcxr's business alone.
pub const ALLOWED: &[&str] = &[
    ":dep",
    ":show_deps",
    ":offline",
    ":vars",
    ":type",
    ":t",
    ":explain",
    ":doc",
    ":help",
    ":version",
    ":efmt",
    ":last_error_json",
    ":last_compile_dir",
];

/// Why not, and what to do instead.
fn reason(command: &str) -> (&'static str, &'static str) {
    match command {
        ":quit" | ":q" | ":exit" => ("it would end the kernel", "Leave the pane, or restart the kernel."),
        ":opt" => (
            "cells are built unoptimised and the client optimised; a change would rebuild everything",
            "Put what must be fast into a crate and add it by `:dep name = { path = \"…\" }`.",
        ),
        ":sccache" | ":cache" | ":clear_cache" => ("the kernel keeps its own build cache", "Nothing is to be done."),
        ":env" => (
            "it would change the kernel's own environment",
            "`unsafe { std::env::set_var(\"NAME\", \"value\") }` in a cell sets it for the cells.",
        ),
        ":restart" | ":clear" => ("the kernel must know of it", "Use the pane's restart (0 0)."),
        ":preserve_vars_on_panic" => ("variables are always kept on a panic", "Nothing is to be done."),
        ":fmt" | ":types" | ":timing" => {
            ("the pane does that itself", "Values are shown by their Debug; `{:#?}` in a println! writes them out.")
        }
        ":toolchain" | ":linker" | ":codegen_backend" | ":build_env" | ":allow_static_linking" | ":time_passes" => {
            ("how cells are built is fixed", "Start the kernel with another Rust first on the PATH.")
        }
        _ => ("it is no command of the notebook", "`:dep`, `:vars`, `:type`, `:explain`, `:doc` and `:help` are."),
    }
}

/// Looks through a cell before evcxr does.
pub fn refuse(cell: &Cell<'_>) -> Option<Failure> {
    for command in &cell.commands {
        if command.name == "!" {
            return Some(failure(
                cell,
                command.at..command.at + command.text.len(),
                "shell lines are not run: they would run inside the kernel, and could not be interrupted".to_owned(),
                "`std::process::Command::new(\"sh\").args([\"-c\", \"…\"]).status()` runs one from a cell.",
            ));
        }
        if !ALLOWED.contains(&command.name.as_str()) {
            let (why, instead) = reason(&command.name);
            let span = command.at..command.at + command.text.trim_end().len();
            return Some(failure(cell, span, format!("`{}` is not done here: {why}", command.name), instead));
        }
    }
    let module = cell.modules_in_files().into_iter().next()?;
    let text = cell.text.get(module.clone()).unwrap_or_default().trim().to_owned();
    let instead = "Write its contents in braces, or add the folder as a crate by `:dep name = { path = \"…\" }`.";
    Some(failure(cell, module, format!("`{text}` names a file, and a cell has none beside it"), instead))
}

fn failure(cell: &Cell<'_>, span: std::ops::Range<usize>, message: String, help: &str) -> Failure {
    Failure {
        kind: FailureKind::Refused,
        message,
        spans: vec![Place::span(cell.text, &span)],
        help: Some(help.to_owned()),
        lost: Lost::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str) -> Option<String> {
        refuse(&Cell::parse(code)).map(|failure| failure.message)
    }

    #[test]
    fn commands_that_would_end_or_rebuild_the_kernel_are_refused() {
        for command in [
            ":quit",
            ":opt 2",
            ":sccache 1",
            ":env A=b",
            " :quit",
            "// hm\n\n:quit",
            ":dep a = \"1\"\n:opt",
            "!rm x",
            ":load_config",
        ] {
            assert!(refused(command).is_some(), "{command}");
        }
        for code in [":dep regex = \"1\"", "let a: u8 = 1;", ":vars", "let a = b\n    ::c;", "\"\n:quit\""] {
            assert_eq!(refused(code), None, "{code}");
        }
    }

    #[test]
    fn a_module_in_a_file_is_refused_wherever_it_stands() {
        for code in ["mod x;", "mod a { mod b; }", "fn f() {}\nmod y;", "fn f() { mod z; }"] {
            assert!(refused(code).unwrap().contains("names a file"), "{code}");
        }
        assert_eq!(refused("mod a { pub fn b() {} }"), None);
    }

    #[test]
    fn the_place_is_the_command() {
        let failure = refuse(&Cell::parse("// é\n:quit now\n")).unwrap();
        assert_eq!((failure.spans[0].line, failure.spans[0].column, failure.spans[0].end_column), (2, 1, 10));
    }
}
