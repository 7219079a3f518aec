//! Sessions, and one of them.

use std::ops::Index;
use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Checkpoints};
use super::frame::Frame;
use super::hub::Hub;
use super::json::Json;
use super::live::Live;
use super::metrics::Metrics;
use super::problem::{Problem, answer};
use super::show::{Content, Table, brief, count, number, shown};

/// One session: what it recorded, its checkpoints, and its model.
#[derive(Clone)]
pub struct Run {
    pub(crate) hub: Hub,
    id: String,
    name: String,
    folder: PathBuf,
    state: String,
    track: String,
    step: Option<i64>,
    total_steps: Option<i64>,
    epoch: Option<f64>,
    tags: Vec<String>,
    created: String,
}
shown!(Run, Sessions);

impl Run {
    pub(crate) fn of(row: &Json, hub: &Hub) -> Result<Self, Problem> {
        let text = |name: &str| row.get(name).as_str().unwrap_or_default().to_owned();
        let (id, folder) = (text("id"), text("folder"));
        if id.is_empty() || folder.is_empty() {
            return Err(Problem::new(
                "the hub described a session without its id or folder: it may run another version",
            ));
        }
        Ok(Self {
            hub: hub.clone(),
            id,
            name: text("name"),
            folder: folder.into(),
            state: text("state"),
            track: text("track"),
            step: row.get("step").as_i64(),
            total_steps: row.get("total_steps").as_i64(),
            epoch: row.get("epoch").as_f64(),
            tags: row.get("tags").list().iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            created: text("created"),
        })
    }

    /// The session's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its short name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How it stood when it was asked for: `running`, `paused`, `finished`, `stopped`, `failed`, `crashed`, `starting`.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// What is trained.
    pub fn track(&self) -> &str {
        &self.track
    }

    /// Optimizer steps finished when it was asked for.
    pub fn step(&self) -> i64 {
        self.step.unwrap_or(0)
    }

    /// Its labels.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether a process ran it when it was asked for.
    pub fn is_running(&self) -> bool {
        ["running", "paused", "starting"].contains(&self.state.as_str())
    }

    /// The same session, as it stands now.
    #[must_use]
    pub fn refresh(&self) -> Self {
        answer(self.hub.try_run(&self.id))
    }

    /// What training measured.
    pub fn metrics(&self) -> Metrics {
        Metrics::new(self, "metrics")
    }

    /// What the machine measured meanwhile.
    pub fn telemetry(&self) -> Metrics {
        Metrics::new(self, "telemetry")
    }

    /// What happened: starts, checkpoints, commands, alerts, errors.
    pub fn events(&self) -> Frame {
        self.sql("select step, time, kind, message from events order by time")
    }

    /// Ask this session alone in SQL: the tables `metrics`, `telemetry`, `events`, `sessions`.
    pub fn sql(&self, query: &str) -> Frame {
        answer(self.try_sql(query))
    }

    pub(crate) fn try_sql(&self, query: &str) -> Result<Frame, Problem> {
        self.hub.try_sql(query, Some(&self.id)).map(|frame| frame.note(format!("{} · store", self.id)))
    }

    /// Its checkpoints, oldest first.
    pub fn checkpoints(&self) -> Checkpoints {
        answer(Checkpoints::list(&self.folder, &self.id))
    }

    /// Its checkpoint of this step.
    pub fn checkpoint(&self, step: i64) -> Checkpoint {
        answer(Checkpoints::list(&self.folder, &self.id).and_then(|all| all.open(Some(step))))
    }

    /// Its newest checkpoint.
    pub fn checkpoint_latest(&self) -> Checkpoint {
        answer(Checkpoints::list(&self.folder, &self.id).and_then(|all| all.open(None)))
    }

    /// Its model: that of the running training, else its newest checkpoint.
    pub fn live(&self) -> Live {
        answer(Live::of(self))
    }

    fn row(&self) -> Vec<String> {
        let dash = || "–".to_owned();
        let or_dash = |text: &str| if text.is_empty() { dash() } else { brief(text, 40) };
        let step = match (self.step, self.total_steps) {
            (Some(step), Some(total)) => format!("{} / {}", count(step), count(total)),
            (Some(step), None) => count(step),
            _ => dash(),
        };
        vec![
            brief(&self.id, 60),
            or_dash(&self.name),
            or_dash(&self.state),
            or_dash(&self.track),
            step,
            self.epoch.map_or_else(dash, number),
            brief(&self.tags.join(" "), 40),
            brief(self.created.get(..16).unwrap_or(&self.created), 16).replace('T', " "),
        ]
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Table(table().filled([self.row()].into_iter()))]
    }
}

fn table() -> Table {
    Table::new(&["session", "name", "state", "track", "#step", "#epoch", "tags", "created"])
}

/// All sessions, oldest first.
#[derive(Clone)]
pub struct Sessions(Vec<Run>);

impl Sessions {
    pub(crate) fn new(runs: Vec<Run>) -> Self {
        Self(runs)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their ids.
    pub fn ids(&self) -> Vec<String> {
        self.0.iter().map(|run| run.id.clone()).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<Run> {
        self.0.clone()
    }

    /// Those that a process runs.
    #[must_use]
    pub fn running(&self) -> Self {
        Self(self.0.iter().filter(|run| run.is_running()).cloned().collect())
    }

    /// Those whose id, name or tags contain `text`.
    #[must_use]
    pub fn matching(&self, text: &str) -> Self {
        let fits = |run: &&Run| run.id.contains(text) || run.name.contains(text) || run.tags.iter().any(|t| t == text);
        Self(self.0.iter().filter(fits).cloned().collect())
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        // The newest first: of many they are those asked about.
        vec![Content::Table(table().filled(self.0.iter().rev().map(Run::row)))]
    }
}

impl Index<usize> for Sessions {
    type Output = Run;

    fn index(&self, index: usize) -> &Run {
        let found = self.0.get(index);
        answer(found.ok_or_else(|| Problem::new(format!("there are {} sessions: none has index {index}", self.len()))))
    }
}
