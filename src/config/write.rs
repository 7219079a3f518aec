//! Experiments back to text: the effective config, and the table of keys for the documentation.

use std::fmt::Write as _;

use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, Table, Value};

use super::Experiment;
use super::keys::{self, Key, Shape};

impl Experiment {
    /// The full effective config: every key spelled out, in the order of the structs. Optional keys that are not set
    /// are named in a comment. It parses back to an equal experiment.
    ///
    /// An experiment that was loaded can always be written. One made in code can hold what TOML cannot (a seed above
    /// `i64::MAX`); its text is then a comment that says so, and is refused when it is read back.
    pub fn to_toml(&self) -> String {
        match toml_edit::ser::to_document(self) {
            Ok(document) => {
                let mut top = document.as_table().clone();
                lay_out(&mut top, keys::keys(), "");
                DocumentMut::from(top).to_string()
            }
            Err(error) => format!("# this experiment cannot be written as TOML: {error}\n"),
        }
    }
}

/// Turn nested inline tables into tables with headers, and name what is not set.
fn lay_out(table: &mut Table, keys: &[Key], path: &str) {
    for (_, item) in table.iter_mut() {
        // 1e-8 rather than 0.00000001.
        if let Some(small) = item.as_float().filter(|value| *value != 0.0 && value.abs() < 1e-2)
            && let Ok(value) = format!("{small:e}").parse::<Value>()
        {
            *item = Item::Value(value);
        }
        if let Item::Value(Value::InlineTable(_)) = item
            && let Ok(inner) = std::mem::take(item).into_table()
        {
            *item = Item::Table(inner);
        }
    }
    for key in keys {
        if let (Shape::Table(inner), Some(Item::Table(sub))) = (&key.shape, table.get_mut(&key.name)) {
            lay_out(sub, inner, &key.path);
        }
    }
    if path.is_empty() {
        return;
    }
    let unset: Vec<&str> =
        keys.iter().filter(|key| !table.contains_key(&key.name)).map(|key| key.name.as_str()).collect();
    let note = if unset.is_empty() { String::new() } else { format!("# not set: {}\n", unset.join(", ")) };
    table.decor_mut().set_prefix(format!("\n{note}"));
    // `[pix2pixhd]` holds tables only: its own header would say nothing.
    let only_tables = table.iter().all(|(_, item)| item.is_table());
    table.set_implicit(only_tables);
}

/// Every key with its kind, default and meaning, a Markdown table for each config table.
pub fn keys_as_markdown() -> String {
    let mut text = String::new();
    section(&mut text, keys::keys(), "");
    text
}

fn section(text: &mut String, keys: &[Key], path: &str) {
    if keys.iter().any(|key| !matches!(key.shape, Shape::Table(_))) {
        let title = if path.is_empty() { "At the top".to_owned() } else { format!("`[{path}]`") };
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = write!(text, "{gap}### {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in keys.iter().filter(|key| !matches!(key.shape, Shape::Table(_))) {
            let default = match &key.default {
                Some(value) => format!("`{}`", toml_like(value)),
                None if key.required => "required".to_owned(),
                None => "not set".to_owned(),
            };
            let cell = |text: &str| text.replace('|', "\\|");
            let value = cell(&key.shape.expected());
            let _ = writeln!(text, "| `{}` | {value} | {} | {} |", key.name, cell(&default), cell(&key.doc));
        }
    }
    for key in keys {
        if let Shape::Table(inner) = &key.shape {
            section(text, inner, &key.path);
        }
    }
}

/// A default as a config would spell it.
fn toml_like(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml_like).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Experiment, keys, parse};

    fn experiment() -> Experiment {
        let text = "name = 'x'\ntrack = 'pix2pixhd'\n[data]\nroot = 'pairs'\n";
        parse(text, "x", &[]).unwrap().experiment
    }

    #[test]
    fn the_effective_config_spells_every_key_in_a_stable_order() {
        let text = experiment().to_toml();
        for key in keys::leaves().iter().filter(|key| key.required || key.default.is_some()) {
            let inside = key.path.starts_with("data.procedural.");
            assert!(inside || text.contains(&format!("{} = ", key.name)), "{} in\n{text}", key.path);
        }
        assert!(text.contains("# not set: procedural\n[data]"), "{text}");
        assert!(text.find("[data]") < text.find("[optimizer]"));
        assert_eq!(text, experiment().to_toml());
    }

    #[test]
    fn what_toml_cannot_hold_is_refused_when_read_back() {
        let text = Experiment { seed: u64::MAX, ..experiment() }.to_toml();
        assert!(parse(&text, "x", &[]).is_err(), "{text}");
    }
}
