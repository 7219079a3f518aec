//! Drawing samples.

use std::fmt::Write as _;

use image::{Rgb, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::hits::{Hits, Target};
use crate::app::screens::samples::found::{Every, Found};
use crate::app::screens::samples::layout::{FILM, Layout, TICKS};
use crate::app::screens::samples::{Against, Samples, View, name_of, ticks};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::theme;
use crate::app::widgets::picture::Picture;
use crate::report::number;
use crate::session::{Listing, State};

/// Characters of a session's name.
const NAME: usize = 32;

/// The first line: which session, and how it stands.
pub fn title(shared: &Shared) -> Line<'static> {
    let theme = &shared.theme;
    let Some(listing) = shared.opened() else {
        let words = shared.open.as_ref().map_or("no session".to_owned(), |id| format!("{id}: not there any more"));
        return Line::from(Span::styled(words, theme.dim));
    };
    let (sign, word) = shared.glyphs.state(listing.state);
    Line::from(vec![
        Span::styled(text::fit(&listing.name, NAME, shared.glyphs.ellipsis), theme.title),
        Span::raw("  "),
        Span::styled(format!("{sign} {word}"), theme.state(listing.state)),
        Span::styled(format!("{}samples", shared.glyphs.dot), theme.dim),
    ])
}

/// Draw.
pub fn draw(samples: &Samples, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let Some(own) = samples.own() else {
        let words = match (&shared.open, shared.listed) {
            (None, true) => "no session yet: press 1, then n to start one",
            _ => "reading",
        };
        return middle(&[(words.to_owned(), shared.theme.dim)], area, buffer);
    };
    if own.steps.is_empty() {
        return empty(own, shared, area, buffer);
    }
    let recipes = samples.recipes(shared).len();
    let layout = Layout::of(area, recipes, samples.shape(), shared.graphics.ratio());
    if recipes == 0 {
        let words = format!("step {} has no pictures in {}", shown(samples), own.folder.display());
        middle(&[(words, shared.theme.warn)], Rect { height: area.height.saturating_sub(3), ..area }, buffer);
    }
    for (index, (place, title)) in layout.pictures.iter().zip(&layout.titles).take(recipes).enumerate() {
        head(samples, index, shared, *title, buffer);
        let drawn = samples.gallery.draw(index, shared, *place, buffer, hits);
        hits.push(drawn, Target::Pane(index));
    }
    film(samples, own, &layout, shared, buffer, hits);
    foot(samples, own, shared, layout.foot, buffer, hits);
}

/// The sample along the training, each with its step; a click shows one of them.
fn film(samples: &Samples, own: &Found, layout: &Layout, shared: &Shared, buffer: &mut Buffer, hits: &mut Hits) {
    for (index, (at, place)) in samples.film_places(layout, shared).into_iter().enumerate() {
        let Some(step) = own.steps.get(at) else { continue };
        let style = if at == samples.at { shared.theme.accent } else { shared.theme.dim };
        text::put(buffer, place.x, place.y - 1, buffer.area.right(), &count(step.step), style);
        samples.film.draw(index, shared, place, buffer, hits);
        let whole = Rect { y: place.y - 1, height: place.height + 1, ..place };
        hits.push(whole, Target::Pane(FILM + at));
    }
}

/// The step that is shown, in words.
fn shown(samples: &Samples) -> String {
    samples.step().map_or_else(|| "?".to_owned(), count)
}

fn count(step: i64) -> String {
    number::count(step.unsigned_abs())
}

/// What stands over a picture: its name in bold, and what belongs to it.
fn head(samples: &Samples, index: usize, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let against = against(samples, shared);
    let (name, note) = match (samples.settings.view, index) {
        (View::Triple, 0) => ("input", String::new()),
        (View::Triple, 1) => ("target", String::new()),
        (View::Triple, _) => ("prediction", String::new()),
        (View::Wipe, _) => {
            if samples.other().is_none() {
                return line(&[("prediction", theme.title), (&missing(samples), theme.warn)], shared, area, buffer);
            }
            let right = text::put_right(buffer, area.x, area.y, area.right(), "prediction", theme.title);
            let left = Rect { width: right.saturating_sub(area.x + 1), ..area };
            return line(&[(&against, theme.title)], shared, left, buffer);
        }
        (View::Difference, 0) => ("prediction", missing(samples)),
        (View::Difference, _) => {
            let made = samples.gallery.made(index);
            let measure = made.and_then(|made| made.measure);
            let resized = made.and_then(|made| made.resized);
            let mut note = format!("from {against}");
            if let Some(measure) = measure {
                let dot = shared.glyphs.dot;
                note = format!("{dot}mean {:.4}{dot}most {:.2}{dot}{note}", measure.mean, measure.most);
            }
            if let Some((width, height)) = resized {
                write!(note, ", resized from {width}x{height}").ok();
            }
            return line(&[("difference", theme.title), (&note, theme.dim)], shared, area, buffer);
        }
    };
    line(&[(name, theme.title), (&note, theme.warn)], shared, area, buffer);
}

/// Pieces of text one after another, cut where there is no more room.
fn line(pieces: &[(&str, Style)], shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let mut x = area.x;
    if area.is_empty() {
        return;
    }
    for (piece, style) in pieces {
        let room = usize::from(area.right().saturating_sub(x));
        x = text::put(buffer, x, area.y, area.right(), &text::fit(piece, room, shared.glyphs.ellipsis), *style);
    }
}

/// What a prediction is compared with, in words.
fn against(samples: &Samples, shared: &Shared) -> String {
    let step = samples.other().and_then(|(_, step)| step).map(count);
    match &samples.against {
        Against::Target => "target".to_owned(),
        Against::Mark => format!("A, step {}", step.unwrap_or_default()),
        Against::Session(id) => {
            let name = shared.listing(id).map_or(name_of(id), |listing| listing.name.as_str());
            format!("{}, step {}", text::fit(name, NAME, shared.glyphs.ellipsis), step.unwrap_or_default())
        }
    }
}

/// Why there is nothing to compare with, if there is nothing.
fn missing(samples: &Samples) -> String {
    match &samples.against {
        _ if samples.other().is_some() => String::new(),
        Against::Target => String::new(),
        Against::Mark => "  A has no such sample".to_owned(),
        Against::Session(id) => format!("  {} has no such sample", name_of(id)),
    }
}

/// The rule, the line of steps, what was measured.
fn foot(samples: &Samples, own: &Found, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let (theme, dot) = (&shared.theme, shared.glyphs.dot);
    let row = |index: u16| Rect { y: area.y + index, height: u16::from(index < area.height), ..area };
    text::rule(buffer, row(0), shared.glyphs.rule, theme.rule);
    let step = samples.step().unwrap_or_default();
    let files = samples.samples();
    let left = format!(" step {}", count(step));
    let mut right = format!(" {}", samples.settings.view.word());
    if samples.seen.zoom > 1 {
        write!(right, "{dot}{}x", samples.seen.zoom).ok();
    }
    let goes_on = shared.listing(&own.id).and_then(|listing| listing.state).is_some_and(State::is_active);
    if samples.follow && goes_on {
        write!(right, "{dot}following").ok();
    }
    right.push(' ');
    if row(0).height > 0 {
        let end = text::put_right(buffer, area.x, area.y, area.right().saturating_sub(1), &right, theme.dim);
        let x = text::put(buffer, area.x + 1, area.y, end, &left, theme.title);
        let places = format!(
            "{} of {} steps{dot}sample {} of {files} ",
            samples.at + 1,
            own.steps.len(),
            (samples.sample + 1).min(files)
        );
        text::put(buffer, x, area.y, end, &format!("{dot}{places}"), theme.dim);
    }
    let line = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..row(1) };
    let steps: Vec<i64> = own.steps.iter().map(|it| it.step).collect();
    let best = shared.listing(&own.id).and_then(|listing| own.nearest(listing.best_value()?.1.step));
    let best = best.and_then(|at| own.steps.get(at)).map(|step| (step.step, '*'));
    let marks: Vec<(i64, char)> = best.into_iter().chain(samples.mark.map(|step| (step, 'A'))).collect();
    ticks::draw(&steps, samples.at, &marks, shared, line, buffer);
    hits.push(line, Target::Pane(TICKS));
    if row(2).height > 0 {
        let mut end = area.right().saturating_sub(1);
        if samples.settings.view == View::Difference && samples.other().is_some() {
            end = legend(samples, shared, row(2), buffer).saturating_sub(2);
        }
        values(own, step, shared, Rect { width: end.saturating_sub(area.x), ..row(2) }, buffer);
    }
}

/// What was measured at a step or before it, the metric that checkpoints are chosen by first.
fn values(own: &Found, step: i64, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let best = shared.listing(&own.id).and_then(|listing| listing.best_metric.clone()).unwrap_or_default();
    let best = best.strip_prefix("val/").unwrap_or(&best);
    let mut names: Vec<&String> = own.values.keys().collect();
    names.sort_by_key(|name| name.as_str() != best);
    let found: Vec<_> = names.iter().filter_map(|name| Some((*name, own.value(name, step)?))).collect();
    let mut x = area.x + 1;
    let Some((_, first)) = found.first() else {
        let words = if own.values.is_empty() { "nothing was measured on held-out pairs" } else { "measured later" };
        text::put(buffer, x, area.y, area.right(), words, theme.dim);
        return;
    };
    let mut when = format!("epoch {:.1}", first.epoch);
    if first.step != step {
        when = format!("at step {}", count(first.step));
    }
    for (name, value) in &found {
        let value = number::value(value.value);
        if usize::from(x) + name.len() + value.len() + 5 > usize::from(area.right()) {
            return;
        }
        x = text::put(buffer, x, area.y, area.right(), &format!("val/{name} "), theme.dim);
        x = text::put(buffer, x, area.y, area.right(), &value, theme.text) + 3;
    }
    if usize::from(x) + when.len() <= usize::from(area.right()) {
        text::put(buffer, x, area.y, area.right(), &when, theme.dim);
    }
}

/// What the colours of a difference mean; gives where it begins.
fn legend(samples: &Samples, shared: &Shared, area: Rect, buffer: &mut Buffer) -> u16 {
    const CELLS: u16 = 12;
    let theme = &shared.theme;
    let top = format!(" {}", f64::from(samples.scale()) / 1000.0);
    let end = text::put_right(buffer, area.x, area.y, area.right().saturating_sub(1), &top, theme.dim);
    let begin = end.saturating_sub(CELLS);
    if begin < area.x + 2 {
        return end;
    }
    ramp(shared, CELLS).draw(Rect { x: begin, width: CELLS, ..area }, shared.look(), buffer);
    text::put_right(buffer, area.x, area.y, begin, "0 ", theme.dim)
}

/// The colours of a difference, from nothing to the most, as a picture of one row.
fn ramp(shared: &Shared, cells: u16) -> Picture {
    let share = |x: u32| x as f32 / f32::from(cells - 1);
    let colour = |x, _| Rgb(theme::heat(shared.theme.name, share(x)));
    Picture::of_cells(RgbImage::from_fn(u32::from(cells), 2, colour))
}

/// No samples yet: when they come.
fn empty(own: &Found, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let theme = &shared.theme;
    let mut lines = Vec::new();
    if let Some(problem) = &own.problem {
        lines.push((problem.clone(), theme.bad));
    }
    if let Some(trouble) = &shared.trouble {
        lines.push((trouble.clone(), theme.bad));
        return middle(&lines, area, buffer);
    }
    lines.push(("no samples yet".to_owned(), theme.text));
    if let Some(listing) = shared.listing(&own.id) {
        lines.extend(coming(listing, own.every).into_iter().map(|line| (line, theme.dim)));
    }
    middle(&lines, area, buffer);
}

/// When the next samples come, and what brings them sooner.
fn coming(listing: &Listing, every: Every) -> Vec<String> {
    let Some(state) = listing.state.filter(|state| state.is_active()) else {
        let word = listing.state.map_or("unreadable", State::word);
        return vec![format!("the session is {word} and left none")];
    };
    let mut lines = Vec::new();
    if every.epochs > 0 {
        let done = listing.epoch.unwrap_or(0.0).max(0.0) as i64;
        let next = (done / every.epochs + 1) * every.epochs;
        // The last epoch always has them.
        let next = listing.total_epochs.map_or(next, |all| next.min(all.ceil() as i64));
        lines.push(format!("the next come after epoch {next} (samples.every_epochs = {})", every.epochs));
    }
    if every.steps > 0 {
        let next = (listing.step.unwrap_or(0).max(0) / every.steps + 1) * every.steps;
        lines.push(format!("the next come after step {} (samples.every_steps = {})", count(next), every.steps));
    }
    if lines.is_empty() {
        lines.push("none are made by themselves (samples.every_epochs = 0, samples.every_steps = 0)".to_owned());
    }
    let paused = if state == State::Paused { "; the session is paused" } else { "" };
    lines.push(format!("i asks for some now{paused}"));
    lines
}

/// Lines in the middle of an area.
fn middle(lines: &[(String, Style)], area: Rect, buffer: &mut Buffer) {
    let width = usize::from(area.width.saturating_sub(4));
    let all: Vec<(String, Style)> =
        lines.iter().flat_map(|(words, style)| text::wrap(words, width).into_iter().map(|it| (it, *style))).collect();
    let first = area.y + area.height.saturating_sub(all.len() as u16) / 2;
    for (y, (words, style)) in (first..area.bottom()).zip(&all) {
        text::put(buffer, area.x + 2, y, area.right(), words, *style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Folder, read_listing};

    fn listing(state: State) -> Listing {
        let mut listing = read_listing(&Folder::new("nowhere/260304-120000-x"));
        listing.state = Some(state);
        listing.epoch = Some(4.6);
        listing.step = Some(230);
        listing
    }

    #[test]
    fn the_next_samples_are_counted_from_where_the_session_is() {
        let running = |every| coming(&listing(State::Running), every).join("\n");
        assert!(running(Every { epochs: 2, steps: 0 }).contains("after epoch 6 (samples.every_epochs = 2)"));
        assert!(running(Every { epochs: 0, steps: 100 }).contains("after step 300 (samples.every_steps = 100)"));
        assert!(running(Every::default()).contains("none are made by themselves"));
        assert!(running(Every::default()).contains("i asks for some now"));
        let last = Listing { total_epochs: Some(5.0), ..listing(State::Running) };
        assert!(coming(&last, Every { epochs: 10, steps: 0 })[0].contains("after epoch 5"));
        let over = coming(&listing(State::Finished), Every { epochs: 1, steps: 0 });
        assert_eq!(over, ["the session is finished and left none"]);
    }
}
