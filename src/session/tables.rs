//! All sessions as SQL tables, each with a column `session`: `sessions` (a row a session), `metrics` and `telemetry`
//! (a row a value, docs/data-format.md) and `events` (a row an event).
//!
//! Only the tables that a query names are read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use polars::prelude::*;
use polars::sql::SQLContext;

use super::events::{self, EventLine};
use super::{Folder, Listing, SessionError, listing};
use crate::config::suggest;
use crate::record::{Frames, RecordError, schema, threads};

/// The tables, in the order in which errors name them.
pub const TABLES: [&str; 4] = ["sessions", "metrics", "telemetry", "events"];

/// What a query gave.
#[derive(Debug)]
pub struct Answer {
    /// Columns and rows.
    pub frame: DataFrame,
    /// What could not be read, one line each; the answer is without it.
    pub warnings: Vec<String>,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It names none of the tables.
    #[error("{}; there are {}", unknown(.0.as_deref()), TABLES.join(", "))]
    NoTable(Option<String>),
    /// polars does not understand it, or cannot do it.
    #[error("{what}; {hint}")]
    Refused {
        /// In polars' words.
        what: String,
        /// The columns of the tables that it names.
        hint: String,
    },
    /// A table could not be made.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The list of sessions could not be read.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// Rows of sealed segments that are kept between queries, about 52 bytes each.
const MOST_KEPT_ROWS: usize = 8_000_000;

/// Answer `sql`, in polars' dialect, over the sessions in `folders`, once: see [`Tables::query`].
///
/// # Errors
/// The query is not understood; single sessions that cannot be read are warnings of the answer.
pub fn query(folders: &[Folder], sql: &str) -> Result<Answer, QueryError> {
    Tables::default().query(folders, sql)
}

/// What was read for one query, for the next one: only what was recorded since is read then.
#[derive(Debug, Default)]
pub struct Tables {
    kept: HashMap<PathBuf, Frames>,
}

impl Tables {
    /// Answer `sql`, in polars' dialect, over the sessions in `folders`.
    ///
    /// # Errors
    /// The query is not understood; single sessions that cannot be read are warnings of the answer.
    pub fn query(&mut self, folders: &[Folder], sql: &str) -> Result<Answer, QueryError> {
        let named = named(sql);
        if named.is_empty() {
            return Err(QueryError::NoTable(meant(sql)));
        }
        let mut context = SQLContext::new();
        let mut warnings = Vec::new();
        let mut columns = Vec::new();
        for table in named {
            let frame = match table {
                "sessions" => sessions(folders)?,
                "events" => recorded_events(folders, &mut warnings)?,
                "telemetry" => self.series(folders, Folder::telemetry, &mut warnings)?,
                _ => self.series(folders, Folder::metrics, &mut warnings)?,
            };
            let names: Vec<&str> = frame.get_column_names().into_iter().map(PlSmallStr::as_str).collect();
            columns.push(format!("{table} has {}", names.join(", ")));
            context.register(table, frame.lazy());
        }
        let refused = |error: PolarsError| QueryError::Refused { what: gist(&error), hint: columns.join("; ") };
        let frame = context.execute(sql).and_then(LazyFrame::collect).map_err(refused)?;
        Ok(Answer { frame, warnings })
    }

    /// The rows of one folder of series of every session, one below the other.
    fn series(
        &mut self,
        folders: &[Folder],
        of: fn(&Folder) -> PathBuf,
        warnings: &mut Vec<String>,
    ) -> Result<DataFrame, QueryError> {
        self.kept.retain(|dir, _frames| dir.exists()); // what was deleted is no longer to be had
        let before: Vec<_> = folders.iter().map(|folder| Mutex::new(self.kept.remove(&of(folder)))).collect();
        let numbers: Vec<usize> = (0..folders.len()).collect();
        let parts: Vec<_> = threads::each(&numbers, |&number| {
            let before = before[number].lock().unwrap_or_else(PoisonError::into_inner).take();
            read_series(&folders[number].id(), &of(&folders[number]), before)
        });
        // Joined here and not by a lazy `concat`, over which polars 0.55 cannot count rows without a column type more.
        let mut whole = with_session(DataFrame::empty_with_schema(&schema()), "")?;
        let mut kept: usize = self.kept.values().map(Frames::rows).sum();
        for (folder, part) in folders.iter().zip(parts) {
            match part {
                Ok((frame, frames)) => {
                    warnings.extend(frames.warnings().iter().map(|warning| format!("{}: {warning}", folder.id())));
                    whole.vstack_mut(&frame).map_err(RecordError::frame("cannot join the sessions"))?;
                    kept += frames.rows();
                    if kept <= MOST_KEPT_ROWS {
                        self.kept.insert(of(folder), frames);
                    }
                }
                Err(error) => warnings.push(format!("{}: {error}", folder.id())),
            }
        }
        Ok(whole)
    }
}

/// What polars says first; where in its plan it said so helps nobody who typed SQL.
fn gist(error: &PolarsError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or(&text).trim_end_matches([':', ' ']).to_owned()
}

/// The tables that stand in `sql` as words, outside of text in quotes.
fn named(sql: &str) -> Vec<&'static str> {
    // Every second piece between single quotes is text; a doubled quote leaves an empty piece between.
    let code: String = sql.split('\'').step_by(2).collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    TABLES.into_iter().filter(|table| words.iter().any(|word| word.eq_ignore_ascii_case(table))).collect()
}

/// What stands where a table should.
fn meant(sql: &str) -> Option<String> {
    let mut words = sql.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("from")).skip(1);
    let word = words.next()?.trim_matches(|letter: char| !letter.is_alphanumeric() && letter != '_');
    (!word.is_empty()).then(|| word.to_owned())
}

fn unknown(meant: Option<&str>) -> String {
    let Some(meant) = meant else { return "the query names no table".to_owned() };
    match suggest::nearest(meant, TABLES).as_slice() {
        [] => format!("there is no table `{meant}`"),
        near => format!("there is no table `{meant}`; did you mean {}", near.join(" or ")),
    }
}

/// A folder's rows, and what is to be kept of them.
fn read_series(id: &str, dir: &Path, before: Option<Frames>) -> Result<(DataFrame, Frames), RecordError> {
    let frames = match before {
        Some(mut frames) => {
            frames.refresh()?;
            frames
        }
        None => Frames::open(dir)?,
    };
    Ok((with_session(frames.kept_data_frame()?, id)?, frames))
}

fn with_session(mut frame: DataFrame, id: &str) -> Result<DataFrame, RecordError> {
    let session = Column::new_scalar("session".into(), Scalar::from(PlSmallStr::from(id)), frame.height());
    frame.insert_column(0, session).map_err(RecordError::frame(format!("cannot name the session {id}")))?;
    Ok(frame)
}

/// Every event of every session.
fn recorded_events(folders: &[Folder], warnings: &mut Vec<String>) -> Result<DataFrame, QueryError> {
    let mut rows: Vec<(String, EventLine)> = Vec::new();
    for folder in folders {
        match events::read(&folder.events()) {
            Ok(read) => {
                warnings.extend(read.warnings.into_iter().map(|warning| format!("{}: {warning}", folder.id())));
                rows.extend(read.lines.into_iter().map(|line| (folder.id(), line)));
            }
            Err(error) => warnings.push(format!("{}: {error}", folder.events().display())),
        }
    }
    let frame = || -> PolarsResult<DataFrame> {
        let mut frame = df!(
            "session" => column(&rows, |(id, _)| id.clone()),
            "step" => column(&rows, |(_, line)| line.step),
            "epoch" => column(&rows, |(_, line)| line.epoch),
            "generation" => column(&rows, |(_, line)| line.generation),
            "kind" => column(&rows, |(_, line)| line.kind.clone()),
            "message" => column(&rows, |(_, line)| line.message.clone()),
        )?;
        frame.insert_column(3, times("time", &rows, |(_, line)| Some(line.time))?)?;
        Ok(frame)
    };
    Ok(frame().map_err(RecordError::frame("cannot make the table events"))?)
}

/// A row a session, as `atelier ls` shows them.
fn sessions(folders: &[Folder]) -> Result<DataFrame, QueryError> {
    let rows: Vec<Listing> = threads::each(folders, listing::read);
    let newest = |row: &Listing| row.metric().and_then(|name| row.latest.get(name)).map(|latest| latest.value);
    let best = |row: &Listing| row.metric().and_then(|name| row.best.get(name)).map(|latest| latest.value);
    let frame = || -> PolarsResult<DataFrame> {
        let mut frame = df!(
            "session" => column(&rows, |row| row.id.clone()),
            "name" => column(&rows, |row| row.name.clone()),
            "state" => column(&rows, |row| row.state.map(|state| state.word().to_owned())),
            "track" => column(&rows, |row| row.track.clone()),
            "tags" => column(&rows, |row| row.tags.join(" ")),
            "step" => column(&rows, |row| row.step),
            "total_steps" => column(&rows, |row| row.total_steps),
            "epoch" => column(&rows, |row| row.epoch),
            "total_epochs" => column(&rows, |row| row.total_epochs),
            "images_per_sec" => column(&rows, |row| row.images_per_sec),
            "loss" => column(&rows, |row| row.loss().map(|(_, latest)| latest.value)),
            "metric" => column(&rows, |row| row.metric().map(str::to_owned)),
            "newest" => column(&rows, newest),
            "best" => column(&rows, best),
            "generation" => column(&rows, |row| row.generation),
            "device" => column(&rows, |row| row.device.clone()),
            "host" => column(&rows, |row| row.host.clone()),
            "parent" => column(&rows, |row| row.parent.clone()),
            "archived" => column(&rows, |row| row.archived),
            "notes" => column(&rows, |row| row.notes.clone()),
        )?;
        for (name, time) in [
            ("created", (|row| row.created) as fn(&Listing) -> Option<Timestamp>),
            ("started", |row| row.started),
            ("ended", |row| row.ended),
        ] {
            let column = times(name, &rows, time)?;
            frame.insert_column(frame.width(), column)?;
        }
        Ok(frame)
    };
    Ok(frame().map_err(RecordError::frame("cannot make the table sessions"))?)
}

fn column<R, T>(rows: &[R], cell: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(cell).collect()
}

/// Times as everywhere in the store: nanoseconds since the Unix epoch, UTC.
fn times<R>(name: &str, rows: &[R], time: impl Fn(&R) -> Option<Timestamp>) -> PolarsResult<Column> {
    let nanoseconds = column(rows, |row| time(row).map(|time| time.as_nanosecond() as i64));
    let utc = DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC));
    Column::new(name.into(), nanoseconds).cast(&utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_words_of_the_query_and_not_of_its_text() {
        assert_eq!(named("select * from metrics where series = 'events'"), ["metrics"]);
        assert_eq!(named("SELECT count(*) FROM Events e JOIN sessions USING (session)"), ["sessions", "events"]);
        assert_eq!(named("select 'it''s metrics'"), [""; 0]);
        assert_eq!(named("select my_metrics from telemetry2"), [""; 0]);
    }

    #[test]
    fn a_table_that_is_not_there_is_named_with_what_is_near() {
        let said = |sql: &str| query(&[], sql).unwrap_err().to_string();
        assert!(
            said("select nothing from metricz").starts_with("there is no table `metricz`; did you mean metrics; there")
        );
        assert!(said("select * FROM \"losses\" where x").starts_with("there is no table `losses`; there are"));
        assert!(said("select 1").starts_with("the query names no table; there are"));
    }
}
