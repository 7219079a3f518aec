//! The notebook's hub: the process of the pane that a cell runs in, which knows the sessions and shows what cells show.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::frame::Frame;
use super::json::Json;
use super::problem::{Problem, answer};
use super::run::{Run, Sessions};
use super::wire::{self, Answer};

/// The environment variable that names the hub's socket.
pub(crate) const VARIABLE: &str = "ATELIER_HUB";
/// How long the hub may take: a question over every session of a slow disk, a large checkpoint to load.
const PATIENCE: Duration = Duration::from_mins(10);

/// A way to the hub. Cells need none: [`sessions`], [`run`] and [`sql`] ask the hub of their notebook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hub {
    socket: PathBuf,
}

/// Every session, oldest first.
pub fn sessions() -> Sessions {
    answer(here().and_then(|hub| hub.try_sessions()))
}

/// A session: `"latest"`, its id, or a part of its id or name that no other has.
pub fn run(name: &str) -> Run {
    answer(here().and_then(|hub| hub.try_run(name)))
}

/// The session that this notebook was opened for; the newest where it was opened for none.
pub fn this() -> Run {
    answer(here().and_then(|hub| hub.try_this()))
}

/// Ask all sessions in SQL: the tables `metrics`, `telemetry`, `events` and `sessions`, each with a column `session`.
pub fn sql(query: &str) -> Frame {
    answer(here().and_then(|hub| hub.try_sql(query, None)))
}

impl Hub {
    /// The hub that listens at `socket`, for a program of your own.
    pub fn at(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// As the function [`sessions`].
    pub fn sessions(&self) -> Sessions {
        answer(self.try_sessions())
    }

    /// As the function [`run`].
    pub fn run(&self, name: &str) -> Run {
        answer(self.try_run(name))
    }

    /// As the function [`this`].
    pub fn this(&self) -> Run {
        answer(self.try_this())
    }

    /// As the function [`sql`].
    pub fn sql(&self, query: &str) -> Frame {
        answer(self.try_sql(query, None))
    }

    /// Show bytes of a media type under the running cell: `image/png`, `text/plain` and those that the notebook has of
    /// its own.
    pub fn show(&self, mime: &str, label: &str, bytes: &[u8]) {
        answer(self.try_show(mime, label, bytes));
    }

    fn try_sessions(&self) -> Result<Sessions, Problem> {
        let answer = self.ask(Json::object([("ask", Json::text("sessions"))]), &[])?;
        let rows = answer.line.get("rows").list();
        Ok(Sessions::new(rows.iter().map(|row| Run::of(row, self)).collect::<Result<_, _>>()?))
    }

    pub(crate) fn try_run(&self, name: &str) -> Result<Run, Problem> {
        let answer = self.ask(Json::object([("ask", Json::text("run")), ("name", Json::text(name))]), &[])?;
        Run::of(answer.line.get("row"), self)
    }

    fn try_this(&self) -> Result<Run, Problem> {
        let hello = self.ask(Json::object([("ask", Json::text("hello"))]), &[])?;
        self.try_run(hello.line.get("session").as_str().unwrap_or("latest"))
    }

    pub(crate) fn try_sql(&self, query: &str, session: Option<&str>) -> Result<Frame, Problem> {
        let session = session.map_or(Json::Null, Json::text);
        let fields = [("ask", Json::text("sql")), ("query", Json::text(query)), ("session", session)];
        let Answer { line, bytes } = self.ask(Json::object(fields), &[])?;
        Frame::read(&line, &bytes)
    }

    /// The socket of a process that has the newest checkpoint of a session loaded.
    pub(crate) fn model(&self, session: &str) -> Result<PathBuf, Problem> {
        let answer = self.ask(Json::object([("ask", Json::text("model")), ("session", Json::text(session))]), &[])?;
        let socket = answer.line.get("socket").as_str().map(PathBuf::from);
        socket.ok_or_else(|| Problem::new("the hub named no socket: it may run another version of Atelier"))
    }

    fn try_show(&self, mime: &str, label: &str, bytes: &[u8]) -> Result<(), Problem> {
        let fields = [("ask", Json::text("show")), ("mime", Json::text(mime)), ("label", Json::text(label))];
        self.ask(Json::object(fields), bytes).map(drop)
    }

    fn ask(&self, fields: Json, bytes: &[u8]) -> Result<Answer, Problem> {
        wire::ask(&self.socket, fields, bytes, PATIENCE).map_err(|failure| match failure {
            wire::Failure::Absent(problem) => problem.about("the notebook's pane is gone"),
            wire::Failure::Refused(problem) => problem,
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

/// The hub of the notebook that this cell runs in.
fn here() -> Result<Hub, Problem> {
    let socket = env::var_os(VARIABLE).filter(|path| !path.is_empty());
    socket.map(Hub::at).ok_or_else(|| {
        Problem::new(format!(
            "no notebook around this program ({VARIABLE} is not set): run it as a cell, or give a hub's socket to Hub::at"
        ))
    })
}

/// Show something under the running cell.
pub(crate) fn show(mime: &str, label: &str, bytes: &[u8]) -> Result<(), Problem> {
    here()?.try_show(mime, label, bytes)
}
