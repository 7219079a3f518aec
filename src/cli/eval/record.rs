//! The results of a session's evaluation, into the session: rows of its series, and a file with every image.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;

use super::report::{Estimate, Report};
use super::session::Subject;
use crate::session::findings::{self, Finding, Findings};

/// Write them down; gives what was done, in a line.
pub(super) fn record(subject: &Subject, report: &Report) -> anyhow::Result<String> {
    let mut values = vec![Finding { series: "eval/images".to_owned(), value: report.images.len() as f64 }];
    for line in &report.metrics {
        let name = line.metric.name();
        let mut add = |series: String, estimate: &Estimate| {
            if let Some(bounds) = estimate.interval {
                values.push(Finding { series: format!("{series}_low"), value: bounds.low });
                values.push(Finding { series: format!("{series}_high"), value: bounds.high });
            }
            values.push(Finding { series, value: estimate.value });
        };
        add(format!("eval/{name}"), &line.prediction);
        line.identity.iter().for_each(|identity| add(format!("eval/identity_{name}"), identity));
        line.difference.iter().for_each(|difference| add(format!("eval/difference_{name}"), difference));
    }
    let (id, step) = (subject.folder.id(), subject.state.step);
    let path = subject.folder.evaluation_at(step);
    let parent = path.parent().unwrap_or(subject.folder.path());
    let failed = || format!("write {}", path.display());
    subject.folder.make(parent)?;
    let mut file = tempfile::Builder::new()
        .prefix(".evaluation-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(parent)
        .with_context(failed)?;
    file.write_all(report.to_json()?.as_bytes()).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(&path).map_err(|error| error.error).with_context(failed)?;
    let count = values.len();
    let message = format!("step {step} on {} held-out pairs: {}", report.images.len(), path.display());
    findings::add(&subject.folder, Findings { step, epoch: subject.state.epoch, message, values }).with_context(
        || format!("{} is written, but its values cannot be added to the session's series", path.display()),
    )?;
    Ok(format!("{count} values eval/… of step {step} added to {id}; every image: {}", path.display()))
}
