//! Answers of many rows: tensors by name, their statistics, what changed, gradients step by step.

use std::collections::BTreeMap;

use super::plot::Plot;
use super::problem::{Problem, answer};
use super::series::Series;
use super::show::{Content, Table, number, shape, shown};
use super::tensor::Stats;

/// Curves in one plot: more than that nobody tells apart.
const CURVES: usize = 12;

/// A tensor by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRow {
    /// Its name.
    pub name: String,
    /// Its size along each dimension.
    pub shape: Vec<usize>,
    /// The type of its values: `f32`, `bf16`.
    pub kind: String,
}

/// Tensors by name.
#[derive(Clone)]
pub struct TensorList {
    rows: Vec<TensorRow>,
    origin: String,
}
shown!(TensorList, StatsTable, Diff, GradientNorms);

impl TensorList {
    pub(crate) fn new(rows: Vec<TensorRow>, origin: String) -> Self {
        Self { rows, origin }
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.name.clone()).collect()
    }

    /// The rows.
    pub fn rows(&self) -> &[TensorRow] {
        &self.rows
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn table(&self) -> Table {
        let rows = self.rows.iter().map(|row| vec![row.name.clone(), shape(&row.shape), row.kind.clone()]);
        Table::new(&["tensor", "shape", "type"]).filled(rows).note(&self.origin)
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        vec![Content::Table(self.table())]
    }
}

/// The statistics of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct StatsRow {
    /// Its name.
    pub name: String,
    /// Its size along each dimension.
    pub shape: Vec<usize>,
    /// What its values are like.
    pub stats: Stats,
}

/// Statistics of tensors, one row each.
#[derive(Clone)]
pub struct StatsTable {
    rows: Vec<StatsRow>,
    origin: String,
}

impl StatsTable {
    pub(crate) fn new(rows: Vec<StatsRow>, origin: String) -> Self {
        Self { rows, origin }
    }

    /// The rows.
    pub fn rows(&self) -> &[StatsRow] {
        &self.rows
    }

    /// The statistics of one tensor.
    pub fn get(&self, name: &str) -> Stats {
        let found = self.rows.iter().find(|row| row.name == name).map(|row| row.stats);
        answer(
            found.ok_or_else(|| Problem::new(format!("no statistics of {name}: .rows() has all {}", self.rows.len()))),
        )
    }

    /// The same, the greatest norm first.
    #[must_use]
    pub fn by_norm(&self) -> Self {
        let mut sorted = self.clone();
        sorted.rows.sort_by(|a, b| b.stats.norm.total_cmp(&a.stats.norm));
        sorted
    }

    /// Those with a NaN.
    #[must_use]
    pub fn with_nans(&self) -> Self {
        let rows = self.rows.iter().filter(|row| row.stats.nans > 0).cloned().collect();
        Self { rows, origin: self.origin.clone() }
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let rows = self.rows.iter().map(|row| row.stats.row(&row.name, &row.shape));
        let columns = ["tensor", "shape", "#mean", "#std", "#min", "#max", "#norm", "#NaN", "#zeros"];
        vec![Content::Table(Table::new(&columns).filled(rows).note(&self.origin))]
    }
}

/// How one tensor changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its size along each dimension.
    pub shape: Vec<usize>,
    /// The norm of the change divided by the norm before it.
    pub relative: f64,
    /// The greatest change of one value.
    pub max_abs: f64,
    /// The norm before.
    pub norm: f64,
}

/// What changed between two checkpoints, the greatest relative change first.
#[derive(Clone)]
pub struct Diff {
    rows: Vec<Change>,
    notes: Vec<String>,
}

impl Diff {
    pub(crate) fn new(mut rows: Vec<Change>, notes: Vec<String>) -> Self {
        // By absolute value, so that a NaN comes first whatever its sign.
        rows.sort_by(|a, b| b.relative.abs().total_cmp(&a.relative.abs()).then_with(|| a.name.cmp(&b.name)));
        Self { rows, notes }
    }

    /// The rows.
    pub fn rows(&self) -> &[Change] {
        &self.rows
    }

    /// The tensors that are equal to the last bit.
    pub fn unchanged(&self) -> Vec<String> {
        self.rows.iter().filter(|row| row.max_abs == 0.0).map(|row| row.name.clone()).collect()
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let rows = self.rows.iter().map(|row| {
            vec![row.name.clone(), shape(&row.shape), number(row.relative), number(row.max_abs), number(row.norm)]
        });
        let table = Table::new(&["tensor", "shape", "#relative change", "#max abs", "#norm before"]).filled(rows);
        vec![Content::Table(self.notes.iter().fold(table, Table::note))]
    }
}

/// The norm of every gradient at some steps.
#[derive(Clone)]
pub struct GradientNorms {
    series: BTreeMap<String, Series>,
    origin: String,
}

impl GradientNorms {
    pub(crate) fn new(rows: Vec<(i64, String, f64)>, origin: String) -> Self {
        let mut series: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for (step, name, norm) in rows {
            let (x, y) = series.entry(name).or_default();
            x.push(step as f64);
            y.push(norm);
        }
        let series = series.into_iter().map(|(name, (x, y))| (name.clone(), Series::new(&name, x, y))).collect();
        Self { series, origin }
    }

    /// The names of the parameters.
    pub fn names(&self) -> Vec<String> {
        self.series.keys().cloned().collect()
    }

    /// The norms of one parameter's gradient.
    pub fn series(&self, name: &str) -> Series {
        let found = self.series.get(name).cloned();
        answer(found.ok_or_else(|| Problem::new(format!("no gradient of {name} was measured: .names() has all"))))
    }

    /// The parameters by their greatest norm, that first; one that was NaN before all.
    fn ranked(&self) -> Vec<&Series> {
        let greatest = |series: &Series| {
            let most = |most: f64, value: &f64| if value.is_nan() { f64::INFINITY } else { most.max(*value) };
            series.y().iter().fold(0.0, most)
        };
        let mut ranked: Vec<&Series> = self.series.values().collect();
        ranked.sort_by(|a, b| greatest(b).total_cmp(&greatest(a)));
        ranked
    }

    /// The greatest of them over the steps, logarithmic.
    pub fn plot(&self) -> Plot {
        let ranked = self.ranked();
        let title = format!("gradient norms, the greatest {} of {}", ranked.len().min(CURVES), ranked.len());
        Plot::new(ranked.into_iter().take(CURVES).cloned().collect()).title(&title).labels("step", "norm").log_y()
    }

    pub(crate) fn contents(&self) -> Vec<Content> {
        let ranked = self.ranked();
        let rows = ranked.into_iter().map(|series| {
            let values = series.y().iter().copied();
            let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
            let nans = series.nans().to_string();
            let newest = series.y().last().copied().unwrap_or(f64::NAN);
            let of = [series.mean(), low, high, newest].map(number);
            [series.name().to_owned()].into_iter().chain(of).chain([nans]).collect()
        });
        let table = Table::new(&["gradient", "#mean norm", "#least", "#greatest", "#newest", "#NaN"]).filled(rows);
        vec![Content::Table(table.note(&self.origin))]
    }
}
