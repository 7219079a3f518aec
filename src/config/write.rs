//! Experiments back to text: the effective config, and the table of keys for the documentation.

use std::fmt::Write as _;

use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, Table, Value};

use super::keys::{self, Key, Shape};
use super::{AlertRule, Experiment, Pix2PixHd, SdLora, Track};

impl Experiment {
    /// The full effective config: every key of the track spelled out, in the order of the structs. Optional keys that are
    /// not set are named in a comment. It parses back to an equal experiment.
    ///
    /// An experiment that was loaded can always be written. One made in code can hold what TOML cannot (a seed above
    /// `i64::MAX`); its text is then a comment that says so, and is refused when it is read back.
    pub fn to_toml(&self) -> String {
        match toml_edit::ser::to_document(self) {
            Ok(document) => {
                let mut top = document.as_table().clone();
                // The other track's section says nothing, unless someone wrote it.
                if self.track != Track::Pix2pixhd && self.pix2pixhd == Pix2PixHd::default() {
                    top.remove("pix2pixhd");
                }
                if self.track != Track::SdLora && self.sd_lora == SdLora::default() {
                    top.remove("sd_lora");
                }
                lay_out(&mut top, keys::keys(), "");
                DocumentMut::from(top).to_string()
            }
            Err(error) => format!("# this experiment cannot be written as TOML: {error}\n"),
        }
    }
}

/// Rules as a file of rules: every parameter spelled out, built-in rules turned off because those in force are here. It
/// reads back as the same rules.
pub fn rules_as_toml(rules: &[AlertRule]) -> String {
    #[derive(serde::Serialize)]
    struct File<'a> {
        alert_defaults: bool,
        alerts: &'a [AlertRule],
    }
    match toml_edit::ser::to_document(&File { alert_defaults: false, alerts: rules }) {
        Ok(document) => {
            let mut top = document.as_table().clone();
            lay_out(&mut top, keys::keys(), "");
            DocumentMut::from(top).to_string()
        }
        Err(error) => format!("# these rules cannot be written as TOML: {error}\n"),
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
        if let Item::Value(Value::Array(array)) = item
            && array.iter().any(Value::is_inline_table)
        {
            *item = std::mem::take(item).into_array_of_tables().map_or_else(|same| same, Item::ArrayOfTables);
        }
    }
    for key in keys {
        match (&key.shape, table.get_mut(&key.name)) {
            (Shape::Table(inner), Some(Item::Table(sub))) => lay_out(sub, inner, &key.path),
            (Shape::Array { item, .. }, Some(Item::ArrayOfTables(elements))) => {
                if let Shape::Table(inner) = &**item {
                    elements.iter_mut().for_each(|element| lay_out(element, inner, &key.path));
                }
            }
            _ => {}
        }
    }
    if path.is_empty() {
        return;
    }
    // What belongs to another kind of rule is not missing.
    let missing = keys.iter().filter(|key| key.kinds.is_empty() && !table.contains_key(&key.name));
    let unset: Vec<&str> = missing.map(|key| key.name.as_str()).collect();
    let note = if unset.is_empty() { String::new() } else { format!("# not set: {}\n", unset.join(", ")) };
    table.decor_mut().set_prefix(format!("\n{note}"));
    // `[pix2pixhd]` holds tables only: its own header would say nothing.
    let only_tables = table.iter().all(|(_, item)| item.is_table());
    table.set_implicit(only_tables);
}

/// Every key with its kind, default and meaning, a Markdown table for each config table.
pub fn keys_as_markdown() -> String {
    let mut text = String::new();
    section(&mut text, keys::keys(), "At the top");
    text
}

fn section(text: &mut String, keys: &[Key], title: &str) {
    if keys.iter().any(|key| !matches!(key.shape, Shape::Table(_))) {
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
            let kinds: Vec<String> = key.kinds.iter().map(|kind| format!("`{kind}`")).collect();
            let meaning = if kinds.is_empty() { key.doc.clone() } else { format!("{}: {}", kinds.join(", "), key.doc) };
            let _ = writeln!(text, "| `{}` | {value} | {} | {} |", key.name, cell(&default), cell(&meaning));
        }
    }
    for key in keys {
        match &key.shape {
            Shape::Table(inner) => section(text, inner, &format!("`[{}]`", key.path)),
            Shape::Array { item, .. } => {
                if let Shape::Table(inner) = &**item {
                    section(text, inner, &format!("`[[{}]]`", key.path));
                }
            }
            _ => {}
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
    use crate::config::{Experiment, keys, parse, parse_alert_rules, rules_as_toml};

    fn experiment(track: &str) -> Experiment {
        let text = format!("name = 'x'\ntrack = '{track}'\n[data]\nroot = 'pairs'\n[sd_lora]\n");
        let base = if track == "sd-lora" { "base = 'sd'" } else { "" };
        parse(&(text + base), "x", &[]).unwrap().experiment
    }

    #[test]
    fn the_effective_config_spells_every_key_in_a_stable_order() {
        for (track, other) in [("pix2pixhd", "sd_lora."), ("sd-lora", "pix2pixhd.")] {
            let text = experiment(track).to_toml();
            let absent = ["data.procedural.", "sd_lora.tiny_base.", other];
            for key in keys::leaves().iter().filter(|key| key.required || key.default.is_some()) {
                let inside = absent.iter().any(|table| key.path.starts_with(table));
                assert!(inside || text.contains(&format!("{} = ", key.name)), "{} in\n{text}", key.path);
            }
            assert!(text.contains("# not set: procedural\n[data]"), "{text}");
            assert!(text.find("[data]") < text.find("[optimizer]"));
            assert_eq!(text, experiment(track).to_toml());
        }
    }

    #[test]
    fn rules_are_spelled_out_under_headers_and_come_back() {
        let text = "[[alerts]]\nkind = 'plateau'\nwindow_steps = 500\n[[alerts]]\nkind = 'stalled'\naction = 'stop'\n";
        let rules = parse_alert_rules(text, "x").unwrap();
        assert_eq!(rules.len(), 5, "three of the four built-in ones remain");
        let written = rules_as_toml(&rules);
        assert!(written.starts_with("alert_defaults = false\n\n[[alerts]]\nkind = \"not-finite\"\n"), "{written}");
        assert!(written.contains("window_steps = 500\n") && !written.contains("window_epochs"), "{written}");
        assert!(written.contains("step_times = 20.0\n") && !written.contains("not set"), "{written}");
        assert_eq!(parse_alert_rules(&written, "again").unwrap(), rules);

        let whole = format!("name = 'x'\ntrack = 'pix2pixhd'\n[data]\nroot = 'pairs'\n{text}");
        let loaded = parse(&whole, "x", &[]).unwrap();
        assert_eq!(loaded.experiment.alert_rules(), rules);
        assert_eq!(parse(&loaded.text, "again", &[]).unwrap(), loaded);
        assert_eq!(parse_alert_rules(&whole, "x").unwrap(), rules, "a whole config is a file of rules too");
    }

    #[test]
    fn what_toml_cannot_hold_is_refused_when_read_back() {
        let text = Experiment { seed: u64::MAX, ..experiment("pix2pixhd") }.to_toml();
        assert!(parse(&text, "x", &[]).is_err(), "{text}");
    }
}
