//! Which sample pictures a session has, and what was measured when they were made.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::data::pairs::has_image_extension;
use crate::record::Frames;
use crate::session::{Folder, Manifest};

/// The samples of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepSamples {
    /// The step.
    pub step: i64,
    /// When its folder changed last.
    pub changed: Option<SystemTime>,
    /// Names of its pictures, sorted.
    pub files: Vec<String>,
}

/// A value that was measured on the held-out pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validated {
    /// At which step.
    pub step: i64,
    /// Epochs finished then.
    pub epoch: f64,
    /// The value.
    pub value: f64,
}

/// When samples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Every {
    /// Epochs between them; 0 for never.
    pub epochs: i64,
    /// Steps between them, besides; 0 for never.
    pub steps: i64,
}

/// What there is of one session.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// The session.
    pub id: String,
    /// Its folder of samples.
    pub folder: PathBuf,
    /// Steps with samples, in order.
    pub steps: Vec<StepSamples>,
    /// Metrics on held-out pairs, by name without `val/`, in order of the steps.
    pub values: BTreeMap<String, Vec<Validated>>,
    /// The step of the newest of them when they were read.
    pub measured: Option<i64>,
    /// When samples are made.
    pub every: Every,
    /// What cannot be read, in words.
    pub problem: Option<String>,
}

impl Found {
    /// The place of the step that is at `step` or next before it; the first where there is none.
    pub fn at(&self, step: i64) -> Option<usize> {
        if self.steps.is_empty() {
            return None;
        }
        Some(self.steps.partition_point(|it| it.step <= step).saturating_sub(1))
    }

    /// The place of the step nearest to `step`.
    pub fn nearest(&self, step: i64) -> Option<usize> {
        (0..self.steps.len()).min_by_key(|&at| self.steps[at].step.abs_diff(step))
    }

    /// The newest value of a metric that was measured at `step` or before.
    pub fn value(&self, metric: &str, step: i64) -> Option<Validated> {
        let values = self.values.get(metric)?;
        values[..values.partition_point(|it| it.step <= step)].last().copied()
    }

    /// The file of a sample.
    pub fn file(&self, index: usize, sample: usize) -> Option<PathBuf> {
        let step = self.steps.get(index)?;
        Some(self.folder.join(step_name(step.step)).join(step.files.get(sample)?))
    }
}

/// Look. What did not change since `before` is not read again; `measured` is the step of the newest value that the
/// list of sessions knows.
pub fn find(folder: &Folder, before: Option<&Found>, measured: Option<i64>) -> Found {
    let mut found = Found { measured, ..find_pictures(folder, before) };
    match before {
        // A config does not change while a session is looked at.
        Some(before) => found.every = before.every,
        None => match Manifest::load(folder) {
            Ok(manifest) => found.every = every(&manifest),
            Err(error) => found.problem = Some(error.to_string()),
        },
    }
    match before.filter(|before| before.measured == measured) {
        Some(before) => found.values.clone_from(&before.values),
        None => found.values = values(&folder.metrics()),
    }
    found
}

/// Look for the pictures alone.
pub fn find_pictures(folder: &Folder, before: Option<&Found>) -> Found {
    let mut found = Found { id: folder.id(), folder: folder.samples(), ..Found::default() };
    match steps(&found.folder, before) {
        Ok(steps) => found.steps = steps,
        Err(error) => found.problem = Some(format!("{} cannot be read: {error}", found.folder.display())),
    }
    found
}

fn every(manifest: &Manifest) -> Every {
    let value = |path: &str| manifest.config_value(path).and_then(toml_edit::Value::as_integer);
    let standard = crate::config::Samples::default();
    Every {
        epochs: value("samples.every_epochs").unwrap_or(standard.every_epochs as i64),
        steps: value("samples.every_steps").unwrap_or(standard.every_steps as i64),
    }
}

fn steps(folder: &Path, before: Option<&Found>) -> io::Result<Vec<StepSamples>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // It is made with the first samples.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let known: BTreeMap<i64, &StepSamples> =
        before.iter().flat_map(|found| &found.steps).map(|it| (it.step, it)).collect();
    let mut steps = Vec::new();
    for entry in entries {
        let entry = entry?;
        // Whatever else lies there, a half-written folder first of all, is not looked at.
        let Some(step) = entry.file_name().to_str().and_then(step_of) else { continue };
        let changed = entry.metadata().and_then(|data| data.modified()).ok();
        let kept = known.get(&step).filter(|known| known.changed == changed && changed.is_some());
        let files = kept.map_or_else(|| files(&entry.path()), |known| known.files.clone());
        steps.push(StepSamples { step, changed, files });
    }
    steps.sort_by_key(|it| it.step);
    Ok(steps)
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<String> = entries
        .filter(|entry| has_image_extension(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    files.sort();
    files
}

/// The step of `step-00001200`.
fn step_of(name: &str) -> Option<i64> {
    let digits = name.strip_prefix("step-")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn step_name(step: i64) -> String {
    format!("step-{step:08}")
}

/// The metrics on held-out pairs; none where nothing is recorded or nothing can be read.
fn values(metrics: &Path) -> BTreeMap<String, Vec<Validated>> {
    let Ok(frames) = Frames::open(metrics) else { return BTreeMap::new() };
    let names = frames.series_names().unwrap_or_default();
    let of_prediction = names.iter().filter_map(|name| {
        let metric = name.strip_prefix("val/").filter(|metric| !metric.starts_with("identity_"))?;
        Some((metric.to_owned(), frames.series(name).ok()?.newest()))
    });
    of_prediction
        .map(|(metric, series)| {
            let points = series.points();
            let values = points.map(|it| Validated { step: it.step, epoch: it.epoch, value: it.value }).collect();
            (metric, values)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(steps: &[&str]) -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path().join("260304-120000-x"));
        for step in steps {
            let path = folder.samples().join(step);
            fs::create_dir_all(&path).unwrap();
            for name in ["01.png", "00.png", "notes.txt"] {
                fs::write(path.join(name), "").unwrap();
            }
        }
        (root, folder)
    }

    #[test]
    fn steps_come_in_order_and_nothing_half_written_among_them() {
        let (_root, folder) =
            folder_with(&["step-00000900", "step-00000100", "step-00001000.partial", "step-", "other", "step-1-2"]);
        let found = find(&folder, None, None);
        let steps: Vec<i64> = found.steps.iter().map(|it| it.step).collect();
        assert_eq!(steps, [100, 900]);
        assert_eq!(found.steps[0].files, ["00.png", "01.png"]);
        assert_eq!(found.file(1, 1), Some(folder.samples_at(900).join("01.png")));
        assert_eq!((found.file(2, 0), found.file(0, 2)), (None, None));
    }

    #[test]
    fn a_step_is_found_by_the_next_one_before_it() {
        let (_root, folder) = folder_with(&["step-00000100", "step-00000200"]);
        let found = find(&folder, None, None);
        let places: Vec<_> = [0, 100, 199, 200, 9999].map(|step| found.at(step).unwrap()).into();
        assert_eq!(places, [0, 0, 0, 1, 1]);
        assert_eq!(Found::default().at(5), None);
    }

    #[test]
    fn a_session_without_samples_has_none_and_no_problem_with_that() {
        let (_root, folder) = folder_with(&[]);
        let found = find(&folder, Some(&Found::default()), None);
        assert_eq!((found.steps.len(), found.problem), (0, None));
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_named() {
        let (_root, folder) = folder_with(&[]);
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(folder.samples(), "a file").unwrap();
        let problem = find(&folder, Some(&Found::default()), None).problem.unwrap();
        assert!(problem.contains("samples cannot be read"), "{problem}");
    }
}
