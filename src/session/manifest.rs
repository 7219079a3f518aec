//! `session.toml`: what a session is and how it stands.
//!
//! The file is the truth about everything but liveness. It is only ever replaced whole (write beside, fsync, rename,
//! fsync the folder), and keys that this version does not know survive a rewrite.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item};

use super::{Folder, Git, SessionError};

mod file;
mod toml;

/// The layout of the file that this version writes.
pub const FORMAT: u32 = 1;

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The process prepares: data, models, weights.
    Starting,
    /// It trains.
    Running,
    /// It waits at a step boundary, by command.
    Paused,
    /// It did all its steps.
    Finished,
    /// It was stopped on purpose and can be resumed.
    Stopped,
    /// It ended with an error, which the manifest's `reason` tells.
    Failed,
    /// It ended without a word: killed, out of memory, power loss. Derived, never written.
    Crashed,
}

impl State {
    /// Whether a process should be there.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused)
    }

    /// The word for it, as in the manifest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Crashed => "crashed",
        }
    }
}

/// How much a session means to do.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Optimizer steps of the whole experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<i64>,
    /// Epochs of the whole experiment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_epochs: Option<f64>,
}

/// The contents of `session.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of this file.
    #[serde(default)]
    pub format: u32,
    /// Short name.
    pub name: String,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Free text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Put away: lists leave it out unless they are asked for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
    /// How it stood when this was written; see [`super::observe`] for how it stands.
    pub state: State,
    /// Why it is in that state, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Restarts so far: 0 in the first run.
    #[serde(default)]
    pub generation: u32,
    /// When the session was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// When this generation started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it ended, absent while it runs or when it crashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Process id of this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Where this generation trains, as it was found there: `cpu`, `cuda:0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Everything random follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "toml::seed")]
    pub seed: Option<u64>,
    /// The command line of this generation.
    #[serde(default)]
    pub command: Vec<String>,
    /// The directory it was given in, against which the config's relative paths are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The session that this one continues or branched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The step of the parent's checkpoint that it began from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_step: Option<i64>,
    /// What a reader of the results must know, such as a loss term left out.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// How much it means to do.
    #[serde(default)]
    pub progress: Progress,
    /// The code it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<Git>,
    /// Program and library versions by name.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The machine: CPUs, memory, GPUs, driver.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null", deserialize_with = "toml::inventory")]
    pub inventory: serde_json::Value,
    /// The file as it was read, for the keys that are not fields here, the config first of all.
    #[serde(skip)]
    document: DocumentMut,
}

/// Tables that are replaced whole instead of being merged key by key.
const REPLACED: [&str; 1] = ["inventory"];
/// Every field above, so that one which became empty is removed from the file.
const FIELDS: [&str; 23] = [
    "format",
    "name",
    "tags",
    "notes",
    "archived",
    "state",
    "reason",
    "generation",
    "created",
    "started",
    "ended",
    "pid",
    "host",
    "device",
    "seed",
    "command",
    "directory",
    "parent",
    "parent_step",
    "remarks",
    "progress",
    "git",
    "versions",
];

impl Manifest {
    /// A new session's manifest: generation 0, starting now, with `config` (the effective TOML) inside.
    pub fn new(name: &str, config: &str) -> Result<Self, SessionError> {
        let now = Timestamp::now();
        let mut manifest = Self {
            format: FORMAT,
            name: name.to_owned(),
            tags: Vec::new(),
            notes: String::new(),
            archived: false,
            state: State::Starting,
            reason: None,
            generation: 0,
            created: Some(now),
            started: Some(now),
            ended: None,
            pid: None,
            host: None,
            device: None,
            seed: None,
            command: Vec::new(),
            directory: None,
            parent: None,
            parent_step: None,
            remarks: Vec::new(),
            progress: Progress::default(),
            git: None,
            versions: BTreeMap::new(),
            inventory: serde_json::Value::Null,
            document: DocumentMut::new(),
        };
        manifest.set_config(config)?;
        Ok(manifest)
    }

    /// Read the manifest of a session.
    pub fn load(folder: &Folder) -> Result<Self, SessionError> {
        let path = folder.manifest();
        let text = fs::read_to_string(&path).map_err(SessionError::io("read", &path))?;
        Self::parse(&text).map_err(|problem| SessionError::Manifest { path, problem })
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err("it is empty".to_owned());
        }
        let document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| one_line(&error.to_string()))?;
        let mut manifest: Self =
            toml_edit::de::from_document(document.clone()).map_err(|error| one_line(&error.to_string()))?;
        manifest.document = document;
        Ok(manifest)
    }

    /// The whole file's text.
    pub fn to_toml(&self) -> Result<String, SessionError> {
        let fields = toml_edit::ser::to_document(self).map_err(|error| SessionError::Config(error.to_string()))?;
        let mut document = self.document.clone();
        for name in FIELDS.iter().chain(&REPLACED) {
            if !fields.contains_key(name) {
                document.remove(name);
            }
        }
        toml::merge(document.as_table_mut(), fields.into_table(), &REPLACED);
        toml::order(&mut document);
        Ok(document.to_string())
    }

    /// Replace the file of `folder`; after this returns, it is on the disk.
    pub fn save(&self, folder: &Folder) -> Result<(), SessionError> {
        file::replace(&folder.manifest(), self.to_toml()?.as_bytes(), file::Durable::Yes)
    }

    /// The effective config, as TOML of its own; empty when the manifest has none.
    pub fn config(&self) -> String {
        let mut document = DocumentMut::new();
        if let Some(table) = self.document.get("config").and_then(Item::as_table) {
            let mut table = toml::unplaced(table.clone());
            // The empty line above its header in the manifest is none of its own.
            table.decor_mut().clear();
            *document.as_table_mut() = table;
        }
        document.to_string()
    }

    /// Put another effective config in.
    pub fn set_config(&mut self, config: &str) -> Result<(), SessionError> {
        let parsed: DocumentMut =
            config.parse().map_err(|error: toml_edit::TomlError| SessionError::Config(one_line(&error.to_string())))?;
        self.document.insert("config", Item::Table(toml::unplaced(parsed.into_table())));
        Ok(())
    }

    /// Put a description of the machine in; nulls, which TOML does not have, are left out.
    pub fn set_inventory(&mut self, inventory: serde_json::Value) {
        self.inventory = toml::fit(inventory);
    }

    /// A value of the config by its dotted path, such as `train.epochs`.
    pub fn config_value(&self, path: &str) -> Option<&toml_edit::Value> {
        let mut item = self.document.get("config")?;
        for key in path.split('.') {
            item = item.get(key)?;
        }
        item.as_value()
    }

    /// What is trained, as the config's `track` says.
    pub fn track(&self) -> Option<&str> {
        self.config_value("track")?.as_str()
    }
}

/// Replace a small file whole, without waiting for the disk: for caches, which a crash may lose.
pub(super) fn replace_cache(path: &Path, contents: &[u8]) -> Result<(), SessionError> {
    file::replace(path, contents, file::Durable::No)
}

/// TOML errors draw the offending line over several; a table of sessions has room for one.
fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
