//! What a session recorded, series by series.

use std::collections::BTreeMap;

use super::frame::Frame;
use super::glob::fits;
use super::plot::Plot;
use super::problem::{Problem, answer};
use super::run::Run;
use super::series::Series;
use super::show::{Content, Table, brief, shown};

/// Rows that a display shows.
const NEWEST: usize = 10;

/// The metrics or the telemetry of one session. Nothing is read before something is asked of it.
#[derive(Clone)]
pub struct Metrics {
    run: Run,
    table: &'static str,
}
shown!(Metrics);

impl Metrics {
    pub(crate) fn new(run: &Run, table: &'static str) -> Self {
        Self { run: run.clone(), table }
    }

    /// The names of its series.
    pub fn names(&self) -> Vec<String> {
        answer(self.try_names())
    }

    fn try_names(&self) -> Result<Vec<String>, Problem> {
        let frame = self.ask(&format!("select distinct series from {} order by series", self.table))?;
        frame.try_str("series")
    }

    /// The newest `count` steps: a row a step, a column a series.
    pub fn last(&self, count: usize) -> Frame {
        answer(self.try_last(count))
    }

    fn try_last(&self, count: usize) -> Result<Frame, Problem> {
        let table = self.table;
        let steps = self.ask(&format!("select distinct step from {table} order by step desc limit {count}"))?;
        let Some(&from) = steps.try_i64("step")?.last() else {
            return Ok(Frame::empty().note(format!("{} · nothing recorded yet", self.run.id())));
        };
        let rows = self.ask(&format!(
            "select step, series, value, generation from {table} where step >= {from} order by step, generation"
        ))?;
        let (steps, series) = (rows.try_i64("step")?, rows.try_str("series")?);
        let values = rows.try_f64("value")?;
        // Of steps that were repeated after a restart the later one counts.
        let mut columns: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
        for ((step, name), value) in steps.iter().zip(series).zip(values) {
            columns.entry(name).or_default().insert(*step, value);
        }
        let mut steps = steps;
        steps.dedup();
        let wide = columns.into_iter().map(|(name, values)| {
            (name, steps.iter().map(|step| values.get(step).copied()).collect::<Vec<Option<f64>>>())
        });
        Ok(Frame::wide(&steps, wide.collect()).note(format!("{} · store", self.run.id())))
    }

    /// One series by its name, such as `"loss/g"`: the run as it counts now, a value a step.
    pub fn series(&self, name: &str) -> Series {
        answer(self.try_series(name))
    }

    fn try_series(&self, name: &str) -> Result<Series, Problem> {
        let quoted = name.replace('\'', "''");
        let rows = self.ask(&format!(
            "select step, generation, value from {} where series = '{quoted}' order by step, generation",
            self.table
        ))?;
        if rows.is_empty() {
            let names = brief(&self.try_names()?.join(", "), 1000);
            let id = self.run.id();
            return Err(Problem::new(format!("{id} has no series {name} in its {}: there are {names}", self.table)));
        }
        let curves = rows.curves()?;
        let curve = curves.into_iter().next().ok_or_else(|| Problem::new(format!("{name} has no values")))?;
        Ok(curve.named(name))
    }

    /// All series whose name fits `glob`, such as `"loss/*"`, in one plot.
    pub fn plot(&self, glob: &str) -> Plot {
        answer(self.try_plot(glob))
    }

    fn try_plot(&self, glob: &str) -> Result<Plot, Problem> {
        let names = self.try_names()?;
        let chosen: Vec<&String> = names.iter().filter(|name| fits(glob, name)).collect();
        if chosen.is_empty() {
            let names = brief(&names.join(", "), 1000);
            return Err(Problem::new(format!("no series of {} fits {glob}: there are {names}", self.run.id())));
        }
        let series = chosen.iter().map(|name| self.try_series(name)).collect::<Result<_, _>>()?;
        Ok(Plot::new(series).title(&format!("{glob} · {}", self.run.id())))
    }

    /// Every row: session, step, epoch, time, generation, series, value.
    pub fn all(&self) -> Frame {
        answer(self.ask(&format!("select * from {}", self.table)))
    }

    /// Ask this session in SQL: `.sql("select epoch, avg(value) as loss from metrics where series = 'loss/g' group by
    /// epoch order by epoch")`.
    pub fn sql(&self, query: &str) -> Frame {
        self.run.sql(query)
    }

    fn ask(&self, query: &str) -> Result<Frame, Problem> {
        self.run.try_sql(query)
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        match self.try_last(NEWEST) {
            Ok(frame) => frame.contents(),
            Err(problem) => vec![Content::Table(Table::default().note(problem.to_string()))],
        }
    }
}
