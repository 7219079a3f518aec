//! A report of what is looked at, written beside everything else.

use crate::app::effect::{Lane, Reply};
use crate::app::shared::Cx;
use crate::app::toast::Tone;
use crate::report::figures::Settings;
use crate::report::{Format, Report, output};
use crate::session::Folder;

/// Where reports go: beside the sessions' folder, as with `atelier report`.
const FOLDER: &str = "reports";

/// Write a report of these sessions, and say where it is.
pub fn write(ids: &[String], cx: &mut Cx<'_>) {
    if ids.is_empty() {
        cx.say("no session to report: select one, or mark some and compare them", Tone::Warn);
        return;
    }
    let dir = cx.shared.root.with_file_name(FOLDER);
    let folders: Vec<Folder> = ids.iter().map(|id| cx.shared.folder(id)).collect();
    cx.say(format!("writing a report of {}", ids.join(", ")), Tone::Plain);
    cx.work(Lane::Each, move || {
        let report = Report::read(&folders, Settings::default());
        let formats = [Format::Html, Format::Png, Format::Svg].into();
        match output::write(&report, &dir, &formats, None) {
            Ok(files) => Reply::Done(format!(
                "report: {}",
                files.first().map_or_else(String::new, |it| it.display().to_string())
            )),
            Err(error) => Reply::Failed(format!("report: {error}")),
        }
    });
}
