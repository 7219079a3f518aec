//! Starting processes that train: new, resumed, branched. Each is this program again, in a process session of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::effect;
use crate::app::screens::sessions::Reply;
use crate::config::{self, Paths};
use crate::session::detach::{self, Launched};
use crate::session::{self, Folder, Manifest};

/// How long a start is waited for before it is left to itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// An experiment of its own.
    New {
        /// Its config.
        config: PathBuf,
        /// Overrides, `key=value`.
        set: Vec<String>,
    },
    /// The rest of a session.
    Resume {
        /// Which.
        id: String,
    },
    /// A session that begins at a checkpoint of another.
    Branch {
        /// The other.
        id: String,
        /// The checkpoint's step.
        step: i64,
        /// Overrides, `key=value`.
        set: Vec<String>,
    },
}

/// Start it and wait until it trains or has failed. Slow: not for the drawing thread.
pub fn start(root: &Path, what: &Start) -> effect::Reply {
    let title = match what {
        Start::New { config, .. } => format!("{} did not start", config.display()),
        Start::Resume { id } => format!("{id} does not go on"),
        Start::Branch { id, step, .. } => format!("no branch from {id} at step {step}"),
    };
    effect::Reply::Sessions(match begin(root, what) {
        Ok(Begun { id, words }) => Reply::Started { id, words },
        Err(text) => Reply::NotStarted { title, text },
    })
}

/// A process that was started.
struct Begun {
    id: String,
    words: String,
}

fn begin(root: &Path, what: &Start) -> Result<Begun, String> {
    let folder = folder(root, what)?;
    let id = folder.id();
    match detach::launch(&folder, &arguments(root, what), PATIENCE).map_err(|error| error.to_string())? {
        Launched::Started { pid } => Ok(Begun { words: format!("{id} trains, process {pid}"), id }),
        Launched::Preparing { pid } => Ok(Begun { words: format!("{id} still prepares, process {pid}"), id }),
        Launched::Failed { status, output } => {
            let output = output.trim();
            let output = if output.is_empty() { "it printed nothing" } else { output };
            Err(format!("{output}\n\n({status})"))
        }
    }
}

/// The folder to train in. Mistakes in a config are told before there is one.
fn folder(root: &Path, what: &Start) -> Result<Folder, String> {
    let name = match what {
        Start::Resume { id } => return Ok(Folder::new(root.join(id))),
        Start::New { config, set } => config::load(config, set).map_err(|errors| errors.to_string())?.experiment.name,
        Start::Branch { id, set, .. } => {
            // Its paths are meant from the directory it was started in; the process that goes there checks them.
            let manifest = Manifest::load(&Folder::new(root.join(id))).map_err(|error| error.to_string())?;
            let loaded = config::parse_with(&manifest.config(), id, set, Paths::Unchecked);
            loaded.map_err(|errors| errors.to_string())?.experiment.name
        }
    };
    session::reserve(root, &name).map_err(|error| error.to_string())
}

/// What the process is called with.
fn arguments(root: &Path, what: &Start) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["train".into()];
    let set = match what {
        Start::New { config, set } => {
            arguments.push(config.into());
            set.as_slice()
        }
        Start::Resume { id } => {
            arguments.extend(["--resume".into(), id.into()]);
            &[]
        }
        Start::Branch { id, step, set } => {
            arguments.extend(["--branch".into(), format!("{id}@{step}").into()]);
            set
        }
    };
    arguments.extend(["--root".into(), root.into()]);
    arguments.extend(set.iter().flat_map(|set| ["--set".into(), set.into()]));
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(root: &str, what: &Start) -> String {
        let all: Vec<String> =
            arguments(Path::new(root), what).into_iter().map(|it| it.into_string().unwrap()).collect();
        all.join(" ")
    }

    #[test]
    fn a_start_is_what_one_would_type() {
        let set = vec!["train.epochs=3".to_owned(), "name=short".to_owned()];
        let new = Start::New { config: "configs/quickstart.toml".into(), set: set.clone() };
        let told = "train configs/quickstart.toml --root sessions --set train.epochs=3 --set name=short";
        assert_eq!(words("sessions", &new), told);
        assert_eq!(words("s", &Start::Resume { id: "a-b".to_owned() }), "train --resume a-b --root s");
        let branch = Start::Branch { id: "a".to_owned(), step: 1200, set: Vec::new() };
        assert_eq!(words("s", &branch), "train --branch a@1200 --root s");
    }

    #[test]
    fn a_mistake_in_the_config_is_told_with_its_place_and_leaves_no_session() {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("bad.toml");
        std::fs::write(&config, "name = 'a'\n[train]\nepocs = 3\n").unwrap();
        let sessions = root.path().join("sessions");
        let reply = start(&sessions, &Start::New { config, set: Vec::new() });
        let effect::Reply::Sessions(Reply::NotStarted { title, text }) = reply else { panic!("{reply:?}") };
        assert!(title.contains("bad.toml did not start"), "{title}");
        assert!(text.contains("bad.toml:3:1: unknown key `train.epocs`"), "{text}");
        assert!(!sessions.exists());
    }
}
