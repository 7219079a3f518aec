//! The layer rule: the table in `src/lib.rs` is the one truth, and every source file keeps to it.
//!
//! The sources are read as tokens, so comments and strings cannot be mistaken for code. What a macro of another crate
//! expands to is not seen.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers that know no libtorch at all.
const WITHOUT_TORCH: [&str; 9] =
    ["config", "record", "telemetry", "alerts", "session", "report", "data", "notebook", "app"];
/// The files of `data` that do: what carries batches to a network.
const LOADER: [&str; 3] = ["data/loader.rs", "data/batch.rs", "data/loader/"];
const TORCH: [&str; 2] = ["tch", "torch_sys"];

#[test]
fn imports_run_downwards() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = fs::read_to_string(root.join("lib.rs")).unwrap();
    let layers = table(&library);
    assert!(layers.len() >= 5, "the table of layers in src/lib.rs was not found: {layers:?}");

    let mut declared = modules(&library);
    let mut listed = layers.clone();
    declared.sort();
    listed.sort();
    assert_eq!(declared, listed, "modules of src/lib.rs (left) and rows of its table (right)");

    let mut faults = Vec::new();
    for path in sources(&root) {
        let source = fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        faults.extend(check(&name, &source, &layers));
    }
    assert!(faults.is_empty(), "the layer rule (src/lib.rs) is broken:\n{}", faults.join("\n"));
}

/// Every way to break the rule is seen, so that the test above can fail.
#[test]
fn violations_are_seen() {
    let layers = ["cli", "data", "record", "config", "native"].map(str::to_owned);
    let faults = |name: &str, source: &str| check(name, source, &layers);
    let broken = [
        ("record.rs", "use crate::cli::Usage;"),
        ("record/store.rs", "use crate::{config::Data, cli};"),
        ("record/store.rs", "fn f() { crate::data::open(); }"),
        ("record/store.rs", "use super::super::data::Batch;"),
        ("record.rs", "use super::data;"),
        ("record/store.rs", "mod tests { use super::super::super::{config, data}; }"),
        ("record.rs", "fn f(x: tch::Tensor) {}"),
        ("data/pairs.rs", "use tch::Tensor;"),
        ("record.rs", "fn f() { unsafe { g() } }"),
        ("stray.rs", "use crate::cli::x;"),
    ];
    for (name, source) in broken {
        assert_eq!(faults(name, source).len(), 1, "{name}: {source}: {:?}", faults(name, source));
    }
    let fine = [
        ("cli/train.rs", "use crate::record::Store; use super::Usage; use crate::{data, config::Data};"),
        ("record/store.rs", "// use crate::cli;\n/* crate::data /* nested */ unsafe */ use super::Store;"),
        (
            "record/store.rs",
            r##"const A: &str = "crate::cli"; const B: &str = r#"unsafe " tch::x"#; const C: char = '"';"##,
        ),
        ("record/store.rs", "mod tests { use super::super::Store; fn f<'a>(x: &'a str) { crate::config::g(x); } }"),
        ("record/store.rs", "use super::super::config;"),
        ("data/loader/device.rs", "use tch::Tensor;"),
        ("native/torch.rs", "unsafe extern \"C\" {}"),
        ("lib.rs", "pub mod cli;"),
        ("main.rs", "fn main() { atelier::cli::main() }"),
    ];
    for (name, source) in fine {
        assert_eq!(faults(name, source), Vec::<String>::new(), "{name}: {source}");
    }
}

/// The layers from top to bottom, as the table in the documentation of `src/lib.rs` lists them.
fn table(library: &str) -> Vec<String> {
    let rows = library.lines().filter_map(|line| line.strip_prefix("//! | "));
    let names = rows.filter_map(|row| row.split_once(" |").map(|(name, _)| name.trim_matches(['[', ']', '`'])));
    names.filter(|name| *name != "module").map(str::to_owned).collect()
}

/// The modules that `src/lib.rs` declares.
fn modules(library: &str) -> Vec<String> {
    let tokens = tokens(library);
    let pairs = tokens.windows(3).filter(|three| three[0].text == "mod" && three[2].text == ";");
    pairs.map(|three| three[1].text.clone()).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // A package of its own has its own dependencies to hold it.
            if !path.join("Cargo.toml").exists() {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What in the file `name` (relative to `src/`) breaks the rule.
fn check(name: &str, source: &str, layers: &[String]) -> Vec<String> {
    // The crate's root only declares, and a program's file only calls the library.
    if ["lib.rs", "main.rs"].contains(&name) || name.starts_with("bin/") {
        return Vec::new();
    }
    let module: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
    let Some(own) = layers.iter().position(|layer| layer == module[0]) else {
        return vec![format!("src/{name}: module `{}` has no row in the table of src/lib.rs", module[0])];
    };
    let tokens = tokens(source);
    let mut faults = Vec::new();
    for (target, line) in reached(&tokens, &module) {
        if layers.iter().position(|layer| *layer == target).is_some_and(|other| other < own) {
            faults.push(format!("src/{name}:{line}: `{}` reaches up to `{target}`", module[0]));
        }
    }
    let torch_free = WITHOUT_TORCH.contains(&module[0]) && !LOADER.iter().any(|prefix| name.starts_with(prefix));
    for token in &tokens {
        if torch_free && TORCH.contains(&token.text.as_str()) {
            faults.push(format!("src/{name}:{}: `{}` must not know {}", token.line, module[0], token.text));
        }
        if token.text == "unsafe" && module[0] != "native" {
            faults.push(format!("src/{name}:{}: unsafe code outside src/native", token.line));
        }
    }
    faults
}

/// The crate's modules that these tokens of the module `module` name, with their lines.
fn reached(tokens: &[Token], module: &[&str]) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    // How deep in braces each surrounding `mod name {` was opened: each is one more `super` away from the root.
    let (mut depth, mut inline) = (0_usize, Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            "{" => {
                if at >= 2 && tokens[at - 2].text == "mod" {
                    inline.push(depth);
                }
                depth += 1;
            }
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
            }
            "crate" => found.extend(heads(&tokens[at + 1..])),
            "super" => {
                let mut supers = 1;
                while text(tokens, at + 1) == "::" && text(tokens, at + 2) == "super" {
                    supers += 1;
                    at += 2;
                }
                if supers == module.len() + inline.len() {
                    found.extend(heads(&tokens[at + 1..]));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// The first names of the path or of the group of paths that follows: `:: a`, `:: { a::b, c }`.
fn heads(rest: &[Token]) -> Vec<(String, usize)> {
    if text(rest, 0) != "::" {
        return Vec::new();
    }
    if text(rest, 1) != "{" {
        return rest.get(1).map(|token| (token.text.clone(), token.line)).into_iter().collect();
    }
    let (mut found, mut depth, mut first) = (Vec::new(), 0_usize, true);
    for token in &rest[1..] {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," => first = depth == 1,
            name if first && depth == 1 => {
                found.push((name.to_owned(), token.line));
                first = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

/// Words, `::` and single marks of Rust code; comments, strings and characters are left out.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let get = |at: usize| chars.get(at).copied().unwrap_or('\0');
    let word = |c: char| c == '_' || c.is_alphanumeric();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let start = at;
        match (get(at), get(at + 1)) {
            ('/', '/') => at = skip_line(&chars, at),
            ('/', '*') => at = skip_block(&chars, at),
            ('"', _) => at = skip_string(&chars, at),
            ('\'', next) => {
                // A character ends with its quote; a lifetime does not.
                let character = next == '\\' || get(at + 2) == '\'';
                at += if next == '\\' { 3 } else { 1 };
                while character && at < chars.len() && get(at) != '\'' {
                    at += 1;
                }
                at += 1;
            }
            (':', ':') => {
                found.push(Token { text: "::".to_owned(), line });
                at += 2;
            }
            (c, _) if word(c) => {
                while word(get(at)) {
                    at += 1;
                }
                let text: String = chars[start..at].iter().collect();
                if ["r", "br", "cr"].contains(&text.as_str()) && raw_string(&chars, at) {
                    at = skip_raw(&chars, at);
                } else {
                    found.push(Token { text, line });
                }
            }
            (c, _) => {
                if !c.is_whitespace() {
                    found.push(Token { text: c.to_string(), line });
                }
                at += 1;
            }
        }
        line += chars[start..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn skip_line(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '\n' {
        at += 1;
    }
    at
}

fn skip_block(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn skip_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Whether hashes (or none) and a quote follow: not so for a raw identifier.
fn raw_string(chars: &[char], at: usize) -> bool {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    chars.get(at + hashes) == Some(&'"')
}

fn skip_raw(chars: &[char], at: usize) -> usize {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = at + hashes + 1;
    let end = chars[body..].windows(close.len()).position(|window| window == close);
    end.map_or(chars.len(), |end| body + end + close.len())
}
