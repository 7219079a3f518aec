//! Drawing pairs.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::app::hits::{Hits, Target};
use crate::app::screens::dataset::Dataset;
use crate::app::screens::dataset::checks::{Findings, Running};
use crate::app::screens::dataset::layout::Layout;
use crate::app::screens::dataset::read::{Pairs, Row};
use crate::app::shared::Shared;
use crate::app::text;
use crate::app::widgets::meter;
use crate::report::number;

/// Characters of a session's name.
const NAME: usize = 32;
/// Cells of a size and of a side.
const SIZE: usize = 9;
const SIDE: usize = 9;
/// Cells of the longest id and source that are shown whole.
const LONGEST: (usize, usize) = (16, 24);
/// Cells that are left to the last column at the least.
const NOTES: usize = 10;

/// Widths of the columns that depend on what stands in them.
#[derive(Clone, Copy)]
struct Widths {
    id: usize,
    /// None where there is no room for sources.
    source: Option<usize>,
}

impl Widths {
    fn of(pairs: &Pairs, area: Rect) -> Self {
        let id = pairs.longest.0.clamp(4, LONGEST.0);
        let source = pairs.longest.1.clamp(6, LONGEST.1);
        let needed = 2 + id + 1 + SIZE + 2 + SIDE + 1 + source + 1 + NOTES;
        Self { id, source: (needed <= usize::from(area.width)).then_some(source) }
    }
}

/// The first line: which session's pairs, and where they are.
pub fn title(dataset: &Dataset, shared: &Shared) -> Line<'static> {
    let theme = &shared.theme;
    let Some(listing) = shared.opened() else {
        let words = shared.open.as_ref().map_or("no session".to_owned(), |id| format!("{id}: not there any more"));
        return Line::from(Span::styled(words, theme.dim));
    };
    let mut spans = vec![Span::styled(text::fit(&listing.name, NAME, shared.glyphs.ellipsis), theme.title)];
    if let Some(Ok(pairs)) = &dataset.pairs {
        let root = pairs.root.display().to_string();
        spans.push(Span::raw("  "));
        spans.push(Span::styled(text::fit(&root, 60, shared.glyphs.ellipsis), theme.dim));
    }
    Line::from(spans)
}

/// Draw.
pub fn draw(dataset: &Dataset, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let pairs = match &dataset.pairs {
        Some(Ok(pairs)) => pairs,
        Some(Err(problem)) => return middle(problem, theme.warn, area, buffer),
        None if shared.open.is_none() && shared.listed => {
            return middle("no session yet: press 1, then n to start one", theme.dim, area, buffer);
        }
        None => return middle("reading", theme.dim, area, buffer),
    };
    let layout = Layout::of(area, dataset.shape(), shared.graphics.ratio());
    summary(dataset, pairs, shared, layout.summary, buffer);
    let widths = Widths::of(pairs, layout.rows);
    columns(widths, shared, layout.columns, buffer);
    list(dataset, widths, shared, layout.rows, buffer, hits);
    selected(dataset, shared, &layout, buffer, hits);
    foot(dataset, pairs, shared, layout.foot, buffer);
}

fn count(number: usize) -> String {
    number::count(number as u64)
}

/// `1 pair`, `2 pairs`.
fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// How much there is of what.
fn summary(dataset: &Dataset, pairs: &Pairs, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    let (theme, dot) = (&shared.theme, shared.glyphs.dot);
    if area.is_empty() {
        return;
    }
    let mut right = String::new();
    if dataset.only_problems {
        right.push_str("only problems");
    }
    if !dataset.filter.is_empty() {
        let gap = if right.is_empty() { "" } else { dot };
        write!(right, "{gap}filter {}", text::fit(&dataset.filter, 24, shared.glyphs.ellipsis)).ok();
    }
    if !right.is_empty() {
        write!(right, "{dot}{} shown", count(dataset.shown.len())).ok();
    }
    let end = text::put_right(buffer, area.x, area.y, area.right().saturating_sub(1), &right, theme.accent);
    let left_out = pairs.rows.iter().filter(|row| row.left_out.is_some()).count();
    let mut facts = vec![
        format!("{} train", count(pairs.train)),
        format!("{} held out ({} of the sources, seed {})", count(pairs.held_out), pairs.fraction, pairs.seed),
        counted(pairs.sources, "source"),
        format!("{} synthetic", count(pairs.synthetic)),
    ];
    if left_out > 0 {
        facts.insert(0, format!("{} left out", counted(left_out, "folder")));
    }
    let x = text::put(buffer, area.x + 1, area.y, end, &counted(pairs.train + pairs.held_out, "pair"), theme.title);
    let room = usize::from(end.saturating_sub(x + 1));
    let mut words = String::new();
    for fact in facts {
        if text::width(&words) + text::width(&fact) + text::width(dot) > room {
            break;
        }
        words.push_str(dot);
        words.push_str(&fact);
    }
    text::put(buffer, x, area.y, end, &words, theme.dim);
}

fn columns(widths: Widths, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    text::rule(buffer, area, shared.glyphs.rule, shared.theme.rule);
    // The rule shows between the titles. Sizes are aligned right.
    let mut titles = vec![("pair", widths.id), ("   pixels", SIZE + 1), ("side", SIDE)];
    titles.extend(widths.source.map(|width| ("source", width)));
    titles.push(("notes", 0));
    let mut x = area.x + 2;
    for (title, width) in titles {
        let name = title.trim_start();
        let begin = x + (title.len() - name.len()) as u16;
        text::put(buffer, begin - 1, area.y, area.right(), &format!(" {name} "), shared.theme.dim);
        x += width as u16 + 1;
    }
}

fn list(dataset: &Dataset, widths: Widths, shared: &Shared, area: Rect, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    if dataset.shown.is_empty() {
        let words = match (dataset.only_problems, dataset.filter.is_empty(), dataset.findings.is_some()) {
            (true, true, true) => "no pair has a problem",
            (true, true, false) => "no problem is known; c looks for some",
            _ => "no pair fits; esc shows all",
        };
        if !area.is_empty() {
            text::put(buffer, area.x + 2, area.y, area.right(), words, theme.dim);
        }
        return;
    }
    let page = usize::from(area.height);
    let rows = dataset.rows();
    let shown = dataset.shown.iter().enumerate().skip(dataset.first).take(page);
    for (y, (index, &row)) in (area.top()..area.bottom()).zip(shown) {
        let Some(row) = rows.get(row) else { continue };
        let line = Rect { y, height: 1, ..area };
        let chosen = index == dataset.at;
        if chosen {
            buffer.set_style(line, theme.selected);
            text::put(buffer, area.x, y, area.right(), shared.glyphs.cursor, theme.accent.patch(theme.selected));
        }
        hits.push(line, Target::Row(index));
        entry(dataset, row, chosen, widths, shared, line, buffer);
    }
}

fn entry(dataset: &Dataset, row: &Row, chosen: bool, widths: Widths, shared: &Shared, line: Rect, buffer: &mut Buffer) {
    let (theme, glyphs) = (&shared.theme, &shared.glyphs);
    let ground = if chosen { theme.selected } else { Style::new() };
    let mut x = line.x + 2;
    // Widths are of columns; 0 is all that is left.
    let mut put = |words: &str, width: usize, style: Style| {
        let room = if width == 0 { usize::from(line.right().saturating_sub(x)) } else { width };
        text::put(buffer, x, line.y, line.right(), &text::fit(words, room, glyphs.ellipsis), style.patch(ground));
        x += width as u16 + 1;
    };
    put(&row.id, widths.id, theme.text);
    let known = row.size.or_else(|| {
        // What the manifest does not say is known of the pair that is looked at.
        chosen.then(|| dataset.gallery.made(0)).flatten().map(|made| made.source)
    });
    let size = known.map_or_else(|| glyphs.none.to_owned(), |(width, height)| format!("{width}x{height}"));
    put(&format!("{size:>SIZE$}"), SIZE + 1, theme.dim);
    let side = if row.held_out { theme.accent } else { theme.dim };
    put(row.side(), SIDE, side);
    if let Some(width) = widths.source {
        put(&row.source, width, theme.dim);
    }
    let problems = dataset.problems(row);
    if row.left_out.is_some() {
        put(row.left_out.as_deref().unwrap_or_default(), 0, theme.bad);
    } else if let Some((first, _)) = problems.first() {
        let more = if problems.len() > 1 { format!(" +{}", problems.len() - 1) } else { String::new() };
        put(&format!("{}{more}", first.name()), 0, theme.bad);
    } else if row.synthetic {
        put("synthetic", 0, theme.dim);
    }
}

/// The pictures of the selected pair, and what is wrong with it.
fn selected(dataset: &Dataset, shared: &Shared, layout: &Layout, buffer: &mut Buffer, hits: &mut Hits) {
    let theme = &shared.theme;
    let Some(row) = dataset.selected() else { return };
    let mut words: Vec<(String, Style)> = Vec::new();
    if row.files.is_some() {
        for (index, (name, title)) in ["photo", "illustration"].into_iter().zip(layout.titles).enumerate() {
            if title.is_empty() {
                continue;
            }
            let x = text::put(buffer, title.x, title.y, title.right(), name, theme.title);
            let sizes = dataset.gallery.made(index).map(|made| made.source);
            let size = sizes.map(|(width, height)| format!(" {width}x{height}")).unwrap_or_default();
            if usize::from(title.right().saturating_sub(x)) >= size.len() {
                text::put(buffer, x, title.y, title.right(), &size, theme.dim);
            }
            if !layout.pictures[index].is_empty() {
                dataset.gallery.draw(index, shared, layout.pictures[index], buffer, hits);
            }
        }
        if row.source != row.id {
            let made = if row.synthetic { ", synthetic" } else { "" };
            words.push((format!("from {}{made}", row.source), theme.dim));
        }
    }
    words.extend(row.left_out.iter().map(|reason| (format!("{}: {reason}", row.id), theme.bad)));
    words.extend(dataset.problems(row).iter().map(|(kind, text)| (format!("{}: {text}", kind.name()), theme.bad)));
    // What is wrong matters more than where it comes from, where there is not room for both.
    if words.len() > 1 {
        words.rotate_left(1);
    }
    let area = layout.detail;
    let lines = words
        .iter()
        .flat_map(|(words, style)| text::wrap(words, usize::from(area.width)).into_iter().map(|line| (line, *style)));
    for (y, (line, style)) in (area.top()..area.bottom()).zip(lines) {
        text::put(buffer, area.x, y, area.right(), &line, style);
    }
}

/// How far the checks are, or what they found.
fn foot(dataset: &Dataset, pairs: &Pairs, shared: &Shared, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = &shared.theme;
    let (words, style) = match (&dataset.running, &dataset.findings) {
        (Some(running), _) => (progress(running, pairs, shared), theme.accent),
        (None, Some(findings)) if findings.total() == 0 => (verdict(findings), theme.good),
        (None, Some(findings)) => (verdict(findings), theme.warn),
        (None, None) => {
            let remark = pairs.remarks.first().map(|it| format!("{}{it}", shared.glyphs.dot)).unwrap_or_default();
            (format!("not checked{remark}"), theme.dim)
        }
    };
    let room = usize::from(area.width.saturating_sub(2));
    let words = text::fit(&words, room, shared.glyphs.ellipsis);
    text::put(buffer, area.x + 1, area.y, area.right(), &words, style);
}

fn progress(running: &Running, pairs: &Pairs, shared: &Shared) -> String {
    let share = running.done as f64 / running.all.max(1) as f64;
    let bar = meter::bar(share, 16, &shared.glyphs).concat();
    let of = if running.root() == pairs.root { String::new() } else { format!(" of {}", running.root().display()) };
    format!("checking {bar} {} of {}{of}", count(running.done), counted(running.all, "pair"))
}

/// What the checks found, in a line.
pub fn verdict(findings: &Findings) -> String {
    let pairs = counted(findings.pairs, "pair");
    let remark = findings.remarks.first().map(|it| format!("; {it}")).unwrap_or_default();
    if findings.total() == 0 {
        return format!("no problem in {pairs}{remark}");
    }
    let kinds: Vec<String> = findings.counts.iter().map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    format!("{} in {pairs}: {}{remark}", counted(findings.total(), "problem"), kinds.join(", "))
}

/// Words in the middle of an area.
fn middle(words: &str, style: Style, area: Rect, buffer: &mut Buffer) {
    let lines = text::wrap(words, usize::from(area.width.saturating_sub(4)));
    let first = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (y, line) in (first..area.bottom()).zip(&lines) {
        text::put(buffer, area.x + 2, y, area.right(), line, style);
    }
}
