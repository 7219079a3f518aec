//! Values out of a JSON object, each error naming file and key.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::LARGEST;

/// Why a config does not describe a network that can be built. The file comes first in every message.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", .file.display())]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub what: String,
}

/// A JSON file.
pub fn json(file: &Path) -> Result<Value, ConfigError> {
    let fault = |what| ConfigError { file: file.to_owned(), what };
    let text = fs::read_to_string(file).map_err(|error| fault(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fault(format!("not JSON ({error})")))
}

/// One config.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a Path,
    entries: &'a Map<String, Value>,
}

impl<'a> Reader<'a> {
    pub fn new(value: &'a Value, file: &'a Path) -> Result<Self, ConfigError> {
        let entries = value.as_object().ok_or_else(|| ConfigError {
            file: file.to_owned(),
            what: "not a JSON object, as a model's config is".to_owned(),
        })?;
        Ok(Self { file, entries })
    }

    pub fn fault(&self, what: impl Into<String>) -> ConfigError {
        ConfigError { file: self.file.to_owned(), what: what.into() }
    }

    /// Whether a key is there and not null.
    pub fn is_given(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    /// The class that wrote the file, where it says: one of these.
    pub fn class(&self, key: &str, known: &[&str]) -> Result<(), ConfigError> {
        let names: Vec<&str> = match self.entries.get(key) {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            Some(name) => name.as_str().into_iter().collect(),
        };
        if names.iter().any(|name| known.contains(name)) {
            return Ok(());
        }
        Err(self.fault(format!("`{key}` says {}; only {} is supported", self.entries[key], known.join(" or "))))
    }

    /// A key that may be absent, null or this: anything else is another architecture. `only` is JSON.
    pub fn only(&self, key: &str, only: &str) -> Result<(), ConfigError> {
        let same = |value: &Value| match (value.as_f64(), only.parse::<f64>()) {
            (Some(have), Ok(want)) => have == want,
            _ => serde_json::from_str::<Value>(only).is_ok_and(|only| *value == only),
        };
        match self.entries.get(key) {
            None | Some(Value::Null) => Ok(()),
            Some(value) if same(value) => Ok(()),
            Some(value) => Err(self.fault(format!("`{key}` is {value}, which is not supported (only {only} is)"))),
        }
    }

    pub fn int(&self, key: &str, default: i64) -> Result<i64, ConfigError> {
        self.int_up_to(key, default, LARGEST)
    }

    pub fn int_up_to(&self, key: &str, default: i64, most: i64) -> Result<i64, ConfigError> {
        self.entries.get(key).map_or(Ok(default), |value| self.checked(key, value, 1, most))
    }

    pub fn int_from(&self, key: &str, default: i64, least: i64) -> Result<i64, ConfigError> {
        self.entries.get(key).map_or(Ok(default), |value| self.checked(key, value, least, LARGEST))
    }

    fn checked(&self, key: &str, value: &Value, least: i64, most: i64) -> Result<i64, ConfigError> {
        let number = value.as_i64().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.fault(format!("`{key}` is {value}; a whole number from {least} to {most} is needed")))
    }

    pub fn ints(&self, key: &str, default: &[i64]) -> Result<Vec<i64>, ConfigError> {
        match self.entries.get(key) {
            None => Ok(default.to_vec()),
            Some(Value::Array(values)) => values.iter().map(|value| self.checked(key, value, 1, LARGEST)).collect(),
            Some(other) => Err(self.fault(format!("`{key}` is {other}; a list of whole numbers is needed"))),
        }
    }

    /// One for each of `levels`, given as a list or as one number for all.
    pub fn ints_or_one(&self, key: &str, default: i64, levels: usize) -> Result<Vec<i64>, ConfigError> {
        if matches!(self.entries.get(key), Some(Value::Array(_))) {
            let list = self.ints(key, &[])?;
            self.same_length(key, list.len(), levels)?;
            return Ok(list);
        }
        Ok(vec![self.int(key, default)?; levels])
    }

    pub fn float(&self, key: &str, default: f64) -> Result<f64, ConfigError> {
        match self.entries.get(key) {
            None => Ok(default),
            Some(value) => value.as_f64().ok_or_else(|| self.fault(format!("`{key}` is {value}; a number is needed"))),
        }
    }

    pub fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.entries.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_bool().ok_or_else(|| self.fault(format!("`{key}` is {value}; true or false is needed")))
            }
        }
    }

    pub fn word(&self, key: &str, default: &str) -> Result<String, ConfigError> {
        match self.entries.get(key) {
            None => Ok(default.to_owned()),
            Some(Value::String(word)) => Ok(word.clone()),
            Some(other) => Err(self.fault(format!("`{key}` is {other}; a text is needed"))),
        }
    }

    pub fn words(&self, key: &str, default: &[&str]) -> Result<Vec<String>, ConfigError> {
        let Some(value) = self.entries.get(key) else {
            return Ok(default.iter().map(|&word| word.to_owned()).collect());
        };
        let words = value.as_array().and_then(|list| list.iter().map(|word| Some(word.as_str()?.to_owned())).collect());
        words.ok_or_else(|| self.fault(format!("`{key}` is {value}; a list of texts is needed")))
    }

    /// Refuse a list of no levels, or of more than `most`.
    pub fn per_level(&self, key: &str, levels: usize, most: usize) -> Result<(), ConfigError> {
        if (1..=most).contains(&levels) {
            return Ok(());
        }
        Err(self.fault(format!("`{key}` has {levels} entries; from 1 to {most} are possible")))
    }

    /// Refuse a list that is not as long as there are levels.
    pub fn same_length(&self, key: &str, length: usize, levels: usize) -> Result<(), ConfigError> {
        if length == levels {
            return Ok(());
        }
        Err(self.fault(format!("`{key}` has {length} entries where `block_out_channels` has {levels}")))
    }

    /// Refuse widths that a number of groups or heads does not divide.
    pub fn divides(&self, key: &str, number: i64, widths: &[i64]) -> Result<(), ConfigError> {
        match widths.iter().find(|&&width| width % number != 0) {
            None => Ok(()),
            Some(width) => Err(self.fault(format!("`{key}` {number} does not divide a width of {width}"))),
        }
    }
}
