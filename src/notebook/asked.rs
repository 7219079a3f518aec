//! Questions in SQL, answered as a cell's outputs. What was read for one is kept for the next.

use std::sync::{Arc, Mutex, PoisonError};

use super::question::{self, Question};
use crate::session::Folder;
use crate::session::notebook::{Captured, Column, Output, Plot, PlotSeries, Problem, Stream, Table};
use crate::session::tables::Tables;

/// Rows of an answer that are kept.
const ROWS: usize = 1000;

/// Whether a cell is a question and not Rust.
pub fn is_question(source: &str) -> bool {
    Question::is_one(source)
}

/// Answers questions, from any thread.
#[derive(Debug, Clone, Default)]
pub struct Asker(Arc<Mutex<Tables>>);

impl Asker {
    /// What a question gives, over these sessions.
    ///
    /// # Errors
    /// It is not understood, with what to do about it.
    pub fn ask(&self, source: &str, folders: &[Folder]) -> Result<Vec<Output>, Problem> {
        let refused = |error: question::QuestionError| Problem {
            kind: "question".to_owned(),
            message: error.to_string(),
            ..Problem::default()
        };
        let question = Question::parse(source).map_err(refused)?;
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = question.ask(&mut tables, folders).map_err(refused)?;
        drop(tables);
        let mut outputs = Vec::new();
        let mut warnings = reply.warnings;
        warnings.extend(reply.plot.as_ref().filter(|plot| plot.left_out > 0).map(|plot| {
            format!("{} more lines are not drawn: ask for fewer, or name what tells them apart by `by=`", plot.left_out)
        }));
        if !warnings.is_empty() {
            let text = Captured::new(&(warnings.join("\n") + "\n"));
            outputs.push(Output::Text { stream: Stream::Stderr, text });
        }
        outputs.push(match reply.plot {
            Some(drawn) => Output::Plot(plot(drawn)),
            None => Output::Table(table(question::Table::of(&reply.frame, ROWS))),
        });
        Ok(outputs)
    }
}

fn table(answer: question::Table) -> Table {
    let columns = answer.names.into_iter().zip(answer.right);
    Table {
        label: String::new(),
        columns: columns.map(|(name, right)| Column { name, right }).collect(),
        rows: answer.rows,
        total: answer.total as u64,
    }
}

fn plot(drawn: question::Plot) -> Plot {
    Plot {
        title: drawn.y_name,
        x_label: drawn.x_name,
        log_x: drawn.log.x,
        log_y: drawn.log.y,
        series: drawn
            .groups
            .into_iter()
            .map(|group| PlotSeries { name: group.label, x: group.x, y: group.y })
            .collect(),
        ..Plot::default()
    }
}
