//! Every command that a message or a guide tells a person to type is one that the program takes.

use std::fs;
use std::path::{Path, PathBuf};

/// What may stand before a command that is meant to be typed: a backtick, the start of a line, another command.
fn is_meant_to_be_typed(before: &str) -> bool {
    let before = before.trim_end_matches(' ');
    before.is_empty() || ["`", ";", "&&", "next:", "\\n", "$"].iter().any(|end| before.ends_with(end))
}

/// The commands in a text, each with its line number.
fn commands(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        // Comments of the sources show examples too.
        let line = line.trim_start().trim_start_matches("///").trim_start_matches("//!");
        for (at, _) in line.match_indices("atelier ") {
            let rest = &line[at + "atelier ".len()..];
            let end = rest.find(['`', '"', ';', '#', '(', '&', '>', '\\']).unwrap_or(rest.len());
            let is_word = rest.starts_with(|c: char| c.is_ascii_lowercase());
            if is_word && is_meant_to_be_typed(&line[..at]) {
                found.push((number + 1, rest[..end].trim()));
            }
        }
    }
    found
}

/// What is wrong with a command, if anything is.
fn fault(program: &clap::Command, typed: &str) -> Option<String> {
    let mut words = typed.split_whitespace().peekable();
    let mut at = vec![program];
    while at.iter().any(|command| command.has_subcommands()) {
        // `pause|resume|stop` stands for all three.
        let Some(word) = words.next() else { break };
        let mut next = Vec::new();
        for name in word.split('|') {
            let found = at.iter().find_map(|command| command.find_subcommand(name));
            next.push(found.ok_or_else(|| format!("there is no `atelier {name}`")));
        }
        match next.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(found) => at = found,
            Err(problem) => return Some(problem),
        }
    }
    for word in words {
        let Some(flag) = word.trim_start_matches('[').strip_prefix("--") else { continue };
        let flag = flag.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
        let takes = |command: &&clap::Command| command.get_arguments().any(|arg| arg.get_long() == Some(flag));
        if !flag.is_empty() && !at.iter().all(takes) {
            return Some(format!("it takes no `--{flag}`"));
        }
    }
    None
}

fn files(root: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs" || end == "md" || end == "toml") {
            into.push(path);
        }
    }
}

#[test]
fn commands_that_messages_and_guides_name_are_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for folder in ["src", "docs", "configs"] {
        files(&root.join(folder), &mut paths);
    }
    let program = atelier::cli::command();
    let mut seen = 0;
    let mut faults = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        for (line, typed) in commands(&text) {
            seen += 1;
            if let Some(problem) = fault(&program, typed) {
                faults.push(format!("{}:{line}: `atelier {typed}`: {problem}", path.display()));
            }
        }
    }
    assert!(seen > 80, "only {seen} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_no_command_is_seen() {
    let program = atelier::cli::command();
    let text = "`atelier trane x`, then\n    atelier dataset imprt\n/// atelier ls --jsn\n next: atelier pause|rezume last\n\
                prose about atelier things";
    let found = commands(text);
    assert_eq!(found.len(), 4, "{found:?}");
    for (line, typed) in found {
        assert!(fault(&program, typed).is_some(), "line {line}: {typed}");
    }
    for fine in ["train --resume ID [--set k=v]", "pause|resume last --timeout 3", "dataset import --tile 512 -o x", ""]
    {
        assert_eq!(fault(&program, fine), None, "{fine}");
    }
}
