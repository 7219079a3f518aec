//! What can be started: configs on the disk, or the checkpoints of a session. Read off the drawing thread.

use std::path::{Path, PathBuf};

use crate::app::effect::{Lane, Reply};
use crate::app::screens::sessions;
use crate::app::shared::Cx;
use crate::session::checkpoints::{self, Checkpoint};
use crate::session::{Folder, Manifest};
use crate::telemetry;

/// Where presets are, relative to the current directory.
const PRESETS: &str = "configs";
/// Larger files are no configs.
const LARGEST: u64 = 1 << 20;

/// What the form starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An experiment of its own.
    New,
    /// A session that begins at a checkpoint of this one.
    Branch(String),
}

/// A config that can be started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its file, or what stands for it.
    pub path: PathBuf,
    /// Its text, or why it cannot be read.
    pub text: Result<String, String>,
}

/// Everything that can be chosen from.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    /// For which form.
    pub kind: Kind,
    /// Configs, by name.
    pub configs: Vec<Source>,
    /// Checkpoints, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Devices of this machine, as configs write them; absent when they were not looked at.
    pub devices: Option<Vec<String>>,
    /// What could not be read.
    pub problem: Option<String>,
}

/// Have them read; devices too, which takes longer, when `devices` says so.
pub fn read_sources(kind: Kind, devices: bool, cx: &mut Cx<'_>) {
    let root = cx.shared.root.clone();
    cx.work(Lane::Configs, move || {
        let mut sources = read(&root, kind, Path::new("."));
        sources.devices = devices.then(machine);
        Reply::Sessions(sessions::Reply::Sources(Box::new(sources)))
    });
}

/// `auto`, `cpu` and every GPU that CUDA shows.
fn machine() -> Vec<String> {
    let gpus = telemetry::inventory().gpus.into_iter().map(|gpu| format!("cuda:{}", gpu.index));
    ["auto".to_owned(), "cpu".to_owned()].into_iter().chain(gpus).collect()
}

/// Read what a form of this kind offers; presets and configs are looked for in `directory`.
pub fn read(root: &Path, kind: Kind, directory: &Path) -> Sources {
    let mut sources = Sources { kind, configs: Vec::new(), checkpoints: Vec::new(), devices: None, problem: None };
    match sources.kind.clone() {
        Kind::New => {
            sources.configs = in_folder(&directory.join(PRESETS), |_text| true);
            sources.configs.extend(in_folder(directory, is_config));
            for source in &mut sources.configs {
                // As one would type it.
                if let Ok(short) = source.path.strip_prefix("./") {
                    source.path = short.to_owned();
                }
            }
        }
        Kind::Branch(id) => {
            let folder = Folder::new(root.join(&id));
            let text = Manifest::load(&folder).map(|manifest| manifest.config()).map_err(|error| error.to_string());
            sources.configs = vec![Source { path: PathBuf::from(id), text }];
            match checkpoints::list(&folder) {
                Ok(checkpoints) => sources.checkpoints = checkpoints,
                Err(error) => sources.problem = Some(error.to_string()),
            }
        }
    }
    sources
}

/// The TOML files of a folder whose text `is_wanted`, by name. A folder that is not there has none.
fn in_folder(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml") && path.is_file())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let large = std::fs::metadata(&path).is_ok_and(|data| data.len() > LARGEST);
        let text = if large {
            Err("is larger than 1 MiB, so it is no config".to_owned())
        } else {
            std::fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"))
        };
        Source { path, text }
    };
    paths.into_iter().map(read).filter(|source| source.text.as_deref().map_or(true, &is_wanted)).collect()
}

/// Whether a TOML file among others is meant as an experiment: it says what is trained, however broken the rest is.
fn is_config(text: &str) -> bool {
    let mut keys = text.lines().filter_map(|line| Some(line.split_once('=')?.0.trim().trim_matches('"')));
    keys.any(|key| key == "track")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_configs_beside_them_are_found_and_other_toml_is_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(PRESETS)).unwrap();
        for (name, text) in [
            ("configs/b.toml", "name = \"b\""),
            ("configs/a.toml", "broken ["),
            ("configs/schema.json", "{}"),
            ("mine.toml", "name = \"mine\"\ntrack = \"pix2pixhd\"\n[data"),
            ("Cargo.toml", "[package]\nname = \"x\""),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let sources = read(dir.path(), Kind::New, dir.path());
        let names: Vec<_> = sources
            .configs
            .iter()
            .map(|source| source.path.strip_prefix(dir.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["configs/a.toml", "configs/b.toml", "mine.toml"]);
    }

    #[test]
    fn a_folder_that_is_not_there_offers_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let sources = read(dir.path(), Kind::New, &dir.path().join("none"));
        assert!(sources.configs.is_empty() && sources.problem.is_none());
    }

    #[test]
    fn a_branch_offers_the_session_s_own_config_or_says_what_is_wrong_with_it() {
        let root = tempfile::tempdir().unwrap();
        let sources = read(root.path(), Kind::Branch("gone".to_owned()), root.path());
        assert!(sources.configs[0].text.as_ref().unwrap_err().contains("session.toml"));
    }
}
