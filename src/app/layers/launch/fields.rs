//! The fields of the form: every key of a config, what it holds, and what a key's choices are.

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item};

use crate::config::{self, ConfigErrors, Key, Loaded, Paths, Shape};

/// The keys that are changed most, in the order in which one thinks of them.
const USED: [&str; 16] = [
    "name",
    "device",
    "data.root",
    "data.size",
    "train.epochs",
    "train.batch_size",
    "optimizer.lr",
    "schedule.decay_epochs",
    "seed",
    "train.precision",
    "validation.every_epochs",
    "samples.every_epochs",
    "checkpoint.every_epochs",
    "train.ema_decay",
    "tags",
    "notes",
];

/// A config with overrides over it, checked.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What came of it.
    pub outcome: Result<Loaded, ConfigErrors>,
    /// The text of every value, by path; of those that can be told when something is wrong.
    pub values: BTreeMap<String, String>,
}

/// Check a config's text with overrides. Paths are not looked at: that is done before the start, off this thread.
pub fn check(text: &str, origin: &str, overrides: &[(String, String)]) -> Checked {
    let raw: Vec<String> = overrides.iter().map(|(path, value)| format!("{path}={value}")).collect();
    let outcome = config::parse_with(text, origin, &raw, Paths::Unchecked);
    let mut values = BTreeMap::new();
    match &outcome {
        Ok(loaded) => gather(&loaded.text, &mut values),
        Err(_) => gather(text, &mut values),
    }
    values.extend(overrides.iter().cloned());
    Checked { outcome, values }
}

/// Every value that a TOML text spells, by dotted path; none when it is not TOML.
fn gather(text: &str, into: &mut BTreeMap<String, String>) {
    let Ok(document) = text.parse::<DocumentMut>() else { return };
    for key in config::leaves() {
        let item = key.path.split('.').try_fold(document.as_item(), |item, name| item.get(name));
        if let Some(Item::Value(value)) = item {
            let shown = value.as_str().map_or_else(|| value.clone().decorated("", "").to_string(), str::to_owned);
            into.insert(key.path.clone(), shown);
        }
    }
}

/// What is wrong with one override, in words: what is reported of the override itself, wherever else the config is wrong.
pub fn mistake(errors: &ConfigErrors, path: &str) -> Option<String> {
    let own = format!("--set {path}=");
    let error = errors.errors.iter().find(|error| error.origin.starts_with(&own))?;
    let mut words = error.message.clone();
    if let Some(expected) = &error.expected {
        words.push_str(&format!("; expected {expected}"));
    }
    if !error.suggestions.is_empty() {
        words.push_str(&format!("; did you mean {}?", error.suggestions.join(" or ")));
    }
    if let Some(next) = &error.next {
        words.push_str(&format!("; {next}"));
    }
    Some(words)
}

/// The keys to show: those that are changed most and those that were changed, or those that a search finds.
pub fn shown(search: &str, overrides: &[(String, String)]) -> Vec<&'static Key> {
    let leaves = config::leaves();
    let words: Vec<String> = search.to_lowercase().split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        let used = USED.into_iter().filter_map(config::find);
        let changed = overrides.iter().map(|(path, _)| path.as_str()).filter(|path| !USED.contains(path));
        return used.chain(changed.filter_map(config::find)).collect();
    }
    let score = |key: &Key| {
        let (path, doc) = (key.path.to_lowercase(), key.doc.to_lowercase());
        words.iter().try_fold(0, |sum, word| match (path.contains(word.as_str()), doc.contains(word.as_str())) {
            (true, _) => Some(sum),
            (false, true) => Some(sum + 1),
            (false, false) => None,
        })
    };
    let mut found: Vec<(usize, &'static Key)> = leaves.into_iter().filter_map(|key| Some((score(key)?, key))).collect();
    // Those that are called so before those whose explanation mentions it.
    found.sort_by_key(|(score, _)| *score);
    found.into_iter().map(|(_, key)| key).collect()
}

/// The words that a key can hold, where they are few.
pub fn choices(key: &Key, devices: &[String]) -> Vec<String> {
    match &key.shape {
        Shape::Choice(words) => words.clone(),
        Shape::Bool => vec!["true".to_owned(), "false".to_owned()],
        _ if key.path == "device" => devices.to_vec(),
        _ => Vec::new(),
    }
}

/// What a key may hold and holds when it is not written: `a whole number from 1 to 4096 · default 4`.
pub fn expectation(key: &Key, dot: &str) -> String {
    // The one text that only knows some words.
    let device = (key.path == "device").then(|| "auto, cpu, cuda or cuda:N".to_owned());
    let expected = device.unwrap_or_else(|| key.shape.expected().replace(" in quotes", ""));
    match &key.default {
        Some(serde_json::Value::String(text)) if text.is_empty() => expected,
        Some(serde_json::Value::String(text)) => format!("{expected}{dot}default {text}"),
        Some(default) => format!("{expected}{dot}default {default}"),
        None if key.required => format!("{expected}{dot}must be given"),
        None => format!("{expected}{dot}none by default"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "name = \"a\"\ntrack = \"pix2pixhd\"\n[data]\nroot = \"data\"\n[train]\nepochs = 8\n";

    fn set(path: &str, value: &str) -> Vec<(String, String)> {
        vec![(path.to_owned(), value.to_owned())]
    }

    #[test]
    fn every_key_can_be_found_by_its_path() {
        for key in config::leaves() {
            assert!(shown(&key.path, &[]).iter().any(|found| found.path == key.path), "{}", key.path);
        }
        assert!(shown("no such key anywhere", &[]).is_empty());
    }

    #[test]
    fn the_keys_shown_first_are_all_keys_and_changed_ones_stay_in_sight() {
        let all = shown("", &[]);
        assert_eq!(all.iter().map(|key| key.path.as_str()).collect::<Vec<_>>(), USED);
        let changed = shown("", &set("pix2pixhd.generator.ngf", "8"));
        assert_eq!(changed.last().unwrap().path, "pix2pixhd.generator.ngf");
    }

    #[test]
    fn values_are_the_effective_ones_as_one_would_type_them() {
        let checked = check(CONFIG, "a.toml", &set("train.epochs", "3"));
        assert!(checked.outcome.is_ok());
        assert_eq!(checked.values["train.epochs"], "3");
        assert_eq!(checked.values["name"], "a");
        assert_eq!(checked.values["optimizer.betas"], "[0.5, 0.999]");
        assert_eq!(checked.values["train.batch_size"], "4", "a default");
    }

    #[test]
    fn a_mistake_is_that_of_the_override_and_not_of_the_file() {
        let broken = format!("{CONFIG}batch_sise = 4\n");
        let of = |text: &str, path: &str, value: &str| {
            check(text, "a.toml", &set(path, value)).outcome.err().and_then(|errors| mistake(&errors, path))
        };
        assert_eq!(of(&broken, "train.epochs", "3"), None);
        assert!(of(CONFIG, "train.epochs", "0").unwrap().contains("a whole number from 1 to 1000000"));
        assert!(of(CONFIG, "train.epochs", "many").unwrap().contains("is text"));
        assert!(of(CONFIG, "pix2pixhd.loss.gan", "hing").unwrap().contains("did you mean hinge?"));
        assert!(of(CONFIG, "device", "tpu").unwrap().contains("is no device"));
        assert!(of(CONFIG, "schedule.decay_epochs", "9").unwrap().contains("only 8 epochs"));
        assert!(of(CONFIG, "name", "a/b").unwrap().contains("cannot end a folder's name"));
    }

    #[test]
    fn a_file_that_is_no_toml_still_takes_overrides() {
        let checked = check("name = [", "a.toml", &set("train.epochs", "3"));
        assert!(checked.outcome.unwrap_err().to_string().contains("a.toml:1:"));
        assert_eq!(checked.values["train.epochs"], "3");
    }
}
