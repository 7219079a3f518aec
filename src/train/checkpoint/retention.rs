//! Which checkpoints stay.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{CheckpointError, io_error, list, read_state};
use crate::config;

/// Remove checkpoints that are neither among the `keep_last` newest nor among the `keep_best` best by the metric. Ties
/// keep the older one. A checkpoint without the metric, or unreadable, is never among the best. Gives what was removed.
pub fn prune(dir: &Path, settings: &config::Checkpoint) -> Result<Vec<PathBuf>, CheckpointError> {
    let entries = list(dir)?;
    let mut kept: BTreeSet<i64> =
        entries.iter().rev().take(settings.keep_last.max(1)).map(|entry| entry.step).collect();
    let series = format!("val/{}", settings.best_metric.name());
    let mut ranked: Vec<(f64, i64)> = entries
        .iter()
        .filter_map(|entry| {
            let value = *read_state(&entry.path).ok()?.metrics.get(&series)?;
            let badness = if settings.best_metric.higher_is_better() { -value } else { value };
            (!badness.is_nan()).then_some((badness, entry.step))
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    kept.extend(ranked.iter().take(settings.keep_best).map(|(_, step)| step));
    let mut removed = Vec::new();
    for entry in entries.into_iter().filter(|entry| !kept.contains(&entry.step)) {
        fs::remove_dir_all(&entry.path).map_err(io_error("remove", &entry.path))?;
        removed.push(entry.path);
    }
    Ok(removed)
}
