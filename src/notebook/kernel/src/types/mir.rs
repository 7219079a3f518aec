//! Reads what `rustc --emit=mir -Zmir-include-spans=on` writes: which variable stands where, and its type.

use crate::source::Place;
use std::collections::HashMap;

/// Types of all variables by the place of their patterns.
pub fn variables(mir: &str) -> HashMap<Place, String> {
    mir.lines().filter_map(variable).collect()
}

/// `let mut _5: std::vec::Vec<&str>;   // in scope 1 at question.rs:11:5: 11:10`
fn variable(line: &str) -> Option<(Place, String)> {
    let line = line.trim_start().strip_prefix("let ")?;
    let (declaration, comment) = line.rsplit_once("; ").map(|(declaration, comment)| (declaration, comment.trim()))?;
    let (local, kind) = declaration.split_once(": ")?;
    local.strip_prefix("mut ").unwrap_or(local).strip_prefix('_')?.parse::<u32>().ok()?;
    let span = comment.strip_prefix("// in scope ")?;
    // `file:line:column: line:column`, from the end.
    let (start, _) = span.rsplit_once(": ")?;
    let mut numbers = start.rsplit(':').map(str::parse::<usize>);
    let column = numbers.next()?.ok()?;
    let line = numbers.next()?.ok()?;
    Some((Place { line, column }, kind.to_owned()))
}

/// A type as a cell can write it, if one can: references live for ever (no other can be kept), a function is a pointer
/// to one; closures, and what holds them, have no name.
pub fn nameable(kind: &str) -> Option<String> {
    let mut kind = kind;
    if let Some((pointer, _)) = kind.split_once(" {") {
        let is_function = ["fn(", "for<", "extern ", "unsafe "].iter().any(|start| kind.starts_with(start));
        if is_function && kind.ends_with('}') {
            kind = pointer;
        }
    }
    if kind.contains(['{', '}'])
        || kind == "!"
        || kind.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "impl")
    {
        return None;
    }
    let mut named = String::with_capacity(kind.len() + 16);
    let mut rest = kind;
    while let Some(at) = rest.find(['&', '\'']) {
        named.push_str(&rest[..at]);
        let found = &rest[at..];
        if let Some(after) = found.strip_prefix('&') {
            named.push_str(if after.starts_with('\'') { "&" } else { "&'static " });
            rest = after;
        } else if let Some(after) = found.strip_prefix("'_") {
            named.push_str("'static");
            rest = after;
        } else {
            let (quote, after) = found.split_at(1);
            named.push_str(quote);
            rest = after;
        }
    }
    named.push_str(rest);
    Some(named)
}

/// A type with crates by the names that the cell has for them.
pub fn with_names(kind: &str, renamed: &[(String, String)]) -> String {
    let mut kind = kind.to_owned();
    for (own, name) in renamed {
        let root = format!("{own}::");
        let mut from = 0;
        while let Some(at) = kind[from..].find(&root).map(|at| from + at) {
            let before = kind[..at].chars().next_back();
            let begins = before.is_none_or(|letter| !(letter.is_alphanumeric() || letter == '_' || letter == ':'));
            if begins {
                kind.replace_range(at..at + own.len(), name);
            }
            from = at + if begins { name.len() } else { root.len() };
        }
    }
    kind
}

/// A type as a person reads it: the standard library's and the client's without their paths, references without their lifetime, which is
/// always the same.
pub fn short(kind: &str) -> String {
    let kind = kind.replace("&'static ", "&");
    let mut text = String::with_capacity(kind.len());
    let mut rest = kind.as_str();
    while !rest.is_empty() {
        let end = rest
            .find(|letter: char| !(letter.is_alphanumeric() || letter == '_' || letter == ':'))
            .unwrap_or(rest.len());
        let (path, after) = rest.split_at(end);
        let is_std = ["std::", "core::", "alloc::", "atelier::probe::"].iter().any(|root| path.starts_with(root));
        text.push_str(if is_std { path.rsplit("::").next().unwrap_or(path) } else { path });
        let mut letters = after.chars();
        text.extend(letters.next());
        rest = letters.as_str();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_read_with_its_place() {
        let mir = "fn f() -> () {\n    let mut _0: ();  // return place in scope 0 at q.rs:1:1: 1:9\n                let mut _14: (MyS, [u8; 3]);        // in scope 3 at /a b/q.rs:14:9: 14:14\n    bb0: {\n";
        let known = variables(mir);
        assert_eq!(known.get(&Place { line: 14, column: 9 }).map(String::as_str), Some("(MyS, [u8; 3])"));
        assert_eq!(known.len(), 1);
    }

    #[test]
    fn types_are_written_as_a_cell_can_write_them() {
        for (kind, named) in [
            ("std::vec::Vec<&str>", "std::vec::Vec<&'static str>"),
            ("std::str::Chars<'_>", "std::str::Chars<'static>"),
            ("fn(i32) -> i32 {foo}", "fn(i32) -> i32"),
            ("for<'a> fn(&'a str) -> &'a str", "for<'a> fn(&'a str) -> &'a str"),
            ("&mut [&u8]", "&'static mut [&'static u8]"),
            ("[[u8; 3]; 2]", "[[u8; 3]; 2]"),
        ] {
            assert_eq!(nameable(kind).as_deref(), Some(named));
        }
        for kind in [
            "{closure@q.rs:1:1: 1:3}",
            "std::iter::Map<std::ops::Range<i32>, {closure@q.rs:1:1: 1:3}>",
            "impl std::fmt::Debug",
            "!",
        ] {
            assert_eq!(nameable(kind), None, "{kind}");
        }
    }

    #[test]
    fn crates_have_the_names_that_the_cell_gave_them() {
        let renamed = [("long".to_owned(), "l".to_owned())];
        let kind = "(long::A<long::long::B>, x::long::C, belong::D)";
        assert_eq!(with_names(kind, &renamed), "(l::A<l::long::B>, x::long::C, belong::D)");
    }

    #[test]
    fn types_of_the_standard_library_are_shown_without_paths() {
        let kind = "std::collections::HashMap<std::string::String, atelier::probe::Run>";
        assert_eq!(short(kind), "HashMap<String, Run>");
    }
}
