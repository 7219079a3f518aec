//! TOML text to tables that know where they are from, going on after a mistake where that is safe; and overrides.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use super::errors::ConfigError;
use super::keys::{self, Shape};
use super::source::Sources;

/// Mistakes after which reading stops: by then the file is hardly a config.
const MOST: usize = 20;

/// What reading a text gave.
pub struct Parsed {
    /// The document, without the lines that could not be read; `None` when a mistake may have changed the meaning of
    /// what follows it.
    pub table: Option<Table>,
    /// What is wrong, each with its span.
    pub errors: Vec<(Range<usize>, String)>,
}

/// Read a TOML document. A line that is wrong by itself (`lr = 2e`, a key given twice) is left out and the rest is
/// read; after any other mistake (an unclosed bracket, a bad table header) the rest would only give false alarms.
pub fn document(text: &str) -> Parsed {
    let mut text = text.to_owned();
    let mut errors = Vec::new();
    while errors.len() < MOST {
        let error = match Document::parse(text.as_str()) {
            Ok(document) => return Parsed { table: Some(document.into_table()), errors },
            Err(error) => error,
        };
        let span = error.span().unwrap_or(text.len()..text.len());
        let message = sentence(error.message());
        let line = line_around(&text, span.start);
        let alone = stands_alone(text.get(line.clone()).unwrap_or(""), &message);
        errors.push((span, message));
        if !alone {
            break;
        }
        let blank = " ".repeat(line.len());
        text.replace_range(line, &blank);
    }
    Parsed { table: None, errors }
}

/// The parser's words, fit to follow a place.
fn sentence(message: &str) -> String {
    let message = message.trim().replace('\n', ", ");
    format!("not valid TOML: {message}")
}

/// The line around a byte, without its line break.
fn line_around(text: &str, index: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let index = index.min(bytes.len());
    let start = bytes[..index].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
    let end = bytes[index..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |newline| index + newline);
    start..end
}

/// Whether the mistake is within this `key = value` line and leaves the meaning of other lines alone.
fn stands_alone(line: &str, message: &str) -> bool {
    let line = line.trim();
    let pair = line.contains('=') && line.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let opens = ["\"\"\"", "'''", "[", "{"].iter().any(|open| line.contains(open));
    pair && !opens && (message.contains("duplicate key") || Document::parse(line).is_err())
}

/// Read one override, `a.b=value`, into a table that holds just that. The value is TOML; where the key takes text,
/// quotes may be left out.
pub fn override_table(raw: &str, sources: &mut Sources) -> Result<Table, Box<ConfigError>> {
    let shown: String = raw.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    let origin = format!("--set {shown}");
    let wrong = |message: String| {
        Box::new(ConfigError {
            expected: Some("`key=value` with the key's full path".to_owned()),
            next: Some("for example: --set train.epochs=3".to_owned()),
            ..ConfigError::new(&origin, message)
        })
    };
    let Some((key, value)) = raw.split_once('=') else {
        return Err(wrong("an override needs a `=`".to_owned()));
    };
    let path = match Key::parse(key) {
        Ok(path) if !path.is_empty() => path,
        _ => return Err(wrong(format!("`{}` is not a key", key.trim().escape_debug()))),
    };
    let dotted = path.iter().map(Key::get).collect::<Vec<_>>().join(".");
    let known = keys::find(&dotted);
    let takes_text = known.is_some_and(|key| matches!(key.shape, Shape::Text(..) | Shape::Choice(_)));
    if value.trim().is_empty() && !takes_text {
        return Err(Box::new(ConfigError {
            expected: known.map(|key| key.shape.expected()),
            key: Some(dotted),
            ..*wrong("no value follows the `=`".to_owned())
        }));
    }
    let opens = |marks: &[char]| value.trim_start().starts_with(marks);
    let bare = if takes_text {
        !opens(&['"', '\''])
    } else {
        // A number too large for TOML is to be called that, not a text.
        let digits = value.trim().chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-' | '_'));
        !digits && !opens(&['"', '\'', '[', '{']) && value.trim().parse::<Value>().is_err()
    };
    let literal = if bare { Value::from(value.trim()).to_string() } else { value.to_owned() };
    let text = format!("{key}={literal}");
    let base = sources.add(origin.clone(), raw, text.len());
    match Document::parse(format!("{}{text}", " ".repeat(base))) {
        Ok(document) => Ok(document.into_table()),
        Err(error) => {
            let located = sources.error(error.span(), sentence(error.message()));
            Err(Box::new(ConfigError { key: Some(dotted), ..located }))
        }
    }
}

/// Put what `from` holds over what `into` holds, keeping spans.
pub fn merge(into: &mut dyn TableLike, mut from: Table) {
    let names: Vec<String> = from.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some((key, item)) = from.remove_entry(&name) else { continue };
        match (item, into.get_mut(&name).and_then(Item::as_table_like_mut)) {
            (Item::Table(inner), Some(table)) => merge(table, inner),
            (item, _) => {
                into.remove(&name);
                into.entry_format(&key).or_insert(item);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_wrong_by_itself_does_not_hide_the_others() {
        let text = "a = 1\nb = 2e\n[t]\nc = tru\nd = 4\nd = 5\n";
        let parsed = document(text);
        assert_eq!(parsed.errors.len(), 3, "{:?}", parsed.errors);
        let table = parsed.table.unwrap();
        assert_eq!(table["a"].as_integer(), Some(1));
        let value = table["t"]["d"].as_value().unwrap();
        assert_eq!(&text[value.span().unwrap()], "4");
    }

    #[test]
    fn an_unclosed_bracket_is_one_mistake() {
        for text in ["a = [1,\nb = 2\nc = 3\n", "[t\na = 1\n", "a = \"\"\"x\nb = 1\n", "a = {b = 1\nc = 2\n"] {
            let parsed = document(text);
            assert_eq!(parsed.errors.len(), 1, "{text:?}: {:?}", parsed.errors);
            assert!(parsed.table.is_none());
        }
    }

    #[test]
    fn overrides_lie_over_the_file() {
        let mut sources = Sources::new("f", "x");
        let mut table = document("[train]\nepochs = 1\nbatch_size = 2\n").table.unwrap();
        for raw in ["train.epochs=7", "name=plain", "device=cuda:1", "optimizer.betas=[0.0, 0.9]"] {
            merge(&mut table, override_table(raw, &mut sources).unwrap());
        }
        assert_eq!(table["train"]["epochs"].as_integer(), Some(7));
        assert_eq!(table["train"]["batch_size"].as_integer(), Some(2));
        assert_eq!(table["name"].as_str(), Some("plain"));
        assert_eq!(table["device"].as_str(), Some("cuda:1"));
        assert_eq!(table["optimizer"]["betas"].as_array().unwrap().len(), 2);
        let span = table["train"]["epochs"].span().unwrap();
        assert_eq!(sources.error(Some(span), "").origin, "--set train.epochs=7");
    }

    #[test]
    fn what_is_no_override_is_refused() {
        let mut sources = Sources::new("f", "x");
        for raw in ["", "=", "train.epochs", "=3", "a..b=1", "[a]=1", "a b=1", "train.epochs=", "a\n[b]\nc=1"] {
            assert!(override_table(raw, &mut sources).is_err(), "{raw:?}");
        }
    }
}
