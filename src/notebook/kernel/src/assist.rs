//! Completion and hover: rust-analyzer's, without what is the kernel's own.

use crate::protocol::Completion;
use crate::refuse::ALLOWED;
use crate::source::Cell;
use crate::worker::Worker;

/// As many as a person looks through.
const MOST: usize = 200;

/// What may stand at a byte of a cell, and the bytes that it would replace.
pub fn complete(worker: &mut Worker, code: &str, offset: usize) -> (Vec<Completion>, usize, usize) {
    let offset = floor(code, offset);
    let cell = Cell::parse(code);
    if let Some(command) = cell.commands.iter().find(|one| (one.at..=one.at + one.text.len()).contains(&offset)) {
        let typed = code[command.at..offset].trim_start();
        let start = offset - typed.len();
        let fitting = ALLOWED.iter().filter(|name| !typed.is_empty() && name.starts_with(typed));
        let items = fitting.map(|name| Completion {
            insert: (*name).to_owned(),
            label: (*name).to_owned(),
            kind: "command".to_owned(),
        });
        return (items.collect(), start, offset);
    }
    let code = cell.without_commands();
    let Ok(Ok(found)) = worker.guarded(|context| context.completions(&code, offset)) else {
        return (Vec::new(), offset, offset);
    };
    let typed = code.get(found.start_offset..found.end_offset).unwrap_or_default().to_owned();
    let mut items: Vec<_> = found
        .completions
        .into_iter()
        .filter(|item| !is_ours(&item.code))
        .map(|item| Completion { insert: item.code, label: item.label, kind: item.kind.to_owned() })
        .collect();
    // Variables and methods before keywords and snippets, short names first; evcxr loses rust-analyzer's own order.
    items.sort_by_key(|item| {
        (!item.insert.starts_with(&typed), item.kind == "keyword", item.label.contains(['…', '!']), item.insert.len())
    });
    items.dedup();
    items.truncate(MOST);
    (items, found.start_offset, found.end_offset)
}

/// What is known of the name at a byte of a cell, as Markdown; empty for nothing.
pub fn hover(worker: &mut Worker, code: &str, offset: usize) -> String {
    let cell = Cell::parse(code);
    let code = cell.without_commands();
    let offset = floor(&code, offset);
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let start = code[..offset]
        .rfind(|letter| !is_name(letter))
        .map_or(0, |at| at + code[at..].chars().next().map_or(1, char::len_utf8));
    let end = code[offset..].find(|letter| !is_name(letter)).map_or(code.len(), |at| offset + at);
    if start == end {
        return String::new();
    }
    // evcxr looks at the end of what it is given, and finds a method only by its parenthesis.
    let position = if code[end..].starts_with('(') { end + 1 } else { end };
    let found = worker.guarded(|context| context.hover_at(&code, position));
    if let Ok(Ok((text, _))) = found
        && text != "No documentation found"
        && !text.contains("{unknown}")
    {
        return text;
    }
    let name = &code[start..end];
    let variable = worker.variables().into_iter().find(|variable| variable.name == name);
    variable.map(|variable| format!("{}: {}", variable.name, variable.kind)).unwrap_or_default()
}

fn is_ours(name: &str) -> bool {
    ["evcxr_", "Evcxr", "atelier_cell", "AtelierShow"].iter().any(|ours| name.starts_with(ours))
}

fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
