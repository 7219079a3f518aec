//! The checks of a dataset while they run, and what they found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::app::effect::{self, Lane};
use crate::app::screens::dataset::Reply;
use crate::app::screens::dataset::read::Pairs;
use crate::app::shared::Cx;
use crate::data::check::{self, Kind, Report};

/// How far the checks of a dataset are.
#[derive(Debug, Clone)]
pub struct Running {
    root: PathBuf,
    count: Arc<AtomicUsize>,
    /// Pairs done when it was last looked at.
    pub done: usize,
    /// Pairs in all.
    pub all: usize,
}

impl Running {
    /// Begin to check.
    pub fn begin(pairs: &Pairs, cx: &mut Cx<'_>) -> Self {
        let count = Arc::new(AtomicUsize::new(0));
        let (root, told) = (pairs.root.clone(), Arc::clone(&count));
        let options = check::Options { validation_fraction: Some(pairs.fraction), seed: Some(pairs.seed) };
        cx.work(Lane::Pairs, move || {
            let progress = |done: usize, _| {
                told.fetch_max(done, Ordering::Relaxed);
            };
            let report = check::check(&root, options, &progress).map_err(|error| error.to_string());
            effect::Reply::Dataset(Reply::Checked { root, report: report.map(Box::new) })
        });
        let all = pairs.rows.iter().filter(|row| row.files.is_some()).count();
        Self { root: pairs.root.clone(), count, done: 0, all }
    }

    /// Of which dataset.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Look how far they are.
    pub fn look(&mut self) {
        self.done = self.count.load(Ordering::Relaxed);
    }
}

/// What the checks of a dataset found.
#[derive(Debug, Clone)]
pub struct Findings {
    /// Of which dataset.
    pub root: PathBuf,
    /// Problems by pair or folder.
    pub by_id: HashMap<String, Vec<(Kind, String)>>,
    /// How many of each kind, most serious first.
    pub counts: Vec<(Kind, usize)>,
    /// Pairs that were looked at.
    pub pairs: usize,
    /// What is worth knowing and not wrong.
    pub remarks: Vec<String>,
}

impl Findings {
    /// Take a report apart.
    pub fn new(report: Report) -> Self {
        let counts = report.counts().into_iter().collect();
        let mut by_id: HashMap<String, Vec<(Kind, String)>> = HashMap::new();
        for problem in report.problems {
            by_id.entry(problem.id).or_default().push((problem.kind, problem.message));
        }
        Self { root: report.root, by_id, counts, pairs: report.pairs, remarks: report.remarks }
    }

    /// How many problems there are.
    pub fn total(&self) -> usize {
        self.counts.iter().map(|(_, count)| count).sum()
    }
}
