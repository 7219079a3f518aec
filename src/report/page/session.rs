//! One session's part of a page.

use super::html::Html;
use super::{BASE64, counted, data_uri, epochs, events, figure, figures, lasted, notebook, section, utc};
use crate::record::curve::{Axis, Grid, Values};
use crate::report::ink::{Ink as _, Paint, Pen, Svg};
use crate::report::number;
use crate::report::quantity::{title, unit, with_unit};
use crate::report::samples::{self, Sheet};
use crate::report::source::{Pairs, PairsFound, Recorded, Source};
use crate::report::verdict::Score;
use crate::report::{Part, words};
use crate::session::{Manifest, State};
use base64::Engine as _;

/// A page of one session.
pub fn whole(html: &mut Html, part: &Part) {
    html.raw("<header>");
    head(html, part, 1);
    html.raw("</header>\n");
    contents(html, part);
    html.raw("<main>\n");
    body(html, part, "", 2);
    html.raw("</main>\n");
}

/// Name, state and the verdict.
pub fn head(html: &mut Html, part: &Part, level: u8) {
    let source = &part.source;
    let listing = &source.listing;
    let name = if listing.name.is_empty() { &source.id } else { &listing.name };
    if level == 1 {
        html.raw("<h1>")
    } else {
        html.raw("<h2>")
    };
    html.text(name);
    let (word, tone) = state(listing.state);
    html.element("span", &[("class", &format!("state {tone}"))], word);
    if level == 1 {
        html.raw("</h1>")
    } else {
        html.raw("</h2>")
    };
    html.element("p", &[("class", "lead")], &lead(source));
    if let Some(reason) = &listing.reason {
        html.raw("<p class=\"lead\">").text(reason).raw("</p>");
    }
    if let Some(manifest) = source.manifest.as_ref().filter(|manifest| !manifest.notes.is_empty()) {
        html.element("p", &[("class", "lead")], &manifest.notes);
    }
    verdict(html, part);
    let remarks = source.manifest.iter().flat_map(|manifest| &manifest.remarks);
    let problems: Vec<&String> = remarks.chain(&source.warnings).collect();
    if !problems.is_empty() {
        html.raw("<div class=\"warnings\" role=\"note\">To know before reading on:<ul>");
        for problem in problems {
            html.element("li", &[], problem);
        }
        html.raw("</ul></div>");
    }
}

/// What it is and how far it came, in a line.
fn lead(source: &Source) -> String {
    let listing = &source.listing;
    let of = |done: Option<String>, all: Option<String>| match (done, all) {
        (Some(done), Some(all)) if done != all => Some(format!("{done} of {all}")),
        (done, _) => done,
    };
    let steps = of(listing.step.map(number::count_of), listing.total_steps.map(number::count_of));
    let epoch = of(listing.epoch.map(epochs), listing.total_epochs.map(epochs));
    let seconds = duration(source);
    let parts = [
        Some(source.id.clone()),
        listing.track.clone(),
        listing.device.clone(),
        steps.map(|steps| format!("{steps} steps")),
        epoch.map(|epoch| format!("{epoch} epochs")),
        seconds.map(lasted),
        (!listing.tags.is_empty()).then(|| listing.tags.join(", ")),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Seconds from its first to its last sign of life.
fn duration(source: &Source) -> Option<f64> {
    let ends = source.metrics.iter().chain(&source.telemetry).filter_map(|it| Some(it.curve.last()?.time_ns));
    let event = source.events.last().map(|event| event.time.as_nanosecond() as i64);
    let seconds = (ends.chain(event).max()? - source.start_ns()) as f64 / 1e9;
    (seconds >= 0.0).then_some(seconds)
}

/// A state's word and tone.
pub fn state(state: Option<State>) -> (&'static str, &'static str) {
    match state {
        None => ("unknown", "warn"),
        Some(state @ (State::Running | State::Finished)) => (state.word(), "good"),
        Some(state @ (State::Failed | State::Crashed)) => (state.word(), "bad"),
        Some(state) => (state.word(), "warn"),
    }
}

fn verdict(html: &mut Html, part: &Part) {
    let tone = match part.verdict.better {
        Some(true) => "good",
        Some(false) => "bad",
        None if part.scores.iter().any(|score| score.identity.is_some()) => "warn",
        None => "mut",
    };
    html.open("div", &[("class", &format!("verdict {tone}"))]).element("p", &[], &part.verdict.sentence);
    let figures: Vec<String> = part
        .scores
        .iter()
        .filter_map(|score| {
            let (value, identity, change) = (number::value(score.newest.0), score.identity?, score.change()?);
            Some(format!("{} {value} against {} ({change})", score.metric, number::value(identity)))
        })
        .collect();
    let text = if figures.is_empty() {
        "The photo as it is, taken for the prediction, is the baseline that a trained network must beat.".to_owned()
    } else {
        format!(
            "At step {}: {}.",
            part.scores.first().map_or_else(String::new, |it| number::count_of(it.newest.1)),
            figures.join("; ")
        )
    };
    html.element("p", &[("class", "mut")], &text).raw("</div>");
}

/// The parts that a session's page has: address, title.
fn parts(part: &Part) -> Vec<(&'static str, &'static str)> {
    let source = &part.source;
    let all = [
        (!part.figures.losses.is_empty(), "losses", "Losses"),
        (!part.scores.is_empty() || !part.figures.validation.is_empty(), "held-out", "Held-out pairs"),
        (part.sheet.is_some(), "samples", "Samples"),
        (!part.figures.optimisation.is_empty(), "optimisation", "Optimisation"),
        (!part.figures.machine.is_empty(), "machine-part", "Machine"),
        (!source.notebook.is_empty(), "notebook", "Notebook"),
        (true, "events", "Events"),
        (source.manifest.is_some(), "setup", "Setup"),
        (source.dataset.is_some(), "dataset", "Dataset"),
        (source.manifest.is_some(), "reproduce", "Reproduce"),
        (source.points() > 0, "series", "All series"),
    ];
    all.into_iter().filter(|(there, _, _)| *there).map(|(_, id, title)| (id, title)).collect()
}

fn contents(html: &mut Html, part: &Part) {
    html.raw("<nav aria-label=\"Contents\"><div><ul>");
    for (id, title) in parts(part) {
        html.raw("<li>").element("a", &[("href", &format!("#{id}"))], title).raw("</li>");
    }
    html.raw("</ul></div></nav>\n");
}

/// Everything below the head. `prefix` keeps the addresses of several sessions in one page apart.
pub fn body(html: &mut Html, part: &Part, prefix: &str, level: u8) {
    let source = &part.source;
    for (id, title) in parts(part) {
        let at = format!("{prefix}{id}");
        let told = match id {
            "losses" => "Behind each smoothed line: every value that was recorded.",
            "held-out" => "Means over pairs that were never trained on.",
            "samples" => "Held-out pairs: the network has not seen them.",
            "notebook" => "Cells as they were written last, with what they gave when they last ran.",
            _ => "",
        };
        let title = match id {
            "events" => "Events, alerts, restarts",
            "reproduce" => "How to reproduce",
            _ => title,
        };
        section(html, &at, level, title, told, |html| match id {
            "losses" => figures(html, &part.figures.losses),
            "held-out" => {
                scores(html, &part.scores);
                figures(html, &part.figures.validation);
            }
            "samples" => part.sheet.iter().for_each(|it| sheet(html, it)),
            "optimisation" => figures(html, &part.figures.optimisation),
            "machine-part" => machine(html, part),
            "notebook" => notebook::notebook(html, &source.notebook),
            "events" => events::events(html, source),
            "setup" => source.manifest.iter().for_each(|it| setup(html, it)),
            "dataset" => source.dataset.iter().for_each(|it| dataset(html, it)),
            "reproduce" => source.manifest.iter().for_each(|it| reproduce(html, it)),
            _ => series(html, source),
        });
    }
}

fn scores(html: &mut Html, scores: &[Score]) {
    if scores.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = scores
        .iter()
        .map(|score| {
            let interval =
                score.interval.map(|(low, high)| format!(" ({}–{})", number::value(low), number::value(high)));
            vec![
                score.metric.clone(),
                score.identity.map(number::value).unwrap_or_default(),
                format!(
                    "{}{} at step {}",
                    number::value(score.newest.0),
                    interval.unwrap_or_default(),
                    number::count_of(score.newest.1)
                ),
                score.change().unwrap_or_default(),
                match score.beats() {
                    Some(true) => "better".to_owned(),
                    Some(false) => "not better".to_owned(),
                    None if score.identity.is_some() => "within the interval".to_owned(),
                    None => String::new(),
                },
                format!("{} at step {}", number::value(score.best.0), number::count_of(score.best.1)),
            ]
        })
        .collect();
    let head = ["Metric", "Photo as it is", "Newest", "Change", "Against the photo", "Best"];
    html.table(&head, &[false, true, true, true, false, true], &rows);
    if scores.iter().any(|score| score.interval.is_some()) {
        html.raw(
            "<p class=\"mut\">In brackets: the interval of the mean, as <code>atelier eval</code> measured it.</p>",
        );
    }
    if let Some(score) = scores.iter().find(|score| score.metric.starts_with("FID")) {
        let pairs = score.pairs.map(|pairs| format!(" These are {}.", counted(pairs as usize, "pair")));
        html.raw(
            "<p class=\"mut\">FID of few images is mostly bias: it tells only sets of equal size apart, and not values \
                  of other reports.",
        )
        .text(&pairs.unwrap_or_default())
        .raw("</p>");
    }
}

fn sheet(html: &mut Html, sheet: &Sheet) {
    let columns = format!("grid-template-columns:repeat({},minmax(60px,1fr))", sheet.headings.len());
    html.open("div", &[("class", "sheet"), ("style", &columns)]);
    for heading in &sheet.headings {
        html.raw("<div class=\"h\"><b>")
            .text(&heading.title)
            .raw("</b><span>")
            .text(&heading.note)
            .raw("</span></div>");
    }
    for (name, cells) in &sheet.rows {
        for (cell, heading) in cells.iter().zip(&sheet.headings) {
            let alt = format!("Pair {name}, {} {}", heading.title.to_lowercase(), heading.note);
            let encoded = cell.as_ref().and_then(|picture| Some((picture, samples::encode(picture).ok()?)));
            match encoded {
                Some((picture, (bytes, kind))) => {
                    let (width, height) = (picture.width().to_string(), picture.height().to_string());
                    let class = if picture.width() < 160 { "px" } else { "" };
                    let uri = data_uri(kind, &bytes);
                    html.open(
                        "img",
                        &[("src", &uri), ("alt", alt.trim()), ("width", &width), ("height", &height), ("class", class)],
                    );
                }
                None => {
                    html.element("div", &[("class", "no")], "not there");
                }
            }
        }
    }
    html.raw("</div>\n");
    if !sheet.problems.is_empty() {
        html.raw("<ul class=\"mut\">");
        for problem in &sheet.problems {
            html.element("li", &[], problem);
        }
        html.raw("</ul>");
    }
}

/// The stack of panels, and beside it what it comes to in numbers.
fn machine(html: &mut Html, part: &Part) {
    html.raw("<div class=\"split\">");
    for one in &part.figures.machine {
        figure(html, one);
    }
    html.raw("<div>");
    let rows: Vec<Vec<String>> = part
        .source
        .telemetry
        .iter()
        .filter(|recorded| !recorded.name.contains("/process_") && !recorded.name.ends_with("_total_bytes"))
        .filter_map(|recorded| {
            let (unit, scale) = unit(&recorded.name);
            let stats = Stats::of(recorded)?;
            let text = |value: f64| with_unit(value, scale, unit);
            Some(vec![title(&recorded.name), text(stats.mean), text(stats.high)])
        })
        .take(26)
        .collect();
    if !rows.is_empty() {
        html.table(&["Sampled", "Mean", "Highest"], &[false, true, true], &rows);
    }
    html.raw("</div></div>\n");
}

/// What a series comes to.
struct Stats {
    first: f64,
    last: f64,
    mean: f64,
    low: f64,
    high: f64,
}

impl Stats {
    fn of(recorded: &Recorded) -> Option<Self> {
        let curve = &recorded.curve;
        let (mut sum, mut count) = (0.0, 0_u64);
        for value in curve.values().iter().filter(|value| value.is_finite()) {
            sum += value;
            count += 1;
        }
        let (from, to) = curve.extent(Axis::Step)?;
        let (low, high) = curve.range(Values::Raw, Axis::Step, from, to)?;
        Some(Self { first: curve.first()?.value, last: curve.last()?.value, mean: sum / count as f64, low, high })
    }
}

fn setup(html: &mut Html, manifest: &Manifest) {
    let inventory = &manifest.inventory;
    let text = |key: &str| inventory.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    let gpus = words::gpus(inventory);
    let git = manifest.git.as_ref().map(|git| {
        let branch = git.branch.as_ref().map(|branch| format!(" on {branch}")).unwrap_or_default();
        let dirty = match git.dirty {
            Some(true) => "\nwith uncommitted changes",
            Some(false) => "\nnothing uncommitted",
            None => "",
        };
        format!("{}{branch}{dirty}", git.commit)
    });
    let versions: Vec<String> = manifest.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let parent = manifest.parent.as_ref().map(|parent| match manifest.parent_step {
        Some(step) => format!("{parent} at step {}", number::count_of(step)),
        None => parent.clone(),
    });
    let facts = [
        ("Created", manifest.created.map(utc)),
        ("Started", manifest.started.filter(|_| manifest.started != manifest.created).map(utc)),
        ("Ended", manifest.ended.map(utc)),
        ("Restarts", (manifest.generation > 0).then(|| manifest.generation.to_string())),
        ("Branched from", parent),
        ("Seed", manifest.seed.map(|seed| seed.to_string())),
        ("Host", manifest.host.clone()),
        ("Device", manifest.device.clone()),
        ("GPUs", (!gpus.is_empty()).then_some(gpus)),
        ("Driver", text("driver")),
        ("Processor", words::processor(inventory)),
        ("Memory", words::memory(inventory)),
        ("System", text("os").or_else(|| text("kernel"))),
        ("Commit", git),
        ("Versions", (!versions.is_empty()).then(|| versions.join(", "))),
    ];
    let facts: Vec<(&str, String)> = facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    html.facts(&facts);
    let config = manifest.config();
    if !config.is_empty() {
        let lines = config.lines().count();
        html.raw("<details><summary>The whole effective config (")
            .text(&counted(lines, "line"))
            .raw(")</summary><pre>");
        html.text(&config).raw("</pre></details>\n");
    }
}

fn dataset(html: &mut Html, pairs: &Pairs) {
    let mut facts = vec![("Folder", pairs.root.clone())];
    match &pairs.found {
        Err(error) => {
            html.facts(&facts).raw("<p class=\"mut\">It cannot be read now: ").text(error).raw("</p>");
        }
        Ok(PairsFound { pairs, sources, synthetic, split, sizes, left_out }) => {
            facts.push(("Pairs", number::count(*pairs as u64)));
            facts.push(("Sources", format!("{} pictures that pairs were cut from", number::count(*sources as u64))));
            if let Some((train, validation)) = split {
                let (train, validation) = (number::count(*train as u64), number::count(*validation as u64));
                facts.push(("Split", format!("{train} to train on, {validation} held out, by source")));
            }
            if *synthetic > 0 {
                let share = 100.0 * *synthetic as f64 / (*pairs).max(1) as f64;
                facts.push(("Drawn", format!("{} ({share:.0} %) are synthetic", number::count(*synthetic as u64))));
            }
            if !sizes.is_empty() {
                let text = |((width, height), count): &((u32, u32), usize)| format!("{width} x {height} ({count})");
                let more = if sizes.len() > 4 { format!(", and {} more", sizes.len() - 4) } else { String::new() };
                let shown: Vec<String> = sizes.iter().take(4).map(text).collect();
                facts.push(("Sizes (pairs)", shown.join(", ") + &more));
            }
            if *left_out > 0 {
                facts.push(("Left out", counted(*left_out, "folder") + " without a whole pair"));
            }
            html.facts(&facts);
            html.raw("<p class=\"mut\">As the folder is now. <code>atelier dataset stats</code> measures its colours and the baseline; \
                      <code>atelier dataset card</code> writes a card to publish with it.</p>");
        }
    }
}

fn reproduce(html: &mut Html, manifest: &Manifest) {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(manifest.directory.as_ref().map(|directory| format!("cd {}", words::quoted(directory))));
    lines.extend(manifest.git.as_ref().map(|git| format!("git checkout {}", words::quoted(&git.commit))));
    if !manifest.command.is_empty() {
        lines.push(words::command(&manifest.command));
    }
    if !lines.is_empty() {
        let again = if manifest.generation > 0 {
            "The command of the newest restart, as it was given:"
        } else {
            "As it was given:"
        };
        html.element("p", &[], again).raw("<pre>").text(&lines.join("\n")).raw("</pre>");
    }
    if manifest.git.as_ref().is_some_and(|git| git.dirty == Some(true)) {
        html.raw("<p class=\"warn\">The work tree had uncommitted changes: the commit alone does not give the same code.</p>");
    }
    let config = manifest.config();
    if !config.is_empty() {
        let file = format!("{}.toml", crate::report::figures::slug(&manifest.name));
        html.raw("<p>From this page alone: ");
        let uri = format!("data:application/toml;base64,{}", BASE64.encode(config.as_bytes()));
        html.element("a", &[("href", &uri), ("download", &file)], "save the whole config");
        html.raw(" (it is also under <a href=\"#setup\">Setup</a>), then</p><pre>");
        html.text(&format!("atelier train {file}")).raw("</pre>");
    }
    if let Some(seed) = manifest.seed {
        html.raw("<p class=\"mut\">Data order, augmentation and noise follow from seed ").text(&seed.to_string());
        html.raw(", the step and the process's rank.</p>");
    }
}

/// Every series in numbers, those without a figure of their own too.
fn series(html: &mut Html, source: &Source) {
    let all: Vec<&Recorded> = source.metrics.iter().chain(&source.telemetry).collect();
    let values = number::count(source.points());
    html.raw("<details><summary>").text(&format!("{values} values in {} series", all.len()));
    html.raw("</summary><div class=\"scroll\"><table><thead><tr><th scope=\"col\">Series<th scope=\"col\">Course\
              <th class=\"n\" scope=\"col\">Points<th class=\"n\" scope=\"col\">First<th class=\"n\" scope=\"col\">Last\
              <th class=\"n\" scope=\"col\">Lowest<th class=\"n\" scope=\"col\">Highest<th class=\"n\" scope=\"col\">NaN</tr></thead><tbody>");
    for recorded in all {
        let (unit, scale) = unit(&recorded.name);
        let text = |value: f64| with_unit(value, scale, unit);
        let stats = Stats::of(recorded);
        html.raw("<tr><td>")
            .element("code", &[], &recorded.name)
            .raw("</td><td>")
            .picture(spark(recorded))
            .raw("</td>");
        let nan = recorded.curve.nan_count();
        let cells = [
            number::count(recorded.curve.len() as u64),
            stats.as_ref().map(|it| text(it.first)).unwrap_or_default(),
            stats.as_ref().map(|it| text(it.last)).unwrap_or_default(),
            stats.as_ref().map(|it| text(it.low)).unwrap_or_default(),
            stats.as_ref().map(|it| text(it.high)).unwrap_or_default(),
            if nan > 0 { number::count(nan as u64) } else { String::new() },
        ];
        for cell in cells {
            html.element("td", &[("class", "n")], &cell);
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div></details>\n");
}

/// The course of a series at a glance: what counts of it, over steps.
fn spark(recorded: &Recorded) -> crate::report::ink::SvgText {
    const SIZE: (f64, f64) = (120.0, 26.0);
    let mut svg = Svg::new(SIZE.0, SIZE.1);
    let curve = &recorded.curve;
    if let Some((from, to)) = curve.extent(Axis::Step)
        && let Some((low, high)) = curve.range(Values::Smoothed, Axis::Step, from, to)
    {
        let grid = Grid::new(Axis::Step, from, to, 60);
        let share = |value: f64, from: f64, to: f64| if to > from { (value - from) / (to - from) } else { 0.5 };
        for part in curve.parts().iter().filter(|part| !part.superseded) {
            let columns = curve.columns(part, Values::Smoothed, grid);
            let place = |mark: crate::record::Mark| {
                (2.0 + 116.0 * share(mark.x, from, to), 23.0 - 20.0 * share(mark.y, low, high))
            };
            let places: Vec<(f64, f64)> = columns
                .iter()
                .filter_map(|column| column.marks)
                .flat_map(|[_, low, high, last]| if low == high { vec![last] } else { vec![low, high] })
                .map(place)
                .collect();
            svg.line(&places, Pen::new(Paint::Info, 1.2));
        }
    }
    svg.spark(&format!("course of {}", recorded.name))
}
