//! What the hub answers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{SendTimeoutError, Sender};
use serde_json::{Map, Value, json};

use super::message::Answer;
use super::models::Models;
use super::{MIMES, Options, Show, columns};
use crate::session::tables::Tables;
use crate::session::{self, Folder, Listing, SessionError};

/// How long a cell waits for the pane to take what it shows.
const PATIENCE: Duration = Duration::from_secs(30);
/// Sessions that an error names.
const NAMED: usize = 12;
const LABEL_LIMIT: usize = 400;

/// What answers need.
#[derive(Debug)]
pub(super) struct Hall {
    pub options: Options,
    pub shows: Sender<Show>,
    pub models: Models,
    /// What was read for one query, for the next one of any cell.
    pub tables: Mutex<Tables>,
}

impl Hall {
    /// The answer to a request that came with `bytes`.
    pub fn answer(&self, request: &Map<String, Value>, bytes: Vec<u8>) -> Answer {
        let text = |name: &str| {
            let value = request.get(name).and_then(Value::as_str);
            value.ok_or_else(|| format!("the request has no text `{name}`"))
        };
        match text("ask")? {
            "hello" => Ok(plain(json!({ "session": self.options.session, "root": self.root() }))),
            "sessions" => self.sessions(),
            "run" => self.run(text("name")?),
            "sql" => self.sql(text("query")?, request.get("session").and_then(Value::as_str)),
            "model" => self.model(text("session")?),
            "show" => self.show(text("mime")?, text("label").unwrap_or_default(), bytes),
            other => Err(format!("unknown question `{other}`: there are hello, sessions, run, sql, model, show")),
        }
    }

    /// The sessions' folder, the same from every current directory.
    fn root(&self) -> String {
        let root = &self.options.root;
        root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string()
    }

    fn sessions(&self) -> Answer {
        let listed = session::list(&self.options.root).map_err(|error| error.to_string())?;
        Ok(plain(json!({ "rows": listed.iter().map(row).collect::<Vec<_>>() })))
    }

    fn run(&self, name: &str) -> Answer {
        let folder = self.find(name)?;
        Ok(plain(json!({ "row": row(&session::read_listing(&folder)) })))
    }

    /// The session that a cell means: as on the command line, and by the name that a person gave it later.
    fn find(&self, name: &str) -> Result<Folder, String> {
        let root = &self.options.root;
        let ids = session::ids(root).map_err(|error| error.to_string())?;
        let query = if name == "latest" { "last" } else { name };
        match session::find_in(root, &ids, query) {
            Ok(id) => Ok(Folder::new(root.join(id))),
            Err(error @ SessionError::Unknown { .. }) => self.by_name(name).unwrap_or_else(|| {
                let newest: Vec<&str> = ids.iter().rev().take(NAMED).map(String::as_str).collect();
                let there = match (newest.len(), ids.len()) {
                    (0, _) => format!("there is none in {} yet", root.display()),
                    (some, all) if some < all => format!("the newest of {all}: {}", newest.join(", ")),
                    _ => format!("there are {}", newest.join(", ")),
                };
                let first = error.to_string();
                Err(format!("{}; {there}", first.lines().next().unwrap_or_default().trim_end_matches([':', ';', '.'])))
            }),
            Err(error) => Err(error.to_string()),
        }
    }

    fn by_name(&self, name: &str) -> Option<Result<Folder, String>> {
        let listed = session::list(&self.options.root).ok()?;
        let ways: [&dyn Fn(&Listing) -> bool; 2] = [&|row| row.name == name, &|row| row.name.contains(name)];
        for way in ways {
            let found: Vec<&Listing> = listed.iter().filter(|row| !name.is_empty() && way(row)).collect();
            match found.as_slice() {
                [] => {}
                [row] => return Some(Ok(Folder::new(&row.path))),
                several => {
                    let ids: Vec<&str> = several.iter().rev().take(NAMED).map(|row| row.id.as_str()).collect();
                    return Some(Err(format!(
                        "{} sessions are called like `{name}`: {}",
                        several.len(),
                        ids.join(", ")
                    )));
                }
            }
        }
        None
    }

    fn sql(&self, query: &str, session: Option<&str>) -> Answer {
        let root = &self.options.root;
        let folders = if let Some(session) = session {
            vec![self.find(session)?]
        } else {
            let ids = session::ids(root).map_err(|error| error.to_string())?;
            ids.iter().map(|id| Folder::new(root.join(id))).collect()
        };
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = tables.query(&folders, query).map_err(|error| error.to_string())?;
        drop(tables);
        let (heads, bytes) = columns::write(&answer.frame)?;
        let fields = json!({
            "rows": answer.frame.height(),
            "columns": heads,
            "warnings": answer.warnings.iter().take(NAMED).collect::<Vec<_>>(),
        });
        Ok((plain(fields).0, bytes))
    }

    fn model(&self, session: &str) -> Answer {
        let folder = self.find(session)?;
        self.models.of(&folder).map(|model| {
            let fields = json!({ "socket": model.socket, "source": model.source, "step": model.step });
            plain(fields)
        })
    }

    fn show(&self, mime: &str, label: &str, bytes: Vec<u8>) -> Answer {
        if !MIMES.contains(&mime) {
            return Err(format!("`{mime}` cannot be shown: there are {}", MIMES.join(", ")));
        }
        let label = label.chars().take(LABEL_LIMIT).collect();
        let show = Show { mime: mime.to_owned(), label, bytes };
        match self.shows.send_timeout(show, PATIENCE) {
            Ok(()) => Ok(plain(json!({}))),
            Err(SendTimeoutError::Timeout(_)) => Err("the pane shows nothing at the moment: it is busy".to_owned()),
            Err(SendTimeoutError::Disconnected(_)) => Err("the pane is closed".to_owned()),
        }
    }
}

fn plain(fields: Value) -> (Map<String, Value>, Vec<u8>) {
    let fields = if let Value::Object(fields) = fields { fields } else { Map::new() };
    (fields, Vec::new())
}

/// A session as cells see it.
fn row(listing: &Listing) -> Value {
    let folder = listing.path.canonicalize().unwrap_or_else(|_| listing.path.clone());
    json!({
        "id": listing.id,
        "name": listing.name,
        "state": listing.state.map(session::State::word),
        "track": listing.track,
        "step": listing.step,
        "total_steps": listing.total_steps,
        "epoch": listing.epoch.filter(|epoch| epoch.is_finite()),
        "folder": folder.display().to_string(),
        "tags": listing.tags,
        "created": listing.created.map(|time| time.to_string()),
    })
}
