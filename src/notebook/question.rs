//! Questions: a line that begins with `?` or with a word of SQL is answered at once, without a compiler.
//!
//! ```text
//! ? select step, value, session from metrics where series = 'loss/g' | plot x=step y=value by=session
//! select kind, count(*) as n from events group by kind
//! ?
//! ```
//! The last one lists the tables. Answers are polars' (`session::tables`), over every session or over those it is asked
//! about.

mod pipe;
mod plot;
mod table;

use polars::prelude::{DataFrame, df};

use crate::session::Folder;
use crate::session::tables::{self, QueryError, Tables};

pub use pipe::{Logarithmic, PlotWish};
pub use plot::{Group, Plot};
pub use table::{Table, json_value};

/// What begins a question besides the question mark.
const WORDS: [&str; 2] = ["select", "with"];

/// A question, understood as far as it can be without the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The query; empty where the tables themselves are asked for.
    pub sql: String,
    /// How the answer is to be drawn, if it is.
    pub plot: Option<PlotWish>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// What stands behind `|` is not understood.
    #[error("{0}")]
    Pipe(String),
    /// The answer cannot be drawn as asked.
    #[error("{0}")]
    Plot(String),
    /// The query has no answer.
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// The answer to a question.
#[derive(Debug)]
pub struct Reply {
    /// Columns and rows.
    pub frame: DataFrame,
    /// What could not be read, one line each; the answer is without it.
    pub warnings: Vec<String>,
    /// The drawing, if one was asked for.
    pub plot: Option<Plot>,
}

impl Question {
    /// Whether a cell's text is a question rather than Rust.
    pub fn is_one(text: &str) -> bool {
        let text = text.trim_start();
        text.starts_with('?')
            || WORDS.iter().any(|word| {
                let (head, rest) = text.split_at_checked(word.len()).unwrap_or_default();
                head.eq_ignore_ascii_case(word) && rest.starts_with(|letter: char| letter.is_whitespace())
            })
    }

    /// The question in a text, with or without its question mark.
    ///
    /// # Errors
    /// What stands behind `|` is not understood.
    pub fn parse(text: &str) -> Result<Self, QuestionError> {
        let text = text.trim();
        let text = text.strip_prefix('?').unwrap_or(text).trim();
        let (sql, plot) = pipe::split(text).map_err(QuestionError::Pipe)?;
        Ok(Self { sql: sql.trim_end_matches([';', ' ', '\n']).to_owned(), plot })
    }

    /// Answer it over the sessions in `folders`. What `tables` has read before is not read again.
    ///
    /// # Errors
    /// The query is not understood, or its answer cannot be drawn as asked.
    pub fn ask(&self, tables: &mut Tables, folders: &[Folder]) -> Result<Reply, QuestionError> {
        if self.sql.is_empty() {
            return Ok(Reply { frame: contents(tables, folders)?, warnings: Vec::new(), plot: None });
        }
        let answer = tables.query(folders, &self.sql)?;
        let plot = self.plot.as_ref().map(|wish| Plot::of(&answer.frame, wish)).transpose();
        Ok(Reply { plot: plot.map_err(QuestionError::Plot)?, frame: answer.frame, warnings: answer.warnings })
    }
}

/// The tables and their columns.
fn contents(tables: &mut Tables, folders: &[Folder]) -> Result<DataFrame, QueryError> {
    let mut columns = Vec::new();
    for table in tables::TABLES {
        // No row of it is needed: the columns are the same whatever was recorded.
        let frame = tables.query(&folders[..0], &format!("select * from {table}"))?.frame;
        columns.push(frame.get_column_names().iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "));
    }
    let frame = df!("table" => tables::TABLES, "columns" => columns);
    Ok(frame.map_err(crate::record::RecordError::frame("cannot list the tables"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_told_from_rust() {
        for text in ["?", " ? sessions", "select 1", "SELECT\n*", "with a as (select 1) select * from a"] {
            assert!(Question::is_one(text), "{text}");
        }
        for text in ["selected()", "let x = 1;", "with(1)", "select", "// ? select 1", "", "é"] {
            assert!(!Question::is_one(text), "{text}");
        }
    }

    #[test]
    fn the_query_is_what_is_left_of_the_pipe() {
        let question = Question::parse("? select a || b from t; | plot x=step by=series,session log=y").unwrap();
        assert_eq!(question.sql, "select a || b from t");
        let wish = question.plot.unwrap();
        assert_eq!((wish.x.as_deref(), wish.y.as_deref()), (Some("step"), None));
        assert_eq!(wish.by, ["series", "session"]);
        assert_eq!(wish.log, Logarithmic { x: false, y: true });
        assert_eq!(Question::parse("select '| plot' from t").unwrap().plot, None);
        assert_eq!(Question::parse("?").unwrap().sql, "");
    }

    #[test]
    fn what_cannot_be_done_behind_the_pipe_is_said() {
        for (text, expected) in [
            ("select 1 from t | plot z=1", "`z`"),
            ("select 1 from t | plot x", "`x`"),
            ("select 1 from t | plot x=", "`x=`"),
            ("select 1 from t | plot log=z", "`z`"),
            ("select 1 from t | draw", "`draw`"),
            ("select 1 from t |", "plot"),
        ] {
            let error = Question::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
