//! Experiment configs: typed, checked, overridable, with errors that name line and column.
//!
//! One truth: the structs of [`Experiment`]. Their JSON schema gives the [`keys`](keys()) with their kinds and limits;
//! a walk over the TOML document holds each value against its key; what involves several keys is a rule on the typed
//! experiment. All three report through the same spans, so every mistake of a file, and of the overrides laid over
//! it, comes in one go with its place:
//!
//! ```
//! let errors = atelier::config::parse("name = 'a'\n[train]\nepocs = 3", "a.toml", &[]).unwrap_err();
//! assert!(errors.to_string().contains("a.toml:3:1: unknown key `train.epocs`"));
//! assert!(errors.to_string().contains("did you mean `epochs`?"));
//! assert!(errors.to_string().contains("the table [data] is missing"));
//! ```
//!
//! Relative paths in a config are relative to the current directory.

mod alerts;
mod check;
mod errors;
mod experiment;
mod keys;
mod metric;
mod rules;
mod sd_lora;
mod source;
pub(crate) mod suggest;
mod syntax;
mod write;

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml_edit::{DocumentMut, Item};

pub use alerts::{AlertAction, AlertKind, AlertRule, Better, Notify, Side, Watch, Window};
pub use errors::{ConfigError, ConfigErrors, Snippet};
pub use experiment::*;
pub use keys::{Bounds, Key, Shape, find, json_schema, keys, leaves};
pub use sd_lora::{
    Adapter, AdapterInit, AdapterTarget, Prediction, Sampling, SdLora, SdObjective, SdSampler, Text, Timesteps,
    TinyBase,
};
pub use suggest::nearest;
pub use write::{keys_as_markdown, rules_as_toml};

use check::Walk;
use source::Sources;

/// The largest config that is read, in bytes; anything larger is another kind of file.
const LARGEST: u64 = 1 << 20;

/// A checked experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What to run.
    pub experiment: Experiment,
    /// The effective config as TOML: every key, overrides and defaults included. Parses back to `experiment`.
    pub text: String,
    /// What is legal but worth a word to the user.
    pub remarks: Vec<String>,
}

/// Whether the paths a config names must exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paths {
    /// A missing path is a mistake: for a run that is about to start.
    #[default]
    Checked,
    /// The same, but for the weights to start from: for a run that goes on from a checkpoint, which took their place.
    Resumed,
    /// Paths are not looked at: for a session's own config, or a check on another machine.
    Unchecked,
}

/// Read a config file, lay `overrides` (`a.b=value`) over it and check everything, the paths it names included.
///
/// Every mistake is reported, not only the first.
pub fn load(path: &Path, overrides: &[String]) -> Result<Loaded, ConfigErrors> {
    load_with(path, overrides, Paths::Checked)
}

/// As [`load`], with a choice about paths.
pub fn load_with(path: &Path, overrides: &[String], paths: Paths) -> Result<Loaded, ConfigErrors> {
    let origin = path.display().to_string();
    let text = read(path, &origin)?;
    parse_with(&text, &origin, overrides, paths)
}

/// Check a config's text; `origin` stands for its path in messages. Does not look at the file system, so a resumed
/// session can read its config back whatever became of the files it names.
pub fn parse(text: &str, origin: &str, overrides: &[String]) -> Result<Loaded, ConfigErrors> {
    parse_with(text, origin, overrides, Paths::Unchecked)
}

/// As [`parse`], with a choice about paths.
pub fn parse_with(text: &str, origin: &str, overrides: &[String], paths: Paths) -> Result<Loaded, ConfigErrors> {
    let mut sources = Sources::new(origin, text);
    let mut errors: Vec<Located> = Vec::new();
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(ConfigErrors::whole(
            origin,
            "the config is empty",
            "start from a preset, such as configs/quickstart.toml",
        ));
    }
    let parsed = syntax::document(text);
    let whole = parsed.errors.is_empty();
    errors.extend(parsed.errors.into_iter().map(|(span, message)| {
        let error = sources.error(Some(span.clone()), message);
        (Some(span), error)
    }));
    let readable = parsed.table.is_some();
    let mut table = parsed.table.unwrap_or_default();
    for raw in overrides {
        match syntax::override_table(raw, &mut sources) {
            Ok(over) => syntax::merge(&mut table, over),
            // After everything of the file.
            Err(error) => errors.push((Some(usize::MAX..usize::MAX), *error)),
        }
    }
    let mut experiment = None;
    if readable || !overrides.is_empty() {
        let mut walk = Walk::over(&mut table, keys(), &sources, !whole);
        let mut top = Item::Table(table);
        experiment = typed::<Experiment>(&mut top, &mut walk, &sources);
        let broken = experiment.as_ref().map(|experiment| {
            let mut broken = rules::broken(experiment);
            if paths != Paths::Unchecked {
                let started = |rule: &rules::Broken| paths == Paths::Resumed && rule.keys == [rules::PRETRAINED];
                broken.extend(rules::missing_paths(experiment).into_iter().filter(|rule| !started(rule)));
            }
            broken
        });
        for rule in broken.into_iter().flatten().filter(|_| readable) {
            // A rule on a value that was already reported, or is a stand-in for it, would be a false alarm.
            if rule.keys.iter().any(|key| walk.set_aside.iter().any(|aside| within(key, aside))) {
                continue;
            }
            let key = rule.keys.first().copied().unwrap_or_default();
            // An override that breaks a rule is to be named; otherwise the rule's first key that is written.
            let written: Vec<Range<usize>> = rule.keys.iter().filter_map(|key| span_of(&top, key)).collect();
            let over = written.iter().find(|span| sources.is_override(span));
            let span = over.or(written.first()).cloned().or_else(|| header_of(&top, key));
            let error = ConfigError {
                key: Some(key.to_owned()),
                next: Some(rule.next),
                ..sources.error(span.clone(), rule.message)
            };
            walk.errors.push((span, error));
        }
        errors.append(&mut walk.errors);
    }
    match experiment {
        Some(experiment) if errors.is_empty() => {
            let text = experiment.to_toml();
            let remarks = rules::remarks(&experiment);
            Ok(Loaded { experiment, text, remarks })
        }
        _ => Err(in_order(origin, errors)),
    }
}

/// The alert rules of a file: those in force, built-in ones included. The file may be a whole config or hold nothing but
/// `alert_defaults` and `[[alerts]]`; only these are looked at, but a key that is none of a config's is a mistake.
pub fn load_alert_rules(path: &Path) -> Result<Vec<AlertRule>, ConfigErrors> {
    let origin = path.display().to_string();
    parse_alert_rules(&read(path, &origin)?, &origin)
}

/// As [`load_alert_rules`], from a text; `origin` stands for its path in messages.
pub fn parse_alert_rules(text: &str, origin: &str) -> Result<Vec<AlertRule>, ConfigErrors> {
    alert_rules(text, origin, Others::Known)
}

/// As [`parse_alert_rules`], for the config that a session keeps: another version may have written it, with keys that this
/// one does not know.
pub fn stored_alert_rules(text: &str, origin: &str) -> Result<Vec<AlertRule>, ConfigErrors> {
    alert_rules(text, origin, Others::Any)
}

/// Which keys besides those of alerts are passed over at the top of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    Known,
    Any,
}

fn alert_rules(text: &str, origin: &str, others: Others) -> Result<Vec<AlertRule>, ConfigErrors> {
    #[derive(Deserialize)]
    struct Alerting {
        alert_defaults: Option<bool>,
        #[serde(default)]
        alerts: Vec<AlertRule>,
    }
    const OURS: [&str; 2] = ["alert_defaults", "alerts"];
    static KEYS: LazyLock<Vec<Key>> =
        LazyLock::new(|| keys().iter().filter(|key| OURS.contains(&key.name.as_str())).cloned().collect());

    let sources = Sources::new(origin, text);
    let parsed = syntax::document(text);
    let whole = parsed.errors.is_empty();
    let mut errors: Vec<Located> = Vec::new();
    for (span, message) in parsed.errors {
        let error = sources.error(Some(span.clone()), message);
        errors.push((Some(span), error));
    }
    let mut rules = None;
    if let Some(mut table) = parsed.table {
        let passed =
            |name: &str| !OURS.contains(&name) && (others == Others::Any || keys().iter().any(|key| key.name == name));
        table.retain(|name, _| !passed(name));
        let mut walk = Walk::over(&mut table, &KEYS, &sources, !whole);
        let alerting = typed::<Alerting>(&mut Item::Table(table), &mut walk, &sources);
        rules = alerting.map(|found| AlertRule::effective(found.alert_defaults.unwrap_or(true), &found.alerts));
        errors.append(&mut walk.errors);
    }
    rules.filter(|_| errors.is_empty()).ok_or_else(|| in_order(origin, errors))
}

/// Mistakes in the order of the file.
fn in_order(origin: &str, mut errors: Vec<Located>) -> ConfigErrors {
    errors.sort_by_key(|(span, _)| span.as_ref().map_or(0, |span| span.start));
    let errors = errors.into_iter().map(|(_, error)| error).collect();
    ConfigErrors { origin: origin.to_owned(), errors }
}

/// A mistake with its place in the common address space.
type Located = (Option<Range<usize>>, ConfigError);

/// Whether the dotted path `key` is `table` or within it.
fn within(key: &str, table: &str) -> bool {
    key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Deserialize what the walk let pass. serde's own refusals (a device that is none) are reported like the others and
/// their values taken out, until the rest goes through.
fn typed<T: DeserializeOwned>(top: &mut Item, walk: &mut Walk<'_>, sources: &Sources) -> Option<T> {
    // Every refusal takes a key out, so this ends; the limit is for an error that names no key.
    for _ in 0..=keys::leaves().len() {
        let document = DocumentMut::from(top.as_table()?.clone());
        let error = match toml_edit::de::from_document(document) {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        let culprit = error.span().and_then(|span| {
            keys::leaves()
                .into_iter()
                .find(|key| span_of(top, &key.path).is_some_and(|own| own.start <= span.start && span.end <= own.end))
        });
        let key = culprit.map(|key| key.path.clone());
        let span = error.span();
        let located = ConfigError { key: key.clone(), ..sources.error(span.clone(), error.message()) };
        walk.errors.push((span, located));
        let (parent, name) = key.as_deref().map(|path| path.rsplit_once('.').unwrap_or(("", path)))?;
        item_mut(top, parent)?.as_table_like_mut()?.remove(name);
        walk.set_aside.insert(key?);
    }
    None
}

/// The item at a dotted path; the top itself at the empty one.
fn item<'a>(top: &'a Item, path: &str) -> Option<&'a Item> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(top, |item, name| item.as_table_like()?.get(name))
}

/// As [`item`].
fn item_mut<'a>(top: &'a mut Item, path: &str) -> Option<&'a mut Item> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(top, |item, name| item.as_table_like_mut()?.get_mut(name))
}

/// Where the value of a dotted path stands, if it is written.
fn span_of(top: &Item, path: &str) -> Option<Range<usize>> {
    item(top, path)?.span()
}

/// The header of the innermost written table around a dotted path.
fn header_of(top: &Item, path: &str) -> Option<Range<usize>> {
    let (parent, _) = path.rsplit_once('.')?;
    span_of(top, parent).filter(|span| !span.is_empty()).or_else(|| header_of(top, parent))
}

/// The file's text, or why it cannot be had.
fn read(path: &Path, origin: &str) -> Result<String, ConfigErrors> {
    let fail = |message: String, next: &str| ConfigErrors::whole(origin, message, next);
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => fail("no such file".to_owned(), "name a config file; presets are in configs/"),
        std::io::ErrorKind::IsADirectory => fail("is a folder".to_owned(), "name a config file in it"),
        _ => fail(format!("cannot be read: {error}"), "check the path and its permissions"),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(fail("is a folder".to_owned(), "name a config file in it"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(fail("is larger than 1 MiB, so it is no config".to_owned(), "name a TOML config file"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        // The good part comes first in the lossy text, unchanged; the replacement character stands at its end.
        let sources = Sources::new(origin, &text);
        let bad = error.as_bytes().get(good).copied().unwrap_or_default();
        let error = ConfigError {
            expected: Some("text in UTF-8".to_owned()),
            next: Some("save the file as UTF-8".to_owned()),
            ..sources.error(Some(good..good + '\u{fffd}'.len_utf8()), format!("the byte 0x{bad:02X} is not UTF-8"))
        };
        ConfigErrors { origin: origin.to_owned(), errors: vec![error] }
    })
}
